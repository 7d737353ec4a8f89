"""What is not said of windows, chosen: lags, differences, logarithms, scale and a linear part."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rnnfast.data.batches import Ints
from rnnfast.models.forecasting.line import PENALTIES, Line, ridge
from rnnfast.models.forecasting.tracks import Track
from rnnfast.models.forecasting.windows import Floats, Windows

# Validation windows: what comes behind these shares of a series, up to the next.
CUTS = (0.6, 0.8, 1.0)
_FEWEST, _MOST = 4, 3000  # windows to learn from
_SERIES = 100  # that are looked at
_WIDEST = 600  # numbers of a window
_LONGEST = 64  # lags
# Forms are averaged with weights that fall as this power of their errors, down to the least; the
# naive forecast has this share of its own.
_POWER, _LEAST, _NAIVE = 3, 1 / 6, 0.5


@dataclass(frozen=True, kw_only=True)
class Said:
    """What is said of windows; None: it is to be chosen.

    Attributes
    ----------
    lags, differences, logarithm, local, linear
        As `Windows` and `Forecaster` have them.
    horizon : int
    season : int, optional
    targets : tuple of int
    averaged : bool
        Whether several forms may be averaged.
    """

    lags: int | None
    differences: tuple[int, ...] | None
    logarithm: bool | None
    local: bool | None
    linear: bool | None
    horizon: int
    season: int | None
    targets: tuple[int, ...]
    averaged: bool = False


@dataclass(frozen=True)
class Choice:
    """What was chosen.

    Attributes
    ----------
    windows : Windows
    penalty : float, optional
        Of the linear part; None: there is none.
    error : float, optional
        Of forecasts by it on the validation windows, as a share of the steps' mean change; None:
        nothing was to be compared.
    others : tuple of (Choice, float)
        What is averaged with it, and how much each counts beside it, at most 1.
    naive : bool
        Whether the last ``lags`` steps come again; nothing is learned then.
    """

    windows: Windows
    penalty: float | None
    error: float | None
    others: tuple[tuple[Choice, float], ...] = ()
    naive: bool = False


def window_rows(windows: Windows, track: Track, places: Ints) -> tuple[Floats, Any]:
    """Return what is read before places, ``(N, lags, E)``, and the mean and scale of its own."""
    rows = windows.rows(track.read, places)
    if not windows.local or not len(places):
        return rows, None
    mean, scale = windows.own_scale(rows)
    rows[..., windows.targets] = (rows[..., windows.targets] - mean) / scale
    return rows, (mean, scale)


def window_targets(windows: Windows, track: Track, places: Ints, own: Any) -> Floats:
    """Return the changes after places, ``(N, h * k)``, as they are to be foretold."""
    with np.errstate(invalid="ignore"):
        changes = windows.changes(track.true, places)
    if own is not None:
        changes = (changes - own[0]) / own[1]
    return changes.reshape(len(places), windows.horizon * len(windows.targets))


def window_forecasts(
    windows: Windows, track: Track, places: Ints, own: Any, foretold: Floats
) -> Floats:
    """Return the series' next steps, ``(N, h, k)``, whose changes are foretold ``(N, h * k)``."""
    changes = foretold.reshape(len(places), windows.horizon, len(windows.targets))
    if own is not None:
        changes = changes * own[1] + own[0]
    return windows.add_up(track.read, places, changes)


def choose(tracks: Sequence[Track], said: Said, counts: Sequence[Floats] | None = None) -> Choice:
    """Return the windows whose forecasts by regression are the best on validation windows.

    ``counts`` is how much each step of each series counts, as the first that a window foretells.

    Each choice is measured on the same steps: those between three and four fifths of each series
    and those behind, foretold from regressions on what came before.
    """
    every: list[tuple[float, Choice]] = []
    shortest = min(len(one.read) for one in tracks)
    positive = all((one.read[:, said.targets] > 0).all() for one in tracks)
    if counts is not None:
        pairs = [pair for pair in zip(tracks, counts, strict=True) if pair[1].any()]
        tracks, counts = [one for one, _ in pairs], [own for _, own in pairs]
    few = slice(None, None, -(-len(tracks) // _SERIES) or 1)
    tracks, counts = tracks[few], None if counts is None else counts[few]
    if said.lags is not None and None not in (
        said.differences, said.logarithm, said.local, said.linear
    ):  # fmt: skip
        tracks = ()  # nothing is to be chosen but a penalty, which may be any
    for windows in _candidates(tracks, said, shortest, positive):
        for penalty, error in _errors(tracks, windows, said, counts):
            every.append((error, Choice(windows, penalty, error)))
    if not every:  # too short for a comparison
        lags = said.lags or max(1, min(24, shortest // 4))
        windows = Windows(
            lags, said.horizon, said.differences or (), said.targets,
            bool(said.logarithm), bool(said.local),
        )  # fmt: skip
        return Choice(windows, 10.0 if said.linear else None, None)
    every.sort(key=lambda pair: pair[0])
    best = every[0][1]
    if not said.averaged:
        return best
    return replace(best, others=(*_others(every), *_naive(best, tracks, said, counts)))


def _others(every: Sequence[tuple[float, Choice]]) -> Iterator[tuple[Choice, float]]:
    """Yield the best of each other form than the first's, the best first, and its weight.

    It reads no further back, and logarithms only if the first does, so that what can be foretold
    from stays the same; its scale is the first's too.
    """
    (least, best), *rest = every
    own = best.windows
    forms = {(own.differences, own.logarithm)}
    for error, choice in rest:
        windows, weight = choice.windows, _weight(least, error)
        form = windows.differences, windows.logarithm
        fits = windows.reach <= own.reach and windows.logarithm <= own.logarithm
        if fits and windows.local == own.local and weight >= _LEAST and form not in forms:
            forms.add(form)
            yield choice, weight


def _naive(
    best: Choice, tracks: Sequence[Track], said: Said, counts: Sequence[Floats] | None
) -> Iterator[tuple[Choice, float]]:
    """Yield the season before, or without one the last number, if it counts, and its weight."""
    own, season, wide = best.windows, said.season or 1, tracks[0].read.shape[1]
    fits = season <= own.reach and season * wide <= _WIDEST
    windows = replace(own, lags=season if fits else 1, differences=(), logarithm=False)
    line, parts = Line.again(windows, wide), [*_parts(tracks, windows, counts)]
    error = sum(_missed(tracks, after, windows, line, counts) for _, after in parts) / len(parts)
    assert best.error is not None
    weight = _weight(best.error, error)
    if weight >= _LEAST:
        yield Choice(windows, None, error, naive=True), _NAIVE * weight


def _weight(least: float, error: float) -> float:
    """Return how much forecasts count beside those of the least error; 0 if these are exact."""
    return (least / max(error, least)) ** _POWER if least > 0 else 0.0


def _candidates(
    tracks: Sequence[Track], said: Said, shortest: int, positive: bool
) -> Iterator[Windows]:
    if not tracks:
        return
    season, steps = said.season, [len(one.read) for one in tracks]
    differences: list[tuple[int, ...]] = [(1,), ()]
    if season is not None and season > 1:
        differences += [(season,), (season, 1)]
    if said.differences is not None:
        differences = [said.differences]
    logarithms = [False, True] if positive else [False]
    if said.logarithm is not None:
        logarithms = [said.logarithm]
    locals_ = [False, True] if len(tracks) > 1 else [False]
    if said.local is not None:
        locals_ = [said.local]
    lags = [3, 6, 12, 24]
    if season is not None:
        lags = [season, season + season // 2, 2 * season, 3, 12]
    lags = sorted({min(lag, _LONGEST) for lag in lags if lag >= min(said.horizon, 3)} or {3})
    if said.lags is not None:
        lags = [said.lags]
    wide = tracks[0].read.shape[1]
    for lag, lost, logarithm, local in itertools.product(lags, differences, logarithms, locals_):
        windows = Windows(lag, said.horizon, lost, said.targets, logarithm, local)
        # All series are foretold from, and the longest tells what is good.
        fits = windows.reach + said.horizon <= shortest
        enough = windows.reach + 2 * said.horizon <= CUTS[0] * max(steps)
        if lag * wide <= _WIDEST and fits and enough:
            yield windows


def _errors(
    tracks: Sequence[Track], windows: Windows, said: Said, counts: Sequence[Floats] | None
) -> Iterator[tuple[float | None, float]]:
    """Yield penalties, None without a linear part, and their errors.

    Nothing if it is too short, or its numbers are too large for a line.
    """
    penalties: list[float | None] = []
    if not said.linear:
        penalties.append(None)
    if said.linear is not False:
        penalties += PENALTIES
    errors = np.zeros(len(penalties))
    for before, after in _parts(tracks, windows, counts):
        x, y = [], []
        for track, places in zip(tracks, before, strict=True):
            rows, own = window_rows(windows, track, places)
            x.append(rows.reshape(len(places), rows.shape[1] * rows.shape[2]))
            y.append(window_targets(windows, track, places, own))
        known, foretold = np.concatenate(x), np.concatenate(y)
        if len(known) < _FEWEST or not sum(map(len, after)):
            return
        each = _counted(counts, before)
        made = ridge(known, foretold, PENALTIES, each)
        if said.linear is not False and not all(line.bounded for line in made):
            return
        lines: dict[float | None, Any] = dict(zip(PENALTIES, made, strict=True))
        middle = _middle(foretold, each)
        lines[None] = lambda rows, middle=middle: np.tile(middle, (len(rows), 1))
        for number, penalty in enumerate(penalties):
            errors[number] += _missed(tracks, after, windows, lines[penalty], counts)
    if np.isfinite(errors).all():
        yield from zip(penalties, (errors / (len(CUTS) - 1)).tolist(), strict=True)


def _parts(
    tracks: Sequence[Track], windows: Windows, counts: Sequence[Floats] | None
) -> Iterator[tuple[list[Ints], list[Ints]]]:
    """Yield the places of each series to learn from and to foretell from, for each validation."""
    few = -(-sum(len(track.read) for track in tracks) // _MOST)
    every = [windows.places(track.read) for track in tracks]
    if counts is not None:
        every = [one[own[one] > 0] for one, own in zip(every, counts, strict=True)]
    for start, stop in itertools.pairwise(CUTS):
        before, after = [], []
        for track, places in zip(tracks, every, strict=True):
            cut, end = (round(share * len(track.read)) for share in (start, stop))
            before.append(places[places + windows.horizon <= cut][::few])
            after.append(places[(places >= cut) & (places + windows.horizon <= end)][::few])
        yield before, after


def _missed(
    tracks: Sequence[Track],
    parts: Sequence[Ints],
    windows: Windows,
    line: Any,
    counts: Sequence[Floats] | None,
) -> float:
    """Return by how much forecasts miss what follows places, root mean squared, in mean changes."""
    squares = []
    for track, places in zip(tracks, parts, strict=True):
        if not len(places):
            continue
        rows, own = window_rows(windows, track, places)
        found = window_forecasts(windows, track, places, own, line(rows))
        size = _mean_change(track, windows.targets)
        with np.errstate(over="ignore"):
            missed = (found - windows.futures(track.true, places)) / size
            squares.append(np.minimum(missed**2, 1e300).reshape(len(places), -1))
    every, own_count = np.concatenate(squares), _counted(counts, parts)
    seen = np.isfinite(every)
    if own_count is not None:
        own_count = np.broadcast_to(own_count[:, np.newaxis], every.shape)[seen]
    mean = np.average(every[seen], weights=own_count) if seen.any() else np.inf
    return float(np.sqrt(mean))


def _counted(counts: Sequence[Floats] | None, parts: Sequence[Ints]) -> Floats | None:
    """Return how much windows at places of series count; None: all the same."""
    if counts is None:
        return None
    joined = np.concatenate([own[places] for own, places in zip(counts, parts, strict=True)])
    return None if (joined == joined[:1]).all() else joined


def _middle(foretold: Floats, counts: Floats | None) -> Floats:
    """Return the mean of what is foretold where it is known, 0 where nothing is."""
    known = np.isfinite(foretold)
    each = known if counts is None else known * counts[:, np.newaxis]
    total = each.sum(axis=0)
    sums = (np.where(known, foretold, 0.0) * each).sum(axis=0)
    return np.asarray(sums / np.where(total > 0, total, 1.0))


def _mean_change(track: Track, targets: Sequence[int]) -> Floats:
    changes = np.abs(np.diff(track.read[:, targets], axis=0))
    size = changes.mean(axis=0) if len(changes) else np.ones(len(targets))
    return np.where(size > 0, size, 1.0)


def fit_line(x: Floats, y: Floats, penalty: float | None, counts: Floats | None = None) -> Line:
    """Return the linear part, learned from windows that count as ``counts`` says.

    Without a penalty it is the mean of what is foretold.
    """
    few = slice(None, None, -(-len(x) // (4 * _MOST)))
    own = None if counts is None else counts[few]
    rows = x.reshape(len(x), x.shape[1] * x.shape[2])
    if penalty is None:
        return Line(np.zeros((rows.shape[1], y.shape[1])), _middle(y, counts))
    return ridge(rows[few], y[few], [penalty], own)[0]
