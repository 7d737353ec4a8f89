"""Arrays that change under a call, and between a pass and its backpropagation.

What becomes an address or a bound is copied before it is checked; the memory of what is read stays
where it is. A failure would end the interpreter, so each table runs in one of its own.
"""

from __future__ import annotations

import pytest

from hostile import outputs

SETUP = """
import sys, threading
import numpy as np, rnnfast as rf
from rnnfast.generation import ctc_beam, ctc_greedy, draw
from rnnfast.nn import activation_penalty

sys.setswitchinterval(1e-5)
rng = np.random.default_rng(0)
T, B, N, H = 60, 16, 30, 24
ints = rng.integers(N, size=(T, B))
x = rng.normal(size=(T, B, N)).astype(np.float32)
lengths, reset = np.full(B, T), rng.random((T, B)) < 0.1
layers = {
    "RNN": rf.RNN(N, H, seed=0), "GRU": rf.GRU(N, H, 2, seed=0), "LSTM": rf.LSTM(N, H, seed=0),
    "both": rf.LSTM(N, H, bidirectional=True, seed=0),
    "first": rf.GRU(N, H, batch_first=True, seed=0),
    "LayerNormLSTM": rf.LayerNormLSTM(N, H, seed=0),
    "LayerNormGRU": rf.LayerNormGRU(N, H, bidirectional=True, seed=0),
}
embedding, sparse = rf.Embedding(N, H, seed=0), rf.Embedding(N, H, sparse=True, seed=0)
linear, crf = rf.Linear(N, N, seed=0), rf.CRF(N, seed=0)
adaptive = rf.AdaptiveSoftmax(N, N, [5, 12], seed=0)

def train(layer, *arguments, **options):
    (y, _), backprop = layer.forward(*arguments, **options)
    return backprop(np.ones_like(y))

def grads(layer):
    return {name: g.copy() for name, g in layer.grads.items()}
"""

WRITERS = """
ones = np.ones((T, B, H), np.float32)
tags, spoken = rng.integers(N, size=(T, B)), rng.integers(1, N, size=(B, 5))
spoken_lengths = np.full(B, 5)
single, few = ints[0].copy(), ints[:, 0].copy()
streams = {name: layer.stream(B) for name, layer in layers.items() if not layer.bidirectional}
calls = {}
for name, layer in layers.items():
    calls |= {
        f"{name}, x": (ints, lambda layer=layer: layer(ints)),
        f"{name}, trained": (ints, lambda layer=layer: train(layer, ints)),
        f"{name}, single": (few, lambda layer=layer: layer(few)),
        f"{name}, lengths": (lengths, lambda layer=layer: train(
            layer, x.swapaxes(0, 1) if layer.batch_first else x, lengths=lengths)),
    }
    calls[f"{name}, recomputed"] = (
        ints, lambda layer=layer: train(layer, ints, recompute=True))
for name, stream in streams.items():
    calls[f"{name}, step"] = (single, lambda stream=stream: stream(single))
calls |= {
    "embedding": (ints, lambda: embedding(ints)),
    "embedding, trained": (ints, lambda: embedding.forward(ints)[1](ones)),
    "sparse": (ints, lambda: sparse.forward(ints)[1](ones)),
    "rows": (ints, lambda: rf.EmbeddingDropout().forward(x, ints)),
    "cross_entropy": (tags, lambda: rf.cross_entropy(x, tags)),
    "linear_cross_entropy": (tags, lambda: rf.linear_cross_entropy(linear, x, tags)),
    "adaptive": (tags, lambda: adaptive.loss(x, tags)),
    "crf": (tags, lambda: crf.loss(x, tags)),
    "crf, lengths": (lengths, lambda: crf.loss(x, tags_kept, lengths)),
    "crf, decode": (lengths, lambda: crf.decode(x, lengths)),
    "ctc": (spoken, lambda: rf.ctc_loss(x, spoken)),
    "ctc, lengths": (lengths, lambda: rf.ctc_loss(x, spoken_kept, lengths, impossible="ignore")),
    "ctc, sizes": (spoken_lengths, lambda: rf.ctc_loss(x, spoken_kept, None, spoken_lengths)),
    "ctc, greedy": (lengths, lambda: ctc_greedy(x, lengths)),
    "ctc, beam": (lengths, lambda: ctc_beam(x[:9], np.minimum(lengths, 9), beam_size=3)),
    "attention": (lengths, lambda: rf.DotAttention(N, N)(x, x, lengths)),
    "penalty": (lengths, lambda: activation_penalty(x, 1.0, lengths)),
}
tags_kept, spoken_kept = tags.copy(), spoken.copy()
for number, (name, (array, call)) in enumerate(calls.items()):
    print(name, flush=True)
    bad, kept, stop = [10**9, -(10**9), -1, 2**40][number % 4], array.copy(), threading.Event()

    def write():
        # Wrong numbers for a moment, again and again.
        while not stop.is_set():
            array[...] = bad
            array[...] = kept

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(60):
            try:
                call()
            except ValueError as error:
                assert "expected" in str(error), error
    finally:
        stop.set()
        writer.join()
    array[...] = kept
    call()
print("all")
"""

BETWEEN = """
def between(layer, **options):
    # The gradients of a pass whose indices, lengths and resets the caller reuses at once.
    found = []
    for overwrite in (False, True):
        layer.zero_grad()
        a, n, r = ints.copy(), lengths - np.arange(B), reset.copy()
        given = {"lengths": n, "reset": r} | options
        (y, _), backprop = layer.forward(a, **given)
        if overwrite:
            a[...], n[...], r[...] = 10**9, -5, True
        backprop(np.ones_like(y))
        found.append(grads(layer))
    for name, g in found[0].items():
        assert (g == found[1][name]).all(), name

for name, layer in layers.items():
    if name == "first":
        continue
    print(name, flush=True)
    between(layer)
    between(layer, recompute=True)
for table in (embedding, sparse):
    found = []
    for overwrite in (False, True):
        table.zero_grad()
        a = ints.copy()
        y, backprop = table.forward(a)
        if overwrite:
            a[...] = 10**9
        backprop(np.ones_like(y))
        found.append(grads(table))
    assert (found[0]["weight"] == found[1]["weight"]).all()
print("all")
"""

RESIZED = """
# NumPy moves an array's memory on demand, though a call reads it in another thread.
# The array itself is given: a view of memory that has moved is lost before any call sees it.
rows, steps = x.reshape(-1, N), x
floats = {
    "Linear": (rows, linear),
    "LSTM": (steps, layers["LSTM"]),
    "trained": (steps, lambda a: train(layers["LSTM"], a)),
    "softmax": (rows, rf.softmax),
    "mse": (rows, lambda a: rf.mse(a, a)),
    "Dropout": (rows, rf.Dropout().forward),
    "draw": (rows, draw),
    "CRF": (steps, crf.decode),
    "ctc": (steps, lambda a: rf.ctc_loss(a, [[1]] * B)),
}
for name, (given, call) in floats.items():
    print(name, flush=True)
    stop, array = threading.Event(), given.copy()

    def resize():
        once, twice = given.shape, (2 * given.shape[0], *given.shape[1:])
        while not stop.is_set():
            try:
                array.resize(twice, refcheck=False)
                array.resize(once, refcheck=False)
            except ValueError:
                pass

    resizer = threading.Thread(target=resize)
    resizer.start()
    try:
        for _ in range(100):
            try:
                call(array)
            except (ValueError, FloatingPointError):
                pass
            except RuntimeError as error:
                assert "it was written to" in str(error), error
    finally:
        stop.set()
        resizer.join()

# What a pass keeps stays where it is until backpropagation has run.
for layer in (layers["LSTM"], layers["GRU"]):
    a = x.copy()
    (y, _), backprop = layer.forward(a)
    for array in (a, y):
        try:
            array.resize(1, refcheck=False)
        except ValueError as error:
            assert "cannot resize" in str(error)
        else:
            raise AssertionError("resized")
    backprop(np.ones_like(y))
    del backprop
    a.resize(1, refcheck=False)
print("all")
"""


@pytest.mark.parametrize("threads", ["1", "2"])
def test_a_thread_that_writes_what_becomes_an_address(threads: str) -> None:
    assert outputs(SETUP + WRITERS, RNNFAST_NUM_THREADS=threads).endswith("all\n")


def test_indices_that_are_reused_before_backpropagation() -> None:
    assert outputs(SETUP + BETWEEN).endswith("all\n")


def test_arrays_that_are_resized_under_a_call() -> None:
    assert outputs(SETUP + RESIZED).endswith("all\n")


# --- layouts --------------------------------------------------------------------------------------

LAYOUTS = """
def unaligned(a):
    raw = np.zeros(a.nbytes + 1, np.uint8)[1:]
    shifted = raw.view(a.dtype).reshape(a.shape)
    shifted[...] = a
    assert not shifted.flags.aligned
    return shifted

def within_records(a):
    # Strides that are no multiple of an element.
    records = np.zeros(a.shape, [("a", a.dtype), ("b", np.int8)])
    records["a"] = a
    return records["a"]

layouts = {
    "Fortran order": np.asfortranarray,
    "negative strides": lambda a: a[::-1].copy()[::-1],
    "reversed": lambda a: a[..., ::-1].copy()[..., ::-1],
    "every other": lambda a: np.repeat(a, 2, axis=0)[::2],
    "unaligned": unaligned,
    "records": within_records,
    "read-only": lambda a: np.broadcast_to(a, a.shape),
    "no native order": None,
}
def functions(layer):
    return {
    "Linear": lambda a, i: linear(a),
    "Linear, trained": lambda a, i: linear.forward(a)[1](a),
    "layer": lambda a, i: layer(a)[0],
    "trained": lambda a, i: train(layer, a)[0],
    "dy": lambda a, i: layer.forward(x)[1](a[..., :H])[0],
    "indices": lambda a, i: layer(i)[0],
    "state": lambda a, i: layer(x, a[:1, :, :H])[0],
    "recomputed": lambda a, i: train(layer, a, recompute=True)[0],
    "embedding": lambda a, i: embedding(i),
    "embedding, dy": lambda a, i: embedding.forward(ints)[1](a[..., :H]),
    "cross_entropy": lambda a, i: rf.cross_entropy(a, i)[1],
    "linear_cross_entropy": lambda a, i: rf.linear_cross_entropy(linear, a, i)[1],
    "adaptive": lambda a, i: adaptive.loss(a, i)[1],
    "adaptive, log_prob": lambda a, i: adaptive.log_prob(a),
    "mse": lambda a, i: rf.mse(a, x / 2)[1],
    "bce": lambda a, i: rf.binary_cross_entropy_with_logits(a, np.abs(x) / 9)[1],
    "softmax": lambda a, i: rf.softmax(a),
    "Dropout": lambda a, i: rf.Dropout(seed=1).forward(a)[0],
    "CRF": lambda a, i: crf.loss(a, i)[1],
    "ctc": lambda a, i: rf.ctc_loss(a, [[1]] * B)[1],
    "ctc, beam": lambda a, i: ctc_beam(a[:5], beam_size=2)[0][0].symbols,
    "attention": lambda a, i: rf.DotAttention(N, N, seed=0)(a, a)[0],
    "draw": lambda a, i: draw(a[0], seed=1),
    "step": lambda a, i: layer.stream(B)(a[0]).copy(),
    "step of indices": lambda a, i: layer.stream(B)(i[0]).copy(),
    "run": lambda a, i: layer.stream(B).run(a),
    }
for name, layout in layouts.items():
    for what, function in functions(layers["RNN"]).items():
        print(name, what, flush=True)
        want = function(x, ints)
        if layout is None:
            swapped = x.astype(x.dtype.newbyteorder())
            try:
                found = function(swapped, ints.astype(ints.dtype.newbyteorder()))
            except TypeError as error:
                assert "expected dtype" in str(error), error
                continue
        else:
            found = function(layout(x), layout(ints))
        assert np.allclose(found if found is not None else 0, want if want is not None else 0,
                           rtol=1e-4, atol=1e-5), (name, what)
for what, function in functions(layers["GRU"]).items():
    for wrong in (x.astype(object), x.astype(np.float16), x.astype(complex), x.astype("U3")):
        try:
            function(wrong, wrong[..., 0])
        except (TypeError, ValueError) as error:
            assert "expected" in str(error), (what, error)
        else:
            raise AssertionError((what, wrong.dtype))

# `out` may be the input, a part of it, or what the step before gave.
for layer in (rf.RNN(H, H, seed=0), rf.GRU(H, H, seed=0), rf.LayerNormGRU(H, H, seed=0)):
    rows = x[:, :, :H].copy()
    stream = layer.stream(B)
    want = [stream(row).copy() for row in rows]
    stream.reset()
    for row, expected in zip(rows, want):
        assert stream(row, out=row) is row
        assert (row == expected).all()
    stream.reset()
    y = stream(x[0, :, :H].copy())
    y = stream(x[1, :, :H].copy(), out=y)
    assert (y == want[1]).all()
    frozen = np.zeros((B, H), np.float32)
    frozen.setflags(write=False)
    for out in (frozen, unaligned(rows[0]), rows[0].T.copy().T):
        try:
            stream(x[0, :, :H].copy(), out=out)
        except ValueError as error:
            assert str(error).startswith("out: expected a writeable C-contiguous array"), error
        else:
            raise AssertionError("out")
print("all")
"""


def test_layouts() -> None:
    assert outputs(SETUP + LAYOUTS).endswith("all\n")
