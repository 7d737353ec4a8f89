"""The ends of series in a model's file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnfast._checks import check_bool, check_list
from rnnfast._checks.arrays import as_numbers
from rnnfast.models.forecasting.panel import Panel
from rnnfast.models.forecasting.times import Times
from rnnfast.models.parts.reading.columns import restore_names


def tail_to_dict(panel: Panel) -> dict[str, Any]:
    """Return what `read_tail` reads; of one series without more, its ``tail`` alone."""
    values = [_with_none(one) for one in panel.values]
    described: dict[str, Any] = {"tail": values[0]}
    if panel.several:
        described = {"tails": values, "names": [_plain(name) for name in panel.names]}
    if any(one is not None for one in panel.times):
        described["times"] = [None if one is None else one.to_dict() for one in panel.times]
    if isinstance(panel.title, str):
        described["title"] = panel.title
    if panel.known[0].shape[1]:
        described["known"] = [one.tolist() for one in panel.known]
    if panel.static.shape[1]:
        described["static"] = panel.static.tolist()
    for name in ("known_names", "static_names"):
        if getattr(panel, name) is not None:
            described[name] = list(getattr(panel, name))
    return described


def read_tail(learned: Mapping[str, Any], single: bool) -> Panel:
    """Return the ends of series that a file describes; raise if it describes none."""
    several = "tails" in learned
    given = check_list("tails", learned["tails"], "series") if several else [learned["tail"]]
    values = [_from_none("tail", one) for one in given]
    if not values:
        raise ValueError("tails: expected at least one series, got none")
    channels = values[0].shape[1]
    if any(one.shape[1] != channels for one in values):
        raise ValueError(f"tails: expected {channels} channels of each, got others")
    count = len(values)
    names = tuple(check_list("names", learned["names"], "names")) if several else (0,)
    times = check_list("times", learned.get("times", [None] * count), "times")
    known = [np.empty((0, 0))] * count
    if "known" in learned:
        known = [
            as_numbers("known", one) for one in check_list("known", learned["known"], "tables")
        ]
    static = as_numbers("static", learned.get("static", np.empty((count, 0))))
    if any(len(one) != count for one in (names, times, known, static)) or static.ndim != 2:
        raise ValueError(f"tails: expected as much of each of {count} series, got others")
    for one, steps in zip(known, values, strict=True):
        if one.ndim != 2 or one.shape[1] != known[0].shape[1]:
            raise ValueError(f"known: expected shape {known[0].shape}, got {one.shape}")
        if one.shape[1] and (len(one) != len(steps) or not np.isfinite(one).all()):
            raise ValueError(f"known: expected finite numbers of {len(steps)} steps, got others")
    if not np.isfinite(static).all():
        raise ValueError("static: expected finite numbers, got others")
    title = learned.get("title")
    if title is not None and not isinstance(title, str):
        raise TypeError(f"title: expected a str, got {type(title).__name__}")
    read = [None if one is None else Times.from_dict(one) for one in times]
    return Panel(
        values, check_bool("single", single), several, np.dtype(np.float64), read, names, known,
        static, title, (), restore_names(learned, "known_names", known[0].shape[1]),
        restore_names(learned, "static_names", static.shape[1]),
    )  # fmt: skip


def _plain(name: Any) -> Any:
    name = name.item() if isinstance(name, np.generic) else name
    return name if isinstance(name, (str, int, float)) else str(name)


def _with_none(values: Any) -> Any:
    found = values.astype(object)
    found[np.isnan(values)] = None
    return found.tolist()


def _from_none(name: str, values: Any) -> Any:
    array = np.array(values, object)
    if array.ndim != 2:
        raise ValueError(f"{name}: expected shape (T, F), got {array.shape}")
    missing = np.array([[value is None for value in row] for row in array], np.bool_)
    missing = missing.reshape(array.shape)
    numbers = as_numbers(name, np.where(missing, 0.0, array).tolist()).reshape(array.shape)
    return np.where(missing, np.nan, numbers)
