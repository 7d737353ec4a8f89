"""What streams refuse, in what words, and that their state has not changed afterwards."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from layer_cases import assert_same_bits, named

I, H = 3, 5  # noqa: E741
KINDS = [rf.LSTM, rf.LayerNormLSTM]
NAN, INF = float("nan"), float("inf")


def raises(error: type[Exception], message: str) -> Any:
    return pytest.raises(error, match=f"^{re.escape(message)}$")


def ones(*shape: int, dtype: Any = np.float32) -> Any:
    return np.ones(shape, dtype)


def stream_of(batch: int, kind: Any = rf.LSTM) -> Any:
    stream = kind(I, H, seed=0).stream(batch)
    stream(ones(batch, I))
    return stream


def test_of_both_directions() -> None:
    expected = (
        "stream: expected a network in one direction, got a bidirectional one, whose reverse "
        "direction begins at an end that a stream has not seen"
    )
    with raises(ValueError, expected):
        rf.GRU(I, H, bidirectional=True).stream()


@pytest.mark.parametrize(
    ("batch_size", "error", "message"),
    [
        (0, ValueError, "batch_size: expected at least 1, got 0"),
        (-3, ValueError, "batch_size: expected at least 1, got -3"),
        (2.0, TypeError, "batch_size: expected an integer, got float"),
        (True, TypeError, "batch_size: expected an integer, got a bool"),
    ],
)
def test_batch_size(batch_size: Any, error: type[Exception], message: str) -> None:
    with raises(error, message):
        rf.GRU(I, H).stream(batch_size)


STEPS: list[tuple[int, Any, type[Exception], str]] = [
    (2, ones(2, 4), ValueError, "x: expected shape (2, 3), got (2, 4)"),
    (2, ones(1, I), ValueError, "x: expected shape (2, 3), got (1, 3)"),
    (2, ones(I), ValueError, "x: expected shape (2, 3), got (3,)"),
    (1, ones(4), ValueError, "x: expected shape (1, 3), got (4,)"),
    (1, ones(1, 1, I), ValueError, "x: expected shape (1, 3), got (1, 1, 3)"),
    (
        2,
        ones(2, I, dtype="f8"),
        TypeError,
        "x: expected dtype float32, got float64; "
        'use x.astype(np.float32), or a layer of dtype="float64"',
    ),
    (2, ones(2, I, dtype=bool), TypeError, "x: expected dtype float32, got bool"),
    (2, ones(2, I) * NAN, ValueError, "x: expected finite numbers, got NaN or infinity"),
    (1, ones(I) * INF, ValueError, "x: expected finite numbers, got NaN or infinity"),
    (2, ones(3, dtype=int), ValueError, "x: expected shape (2,), got (3,)"),
    (2, ones(2, I, dtype=int), ValueError, "x: expected shape (2,), got (2, 3)"),
    (2, np.array([0, 3]), ValueError, "x: expected indices from 0 to 2, got 3"),
    (2, np.array([-1, 0], np.int8), ValueError, "x: expected indices from 0 to 2, got -1"),
    (1, 3, ValueError, "x: expected indices from 0 to 2, got 3"),
    (1, -1, ValueError, "x: expected indices from 0 to 2, got -1"),
    (
        2,
        np.array([0, 2**63], "u8"),
        ValueError,
        f"x: expected indices from 0 to 2, got {2**63}",
    ),
    (
        1,
        ones(I, dtype="f8"),
        TypeError,
        "x: expected dtype float32, got float64; "
        'use x.astype(np.float32), or a layer of dtype="float64"',
    ),
    (
        1,
        ones(I, dtype="f2"),
        TypeError,
        "x: expected dtype float32, got float16; use x.astype(np.float32)",
    ),
    (
        1,
        ones(I, dtype=">f4"),
        TypeError,
        "x: expected dtype float32, got >f4; use x.astype(np.float32)",
    ),
    (1, ones(I, dtype=complex), TypeError, "x: expected dtype float32, got complex128"),
    (
        1,
        ones(dtype=float),
        TypeError,
        "x: expected dtype float32, got float64; "
        'use x.astype(np.float32), or a layer of dtype="float64"',
    ),
    (1, ones(dtype=bool), TypeError, "x: expected dtype float32, got bool"),
    (2, ones(2), ValueError, "x: expected shape (2, 3), got (2,)"),
    (
        2,
        ones(2, dtype="f8"),
        TypeError,
        "x: expected dtype float32, got float64; "
        'use x.astype(np.float32), or a layer of dtype="float64"',
    ),
    (2, ones(2, dtype=bool), TypeError, "x: expected dtype float32, got bool"),
    (2, ones(2, dtype="m8[s]"), TypeError, "x: expected dtype float32, got timedelta64[s]"),
    (2, np.array(["a", "b"]), TypeError, "x: expected dtype float32, got <U1"),
    (2, np.array([0, None]), TypeError, "x: expected dtype float32, got object"),
    (
        2,
        1,
        TypeError,
        "x: expected an array of (2, 3) numbers or of (2,) indices, got int",
    ),
    (
        1,
        1.0,
        TypeError,
        "x: expected an array of (1, 3) numbers or of (1,) indices, got float",
    ),
    (
        1,
        True,
        TypeError,
        "x: expected an array of (1, 3) numbers or of (1,) indices, got bool",
    ),
    (
        1,
        [1.0, 2.0, 3.0],
        TypeError,
        "x: expected an array of (1, 3) numbers or of (1,) indices, got list",
    ),
    (
        1,
        None,
        TypeError,
        "x: expected an array of (1, 3) numbers or of (1,) indices, got NoneType",
    ),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("batch", "x", "error", "message"), STEPS)
def test_step(kind: Any, batch: int, x: Any, error: type[Exception], message: str) -> None:
    stream = stream_of(batch, kind)
    before = named(None, stream.state)
    with raises(error, message):
        stream(x)
    assert_same_bits(named(None, stream.state), before)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("index", [2**80, -(2**80), 2**63])
def test_index_beyond_64_bits(kind: Any, index: int) -> None:
    with raises(ValueError, f"x: expected indices from 0 to 2, got {index}"):
        stream_of(1, kind)(index)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("index", [2, np.int64(2), np.uint8(2), np.array(2), np.array(2, ">i2")])
def test_integers_of_any_kind_are_indices(kind: Any, index: Any) -> None:
    one_hot = np.eye(I, dtype="float32")[2]
    np.testing.assert_array_equal(stream_of(1, kind)(index), stream_of(1, kind)(one_hot))
    several = np.array([index, index]).astype(">u8")
    np.testing.assert_array_equal(
        stream_of(2, kind)(several), stream_of(2, kind)(np.stack([one_hot, one_hot]))
    )


READONLY = ones(2, H)
READONLY.flags.writeable = False
OUTPUTS: list[tuple[Any, type[Exception], str]] = [
    ([[0.0] * H] * 2, TypeError, "out: expected a NumPy array, got list"),
    (ones(2, 4), ValueError, "out: expected shape (2, 5), got (2, 4)"),
    (ones(H), ValueError, "out: expected shape (2, 5), got (5,)"),
    (ones(2, H, dtype="f8"), TypeError, "out: expected dtype float32, got float64"),
    (
        np.asfortranarray(ones(2, H)),
        ValueError,
        "out: expected a writeable C-contiguous array, got another",
    ),
    (READONLY, ValueError, "out: expected a writeable C-contiguous array, got another"),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("out", "error", "message"), OUTPUTS)
def test_output(kind: Any, out: Any, error: type[Exception], message: str) -> None:
    stream = stream_of(2, kind)
    before, given = named(None, stream.state), np.array(out)
    with raises(error, message):
        stream(ones(2, I), out=out)
    assert_same_bits(named(None, stream.state), before)
    np.testing.assert_array_equal(out, given)


@pytest.mark.parametrize("kind", KINDS)
def test_output_of_one_sequence(kind: Any) -> None:
    with raises(ValueError, "out: expected shape (5,), got (1, 5)"):
        stream_of(1, kind)(ones(I), out=ones(1, H))


RUNS: list[tuple[Any, type[Exception], str]] = [
    ([[[0.0] * I] * 2], TypeError, "x: expected a NumPy array, got list"),
    (ones(4, I), ValueError, "x: expected shape (T, 2, 3), got (4, 3)"),
    (ones(4, 3, I), ValueError, "x: expected shape (T, 2, 3), got (4, 3, 3)"),
    (ones(4, 2, 4), ValueError, "x: expected shape (T, 2, 3), got (4, 2, 4)"),
    (ones(4, dtype=int), ValueError, "x: expected shape (T, 2), got (4,)"),
    (ones(4, 3, dtype=int), ValueError, "x: expected shape (T, 2), got (4, 3)"),
    (
        ones(4, 2, I, dtype="f8"),
        TypeError,
        "x: expected dtype float32 or integers, got float64; "
        'use x.astype(np.float32), or a layer of dtype="float64"',
    ),
    (
        ones(4, 2, dtype=int) * 3,
        ValueError,
        "x: expected indices from 0 to 2, got 3 at time 0 of sequence 0",
    ),
    (
        ones(4, 2, I) * NAN,
        ValueError,
        "x: expected finite numbers, got NaN or infinity at time 0 of sequence 0",
    ),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize(("x", "error", "message"), RUNS)
def test_run(kind: Any, x: Any, error: type[Exception], message: str, batch_first: bool) -> None:
    stream = kind(I, H, batch_first=batch_first).stream(2)
    stream(ones(2, I))
    before = named(None, stream.state)
    with raises(error, message):
        stream.run(x)
    assert_same_bits(named(None, stream.state), before)


STATES: list[tuple[Any, Any, type[Exception], str]] = [
    (rf.GRU, [[[0.0] * H] * 2], TypeError, "h: expected a NumPy array, got list"),
    (rf.GRU, ones(2, H), ValueError, "h: expected shape (1, 2, 5), got (2, 5)"),
    (rf.GRU, ones(1, 3, H), ValueError, "h: expected shape (1, 2, 5), got (1, 3, 5)"),
    (
        rf.GRU,
        ones(1, 2, H, dtype="f8"),
        TypeError,
        "h: expected dtype float32, got float64; "
        'use h.astype(np.float32), or a layer of dtype="float64"',
    ),
    (
        rf.GRU,
        ones(1, 2, H) * NAN,
        ValueError,
        "h: expected finite numbers, got NaN or infinity",
    ),
    (rf.LSTM, ones(1, 2, H), TypeError, "state: expected a pair (h, c), got ndarray"),
    (
        rf.LSTM,
        (ones(1, 2, H), ones(2, H)),
        ValueError,
        "c: expected shape (1, 2, 5), got (2, 5)",
    ),
    (
        rf.LSTM,
        (ones(1, 2, H), ones(1, 2, H) * INF),
        ValueError,
        "c: expected finite numbers, got NaN or infinity",
    ),
]


@pytest.mark.parametrize(("kind", "state", "error", "message"), STATES)
def test_state(kind: Any, state: Any, error: type[Exception], message: str) -> None:
    stream = stream_of(2, kind)
    before = named(None, stream.state)
    with raises(error, message):
        stream.state = state
    assert_same_bits(named(None, stream.state), before)
