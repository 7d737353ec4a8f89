"""Single steps without looking at the weights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from rnnfast.interop.torch._layers import Layer


@contextlib.contextmanager
def frozen(module: torch.nn.Module) -> Iterator[None]:
    """Let calls without gradients use the weights as they are on entry.

    Each call compares the weights with those that the kernels have, which takes as long as reading
    them twice: little beside a sequence, much beside a single step. Within this context, calls
    under `torch.no_grad` or `torch.inference_mode` do not compare::

        with torch.inference_mode(), frozen(model):
            for x in steps:
                y, state = model.lstm(x, state)

    In return the weights must not change within it, by whatever way: such calls would not see it,
    nor would they see the weights that `torch.func.functional_call` puts in. Calls with gradients
    enabled compare as ever, and so do those with dropout between layers. It holds in all threads.

    Parameters
    ----------
    module : torch.nn.Module
        One of this module's layers, or a model that has some.
    """
    layers = [m for m in module.modules() if isinstance(m, Layer)]
    before = [m.hold(m.held_weights()) for m in layers]
    try:
        yield
    finally:
        for layer, held in zip(layers, before, strict=True):
            layer.hold(held)
