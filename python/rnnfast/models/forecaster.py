"""Forecasts: what follows a series, from its last steps."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np
import numpy.typing as npt

from rnnfast import metrics
from rnnfast._checks import check_bool, check_int, check_integers
from rnnfast._checks.arrays import as_numbers, hint_time_first, require_finite
from rnnfast.data.batches import Ints
from rnnfast.models.parts.examples import Examples
from rnnfast.models.parts.inputs import SeriesInputs
from rnnfast.models.parts.windows import Windows, check_targets
from rnnfast.models.regressor import Regression, read_numbers
from rnnfast.nn.module import Array
from rnnfast.training.loop import Callback

Self = TypeVar("Self", bound="Forecaster")
Floats = npt.NDArray[np.float64]

# What a series may be, for messages.
_SHAPE = "(T,) or (T, F)"


@dataclass(kw_only=True, eq=False, repr=False)
class Forecaster(Regression):
    """Foretells a series of one or of several quantities from its own past.

    The picture of the course is *many to one*: the ``T_x = lags`` last steps are read, and the next
    ``horizon`` steps come out at once, as one vector (a direct forecast, not one step fed back).

    ::

        a<s>    = cell(a<s-1>, x<t-lags+s>),  s = 1 ... lags     a<0> = 0
        y_hat   = W_y pool(a<1>, ..., a<lags>) + b_y             for x<t+1>, ..., x<t+horizon>

    It learns from every place t of the series that has enough steps on both sides.

    Parameters
    ----------
    lags : int
        Steps that are read.
    horizon : int
        Steps that are foretold at once.
    differences : sequence of int
        Learn changes in place of levels: ``1`` takes ``x<t> - x<t-1>``, which rids a series of its
        trend; ``12`` takes ``x<t> - x<t-12>``, which rids monthly numbers of their season; several
        are taken one after another. Forecasts are of the series itself, added up again.
    targets : sequence of int, optional
        The channels to foretell, by their numbers; the others are only read. None: all.
    loss : {"mse", "mae"}
        Mean squared or mean absolute error.
    standardize : bool
        Whether the network reads and foretells standardised numbers.
    validation_fraction : float
        The part of the places t to hold out where `fit` is given no other series to validate on:
        the last ones.
    pooling : {"last", "mean", "max", "concat"}
        What becomes of the layers' outputs over time.
    **others
        The hyperparameters that all models have, see
        `rnnfast.models.recurrent_model.RecurrentModel`, and all supervised ones, see
        `rnnfast.models.estimator.Estimator`.

    Attributes
    ----------
    target_mean_, target_scale_ : ndarray of float64
        Of what the network foretells; 0 is the scale of changes, or levels, that stay the same.
    inputs_, network_, history_, best_epoch_, stopped_
        As every supervised model has them.

    Examples
    --------
    >>> waves = np.sin(np.arange(300) / 5)
    >>> model = Forecaster(lags=20, horizon=10, cell="gru", epochs=60, seed=1, verbose=0)
    >>> model = model.fit(waves[:250])
    >>> bool(np.abs(model.predict(20) - waves[250:270]).max() < 0.1)
    True
    """

    lags: int = 24
    horizon: int = 1
    differences: Sequence[int] = ()
    targets: Sequence[int] | None = None

    _unit: ClassVar[str] = "window"

    def fit(
        self: Self,
        X: Any,
        y: None = None,
        *,
        valid: Any = None,
        checkpoint: str | os.PathLike[str] | None = None,
        resume: bool = False,
        callbacks: Sequence[Callback] = (),
    ) -> Self:
        """Learn from a series.

        Parameters
        ----------
        X : array_like
            The series, ``(T,)``, or ``(T, F)`` of F channels, real numbers in the order of time.
        y : None
            Nothing: a series foretells itself. Here because scikit-learn passes it.
        valid : array_like, optional
            Another series to measure on after each epoch; to measure on what follows ``X``, begin
            it with the last steps of ``X`` that a forecast reads.
        checkpoint, resume, callbacks
            As every supervised model's `fit` takes them; see
            `rnnfast.models.estimator.Estimator`.

        Returns
        -------
        self
            This model, fitted.

        Raises
        ------
        ValueError
            If a hyperparameter is wrong, or the series is too short or not finite.
        TypeError
            If something is of a wrong type, or ``y`` is given.
        FloatingPointError
            If the loss or a gradient becomes infinite or NaN.
        OSError
            If a checkpoint cannot be read or written.
        """
        if y is not None:
            raise TypeError(f"y: expected None, a series foretells itself, got {type(y).__name__}")
        return super().fit(
            X, y, valid=valid, checkpoint=checkpoint, resume=resume, callbacks=callbacks
        )

    def predict(self, steps: int | None = None, *, after: npt.ArrayLike | None = None) -> Floats:
        """Foretell the next steps.

        Beyond the horizon, forecasts are read as if they had come true, again and again.

        Parameters
        ----------
        steps : int, optional
            How many; None: ``horizon``.
        after : array_like, optional
            A series, shaped as that of `fit`, of at least ``lags + sum(differences)`` steps: what
            follows it is foretold. None: what follows the series of `fit`.

        Returns
        -------
        ndarray of float64, shape (steps,) or (steps, k)
            Of the k channels that are foretold.

        Raises
        ------
        NotFittedError
            If the model has not been fitted.
        ValueError
            If ``after`` is too short or does not fit, or ``steps`` is above the horizon and some
            channels are not foretold.
        TypeError
            If something is of a wrong type.
        """
        self = self._as_fitted()
        steps = check_int("steps", self._windows.horizon if steps is None else steps, 1)
        windows = self._windows
        name = "X" if after is None else "after"
        known = self._tail if after is None else self._series(name, after, windows.reach)
        if steps > windows.horizon and len(windows.targets) < known.shape[1]:
            raise ValueError(
                f"steps: expected at most horizon {windows.horizon}, as channels that are not "
                f"foretold cannot be read beyond it, got {steps}"
            )
        forecasts: list[Floats] = []
        for _ in range(0, steps, windows.horizon):
            known = known[-windows.reach :]
            future = self._forecast(name, known, np.array([len(known)]))[0]
            forecasts.append(future)
            if len(forecasts) * windows.horizon < steps:  # then all channels are foretold
                rows = np.empty_like(future)
                rows[:, windows.targets] = future
                known = np.concatenate([known, rows])
        foretold = np.concatenate(forecasts)[:steps]
        return foretold[:, 0] if self._single else foretold

    def backtest(self, X: npt.ArrayLike) -> tuple[Floats, Floats]:
        """Forecast from every place of a series that has enough steps on both sides.

        Parameters
        ----------
        X : array_like
            A series, shaped as that of `fit`.

        Returns
        -------
        true, predicted : ndarray of float64, shape (N, horizon) or (N, horizon, k)
            ``N = T - lags - sum(differences) - horizon + 1``.

        Raises
        ------
        ValueError, TypeError
            If the series is too short or does not fit.
        """
        self = self._as_fitted()
        windows = self._windows
        series = self._series("X", X, windows.reach + windows.horizon)
        places = windows.places(series)
        true, predicted = windows.futures(series, places), self._forecast("X", series, places)
        return (true[..., 0], predicted[..., 0]) if self._single else (true, predicted)

    def score(self, X: npt.ArrayLike, y: None = None) -> float:
        """Return R^2 of `backtest`, the mean over steps of the horizon and channels.

        Parameters
        ----------
        X : array_like
            A series, as `backtest` takes it.
        y : None
            Nothing. Here because scikit-learn passes it.

        Raises
        ------
        ValueError, TypeError
            As `backtest`.
        """
        return metrics.r2(*self.backtest(X))

    def _read_windows(self, name: str, series: Floats, places: Ints) -> list[Array]:
        """Return what the network reads before each place of a series, `name` for messages."""
        assert isinstance(self.inputs_, SeriesInputs)
        encode = self.inputs_.encode_one
        return [encode(name, window) for window in self._windows.inputs(series, places)]

    def _forecast(self, name: str, series: Floats, places: Ints) -> Floats:
        """Return what follows each place of a series, ``(N, h, k)``."""
        windows = self._windows
        x = self._read_windows(name, series, places)
        changes = self._predict_encoded(x).reshape(len(x), windows.horizon, len(windows.targets))
        return windows.add_up(series, places, changes)

    def _series(self, name: str, X: Any, minimum: int) -> Floats:
        """Return a series like that of `fit` as ``(T, F)``."""
        series = read_numbers(name, X, _SHAPE).astype(np.float64)
        axes, channels = (1, 1) if self._single else (2, self._tail.shape[1])
        if series.ndim != axes or (axes == 2 and series.shape[1] != channels):
            expected = "(T,)" if self._single else f"(T, {channels})"
            raise ValueError(f"{name}: expected shape {expected} as in fit, got {series.shape}")
        if len(series) < minimum:
            raise ValueError(
                f"{name}: expected at least {minimum} steps, got {len(series)}"
                + hint_time_first(name, series.shape)
            )
        return series.reshape(len(series), channels)

    # What `Estimator` asks for

    def _check_hyperparameters(self) -> None:
        super()._check_hyperparameters()
        check_int("lags", self.lags, 1)
        check_int("horizon", self.horizon, 1)
        check_integers("differences", self.differences, 1)
        if self.targets is not None:
            check_integers("targets", self.targets, 0)

    def _prepare(self, X: Any, y: Any, valid: Any) -> tuple[Examples, Examples | None]:
        given = read_numbers("X", X, _SHAPE)
        self._single = given.ndim == 1
        series = given.astype(np.float64)
        series = series[:, np.newaxis] if self._single else series
        channels = series.shape[1]
        targets = range(channels) if self.targets is None else self.targets
        targets = check_targets("targets", targets, channels)
        windows = Windows(self.lags, self.horizon, tuple(self.differences), targets)
        held_out = valid is None and self.validation_fraction > 0
        needed = windows.reach + windows.horizon + held_out
        if len(series) < needed:
            raise ValueError(
                f"X: expected at least {needed} steps, lags + horizon + differences"
                f"{' and one to hold out' if held_out else ''}, got {len(series)}"
                + hint_time_first("X", series.shape)
            )
        self._windows, self._tail = windows, series[-windows.reach :].copy()
        if valid is not None:
            valid = self._examples(self._series("valid", valid, windows.reach + windows.horizon))
        self._rounding_of_changes = windows.rounding(series, given.dtype)
        inputs, changes = self._examples(series)
        return self._prepare_numbers([*inputs], changes, valid, lambda name, y: y)

    def _input_rounding(self) -> float | Array:
        rounding = np.zeros(self._tail.shape[1])
        rounding[list(self._windows.targets)] = self._rounding_of_changes
        return rounding

    def _target_rounding(self) -> float | Array:
        return np.tile(self._rounding_of_changes, self._windows.horizon)

    def _examples(self, series: Floats) -> tuple[list[Floats], Floats]:
        """Return what is read, and the differences that follow, ``(N, h * k)``, of all places."""
        places = self._windows.places(series)
        changes = self._windows.changes(series, places)
        return self._windows.inputs(series, places), changes.reshape(len(places), -1)

    def _hold_out(self, count: int, classes: Array | None) -> tuple[Ints, Ints]:
        """Hold out the end: what comes later is not to help with what came before."""
        cut = count
        if self.validation_fraction > 0:
            cut -= min(max(round(count * self.validation_fraction), 1), count - 1)
        return np.arange(cut), np.arange(cut, count)

    def _learned(self) -> dict[str, Any]:
        return {
            **super()._learned(),
            "windows": asdict(self._windows),
            "tail": self._tail.tolist(),
            "single": self._single,
        }

    def _restore(self, learned: Mapping[str, Any]) -> None:
        super()._restore(learned)
        channels = self.inputs_.size
        windows = self._windows = Windows.from_dict(learned["windows"], channels)
        foretold, outputs = windows.horizon * len(windows.targets), len(self.target_mean_)
        if foretold != outputs:
            raise ValueError(
                f"windows: expected horizon x targets of the {outputs} numbers that the network "
                f"predicts, got {foretold}"
            )
        self._single = check_bool("single", learned["single"])
        if self._single and channels != 1:
            raise ValueError(f"single: expected False of {channels} channels, got True")
        self._tail = as_numbers("tail", learned["tail"])
        if self._tail.shape != (windows.reach, channels):
            raise ValueError(
                f"tail: expected shape {(windows.reach, channels)}, got {self._tail.shape}"
            )
        require_finite("tail", self._tail, ("step", "channel"))
        self._read_windows("tail", self._tail, np.array([windows.reach]))
