"""Numbers from whole sequences: many to one, and what forecasting shares with it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from rnnfast import metrics
from rnnfast._checks import among
from rnnfast._checks.arrays import read_array, require_finite
from rnnfast._checks.messages import shown
from rnnfast.models.many_to_one import ManyToOne, ManyToOneNetwork
from rnnfast.models.parts.examples import Examples, check_same_length
from rnnfast.models.parts.inputs import read_scaling
from rnnfast.models.parts.sequences import Sequences
from rnnfast.models.parts.targets import NumberTargets
from rnnfast.nn.linear import Linear
from rnnfast.nn.losses import l1, mse
from rnnfast.nn.module import Array

_LOSSES = {"mse": mse, "mae": l1}


def _loss_of_scores(
    error: Callable[..., tuple[float, Array | None]], linear: Linear, v: Array, y: Array
) -> tuple[float, Array | None]:
    """Add the gradients of the summed error of ``linear(v)``; return it and the gradient of v."""
    scores, backprop = linear.forward(v)
    value, gradient = error(scores, y, reduction="sum")
    assert gradient is not None
    return value, backprop(gradient)


@dataclass(kw_only=True, eq=False, repr=False)
class Regression(ManyToOne, base=True):
    """Base of the models that predict numbers; the network predicts them standardised.

    Parameters
    ----------
    loss : {"mse", "mae"}
        Mean squared or mean absolute error.
    """

    loss: Literal["mse", "mae"] = "mse"

    _estimator_type: ClassVar[str | None] = "regressor"

    def _check_hyperparameters(self) -> None:
        super()._check_hyperparameters()
        if not among(self.loss, _LOSSES):
            known = ", ".join(_LOSSES)
            raise ValueError(f"loss: expected one of {known}, got {shown(self.loss)}")

    def _prepare_numbers(
        self,
        sequences: Sequences,
        targets: Array,
        valid: Any,
        read_targets: Callable[[str, Any], Array],
    ) -> tuple[Examples, Examples | None]:
        """Divide and encode as `_prepare_parts`; set `target_mean_` and `target_scale_`.

        Targets are ``(N, k)``, real numbers of any dtype.
        """
        train, held_out = self._prepare_parts(sequences, targets, valid, read_targets)
        learned = NumberTargets.learn(
            [train.y], self.standardize, self.dtype, self._target_rounding()
        )
        self.target_mean_, self.target_scale_ = learned.mean, learned.scale
        return self._standardized(train), None if held_out is None else self._standardized(held_out)

    def _target_rounding(self) -> float | Array:
        """Return what calculations may have left in targets, as `mean_and_scale` takes it."""
        return 0.0

    @property
    def _targets(self) -> NumberTargets:
        return NumberTargets(self.target_mean_, self.target_scale_, self.dtype)

    def _standardized(self, examples: Examples) -> Examples:
        return examples._replace(y=self._targets.encode("y", examples.y))

    def _make_network(self, rng: np.random.Generator) -> ManyToOneNetwork:
        loss = functools.partial(_loss_of_scores, _LOSSES[self.loss])
        return self._make_many_to_one(len(self.target_mean_), loss, rng)

    def _baseline(self, examples: Examples) -> float | None:
        if not self.standardize:
            return None
        # Of the mean as the answer: few examples may lie far from it.
        loss, _ = _LOSSES[self.loss](np.zeros_like(examples.y), examples.y, backward=False)
        return max(1.0, loss)

    def _figures(self, examples: Examples) -> dict[str, float]:
        scores = self._targets.settle(self._scores(examples.x))
        loss, _ = _LOSSES[self.loss](scores, examples.y, backward=False)
        scale = np.where(self.target_scale_ > 0, self.target_scale_, 1.0)
        rmse = metrics.rmse(examples.y * scale, scores * scale)
        return {"valid_loss": loss, "valid_rmse": rmse}

    def _predict_encoded(self, x: list[Array]) -> npt.NDArray[np.float64]:
        """Return the numbers ``(N, k)`` for encoded sequences."""
        return self._targets.decode(self._scores(x))

    def _learned(self) -> dict[str, Any]:
        return {
            **super()._learned(),
            "target_mean": self.target_mean_.tolist(),
            "target_scale": self.target_scale_.tolist(),
        }

    def _restore(self, learned: Mapping[str, Any]) -> None:
        self.target_mean_, self.target_scale_, _ = read_scaling(
            {"mean": learned["target_mean"], "scale": learned["target_scale"], "dtype": self.dtype}
        )
        super()._restore(learned)


@dataclass(kw_only=True, eq=False, repr=False)
class SequenceRegressor(Regression):
    """Predicts a number, or several, from a sequence: a quantity from a series, a grade of a text.

    The picture of the course is *many to one*, ``T_y = 1``: T_x inputs, one output after the last,
    which is a number and no class.

    ::

        a<t>    = cell(a<t-1>, x<t>),  t = 1 ... T_x       a<0> = 0
        v       = pool(a<1>, ..., a<T_x>)
        y_hat   = W_y v + b_y
        loss    = mean of (y_hat - y)^2, or of |y_hat - y|

    with x and y standardised. For what follows a series, `Forecaster` makes the sequences.

    Parameters
    ----------
    loss : {"mse", "mae"}
        Mean squared error, whose best answer is the mean; or mean absolute error, whose best one is
        the median, which single large misses hardly move.
    pooling : {"last", "mean", "max", "concat"}
        What becomes of the layers' outputs over time: what each direction has when it has read
        all, as the course draws it; their mean; the largest of each number; or all three one after
        another.
    standardize : bool
        Whether the features of series, and the numbers to predict, have their mean taken off and
        are divided by their standard deviation, of the part that is learned from.
    **others
        The hyperparameters that all models have, see
        `rnnfast.models.recurrent_model.RecurrentModel`, and all supervised ones, see
        `rnnfast.models.estimator.Estimator`.

    Attributes
    ----------
    target_mean_, target_scale_ : ndarray of float64, shape (k,)
        ``y = target_mean_ + target_scale_ * y_hat``. The scale of a number that does not change,
        but for rounding, is 0: it is predicted exactly.
    inputs_, network_, history_, best_epoch_, stopped_
        As every supervised model has them. Of each epoch the history has ``valid_loss``, of
        standardised numbers, which tells the best epoch, and ``valid_rmse``, of those given.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> series = [rng.normal(size=(length, 1)) for length in rng.integers(5, 10, 200)]
    >>> sums = [x.sum() for x in series]
    >>> model = SequenceRegressor(cell="gru", hidden_size=16, learning_rate=0.01, seed=1, verbose=0)
    >>> model.fit(series, sums).score(series, sums) > 0.95
    True
    """

    def predict(self, X: Any) -> npt.NDArray[np.float64]:
        """Return the numbers of each sequence.

        Parameters
        ----------
        X : list of str, list of list of str, list of ndarray, or ndarray
            Sequences of the kind that `fit` was given.

        Returns
        -------
        ndarray of float64, shape (N,) or (N, k)
            As the ``y`` of `fit` was.

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
        predicted = self._predict_encoded(self.inputs_.encode("X", X))
        return predicted[:, 0] if self._single else predicted

    def score(self, X: Any, y: npt.ArrayLike) -> float:
        """Return R^2, the share of the variance that the predictions explain; see `metrics.r2`.

        Parameters
        ----------
        X : list of str, list of list of str, list of ndarray, or ndarray
            Sequences.
        y : array_like, shape (N,) or (N, k)
            The numbers of each.

        Raises
        ------
        ValueError, TypeError
            As `predict`; also if ``y`` does not fit.
        """
        predicted = self.predict(X)
        numbers = read_numbers("y", y)
        check_same_length(predicted, numbers)
        if numbers.shape != predicted.shape:
            raise ValueError(f"y: expected shape {predicted.shape}, got {numbers.shape}")
        return metrics.r2(numbers, predicted)

    def _prepare(self, X: Any, y: Any, valid: Any) -> tuple[Examples, Examples | None]:
        sequences, numbers = self._read("X", X), read_numbers("y", y)
        check_same_length(sequences, numbers)
        self._single = numbers.ndim == 1

        def read_targets(name: str, y: Any) -> Array:
            others = read_numbers(name, y)
            if others.shape[1:] != numbers.shape[1:]:
                expected = "(N,)" if self._single else f"(N, {numbers.shape[1]})"
                raise ValueError(f"{name}: expected shape {expected}, got {others.shape}")
            return others.reshape(len(others), -1)

        return self._prepare_numbers(
            sequences, numbers.reshape(len(numbers), -1), valid, read_targets
        )

    def _learned(self) -> dict[str, Any]:
        return {**super()._learned(), "single": self._single}

    def _restore(self, learned: Mapping[str, Any]) -> None:
        super()._restore(learned)
        self._single = self._targets.read_single("single", learned["single"])


def read_numbers(name: str, y: Any, shape: str = "(N,) or (N, k)") -> Array:
    """Return numbers with one axis or two, such as what is to be predicted; their dtype stays.

    Parameters
    ----------
    name : str
        The argument, for messages.
    y : array_like
        The numbers.
    shape : str
        What its shape may be, for messages.

    Raises
    ------
    TypeError
        If it does not hold real numbers, or is masked.
    ValueError
        If it has other axes, no number, or one that is not finite.
    """
    array = read_array(name, y, f"shape {shape}")
    if array.dtype.kind not in "fiu" and array.size:
        raise TypeError(f"{name}: expected real numbers, got dtype {array.dtype}")
    if array.ndim not in (1, 2) or array.shape[-1] == 0:
        raise ValueError(f"{name}: expected shape {shape}, got {array.shape}")
    axes = ("step", "channel") if shape.startswith("(T") else ("place", "number")
    require_finite(name, array, axes)
    return array
