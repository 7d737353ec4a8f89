"""What a forecaster is to foretell, encoded: the next steps of series, or their differences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from rnnfast.data.batches import Ints
from rnnfast.models.forecasting.choosing import (
    window_forecasts,
    window_rows,
    window_targets,
)
from rnnfast.models.forecasting.codec_files import codec_to_dict, read_codec
from rnnfast.models.forecasting.companions import Companion, averaged
from rnnfast.models.forecasting.intervals import Calibration
from rnnfast.models.forecasting.line import Line
from rnnfast.models.forecasting.outputs import LOSSES, Output, make_output
from rnnfast.models.forecasting.panel import Panel
from rnnfast.models.forecasting.tracks import Track
from rnnfast.models.forecasting.windows import Floats, Windows
from rnnfast.models.parts.codecs.base import Read
from rnnfast.models.parts.codecs.numbers import NumberCodec
from rnnfast.models.parts.fitting.examples import Examples
from rnnfast.models.parts.networks.encoder_network import EncoderNetwork
from rnnfast.models.parts.reading.inputs import Inputs, SeriesInputs
from rnnfast.models.parts.reading.sequences import Sequences
from rnnfast.models.parts.reading.weights import Weights
from rnnfast.nn.module import Array


@dataclass(frozen=True, eq=False)
class WindowCodec(NumberCodec):
    """The next steps of series, or their differences; `single`: they have no axis of channels.

    Attributes
    ----------
    quantiles : tuple of float
        The levels, with the loss ``"quantile"``.
    masked : bool
        Whether numbers may be missing.
    features : tuple of str
        What is read of a calendar.
    windows : Windows
        How windows are cut; its ``targets`` are none before a series was seen.
    panel : Panel, optional
        The end of the series of `fit`.
    rounding : ndarray of float64, shape (k,)
        What calculations may have left in differences.
    line : Line, optional
        What the network's answers are added to.
    companions : tuple of Companion
        What forecasts are averaged with.
    chosen : mapping
        What was chosen, and how good it was.
    calibration : Calibration, optional
        Of the windows held out.
    level : ndarray, shape (h * k,)
        The mean of counts.
    counts : tuple of int
        In training: how many examples each series has.
    """

    quantiles: tuple[float, ...] = ()
    masked: bool = False
    features: tuple[str, ...] = ()
    windows: Windows = field(default_factory=lambda: Windows(1, 1, (), ()))
    panel: Panel | None = None
    rounding: Array = field(default_factory=lambda: np.empty(0))
    line: Line | None = None
    companions: tuple[Companion, ...] = ()
    chosen: Mapping[str, Any] = field(default_factory=dict)
    calibration: Calibration | None = None
    level: Array = field(default_factory=lambda: np.empty(0))
    counts: tuple[int, ...] = ()

    unit: ClassVar[str] = "window"

    def __post_init__(self) -> None:
        """Nothing: `Forecaster` has checked its losses."""

    @property
    def tail(self) -> Floats:
        """The end of the first series of `fit`."""
        assert self.panel is not None
        return self.panel.values[0]

    @property
    def output(self) -> Output:
        """What the network's scores stand for."""
        return make_output(self.loss, self.quantiles, self.level)

    @property
    def levels(self) -> tuple[float, ...]:
        """The levels of `quantiles_of`; of a point forecast the middle."""
        return self.quantiles if self.loss == "quantile" else (0.5,)

    @property
    def indexed(self) -> bool:
        """Whether the series of `fit` had an index of pandas."""
        assert self.panel is not None
        return any(one is not None for one in self.panel.times)

    @property
    def notes(self) -> tuple[str, ...]:
        return () if self.panel is None else self.panel.unevenness("X")

    @property
    def plain(self) -> bool:
        """Whether each number has one score, and none is missing."""
        return self.loss in LOSSES[:2] and not self.masked

    # Reading: `Forecaster` has prepared what is given here

    def begin(self, read: Read, X: Any, y: None, held_out: bool) -> tuple[Any, Sequences, Array]:
        return replace(X.codec, counts=tuple(X.counts)), *X.examples()

    def begin_again(
        self, read: Read, X: Any, y: None, held_out: bool, extend: bool
    ) -> tuple[Any, Sequences, Array]:
        return replace(X.codec, counts=tuple(X.counts)), *X.examples()

    def read_valid(self, read: Read, valid: Any) -> tuple[Sequences, Array]:
        examples: tuple[Sequences, Array] = valid.examples()
        return examples

    def hold_out(self, targets: Array, fraction: float) -> tuple[Ints, Ints]:
        """Hold out the end: what comes later is not to help with what came before."""
        return part(self.counts, fraction)

    # Learning

    def learn(self, targets: Array, weights: Weights | None = None) -> WindowCodec:
        whole = np.isfinite(targets).all(axis=1)
        known, own = targets[whole], None if weights is None else weights[whole]
        if not whole.any():  # a mean in place of what is missing
            seen = np.isfinite(targets)
            count = np.maximum(seen.sum(axis=0), 1)
            mean = np.where(seen, targets, 0).sum(axis=0) / count
            known, own = np.where(seen, targets, mean), weights
        if self.loss == "negative_binomial":
            level = np.maximum(np.average(known, axis=0, weights=own), 1e-3)
            standardize = False
        else:
            level, standardize = self.level, self.standardize
        plain = NumberCodec("mse", standardize, self.dtype, self.numbers, self.single)
        rounding = replace(self, level=level)
        numbers = plain.numbers.learn(
            [known], standardize, self.dtype, rounding.target_rounding(), own
        )
        return replace(self, numbers=numbers, level=level)

    def input_rounding(self) -> Array:
        """Return what differences may have left in the channels that they are taken of."""
        assert self.panel is not None
        rounding = np.zeros(self.width)
        if not self.windows.local:
            rounding[list(self.windows.targets)] = self.rounding
        return rounding

    def target_rounding(self) -> Array:
        """Return what they may have left in what is foretold."""
        rounding = np.zeros_like(self.rounding) if self.windows.local else self.rounding
        return np.tile(rounding, self.windows.horizon)

    @property
    def width(self) -> int:
        """E, how many numbers are read of a step."""
        assert self.panel is not None
        channels: int = self.panel.channels
        known = int(self.panel.known[0].shape[1]) + 2 * len(self.features)
        return channels * (1 + self.masked) + 2 * known + int(self.panel.static.shape[1])

    def encode(self, name: str, targets: Array, x: object) -> Array:
        missing = np.isnan(targets)
        encoded = super().encode(name, np.where(missing, 0, targets), x)
        return np.where(missing, encoded.dtype.type(np.nan), encoded)

    def terms(self, examples: Examples) -> Ints:
        """Return how many numbers each has that are not missing."""
        return np.asarray(np.count_nonzero(~np.isnan(examples.y), axis=1))

    # Metrics

    def figures(self, network: EncoderNetwork, examples: Examples) -> dict[str, float]:
        if self.plain:
            return super().figures(network, examples)
        scores, y = self._scores(network, examples.x), examples.y.astype(np.float64)
        known = ~np.isnan(y)
        weights = known * (1.0 if examples.weights is None else examples.weights[:, np.newaxis])
        total = weights.sum()
        if total == 0:
            return {"valid_loss": 0.0, "valid_rmse": 0.0}
        loss, _ = self.output.loss(scores, np.where(known, y, 0))
        scale = np.where(self.numbers.scale > 0, self.numbers.scale, 1.0)
        missed = (self.output.point(scores) - np.where(known, y, 0)) * scale
        largest = float(np.abs(missed).max()) or 1.0  # so that no square overflows
        rmse = largest * float(np.sqrt((weights * (missed / largest) ** 2).sum() / total))
        return {"valid_loss": float((weights * loss).sum() / total), "valid_rmse": rmse}

    def baseline(self, examples: Examples) -> float | None:
        return super().baseline(examples) if self.plain else None

    def _scores(self, network: EncoderNetwork, x: Sequence[Array]) -> Floats:
        """Return the scores ``(N, h * k, P)``, in float64."""
        scores = network.scores_of(x).astype(np.float64)
        return scores.reshape(len(x), self.numbers.size, self.output.width)

    # Foretelling

    def forecast(
        self,
        network: EncoderNetwork,
        inputs: Inputs,
        name: str,
        tracks: Sequence[Track],
        places: Sequence[Ints],
    ) -> Floats:
        """Return what follows each place of series, ``(N, h, k)``; `name` is for messages."""
        parts = [*self._parts(network, inputs, name, tracks, places)]
        return np.concatenate([part.of(part.point) for part in parts])

    def quantiles_of(
        self,
        network: EncoderNetwork,
        inputs: Inputs,
        name: str,
        tracks: Sequence[Track],
        places: Sequence[Ints],
    ) -> Floats:
        """Return the quantiles of what follows, ``(N, h, k, Q)``; of a point forecast it itself."""
        found = []
        for part in self._parts(network, inputs, name, tracks, places):
            levels = range(part.scores.shape[-1]) if self.loss == "quantile" else (None,)
            each = [part.of(part.point if n is None else part.scores[..., n]) for n in levels]
            found.append(np.sort(np.stack(each, axis=-1), axis=-1))
        return np.concatenate(found)

    def drawn(
        self,
        network: EncoderNetwork,
        inputs: Inputs,
        name: str,
        tracks: Sequence[Track],
        places: Sequence[Ints],
        rng: np.random.Generator,
    ) -> Floats:
        """Return one of the ways in which each place may go on, ``(N, h, k)``, at random."""
        found = []
        for part in self._parts(network, inputs, name, tracks, places):
            found.append(part.of(self.output.draw(part.scores, rng)))
        return np.concatenate(found)

    def _parts(
        self,
        network: EncoderNetwork,
        inputs: Inputs,
        name: str,
        tracks: Sequence[Track],
        places: Sequence[Ints],
    ) -> Iterator[_Part]:
        read = [window_rows(self.windows, *one) for one in zip(tracks, places, strict=True)]
        assert isinstance(inputs, SeriesInputs)
        x = inputs.encode_all(lambda _: name, [row for rows, _ in read for row in rows])
        scores = self._scores(network, x) if x else np.empty((0, self.numbers.size, 1))
        first = 0
        for track, where, (rows, own) in zip(tracks, places, read, strict=True):
            of_it = scores[first : first + len(rows)]
            first += len(rows)
            if len(rows):
                yield _Part(self, track, where, rows, own, of_it)

    # Files

    def to_dict(self) -> dict[str, Any]:
        return codec_to_dict(self, super().to_dict())

    def restore(self, learned: Mapping[str, Any], inputs: Inputs) -> WindowCodec:
        numbers = super().restore({**learned, "single": False}, inputs).numbers
        return read_codec(replace(self, numbers=numbers), learned, inputs)


@dataclass(frozen=True, eq=False)
class _Part:
    """The scores of the windows of one series, and what they are of."""

    codec: WindowCodec
    track: Track
    places: Ints
    rows: Floats
    own: Any
    scores: Floats

    @property
    def point(self) -> Floats:
        return self.codec.output.point(self.scores)

    def of(self, foretold: Floats) -> Floats:
        """Return the series' next steps for the numbers ``(N, h * k)`` that the network tells."""
        numbers = self.codec.numbers
        changes = numbers.decode(numbers.settle(foretold))
        if self.codec.line is not None:
            changes = changes + self.codec.line(self.rows)
        windows, companions = self.codec.windows, self.codec.companions
        found = window_forecasts(windows, self.track, self.places, self.own, changes)
        return averaged(found, companions, windows, self.track, self.places)


def part(counts: Sequence[int], fraction: float) -> tuple[Ints, Ints]:
    """Return the numbers of the examples to learn from, and of those held out.

    Of series one after another, each of so many: the last ones of each, but for one.
    """
    train, kept, first = [np.arange(0)], [np.arange(0)], 0
    for count in counts:
        cut = count
        if fraction > 0:
            cut -= min(max(round(count * fraction), 1), max(count - 1, 0))
        train.append(np.arange(first, first + cut))
        kept.append(np.arange(first + cut, first + count))
        first += count
    return np.concatenate(train), np.concatenate(kept)


def targets_of(codec: WindowCodec, track: Track, places: Ints) -> tuple[Floats, Floats]:
    """Return what is read before places, ``(N, lags, E)``, and what is to be foretold of it."""
    rows, own = window_rows(codec.windows, track, places)
    changes = window_targets(codec.windows, track, places, own)
    if codec.line is not None and len(places):
        changes = changes - codec.line(rows)
    return rows, changes
