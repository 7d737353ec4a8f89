"""Layers from weights of other layouts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rnnfast as rf

I, H, P = 5, 4, 3  # noqa: E741


def blocks(array: Any, own: str, order: str) -> Any:
    """Return blocks of rows, which lie in our order, in that of others."""
    parts = dict(zip(own, np.split(array, len(own)), strict=True))
    return np.concatenate([parts[gate] for gate in order])


def arrays(layer: Any, own: str, order: str, transposed: bool = False) -> dict[str, list[Any]]:
    """Return the weights of a layer as others have them: one of each kind a direction."""
    state, found = layer.state_dict(), {}
    suffixes = [n.removeprefix("weight_ih_") for n in state if n.startswith("weight_ih_")]

    def turned(array: Any) -> Any:
        return np.ascontiguousarray(array.T) if transposed else array

    for kind, name in (("W", "weight_ih"), ("U", "weight_hh")):
        found[kind] = [turned(blocks(state[f"{name}_{s}"], own, order)) for s in suffixes]
    if layer.bias:
        names = ("bias_ih", "bias_hh")
        found["b"] = [[blocks(state[f"{n}_{s}"], own, order) for n in names] for s in suffixes]
    if layer.proj_size:
        found["projection"] = [turned(state[f"weight_hr_{s}"]) for s in suffixes]
    if getattr(layer, "peephole", False):
        seen = [gate for gate in order if gate != "g"]
        found["peepholes"] = [blocks(state[f"weight_peephole_{s}"], "ifo", seen) for s in suffixes]
    return found


def assert_same_layers(ours: Any, expected: Any) -> None:
    assert repr(ours) == repr(expected)
    one, other = ours.state_dict(), expected.state_dict()
    assert list(one) == list(other)
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])


CASES: list[tuple[str, dict[str, Any], str, str, str]] = [
    ("RNN", {"nonlinearity": "relu"}, "h", "h", ""),
    ("GRU", {}, "rzn", "rzn", "rzn"),
    ("GRU", {}, "rzn", "zrn", "zrh"),
    ("GRU", {"reset_after": False}, "rzn", "zrn", "uro"),
    ("GRU", {"reset_gate": False}, "zn", "nz", "cu"),
    ("LSTM", {}, "ifgo", "ifgo", "ifco"),
    ("LSTM", {"proj_size": P}, "ifgo", "iofg", "iofc"),
    ("LSTM", {"peephole": True}, "ifgo", "iofg", "iofc"),
    ("LSTM", {"peephole": "previous", "proj_size": P}, "ifgo", "igfo", "ijfo"),
]
NETWORKS: list[dict[str, Any]] = [
    {},
    {"num_layers": 2, "batch_first": True, "dropout": 0.25},
    {"num_layers": 2, "bidirectional": True, "variational": True},
    {"bias": False},
]


@pytest.mark.parametrize(("kind", "options", "own", "order", "gates"), CASES)
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_any_layout_of_any_network(
    kind: str, options: Any, own: str, order: str, gates: str, network: Any, transposed: bool,
    dtype: str,
) -> None:  # fmt: skip
    make = getattr(rf, kind)
    expected = make(I, H, **options, **network, dtype=dtype, seed=0)
    given: dict[str, Any] = arrays(expected, own, order, transposed)
    if len(given["W"]) == 1:
        given = {name: value[0] for name, value in given.items()}
    derived = ("num_layers", "bias", "proj_size")
    other = {n: v for n, v in {**options, **network}.items() if n not in derived}
    ours = make.from_weights(**given, gates=gates or None, transposed=transposed, **other)
    assert_same_layers(ours, expected)


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("reset_after", [False, True])
def test_a_gru_of_keras(reset_after: bool) -> None:
    """Kernels side by side, z before r, one bias or two rows of them."""
    rng = np.random.default_rng(0)
    kernel, recurrent = rng.normal(size=(I, 3 * H)), rng.normal(size=(H, 3 * H))
    bias = rng.normal(size=(2, 3 * H) if reset_after else 3 * H)
    x = rng.normal(size=(2, 6, I))
    layer = rf.GRU.from_weights(
        kernel, recurrent, bias, gates="zrh", transposed=True, reset_after=reset_after,
        batch_first=True,
    )  # fmt: skip
    h, rows = np.zeros((2, H)), bias if reset_after else (bias, np.zeros(3 * H))
    Wz, Wr, Wh = np.split(kernel, 3, 1)
    Uz, Ur, Uh = np.split(recurrent, 3, 1)
    (bz, br, bh), (cz, cr, ch) = (np.split(row, 3) for row in rows)
    expected = []
    for t in range(6):
        z = sigmoid(x[:, t] @ Wz + bz + h @ Uz + cz)
        r = sigmoid(x[:, t] @ Wr + br + h @ Ur + cr)
        inner = r * (h @ Uh + ch) if reset_after else (r * h) @ Uh
        h = z * h + (1 - z) * np.tanh(x[:, t] @ Wh + bh + inner)
        expected.append(h)
    np.testing.assert_allclose(layer(x)[0], np.stack(expected, 1), rtol=1e-12, atol=1e-12)


def test_an_lstm_of_onnx() -> None:
    """Gates i, o, f, c; both biases one behind the other; peepholes i, o, f."""
    rng = np.random.default_rng(0)
    W, R = rng.normal(size=(1, 4 * H, I)), rng.normal(size=(1, 4 * H, H))
    B, peep = rng.normal(size=(1, 8 * H)), rng.normal(size=(1, 3 * H))
    x = rng.normal(size=(6, 2, I))
    layer = rf.LSTM.from_weights(W[0], R[0], np.split(B[0], 2), gates="iofc", peepholes=peep[0])
    h, c = np.zeros((2, H)), np.zeros((2, H))
    pi, po, pf = np.split(peep[0], 3)
    for t in range(6):
        i, o, f, g = np.split(x[t] @ W[0].T + h @ R[0].T + B[0, : 4 * H] + B[0, 4 * H :], 4, 1)
        i, f = sigmoid(i + pi * c), sigmoid(f + pf * c)
        c = f * c + i * np.tanh(g)
        h = sigmoid(o + po * c) * np.tanh(c)
    np.testing.assert_allclose(layer(x)[1][0][0], h, rtol=1e-12, atol=1e-12)


def test_arrays_are_copied_and_lists_are_read() -> None:
    W, U = np.ones((H, I)), np.eye(H)
    layer = rf.RNN.from_weights(W, U)
    W[:] = 0
    assert layer.state_dict()["weight_ih_l0"].all()
    assert not layer.bias
    # A list stands for networks.
    with pytest.raises(ValueError, match=r"^W\[0\]: expected 2 axes, got shape \(5,\)$"):
        rf.RNN.from_weights(W.tolist(), U.tolist(), dtype="float64")


def test_a_single_bias_is_that_of_the_input() -> None:
    W, U, b = np.ones((3 * H, I)), np.ones((3 * H, H)), np.arange(3.0 * H)
    state = rf.GRU.from_weights(W, U, b).state_dict()
    np.testing.assert_array_equal(state["bias_ih_l0"], b)
    assert not state["bias_hh_l0"].any()


def test_another_dtype_is_asked_for() -> None:
    W, U = np.ones((H, I), np.float16), np.ones((H, H))
    assert rf.RNN.from_weights(W, U, dtype="float32").dtype == np.float32
    for given, message in (
        ((W, U), "W: expected dtype float32 or float64, got float16; dtype='float32' converts"),
        ((U[:, :1], U.astype("f4")), "U: expected dtype float64, as W has, got float32"),
        ((U * 1j, U), "W: expected real numbers, got dtype complex128"),
    ):
        with pytest.raises(TypeError) as error:
            rf.RNN.from_weights(*given)
        assert str(error.value) == message
    with pytest.raises(
        ValueError, match=r"^dtype: expected 'float32' or 'float64', got 'float16'$"
    ):
        rf.RNN.from_weights(U, U, dtype="float16")


def zeros(*shape: int) -> Any:
    return np.zeros(shape)


W, U = zeros(4 * H, I), zeros(4 * H, H)
WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("LSTM", {"U": zeros(10, H)}, "U: expected shape (4*H, H), got (10, 4)"),
    ("LSTM", {"U": zeros(12, H)}, "U: expected shape (4*H, H), got (12, 4)"),
    ("LSTM", {"U": zeros(0, 0)}, "U: expected shape (4*H, H), got (0, 0)"),
    (
        "LSTM",
        {"transposed": True},
        "U: expected shape (H, 4*H), got (16, 4); transposed=False is for gates along the rows",
    ),
    (
        "LSTM",
        {"U": zeros(H, 4 * H)},
        "U: expected shape (4*H, H), got (4, 16); transposed=True is for gates along the columns",
    ),
    (
        "LSTM",
        {"W": zeros(1, 16, I)},
        "W: expected 2 axes, got shape (1, 16, 5); the first axis is that of directions: "
        "W[0] is one of them",
    ),
    (
        "LSTM",
        {"b": zeros(32)},
        "b: expected shape (16,), or two of those, got (32,); np.split(b, 2) makes two of one",
    ),
    ("LSTM", {"W": zeros(8, I)}, "W: expected shape (16, 5), got (8, 5)"),
    ("LSTM", {"W": zeros(16)}, "W: expected 2 axes, got shape (16,)"),
    (
        "LSTM",
        {"W": zeros(1, 16, 5)},
        "W: expected 2 axes, got shape (1, 16, 5); the first axis is that of directions: W[0] is "
        "one of them",
    ),
    (
        "LSTM",
        {"W": zeros(2, 16, 5)},
        "W: expected 2 axes, got shape (2, 16, 5); the first axis is that of directions: W[0] is "
        "one of them, and bidirectional=True takes a list of both",
    ),
    ("LSTM", {"b": zeros(12)}, "b: expected shape (16,), or two of those, got (12,)"),
    ("LSTM", {"b": [zeros(16), zeros(4)]}, "b[1]: expected shape (16,), or two of those, got (4,)"),
    ("LSTM", {"peepholes": zeros(16)}, "peepholes: expected shape (12,) or (3, 4), got (16,)"),
    ("LSTM", {"projection": zeros(3, 4)}, "projection: expected shape (4, 4), got (3, 4)"),
    (
        "LSTM",
        {"projection": zeros(3, 4), "U": zeros(10, 3)},
        "U: expected shape (4*H, P), got (10, 3)",
    ),
    ("LSTM", {"W": [W, W], "U": [U]}, "U: expected 2 arrays, as W has, got 1"),
    (
        "LSTM",
        {"W": [W, W], "U": [U, U]},
        "W[1]: expected shape (16, 4), got (16, 5), as "
        "W[0] has; bidirectional=True takes two directions of a layer",
    ),
    (
        "LSTM",
        {"W": [W], "U": [U], "bidirectional": True},
        "W: expected a multiple of 2 arrays, got 1",
    ),
    ("LSTM", {"W": []}, "W: expected one or more arrays, got 0"),
    (
        "LSTM",
        {"bidirectional": True},
        "W: expected a list with an array for each direction, got one array",
    ),
    (
        "LSTM",
        {"gates": "ifgz"},
        "gates: expected each of i, f, g, o once, in the order of the blocks (or c for g, j for "
        "g), got 'ifgz'",
    ),
    (
        "GRU",
        {"gates": "rzn", "reset_gate": False},
        "gates: expected each of z, n once, in the order of the blocks (or u for z, h for n, c for "
        "n, g for n, o for n), got 'rzn'",
    ),
    ("RNN", {"gates": "h"}, "gates: expected None for an RNN, which has none, got 'h'"),
    ("GRU", {"projection": W}, "projection: expected None for GRU, got an array"),
    ("RNN", {"peepholes": W}, "peepholes: expected None for RNN, got an array"),
    (
        "LSTM",
        {"peephole": "previous"},
        "peepholes: expected an array with peephole='previous', got None",
    ),
    (
        "LSTM",
        {"peephole": False, "peepholes": zeros(12)},
        "peephole: expected True or 'previous' with peepholes, got False",
    ),
]


@pytest.mark.parametrize(("kind", "given", "message"), WRONG)
def test_wrong_values_are_named(kind: str, given: Any, message: str) -> None:
    with pytest.raises(ValueError) as error:
        getattr(rf, kind).from_weights(**{"W": W, "U": U, **given})
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"W": [W]}, "U: expected a list, as W is, got ndarray"),
        ({"gates": 4}, "gates: expected a string, got int"),
        ({"num_layers": 1}, "num_layers: expected no such argument, the arrays tell it; got 1"),
        (
            {"nonlinearity": "tanh"},
            "nonlinearity: LSTM has no such argument; it takes input_size, hidden_size, "
            "num_layers, bias, batch_first, dropout, variational, bidirectional, dtype, seed, "
            "proj_size, peephole",
        ),
        ({"transposed": 1}, "transposed: expected a bool, got int"),
    ],
)
def test_wrong_types_are_named(given: Any, message: str) -> None:
    with pytest.raises(TypeError) as error:
        rf.LSTM.from_weights(**{"W": W, "U": U, **given})
    assert str(error.value).endswith(message)


def test_a_subclass_makes_its_own_kind() -> None:
    class Mine(rf.LSTM):
        pass

    assert type(Mine.from_weights(W, U)) is Mine


def test_what_is_no_layer_of_pytorch_is_refused() -> None:
    """Also where PyTorch is not there."""
    expected = r"^module: expected a torch\.nn\.GRU or GRUCell, got"
    with pytest.raises(TypeError, match=rf"{expected} int$"):
        rf.GRU.from_torch(3)
    with pytest.raises(TypeError, match=rf"{expected} dict; .*load_state_dict\(arrays\)$"):
        rf.GRU.from_torch({})


def test_a_subclass_with_a_name_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnnfast.nn.recurrent.base.LAYERS", {})

    class Named(rf.LSTM, name="named_lstm"):
        """A subclass that models and files may know by a name of its own."""

    rng = np.random.default_rng(0)
    W, U = rng.normal(size=(4 * H, I)), rng.normal(size=(4 * H, H))
    made = Named.from_weights(W, U, gates="ifgo", transposed=False)
    assert type(made) is Named
    np.testing.assert_array_equal(made.state_dict()["weight_ih_l0"], W)
    with pytest.raises(
        TypeError, match=r"^module: expected a torch\.nn\.LSTM or LSTMCell, got int$"
    ):
        Named.from_torch(3)


def test_a_bias_of_two_numbers_in_a_list() -> None:
    W, U = np.ones((2, 3)), np.ones((2, 2))
    made = rf.RNN.from_weights(W, U, [0.1, 0.2])
    state = made.state_dict()
    np.testing.assert_array_equal(state["bias_ih_l0"] + state["bias_hh_l0"], [0.1, 0.2])
