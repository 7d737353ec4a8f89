"""Classification of whole sequences: many to one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from rnnfast._checks import check_real
from rnnfast._checks.likeness import likeness
from rnnfast.metrics import accuracy
from rnnfast.metrics._pairs import require_alike
from rnnfast.models.base import OfPart
from rnnfast.models.estimator import Estimator
from rnnfast.models.parts.codecs.classes import ClassCodec
from rnnfast.models.parts.contract import Facts, Weighed
from rnnfast.models.parts.fitting.examples import check_same_length
from rnnfast.models.parts.hyperparameters import PoolOptions
from rnnfast.models.parts.networks.heads import SoftmaxHead
from rnnfast.models.parts.reading.labels import read_classes
from rnnfast.models.parts.running import RunningLabels
from rnnfast.models.parts.turns import in_turn
from rnnfast.nn.losses import softmax
from rnnfast.nn.module import Array


@dataclass(kw_only=True, eq=False, repr=False)
class SequenceClassifier(Weighed, Estimator):
    """Tells the class of a sequence: the sentiment of a text, the digit in a recording.

    The picture of the course is *many to one*, ``T_y = 1``: T_x inputs, one output after the last.

    ::

        a<t>    = cell(a<t-1>, x<t>),  t = 1 ... T_x       a<0> = 0
        v       = pool(a<1>, ..., a<T_x>)
        y_hat   = softmax(W_y v + b_y)
        loss    = - w_y log(y_hat_y)

    with the cell's equations as the layers' pages give them. With ``bidirectional`` a second chain
    runs from ``x<T_x>`` to ``x<1>``, and both are pooled side by side. With ``T_x = 1`` it is the
    picture *one to one*, a plain network.

    Parameters
    ----------
    cell : str
        The recurrent cell, as all models have it; by default ``"gru"``, which learns from few long
        series with seeds with which an LSTM does not (:doc:`/amount`).
    pooling : {"last", "mean", "max", "concat"}
        What becomes of the layers' outputs over time: what each direction has when it has read
        all, as the course draws it; their mean; the largest of each number; or all three one after
        another.
    class_weight : None, "balanced" or dict
        How much each class weighs in the loss: all the same; those with few examples more, so that
        all classes weigh the same together; or ``{class: weight}``, 1 if it is not named.
    label_smoothing : float
        s in [0, 1): in training the right class is to have the probability 1 - s, and s is
        spread over all K classes (Szegedy et al. 2016, section 7).
    **others
        The hyperparameters that all models have, see
        `rnnfast.models.recurrent_model.RecurrentModel`, and all supervised ones, see
        `rnnfast.models.estimator.Estimator`.

    Attributes
    ----------
    classes_ : ndarray, shape (K,)
        The classes, sorted.
    class_weights_ : ndarray, shape (K,), or None
        How much each weighs in the loss.
    inputs_, network_, history_, best_epoch_, stopped_
        As every supervised model has them. Of each epoch the history has ``valid_loss``, without
        label smoothing, which tells the best epoch, and ``valid_accuracy``.

    Notes
    -----
    A token that training has not seen reads as ``<UNK>``, and so does every token of a text that
    has no known one: the model answers with what it makes of that many unknown tokens. Training
    teaches it to if rare tokens count as unknown (``min_count``, ``max_vocabulary_size``) or if
    tokens are made unknown at random (``word_dropout``); until then the vector of ``<UNK>`` is
    zero. An empty sequence is pooled to zeros: all that speaks is the bias ``b_y``.

    Examples
    --------
    >>> texts = ["good", "very good", "bad", "very bad", "really good", "really bad"] * 5
    >>> moods = ["+", "+", "-", "-", "+", "-"] * 5
    >>> model = SequenceClassifier(hidden_size=8, learning_rate=0.02, seed=1, verbose=0)
    >>> model.fit(texts, moods).predict(["so good", "so bad"])
    array(['+', '-'], dtype='<U1')
    """

    cell: str = "gru"
    # Smaller than with others, since there is one label to a sequence to learn from.
    embedding_scale: float = 0.1
    pooling: Literal["last", "mean", "max", "concat"] = "max"
    class_weight: Literal["balanced"] | Mapping[Any, float] | None = None
    label_smoothing: float = 0.0

    classes_ = OfPart[Array]("_codec.classes")
    class_weights_ = OfPart[Array | None]("_codec.class_weights")
    _codec: ClassCodec = field(init=False)
    _groups: ClassVar[tuple[type, ...]] = (PoolOptions,)
    _facts: ClassVar[Facts] = Facts("classifier", axes=(2, 3))

    # Asking

    @in_turn
    def predict_proba(self, X: Any, *, like: bool = False) -> Array:
        """Return the probability of each class for each sequence.

        Parameters
        ----------
        X : list of str, list of list of str, list of ndarray, or ndarray
            Sequences of the kind that `fit` was given.
        like : bool
            True: what is returned is of the library that ``X`` is of, such as a tensor or a Series.

        Returns
        -------
        ndarray, shape (N, K)
            Of the model's dtype; the columns in the order of ``classes_``.

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
        probabilities = softmax(self.network_.scores_of(self._reader.encode("X", X)))
        return alike.whole(probabilities, self.classes_)

    @in_turn
    def predict(self, X: Any, *, like: bool = False) -> Array:
        """Return the likeliest class of each sequence, ``(N,)``, one of ``classes_``.

        Takes what `predict_proba` takes and raises what it raises.
        """
        self, alike = self._as_fitted(), likeness(X, like)
        probabilities = self.predict_proba(X)
        best: Array = self.classes_[probabilities.argmax(axis=1)]
        return alike.whole(best)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy: the share of sequences whose class is predicted.

        Parameters
        ----------
        X : list of str, list of list of str, list of ndarray, or ndarray
            Sequences.
        y : sequence
            The class of each. One that training did not know is never predicted.
        sample_weight : array_like, optional
            How much each sequence counts, ``(N,)``, none below 0; None: all the same.

        Raises
        ------
        ValueError, TypeError
            As `predict_proba`; also if there is not one label, or weight, for each sequence, or
            labels are of another kind than all classes, such as str in place of int.
        """
        labels = read_classes("y", y)
        self = self._as_fitted()
        require_alike("y", labels, self.classes_.tolist(), "classes as in fit")
        predicted = self.predict(X)
        check_same_length(predicted, labels)
        return accuracy(labels, predicted.tolist(), sample_weight=sample_weight)

    # What it is composed of

    def _make_running(self) -> RunningLabels:
        return RunningLabels(self.network_.head, self.classes_, self._make_pool())

    def _check_hyperparameters(self) -> None:
        check_real("label_smoothing", self.label_smoothing, 0, 1, below=True)
        super()._check_hyperparameters()

    def _make_codec(self) -> ClassCodec:
        return ClassCodec(self.class_weight, self.dtype)

    def _make_head(self, in_features: int, rng: np.random.Generator) -> SoftmaxHead:
        return SoftmaxHead(
            in_features,
            len(self.classes_),
            class_weights=self.class_weights_,
            label_smoothing=self.label_smoothing,
            dtype=self.dtype,
            rng=rng,
        )
