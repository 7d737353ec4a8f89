"""`rf.Embedding(sparse=True)`: gradients and optimizers' steps by row."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import rnnfast as rf
from gradcheck import assert_gradients

Array = npt.NDArray[Any]

TOLERANCE = {"float32": 2e-6, "float64": 1e-12}
# Name of the optimizer, its arguments, and whether steps are those of dense gradients.
CASES: list[tuple[str, dict[str, Any], bool]] = [
    ("SGD", {"lr": 0.1}, True),
    ("SGD", {"lr": 0.1, "weight_decay": 0.2}, False),
    ("Adam", {"lr": 0.05}, False),
    ("Adam", {"lr": 0.05, "betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.1}, False),
    ("AdamW", {"lr": 0.05, "weight_decay": 0.3}, False),
    ("RMSprop", {"lr": 0.05, "weight_decay": 0.1, "momentum": 0.7}, False),
    ("RMSprop", {"lr": 0.05, "centered": True, "eps": 1e-2}, False),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.2, "initial_accumulator_value": 0.5}, True),
    ("Adagrad", {"lr": 0.1, "weight_decay": 0.1}, False),
]  # fmt: skip


def pair(rows: int, width: int, dtype: str, **options: Any) -> tuple[rf.Embedding, rf.Embedding]:
    """A sparse layer and a dense one of the same table."""
    sparse, dense = (
        rf.Embedding(rows, width, sparse=sparse, dtype=dtype, seed=1, **options)
        for sparse in (True, False)
    )
    return sparse, dense


def backprop(layer: rf.Embedding, indices: Array, dy: Array) -> None:
    layer.forward(indices)[1](dy)


@pytest.mark.usefixtures("level")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("count", "width"), [(1, 1), (3, 17), (700, 130)])
def test_gradients_have_the_bits_of_dense_ones(
    set_threads: Callable[[int], None], dtype: str, count: int, width: int
) -> None:
    rng = np.random.default_rng(0)
    sparse, dense = pair(97, width, dtype, padding_idx=5)
    calls = []
    for _ in range(4):
        indices = rng.integers(97, size=(count, 2))
        calls.append((indices, rng.normal(size=(count, 2, width)).astype(dtype)))
    calls.append((np.full((2, 1), 5), np.ones((2, 1, width), dtype)))  # padding alone
    calls.append((np.zeros((0, 1), int), np.zeros((0, 1, width), dtype)))
    for threads in (1, 2, 3):
        set_threads(threads)
        sparse.zero_grad()
        dense.zero_grad()
        used: set[int] = set()
        for indices, dy in calls:
            np.testing.assert_array_equal(sparse(indices), dense(indices))
            backprop(sparse, indices, dy)
            backprop(dense, indices, dy)
            used |= set(indices.reshape(-1).tolist()) - {5}
            rows, values = sparse.sparse_grads()
            assert rows.tolist() == sorted(used)
            assert values.shape == (len(rows), width)
            assert values.dtype == dtype
            np.testing.assert_array_equal(values, dense.grads["weight"][rows])
            np.testing.assert_array_equal(sparse.grads["weight"], dense.grads["weight"])


def test_gradients_are_derivatives() -> None:
    embedding = rf.Embedding(7, 4, padding_idx=2, sparse=True, dtype="float64", seed=1)
    lstm = rf.LSTM(4, 3, dtype="float64", seed=2)
    rng = np.random.default_rng(0)
    indices, weights = rng.integers(7, size=(5, 3)), rng.normal(size=(5, 3, 3))
    weight = embedding.parameters()["weight"]
    table = weight.data.copy()

    def loss() -> float:
        weight.assign(table)
        return float((lstm(embedding(indices))[0] * weights).sum())

    x, to_table = embedding.forward(indices)
    _, to_x = lstm.forward(x)
    to_table(to_x(weights)[0])
    gradient = embedding.grads["weight"].copy()
    assert not gradient[2].any()
    used = [row for row in range(7) if row != 2]
    part = table[used]

    def loss_of_part() -> float:
        table[used] = part
        return loss()

    assert_gradients(loss_of_part, {"weight": part}, {"weight": gradient[used]})


@pytest.mark.usefixtures("level")
@pytest.mark.parametrize(("name", "arguments"), [case[:2] for case in CASES])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dense_steps_where_all_rows_are_used(
    name: str, arguments: dict[str, Any], dtype: str
) -> None:
    rng = np.random.default_rng(0)
    sparse, dense = pair(23, 19, dtype)
    optimizers = [getattr(rf, name)(layer, **arguments) for layer in (sparse, dense)]
    for _step in range(4):
        indices = rng.permutation(np.r_[0:23, rng.integers(23, size=30)])
        dy = rng.normal(size=(53, 19)).astype(dtype)
        for layer, optimizer in zip((sparse, dense), optimizers, strict=True):
            optimizer.zero_grad()
            backprop(layer, indices, dy)
            optimizer.step()
    np.testing.assert_array_equal(sparse.state_dict()["weight"], dense.state_dict()["weight"])
    for key, array in optimizers[1].state_dict().items():
        np.testing.assert_array_equal(optimizers[0].state_dict()[key], array)


@pytest.mark.usefixtures("level")
@pytest.mark.parametrize(("name", "arguments", "as_dense"), CASES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_other_rows_and_their_memory_stay(
    set_threads: Callable[[int], None],
    name: str,
    arguments: dict[str, Any],
    as_dense: bool,
    dtype: str,
) -> None:
    """A step is a dense one, after which rows that were not used are put back."""
    results = []
    for threads in (1, 2):
        set_threads(threads)
        rng = np.random.default_rng(0)
        sparse, dense = pair(300, 130, dtype, padding_idx=7)
        ours, theirs = (getattr(rf, name)(layer, **arguments) for layer in (sparse, dense))
        for _ in range(4):
            indices = rng.integers(200, size=(80, 2))
            dy = rng.normal(size=(80, 2, 130)).astype(dtype)
            for layer, optimizer in ((sparse, ours), (dense, theirs)):
                optimizer.zero_grad()
                backprop(layer, indices, dy)
            before, memory = dense.state_dict()["weight"], theirs.state_dict()
            ours.step()
            theirs.step()
            if not as_dense:
                unused = np.setdiff1d(np.arange(300), np.setdiff1d(indices, [7]))
                table, state = dense.state_dict()["weight"], theirs.state_dict()
                table[unused] = before[unused]
                for key, array in state.items():
                    if array.ndim:
                        array.reshape(300, 130)[unused] = memory[key].reshape(300, 130)[unused]
                dense.load_state_dict({"weight": table})
                theirs.load_state_dict(state)
        np.testing.assert_array_equal(sparse.state_dict()["weight"], dense.state_dict()["weight"])
        for key, array in theirs.state_dict().items():
            np.testing.assert_array_equal(ours.state_dict()[key], array)
        results.append(sparse.state_dict()["weight"])
    np.testing.assert_array_equal(*results)


@pytest.mark.filterwarnings("ignore:Sparse invariant checks:UserWarning")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("name", "theirs", "arguments"),
    [
        ("SGD", "SGD", {"lr": 0.1}),
        ("Adagrad", "Adagrad", {"lr": 0.1, "lr_decay": 0.1}),
        # Where PyTorch adds eps is another place: with next to none the steps are the same.
        ("Adam", "SparseAdam", {"lr": 0.05, "betas": (0.8, 0.95), "eps": 1e-30}),
    ],
)
def test_against_torch(name: str, theirs: str, arguments: dict[str, Any], dtype: str) -> None:
    torch = pytest.importorskip("torch")
    ours = rf.Embedding(50_000, 12, padding_idx=3, sparse=True, dtype=dtype, seed=1)
    module = torch.nn.Embedding(50_000, 12, padding_idx=3, sparse=True, dtype=getattr(torch, dtype))
    module.load_state_dict(
        {name: torch.from_numpy(array) for name, array in ours.state_dict().items()}
    )
    optimizer = getattr(rf, name)(ours, **arguments)
    other = getattr(torch.optim, theirs)(module.parameters(), **arguments)
    rng = np.random.default_rng(0)
    frequent = rng.integers(50_000, size=20)
    for _ in range(6):
        indices = np.r_[3, frequent, frequent[:10], rng.integers(50_000, size=30)]
        dy = rng.normal(size=(61, 12)).astype(dtype)
        optimizer.zero_grad()
        other.zero_grad()
        backprop(ours, indices, dy)
        module(torch.from_numpy(indices)).backward(torch.from_numpy(dy))
        grad = module.weight.grad.coalesce()
        rows, values = ours.sparse_grads()
        want = {int(i): v for i, v in zip(grad.indices()[0], grad.values().numpy(), strict=True)}
        assert {3, *rows.tolist()} == {3, *want}
        for row, value in zip(rows, values, strict=True):
            np.testing.assert_allclose(value, want[row], rtol=0, atol=TOLERANCE[dtype])
        optimizer.step()
        other.step()
    np.testing.assert_allclose(
        ours.state_dict()["weight"],
        module.weight.detach().numpy(),
        rtol=TOLERANCE[dtype],
        atol=TOLERANCE[dtype],
    )


def test_adam_by_hand() -> None:
    """One row is used at steps 1 and 4: t counts all, m and v wait."""
    layer = rf.Embedding(3, 2, sparse=True, dtype="float64", seed=1)
    optimizer = rf.Adam(layer, lr=0.01)
    p, m, v = layer.state_dict()["weight"][1], np.zeros(2), np.zeros(2)
    for t, row in enumerate([1, 0, 0, 1], 1):
        optimizer.zero_grad()
        g = np.array([0.5, -2.0]) * t
        backprop(layer, np.array([row]), g[np.newaxis])
        optimizer.step()
        if row == 1:
            m = 0.9 * m + 0.1 * g
            v = 0.999 * v + 0.001 * g**2
            p = p - 0.01 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        np.testing.assert_allclose(layer.state_dict()["weight"][1], p, rtol=1e-14)


@pytest.mark.usefixtures("level")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_norm_clipping_and_scaling(set_threads: Callable[[int], None], dtype: str) -> None:
    rng = np.random.default_rng(0)
    indices = rng.integers(1000, size=400)
    dy = rng.normal(size=(400, 67)).astype(dtype)
    linear = rf.Linear(3, 2, dtype=dtype, seed=1)
    linear.grads["weight"][...] = 3.0
    norms: list[list[float]] = []
    for sparse in (True, False):
        layer = rf.Embedding(1000, 67, sparse=sparse, dtype=dtype, seed=1)
        backprop(layer, indices, dy)
        kept = linear.grads["weight"].copy()
        of_threads = []
        for threads in (1, 2):
            set_threads(threads)
            of_threads.append(rf.clip_grad_norm([layer, linear], np.inf))
        assert of_threads[0] == of_threads[1]
        norms.append([of_threads[0], rf.clip_grad_norm([layer, linear], 5.0)])
        norms[-1].append(rf.clip_grad_norm([layer, linear], np.inf))
        linear.grads["weight"][...] = kept
        if sparse:
            clipped = layer.sparse_grads()
        else:
            np.testing.assert_allclose(
                clipped[1], layer.grads["weight"][clipped[0]], rtol=4 * np.finfo(dtype).eps
            )
    np.testing.assert_allclose(norms[0], norms[1], rtol=1e-6 if dtype == "float32" else 1e-14)

    sparse_layer, dense = pair(1000, 67, dtype)
    for layer in (sparse_layer, dense):
        backprop(layer, indices, dy)
        rf.clip_grad_value(layer, 0.5)
        rf.training.scale_grad(layer, 0.25)
    np.testing.assert_array_equal(sparse_layer.grads["weight"], dense.grads["weight"])
    assert sparse_layer.grads["weight"].any()


def test_broken_gradients_are_named() -> None:
    layers = {"words": rf.Embedding(5, 2, sparse=True, seed=1), "out": rf.Linear(3, 2, seed=1)}
    large = np.array([[1, 1], [0, 2e38], [1, 2e38]], "float32")  # infinite together
    backprop(layers["words"], np.array([1, 4, 4]), large)
    with pytest.raises(FloatingPointError, match=r"gradient of words\.weight: expected finite"):
        rf.clip_grad_norm(layers, 0.1)
    np.testing.assert_array_equal(layers["words"].sparse_grads()[1], [[1, 1], [1, np.inf]])


def test_zero_grad() -> None:
    layer = rf.Embedding(5, 2, sparse=True, seed=1)
    linear = rf.Linear(2, 2, seed=1)
    optimizer = rf.SGD([layer, linear])
    for zero in (layer.zero_grad, optimizer.zero_grad):
        backprop(layer, np.array([1, 4]), np.ones((2, 2), "float32"))
        zero()
        rows, values = layer.sparse_grads()
        assert rows.shape == (0,)
        assert values.shape == (0, 2)
        assert not layer.grads["weight"].any()
    before = layer.state_dict()["weight"]
    optimizer.step()  # nothing was used
    assert rf.clip_grad_norm(layer, 1.0) == 0.0
    np.testing.assert_array_equal(layer.state_dict()["weight"], before)


def test_copies() -> None:
    """What is handed out neither changes the layer nor changes with it."""
    layer = rf.Embedding(5, 2, sparse=True, seed=1)
    backprop(layer, np.array([1]), np.ones((1, 2), "float32"))
    dense, (rows, values) = layer.grads["weight"], layer.sparse_grads()
    with pytest.raises(ValueError, match="read-only"):
        dense[0] = 1.0
    rows[:], values[:] = 3, 7.0
    backprop(layer, np.array([0]), np.ones((1, 2), "float32"))
    np.testing.assert_array_equal(dense[:, 0], [0, 1, 0, 0, 0])
    np.testing.assert_array_equal(layer.grads["weight"][:, 0], [1, 1, 0, 0, 0])


@pytest.mark.parametrize("name", ["Adam", "Adagrad"])
def test_states_go_on(name: str) -> None:
    """Weights and optimizer go on from their states, also from those of a dense layer."""
    rng = np.random.default_rng(0)
    batches = [(rng.integers(9, size=6), rng.normal(size=(6, 4))) for _ in range(4)]

    def train(layer: rf.Embedding, optimizer: rf.training.Optimizer, part: slice) -> None:
        for indices, dy in batches[part]:
            optimizer.zero_grad()
            backprop(layer, indices, dy)
            optimizer.step()

    first, dense = pair(9, 4, "float64")
    optimizer = getattr(rf, name)(first)
    train(first, optimizer, slice(2))
    second = rf.Embedding(9, 4, sparse=True, dtype="float64", seed=5)
    second.load_state_dict(first.state_dict())
    resumed = getattr(rf, name)(second)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    train(first, optimizer, slice(2, 4))
    train(second, resumed, slice(2, 4))
    np.testing.assert_array_equal(first.state_dict()["weight"], second.state_dict()["weight"])
    resumed.load_state_dict(getattr(rf, name)(dense).state_dict())
    assert resumed.steps == 0


def test_averages() -> None:
    sparse, dense = pair(6, 3, "float64")
    results = []
    for layer in (sparse, dense):
        optimizer, average = rf.SGD(layer, lr=0.5), rf.training.ExponentialAverage(layer, 0.9)
        for row in range(4):
            optimizer.zero_grad()
            backprop(layer, np.array([row, row]), np.ones((2, 3)))
            optimizer.step()
            average.update()
        with average.applied():
            results.append(layer.state_dict()["weight"])
    np.testing.assert_array_equal(*results)


def test_threads_may_share_a_layer() -> None:
    """Whole numbers: their sums are the same in any order."""
    layer = rf.Embedding(400, 8, sparse=True, seed=1)
    rng = np.random.default_rng(0)
    batches = [rng.integers(400, size=50) for _ in range(40)]

    def work(part: list[Array]) -> None:
        for indices in part:
            backprop(layer, indices, np.ones((50, 8), "float32"))
            layer.sparse_grads()

    workers = [threading.Thread(target=work, args=(batches[i::4],)) for i in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    want = np.bincount(np.concatenate(batches), minlength=400)
    np.testing.assert_array_equal(layer.grads["weight"], np.repeat(want[:, np.newaxis], 8, axis=1))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda m: rf.Embedding(3, 2, sparse=1), TypeError, "sparse: expected a bool, got int"),
        (lambda m: rf.TiedEmbedding(3, 2, sparse=True), ValueError,
         "sparse: expected False with tied weights, .* got True"),
        (lambda m: rf.Embedding(3, 2).sparse_grads(), ValueError,
         "sparse: expected an Embedding made with True, got False"),
        (lambda m: rf.SGD([rf.Linear(3, 2), m], momentum=0.9), ValueError,
         r"momentum: expected 0 with an Embedding of sparse=True, got 0\.9"),
        (lambda m: rf.WeightDrop(m, prefix="weight"), ValueError,
         r"layer: expected one with dense gradients, got Embedding\(5, 2, sparse=True\)"),
        (lambda m: m.buffer.grads, ValueError, "grads: expected a buffer that keeps all"),
        (lambda m: m([5]), ValueError, "indices: expected numbers from 0 to 4, got 5"),
        (lambda m: m.forward([1])[1](np.zeros((1, 2))), TypeError,
         "dy: expected dtype float32, got float64"),
        (lambda m: m.forward([1])[1](np.zeros((2, 2), "float32")), ValueError,
         r"dy: expected shape \(1, 2\), got \(2, 2\)"),
    ],
)  # fmt: skip
def test_bad_input(call: Callable[[Any], Any], error: type[Exception], message: str) -> None:
    layer = rf.Embedding(5, 2, sparse=True, seed=1)
    with pytest.raises(error, match=message):
        call(layer)
    assert len(layer.sparse_grads()[0]) == 0
