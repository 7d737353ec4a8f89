"""The weights of the three layers: as PyTorch has them, and as the kernels take them."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import Tensor

from rnnfast import _core
from rnnfast.interop.torch._conditions import is_plain, require_memory
from rnnfast.interop.torch._counterpart import Counterpart, key_of
from rnnfast.interop.torch._kept import Held, Keeping
from rnnfast.interop.torch._steps import ACCESS

DTYPES = (torch.float32, torch.float64)


class Weights(Keeping, torch.nn.RNNBase):
    """Base of the layers: what their parameters are, and what of it the kernels take."""

    def _own_weights(self) -> list[Any] | None:
        """Return the parameters; None if passes use others in their place."""
        # Other threads may put a parameter into the module's list, whose last holder it is.
        weights = list(self.__dict__["_flat_weights"])
        named = map(self._parameters.get, self._flat_weights_names)
        return weights if all(map(operator.is_, named, weights)) else None

    def _weights(self, dtype: torch.dtype | None = None) -> list[Tensor] | None:
        """Return the weights as `torch.nn` takes them; None if the kernels do not take them.

        Parameters
        ----------
        dtype : torch.dtype, optional
            What they must have; None: that of the first, if it is one of the kernels'.
        """
        own, names = self._parameters, self._flat_weights_names
        if not all(map(operator.is_, map(own.get, names), self._flat_weights)):
            self._update_flat_weights()
        weights: list[Any] = list(self._flat_weights)
        if len(weights) != len(names):
            return None
        dtype = dtype or getattr(weights[0], "dtype", None)
        if dtype not in DTYPES or not all(is_plain(w, dtype) for w in weights):
            return None
        for name, weight in zip(names, weights, strict=True):
            require_memory(name, weight)
        return weights

    def _parameters_at_once(
        self, parameters: list[Tensor], dtype: torch.dtype, backward: bool
    ) -> Held | None:
        """Return what `_native_weights` does in one call; None if it is not as simple as that."""
        counterpart = self.kept.counterpart
        if ACCESS is None or counterpart is None or counterpart.key != key_of(self, dtype):
            return None
        packed = _core.weights_of_tensors(
            counterpart.network, ACCESS, parameters, backward, torch.get_num_threads()
        )
        return None if packed is None else (counterpart, packed)

    def _native_weights(self, weights: list[Tensor], backward: bool) -> Held | None:
        """Return the counterpart of the module as it is, and these weights in its order."""
        key = key_of(self, weights[0].dtype)
        kept = self.kept
        counterpart = kept.counterpart
        if counterpart is None or counterpart.key != key:
            counterpart = kept.counterpart = Counterpart(key)
        if not counterpart.fits(weights):
            if self.mode == "LSTM":  # PyTorch's reads past them
                self._require_shapes(counterpart, weights)
            return None
        try:
            return counterpart, counterpart.packed(weights, backward)
        except ValueError:  # not finite
            if all(bool(torch.isfinite(w).all()) for w in weights):
                raise
            return None

    def _require_shapes(self, counterpart: Counterpart, weights: list[Tensor]) -> None:
        for name, shape, weight in zip(
            self._flat_weights_names, counterpart.shapes, weights, strict=False
        ):
            if weight.shape != shape:
                expected, found = tuple(shape), tuple(weight.shape)
                raise RuntimeError(f"{name}: expected shape {expected}, got {found}")

    def held_weights(self) -> Held | None:
        """Return what calls can use without looking at the weights; see `frozen`."""
        weights = self._weights()
        return None if weights is None else self._native_weights(weights, backward=False)
