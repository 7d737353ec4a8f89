"""Figure of what a series was, and how it is foretold to go on."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rnnfast._checks import check_int
from rnnfast._checks.arrays import as_numbers
from rnnfast.diagnostics.plotting._parts import Axes, axes_of
from rnnfast.models.forecaster import Forecaster
from rnnfast.models.forecasting.asking import panel_after
from rnnfast.models.forecasting.intervals import check_coverage
from rnnfast.models.forecasting.panel import Panel


def plot_forecast(
    model: Forecaster,
    steps: int | None = None,
    *,
    after: Any = None,
    true: npt.ArrayLike | None = None,
    coverage: float | None = 0.9,
    number: int = 0,
    ax: Axes | None = None,
    **options: Any,
) -> Axes:
    """Draw the end of a series, its forecast, and the interval that it is to lie in.

    Parameters
    ----------
    model : Forecaster
        A fitted one.
    steps : int, optional
        How many to foretell; None: the horizon.
    after : array_like, optional
        What they follow, as `rnnfast.Forecaster.predict` takes it; None: the series of `fit`, of
        whose end as much is drawn as forecasts read.
    true : array_like, optional
        What came, ``(steps,)`` or ``(steps, k)``, to be drawn beside.
    coverage : float, optional
        Of the interval; None: none is drawn, as of steps beyond the horizon, or where no window was
        held out.
    number : int
        Which of several series.
    ax : matplotlib.axes.Axes, optional
        Where to draw.
    **options
        Covariates, as `rnnfast.Forecaster.predict` takes them.

    Returns
    -------
    matplotlib.axes.Axes
        With a line of what was and one of the forecast for each channel that is foretold.

    Raises
    ------
    TypeError
        If it is no forecaster, or something is of a wrong type.
    ValueError
        If it has not been fitted, or something does not fit.
    ImportError
        If matplotlib is not installed.
    """
    if not isinstance(model, Forecaster):
        raise TypeError(f"model: expected a Forecaster, got {type(model).__name__}")
    model = model._as_fitted()
    codec = model._codec
    foretold = model.predict(steps, after=after, **options)
    future = options.get("future_covariates"), options.get("static_covariates")
    count = codec.windows.horizon if steps is None else steps
    panel = panel_after(codec, model._layout(), after, *future, count)
    number = check_int("number", number, 0, len(panel.values) - 1)
    bounds = _bounds(model, count, coverage, after, options)
    came = None if true is None else as_numbers("true", true)
    own = foretold[number] if panel.several else foretold
    if came is not None and came.shape != own.shape:
        raise ValueError(f"true: expected shape {own.shape}, got {came.shape}")
    ax = axes_of(ax)
    past = panel.values[number][:, codec.windows.targets]
    before, ahead = _places(panel, number, len(past), count)
    for channel, line in enumerate(own.reshape(count, -1).T):
        colour = f"C{channel}"
        ax.plot(before, past[:, channel], color=colour, label=_label("series", channel, own))
        ax.plot(ahead, line, color=colour, linestyle="--", label=_label("forecast", channel, own))
        if came is not None:
            ax.plot(ahead, came.reshape(count, -1)[:, channel], color=colour, linestyle=":")
        if bounds is not None:
            low, high = (
                (bound[number] if panel.several else bound).reshape(count, -1)[:, channel]
                for bound in bounds
            )
            known = np.isfinite(low) & np.isfinite(high)
            ax.fill_between(ahead, low, high, where=known, color=colour, alpha=0.2, linewidth=0)
    ax.legend()
    return ax


def _bounds(model: Forecaster, steps: int, coverage: Any, after: Any, options: Any) -> Any:
    codec = model._codec
    within = steps <= codec.windows.horizon and codec.calibration is not None
    if coverage is None or not (
        within or codec.loss in ("gaussian", "student_t", "negative_binomial")
    ):
        return None
    future = options.get("future_covariates"), options.get("static_covariates")
    return model._interval(steps, check_coverage(coverage), after, *future, False)[0]


def _places(panel: Panel, number: int, past: int, steps: int) -> tuple[Any, Any]:
    times = panel.times[number]
    if times is None:
        return np.arange(1 - past, 1), np.arange(1, steps + 1)
    before, ahead = times.last(past), times.following(steps)
    if times.kind == "period":
        return before.to_timestamp(), ahead.to_timestamp()
    return before, ahead


def _label(what: str, channel: int, foretold: npt.NDArray[Any]) -> str:
    return what if foretold.ndim == 1 else f"{what}, channel {channel}"
