"""Layers of PyTorch as state dictionaries; PyTorch is not imported for it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

from rnnfast.nn.module import Array

# Where the passes are those of the layers here: PyTorch's own, and the drop-in layers'.
_QUANTIZED = "torch.ao.nn.quantized.dynamic.modules.rnn"
_PASSES = (
    "torch.nn.modules.rnn",
    "rnnfast.interop.torch._layers",
    "rnnfast.interop.torch._cells",
    _QUANTIZED,
)


def require_torch(kind: str, module: Any) -> bool:
    """Return whether a module is a layer, rather than a cell, of this kind.

    Raises
    ------
    TypeError
        If it is neither, or a subclass with other passes.
    """
    places = [getattr(sys.modules.get("torch"), "nn", None), sys.modules.get(_QUANTIZED)]
    layers, cells = (
        tuple(getattr(p, name) for p in places if hasattr(p, name))
        for name in (kind, f"{kind}Cell")
    )
    name = type(module).__name__
    if not isinstance(module, layers + cells):
        raise TypeError(
            f"module: expected a torch.nn.{kind} or {kind}Cell, got {name}"
            f"{_cure(kind, module, layers + cells)}"
        )
    passes = vars(module).get("forward", type(module).forward)
    if getattr(passes, "__module__", None) not in _PASSES:
        raise TypeError(
            f"module: expected the forward of torch.nn.{kind}, got a {name} with one of its own"
        )
    return isinstance(module, layers)


def _cure(kind: str, module: Any, kinds: tuple[type[Any], ...]) -> str:
    """Return what a message ends with where something else than a layer of PyTorch came."""
    if isinstance(module, Mapping):
        return (
            f"; the arrays of a layer go into one of its sizes, {kind}(input_size, hidden_size)"
            ".load_state_dict(arrays)"
        )
    if isinstance(module, (str, os.PathLike)):
        return "; torch.load reads a file"
    other = type(module).__name__.removesuffix("Cell")
    if other in ("RNN", "GRU", "LSTM") and other != kind:
        return f"; rf.{other}.from_torch takes it"
    try:
        within = [name for name, part in module.named_modules() if isinstance(part, kinds)]
    except Exception:  # no module of PyTorch
        within = []
    if not within:
        return ""
    return f"; from_torch takes one layer of it, such as module.{within[0]}"


def _is_quantized(module: Any) -> bool:
    return any(k.__module__ == _QUANTIZED for k in type(module).__mro__)


def options_of(module: Any, is_layer: bool) -> dict[str, Any]:
    """Return the arguments of the constructor, apart from the dtype."""
    names = ["input_size", "hidden_size", "bias"]
    if is_layer:
        names += ["num_layers", "batch_first", "dropout", "bidirectional"]
        if module.mode == "LSTM" and not _is_quantized(module):  # which loses the projection
            names.append("proj_size")
    options = {name: getattr(module, name) for name in names}
    if hasattr(module, "nonlinearity"):
        options["nonlinearity"] = module.nonlinearity
    return options


def dtype_of(module: Any) -> str:
    """Return the dtype of all weights.

    Raises
    ------
    ValueError
        If that is none of ours.
    """
    if _is_quantized(module):
        return "float32"
    found = sorted({str(p.dtype).removeprefix("torch.") for p in module.parameters()})
    if found not in (["float32"], ["float64"]):
        raise ValueError(
            f"module: expected weights of dtype float32 or float64, got {' and '.join(found)}"
        )
    return found[0]


def weight_of(module: Any, name: str) -> Array:
    """Return one weight as it is now; a quantized one as the numbers that it stands for.

    Raises
    ------
    ValueError
        If it is not in memory, or not what the next call would use.
    """
    if _is_quantized(module):
        values = module.get_bias() if name.startswith("bias") else module.get_weight()
        stored: Array = values[name].detach().dequantize().numpy()
        return stored
    if name not in module._parameters and name not in getattr(module, "parametrizations", ()):
        raise ValueError(
            f"module: expected {name} to be a parameter, got one that a hook makes at each call; "
            "make it permanent first"
        )
    with sys.modules["torch"].no_grad():
        weight = getattr(module, name)
        if weight.device.type == "meta":
            raise ValueError(f"module: expected {name} in memory, got one on the device meta")
        array: Array = weight.detach().cpu().resolve_neg().numpy()
    return array
