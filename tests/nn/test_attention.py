"""Attention against its definition, by central differences, and on wrong arguments."""

from __future__ import annotations

import re

import numpy as np
import pytest

import rnnfast as rf
from gradcheck import assert_gradients
from rnnfast import _core, reference
from rnnfast._products import product

KINDS = ["dot", "general", "additive"]
LENGTHS = np.array([5, 2, 0, 4, 1])


def make(kind, query_size=4, memory_size=4, dtype="float64"):
    if kind == "additive":
        return rf.AdditiveAttention(query_size, memory_size, 3, dtype=dtype, seed=1)
    return rf.DotAttention(query_size, memory_size, general=kind == "general", dtype=dtype, seed=1)


def example(dtype="float64", memory_size=4):
    rng = np.random.default_rng(0)
    query = rng.normal(size=(3, 5, 4)).astype(dtype)
    memory = rng.normal(size=(5, 5, memory_size)).astype(dtype)
    return query, memory, rng.normal(size=(3, 5, memory_size)).astype(dtype)


def definition(kind, attention):
    """The reference's functions and parameters for the same attention."""
    state = {name: array.astype("float64") for name, array in attention.state_dict().items()}
    if kind == "additive":
        parameters = {
            "W_s": state["weight_query"],
            "W_e": state["weight_memory"],
            "v": state["weight_score"][:, np.newaxis],
        }
        return reference.additive_attention, reference.additive_attention_backward, parameters
    parameters = {"W_e": state["weight"]} if kind == "general" else {}
    return reference.dot_attention, reference.dot_attention_backward, parameters


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_against_the_definition(level, kind, dtype):
    memory_size = 4 if kind == "dot" else 6
    attention = make(kind, memory_size=memory_size, dtype=dtype)
    query, memory, dcontext = example(dtype, memory_size)
    forward, backward, parameters = definition(kind, attention)
    (context, weights), backprop = attention.forward(query, memory, LENGTHS)
    dquery, dmemory = backprop(dcontext)
    tolerance = 2e-6 if dtype == "float32" else 1e-14
    grads = {name: 0.0 for name in parameters}
    for b, steps in enumerate(LENGTHS):
        if steps == 0:
            for array in (context[:, b], weights[:, b], dquery[:, b], dmemory[:, b]):
                np.testing.assert_array_equal(array, 0.0)
            continue
        s, a = query[:, b].T.astype("float64"), memory[:steps, b].T.astype("float64")
        want, cache = forward(s, a, parameters)
        ds, da, some = backward(dcontext[:, b].T.astype("float64"), cache)
        for name, array in some.items():
            grads[name] = grads[name] + array
        np.testing.assert_allclose(context[:, b], want.T, atol=tolerance, rtol=0.0)
        np.testing.assert_allclose(weights[:, b, :steps], cache.alpha, atol=tolerance, rtol=0.0)
        np.testing.assert_array_equal(weights[:, b, steps:], 0.0)
        np.testing.assert_allclose(dquery[:, b], ds.T, atol=tolerance, rtol=0.0)
        np.testing.assert_allclose(dmemory[:steps, b], da.T, atol=tolerance, rtol=0.0)
        np.testing.assert_array_equal(dmemory[steps:, b], 0.0)
    names = {"weight_query": "W_s", "weight_memory": "W_e", "weight_score": "v", "weight": "W_e"}
    for name, gradient in attention.grads.items():
        want = np.reshape(grads[names[name]], gradient.shape)
        np.testing.assert_allclose(gradient, want, atol=10 * tolerance, rtol=0.0)
    for array in (context, weights, dquery, dmemory):
        assert array.dtype == dtype


def random_case(kind, dtype, T, S, B, width, *, others=None):
    """Attention, its arguments and a gradient; `others` numbers of a step of memory."""
    rng = np.random.default_rng(T + S + width)
    wide = width if others is None or kind == "dot" else others
    if kind == "additive":
        attention = rf.AdditiveAttention(width, wide, others or width, dtype=dtype, seed=1)
    else:
        attention = rf.DotAttention(width, wide, general=kind == "general", dtype=dtype, seed=1)
    query, memory, dcontext = (
        (rng.normal(size=(n, B, w)) / w**0.25).astype(dtype)
        for n, w in ((T, width), (S, wide), (T, wide))
    )
    return attention, query, memory, rng.integers(0, S + 1, B), dcontext


def passed(attention, query, memory, lengths, dcontext):
    """Contexts, weights and every gradient."""
    attention.zero_grad()
    (context, weights), backprop = attention.forward(query, memory, lengths)
    gradients = backprop(dcontext)
    return [context, weights, *gradients, *(g.copy() for g in attention.grads.values())]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", KINDS)
def test_odd_sizes_threads_and_strides(level, set_threads, kind, dtype):
    for T, S, B, width, others in [
        *((n, m, b, n, None) for n, m, b in ((1, 33, 1), (3, 1, 5), (17, 65, 4), (33, 17, 3))),
        (65, 3, 9, 65, 17),
        (5, 300, 2, 33, 3),  # sums over more than one block
    ]:
        case = random_case(kind, dtype, T, S, B, width, others=others)
        set_threads(1)
        found = passed(*case)
        attention, query, memory, lengths, dcontext = case
        forward, backward, parameters = definition(kind, attention)
        tolerance = 2e-5 if dtype == "float32" else 1e-13
        for b, n in enumerate(lengths):
            if n == 0:
                continue
            s, a = (x[:k, b].T.astype("float64") for x, k in ((query, T), (memory, n)))
            want, cache = forward(s, a, parameters)
            ds, da, _ = backward(dcontext[:, b].T.astype("float64"), cache)
            for one, other in zip(
                [found[0][:, b], found[1][:, b, :n], found[2][:, b], found[3][:n, b]],
                [want.T, cache.alpha, ds.T, da.T],
                strict=True,
            ):
                np.testing.assert_allclose(one, other, atol=tolerance, rtol=0.0)
        set_threads(2)
        apart = [np.full((n, B, 2 * w + 1), np.nan, dtype) for n, w in ((T, width), (S, 99))]
        for wide, array in zip(apart, (query, memory), strict=True):
            wide[:, :, 1 : 1 + array.shape[2]] = array
        query, memory = (
            wide[:, :, 1 : 1 + array.shape[2]]
            for wide, array in zip(apart, (query, memory), strict=True)
        )
        again = passed(attention, query, memory, lengths, dcontext)
        for one, other in zip(again, found, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kind", KINDS)
def test_what_lies_past_a_length_is_not_read(kind):
    attention, query, memory, lengths, dcontext = random_case(kind, "float32", 4, 6, 5, 8)
    found = passed(attention, query, memory, lengths, dcontext)
    for b, n in enumerate(lengths):
        memory[n:, b] = 1e30
    for one, other in zip(passed(attention, query, memory, lengths, dcontext), found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_scores_beyond_the_dtype_are_refused():
    attention = make("dot", dtype="float32")
    query = np.full((1, 1, 4), 1e25, "float32")
    message = "scores: expected finite numbers, got NaN or infinity"
    with pytest.raises(FloatingPointError, match=f"^{message}$"):
        attention(query, query)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients(kind):
    attention = make(kind)
    query, memory, dcontext = example()
    state = attention.state_dict()

    def value():
        attention.load_state_dict(state)
        return float((attention(query, memory, LENGTHS)[0] * dcontext).sum())

    _, backprop = attention.forward(query, memory, LENGTHS)
    dquery, dmemory = backprop(dcontext)
    assert_gradients(
        value,
        {"query": query, "memory": memory, **state},
        {"query": dquery, "memory": dmemory, **{n: g.copy() for n, g in attention.grads.items()}},
    )


@pytest.mark.parametrize("kind", KINDS)
def test_call_is_forward_and_takes_keys(kind):
    attention = make(kind, dtype="float32")
    query, memory, _ = example("float32")
    (context, weights), _ = attention.forward(query, memory)
    again, weights_again = attention(query, memory)
    np.testing.assert_array_equal(again, context)
    np.testing.assert_array_equal(weights_again, weights)
    again, weights_again = attention(query, memory, keys=attention.keys(memory))
    np.testing.assert_allclose(again, context, atol=1e-6)
    np.testing.assert_allclose(weights_again, weights, atol=1e-6)
    np.testing.assert_allclose(weights.sum(axis=2), 1.0, rtol=1e-6)


def test_the_weights_that_backpropagation_reads_are_not_to_be_changed():
    layer = rf.DotAttention(3, 3, seed=0)
    query, memory = np.ones((2, 1, 3), np.float32), np.ones((4, 1, 3), np.float32)
    (_, weights), _ = layer.forward(query, memory)
    with pytest.raises(ValueError, match="read-only"):
        weights[:] = 0
    layer(query, memory)[1][:] = 0  # which nobody reads again


def test_large_scores_do_not_overflow():
    attention = make("dot", dtype="float32")
    query = np.full((1, 1, 4), 1e4, "float32")
    memory = np.array([[[1e4] * 4], [[-1e4] * 4]], "float32")
    context, weights = attention(query, memory)
    np.testing.assert_array_equal(weights[0, 0], [1.0, 0.0])
    np.testing.assert_array_equal(context[0, 0], memory[0, 0])


def test_no_steps():
    for kind in KINDS:
        context, weights = make(kind)(np.ones((2, 3, 4)), np.ones((0, 3, 4)))
        np.testing.assert_array_equal(context, np.zeros((2, 3, 4)))
        assert weights.shape == (2, 3, 0)


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"query": [1.0]}, TypeError, "query: expected a NumPy array, got list"),
        (
            {"memory": np.zeros((5, 2, 4), "float32")},
            TypeError,
            "memory: expected dtype float64, got float32; use memory.astype(np.float64)",
        ),
        (
            {"query": np.zeros((3, 2, 5))},
            ValueError,
            "query: expected shape (T, B, 4), got (3, 2, 5)",
        ),
        (
            {"memory": np.zeros((5, 4))},
            ValueError,
            "memory: expected shape (S, B, 4), got (5, 4)",
        ),
        (
            {"memory": np.zeros((5, 3, 4))},
            ValueError,
            "memory: expected as many sequences as query, 2, got 3",
        ),
        ({"lengths": [1]}, ValueError, "lengths: expected shape (2,), got (1,)"),
        ({"lengths": [1, 6]}, ValueError, "lengths: expected numbers from 0 to 5, got 6"),
    ],
)
def test_wrong_arguments(changed, error, message):
    arguments = {"query": np.zeros((3, 2, 4)), "memory": np.zeros((5, 2, 4)), **changed}
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        make("general")(**arguments)


def test_wrong_gradient_and_sizes():
    _, backprop = make("dot").forward(np.zeros((3, 2, 4)), np.zeros((5, 2, 4)))
    message = "dcontext: expected shape (3, 2, 4), got (3, 2, 5)"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        backprop(np.zeros((3, 2, 5)))
    message = "memory_size: expected query_size 4 without a weight, got 6"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        rf.DotAttention(4, 6, general=False)


def shifted(array):
    memory = np.zeros(array.nbytes + 1, np.uint8)
    memory[1:] = np.frombuffer(array.tobytes(), np.uint8)
    return memory[1:].view(array.dtype).reshape(array.shape)


@pytest.mark.parametrize("layout", [np.asfortranarray, shifted, lambda a: a[::-1].copy()[::-1]])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", KINDS)
def test_bits_do_not_depend_on_the_layout(kind, dtype, layout):
    attention = make(kind, dtype=dtype)
    rng = np.random.default_rng(0)
    for steps, batch, spaces in [(1, 1, 5), (4, 1, 4), (1, 3, 5), (3, 5, 17)]:
        given = [rng.normal(size=(n, batch, 4)).astype(dtype) for n in (steps, spaces, steps)]
        (context, weights), backprop = attention.forward(*given[:2])
        gradients = backprop(given[2])
        query, memory, dcontext = map(layout, given)
        (again, again_weights), backprop = attention.forward(query, memory)
        for one, other in zip(
            (again, again_weights, *backprop(dcontext)),
            (context, weights, *gradients),
            strict=True,
        ):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_products(level, set_threads, dtype):
    rng = np.random.default_rng(0)
    for M, K, N in [(1, 1, 1), (3, 17, 33), (65, 300, 3), (0, 4, 5), (4, 0, 5), (4, 5, 0)]:
        a, b = (rng.normal(size=size).astype(dtype) for size in ((M, K), (K, N)))
        want = a.astype("float64") @ b.astype("float64")
        set_threads(1)
        found = product(a, b)
        assert found.dtype == dtype
        tolerance = 1e-5 if dtype == "float32" else 1e-13
        np.testing.assert_allclose(found, want, rtol=0, atol=tolerance * max(K, 1) ** 0.5)
        set_threads(2)
        turned = [np.ascontiguousarray(x.T).T for x in (a, b)]
        spread = [np.repeat(np.repeat(x, 2, 0), 3, 1)[::2, ::3] for x in (a, b)]
        for left in (a, turned[0], spread[0], a[::-1].copy()[::-1]):
            for right in (b, turned[1], spread[1], b[:, ::-1].copy()[:, ::-1]):
                np.testing.assert_array_equal(product(left, right), found)


def test_products_of_what_does_not_fit():
    one = np.ones((2, 3))
    with pytest.raises(ValueError, match=r"^b: expected 3 rows, got shape \(2, 3\)$"):
        product(one, one)
    with pytest.raises(TypeError, match=r"^b: expected dtype float64, got float32"):
        product(one, np.ones((3, 2), "float32"))
    with pytest.raises(ValueError, match=r"^a: expected two axes, got shape \(3,\)$"):
        product(np.ones(3), one)


def test_the_seam_checks_what_it_is_given():
    q, m = np.ones((2, 3, 4)), np.ones((5, 3, 4))
    for changed, message in [
        ({"keys": np.ones((5, 2, 4))}, "keys: expected shape (T, 3, 4), got (5, 2, 4)"),
        ({"memory": np.ones((4, 3, 4))}, "memory: expected shape (5, 3, K), got (4, 3, 4)"),
        ({"lengths": np.array([1, 2, 6])}, "lengths: expected numbers from 0 to 5, got 6"),
        ({"score": np.ones(3)}, "score: expected shape (4,), got (3,)"),
    ]:
        given = {"queries": q, "keys": m, "memory": m, "lengths": None, "score": None, **changed}
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            _core.attend(**given)
