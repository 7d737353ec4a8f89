"""The native network behind a module, and the weights that it packed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

import rnnfast.nn.recurrent as native
from rnnfast import _core
from rnnfast.nn.module import Array
from rnnfast.nn.recurrent.base import Recurrent

# Bytes of weights beyond which a call of few steps of an RNN or a GRU is PyTorch's: there, and at
# which sizes, `bench/torch_dropin.py` shows it to be ahead of the kernels with the comparison.
MOST_COMPARED = 600 << 10
GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "GRU": 3}  # none of an LSTM: the kernels gain by more

# What decides the kernels and the shapes of the parameters, as attributes of the module; and the
# dtype.
KEY = ("mode", "input_size", "hidden_size", "num_layers", "bias", "bidirectional", "proj_size")
Key = tuple[Any, ...]


def key_of(module: Any, dtype: torch.dtype) -> Key:
    """Return what a counterpart is made for; the module's attributes may change."""
    return (
        module.mode,
        module.input_size,
        module.hidden_size,
        module.num_layers,
        module.bias,
        module.bidirectional,
        module.proj_size,
        dtype,
    )


def array_of(tensor: Tensor) -> Array:
    """Return a tensor's memory as an array that keeps it, and no graph.

    `Tensor.numpy` would forbid the storage to be resized from then on.
    """
    return _core.array_at(
        tensor.data_ptr(),
        tensor.shape,
        tensor.stride(),
        tensor.dtype is torch.float64,
        tensor.detach(),
    )


class Counterpart:
    """A native network of a module's shape. It has the weights of the call that came last.

    What `packed` returns is of one call and does not change: passes of other calls, with other
    weights and in other threads, run beside it.
    """

    def __init__(self, key: Key) -> None:
        mode, inputs, hidden, layers, bias, bidirectional, proj_size, dtype = key
        options: dict[str, Any] = {}
        kind = mode.split("_")[0]
        if kind == "RNN":
            options["nonlinearity"] = mode.split("_")[1].lower()
        if proj_size:
            options["proj_size"] = proj_size
        self.key = key
        self.dtype = dtype
        self.mode: str = mode
        layer: Recurrent = getattr(native, kind)(
            inputs,
            hidden,
            layers,
            bias=bias,
            bidirectional=bidirectional,
            dtype=str(dtype).removeprefix("torch."),
            seed=0,
            **options,
        )
        self.network: Any = layer.native
        parameters = list(layer.parameters().values())
        self.shapes = [torch.Size(p.shape) for p in parameters]
        self.compared = sum(p.data.nbytes for p in parameters if p.data.ndim == 2)
        self.is_large = mode in GATES and self.compared > MOST_COMPARED
        self._slices = [slice(p.offset, p.offset + p.data.size) for p in parameters]
        self._size = layer.buffer.size
        self._array_dtype = layer.dtype

    def fits(self, weights: Sequence[Tensor]) -> bool:
        """Return whether tensors are of the parameters' shapes."""
        return [w.shape for w in weights] == self.shapes

    def packed(self, weights: Sequence[Tensor], backward: bool) -> _core.PackedWeights:
        """Return weights in the kernels' order; packed again only where they differ.

        Raises
        ------
        ValueError
            If a number is not finite.
        """
        dense = [w if w.is_contiguous() else w.contiguous() for w in weights]
        result: _core.PackedWeights = self.network.weights_at(
            [w.data_ptr() for w in dense], backward, torch.get_num_threads()
        )
        return result

    def new_gradients(self) -> Array:
        """Return zeros for the gradients of all parameters of one call."""
        return np.zeros(self._size, self._array_dtype)

    def gradient(self, gradients: Array, parameter: int) -> Tensor:
        """Return one parameter's part of them."""
        part = gradients[self._slices[parameter]].reshape(self.shapes[parameter])
        return torch.from_numpy(part)
