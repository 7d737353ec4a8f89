"""When the kernels may run: everything else is PyTorch's own layer's to answer."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn import Parameter


def is_observed() -> bool:
    """Return whether operations are recorded, transformed or cast rather than just run."""
    return (
        torch.compiler.is_compiling()
        or torch._C._get_tracing_state() is not None
        or torch._C._len_torch_dispatch_stack() > 0
        or torch._C._functorch.peek_interpreter_stack() is not None
        or forward_ad._current_level >= 0
        or torch._C._is_any_autocast_enabled()
    )


def is_plain(tensor: object, dtype: torch.dtype) -> bool:
    """Return whether it is a tensor of this dtype whose numbers NumPy can show."""
    return (
        (type(tensor) is Tensor or type(tensor) is Parameter)
        and tensor.dtype is dtype
        and tensor.is_cpu
        and tensor.layout is torch.strided
        and not tensor.is_neg()
        and not tensor.is_nested
    )


def require_memory(name: str, tensor: Tensor) -> None:
    """Raise RuntimeError where a tensor's storage was taken away, as FSDP does between uses."""
    if tensor.data_ptr() == 0 and tensor.numel() > 0:
        raise RuntimeError(f"{name}: expected a tensor with memory, got a storage of size 0")


def is_batched(*tensors: Tensor | None) -> bool:
    """Return whether one stands for a batch of gradients (``is_grads_batched``)."""
    of_vmap = torch._C._functorch.is_legacy_batchedtensor
    return any(t is not None and of_vmap(t) for t in tensors)
