"""Cells of Flax as layers here, and back."""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from rnnfast.interop.flax import from_flax, to_flax

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of its own imports
    jax = pytest.importorskip("jax", reason="jax is not installed")
    pytest.importorskip("flax", reason="flax is not installed")
    import flax.linen as linen
    import jax.numpy as jnp
    from flax import nnx

B, T, F, H = 3, 6, 5, 4
NAMES = ["SimpleCell", "GRUCell", "LSTMCell", "OptimizedLSTMCell"]


def noisy(tree: Any, seed: int) -> Any:
    """Return arrays of the same shapes, biases included, that are not zero."""
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda a: jnp.asarray(rng.normal(size=a.shape) * 0.5, a.dtype), tree)


def made(api: str, name: str, **options: Any) -> tuple[Any, Any, Any]:
    """Return a cell, its parameters, and what takes a step with given ones."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if api == "linen":
            cell = getattr(linen, name)(H, **options)
            carry = cell.initialize_carry(jax.random.key(0), (B, F))
            params = noisy(cell.init(jax.random.key(1), carry, jnp.zeros((B, F))), 1)
            return cell, params, carry
        cell = getattr(nnx, name)(F, H, rngs=nnx.Rngs(0), **options)
        nnx.update(cell, noisy(nnx.state(cell, nnx.Param), 2))
        return cell, None, cell.initialize_carry((B, F), nnx.Rngs(0))


def run(cell: Any, params: Any, carry: Any, x: np.ndarray) -> tuple[np.ndarray, Any]:
    outputs = []
    for x_t in np.swapaxes(x, 0, 1):
        call = cell if params is None else (lambda c, v: cell.apply(params, c, v))
        carry, y = call(carry, jnp.asarray(x_t))
        outputs.append(np.asarray(y))
    return np.stack(outputs, 1), carry


def inputs() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(B, T, F)).astype(np.float32)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("api", ["linen", "nnx"])
def test_a_cell_and_its_layer_compute_the_same(api: str, name: str) -> None:
    cell, params, carry = made(api, name)
    x = inputs()
    expected, last = run(cell, params, carry, x)
    layer = from_flax(cell, params)
    y, state = layer(x)
    np.testing.assert_allclose(y, expected, atol=2e-6)
    if isinstance(layer, rf.LSTM):
        for ours, theirs in zip(state, last[::-1], strict=True):
            np.testing.assert_allclose(ours[0], theirs, atol=2e-6)
    else:
        np.testing.assert_allclose(state[0], last, atol=2e-6)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("api", ["linen", "nnx"])
def test_a_layer_and_the_cell_with_its_parameters_compute_the_same(api: str, name: str) -> None:
    cell, params, carry = made(api, name)
    kind = type(from_flax(cell, params))
    layer = kind(F, H, batch_first=True, seed=3)
    if api == "nnx" and kind is rf.GRU:
        with pytest.raises(ValueError, match="bias_hh_l0: expected zeros for the gate n"):
            to_flax(layer, cell)
        state = layer.state_dict()
        state["bias_hh_l0"][2 * H :] = 0
        layer.load_state_dict(state)
    written = to_flax(layer, cell)
    if api == "nnx":
        nnx.update(cell, written)
    x = inputs()
    expected, _ = run(cell, None if api == "nnx" else {"params": written}, carry, x)
    np.testing.assert_allclose(layer(x)[0], expected, atol=2e-6)


def test_relu_and_a_layer_without_bias() -> None:
    cell, params, carry = made("linen", "SimpleCell", activation_fn=jax.nn.relu)
    layer = from_flax(cell, params)
    assert layer.nonlinearity == "relu"
    np.testing.assert_allclose(layer(inputs())[0], run(cell, params, carry, inputs())[0], atol=2e-6)
    plain = rf.RNN(F, H, nonlinearity="relu", bias=False, batch_first=True, seed=0)
    written = {"params": to_flax(plain, cell)}
    np.testing.assert_allclose(
        plain(inputs())[0], run(cell, written, carry, inputs())[0], atol=2e-6
    )


def test_what_has_no_equal_is_refused_by_name() -> None:
    cell, params, _ = made("linen", "LSTMCell")
    inner = {name: dict(part) for name, part in params["params"].items()}
    del inner["hf"]["bias"]
    inner["ig"]["kernel"] = inner["ig"]["kernel"][:, :3]
    inner["xx"] = {"kernel": np.zeros(3)}
    with pytest.raises(ValueError, match=re.escape(
        f"got no hf.bias, ig.kernel ({F}, 3), the unknown xx.kernel"
    )):  # fmt: skip
        from_flax(cell, inner)
    with pytest.raises(
        TypeError, match="params: expected the parameters of the cell, got NoneType"
    ):
        from_flax(cell)
    for options, message in (
        ({"gate_fn": jax.nn.hard_sigmoid}, "gate_fn: expected jax's sigmoid, got hard_sigmoid"),
        ({"activation_fn": jax.nn.relu}, "activation_fn: expected jax's tanh, which LSTM here has"),
        (
            {"dtype": jnp.bfloat16},
            "expected both float32 or both float64, got float32 and bfloat16",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            from_flax(linen.LSTMCell(H, **options), params)
    with pytest.raises(ValueError, match="residual: expected False"):
        from_flax(linen.SimpleCell(H, residual=True), params)
    with pytest.raises(TypeError, match=r"expected one of flax\.linen or flax\.nnx, .*MGUCell"):
        from_flax(linen.MGUCell(H), params)
    with pytest.raises(
        ValueError, match="ours: expected peephole=False, as LSTMCell has, got peep"
    ):
        to_flax(rf.LSTM(F, H, peephole=True), cell)
    with pytest.raises(ValueError, match="expected reset_after=True, as GRUCell has"):
        to_flax(rf.GRU(F, H, reset_after=False), linen.GRUCell(H))
    with pytest.raises(ValueError, match="expected num_layers=1, hidden_size=4"):
        to_flax(rf.LSTM(F, 7, 2), cell)
    with pytest.raises(TypeError, match="ours: expected LSTM, the equal of LSTMCell, got GRU"):
        to_flax(rf.GRU(F, H), cell)
