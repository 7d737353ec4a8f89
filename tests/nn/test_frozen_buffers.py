"""Memory of numbers in fewer bits: they are kept so alone, and are read as what they stand for."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from reduced_cases import NUMBERS, same
from rnnfast import _core
from rnnfast.nn import _frozen
from rnnfast.nn._frozen import FrozenBuffer
from rnnfast.nn._loss_arguments import native_targets

SIZES = ((1, 1), (3, 17), (33, 5), (17, 65))


def numbers(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def buffers(kind: str, *shapes: tuple[int, int], gap: int = 3) -> tuple[Any, Any, list[int]]:
    """Return matrices in fewer bits with others around them, the same in float32, and places."""
    places, at = [], gap
    for rows, columns in shapes:
        places.append(at)
        at += rows * columns + gap
    values = numbers(at)
    small = FrozenBuffer.of(values, kind, dict(zip(places, shapes, strict=True)))
    for place, shape in zip(places, shapes, strict=True):
        size = shape[0] * shape[1]
        matrix = values[place : place + size].reshape(shape)
        values[place : place + size] = _frozen.rounded(matrix, kind).ravel()
    whole = _core.ParameterBuffer(at, "float32")
    whole.assign(0, values)
    return small, whole, places


@pytest.mark.parametrize("kind", NUMBERS)
def test_any_part_is_what_it_stands_for(kind: str) -> None:
    small, whole, _ = buffers(kind, *SIZES)
    values, size = whole.values, whole.size
    assert small.size == size and small.dtype == "float32"
    rng = np.random.default_rng(1)
    spans = [(0, size), (0, 0), (size, 0), *np.sort(rng.integers(0, size + 1, (200, 2)))]
    for begin, end in spans:
        found = small.read(int(begin), int(end - begin)) if end >= begin else None
        assert found is None or found.tobytes() == values[begin:end].tobytes()
    for twin in (copy.deepcopy(small), pickle.loads(pickle.dumps(small))):
        assert twin.read(0, size).tobytes() == values.tobytes()
        assert twin.numbers == kind and type(twin) is FrozenBuffer
    with pytest.raises(ValueError, match=r"^offset: expected a place within the buffer of"):
        small.read(1, size)


@pytest.mark.parametrize("kind", NUMBERS)
def test_nothing_is_kept_in_float32(kind: str) -> None:
    small, _, places = buffers(kind, (40, 50), (30, 20))
    others, matrices = small.kept
    assert others.nbytes == 3 * 3 * 4 and [m[0] for m in matrices] == places
    for (_, codes, scale), shape in zip(matrices, ((40, 50), (30, 20)), strict=True):
        assert codes.shape == shape and codes.itemsize == (2 if kind == "bfloat16" else 1)
        assert scale is None if kind == "bfloat16" else scale.nbytes == 4 * shape[0]
        with pytest.raises(ValueError):
            codes[...] = 0
        with pytest.raises(ValueError):
            codes.setflags(write=True)
    for what in ("values", "grads"):
        with pytest.raises(TypeError, match="expected numbers of float32 or float64, got"):
            getattr(small, what)
    assert _core.ParameterBuffer(3, "float32").kept is None


BAD: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "a vector": (lambda: [(0, np.ones(6, np.int8), np.ones(1, np.float32))], ValueError, "codes"),
    "another type": (lambda: [(0, np.ones((2, 3), np.int16), None)], TypeError, "codes"),
    "no scales": (lambda: [(0, np.ones((2, 3), np.int8), None)], TypeError, "codes"),
    "too few": (
        lambda: [(0, np.ones((2, 3), np.int8), np.ones(1, np.float32))],
        ValueError,
        "scale",
    ),
    "outside": (lambda: [(5, np.ones((2, 3), np.uint16), None)], ValueError, "matrices"),
    "before": (lambda: [(-1, np.ones((2, 3), np.uint16), None)], ValueError, "matrices"),
    "one in another": (
        lambda: [(0, np.ones((2, 2), np.uint16), None), (3, np.ones((1, 2), np.uint16), None)],
        ValueError,
        "matrices",
    ),
    "too few others": (lambda: [(0, np.ones((2, 2), np.uint16), None)], ValueError, "others"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_does_not_fit(what: str) -> None:
    make, kind, name = BAD[what]
    with pytest.raises(kind, match=f"^{name}: expected"):
        _core.ParameterBuffer(10, np.ones(4, np.float32), make())


@pytest.mark.parametrize("kind", NUMBERS)
def test_layers_give_the_bits_of_those_on_float32(kind: str, set_threads: Any) -> None:
    """Kernels of fewer bits read the numbers that a float32 buffer has as the same codes."""
    for rows, columns in SIZES:
        small, whole, places = buffers(kind, (rows, columns), gap=rows)
        x, ids = numbers(70, columns, seed=2), np.arange(200) % rows
        for threads in (1, 2):
            set_threads(threads)
            for numbers_kind in (kind, "float32"):
                made = [
                    _core.Linear(columns, rows, buffer, places[0], 0, numbers_kind)
                    for buffer in (small, whole)
                ]
                same((made[0].forward(x),), (made[1].forward(x),))
            tables = [
                _core.Embedding(rows, columns, buffer, places[0], -1) for buffer in (small, whole)
            ]
            found = tables[0].forward(ids)
            same((found,), (tables[1].forward(ids),))
            same((found,), (whole.values[places[0] :][: rows * columns].reshape(rows, -1)[ids],))
        with pytest.raises(ValueError, match=r"^indices: expected numbers from 0 to"):
            tables[0].forward(np.array([rows]))
    with pytest.raises(ValueError, match=r"^buffer: expected this table in fewer bits"):
        _core.Embedding(rows, columns, small, places[0] + 1, -1)


@pytest.mark.parametrize("kind", NUMBERS)
@pytest.mark.parametrize("cell", ["LSTM", "GRU", "MinGRU", "IndRNN", "LayerNormLSTM"])
def test_recurrent_layers_do_too(cell: str, kind: str) -> None:
    bits = {"activations": 16} if kind == "int8-16" else {}
    layer = getattr(rf, cell)(5, 17, 2, seed=0)
    small = rf.quantize(layer, kind.partition("-")[0], **bits)  # type: ignore[arg-type]
    whole = copy.deepcopy(layer)
    whole.load_state_dict(small.state_dict())
    offsets = [p.offset for p in small.parameters().values()]
    assert offsets == [p.offset for p in layer.parameters().values()]
    x = numbers(9, 3, 5)
    if small.native.numbers == "float32":
        assert small(x)[0].tobytes() == whole(x)[0].tobytes()
        step, expected = small.stream(1), whole.stream(1)
        for each in x:
            assert step(each[:1]).tobytes() == expected(each[:1]).tobytes()
    else:
        np.testing.assert_allclose(small(x)[0], whole(x)[0], atol=0.05)


def test_attention_whose_weight_goes_to_the_queries() -> None:
    layer = rf.DotAttention(5, 7, seed=0)
    small, whole = rf.quantize(layer), copy.deepcopy(layer)
    whole.load_state_dict(small.state_dict())
    query, memory = numbers(2, 3, 5), numbers(9, 3, 7)
    for found, expected in zip(small(query, memory), whole(query, memory), strict=True):
        np.testing.assert_allclose(found, expected, atol=0.05)
    twin = pickle.loads(pickle.dumps(small))
    same(twin(query, memory), small(query, memory))


@pytest.mark.parametrize("offset", [-1, 5, 2**62, 2**63 - 1])
def test_matrices_beyond_the_buffer(offset: int) -> None:
    matrix = (offset, np.zeros((2, 2), np.int8), np.ones(2, np.float32))
    with pytest.raises(ValueError, match=r"^matrices: expected places side by side within 8"):
        _core.ParameterBuffer(8, np.zeros(4, np.float32), [matrix])


@pytest.mark.parametrize(("offset", "bias"), [(0, 0), (0, 1), (0, 3), (3, 2), (2, 4)])
def test_a_bias_within_a_matrix_is_refused(offset: int, bias: int) -> None:
    matrix = (offset, np.full((2, 2), 7, np.int8), np.ones(2, np.float32))
    buffer = _core.ParameterBuffer(8, np.zeros(4, np.float32), [matrix])
    with pytest.raises(ValueError, match=r"^bias: expected numbers of no matrix in fewer bits"):
        _core.Linear(2, 2, buffer, offset, bias)
    others = 6 if offset < 3 else 0
    _core.Linear(2, 2, buffer, offset, others)


def test_fewer_bits_have_no_gradients() -> None:
    matrix = (0, np.full((2, 2), 7, np.int8), np.ones(2, np.float32))
    buffer = _core.ParameterBuffer(6, np.zeros(2, np.float32), [matrix])
    rows = np.zeros((1, 2), np.float32)
    with pytest.raises(ValueError, match=r"^numbers: expected float32 for backpropagation"):
        _core.Linear(2, 2, buffer, 0, 4).backward(rows, rows, True)


@pytest.mark.parametrize("kind", ["int8", "bfloat16"])
def test_losses_of_fewer_bits_have_no_gradients(kind: str) -> None:
    h, classes = numbers(3, 4), np.array([0, 7, 19])
    for layer in (rf.AdaptiveSoftmax(4, 20, [5], seed=0), rf.Linear(4, 20, seed=0)):
        small = rf.quantize(layer, kind)
        targets, _ = native_targets("float32", (3,), 20, classes, None, None, -100, 0.0, "sum", 1.0)
        with pytest.raises(ValueError, match=r"^numbers: expected float32 for backpropagation"):
            small.native.cross_entropy(h, targets, True)
        assert small.native.cross_entropy(h, targets, False)[1] is None
