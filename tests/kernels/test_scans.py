"""The scans that each call makes of its arrays: for NaN and infinity, and for what was written to."""

from __future__ import annotations

import numpy as np
import pytest

import rnnfast as rf
from rnnfast import _core

SIZES = (*range(1, 40), 63, 64, 65)  # of all ways in which vectors may end


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_each_place_is_looked_at(dtype: str) -> None:
    limits = np.finfo(dtype)
    for size in SIZES:
        x = np.ones(size + 1, dtype)[1:]  # not aligned to vectors
        for place in range(size):
            for number in (limits.max, limits.min, limits.smallest_subnormal, -0.0):
                x[place] = number
                assert _core.all_finite(x), (size, place, number)
            for number in (np.nan, -np.nan, np.inf, -np.inf):
                x[place] = number
                assert not _core.all_finite(x), (size, place, number)
            x[place] = 1
    assert _core.all_finite(np.ones(0, dtype))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_each_bit_is_in_the_fingerprint(dtype: str) -> None:
    bits = {"float32": np.uint32, "float64": np.uint64}[dtype]
    for size in SIZES:
        print_of = rf.RNN(size, 1, dtype=dtype).native.fingerprint
        x = np.random.default_rng(size).standard_normal((1, 1, size)).astype(dtype)
        before = print_of(x, None, False)
        assert print_of(x.copy(), None, False) == before
        seen = {before}
        for place in range(size):
            for bit in (0, 7, bits().itemsize * 8 - 1):
                changed = x.copy()
                changed.view(bits)[0, 0, place] ^= bits(1) << bits(bit)
                seen.add(print_of(changed, None, False))
        assert len(seen) == 1 + 3 * size
