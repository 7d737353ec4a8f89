"""Live layers of Keras as layers here, and back."""

from __future__ import annotations

import os
import warnings
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from rnnfast.interop.keras import from_keras, masked_call, to_keras

pytest.importorskip("torch", reason="PyTorch, the backend of Keras, is not installed")
os.environ["KERAS_BACKEND"] = "torch"
keras: Any = pytest.importorskip("keras", reason="Keras is not installed")
# What Keras itself does with tensors of PyTorch.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
L = keras.layers
B, T, F, H = 3, 7, 5, 4
ALL = {"return_sequences": True, "return_state": True}


def numbers(value: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(getattr(value, "value", value)))


def drawn(layer: Any, seed: int = 0) -> Any:
    """Return a layer, built, with weights that are not zero."""
    if not layer.built:
        layer.build((B, T, F))
    rng = np.random.default_rng(seed)
    for weight in layer.weights:
        weight.assign(rng.normal(size=weight.shape) * 0.4)
    return layer


def inputs() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(B, T, F)).astype(np.float32)


def gaps(seed: int = 2) -> np.ndarray:
    mask = np.random.default_rng(seed).random((B, T)) < 0.6
    mask[0], mask[1, :2] = False, False
    return mask


MAKERS = {
    "rnn": lambda: L.SimpleRNN(H, **ALL),
    "relu": lambda: L.SimpleRNN(H, activation="relu", use_bias=False, **ALL),
    "gru": lambda: L.GRU(H, **ALL),
    "gru before": lambda: L.GRU(H, reset_after=False, **ALL),
    "gru without bias": lambda: L.GRU(H, use_bias=False, **ALL),
    "gru before without bias": lambda: L.GRU(H, use_bias=False, reset_after=False, **ALL),
    "lstm": lambda: L.LSTM(H, **ALL),
    "lstm zeros": lambda: L.LSTM(H, use_bias=False, zero_output_for_mask=True, **ALL),
    "lstm float64": lambda: L.LSTM(H, dtype="float64", **ALL),
    "cell": lambda: L.RNN(L.GRUCell(H, reset_after=False), **ALL),
    "both": lambda: L.Bidirectional(L.GRU(H, **ALL)),
    "both lstm": lambda: L.Bidirectional(L.LSTM(H, **ALL)),
    "ave": lambda: L.Bidirectional(L.LSTM(H, **ALL), merge_mode="ave"),
    "mul": lambda: L.Bidirectional(L.SimpleRNN(H, **ALL), merge_mode="mul"),
    "mixed": lambda: L.Bidirectional(
        L.LSTM(H, **ALL), backward_layer=L.GRU(3, go_backwards=True, **ALL)
    ),
}


def flat(state: Any) -> list[Any]:
    """Return states in Keras's order."""
    if isinstance(state, dict):
        return [h for part in state.values() for h in flat(part)]
    parts = state if isinstance(state, tuple) else (state,)
    return [part[d] for d in range(len(parts[0])) for part in parts]


@pytest.mark.parametrize("seed", [None, 2, 3, 4])
@pytest.mark.parametrize("name", MAKERS)
def test_a_layer_and_its_equal_compute_the_same(name: str, seed: int | None) -> None:
    layer = drawn(MAKERS[name]())
    ours: Any = from_keras(layer)
    x, mask = inputs().astype(ours.dtype), None if seed is None else gaps(seed)
    expected = [numbers(value) for value in layer(x, mask=mask)]
    zeros = getattr(layer, "zero_output_for_mask", None)
    y, state = masked_call(ours, x, mask, zero_output_for_mask=zeros)
    np.testing.assert_allclose(y, expected[0], atol=2e-6)
    for got, wanted in zip(flat(state), expected[1:], strict=True):
        np.testing.assert_allclose(got, wanted, atol=2e-6)


@pytest.mark.parametrize("name", MAKERS)
def test_weights_go_there_and_back(name: str) -> None:
    layer = drawn(MAKERS[name]())
    ours = from_keras(layer)
    before = [numbers(w) for w in layer.weights]
    drawn(layer, seed=1)
    to_keras(ours, layer)
    for was, now in zip(before, layer.weights, strict=True):
        np.testing.assert_array_equal(was, numbers(now))


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_all_layers_of_ours_become_one_each(kind: str, both: bool) -> None:
    ours = getattr(rf, kind)(F, H, 2, batch_first=True, bidirectional=both, seed=0)
    name = "SimpleRNN" if kind == "RNN" else kind
    layers = [getattr(L, name)(H, return_sequences=True) for _ in range(2)]
    layers = [L.Bidirectional(layer) for layer in layers] if both else layers
    layers[0].build((B, T, F))
    layers[1].build((B, T, 2 * H if both else H))
    with pytest.raises(ValueError, match="layer: expected a list of 2 layers, as ours has, got 1"):
        to_keras(ours, layers[0])
    to_keras(ours, layers)
    x = inputs()
    np.testing.assert_allclose(ours(x)[0], numbers(layers[1](layers[0](x))), atol=2e-6)
    with pytest.raises(ValueError, match=r"layer\[0\]: expected input_size=5, as ours has, got"):
        to_keras(ours, layers[::-1])


def test_go_backwards_is_left_to_the_call() -> None:
    layer = drawn(L.GRU(H, go_backwards=True, **ALL))
    with pytest.raises(ValueError, match="go_backwards: expected False, layers here read forwards"):
        from_keras(layer)
    ours: Any = from_keras(layer, leave_out=["go_backwards"])
    y, state = masked_call(ours, inputs(), gaps(), go_backwards=True)
    expected = layer(inputs(), mask=gaps())
    np.testing.assert_allclose(y, numbers(expected[0]), atol=2e-6)
    np.testing.assert_allclose(state[0], numbers(expected[1]), atol=2e-6)


def test_dense_and_embedding() -> None:
    x = inputs()
    for options in ({}, {"use_bias": False}, {"activation": "tanh"}, {"activation": "sigmoid"}):
        layer = drawn(L.Dense(3, **options))
        ours = from_keras(layer)
        np.testing.assert_allclose(ours(x), numbers(layer(x)), atol=2e-6)
        drawn(layer, seed=1)
        to_keras(ours, layer)
        np.testing.assert_allclose(ours(x), numbers(layer(x)), atol=2e-6)
    timed = drawn(L.TimeDistributed(L.Dense(3)))
    np.testing.assert_allclose(from_keras(timed)(x), numbers(timed(x)), atol=2e-6)
    softmax = drawn(L.Dense(3, activation="softmax"))
    with pytest.raises(ValueError, match=r"activation: expected 'linear' .*, got 'softmax'; leave"):
        from_keras(softmax)
    logits = from_keras(softmax, leave_out=["activation"])(x)
    exponents = np.exp(logits)
    np.testing.assert_allclose(
        exponents / exponents.sum(-1, keepdims=True), numbers(softmax(x)), atol=2e-6
    )
    for activation in ("relu", "sigmoid", "tanh"):  # what has an equal is not left out
        layer = drawn(L.Dense(3, activation=activation))
        kept = from_keras(layer, leave_out=["activation"])
        np.testing.assert_allclose(kept(x), numbers(layer(x)), atol=2e-6)
    table = drawn(L.Embedding(6, 2, mask_zero=True))
    indices = np.array([[1, 5, 0]])
    ours = from_keras(table)
    np.testing.assert_array_equal(ours(indices), numbers(table(indices)))
    drawn(table, seed=1)
    to_keras(ours, table)
    np.testing.assert_array_equal(ours(indices), numbers(table(indices)))


def tanh(x: Any) -> Any:
    return x


class Mine(L.LSTM):  # type: ignore[misc]
    pass


def with_lora() -> Any:
    layer = drawn(L.Dense(3))
    layer.enable_lora(1)
    return layer


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: L.LSTM(H), ValueError, "layer: expected a built layer, with weights"),
        (lambda: drawn(L.LSTM(H, activation="relu")), ValueError,
         "layer: activation: expected 'tanh', which the LSTM here has, got 'relu'"),
        (lambda: drawn(L.LSTM(H, activation=tanh)), ValueError, "activation: .* got '.*tanh'"),
        (lambda: drawn(L.LSTM(H, activation=lambda x: x)), ValueError, "activation: .*<lambda>"),
        (lambda: drawn(L.GRU(H, recurrent_activation="hard_sigmoid")), ValueError,
         "recurrent_activation: expected 'sigmoid', which the GRU here has, got 'hard_sigmoid'"),
        (lambda: drawn(L.SimpleRNN(H, activation=None)), ValueError,
         "activation: expected 'tanh' or 'relu', which the SimpleRNN here has, got 'linear'"),
        (lambda: drawn(L.LSTM(H, dropout=0.1)), ValueError, "dropout: expected 0, no layer here"),
        (lambda: drawn(L.GRU(H, recurrent_dropout=0.1)), ValueError, "recurrent_dropout: expected"),
        (lambda: drawn(L.LSTM(H, dtype="mixed_float16")), ValueError,
         "dtype: expected the policy float32 or float64, got 'mixed_float16'"),
        (lambda: drawn(L.Dense(H, dtype="bfloat16")), ValueError, "dtype: .*got 'bfloat16'"),
        (with_lora, ValueError, "lora_rank: expected None, no layer here has it, got 1"),
        (lambda: drawn(L.Bidirectional(L.LSTM(H), merge_mode=None)), ValueError,
         "merge_mode: expected one of concat, sum, ave, mul, got None"),
        (lambda: drawn(L.Bidirectional(L.LSTM(H, go_backwards=True), backward_layer=L.LSTM(H))),
         ValueError,
         "layer.forward_layer: go_backwards: expected False, got True"),
        (lambda: drawn(L.RNN([L.LSTMCell(H), L.LSTMCell(H)])), TypeError, "got .*StackedRNNCells"),
        (lambda: drawn(Mine(H)), TypeError, "expected a layer of keras.layers, one of .*Mine"),
        (lambda: L.Dropout(0.1), TypeError, "expected a layer of keras.layers, one of .*Dropout"),
        (lambda: rf.LSTM(F, H), TypeError, "expected a layer of keras.layers, one of .*rnnfast"),
    ],
)  # fmt: skip
def test_what_has_no_equal_is_refused_by_name(make: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        from_keras(make())
    assert "\n" not in str(caught.value)


def test_dropout_may_be_left_out() -> None:
    layer = drawn(L.LSTM(H, dropout=0.2, recurrent_dropout=0.1, return_sequences=True))
    ours: Any = from_keras(layer, leave_out=["dropout", "recurrent_dropout"])
    np.testing.assert_allclose(ours(inputs())[0], numbers(layer(inputs())), atol=2e-6)
    for wrong, error in (("dropout", TypeError), (["units"], ValueError), (3, TypeError)):
        with pytest.raises(error, match="leave_out: expected"):
            from_keras(layer, leave_out=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ours", "make", "error", "message"),
    [
        (lambda: rf.GRU(F, H), lambda: L.GRU(H, reset_after=False), ValueError,
         "expected reset_after=True, as ours has, got reset_after=False; a GRU that resets before "
         "the product has no equal among those that reset after it"),
        (lambda: rf.GRU(F, H, reset_gate=False), lambda: L.GRU(H), ValueError, "reset_gate=False"),
        (lambda: rf.LSTM(F, H, peephole=True), lambda: L.LSTM(H), ValueError, "peephole=True"),
        (lambda: rf.LSTM(F, 6, proj_size=H), lambda: L.LSTM(6), ValueError, "proj_size=4"),
        (lambda: rf.LSTM(F, 6), lambda: L.LSTM(H), ValueError, "hidden_size=6, as ours has"),
        (lambda: rf.LSTM(F, H, bias=False), lambda: L.LSTM(H), ValueError, "bias=False"),
        (lambda: rf.RNN(F, H, nonlinearity="relu"), lambda: L.SimpleRNN(H), ValueError, "relu"),
        (lambda: rf.RNN(F, H), lambda: L.SimpleRNN(H, dtype="float64"), ValueError,
         "dtype=float32"),
        (lambda: rf.LSTM(F, H, bidirectional=True), lambda: L.LSTM(H), ValueError, "bidirectional"),
        (lambda: rf.GRU(F, H), lambda: L.LSTM(H), TypeError, "expected a GRU, the equal of GRU"),
        (lambda: rf.bidirectional(rf.GRU(F, H, batch_first=True), merge="sum"),
         lambda: L.Bidirectional(L.GRU(H)), ValueError, "merge=sum, as ours has, got merge=concat"),
        (lambda: rf.bidirectional(rf.GRU(F, H)), lambda: L.GRU(H), TypeError, "a Bidirectional"),
        (lambda: rf.Linear(F, 6), lambda: L.Dense(H), ValueError, "bias=.6,., weight=.6, 5."),
        (lambda: rf.Linear(F, H), lambda: L.Dense(H, activation="relu"), ValueError,
         "activation=linear, as ours has, got activation=relu"),
        (lambda: rf.Linear(F, H), lambda: L.LSTM(H), TypeError, "expected the equal of Linear"),
        (lambda: rf.Dropout(0.1), lambda: L.Dense(H), TypeError, "ours: expected RNN, GRU, LSTM"),
    ],
)  # fmt: skip
def test_a_layer_that_differs_is_not_written_to(
    ours: Any, make: Any, error: Any, message: str
) -> None:
    layer = drawn(make())
    before = [numbers(w).copy() for w in layer.weights]
    with pytest.raises(error, match=message) as caught:
        to_keras(ours(), layer)
    assert "\n" not in str(caught.value)
    for was, now in zip(before, layer.weights, strict=True):
        np.testing.assert_array_equal(was, numbers(now))


def test_a_container_of_equal_layers_is_written_to_a_bidirectional() -> None:
    layer = drawn(L.Bidirectional(L.GRU(H, return_sequences=True)))
    ours = rf.bidirectional(rf.GRU(F, H, batch_first=True, seed=4))
    to_keras(ours, layer)
    np.testing.assert_allclose(ours(inputs()), numbers(layer(inputs())), atol=2e-6)


def test_dropout_between_layers_is_refused() -> None:
    ours = rf.GRU(F, H, 2, dropout=0.5)
    layers = [drawn(L.GRU(H)), L.GRU(H)]
    layers[1].build((B, T, H))
    with pytest.raises(ValueError, match="ours: dropout: expected 0 between the layers"):
        to_keras(ours, layers)
    to_keras(ours, layers, leave_out=["dropout"])


def test_keras_is_not_imported_for_it() -> None:
    import subprocess
    import sys

    code = (
        "import sys, rnnfast.interop.keras, rnnfast.interop.flax\n"
        "assert not {'keras', 'h5py', 'torch', 'jax', 'flax'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_warnings_of_keras_about_functions_do_not_show() -> None:
    layer = drawn(L.LSTM(H, activation=lambda x: x))
    with warnings.catch_warnings(), pytest.raises(ValueError, match="activation"):
        warnings.simplefilter("error")
        from_keras(layer)
