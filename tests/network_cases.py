"""Networks of every cell, random arguments for them, and all that they give, to compare."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

import rnnfast.reference as ref
from rnnfast.reference import NetworkSpec

Array = npt.NDArray[np.float64]
States = list[Array]  # [h], or [h, c]

T, B, I, H = 6, 4, 3, 5  # noqa: E741


class CellCase(NamedTuple):
    """A cell: the spec's arguments, and what a pass of the layer keeps of it."""

    spec: dict[str, Any]
    kept: int  # numbers per step, sequence and unit, as the docstring of `forward` says
    bounded: bool = True  # whether |h| <= 1
    kept_rows: int = 0  # numbers kept per step and sequence beside those


CELLS: dict[str, CellCase] = {
    "rnn tanh": CellCase({"cell": "rnn"}, 1),
    "rnn relu": CellCase({"cell": "rnn", "nonlinearity": "relu"}, 1, bounded=False),
    "gru simplified": CellCase({"cell": "gru", "reset_gate": False}, 3),
    "gru reset before": CellCase({"cell": "gru", "reset_after": False}, 5),
    "gru reset after": CellCase({"cell": "gru"}, 5),
    "lstm": CellCase({"cell": "lstm"}, 5),
    "lstm projection": CellCase({"cell": "lstm", "proj_size": 2}, 6),
    "lstm peephole": CellCase({"cell": "lstm", "peephole": True}, 5),
    "lstm peephole previous": CellCase({"cell": "lstm", "peephole": "previous"}, 5),
    "lstm peephole projection": CellCase({"cell": "lstm", "peephole": True, "proj_size": 2}, 6),
    "min gru": CellCase({"cell": "min_gru"}, 3, bounded=False),
    "min lstm": CellCase({"cell": "min_lstm"}, 4, bounded=False),
    "sru": CellCase({"cell": "sru"}, 5, bounded=False),
    "sru plain": CellCase(
        {"cell": "sru", "highway_bias": -1.0, "rescale": False}, 5, bounded=False
    ),
    "qrnn": CellCase({"cell": "qrnn"}, 4),
    "qrnn f": CellCase({"cell": "qrnn", "pooling": "f"}, 3, bounded=False),
    "qrnn ifo": CellCase({"cell": "qrnn", "pooling": "ifo"}, 5, bounded=False),
    "qrnn width 3": CellCase({"cell": "qrnn", "width": 3}, 4),
    "qrnn ifo width 2": CellCase({"cell": "qrnn", "pooling": "ifo", "width": 2}, 5, bounded=False),
    "layer norm lstm": CellCase({"cell": "layer_norm_lstm"}, 10, kept_rows=3),
    "layer norm gru": CellCase({"cell": "layer_norm_gru"}, 7, kept_rows=4),
    "zoneout lstm": CellCase({"cell": "layer_norm_lstm", "layer_norm": False, "zoneout": 0.3}, 5),
    "zoneout gru": CellCase({"cell": "layer_norm_gru", "layer_norm": False, "zoneout": 0.3}, 5),
    "ind rnn tanh": CellCase({"cell": "ind_rnn"}, 2),
    "ind rnn relu": CellCase({"cell": "ind_rnn", "nonlinearity": "relu"}, 2, bounded=False),
}
LENGTHS = np.array([4, 0, 6, 1])
RESET = np.zeros((T, B), dtype=bool)
RESET[[0, 2, 3, 0, 4, 4, 1], [0, 0, 0, 1, 0, 2, 2]] = True  # [4, 0] is padding, [0, 1] too


def make_spec(name: str, **options: Any) -> NetworkSpec:
    return NetworkSpec(input_size=I, hidden_size=H, **CELLS[name].spec, **options)


def make_states(spec: NetworkSpec, rng: np.random.Generator, batch_size: int = B) -> States:
    states = [rng.normal(size=shape) for shape in spec.state_shapes(batch_size)]
    if spec.width > 1:  # the earlier steps of layers that read less than others have room to spare
        kept = states[1][:, :, spec.hidden_size :]
        earlier = kept.reshape(*kept.shape[:2], spec.width - 1, spec.window_width)
        earlier[: spec.num_directions, ..., spec.input_size :] = 0
        earlier[spec.num_directions :, ..., spec.num_directions * spec.output_size :] = 0
    return states


def layer_states(spec: NetworkSpec, states: States, layer: int) -> States:
    """The states of one layer, as a network of that layer alone has them."""
    D = spec.num_directions
    own = [s[layer * D : (layer + 1) * D] for s in states]
    if spec.width > 1:
        width = spec.input_size if layer == 0 else D * spec.output_size
        begins = spec.hidden_size + np.arange(spec.width - 1) * spec.window_width
        own[1] = np.concatenate(
            [own[1][..., : spec.hidden_size], *(own[1][..., b : b + width] for b in begins)], axis=2
        )
    return own


def pack(states: States) -> Any:
    return tuple(states) if len(states) == 2 else states[0]


def unpack(state: Any) -> States:
    return list(state) if isinstance(state, tuple) else [state]


def make_dy(spec: NetworkSpec, rng: np.random.Generator, steps: int = T, batch: int = B) -> Array:
    return rng.normal(size=(steps, batch, spec.num_directions * spec.output_size))


def assert_close(actual: Any, expected: Any, what: str = "") -> None:
    """Agree up to rounding: products of other shapes may sum in another order."""
    np.testing.assert_allclose(actual, expected, rtol=1e-11, atol=1e-13, err_msg=what)


class Result:
    """Everything that a network gives, forward and backward, by name."""

    def __init__(
        self,
        spec: NetworkSpec,
        parameters: Any,
        x: Any,
        states: States,
        dy: Array,
        dstates: States,
        **options: Any,
    ) -> None:
        self.y, final, cache = ref.network_forward(spec, parameters, x, pack(states), **options)
        dx, initial, self.grads = ref.network_backward(cache, dy, pack(dstates))
        self.dx: Any = dx
        self.states, self.dstates0 = unpack(final), unpack(initial)

    def assert_close(self, other: Result) -> None:
        assert_close(self.y, other.y, "y")
        if self.dx is not None:
            assert_close(self.dx, other.dx, "dx")
        for k in range(len(self.states)):
            assert_close(self.states[k], other.states[k], f"state {k}")
            assert_close(self.dstates0[k], other.dstates0[k], f"initial state {k}")
        assert list(self.grads) == list(other.grads)
        for name, gradient in self.grads.items():
            assert_close(gradient, other.grads[name], name)
