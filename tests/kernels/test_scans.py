"""The scans that each call makes of its arrays: for NaN and infinity, and for what has changed."""

from __future__ import annotations

from collections.abc import Callable

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


def prints_of(dtype: str, size: int) -> tuple[Callable[[np.ndarray], int], np.ndarray]:
    """Return a function that tells what an array's bits make, and an array."""
    of = rf.RNN(size, 1, dtype=dtype).native.fingerprint
    x = np.random.default_rng(size).standard_normal(size).astype(dtype)
    return lambda x: of(x.reshape(1, 1, -1), None, False), x


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_each_bit_is_in_the_fingerprint(dtype: str) -> None:
    bits = {"float32": np.uint32, "float64": np.uint64}[dtype]
    for size in SIZES:
        print_of, x = prints_of(dtype, size)
        before = print_of(x)
        assert print_of(x.copy()) == before
        seen = {before}
        for place in range(size):
            for bit in (0, 7, bits().itemsize * 8 - 1):
                changed = x.copy()
                changed.view(bits)[place] ^= bits(1) << bits(bit)
                seen.add(print_of(changed))
        assert len(seen) == 1 + 3 * size


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [2, 17, 33, 65, 130])
def test_changes_that_follow_a_rule(dtype: str, size: int) -> None:
    """One change does not undo what another did: two signs, two places, factors, constants."""
    print_of, x = prints_of(dtype, size)
    changes = [
        x,
        -x,
        2 * x,
        x / 2,
        x + 1,
        np.roll(x, 1),
        x[::-1].copy(),
        np.zeros_like(x),
        -0.0 * x,
    ]
    for i in range(size):
        for j in range(i):
            signs, places = x.copy(), x.copy()
            signs[[i, j]] *= -1
            places[[i, j]] = places[[j, i]]
            changes += [signs, places]
    different = {change.tobytes() for change in changes}
    assert len({print_of(change) for change in changes}) == len(different)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_is_read_of_views_alone_is_in_the_fingerprint(dtype: str) -> None:
    base = np.random.default_rng(0).standard_normal((6, 8, 10)).astype(dtype)
    of = rf.RNN(5, 1, dtype=dtype).native.fingerprint
    views = (base[::2, ::-2, :5], base[:, 1:7, ::2], base[1:4].transpose(1, 0, 2)[..., 5:])
    for view in views:
        before = of(view, None, False)
        for place in np.ndindex(view.shape):
            number = view[place]
            view[place] += 1
            assert of(view, None, False) != before, place
            view[place] = number
        assert of(view, None, False) == before
    seen = {of(views[0], np.array(lengths), False) for lengths in np.ndindex(4, 4, 4, 4)}
    assert len(seen) == 4**4
