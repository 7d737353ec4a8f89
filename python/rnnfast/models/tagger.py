"""A label for every step of a sequence: many to many of equal lengths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

import numpy as np

from rnnfast._checks import among, check_bool, check_int, check_real
from rnnfast._checks.likeness import likeness
from rnnfast._checks.messages import shown
from rnnfast._checks.missing import check_ignore_label
from rnnfast.models.base import OfPart
from rnnfast.models.parts.codecs.tags import TagCodec
from rnnfast.models.parts.contract import Facts
from rnnfast.models.parts.hyperparameters import LayerOptions, WordOptions
from rnnfast.models.parts.networks.feedback_head import FeedbackHead
from rnnfast.models.parts.networks.heads import CrfHead, Head, SoftmaxHead
from rnnfast.models.parts.reading.word_features import WordFeatures
from rnnfast.models.parts.running import Labels, Running, RunningFeedback, RunningLabels
from rnnfast.models.parts.turns import in_turn
from rnnfast.models.step_model import StepModel
from rnnfast.nn.module import Array


@dataclass(kw_only=True, eq=False, repr=False)
class SequenceTagger(StepModel):
    """Gives every step of a sequence a label: part of speech, named entity, slot.

    The picture of the course is *many to many* with ``T_x = T_y``: an output at every step, here
    by default of a bidirectional network, which has seen the whole sentence at each.

    ::

        h<t>     = [a_forward<t>, a_backward<t>]
        y_hat<t> = softmax(W_y h<t> + b_y)
        loss     = - sum over t of log y_hat<t>[y<t>]

    With ``crf`` the labels of a sentence are one output, which has one probability
    (`rnnfast.CRF`):

    ::

        P(y) = exp(sum_t (W_y h<t> + b_y)[y<t>] + A[y<t-1>, y<t>]) / Z,     loss = - log P(y)

    With ``feed_labels`` a second recurrent layer reads the label before as well, in training the
    true one (teacher forcing), after it the one that was predicted:

    ::

        s<t>     = cell(s<t-1>, [h<t>, E y<t-1>]),    y_hat<t> = softmax(W_y s<t> + b_y)

    Parameters
    ----------
    crf : bool
        Whether labels are scored as a sequence, by a conditional random field.
    feed_labels : bool
        Whether the label before is fed back as an input.
    beam_size : int
        With ``feed_labels``, how many of the likeliest beginnings `predict` keeps; 1: greedy
        search. May be set after training.
    label_embedding_size : int
        With ``feed_labels``, numbers of a label's embedding.
    scheme : {None, "auto", "bio", "iobes", "bilou"}
        Labels mark entities: `score` is their F1, and ``crf`` forbids what the scheme does not
        allow, such as with ``"bio"`` (``O``, ``B-type``, ``I-type``) an ``I-x`` that follows
        neither ``B-x`` nor ``I-x``. ``"auto"`` finds out which it is, as
        `rnnfast.metrics.find_scheme` does; all labels, in `score` too, are then read as
        ``conlleval`` reads them and written in the scheme of training, IOB1 as BIO, which is also
        that of predictions: `rnnfast.metrics.convert_labels` makes others of them.
    class_weight : None, "balanced" or dict
        How much each label weighs in the loss, as `rnnfast.SequenceClassifier` has it. Not with
        ``crf``, whose loss is that of a sequence of labels, not a sum over labels.
    label_smoothing : float
        s in [0, 1): in training s of the probability is spread over all labels. Not with ``crf``.
    ignore_label : label, optional
        What stands for no label besides None, such as ``"?"``.
    lowercase, char_encoder, char_embedding_size, char_hidden_size, shape_features
        What is read of a word; see `rnnfast.models.parts.hyperparameters.WordOptions`. With
        ``char_encoder`` the characters of a word are read by layers of their own, so that one that
        training has not seen is told by its spelling; ``word_dropout`` teaches the network to make
        use of that.
    **others
        The hyperparameters that all models have, see
        `rnnfast.models.recurrent_model.RecurrentModel`, and all supervised ones, see
        `rnnfast.models.estimator.Estimator`. ``bidirectional`` is True by default.

    Attributes
    ----------
    classes_ : ndarray, shape (K,)
        The labels, sorted.
    class_weights_ : ndarray, shape (K,), or None
        How much each weighs in the loss.
    scheme_ : {None, "bio", "iobes", "bilou"}
        The scheme of the labels that it has learned, and predicts.
    inputs_, network_, history_, best_epoch_, stopped_
        As every supervised model has them. Of each epoch the history has ``valid_loss``, the mean
        of a step, ``valid_accuracy`` and with a scheme ``valid_f1``, which tells the best epoch;
        without a scheme the accuracy does.

    Notes
    -----
    A word that training has not seen reads as ``<UNK>``, of which ``char_encoder`` and
    ``shape_features`` still see the spelling. An empty sentence has no labels; it may stand
    anywhere. Labels that training has not seen are never predicted and count as errors; a sentence
    that has one is left out of the loss.

    None is no label, nor is -100 among integers, as other libraries have it: a step that has it is
    read, but counts neither in the loss nor in a score, as if it were left out of the labels; a
    sentence without any label is not learned from at all. With ``crf`` the loss is that of all
    label sequences together that agree with the labels given (see `rnnfast.CRF.loss`). Not with
    ``feed_labels``, where each step reads the label before.

    Examples
    --------
    >>> X = [["Ann", "sees", "Rome"], ["Bo", "likes", "Ann"], ["Rome", "sleeps"]] * 4
    >>> y = [["B-PER", "O", "B-LOC"], ["B-PER", "O", "B-PER"], ["B-LOC", "O"]] * 4
    >>> tagger = SequenceTagger(crf=True, scheme="bio", hidden_size=8, learning_rate=0.05,
    ...                         seed=1, verbose=0)
    >>> tagger.fit(X, y).predict([["Bo", "sees", "Rome"]])
    [['B-PER', 'O', 'B-LOC']]
    """

    lowercase: bool = False
    char_encoder: bool = False
    char_embedding_size: int = 32
    char_hidden_size: int = 32
    shape_features: bool = False
    bidirectional: bool = True
    crf: bool = False
    feed_labels: bool = False
    beam_size: int = 1
    label_embedding_size: int = 16
    scheme: Literal["auto", "bio", "iobes", "bilou"] | None = None
    class_weight: Literal["balanced"] | Mapping[Any, float] | None = None
    label_smoothing: float = 0.0
    ignore_label: Any = None

    classes_ = OfPart[Array]("_codec.tags.classes")
    class_weights_ = OfPart[Array | None]("_codec.class_weights")
    scheme_ = OfPart[str | None]("_codec.learned_scheme")
    words_ = OfPart[WordFeatures | None]("_reader.words")
    _codec: TagCodec = field(init=False)
    _groups: ClassVar[tuple[type, ...]] = (WordOptions,)
    _facts: ClassVar[Facts] = Facts(multi_output=True, single_output=False, axes=(2, 3))

    # Asking

    @in_turn
    def predict(self, X: Any, *, like: bool = False) -> list[list[Any]]:
        """Return the likeliest labels of every sequence.

        Parameters
        ----------
        X : list of str, list of list of str, list of ndarray, or ndarray
            Sequences of the kind that `fit` was given.
        like : bool
            True: what is returned is of the library that ``X`` is of, such as tensors or Series,
            in place of lists; text and NumPy's arrays have lists.

        Returns
        -------
        list of list
            As many labels as steps.

        Raises
        ------
        NotFittedError
            If the model has not been fitted.
        ValueError
            If there is no sequence, a shape does not fit, or a number is not finite.
        TypeError
            If the sequences are of another kind than in training.
        """
        self, alike = self._as_fitted(), likeness(X, like)
        return alike.each(self._labels(self._reader.encode("X", X)), lists=True)

    @in_turn
    def predict_proba(self, X: Any, *, like: bool = False) -> list[Array]:
        """Return the probability of each label at each step.

        With ``crf`` that over all label sequences together; with ``feed_labels`` given the labels
        that greedy search found before.

        Parameters
        ----------
        X : list of str, list of list of str, list of ndarray, or ndarray
            As `predict` takes it.
        like : bool
            True: what is returned is of the library that ``X`` is of, such as tensors or Series.

        Returns
        -------
        list of ndarray, shapes (T_i, K)
            Of the model's dtype; the columns in the order of ``classes_``.

        Raises
        ------
        NotFittedError, ValueError, TypeError
            As `predict`.
        """
        self, alike = self._as_fitted(), likeness(X, like)
        x = self._reader.encode("X", X)
        return alike.each(self.network_.steps_of(x, self.network_.probabilities), self.classes_)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the F1 of entities with a scheme, else the share of labels that are right.

        Parameters
        ----------
        X : list of str, list of list of str, list of ndarray, or ndarray
            Sequences.
        y : list of list
            A label for every step, or none, as `fit` takes them.
        sample_weight : array_like, optional
            How much each sequence counts, ``(N,)``, or each step of each, ``(T_i,)``, none below 0;
            None: all the same. Of sequences alone with ``crf``, and with a scheme an entity counts
            as its first step does.

        Raises
        ------
        ValueError, TypeError
            As `predict`; also if there is not one label for each step.
        """
        figures = self.evaluate(X, y, sample_weight)
        return figures["f1" if self.scheme else "accuracy"]

    def evaluate(self, X: Any, y: Any, sample_weight: Any = None) -> dict[str, float]:
        """Return how well labels are predicted, by name.

        Parameters
        ----------
        X, y, sample_weight
            As `score` takes them.

        Returns
        -------
        dict
            ``loss``, the mean of a step, without label smoothing, of sequences whose labels are all
            known, NaN if there is none; ``accuracy``, the share of labels that are right; with a
            scheme ``precision``, ``recall`` and ``f1`` of entities, as
            `rnnfast.metrics.entity_scores` counts them.

        Raises
        ------
        ValueError, TypeError
            As `score`.
        """
        self = self._as_fitted()
        self._codec = replace(self._codec, beam_size=self.beam_size, scheme=self.scheme)
        return super().evaluate(X, y, sample_weight)

    def _labels(self, x: Sequence[Array]) -> list[Array]:
        return self._codec.labels(self.network_, x, self.beam_size)

    # What it is composed of

    def _make_running(self) -> Running[Labels]:
        head = self.network_.head
        if isinstance(head, CrfHead):
            raise ValueError(
                "stream: expected a model with crf=False, got one whose likeliest labels depend on "
                "those to come, up to the end"
            )
        if not isinstance(head, FeedbackHead):
            return RunningLabels(head, self.classes_)
        if self.beam_size > 1:
            raise ValueError(
                f"stream: expected beam_size 1, got {self.beam_size}, whose search chooses among "
                f"whole sequences, at the end"
            )
        return RunningFeedback(head, self.classes_)

    def _check_hyperparameters(self) -> None:
        check_bool("crf", self.crf)
        check_bool("feed_labels", self.feed_labels)
        if self.crf and self.feed_labels:
            raise ValueError("feed_labels: expected False with crf=True, got True")
        check_int("beam_size", self.beam_size, 1)
        check_int("label_embedding_size", self.label_embedding_size, 1)
        if not among(self.scheme, (None, "auto", "bio", "iobes", "bilou")):
            expected = "expected None, 'auto', 'bio', 'iobes' or 'bilou'"
            raise ValueError(f"scheme: {expected}, got {shown(self.scheme)}")
        smoothing = check_real("label_smoothing", self.label_smoothing, 0, 1, below=True)
        if self.crf and smoothing > 0:
            raise ValueError(f"label_smoothing: expected 0 with crf=True, got {smoothing:g}")
        if self.crf and self.class_weight is not None:
            raise ValueError(
                f"class_weight: expected None with crf=True, got {shown(self.class_weight)}; the "
                "loss is of whole sequences of labels"
            )
        super()._check_hyperparameters()

    def _make_codec(self) -> TagCodec:
        return TagCodec(
            self.class_weight,
            self.scheme,
            self.crf,
            "feed_labels" if self.feed_labels else None,
            self.beam_size,
            self.dtype,
            check_ignore_label(self.ignore_label),
        )

    def _make_head(self, in_features: int, rng: np.random.Generator) -> Head:
        num_tags = len(self.classes_)
        if self.crf:
            return CrfHead(
                in_features, num_tags, constraints=self._codec.tags.rules, dtype=self.dtype, rng=rng
            )
        if not self.feed_labels:
            return SoftmaxHead(
                in_features,
                num_tags,
                class_weights=self.class_weights_,
                label_smoothing=self.label_smoothing,
                dtype=self.dtype,
                rng=rng,
            )
        return FeedbackHead(
            in_features,
            num_tags,
            self._options(LayerOptions),
            label_embedding_size=self.label_embedding_size,
            class_weights=self.class_weights_,
            label_smoothing=self.label_smoothing,
            rng=rng,
        )
