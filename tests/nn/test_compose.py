"""Networks made of parts: what they compute, their gradients, states, and what they refuse."""

from __future__ import annotations

import copy
import functools
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from gradcheck import assert_gradients
from rnnfast.nn._reversal import reverse, reverse_reset
from rnnfast.nn.recurrent.base import LAYERS

T, B, I, H, V = 6, 4, 3, 4, 5  # noqa: E741
LENGTHS = np.array([6, 0, 3, 5])
RNG = np.random.default_rng(0)
X = RNG.normal(size=(T, B, I))
TOKENS = RNG.integers(V, size=(T, B))
RESET = RNG.random((T, B)) < 0.3
F64: dict[str, Any] = {"dtype": "float64", "seed": 1}


def raises(error: type[Exception], message: str) -> Any:
    return pytest.raises(error, match=f"^{re.escape(message)}$")


def leaves(state: Any) -> list[Any]:
    """Return the arrays of states by place, in order."""
    return [
        part
        for _, value in sorted(state.items())
        for part in (value if isinstance(value, tuple) else (value,))
    ]


class Doubled(rf.Module):
    """A part of one's own: runs over time, with state, and takes lengths by any name."""

    def __init__(self) -> None:
        self.inner = rf.GRU(I, H, **F64)

    def forward(self, x: Any, **options: Any) -> Any:
        (y, _), back = self.inner.forward(x, **options)
        return 2 * y, lambda dy: back(2 * dy)[0]


shared = rf.residual(rf.chain(rf.GRU(I, H, **F64), rf.Linear(H, I, **F64)))
NETWORKS: dict[str, Callable[[], Any]] = {
    "stack": lambda: rf.chain(rf.LSTM(I, H, **F64), rf.GRU(H, H, **F64), rf.Linear(H, 2, **F64)),
    "tokens": lambda: rf.chain(rf.Embedding(V, I, **F64), rf.RNN(I, H, **F64)),
    "one-hot": lambda: rf.chain(rf.GRU(V, H, **F64), rf.Linear(H, 2, **F64)),
    "concat": lambda: rf.bidirectional(rf.LSTM(I, H, 2, **F64)),
    "sum": lambda: rf.bidirectional(rf.GRU(I, H, **F64), merge="sum"),
    "mean": lambda: rf.bidirectional(rf.RNN(I, H, **F64), merge="mean"),
    "product": lambda: rf.bidirectional(rf.GRU(I, H, **F64), merge="product"),
    "two kinds": lambda: rf.bidirectional(rf.GRU(I, H, **F64), rf.LSTM(I, 2, **F64)),
    "residual": lambda: rf.chain(rf.residual(rf.GRU(I, I, **F64)), rf.GRU(I, H, **F64)),
    "side by side": lambda: rf.concatenate(rf.GRU(I, H, **F64), rf.Linear(I, 2, **F64)),
    "shared": lambda: rf.chain(shared, rf.Linear(I, I, **F64), shared),
    "nested": lambda: rf.chain(
        rf.chain(rf.Linear(I, H, **F64)),
        rf.residual(rf.bidirectional(rf.GRU(H, H, **F64), merge="sum")),
        rf.concatenate(rf.LSTM(H, 2, **F64), rf.chain(rf.GRU(H, 2, **F64))),
    ),
    "activations": lambda: rf.chain(
        rf.Linear(I, H, **F64),
        rf.Activation("tanh"),
        rf.GRU(H, H, **F64),
        rf.Activation("relu"),
        rf.Linear(H, H, **F64),
        rf.Activation("sigmoid"),
    ),
    "own": lambda: rf.chain(Doubled(), rf.Linear(H, 2, **F64)),
}
POOLED: dict[str, Callable[[], Any]] = {
    **{
        how: lambda how=how: rf.chain(  # type: ignore[misc]
            rf.GRU(I, H, bidirectional=True, **F64), rf.Pooling(how, num_directions=2)
        )
        for how in ("last", "mean", "max", "concat")
    },
    "self-attention": lambda: rf.chain(
        rf.GRU(I, H, **F64), rf.SelfAttention(rf.DotAttention(H, H, **F64)), rf.Pooling("mean")
    ),
    "attention": lambda: rf.chain(
        rf.bidirectional(rf.LayerNormLSTM(I, 2, **F64)),
        rf.AttentionPooling(rf.AdditiveAttention(3, H, 5, **F64), seed=2),
        rf.Linear(H, 2, **F64),
    ),
    "poolings": lambda: rf.chain(
        rf.GRU(I, H, **F64), rf.concatenate(rf.Pooling("mean"), rf.Pooling("last"))
    ),
}


def input_of(name: str) -> Any:
    return TOKENS if name in ("tokens", "one-hot") else X.copy()


def assert_network_gradients(net: Any, x: Any, **options: Any) -> None:
    """Compare the gradients of x, parameters and initial states with central differences."""
    rng = np.random.default_rng(3)
    arguments = net.state_dict()
    _, state = net(x, **options, return_state=True)
    initial = {
        place: tuple(rng.normal(size=p.shape) for p in value)
        if isinstance(value, tuple)
        else rng.normal(size=value.shape)
        for place, value in state.items()
    }
    y = net(x, **options)
    dy = rng.normal(size=y.shape)
    inside = np.arange(T)[:, np.newaxis] < options.get("lengths", np.full(B, T))
    if y.shape[:2] == (T, B):
        dy *= inside[..., np.newaxis]  # what stands past a length has no meaning
    dstate = {
        place: tuple(rng.normal(size=p.shape) for p in value)
        if isinstance(value, tuple)
        else rng.normal(size=value.shape)
        for place, value in state.items()
    }

    def value() -> float:
        net.load_state_dict(arguments)
        y, state = net(x, state=initial, return_state=True, **options)
        pairs = zip(leaves(state), leaves(dstate), strict=True)
        return float((y * dy).sum() + sum((s * d).sum() for s, d in pairs))

    value()
    net.zero_grad()
    (out, _), backprop = net.forward(x, state=initial, return_state=True, **options)
    np.testing.assert_array_equal(out, net(x, state=initial, **options))
    dx, dinitial = backprop(dy, dstate)
    moved = dict(arguments)
    gradients = {name: grad.copy() for name, grad in net.grads.items()}
    for number, (array, gradient) in enumerate(zip(leaves(initial), leaves(dinitial), strict=True)):
        moved[f"state {number}"], gradients[f"state {number}"] = array, gradient
    if x.dtype.kind == "f":
        moved["x"], gradients["x"] = x, dx
    else:
        assert dx is None
    assert_gradients(value, moved, gradients, directions=3, tolerance=3e-7)


CASES: dict[str, dict[str, Any]] = {
    "even": {},
    "ragged": {"lengths": LENGTHS},
    "reset": {"reset": RESET},
    "both": {"lengths": LENGTHS, "reset": RESET},
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", NETWORKS)
def test_gradients(name: str, case: str) -> None:
    assert_network_gradients(NETWORKS[name](), input_of(name), **CASES[case])


@pytest.mark.parametrize("case", ["even", "ragged"])
@pytest.mark.parametrize("name", POOLED)
def test_gradients_of_poolings(name: str, case: str) -> None:
    net = POOLED[name]()
    if name == "max":  # no ties at places that a step of the differences may cross
        net = copy.deepcopy(net)
    assert_network_gradients(net, X.copy(), **CASES[case])


@pytest.mark.parametrize("case", CASES)
def test_a_chain_is_its_parts_wired_by_hand(case: str) -> None:
    options = CASES[case]
    embedding, lstm = rf.Embedding(V, I, seed=0), rf.LSTM(I, H, 2, dropout=0.3, seed=1)
    dropout, linear = rf.Dropout(0.4, seed=2), rf.Linear(H, 2, seed=3)
    net = copy.deepcopy(rf.chain(embedding, lstm, dropout, linear))
    v, to_tokens = embedding.forward(TOKENS)
    (h, state), to_v = lstm.forward(v, **options)
    d, to_h = dropout.forward(h)
    want, to_d = linear.forward(d)
    (y, states), backprop = net.forward(TOKENS, **options, return_state=True)
    assert np.array_equal(y, want)
    assert list(states) == ["1"] and all(map(np.array_equal, states["1"], state))
    dy = RNG.normal(size=y.shape).astype(np.float32)
    dstate = tuple(RNG.normal(size=s.shape).astype(np.float32) for s in state)
    dv, dinitial = to_v(to_h(to_d(dy)), dstate)
    to_tokens(dv)
    dx, dinitials = backprop(dy, {"1": dstate})
    assert dx is None and all(map(np.array_equal, dinitials["1"], dinitial))
    for part, wired in zip(net.parts, (embedding, lstm, dropout, linear), strict=True):
        for name, gradient in part.grads.items():
            assert np.array_equal(gradient, wired.grads[name])
    plain = linear(lstm(embedding(TOKENS), **options)[0])
    assert np.array_equal(net(TOKENS, **options), plain)
    net.eval()
    assert np.array_equal(net.forward(TOKENS, **options)[0], plain)


def cells() -> dict[str, Callable[..., Any]]:
    return {
        **{name: functools.partial(kind, I, H, seed=1) for name, kind in LAYERS.items()},
        "rnn relu": lambda **o: rf.RNN(I, H, nonlinearity="relu", seed=1, **o),
        "gru reset before": lambda **o: rf.GRU(I, H, reset_after=False, seed=1, **o),
        "gru simple": lambda **o: rf.GRU(I, H, reset_gate=False, bias=False, seed=1, **o),
        "lstm projected": lambda **o: rf.LSTM(I, H, proj_size=2, peephole=True, seed=1, **o),
    }


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", cells())
def test_bidirectional_is_the_layers_own(name: str, case: str, batch_first: bool) -> None:
    """Outputs, states and gradients as with ``bidirectional=True``, weights of a seed as well."""
    options: dict[str, Any] = dict(CASES[case])
    make = cells()[name]
    layer = make(bidirectional=True, batch_first=batch_first)
    net = rf.bidirectional(make(batch_first=batch_first))
    for (own, p), q in zip(layer.parameters().items(), net.parameters().values(), strict=True):
        assert np.array_equal(p, q), own
    x = X.astype(np.float32)
    if batch_first:
        x = np.ascontiguousarray(x.swapaxes(0, 1))
        options |= {"reset": RESET.T} if "reset" in options else {}
    (want, final), to_x = layer.forward(x, **options)
    (y, states), backprop = net.forward(x, **options, return_state=True)
    assert np.array_equal(y, want)
    finals = final if isinstance(final, tuple) else (final,)
    places = ("forward_layer", "reverse_layer")
    for number, array in enumerate(finals):
        parts = [states[place] for place in places]
        parts = [part[number] if isinstance(part, tuple) else part for part in parts]
        assert np.array_equal(np.concatenate(parts), array)
    dy = RNG.normal(size=y.shape).astype(np.float32)
    want_dx, _ = to_x(dy)
    dx, _ = backprop(dy)
    np.testing.assert_allclose(dx, want_dx, rtol=1e-5, atol=1e-6)
    for (own, grad), got in zip(layer.grads.items(), net.grads.values(), strict=True):
        np.testing.assert_allclose(got, grad, rtol=1e-5, atol=1e-6, err_msg=own)


def test_bidirectional_layers_in_a_chain_are_a_stack() -> None:
    stack = rf.GRU(I, H, 2, bidirectional=True, seed=1)
    net = rf.chain(rf.bidirectional(rf.GRU(I, H)), rf.bidirectional(rf.GRU(2 * H, H)))
    names = zip(net.parameters(), stack.state_dict().values(), strict=True)
    net.load_state_dict(dict(names))
    x = X.astype(np.float32)
    assert np.array_equal(net(x, LENGTHS, RESET), stack(x, lengths=LENGTHS, reset=RESET)[0])


@pytest.mark.parametrize("merge", ["sum", "mean", "product"])
def test_merges(merge: Any) -> None:
    layer = rf.bidirectional(rf.GRU(I, H, **F64))
    merged = rf.bidirectional(layer.forward_layer, layer.reverse_layer, merge=merge)
    a, b = np.split(layer(X, LENGTHS), 2, axis=-1)
    want = {"sum": a + b, "mean": (a + b) / 2, "product": a * b}[merge]
    assert np.array_equal(merged(X, LENGTHS), want)


def test_bidirectional_of_a_layer_of_ones_own() -> None:
    class Small(rf.GRU):
        def __init__(self) -> None:
            super().__init__(I, H, seed=1)

    net = rf.bidirectional(Small())
    assert type(net.reverse_layer) is Small
    assert net.reverse_layer._rng is net.forward_layer._rng  # type: ignore[attr-defined]
    plain = rf.GRU(I, H, bidirectional=True, seed=1)
    x = X.astype(np.float32)
    assert np.array_equal(net(x, LENGTHS), plain(x, lengths=LENGTHS)[0])


def test_bidirectional_of_other_parts_and_of_one_sequence() -> None:
    net = rf.bidirectional(Doubled(), Doubled())
    one = rf.chain(rf.bidirectional(rf.GRU(I, H, **F64), rf.GRU(I, H, **F64)))
    y = net(X, LENGTHS)
    assert np.array_equal(y[:3, 2], 2 * one(X[:3, 2]))  # a single sequence, (T, I)
    first = rf.bidirectional(rf.GRU(V, H, batch_first=True, **F64))
    assert np.array_equal(first(TOKENS.T)[2], first(TOKENS[:, 2]))


def test_reversing_is_its_own_inverse() -> None:
    assert np.array_equal(reverse(reverse(X, LENGTHS, 0), LENGTHS, 0), X)
    turned = reverse(X, LENGTHS, 0)
    assert np.array_equal(turned[:3, 2], X[2::-1, 2]) and np.array_equal(turned[3:, 2], X[3:, 2])
    assert np.array_equal(reverse(X.swapaxes(0, 1), LENGTHS, 1), turned.swapaxes(0, 1))
    assert np.array_equal(reverse(X, None, 0), X[::-1])
    marks = np.array([[True], [False], [True], [False]])  # borders before steps 0 and 2
    assert reverse_reset(marks, None, 0)[:, 0].tolist() == [False, False, True, False]
    assert reverse_reset(marks, [3], 0)[:3, 0].tolist() == [False, True, False]


# --- states ---------------------------------------------------------------------------------------


def test_a_sequence_may_be_cut() -> None:
    net = rf.chain(
        rf.Linear(I, H, **F64), rf.LSTM(H, H, **F64), rf.chain(rf.residual(rf.GRU(H, H, **F64)))
    )
    assert net.state_places() == ["1", "2.0.part"]
    whole = net(X)
    first, state = net(X[:2], return_state=True)
    assert list(state) == ["1", "2.0.part"] and isinstance(state["1"], tuple)
    second = net(X[2:], state=state)
    assert np.array_equal(np.concatenate([first, second]), whole)
    zeros = net(X[2:], state={"1": None})
    assert np.array_equal(zeros, net(X[2:]))


def test_a_shared_layer_has_a_state_in_each_place() -> None:
    gru = rf.GRU(H, H, **F64)
    net = rf.chain(gru, gru)
    x = RNG.normal(size=(T, B, H))
    y, state = net(x, return_state=True)
    h, first = gru(x)
    want, second = gru(h)
    assert np.array_equal(y, want) and next(iter(net.state_dict())) == "0.weight_ih_l0"
    assert len(net.parameters()) == 4
    assert np.array_equal(state["0"], first) and np.array_equal(state["1"], second)


def test_a_gradient_of_states_alone() -> None:
    net = rf.chain(rf.Embedding(V, I, **F64), rf.GRU(I, H, **F64), rf.Linear(H, 2, **F64))
    (_, state), backprop = net.forward(TOKENS, LENGTHS, return_state=True)
    dstate = RNG.normal(size=state["1"].shape)
    assert backprop(None, {"1": dstate})[0] is None
    gru = copy.deepcopy(net[1])
    gru.zero_grad()
    _, to_v = gru.forward(net[0](TOKENS), lengths=LENGTHS)
    to_v(None, dstate)
    assert all(np.array_equal(net[1].grads[name], g) for name, g in gru.grads.items())
    assert net[0].grads["weight"].any() and not net[2].grads["weight"].any()


def test_a_part_of_ones_own_with_state() -> None:
    class Leaky(rf.Module):
        """A layer of Python alone: h<t> = h<t-1> / 2 + x<t>."""

        has_state = True

        def forward(self, x: Any, state: Any = None, reset: Any = None) -> Any:
            h = np.zeros_like(x[0]) if state is None else state
            y = np.empty_like(x)
            for t in range(len(x)):
                y[t] = h = h / 2 + x[t]

            def backprop(dy: Any, dstate: Any = None, *, need_dx: bool = True) -> Any:
                dx, dh = np.zeros_like(x), np.zeros_like(x[0]) if dstate is None else dstate
                for t in reversed(range(len(x))):
                    dx[t] = dh = dh + (0 if dy is None else dy[t])
                    dh = dh / 2
                return dx, dh

            return (y, h), backprop

    net = rf.chain(rf.Linear(I, H, **F64), Leaky(), rf.bidirectional(Leaky(), Leaky()))
    assert net.state_places() == ["1", "2.forward_layer", "2.reverse_layer"]
    assert_network_gradients(net, X.copy())
    with raises(
        ValueError, "chain[1] (Leaky): lengths: expected None, the part takes none, got an array"
    ):
        net(X, LENGTHS)


def test_without_dx() -> None:
    net = rf.chain(rf.residual(rf.concatenate(rf.Linear(I, I, **F64))), rf.GRU(I, H, **F64))
    y, backprop = net.forward(X)
    assert backprop(np.ones_like(y)).shape == X.shape
    want = {name: grad.copy() for name, grad in net.grads.items()}
    net.zero_grad()
    y, backprop = net.forward(X)
    assert backprop(np.ones_like(y), need_dx=False) is None
    assert all(np.array_equal(net.grads[name], grad) for name, grad in want.items())


def test_padding_has_no_effect() -> None:
    net = rf.chain(
        rf.Linear(I, H, **F64),
        rf.bidirectional(rf.GRU(H, H, **F64)),
        rf.SelfAttention(rf.DotAttention(2 * H, 2 * H, **F64)),
        rf.concatenate(
            rf.Pooling("mean"),
            rf.Pooling("max"),
            rf.AttentionPooling(rf.DotAttention(2, 2 * H, **F64), seed=1),
        ),
    )
    other = X.copy()
    other[np.arange(T)[:, np.newaxis] >= LENGTHS] = 7.0
    assert np.array_equal(net(X, LENGTHS), net(other, LENGTHS))
    v, backprop = net.forward(other, LENGTHS)
    assert not backprop(np.ones_like(v))[np.arange(T)[:, np.newaxis] >= LENGTHS].any()


def test_batch_first() -> None:
    options: dict[str, Any] = {"batch_first": True, **F64}
    net = rf.chain(
        rf.bidirectional(rf.GRU(I, H, **options)),
        rf.Pooling("last", num_directions=2, batch_first=True),
    )
    time_first = rf.chain(
        rf.bidirectional(rf.GRU(I, H, **F64)), rf.Pooling("last", num_directions=2)
    )
    assert net.batch_first is True and time_first.batch_first is False
    assert rf.chain(rf.Linear(2, 2)).batch_first is None
    x = np.ascontiguousarray(X.swapaxes(0, 1))
    v, backprop = net.forward(x, LENGTHS)
    want, back = time_first.forward(X, LENGTHS)
    assert np.array_equal(v, want)
    assert np.array_equal(backprop(v), back(v).swapaxes(0, 1))


# --- what is refused ------------------------------------------------------------------------------


def small() -> Any:
    return rf.chain(rf.GRU(I, H), rf.Dropout(0.5), rf.Linear(H, 2))


ZEROS = np.zeros((T, B, I), np.float32)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: rf.chain(rf.GRU(I, H), rf.Dropout(0.5), rf.Linear(9, 2))(ZEROS),
            ValueError,
            "chain[2] (Linear): x: expected shape (..., 9), got (6, 4, 4)",
        ),
        (
            lambda: rf.chain(rf.chain(rf.residual(rf.Linear(9, 2))))(ZEROS),
            ValueError,
            "chain[0].chain[0].residual (Linear): x: expected shape (..., 9), got (6, 4, 3)",
        ),
        (
            lambda: rf.concatenate(rf.Linear(I, 2), rf.bidirectional(rf.GRU(9, 2)))(ZEROS),
            ValueError,
            "concatenate[1].bidirectional.forward_layer (GRU): x: expected shape (T, B, 9), "
            "got (6, 4, 3)",
        ),
        (
            lambda: rf.residual(rf.Linear(I, 2))(ZEROS),
            ValueError,
            "residual: expected Linear to keep the shape of x, (6, 4, 3), got (6, 4, 2)",
        ),
        (
            lambda: rf.chain(rf.residual(rf.Linear(I, 2)))(ZEROS),
            ValueError,
            "chain[0].residual: expected Linear to keep the shape of x, (6, 4, 3), got (6, 4, 2)",
        ),
        (
            lambda: rf.residual(rf.Embedding(V, I))(TOKENS),
            TypeError,
            "x: expected dtype float32 or float64 to add to, got int64",
        ),
        (
            lambda: rf.concatenate(rf.Linear(I, 2), rf.Pooling("mean"))(ZEROS),
            ValueError,
            "concatenate: expected outputs that differ in their last axis alone, got (6, 4, 2) of "
            "part 0 and (4, 3) of part 1",
        ),
        (
            lambda: rf.bidirectional(rf.GRU(I, H), rf.GRU(I, 2), merge="sum")(ZEROS),
            ValueError,
            "bidirectional: expected outputs of one shape to merge, got (6, 4, 4) and (6, 4, 2)",
        ),
        (
            lambda: small()(ZEROS, lengths=[6, 7, 1, 1]),
            ValueError,
            "chain[0] (GRU): lengths: expected numbers from 0 to 6, got 7",
        ),
        (
            lambda: small()(ZEROS, state={"2": None}),
            ValueError,
            "state: expected states of the places 0, got '2'",
        ),
        (
            lambda: small()(ZEROS, state=np.zeros(3)),
            TypeError,
            "state: expected a mapping of states by place, got ndarray",
        ),
        (
            lambda: small()(ZEROS, state={"0": np.zeros((1, B, 9), np.float32)}),
            ValueError,
            "chain[0] (GRU): h0: expected shape (1, 4, 4), got (1, 4, 9)",
        ),
        (
            lambda: small().forward(ZEROS)[1](np.zeros((T, B, 3), np.float32)),
            ValueError,
            "dy: expected shape (6, 4, 2), got (6, 4, 3)",
        ),
        (
            lambda: small().forward(ZEROS)[1](np.zeros((T, B, 2))),
            TypeError,
            "dy: expected dtype float32, got float64; use dy.astype(np.float32), or a layer of "
            'dtype="float64"',
        ),
        (
            lambda: rf.Pooling("mean").forward(ZEROS)[1](np.zeros((B, I))),
            TypeError,
            "dy: expected dtype float32, got float64; use dy.astype(np.float32), or a layer of "
            'dtype="float64"',
        ),
        (
            lambda: rf.bidirectional(rf.GRU(I, H))(np.ma.masked_array(ZEROS, ZEROS > 0)),
            TypeError,
            "x: expected an array without a mask, got a masked one; x.filled(number) says what "
            "stands where it is masked",
        ),
        (
            lambda: small().forward(ZEROS)[1](None, {"1": None}),
            ValueError,
            "dstate: expected states of the places 0, got '1'",
        ),
        (
            lambda: rf.chain(rf.GRU(I, H), rf.Pooling())(ZEROS, reset=RESET),
            ValueError,
            "chain[1] (Pooling): reset: expected None with a Pooling, which reads all steps, "
            "got an array",
        ),
        (
            lambda: rf.SelfAttention(rf.DotAttention(I, I)).forward(ZEROS, None, RESET),
            ValueError,
            "reset: expected None with a SelfAttention, which reads all steps, got an array",
        ),
        (lambda: rf.chain(), ValueError, "chain: expected at least one part, got none"),
        (
            lambda: rf.chain(rf.GRU(I, H), np.tanh),
            TypeError,
            "chain[1]: expected a Module, got the function tanh; rf.Activation('tanh') is a part "
            "for it",
        ),
        (
            lambda: rf.chain(rf.GRU(I, H, bidirectional=True), rf.Dropout(0.1), rf.Pooling()),
            ValueError,
            "chain[2] (Pooling): num_directions: expected 2 as chain[0] (GRU) has it, got 1",
        ),
        (
            lambda: rf.chain(rf.bidirectional(rf.GRU(I, H)), rf.Pooling("concat")),
            ValueError,
            "chain[1] (Pooling): num_directions: expected 2 as chain[0] (Bidirectional) has it, "
            "got 1",
        ),
        (
            lambda: rf.chain(rf.GRU(I, H, batch_first=True), rf.Linear(H, 2), rf.Pooling()),
            ValueError,
            "chain[2] (Pooling): batch_first: expected True as chain[0] (GRU) has it, got False",
        ),
        (
            lambda: rf.bidirectional(rf.GRU(I, H, bidirectional=True)),
            ValueError,
            "forward_layer: expected one direction, got a bidirectional GRU",
        ),
        (
            lambda: rf.bidirectional(rf.Linear(I, H)),
            TypeError,
            "reverse_layer: expected a second part beside a Linear, got None",
        ),
        (
            lambda: rf.bidirectional(rf.GRU(I, H), merge="max"),  # type: ignore[arg-type]
            ValueError,
            "merge: expected one of concat, sum, mean, product, got 'max'",
        ),
        (
            lambda: rf.Pooling("first"),
            ValueError,
            "how: expected one of last, mean, max, concat, got 'first'",
        ),
        (
            lambda: rf.Pooling(num_directions=2)(ZEROS),
            ValueError,
            "x: expected the outputs of 2 directions, got shape (6, 4, 3)",
        ),
        (
            lambda: rf.Pooling()(TOKENS),
            TypeError,
            "x: expected dtype float32 or float64, got int64",
        ),
        (
            lambda: rf.Activation("gelu"),
            ValueError,
            "kind: expected one of tanh, relu, sigmoid, got 'gelu'",
        ),
        (
            lambda: rf.chain(rf.Activation("tanh"))(TOKENS),
            TypeError,
            "chain[0] (Activation): x: expected dtype float32 or float64, got int64",
        ),
        (
            lambda: rf.SelfAttention(rf.Linear(I, I)),  # type: ignore[arg-type]
            TypeError,
            "attention: expected a DotAttention or AdditiveAttention, got Linear",
        ),
    ],
)
def test_errors(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with raises(error, message):
        call()


def test_what_is_refused_draws_and_changes_nothing() -> None:
    net, other = small(), small()
    other.load_state_dict(net.state_dict())
    net[1]._rng, other[1]._rng = np.random.default_rng(0), np.random.default_rng(0)
    with pytest.raises(ValueError, match="places"):
        net.forward(ZEROS, state={"9": None})
    _, backprop = net.forward(ZEROS + 1)
    with pytest.raises(ValueError, match="dy"):
        backprop(np.zeros(3, np.float32))
    assert not any(gradient.any() for gradient in net.grads.values())
    other.forward(ZEROS + 1)
    assert net[1]._rng.bit_generator.state == other[1]._rng.bit_generator.state


def test_activations_are_what_they_say() -> None:
    x = np.array([-800.0, -1.5, 0.0, 0.25, 800.0])
    with np.errstate(over="raise"):
        sigmoid = rf.Activation("sigmoid")(x)
    np.testing.assert_allclose(sigmoid[1:4], 1 / (1 + np.exp(-x[1:4])), rtol=1e-14)
    assert sigmoid[0] == 0.0 and sigmoid[-1] == 1.0
    assert np.array_equal(rf.Activation("tanh")(x), np.tanh(x))
    assert rf.Activation("relu")(x).tolist() == [0.0, 0.0, 0.0, 0.25, 800.0]
    y, _ = rf.Activation("tanh").forward(x)
    with pytest.raises(ValueError, match="read-only"):  # backpropagation reads it
        y[:] = 0
    rf.Activation("tanh")(x)[:] = 0
    assert rf.Activation("relu")(x.astype(np.float32)).dtype == np.float32
    y, backprop = rf.Activation("relu").forward(x)
    assert backprop(np.ones_like(y)).tolist() == [0, 0, 0, 1, 1]


def test_indexing_and_repr() -> None:
    net = small()
    assert len(net) == 3 and net[2] is net.parts[2]
    for text in (
        "chain(Dropout(), residual(Dropout(p=0.25)), Pooling(how='max'))",
        "concatenate(bidirectional(GRU(3, 4), RNN(3, 4), merge='sum'), Activation('tanh'))",
        "chain(SelfAttention(DotAttention(3, 3)), AttentionPooling(DotAttention(2, 3)))",
    ):
        assert repr(eval(text, dict(vars(rf)))) == text

    class Own(rf.Module):
        def __init__(self, size: int, depth: int = 1) -> None:
            self.layers = [rf.Linear(size, size) for _ in range(depth)]
            self.depth = depth

    assert repr(Own(3, depth=2)) == "Own(depth=2)"


@pytest.mark.parametrize("make", [rf.SLSTM, rf.MLSTM])
def test_a_second_layer_with_exponential_gates_is_drawn_by_the_first(make: Any) -> None:
    rng = np.random.default_rng(3)
    net = rf.bidirectional(make(I, H, seed=rng))
    again = np.random.default_rng(3)
    both = rf.bidirectional(make(I, H, seed=again), make(I, H, seed=again))
    x = np.random.default_rng(0).normal(size=(5, 2, I)).astype("f4")
    y = net(x, [5, 3])
    np.testing.assert_array_equal(y, both(x, [5, 3]))
    alone = net.reverse_layer(x[:3, 1:][::-1].copy())[0][::-1, 0]
    np.testing.assert_array_equal(y[:3, 1, H:], alone)
