"""What the layers refuse, in what words, and that nothing has changed afterwards."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from layer_cases import TEAMS, assert_same_bits, big
from layer_cases import run as run_case

T, B, I, H = 6, 2, 3, 5  # noqa: E741
Error = type[Exception]


def layer_of(kind: Any = rf.LSTM, **options: Any) -> Any:
    return kind(I, H, seed=0, **options)


def ones(*shape: int, dtype: Any = np.float32) -> Any:
    return np.ones(shape, dtype)


def with_value(value: float, *shape: int, at: tuple[int, ...]) -> Any:
    array = ones(*shape)
    array[at] = value
    return array


def raises(error: Error, message: str) -> Any:
    return pytest.raises(error, match=f"^{re.escape(message)}$")


# --- the arguments of a pass ----------------------------------------------------------------------

X = ones(T, B, I)
NAN, INF = float("nan"), float("inf")
PASSES: list[tuple[dict[str, Any], Error, str]] = [
    # x
    ({"x": [[[1.0] * I] * B] * T}, TypeError, "x: expected a NumPy array, got list"),
    ({"x": None}, TypeError, "x: expected a NumPy array, got NoneType"),
    (
        {"x": ones(T)},
        ValueError,
        "x: expected 2 or 3 axes, got shape (6,); one axis is of indices, integers, got float32",
    ),
    ({"x": ones(T, B, I, 1)}, ValueError, "x: expected 2 or 3 axes, got shape (6, 2, 3, 1)"),
    ({"x": ones(T, B, 4)}, ValueError, "x: expected shape (T, B, 3), got (6, 2, 4)"),
    ({"x": ones(T, 4)}, ValueError, "x: expected shape (T, 3), got (6, 4)"),
    (
        {"x": ones(T, B, I, dtype="f8")},
        TypeError,
        "x: expected dtype float32 or integers, got float64; "
        'use x.astype(np.float32), or a layer of dtype="float64"',
    ),
    (
        {"x": ones(T, B, I, dtype="f2")},
        TypeError,
        "x: expected dtype float32 or integers, got float16; use x.astype(np.float32)",
    ),
    (
        {"x": ones(T, B, I, dtype=">f4")},
        TypeError,
        "x: expected dtype float32 or integers, got >f4; use x.astype(np.float32)",
    ),
    (
        {"x": ones(T, B, I, dtype=bool)},
        TypeError,
        "x: expected dtype float32 or integers, got bool",
    ),
    (
        {"x": ones(T, B, I, dtype="c8")},
        TypeError,
        "x: expected dtype float32 or integers, got complex64",
    ),
    (
        {"x": ones(T, B, I, dtype="O")},
        TypeError,
        "x: expected dtype float32 or integers, got object",
    ),
    (
        {"x": with_value(NAN, T, B, I, at=(3, 1, 2))},
        ValueError,
        "x: expected finite numbers, got NaN or infinity at time 3 of sequence 1",
    ),
    (
        {"x": with_value(-INF, T, B, I, at=(5, 0, 0))},
        ValueError,
        "x: expected finite numbers, got NaN or infinity at time 5 of sequence 0",
    ),
    # indices
    (
        {"x": ones(T, B, I, dtype=int)},
        ValueError,
        "x: expected 1 or 2 axes of indices, got shape (6, 2, 3); integers are indices; for "
        "numbers use x.astype(np.float32)",
    ),
    (
        {"x": np.array([[0, 1], [2, 3]])},
        ValueError,
        "x: expected indices from 0 to 2, got 3 at time 1 of sequence 1",
    ),
    (
        {"x": np.array([[0, -1]], np.int8)},
        ValueError,
        "x: expected indices from 0 to 2, got -1 at time 0 of sequence 1",
    ),
    (
        {"x": np.array([[0, 1], [1, 2**64 - 1]], np.uint64), "lengths": np.array([1, 2])},
        ValueError,
        f"x: expected indices from 0 to 2, got {2**64 - 1} at time 1 of sequence 1",
    ),
    # states
    ({"state": ones(1, B, H)}, TypeError, "state: expected a pair (h, c), got ndarray"),
    ({"state": (ones(1, B, H),)}, ValueError, "state: expected a pair (h, c), got 1 values"),
    ({"state": ([0.0], None)}, TypeError, "h0: expected a NumPy array, got list"),
    (
        {"state": (ones(2, B, H), None)},
        ValueError,
        "h0: expected shape (1, 2, 5), got (2, 2, 5)",
    ),
    ({"state": (None, ones(B, H))}, ValueError, "c0: expected shape (1, 2, 5), got (2, 5)"),
    (
        {"state": (ones(1, B, H, dtype="f8"), None)},
        TypeError,
        "h0: expected dtype float32, got float64; "
        'use h0.astype(np.float32), or a layer of dtype="float64"',
    ),
    (
        {"state": (None, ones(1, B, H, dtype=int))},
        TypeError,
        "c0: expected dtype float32, got int64; use c0.astype(np.float32)",
    ),
    (
        {"state": (with_value(NAN, 1, B, H, at=(0, 1, 4)), None)},
        ValueError,
        "h0: expected finite numbers, got NaN or infinity",
    ),
    (
        {"state": (None, with_value(INF, 1, B, H, at=(0, 0, 0)))},
        ValueError,
        "c0: expected finite numbers, got NaN or infinity",
    ),
    # lengths
    ({"lengths": [1, 2, 3]}, ValueError, "lengths: expected shape (2,), got (3,)"),
    ({"lengths": 4}, ValueError, "lengths: expected shape (2,), got ()"),
    ({"lengths": [1.0, 2.0]}, TypeError, "lengths: expected integers, got dtype float64"),
    ({"lengths": [True, True]}, TypeError, "lengths: expected integers, got dtype bool"),
    ({"lengths": [7, 0]}, ValueError, "lengths: expected numbers from 0 to 6, got 7"),
    ({"lengths": [0, -1]}, ValueError, "lengths: expected numbers from 0 to 6, got -1"),
    (
        {"lengths": np.array([2**64 - 1, 1], np.uint64)},
        ValueError,
        "lengths: expected numbers from 0 to 6, got 18446744073709551615",
    ),
    # reset
    ({"reset": ones(T, B, dtype=int)}, TypeError, "reset: expected bools, got dtype int64"),
    ({"reset": ones(B, T, dtype=bool)}, ValueError, "reset: expected shape (6, 2), got (2, 6)"),
    ({"reset": ones(T, dtype=bool)}, ValueError, "reset: expected shape (6, 2), got (6,)"),
    # a single sequence
    (
        {"x": ones(T, I), "lengths": [3]},
        ValueError,
        "lengths: expected None for a single sequence, got an array",
    ),
    (
        {"x": ones(T, I), "state": (ones(1, 1, H), None)},
        ValueError,
        "h0: expected 2 axes for a single sequence, got shape (1, 1, 5)",
    ),
    (
        {"x": ones(T, I), "state": (None, [[0.0]])},
        TypeError,
        "c0: expected a NumPy array, got list",
    ),
    (
        {"x": ones(T, I), "reset": ones(T, B, dtype=bool)},
        ValueError,
        "reset: expected 1 axis for a single sequence, got shape (6, 2)",
    ),
]


@pytest.mark.parametrize("forward", [False, True])
@pytest.mark.parametrize(("arguments", "error", "message"), PASSES)
def test_pass(forward: bool, arguments: dict[str, Any], error: Error, message: str) -> None:
    layer = layer_of()
    run = layer.forward if forward else layer
    with raises(error, message):
        run(**{"x": X, **arguments})


def test_pass_with_the_batch_first() -> None:
    layer = layer_of(batch_first=True)
    with raises(ValueError, "x: expected shape (B, T, 3), got (2, 6, 4)"):
        layer(ones(B, T, 4))
    with raises(ValueError, "reset: expected shape (2, 6), got (6, 2)"):
        layer(ones(B, T, I), reset=ones(T, B, dtype=bool))
    at = "x: expected finite numbers, got NaN or infinity at time 4 of sequence 1"
    with raises(ValueError, at):
        layer(with_value(NAN, B, T, I, at=(1, 4, 0)))


@pytest.mark.parametrize("kind", [rf.RNN, rf.GRU])
def test_the_state_of_other_cells_is_one_array(kind: Any) -> None:
    with raises(TypeError, "h0: expected a NumPy array, got tuple"):
        layer_of(kind)(X, (ones(1, B, H), ones(1, B, H)))


# --- backpropagation ------------------------------------------------------------------------------

GRADIENTS: list[tuple[dict[str, Any], Error, str]] = [
    ({"dy": [[0.0]]}, TypeError, "dy: expected a NumPy array, got list"),
    ({"dy": ones(T, B, H + 1)}, ValueError, "dy: expected shape (6, 2, 5), got (6, 2, 6)"),
    (
        {"dy": ones(T, B, H, dtype="f8")},
        TypeError,
        "dy: expected dtype float32, got float64; "
        'use dy.astype(np.float32), or a layer of dtype="float64"',
    ),
    (
        {"dy": ones(T, B, H, dtype=int)},
        TypeError,
        "dy: expected dtype float32, got int64; use dy.astype(np.float32)",
    ),
    (
        {"dy": with_value(INF, T, B, H, at=(2, 1, 0))},
        ValueError,
        "dy: expected finite numbers, got NaN or infinity at time 2 of sequence 1",
    ),
    ({"dstate": ones(1, B, H)}, TypeError, "state: expected a pair (h, c), got ndarray"),
    ({"dstate": (ones(B, H), None)}, ValueError, "dh_n: expected shape (1, 2, 5), got (2, 5)"),
    (
        {"dstate": (None, ones(1, B, H, dtype="f8"))},
        TypeError,
        "dc_n: expected dtype float32, got float64; "
        'use dc_n.astype(np.float32), or a layer of dtype="float64"',
    ),
    (
        {"dstate": (with_value(NAN, 1, B, H, at=(0, 0, 1)), None)},
        ValueError,
        "dh_n: expected finite numbers, got NaN or infinity",
    ),
]


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize(("arguments", "error", "message"), GRADIENTS)
def test_backpropagation(
    recompute: bool, arguments: dict[str, Any], error: Error, message: str
) -> None:
    layer = layer_of()
    (y, _), backprop = layer.forward(X, recompute=recompute)
    with raises(error, message):
        backprop(**{"dy": ones(*y.shape), **arguments})
    assert not any(gradient.any() for gradient in layer.grads.values())
    # The pass is still there, to be gone back through rightly.
    dx, _ = backprop(ones(*y.shape))
    assert dx.any()
    with raises(
        RuntimeError, "backprop: expected to be called once a forward pass, got a second call"
    ):
        backprop(ones(*y.shape))


def test_backpropagation_of_a_single_sequence() -> None:
    layer = layer_of(rf.GRU)
    _, backprop = layer.forward(ones(T, I))
    with raises(TypeError, "dy: expected a NumPy array, got list"):
        backprop([[0.0] * H] * T)
    with raises(ValueError, "dy: expected 2 axes for a single sequence, got shape (6, 1, 5)"):
        backprop(ones(T, 1, H))
    with raises(ValueError, "dstate: expected 2 axes for a single sequence, got shape (5,)"):
        backprop(ones(T, H), ones(H))
    backprop(ones(T, H), ones(1, H))


@pytest.mark.parametrize("team", [name for name in TEAMS if "indices" not in name])
def test_every_thread_looks_for_nan(
    level: str, set_threads: Callable[[int], None], team: str
) -> None:
    """In its share: the first step, the last one, others, of x and of the gradient of y."""
    counts, options = TEAMS[team]
    case = big("lstm", **options)
    layer, inputs = case.layer("float32"), case.inputs.astype("float32")
    lengths = inputs.options["lengths"]
    ends = np.full(case.batch, case.steps) if lengths is None else lengths
    expected = run_case(layer, case.inputs)
    for count in counts:
        set_threads(count)
        for b in range(0, case.batch, 3):
            for t in {0, ends[b] // 2, ends[b] - 1} if ends[b] else ():
                place = f"at time {t} of sequence {b}"
                for name in ("x", "dy"):
                    array = getattr(inputs, name)
                    old, array[t, b, -1] = array[t, b, -1], NAN
                    with pytest.raises(ValueError, match=f"{name}: expected finite .* {place}"):
                        run_case(layer, inputs)
                    array[t, b, -1] = old
        assert_same_bits(run_case(layer, case.inputs), expected)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda layer: layer(with_value(NAN, T, B, I, at=(0, 0, 0))),
        lambda layer: layer.forward(ones(T, B, I, dtype="f8")),
        lambda layer: layer.forward(X, (ones(1, B, 4), None)),
        lambda layer: layer.forward(X, lengths=[9, 9]),
    ],
)
def test_nothing_has_changed(wrong: Callable[[Any], Any]) -> None:
    layer = layer_of()
    (y, _), backprop = layer.forward(X)
    backprop(ones(*y.shape))
    gradients = {name: gradient.copy() for name, gradient in layer.grads.items()}
    parameters, version = layer.state_dict(), layer.buffer.version
    expected, _ = layer(X)
    with pytest.raises((TypeError, ValueError)):
        wrong(layer)
    assert layer.buffer.version == version
    for name in gradients:
        np.testing.assert_array_equal(layer.grads[name], gradients[name])
        np.testing.assert_array_equal(layer.state_dict()[name], parameters[name])
    np.testing.assert_array_equal(layer(X)[0], expected)


def test_train_wants_a_bool() -> None:
    with raises(TypeError, "mode: expected a bool, got int"):
        layer_of().train(1)
