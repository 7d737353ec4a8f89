"""When the kernels may run: everything else is PyTorch's own layer's to answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn import Parameter
from torch.utils._device import DeviceContext


def _probe(path: str) -> Callable[..., Any]:
    """Return a function of `torch._C`, or one that always says True where PyTorch has none.

    There are no public names for these. Each is asked such that True is the careful answer: the
    result stays right, and comes more slowly.
    """
    found: Any = torch._C
    for name in path.split("."):
        found = getattr(found, name, None)
    return found if callable(found) else lambda *_: True


MINIMUM = 2, 8
if tuple(map(int, torch.__version__.split(".")[:2])) < MINIMUM:
    raise ImportError(
        f"rnnfast.interop.torch: expected PyTorch {MINIMUM[0]}.{MINIMUM[1]} or newer, "
        f"got {torch.__version__}"
    )

_tracing_state = _probe("_get_tracing_state")
_dispatch_modes = _probe("_len_torch_dispatch_stack")
_function_modes = _probe("_len_torch_function_stack")
_function_mode = _probe("_get_function_stack_at")
_transform = _probe("_functorch.peek_interpreter_stack")
_is_autocast = _probe("_is_any_autocast_enabled")
_is_of_vmap = _probe("_functorch.is_legacy_batchedtensor")
_saved_tensors_hooks = _probe("_autograd._top_saved_tensors_default_hooks")

# Which later versions of PyTorch lack.
_has_names: Callable[[Tensor], bool] | None = getattr(Tensor, "has_names", None)


def is_observed() -> bool:
    """Return whether operations are recorded, transformed or cast rather than just run."""
    return bool(
        torch.compiler.is_compiling()
        or _tracing_state() is not None
        or _dispatch_modes() > 0
        or (_function_modes() > 0 and _has_function_mode())
        or _transform() is not None
        or getattr(forward_ad, "_current_level", 0) >= 0
        or _is_autocast()
    )


# Functions and what they return, and what stands in a dictionary, of calls without gradients that
# are not observed: one call asks all of them (`_core.ready_call`). `is_observed` lets more pass.
QUIET: tuple[tuple[Callable[[], Any], Any], ...] = (
    (torch.is_grad_enabled, False),
    (_tracing_state, None),
    (_dispatch_modes, 0),
    (_function_modes, 0),
    (_transform, None),
    (_is_autocast, False),
)
LEVEL = (vars(forward_ad), "_current_level", -1)


def _has_function_mode() -> bool:
    """Return whether a mode sees the functions called, other than one of a default device."""
    modes = map(_function_mode, range(_function_modes()))
    return not all(type(mode) is DeviceContext for mode in modes)


def is_plain(tensor: object, dtype: torch.dtype) -> bool:
    """Return whether it is a tensor of this dtype whose numbers NumPy can show."""
    return (
        (type(tensor) is Tensor or type(tensor) is Parameter)
        and tensor.dtype is dtype
        and tensor.is_cpu
        and tensor.layout is torch.strided
        and not tensor.is_neg()
        and not tensor.is_nested
        and (_has_names is None or not _has_names(tensor))
        and (tensor.data_ptr() != 0 or not _stands_for_another(tensor))
    )


def _stands_for_another(tensor: Tensor) -> bool:
    """Return whether it has no memory by its nature, rather than because that was taken away."""
    return bool(tensor._is_zerotensor() or torch._is_functional_tensor(tensor))


def require_memory(name: str, tensor: Tensor) -> None:
    """Raise RuntimeError where a tensor's storage was taken away, as FSDP does between uses."""
    if tensor.data_ptr() == 0 and tensor.numel() > 0:
        raise RuntimeError(f"{name}: expected a tensor with memory, got a storage of size 0")


def is_batched(*tensors: Tensor | None) -> bool:
    """Return whether one stands for a batch of gradients (``is_grads_batched``)."""
    return any(t is not None and _is_of_vmap(t) for t in tensors)


def has_saved_tensors_hooks() -> bool:
    """Return whether somebody else keeps, moves or recomputes saved tensors."""
    return _saved_tensors_hooks(True) is not None


# What a module's call does before and after its pass.
_HOOKS = (
    "_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks",
)  # fmt: skip


def tracer_of(*arguments: Any) -> Any:
    """Return the tracer of `torch.fx` that a call's input, or its state, comes from; or None."""
    for argument in arguments:
        for one in argument if isinstance(argument, (tuple, list)) else (argument,):
            if isinstance(one, torch.fx.Proxy):
                return one.tracer
    return None


def as_leaf(
    tracer: Any, module: torch.nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]
) -> Any:
    """Return what a tracer of `torch.fx` has in the place of a call, as of modules of `torch.nn`.

    Raises
    ------
    torch.fx.proxy.TraceError
        If the module has hooks: those of modules of `torch.nn` are not traced.
    """
    if any(getattr(module, name, None) for name in _HOOKS):
        raise torch.fx.proxy.TraceError(
            f"{type(module).__name__}: expected a layer without hooks, whose operations would be "
            "in the graph beside the hooks themselves; trace the model before it is accelerated, "
            "or with a Tracer whose is_leaf_module is True of it"
        )
    path = tracer.path_of_module(module)
    return tracer.create_proxy("call_module", path, arguments, keywords)
