"""With ``like`` what layers return is of the library that their input is of."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from exporters import CONTAINERS, Array, Exported, OverDLPack

RNG = np.random.default_rng(0)
X3 = RNG.normal(size=(5, 2, 3)).astype("float32")
X2 = np.ascontiguousarray(X3[:, 0])
IDS = np.arange(5) % 3
DOT = rf.DotAttention(3, 3, seed=0)
GRU, LSTM, LINEAR = rf.GRU(3, 4, seed=0), rf.LSTM(3, 4, seed=0), rf.Linear(3, 2, seed=0)
CHAIN = rf.chain(rf.GRU(3, 4, seed=0), rf.Linear(4, 2, seed=0))


class Own(rf.Module):
    """A network of one's own."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = rf.Linear(3, 2, seed=0)

    def forward(self, x: Array) -> Any:
        return self.inner.forward(x)


class OfArrayAPI(Exported):
    """An array of a library that keeps to the array API, with DLPack and no more to make one."""

    @staticmethod
    def __array_namespace__() -> Any:
        return OfArrayAPI

    @staticmethod
    def from_dlpack(of: Any) -> OfArrayAPI:
        return OfArrayAPI(np.from_dlpack(of))


class Narrow(OfArrayAPI):
    """One that has no float64."""

    @staticmethod
    def __array_namespace__() -> Any:
        return Narrow

    @staticmethod
    def from_dlpack(of: Any) -> OfArrayAPI:
        raise BufferError

    @staticmethod
    def asarray(of: Array) -> Narrow:
        return Narrow(of.astype("float32"))


def _jax(of: Array) -> Any:
    return pytest.importorskip("jax.numpy", reason="JAX is not installed").asarray(of)


KINDS = {name: CONTAINERS[name] for name in ("torch", "pandas", "polars", "Arrow", "read-only")}
KINDS |= {"buffer": memoryview, "JAX": _jax, "array API": OfArrayAPI}
TWO_AXES = ("pandas", "polars")

# What is called, the array that it is called with, and how many axes what it returns has.
CALLS: dict[str, tuple[Callable[..., Any], Array, int]] = {
    "batch": (LSTM, X3, 3),
    "sequence": (LSTM, X2, 2),
    "indices": (GRU, IDS, 2),
    "normed": (rf.LayerNormGRU(3, 4, seed=0), X2, 2),
    "steps": (lambda x, **like: GRU.stream(2).run(x, **like), X3, 3),
    "step": (lambda x, **like: GRU.stream()(x, **like).copy() if not like
             else GRU.stream()(x, **like), X2[0], 1),
    "ensemble": (rf.Ensemble([GRU, rf.GRU(3, 4, seed=1)]), X3, 4),
    "linear": (LINEAR, X2, 2),
    "embedding": (rf.Embedding(5, 3, seed=0), IDS, 2),
    "activation": (rf.Activation("tanh"), X2, 2),
    "dropout": (rf.Dropout(0.5), X2, 2),
    "chain": (CHAIN, X2, 2),
    "states": (lambda x, **like: CHAIN(x, return_state=True, **like), X2, 2),
    "residual": (rf.residual(rf.Linear(3, 3, seed=0)), X2, 2),
    "bidirectional": (rf.bidirectional(GRU), X3, 3),
    "pooling": (rf.Pooling("mean"), X3, 2),
    "attention": (lambda x, **like: DOT(x, X3, **like), X3, 3),
    "self-attention": (rf.SelfAttention(DOT), X3, 3),
    "one's own": (Own(), X2, 2),
}  # fmt: skip


def leaves(found: Any) -> list[Any]:
    if isinstance(found, dict):
        return leaves([*found.values()])
    if isinstance(found, (tuple, list)):
        return [leaf for one in found for leaf in leaves(one)]
    return [found]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CALLS)
def test_all_outputs_are_of_the_kind_of_the_input(name: str, kind: str) -> None:
    call, array, axes = CALLS[name]
    if kind in TWO_AXES and max(axes, array.ndim) > 2:
        pytest.skip("tables have two axes")
    x = KINDS[kind](array)
    expected, found = leaves(call(array)), leaves(call(x, like=True))
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert type(one).__module__.partition(".")[0] == type(x).__module__.partition(".")[0]
        assert np.asarray(one).dtype == other.dtype
        np.testing.assert_array_equal(np.asarray(one), other)
    for one in leaves(call(x)):  # without like
        assert type(one) is np.ndarray


def test_a_tensor_is_writable_and_keeps_its_memory() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    x = torch.from_numpy(X3)
    y, (h, c) = LSTM(x, like=True)
    assert y.dtype == torch.float32 and h.shape == (1, 2, 4) and c.shape == (1, 2, 4)
    kept = y.clone()
    y.requires_grad_()
    del h, c
    gc.collect()
    for _ in range(20):  # would write over memory that is not held
        LSTM(X3)
    assert torch.equal(y, kept)
    with torch.no_grad():
        y += 1
    assert torch.equal(y.detach(), kept + 1)
    assert y.untyped_storage().nbytes() == LSTM(X3)[0].nbytes  # nothing larger is kept
    wide = rf.GRU(3, 4, dtype="float64", seed=0)(x.double(), like=True)[0]
    assert wide.dtype == torch.float64
    assert isinstance(LINEAR(torch.nn.Parameter(x, requires_grad=False), like=True), torch.Tensor)


def test_nothing_is_copied_for_a_tensor(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    made = []
    plain = torch.from_numpy
    monkeypatch.setattr(torch, "from_numpy", lambda array: made.append(array) or plain(array))
    y, h = GRU(plain(X3), like=True)
    assert [y.data_ptr(), h.data_ptr()] == [array.ctypes.data for array in made]


def test_what_a_stream_gives_is_not_written_over() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    for step in (GRU.stream(), rf.Ensemble([GRU]).stream()):
        first = step(torch.from_numpy(X2[0]), like=True)
        kept = first.clone()
        step(X2[1])
        assert torch.equal(first, kept)
        with pytest.raises(TypeError, match=r"^out: expected None with like, got ndarray$"):
            step(torch.from_numpy(X2[0]), np.empty(4, np.float32), like=True)


@pytest.mark.parametrize("run", [False, True])
def test_a_stream_has_taken_no_step_where_its_output_cannot_be_made(run: bool) -> None:
    stream = rf.GRU(3, 4, dtype="float64", seed=0).stream()
    stream(np.ones(3))
    before = stream.state
    x, call = (np.ones((2, 1, 3)), stream.run) if run else (np.ones(3), stream)
    with pytest.raises(TypeError, match=r"^like: .* \(it would be float32\)$"):
        call(Narrow(x), like=True)  # type: ignore[operator]
    assert np.array_equal(stream.state, before)
    ensemble = rf.Ensemble([GRU, GRU]).stream(2)
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    with pytest.raises(
        ValueError, match=r"^like: expected an output of at most 2 axes for a DataF"
    ):
        ensemble(pandas.DataFrame(X2[:2]), like=True)
    assert not ensemble.state.any()


def test_dropout_hands_on_what_cannot_be_written_to() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    x = torch.from_numpy(X2.copy())
    y = rf.Dropout(0.5)(x, like=True)
    assert y.data_ptr() == x.data_ptr()


def test_rows_that_are_steps_keep_their_index() -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    days = pandas.date_range("2026-01-01", periods=5)
    frame = pandas.DataFrame(X2, index=days)
    y, h = GRU(frame, like=True)
    assert y.index.equals(days) and list(h.index) == [0] and y.shape == (5, 4)
    ids = pandas.Series(IDS, index=days)
    assert GRU(ids, like=True)[0].index.equals(days)
    assert LINEAR(frame, like=True).index.equals(days)
    assert CHAIN(frame, like=True).index.equals(days)
    # As many rows as steps, but others: one for each sequence.
    tokens = pandas.DataFrame(np.tile(IDS[:, None], (1, 5)), index=days)
    pooled = rf.chain(rf.Embedding(3, 2, seed=0), rf.Pooling("mean"))(tokens, like=True)
    assert pooled.shape == (5, 2) and list(pooled.index) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("name", ["Table", "RecordBatch", "ChunkedArray", "Array"])
def test_arrow_has_tables_and_columns(name: str) -> None:
    arrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    table = arrow.table({str(n): X2[:, n] for n in range(3)})
    ids = arrow.array(IDS)
    x, made = {
        "Table": (table, arrow.Table),
        "RecordBatch": (table.to_batches()[0], arrow.RecordBatch),
        "ChunkedArray": (arrow.chunked_array([ids]), arrow.Table),
        "Array": (ids, arrow.RecordBatch),
    }[name]
    y = GRU(x, like=True)[0]
    assert type(y) is made and y.column_names == [f"column_{n}" for n in range(4)]
    expected = GRU(IDS if name.endswith("Array") else X2)[0]
    np.testing.assert_array_equal(np.stack([c.to_numpy() for c in y.columns], 1), expected)


@pytest.mark.parametrize("x", [X2, X2.view(np.matrix), np.ma.masked_array(X2).data])
def test_arrays_of_numpy_stay_so(x: Any) -> None:
    y = LINEAR(x, like=True)
    assert type(y) is np.ndarray and np.array_equal(y, LINEAR(X2))


@pytest.mark.parametrize("made", [Exported, OverDLPack])
def test_what_cannot_be_made_is_refused(made: Any) -> None:
    message = (
        r"^like: expected an input of NumPy, PyTorch, pandas, polars or Arrow, of a library with "
        rf"__array_namespace__, such as JAX, or a memoryview, got a {made.__name__}$"
    )
    for call in (GRU, LINEAR, CHAIN, rf.Ensemble([GRU]), GRU.stream(5), Own()):
        with pytest.raises(TypeError, match=message):
            call(made(X2), like=True)
    assert np.array_equal(GRU(made(X2))[0], GRU(X2)[0])


def test_what_a_kind_cannot_hold_is_refused() -> None:
    wide = rf.Linear(3, 2, dtype="float64", seed=0)
    message = (
        r"^like: expected an output that a Narrow can hold, got shape \(5, 2\) and dtype float64 "
        r"\(it would be float32\)$"
    )
    with pytest.raises(TypeError, match=message):
        wide(Narrow(X2.astype("float64")), like=True)
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    message = r"^like: expected an output of at most 2 axes for a DataFrame, got shape \(5, 3, 4\)$"
    with pytest.raises(ValueError, match=message):
        GRU(pandas.DataFrame(np.zeros((5, 3), int)), like=True)


@pytest.mark.parametrize("like", [1, 0, None, "torch", np.float32, X2])
def test_like_is_a_bool(like: Any) -> None:
    got = type(like).__name__
    for call in (GRU, LSTM, LINEAR, CHAIN, rf.Ensemble([GRU]), rf.Dropout(0.5), Own(),
                 rf.Activation("tanh"), GRU.stream(5), GRU.stream().run):  # fmt: skip
        with pytest.raises(TypeError, match=rf"^like: expected a bool, got {got}$"):
            call(X2, like=like)
    assert np.array_equal(GRU(X2, like=np.False_)[0], GRU(X2)[0])


def test_what_a_call_refuses_it_refuses_with_like() -> None:
    with pytest.raises(TypeError, match=r"^x: expected a NumPy array, got list$"):
        GRU(X2.tolist(), like=True)
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    x = torch.from_numpy(X2.copy()).requires_grad_()
    with pytest.raises(TypeError, match=r"^x: expected an array without a gradient"):
        GRU(x, like=True)
    with pytest.raises(TypeError, match=r"^x: .* CPU, got a Tensor on meta$"):
        GRU(torch.zeros(5, 3, device="meta"), like=True)
