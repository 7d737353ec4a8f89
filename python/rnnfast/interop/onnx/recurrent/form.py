"""What the attributes of a recurrent node say."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from rnnfast._checks.messages import shown
from rnnfast.interop.onnx.nodes import Node
from rnnfast.interop.onnx.recurrent.activations import Activation, read_activations

# Of each operator: blocks of W, the defaults of its activations, and the newest form known here.
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
_DEFAULTS = {"RNN": ["Tanh"], "GRU": ["Sigmoid", "Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"]}
NEWEST = 22
_INTEGERS = {
    "hidden_size": None,
    "layout": (0, 1),
    "input_forget": (0, 1),
    "linear_before_reset": None,
}


@dataclass(frozen=True)
class Form:
    """What a recurrent node computes, beside its weights.

    Attributes
    ----------
    kind : str
        ``"RNN"``, ``"GRU"`` or ``"LSTM"``.
    direction : str
        ``"forward"``, ``"reverse"`` or ``"bidirectional"``.
    hidden : int or None
        H, if an attribute says it.
    activations : tuple of tuple of Activation
        Of each direction: f and g, and h of an LSTM.
    clip : float or None
        Bound of what goes into the activations of gates; None: there is none.
    input_forget : bool
        LSTM: whether the forget gate is 1 - i.
    linear_before_reset : bool
        GRU: whether the reset gate follows the product.
    batch_first : bool
        ``layout`` of 1: axes are (B, T, ...), also of states and of Y.
    """

    kind: str
    direction: str
    hidden: int | None
    activations: tuple[tuple[Activation, ...], ...]
    clip: float | None
    input_forget: bool
    linear_before_reset: bool
    batch_first: bool

    @property
    def directions(self) -> int:
        """D."""
        return 2 if self.direction == "bidirectional" else 1


def read_form(node: Node) -> Form:
    """Return what a node says.

    Raises
    ------
    ValueError
        If an attribute has no such value.
    NotImplementedError
        If this form of the operator is not known.
    """
    if not 1 <= node.version <= NEWEST:
        raise NotImplementedError(
            f"{node.label}: expected the operator as of opset {NEWEST} or older, got {node.version}"
        )
    try:
        return _form(node)
    except ValueError as error:
        raise ValueError(f"{node.label}: {error}") from None


def _form(node: Node) -> Form:
    direction = node.attribute("direction", "forward")
    if direction not in ("forward", "reverse", "bidirectional"):
        raise ValueError(
            f"direction: expected forward, reverse or bidirectional, got {shown(direction)}"
        )
    for name, allowed in _INTEGERS.items():
        value = node.attribute(name)
        if value is not None and allowed is not None and value not in allowed:
            raise ValueError(f"{name}: expected 0 or 1, got {shown(value)}")
    hidden = node.attribute("hidden_size")
    if hidden is not None and hidden < 1:
        raise ValueError(f"hidden_size: expected at least 1, got {hidden}")
    return Form(
        node.operator,
        direction,
        hidden,
        _activations(node, 2 if direction == "bidirectional" else 1),
        _clip(node.attribute("clip")),
        bool(node.attribute("input_forget", 0)),
        bool(node.attribute("linear_before_reset", 0)),
        bool(node.attribute("layout", 0)),
    )


def _activations(node: Node, directions: int) -> tuple[tuple[Activation, ...], ...]:
    defaults = _DEFAULTS[node.operator]
    names = node.attribute("activations") or defaults * directions
    if len(names) != len(defaults) * directions:
        raise ValueError(
            f"activations: expected {len(defaults) * directions} names, got {len(names)}"
        )
    found = read_activations(
        names, node.attribute("activation_alpha", []), node.attribute("activation_beta", [])
    )
    each = len(defaults)
    return tuple(tuple(found[d * each : (d + 1) * each]) for d in range(directions))


def _clip(value: Any) -> float | None:
    if value is None or value == math.inf:
        return None
    if not value > 0:
        raise ValueError(f"clip: expected a number above 0, got {value}")
    return float(value)
