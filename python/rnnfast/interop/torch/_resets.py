"""Episodes within a sequence: what PyTorch's layers do not have."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import dropout
from torch.nn.utils.rnn import PackedSequence

from rnnfast.interop.torch._equations import Equations


def require_reset(module: torch.nn.RNNBase, x: object, reset: object) -> None:
    """Raise TypeError or ValueError unless there is a bool for each step of x."""
    if isinstance(x, PackedSequence):
        raise ValueError(
            "reset: expected None with a PackedSequence, got a mask; pad the sequences instead"
        )
    if not isinstance(reset, Tensor):
        raise TypeError(f"reset: expected a tensor of bools, got {type(reset).__name__}")
    if reset.dtype is not torch.bool:
        raise TypeError(f"reset: expected dtype torch.bool, got {reset.dtype}")
    if not isinstance(x, Tensor):
        raise TypeError(f"input: expected a tensor, got {type(x).__name__}")
    if x.dim() not in (2, 3):
        raise ValueError(f"input: expected 2 or 3 axes, got shape {tuple(x.shape)}")
    if reset.shape != x.shape[:-1]:
        expected, found = tuple(x.shape[:-1]), tuple(reset.shape)
        raise ValueError(f"reset: expected shape {expected}, got {found}")
    if reset.device != x.device:
        raise ValueError(f"reset: expected a tensor on {x.device}, got one on {reset.device}")


def in_equations(module: Any, x: Tensor, hx: Any, reset: Tensor) -> Any:
    """Return a pass in PyTorch's operations, for what the kernels do not run.

    Step by step: right wherever those operations are, and slow.
    """
    pair = module.mode == "LSTM"
    reset = reset.clone()  # callers may write to it before the gradient is taken
    one = x.dim() == 2
    states = _states(hx, pair, 2 if one else 3)
    if one:
        x, reset = x.unsqueeze(1), reset.unsqueeze(1)
        states = [s.unsqueeze(1) for s in states]
    batch_first = module.batch_first and not one
    rows = x if batch_first == module.batch_first else x.transpose(0, 1)
    if states:  # in PyTorch's words
        module.check_forward_args(rows, tuple(states) if pair else states[0], None)
    else:
        module.check_input(rows, None)
    if rows.shape[1 if batch_first else 0] == 0:
        raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
    weights = _weights(module)
    p = float(module.dropout) if module.training else 0.0

    def mask(layer: int, steps: int, batch: int) -> Tensor:
        width = (module.proj_size or module.hidden_size) * (2 if module.bidirectional else 1)
        return dropout(torch.ones(steps, batch, width, dtype=x.dtype, device=x.device), p)

    equations = Equations(
        module.mode,
        module.num_layers,
        2 if module.bidirectional else 1,
        bias=module.bias,
        projection=module.proj_size > 0,
        batch_first=batch_first,
        lengths=None,
        reset=reset,
        mask=mask if p else None,
    )
    h0, c0 = (*states, None, None)[:2]
    results = equations.outputs(x, h0, c0, weights)
    y, h_n, *c_n = (t.squeeze(1) for t in results) if one else results
    return (y, (h_n, c_n[0])) if c_n else (y, h_n)


def _states(hx: Any, pair: bool, axes: int) -> list[Tensor]:
    """Return the initial states; raise RuntimeError or TypeError as a pass without reset does."""
    if hx is None:
        return []
    if not (isinstance(hx, (tuple, list)) if pair else isinstance(hx, Tensor)):
        expected = "a tuple of two tensors" if pair else "a tensor"
        raise TypeError(f"hx: expected {expected}, got {type(hx).__name__}")
    states = list(hx) if pair else [hx]
    if pair and len(states) != 2:
        raise RuntimeError(f"hx: expected a tuple of two tensors, got {len(states)}")
    for state in states:
        if not isinstance(state, Tensor):
            raise TypeError(f"hx: expected tensors, got {type(state).__name__}")
        if state.dim() != axes:
            raise RuntimeError(f"hx: expected {axes} axes, got shape {tuple(state.shape)}")
    return states


def _weights(module: Any) -> list[Tensor]:
    """Return the weights that PyTorch's own layer would use at this call."""
    module._update_flat_weights()  # those of `functional_call`, or of a parametrization
    weights: list[Tensor] = list(module._flat_weights)
    of_one = 2 + 2 * bool(module.bias) + (module.proj_size > 0)
    expected = of_one * module.num_layers * (2 if module.bidirectional else 1)
    found = sum(isinstance(w, Tensor) for w in weights)
    if not found == len(weights) == expected:
        raise RuntimeError(f"weights: expected {expected} tensors, got {found}")
    return weights
