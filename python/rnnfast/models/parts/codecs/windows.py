"""A series as windows: what is read, what follows each place, and differences between steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from rnnfast._checks import check_bool, check_int, check_integers
from rnnfast._checks.arrays import as_numbers, hint_time_first, require_finite
from rnnfast._checks.messages import shown
from rnnfast.data.batches import Ints
from rnnfast.models.parts.codecs.base import Read
from rnnfast.models.parts.codecs.numbers import NumberCodec, read_numbers
from rnnfast.models.parts.encoder_network import EncoderNetwork
from rnnfast.models.parts.inputs import Inputs, SeriesInputs
from rnnfast.models.parts.sequences import Sequences
from rnnfast.nn.module import Array

Floats = npt.NDArray[np.float64]

# What a series may be, for messages.
_SHAPE = "(T,) or (T, F)"


@dataclass(frozen=True)
class Windows:
    """How windows are cut of a series ``(T, F)``.

    A place t stands between the steps that are known, 0 to t - 1, and the next ones, which begin
    with t.

    Attributes
    ----------
    lags : int
        Steps that are read before a place.
    horizon : int
        h, steps that follow it.
    differences : tuple of int
        Lags of the differences of the target channels, taken one after another.
    targets : tuple of int
        The k channels to foretell.
    """

    lags: int
    horizon: int
    differences: tuple[int, ...]
    targets: tuple[int, ...]

    @property
    def lost(self) -> int:
        """Steps at the start of a series that have no difference."""
        return sum(self.differences)

    @property
    def reach(self) -> int:
        """Steps that must be known before a place."""
        return self.lags + self.lost

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any], channels: int) -> Windows:
        """Return the windows, of series of so many channels, that a file describes.

        Raises
        ------
        TypeError, ValueError, KeyError
            If the settings are none, with the field's name.
        """
        name = "windows"
        return cls(
            check_int(f"{name}.lags", settings["lags"], 1),
            check_int(f"{name}.horizon", settings["horizon"], 1),
            tuple(check_integers(f"{name}.differences", settings["differences"], 1)),
            check_targets(f"{name}.targets", settings["targets"], channels),
        )

    def places(self, series: Floats) -> Ints:
        """Return all places with enough steps before and after them."""
        return np.arange(self.reach, len(series) - self.horizon + 1)

    def inputs(self, series: Floats, places: Ints) -> list[Floats]:
        """Return what is read before each place, ``(lags, F)``: targets by their differences."""
        changes = series[self.lost :].copy()
        changes[:, self.targets] = self._levels(series)[-1]
        return [changes[place - self.reach :][: self.lags] for place in places.tolist()]

    def futures(self, series: Floats, places: Ints) -> Floats:
        """Return the targets after each place, ``(N, h, k)``."""
        after = places[:, np.newaxis] + np.arange(self.horizon)
        future: Floats = series[after][..., self.targets]
        return future

    def changes(self, series: Floats, places: Ints) -> Floats:
        """Return the differences of the targets after each place, ``(N, h, k)``."""
        after = places[:, np.newaxis] + np.arange(self.horizon) - self.lost
        changes: Floats = self._levels(series)[-1][after]
        return changes

    def add_up(self, series: Floats, places: Ints, changes: Floats) -> Floats:
        """Return the targets whose differences after each place are ``changes``, ``(N, h, k)``."""
        future, lost = changes, self.lost
        levels = self._levels(series)
        for lag, level in zip(self.differences[::-1], levels[-2::-1], strict=True):
            lost -= lag
            before = level[places[:, np.newaxis] - lost + np.arange(-lag, 0)]
            whole = np.concatenate([before, future], axis=1)
            for step in range(lag, whole.shape[1]):
                whole[:, step] += whole[:, step - lag]
            future = whole[:, lag:]
        return future

    def rounding(self, series: Floats, dtype: np.dtype[Any]) -> Floats:
        """Return by how much differences of equal ones may vary, ``(k,)``: what rounding leaves.

        ``dtype`` is that of the series as it was given, whose levels are rounded to it.
        """
        targets = series[:, self.targets]
        if not self.differences or dtype.kind != "f":
            return np.zeros(targets.shape[1])
        # Each level is off by half a unit in the last place, and each difference adds two up.
        unit = float(np.finfo(dtype).eps) * np.abs(targets).max(axis=0)
        bound: Floats = 4.0 * 2 ** len(self.differences) * unit
        return bound

    def _levels(self, series: Floats) -> list[Floats]:
        """Return the target channels, then their differences, each taken of the last."""
        levels = [series[:, self.targets]]
        for lag in self.differences:
            levels.append(levels[-1][lag:] - levels[-1][:-lag])
        return levels


def _read_one(X: Any) -> Array:
    """Return the series of `fit`; of a list of several the message says so."""
    try:
        return read_numbers("X", X, _SHAPE)
    except ValueError as error:
        raise ValueError(f"{error}{_hint_one(X)}") from None


def _hint_one(X: Any) -> str:
    """Return what a message ends with where several series seem to stand in a list."""
    items = X if isinstance(X, (list, tuple)) else ()
    if not items or not all(hasattr(item, "__len__") for item in items):
        return ""
    lengths = [len(item) for item in items]
    if max(lengths) <= len(items):  # more steps than numbers in each
        return ""
    side_by_side = len(set(lengths)) == 1 and getattr(items[0], "ndim", 1) == 1
    cure = ", np.stack(X, axis=1) makes one of several channels" if side_by_side else ""
    return f"; a Forecaster learns from one series{cure}"


def check_targets(name: str, targets: Any, channels: int) -> tuple[int, ...]:
    """Return the channels to foretell; ValueError unless they are different ones of so many."""
    numbers = check_integers(name, targets, 0)
    if not numbers or len(set(numbers)) < len(numbers) or max(numbers) >= channels:
        raise ValueError(
            f"{name}: expected different numbers below {channels}, got {shown(numbers)}"
        )
    return tuple(numbers)


@dataclass(frozen=True, eq=False)
class WindowCodec(NumberCodec):
    """The next steps of a series, or their differences; `single`: it has no axis of channels.

    Attributes
    ----------
    channels : sequence of int or ndarray, optional
        Those to foretell; None: all.
    windows : Windows
        How windows are cut; its ``targets`` are none before a series was seen.
    tail : ndarray of float64, shape (reach, F)
        The end of the series of `fit`.
    rounding : ndarray of float64, shape (k,)
        What calculations may have left in differences.
    """

    channels: Sequence[int] | Ints | None = None
    windows: Windows = field(default_factory=lambda: Windows(1, 1, (), ()))
    tail: Floats = field(default_factory=lambda: np.empty((0, 0)))
    rounding: Array = field(default_factory=lambda: np.empty(0))

    unit: ClassVar[str] = "window"

    # Reading

    def begin(
        self, read: Read, X: Any, y: None, held_out: bool
    ) -> tuple[WindowCodec, Sequences, Array]:
        given = _read_one(X)
        single = given.ndim == 1
        series = given.astype(np.float64)
        series = series[:, np.newaxis] if single else series
        channels = series.shape[1]
        targets = range(channels) if self.channels is None else self.channels
        windows = replace(self.windows, targets=check_targets("targets", targets, channels))
        needed = windows.reach + windows.horizon + held_out
        if len(series) < needed:
            raise ValueError(
                f"X: expected at least {needed} steps, lags + horizon + differences"
                f"{' and one to hold out' if held_out else ''}, got {len(series)}"
                + (_hint_one(X) or hint_time_first("X", series.shape))
            )
        codec = replace(
            self,
            single=single,
            windows=windows,
            tail=series[-windows.reach :].copy(),
            rounding=windows.rounding(series, given.dtype),
        )
        return codec, *codec._examples(series)

    def begin_again(
        self, read: Read, X: Any, y: None, held_out: bool, extend: bool
    ) -> tuple[WindowCodec, Sequences, Array]:
        """Take another series of the same channels, whose end is then the one that is known."""
        series = self.series("X", X, self.windows.reach + self.windows.horizon + held_out)
        codec = replace(self, tail=series[-self.windows.reach :].copy())
        return codec, *codec._examples(series)

    def read_valid(self, read: Read, valid: Any) -> tuple[Sequences, Array]:
        return self._examples(
            self.series("valid", valid, self.windows.reach + self.windows.horizon)
        )

    def series(self, name: str, X: Any, minimum: int) -> Floats:
        """Return a series like that of `fit`, of some least length, as ``(T, F)``."""
        series = read_numbers(name, X, _SHAPE).astype(np.float64)
        axes, channels = (1, 1) if self.single else (2, self.tail.shape[1])
        if series.ndim != axes or (axes == 2 and series.shape[1] != channels):
            expected = "(T,)" if self.single else f"(T, {channels})"
            raise ValueError(f"{name}: expected shape {expected} as in fit, got {series.shape}")
        if len(series) < minimum:
            raise ValueError(
                f"{name}: expected at least {minimum} steps, got {len(series)}"
                + hint_time_first(name, series.shape)
            )
        return series.reshape(len(series), channels)

    def _examples(self, series: Floats) -> tuple[Sequences, Array]:
        """Return what is read, and the differences that follow, ``(N, h * k)``, of all places."""
        places = self.windows.places(series)
        changes = self.windows.changes(series, places)
        return [*self.windows.inputs(series, places)], changes.reshape(len(places), -1)

    # Learning

    def hold_out(self, targets: Array, fraction: float) -> tuple[Ints, Ints]:
        """Hold out the end: what comes later is not to help with what came before."""
        count = cut = len(targets)
        if fraction > 0:
            cut -= min(max(round(count * fraction), 1), count - 1)
        return np.arange(cut), np.arange(cut, count)

    def input_rounding(self) -> Array:
        """Return what differences may have left in the channels that they are taken of."""
        rounding = np.zeros(self.tail.shape[1])
        rounding[list(self.windows.targets)] = self.rounding
        return rounding

    def target_rounding(self) -> Array:
        """Return what they may have left in what is foretold."""
        return np.tile(self.rounding, self.windows.horizon)

    # Foretelling

    def forecast(
        self, network: EncoderNetwork, inputs: Inputs, name: str, series: Floats, places: Ints
    ) -> Floats:
        """Return what follows each place of a series, ``(N, h, k)``; `name` is for messages."""
        windows = self.windows
        x = self._encoded(inputs, name, series, places)
        changes = self.predict(network, x).reshape(len(x), windows.horizon, len(windows.targets))
        return windows.add_up(series, places, changes)

    def _encoded(self, inputs: Inputs, name: str, series: Floats, places: Ints) -> list[Array]:
        assert isinstance(inputs, SeriesInputs)
        return [inputs.encode_one(name, item) for item in self.windows.inputs(series, places)]

    # Files

    def to_dict(self) -> dict[str, Any]:
        described = super().to_dict()
        del described["single"]
        windows, tail = asdict(self.windows), self.tail.tolist()
        return {**described, "windows": windows, "tail": tail, "single": self.single}

    def restore(self, learned: Mapping[str, Any], inputs: Inputs) -> WindowCodec:
        codec = super().restore({**learned, "single": False}, inputs)
        channels, outputs = inputs.size, codec.numbers.size
        windows = Windows.from_dict(learned["windows"], channels)
        foretold = windows.horizon * len(windows.targets)
        if foretold != outputs:
            raise ValueError(
                f"windows: expected horizon x targets of the {outputs} numbers that the network "
                f"predicts, got {foretold}"
            )
        single = check_bool("single", learned["single"])
        if single and channels != 1:
            raise ValueError(f"single: expected False of {channels} channels, got True")
        tail = as_numbers("tail", learned["tail"])
        if tail.shape != (windows.reach, channels):
            raise ValueError(f"tail: expected shape {(windows.reach, channels)}, got {tail.shape}")
        require_finite("tail", tail, ("step", "channel"))
        restored = replace(self, numbers=codec.numbers, single=single, windows=windows, tail=tail)
        restored._encoded(inputs, "tail", tail, np.array([windows.reach]))
        return restored
