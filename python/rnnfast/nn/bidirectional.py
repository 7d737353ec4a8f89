"""Two parts that read a sequence in both directions."""

from __future__ import annotations

import copy
from typing import Any, Literal, TypeAlias

import numpy as np

from rnnfast._checks import among
from rnnfast._checks.arrays import require_ndarray
from rnnfast._checks.messages import shown
from rnnfast.nn._contract import require_passed_on
from rnnfast.nn._frozen import require_floats
from rnnfast.nn._not_modules import not_a_module
from rnnfast.nn._reversal import reverse, reverse_reset
from rnnfast.nn.container import (
    Back,
    Container,
    Pass,
    split_gradient,
    sum_gradients,
)
from rnnfast.nn.module import Array, Module
from rnnfast.nn.recurrent.base import Recurrent
from rnnfast.nn.recurrent.exponential import ExponentialRecurrent

Merge: TypeAlias = Literal["concat", "sum", "mean", "product"]
MERGES = ("concat", "sum", "mean", "product")


class Bidirectional(Container):
    """Two parts, one of which reads from each sequence's end; see `bidirectional`."""

    _word = "bidirectional"

    def __init__(
        self, forward_layer: Module, reverse_layer: Module | None = None, *, merge: Merge = "concat"
    ) -> None:
        if not among(merge, MERGES):
            raise ValueError(f"merge: expected one of {', '.join(MERGES)}, got {shown(merge)}")
        self.merge = merge
        second = _another(forward_layer) if reverse_layer is None else reverse_layer
        parts = {"forward_layer": forward_layer, "reverse_layer": second}
        self._check_parts(parts)
        self.forward_layer, self.reverse_layer = forward_layer, second
        for name, part in parts.items():
            if getattr(part, "num_directions", None) == 2:
                kind = type(part).__name__
                raise ValueError(f"{name}: expected one direction, got a bidirectional {kind}")
        self.num_directions = 2 if merge == "concat" else None

    def _through(self, run: Pass, x: Any) -> tuple[Any, Back]:
        x = require_ndarray("x", x)
        # A single sequence has no axis for the batch.
        axis = 1 if self.batch_first and x.ndim > (1 if x.dtype.kind in "iu" else 2) else 0
        a, to_a = run.run("forward_layer", self.forward_layer, x)
        backwards, to_backwards = run.run(
            "reverse_layer",
            self.reverse_layer,
            reverse(x, run.lengths, axis),
            None if run.reset is None else reverse_reset(run.reset, run.lengths, axis),
        )
        b = reverse(backwards, run.lengths, axis)
        if self.merge != "concat" and a.shape != b.shape:
            raise ValueError(
                f"{self._word}: expected outputs of one shape to merge, got {a.shape} and {b.shape}"
            )

        def through(dy: Any, need_dx: bool) -> Any:
            da, db = (None, None) if dy is None else self._unmerge(dy, a, b)
            if db is not None:
                db = reverse(db, run.lengths, axis)
            dx, dbackwards = to_a(da, need_dx), to_backwards(db, need_dx)
            if dx is not None or dbackwards is not None:  # then of both
                require_passed_on(self._at("forward_layer"), da, dx)
                require_passed_on(self._at("reverse_layer"), db, dbackwards)
            if dbackwards is not None:
                dbackwards = reverse(dbackwards, run.lengths, axis)
            return sum_gradients([dx, dbackwards])

        return self._merged(a, b), through

    def _at(self, name: str) -> str:
        return f"{self._place(name)} ({type(self.children()[name]).__name__})"

    def _merged(self, a: Array, b: Array) -> Array:
        if self.merge == "concat":
            return np.concatenate([a, b], axis=-1)
        y: Array = a * b if self.merge == "product" else a + b
        return y / y.dtype.type(2) if self.merge == "mean" else y

    def _unmerge(self, dy: Array, a: Array, b: Array) -> tuple[Array, Array]:
        """Return the gradients of both outputs."""
        if self.merge == "concat":
            da, db = split_gradient(dy, [a.shape[-1], dy.shape[-1]])
            return da, db
        if self.merge == "product":
            return dy * b, dy * a
        half = dy / dy.dtype.type(2) if self.merge == "mean" else dy
        return half, half

    def __repr__(self) -> str:
        layers = f"{self.forward_layer!r}, {self.reverse_layer!r}"
        merge = "" if self.merge == "concat" else f", merge={self.merge!r}"
        return f"{self._word}({layers}{merge})"

    def _place(self, name: str) -> str:
        return f"{self._word}.{name}"


def bidirectional(
    layer: Module, reverse_layer: Module | None = None, *, merge: Merge = "concat"
) -> Bidirectional:
    """Read sequences in both directions, with two parts.

    ::

        y<t> = merge(forward_layer(x)<t>, reverse_layer(x from its end)<t>)

    The second begins at each sequence's own end, by ``lengths``, and follows ``reset``; its output
    is turned again, so that both are of the same step. Of a recurrent layer with ``num_layers=1``
    and ``merge="concat"`` it is what ``bidirectional=True`` of the layer is, weights of the same
    seed included. Of more layers it is another network: the directions meet above the last layer,
    with ``bidirectional=True`` above each.

    Parameters
    ----------
    layer : Module
        A recurrent layer in one direction, of any kind, or another part that keeps the steps.
    reverse_layer : Module, optional
        That of the other direction. None: for a recurrent layer, a copy whose weights are drawn
        anew from the layer's generator, as its class draws them.
    merge : {"concat", "sum", "mean", "product"}
        What becomes of both outputs: side by side, or by element.

    Returns
    -------
    Bidirectional

    Raises
    ------
    TypeError
        If something is no Module, or ``layer`` is no recurrent layer and there is no second.
    ValueError
        If ``merge`` is none of these, or a part reads in both directions already.
    """
    return Bidirectional(layer, reverse_layer, merge=merge)


def _another(layer: Any) -> Module:
    """Return a recurrent layer of the same configuration, with weights of its own."""
    if not isinstance(layer, Module):
        raise TypeError(f"layer: expected a Module, got {not_a_module(layer)}")
    if not isinstance(layer, (Recurrent, ExponentialRecurrent)):
        kind = type(layer).__name__
        raise TypeError(f"reverse_layer: expected a second part beside a {kind}, got None")
    require_floats("layer", layer.buffers())
    other = copy.deepcopy(layer)
    other.zero_grad()
    other._rng = layer._rng
    other._initialise()
    return other
