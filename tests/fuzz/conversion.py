"""Cases of layers from weights of other layouts."""

from __future__ import annotations

from typing import Any

import numpy as np

import rnnfast as rf

from .checks import Case, require
from .draws import DTYPES

GATES = {"RNN": "h", "GRU": "rzn", "LSTM": "ifgo"}


def from_weights(case: Case) -> None:
    """A layer from arrays in a random order of gates has them in its own."""
    draw = case.draw
    kind = draw.choice(("RNN", "GRU", "LSTM"))
    own, options, hidden = GATES[kind], {}, draw.size()
    if kind == "GRU" and draw.chance(0.3):
        own, options["reset_gate"] = "zn", False
    elif kind == "GRU":
        options |= draw.some(reset_after=lambda: draw.chance(0.5))
    elif kind == "LSTM":
        options |= draw.some(peephole=lambda: draw.choice((True, "previous")))
    projection = draw.integer(0, hidden - 1) if kind == "LSTM" else 0
    directions, layers = draw.choice((1, 2)), draw.choice((1, 1, 2))
    dtype = draw.choice(DTYPES)
    bias, transposed = draw.chance(0.7), draw.chance(0.5)
    expected = getattr(rf, kind)(
        draw.size(), hidden, layers, bias=bias, bidirectional=directions == 2, dtype=dtype,
        seed=draw.integer(0, 9), **options, **({"proj_size": projection} if projection else {}),
    )  # fmt: skip
    order = "".join(draw.rng.permutation(list(own)))
    state = expected.state_dict()

    def taken(name: str, gates: str, others: str, turn: bool) -> list[Any]:
        found = []
        for _, suffix in expected.spec.suffixes():
            parts = dict(zip(gates, np.split(state[f"{name}_{suffix}"], len(gates)), strict=True))
            array = np.concatenate([parts[gate] for gate in others])
            given = array.T if turn else array
            found.append(given if draw.chance(0.5) else np.array(given, order="C"))
        return found

    arguments: dict[str, Any] = {
        "W": taken("weight_ih", own, order, transposed),
        "U": taken("weight_hh", own, order, transposed),
    }
    if bias:
        pairs = (taken(name, own, order, False) for name in ("bias_ih", "bias_hh"))
        arguments["b"] = list(map(list, zip(*pairs, strict=True)))
    if projection:
        arguments["projection"] = taken("weight_hr", "p", "p", transposed)
    if "peephole" in options:
        arguments["peepholes"] = taken("weight_peephole", "ifo", order.replace("g", ""), False)
    if directions * layers == 1 and draw.chance(0.7):
        arguments = {name: arrays[0] for name, arrays in arguments.items()}
    layer = case.call(
        getattr(rf, kind).from_weights, **arguments, gates=None if kind == "RNN" else order,
        transposed=transposed, bidirectional=directions == 2, **options,
    )  # fmt: skip
    if case.spoiled:
        return
    require(repr(layer) == repr(expected), f"made {layer}, not {expected}")
    for name, array in layer.state_dict().items():
        require(array.tobytes() == state[name].tobytes(), f"{name} is not what was given")


CASES = [(0.5, from_weights)]
