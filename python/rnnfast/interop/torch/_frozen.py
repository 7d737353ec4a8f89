"""Single steps without looking at the weights."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from rnnfast.interop.torch._kept import Keeping
from rnnfast.interop.torch._modules import require_module


@contextlib.contextmanager
def frozen(module: torch.nn.Module) -> Iterator[None]:
    """Let calls without gradients use the weights as they are on entry.

    Each call compares the weights with those that the kernels have, which takes as long as reading
    them twice: little beside a sequence, much beside a single step of several. One step of one
    sequence reads them where they are, and puts them in order as it goes. Within this context,
    calls under `torch.no_grad` or `torch.inference_mode` do neither::

        with torch.inference_mode(), frozen(model):
            for x in steps:
                y, state = model.lstm(x, state)

    In return the weights must not change within it, by whatever way: such calls would not see it,
    nor would they see the weights that `torch.func.functional_call` puts in. Calls with gradients
    enabled compare as ever, and so do those with dropout between layers, and all of a layer with
    hooks that run before its forward pass, such as those of `torch.nn.utils.weight_norm`.

    It holds in all threads. Contexts on the same layer may be nested or overlap, in one thread or
    several: the weights are those of the entry that came first, and calls compare again from the
    exit that comes last. Copies and pickles that are made within it are not frozen.

    Parameters
    ----------
    module : torch.nn.Module
        One of this module's layers, or a model that has some.

    Raises
    ------
    TypeError
        If it is no module.
    """
    require_module("module", module)
    layers = [m for m in module.modules() if isinstance(m, Keeping)]
    _enter(layers)
    try:
        yield
    finally:
        _leave(layers)


# Reentrant: a parametrization, which computes weights on entry, may freeze layers of its own.
_lock = threading.RLock()


def _enter(layers: Sequence[Keeping]) -> None:
    with _lock:
        # All of them first: where one raises, none is held.
        free = [m for m in layers if not m.kept.holders]
        found = {m: None if _has_hooks(m) else m.held_weights() for m in free}
        for layer in layers:
            kept = layer.kept
            if not kept.holders:
                kept.held = found[layer]
            kept.holders += 1


def _has_hooks(layer: Any) -> bool:
    """Whether something runs before each call, and may compute weights as weight_norm does."""
    return bool(layer._forward_pre_hooks or torch.nn.modules.module._global_forward_pre_hooks)


def _leave(layers: Sequence[Keeping]) -> None:
    with _lock:
        for layer in layers:
            kept = layer.kept
            kept.holders -= 1
            if not kept.holders:
                kept.held = None
