"""What the reference's networks refuse, and how they say so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rnnfast.reference as ref
from rnnfast.reference import NetworkSpec

T, B, I, H = 6, 4, 3, 5  # noqa: E741


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cell": "elman"}, f"cell: expected one of {', '.join(ref.CELLS)}, got 'elman'"),
        ({"input_size": 0}, "input_size: expected at least 1, got 0"),
        ({"hidden_size": -1}, "hidden_size: expected at least 1, got -1"),
        ({"num_layers": 0}, "num_layers: expected at least 1, got 0"),
        ({"proj_size": 5}, "proj_size: expected 0 to 4, got 5"),
        ({"nonlinearity": "gelu"}, "nonlinearity: expected tanh or relu, got 'gelu'"),
        ({"nonlinearity": "relu"}, "nonlinearity: expected 'tanh' for the cell lstm, got 'relu'"),
        ({"reset_after": False}, "reset_after: expected True for the cell lstm, got False"),
        ({"reset_gate": False}, "reset_gate: expected True for the cell lstm, got False"),
        ({"peephole": "new"}, "peephole: expected False, True or 'previous', got 'new'"),
        ({"peephole": 1}, "peephole: expected False, True or 'previous', got 1"),
        ({"cell": "gru", "peephole": True}, "peephole: expected False for the cell gru, got True"),
        ({"cell": "rnn", "proj_size": 2}, "proj_size: expected 0 for the cell rnn, got 2"),
    ],
)
def test_a_spec_that_cannot_be(changes: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"cell": "lstm", "input_size": I, "hidden_size": H} | changes
    with pytest.raises(ValueError, match=f"^{message}$"):
        NetworkSpec(**arguments)


BAD_ARGUMENTS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"x": np.zeros((T, B))}, ValueError, r"x: expected shape \(T, B, 3\), got \(6, 4\)"),
    ({"x": np.zeros((T, B, 2))}, ValueError, r"x: expected shape \(6, 4, 3\), got \(6, 4, 2\)"),
    ({"x": np.zeros((T, B, I), bool)}, TypeError, "x: expected a floating point dtype, got bool"),
    (
        {"x": np.zeros((T, B, I), int)},
        ValueError,
        r"x: expected indices of shape \(T, B\), got \(6, 4, 3\)",
    ),
    ({"x": np.full((T, B), 3)}, ValueError, "x: expected every index from 0 to 2, got 3"),
    ({"x": np.full((T, B), -1)}, ValueError, "x: expected every index from 0 to 2, got -1"),
    ({"state": np.zeros((2, B, H))}, TypeError, "state: expected a tuple of h and c, got ndarray"),
    (
        {"state": (np.zeros((2, B, H)), np.zeros((1, B, H)))},
        ValueError,
        r"state\[1\]: expected shape \(2, 4, 5\), got \(1, 4, 5\)",
    ),
    (
        {"state": (np.zeros((2, B, H), int), np.zeros((2, B, H)))},
        TypeError,
        r"state\[0\]: expected a floating point dtype, got int64",
    ),
    ({"lengths": [1.0] * B}, TypeError, "lengths: expected an integer dtype, got float64"),
    ({"lengths": [1, 2]}, ValueError, r"lengths: expected shape \(4,\), got \(2,\)"),
    ({"lengths": [1, 2, 7, 3]}, ValueError, "lengths: expected each from 0 to 6, got 7"),
    ({"lengths": [1, -2, 0, 3]}, ValueError, "lengths: expected each from 0 to 6, got -2"),
    ({"reset": np.zeros((T, B))}, TypeError, "reset: expected dtype bool, got float64"),
    (
        {"reset": np.zeros((B, T), bool)},
        ValueError,
        r"reset: expected shape \(6, 4\), got \(4, 6\)",
    ),
    ({"dropout_masks": []}, ValueError, "dropout_masks: expected 1 of them, got 0"),
    (
        {"dropout_masks": [np.zeros((T, B, I))]},
        ValueError,
        r"dropout_masks\[0\]: expected shape \(6, 4, 5\), got \(6, 4, 3\)",
    ),
]


@pytest.mark.parametrize(("changes", "error", "message"), BAD_ARGUMENTS)
def test_bad_arguments(changes: dict[str, Any], error: type[Exception], message: str) -> None:
    spec = NetworkSpec("lstm", I, H, num_layers=2)
    arguments: dict[str, Any] = {
        "parameters": ref.random_parameters(spec, np.random.default_rng(0)),
        "x": np.zeros((T, B, I)),
    }
    with pytest.raises(error, match=f"^{message}$"):
        ref.network_forward(spec, **(arguments | changes))


def test_bad_parameters() -> None:
    spec = NetworkSpec("rnn", I, H, bias=False)
    parameters: Any = ref.random_parameters(spec, np.random.default_rng(0))
    x = np.zeros((T, B, I))
    with pytest.raises(ValueError, match=r"missing \['weight_hh_l0'\], unknown \['bias_ih_l0'\]$"):
        wrong = {"weight_ih_l0": parameters["weight_ih_l0"], "bias_ih_l0": np.zeros(H)}
        ref.network_forward(spec, wrong, x)
    with pytest.raises(ValueError, match=r"^weight_hh_l0: expected shape \(5, 5\), got \(5, 4\)$"):
        ref.network_forward(spec, parameters | {"weight_hh_l0": np.zeros((5, 4))}, x)
    with pytest.raises(
        TypeError, match=r"^weight_hh_l0: expected a floating point dtype, got int8"
    ):
        ref.network_forward(spec, parameters | {"weight_hh_l0": np.zeros((5, 5), np.int8)}, x)
    with pytest.raises(TypeError, match=r"^state: expected one array, got a tuple$"):
        ref.network_forward(spec, parameters, x, (np.zeros((1, B, H)), np.zeros((1, B, H))))


def test_bad_gradients() -> None:
    spec = NetworkSpec("gru", I, H)
    parameters = ref.random_parameters(spec, np.random.default_rng(0))
    y, _, cache = ref.network_forward(spec, parameters, np.zeros((T, B, I)))
    with pytest.raises(ValueError, match=r"^dy: expected shape \(6, 4, 5\), got \(5, 4, 5\)$"):
        ref.network_backward(cache, y[1:])
    with pytest.raises(ValueError, match=r"^dstate: expected shape \(1, 4, 5\), got \(4, 5\)$"):
        ref.network_backward(cache, y, y[0])


def test_masked_arrays() -> None:
    spec = NetworkSpec("gru", I, H)
    parameters = ref.random_parameters(spec, np.random.default_rng(0))
    x = np.ma.array(np.ones((T, B, I)), mask=np.zeros((T, B, I)))
    with pytest.raises(TypeError, match=r"^x: expected an array without a mask, got a masked one$"):
        ref.network_forward(spec, parameters, x)
