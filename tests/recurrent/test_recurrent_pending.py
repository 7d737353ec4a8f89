"""Arrays that backpropagation reads again cannot change meanwhile without a word."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

import network_cases
import rnnfast as rf
from rnnfast.nn.recurrent.base import LAYERS


def make(kind: type, spec: dict[str, Any], **options: Any) -> Any:
    own = {name: value for name, value in spec.items() if name != "cell"}
    layer = kind(4, 5, **own, **options)
    layer.train("zoneout" not in own)  # so that nothing is drawn
    return layer


CELLS: dict[str, Any] = {
    name: functools.partial(make, LAYERS[case.spec["cell"]], case.spec)
    for name, case in network_cases.CELLS.items()
}
OPTIONS: list[dict[str, Any]] = [
    {},
    {"num_layers": 2, "bidirectional": True},
    {"batch_first": True},
]
WRITTEN = "backprop: expected x as it was in the forward pass, but it was written to"


def new_input(layer: Any, dtype: Any = None) -> Any:
    shape = (3, 6, 4) if layer.batch_first else (6, 3, 4)
    return np.random.default_rng(0).normal(size=shape).astype(dtype or layer.dtype)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("recompute", [False, True])
def test_a_changed_x_is_found_out(cell: str, options: Any, dtype: str, recompute: bool) -> None:
    layer = CELLS[cell](dtype=dtype, seed=0, **options)

    def negate(x: Any) -> None:
        np.negative(x, out=x)

    def exchange(x: Any) -> None:
        x[[0, 1]] = x[[1, 0]]

    def one_number(x: Any) -> None:
        x[-1, -1, -1] = np.nextafter(x[-1, -1, -1], x.dtype.type(9))

    for change in (negate, exchange, one_number):
        x = new_input(layer)
        (y, _), backprop = layer.forward(x, recompute=recompute)
        layer.zero_grad()
        change(x)
        with pytest.raises(RuntimeError, match=WRITTEN):
            backprop(np.ones_like(y))
        assert not any(g.any() for g in layer.grads.values())


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("recompute", [False, True])
def test_what_is_not_read_may_change(cell: str, options: Any, recompute: bool) -> None:
    """Padding, states, lengths and resets; and x itself once it is back as it was."""
    layer = CELLS[cell](dtype="float64", seed=0, **options)
    x = new_input(layer)
    lengths = np.array([6, 2, 0])
    states = layer.num_layers * layer.num_directions
    h0 = np.ones((states, 3, layer.output_size))
    pair = layer.spec.cell.has_memory
    c0 = np.ones((states, 3, layer.spec.memory_size))
    results = []
    for changed in (False, True):
        layer.zero_grad()
        (y, _), backprop = layer.forward(
            x, (h0, c0) if pair else h0, lengths=lengths, recompute=recompute
        )
        dy = np.ones_like(y)
        if changed:
            kept = x.copy()
            x[...] = 0
            for b, end in enumerate(lengths):
                at = (b, slice(end)) if layer.batch_first else (slice(end), b)
                x[at] = kept[at]
            h0[...] = c0[...] = 7
            lengths[...] = 1
        dx, _ = backprop(dy)
        results.append([dx, *(g.copy() for g in layer.grads.values())])
    for before, after in zip(*results, strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("view", ["transposed", "reversed", "wide", "broadcast"])
@pytest.mark.parametrize("recompute", [False, True])
def test_views_are_watched(view: str, recompute: bool) -> None:
    layer = rf.GRU(4, 5, seed=0)
    base = np.random.default_rng(0).normal(size=(6, 6, 8)).astype(np.float32)
    x = {
        "transposed": base[..., :4].transpose(1, 0, 2),
        "reversed": base[::-1, :, 4:],
        "wide": base[:, ::2, 2:6],
        "broadcast": np.broadcast_to(base[0, 0, :4], (6, 3, 4)),
    }[view]
    (y, _), backprop = layer.forward(x, recompute=recompute)
    backprop(np.ones_like(y))
    (y, _), backprop = layer.forward(x, recompute=recompute)
    base += 1
    with pytest.raises(RuntimeError, match=WRITTEN):
        backprop(np.ones_like(y))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("options", OPTIONS)
def test_y_is_read_only_until_backprop_has_run(cell: str, options: Any) -> None:
    layer = CELLS[cell](seed=0, **options)
    for single in (False, True):
        x = new_input(layer)
        x = (x[0] if layer.batch_first else x[:, 0]) if single else x
        (y, state), backprop = layer.forward(x)
        before = y.copy()
        with pytest.raises(ValueError, match="read-only"):
            y *= 3
        for s in state if isinstance(state, tuple) else (state,):
            s *= 3  # not read again
        with pytest.raises(ValueError, match="dy: expected"):
            backprop(y[:2])
        assert not y.flags.writeable
        backprop(np.ones_like(y))
        np.testing.assert_array_equal(y, before)
        y *= 3
    assert layer(new_input(layer))[0].flags.writeable


@pytest.mark.parametrize("cell", CELLS)
def test_recomputing_copies_indices(cell: str) -> None:
    layer = CELLS[cell](seed=0)
    results = []
    for changed in (False, True):
        x = np.random.default_rng(0).integers(0, 4, (6, 3))
        layer.zero_grad()
        (y, _), backprop = layer.forward(x, recompute=True)
        if changed:
            x[...] = 3
        backprop(np.ones_like(y))
        results.append([g.copy() for g in layer.grads.values()])
    for before, after in zip(*results, strict=True):
        np.testing.assert_array_equal(before, after)
