"""No NaN and no infinity goes in: each public function that takes numbers refuses them.

ValueError names what the caller gave; FloatingPointError the scores that a network gave, which has
diverged then. Minus infinity is a score where a softmax is taken. Nothing has changed after an
error.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import rnnfast as rf
from rnnfast.metrics import mae, r2, rmse
from rnnfast.nn.recurrent.base import LAYERS
from rnnfast.nn.recurrent.layers import RecurrentWithCell

T, B, N = 3, 2, 4
TAGS = np.array([[0, 1], [2, 3], [1, 0]])


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).uniform(0.1, 0.9, shape)


class Call(NamedTuple):
    arrays: dict[str, np.ndarray]  # by name, as the message has it
    call: Callable[..., Any]  # of a layer, or None, and the arrays
    layer: Callable[..., Any] = lambda dtype: None  # made for each call
    scores: tuple[str, ...] = ()  # FloatingPointError
    open_below: tuple[str, ...] = ()  # minus infinity is a number there


def recurrent(cell: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    return lambda dtype: cell(N, N, seed=0, dtype=dtype, **options)


def run(layer: Any, x: Any, h0: Any = None, c0: Any = None, **options: Any) -> Any:
    state = h0 if c0 is None else (h0, c0)
    return layer.forward(x, state, **options)


def set_state(layer: Any, **state: Any) -> None:
    layer.stream(B).state = tuple(state.values()) if len(state) == 2 else state["h"]


X, H0 = numbers(T, B, N), numbers(1, B, N)
CALLS: dict[str, Call] = {}
for _cell in LAYERS.values():
    _name, _two = _cell.__name__, issubclass(_cell, RecurrentWithCell)
    _states = {"h0": H0, "c0": H0} if _two else {"h0": H0}
    _finals = {"dh_n": H0, "dc_n": H0} if _two else {"dh_n": H0}
    _parts = {"h": H0, "c": H0} if _two else {"h": H0}
    _make = recurrent(_cell)
    CALLS |= {
        f"{_name}": Call({"x": X, **_states}, lambda m, x, **s: m(x, _state(s)), _make),
        f"{_name}, trained": Call({"x": X, **_states}, run, _make),
        f"{_name}, backprop": Call(
            {"dy": X, **_finals},
            lambda m, dy, **s: m.forward(X.astype(dy.dtype))[1](dy, _state(s)),
            _make,
        ),
        f"{_name}, step": Call({"x": X[0]}, lambda m, x: m.stream(B)(x), _make),
        f"{_name}, steps": Call({"x": X}, lambda m, x: m.stream(B).run(x), _make),
        f"{_name}, state": Call(_parts, set_state, _make),
    }
    if "Norm" not in _name:
        CALLS[f"{_name}, recomputed"] = Call(
            {"x": X, **_states}, lambda m, x, **s: m.forward(x, _state(s), recompute=True), _make
        )
        CALLS[f"{_name}, recomputed, backprop"] = Call(
            {"dy": X, **_finals},
            lambda m, dy, **s: m.forward(X.astype(dy.dtype), recompute=True)[1](dy, _state(s)),
            _make,
        )


def _state(states: dict[str, Any]) -> Any:
    values = tuple(states.values())
    return values if len(values) == 2 else values[0]


def attended(kind: Callable[..., Any], *sizes: int) -> dict[str, Call]:
    def make(dtype: str) -> Any:
        return kind(N, N, *sizes, seed=0, dtype=dtype)

    keys = numbers(T, B, *(sizes or (N,)))
    return {
        f"{kind.__name__}": Call(
            {"query": X, "memory": X, "keys": keys},
            lambda m, query, memory, keys: m(query, memory, keys=keys),
            make,
        ),
        f"{kind.__name__}, lengths": Call(
            {"memory": X}, lambda m, memory: m(X.astype(memory.dtype), memory, [1, 2]), make
        ),
        f"{kind.__name__}, trained": Call(
            {"query": X, "memory": X}, lambda m, query, memory: m.forward(query, memory), make
        ),
        f"{kind.__name__}, backprop": Call(
            {"dcontext": X},
            lambda m, dcontext: m.forward(*[X.astype(dcontext.dtype)] * 2)[1](dcontext),
            make,
        ),
    }


def _parts(part: Callable[[str], Any], of: str, dy: np.ndarray = X) -> dict[str, Call]:
    """Return the calls of a part of a network that takes one array."""
    return {
        of: Call({"x": X}, lambda m, x: m(x), part),
        f"{of}, backprop": Call(
            {"dy": dy}, lambda m, dy: m.forward(X.astype(dy.dtype))[1](dy), part
        ),
    }


CALLS |= _parts(lambda d: rf.Activation("tanh"), "Activation")
CALLS |= _parts(lambda d: rf.SelfAttention(rf.DotAttention(N, N, dtype=d)), "SelfAttention")
CALLS |= _parts(
    lambda d: rf.AttentionPooling(rf.DotAttention(N, N, dtype=d)), "AttentionPooling", X[0]
)
for _how in ("last", "mean", "max"):
    CALLS |= _parts(lambda d, how=_how: rf.Pooling(how), f"Pooling, {_how}", X[0])
CALLS |= attended(rf.DotAttention) | attended(rf.AdditiveAttention, 5)
CALLS |= {
    "Linear": Call({"x": X}, lambda m, x: m(x), lambda d: rf.Linear(N, 3, dtype=d)),
    "Linear, backprop": Call(
        {"dy": numbers(T, B, 3)},
        lambda m, dy: m.forward(X.astype(dy.dtype))[1](dy),
        lambda d: rf.Linear(N, 3, dtype=d),
    ),
    "Embedding, backprop": Call(
        {"dy": X}, lambda m, dy: m.forward(TAGS)[1](dy), lambda d: rf.Embedding(N, N, dtype=d)
    ),
    "sparse Embedding, backprop": Call(
        {"dy": X},
        lambda m, dy: m.forward(TAGS)[1](dy),
        lambda d: rf.Embedding(N, N, sparse=True, dtype=d),
    ),
    "TiedEmbedding, backprop": Call(
        {"dy": X}, lambda m, dy: m.forward(TAGS)[1](dy), lambda d: rf.TiedEmbedding(N, N, dtype=d)
    ),
    "CRF loss": Call(
        {"emissions": X, "weights": numbers(B)},
        lambda m, emissions, weights: m.loss(emissions, TAGS, weights=weights),
        lambda d: rf.CRF(N, dtype=d),
    ),
    "CRF loss, sum": Call(
        {"emissions": X, "weights": numbers(B)},
        lambda m, emissions, weights: m.loss(emissions, TAGS, weights=weights, reduction="sum"),
        lambda d: rf.CRF(N, dtype=d),
    ),
    "CRF decode": Call(
        {"emissions": X}, lambda m, emissions: m.decode(emissions), lambda d: rf.CRF(N, dtype=d)
    ),
    "CRF marginals": Call(
        {"emissions": X}, lambda m, emissions: m.marginals(emissions), lambda d: rf.CRF(N, dtype=d)
    ),
    "Dropout": Call({"x": X}, lambda m, x: m.forward(x), lambda d: rf.Dropout(seed=0)),
    "Dropout, backprop": Call(
        {"dy": X}, lambda m, dy: m.forward(X.astype(dy.dtype))[1](dy), lambda d: rf.Dropout(seed=0)
    ),
    "VariationalDropout": Call(
        {"x": X}, lambda m, x: m.forward(x), lambda d: rf.VariationalDropout(seed=0)
    ),
    "VariationalDropout, backprop": Call(
        {"dy": X},
        lambda m, dy: m.forward(X.astype(dy.dtype))[1](dy),
        lambda d: rf.VariationalDropout(seed=0),
    ),
    "EmbeddingDropout": Call(
        {"x": X}, lambda m, x: m.forward(x, TAGS), lambda d: rf.EmbeddingDropout(seed=0)
    ),
    "EmbeddingDropout, backprop": Call(
        {"dy": X},
        lambda m, dy: m.forward(X.astype(dy.dtype), TAGS)[1](dy),
        lambda d: rf.EmbeddingDropout(seed=0),
    ),
    "softmax": Call({"x": X}, lambda m, x: rf.softmax(x), scores=("x",), open_below=("x",)),
    "log_softmax": Call({"x": X}, lambda m, x: rf.log_softmax(x), scores=("x",), open_below=("x",)),
    "draw": Call(
        {"logits": X[0]}, lambda m, logits: rf.generation.draw(logits, seed=0), scores=("logits",)
    ),
    "ctc_greedy": Call({"logits": X}, lambda m, logits: rf.generation.ctc_greedy(logits)),
    "ctc_beam": Call({"logits": X}, lambda m, logits: rf.generation.ctc_beam(logits)),
    "activation_penalty": Call({"h": X}, lambda m, h: rf.nn.activation_penalty(h, 1.0)),
    "slowness_penalty": Call({"h": X}, lambda m, h: rf.nn.temporal_activation_penalty(h, 1.0)),
    "rmse": Call({"true": X, "predicted": X}, lambda m, true, predicted: rmse(true, predicted)),
    "mae": Call({"true": X, "predicted": X}, lambda m, true, predicted: mae(true, predicted)),
    "r2": Call({"true": X, "predicted": X}, lambda m, true, predicted: r2(true, predicted)),
}
for _reduction in ("mean", "sum"):
    _options: dict[str, Any] = {"reduction": _reduction}
    CALLS |= {
        f"cross_entropy, {_reduction}": Call(
            {"logits": X, "weights": numbers(T, B), "class_weights": numbers(N)},
            lambda m, logits, weights, class_weights, o=_options: rf.cross_entropy(
                logits, TAGS, weights=weights, class_weights=class_weights, **o
            ),
            scores=("logits",),
            open_below=("logits",),
        ),
        f"linear_cross_entropy, {_reduction}": Call(
            {"h": X, "weights": numbers(T, B), "class_weights": numbers(N)},
            lambda m, h, weights, class_weights, o=_options: rf.linear_cross_entropy(
                m, h, TAGS, weights=weights, class_weights=class_weights, label_smoothing=0.1, **o
            ),
            lambda d: rf.Linear(N, N, dtype=d),
        ),
        f"binary_cross_entropy, {_reduction}": Call(
            {
                "logits": X,
                "targets": X,
                "weights": X,
                "class_weights": numbers(N),
                "pos_weight": numbers(N),
            },
            lambda m, logits, targets, o=_options, **w: rf.binary_cross_entropy_with_logits(
                logits, targets, **w, **o
            ),
            scores=("logits",),
        ),
        f"mse, {_reduction}": Call(
            {"predictions": X, "targets": X, "weights": X},
            lambda m, predictions, targets, weights, o=_options: rf.mse(
                predictions, targets, weights=weights, **o
            ),
            scores=("predictions",),
        ),
        f"l1, {_reduction}": Call(
            {"predictions": X, "targets": X, "weights": numbers(T, B)},
            lambda m, predictions, targets, weights, o=_options: rf.l1(
                predictions, targets, weights=weights, **o
            ),
            scores=("predictions",),
        ),
        f"ctc_loss, {_reduction}": Call(
            {"logits": X, "weights": numbers(B)},
            lambda m, logits, weights, o=_options: rf.ctc_loss(
                logits, [[1], [2]], weights=weights, **o
            ),
            scores=("logits",),
            open_below=("logits",),
        ),
    }


def kept(layer: Any) -> dict[str, Any]:
    if not isinstance(layer, rf.nn.module.Module):
        return {}
    return layer.state_dict() | {f"d {name}": g.copy() for name, g in layer.grads.items()}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CALLS)
def test_numbers_that_are_none(name: str, dtype: str) -> None:
    given, call, make, scores, open_below = CALLS[name]
    arrays = {n: a.astype(dtype) for n, a in given.items()}
    layer = make(dtype)
    call(layer, **arrays)  # as it should be
    for argument, array in arrays.items():
        # `h0` may be the name of the state's part in one function, `dstate` in another.
        kind = FloatingPointError if argument in scores else ValueError
        for number in (np.nan, np.inf, -np.inf):
            for place in (0, array.size // 2, array.size - 1):
                wrong = array.copy()
                wrong.reshape(-1)[place] = number
                before = kept(layer)
                if number == -np.inf and argument in open_below:
                    # Without that class a CTC target may have no path.
                    with contextlib.suppress(*[FloatingPointError] * name.startswith("ctc")):
                        call(layer, **{**arrays, argument: wrong})
                    continue
                what = "loss|logits" if name.startswith("cross_entropy") else argument
                with pytest.raises(kind, match=rf"^({what}|{argument}): expected "):
                    call(layer, **{**arrays, argument: wrong})
                after = kept(layer)
                for key, value in before.items():
                    np.testing.assert_array_equal(after[key], value, err_msg=key)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("parameter", ["weight", "bias"])
@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf, "large"])
def test_a_linear_layer_that_is_not_finite(parameter: str, number: Any, dtype: str) -> None:
    """Its cross-entropy leaves the gradients alone, though many rows came before the bad class."""
    rng = np.random.default_rng(0)
    linear = rf.Linear(8, 300, seed=0, dtype=dtype)
    h, targets = rng.normal(size=(3000, 8)).astype(dtype), rng.integers(300, size=3000)
    rf.linear_cross_entropy(linear, h, targets)
    before = {name: g.copy() for name, g in linear.grads.items()}
    values = linear.state_dict()
    large = np.finfo(dtype).max / 4
    values[parameter][-1] = large if number == "large" else number
    if number == "large":
        h[-1] = 100  # the product is infinite
        values["bias"][-1] = large
        values["weight"][-1] = large
    linear._replace(values, finite=False)  # as a network that has diverged
    version = linear.buffer.version
    for _ in range(2):
        with pytest.raises(FloatingPointError, match=r"^loss: expected a finite number, got "):
            rf.linear_cross_entropy(linear, h, targets)
    for name, gradient in linear.grads.items():
        np.testing.assert_array_equal(gradient, before[name])
    assert linear.buffer.version == version


def test_large_numbers_that_are_still_numbers() -> None:
    """Scores near the end of the range have a loss: the same, and the same gradients."""
    linear = rf.Linear(2, 3, seed=0, dtype="float32")
    linear.load_state_dict({"weight": np.eye(3, 2) * 1e19, "bias": np.zeros(3)})
    h = np.array([[1e18, 0.0], [0.0, 1e18]], np.float32)
    loss, dh = rf.linear_cross_entropy(linear, h, [0, 1])
    assert loss == 0 and dh is not None and not dh.any()
    assert not linear.grads["weight"].any()


def test_what_is_not_looked_at() -> None:
    """Rows that are ignored and steps past a length are not read; an identity hands on."""
    logits = X.copy()
    logits[1, 1] = np.nan
    targets = TAGS.copy()
    targets[1, 1] = -100
    assert np.isfinite(rf.cross_entropy(logits, targets)[0])
    past = X.copy()
    past[2, 0] = np.nan
    for result in (
        rf.CRF(N, dtype="float64").loss(past, TAGS, [2, 3])[0],
        rf.nn.activation_penalty(past, 1.0, [2, 3])[0],
        rf.nn.temporal_activation_penalty(past, 1.0, [2, 3])[0],
        rf.ctc_loss(past, [[1], [2]], [2, 3])[0],
        *rf.LSTM(N, N, dtype="float64")(past, lengths=[2, 3])[0].ravel(),
    ):
        assert np.isfinite(result)
    drop = rf.Dropout(0.0)
    assert drop.forward(past)[0] is past
    assert rf.Dropout(0.5)(past) is past


def test_rows_of_minus_infinity_only() -> None:
    x = np.full((2, 3), -np.inf)
    x[0] = 0
    for function in (rf.softmax, rf.log_softmax):
        with pytest.raises(FloatingPointError, match=r"^x: expected finite numbers or minus inf"):
            function(x)
    x[1, 1] = 5
    np.testing.assert_array_equal(rf.softmax(x)[1], [0, 1, 0])
    np.testing.assert_array_equal(rf.log_softmax(x)[1], [-np.inf, 0, -np.inf])
