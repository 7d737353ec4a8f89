"""Numbers from whole sequences: many to one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from rnnfast import metrics
from rnnfast._checks.likeness import likeness
from rnnfast.models.base import OfPart
from rnnfast.models.estimator import Estimator
from rnnfast.models.parts.codecs.numbers import NumberCodec
from rnnfast.models.parts.contract import Facts, Weighed, undefined_r2
from rnnfast.models.parts.fitting.examples import check_same_length
from rnnfast.models.parts.hyperparameters import PoolOptions
from rnnfast.models.parts.networks.heads import NumberHead, number_head
from rnnfast.models.parts.running import RunningNumbers
from rnnfast.models.parts.turns import in_turn
from rnnfast.nn.module import Array


@dataclass(kw_only=True, eq=False, repr=False)
class SequenceRegressor(Weighed, Estimator):
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

    # Smaller than with others, since there is one answer to a sequence to learn from.
    embedding_scale: float = 0.1
    pooling: Literal["last", "mean", "max", "concat"] = "last"
    loss: Literal["mse", "mae"] = "mse"

    target_mean_ = OfPart[Array]("_codec.numbers.mean")
    target_scale_ = OfPart[Array]("_codec.numbers.scale")
    _codec: NumberCodec = field(init=False)
    _groups: ClassVar[tuple[type, ...]] = (PoolOptions,)
    _facts: ClassVar[Facts] = Facts("regressor", multi_output=True, axes=(2, 3))

    # Asking

    @in_turn
    def predict(self, X: Any, *, like: bool = False) -> npt.NDArray[np.float64]:
        """Return the numbers of each sequence.

        Parameters
        ----------
        X : list of str, list of list of str, list of ndarray, or ndarray
            Sequences of the kind that `fit` was given.
        like : bool
            True: what is returned is of the library that ``X`` is of, such as a tensor or a Series.

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
        self, alike = self._as_fitted(), likeness(X, like)
        predicted = self._codec.predict(self.network_, self._reader.encode("X", X))
        return alike.whole(predicted[:, 0] if self._codec.single else predicted)

    def score(self, X: Any, y: npt.ArrayLike, sample_weight: Any = None) -> float:
        """Return R^2, the share of the variance that the predictions explain; see `metrics.r2`.

        Parameters
        ----------
        X : list of str, list of list of str, list of ndarray, or ndarray
            Sequences.
        y : array_like, shape (N,) or (N, k)
            The numbers of each.
        sample_weight : array_like, optional
            How much each sequence counts, ``(N,)``, none below 0; None: all the same.

        Returns
        -------
        float
            Of one sequence, whose numbers have no variance, NaN with a warning, which is
            scikit-learn's ``UndefinedMetricWarning`` where that is loaded.

        Raises
        ------
        ValueError, TypeError
            As `predict`; also if ``y`` or weights do not fit.
        """
        predicted = self.predict(X)
        numbers = self._codec.read("y", y)
        check_same_length(predicted, numbers)
        if numbers.shape != predicted.shape:
            raise ValueError(f"y: expected shape {predicted.shape}, got {numbers.shape}")
        score = metrics.r2(numbers, predicted, sample_weight=sample_weight)
        return score if len(numbers) > 1 else undefined_r2("y", "sequences")

    # What it is composed of

    def _make_running(self) -> RunningNumbers:
        codec, pool = self._codec, self._make_pool()
        return RunningNumbers(self.network_.head, codec.numbers, codec.single, pool)

    def _make_codec(self) -> NumberCodec:
        return NumberCodec(self.loss, self.standardize, self.dtype)

    def _make_head(self, in_features: int, rng: np.random.Generator) -> NumberHead:
        return number_head(self._codec, in_features, rng)
