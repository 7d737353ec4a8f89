"""What the supervised models share: hyperparameters, `fit`, batches, files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np

from rnnfast._checks import LARGEST_FACTOR, check_bool, check_int, check_real, make_generator
from rnnfast.data.batches import Ints, bucket_by_length
from rnnfast.io.tensors import to_json
from rnnfast.models.fitting import make_trainer, train_copy
from rnnfast.models.parts.encoder import EncoderLayers
from rnnfast.models.parts.examples import (
    ExampleBatch,
    ExampleBatches,
    Examples,
    fingerprint,
    pad_batch,
)
from rnnfast.models.parts.inputs import Inputs, TokenInputs, inputs_from_dict, learn_inputs
from rnnfast.models.parts.sequences import Sequences, lengths_of, read_sequences
from rnnfast.models.recurrent_model import RecurrentModel
from rnnfast.nn.module import Array
from rnnfast.training.loop import Callback
from rnnfast.training.progress import Reporter

Self = TypeVar("Self", bound="Estimator")

# Sequences side by side where no gradient is needed; the result does not depend on it.
_SCORED_SEQUENCES = 128


@dataclass(kw_only=True, eq=False, repr=False)
class Estimator(RecurrentModel, base=True):
    """Base of the supervised models: hyperparameters that all have, and `fit`.

    A subclass is such a dataclass too. It adds its hyperparameters as fields and fills in
    `_prepare`, `_make_network`, `_figures`, and `_learned` and `_restore` for what it learns
    besides.

    Parameters
    ----------
    standardize : bool
        Whether each feature of a series has its mean taken off and is divided by its standard
        deviation; both of the part that is learned from, over all steps.
    bidirectional : bool
        Whether a second chain of states runs from the last step to the first.
    embedding_scale : float
        Standard deviation of the initial embeddings. Small ones leave more to what is learned,
        which helps where examples are few.
    word_dropout : float
        Probability with which, in training, a token is read as ``<UNK>``: the model learns what to
        make of unknown ones, and not to rely on single ones. Of no effect on series.
    epochs : int
        How many times to go through the examples, at most.
    verbose : int
        0 shows nothing; 1 a progress bar on a terminal, elsewhere one line an epoch; 2 lines.
    **others
        The hyperparameters that all models have; see
        `rnnfast.models.recurrent_model.RecurrentModel`.

    Attributes
    ----------
    inputs_ : TokenInputs or SeriesInputs
        How sequences are encoded.
    network_ : object
        The layers.
    history_, best_epoch_, stopped_
        As every model has them.
    """

    standardize: bool = True
    bidirectional: bool = False
    embedding_scale: float = 1.0
    word_dropout: float = 0.0
    epochs: int = 20
    verbose: int = 1

    # The figure of `_figures` that tells which epoch is the best, and whether more is better.
    _monitor: ClassVar[str] = "valid_loss"
    _maximize: ClassVar[bool] = False
    # What the progress counts.
    _unit: ClassVar[str] = "sequence"
    # What scikit-learn takes it for: "classifier", "regressor" or None.
    _estimator_type: ClassVar[str | None] = None

    # What a subclass fills in

    def _prepare(self, X: Any, y: Any, valid: Any) -> tuple[Examples, Examples | None]:
        """Check what `fit` was given, set `inputs_` and the like, and return encoded examples.

        Called on a copy of the model, so that a failure changes nothing. Returns the examples to
        learn from and those to validate on, if any.
        """
        raise NotImplementedError

    def _make_network(self, rng: np.random.Generator) -> Any:
        """Make the network, from hyperparameters and what was learned.

        Its ``add_gradients(batch)`` adds the gradients of the summed loss, and returns it and how
        many terms it has.
        """
        raise NotImplementedError

    def _figures(self, examples: Examples) -> dict[str, float]:
        """Return figures of the network on examples: ``valid_loss`` and others."""
        raise NotImplementedError

    def _baseline(self, examples: Examples) -> float | None:
        """Return what a network that has learned nothing loses on examples; None: not known."""
        return None

    def _choice(self) -> tuple[str, bool]:
        """Return the figure that tells which epoch is the best, and whether more is better."""
        return self._monitor, self._maximize

    def _make_batch(self, examples: Examples, chosen: Ints) -> Any:
        """Return the batch of the examples of these numbers."""
        x, lengths = pad_batch(examples.x, chosen)
        return ExampleBatch(x, lengths, examples.y[chosen])

    def _make_step(
        self, network: Any, progress: Callable[[], float]
    ) -> Callable[[Any], tuple[float, int]]:
        """Return what adds a batch's gradients; `progress` tells how much of training is over."""
        step: Callable[[Any], tuple[float, int]] = network.add_gradients
        return step

    # Training

    def fit(
        self: Self,
        X: Any,
        y: Any,
        *,
        valid: tuple[Any, Any] | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        resume: bool = False,
        callbacks: Sequence[Callback] = (),
    ) -> Self:
        """Learn from examples.

        What was learned before is forgotten, unless training is resumed. Until training has ended,
        the model is as it was, also for callbacks and other threads; it stays so if an error ends
        the training. Ctrl-C ends training after the running step, with a model that can be used;
        SIGTERM and SIGHUP do so too, and then end the process if nothing else handles them.

        Parameters
        ----------
        X : list of str, list of list of str, list of ndarray, or ndarray
            Sequences: text, tokens, series ``(T_i, F)`` of different lengths, or an array
            ``(N, T, F)``.
        y : sequence
            What belongs to each, as `score` takes it.
        valid : (X, y), optional
            What to measure after each epoch; without it a part of the examples. The weights of the
            best epoch are kept.
        checkpoint : path-like, optional
            A file to write after epochs, every two minutes within them, and when stopped, from
            which training can go on. One that stands there is replaced if its training has ended;
            that of an unfinished one is refused without ``resume``.
        resume : bool
            Go on from the checkpoint, with the same bits as if training had not stopped. Examples
            and hyperparameters must be the same; ``epochs`` may be others, to which the learning
            rate then goes on from where it stands (`rnnfast.CosineLR`).
        callbacks : sequence of callable
            Called with a `rnnfast.training.Progress` after each step and each epoch;
            ``progress.model`` is the model in training.

        Returns
        -------
        self
            This model, fitted.

        Raises
        ------
        ValueError
            If a hyperparameter is wrong, there is no example, ``X`` and ``y`` differ in length, or
            numbers are not finite.
        TypeError
            If something is of a wrong type, or ``X`` is a mixture.
        FloatingPointError
            If the loss or a gradient becomes infinite or NaN.
        OSError
            If a checkpoint cannot be read or written.
        """
        fresh = self._copy_to_train()
        train, held_out = fresh._prepare(X, y, valid)
        rng = make_generator("seed", fresh.seed)
        network = fresh.network_ = fresh._make_network(rng)
        lengths = lengths_of(train.x)
        total_steps = fresh.epochs * -(-len(lengths) // fresh.batch_size)
        monitor, maximize = fresh._choice()
        trainer = make_trainer(
            fresh,
            network.modules,
            rng,
            step=fresh._make_step(network, lambda: trainer.steps / total_steps),
            batches=lambda rng: ExampleBatches(
                lengths, lambda chosen: fresh._make_batch(train, chosen), fresh.batch_size, rng
            ),
            total_steps=total_steps,
            checkpoint=checkpoint,
            data=lambda: {"data": fingerprint(train, held_out, to_json(fresh._learned()))},
            validate=None if held_out is None else lambda: fresh._figures(held_out),
            monitor=monitor,
            maximize=maximize,
            baseline=fresh._baseline(train if held_out is None else held_out),
            callbacks=callbacks,
            reporter=Reporter(fresh.verbose, unit=fresh._unit),
        )
        train_copy(self, fresh, trainer, fresh.epochs, resume)
        return self

    def _check_hyperparameters(self) -> None:
        super()._check_hyperparameters()
        check_real("embedding_scale", self.embedding_scale, 0, LARGEST_FACTOR, above=True)
        check_real("word_dropout", self.word_dropout, 0, 1, below=True)
        check_int("epochs", self.epochs, 1)
        check_int("verbose", self.verbose, 0)
        check_bool("standardize", self.standardize)

    # Parts for subclasses

    def _read(self, name: str, X: Any) -> Sequences:
        return read_sequences(name, X, self._tokenizer())

    def _learn_inputs(self, sequences: Sequences) -> Inputs:
        return learn_inputs(
            "X",
            sequences,
            self._tokenizer(),
            max_vocabulary_size=self.max_vocabulary_size,
            min_count=self.min_count,
            standardize=self.standardize,
            dtype=self.dtype,
            rounding=self._input_rounding(),
        )

    def _input_rounding(self) -> float | Array:
        """Return what calculations may have left in series, as `mean_and_scale` takes it."""
        return 0.0

    def _make_encoder(
        self, inputs: Inputs, rng: np.random.Generator, **options: Any
    ) -> EncoderLayers:
        """Make the layers that read encoded sequences; options as `EncoderLayers` takes them."""
        is_tokens = isinstance(inputs, TokenInputs)
        return EncoderLayers(
            inputs.size,
            tokens=is_tokens,
            embedding_size=self.embedding_size,
            sparse_embedding=self.sparse_embedding,
            cell=self.cell,
            hidden_size=self.hidden_size,
            num_layers=self.num_layers,
            bidirectional=self.bidirectional,
            dropout=self.dropout,
            variational=self.variational,
            cell_options=self.cell_options,
            dtype=self.dtype,
            rng=rng,
            unknown=inputs.vocabulary.unk_id if isinstance(inputs, TokenInputs) else None,
            word_dropout=self.word_dropout,
            embedding_scale=self.embedding_scale,
            **options,
        )

    def _scoring_batches(self, x: list[Array]) -> Iterator[tuple[Ints, Array, Ints]]:
        """Yield numbers, padded inputs and lengths of sequences, similar lengths together."""
        for chosen in bucket_by_length(lengths_of(x), _SCORED_SEQUENCES):
            yield chosen, *pad_batch(x, chosen)

    def __sklearn_tags__(self) -> Any:
        """Return what scikit-learn, which alone calls this, asks of an estimator."""
        from sklearn.utils import ClassifierTags, RegressorTags, Tags, TargetTags

        kind = self._estimator_type
        return Tags(
            estimator_type=kind,
            target_tags=TargetTags(required=True),
            classifier_tags=ClassifierTags() if kind == "classifier" else None,
            regressor_tags=RegressorTags() if kind == "regressor" else None,
        )

    # Files

    def _learned(self) -> dict[str, Any]:
        return {**super()._learned(), "inputs": self.inputs_.to_dict()}

    def _restore(self, learned: Mapping[str, Any]) -> None:
        """Set what `_learned` gave, and make the layers: called last by a subclass's."""
        super()._restore(learned)
        self.inputs_ = inputs_from_dict(learned["inputs"])
        self.network_ = self._make_network(np.random.default_rng(0))
