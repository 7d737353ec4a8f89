"""What is asked of an argument that is to be a module of PyTorch."""

from __future__ import annotations

import torch

from rnnfast._checks.ours import is_ours


def require_module(name: str, value: object) -> None:
    """Raise TypeError for what is no ``torch.nn.Module``."""
    if not isinstance(value, torch.nn.Module):
        cure = "; a layer of rnnfast runs on the kernels as it is" if is_ours(value) else ""
        raise TypeError(f"{name}: expected a torch.nn.Module, got {type(value).__name__}{cure}")
