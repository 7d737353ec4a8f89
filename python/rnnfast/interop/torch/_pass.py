"""One call of a layer: its native pass, and that pass under autograd."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor

from rnnfast import _core
from rnnfast.interop.torch._conditions import (
    has_saved_tensors_hooks,
    is_batched,
    is_observed,
    require_memory,
)
from rnnfast.interop.torch._counterpart import Counterpart, array_of
from rnnfast.interop.torch._equations import Equations
from rnnfast.nn.module import Array


class NotFiniteError(Exception):
    """Numbers that the kernels do not take, or brought forth, are NaN or infinite."""


def _optional(tensor: Tensor | None) -> Array | None:
    return None if tensor is None else array_of(tensor.resolve_neg())


def _finite(*tensors: Tensor | None) -> bool:
    return all(bool(torch.isfinite(t).all()) for t in tensors if t is not None)


@dataclass(slots=True)
class Call:
    """What stays the same for a call, its backpropagation, and its repetition.

    Attributes
    ----------
    counterpart, packed
        The network, and the weights of this call.
    lengths : ndarray of int64, optional
        ``(B,)``; None: all T.
    dropout, seed
        Of the masks between layers; 0.0: none.
    """

    counterpart: Counterpart
    packed: _core.PackedWeights
    batch_first: bool
    lengths: npt.NDArray[Any] | None = None
    dropout: float = 0.0
    seed: int = 0

    def run(
        self, x: Tensor, h0: Tensor | None, c0: Tensor | None, keep: bool
    ) -> tuple[tuple[Tensor, ...], _core.ForwardCache | None]:
        """Return y, h_n and for an LSTM c_n, and to ``keep`` what backpropagation needs.

        Raises
        ------
        NotFiniteError
            If a number of the arguments or of the results is not finite.
        """
        keep_or_drop = keep or self.dropout > 0  # passes without a cache have no dropout
        try:
            y, h_n, c_n, cache = self.counterpart.network.forward(
                array_of(x), _optional(h0), _optional(c0), self.lengths, None,
                self.batch_first, keep_or_drop, self.dropout, self.seed, False,
                self.packed, torch.get_num_threads(),
            )  # fmt: skip
        except ValueError:
            if _finite(x, h0, c0):
                raise
            raise NotFiniteError from None
        results = (y, h_n, c_n) if len(c_n) else (y, h_n)
        if not _core.all_finite(*results):
            raise NotFiniteError
        return tuple(map(torch.from_numpy, results)), cache if keep else None

    def equations(self) -> Equations:
        """Return the same pass in PyTorch's operations."""
        _, inputs, hidden, layers, bias, bidirectional, proj_size, _ = self.counterpart.key
        del inputs, hidden
        return Equations(
            self.counterpart.mode,
            layers,
            2 if bidirectional else 1,
            bias=bias,
            projection=proj_size > 0,
            batch_first=self.batch_first,
            lengths=None if self.lengths is None else torch.from_numpy(self.lengths),
            mask=self._mask if self.dropout > 0 else None,
        )

    def _mask(self, layer: int, steps: int, batch: int) -> Tensor:
        mask = self.counterpart.network.dropout_mask(self.dropout, self.seed, layer, steps, batch)
        return torch.from_numpy(mask)


class Pass(torch.autograd.Function):
    """A native pass under autograd; its gradients belong to the call."""

    @staticmethod
    def forward(
        ctx: Any,
        call: Call,
        x: Tensor,
        h0: Tensor | None,
        c0: Tensor | None,
        *weights: Tensor,
    ) -> tuple[Tensor, ...]:
        # Whoever asks for saved tensors (checkpointing) is to have the memory: then the pass runs
        # again for backpropagation.
        results, cache = call.run(x, h0, c0, keep=not has_saved_tensors_hooks())
        ctx.call = call
        ctx.caches = [] if cache is None else [cache]
        ctx.x_address = x.data_ptr()
        # The pass reads x again: PyTorch raises where one of these was changed in place. It reads y
        # too, which callers may change as they may that of `torch.nn`: they are given a copy.
        ctx.save_for_backward(x, h0, c0, *weights)
        ctx.set_materialize_grads(False)
        return results[0].clone(), *results[1:]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        x, h0, c0, *weights = ctx.saved_tensors
        inputs = [x, h0, c0, *weights]
        needed = ctx.needs_input_grad[1:]
        found = None
        plain = not (torch.is_grad_enabled() or is_observed() or is_batched(*gradients))
        if plain and _finite(*gradients):
            found = _native_gradients(ctx, inputs, gradients, needed)
        if found is None:
            found = ctx.call.equations().gradients(inputs, gradients, needed)
        return None, *found


def _native_gradients(
    ctx: Any, inputs: list[Any], gradients: tuple[Tensor | None, ...], needed: tuple[bool, ...]
) -> list[Tensor | None] | None:
    """Return the gradients of the inputs; None if numbers overflow."""
    call: Call = ctx.call
    x, h0, c0 = inputs[:3]
    require_memory("input", x)
    try:
        cache = ctx.caches.pop()
    except IndexError:
        cache = None
    if cache is None or x.data_ptr() != ctx.x_address:
        _, cache = call.run(x, h0, c0, keep=True)
    of_weights = call.counterpart.new_gradients() if any(needed[3:]) else None
    dy, dh, dc = (*gradients, None)[:3]
    dx, dh0, dc0 = call.counterpart.network.backward(
        cache, _optional(dy), _optional(dh), _optional(dc), needed[0], of_weights,
        of_weights is not None, torch.get_num_threads(),
    )  # fmt: skip
    if of_weights is not None and not _core.all_finite(of_weights):
        return None
    return [
        None if dx is None else torch.from_numpy(dx),
        torch.from_numpy(dh0) if needed[1] else None,
        torch.from_numpy(dc0) if needed[2] else None,
        *(
            call.counterpart.gradient(of_weights, i) if wanted and of_weights is not None else None
            for i, wanted in enumerate(needed[3:])
        ),
    ]
