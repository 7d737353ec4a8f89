"""Which points are measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from point import Point

CELLS = ("rnn", "gru", "lstm")
MODES = ("step", "infer", "grad", "train", "model", "sample")


def _shapes(mode: str, name: str) -> Iterator[Point]:
    """Points of one mode for an LSTM in float32 and one thread."""
    quick = name == "quick"
    base = Point("lstm", mode, 1, 1, 1, 1)
    if mode in ("model", "sample"):
        yield from (point for point in _models() if point.mode == mode)
        return
    if name == "small":
        # What one computes by hand at first: a step, the shape of ``pytest bench``, single names.
        if mode == "step":
            yield replace(base, I=24, H=32)
        else:
            yield replace(base, T=20, B=8, I=24, H=32)
            yield replace(base, T=20, B=1, I=27, H=50, indices=True)
        return
    if mode == "step":
        for H in (32, 64, 128, 256, 512) if quick else (16, 32, 64, 128, 256, 512, 1024):
            yield replace(base, I=H, H=H)
            if not quick:
                yield replace(base, I=1, H=H)
        return
    training = mode != "infer"
    if quick:
        for T, B, H in (
            (100, 1, 64),
            (100, 1, 256),
            (50, 16, 128),
            (50, 32, 256),
            (50, 64, 128),
            (50, 64, 512),
        ):
            yield replace(base, T=T, B=B, I=H, H=H)
        yield replace(base, T=50, B=32, I=128, H=128, ragged=True)
        yield replace(base, T=100, B=1, I=64, H=64, layers=2)
        yield replace(base, T=50, B=16, I=128, H=128, layers=2)
        yield replace(base, T=50, B=16, I=128, H=128, bidirectional=True)
        return
    for T, B in ((100, 1), (100, 4), (50, 16), (50, 32), (50, 64), (20, 128)):
        for H in (64, 100, 128, 256, 512, 650, 1024):
            if not (training and (H == 1024 or B == 128)):
                yield replace(base, T=T, B=B, I=H, H=H)
    for T, B in ((100, 1), (50, 16), (50, 64)):
        for H in (128, 512):
            yield replace(base, T=T, B=B, I=32, H=H)
            yield replace(base, T=T, B=B, I=65, H=H, indices=True)
    yield replace(base, T=35, B=20, I=650, H=650)
    for H in (128, 256):
        for B in (1, 32):
            yield replace(base, T=50, B=B, I=H, H=H, ragged=True)
            yield replace(base, T=50, B=B, I=H, H=H, layers=2)
            yield replace(base, T=50, B=B, I=H, H=H, layers=3)
            yield replace(base, T=50, B=B, I=H, H=H, bidirectional=True)
            yield replace(base, T=50, B=B, I=H, H=H, layers=2, bidirectional=True, ragged=True)


def _models() -> Iterator[Point]:
    """Language models, for an LSTM in float32 and one thread."""
    char = Point("lstm", "model", 64, 32, 65, 256, layers=2, indices=True, classes=65)
    yield char
    yield replace(char, H=128)
    yield Point("lstm", "model", 35, 20, 650, 650, layers=2, classes=10_000)
    yield replace(char, mode="sample", T=200, B=1)
    yield replace(char, mode="sample", T=200, B=1, H=128)


def make_grid(
    name: str,
    cells: Sequence[str] = CELLS,
    modes: Sequence[str] = MODES,
    dtypes: Sequence[str] = ("float32",),
    threads: Sequence[int] = (1, 2),
) -> list[Point]:
    """Return the points of a grid, ``quick``, ``small`` or ``full``, that have these properties."""
    return [
        replace(shape, cell=cell, dtype=dtype, threads=count)
        for mode in modes
        for shape in _shapes(mode, name)
        for cell in cells
        for dtype in dtypes
        for count in threads
    ]
