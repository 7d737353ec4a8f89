"""Layers of Keras that live in memory: read, and written to in place."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from rnnfast._checks.messages import listed
from rnnfast.interop.keras._layers import CELLS, Node, convert
from rnnfast.interop.keras._options import check_leave_out
from rnnfast.interop.keras._weights import KerasArrays, arrays_for
from rnnfast.nn.module import Module

_NAMES = ("kernel", "recurrent_kernel", "bias", "embeddings")
_CELLS = {f"{kind}Cell": kind for kind in CELLS}
_SINGLE = ("Dense", "Embedding")


def from_keras(layer: Any, *, leave_out: Iterable[str] = ()) -> Module:
    """Return the layer that computes what a layer of Keras does, with its weights.

    Parameters
    ----------
    layer : keras.layers.Layer
        A built ``SimpleRNN``, ``GRU``, ``LSTM``, ``RNN`` of one of their cells, ``Bidirectional``
        of these, ``Embedding``, ``Dense``, or ``TimeDistributed`` of a ``Dense``.
    leave_out : iterable of str
        Options whose effect is left to the caller where it has no equal here, which are refused
        otherwise: ``"activation"`` (of a ``Dense``; tanh, relu and sigmoid have one),
        ``"dropout"``, ``"recurrent_dropout"``, ``"go_backwards"``.

    Returns
    -------
    RNN, GRU, LSTM, Bidirectional, Embedding, Linear or Chain
        With ``batch_first=True``, and a copy of the weights. A ``Bidirectional`` that
        concatenates two layers of the same options is one layer with ``bidirectional=True``, every
        other one is what `rnnfast.bidirectional` makes; a ``Dense`` with an activation is a chain
        of `Linear` and `Activation`.

    Raises
    ------
    TypeError
        If it is no such layer, or a subclass of one.
    ValueError
        If it is not built, or an option has no equal here; the message names it.
    """
    return convert(_node("layer", layer), check_leave_out(leave_out))


def to_keras(ours: Module, layer: Any, *, leave_out: Iterable[str] = ()) -> None:
    """Set the weights of a layer of Keras in place: it computes what ours does then.

    Parameters
    ----------
    ours : RNN, GRU, LSTM, Bidirectional, Embedding, Linear or Chain
        As `from_keras` returns it. Of several layers, ``num_layers``, too.
    layer : keras.layers.Layer or list of those
        A built layer of the same options and sizes, or a list of one for each of ``num_layers``.
    leave_out : iterable of str
        As for `from_keras`; ``"dropout"`` leaves out that of ours too, ``"activation"`` all
        differences of activations.

    Raises
    ------
    TypeError
        If one of them is no such layer.
    ValueError
        If they differ in what they compute; the message says in what. Nothing is changed then.
    """
    left = check_leave_out(leave_out)
    single = not isinstance(layer, (list, tuple))
    layers = [layer] if single else list(layer)
    names = ["layer"] if single else [f"layer[{k}]" for k in range(len(layers))]
    nodes = [_node(name, each) for name, each in zip(names, layers, strict=True)]
    # What differs is told by the layers that these would become.
    counterparts = [convert(node, left) for node in nodes]
    arrays = arrays_for(ours, counterparts, names, left)
    parts = [part for node in nodes for part in (node.directions or (node,))]
    converted = [_converted(arrays_of) for arrays_of in arrays]
    for part, values in zip(parts, converted, strict=True):
        for name, value in values.items():
            part.variables[name].assign(value)


def _converted(arrays: KerasArrays) -> KerasArrays:
    return {name: np.ascontiguousarray(array) for name, array in arrays.items()}


def _node(where: str, layer: Any) -> Node:
    """Return a live layer as data."""
    keras: Any = sys.modules.get("keras")
    kinds = {} if keras is None else {getattr(keras.layers, kind): kind for kind in CELLS}
    single = {} if keras is None else {getattr(keras.layers, kind): kind for kind in _SINGLE}
    kind = type(layer)
    if kind in kinds or (keras is not None and kind is keras.layers.RNN):
        return _of_cell(where, layer, keras)
    if kind in single:
        return _checked(Node(where, single[kind], _config(layer, keras), **_held(layer)))
    if keras is not None and kind is keras.layers.TimeDistributed:
        inner = _node(f"{where}.layer", layer.layer)
        if inner.kind != "Dense":
            raise TypeError(f"{where}: expected TimeDistributed of Dense, got of {inner.kind}")
        return inner
    if keras is not None and kind is keras.layers.Bidirectional:
        parts = (layer.forward_layer, layer.backward_layer)
        places = ("forward_layer", "backward_layer")
        nodes = [_node(f"{where}.{n}", part) for n, part in zip(places, parts, strict=True)]
        for node in nodes:
            if node.kind not in CELLS:
                raise TypeError(f"{node.where}: expected a recurrent layer, got {node.kind}")
        return Node(where, "Bidirectional", _config(layer, keras), directions=tuple(nodes))
    names = (*CELLS, "RNN", "Bidirectional", *_SINGLE, "TimeDistributed")
    raise TypeError(
        f"{where}: expected a layer of keras.layers, one of {listed(names)}, "
        f"got {kind.__module__}.{kind.__qualname__}{_cure(layer)}"
    )


def _cure(layer: Any) -> str:
    """Return what a message ends with where something else than a layer came."""
    if isinstance(layer, (str, os.PathLike)):
        return "; read_keras reads a file"
    if isinstance(getattr(layer, "layers", None), list):
        return "; the layers of a model are taken one by one, from_keras(model.layers[0])"
    return ""


def _of_cell(where: str, layer: Any, keras: Any) -> Node:
    """Return a recurrent layer, whose variables are those of its cell."""
    cells = {getattr(keras.layers, name): kind for name, kind in _CELLS.items()}
    kind = cells.get(type(layer.cell))
    if kind is None:
        got = type(layer.cell)
        raise TypeError(
            f"{where}: expected a cell of keras.layers, one of {listed(_CELLS)}, "
            f"got {got.__module__}.{got.__qualname__}"
        )
    config = _config(layer, keras) | _config(layer.cell, keras)
    if type(layer) is keras.layers.RNN:
        config.pop("cell")
    policies = [held.dtype_policy.name for held in (layer, layer.cell)]
    if policies[0] != policies[1]:
        raise ValueError(
            f"{where}: dtype: expected that of its cell, {policies[1]}, got {policies[0]}"
        )
    return _checked(Node(where, kind, config, **_held(layer.cell)))


def _config(held: Any, keras: Any) -> dict[str, Any]:
    """Return the options of a layer or cell, its functions by name only if they are Keras's own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a lambda, which is refused below
        config: dict[str, Any] = dict(held.get_config())
    for name in ("activation", "recurrent_activation"):
        function = getattr(held, name, None)
        if name in config and function is not None:
            called = getattr(function, "__name__", type(function).__name__)
            own = getattr(keras.activations, called, None) is function
            config[name] = called if own else f"{function.__module__}.{called}"
    return config


def _held(layer: Any) -> dict[str, Any]:
    """Return the variables of a layer, and their values as arrays."""
    if not layer.built:
        return {"arrays": {}, "variables": {}}
    convert_to_numpy = sys.modules["keras"].ops.convert_to_numpy
    found: Mapping[str, Any] = {
        name: variable
        for name in _NAMES
        if (variable := getattr(layer, f"_{name}", getattr(layer, name, None))) is not None
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of PyTorch's conversion, which NumPy 2 warns about
        arrays = {name: np.asarray(convert_to_numpy(v.value)) for name, v in found.items()}
    return {"arrays": arrays, "variables": found}


def _checked(node: Node) -> Node:
    """Raise ValueError for a layer without weights, which has not seen an input yet."""
    if not node.arrays:
        raise ValueError(f"{node.where}: expected a built layer, with weights, got one without")
    return node
