"""What the supervised models share: hyperparameters, `fit`, batches, files."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, TypeVar

import numpy as np

from rnnfast._checks import check_int, check_real, make_generator
from rnnfast._progress import Reporter
from rnnfast.data.batches import Ints, bucket_by_length, pad_sequences
from rnnfast.models._fitting import check_shared, digest, make_trainer, run_trainer
from rnnfast.models.base import Model
from rnnfast.models.encoder import EncoderLayers
from rnnfast.models.inputs import (
    Inputs,
    Sequences,
    TokenInputs,
    inputs_from_dict,
    learn_inputs,
    lengths_of,
    make_tokenizer,
    read_sequences,
)
from rnnfast.models.parts import Cell
from rnnfast.nn.module import Array, Module
from rnnfast.training import Callback

Self = TypeVar("Self", bound="Estimator")

# By how much lengths may differ in a batch: so much that every epoch has other batches.
_LENGTH_JITTER = 0.1
# Sequences side by side where no gradient is needed; the result does not depend on it.
_SCORED_SEQUENCES = 128


class Network(Protocol):
    """What an estimator trains."""

    @property
    def modules(self) -> dict[str, Module]:
        """The trained layers by name."""
        ...

    def add_gradients(self, batch: Any) -> tuple[float, int]:
        """Add the gradients of the summed loss; return it and how many terms it has."""
        ...


class Examples(NamedTuple):
    """Encoded examples.

    Attributes
    ----------
    x : list of ndarray
        Ids ``(T_i,)`` or series ``(T_i, F)``.
    y : ndarray or list of ndarray
        What belongs to each; its first axis is that of the examples.
    """

    x: list[Array]
    y: Any


class ExampleBatch(NamedTuple):
    """Some examples side by side.

    Attributes
    ----------
    x : ndarray
        Ids ``(T, B)`` or series ``(T, B, F)``, padded with zeros; T is at least 1.
    lengths : ndarray of int64, shape (B,)
        The steps of each that count.
    y : ndarray
        What belongs to each: ``(B, ...)``, or as the model's batches have it.
    """

    x: Array
    lengths: Ints
    y: Any


class ExampleBatches:
    """The batches of an epoch: sequences of similar length together, in a random order.

    Parameters
    ----------
    lengths : ndarray of int, shape (N,)
        Of all sequences.
    make : callable
        Returns the batch of the examples of some numbers ``(B,)``.
    batch_size : int
        B; one batch may be smaller.
    rng : numpy.random.Generator, optional
        Shuffles; None: the shortest first.
    """

    def __init__(
        self,
        lengths: Ints,
        make: Callable[[Ints], Any],
        batch_size: int,
        rng: np.random.Generator | None = None,
    ) -> None:
        self._make = make
        self._buckets = bucket_by_length(
            lengths, batch_size, rng, jitter=0.0 if rng is None else _LENGTH_JITTER
        )

    def __len__(self) -> int:
        return len(self._buckets)

    def __iter__(self) -> Iterator[Any]:
        return map(self._make, self._buckets)


@dataclass(kw_only=True, eq=False, repr=False)
class Estimator(Model):
    """Base of the supervised models: hyperparameters that all have, and `fit`.

    A subclass is such a dataclass too. It adds its hyperparameters as fields and fills in
    `_prepare`, `_make_network`, `_figures`, and `_learned` and `_restore` for what it learns
    besides.

    Parameters
    ----------
    level : {"word", "char"}
        What a token of a text is. Of no effect on token lists and series.
    tokenizer_options : dict, optional
        What `WordTokenizer` or `CharTokenizer` take, such as ``{"lower": True}``.
    max_vocabulary_size : int, optional
        Only so many of the most frequent tokens get an id of their own; the others are ``<UNK>``.
    min_count : int
        Only tokens that occur at least so often do.
    standardize : bool
        Whether each feature of a series has its mean taken off and is divided by its standard
        deviation; both of the part that is learned from, over all steps.
    cell : {"lstm", "gru", "rnn", "layer_norm_lstm", "layer_norm_gru"}
        The recurrent cell.
    hidden_size, num_layers : int
        Units of a layer in each direction, and how many layers.
    bidirectional : bool
        Whether a second chain of states runs from the last step to the first.
    embedding_size : int, optional
        Learned vectors of so many numbers as inputs; None: one-hot vectors (by their index). Of no
        effect on series.
    dropout : float
        Probability with which, in training, embeddings and the layers' outputs are set to zero.
    word_dropout : float
        Probability with which, in training, a token is read as ``<UNK>``: the model learns what to
        make of unknown ones, and not to rely on single ones. Of no effect on series.
    cell_options : dict, optional
        What is particular to the cell; see `make_recurrent`.
    optimizer : {"adam", "adamw", "sgd", "rmsprop", "adagrad"}
        Which, with ``optimizer_options``, a dict, as its further arguments.
    learning_rate : float
        The first learning rate.
    schedule : {"cosine", "constant", "plateau"}
        How the learning rate falls: to a hundredth over the epochs asked for, along half a cosine;
        not at all; or by half whenever two epochs on end were no better on the examples held out.
    clip_norm : float, optional
        Bound for the norm of all gradients together.
    batch_size : int
        Sequences that are learned from at once.
    epochs : int
        How many times to go through the examples, at most.
    validation_fraction : float
        The part of the examples to hold out where `fit` is given no others to validate on: some
        from all over, the same ones for any seed. 0: none.
    patience : int, optional
        Stop after so many epochs that are no better, on the examples held out, than the best one.
    seed : int, optional
        Of initial weights, order of examples and dropout: the same seed, the same model.
    dtype : {"float32", "float64"}
        Of the weights.
    verbose : int
        0 shows nothing; 1 a progress bar on a terminal, elsewhere one line an epoch; 2 lines.

    Attributes
    ----------
    inputs_ : TokenInputs or SeriesInputs
        How sequences are encoded.
    network_ : object
        The layers.
    history_, best_epoch_, stopped_
        As every model has them.
    """

    level: Literal["word", "char"] = "word"
    tokenizer_options: Mapping[str, Any] | None = None
    max_vocabulary_size: int | None = None
    min_count: int = 1
    standardize: bool = True
    cell: Cell = "lstm"
    hidden_size: int = 64
    num_layers: int = 1
    bidirectional: bool = False
    embedding_size: int | None = 64
    dropout: float = 0.0
    word_dropout: float = 0.0
    cell_options: Mapping[str, Any] | None = None
    optimizer: Literal["adam", "adamw", "sgd", "rmsprop", "adagrad"] = "adam"
    optimizer_options: Mapping[str, Any] | None = None
    learning_rate: float = 0.003
    schedule: Literal["constant", "cosine", "plateau"] = "cosine"
    clip_norm: float | None = 5.0
    batch_size: int = 32
    epochs: int = 20
    validation_fraction: float = 0.1
    patience: int | None = None
    seed: int | None = None
    dtype: Literal["float32", "float64"] = "float32"
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
        """Make the `Network`, from hyperparameters and what was learned."""
        raise NotImplementedError

    def _figures(self, examples: Examples) -> dict[str, float]:
        """Return figures of the network on examples: ``valid_loss`` and others."""
        raise NotImplementedError

    def _choice(self) -> tuple[str, bool]:
        """Return the figure that tells which epoch is the best, and whether more is better."""
        return self._monitor, self._maximize

    def _make_batch(self, examples: Examples, chosen: Ints) -> Any:
        """Return the batch of the examples of these numbers."""
        x, lengths = pad_batch(examples.x, chosen)
        return ExampleBatch(x, lengths, examples.y[chosen])

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

        What was learned before is forgotten, unless training is resumed. Ctrl-C ends training
        after the running step, with a model that can be used.

        Parameters
        ----------
        X : list of str, list of list of str, list of ndarray, or ndarray
            Sequences: text, tokens, series ``(T_i, F)`` of different lengths, or an array
            ``(N, T, F)``.
        y : sequence
            What belongs to each.
        valid : (X, y), optional
            What to measure after each epoch; without it a part of the examples. The weights of the
            best epoch are kept.
        checkpoint : path-like, optional
            A file to write after epochs and when stopped, from which training can go on.
        resume : bool
            Go on from the checkpoint, with the same bits as if training had not stopped. Examples
            and hyperparameters must be the same.
        callbacks : sequence of callable
            Called with a `rnnfast.training.Progress` after each step and each epoch.

        Returns
        -------
        self

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
        self._check_hyperparameters()
        fresh = copy.copy(self)
        train, held_out = fresh._prepare(X, y, valid)
        rng = make_generator("seed", self.seed)
        network = fresh.network_ = fresh._make_network(rng)
        lengths = lengths_of(train.x)
        monitor, maximize = self._choice()
        trainer = make_trainer(
            self,
            network.modules,
            rng,
            step=network.add_gradients,
            batches=lambda rng: ExampleBatches(
                lengths, lambda chosen: self._make_batch(train, chosen), self.batch_size, rng
            ),
            total_steps=self.epochs * -(-len(lengths) // self.batch_size),
            checkpoint=checkpoint,
            data=lambda: {"data": _fingerprint(train, held_out)},
            validate=None if held_out is None else lambda: self._figures(held_out),
            monitor=monitor,
            maximize=maximize,
            callbacks=callbacks,
            reporter=Reporter(self.verbose, unit=self._unit),
        )
        vars(self).update(vars(fresh))
        run_trainer(self, trainer, self.epochs, resume)
        return self

    def _check_hyperparameters(self) -> None:
        """Raise for those that no part checks; a subclass adds its own."""
        check_shared(self)
        check_real("word_dropout", self.word_dropout, 0, 1, below=True)
        check_int("epochs", self.epochs, 1)
        check_int("verbose", self.verbose, 0)
        if not isinstance(self.standardize, bool):
            got = type(self.standardize).__name__
            raise TypeError(f"standardize: expected True or False, got {got}")

    # Parts for subclasses

    def _read(self, name: str, X: Any) -> Sequences:
        return read_sequences(name, X, make_tokenizer(self.level, self.tokenizer_options))

    def _learn_inputs(self, sequences: Sequences) -> Inputs:
        return learn_inputs(
            "X",
            sequences,
            make_tokenizer(self.level, self.tokenizer_options),
            max_vocabulary_size=self.max_vocabulary_size,
            min_count=self.min_count,
            standardize=self.standardize,
            dtype=self.dtype,
        )

    def _make_encoder(
        self, inputs: Inputs, rng: np.random.Generator, **options: Any
    ) -> EncoderLayers:
        """Make the layers that read encoded sequences; options as `EncoderLayers` takes them."""
        is_tokens = isinstance(inputs, TokenInputs)
        return EncoderLayers(
            inputs.size,
            tokens=is_tokens,
            embedding_size=self.embedding_size,
            cell=self.cell,
            hidden_size=self.hidden_size,
            num_layers=self.num_layers,
            bidirectional=self.bidirectional,
            dropout=self.dropout,
            cell_options=self.cell_options,
            dtype=self.dtype,
            rng=rng,
            unknown=inputs.vocabulary.unk_id if isinstance(inputs, TokenInputs) else None,
            word_dropout=self.word_dropout,
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

    def _is_fitted(self) -> bool:
        return hasattr(self, "network_")

    def _modules(self) -> dict[str, Module]:
        modules: dict[str, Module] = self.network_.modules
        return modules

    def _learned(self) -> dict[str, Any]:
        return {**super()._learned(), "inputs": self.inputs_.to_dict()}

    def _restore(self, learned: Mapping[str, Any]) -> None:
        """Set what `_learned` gave, and make the layers: called last by a subclass's."""
        super()._restore(learned)
        self.inputs_ = inputs_from_dict(learned["inputs"])
        self.network_ = self._make_network(np.random.default_rng(0))


def pad_batch(sequences: Sequence[Array], chosen: Ints) -> tuple[Array, Ints]:
    """Return the sequences of some numbers padded, ``(T, B, ...)`` with T at least 1, and lengths.

    Parameters
    ----------
    sequences : list of ndarray
        Of any lengths.
    chosen : ndarray of int, shape (B,)
        Which.
    """
    x, lengths = pad_sequences([sequences[number] for number in chosen])
    if len(x) == 0:
        x = np.zeros((1, *x.shape[1:]), x.dtype)
    return x, lengths


def hold_out(count: int, fraction: float, classes: Array | None = None) -> tuple[Ints, Ints]:
    """Return the numbers of the examples to learn from, and of those to validate on.

    Always the same ones, in order.

    Parameters
    ----------
    count : int
        How many examples there are.
    fraction : float
        The share to hold out.
    classes : ndarray of int, optional
        ``(count,)``: each class has its share of both parts, and at least one example to learn
        from.

    Raises
    ------
    ValueError
        If there is too little to divide.
    """
    if fraction == 0:
        return np.arange(count), np.arange(0)
    if classes is None:
        classes = np.zeros(count, np.int64)
    order = np.random.default_rng(0).permutation(count)
    order = order[np.argsort(classes[order], kind="stable")]
    # The first of each class stays; from the rest, class after class, every so-manieth is taken.
    rest = order[1:][classes[order[1:]] == classes[order[:-1]]]
    if len(rest) == 0:
        raise ValueError(
            f"X: expected at least 2 examples{' of a class' if count > 1 else ''}, to hold one "
            f"out, got {count}; or set validation_fraction=0"
        )
    number = min(max(round(count * fraction), 1), len(rest))
    taken = rest[np.arange(number) * len(rest) // number]
    return np.setdiff1d(np.arange(count), taken), np.sort(taken)


def split_valid(valid: Any) -> tuple[Any, Any]:
    """Return the X and y of what `fit` was given to validate on.

    Raises
    ------
    TypeError
        If it is not a pair.
    """
    if not isinstance(valid, (tuple, list)) or len(valid) != 2:
        raise TypeError(f"valid: expected a pair (X, y), got {type(valid).__name__}")
    return valid[0], valid[1]


def check_same_length(X: Sized, y: Sized, suffix: str = "") -> None:
    """Raise ValueError unless there is one y for every X."""
    if len(X) != len(y):
        raise ValueError(f"y{suffix}: expected one for each of the {len(X)} in X, got {len(y)}")


def _fingerprint(train: Examples, held_out: Examples | None) -> str:
    parts = [part for examples in (train, held_out) if examples is not None for part in examples]
    return digest(*[[np.asarray(array) for array in part] for part in parts])
