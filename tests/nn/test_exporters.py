"""Layers read arrays of other libraries where they are, and refuse what they cannot read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from exporters import CONTAINERS, TABLES, Array, Exported, OverDLPack
from rnnfast._checks.arrays import read_array, require_ndarray
from rnnfast._checks.exporters import read_exporter

RNG = np.random.default_rng(0)
X3 = RNG.normal(size=(5, 2, 3)).astype("float32")
X2 = np.ascontiguousarray(X3[:, 0])
IDS = np.arange(5) % 3
GRU, LSTM = rf.GRU(3, 4, seed=0), rf.LSTM(3, 4, seed=0)
H0 = RNG.normal(size=(1, 4)).astype("float32")
DY = RNG.normal(size=(5, 4)).astype("float32")
LINEAR, EMBEDDING = rf.Linear(3, 3, seed=0), rf.Embedding(5, 3, seed=0)
DOT, ADDITIVE = rf.DotAttention(3, 3), rf.AdditiveAttention(3, 3, 4, seed=0)


def _there_and_back(layer: Any, x: Any, dy: Any = None, **options: Any) -> list[Any]:
    y, backprop = layer.forward(x, **options)
    first = y[0] if isinstance(y, tuple) else y
    return [y, backprop(np.ones_like(first) if dy is None else dy)]


def _loaded(value: Any) -> Any:
    layer = rf.Linear(3, 5, seed=1)
    layer.load_state_dict({**layer.state_dict(), "weight": value})
    return layer.state_dict()


SHARING = ["__array__", "DLPack", "buffer", "torch", "pandas", "polars"]

# What is called, and the array that it is called with.
CALLS: dict[str, tuple[Callable[[Any], Any], Array]] = {
    "batch": (LSTM, X3),
    "sequence": (LSTM, X2),
    "indices": (LSTM, IDS),
    "state": (lambda h: GRU(X2, h), H0),
    "states": (lambda h: LSTM(X2, (h, h)), H0),
    "lengths": (lambda n: GRU(X3, lengths=n), np.array([5, 2])),
    "reset": (lambda r: GRU(X2, reset=r), np.array([1, 0, 0, 1, 0], np.int8)),
    "forward": (lambda x: _there_and_back(GRU, x), X2),
    "recompute": (lambda x: _there_and_back(GRU, x, recompute=True), X3),
    "gradient": (lambda dy: _there_and_back(GRU, X2, dy), DY),
    "step": (lambda x: GRU.stream()(x).copy(), X2[0]),
    "step of a batch": (lambda x: GRU.stream(5)(x).copy(), X2),
    "step of indices": (lambda x: GRU.stream(5)(x).copy(), IDS),
    "steps": (lambda x: GRU.stream(2).run(x), X3),
    "linear": (LINEAR, X3),
    "linear there and back": (lambda x: _there_and_back(LINEAR, x), X3),
    "embedding": (EMBEDDING, IDS),
    "embedding there and back": (lambda x: _there_and_back(EMBEDDING, x), IDS),
    "chain": (lambda x: _there_and_back(rf.chain(GRU, rf.Linear(4, 2, seed=0)), x), X2),
    "concatenate": (lambda x: _there_and_back(rf.concatenate(GRU, LINEAR), x), X2),
    "residual": (lambda x: _there_and_back(rf.residual(LINEAR), x), X2),
    "bidirectional": (rf.bidirectional(GRU), X3),
    "activation": (lambda x: _there_and_back(rf.Activation("tanh"), x), X3),
    "pooling": (lambda x: _there_and_back(rf.Pooling("concat"), x), X3),
    "dot attention": (lambda x: _there_and_back(DOT, x, memory=X3), X3),
    "attention": (lambda x: _there_and_back(ADDITIVE, X3, memory=x), X3),
    "self-attention": (lambda x: _there_and_back(rf.SelfAttention(DOT), x), X3),
    "attention pooling": (
        lambda x: _there_and_back(rf.AttentionPooling(ADDITIVE, seed=0), x), X3,
    ),
    "dropout": (lambda x: [rf.Dropout(0.5)(x), _there_and_back(rf.Dropout(0.5, seed=0), x)], X3),
    "logits": (lambda x: rf.cross_entropy(x, IDS), X2),
    "targets": (lambda n: rf.cross_entropy(X2, n), IDS),
    "hidden": (lambda x: rf.linear_cross_entropy(LINEAR, x, IDS), X2),
    "numbers": (lambda x: rf.mse(x, DY), DY),
    "numbers to have": (lambda x: rf.mse(DY, x), DY),
    "emissions": (lambda x: rf.CRF(3, seed=0).loss(x, IDS[:, None]), X3[:, :1]),
    "CTC": (lambda x: rf.ctc_loss(x, [[1, 2], [1]]), X3),
    "targets of CTC": (lambda n: rf.ctc_loss(X3, n), np.array([[1, 2], [2, 1]])),
    "greedy": (rf.generation.ctc_greedy, X3),
    "beam": (lambda x: [float(b.log_prob) for a in rf.generation.ctc_beam(x) for b in a], X3),
    "best tags": (rf.CRF(3, seed=0).decode, X3),
    "softmax": (rf.softmax, X2),
    "weights": (_loaded, np.ascontiguousarray(X2)),
    "gates": (lambda x: rf.diagnostics.gate_activations(GRU, x), X3),
}  # fmt: skip


def same(a: Any, b: Any) -> bool:
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[name], b[name]) for name in a)
    return type(a) is type(b) and np.array_equal(a, b)


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("name", CALLS)
def test_the_same_numbers_from_every_container(name: str, container: str) -> None:
    call, array = CALLS[name]
    if name == "reset":
        array = array.astype(np.bool_)
        if container == "buffer":
            pytest.skip("array.array has no bools")
    if container in TABLES and array.ndim == 3:
        pytest.skip("tables have two axes")
    assert same(call(CONTAINERS[container](array)), call(array))


@pytest.mark.parametrize("container", SHARING)
@pytest.mark.parametrize("array", [X2, X2.T, X2[::2], IDS], ids=["C", "F", "strided", "indices"])
def test_nothing_is_copied_where_the_layout_allows(container: str, array: Array) -> None:
    if container == "polars" and array.ndim == 2:
        pytest.skip("its columns lie apart")
    if container == "buffer" and array.ndim == 1:
        pytest.skip("made by copying here")
    given = CONTAINERS[container](array)
    for read in (require_ndarray("x", given), read_array("x", given)):
        assert type(read) is np.ndarray and read.dtype == array.dtype
        assert np.array_equal(read, array) and np.shares_memory(read, array)


def test_a_tensor_is_read_where_it_is() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    for tensor in (torch.randn(4, 3), torch.randn(3, 4).T, torch.randn(8, 3)[::2]):
        assert require_ndarray("x", tensor).ctypes.data == tensor.data_ptr()


def test_an_array_of_numpy_is_returned_itself() -> None:
    assert require_ndarray("x", X2) is X2 and read_array("x", X2) is X2


def test_a_gradient_is_not_lost_without_a_word() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    x = torch.from_numpy(X2.copy()).requires_grad_()
    message = (
        r"^x: expected an array without a gradient, got a Tensor that requires one; "
        r"rnnfast.interop.torch has layers that give it, x.detach\(\) does without$"
    )
    for call in (GRU, GRU.forward, LINEAR, lambda x: GRU.stream(5)(x), rf.chain(LINEAR)):
        with pytest.raises(TypeError, match=message.removeprefix("^")):
            call(x)
        with pytest.raises(TypeError, match=r"got a Tensor that requires one"):
            call(x * 2)
    with torch.no_grad(), pytest.raises(TypeError, match=message):
        GRU(x)
    assert same(GRU(x.detach()), GRU(X2))
    with pytest.raises(TypeError, match=r"^weight: expected an array without a gradient, got"):
        rf.Linear(3, 4).load_state_dict(dict(torch.nn.Linear(3, 4).named_parameters()))


@pytest.mark.parametrize("device", [2, 4, 7, 8, 10, 13, 14])
def test_another_device_is_named(device: int) -> None:
    given = OverDLPack(X2, (device, 0))
    message = r"^x: expected an array in the memory of the CPU, got a OverDLPack on another device"
    for call in (GRU, LINEAR, lambda x: GRU.stream(5)(x)):
        with pytest.raises(TypeError, match=message):
            call(given)
    given.device = "cuda:0"  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match=r"got a OverDLPack on cuda:0$"):
        GRU(given)
    assert same(GRU(OverDLPack(X2, (3, 0))), GRU(X2))  # what CUDA has pinned for the CPU


def test_a_device_is_told_before_a_copy_is_asked_for() -> None:
    class OnCuda(Exported):
        __cuda_array_interface__ = None

    with pytest.raises(TypeError, match=r"^x: expected an array in the memory of the CPU, got"):
        GRU(OnCuda(X2))
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    with pytest.raises(TypeError, match=r"^x: .* CPU, got a Tensor on meta$"):
        GRU(torch.zeros(5, 3, device="meta"))


@pytest.mark.parametrize("container", SHARING)
def test_nothing_is_cast(container: str) -> None:
    with pytest.raises(TypeError, match=r"^x: expected dtype float32 or integers, got float64"):
        GRU(CONTAINERS[container](X2.astype(np.float64)))
    with pytest.raises(TypeError, match=r"^h0: expected dtype float32, got float64"):
        GRU(X2, CONTAINERS[container](H0.astype(np.float64)))


def test_what_makes_no_array_is_told_in_one_line() -> None:
    class Broken:
        def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
            raise RuntimeError("of two\nlines")

    with pytest.raises(ValueError, match=r"^x: expected an array, got a Broken that makes none"):
        GRU(Broken())
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    for tensor in (torch.zeros(5, 3).to_sparse(), torch.zeros(5, 3, dtype=torch.bfloat16)):
        with pytest.raises((ValueError, TypeError), match=r"^x: expected") as caught:
            GRU(tensor)
        assert "\n" not in str(caught.value)
    arrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    with pytest.raises(TypeError, match=r"^x: expected dtype float32, got float64"):
        GRU.stream()(arrow.array([1, 2, None]))


@pytest.mark.parametrize("value", ["ab", b"ab", bytearray(b"ab"), [1.0], (1.0,), {}, 3, 1.5, None,
                                   np.float32(1), np.ndarray, Exported, object()])  # fmt: skip
def test_what_is_no_array(value: Any) -> None:
    assert read_exporter("x", value) is None
    with pytest.raises(TypeError, match=r"^x: expected a NumPy array, got"):
        GRU(value)


def test_a_masked_array_of_another_class_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^x: expected an array without a mask"):
        GRU(Exported(np.ma.masked_array(X2, X2 > 0)))


def test_what_was_checked_does_not_change_later() -> None:
    """Targets and lengths are copied, also out of the memory of others."""
    ids = IDS.copy()
    y, backprop = EMBEDDING.forward(Exported(ids))
    EMBEDDING.zero_grad()
    ids[:] = 4
    backprop(np.ones_like(y))
    assert not EMBEDDING.grads["weight"][4].any()


def test_a_step_takes_a_tensor_of_one_index() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    assert np.array_equal(GRU.stream()(torch.tensor(2)), GRU.stream()(2))


def test_a_tensor_in_bfloat16_is_told_what_to_do() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    x = torch.zeros(3, 1, 2, dtype=torch.bfloat16)
    with pytest.raises(ValueError, match=r"^x: expected an array, .*\); x\.float\(\) has float32$"):
        rf.GRU(2, 3, seed=0)(x)
    assert rf.GRU(2, 3, seed=0)(x.float())[0].shape == (3, 1, 3)
