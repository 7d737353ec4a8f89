"""Results keep their bits however time and the batch are cut, and whatever else is in the batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from layer_cases import (
    DTYPES,
    TOLERANCE,
    Case,
    Inputs,
    Values,
    assert_near,
    assert_same_bits,
    big,
    outputs,
    run,
    run_forward,
)
from network_cases import CELLS

BY_ROW = ("y", "state 0", "state 1", "dx", "dstate 0", "dstate 1")
FIXTURES = [HealthCheck.function_scoped_fixture]


def rows_of(values: Values, index: Any) -> Values:
    return {name: values[name][:, index] for name in BY_ROW if name in values}


def steps_of(inputs: Inputs, begin: int, end: int, states: Any) -> Inputs:
    reset = inputs.options["reset"]
    return replace(
        inputs,
        x=inputs.x[begin:end],
        dy=None if inputs.dy is None else inputs.dy[begin:end],
        states=states,
        options={"lengths": None, "reset": None if reset is None else reset[begin:end]},
    )


def states_of(values: Values) -> list[Any]:
    return [values[name] for name in ("state 0", "state 1") if name in values]


# --- time -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cell", CELLS)
def test_a_sequence_in_several_calls(level: str, cell: str, dtype: str) -> None:
    case = Case(cell, hidden_size=19, steps=23, batch=7, num_layers=2, resets=True, states=True)
    layer, inputs = case.layer(dtype), case.inputs
    whole = run_forward(layer, inputs)
    states, parts = inputs.states, []
    for begin, end in pairwise([0, 1, 9, 9, 22, 23]):
        values = run_forward(layer, steps_of(inputs, begin, end, states))
        parts.append(values["y"])
        states = states_of(values)
    assert_same_bits(values | {"y": np.concatenate(parts)}, whole)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cell", CELLS)
def test_backpropagation_through_two_calls(level: str, cell: str, dtype: str) -> None:
    case = Case(cell, hidden_size=19, steps=9, num_layers=2, resets=True)
    layer, inputs = case.layer(dtype), case.inputs
    whole = run(layer, inputs)
    first = steps_of(inputs, 0, 4, inputs.states)
    middle = states_of(run_forward(layer, first))
    later = run(layer, steps_of(inputs, 4, 9, middle))
    dmiddle = [later[name] for name in ("dstate 0", "dstate 1") if name in later]
    earlier = run(layer, replace(first, dstates=dmiddle))
    joined = {name: earlier[name] + later[name] for name in layer.grads}
    expected = {name: whole[name] for name in layer.grads}
    joined["dx"], expected["dx"] = np.concatenate([earlier["dx"], later["dx"]]), whole["dx"]
    for name in ("dstate 0", "dstate 1"):
        if name in whole:
            joined[name], expected[name] = earlier[name], whole[name]
    assert_near(joined, expected, TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cell", CELLS)
@given(seed=st.integers(0, 2**32 - 1), starts=st.lists(st.booleans(), min_size=8, max_size=8))
@settings(max_examples=4, deadline=None, suppress_health_check=FIXTURES)
def test_resets_are_documents_run_apart(
    level: str, cell: str, dtype: str, seed: int, starts: list[bool]
) -> None:
    one_layer = Case(cell, hidden_size=9, steps=8, batch=3, bidirectional=True, seed=seed)
    layer, inputs = one_layer.layer(dtype), one_layer.inputs
    reset = np.zeros((8, 3), bool)
    reset[:, 1] = starts
    whole = run(layer, replace(inputs, options={"lengths": None, "reset": reset}))
    unreset = run(layer, inputs)
    assert_same_bits(rows_of(whole, [0, 2]), rows_of(unreset, [0, 2]))

    # The forward direction's initial state enters the first document; the reverse one's the last.
    row = inputs.rows([1])
    edges = [0, *(t for t in range(1, 8) if starts[t]), 8]
    for begin, end in pairwise(edges):
        enters = np.array([begin == 0 and not starts[0], end == 8])[:, None, None]
        leaves = np.array([end == 8, begin == 0])[:, None, None]
        alone = run(
            layer,
            replace(
                steps_of(row, begin, end, [s * enters for s in row.states]),
                dstates=[d * leaves for d in row.dstates],
            ),
        )
        for name in ("y", "dx"):
            assert_same_bits({name: alone[name]}, {name: whole[name][begin:end, [1]]})
        for name in ("state 0", "state 1"):
            if name in whole:
                for d in np.flatnonzero(leaves):
                    np.testing.assert_array_equal(alone[name][d], whole[name][d, [1]])


# --- the batch ------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cell", CELLS)
@given(
    seed=st.integers(0, 2**32 - 1),
    hidden=st.integers(1, 40),
    index=st.lists(st.integers(0, 14), min_size=1, max_size=15, unique=True),
)
@settings(max_examples=4, deadline=None, suppress_health_check=FIXTURES)
def test_sequences_do_not_see_each_other(
    level: str, cell: str, dtype: str, seed: int, hidden: int, index: list[int]
) -> None:
    case = Case(
        cell,
        hidden_size=hidden,
        steps=4,
        batch=15,
        num_layers=2,
        bidirectional=True,
        ragged=True,
        resets=True,
        seed=seed,
    )
    layer = case.layer(dtype)
    whole, some = run(layer, case.inputs), run(layer, case.inputs.rows(index))
    assert_same_bits(rows_of(some, slice(None)), rows_of(whole, index))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cell", CELLS)
def test_a_ragged_batch_is_its_rows(level: str, cell: str, dtype: str) -> None:
    case = Case(
        cell,
        hidden_size=21,
        steps=9,
        batch=7,
        num_layers=2,
        bidirectional=True,
        ragged=True,
        resets=True,
    )
    layer, inputs = case.layer(dtype), case.inputs
    whole = run(layer, inputs)
    total = {name: np.zeros_like(gradient) for name, gradient in layer.grads.items()}
    for b, length in enumerate(inputs.options["lengths"]):
        row = inputs.rows([b])
        alone = run(layer, steps_of(row, 0, length, row.states))
        expected = rows_of(whole, [b])
        for name in ("y", "dx"):
            assert not expected[name][length:].any()
            expected[name] = expected[name][:length]
        assert_same_bits(rows_of(alone, slice(None)), expected)
        for name in total:
            total[name] += alone[name]
    assert_near(total, {name: whole[name] for name in total}, TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_is_past_a_length_is_not_read(level: str, dtype: str) -> None:
    options: dict[str, Any] = {"batch": 7, "num_layers": 2, "bidirectional": True}
    case = Case("lstm peephole", hidden_size=9, ragged=True, **options)
    layer, inputs = case.layer(dtype), case.inputs
    padding = np.arange(case.steps)[:, np.newaxis] >= inputs.options["lengths"]
    x, dy = inputs.x.copy(), inputs.dy.copy()
    x[padding], dy[padding] = np.nan, np.inf
    inputs.options["reset"] = np.zeros_like(padding)
    clean = run(layer, inputs)
    spoilt = replace(inputs, x=x, dy=dy, options=inputs.options | {"reset": padding})
    assert_same_bits(run(layer, spoilt), clean)


# --- threads --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cell", ["gru reset before", "lstm projection"])
def test_a_row_of_a_team_is_a_row_alone(
    level: str, set_threads: Callable[[int], None], cell: str, dtype: str
) -> None:
    # One sequence runs on one thread, the batch on three that share its rows.
    case = Case(cell, input_size=40, hidden_size=60, steps=9, batch=25)
    layer = case.layer(dtype)
    set_threads(3)
    whole = run(layer, case.inputs)
    for b in (0, 11, 24):
        assert_same_bits(rows_of(run(layer, case.inputs.rows([b])), [0]), rows_of(whole, [b]))


@pytest.mark.parametrize("units", range(17, 33))
@pytest.mark.parametrize("cell", ["gru reset after", "gru reset before", "lstm peephole"])
def test_the_last_units_of_a_row_alone(
    level: str, set_threads: Callable[[int], None], cell: str, units: int
) -> None:
    """Few units more than whole vectors share vectors where there are several rows."""
    set_threads(2)
    for dtype in DTYPES:
        for batch in (5, 16):  # units dealt out, and rows
            case = big(cell, input_size=9, hidden_size=units, batch=batch, num_layers=2)
            layer = case.layer(dtype)
            whole = run_forward(layer, case.inputs)
            for b in (0, batch - 1):
                alone = run_forward(layer, case.inputs.rows([b]))
                assert_same_bits(rows_of(alone, [0]), rows_of(whole, [b]))


def test_the_same_bits_again(level: str) -> None:
    case = Case("gru reset after", hidden_size=33, batch=9, num_layers=2, bidirectional=True)
    layer = case.layer("float32")
    values = run(layer, case.inputs)
    for _ in range(3):
        assert_same_bits(run(layer, case.inputs), values)
        assert_same_bits(run_forward(layer, case.inputs), outputs(values))
