"""What the constructors of the layers refuse, and in what words."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from rnnfast._checks.adjustments import AdjustmentWarning
from rnnfast.nn.recurrent.base import LAYERS

I, H = 3, 5  # noqa: E741
Error = type[Exception]


def raises(error: Error, message: str) -> Any:
    return pytest.raises(error, match=f"^{re.escape(message)}$")


@pytest.mark.parametrize("kind", LAYERS.values())
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"input_size": 0}, ValueError, "input_size: expected at least 1, got 0"),
        ({"hidden_size": -2}, ValueError, "hidden_size: expected at least 1, got -2"),
        ({"num_layers": 0}, ValueError, "num_layers: expected at least 1, got 0"),
        ({"input_size": 2.0}, TypeError, "input_size: expected an integer, got float"),
        ({"hidden_size": True}, TypeError, "hidden_size: expected an integer, got a bool"),
        ({"num_layers": "2"}, TypeError, "num_layers: expected an integer, got str"),
        ({"bias": 1}, TypeError, "bias: expected a bool, got int"),
        ({"batch_first": None}, TypeError, "batch_first: expected a bool, got NoneType"),
        ({"bidirectional": "no"}, TypeError, "bidirectional: expected a bool, got str"),
        ({"dropout": 1.5}, ValueError, "dropout: expected a probability from 0 to 1, got 1.5"),
        ({"dropout": -0.1}, ValueError, "dropout: expected a probability from 0 to 1, got -0.1"),
        (
            {"dropout": float("nan")},
            ValueError,
            "dropout: expected a probability from 0 to 1, got nan",
        ),
        ({"dropout": "0.5"}, TypeError, "dropout: expected a number, got str"),
        ({"dropout": True}, TypeError, "dropout: expected a number, got bool"),
        (
            {"seed": -1},
            ValueError,
            "seed: expected None, an integer of at least 0 or a generator, got -1",
        ),
        (
            {"seed": "a"},
            TypeError,
            "seed: expected None, an integer of at least 0 or a generator, got 'a'",
        ),
        ({"dtype": "float16"}, ValueError, "dtype: expected 'float32' or 'float64', got 'float16'"),
        (
            {"dtype": np.float32},
            ValueError,
            "dtype: expected 'float32' or 'float64', got <class 'numpy.float32'>",
        ),
        (
            {"dtype": np.dtype("float32")},
            ValueError,
            "dtype: expected 'float32' or 'float64', got dtype('float32')",
        ),
    ],
)
def test_constructor(kind: Any, options: dict[str, Any], error: Error, message: str) -> None:
    with raises(error, message):
        kind(**{"input_size": I, "hidden_size": H, **options})


@pytest.mark.parametrize(
    ("kind", "options", "error", "message"),
    [
        (
            rf.RNN,
            {"nonlinearity": "sigmoid"},
            ValueError,
            "nonlinearity: expected 'tanh' or 'relu', got 'sigmoid'",
        ),
        (
            rf.IndRNN,
            {"nonlinearity": ["tanh"]},
            ValueError,
            "nonlinearity: expected 'relu' or 'tanh', got ['tanh']",
        ),
        (rf.GRU, {"reset_after": 1}, TypeError, "reset_after: expected a bool, got int"),
        (rf.GRU, {"reset_gate": None}, TypeError, "reset_gate: expected a bool, got NoneType"),
        (rf.LSTM, {"proj_size": -1}, ValueError, "proj_size: expected at least 0, got -1"),
        (
            rf.LSTM,
            {"proj_size": 5},
            ValueError,
            "proj_size: expected less than hidden_size 5, got 5",
        ),
        (
            rf.LSTM,
            {"peephole": "next"},
            ValueError,
            "peephole: expected False, True or 'previous', got 'next'",
        ),
        (
            rf.LSTM,
            {"peephole": 1},
            ValueError,
            "peephole: expected False, True or 'previous', got 1",
        ),
    ],
)
def test_constructor_of_one_kind(
    kind: Any, options: dict[str, Any], error: Error, message: str
) -> None:
    with raises(error, message):
        kind(I, H, **options)


@pytest.mark.parametrize(
    ("kind", "option"),
    [
        (rf.RNN, "peephole"),
        (rf.GRU, "proj_size"),
        (rf.LSTM, "nonlinearity"),
        (rf.MinGRU, "reset_gate"),
        (rf.MinLSTM, "proj_size"),
    ],
)
def test_options_of_other_kinds_are_unknown(kind: Any, option: str) -> None:
    with pytest.raises(TypeError, match=f"^{option}: {kind.__name__} has no such argument"):
        kind(I, H, **{option: True})


@pytest.mark.parametrize("kind", [rf.RNN, rf.GRU, rf.LSTM, rf.MinGRU, rf.LayerNormLSTM, rf.IndRNN])
def test_dropout_of_one_layer_has_no_effect(kind: Any) -> None:
    with pytest.warns(AdjustmentWarning, match=r"^dropout: expected 0 with num_layers=1") as caught:
        kind(I, H, dropout=0.5)
    assert [warning.filename for warning in caught] == [__file__]
    kind(I, H, 2, dropout=0.5)
    kind(I, H)
