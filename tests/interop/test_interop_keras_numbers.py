"""Numbers that Keras's layers are known to give, and masks; Keras is not needed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from rnnfast.interop.keras import masked_call
from rnnfast.interop.keras._layers import BLOCKS, Node, convert

LEFT = frozenset({"go_backwards"})


def constant(
    kind: str, units: int, inputs: int, values: Any = (0.01, 0.02, 0.03), **options: Any
) -> Node:
    """Return a layer of Keras whose arrays are one number each, the forget gate's bias apart."""
    rows = BLOCKS[kind] * units
    both = kind == "GRU" and options.get("reset_after", True)
    shapes = {"kernel": (inputs, rows), "recurrent_kernel": (units, rows)}
    if options.get("use_bias", True):
        shapes["bias"] = (2, rows) if both else (rows,)
    arrays = {
        name: np.full(shape, value, np.float32)
        for (name, shape), value in zip(shapes.items(), values, strict=False)
    }
    if kind == "LSTM" and "bias" in arrays and options.get("unit_forget_bias", True):
        arrays["bias"][units : 2 * units] = 1
    return Node("layer", kind, {"units": units, **options}, arrays)


def sequence(*shape: int) -> Any:
    return np.arange(np.prod(shape)).reshape(shape).astype(np.float32)


def both_ways(node: Node, backward: Node, merge: str) -> Any:
    parts = node, backward
    return convert(Node("layer", "Bidirectional", {"merge_mode": merge}, directions=parts), LEFT)


RNN, GRU, LSTM = "SimpleRNN", "GRU", "LSTM"
BACK = {"go_backwards": True}


@pytest.mark.parametrize(
    ("kind", "units", "shape", "options", "expected"),
    [
        (RNN, 4, (2, 3, 4), {}, [0.405432, 0.73605347]),
        (RNN, 4, (2, 3, 4), BACK, [0.11144729, 0.5528889]),
        (GRU, 3, (3, 6, 4), {}, [0.5217289, 0.6371659, 0.39384964]),
        (GRU, 3, (3, 6, 4), BACK, [0.24406259, 0.611516, 0.3928808]),
        (GRU, 3, (3, 6, 4), {"unroll": True}, [0.5217289, 0.6371659, 0.39384964]),
        (GRU, 3, (3, 6, 4), {"reset_after": False}, [0.51447755, 0.6426879, 0.40208298]),
        (GRU, 3, (3, 6, 4), {"use_bias": False}, [0.49988455, 0.64701194, 0.4103359]),
        (LSTM, 3, (3, 6, 4), {"implementation": 1}, [0.6288687, 0.86899155, 0.9460773]),
        (LSTM, 3, (3, 6, 4), BACK, [0.35622165, 0.74789524, 0.8872726]),
        (LSTM, 3, (3, 6, 4), {"unit_forget_bias": False}, [0.57019705, 0.8661914, 0.9459622]),
        (LSTM, 3, (3, 6, 4), {"use_bias": False}, [0.54986924, 0.86226785, 0.9443936]),
    ],
)
def test_last_outputs(
    kind: str, units: int, shape: Any, options: dict[str, Any], expected: list[float]
) -> None:
    layer: Any = convert(constant(kind, units, shape[-1], **options), LEFT)
    y, _ = masked_call(layer, sequence(*shape), go_backwards="go_backwards" in options)
    np.testing.assert_allclose(y[:, -1], np.repeat(np.array(expected)[:, None], units, 1), 1e-5)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (RNN, [0.40559256, 0.7361247]),
        (GRU, [0.29542392, 0.5885018]),
        (LSTM, [0.3124785, 0.6863672]),
    ],
)
def test_a_state_that_is_handed_on(kind: str, expected: list[float]) -> None:
    layer: Any = convert(constant(kind, 4, 4, stateful=True), LEFT)
    x = sequence(2, 3, 4)
    y, _ = layer(x, layer(x)[1])
    np.testing.assert_allclose(y[:, -1], np.repeat(np.array(expected)[:, None], 4, 1), 1e-5)


@pytest.mark.parametrize(
    ("kind", "units", "backwards", "expected"),
    [
        (RNN, 4, False, [[0.33621645] * 4, [0.6262637] * 4]),
        (RNN, 4, True, [[0.07344437] * 4, [0.43043602] * 4]),
        (GRU, 2, False, [[0.23774096, 0.33508456], [0.83659905, 1.0227708]]),
        (GRU, 2, True, [[0.13486053, 0.23261218], [0.78257304, 0.9691353]]),
        (LSTM, 2, False, [[0.20574439, 0.3558822], [0.64930826, 0.66276]]),
        (LSTM, 2, True, [[0.13281618, 0.2790356], [0.5839337, 0.5992567]]),
    ],
)
def test_initial_states(kind: str, units: int, backwards: bool, expected: Any) -> None:
    layer: Any = convert(constant(kind, units, 3), LEFT)
    h = sequence(1, 2, units)
    state = (h, h) if kind == LSTM else h
    y, _ = masked_call(layer, sequence(2, 4, 3), state=state, go_backwards=backwards)
    np.testing.assert_allclose(y[:, -1], expected, 1e-5)


GAPS = np.array([[True, True, False, True], [True, False, False, True]])
RIGHT = np.array([[True, True, True, False], [True, True, False, False]])


@pytest.mark.parametrize(
    ("kind", "mask", "zeros", "expected"),
    [
        (RNN, GAPS, False, [[0.0599281, 0.15122814, 0.15122814, 0.32394567],
                            [0.3969304, 0.3969304, 0.3969304, 0.608085]]),
        (RNN, GAPS, True, [[0.0599281, 0.15122814, 0, 0.32394567], [0.3969304, 0, 0, 0.608085]]),
        (GRU, GAPS, False, [[0.03606692, 0.09497581, 0.09497581, 0.19393763],
                            [0.16051409, 0.16051409, 0.16051409, 0.30818558]]),
        (GRU, GAPS, True, [[0.03606692, 0.09497581, 0, 0.19393763],
                           [0.16051409, 0, 0, 0.30818558]]),
        (LSTM, RIGHT, False, [[0.01588910, 0.05552048, 0.11755939, 0.11755939],
                              [0.14185596, 0.28556206, 0.28556206, 0.28556206]]),
        (LSTM, RIGHT, True, [[0.01588910, 0.05552048, 0.11755939, 0],
                             [0.14185596, 0.28556206, 0, 0]]),
    ],
)  # fmt: skip
def test_masks(kind: str, mask: Any, zeros: bool, expected: Any) -> None:
    layer: Any = convert(constant(kind, 2, 3), LEFT)
    y, _ = masked_call(layer, sequence(2, 4, 3), mask, zero_output_for_mask=zeros)
    np.testing.assert_allclose(y, np.repeat(np.array(expected)[..., None], 2, -1), 1e-5)


@pytest.mark.parametrize(
    ("kind", "units", "mask", "expected"),
    [
        (RNN, 4, GAPS, [0.07376196, 0.43645123]),
        (GRU, 2, GAPS, [0.11669192, 0.28380975]),
        (LSTM, 2, RIGHT[:, ::-1], [0.15341201, 0.3844719]),
    ],
)
def test_masks_backwards(kind: str, units: int, mask: Any, expected: list[float]) -> None:
    layer: Any = convert(constant(kind, units, 3), LEFT)
    y, _ = masked_call(layer, sequence(2, 4, 3), mask, go_backwards=True)
    np.testing.assert_allclose(y[:, -1], np.repeat(np.array(expected)[:, None], units, 1), 1e-5)


def test_both_directions() -> None:
    x = sequence(2, 3, 4)
    rnn, back = (constant(RNN, 2, 4, go_backwards=b) for b in (False, True))
    _, h = both_ways(rnn, back, "concat")(x)
    np.testing.assert_allclose(h[:, :, 0].T, [[0.39687276, 0.10004295], [0.7237238, 0.53391594]],
                               1e-5)  # fmt: skip
    other = constant(RNN, 2, 4, (0.03, 0.02, 0.01), **BACK)
    _, states = both_ways(rnn, other, "mul")(x, return_state=True)
    product = states["forward_layer"] * states["reverse_layer"]
    np.testing.assert_allclose(product[0, :, 0], [0.08374989, 0.6740834], 1e-5)
    gru, back = (constant(GRU, 2, 4, go_backwards=b) for b in (False, True))
    np.testing.assert_allclose(
        both_ways(gru, back, "sum")(x)[..., 0],
        [[0.20937867, 0.34462988, 0.40290534], [0.59829646, 0.6734641, 0.6479671]],
        1e-5,
    )
    lstm, back = (constant(LSTM, 2, 3, go_backwards=b) for b in (False, True))
    h0, c0 = (np.stack([sequence(2, 2) * n for n in pair]) for pair in ((1, 3), (2, 4)))
    _, (h, _) = both_ways(lstm, back, "concat")(sequence(2, 4, 3), (h0, c0))
    expected = [[0.20794602, 0.4577124, 0.14046375, 0.48191673],
                [0.6682636, 0.6711909, 0.60943645, 0.60950446]]  # fmt: skip
    np.testing.assert_allclose(np.concatenate(h, -1), expected, 1e-5)
    _, (h, c) = both_ways(lstm, back, "concat")(sequence(2, 4, 3))
    np.testing.assert_allclose(h[..., 0], [[0.1990008, 0.52335435], [0.12659755, 0.44717982]], 1e-5)
    np.testing.assert_allclose(c[..., 0], [[0.35567185, 1.0492687], [0.2501858, 0.941473]], 1e-5)
    gru, back = (constant(GRU, 2, 3, go_backwards=b) for b in (False, True))
    _, h = masked_call(both_ways(gru, back, "concat"), sequence(2, 4, 3), GAPS)
    np.testing.assert_allclose(
        h[..., 0], [[0.19393763, 0.30818558], [0.11669192, 0.28380975]], 1e-5
    )


# Masks of any layer of ours


LAYERS = [
    rf.RNN(3, 4, seed=0, dtype="float64"),
    rf.GRU(3, 4, 2, seed=0, dtype="float64", batch_first=True),
    rf.LSTM(3, 4, seed=0, dtype="float64", proj_size=2),
    rf.MinGRU(3, 4, seed=0, dtype="float64") if hasattr(rf, "MinGRU") else rf.RNN(3, 4),
    rf.LSTM(3, 4, 2, seed=0, dtype="float64", bidirectional=True),
    rf.bidirectional(rf.LSTM(3, 4, seed=0, dtype="float64"), merge="sum"),
]


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_a_masked_call_is_that_of_each_sequence_without_its_masked_steps(layer: Any) -> None:
    rng = np.random.default_rng(5)
    x, mask = rng.normal(size=(7, 5, 3)), rng.random((7, 5)) < 0.5
    mask[:, 0], mask[:, 1] = False, True
    x[~mask] = np.nan
    swap = (lambda a: np.swapaxes(a, 0, 1)) if layer.batch_first else (lambda a: a)
    y, state = masked_call(layer, swap(x), swap(mask), zero_output_for_mask=True)
    y = swap(y)
    assert not y[~mask].any()
    for b in range(5):
        steps = mask[:, b]
        if steps.any():
            alone, _ = masked_call(layer, swap(x[steps][:, b : b + 1]))
            np.testing.assert_allclose(y[steps, b], swap(alone)[:, 0], rtol=1e-12)
    if not isinstance(state, dict):
        h = state[0] if isinstance(state, tuple) else state
        assert not h[:, 0].any()  # of the sequence without a step: where it began


def test_outputs_are_repeated_and_zero_before_the_first_step() -> None:
    layer, rng = LAYERS[0], np.random.default_rng(1)
    x, h0 = rng.normal(size=(4, 1, 3)), rng.normal(size=(1, 1, 4))
    y, h = masked_call(layer, x, np.array([[False], [True], [False], [True]]), h0)
    expected, last = layer(x[[1, 3]], h0)
    np.testing.assert_array_equal(y, np.stack([0 * expected[0], expected[0], *expected]))
    np.testing.assert_array_equal(h, last)
    indices = np.array([[0], [2], [1], [0]])
    y, _ = masked_call(layer, indices, np.array([[False], [True], [False], [True]]))
    np.testing.assert_array_equal(y[[1, 3]], layer(indices[[1, 3]])[0])


def test_a_call_that_does_not_fit_is_refused() -> None:
    layer, x = LAYERS[0], np.zeros((4, 2, 3))
    for options, error, message in (
        ({"mask": np.ones((4, 2))}, TypeError, "mask: expected bools, got dtype float64"),
        ({"mask": np.ones((2, 4), bool)}, ValueError, r"mask: expected shape \(4, 2\), got"),
        ({"go_backwards": 1}, TypeError, "go_backwards: expected"),
        ({"zero_output_for_mask": 1}, TypeError, "zero_output_for_mask: expected"),
    ):
        with pytest.raises(error, match=message):
            masked_call(layer, x, **options)
    with pytest.raises(
        ValueError, match=r"x: expected axes for time and batch, got shape \(4, 3\)"
    ):
        masked_call(layer, x[:, 0])
    with pytest.raises(TypeError, match="layer: expected a recurrent layer, got Linear"):
        masked_call(rf.Linear(3, 2), x)  # type: ignore[arg-type]
    for both in LAYERS[-2:]:
        with pytest.raises(ValueError, match="go_backwards: expected False in both directions"):
            masked_call(both, x, go_backwards=True)
        with pytest.raises(ValueError, match="zero_output_for_mask: expected True or None"):
            masked_call(both, x, zero_output_for_mask=False)
