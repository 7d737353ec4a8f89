"""The probes of the machine's limits that benchmarks use."""

from __future__ import annotations

import numpy as np
import pytest

from rnnfast import _core


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_multiply_add_rate_is_a_positive_number(level: str, dtype: str, threads: int) -> None:
    rate = _core.fma_probe(dtype, threads, 1e-4)
    assert np.isfinite(rate)
    assert rate > 0


@pytest.mark.parametrize("size", [1, 4096, 1_000_001])
@pytest.mark.parametrize("threads", [1, 2])
def test_read_rate_is_a_positive_number(level: str, size: int, threads: int) -> None:
    rate = _core.read_probe(size, threads, 1e-4)
    assert np.isfinite(rate)
    assert rate > 0


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ValueError, match=r"^dtype: expected 'float32' or 'float64', got 'int8'$"):
        _core.fma_probe("int8", 1, 1e-4)
    with pytest.raises(ValueError, match=r"^threads: expected 1 to 1024, got 0$"):
        _core.fma_probe("float32", 0, 1e-4)
    for seconds in (0.0, -1.0, 11.0, float("nan")):
        with pytest.raises(ValueError, match=r"^seconds: expected more than 0 and at most 10, got"):
            _core.fma_probe("float32", 1, seconds)
    for size in (0, 2**30 + 1):
        with pytest.raises(ValueError, match=rf"^bytes: expected 1 to 2\*\*30, got {size}$"):
            _core.read_probe(size, 1, 1e-4)
    with pytest.raises(ValueError, match=r"^threads: expected 1 to 1024, got 2000$"):
        _core.read_probe(4096, 2000, 1e-4)
