"""The three cells: steps without gradients; those with gradients are PyTorch's own."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from rnnfast import _core
from rnnfast.interop.torch._conditions import as_leaf, is_observed, is_plain, tracer_of
from rnnfast.interop.torch._counterpart import Counterpart
from rnnfast.interop.torch._kept import KEPT, Held, Keeping, Kept
from rnnfast.interop.torch._steps import ACCESS, make_ready

# Bytes of weights beyond which a step of several sequences, in which they are compared, is no
# faster than PyTorch's, as `bench/torch_dropin.py` measures it.
MOST_BYTES = 256 << 10
_GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "GRU": 3, "LSTM": 4}
_MODES = {"tanh": "RNN_TANH", "relu": "RNN_RELU"}
_NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def mode_of(cell: Any) -> str:
    """Return what `torch.nn.RNNBase` would call a cell's mode."""
    if isinstance(cell, torch.nn.RNNCell):
        return _MODES.get(cell.nonlinearity, "")
    return "GRU" if isinstance(cell, torch.nn.GRUCell) else "LSTM"


def bytes_of(cell: Any, dtype: torch.dtype) -> int:
    """Return how large a cell's two matrices are."""
    inputs, hidden = cell.input_size, cell.hidden_size
    return int(_GATES.get(mode_of(cell), 0) * hidden * (inputs + hidden) * dtype.itemsize)


class Cell(Keeping, torch.nn.RNNCellBase):
    """What the three cells share."""

    _key: tuple[str, ...] = ("input_size", "hidden_size", "bias")

    def _call(self, input: Any, hx: Any) -> Any:
        if not torch.compiler.is_compiling():
            own = self.__dict__
            kept: Kept | None = own.get(KEPT)
            if kept is not None and kept.ready is not None:
                result = kept.ready(own, kept.held, input, hx)
                if result is not None:
                    return result
        if not (torch.is_grad_enabled() or is_observed()):
            result = self._step(input, hx)
            if result is not None:
                return result
        tracer = tracer_of(input, hx)
        if tracer is not None:
            return as_leaf(tracer, self, (input, hx), {})
        return super().forward(input, hx)

    def _step(self, x: Any, hx: Any) -> Any:
        if ACCESS is None or type(x) is not Tensor:
            return None
        kept = self.kept
        held = kept.held
        counterpart: Counterpart | None
        weights: Any = None
        if held is not None:
            counterpart, weights = held
        else:
            weights = self._weights()
            counterpart = self._counterpart(x.dtype, len(weights) > 2)
            if counterpart is None:
                return None
            if counterpart.compared > MOST_BYTES and x.numel() != self.input_size:
                return None
        result = _core.step_on_tensors(
            counterpart.network, ACCESS, weights, x, hx, False, True, torch.get_num_threads
        )
        if result is not None and self.bias:
            make_ready(
                kept, counterpart, self.__dict__, self._key,
                held=held, parameters=_NAMES, batch_first=False,
                only_one=held is None and counterpart.compared > MOST_BYTES,
            )  # fmt: skip
        return result

    def _counterpart(self, dtype: torch.dtype, bias: bool) -> Counterpart | None:
        mode = mode_of(self)
        key = mode, self.input_size, self.hidden_size, 1, bias, False, 0, dtype
        kept = self.kept
        if kept.counterpart is None or kept.counterpart.key != key:
            known = mode in _GATES and dtype in (torch.float32, torch.float64)
            if not known or min(self.input_size, self.hidden_size) < 1:
                return None
            kept.counterpart = Counterpart(key)
        return kept.counterpart

    def _weights(self) -> list[Any]:
        """Return the parameters, two or four; None in the place of one made in another way.

        A step of PyTorch's does not ask `bias` which they are.
        """
        own = self._parameters
        weights = list(map(own.get, _NAMES))
        if weights[2] is None and weights[3] is None and all(name in own for name in _NAMES[2:]):
            return weights[:2]
        return weights

    def held_weights(self) -> Held | None:
        """Return what calls can use without looking at the weights; see `frozen`."""
        weights = self._weights()
        dtype = getattr(weights[0], "dtype", None)
        if dtype is None or not all(is_plain(w, dtype) for w in weights):
            return None
        counterpart = self._counterpart(dtype, len(weights) > 2)
        if counterpart is None or not counterpart.fits(weights):
            return None
        if not all(bool(torch.isfinite(w).all()) for w in weights):
            return None
        return counterpart, counterpart.packed(weights, backward=False)

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        state.pop(KEPT, None)
        return state

    def __prepare_scriptable__(self) -> torch.nn.RNNCellBase:
        """Return PyTorch's own cell on the same parameters, for `torch.jit.script`."""
        kind: Any = getattr(torch.nn, mode_of(self).split("_")[0] + "Cell")
        plain: torch.nn.RNNCellBase = kind.__new__(kind)
        plain.__setstate__(self.__getstate__())
        return plain


class RNNCell(Cell, torch.nn.RNNCell):
    """`torch.nn.RNNCell`, on rnnfast's kernels without gradients."""

    _key = (*Cell._key, "nonlinearity")

    def forward(self, input: Any, hx: Any = None) -> Any:
        """Take a step; see `torch.nn.RNNCell`."""
        return self._call(input, hx)


class GRUCell(Cell, torch.nn.GRUCell):
    """`torch.nn.GRUCell`, on rnnfast's kernels without gradients."""

    def forward(self, input: Any, hx: Any = None) -> Any:
        """Take a step; see `torch.nn.GRUCell`."""
        return self._call(input, hx)


class LSTMCell(Cell, torch.nn.LSTMCell):
    """`torch.nn.LSTMCell`, on rnnfast's kernels without gradients."""

    def forward(self, input: Any, hx: Any = None) -> Any:
        """Take a step; see `torch.nn.LSTMCell`."""
        return self._call(input, hx)
