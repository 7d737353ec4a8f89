"""A recurrent node, ready to run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnfast.interop.onnx.nodes import Array, Node
from rnnfast.interop.onnx.recurrent.equations import STEPS, Cell
from rnnfast.interop.onnx.recurrent.form import Form, read_form
from rnnfast.interop.onnx.recurrent.general import GeneralNetwork
from rnnfast.interop.onnx.recurrent.layer import Layer, make_layer, why_no_layer
from rnnfast.interop.onnx.recurrent.weights import B, P, R, W, Weights, check_weights
from rnnfast.nn._reversal import reverse

# The other inputs of a node.
X, LENGTHS, H0, C0 = 0, 4, 5, 6


class Recurrent:
    """An RNN, GRU or LSTM of a graph.

    Runs on a layer's kernels where the node's form has a layer, else on those of a general cell;
    step by step where a number is not finite.

    Parameters
    ----------
    node : Node
        The node.
    weights : sequence of ndarray or None
        W, R, B and P if the graph holds them; None: each call brings them.

    Raises
    ------
    TypeError, ValueError, NotImplementedError
        If the node, or its weights, are not valid.
    """

    def __init__(self, node: Node, weights: Sequence[Array | None] | None = None) -> None:
        self.node = node
        self.form = read_form(node)
        self._weights: Weights | None = None
        self._network: Layer | GeneralNetwork | None = None
        if weights is not None:
            w, r, b, p = weights
            self._weights = check_weights(node, self.form, _given(w), _given(r), b, p)
            self._network = self._network_of(self._weights)

    @property
    def layer(self) -> Layer | None:
        """The layer, if the form has one and the graph holds the weights."""
        return None if isinstance(self._network, GeneralNetwork) else self._network

    @property
    def on_kernels(self) -> bool:
        """Whether the graph holds the weights, and the kernels run them."""
        return self._network is not None

    def __call__(self, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
        """Return Y, Y_h and of an LSTM Y_c.

        Parameters
        ----------
        inputs : sequence of ndarray or None
            As the node has them; None is one that is left out. Weights of the graph are not read.

        Raises
        ------
        TypeError, ValueError
            If a dtype or a shape does not fit.
        """
        given = [*inputs, *[None] * (8 - len(inputs))]
        weights, network = self._weights, self._network
        if weights is None:
            w, r = _given(given[W]), _given(given[R])
            weights = check_weights(self.node, self.form, w, r, given[B], given[P])
            network = self._network_of(weights)
        x = self._input(_given(given[X]), weights)
        time = 1 if self.form.batch_first else 0
        steps, batch = x.shape[time], x.shape[1 - time]
        lengths = self._lengths(given[LENGTHS], batch, steps)
        states: list[Array] | None = None
        if given[H0] is not None or given[C0] is not None:
            states = [
                self._state(name, given[place], batch, weights)
                for name, place in (("initial_h", H0), ("initial_c", C0))[: 1 + self._has_c]
            ]
        if network is not None and x.size:
            try:
                return self._by_kernels(network, x, lengths, states)
            except ValueError:  # numbers that are not finite, which IEEE has an answer for
                pass
        if states is None:
            shape = (self.form.directions, batch, weights.hidden)
            states = [np.zeros(shape, x.dtype) for _ in range(1 + self._has_c)]
        return self._by_steps(x, lengths, states, weights)

    def _network_of(self, weights: Weights) -> Layer | GeneralNetwork | None:
        """Return what has these weights on the kernels; None: a number is not finite."""
        arrays = [a for a in (weights.W, weights.R, weights.B, weights.P) if a is not None]
        if not all(np.isfinite(array).all() for array in arrays):
            return None
        if why_no_layer(self.form) is None:
            return make_layer(self.form, weights)
        return GeneralNetwork(self.form, weights)

    @property
    def _has_c(self) -> bool:
        return self.form.kind == "LSTM"

    def _input(self, x: Array, weights: Weights) -> Array:
        label = self.node.label
        if x.dtype != weights.W.dtype:
            raise TypeError(f"{label}: X: expected {weights.W.dtype}, as W has, got {x.dtype}")
        if x.ndim != 3 or x.shape[2] != weights.inputs:
            axes = "B, T" if self.form.batch_first else "T, B"
            raise ValueError(
                f"{label}: X: expected shape ({axes}, {weights.inputs}), got {x.shape}"
            )
        return x

    def _lengths(self, lengths: Array | None, batch: int, steps: int) -> Array | None:
        if lengths is None:
            return None
        label = self.node.label
        if lengths.dtype.kind not in "iu":
            raise TypeError(f"{label}: sequence_lens: expected integers, got {lengths.dtype}")
        if lengths.shape != (batch,):
            raise ValueError(
                f"{label}: sequence_lens: expected shape ({batch},), got {lengths.shape}"
            )
        wrong = (lengths < 0) | (lengths > steps)
        if wrong.any():
            raise ValueError(
                f"{label}: sequence_lens: expected 0 to {steps}, got {lengths[wrong][0]}"
            )
        return None if steps and (lengths == steps).all() else lengths.astype(np.int64)

    def _state(self, name: str, state: Array | None, batch: int, weights: Weights) -> Array:
        """Return a state as (D, B, H)."""
        shape = (self.form.directions, batch, weights.hidden)
        if state is None:
            return np.zeros(shape, weights.W.dtype)
        if state.dtype != weights.W.dtype:
            raise TypeError(
                f"{self.node.label}: {name}: expected {weights.W.dtype}, as W has, "
                f"got {state.dtype}"
            )
        given = (shape[1], shape[0], shape[2]) if self.form.batch_first else shape
        if state.shape != given:
            raise ValueError(
                f"{self.node.label}: {name}: expected shape {given}, got {state.shape}"
            )
        return np.swapaxes(state, 0, 1) if self.form.batch_first else state

    def _by_kernels(
        self,
        network: Layer | GeneralNetwork,
        x: Array,
        lengths: Array | None,
        states: list[Array] | None,
    ) -> tuple[Array, ...]:
        time = 1 if self.form.batch_first else 0
        if self.form.direction == "reverse":
            x = reverse(x, lengths, time)
        state: Any = None
        if states is not None:
            pair = tuple(np.ascontiguousarray(one) for one in states)
            state = pair if self._has_c else pair[0]
        y, final = network(x, state, lengths)
        if self.form.direction == "reverse":
            y = reverse(y, lengths, time)
        y = y.reshape(*y.shape[:2], self.form.directions, network.hidden_size)
        if not self.form.batch_first:
            y = y.transpose(0, 2, 1, 3)
        return self._outputs(y, list(final) if self._has_c else [final], lengths)

    def _by_steps(
        self, x: Array, lengths: Array | None, states: list[Array], weights: Weights
    ) -> tuple[Array, ...]:
        if self.form.batch_first:
            x = np.swapaxes(x, 0, 1)
        y = np.zeros((len(x), *states[0].shape), x.dtype)  # (T, D, B, H)
        finals = [np.empty_like(state) for state in states]
        with np.errstate(all="ignore"):
            for d in range(self.form.directions):
                state = tuple(state[d] for state in states)
                backwards = d == 1 or self.form.direction == "reverse"
                for final, last in zip(
                    finals, self._run(x, lengths, state, weights, d, backwards, y), strict=True
                ):
                    final[d] = last
        if self.form.batch_first:
            y = y.transpose(2, 0, 1, 3)
        return self._outputs(y, finals, lengths)

    def _run(
        self,
        x: Array,
        lengths: Array | None,
        state: tuple[Array, ...],
        weights: Weights,
        d: int,
        backwards: bool,
        y: Array,
    ) -> tuple[Array, ...]:
        """Go through time in one direction, write Y, and return the final state.

        Where a sequence has ended, or has not begun backwards, its state stays and Y is 0.
        """
        cell = cell_of(self.form, weights, d)
        Wb = np.zeros_like(cell.Rb) if weights.B is None else np.split(weights.B[d], 2)[0]
        gates = x @ weights.W[d].T + Wb
        step = STEPS[self.form.kind]
        for t in reversed(range(len(x))) if backwards else range(len(x)):
            new = step(gates[t], state, cell)
            if lengths is None:
                y[t, d], state = new[0], new
            else:
                valid = (t < lengths)[:, np.newaxis]
                y[t, d] = np.where(valid, new[0], 0)
                state = tuple(np.where(valid, *pair) for pair in zip(new, state, strict=True))
        return state

    def _outputs(self, y: Array, finals: list[Array], lengths: Array | None) -> tuple[Array, ...]:
        """Return the outputs; of a sequence without a step they are 0, as ONNX Runtime has it."""
        if lengths is not None and not lengths.all():
            finals = [np.where((lengths == 0)[:, np.newaxis], 0, f).astype(y.dtype) for f in finals]
        if self.form.batch_first:
            finals = [np.swapaxes(final, 0, 1) for final in finals]
        return (y, *finals)


def cell_of(form: Form, weights: Weights, d: int) -> Cell:
    """Return what the steps of a direction take."""
    rows = weights.R.shape[1]
    Rb = np.zeros(rows, weights.R.dtype) if weights.B is None else np.split(weights.B[d], 2)[1]
    return Cell(
        weights.R[d],
        Rb,
        None if weights.P is None else weights.P[d],
        form.activations[d],
        form.clip,
        form.input_forget,
        form.linear_before_reset,
    )


def _given(array: Array | None) -> Array:
    """Return an input that every recurrent node has: ONNX's checker has looked at that."""
    assert array is not None
    return array
