"""One step of each cell in plain operators, for those that ONNX has no operator of.

So it is for cells that ONNX does not know, for projections, and in float64, for which runtimes have
no recurrent operators. `prepare` does for all steps at once what does not need the state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from rnnfast.interop.onnx.export.graph import Graph
from rnnfast.nn.module import Array
from rnnfast.nn.recurrent.spec import RecurrentSpec

_EPSILON = 1e-5  # of layer normalisation
_GATES = {"qrnn_f": 2, "qrnn_fo": 3, "qrnn_ifo": 4}


@dataclass(frozen=True)
class Cell:
    """A cell of one layer and direction.

    Attributes
    ----------
    name : str
        As `rnnfast._core.cells` has it.
    weights : mapping of str to ndarray
        Parameters by their kind, such as ``weight_ih``.
    keep : (float, float)
        How much of h and of c zoneout leaves.
    window : int
        Steps that the input's product sees.
    window_width : int
        Numbers of each earlier one behind the units of c.
    """

    name: str
    weights: Mapping[str, Array]
    keep: tuple[float, float] = (0.0, 0.0)
    window: int = 1
    window_width: int = 0

    @classmethod
    def of(cls, spec: RecurrentSpec, weights: Mapping[str, Array]) -> Cell:
        """Return the cell of a network with the parameters of one layer and direction."""
        return cls(spec.cell_name, weights, spec.zoneout, spec.window, spec.window_width)

    @property
    def prepared_width(self) -> int:
        """Numbers of a step of what `prepare` returns."""
        rows, columns = map(int, self.weights["weight_ih"].shape)
        return rows if self.window == 1 else columns // self.window


def prepare(g: Graph, cell: Cell, x: str) -> str:
    """Return what the input gives the gates, ``(T, B, G)``; itself where they see several steps."""
    w = cell.weights
    if cell.window > 1:
        return x
    if "gain_ih" not in w:
        return g.affine(x, w["weight_ih"], w.get("bias_ih"))
    return _normalised(g, cell, g.affine(x, w["weight_ih"]), "ih")


def step(g: Graph, cell: Cell, a: str, h: str, c: str | None) -> tuple[str, str | None]:
    """Return the state after a step whose gates the input gives ``a``, or which reads it."""
    if cell.window > 1:
        return _windowed(g, cell, a, h, c or "")
    kind = cell.name.removeprefix("layer_norm_").removeprefix("zoneout_")
    after, memory = _STEPS[kind](g, cell, a, h, c or "")
    keep_h, keep_c = cell.keep
    if memory and keep_c:
        memory = _mixed(g, c or "", memory, keep_c)
    return (_mixed(g, h, after, keep_h) if keep_h else after), memory or None


def _windowed(g: Graph, cell: Cell, x: str, h: str, c: str) -> tuple[str, str]:
    """Take a step of gates that see the steps before, which stand behind the units of c."""
    one_step = replace(cell, window=1)
    width, room = cell.prepared_width, cell.window_width
    units = len(cell.weights["weight_ih"]) // _GATES[cell.name]
    begins = [units + i * room for i in range(cell.window - 1)]
    earlier = [g.slice(c, begin, begin + width) for begin in begins]
    gates = prepare(g, one_step, g.concat([x, *earlier]))
    after, memory = step(g, one_step, gates, h, g.slice(c, 0, units))
    kept = [x, *earlier[:-1]]
    if room > width:
        shape = g.concat([g.size(x, 0), g.integers(room - width)], 0)
        rest = g.add("Expand", g.constant(0), shape)
        kept = [part for one in kept for part in (one, rest)]
    return after, g.concat([memory or "", *kept])


def _mixed(g: Graph, before: str, after: str, keep: float) -> str:
    return g.add(
        "Add",
        g.add("Mul", g.constant(keep), before),
        g.add("Mul", g.constant(1 - keep), after),
    )


def _from_state(g: Graph, cell: Cell, h: str) -> str:
    w = cell.weights
    if "gain_hh" not in w:
        return g.affine(h, w["weight_hh"], w.get("bias_hh"))
    return _normalised(g, cell, g.affine(h, w["weight_hh"]), "hh")


def _normalised(g: Graph, cell: Cell, rows: str, kind: str) -> str:
    """Normalise what all gates are given; of a GRU the candidate by itself."""
    w = cell.weights
    size = w["weight_ih"].shape[0]
    borders = [0, size] if cell.name == "layer_norm_lstm" else [0, 2 * size // 3, size]
    parts = [_layer_norm(g, g.slice(rows, *cut)) for cut in pairwise(borders)]
    scaled = g.add("Mul", g.concat(parts), g.constant(w[f"gain_{kind}"]))
    bias = w.get(f"bias_{kind}")
    return scaled if bias is None else g.add("Add", scaled, g.constant(bias))


def _layer_norm(g: Graph, rows: str) -> str:
    away = g.add("Sub", rows, g.reduce("Mean", rows, -1))
    variance = g.reduce("Mean", g.add("Mul", away, away), -1)
    return g.add("Div", away, g.add("Sqrt", g.add("Add", variance, g.constant(_EPSILON))))


def _rnn(g: Graph, cell: Cell, a: str, h: str, c: str) -> tuple[str, str]:
    kind = "Relu" if cell.name.endswith("relu") else "Tanh"
    return g.add(kind, g.add("Add", a, _from_state(g, cell, h))), ""


def _ind_rnn(g: Graph, cell: Cell, a: str, h: str, c: str) -> tuple[str, str]:
    kind = "Relu" if cell.name.endswith("relu") else "Tanh"
    own = g.add("Mul", g.constant(cell.weights["weight_hh"]), h)
    return g.add(kind, g.add("Add", a, own)), ""


def _share(g: Graph, z: str, old: str, new: str) -> str:
    """Return ``(1 - z) new + z old``."""
    rest = g.add("Sub", g.constant(1), z)
    return g.add("Add", g.add("Mul", rest, new), g.add("Mul", z, old))


def _min_gru(g: Graph, cell: Cell, a: str, h: str, c: str) -> tuple[str, str]:
    z, n = g.split(a, 2)
    return _share(g, g.add("Sigmoid", z), n, h), ""


def _min_lstm(g: Graph, cell: Cell, a: str, h: str, c: str) -> tuple[str, str]:
    f, i, n = g.split(a, 3)
    # f / (f + i) of the gates' negative logarithms, which are finite where both gates vanish.
    of_f, of_i = (_softplus(g, g.add("Neg", gate)) for gate in (f, i))
    kept = g.add("Sigmoid", g.add("Sub", of_i, of_f))
    new = g.add("Sigmoid", g.add("Sub", of_f, of_i))
    return g.add("Add", g.add("Mul", kept, h), g.add("Mul", new, n)), ""


def _sru(g: Graph, cell: Cell, a: str, h: str, c: str) -> tuple[str, str]:
    f, r, n, s = g.split(a, 4)
    weights = np.split(cell.weights["weight_c"], 2)
    f, r = (
        g.add("Sigmoid", g.add("Add", gate, g.add("Mul", g.constant(v), c)))
        for gate, v in zip((f, r), weights, strict=True)
    )
    memory = _share(g, f, c, n)
    return _share(g, r, memory, s), memory


def _qrnn(g: Graph, cell: Cell, a: str, h: str, c: str) -> tuple[str, str]:
    n, *gates = g.split(a, _GATES[cell.name])
    n, (f, *rest) = g.add("Tanh", n), [g.add("Sigmoid", gate) for gate in gates]
    if len(rest) == 2:
        memory = g.add("Add", g.add("Mul", f, c), g.add("Mul", rest[1], n))
    else:
        memory = _share(g, f, c, n)
    return (g.add("Mul", rest[0], memory) if rest else memory), memory


def _softplus(g: Graph, x: str) -> str:
    """Return ``log(1 + exp(x))``; ONNX Runtime has no operator of it in float64."""
    small = g.add("Exp", g.add("Neg", g.add("Abs", x)))
    return g.add("Add", g.add("Relu", x), g.add("Log", g.add("Add", small, g.constant(1))))


def _gru(g: Graph, cell: Cell, a: str, h: str, c: str) -> tuple[str, str]:
    a_r, a_z, a_n = g.split(a, 3)
    h_r, h_z, h_n = g.split(_from_state(g, cell, h), 3)
    r, z = (g.add("Sigmoid", g.add("Add", x, s)) for x, s in ((a_r, h_r), (a_z, h_z)))
    n = g.add("Tanh", g.add("Add", a_n, g.add("Mul", r, h_n)))
    return _share(g, z, h, n), ""


def _gru_reset_before(g: Graph, cell: Cell, a: str, h: str, c: str) -> tuple[str, str]:
    weight, bias = cell.weights["weight_hh"], cell.weights.get("bias_hh")
    cut = 2 * len(weight) // 3
    a_r, a_z, a_n = g.split(a, 3)
    h_r, h_z = g.split(g.affine(h, weight[:cut], None if bias is None else bias[:cut]), 2)
    r, z = (g.add("Sigmoid", g.add("Add", x, s)) for x, s in ((a_r, h_r), (a_z, h_z)))
    h_n = g.affine(g.add("Mul", r, h), weight[cut:], None if bias is None else bias[cut:])
    return _share(g, z, h, g.add("Tanh", g.add("Add", a_n, h_n))), ""


def _gru_simple(g: Graph, cell: Cell, a: str, h: str, c: str) -> tuple[str, str]:
    z, n = g.split(g.add("Add", a, _from_state(g, cell, h)), 2)
    return _share(g, g.add("Sigmoid", z), h, g.add("Tanh", n)), ""


def _lstm(g: Graph, cell: Cell, a: str, h: str, c: str) -> tuple[str, str]:
    w = cell.weights
    i, f, n, o = g.split(g.add("Add", a, _from_state(g, cell, h)), 4)
    peephole = w.get("weight_peephole")

    def seeing(gate: str, number: int, memory: str) -> str:
        if peephole is None:
            return g.add("Sigmoid", gate)
        size = len(peephole) // 3
        own = g.constant(peephole[number * size : (number + 1) * size])
        return g.add("Sigmoid", g.add("Add", gate, g.add("Mul", own, memory)))

    kept = g.add("Mul", seeing(f, 1, c), c)
    memory = g.add("Add", kept, g.add("Mul", seeing(i, 0, c), g.add("Tanh", n)))
    shown = memory
    if "gain_c" in w:
        shown = g.add("Mul", _layer_norm(g, memory), g.constant(w["gain_c"]))
        if "bias_c" in w:
            shown = g.add("Add", shown, g.constant(w["bias_c"]))
    gate = seeing(o, 2, c if cell.name == "lstm_peephole_previous" else memory)
    after = g.add("Mul", gate, g.add("Tanh", shown))
    return (g.affine(after, w["weight_hr"]) if "weight_hr" in w else after), memory


_STEPS: dict[str, Callable[[Graph, Cell, str, str, str], tuple[str, str]]] = {
    "rnn_tanh": _rnn,
    "rnn_relu": _rnn,
    "ind_rnn_tanh": _ind_rnn,
    "ind_rnn_relu": _ind_rnn,
    "min_gru": _min_gru,
    "min_lstm": _min_lstm,
    "sru": _sru,
    "qrnn_f": _qrnn,
    "qrnn_fo": _qrnn,
    "qrnn_ifo": _qrnn,
    "gru": _gru,
    "gru_reset_before": _gru_reset_before,
    "gru_simple": _gru_simple,
    "lstm": _lstm,
    "lstm_peephole": _lstm,
    "lstm_peephole_previous": _lstm,
}
