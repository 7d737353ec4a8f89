"""Losses of output layers whose products are of bfloat16, against NumPy, by one thread and two."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from rnnfast import _core
from rnnfast.reference.quantized import round_bfloat16

# Rows, features, classes: odd ones, more than one block of each sum, and more than one of columns.
SIZES = [
    (1, 1, 300), (3, 17, 65), (17, 3, 129), (33, 65, 200), (65, 33, 1000), (257, 64, 100),
    (513, 130, 257), (300, 520, 66), (1040, 7, 90),
]  # fmt: skip
BFLOAT16_LEVELS = ("bf16", "amx")


def problem(rows: int, features: int, classes: int, bias: bool = True) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(rows)
    layer = rf.Linear(features, classes, bias, seed=1)
    h = rng.normal(size=(rows, features)).astype(np.float32)
    return layer, h, rng.integers(0, classes, rows)


def results(layer: Any, h: Any, targets: Any, **options: Any) -> list[Any]:
    """Loss, gradient of h, and those of the parameters, which begin with ones."""
    for gradient in layer.grads.values():
        gradient[...] = 1
    loss, dh = rf.linear_cross_entropy(layer, h, targets, reduction="sum", **options)
    return [loss, dh, *(gradient.copy() for gradient in layer.grads.values())]


def expected(layer: Any, h: Any, targets: Any, counts: Any) -> list[Any]:
    """In float64, of numbers that are rounded where products begin."""
    rounded = {name: round_bfloat16(array) for name, array in (("W", layer.state_dict()["weight"]),
                                                            ("h", h))}  # fmt: skip
    w, x = (rounded[name].astype(np.float64) for name in ("W", "h"))
    logits = x @ w.T + layer.state_dict().get("bias", 0.0)
    top = logits.max(axis=1, keepdims=True)
    terms = np.exp(logits - top)
    sums = terms.sum(axis=1, keepdims=True)
    places = np.arange(len(h)), targets
    loss = ((np.log(sums) + top)[:, 0] - logits[places])[counts].sum()
    d = terms / sums
    d[places] -= 1
    d[~counts] = 0
    used = round_bfloat16(d.astype(np.float32)).astype(np.float64)
    found = [loss, used @ w, 1 + used.T @ x]
    return found + ([1 + d.sum(axis=0)] if "bias" in layer.state_dict() else [])


@pytest.mark.parametrize(("rows", "features", "classes"), SIZES)
@pytest.mark.parametrize("bias", [True, False])
def test_against_numpy(
    reduced_level: str,
    set_threads: Callable[[int], None],
    rows: int,
    features: int,
    classes: int,
    bias: bool,
) -> None:
    layer, h, targets = problem(rows, features, classes, bias)
    counts = np.arange(rows) % 7 != 3
    given = np.where(counts, targets, -100)
    found = {}
    for threads in (1, 2, 5):
        set_threads(threads)
        found[threads] = results(layer, h, given, mixed_precision=True)
        for got, first in zip(found[threads], found[1], strict=True):
            np.testing.assert_array_equal(got, first)
    wide = np.ones((rows, features + 5), np.float32)
    wide[:, 3 : 3 + features] = h
    for got, first in zip(
        results(layer, wide[:, 3 : 3 + features], given, mixed_precision=True), found[1],
        strict=True,
    ):  # fmt: skip
        np.testing.assert_array_equal(got, first)
    exact = results(layer, h, given)
    if reduced_level not in BFLOAT16_LEVELS:
        assert not _core.multiplies_bfloat16()
        for got, other in zip(found[1], exact, strict=True):
            np.testing.assert_array_equal(got, other)
        return
    wanted = expected(layer, h, targets, counts)
    assert found[1][0] == pytest.approx(wanted[0], rel=2e-6)
    # A gradient of a score may be rounded up here and down there.
    for got, want, plain in zip(found[1][1:], wanted[1:], exact[1:], strict=True):
        scale = float(np.abs(want - 1).max()) if want.shape[0] == classes else np.abs(want).max()
        np.testing.assert_allclose(got, want, rtol=0, atol=3e-4 * max(scale, 0.1))
        np.testing.assert_allclose(got, plain, rtol=0, atol=3e-2 * max(scale, 0.1))
    assert not np.array_equal(found[1][2], exact[2])


@pytest.mark.usefixtures("reduced_level")
def test_sums_do_not_depend_on_the_rows_beside() -> None:
    """The gradient of a row is the same alone; a loss without gradients is that with them."""
    layer, h, targets = problem(700, 40, 150)
    loss, dh = rf.linear_cross_entropy(layer, h, targets, reduction="sum", mixed_precision=True)
    for row in (0, 47, 48, 511, 699):
        one = slice(row, row + 1)
        _, alone = rf.linear_cross_entropy(
            layer, h[one], targets[one], reduction="sum", mixed_precision=True
        )
        np.testing.assert_array_equal(alone, dh[one])
    options: dict[str, Any] = {"reduction": "sum", "backward": False, "mixed_precision": True}
    assert rf.linear_cross_entropy(layer, h, targets, **options) == (loss, None)


@pytest.mark.usefixtures("reduced_level")
def test_what_would_round_to_infinity_is_left_to_float32() -> None:
    """Also in a row that does not count, and in a weight that meets no such input."""
    most = np.finfo(np.float32).max
    layer, h, _ = problem(3, 4, 50)
    h[1, 2] = most
    cases = [(layer, h, np.array([3, -100, 7]))]
    layer, h, targets = problem(3, 4, 50, bias=False)
    weight = np.zeros((50, 4), np.float32)
    weight[49, 0] = most
    layer.load_state_dict({"weight": weight})
    cases.append((layer, -np.abs(h) / 8, targets))
    layer, h, targets = problem(3, 4, 50)
    h[2, 3] = -most
    cases.append((layer, h, targets))
    for case in cases:
        got, exact = results(*case, mixed_precision=True), results(*case)
        for one, other in zip(got, exact, strict=True):
            assert np.isfinite(one).all()
            np.testing.assert_array_equal(one, other)


def test_bad_arguments() -> None:
    layer, h, targets = problem(3, 4, 50)
    with pytest.raises(TypeError, match=r"^mixed_precision: expected a bool, got str"):
        rf.linear_cross_entropy(layer, h, targets, mixed_precision="yes")  # type: ignore[arg-type]
    double = rf.Linear(4, 50, dtype="float64")
    with pytest.raises(ValueError, match=r"^mixed_precision: expected False for a layer"):
        rf.linear_cross_entropy(double, h.astype(float), targets, mixed_precision=True)
    layer.load_state_dict({"weight": np.full((50, 4), 3e38, np.float32), "bias": np.zeros(50)})
    before = {name: gradient.copy() for name, gradient in layer.grads.items()}
    with pytest.raises(FloatingPointError, match=r"^loss: expected a finite number"):
        rf.linear_cross_entropy(layer, h * 4, targets, mixed_precision=True)
    for name, gradient in layer.grads.items():
        np.testing.assert_array_equal(gradient, before[name])


TEXT = " ".join(f"w{n * n % 53} w{n % 31} ." for n in range(600))


def learned(**options: Any) -> rf.LanguageModel:
    model = rf.LanguageModel(
        level="word", embedding_size=8, hidden_size=12, epochs=2, seed=1, verbose=0, **options
    )
    return model.fit(TEXT)


@pytest.mark.filterwarnings("ignore:mixed_precision")
def test_a_model_learns_as_in_float32(tmp_path: Any) -> None:
    plain, mixed = learned(), learned(mixed_precision=True)
    a, b = (model.evaluate(TEXT).perplexity for model in (plain, mixed))
    assert b == pytest.approx(a, rel=2e-2)
    assert (a != b) == _core.multiplies_bfloat16()
    mixed.save(tmp_path / "model")
    again = rf.load(tmp_path / "model")
    assert again.mixed_precision is True
    assert again.evaluate(TEXT).perplexity == b  # in float32 as before


def test_a_model_says_where_the_cpu_has_none(reduced_level: str, recwarn: Any) -> None:
    learned(mixed_precision=True)
    told = [str(each.message) for each in recwarn if "mixed_precision" in str(each.message)]
    assert len(told) == (reduced_level not in BFLOAT16_LEVELS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"output": "adaptive"}, "expected False with output='adaptive', got True"),
        ({"dtype": "float64"}, "expected False with dtype='float64', got True"),
    ],
)
def test_models_that_have_none(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^mixed_precision: {message}"):
        learned(mixed_precision=True, **options)
    with pytest.raises(TypeError, match=r"^mixed_precision: expected a bool, got int"):
        learned(mixed_precision=1)
