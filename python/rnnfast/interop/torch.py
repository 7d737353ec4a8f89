"""Drop-in ``torch.nn.RNN``, ``GRU`` and ``LSTM`` that run on rnnfast's kernels.

``from rnnfast.interop.torch import GRU`` in place of ``from torch.nn import GRU``: the same
arguments, parameters, state dictionary, inputs (padded or packed) and outputs, with gradients
through autograd. Tensors live on the CPU, in float32 or float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

import rnnfast.nn.recurrent as native
from rnnfast.nn.module import Array
from rnnfast.nn.recurrent_base import Recurrent


def _array(tensor: Any) -> Any:
    return None if tensor is None else tensor.detach().numpy()


class _Pass(torch.autograd.Function):
    """One forward pass over a batch and its backpropagation."""

    @staticmethod
    def forward(
        ctx: Any,
        module: _Layer,
        lengths: Array | None,
        keep: bool,
        x: Tensor,
        h0: Tensor | None,
        c0: Tensor | None,
        *weights: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        layer = module._synchronised()
        dropout = module.dropout if keep and module.training and module.num_layers > 1 else 0.0
        seed = int(torch.randint(2**62, ())) if dropout else 0
        y, h_n, c_n, cache = layer._native.forward(
            _array(x), _array(h0), _array(c0), lengths, None,
            module.batch_first, keep, dropout, seed, False,
        )  # fmt: skip
        ctx.layer, ctx.cache, ctx.names = layer, cache, module._weight_names()
        ctx.needs = (h0 is not None, c0 is not None)
        return torch.from_numpy(y), torch.from_numpy(h_n), torch.from_numpy(c_n)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, dy: Tensor, dh: Tensor, dc: Tensor) -> tuple[Any, ...]:
        layer = ctx.layer
        layer.zero_grad()
        dx, dh0, dc0 = layer._native.backward(
            ctx.cache, _array(dy), _array(dh), _array(dc) if dc.numel() else None,
            ctx.needs_input_grad[3],
        )  # fmt: skip
        has_h0, has_c0 = ctx.needs
        return (
            None,
            None,
            None,
            None if dx is None else torch.from_numpy(dx),
            torch.from_numpy(dh0) if has_h0 else None,
            torch.from_numpy(dc0) if has_c0 else None,
            *(torch.from_numpy(layer.grads[name].copy()) for name in ctx.names),
        )


class _Layer(torch.nn.RNNBase):
    """What the three layers share: the copy of the weights, and the call."""

    _native_class: Any

    def _weight_names(self) -> list[str]:
        return list(self._flat_weights_names)

    def _options(self) -> dict[str, Any]:
        return {}

    def _synchronised(self) -> Recurrent:
        """Return the native layer with this module's weights, copied if they changed."""
        weights: list[Any] = self._flat_weights
        dtype = str(weights[0].dtype).removeprefix("torch.")
        layer: Recurrent | None = self.__dict__.get("_native_layer")
        if layer is None or layer.dtype != np.dtype(dtype):
            layer = self._native_class(
                self.input_size,
                self.hidden_size,
                self.num_layers,
                bias=self.bias,
                batch_first=self.batch_first,
                bidirectional=self.bidirectional,
                dtype=dtype,
                **self._options(),
            )
            self.__dict__["_native_layer"] = layer
            self.__dict__["_seen"] = None
        seen = [(w.data_ptr(), w._version) for w in weights]
        if seen != self.__dict__["_seen"]:
            names = self._weight_names()
            layer.load_state_dict(dict(zip(names, map(_array, weights), strict=True)))
            self.__dict__["_seen"] = seen
        return layer

    def __getstate__(self) -> dict[str, Any]:
        # A copy makes its own native layer.
        return {k: v for k, v in self.__dict__.items() if k not in ("_native_layer", "_seen")}

    def _run(
        self, input: Tensor | PackedSequence, h0: Tensor | None, c0: Tensor | None
    ) -> tuple[Any, Tensor, Tensor]:
        packed, lengths = None, None
        if isinstance(input, PackedSequence):
            # pad_packed_sequence gives the caller's order back, states are in that order too.
            packed = input
            x, tensor_lengths = pad_packed_sequence(packed, batch_first=self.batch_first)
            lengths = tensor_lengths.numpy()
        else:
            x = input
        self._check(x)
        unbatched = x.dim() == 2
        if unbatched:
            x = x.unsqueeze(0 if self.batch_first else 1)
            h0, c0 = (None if s is None else s.unsqueeze(1) for s in (h0, c0))
        weights: list[Any] = self._flat_weights
        arguments = [t for t in (x, h0, c0, *weights) if t is not None]
        keep = torch.is_grad_enabled() and any(t.requires_grad for t in arguments)
        y, h_n, c_n = _Pass.apply(self, lengths, keep, x, h0, c0, *weights)
        if packed is not None:
            y = pack_padded_sequence(
                y, tensor_lengths, batch_first=self.batch_first, enforce_sorted=False
            )
            if packed.sorted_indices is None:
                y = PackedSequence(y.data, packed.batch_sizes)
        elif unbatched:
            y = y.squeeze(0 if self.batch_first else 1)
            h_n, c_n = h_n.squeeze(1), c_n.squeeze(1)
        return y, h_n, c_n

    def _check(self, x: Tensor) -> None:
        weight: Any = self._flat_weights[0]
        if x.dim() not in (2, 3) or x.shape[-1] != self.input_size:
            raise ValueError(
                f"input: expected 2 or 3 axes, the last of size {self.input_size}, "
                f"got shape {tuple(x.shape)}"
            )
        if x.device.type != "cpu" or weight.device.type != "cpu":
            raise ValueError(f"input: expected tensors on the CPU, got {x.device}")
        if x.dtype != weight.dtype or x.dtype not in (torch.float32, torch.float64):
            raise TypeError(f"input: expected dtype {weight.dtype}, got {x.dtype}")


class RNN(_Layer, torch.nn.RNN):
    """`torch.nn.RNN` on rnnfast's kernels."""

    _native_class = native.RNN

    def _options(self) -> dict[str, Any]:
        return {"nonlinearity": self.nonlinearity}

    def forward(
        self, input: Tensor | PackedSequence, hx: Tensor | None = None
    ) -> tuple[Any, Tensor]:
        """Run the network; see `torch.nn.RNN`."""
        y, h_n, _ = self._run(input, hx, None)
        return y, h_n


class GRU(_Layer, torch.nn.GRU):
    """`torch.nn.GRU` on rnnfast's kernels."""

    _native_class = native.GRU

    def forward(
        self, input: Tensor | PackedSequence, hx: Tensor | None = None
    ) -> tuple[Any, Tensor]:
        """Run the network; see `torch.nn.GRU`."""
        y, h_n, _ = self._run(input, hx, None)
        return y, h_n


class LSTM(_Layer, torch.nn.LSTM):
    """`torch.nn.LSTM` on rnnfast's kernels."""

    _native_class = native.LSTM

    def _options(self) -> dict[str, Any]:
        return {"proj_size": self.proj_size}

    def forward(
        self, input: Tensor | PackedSequence, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Any, tuple[Tensor, Tensor]]:
        """Run the network; see `torch.nn.LSTM`."""
        h0, c0 = (None, None) if hx is None else hx
        y, h_n, c_n = self._run(input, h0, c0)
        return y, (h_n, c_n)
