"""Layers of PyTorch from those here; PyTorch is imported when one is asked for."""

from __future__ import annotations

from typing import Any

from rnnfast._checks.messages import shown

# What PyTorch's layers do not have a choice of, and have.
_FIXED = {"peephole": False, "reset_after": True, "reset_gate": True}
_OPTIONS = ("num_layers", "bias", "batch_first", "dropout", "bidirectional")
_OF_KIND = {"RNN": ("nonlinearity",), "GRU": (), "LSTM": ("proj_size",)}


def module_of(kind: str, layer: Any) -> Any:
    """Return the layer of PyTorch that a layer of this kind is.

    Raises
    ------
    ImportError, ValueError
        As `Convertible.to_torch`.
    """
    fixed = dict(_FIXED)
    if layer.dropout > 0 and layer.num_layers > 1:
        fixed["variational"] = False
    for name, value in fixed.items():
        if getattr(layer, name, value) != value:
            raise ValueError(
                f"{name}: torch.nn.{kind} computes what {name}={value} does here, "
                f"got {shown(getattr(layer, name))}"
            )
    import torch

    options = {name: getattr(layer, name) for name in (*_OPTIONS, *_OF_KIND[kind])}
    dtype = getattr(torch, layer.dtype.name)
    with torch.random.fork_rng(devices=[]):  # the first weights, which go at once, draw nothing
        module = getattr(torch.nn, kind)(
            layer.input_size, layer.hidden_size, dtype=dtype, device="cpu", **options
        )
    module.load_state_dict({n: torch.from_numpy(w) for n, w in layer.state_dict().items()})
    return module.train(layer.training)
