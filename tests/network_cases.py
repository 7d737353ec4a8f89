"""Networks of every cell, random arguments for them, and all that they give, to compare."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

import rnnfast.reference as ref
from rnnfast.reference import NetworkSpec

Array = npt.NDArray[np.float64]
States = list[Array]  # [h], or [h, c]

T, B, I, H = 6, 4, 3, 5  # noqa: E741

CELLS: dict[str, dict[str, Any]] = {
    "rnn tanh": {"cell": "rnn"},
    "rnn relu": {"cell": "rnn", "nonlinearity": "relu"},
    "gru simplified": {"cell": "gru", "reset_gate": False},
    "gru reset before": {"cell": "gru", "reset_after": False},
    "gru reset after": {"cell": "gru"},
    "lstm": {"cell": "lstm"},
    "lstm projection": {"cell": "lstm", "proj_size": 2},
    "lstm peephole": {"cell": "lstm", "peephole": True},
    "lstm peephole previous": {"cell": "lstm", "peephole": "previous"},
    "lstm peephole projection": {"cell": "lstm", "peephole": True, "proj_size": 2},
}
LENGTHS = np.array([4, 0, 6, 1])
RESET = np.zeros((T, B), dtype=bool)
RESET[[0, 2, 3, 0, 4, 4, 1], [0, 0, 0, 1, 0, 2, 2]] = True  # [4, 0] is padding, [0, 1] too


def make_spec(name: str, **options: Any) -> NetworkSpec:
    return NetworkSpec(input_size=I, hidden_size=H, **CELLS[name], **options)


def make_states(spec: NetworkSpec, rng: np.random.Generator, batch_size: int = B) -> States:
    return [rng.normal(size=shape) for shape in spec.state_shapes(batch_size)]


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
