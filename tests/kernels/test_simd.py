"""exp, sigmoid and tanh of the kernels: their error in units in the last place, and their ends."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from rnnfast import _core

Array = npt.NDArray[np.floating]

pytestmark = pytest.mark.usefixtures("level")


def magnitudes(dtype: str, largest: float) -> Array:
    """Numbers of every magnitude from the smallest normal one to `largest`, both signs."""
    rng = np.random.default_rng(0)
    smallest = float(np.finfo(dtype).tiny)
    spread = np.exp(rng.uniform(np.log(smallest), np.log(largest), 60_000))
    even = rng.uniform(0.0, largest, 60_000)
    fine = np.exp(rng.uniform(np.log(1e-6), np.log(largest), 60_000))
    x = np.concatenate([spread, even, fine]).astype(dtype)
    return np.concatenate([x, -x])


def ulp_error(y: Array, exact: npt.NDArray[np.longdouble]) -> npt.NDArray[np.longdouble]:
    """Error in units in the last place of the exact result's dtype."""
    info = np.finfo(y.dtype)
    exponent = np.frexp(np.maximum(np.abs(exact), np.longdouble(info.tiny)))[1]
    unit = np.ldexp(np.longdouble(1.0), exponent - 1 - info.nmant)
    return np.abs(y.astype(np.longdouble) - exact) / unit


def exact_sigmoid(x: npt.NDArray[np.longdouble]) -> npt.NDArray[np.longdouble]:
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


@pytest.mark.parametrize(
    ("name", "exact", "ulps", "largest"),
    [
        ("exp_nonpositive", np.exp, {"float32": 2.0, "float64": 3.0}, 86.0),
        ("sigmoid", exact_sigmoid, {"float32": 3.0, "float64": 3.0}, 86.0),
        ("tanh", np.tanh, {"float32": 4.0, "float64": 3.0}, 40.0),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_error(
    name: str, exact: Callable[..., Array], ulps: dict[str, float], largest: float, dtype: str
) -> None:
    if dtype == "float64" and name != "tanh":
        largest = 700.0
    x = magnitudes(dtype, largest)
    if name == "exp_nonpositive":
        x = -np.abs(x)
    error = ulp_error(_core.activation(name, x), exact(x.astype(np.longdouble)))
    worst = int(error.argmax())
    assert error[worst] <= ulps[dtype], (x[worst], error[worst])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_ends(dtype: str) -> None:
    """Saturation is exact, both zeros and NaN stay, at every place of a register."""
    tiny = np.finfo(dtype).tiny
    x = np.array([-1e4, 1e4, -np.inf, np.inf, np.nan, 0.0, -0.0, tiny, -tiny], dtype=dtype)
    for shift in range(17):
        padded = np.concatenate([np.zeros(shift, dtype), x])
        y = {name: _core.activation(name, padded)[shift:] for name in ("sigmoid", "tanh")}
        np.testing.assert_array_equal(y["sigmoid"], [0, 1, 0, 1, np.nan, 0.5, 0.5, 0.5, 0.5])
        np.testing.assert_array_equal(y["tanh"], [-1, 1, -1, 1, np.nan, 0.0, 0.0, tiny, -tiny])
        np.testing.assert_array_equal(np.signbit(y["tanh"][5:7]), [False, True])
        exp = _core.activation("exp_nonpositive", -np.abs(padded))[shift:]
        np.testing.assert_array_equal(exp, [0, 0, 0, 0, np.nan, 1, 1, 1, 1])


def test_monotonic_near_saturation() -> None:
    """No result leaves [-1, 1], also where the rounding of exp could push it out."""
    x = np.linspace(5.0, 20.0, 200_001, dtype=np.float32)
    y = _core.activation("tanh", x)
    assert y.max() == 1.0
    assert y.min() >= np.tanh(np.float64(5.0)) - 1e-6


def test_unknown_name() -> None:
    with pytest.raises(ValueError, match="name: expected exp_nonpositive, sigmoid or tanh"):
        _core.activation("exp", np.zeros(3))
