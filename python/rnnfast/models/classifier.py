"""Classification of whole sequences: many to one."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from rnnfast._checks import check_real
from rnnfast.metrics import accuracy
from rnnfast.models.many_to_one import ManyToOne, ManyToOneNetwork
from rnnfast.models.parts.examples import Examples, check_same_length
from rnnfast.models.parts.labels import (
    chance_loss,
    class_numbers,
    class_weights,
    find_classes,
    read_classes,
    restore_classes,
)
from rnnfast.nn.losses import cross_entropy, linear_cross_entropy, softmax
from rnnfast.nn.module import Array


@dataclass(kw_only=True, eq=False, repr=False)
class SequenceClassifier(ManyToOne):
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

    pooling: Literal["last", "mean", "max", "concat"] = "max"
    class_weight: Literal["balanced"] | Mapping[Any, float] | None = None
    label_smoothing: float = 0.0

    _estimator_type: ClassVar[str | None] = "classifier"

    # Asking

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class for each sequence.

        Parameters
        ----------
        X : list of str, list of list of str, list of ndarray, or ndarray
            Sequences of the kind that `fit` was given.

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
        self = self._as_fitted()
        return softmax(self._scores(self.inputs_.encode("X", X)))

    def predict(self, X: Any) -> Array:
        """Return the likeliest class of each sequence, ``(N,)``, one of ``classes_``.

        Takes what `predict_proba` takes and raises what it raises.
        """
        self = self._as_fitted()
        probabilities = self.predict_proba(X)
        best: Array = self.classes_[probabilities.argmax(axis=1)]
        return best

    def score(self, X: Any, y: Any) -> float:
        """Return the accuracy: the share of sequences whose class is predicted.

        Parameters
        ----------
        X : list of str, list of list of str, list of ndarray, or ndarray
            Sequences.
        y : sequence
            The class of each. One that training did not know is never predicted.

        Raises
        ------
        ValueError, TypeError
            As `predict_proba`; also if there is not one label for each sequence.
        """
        labels = read_classes("y", y)
        predicted = self.predict(X)
        check_same_length(predicted, labels)
        return accuracy(labels, predicted.tolist())

    # What `Estimator` asks for

    def _check_hyperparameters(self) -> None:
        super()._check_hyperparameters()
        check_real("label_smoothing", self.label_smoothing, 0, 1, below=True)

    def _prepare(self, X: Any, y: Any, valid: Any) -> tuple[Examples, Examples | None]:
        sequences, labels = self._read("X", X), read_classes("y", y)
        check_same_length(sequences, labels)
        classes = self.classes_ = find_classes("y", labels)

        def read_numbers(name: str, y: Any) -> Array:
            return class_numbers(name, read_classes(name, y), classes)

        numbers = class_numbers("y", labels, classes)
        parts = self._prepare_parts(sequences, numbers, valid, read_numbers, numbers)
        self.class_weights_ = class_weights(self.class_weight, classes, parts[0].y, self.dtype)
        return parts

    def _make_network(self, rng: np.random.Generator) -> ManyToOneNetwork:
        loss = functools.partial(
            linear_cross_entropy,
            class_weights=self.class_weights_,
            label_smoothing=self.label_smoothing,
            reduction="sum",
        )
        return self._make_many_to_one(len(self.classes_), loss, rng)

    def _figures(self, examples: Examples) -> dict[str, float]:
        scores, y = self._scores(examples.x), examples.y
        loss, _ = cross_entropy(scores, y, class_weights=self.class_weights_, backward=False)
        return {"valid_loss": loss, "valid_accuracy": float((scores.argmax(axis=1) == y).mean())}

    def _baseline(self, examples: Examples) -> float | None:
        return chance_loss(self.classes_, self.class_weights_)

    def _learned(self) -> dict[str, Any]:
        weights = None if self.class_weights_ is None else self.class_weights_.tolist()
        return {**super()._learned(), "classes": self.classes_.tolist(), "class_weights": weights}

    def _restore(self, learned: Mapping[str, Any]) -> None:
        self.classes_, self.class_weights_ = restore_classes(
            learned["classes"], learned["class_weights"], self.dtype
        )
        super()._restore(learned)
