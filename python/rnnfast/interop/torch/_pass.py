"""One call of a layer: its native pass, and that pass under autograd."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor

from rnnfast import _core
from rnnfast.interop.torch._conditions import (
    has_saved_tensors_hooks,
    is_batched,
    is_observed,
    is_plain,
    require_memory,
)
from rnnfast.interop.torch._counterpart import Counterpart, array_of
from rnnfast.interop.torch._equations import Equations
from rnnfast.nn.module import Array

Print = tuple[torch.Size, int] | None  # a tensor's shape, and a number that its bits make


class NotFiniteError(Exception):
    """Numbers that the kernels do not take, or brought forth, are NaN or infinite."""


def _optional(tensor: Tensor | None) -> Array | None:
    return None if tensor is None else array_of(tensor.resolve_neg())


def _finite(*tensors: Tensor | None) -> bool:
    return all(_is_finite(t) for t in tensors if t is not None)


def _is_finite(tensor: Tensor) -> bool:
    """Return what ``torch.isfinite(tensor).all()`` does, which writes down what each number is."""
    if not tensor.is_contiguous():
        # Each number once: gradients of sums and means are spread over an axis and not copied.
        tensor = tensor[tuple(slice(1 if stride == 0 else None) for stride in tensor.stride())]
        if not tensor.is_contiguous():
            return bool(torch.isfinite(tensor).all())
    return _core.all_finite(array_of(tensor.resolve_neg()))


@dataclass(slots=True)
class Call:
    """What stays the same for a call, its backpropagation, and its repetition.

    Attributes
    ----------
    counterpart, packed
        The network, and the weights of this call.
    lengths : ndarray of int64, optional
        ``(B,)``, of packed sequences: x and y are their rows, ``(1, rows, ...)``. None: all T.
    reset : ndarray of bool, optional
        ``(T, B)``, or ``(B, T)``: where no state crosses from the step before; a copy.
    dropout, seed
        Of the masks between layers; 0.0: none.
    """

    counterpart: Counterpart
    packed: _core.PackedWeights
    batch_first: bool
    lengths: npt.NDArray[Any] | None = None
    reset: npt.NDArray[Any] | None = None
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
                array_of(x), _optional(h0), _optional(c0), self.lengths, self.reset,
                self.batch_first, keep_or_drop, self.dropout, self.seed, False,
                self.packed, torch.get_num_threads(), None, self.lengths is not None,
            )  # fmt: skip
        except ValueError:
            if _finite(x, h0, c0):
                raise
            raise NotFiniteError from None
        results = (y, h_n, c_n) if len(c_n) else (y, h_n)
        if not _core.all_finite(*results):
            raise NotFiniteError
        return tuple(map(torch.from_numpy, results)), cache if keep else None

    def steps(self, x: Tensor) -> int:
        """Return how many the longest sequence has."""
        if self.lengths is not None:
            return int(self.lengths[0])
        return x.shape[1 if self.batch_first else 0]

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
            lengths=self.lengths,
            reset=None if self.reset is None else torch.from_numpy(self.reset),
            mask=self._mask if self.dropout > 0 else None,
        )

    def _mask(self, layer: int, steps: int, batch: int) -> Tensor:
        mask = self.counterpart.network.dropout_mask(self.dropout, self.seed, layer, steps, batch)
        return torch.from_numpy(mask)

    def reads(self, *tensors: Tensor | None) -> bool:
        """Return whether what tensors became, through ``.data`` or hooks, can be read here."""
        return all(t is None or is_plain(t, self.counterpart.dtype) for t in tensors)

    def prints(self, x: Tensor, x_print: int, h0: Tensor | None, c0: Tensor | None) -> list[Print]:
        """Return what tells whether x, h0 and c0 were written to; None for those not given."""
        states = (None if s is None else (s.shape, self._state_print(s)) for s in (h0, c0))
        return [(x.shape, x_print), *states]

    def require_arguments(
        self, prints: list[Print], x: Tensor, h0: Tensor | None, c0: Tensor | None
    ) -> None:
        """Raise RuntimeError unless x, h0 and c0 are those of the call."""
        for name, tensor, kept in zip(("input", "hx", "hx"), (x, h0, c0), prints, strict=True):
            if tensor is None or kept is None:
                continue
            if tensor.shape != kept[0] or not self.reads(tensor):
                raise _written(name)
            found = self._x_print(x) if tensor is x else self._state_print(tensor)
            if found != kept[1]:
                raise _written(name)

    def _x_print(self, x: Tensor) -> int:
        of = self.counterpart.network.fingerprint
        return int(of(array_of(x), None, self.batch_first))

    def _state_print(self, state: Tensor) -> int:
        return int(self.counterpart.network.fingerprint(_optional(state), None, False))

    def require_weights(
        self, weights: list[Tensor], x: Tensor, h0: Tensor | None, c0: Tensor | None
    ) -> None:
        """Raise RuntimeError unless the weights are those of the call."""
        if not self.reads(*weights) or not self.counterpart.fits(weights):
            raise _written("weights")
        try:
            packed = self.counterpart.packed(weights, backward=True)
        except ValueError:  # not finite, as they were
            raise _written("weights") from None
        if packed is self.packed:
            return
        # Calls with other weights came between: do these give what those of this call do?
        present = replace(self, packed=packed)
        try:
            found, expected = (c.run(x, h0, c0, keep=False)[0] for c in (present, self))
        except NotFiniteError:
            raise _written("weights") from None
        if not all(map(torch.equal, found, expected)):
            raise _written("weights")


def _written(name: str) -> RuntimeError:
    verb = "were" if name == "weights" else "was"
    it = "they" if name == "weights" else "it"
    return RuntimeError(
        f"backprop: expected {name} as {it} {verb} in the forward pass, but {it} {verb} written to"
    )


class Pass(torch.autograd.Function):
    """A native pass under autograd; its gradients belong to the call.

    They are those of the numbers that the forward pass used. Where such numbers are read again and
    were written to meanwhile, behind PyTorch's back, `backward` raises.
    """

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
        # Who keeps saved tensors himself may give others back, such as rounded ones.
        ctx.prints = None if cache is None else call.prints(x, cache.x_print, h0, c0)
        ctx.one_step = call.steps(x) == 1
        # The pass reads x again: PyTorch raises where one of these was changed in place. It reads y
        # too, which callers may change as they may that of `torch.nn`: they are given a copy.
        ctx.save_for_backward(x, h0, c0, *weights)
        ctx.set_materialize_grads(False)
        y, h_n, *c_n = results[0].clone(), *results[1:]
        if c_n and not any(_reaching_cells(ctx, call, ctx.needs_input_grad[1:])):
            ctx.mark_non_differentiable(*c_n)
        return y, h_n, *c_n

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        x, h0, c0, *weights = ctx.saved_tensors
        inputs = [x, h0, c0, *weights]
        call: Call = ctx.call
        needed = ctx.needs_input_grad[1:]
        if gradients[0] is None and gradients[1] is None:
            needed = _reaching_cells(ctx, call, needed)
        observed = is_observed()
        if not (torch.is_grad_enabled() or observed or is_batched(*gradients)):
            gradients = tuple(None if g is None else _strided(g) for g in gradients)
            if all(g is None or is_plain(g, x.dtype) for g in gradients) and _finite(*gradients):
                found = _native_gradients(ctx, inputs, gradients, needed)
                if found is not None:
                    return None, *found
        for name, tensor in zip(("input", "hx", "hx"), (x, h0, c0), strict=True):
            if tensor is not None:
                require_memory(name, tensor)
        for weight in weights:
            require_memory("weights", weight)
        if ctx.prints is not None and not observed:
            call.require_arguments(ctx.prints, x, h0, c0)
            call.require_weights(weights, x, h0, c0)
        gradients = tuple(None if g is None else _dense(g) for g in gradients)
        return None, *call.equations().gradients(inputs, gradients, needed)


def _dense(gradient: Tensor) -> Tensor:
    return gradient if gradient.layout is torch.strided else gradient.to_dense()


def _strided(gradient: Tensor) -> Tensor:
    return _dense(gradient).resolve_neg()


def _reaching_cells(ctx: Any, call: Call, needed: tuple[bool, ...]) -> tuple[bool, ...]:
    """Return which inputs are needed and reach c_n: in one step, the last projections do not."""
    _, _, _, layers, _, bidirectional, proj_size, _ = call.counterpart.key
    if not proj_size or not ctx.one_step:
        return needed
    count = len(needed) - 3
    of_layer = count // layers
    each = of_layer // (2 if bidirectional else 1)
    return tuple(
        n and not (i >= 3 + count - of_layer and (i - 2) % each == 0) for i, n in enumerate(needed)
    )


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
        if ctx.prints is not None:
            call.require_arguments(ctx.prints, x, h0, c0)
        elif not call.reads(x, h0, c0):
            return None
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
