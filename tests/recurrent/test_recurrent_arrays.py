"""Arrays as they come: axes, strides, indices, single sequences, arguments left out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from layer_cases import (
    DTYPES,
    TOLERANCE,
    Case,
    Inputs,
    Values,
    assert_near,
    assert_same_bits,
    make_layer,
    named,
    outputs,
    run,
    run_forward,
)
from network_cases import CELLS, pack

ALL: dict[str, Any] = {
    "hidden_size": 17,
    "batch": 5,
    "num_layers": 2,
    "bidirectional": True,
    "ragged": True,
    "resets": True,
}


def swapped(array: Any) -> Any:
    return None if array is None else np.swapaxes(array, 0, 1)


# --- order of the axes ----------------------------------------------------------------------------


@pytest.mark.parametrize("indices", [False, True])
@pytest.mark.parametrize("contiguous", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_batch_first(level: str, dtype: str, contiguous: bool, indices: bool) -> None:
    case = Case("gru reset before", **ALL, indices=indices)
    expected = run(case.layer(dtype), case.inputs)
    inputs = case.inputs.astype(dtype)
    x, dy = swapped(inputs.x), swapped(inputs.dy)
    if contiguous:
        x, dy = np.ascontiguousarray(x), np.ascontiguousarray(dy)
    options = inputs.options | {"reset": swapped(inputs.options["reset"])}
    layer = case.layer(dtype, batch_first=True)
    values = run(layer, replace(inputs, x=x, dy=dy, options=options))
    assert values["y"].flags.c_contiguous
    for name in {"y", "dx"} & values.keys():
        values[name] = swapped(values[name])
    assert_same_bits(values, expected)


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cell", CELLS)
def test_a_single_sequence(level: str, cell: str, dtype: str, batch_first: bool) -> None:
    case = Case(cell, batch=1, num_layers=2, bidirectional=True, resets=True)
    expected = run(case.layer(dtype), case.inputs)
    layer, batch = case.layer(dtype, batch_first=batch_first), case.inputs.astype(dtype)
    assert batch.dy is not None
    alone = Inputs(
        batch.parameters,
        batch.x[:, 0],
        [s[:, 0] for s in batch.states],
        batch.dy[:, 0],
        [d[:, 0] for d in batch.dstates],
        {"reset": batch.options["reset"][:, 0]},
    )
    axes = {name: 1 for name in expected if name not in layer.grads}
    expected = {n: v[:, 0] if n in axes else v for n, v in expected.items()}
    assert_same_bits(run(layer, alone), expected)
    assert_same_bits(run_forward(layer, alone), outputs(expected))


def test_indices_of_a_single_sequence(level: str) -> None:
    case = Case("lstm", indices=True, batch=1)
    layer, x = case.layer("float32"), case.inputs.x
    y, (h, c) = layer(x)
    values = named(*layer(x[:, 0]))
    assert_same_bits(values, {"y": y[:, 0], "state 0": h[:, 0], "state 1": c[:, 0]})


# --- indices --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cell", CELLS)
def test_indices_are_one_hot_vectors(level: str, cell: str, dtype: str) -> None:
    case = Case(cell, input_size=11, **ALL, indices=True)
    layer = case.layer(dtype)
    by_index = run(layer, case.inputs)
    by_vector = run(layer, replace(case.inputs, x=np.eye(11)[case.inputs.x]))
    assert by_vector.pop("dx").shape == (case.steps, case.batch, 11)
    assert_same_bits(outputs(by_index), outputs(by_vector))
    assert_near(by_index, by_vector, TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", ">i4", ">i8"])
def test_indices_of_every_integer_type(level: str, dtype: str) -> None:
    case = Case("gru reset after", input_size=11, **ALL, indices=True)
    layer, x = case.layer("float32"), case.inputs.x.copy()
    expected = run_forward(layer, case.inputs)
    # What stands past a length may be anything.
    x[np.arange(case.steps)[:, np.newaxis] >= case.inputs.options["lengths"]] = 127
    y, state = layer(x.astype(dtype), pack(case.inputs.astype("f4").states), **case.inputs.options)
    assert_same_bits(named(y, state), expected)


def test_indices_may_be_strided(level: str) -> None:
    case = Case("lstm", input_size=11, batch=6, indices=True)
    layer, x = case.layer("float32"), case.inputs.x
    expected, _ = layer(x)
    for view in strided(x[..., np.newaxis]).values():
        np.testing.assert_array_equal(layer(view[..., 0])[0], expected)


# --- strides --------------------------------------------------------------------------------------


def strided(array: Any) -> dict[str, Any]:
    """The same (A, B, C) array, laid out in many ways."""
    a, b, c = array.shape
    wide = np.empty((2 * a, 3 * b, c + 3), array.dtype)
    wide[::2, 1::3, 2 : c + 2] = array
    gaps = np.empty((a, b, 2 * c), array.dtype)
    gaps[..., ::2] = array
    packed = np.empty((a, b, c), [("pad", "u1"), ("value", array.dtype)])
    packed["value"] = array
    shifted = np.empty(array.nbytes + 1, "u1")[1:].view(array.dtype).reshape(array.shape)
    shifted[...] = array
    readonly = array.copy()
    readonly.flags.writeable = False
    return {
        "Fortran": np.asfortranarray(array),
        "transposed": np.ascontiguousarray(array.transpose(1, 0, 2)).transpose(1, 0, 2),
        "sliced": wide[::2, 1::3, 2 : c + 2],
        "reversed time": np.ascontiguousarray(array[::-1])[::-1],
        "reversed batch": np.ascontiguousarray(array[:, ::-1])[:, ::-1],
        "reversed units": np.ascontiguousarray(array[..., ::-1])[..., ::-1],
        "gaps": gaps[..., ::2],
        "field": packed["value"],
        "unaligned": shifted,
        "read-only": readonly,
    }


@pytest.mark.parametrize("layout", strided(np.zeros((1, 1, 1))))
@pytest.mark.parametrize("dtype", DTYPES)
def test_any_strides(level: str, dtype: str, layout: str) -> None:
    case = Case("lstm peephole projection", input_size=7, **ALL)
    layer, inputs = case.layer(dtype), case.inputs.astype(dtype)
    expected = run(layer, inputs)
    reset = strided(inputs.options["reset"][..., np.newaxis])[layout][..., 0]
    laid = replace(
        inputs,
        x=strided(inputs.x)[layout],
        dy=strided(inputs.dy)[layout],
        states=[strided(s)[layout] for s in inputs.states],
        dstates=[strided(d)[layout] for d in inputs.dstates],
        options={"lengths": inputs.options["lengths"][::-1].copy()[::-1], "reset": reset},
    )
    assert_same_bits(run(layer, laid), expected)
    assert_same_bits(run_forward(layer, laid), outputs(expected))


@pytest.mark.parametrize("dtype", DTYPES)
def test_broadcast_arrays(level: str, dtype: str) -> None:
    # Axes of stride zero: one input for all, the gradient of a sum.
    case = Case("gru reset after", hidden_size=17, batch=5, bidirectional=True)
    layer, inputs = case.layer(dtype), case.inputs.astype(dtype)
    x, dy = inputs.x[:, :1], np.ones((1, 1, 1), dtype)
    small = replace(
        inputs, x=np.broadcast_to(x, inputs.x.shape), dy=np.broadcast_to(dy, inputs.dy.shape)
    )
    full = replace(inputs, x=small.x.copy(), dy=small.dy.copy())
    assert_same_bits(run(layer, small), run(layer, full))


# --- arguments ------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cell", ["rnn relu", "gru reset before", "lstm projection"])
def test_arguments_stay_as_they_are(level: str, cell: str, dtype: str) -> None:
    case = Case(cell, **ALL)
    layer, inputs = case.layer(dtype), case.inputs.astype(dtype)
    arrays = [inputs.x, inputs.dy, *inputs.states, *inputs.dstates, *inputs.options.values()]
    copies = [array.copy() for array in arrays]
    run(layer, inputs)
    run_forward(layer, inputs)
    for array, copy in zip(arrays, copies, strict=True):
        np.testing.assert_array_equal(array, copy)
    for name, parameter in layer.parameters().items():
        np.testing.assert_array_equal(parameter.data, case.inputs.parameters[name])


@pytest.mark.parametrize("dtype", DTYPES)
def test_states_and_masks_may_be_reused_before_backpropagation(level: str, dtype: str) -> None:
    # Only x and y are read again.
    case = Case("lstm peephole", **ALL)
    layer, inputs = case.layer(dtype), case.inputs.astype(dtype)
    expected = run(layer, inputs)
    layer.zero_grad()
    states = [s.copy() for s in inputs.states]
    options = {name: value.copy() for name, value in inputs.options.items()}
    (y, final), backprop = layer.forward(inputs.x, pack(states), **options)
    values = named(y.copy(), pack([s.copy() for s in final]))
    for array in (*states, *final, *options.values()):
        array[...] = 1
    dx, initial = backprop(inputs.dy, pack(inputs.dstates))
    values |= named(dx, initial, "d")
    assert_same_bits(values | layer.grads, expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cell", CELLS)
def test_what_is_left_out_is_zero(level: str, cell: str, dtype: str) -> None:
    case = Case(cell, num_layers=2, bidirectional=True, states=False)
    layer, inputs = case.layer(dtype), case.inputs.astype(dtype)
    zeros = [np.zeros_like(d) for d in inputs.dstates]
    expected = run(layer, replace(inputs, states=zeros))
    assert_same_bits(run(layer, inputs), expected)
    without = replace(inputs, dstates=None)
    assert_same_bits(run(layer, without), run(layer, replace(inputs, dstates=zeros)))
    nothing = run(layer, replace(inputs, dy=None, dstates=None))
    assert not any(nothing[name].any() for name in nothing if name not in outputs(nothing))
    dy = np.zeros_like(inputs.dy)
    assert_same_bits(run(layer, replace(inputs, dy=None)), run(layer, replace(inputs, dy=dy)))


@pytest.mark.parametrize("cell", CELLS)
def test_the_gradient_of_the_input_may_be_left_out(level: str, cell: str) -> None:
    case = Case(cell, num_layers=2, bidirectional=True)
    layer, inputs = case.layer("float64"), case.inputs
    expected = run(layer, inputs)
    layer.zero_grad()
    _, backprop = layer.forward(inputs.x, pack(inputs.states))
    dx, dstate = backprop(inputs.dy, pack(inputs.dstates), need_dx=False)
    assert dx is None
    values: Values = named(None, dstate, "d") | layer.grads
    assert_same_bits(values, {name: expected[name] for name in values})


def test_half_of_the_state_of_an_lstm(level: str) -> None:
    case = Case("lstm")
    layer, inputs = case.layer("float64"), case.inputs
    h, c = inputs.states
    for state, full in [((h, None), (h, 0 * c)), ([None, c], (0 * h, c))]:
        assert_same_bits(named(*layer(inputs.x, state)), named(*layer(inputs.x, full)))


def test_gradients_add_up(level: str) -> None:
    case = Case("gru reset after", num_layers=2)
    layer, inputs = case.layer("float64"), case.inputs
    once = run(layer, inputs)
    _, backprop = layer.forward(inputs.x, pack(inputs.states))
    backprop(inputs.dy, pack(inputs.dstates))
    twice = {name: 2 * once[name] for name in layer.grads}
    assert_near(layer.grads, twice, 1e-15)
    assert make_layer(case.spec).grads.keys() == layer.grads.keys()
    layer.zero_grad()
    assert not any(gradient.any() for gradient in layer.grads.values())
