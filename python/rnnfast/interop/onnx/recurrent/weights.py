"""The weights of a recurrent node, checked against each other and against the node."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnnfast.interop.onnx.nodes import Array, Node
from rnnfast.interop.onnx.recurrent.form import GATES, Form

# Which inputs of a node hold weights; P is an LSTM's.
W, R, B, P = 1, 2, 3, 7


@dataclass(frozen=True)
class Weights:
    """The weights of all directions.

    Attributes
    ----------
    W : ndarray
        ``(D, G*H, I)``.
    R : ndarray
        ``(D, G*H, H)``.
    B : ndarray or None
        ``(D, 2*G*H)``: Wb and Rb.
    P : ndarray or None
        ``(D, 3*H)``: the gates i, o, f.
    """

    W: Array
    R: Array
    B: Array | None
    P: Array | None

    @property
    def hidden(self) -> int:
        """H."""
        return int(self.R.shape[2])

    @property
    def inputs(self) -> int:
        """I."""
        return int(self.W.shape[2])


def check_weights(
    node: Node, form: Form, w: Array, r: Array, b: Array | None, p: Array | None
) -> Weights:
    """Return the weights of a node.

    Raises
    ------
    TypeError
        If they are not all float32, or all float64.
    ValueError
        If a shape does not fit.
    """
    named = {"W": w, "R": r, "B": b, "P": p}
    for name, array in named.items():
        if array is None:
            continue
        if array.dtype not in (np.float32, np.float64):
            raise TypeError(f"{node.label}: {name}: expected float32 or float64, got {array.dtype}")
        if array.dtype != w.dtype:
            raise TypeError(
                f"{node.label}: {name}: expected {w.dtype}, as W has, got {array.dtype}"
            )
    rows = r.shape[1] if r.ndim == 3 else 0
    hidden = form.hidden or rows // GATES[form.kind]
    blocks = GATES[form.kind] * hidden
    inputs = w.shape[2] if w.ndim == 3 else "I"
    shapes = {
        "R": (form.directions, blocks or f"{GATES[form.kind]}*H", hidden or "H"),
        "W": (form.directions, blocks, inputs),
        "B": (form.directions, 2 * blocks),
        "P": (form.directions, 3 * hidden),
    }
    for name, shape in shapes.items():
        array = named[name]
        if array is not None and array.shape != shape:
            expected = ", ".join(map(str, shape))
            raise ValueError(
                f"{node.label}: {name}: expected shape ({expected}), got {array.shape}"
            )
    if inputs == 0:
        raise ValueError(f"{node.label}: W: expected one input feature or more, got {w.shape}")
    return Weights(w, r, b, p)
