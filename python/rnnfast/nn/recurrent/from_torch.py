"""Layers of PyTorch as state dictionaries; PyTorch is not imported for it."""

from __future__ import annotations

import sys
from typing import Any

from rnnfast.nn.module import Array

# Where the passes are those of the layers here: PyTorch's own, and the drop-in layers'.
_PASSES = ("torch.nn.modules.rnn", "rnnfast.interop.torch._layers")


def require_torch(kind: str, module: Any) -> bool:
    """Return whether a module is a layer, rather than a cell, of this kind.

    Raises
    ------
    TypeError
        If it is neither, or a subclass with other passes.
    """
    nn: Any = getattr(sys.modules.get("torch"), "nn", None)
    bases: tuple[Any, ...] = () if nn is None else (getattr(nn, kind), getattr(nn, f"{kind}Cell"))
    name = type(module).__name__
    if not isinstance(module, bases):
        raise TypeError(f"module: expected a torch.nn.{kind} or {kind}Cell, got {name}")
    passes = vars(module).get("forward", type(module).forward)
    if getattr(passes, "__module__", None) not in _PASSES:
        raise TypeError(
            f"module: expected the forward of torch.nn.{kind}, got a {name} with one of its own"
        )
    return isinstance(module, bases[0])


def options_of(module: Any, is_layer: bool) -> dict[str, Any]:
    """Return the arguments of the constructor, apart from the dtype."""
    names = ["input_size", "hidden_size", "bias"]
    if is_layer:
        names += ["num_layers", "batch_first", "dropout", "bidirectional"]
        if module.mode == "LSTM":
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
    found = sorted({str(p.dtype).removeprefix("torch.") for p in module.parameters()})
    if found not in (["float32"], ["float64"]):
        raise ValueError(
            f"module: expected weights of dtype float32 or float64, got {' and '.join(found)}"
        )
    return found[0]


def weight_of(module: Any, name: str) -> Array:
    """Return one weight as it is now.

    Raises
    ------
    ValueError
        If it is not in memory, or not what the next call would use.
    """
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
