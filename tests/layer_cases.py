"""Layers of every cell beside the reference: one description of a batch, all that both give."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

import rnnfast.reference as ref
from network_cases import CELLS, Result, make_dy, make_states, pack, unpack
from rnnfast.nn.recurrent.base import LAYERS
from rnnfast.reference import NetworkSpec

Array = npt.NDArray[Any]
Values = dict[str, Array]

DTYPES = ["float32", "float64"]
TOLERANCE = {"float32": 1e-5, "float64": 1e-12}  # relative to the largest value of an array


@dataclass(frozen=True)
class Case:
    """A network, and what it is given.

    All numbers are rounded to float32, so that one run of the reference serves both dtypes.
    """

    cell: str  # one of CELLS
    input_size: int = 3
    hidden_size: int = 5
    steps: int = 6
    batch: int = 4
    num_layers: int = 1
    bidirectional: bool = False
    bias: bool = True
    ragged: bool = False  # lengths, one of them 0, another T
    resets: bool = False
    states: bool = True  # whether initial states are given
    gradients: str = "both"  # what comes back: "y", "state" or "both"
    indices: bool = False
    seed: int = 0

    @cached_property
    def spec(self) -> NetworkSpec:
        options = dict(CELLS[self.cell].spec)
        hidden = self.hidden_size
        if "proj_size" in options:
            hidden = max(hidden, 2)
            options["proj_size"] = max(1, 2 * hidden // 5)
        return NetworkSpec(
            input_size=self.input_size,
            hidden_size=hidden,
            num_layers=self.num_layers,
            bias=self.bias,
            bidirectional=self.bidirectional,
            **options,
        )

    @cached_property
    def inputs(self) -> Inputs:
        rng, spec = np.random.default_rng(self.seed), self.spec
        shape = (self.steps, self.batch)
        x = rng.normal(size=(*shape, self.input_size))
        lengths = reset = None
        if self.ragged:
            lengths = rng.integers(1, self.steps + 1, size=self.batch)
            lengths[:2] = 0, self.steps
            rng.shuffle(lengths)
        if self.resets:
            reset = rng.random(size=shape) < 0.3
        return Inputs(
            ref.random_parameters(spec, rng, np.float32),
            rng.integers(0, self.input_size, size=shape) if self.indices else single(x),
            [single(s) for s in make_states(spec, rng, self.batch)] if self.states else None,
            None if self.gradients == "state" else single(make_dy(spec, rng, *shape)),
            None
            if self.gradients == "y"
            else [single(d) for d in make_states(spec, rng, self.batch)],
            {"lengths": lengths, "reset": reset},
        )

    def layer(self, dtype: str, **options: Any) -> Any:
        layer = make_layer(self.spec, dtype=dtype, **options)
        layer.load_state_dict(self.inputs.parameters)
        return layer


def big(cell: str, **options: Any) -> Case:
    """Enough work for a team: 8 million operations in the products of a pass forward."""
    case = Case(cell, **options)
    shapes = (shape for _, shape in case.spec.parameter_shapes())
    row = 2 * sum(np.prod(shape) for shape in shapes if len(shape) == 2)
    return Case(cell, **options, steps=max(3, int(8e6 / (row * case.batch)) + 1))


# How a pass may be cut up, and with how many threads: by units, by rows, by directions, by
# directions and either, in groups of different sizes too, and by layers.
TEAMS: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "units": ((2, 3), {"input_size": 40, "hidden_size": 72, "batch": 13, "num_layers": 2}),
    "rows": ((2, 3), {"input_size": 16, "hidden_size": 33, "batch": 27, "ragged": True}),
    "layers": (
        (2, 3),
        {"hidden_size": 33, "batch": 2, "num_layers": 4, "ragged": True, "resets": True},
    ),
    "layers of indices": (
        (2,),
        {"input_size": 70, "hidden_size": 20, "batch": 6, "num_layers": 3, "indices": True},
    ),
    "directions": ((2,), {"hidden_size": 48, "batch": 6, "bidirectional": True, "resets": True}),
    "directions and units": (
        (4,),
        {"input_size": 50, "hidden_size": 100, "batch": 9, "bidirectional": True},
    ),
    "directions and rows": (
        (4, 5),
        {"hidden_size": 40, "batch": 35, "num_layers": 2, "bidirectional": True, "ragged": True},
    ),
}


@dataclass(frozen=True)
class Inputs:
    """What a layer is given: its parameters, and the arguments of a pass in both directions."""

    parameters: dict[str, Any]
    x: Any
    states: Any  # [h], [h, c] or None
    dy: Any  # or None
    dstates: Any
    options: dict[str, Any]  # lengths, reset

    def astype(self, dtype: Any) -> Inputs:
        """The numbers in another dtype; parameters and indices as they are."""

        def cast(value: Any) -> Any:
            return None if value is None else np.asarray(value, dtype)

        def casts(values: Any) -> Any:
            return None if values is None else [cast(v) for v in values]

        x = self.x if self.x.dtype.kind == "i" else cast(self.x)
        return replace(
            self, x=x, states=casts(self.states), dy=cast(self.dy), dstates=casts(self.dstates)
        )

    def rows(self, index: Any) -> Inputs:
        """Some sequences of the batch."""

        def take(values: Any) -> Any:
            return None if values is None else [v[:, index] for v in values]

        lengths, reset = self.options["lengths"], self.options["reset"]
        return replace(
            self,
            x=self.x[:, index],
            states=take(self.states),
            dy=None if self.dy is None else self.dy[:, index],
            dstates=take(self.dstates),
            options={
                "lengths": None if lengths is None else lengths[index],
                "reset": None if reset is None else reset[:, index],
            },
        )


def single(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Round to float32 and stay float64."""
    return values.astype(np.float32).astype(np.float64)


def make_layer(spec: NetworkSpec, **options: Any) -> Any:
    own = {name: getattr(spec, name) for name in ref.CELLS[spec.cell].options}
    layer = LAYERS[spec.cell](
        spec.input_size,
        spec.hidden_size,
        spec.num_layers,
        bias=spec.bias,
        bidirectional=spec.bidirectional,
        **own,
        **options,
    )
    if spec.zoneout:  # by its mean, as the reference has it
        layer.eval()
    return layer


def run_forward(layer: Any, inputs: Inputs) -> Values:
    """A plain call: y and the final states."""
    inputs = inputs.astype(layer.dtype)
    state = None if inputs.states is None else pack(inputs.states)
    y, final = layer(inputs.x, state, **inputs.options)
    return named(y, final)


def run(layer: Any, inputs: Inputs) -> Values:
    """Forward and back: y, the final states, and every gradient, by name."""
    inputs = inputs.astype(layer.dtype)
    state = None if inputs.states is None else pack(inputs.states)
    layer.zero_grad()
    (y, final), backprop = layer.forward(inputs.x, state, **inputs.options)
    values = named(y, final)
    dx, initial = backprop(inputs.dy, None if inputs.dstates is None else pack(inputs.dstates))
    values |= named(dx, initial, "d")
    return values | {name: gradient.copy() for name, gradient in layer.grads.items()}


def named(sequence: Any, state: Any, prefix: str = "") -> Values:
    values: Values = {}
    if sequence is not None:
        values["dx" if prefix else "y"] = sequence
    return values | {f"{prefix}state {k}": s for k, s in enumerate(unpack(state))}


def outputs(values: Values) -> Values:
    """What a pass forward gives, of all that `run` does."""
    return {name: value for name, value in values.items() if name in ("y", "state 0", "state 1")}


@cache
def reference(case: Case) -> Values:
    """What `run` must give."""
    inputs, spec = case.inputs, case.spec
    zeros = make_dy(spec, np.random.default_rng(0), case.steps, case.batch) * 0.0
    nothing = [np.zeros(shape) for shape in spec.state_shapes(case.batch)]
    result = Result(
        spec,
        inputs.parameters,
        inputs.x,
        nothing if inputs.states is None else inputs.states,
        zeros if inputs.dy is None else inputs.dy,
        nothing if inputs.dstates is None else inputs.dstates,
        **inputs.options,
    )
    values = named(result.y, pack(result.states))
    values |= named(result.dx, pack(result.dstates0), "d")
    return values | dict(result.grads)


def assert_near(actual: Values, expected: Values, tolerance: float, least: float = 0.0) -> None:
    """Agree to `tolerance` times the largest value of each array, or times `least` if it is less.

    Gradients of parameters are measured by the largest of them all, and those of states too: the
    sum of an array of few numbers may cancel.
    """
    assert list(actual) == list(expected)
    for name, values in expected.items():
        assert actual[name].shape == values.shape, name
        error = np.abs(actual[name] - values).max(initial=0.0)
        kin = next((k for k in (("weight", "bias"), ("dstate",)) if name.startswith(k)), (name,))
        arrays = [v for other, v in expected.items() if other.startswith(kin)]
        scale = max(least, *(np.abs(v).max(initial=0.0) for v in arrays))
        assert error <= tolerance * scale, (name, error)


def assert_same_bits(actual: Values, expected: Values) -> None:
    assert list(actual) == list(expected)
    for name, values in expected.items():
        assert actual[name].dtype == values.dtype, name
        assert actual[name].shape == values.shape, name
        assert actual[name].tobytes() == values.tobytes(), (
            name,
            np.abs(actual[name] - values).max(initial=0.0),
        )
