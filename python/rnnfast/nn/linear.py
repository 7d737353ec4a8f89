"""Linear layer: ``y = x W^T + b``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rnnfast import _core
from rnnfast._checks import check_bool, check_finite, check_int, make_generator
from rnnfast._checks.arrays import require_array, require_ndarray
from rnnfast._checks.likeness import call_like
from rnnfast.nn._copies import compiled
from rnnfast.nn._frozen import kernel_numbers
from rnnfast.nn.module import Array, Module


class Linear(Module):
    """``y = x W^T + b`` along the last axis, as `torch.nn.Linear`.

    Parameters
    ----------
    in_features, out_features : int
        Sizes of the last axis of ``x`` and of ``y``.
    bias : bool
        Whether there is a ``bias``.
    dtype : {"float32", "float64"}
        Type of the parameters and of what the layer takes and gives.
    seed : int or numpy.random.Generator, optional
        Draws the initial parameters, from U(-1/sqrt(in_features), 1/sqrt(in_features)).

    Attributes
    ----------
    grads : dict of str to ndarray
        Gradients of ``weight`` (out_features, in_features) and ``bias`` (out_features,).
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        dtype: str = "float32",
        seed: int | np.random.Generator | None = None,
    ) -> None:
        self.in_features = check_int("in_features", in_features, 1)
        self.out_features = check_int("out_features", out_features, 1)
        self.bias = check_bool("bias", bias)
        shapes: dict[str, tuple[int, ...]] = {"weight": (self.out_features, self.in_features)}
        if self.bias:
            shapes["bias"] = (self.out_features,)
        sizes = {"in_features": self.in_features, "out_features": self.out_features}
        super().__init__(shapes, dtype, sizes=sizes)
        rng = make_generator("seed", seed)
        bound = self.in_features**-0.5
        for parameter in self._parameters.values():
            parameter._fill_uniform(rng, bound)

    @compiled
    def native(self) -> _core.Linear:
        bias = self._parameters.get("bias")
        return _core.Linear(
            self.in_features,
            self.out_features,
            self.buffer,
            self._parameters["weight"].offset,
            -1 if bias is None else bias.offset,
            kernel_numbers(self.buffer, self.in_features),
        )

    def __call__(self, x: Array, *, like: bool = False) -> Array:
        """Apply the layer to every row of ``x``.

        Parameters
        ----------
        x : ndarray
            ``(..., in_features)``, any number of leading axes.
        like : bool
            True: what is returned is of the library that ``x`` is of, such as a tensor.

        Returns
        -------
        ndarray
            ``(..., out_features)``.

        Raises
        ------
        TypeError
            If ``x`` is of another dtype.
        ValueError
            If its last axis differs, or a number is not finite.
        """
        if like is not False:
            return call_like(like, self, x)
        rows = self._rows("x", x, self.in_features)
        y: Array = self.native.forward(rows)
        if rows is x:
            return y
        return y.reshape(*require_ndarray("x", x).shape[:-1], self.out_features)

    def forward(self, x: Array) -> tuple[Array, Callable[..., Array | None]]:
        """Apply the layer and keep what backpropagation needs.

        ``x`` must not be changed before ``backprop`` has run: it is read again. Nor must the
        parameters, of which that is a RuntimeError, unless ``need_dx`` is False.

        Returns
        -------
        y : ndarray
            ``(..., out_features)``.
        backprop : callable
            ``dx = backprop(dy, need_dx=True)``: the gradient of ``x`` from that of ``y``, which
            must be finite. Adds to `grads`. None with ``need_dx=False``.
        """
        self._require_trainable("forward")
        x = require_ndarray("x", x)
        require_same = self._as_now()
        y = self(x)

        def backprop(dy: Array, *, need_dx: bool = True) -> Array | None:
            dy = require_array("dy", dy, self.dtype, y_shape)
            if wanted := check_bool("need_dx", need_dx):
                require_same()
            rows = self._rows("dy", dy, self.out_features)
            inputs = self._rows("x", x, self.in_features)
            check_finite("dy", rows)
            check_finite("x", inputs)
            dx = self.native.backward(rows, inputs, wanted)
            return None if dx is None else dx.reshape(x.shape)

        y_shape = y.shape
        return y, backprop

    def _rows(self, name: str, x: Any, width: int) -> Array:
        """Return ``x`` as (rows, width)."""
        array: Array = require_ndarray(name, x)
        if array.ndim == 0 or array.shape[-1] != width:
            raise ValueError(f"{name}: expected shape (..., {width}), got {array.shape}")
        return array if array.ndim == 2 else array.reshape(-1, width)
