"""Calls of microseconds go another way than all others, to the same bits."""

import numpy as np
import pytest

import rnnfast as rf

LAYERS = (
    rf.RNN, rf.GRU, rf.LSTM, rf.MinGRU, rf.MinLSTM, rf.IndRNN, rf.QRNN, rf.SRU, rf.LayerNormLSTM,
)  # fmt: skip


def plain_calls(layer):
    """Count what the short way takes, and return the counts and the layer."""
    counts = []
    short = layer._short_call

    def counted(*arguments):
        answer = short(*arguments)
        counts.append(answer is not None)
        return answer

    vars(layer)["_short_call"] = counted
    return counts


def the_long_way(layer):
    vars(layer)["_short_call"] = lambda *arguments: None


def states(layer, batch, rng):
    shape = (layer.num_layers * layer.num_directions, batch)
    h = rng.standard_normal((*shape, layer.output_size)).astype(layer.dtype)
    if not layer.spec.cell.has_memory:
        return h
    return h, rng.standard_normal((*shape, layer.hidden_size)).astype(layer.dtype)


def flat(results):
    y, state = results
    return [y, *state] if isinstance(state, tuple) else [y, state]


def options(layer):
    both = {} if layer in (rf.MinGRU, rf.MinLSTM, rf.IndRNN) else {"bidirectional": True}
    return {"num_layers": 2, **both}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("kind", LAYERS)
def test_the_short_way_gives_the_bits_of_the_long_one(kind, batch_first, dtype):
    rng = np.random.default_rng(1)
    layer = kind(5, 17, batch_first=batch_first, dtype=dtype, seed=2, **options(kind))
    for steps, batch in ((1, 1), (3, 1), (1, 3), (7, 5)):
        wide = rng.standard_normal((2 * steps, batch, 5)).astype(dtype)
        for x in (
            wide[::2],
            wide[:steps],
            wide[:steps][::-1],
            np.broadcast_to(wide[0], wide.shape),
        ):
            given = np.swapaxes(x, 0, 1) if batch_first else x
            for state in (None, states(layer, batch, rng)):
                counts = plain_calls(layer)
                short = flat(layer(given, state))
                kept, backprop = layer.forward(given, state)
                dy = rng.standard_normal(kept[0].shape).astype(dtype)
                dx = backprop(dy)[0]
                grads = layer.grads["weight_ih_l0"].copy()
                layer.zero_grad()
                assert counts == [True, True]
                the_long_way(layer)
                long = flat(layer(given, state))
                same, long_backprop = layer.forward(given, state)
                long_dx = long_backprop(dy)[0]
                for one, other, third in zip(short, long, flat(kept), strict=True):
                    np.testing.assert_array_equal(one, other)
                    np.testing.assert_array_equal(one, third)
                np.testing.assert_array_equal(flat(same)[0], short[0])
                np.testing.assert_array_equal(dx, long_dx)
                np.testing.assert_array_equal(grads, layer.grads["weight_ih_l0"])
                layer.zero_grad()
                del vars(layer)["_short_call"]


def test_what_needs_a_look_goes_the_long_way():
    layer = rf.GRU(4, 3, seed=0)
    x = np.ones((2, 1, 4), np.float32)
    h = np.zeros((1, 1, 3), np.float32)
    counts = plain_calls(layer)

    class Own(np.ndarray):
        pass

    odd = np.frombuffer(b"\0" * 33, np.uint8)[1:].view(np.float32).reshape(2, 1, 4)
    expected = layer(x)[0]
    for given, state in (
        (x.view(Own), None),
        (x[:, 0], None),
        (np.zeros((2, 1), np.int64), None),
        (odd, None),
        (x[:, :, ::-1], None),
        (x[:0], None),
        (x[:, :0], None),
        (x, h[:, :, ::-1]),
        (x, h.view(Own)),
    ):
        layer(given, state)
        layer.forward(given, state)
    np.testing.assert_array_equal(layer(x, lengths=[2])[0], expected)
    assert counts == [True] + [False] * 18


@pytest.mark.parametrize("kind", [rf.GRU, rf.LSTM])
def test_what_is_wrong_is_said_as_ever(kind):
    layer = kind(4, 3, seed=0)
    pair = (lambda h: h) if kind is rf.GRU else (lambda h: (h, np.zeros((1, 1, 3), np.float32)))
    x = np.ones((2, 1, 4), np.float32)
    holed, h = x.copy(), np.zeros((1, 1, 3), np.float32)
    holed[1, 0, 2] = np.nan
    for run in (layer, layer.forward):
        with pytest.raises(ValueError, match=r"x: expected finite numbers.*time 1 of sequence 0"):
            run(holed)
        with pytest.raises(ValueError, match="h0: expected finite numbers, got NaN"):
            run(x, pair(np.full_like(h, np.inf)))
        with pytest.raises(ValueError, match=r"h0: expected shape .1, 1, 3., got .2, 1, 3."):
            run(x, pair(np.zeros((2, 1, 3), np.float32)))
        with pytest.raises(TypeError, match="x: expected dtype float32 or integers, got float64"):
            run(x.astype(float))
        with pytest.raises(ValueError, match=r"x: expected shape .T, B, 4."):
            run(np.ones((2, 1, 5), np.float32))


def test_the_kept_output_is_read_only_until_backpropagation_and_the_input_watched():
    layer = rf.LSTM(4, 3, seed=0)
    x = np.ones((2, 1, 4), np.float32)
    (y, _), backprop = layer.forward(x)
    assert not y.flags.writeable
    backprop(np.ones_like(y))
    assert y.flags.writeable
    _, backprop = layer.forward(x)
    x[0, 0, 0] = 2
    with pytest.raises(RuntimeError, match="written to"):
        backprop(np.ones_like(y))


def test_dropout_acts_on_short_passes_that_are_kept():
    layer = rf.RNN(4, 65, num_layers=2, dropout=0.5, seed=0)
    x = np.ones((2, 1, 4), np.float32)
    assert not np.array_equal(layer.forward(x)[0][0], layer.forward(x)[0][0])


def test_changed_weights_are_seen():
    layer = rf.RNN(4, 3, seed=0)
    x = np.ones((2, 1, 4), np.float32)
    before = layer(x)[0]
    layer.parameters()["weight_ih_l0"].assign(np.zeros((3, 4), np.float32))
    assert not np.array_equal(before, layer(x)[0])
