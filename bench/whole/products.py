"""How many multiply-adds a network of PyTorch asks for, and how long they take at the least."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence

from rnnfast import _core

# A product forward has two gradients, of what it multiplies.
PASSES_OF_TRAINING = 3
PROBES, PROBE_SECONDS = 200, 60e-6


def of_forward_passes(call: Callable[[], Any]) -> int:
    """Return the multiply-adds of recurrent and linear layers in all forward passes of a call.

    Padding counts where layers compute it. Products of attention, few beside them, do not count.
    """
    total = 0

    def count(module: nn.Module, inputs: Any, _: Any) -> None:
        nonlocal total
        x = inputs[0]
        if isinstance(module, nn.Linear):
            total += x.numel() * module.out_features
        elif isinstance(module, nn.RNNBase):
            steps = x.data.shape[0] if isinstance(x, PackedSequence) else x.shape[:2].numel()
            weights = [w for name, w in module.named_parameters() if name.startswith("weight")]
            total += steps * sum(weight.numel() for weight in weights)

    handle = torch.nn.modules.module.register_module_forward_hook(count)
    try:
        call()
    finally:
        handle.remove()
    return total


def least_seconds(multiply_adds: float) -> float:
    """Return how long so many take on one thread, at the best rate that a probe finds here."""
    best = max(_core.fma_probe("float32", 1, PROBE_SECONDS) for _ in range(PROBES))
    return 2 * multiply_adds / best
