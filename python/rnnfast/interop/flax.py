"""Cells of Flax, of both ``flax.linen`` and ``flax.nnx``, as layers here, and back.

Flax itself is not imported: whoever has a cell has imported it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from rnnfast._checks.arrays import read_array
from rnnfast._checks.messages import listed
from rnnfast.nn.module import Array
from rnnfast.nn.recurrent.layers import GRU, LSTM, RNN

__all__ = ["from_flax", "to_flax"]

Params: TypeAlias = dict[str, dict[str, Array]]
_Layer: TypeAlias = RNN | GRU | LSTM


@dataclass(frozen=True)
class _Layout:
    """The dense layers of a cell: each is one gate, or all of them side by side.

    Attributes
    ----------
    layer : type
        The layer here.
    gates : str
        In the order of the dense layers, which is our own.
    inputs, states : tuple of str
        The dense layers of the input and of the state.
    biased : frozenset of str
        Those with a bias.
    """

    layer: type[Any]
    gates: str
    inputs: tuple[str, ...]
    states: tuple[str, ...]
    biased: frozenset[str]


def _lstm(forget: str) -> _Layout:
    states = ("hi", "hf", "hg", "ho")
    return _Layout(LSTM, "ifgo", ("ii", forget, "ig", "io"), states, frozenset(states))


_I, _H = ("dense_i",), ("dense_h",)
_LAYOUTS = {
    ("linen", "SimpleCell"): _Layout(RNN, "h", ("i",), ("h",), frozenset({"i"})),
    ("linen", "LSTMCell"): _lstm("if"),
    ("linen", "OptimizedLSTMCell"): _lstm("if"),
    ("linen", "GRUCell"): _Layout(
        GRU, "rzn", ("ir", "iz", "in"), ("hr", "hz", "hn"), frozenset({"ir", "iz", "in", "hn"})
    ),
    ("nnx", "SimpleCell"): _Layout(RNN, "h", _I, _H, frozenset(_I)),
    ("nnx", "LSTMCell"): _lstm("if_"),
    ("nnx", "OptimizedLSTMCell"): _Layout(LSTM, "ifgo", _I, _H, frozenset(_H)),
    ("nnx", "GRUCell"): _Layout(GRU, "rzn", _I, _H, frozenset(_I)),
}


def from_flax(cell: Any, params: Mapping[str, Any] | None = None) -> _Layer:
    """Return the layer that computes what a cell of Flax does at each step, with its weights.

    Parameters
    ----------
    cell : flax.linen or flax.nnx module
        A ``SimpleCell``, ``GRUCell``, ``LSTMCell`` or ``OptimizedLSTMCell``.
    params : mapping, optional
        The parameters of one of ``flax.linen``, which has none itself, as its ``init`` gives them:
        ``{"params": {"ii": {"kernel": ...}, ...}}`` or what is within. None for ``flax.nnx``.

    Returns
    -------
    RNN, GRU or LSTM
        With ``batch_first=True``. Its state is ``(h, c)`` where Flax's carry is ``(c, h)``, with
        an axis for the layer in front.

    Raises
    ------
    TypeError
        If it is no such cell, or a subclass of one.
    ValueError
        If parameters are missing, unknown or of another shape or dtype, each of which is named, or
        a function of the cell has no equal here.
    """
    api, layout = _layout_of(cell)
    options = _options(cell, layout)
    if api == "nnx":
        if params is not None:
            raise TypeError("params: expected None for a cell of flax.nnx, which has its own")
        given = _held(cell, layout)
    else:
        given = _given(params)
    W, U, pair, dtype = _read(cell, layout, given)
    layer: _Layer = layout.layer.from_weights(
        W, U, pair, transposed=True, batch_first=True, seed=0, dtype=dtype, **options
    )
    return layer


def to_flax(ours: _Layer, cell: Any) -> Params:
    """Return the parameters with which a cell of Flax computes what a layer here does.

    Parameters
    ----------
    ours : RNN, GRU or LSTM
        Of one layer in one direction.
    cell : flax.linen or flax.nnx module
        The equal of the layer, as `from_flax` takes it.

    Returns
    -------
    dict of str to dict
        Arrays: of ``flax.linen`` ``cell.apply({"params": ...}, ...)`` takes them, of ``flax.nnx``
        ``nnx.update(cell, ...)`` does.

    Raises
    ------
    TypeError
        If ``ours`` is no such layer, or ``cell`` no such cell.
    ValueError
        If they differ in what they compute; the message says in what.
    """
    _, layout = _layout_of(cell)
    options = _options(cell, layout)
    if type(ours) is not layout.layer:
        raise TypeError(
            f"ours: expected {layout.layer.__name__}, the equal of {type(cell).__name__}, "
            f"got {ours!r}"
        )
    needed = {"num_layers": 1, "bidirectional": False, "reset_after": True, "reset_gate": True}
    needed |= {"peephole": False, "proj_size": 0, "hidden_size": _features(cell)} | options
    if hasattr(cell, "in_features"):
        needed["input_size"] = cell.in_features
    needed["dtype"] = np.dtype(cell.param_dtype)
    differing = [n for n, value in needed.items() if getattr(ours, n, value) != value]
    if differing:
        raise ValueError(
            f"ours: expected {listed(f'{n}={needed[n]}' for n in differing)}, as "
            f"{type(cell).__name__} has, got "
            f"{listed(f'{n}={getattr(ours, n)}' for n in differing)}"
        )
    return _written(ours, cell, layout)


def _layout_of(cell: Any) -> tuple[str, _Layout]:
    for (api, name), layout in _LAYOUTS.items():
        module = sys.modules.get(f"flax.{api}")
        if module is not None and type(cell) is getattr(module, name, None):
            return api, layout
    names = listed(dict.fromkeys(name for _, name in _LAYOUTS))
    got = type(cell)
    raise TypeError(
        f"cell: expected one of flax.linen or flax.nnx, {names}, "
        f"got {got.__module__}.{got.__qualname__}"
    )


def _options(cell: Any, layout: _Layout) -> dict[str, Any]:
    """Return the arguments of our constructor that a cell's functions decide."""
    jax: Any = sys.modules["jax"]
    activations = {jax.nn.relu: "relu", jax.numpy.tanh: "tanh", jax.nn.tanh: "tanh"}
    activation = activations.get(cell.activation_fn)
    allowed = ("tanh", "relu") if layout.layer is RNN else ("tanh",)
    if activation not in allowed:
        raise ValueError(
            f"cell: activation_fn: expected jax's {' or '.join(allowed)}, which "
            f"{layout.layer.__name__} here has, got {_called(cell.activation_fn)}"
        )
    gate = getattr(cell, "gate_fn", jax.nn.sigmoid)
    if gate is not jax.nn.sigmoid:
        raise ValueError(f"cell: gate_fn: expected jax's sigmoid, got {_called(gate)}")
    if getattr(cell, "residual", False):
        raise ValueError("cell: residual: expected False, no cell here has it, got True")
    names = [np.dtype(d).name for d in (cell.param_dtype, cell.dtype or cell.param_dtype)]
    if names not in (["float32"] * 2, ["float64"] * 2):
        raise ValueError(
            "cell: param_dtype, dtype: expected both float32 or both float64, got "
            f"{names[0]} and {names[1]}"
        )
    return {"nonlinearity": activation} if layout.layer is RNN else {}


def _called(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__))


def _features(cell: Any) -> int:
    return int(cell.hidden_features if hasattr(cell, "hidden_features") else cell.features)


def _given(params: Any) -> dict[str, Any]:
    """Return given parameters by flat names."""
    if not isinstance(params, Mapping):
        raise TypeError(f"params: expected the parameters of the cell, got {type(params).__name__}")
    if set(params) == {"params"}:
        params = params["params"]
    flat: dict[str, Any] = {}
    for name, part in params.items():
        if not isinstance(part, Mapping):
            raise TypeError(f"params: {name}: expected a mapping, got {type(part).__name__}")
        flat |= {f"{name}.{key}": value for key, value in part.items()}
    return flat


def _held(cell: Any, layout: _Layout) -> dict[str, Any]:
    """Return the parameters that a cell holds, by flat names."""
    return {
        f"{name}.{key}": parameter[...]
        for name in (*layout.inputs, *layout.states)
        for key in ("kernel", "bias")
        if (parameter := getattr(getattr(cell, name), key, None)) is not None
    }


def _read(
    cell: Any, layout: _Layout, given: Mapping[str, Any]
) -> tuple[Array, Array, list[Array], str]:
    """Return both matrices and biases, all gates side by side, and their dtype."""
    arrays = {name: read_array(f"params: {name}", value) for name, value in given.items()}
    hidden, dtype = _features(cell), np.dtype(cell.param_dtype).name
    first = arrays.get(f"{layout.inputs[0]}.kernel")
    inputs: Any = first.shape[0] if first is not None and first.ndim == 2 else "I"
    expected: dict[str, tuple[Any, ...]] = {}
    for names, rows in ((layout.inputs, inputs), (layout.states, hidden)):
        size = len(layout.gates) // len(names) * hidden
        for name in names:
            expected[f"{name}.kernel"] = (rows, size)
            if name in layout.biased:
                expected[f"{name}.bias"] = (size,)
    faults = [f"no {name}" for name in expected if name not in arrays]
    for name, array in arrays.items():
        if name not in expected:
            faults.append(f"the unknown {name}")
        elif array.shape != expected[name]:
            faults.append(f"{name} {array.shape}")
        elif array.dtype.name != dtype:
            faults.append(f"{name} of dtype {array.dtype}")
    if faults:
        shapes = [f"{name} {shape}" for name, shape in expected.items()]
        raise ValueError(
            f"params: expected {listed(shapes)} of dtype {dtype}, got {listed(faults)}"
        )

    def joined(names: tuple[str, ...], key: str) -> Array:
        zeros = np.zeros(len(layout.gates) // len(names) * hidden, dtype)
        return np.concatenate([arrays.get(f"{n}.{key}", zeros) for n in names], axis=-1)

    pair = [joined(layout.inputs, "bias"), joined(layout.states, "bias")]
    return joined(layout.inputs, "kernel"), joined(layout.states, "kernel"), pair, dtype


def _written(ours: _Layer, cell: Any, layout: _Layout) -> Params:
    state = ours.state_dict()
    hidden, gates = ours.hidden_size, layout.gates
    zeros = np.zeros(len(gates) * hidden, ours.dtype)
    b_i, b_h = (state.get(f"bias_{end}_l0", zeros).copy() for end in ("ih", "hh"))
    if "n" in gates and not layout.biased & set(layout.states) and b_h[2 * hidden :].any():
        raise ValueError(
            "ours: bias_hh_l0: expected zeros for the gate n, whose product with the state has "
            f"no bias in {type(cell).__name__} of flax.nnx, got others"
        )
    # Where one of both has a bias, it is the sum; a candidate that is reset has two.
    separate = slice(2 * hidden, None) if "n" in gates else slice(0, 0)
    total = b_i + b_h
    kept_i, kept_h = b_i[separate].copy(), b_h[separate].copy()
    by_input = bool(layout.biased & set(layout.inputs))
    b_i, b_h = (total, np.zeros_like(total)) if by_input else (np.zeros_like(total), total)
    b_i[separate], b_h[separate] = kept_i, kept_h
    params: Params = {}
    for names, weight, bias in (
        (layout.inputs, state["weight_ih_l0"], b_i),
        (layout.states, state["weight_hh_l0"], b_h),
    ):
        rows = np.split(weight, len(names))
        biases = np.split(bias, len(names))
        for name, w, b in zip(names, rows, biases, strict=True):
            params[name] = {"kernel": np.ascontiguousarray(w.T)}
            if name in layout.biased:
                params[name]["bias"] = b.copy()
    return params
