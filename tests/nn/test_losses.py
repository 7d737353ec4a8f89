"""Losses against NumPy and PyTorch, on every instruction set, with one thread and two."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

import rnnfast as rf
from gradcheck import assert_gradients
from spoiled import spoil

Array = npt.NDArray[Any]

TOLERANCE = {"float32": 1e-5, "float64": 1e-13}


def log_softmax(x: Array) -> Array:
    shifted = x - x.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


class Expected(NamedTuple):
    loss: float
    dlogits: Array


def expected(
    logits: Array,
    targets: Array,
    weights: Array | None = None,
    class_weights: Array | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
) -> Expected:
    """The summed loss and its gradient, in float64."""
    logits = logits.astype("float64")
    classes = logits.shape[1]
    counted = targets != ignore_index
    w = counted * (1.0 if weights is None else weights.astype("float64"))
    c = np.ones(classes) if class_weights is None else class_weights.astype("float64")
    t = np.where(counted, targets, 0)
    q = np.full(logits.shape, label_smoothing / classes)
    q[np.arange(len(t)), t] += 1.0 - label_smoothing
    q *= c * w[:, None]
    log_p = log_softmax(logits)
    return Expected(float(-(q * log_p).sum()), q.sum(axis=1)[:, None] * np.exp(log_p) - q)


def options(rng: np.random.Generator, dtype: str, rows: int, classes: int) -> list[dict[str, Any]]:
    return [
        {},
        {"weights": rng.uniform(0.0, 2.0, rows).astype(dtype)},
        {"class_weights": rng.uniform(0.5, 2.0, classes).astype(dtype), "label_smoothing": 0.1},
    ]


def targets_of(rng: np.random.Generator, rows: int, classes: int) -> Array:
    targets = rng.integers(classes, size=rows)
    targets[rng.random(rows) < 0.2] = -100
    targets[0] = classes - 1
    return targets


# Rows and classes: odd ones, several chunks of rows, several blocks of classes.
SIZES = [(1, 1), (3, 17), (17, 3), (33, 65), (65, 33), (600, 5), (70, 1031)]


@pytest.mark.usefixtures("level")
@pytest.mark.parametrize(("rows", "classes"), SIZES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_cross_entropy(
    set_threads: Callable[[int], None], rows: int, classes: int, dtype: str
) -> None:
    rng = np.random.default_rng(rows)
    logits = rng.normal(scale=3.0, size=(rows, classes)).astype(dtype)
    targets = targets_of(rng, rows, classes)
    for chosen in options(rng, dtype, rows, classes):
        want = expected(logits, targets, **chosen)
        results = []
        for threads in (1, 2):
            set_threads(threads)
            results.append(rf.cross_entropy(logits, targets, reduction="sum", **chosen))
        (loss, dlogits), (loss_two, dlogits_two) = results
        assert loss == loss_two
        np.testing.assert_array_equal(dlogits, dlogits_two)
        assert dlogits.dtype == dtype
        np.testing.assert_allclose(loss, want.loss, rtol=TOLERANCE[dtype], atol=1e-15)
        np.testing.assert_allclose(dlogits, want.dlogits, rtol=0.0, atol=TOLERANCE[dtype])
        alone, none = rf.cross_entropy(logits, targets, reduction="sum", backward=False, **chosen)
        assert alone == loss
        assert none is None


@pytest.mark.usefixtures("level")
@pytest.mark.parametrize(("rows", "classes"), SIZES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("bias", [True, False])
def test_linear_cross_entropy(
    set_threads: Callable[[int], None], rows: int, classes: int, dtype: str, bias: bool
) -> None:
    rng = np.random.default_rng(rows)
    features = 19
    linear = rf.Linear(features, classes, bias, dtype=dtype, seed=1)
    h = rng.normal(size=(rows, features)).astype(dtype)
    targets = targets_of(rng, rows, classes)
    state = {name: array.astype("float64") for name, array in linear.state_dict().items()}
    logits = h.astype("float64") @ state["weight"].T + state.get("bias", 0.0)
    for chosen in options(rng, dtype, rows, classes):
        want = expected(logits, targets, **chosen)
        results = []
        for threads in (1, 2, 3):
            set_threads(threads)
            linear.zero_grad()
            loss, dh = rf.linear_cross_entropy(linear, h, targets, reduction="sum", **chosen)
            results.append([loss, dh, *(gradient.copy() for gradient in linear.grads.values())])
        for other in results[1:]:
            for first, second in zip(results[0], other, strict=True):
                np.testing.assert_array_equal(first, second)
        loss, dh, dweight = results[0][:3]
        tolerance = TOLERANCE[dtype]
        np.testing.assert_allclose(loss, want.loss, rtol=tolerance, atol=1e-3 * tolerance)
        np.testing.assert_allclose(dh, want.dlogits @ state["weight"], atol=tolerance, rtol=0.0)
        bound = tolerance * np.sqrt(rows)
        dweight_want = want.dlogits.T @ h.astype("float64")
        np.testing.assert_allclose(dweight, dweight_want, atol=bound, rtol=0.0)
        if bias:
            np.testing.assert_allclose(
                results[0][3], want.dlogits.sum(axis=0), atol=bound, rtol=0.0
            )
        alone, none = rf.linear_cross_entropy(
            linear, h, targets, reduction="sum", backward=False, **chosen
        )
        assert alone == loss
        assert none is None


@pytest.mark.usefixtures("level")
def test_gradients() -> None:
    rng = np.random.default_rng(0)
    linear = rf.Linear(6, 5, dtype="float64", seed=1)
    h = rng.normal(size=(2, 4, 6))
    targets = np.array([[0, 4, -100, 2], [1, 1, 3, 0]])
    weights, class_weights = rng.uniform(size=(2, 4)), rng.uniform(size=5)
    values = linear.state_dict()
    chosen: dict[str, Any] = {
        "weights": weights, "class_weights": class_weights, "label_smoothing": 0.2, "scale": 3.0,
    }  # fmt: skip

    def value() -> float:
        linear.load_state_dict(values)
        return rf.linear_cross_entropy(linear, h, targets, backward=False, **chosen)[0]

    _, dh = rf.linear_cross_entropy(linear, h, targets, **chosen)
    gradients = {"h": dh, **{name: gradient.copy() for name, gradient in linear.grads.items()}}
    assert_gradients(value, {"h": h, **values}, gradients)


def test_chunks_leave_no_trace() -> None:
    """More rows than a chunk holds: the bits of the rows, and of the sums in blocks of rows."""
    rng = np.random.default_rng(0)
    linear = rf.Linear(8, 3000, seed=1)
    h = rng.normal(size=(768, 8)).astype("float32")
    targets = rng.integers(3000, size=768)
    linear.zero_grad()
    _, dh = rf.linear_cross_entropy(linear, h, targets, reduction="sum")
    whole = {name: gradient.copy() for name, gradient in linear.grads.items()}
    linear.zero_grad()
    parts = [
        rf.linear_cross_entropy(linear, h[i : i + 256], targets[i : i + 256], reduction="sum")[1]
        for i in (0, 256, 512)
    ]
    np.testing.assert_array_equal(np.concatenate(parts), dh)
    for name, gradient in linear.grads.items():
        np.testing.assert_array_equal(gradient, whole[name])


@pytest.mark.usefixtures("level")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_large_and_infinite_scores(dtype: str) -> None:
    """Scores of any size: no overflow; minus infinity is a class that cannot be."""
    logits = np.array([[1e4, -1e4, 0.0], [-np.inf, 0.0, 0.0]], dtype=dtype)
    loss, dlogits = rf.cross_entropy(logits, [1, 2], reduction="sum")
    np.testing.assert_allclose(loss, 2e4 + np.log(2.0), rtol=1e-6)
    np.testing.assert_allclose(dlogits, [[1.0, -1.0, 0.0], [0.0, 0.5, -0.5]], atol=1e-6)
    assert rf.cross_entropy(logits[1:], [0])[0] == np.inf
    np.testing.assert_allclose(rf.softmax(logits), [[1, 0, 0], [0, 0.5, 0.5]], atol=1e-6)
    for bad in (np.nan, np.inf):
        logits[0, 2] = bad
        with pytest.raises(FloatingPointError, match="loss: expected a number, got NaN"):
            rf.cross_entropy(logits, [1, 2])
        # A row that does not count stays out, whatever it holds.
        loss, dlogits = rf.cross_entropy(logits, [-100, 2], reduction="sum")
        np.testing.assert_allclose(loss, np.log(2.0), rtol=1e-6)
        np.testing.assert_array_equal(dlogits[0], 0.0)


@pytest.mark.usefixtures("level")
def test_ignored_rows_stay_out_of_the_fused_form() -> None:
    linear = rf.Linear(2, 3, dtype="float64", seed=1)
    linear.parameters()["weight"].assign(np.full((3, 2), 1e300))
    h = np.array([[1e300, 1.0], [0.0, 0.0]])
    loss, dh = rf.linear_cross_entropy(linear, h, [-100, 1], reduction="sum")
    assert np.isfinite(loss)
    np.testing.assert_array_equal(dh[0], 0.0)
    assert np.isfinite(linear.grads["weight"]).all()


def test_reductions_and_masks() -> None:
    rng = np.random.default_rng(0)
    logits, targets = rng.normal(size=(2, 3, 4)), rng.integers(4, size=(2, 3))
    mask = np.array([[True, False, True], [True, True, False]])
    total, dtotal = rf.cross_entropy(logits, targets, weights=mask, reduction="sum")
    mean, dmean = rf.cross_entropy(logits, targets, weights=mask)
    np.testing.assert_allclose(mean, total / 4.0, rtol=1e-15)
    np.testing.assert_allclose(dmean, dtotal / 4.0, rtol=1e-13)
    scaled, dscaled = rf.cross_entropy(logits, targets, weights=mask, scale=-2.0)
    np.testing.assert_allclose(scaled, -2.0 * mean, rtol=1e-15)
    np.testing.assert_allclose(dscaled, -2.0 * dmean, rtol=1e-13)
    ignored, _ = rf.cross_entropy(logits, np.where(mask, targets, -1), ignore_index=-1)
    assert ignored == mean
    assert rf.cross_entropy(np.zeros((0, 4)), np.zeros(0, int), reduction="sum")[0] == 0.0


@pytest.mark.usefixtures("level")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(1, 1), (17, 33), (2, 3, 65), (300, 40)])
def test_softmax(dtype: str, shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).normal(scale=5.0, size=shape).astype(dtype)
    want = log_softmax(x.astype("float64"))
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(rf.softmax(x), np.exp(want), rtol=40 * eps, atol=0.0)
    np.testing.assert_allclose(rf.log_softmax(x), want, rtol=8 * eps, atol=8 * eps)


@pytest.mark.usefixtures("level")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(), (1,), (3, 17), (130, 65)])
def test_binary_cross_entropy(
    set_threads: Callable[[int], None], dtype: str, shape: tuple[int, ...]
) -> None:
    rng = np.random.default_rng(0)
    x = np.asarray(rng.normal(scale=20.0, size=shape), dtype)
    t = np.asarray(rng.random(shape), dtype)
    p = rng.uniform(0.5, 3.0, shape[-1:] or (1,)).astype(dtype)
    w = np.asarray(rng.random(shape), dtype)
    results = []
    for threads in (1, 2):
        set_threads(threads)
        results.append(
            rf.binary_cross_entropy_with_logits(x, t, weights=w, pos_weight=p, reduction="sum")
        )
    assert results[0][0] == results[1][0]
    np.testing.assert_array_equal(results[0][1], results[1][1])
    x64, t64, w64 = (a.astype("float64") for a in (x, t, w))
    q = p.astype("float64") if shape else float(p[0])
    loss = w64 * (q * t64 * np.logaddexp(0.0, -x64) + (1 - t64) * np.logaddexp(0.0, x64))
    sigmoid = np.exp(-np.logaddexp(0.0, -x64))
    gradient = w64 * ((1 - t64) * sigmoid - q * t64 * (1.0 - sigmoid))
    np.testing.assert_allclose(results[0][0], loss.sum(), rtol=1e-12)
    bound = 10 * float(np.finfo(dtype).eps)
    np.testing.assert_allclose(results[0][1], gradient, rtol=0.0, atol=bound)
    # Exact where the score is large: no log of 0.
    big = np.array([1e4, -1e4], dtype)
    right, gradient = rf.binary_cross_entropy_with_logits(big, np.array([True, False]))
    assert right == 0.0
    np.testing.assert_array_equal(gradient, 0.0)
    wrong, _ = rf.binary_cross_entropy_with_logits(big, np.array([False, True]))
    assert wrong == 1e4


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_binary_cross_entropy_of_classes(dtype: str) -> None:
    rng = np.random.default_rng(1)
    x, t = rng.normal(size=(5, 4, 3)).astype(dtype), rng.random((5, 4, 3)) < 0.5
    c = np.array([0.5, 2.0, 0.0], dtype)
    mask = rng.random((5, 4)) < 0.7
    loss, gradient = rf.binary_cross_entropy_with_logits(
        x, t, weights=mask, class_weights=c, label_smoothing=0.2
    )
    each = mask[..., None] * c.astype("float64")
    smooth = np.where(t, 0.9, 0.1)
    x64 = x.astype("float64")
    want = each * (smooth * np.logaddexp(0, -x64) + (1 - smooth) * np.logaddexp(0, x64))
    eps = float(np.finfo(dtype).eps)
    assert loss == pytest.approx(want.sum() / each.sum(), rel=4 * eps)
    sigmoid = 1 / (1 + np.exp(-x64))
    np.testing.assert_allclose(gradient, each * (sigmoid - smooth) / each.sum(), atol=4 * eps)


@pytest.mark.usefixtures("level")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_mse(dtype: str) -> None:
    rng = np.random.default_rng(0)
    x, t = (rng.normal(size=(90, 60)).astype(dtype) for _ in range(2))
    mask = rng.random(90) < 0.5
    loss, dx = rf.mse(x, t, weights=mask)
    kept = mask[:, None] * np.ones(60)
    difference = x.astype("float64") - t
    np.testing.assert_allclose(loss, (kept * difference**2).sum() / kept.sum(), rtol=1e-12)
    want = 2 * kept * difference / kept.sum()
    np.testing.assert_allclose(dx, want, rtol=4 * np.finfo(dtype).eps)
    plain, none = rf.mse(x, t, reduction="sum", backward=False)
    np.testing.assert_allclose(plain, (difference**2).sum(), rtol=1e-12)
    assert none is None


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("weights", [None, "mask", "numbers"])
def test_l1(dtype: str, weights: str | None) -> None:
    rng = np.random.default_rng(0)
    x, t = (rng.normal(size=(9, 6)).astype(dtype) for _ in range(2))
    x[0, 0] = t[0, 0]
    given = {"mask": rng.random(9) < 0.5, "numbers": rng.random((9, 6)).astype(dtype)}.get(
        weights or ""
    )
    w = np.ones((9, 6)) if given is None else given[:, None] if given.ndim == 1 else given
    w = w * np.ones((9, 6))
    loss, dx = rf.l1(x, t, weights=given, scale=3.0)
    difference = x.astype("float64") - t
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(loss, 3 * (w * np.abs(difference)).sum() / w.sum(), rtol=8 * eps)
    assert dx is not None and dx.dtype == dtype and dx[0, 0] == 0
    np.testing.assert_allclose(dx, 3 * w * np.sign(difference) / w.sum(), rtol=4 * eps)
    plain, none = rf.l1(x, t, reduction="sum", backward=False)
    np.testing.assert_allclose(plain, np.abs(difference).sum(), rtol=8 * eps)
    assert none is None


LOGITS = np.zeros((2, 3), "float32")
LINEAR = rf.Linear(3, 4, seed=1)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: rf.cross_entropy(LOGITS, [0, 3]), ValueError,
         "targets: expected classes from 0 to 2 or ignore_index -100, got 3"),
        (lambda: rf.cross_entropy(LOGITS, [0, -1]), ValueError, "targets: expected classes"),
        (lambda: rf.cross_entropy(LOGITS, [0]), ValueError,
         r"targets: expected shape \(2,\), got \(1,\)"),
        (lambda: rf.cross_entropy(LOGITS, [0.0, 1.0]), TypeError,
         "targets: expected integers, got dtype float64"),
        (lambda: rf.cross_entropy(LOGITS, [-100, -100]), ValueError,
         "weights: expected a positive sum to divide by, got 0"),
        (lambda: rf.cross_entropy(LOGITS, [0, 1], weights=np.ones(2)), TypeError,
         "weights: expected dtype float32, got float64"),
        (lambda: rf.cross_entropy(LOGITS, [0, 1], weights=np.ones(3, "float32")), ValueError,
         r"weights: expected shape \(2,\), got \(3,\)"),
        (lambda: rf.cross_entropy(LOGITS, [0, 1], class_weights=[1.0, 1.0, 1.0]), TypeError,
         "class_weights: expected dtype float32, got float64"),
        (lambda: rf.cross_entropy(LOGITS, [0, 1], class_weights=np.ones(2, "float32")), ValueError,
         r"class_weights: expected shape \(3,\), got \(2,\)"),
        (lambda: rf.cross_entropy(LOGITS, [0, 1], label_smoothing=1.0), ValueError,
         "label_smoothing: expected a finite number of at least 0 and below 1, got 1.0"),
        (lambda: rf.cross_entropy(LOGITS, [0, 1], reduction="none"), ValueError,
         "reduction: expected 'sum' or 'mean', got 'none'"),
        (lambda: rf.cross_entropy(LOGITS, [0, 1], scale=np.inf), ValueError,
         "scale: expected a finite number"),
        (lambda: rf.cross_entropy(LOGITS.astype(int), [0, 1]), TypeError,
         "logits: expected dtype float32 or float64, got int64"),
        (lambda: rf.cross_entropy([[0.0]], [0]), TypeError,
         "logits: expected a NumPy array, got list"),
        (lambda: rf.linear_cross_entropy(LINEAR, LOGITS[:, :2], [0, 1]), ValueError,
         r"h: expected shape \(\.\.\., 3\), got \(2, 2\)"),
        (lambda: rf.linear_cross_entropy(LINEAR, LOGITS.astype(float), [0, 1]), TypeError,
         "h: expected dtype float32, got float64"),
        (lambda: rf.linear_cross_entropy(LINEAR, LOGITS * np.nan, [0, 1]), ValueError,
         "h: expected finite numbers, got NaN or infinity"),
        (lambda: rf.linear_cross_entropy(LINEAR, LOGITS, [0, 4]), ValueError,
         "targets: expected classes from 0 to 3"),
        (lambda: rf.linear_cross_entropy(None, LOGITS, [0, 4]), TypeError,
         "linear: expected a Linear, got NoneType"),
        (lambda: rf.binary_cross_entropy_with_logits(LOGITS, LOGITS[:1]), ValueError,
         r"targets: expected shape \(2, 3\), got \(1, 3\)"),
        (lambda: rf.binary_cross_entropy_with_logits(LOGITS, LOGITS, class_weights=LOGITS[0, :2]),
         ValueError, r"class_weights: expected shape \(3,\), got \(2,\)"),
        (lambda: rf.binary_cross_entropy_with_logits(LOGITS, LOGITS, class_weights=np.ones(3)),
         TypeError, "class_weights: expected dtype float32, got float64"),
        (lambda: rf.binary_cross_entropy_with_logits(LOGITS, LOGITS, label_smoothing=1.0),
         ValueError, "label_smoothing: expected a finite number of at least 0 and below 1, got"),
        (lambda: rf.mse(LOGITS, LOGITS.astype(float)), TypeError,
         "targets: expected dtype float32, got float64"),
        (lambda: rf.mse(LOGITS, LOGITS, weights=np.ones(3, "float32")), ValueError,
         r"weights: expected shape \(2, 3\), got \(3,\)"),
        (lambda: rf.mse(LOGITS * np.nan, LOGITS), FloatingPointError,
         "predictions: expected finite numbers, got NaN or infinity"),
        (lambda: rf.l1(LOGITS, LOGITS.astype(float)), TypeError,
         "targets: expected dtype float32, got float64"),
        (lambda: rf.l1(LOGITS, LOGITS[:1]), ValueError,
         r"targets: expected shape \(2, 3\), got \(1, 3\)"),
        (lambda: rf.l1(LOGITS, LOGITS, weights=np.ones(3, "float32")), ValueError,
         r"weights: expected shape \(2, 3\), got \(3,\)"),
        (lambda: rf.l1(LOGITS, LOGITS, weights=np.ones((2, 3))), TypeError,
         "weights: expected dtype float32, got float64"),
        (lambda: rf.l1(LOGITS * np.nan, LOGITS), FloatingPointError,
         "predictions: expected finite numbers, got NaN or infinity"),
    ],
)  # fmt: skip
def test_bad_input(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
    assert not LINEAR.grads["weight"].any()


def test_broken_weights_are_told() -> None:
    linear = rf.Linear(3, 4, seed=1)
    spoil(linear.parameters()["bias"], [0.0, np.nan, 0.0, 0.0])
    with pytest.raises(FloatingPointError, match="loss: expected a finite number, got nan: a para"):
        rf.linear_cross_entropy(linear, LOGITS, [0, 1])
    assert not linear.grads["weight"].any()


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("weighted", [False, True])
def test_cross_entropy_against_torch(reduction: Any, smoothing: float, weighted: bool) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    logits, targets = rng.normal(size=(20, 7)), rng.integers(7, size=20)
    targets[3] = -100
    c = rng.uniform(0.1, 2.0, 7) if weighted else None
    x = torch.from_numpy(logits).requires_grad_()
    want = torch.nn.functional.cross_entropy(
        x,
        torch.from_numpy(targets),
        weight=None if c is None else torch.from_numpy(c),
        label_smoothing=smoothing,
        reduction=reduction,
    )
    want.backward()
    loss, dlogits = rf.cross_entropy(
        logits, targets, class_weights=c, label_smoothing=smoothing, reduction=reduction
    )
    np.testing.assert_allclose(loss, want.item(), rtol=1e-12)
    np.testing.assert_allclose(dlogits, x.grad.numpy(), rtol=1e-11, atol=1e-15)


def test_float32_error_is_not_larger_than_torch() -> None:
    """Gradients through many classes and rows, against float64."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    linear = rf.Linear(64, 4000, seed=1)
    h = rng.normal(size=(600, 64)).astype("float32")
    targets = rng.integers(4000, size=600)

    def gradients(dtype: Any) -> list[Array]:
        x = torch.from_numpy(h).to(dtype).requires_grad_()
        layer = torch.nn.Linear(64, 4000).to(dtype)
        with torch.no_grad():
            for name, parameter in layer.named_parameters():
                parameter.copy_(torch.from_numpy(linear.state_dict()[name]))
        torch.nn.functional.cross_entropy(layer(x), torch.from_numpy(targets)).backward()
        return [g.double().numpy() for g in (x.grad, layer.weight.grad, layer.bias.grad)]

    exact, theirs = gradients(torch.float64), gradients(torch.float32)
    _, dh = rf.linear_cross_entropy(linear, h, targets)
    for want, torch_got, got in zip(exact, theirs, (dh, *linear.grads.values()), strict=True):
        error = np.linalg.norm(got - want)
        assert error <= 1.5 * np.linalg.norm(torch_got - want) + 1e-8 * np.linalg.norm(want)


def unaligned(array: Any) -> Any:
    memory = np.zeros(array.nbytes + 1, np.uint8)
    memory[1:] = np.frombuffer(array.tobytes(), np.uint8)
    return memory[1:].view(array.dtype).reshape(array.shape)


@pytest.mark.parametrize("layout", [np.asfortranarray, unaligned, lambda a: a[::-1].copy()[::-1]])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "loss", [rf.mse, rf.l1, rf.binary_cross_entropy_with_logits, rf.cross_entropy]
)
def test_bits_do_not_depend_on_the_layout(loss: Any, dtype: str, layout: Any) -> None:
    rng = np.random.default_rng(0)
    for shape in [(3, 5), (17, 33), (65, 3)]:
        x, w = rng.normal(size=shape).astype(dtype), rng.random(shape).astype(dtype)
        t: Any = rng.random(shape).astype(dtype)
        if loss is rf.cross_entropy:
            t, w = rng.integers(0, shape[1], shape[0]), w[:, 0].copy()
        expected = loss(x, t, weights=w)
        got = loss(layout(x), layout(t), weights=layout(w))
        assert got[0] == expected[0]
        np.testing.assert_array_equal(got[1], expected[1])


@pytest.mark.parametrize("wrong", [-5.0, 1.5, float("nan"), float("inf")])
def test_targets_of_binary_cross_entropy_are_probabilities(wrong: float) -> None:
    targets = np.array([[0.0], [wrong]], np.float32)
    with pytest.raises(ValueError, match=rf"^targets: expected numbers from 0 to 1, got {wrong}$"):
        rf.binary_cross_entropy_with_logits(np.zeros((2, 1), np.float32), targets)
