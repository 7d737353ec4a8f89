"""The equations of RNN, GRU and LSTM in PyTorch's operations, for gradients of any order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import linear

Cell = tuple[Tensor, ...]  # (h,), or (h, c) of an LSTM


def _rnn(activation: Callable[[Tensor], Tensor], x: Tensor, u: Tensor, state: Cell) -> Cell:
    return (activation(x + u),)


def _gru(x: Tensor, u: Tensor, state: Cell) -> Cell:
    (h,) = state
    x_r, x_z, x_n = x.chunk(3, 1)
    u_r, u_z, u_n = u.chunk(3, 1)
    r, z = torch.sigmoid(x_r + u_r), torch.sigmoid(x_z + u_z)
    n = torch.tanh(x_n + r * u_n)
    return (n + z * (h - n),)


def _lstm(x: Tensor, u: Tensor, state: Cell) -> Cell:
    i, f, g, o = (x + u).chunk(4, 1)
    c = torch.sigmoid(f) * state[1] + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


# A step from x W_ih^T + b_ih and h' W_hh^T + b_hh, both (B, G*H), and the state before.
_STEPS: dict[str, Callable[[Tensor, Tensor, Cell], Cell]] = {
    "RNN_TANH": lambda x, u, state: _rnn(torch.tanh, x, u, state),
    "RNN_RELU": lambda x, u, state: _rnn(torch.relu, x, u, state),
    "GRU": _gru,
    "LSTM": _lstm,
}


@dataclass(frozen=True)
class Equations:
    """A pass of a stack.

    Attributes
    ----------
    mode : str
        As `torch.nn.RNNBase` has it.
    lengths : ndarray of int64, optional
        ``(B,)``, falling, of packed sequences: x and y are their rows, ``(1, rows, ...)``. None:
        all T.
    reset : Tensor, optional
        ``(T, B)``, or ``(B, T)``, bool: where no state crosses from the step before, in either
        direction.
    mask : callable, optional
        ``mask(layer, T, B)``: what multiplies that layer's output on its way to the next one.
    """

    mode: str
    num_layers: int
    num_directions: int
    bias: bool
    projection: bool
    batch_first: bool
    lengths: npt.NDArray[np.int64] | None
    reset: Tensor | None
    mask: Callable[[int, int, int], Tensor] | None

    def gradients(
        self,
        inputs: Sequence[Tensor | None],
        of_outputs: Sequence[Tensor | None],
        needed: Sequence[bool],
    ) -> list[Tensor | None]:
        """Return the gradients of those inputs that need one.

        Parameters
        ----------
        inputs : sequence of Tensor
            x, h0, c0 (or None) and the weights, in PyTorch's order.
        of_outputs : sequence of Tensor
            Those of y, h_n and c_n; None: zero.
        needed : sequence of bool
            For each input.
        """
        further = torch.is_grad_enabled()  # the caller differentiates what is returned
        with torch.enable_grad():
            # Each by itself: one input may depend on another.
            own = [None if t is None else t.view_as(t) for t in inputs]
            if not further:
                own = [None if t is None else t.detach() for t in own]
            for tensor, wanted in zip(own, needed, strict=True):
                if wanted and tensor is not None and not tensor.requires_grad:
                    tensor.requires_grad_()
            x, h0, c0, *weights = own
            assert x is not None
            outputs = self.outputs(x, h0, c0, [w for w in weights if w is not None])
            given = [(o, d) for o, d in zip(outputs, of_outputs, strict=True) if d is not None]
            if not given:
                return [None] * len(own)
            asked = [n and t is not None for t, n in zip(own, needed, strict=True)]
            found: Any = torch.autograd.grad(
                [o for o, _ in given],
                [t for t, a in zip(own, asked, strict=True) if t is not None and a],
                [d for _, d in given],
                create_graph=further,
                allow_unused=True,
            )
        each = iter(found)
        return [next(each) if a else None for a in asked]

    def outputs(
        self, x: Tensor, h0: Tensor | None, c0: Tensor | None, weights: Sequence[Tensor]
    ) -> tuple[Tensor, ...]:
        """Return y, h_n, and for an LSTM c_n."""
        if self.batch_first:
            x = x.transpose(0, 1)
        lengths = self.lengths
        if lengths is not None:
            alive = np.arange(lengths[0])[:, np.newaxis] < lengths
            places = tuple(map(torch.from_numpy, np.nonzero(alive)))
            x = x.new_zeros(*alive.shape, x.shape[2]).index_put(places, x[0])
        steps, batch = x.shape[:2]
        of_one = 2 + 2 * self.bias + self.projection
        finals: list[Cell] = []
        for layer in range(self.num_layers):
            sides = []
            for backward in (False, True)[: self.num_directions]:
                at = len(finals)
                own = weights[at * of_one : (at + 1) * of_one]
                state = self._initial(x, own, *(None if s is None else s[at] for s in (h0, c0)))
                y, state = self._direction(x, state, own, backward)
                sides.append(y)
                finals.append(state)
            x = torch.cat(sides, 2)
            if self.mask is not None and layer + 1 < self.num_layers:
                x = x * self.mask(layer, steps, batch)
        if lengths is not None:
            x = x[places].unsqueeze(0)
        y = x.transpose(0, 1) if self.batch_first else x
        return y, *(torch.stack(states) for states in zip(*finals, strict=True))

    def _initial(
        self, x: Tensor, weights: Sequence[Tensor], h0: Tensor | None, c0: Tensor | None
    ) -> Cell:
        w_hh = weights[1]
        if h0 is None:
            h0 = x.new_zeros(x.shape[1], w_hh.shape[1])
        if self.mode != "LSTM":
            return (h0,)
        return h0, x.new_zeros(x.shape[1], w_hh.shape[0] // 4) if c0 is None else c0

    def _direction(
        self, x: Tensor, state: Cell, weights: Sequence[Tensor], backward: bool
    ) -> tuple[Tensor, Cell]:
        """Return the outputs (T, B, P) of one layer's direction, and its final state."""
        w_ih, w_hh = weights[:2]
        b_ih, b_hh = weights[2:4] if self.bias else (None, None)
        step = _STEPS[self.mode]
        products = linear(x, w_ih, b_ih)
        order = range(len(x))
        outputs = {}
        begins = self.reset
        if begins is not None:
            begins = begins.transpose(0, 1) if self.batch_first else begins
            if backward:  # from t+1 to t: cleared where t+1 begins anew
                begins = torch.cat((begins[1:], torch.zeros_like(begins[:1])))
        for t in reversed(order) if backward else order:
            if begins is not None:
                anew = begins[t].unsqueeze(1)
                state = tuple(torch.where(anew, torch.zeros_like(s), s) for s in state)
            new = step(products[t], linear(state[0], w_hh, b_hh), state)
            if self.projection:
                new = (linear(new[0], weights[-1]), *new[1:])
            if self.lengths is None:
                state, outputs[t] = new, new[0]
                continue
            goes_on = torch.from_numpy(t < self.lengths).unsqueeze(1)
            state = tuple(torch.where(goes_on, n, s) for n, s in zip(new, state, strict=True))
            outputs[t] = torch.where(goes_on, new[0], torch.zeros_like(new[0]))
        return torch.stack([outputs[t] for t in order]), state
