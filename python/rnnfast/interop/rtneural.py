"""Files of RTNeural, which hold layers of Keras one after the other in JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rnnfast._checks import among, check_int
from rnnfast._checks.arrays import check_float_dtype
from rnnfast._checks.messages import one_line, shown
from rnnfast.interop.keras._layers import Node, convert
from rnnfast.io.files import FilePath, read_utf8, shown_path
from rnnfast.nn.compose import Chain
from rnnfast.nn.module import Array, Module

__all__ = ["read_rtneural"]

_KINDS = {"dense": "Dense", "time-distributed-dense": "Dense", "gru": "GRU", "lstm": "LSTM"}
_ARRAYS = ("kernel", "recurrent_kernel", "bias")


def read_rtneural(path: FilePath, *, dtype: str = "float32") -> Chain:
    """Read a model from a file of RTNeural: the whole of it, as a chain.

    Parameters
    ----------
    path : path
        Of a JSON file with layers ``dense``, ``time-distributed-dense``, ``gru`` and ``lstm``, as
        RTNeural's script writes them from a model of Keras.
    dtype : {"float32", "float64"}
        Of the layers; the file has decimal numbers.

    Returns
    -------
    Chain
        With ``batch_first=True``.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is none of RTNeural's, a layer of it has no equal here, or an array is missing,
        unknown or of another shape; the message names each.
    """
    numbers = check_float_dtype("dtype", dtype).name
    text = read_utf8(path)
    try:
        return _model(json.loads(text), numbers)
    except RecursionError as error:
        raise ValueError(f"{shown_path(path)}: expected JSON, got too many levels") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"{shown_path(path)}: expected JSON, got {one_line(error)}") from error
    except (ValueError, TypeError) as error:
        raise ValueError(f"{shown_path(path)}: {one_line(error, 2000)}") from error


def _model(model: Any, dtype: str) -> Chain:
    layers = model.get("layers") if isinstance(model, Mapping) else None
    if not isinstance(layers, list) or not layers:
        raise ValueError("expected a model of RTNeural with layers, got none")
    inputs: int | None = _last("in_shape", model.get("in_shape"))
    parts: list[Module] = []
    faults: list[str] = []
    for k, layer in enumerate(layers):
        node = None
        try:
            node = _node(f"layers[{k}]", layer, inputs, dtype)
            inputs = node.config["units"]
            part = convert(node, frozenset())
            parts += part.parts if isinstance(part, Chain) else [part]
        except (ValueError, TypeError) as error:
            faults.append(str(error))
            inputs = None if node is None else inputs
    if faults:
        raise ValueError("; ".join(faults))
    return Chain(*parts)


def _node(where: str, layer: Any, inputs: int | None, dtype: str) -> Node:
    """Return a layer of Keras; RTNeural's own have the same options always."""
    named = layer.get("type") if isinstance(layer, Mapping) else layer
    if not isinstance(layer, Mapping) or not among(named, _KINDS):
        raise ValueError(f"{where}: type: expected one of {', '.join(_KINDS)}, got {shown(named)}")
    kind = _KINDS[str(named)]
    units = _last(f"{where}: shape", layer.get("shape"))
    config: dict[str, Any] = {"units": units, "dtype": dtype}
    if activation := layer.get("activation"):
        config["activation"] = activation
    names = ("kernel", "bias") if kind == "Dense" else _ARRAYS
    given = layer.get("weights")
    if not isinstance(given, list):
        raise ValueError(f"{where}: weights: expected a list of arrays, got {shown(given)}")
    arrays = {}
    for k, value in enumerate(given):
        name = names[k] if k < len(names) else f"weights[{k}]"
        arrays[name] = _array(f"{where}: {name}", value, dtype)
    kernel = arrays.get("kernel")
    if inputs is not None and kernel is not None and kernel.ndim == 2 and len(kernel) != inputs:
        raise ValueError(
            f"{where}: kernel: expected {inputs} rows, as many as come in, got {len(kernel)}"
        )
    return Node(where, kind, config, arrays)


def _last(name: str, shape: Any) -> int:
    """Return the last size of a shape, as RTNeural reads it."""
    last = shape[-1] if isinstance(shape, Sequence) and not isinstance(shape, str) and shape else 0
    return check_int(f"{name}[-1]", last, 1)


def _array(name: str, value: Any, dtype: str) -> Array:
    """Return nested lists of numbers as an array."""
    try:
        array: Array = np.array(value)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{name}: expected an array of numbers, got another list") from error
    if array.dtype.kind not in "iuf":
        raise ValueError(f"{name}: expected an array of numbers, got {shown(value)}")
    with np.errstate(over="ignore"):
        array = array.astype(dtype)
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: expected finite numbers of {dtype}, got others")
    return array
