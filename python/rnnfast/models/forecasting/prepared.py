"""Series on their way into training: tracks, the places that are learned from, and weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rnnfast._checks.arrays import read_array
from rnnfast._checks.weights import read_weights
from rnnfast.data.batches import Ints
from rnnfast.models.forecasting.choosing import (
    Choice,
    Said,
    choose,
    fit_line,
    window_rows,
    window_targets,
)
from rnnfast.models.forecasting.codec import WindowCodec, part, targets_of
from rnnfast.models.forecasting.companions import Companion
from rnnfast.models.forecasting.line import Line
from rnnfast.models.forecasting.panel import Panel
from rnnfast.models.forecasting.tracks import Track
from rnnfast.models.forecasting.windows import Floats
from rnnfast.models.parts.reading.sequences import Sequences
from rnnfast.models.parts.reading.weights import Weights
from rnnfast.nn.module import Array


@dataclass(frozen=True, eq=False)
class Given:
    """What `Forecaster.fit` was given besides options."""

    X: Any
    future: Any
    static: Any


@dataclass(frozen=True, eq=False)
class Prepared:
    """Series of a codec that knows how windows are cut of them.

    Attributes
    ----------
    codec : WindowCodec
    tracks : sequence of Track
    places : sequence of ndarray of int
        Of each.
    """

    codec: WindowCodec
    tracks: Sequence[Track]
    places: Sequence[Ints]

    @classmethod
    def all_of(cls, codec: WindowCodec, tracks: Sequence[Track]) -> Prepared:
        """Return them with all places that can be learned from: something is to be foretold."""
        places = []
        for track in tracks:
            one = codec.windows.places(track.read)
            if codec.masked and len(one):
                known = ~np.isnan(targets_of(codec, track, one)[1])
                one = one[known.any(axis=1)]
            places.append(one)
        return cls(codec, tracks, places)

    @property
    def counts(self) -> list[int]:
        """How many places each has."""
        return [len(one) for one in self.places]

    def examples(self) -> tuple[Sequences, Array]:
        """Return what is read, and what is to be foretold, ``(N, h * k)``, of all places."""
        pairs = [targets_of(self.codec, *one) for one in zip(self.tracks, self.places, strict=True)]
        x = [row for rows, _ in pairs for row in rows]
        return [*x], np.concatenate([y for _, y in pairs])

    def chosen(self, numbers: Ints) -> Prepared:
        """Return those with the places of some examples."""
        places, first = [], 0
        for one in self.places:
            inside = numbers[(numbers >= first) & (numbers < first + len(one))] - first
            places.append(one[inside])
            first += len(one)
        return replace(self, places=places)

    def weighted(self, each: Sequence[Floats] | None) -> tuple[Prepared, Weights | None]:
        """Return those with the places that count, and how much each does; None: all the same.

        A window counts as the first step that it foretells, or as its series.
        """
        if each is None:
            return self, None
        parts = [one[places] for one, places in zip(each, self.places, strict=True)]
        places = [one[part > 0] for one, part in zip(self.places, parts, strict=True)]
        weights = np.concatenate([part[part > 0] for part in parts])
        if not len(weights):
            raise ValueError("sample_weight: expected a number above 0 at a step that is foretold")
        return replace(self, places=places), weights / weights.max()


def weights_of_steps(sample_weight: Any, panel: Panel) -> list[Floats] | None:
    """Return how much each step of each series counts; None: all the same."""
    if sample_weight is None:
        return None
    steps = [len(one) for one in panel.values]
    name = "sample_weight"
    if not panel.several:
        return [_steps_of(name, sample_weight, steps[0])]
    if isinstance(sample_weight, (list, tuple)) and all(map(np.ndim, sample_weight)):
        if len(sample_weight) != len(steps):
            raise ValueError(
                f"{name}: expected one for each of {len(steps)} series, got {len(sample_weight)}"
            )
        return [
            _steps_of(f"{name}[{n}]", one, count)
            for n, (one, count) in enumerate(zip(sample_weight, steps, strict=True))
        ]
    found = read_weights(name, sample_weight, len(steps))
    assert found is not None
    return [np.full(count, weight) for count, weight in zip(steps, found, strict=True)]


def _steps_of(name: str, sample_weight: Any, count: int) -> Floats:
    """Return the weights of steps as they are: those of several series are compared."""
    read_weights(name, sample_weight, count)
    return read_array(name, sample_weight).astype(np.float64)


def with_choice(
    codec: WindowCodec, tracks: Sequence[Track], said: Said, each: Sequence[Floats] | None
) -> tuple[WindowCodec, Choice]:
    """Return a codec with the windows that are said or chosen, and the choice."""
    choice = choose(tracks, said, each)
    chosen: dict[str, Any] = {
        "lags": choice.windows.lags,
        "horizon": choice.windows.horizon,
        "season": said.season,
        "differences": list(choice.windows.differences),
        "logarithm": choice.windows.logarithm,
        "scaling": "window" if choice.windows.local else "all",
        "linear": choice.penalty is not None,
        "averaged": 1,
    }
    return replace(codec, windows=choice.windows, chosen=chosen), choice


def with_lines(
    prepared: Prepared, choice: Choice, fraction: float, weights: Weights | None
) -> Prepared:
    """Return it with a linear part, and with the other forms that are averaged with it.

    They are learned from the examples that are not held out.
    """
    train, _ = part(prepared.counts, fraction)
    own = None if weights is None else weights[train]
    pairs = [*zip(prepared.tracks, prepared.chosen(train).places, strict=True)]
    codec = prepared.codec
    made = [
        Companion(other.windows, _learned(other, pairs, own), weight)
        for other, weight in choice.others
    ]
    companions = tuple(one for one in made if one.line.bounded)
    line = None if choice.penalty is None else _learned(choice, pairs, own)
    if line is not None and not line.bounded:
        raise ValueError(
            "X: expected numbers below 1e280 with a linear part, got larger ones; linear=False "
            "has none"
        )
    chosen = {**codec.chosen, "averaged": 1 + len(companions)}
    return replace(prepared, codec=replace(codec, line=line, companions=companions, chosen=chosen))


def _learned(choice: Choice, pairs: Sequence[tuple[Track, Ints]], counts: Floats | None) -> Line:
    """Return the line of a choice, learned from places of tracks that count so much."""
    if choice.naive:
        return Line.again(choice.windows, pairs[0][0].read.shape[1])
    x, y = [], []
    for track, places in pairs:
        rows, scale = window_rows(choice.windows, track, places)
        x.append(rows)
        y.append(window_targets(choice.windows, track, places, scale))
    return fit_line(np.concatenate(x), np.concatenate(y), choice.penalty, counts)
