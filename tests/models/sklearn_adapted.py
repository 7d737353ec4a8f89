"""Models that read a table ``(N, F)`` as N series of one step: for scikit-learn's own checks."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

import rnnfast as rf
from rnnfast.models.parts.contract import Facts


def one_step(X: Any) -> Any:
    """Return numbers ``(N, F)``, also in lists and in what NumPy reads, as ``(N, 1, F)``."""
    array = np.asarray(X) if isinstance(X, list) or hasattr(X, "__array__") else None
    numbers = array is not None and array.ndim == 2 and array.dtype.kind in "biuf"
    return array[:, np.newaxis, :] if numbers else X  # type: ignore[index]


class OneStep:
    """What the adapted models share; `each` makes the targets of the one step of each series."""

    def each(self, y: Any) -> Any:
        return y

    def flat(self, answers: Any) -> Any:
        return answers

    def fit(self, X: Any, y: Any = None, **options: Any) -> Any:
        return super().fit(one_step(X), self.each(y), **options)  # type: ignore[misc]

    def predict(self, X: Any) -> Any:
        return self.flat(super().predict(one_step(X)))  # type: ignore[misc]

    def score(self, X: Any, y: Any, **options: Any) -> Any:
        return super().score(one_step(X), self.each(y), **options)  # type: ignore[misc]


class OneStepClassifier(OneStep, rf.SequenceClassifier, base=True):
    _facts: ClassVar[Facts] = Facts("classifier", axes=(2, 3))

    def predict_proba(self, X: Any) -> Any:
        return super().predict_proba(one_step(X))


class OneStepRegressor(OneStep, rf.SequenceRegressor, base=True):
    pass


class PerStep(OneStep):
    """Of the models with an output at every step: one target for each series."""

    def each(self, y: Any) -> Any:
        return y if y is None else [[target] for target in np.asarray(y)]

    def flat(self, answers: Any) -> Any:
        return np.array([answer[0] for answer in answers])


class OneStepTagger(PerStep, rf.SequenceTagger, base=True):
    _facts: ClassVar[Facts] = Facts("classifier", axes=(2, 3))

    def predict_proba(self, X: Any) -> Any:
        return self.flat(super().predict_proba(one_step(X)))


class OneStepStepRegressor(PerStep, rf.StepRegressor, base=True):
    _facts: ClassVar[Facts] = Facts("regressor", axes=(2, 3))


class OneStepLabels(PerStep, rf.MultiLabelTagger, base=True):
    """Of any numbers, whether they are above 0 is the one label."""

    _facts: ClassVar[Facts] = Facts(axes=(2, 3))

    def each(self, y: Any) -> Any:
        numbers = isinstance(y, np.ndarray) and y.dtype.kind in "biuf"
        return [np.array([[target > 0]]) for target in y] if numbers else y

    def flat(self, answers: Any) -> Any:
        return np.array([answer[0, 0] for answer in answers])

    def predict_proba(self, X: Any) -> Any:
        return np.array([answer[0] for answer in super().predict_proba(one_step(X))])
