"""Dropout between layers: the reference with the masks that were drawn, and their statistics."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rnnfast.reference as ref
from layer_cases import (
    DTYPES,
    TOLERANCE,
    Case,
    Values,
    assert_near,
    assert_same_bits,
    big,
    named,
    outputs,
    run,
    run_forward,
)
from network_cases import CELLS, pack
from rnnfast._checks.adjustments import AdjustmentWarning


def masks_of(layer: Any, steps: int, batch: int) -> list[Any]:
    """The masks that the next pass will draw, by the interface that the kernels have for it."""
    seed = int(copy.deepcopy(layer._rng).integers(2**63))
    return [
        layer.native.dropout_mask(layer.dropout, seed, k, steps, batch)
        for k in range(layer.num_layers - 1)
    ]


def reference_with(masks: list[Any], case: Case) -> Values:
    inputs = case.inputs
    y, final, cache = ref.network_forward(
        case.spec,
        inputs.parameters,
        inputs.x,
        pack(inputs.states),
        **inputs.options,
        dropout_masks=masks,
    )
    dx, initial, grads = ref.network_backward(cache, inputs.dy, pack(inputs.dstates))
    return named(y, final) | named(dx, initial, "d") | grads


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cell", [c for c in CELLS if "zoneout" not in CELLS[c].spec])
def test_dropout_is_a_mask_between_layers(level: str, cell: str, dtype: str) -> None:
    case = Case(
        cell,
        hidden_size=9,
        batch=5,
        num_layers=3,
        bidirectional=True,
        ragged=True,
        resets=True,
    )
    layer = case.layer(dtype, dropout=0.4, seed=1)
    masks = masks_of(layer, case.steps, case.batch)
    assert [mask.dtype for mask in masks] == [layer.dtype, layer.dtype]
    assert not np.array_equal(masks[0], masks[1])
    # The mask's scale, 1 / (1 - p), is rounded to the dtype: so are the reference's masks.
    assert_near(run(layer, case.inputs), reference_with(masks, case), TOLERANCE[dtype])


@pytest.mark.parametrize(
    "team",
    [
        {"batch": 27, "num_layers": 2},
        {"batch": 6, "num_layers": 2, "bidirectional": True},
        {"batch": 2, "num_layers": 3, "ragged": True},  # layers side by side
    ],
)
def test_dropout_of_a_team(
    level: str, set_threads: Callable[[int], None], team: dict[str, Any]
) -> None:
    case = big("gru reset after", hidden_size=40, **team)
    values = []
    for threads in (1, 2, 3):
        set_threads(threads)
        values.append(run(case.layer("float32", dropout=0.3, seed=2), case.inputs))
    assert_same_bits(values[1], values[0])
    assert_same_bits(values[2], values[0])


def test_batch_first_draws_the_same_mask(level: str) -> None:
    case = Case("lstm", num_layers=2, states=False, gradients="y")
    y, _ = case.layer("float64", dropout=0.5, seed=3).forward(case.inputs.x)[0]
    first = case.layer("float64", dropout=0.5, seed=3, batch_first=True)
    swapped, _ = first.forward(np.swapaxes(case.inputs.x, 0, 1))[0]
    np.testing.assert_array_equal(np.swapaxes(swapped, 0, 1), y)


def test_each_pass_draws_anew_and_a_seed_repeats(level: str) -> None:
    case = Case("gru reset after", num_layers=2, states=False)
    layers = [case.layer("float32", dropout=0.5, seed=seed) for seed in (4, 4, 5)]
    passes = [
        [layer.forward(case.inputs.astype("f4").x)[0][0] for _ in range(2)] for layer in layers
    ]
    np.testing.assert_array_equal(passes[0], passes[1])
    assert not np.array_equal(passes[0][0], passes[0][1])
    assert not np.array_equal(passes[0][0], passes[2][0])


def test_no_dropout_where_it_does_not_belong(level: str) -> None:
    case = Case("lstm", num_layers=2)
    plain = run(case.layer("float64"), case.inputs)
    layer = case.layer("float64", dropout=0.5, seed=6)
    assert_same_bits(run_forward(layer, case.inputs), outputs(plain))
    assert not np.array_equal(run(layer, case.inputs)["y"], plain["y"])
    layer.eval()
    assert_same_bits(run(layer, case.inputs), plain)
    layer.train(False)
    assert_same_bits(run(layer, case.inputs), plain)
    layer.train()
    assert not np.array_equal(run(layer, case.inputs)["y"], plain["y"])
    stream = layer.stream(case.batch)
    stream.state = pack(case.inputs.states)
    np.testing.assert_array_equal(stream.run(case.inputs.x), plain["y"])
    # One layer has none above it that could see its outputs less some.
    alone = Case("lstm")
    with pytest.warns(AdjustmentWarning, match=r"^dropout: expected 0 with num_layers=1"):
        layer = alone.layer("float64", dropout=0.5)
    dropping = run(layer, alone.inputs)
    assert_same_bits(dropping, run(alone.layer("float64"), alone.inputs))


def test_everything_dropped(level: str) -> None:
    case = Case("lstm", num_layers=2)
    values = run(case.layer("float64", dropout=1.0), case.inputs)
    masks = [np.zeros((case.steps, case.batch, 5))]
    assert_near(values, reference_with(masks, case), 1e-12)
    assert not values["weight_ih_l1"].any()


@pytest.mark.parametrize("probability", [0.0, 1e-3, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("dtype", DTYPES)
def test_rate_scale_and_independence(level: str, dtype: str, probability: float) -> None:
    case = Case("lstm", hidden_size=64, num_layers=3)
    native = case.layer(dtype).native
    masks = [
        native.dropout_mask(probability, seed, k, 40, 25) for seed, k in [(7, 0), (7, 1), (8, 0)]
    ]
    n = masks[0].size
    spread = 4.5 * np.sqrt(probability * (1 - probability) / n)  # of a rate: 1 in 150,000
    drops = [(mask == 0).astype(float) for mask in masks]
    for mask, drop in zip(masks, drops, strict=True):
        assert abs(drop.mean() - probability) <= spread
        assert np.unique(mask[mask != 0]) == np.dtype(dtype).type(1 / (1 - probability))
    if probability not in (0.1, 0.5, 0.9):
        return
    # Neighbours along every axis, other layers and other seeds are uncorrelated.
    first = drops[0]
    pairs = [(first[1:], first[:-1]), (first[:, 1:], first[:, :-1])]
    pairs += [(first[..., 1:], first[..., :-1]), (first, drops[1]), (first, drops[2])]
    for a, b in pairs:
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) <= 4.5 / np.sqrt(a.size)
