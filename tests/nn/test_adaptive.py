"""`rf.AdaptiveSoftmax` against its definition, central differences and PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import rnnfast as rf
import rnnfast.reference as ref
from gradcheck import assert_gradients

Array = npt.NDArray[np.floating]

TOLERANCE = {"float32": 5e-6, "float64": 1e-13}
# Rows, inputs, classes, cutoffs, div_value: odd ones, clusters of one class, more than a chunk.
SIZES: list[tuple[int, int, int, list[int], float]] = [
    (1, 1, 2, [1], 1.0), (1, 3, 17, [1, 2], 2.0), (3, 17, 33, [5, 17], 4.0),
    (17, 3, 65, [64], 1.0), (33, 65, 210, [3, 33, 65], 2.0), (65, 33, 520, [17, 200, 519], 4.0),
    (700, 40, 1100, [100, 500], 3.0),
    # Clusters of many classes and few features, whose logits are formed twice.
    (3, 17, 4200, [5, 33], 2.0), (1200, 9, 4500, [65], 1.0),
]  # fmt: skip
FIELDS = ("rows", "inputs", "classes", "cutoffs", "div_value")


def make(dtype: str = "float64", head_bias: bool = True, classes: int = 33) -> rf.AdaptiveSoftmax:
    return rf.AdaptiveSoftmax(17, classes, [5, 20], 2.0, head_bias, dtype=dtype, seed=1)


def reference_of(
    layer: rf.AdaptiveSoftmax, h: Array, targets: Any, factor: float
) -> tuple[float, Array, dict[str, Array]]:
    state = {name: array.astype("float64") for name, array in layer.state_dict().items()}
    a = h.astype("float64").T
    loss, cache = ref.adaptive_cross_entropy(a, targets, state, layer.cutoffs)
    da, grads = ref.adaptive_cross_entropy_backward(factor, cache)
    return loss * factor, da.T, grads


@pytest.mark.parametrize(FIELDS, SIZES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("head_bias", [True, False])
def test_against_the_reference(
    level: str,
    set_threads: Callable[[int], None],
    rows: int,
    inputs: int,
    classes: int,
    cutoffs: list[int],
    div_value: float,
    dtype: str,
    head_bias: bool,
) -> None:
    rng = np.random.default_rng(rows)
    layer = rf.AdaptiveSoftmax(inputs, classes, cutoffs, div_value, head_bias, dtype=dtype, seed=1)
    h = rng.normal(size=(rows, inputs)).astype(dtype)
    targets = rng.integers(classes, size=rows)
    old = {name: rng.normal(size=g.shape).astype(dtype) for name, g in layer.grads.items()}
    results = []
    for threads in (1, 2, 5):
        set_threads(threads)
        for name, gradient in layer.grads.items():
            gradient[...] = old[name]
        loss, dh = layer.loss(h, targets)
        assert dh is not None and dh.dtype == dtype
        results.append([loss, dh, *(gradient.copy() for gradient in layer.grads.values())])
    for other in results[1:]:
        for first, second in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(first, second)
    expected, expected_dh, grads = reference_of(layer, h, targets, 1 / rows)
    assert loss == pytest.approx(expected, rel=TOLERANCE[dtype])
    np.testing.assert_allclose(dh, expected_dh, rtol=0, atol=TOLERANCE[dtype])
    for name, gradient in layer.grads.items():
        np.testing.assert_allclose(
            gradient, old[name] + grads[name], rtol=0, atol=4 * TOLERANCE[dtype], err_msg=name
        )
    state = {name: array.astype("float64") for name, array in layer.state_dict().items()}
    log_p = ref.adaptive_log_softmax(h.astype("float64").T, state, cutoffs).T
    np.testing.assert_allclose(layer.log_prob(h), log_p, rtol=0, atol=20 * TOLERANCE[dtype])
    np.testing.assert_allclose(
        np.exp(layer.log_prob(h).astype("float64")).sum(axis=1), 1, atol=20 * TOLERANCE[dtype]
    )
    if dtype == "float64":
        np.testing.assert_array_equal(layer.predict(h), log_p.argmax(axis=1))


@pytest.mark.parametrize("targets", [[0, 7, 32], [4], [32], [1, 2, 3], [20, 31, 25, 21]])
@pytest.mark.parametrize("head_bias", [True, False])
def test_gradients_by_central_differences(targets: list[int], head_bias: bool) -> None:
    """Of the reference and of the layer, also where clusters have no row."""
    rng = np.random.default_rng(2)
    layer = make(head_bias=head_bias)
    state = layer.state_dict()
    wanted = np.array(targets)
    h = rng.normal(size=(len(targets), 17))

    def value() -> float:
        layer.load_state_dict(state)
        loss, _ = layer.loss(h, wanted, reduction="sum", backward=False)
        expected, _ = ref.adaptive_cross_entropy(h.T, wanted, state, layer.cutoffs)
        assert loss == pytest.approx(expected, rel=1e-13)
        return expected

    _, dh = layer.loss(h, wanted, reduction="sum")
    assert dh is not None
    assert_gradients(
        value, {"h": h, **state}, {"h": dh, **layer.grads}, directions=20, tolerance=1e-6
    )


@pytest.mark.parametrize(FIELDS, SIZES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("head_bias", [True, False])
def test_against_torch(
    rows: int,
    inputs: int,
    classes: int,
    cutoffs: list[int],
    div_value: float,
    dtype: str,
    head_bias: bool,
) -> None:
    torch = pytest.importorskip("torch")
    if inputs < div_value ** len(cutoffs):
        pytest.skip("PyTorch scores such a cluster from no number, that is, all its classes alike")
    rng = np.random.default_rng(rows)
    theirs = torch.nn.AdaptiveLogSoftmaxWithLoss(
        inputs, classes, cutoffs, div_value, head_bias, dtype=getattr(torch, dtype)
    )
    layer = rf.AdaptiveSoftmax(inputs, classes, cutoffs, div_value, head_bias, dtype=dtype)
    layer.load_state_dict(theirs.state_dict())
    h = rng.normal(size=(rows, inputs)).astype(dtype)
    targets = rng.integers(classes, size=rows)
    x = torch.tensor(h, requires_grad=True)
    result = theirs(x, torch.tensor(targets))
    result.loss.backward()
    loss, dh = layer.loss(h, targets)
    tolerance = {"rtol": 0, "atol": TOLERANCE[dtype]}
    assert loss == pytest.approx(result.loss.item(), rel=TOLERANCE[dtype])
    np.testing.assert_allclose(dh, x.grad.numpy(), **tolerance)
    assert list(layer.grads) == [name for name, _ in theirs.named_parameters()]
    for name, parameter in theirs.named_parameters():
        gradient = 0 if parameter.grad is None else parameter.grad.numpy()
        np.testing.assert_allclose(layer.grads[name], gradient, **tolerance, err_msg=name)
    with torch.no_grad():
        log_p, best = theirs.log_prob(x).numpy(), theirs.predict(x).numpy()
    np.testing.assert_allclose(layer.log_prob(h), log_p, rtol=0, atol=20 * TOLERANCE[dtype])
    # Classes that are equally likely but for rounding may change places.
    found = layer.predict(h)
    chosen, theirs_chosen = (log_p[np.arange(rows), classes] for classes in (found, best))
    np.testing.assert_allclose(chosen, theirs_chosen, rtol=0, atol=20 * TOLERANCE[dtype])
    # And back.
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.zero_()
    theirs.load_state_dict({k: torch.from_numpy(v) for k, v in layer.state_dict().items()})
    assert theirs(x, torch.tensor(targets)).loss.item() == pytest.approx(loss, rel=1e-6)


@pytest.mark.parametrize("classes", [33, 4200])
def test_weights_ignored_rows_and_scale(classes: int) -> None:
    rng = np.random.default_rng(3)
    layer = make(classes=classes)
    h, targets = rng.normal(size=(4, 5, 17)), rng.integers(classes, size=(4, 5))
    weights = rng.uniform(size=(4, 5))
    targets[1, 2] = 20  # a class that is to be ignored, though there is one
    log_p = np.take_along_axis(layer.log_prob(h), targets[..., np.newaxis], -1)[..., 0]
    counts = targets != 20
    loss, dh = layer.loss(h, targets, weights=weights, ignore_index=20, scale=3.0)
    expected = -3 * (weights * counts * log_p).sum() / (weights * counts).sum()
    assert loss == pytest.approx(expected, rel=1e-13)
    assert dh is not None and not dh[~counts].any() and dh[counts].any(axis=-1).all()
    total = layer.loss(h, targets, weights=counts, reduction="sum", backward=False)
    assert total == (pytest.approx(-(counts * log_p).sum(), rel=1e-13), None)


def test_no_rows() -> None:
    layer = make()
    h = np.zeros((0, 17))
    loss, dh = layer.loss(h, np.zeros(0, int), reduction="sum")
    assert loss == 0 and dh is not None and dh.shape == (0, 17)
    assert layer.log_prob(h).shape == (0, 33) and layer.predict(h).shape == (0,)
    assert layer.log_prob(np.zeros(17)).shape == (33,) and layer.predict(np.zeros(17)).shape == ()


def test_predict_is_the_argmax_of_log_prob() -> None:
    layer = make()
    layer.load_state_dict({k: 20 * v for k, v in layer.state_dict().items()})
    h = np.random.default_rng(0).normal(size=(300, 17))
    best = layer.predict(h)
    np.testing.assert_array_equal(best, layer.log_prob(h).argmax(axis=1))
    assert (best >= 5).any() and (best < 5).any()


def test_like() -> None:
    torch = pytest.importorskip("torch")
    layer, h = make("float32"), torch.ones(3, 17)
    for method in (layer.log_prob, layer.predict):
        made = method(h, like=True)
        assert isinstance(made, torch.Tensor)
        np.testing.assert_array_equal(made.numpy(), method(h.numpy()))


@pytest.mark.parametrize("name", ["head.weight", "tail.0.0.weight", "tail.1.1.weight"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("classes", [33, 4200])
def test_numbers_that_overflow_are_refused(name: str, dtype: str, classes: int) -> None:
    layer = make(dtype, classes=classes)
    state = layer.state_dict()
    layer.load_state_dict(state | {name: np.sign(state[name]) * np.finfo(dtype).max})
    h = 100 * np.random.default_rng(0).normal(size=(30, 17)).astype(dtype)
    targets = np.arange(30)
    with pytest.raises(FloatingPointError, match="loss: expected a finite number, got"):
        layer.loss(h, targets)
    assert not any(gradient.any() for gradient in layer.grads.values())
    with pytest.raises(FloatingPointError, match="expected finite numbers, got NaN or inf"):
        layer.log_prob(h)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 9, [3]), "in_features: expected at least 1, got 0"),
        ((4, 1, [1]), "n_classes: expected at least 2, got 1"),
        ((4, 9, []), "cutoffs: expected numbers from 1 to 8 in ascending order, got \\[\\]"),
        ((4, 9, [9]), "cutoffs: expected numbers from 1 to 8 in ascending order, got \\[9\\]"),
        ((4, 9, [0, 3]), "cutoffs: expected numbers from 1 to 8 in ascending order"),
        ((4, 9, [3, 3]), "cutoffs: expected numbers from 1 to 8 in ascending order"),
        ((4, 9, [5, 3]), "cutoffs: expected numbers from 1 to 8 in ascending order"),
        ((4, 9, [3], 0.5), "div_value: expected at least 1, so that no cluster"),
        ((4, 9, [3], 0.0), "div_value: expected a finite number above 0"),
        ((4, 9, [3], float("nan")), "div_value: expected"),
    ],
)
def test_bad_arguments(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rf.AdaptiveSoftmax(*arguments)


@pytest.mark.parametrize("cutoffs", [3, "3", [2.5], None, [True]])
def test_cutoffs_of_a_wrong_type(cutoffs: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"^cutoffs: expected"):
        rf.AdaptiveSoftmax(4, 9, cutoffs)


def test_bad_input_changes_nothing() -> None:
    layer = make("float32")
    h, targets = np.zeros((3, 17), np.float32), np.array([0, 6, 32])
    bad: list[tuple[Any, Any, dict[str, Any], type[Exception], str]] = [
        (h.astype(float), targets, {}, TypeError, "h: expected dtype float32"),
        (h[:, 1:], targets, {}, ValueError, r"h: expected shape \(..., 17\), got \(3, 16\)"),
        (h, targets[1:], {}, ValueError, r"targets: expected shape \(3,\), got \(2,\)"),
        (h, [0, 33, 1], {}, ValueError, "targets: expected classes from 0 to 32"),
        (h, [0, -1, 1], {}, ValueError, "targets: expected classes from 0 to 32"),
        (h + np.float32("nan"), targets, {}, ValueError, "h: expected finite numbers"),
        (h, targets, {"weights": np.ones(2, np.float32)}, ValueError, "weights: expected shape"),
        (h, targets, {"reduction": "none"}, ValueError, "reduction: expected"),
        (h, targets, {"backward": 1}, TypeError, "backward: expected"),
    ]
    for x, wanted, options, kind, message in bad:
        with pytest.raises(kind, match=message):
            layer.loss(x, wanted, **options)
        if not options and wanted is targets:
            for answer in (layer.log_prob, layer.predict):
                with pytest.raises(kind, match=f"^{message}"):
                    answer(x)
    assert not any(gradient.any() for gradient in layer.grads.values())
