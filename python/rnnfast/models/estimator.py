"""What the supervised models share: hyperparameters, layers, `fit`, files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from rnnfast._checks import check_bool, check_int
from rnnfast.io.tensors import to_json
from rnnfast.models.base import OfPart
from rnnfast.models.parts.composition import Composition
from rnnfast.models.parts.fitting.amount import choose_amount
from rnnfast.models.parts.fitting.examples import ExampleBatches, fingerprint
from rnnfast.models.parts.fitting.fit_options import FitOptions
from rnnfast.models.parts.reading.columns import Featured
from rnnfast.models.parts.reading.inputs import Inputs
from rnnfast.models.parts.reading.sequences import lengths_of
from rnnfast.models.stream import ModelStream
from rnnfast.training.distributed import joined
from rnnfast.training.progress import Callback, Reporter
from rnnfast.training.ranks import Shard, place

Self = TypeVar("Self", bound="Estimator")


@dataclass(kw_only=True, eq=False, repr=False)
class Estimator(Composition, Featured, base=True):
    """Base of the supervised models: hyperparameters that all have, and `fit`.

    A subclass is such a dataclass too: it adds its hyperparameters as fields, and says what it is
    composed of, a codec of ``y`` (`_make_codec`) and a head of the network (`_make_head`).

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
    epochs : int, optional
        How many times to go through the examples, at most. None: as often as makes about 4,000
        steps, 5 to 30 times; of few examples as often as makes 600 steps, at most 100 times. Then
        ``patience``, if that is None, is a third of the epochs, where examples are held out; with
        a number of epochs None means none. `fit` may be given another number.
    batch_size : int, optional
        Examples that are learned from at once. None: the largest power of two in a thirty-second
        of them, from 8 to 64; of less than 48 the largest in a sixth.
    validation_fraction : float, optional
        The part of the examples to hold out where `fit` is given no others to validate on. None: a
        tenth of 400 or more; of fewer none, so that all are learned from, unless ``patience``, a
        ``monitor`` or a plateau's ``schedule`` wants some.
    verbose : int
        0 shows nothing; 1 a progress bar on a terminal, elsewhere one line an epoch; 2 lines. `fit`
        may be given another one.
    **others
        The hyperparameters that all models have; see
        `rnnfast.models.recurrent_model.RecurrentModel`.

    Attributes
    ----------
    inputs_ : TokenInputs or SeriesInputs
        How sequences are encoded.
    n_features_in_ : int
        How many columns the table of `fit` had, or how many numbers a step of a series has; not
        there for text.
    feature_names_in_ : ndarray of str
        The names of the columns of the table, or of a list of tables; not there if it had none.
    network_ : object
        The layers.
    history_, best_epoch_, stopped_
        As every model has them.
    """

    standardize: bool = True
    bidirectional: bool = False
    embedding_scale: float = 1.0
    word_dropout: float = 0.0
    # Chosen by the number of examples, where other models have a number.
    epochs: int | None = None
    batch_size: int | None = None
    validation_fraction: float | None = None
    verbose: int = 1

    inputs_ = OfPart[Inputs]("_reader.inputs")

    # Step by step

    def stream(self, batch_size: int = 1) -> ModelStream[Any]:
        """Return a runner that takes one step at a time and tells the answer so far.

        Parameters
        ----------
        batch_size : int
            Sequences that it runs side by side, all together or some of them at a time.

        Raises
        ------
        NotFittedError
            If the model has not been fitted.
        ValueError
            If the model cannot answer before it has read the end: it is bidirectional, has ``crf``,
            or searches with a beam.
        """
        self = self._as_fitted()
        running = self._make_running()
        return ModelStream(self._reader, self.network_.encoder, running, batch_size)

    # Measuring

    def evaluate(self, X: Any, y: Any, sample_weight: Any = None) -> dict[str, float]:
        """Return how well targets are predicted, by name.

        Parameters
        ----------
        X, y
            As `fit` takes them.
        sample_weight : array_like, optional
            How much each sequence counts, ``(N,)``, none below 0; None: all the same. Of models
            whose `fit` takes it.

        Returns
        -------
        dict of str to float
            ``loss`` and what else the history has of what is held out, there with ``valid_`` before
            it: ``accuracy``; of numbers ``rmse``, ``mae`` and ``r2``; of entities ``precision``,
            ``recall`` and ``f1``; ``error_rate`` of symbols; ``perplexity`` where the loss is that
            of tokens. A target that training has not seen counts as an error and is left out of the
            loss, which is NaN if nothing is left.

        Raises
        ------
        NotFittedError
            If the model has not been fitted.
        ValueError, TypeError
            If ``X``, ``y`` or weights do not fit, or are none that the model takes.
        """
        self = self._as_fitted()
        self._require_weighable(sample_weight)
        sequences, targets = self._codec.read_pair(self._reader.read, X, y)
        targets, weights = self._codec.weigh(targets, sample_weight)
        x = self._reader.encode("X", sequences)
        figures: dict[str, float] = self._codec.evaluate(self.network_, x, targets, weights)
        return figures

    # Training

    def fit(
        self: Self,
        X: Any,
        y: Any,
        *,
        sample_weight: Any = None,
        valid: tuple[Any, Any] | None = None,
        warm_start: bool | None = None,
        extend: bool = True,
        freeze: str | Sequence[str] | None = None,
        embeddings: Any = None,
        checkpoint: str | os.PathLike[str] | None = None,
        resume: bool = False,
        epochs: int | None = None,
        verbose: int | None = None,
        callbacks: Sequence[Callback] = (),
        comm: Any = None,
    ) -> Self:
        """Learn from examples.

        What was learned before is forgotten, unless training is resumed or goes on from it with
        ``warm_start``. Until training has ended, the model is as it was, also for callbacks and
        other threads; it stays so if an error ends the training. Ctrl-C ends training after the
        running step, with a model that can be used; SIGTERM and SIGHUP do so too, and then end the
        process if nothing else handles them.

        Parameters
        ----------
        X : list of str, list of list of str, list of ndarray, or ndarray
            Sequences: text, tokens, integers ``(T_i,)``, which are ids of tokens, series
            ``(T_i, F)`` of different lengths, or an array ``(N, T, F)``. `SequenceClassifier` and
            `SequenceRegressor` take a table too, an array ``(N, T)`` or a DataFrame: N series of
            one feature. Their other methods then want as many columns, by the same names. Models
            with an output at every step take an array ``(N, T)`` of floats so, without that.
        y : sequence
            What belongs to each, as `score` takes it.
        sample_weight : array_like, optional
            How much each example counts, ``(N,)``, none below 0: in the loss and its gradients, in
            means and deviations that standardise, in balanced class weights and in the figures of
            what is held out. An example of weight 2 counts as one that is there twice, one of
            weight 0 as one that is not there, but that its class is known. Models with labels or
            numbers at every step take weights of steps too, ``(T_i,)`` for each sequence: a step of
            weight 0 is read, but counts as one without a label (:doc:`/weights`). A
            `Forecaster` says in its `fit` what it takes.
        valid : (X, y), optional
            What to measure after each epoch; without it a part of the examples, if there are enough
            (``validation_fraction``). The weights of the best epoch are kept. Targets that training
            has not seen count as errors and are left out of the loss, with a warning.
        warm_start : bool, optional
            Whether to go on with what the model has learned, in place of the constructor's: with
            its weights, vocabularies, classes and scaling. A model that has learned nothing begins
            anew. The optimizer begins anew, and so do the schedule of the learning rate, the
            average of the weights, the random numbers of ``seed`` and the history. Hyperparameters
            of the layers must be the same; those of training may be others.
        extend : bool
            With ``warm_start``: whether tokens, characters, symbols and classes that the model does
            not know are added to its tables, with new rows of weights beside the old ones, which
            stay where they are or move whole. False: they are refused.
        freeze : str or sequence of str, optional
            Layers that training leaves as they are, by their names in ``network_.modules``, or
            single parameters, as ``"recurrent.weight_hh_l0"``. Rows that are new to a table that is
            frozen stay as they were drawn.
        embeddings : path-like, mapping or (words, array), optional
            Vectors of words with which the embeddings begin: a file of GloVe, word2vec or fastText
            as text, also in gzip, a mapping of words to vectors, or words and an array ``(N, D)``.
            A token takes that of itself, or else that of itself in lower case, and begins as any
            other does if there is neither; how many have one is told. ``embedding_size`` has to be
            D. Training goes on with them, unless ``freeze`` names the layer, and the model's file
            needs no others. With ``warm_start`` they are those of tokens that are new; with
            ``resume`` they are not read, the checkpoint has them. Of
            `Seq2Seq` they are those of ``X``, or a dict of such by the names of the layers,
            ``"encoder_embedding"`` and ``"decoder_embedding"``.
        checkpoint : path-like, optional
            A file to write after epochs, every two minutes within them, and when stopped, from
            which training can go on. One that stands there is replaced if its training has ended;
            that of an unfinished one is refused without ``resume``.
        resume : bool
            Go on from the checkpoint, with the same bits as if training had not stopped. Examples,
            hyperparameters and what is frozen must be the same, with ``warm_start`` the tables too;
            ``epochs`` may be others, to which the learning rate then goes on from where it stands
            (`rnnfast.training.CosineLR`).
        epochs, verbose : int, optional
            In place of the constructor's, for this training. With ``warm_start`` there may be 0
            epochs, which extend tables and train nothing; then nothing else is taken that a
            training would look at: ``valid``, ``callbacks`` or a ``checkpoint``.
        callbacks : sequence of callable
            Called with a `rnnfast.training.Progress` after each step and each epoch;
            ``progress.model`` is the model in training.
        comm : mpi4py.MPI.Intracomm, optional
            The processes that train it together, each of which is given the same examples; see
            :doc:`/distributed`.

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
        with joined(comm):
            asked = FitOptions(
                warm_start=warm_start,
                extend=extend,
                freeze=freeze,
                embeddings=embeddings,
                checkpoint=checkpoint,
                resume=resume,
                epochs=epochs,
                verbose=verbose,
                callbacks=callbacks,
            )
            return self._fit(X, y, sample_weight, valid, asked)

    def _fit(self: Self, X: Any, y: Any, sample_weight: Any, valid: Any, asked: FitOptions) -> Self:
        fresh = self._copy_to_train()
        asked, kept = fresh._begin(asked, valid)
        grow = None if kept is None else asked.extend
        train, held_out, baseline = fresh._prepare(X, y, valid, sample_weight, grow)
        codec, rng = fresh._codec, fresh._make_generator()
        network = fresh.network_ = fresh._make_network(rng)
        reporter = Reporter(asked.verbose, unit=codec.unit)
        fresh._fill(asked, kept, rng, reporter)
        lengths = lengths_of(train.x)
        amount = choose_amount(
            len(lengths), asked.epochs, fresh.batch_size, fresh.patience, held_out is not None
        )
        monitor, maximize = codec.choice(fresh.monitor)
        fresh._require_measured(amount.epochs, held_out is not None)

        def split(batch: Any, rank: int, size: int) -> Shard:
            rows, here, empty = place(len(batch.lengths), rank, size, batch, lengths=batch.lengths)
            return Shard(codec.split(batch, rows), here, empty)

        self._train(
            fresh,
            rng,
            asked=asked,
            step=lambda batch, progress: fresh._step(network, batch, progress),
            batches=lambda rng: ExampleBatches(
                lengths, lambda chosen: codec.batch(train, chosen), amount.batch_size, rng
            ),
            epochs=amount.epochs,
            total_steps=amount.epochs * -(-len(lengths) // amount.batch_size),
            patience=amount.patience,
            chosen=amount.chosen,
            data=lambda: {"data": fingerprint(train, held_out, to_json(fresh._learned()))},
            counts={
                "examples": len(lengths),
                "steps": int(lengths.sum()),
                "held-out examples": 0 if held_out is None else len(held_out.x),
            },
            validate=None if held_out is None else lambda: codec.figures(network, held_out),
            monitor=monitor,
            maximize=maximize,
            baseline=baseline,
            reporter=reporter,
            notes=codec.notes,
            split=split,
        )
        return self

    def _step(self, network: Any, batch: Any, progress: float) -> tuple[float, int]:
        """Add a batch's gradients; ``progress`` is the part of training that is over."""
        result: tuple[float, int] = network.add_gradients(batch)
        return result

    def _check_hyperparameters(self) -> None:
        super()._check_hyperparameters()
        for kind in self._groups:
            self._options(kind)
        self._make_codec().choice(self.monitor)  # of what a subclass has checked before
        if self.epochs is not None:
            check_int("epochs", self.epochs, 1)
        check_int("verbose", self.verbose, 0)
        check_bool("standardize", self.standardize)
