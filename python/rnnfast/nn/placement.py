"""Which rows of a batch a process has, where several processes train one network together.

What is random in training is drawn by a row's place in the whole batch, so that it does not depend
on how many processes share it. All of them draw the same seeds from generators of equal state.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnfast import _core

Array = npt.NDArray[Any]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Placement:
    """The rows ``begin`` to ``end`` of a batch of ``size`` rows.

    Attributes
    ----------
    begin, end, size : int
        As above; there is at least one row.
    whole : object
        The whole batch, as the network takes batches.
    batch_axis : int
        The axis of rows in arrays of three axes and more. In others it is the first.
    ids : ndarray of int, optional
        All ids of the whole batch that an embedding looks up.
    lengths : ndarray of int, optional
        Of all sequences of the whole batch; None: they are equal.
    rows : ndarray of int, optional
        In place of all that: the number of each row of an array, among those of all processes.
    """

    begin: int
    end: int
    size: int
    whole: Any = None
    batch_axis: int = 1
    ids: Array | None = None
    lengths: Ints | None = None
    rows: Ints | None = None

    @property
    def count(self) -> int:
        """How many rows there are here."""
        return self.end - self.begin

    def axis(self, shape: tuple[int, ...]) -> int:
        """Return which axis of an array is that of rows; ValueError if none can be."""
        axis = self.batch_axis if len(shape) > 2 else 0
        if len(shape) <= axis or shape[axis] != self.count:
            raise ValueError(
                f"comm: expected numbers for the {self.count} sequences of this process where they "
                f"are dropped at random, got shape {tuple(shape)}"
            )
        return axis

    def _rows(self, shape: tuple[int, ...]) -> tuple[Ints, int]:
        axis = self.axis(shape)
        outer = int(np.prod(shape[:axis]))
        rows = np.arange(outer)[:, np.newaxis] * self.size + np.arange(self.begin, self.end)
        return rows.reshape(-1), int(np.prod(shape[axis + 1 :]))

    def falling(self, lengths: Ints | None, steps: int, batch: int) -> Ints:
        """Return the places of the rows here among all in the order of falling length.

        ``lengths`` are those of the rows here; None: all ``steps``.
        """
        own = np.full(batch, steps) if lengths is None else lengths
        whole = np.full(self.size, steps) if self.lengths is None else self.lengths
        if not np.array_equal(own, whole[self.begin : self.end]):
            raise ValueError(
                "comm: expected a layer with noise in its steps to have the lengths that a batch "
                "gives, got others"
            )
        order = np.argsort(-whole, kind="stable")
        return np.flatnonzero((order >= self.begin) & (order < self.end))

    def tokens(self, ids: Array) -> Array:
        """Return the distinct ids of the whole batch, among them all of ``ids``."""
        found = np.unique(np.empty(0, np.int64) if self.ids is None else self.ids)
        if not np.isin(ids, found).all():
            raise ValueError(
                "comm: expected an EmbeddingDropout of the ids that a batch gives, got others"
            )
        return found


_current: ContextVar[Placement | None] = ContextVar("placement", default=None)


def placement() -> Placement | None:
    """Return which rows this process has; None: all."""
    return _current.get()


@contextmanager
def placed(here: Placement) -> Iterator[None]:
    """Let what is drawn be that of these rows."""
    token = _current.set(here)
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def numbered(rows: Ints | None) -> Iterator[None]:
    """Let arrays have rows of these numbers; None: as they are."""
    here = _current.get()
    if here is None or rows is None:
        yield
        return
    with placed(replace(here, rows=rows)):
        yield


def random_of_rows(rng: np.random.Generator, shape: tuple[int, ...], axis: int | None) -> Array:
    """Draw numbers in [0, 1) of a shape whose ``axis`` is that of rows; None: none is."""
    here = _current.get()
    if here is None or axis is None:
        return rng.random(shape)
    if shape[axis] != here.count:
        raise ValueError(
            f"comm: expected noise of the {here.count} sequences of this process, got shape {shape}"
        )
    whole = [*shape[:axis], here.size, *shape[axis + 1 :]]
    return rng.random(whole)[(slice(None),) * axis + (slice(here.begin, here.end),)]


def rows_of(shape: tuple[int, ...]) -> tuple[Ints, int] | None:
    """Return the numbers of the rows of an array, and the size of one; None: as they stand."""
    here = _current.get()
    if here is None:
        return None
    if here.rows is not None:
        return here.rows, int(np.prod(shape[1:]))
    return here._rows(shape)


def random_in_order(
    rng: np.random.Generator, shape: tuple[int, int, int], lengths: Ints | None
) -> Array:
    """Draw numbers (T, B, H) in [0, 1) as kernels take noise, rows in the order of falling length.

    ``lengths`` are those of the rows; None: all T.
    """
    here = _current.get()
    if here is None:
        return rng.random(shape)
    steps, batch, size = shape
    return rng.random((steps, here.size, size))[:, here.falling(lengths, steps, batch)]


def drop_in_order(x: Array, p: float, seed: int, lengths: Ints | None) -> Array:
    """Return (T, B, H) times the factors of dropout of rows in the order of falling length."""
    here = _current.get()
    if here is None:
        return _core.dropout(x, p, seed)
    steps, batch, size = x.shape
    places = here.falling(lengths, steps, batch)
    rows = np.arange(steps)[:, np.newaxis] * here.size + places
    return drop(x, p, seed, (rows.reshape(-1), size))


def rows_by_time(shape: tuple[int, ...]) -> tuple[Ints, int] | None:
    """Return what `rows_of` does, of an array ``(T, B, W)`` whatever axis batches have first."""
    here = _current.get()
    if here is None:
        return None
    steps, _, size = shape
    rows, _ = replace(here, batch_axis=0)._rows(shape[1:])
    return (np.arange(steps)[:, np.newaxis] * here.size + rows).reshape(-1), size


def drop(x: Array, p: float, seed: int, rows: tuple[Ints, int] | None, layer: int = 0) -> Array:
    """Return ``x`` times the factors of dropout that belong to rows by their numbers.

    Parameters
    ----------
    x : ndarray
        The array.
    p, seed
        As the kernels take them.
    rows : pair, optional
        What `rows_of` returned for its shape.
    layer : int
        Behind which layer of a stack.
    """
    if rows is None:
        return _core.dropout(x, p, seed)
    numbers, size = rows
    flat = np.ascontiguousarray(x).reshape(len(numbers), size)
    y = np.empty_like(flat)
    stream = _bits(seed, layer)
    borders = [0, *(np.flatnonzero(np.diff(numbers) != 1) + 1).tolist(), len(numbers)]
    for begin, end in pairwise(borders):
        if begin < end:
            shifted = _seed_of(stream + int(numbers[begin]) * size * _STEP)
            y[begin:end] = _core.dropout(flat[begin:end], p, shifted)
    return y.reshape(x.shape)


# The kernels draw the bits of place n of a stream s as mix(s + (n + 1) STEP), and the stream of a
# seed as that of place `layer`. A stream that begins k places later is s + k STEP, and since mix
# can be undone there is a seed of that.

_STEP = 0x9E3779B97F4A7C15
_MASK = 2**64 - 1
_FACTORS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)


def _bits(seed: int, place: int) -> int:
    z = (seed + (place + 1) * _STEP) & _MASK
    for shift, factor in zip((30, 27), _FACTORS, strict=True):
        z = ((z ^ (z >> shift)) * factor) & _MASK
    return z ^ (z >> 31)


def _seed_of(stream: int) -> int:
    """Return the seed whose stream behind layer 0 is this one."""
    z = stream & _MASK
    for shift, factor in zip((31, 27), reversed(_FACTORS), strict=True):
        z ^= (z >> shift) ^ (z >> (2 * shift))
        z = (z * pow(factor, -1, 2**64)) & _MASK
    z ^= (z >> 30) ^ (z >> 60)
    return (z - _STEP) & _MASK
