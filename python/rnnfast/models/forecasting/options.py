"""The hyperparameters of `Forecaster`, checked."""

from __future__ import annotations

from typing import Any

from rnnfast._checks import among, check_bool, check_int, check_integers, check_list, check_real
from rnnfast._checks.messages import shown
from rnnfast.models.forecasting.calendar import check_calendar
from rnnfast.models.forecasting.choosing import Said
from rnnfast.models.forecasting.outputs import LOSSES
from rnnfast.models.forecasting.panel import Layout
from rnnfast.models.forecasting.windows import check_chosen

# Steps of a season that are foretold at once.
_LONGEST = 60
_WORDS = {
    "loss": LOSSES,
    "layout": ("channels", "columns", "rows"),
    "missing": ("refuse", "mask"),
    "scaling": (None, "all", "window"),
}


def check_options(model: Any) -> None:
    """Raise TypeError or ValueError for hyperparameters of forecasts that cannot be."""
    for name in ("lags", "horizon", "season"):
        value = getattr(model, name)
        if value is not None:
            check_int(name, value, 1)
    if model.differences is not None:
        check_integers("differences", model.differences, 1)
    check_chosen("targets", model.targets)
    for name, words in _WORDS.items():
        value = getattr(model, name)
        if not among(value, words):
            known = ", ".join(str(word) for word in words)
            raise ValueError(f"{name}: expected one of {known}, got {shown(value)}")
    check_real("validation_fraction", model.validation_fraction, 0, 1, below=True)
    for name in ("logarithm", "linear"):
        if getattr(model, name) is not None:
            check_bool(name, getattr(model, name))
    for name in ("series_column", "time_column", "value_column"):
        value = getattr(model, name)
        if value is not None and not isinstance(value, str):
            raise TypeError(f"{name}: expected a str or None, got {type(value).__name__}")
    if model.value_column is None and (model.series_column or model.time_column):
        raise ValueError(
            "value_column: expected a column, with the others of a long table, got None"
        )
    check_calendar(model.calendar)
    check_quantiles(model.quantiles)
    if model.loss == "negative_binomial":
        refused = {"differences": model.differences, "logarithm": model.logarithm,
                   "linear": model.linear, "scaling": model.scaling == "window"}  # fmt: skip
        for name, value in refused.items():
            if value is not None and value is not False and len(str(value)) and bool(value):
                raise ValueError(f"{name}: expected none with counts, got {shown(value)}")


def check_quantiles(quantiles: Any) -> tuple[float, ...]:
    """Return levels that rise, with a middle; raise otherwise."""
    levels = [check_real("quantiles", level, 0, 1, above=True, below=True)
              for level in check_list("quantiles", quantiles, "numbers")]  # fmt: skip
    if levels != sorted(set(levels)) or 0.5 not in levels:
        raise ValueError(
            f"quantiles: expected different levels that rise, 0.5 among them, got {shown(levels)}"
        )
    return tuple(levels)


def layout_of(params: Any) -> Layout:
    """Return how series are read, by hyperparameters by name."""
    return Layout(
        layout=params.get("layout", "channels"),
        series_column=params.get("series_column"),
        time_column=params.get("time_column"),
        value_column=params.get("value_column"),
        missing=params.get("missing", "refuse"),
        calendar=params.get("calendar", False),
    )


def said_by(model: Any, season: int | None, targets: tuple[int, ...], longest: int) -> Said:
    """Return what is said of windows; what is left open is to be chosen where lags are."""
    is_open = model.lags is None
    counts = model.loss == "negative_binomial"
    distribution = model.loss in LOSSES[3:]
    differences = model.differences
    if differences is not None:
        differences = tuple(check_integers("differences", differences, 1))
    if differences is None and (counts or not is_open):
        differences = ()
    horizon = model.horizon
    if horizon is None:
        fits = season is not None and is_open and season <= _LONGEST and 8 * season <= longest
        horizon = season if fits and season is not None else 1

    def choice(value: Any, closed: bool) -> bool | None:
        if value is not None:
            return bool(value)
        return closed if counts or not is_open else None

    local = None if model.scaling is None else model.scaling == "window"
    return Said(
        lags=model.lags,
        differences=differences,
        logarithm=choice(model.logarithm, False),
        local=choice(local, False),
        linear=False if distribution and model.linear is None else choice(model.linear, False),
        horizon=horizon,
        season=season,
        targets=targets,
        averaged=is_open and model.loss in LOSSES[:2] and model.linear is not False,
    )
