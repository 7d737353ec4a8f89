"""The kernels of pooling over time against its definition, and against central differences."""

from __future__ import annotations

import numpy as np
import pytest

from gradcheck import assert_gradients
from rnnfast import _core
from rnnfast.nn.pooling import POOLINGS, pool

# T, B, H of a direction.
SIZES = [(1, 1, 1), (3, 2, 17), (5, 33, 3), (17, 3, 65), (65, 17, 33)]


def given(size: tuple[int, int, int], directions: int, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """Return outputs, rounded so that some are alike, and lengths from 0 to T."""
    steps, batch, width = size
    rng = np.random.default_rng(steps)
    lengths = rng.integers(0, steps + 1, batch)
    lengths[0] = steps
    return rng.normal(size=(steps, batch, directions * width)).round(1).astype(dtype), lengths


def pooled(h: np.ndarray, lengths: np.ndarray, how: str, directions: int) -> np.ndarray:
    """Return the vectors in float64, one sequence after the other."""
    width = h.shape[2] // directions
    rows = []
    for column, length in enumerate(lengths):
        own = h[:length, column].astype(np.float64)
        if length == 0:
            own = np.zeros((1, h.shape[2]))
        parts = {
            "last": np.concatenate([own[-1, :width], own[0, width:]]),
            "mean": own.mean(axis=0),
            "max": own.max(axis=0),
        }
        rows.append(np.concatenate([*parts.values()]) if how == "concat" else parts[how])
    return np.array(rows)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("how", POOLINGS)
@pytest.mark.parametrize("size", SIZES)
def test_vectors(size: tuple[int, int, int], how: str, directions: int, dtype: str) -> None:
    h, lengths = given(size, directions, dtype)
    v, backprop = pool(h, lengths, how, directions)
    tolerance = 1e-5 if dtype == "float32" else 1e-12
    expected = pooled(h, lengths, how, directions)
    assert v.dtype == dtype and v.shape == expected.shape
    np.testing.assert_allclose(v, expected, rtol=tolerance, atol=tolerance)
    whole, _ = pool(h, None, how, directions)
    np.testing.assert_array_equal(whole, pool(h, np.full(size[1], size[0]), how, directions)[0])
    dh = backprop(v)
    assert dh.dtype == dtype and dh.shape == h.shape
    assert not dh[np.arange(size[0])[:, np.newaxis] >= lengths].any()


@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("how", POOLINGS)
@pytest.mark.parametrize("size", [(1, 1, 1), (3, 2, 17), (17, 3, 5)])
def test_gradients(size: tuple[int, int, int], how: str, directions: int) -> None:
    _, lengths = given(size, directions, "float64")
    shape = (size[0], size[1], directions * size[2])
    h = np.random.default_rng(2).normal(size=shape)
    v, backprop = pool(h, lengths, how, directions)
    dv = np.random.default_rng(1).normal(size=v.shape)
    assert_gradients(
        lambda: float((pool(h, lengths, how, directions)[0] * dv)[lengths > 0].sum()),
        {"h": h},
        {"h": backprop(dv)},
    )


@pytest.mark.parametrize("how", POOLINGS)
def test_layouts_give_the_same_bits(how: str) -> None:
    h, lengths = given((130, 33, 33), 2, "float32")
    apart = np.zeros((33, 130, 132), np.float32)
    apart[:, :, :66] = np.swapaxes(h, 0, 1)
    found = []
    for array in (h, np.swapaxes(apart[:, :, :66], 0, 1), np.asfortranarray(h)):
        v, backprop = pool(array, lengths, how, 2)
        found.append((v.tobytes(), backprop(v).tobytes()))
    assert len(set(found)) == 1


def test_what_lies_past_a_length_is_not_read() -> None:
    h, lengths = given((5, 33, 3), 1, "float32")
    v, _ = pool(h, lengths, "concat")
    h[np.arange(5)[:, np.newaxis] >= lengths] = np.nan
    np.testing.assert_array_equal(pool(h, lengths, "concat")[0], v)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_is_not_finite_stays_so_and_what_is_finite_does_too(dtype: str) -> None:
    rng = np.random.default_rng(0)
    for steps in (1, 2, 5):
        for place in range(steps):
            h = rng.normal(size=(steps, 3, 19)).astype(dtype)
            h[place, 1, 4] = np.nan
            for how in ("mean", "max"):
                v, _ = pool(h, None, how)
                np.testing.assert_array_equal(np.argwhere(np.isnan(v)), [[1, 4]])
        large = np.full((steps, 2, 5), 0.9 * np.finfo(dtype).max, dtype)
        np.testing.assert_allclose(pool(large, None, "mean")[0], large[0], rtol=1e-5)


def test_what_does_not_fit_is_refused() -> None:
    h = np.zeros((4, 2, 6), np.float32)
    ends = np.array([4, 4])
    v, at = _core.pool(h, ends, "max", 1)
    with pytest.raises(ValueError, match=r"^h: expected shape \(T, B, 4 H\), got \(4, 2, 6\)$"):
        _core.pool(h, ends, "max", 4)
    with pytest.raises(ValueError, match=r"^how: expected last, mean, max or concat, got sum$"):
        _core.pool(h, ends, "sum", 1)
    with pytest.raises(ValueError, match=r"^lengths: expected numbers from 0 to 4, got 5$"):
        _core.pool(h, np.array([4, 5]), "mean", 1)
    with pytest.raises(ValueError, match=r"^dv: expected shape \(2, 6\), got \(2, 5\)$"):
        _core.pool_backward(v[:, :5], at, h.shape, ends, "max", 1)
    with pytest.raises(ValueError, match=r"^at: expected steps below 4, got 4$"):
        _core.pool_backward(v, np.full((2, 6), 4, np.int32), h.shape, ends, "max", 1)
    with pytest.raises(TypeError, match=r"^at: expected an array, got None$"):
        _core.pool_backward(v, None, h.shape, ends, "max", 1)
