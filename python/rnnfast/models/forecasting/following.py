"""Forecasts as what they follow: with the index of pandas that comes next."""

from __future__ import annotations

from typing import Any

from rnnfast._checks.likeness import Likeness
from rnnfast._checks.tables import column_names, is_table
from rnnfast.models.forecasting.panel import Layout, Panel
from rnnfast.models.forecasting.windows import Floats


def following(
    alike: Likeness,
    after: Any,
    panel: Panel,
    how: Layout,
    chosen: Any,
    columns: Any,
    foretold: Floats,
) -> Any:
    """Return forecasts as what they follow.

    Parameters
    ----------
    alike : Likeness
        Of ``after``.
    after : object
        What they follow; None: the series of `fit`.
    panel : Panel
        What was read of it.
    how : Layout
        How.
    chosen : tuple of int
        The channels that are foretold.
    columns : sequence, optional
        What the channels of `fit` are called.
    foretold : ndarray, shape (N, steps, k)
        The forecasts.
    """
    results = foretold[..., 0] if panel.single else foretold
    if after is not None and (how.long and is_table(after)):
        return _long(panel, how, results)
    if not panel.several:
        if after is not None and not hasattr(after, "iloc"):
            return alike.following(results[0], chosen)
        return _of_pandas(panel, 0, results[0], after, chosen, columns)
    if isinstance(after, (list, tuple)):
        return [
            _of_pandas(panel, number, one, after[number], chosen, columns)
            if hasattr(after[number], "iloc")
            else Likeness(after[number]).following(one, chosen)
            for number, one in enumerate(results)
        ]
    if after is not None and not hasattr(after, "iloc"):
        rows = results.T if how.layout == "columns" else results
        return alike.whole(rows, panel.names if how.layout == "columns" else None)
    import pandas

    if how.long:
        return _long(panel, how, results)
    if how.layout == "columns":
        index = _index(panel, 0, results.shape[1])
        return pandas.DataFrame(results.T, index=index, columns=list(panel.names))
    if how.layout == "rows":
        return pandas.DataFrame(results, index=list(panel.names))
    return [_of_pandas(panel, n, one, None, chosen, columns) for n, one in enumerate(results)]


def _index(panel: Panel, number: int, steps: int) -> Any:
    times = panel.times[number]
    return None if times is None else times.following(steps)


def _of_pandas(
    panel: Panel, number: int, foretold: Any, given: Any, chosen: Any, columns: Any
) -> Any:
    import pandas

    index = _index(panel, number, len(foretold))
    if foretold.ndim == 1:
        name = panel.title if given is None else getattr(given, "name", None)
        if is_table(given):
            name = None
        return pandas.Series(foretold, index=index, name=name)
    known = column_names(given) if is_table(given) else columns
    names = None if known is None else [known[k] for k in chosen]
    return pandas.DataFrame(foretold, index=index, columns=names)


def _long(panel: Panel, how: Layout, results: Floats) -> Any:
    import pandas

    parts = []
    for number, one in enumerate(results):
        columns = {} if how.series_column is None else {how.series_column: panel.names[number]}
        index = _index(panel, number, len(one))
        if how.time_column is not None and index is not None:
            columns[how.time_column] = index
        columns[how.value_column] = one
        parts.append(pandas.DataFrame(columns))
    return pandas.concat(parts, ignore_index=True)
