"""Pooling over time, and the layers that read a sequence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradcheck import assert_gradients
from rnnfast.models.parts.hyperparameters import LayerOptions
from rnnfast.models.parts.networks.encoder import EncoderLayers
from rnnfast.nn.pooling import POOLINGS, pool, pooled_size

LENGTHS = np.array([4, 0, 1, 3])


def outputs(directions: int, dtype: str = "float64") -> np.ndarray:
    return np.random.default_rng(0).normal(size=(4, 4, 3 * directions)).astype(dtype)


def expected(h: np.ndarray, how: str, directions: int) -> np.ndarray:
    rows = []
    for column, length in enumerate(LENGTHS):
        own = h[:length, column]
        if length == 0:
            rows.append(np.zeros(h.shape[2]))
        elif how == "last":
            rows.append(np.concatenate([own[-1, :3], own[0, 3:]]))
        else:
            rows.append(own.mean(axis=0) if how == "mean" else own.max(axis=0))
    return np.array(rows)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("how", POOLINGS)
def test_values(how: str, directions: int, dtype: str) -> None:
    h = outputs(directions, dtype)
    kinds = ("last", "mean", "max") if how == "concat" else (how,)
    right = np.concatenate([expected(h, kind, directions) for kind in kinds], axis=1)
    h[np.arange(4)[:, np.newaxis] >= LENGTHS] = 0
    v, backprop = pool(h, LENGTHS, how, directions)
    assert v.dtype == dtype and v.shape == (4, pooled_size(how, 3 * directions))
    np.testing.assert_allclose(v, right, rtol=1e-6 if dtype == "float32" else 1e-15)
    assert backprop(v).dtype == dtype


@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("how", POOLINGS)
def test_gradients(how: str, directions: int) -> None:
    h = outputs(directions)
    h[np.arange(4)[:, np.newaxis] >= LENGTHS] = 0
    v, backprop = pool(h, LENGTHS, how, directions)
    weights = np.random.default_rng(1).normal(size=v.shape)
    before = weights.copy()
    dh = backprop(weights)
    np.testing.assert_array_equal(weights, before)
    np.testing.assert_array_equal(dh[np.arange(4)[:, np.newaxis] >= LENGTHS], 0)
    assert_gradients(
        lambda: float((pool(h, LENGTHS, how, directions)[0] * weights)[LENGTHS > 0].sum()),
        {"h": h},
        {"h": dh},
    )


def test_unknown_pooling() -> None:
    with pytest.raises(ValueError, match=r"^pooling: expected one of last, mean, max, concat, got"):
        pool(outputs(1), LENGTHS, "sum")


# The layers that read a sequence


def encoder(**options: Any) -> EncoderLayers:
    defaults: dict[str, Any] = {
        "cell": "gru", "hidden_size": 4, "num_layers": 2, "embedding_size": 3, "dropout": 0.0,
        "dtype": "float64",
    }  # fmt: skip
    rng = np.random.default_rng(0)
    own = {
        name: options.pop(name)
        for name in ("tokens", "blank", "unknown", "drop_outputs")
        if name in options
    }
    layers = LayerOptions(**{**defaults, **options})
    return EncoderLayers(6, layers, **{"tokens": True, "rng": rng, **own})


VARIANTS: list[dict[str, Any]] = [
    {},
    {"embedding_size": None},
    {"embedding_size": None, "bidirectional": True, "blank": 5},
    {"bidirectional": True, "blank": 5, "unknown": 0},
    {"tokens": False, "cell": "lstm", "bidirectional": True},
    {"tokens": False, "cell": "lstm", "cell_options": {"proj_size": 2}},
]


def inputs_of(options: dict[str, Any]) -> np.ndarray:
    rng = np.random.default_rng(2)
    if options.get("tokens", True):
        return rng.integers(5, size=(4, 4))
    return rng.normal(size=(4, 4, 6))


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_encoder_gradients(options: dict[str, Any]) -> None:
    layers, x = encoder(**options), inputs_of(options)
    (h, state), backprop = layers.forward(x, lengths=LENGTHS)
    np.testing.assert_array_equal(layers(x, lengths=LENGTHS)[0], h)
    assert h.shape == (4, 4, layers.output_size)
    rng = np.random.default_rng(1)
    dh = rng.normal(size=h.shape)
    states = state if isinstance(state, tuple) else (state,)
    dstates = tuple(rng.normal(size=part.shape) for part in states)
    _, dstate0 = backprop(dh, dstates if isinstance(state, tuple) else dstates[0])
    initials = dstate0 if isinstance(dstate0, tuple) else (dstate0,)
    assert [part.shape for part in initials] == [part.shape for part in states]
    gradients = {
        f"{prefix}.{name}": parameter.grad.copy()
        for prefix, module in layers.modules.items()
        for name, parameter in module.parameters().items()
    }
    values = {
        f"{prefix}.{name}": parameter.data.copy()
        for prefix, module in layers.modules.items()
        for name, parameter in module.parameters().items()
    }

    def value() -> float:
        for name, array in values.items():
            prefix, _, short = name.partition(".")
            layers.modules[prefix].parameters()[short].assign(array)
        y, after = layers(x, lengths=LENGTHS)
        finals = after if isinstance(after, tuple) else (after,)
        total = (y * dh).sum()
        return float(total + sum((f * d).sum() for f, d in zip(finals, dstates, strict=True)))

    assert_gradients(value, values, gradients, directions=4, tolerance=1e-6)


def test_what_stands_for_nothing_has_no_vector() -> None:
    for embedding_size in (None, 3):
        layers = encoder(
            embedding_size=embedding_size, bidirectional=True, blank=5, unknown=0, num_layers=1
        )
        table = (
            layers.modules["recurrent"].parameters()["weight_ih_l0_reverse"].data.T
            if embedding_size is None
            else layers.modules["embedding"].parameters()["weight"].data
        )
        np.testing.assert_array_equal(table[[0, 5]], 0)
        assert (np.abs(table[1:5]).sum(axis=1) > 0).all()
        (h, _), backprop = layers.forward(np.array([[5, 0, 1]]))
        np.testing.assert_array_equal(h[0, 0], h[0, 1])
        assert (h[0, 0] != h[0, 2]).all()
        backprop(np.ones_like(h))
        if embedding_size is None:
            gradient = layers.modules["recurrent"].grads["weight_ih_l0_reverse"].T
        else:
            gradient = layers.modules["embedding"].grads["weight"]
        np.testing.assert_array_equal(gradient[5], 0)
        assert (gradient[[0, 1]] != 0).any(axis=1).all()


def test_dropout_is_for_training() -> None:
    x = inputs_of({})
    layers = encoder(dropout=0.5, num_layers=1)
    h, _ = layers(x)
    np.testing.assert_array_equal(h, encoder(num_layers=1)(x)[0])
    (dropped, _), _ = layers.forward(x)
    assert 0.3 < (dropped == 0).mean() < 0.7
    kept = encoder(dropout=0.5, num_layers=1, drop_outputs=False)
    (dropped, _), _ = kept.forward(x)
    assert (dropped != 0).all() and (dropped != h).any()


def test_word_dropout_reads_unknown() -> None:
    layers = encoder(word_dropout=0.5, unknown=0, num_layers=1)
    x = np.full((1, 2000), 3)
    (h, _), _ = layers.forward(x)
    seen, counts = np.unique(h[0], axis=0, return_counts=True)
    assert len(seen) == 2 and abs(counts[0] / 2000 - 0.5) < 0.06
    either = layers(np.array([[0, 3]]))[0][0]
    np.testing.assert_array_equal(seen, np.unique(either, axis=0))
    assert len(np.unique(layers(x)[0][0], axis=0)) == 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_first_of_equal_ones_has_the_gradient(dtype: str) -> None:
    h = np.zeros((3, 2, 2), dtype)
    h[1:, 0, 0] = 1.0
    dv = np.array([[2.0, -3.0], [4.0, 5.0]], dtype)
    dh = pool(h, np.array([3, 0]), "max")[1](dv)
    expected = np.zeros_like(h)
    expected[1, 0, 0], expected[0, 0, 1] = 2.0, -3.0
    np.testing.assert_array_equal(dh, expected)
    assert not np.signbit(dh[dh == 0]).any()
