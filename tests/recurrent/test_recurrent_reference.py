"""The layers against the reference: every cell, level, dtype, and way of sharing the work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from layer_cases import (
    DTYPES,
    TEAMS,
    TOLERANCE,
    Case,
    assert_near,
    assert_same_bits,
    big,
    outputs,
    reference,
    run,
    run_forward,
)
from network_cases import CELLS

# Between them: sizes below, at and beyond whole registers of every level; one step, one sequence;
# all of the options, each with each.
CONFIGS: dict[str, dict[str, Any]] = {
    "one of each": {"input_size": 1, "hidden_size": 1, "steps": 1, "batch": 1},
    "one sequence": {"input_size": 7, "hidden_size": 17, "batch": 1, "resets": True},
    "deep": {"hidden_size": 33, "batch": 3, "num_layers": 2, "states": False},
    "ragged": {"input_size": 5, "hidden_size": 3, "batch": 6, "ragged": True, "bias": False},
    "both ways": {"hidden_size": 17, "batch": 13, "bidirectional": True, "gradients": "y"},
    "final state": {"input_size": 16, "hidden_size": 16, "resets": True, "gradients": "state"},
    "wide": {"input_size": 33, "hidden_size": 65, "steps": 3, "batch": 6, "num_layers": 2},
    "all": {
        "hidden_size": 19,
        "steps": 7,
        "batch": 6,
        "num_layers": 2,
        "bidirectional": True,
        "ragged": True,
        "resets": True,
    },
    "all without": {
        "hidden_size": 8,
        "batch": 13,
        "num_layers": 3,
        "bidirectional": True,
        "bias": False,
        "ragged": True,
        "resets": True,
        "states": False,
        "gradients": "state",
    },
    "indices": {
        "input_size": 21,
        "hidden_size": 9,
        "batch": 6,
        "num_layers": 2,
        "bidirectional": True,
        "ragged": True,
        "resets": True,
        "indices": True,
    },
    "rows of many chunks": {"hidden_size": 4, "steps": 70, "batch": 9, "ragged": True},
    "rows of several products": {
        "hidden_size": 5,
        "num_layers": 2,
        "steps": 160,
        "batch": 12,
        "ragged": True,
    },
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("cell", CELLS)
def test_same_as_the_reference(level: str, cell: str, config: str, dtype: str) -> None:
    case = Case(cell, **CONFIGS[config])
    layer = case.layer(dtype)
    values = run(layer, case.inputs)
    # The norm of a few numbers takes most of a gradient away: what is left has the error of all.
    least = 0.1 if layer.hidden_size == 1 and layer.spec.cell.name.startswith("layer_norm") else 0.0
    assert_near(values, reference(case), TOLERANCE[dtype], least)
    # A plain call keeps nothing and gives the same.
    assert_same_bits(run_forward(layer, case.inputs), outputs(values))


@pytest.mark.parametrize("hidden_size", range(1, 17))
@pytest.mark.parametrize("cell", ["gru reset after", "gru reset before", "lstm", "lstm peephole"])
def test_any_number_of_units_in_the_last_vector(level: str, cell: str, hidden_size: int) -> None:
    case = Case(cell, hidden_size=16 + hidden_size, steps=3, batch=15, ragged=True)
    for dtype in DTYPES:
        layer = case.layer(dtype)
        values = run(layer, case.inputs)
        assert_near(values, reference(case), TOLERANCE[dtype])
        assert_same_bits(run_forward(layer, case.inputs), outputs(values))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("team", TEAMS)
@pytest.mark.parametrize("cell", CELLS)
def test_a_team_gives_the_same_bits(
    level: str, set_threads: Callable[[int], None], cell: str, team: str, dtype: str
) -> None:
    counts, options = TEAMS[team]
    case = big(cell, **options)
    layer = case.layer(dtype)
    set_threads(1)
    values = run(layer, case.inputs)
    assert_near(values, reference(case), TOLERANCE[dtype])
    for count in counts:
        set_threads(count)
        assert_same_bits(run(layer, case.inputs), values)
        assert_same_bits(run_forward(layer, case.inputs), outputs(values))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    sizes = st.one_of(st.integers(1, 9), st.integers(10, 70))
    indices, cell = draw(st.booleans()), draw(st.sampled_from(list(CELLS)))
    return Case(
        cell=cell,
        input_size=max(draw(sizes), 1 + indices),  # one index alone is refused
        # The norm of few units may divide by next to nothing, and with that what was rounded.
        hidden_size=max(draw(sizes), 8 if "layer norm" in cell else 1),
        steps=draw(st.integers(1, 9)),
        batch=draw(st.integers(2, 15)),
        num_layers=draw(st.integers(1, 3)),
        bidirectional=draw(st.booleans()),
        bias=draw(st.booleans()),
        ragged=draw(st.booleans()),
        resets=draw(st.booleans()),
        states=draw(st.booleans()),
        gradients=draw(st.sampled_from(["y", "state", "both"])),
        indices=indices,
        seed=draw(st.integers(0, 2**32 - 1)),
    )


@given(case=cases(), threads=st.integers(1, 3))
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_network(
    level: str, set_threads: Callable[[int], None], case: Case, threads: int
) -> None:
    set_threads(threads)
    for dtype in DTYPES:
        # Norms divide by small deviations; up to 3 times the tolerance was seen.
        slack = 10 if "layer norm" in case.cell and dtype == "float32" else 1
        # Where all units are saturated, gradients are the rounding of 1 - tanh^2.
        values = run(case.layer(dtype), case.inputs)
        assert_near(values, reference(case), slack * TOLERANCE[dtype], 0.05)
