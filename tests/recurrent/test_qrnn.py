"""QRNN with filters of several steps: windows in front of layers, states, streams, models."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from gradcheck import assert_gradients
from layer_cases import Case, assert_near, assert_same_bits, big, reference, run
from network_cases import pack, unpack

LENGTHS = [5, 0, 7, 1]
RNG = np.random.default_rng(2)
X = RNG.normal(size=(7, 4, 3))
RESET = RNG.random((7, 4)) < 0.3
TEXT = "the cat sat on the mat. a dog ran to the cat. " * 40
QUICK: dict[str, Any] = {
    "cell": "qrnn", "hidden_size": 6, "epochs": 1, "seed": 0, "verbose": 0,
}  # fmt: skip


def by_windows(layer: rf.QRNN) -> Any:
    """The same network of windows and layers of filters that see one step."""
    parts: list[rf.nn.Module] = []
    arrays = layer.state_dict()
    for k in range(layer.num_layers):
        width = layer.width * layer.spec.width(k)
        ways = []
        for end in ("", "_reverse")[: layer.num_directions]:
            one = rf.QRNN(width, layer.hidden_size, pooling=layer.pooling, dtype="float64")
            one.load_state_dict(
                {name: arrays[name.replace("l0", f"l{k}") + end] for name in one.parameters()}
            )
            ways.append(rf.chain(rf.Window(layer.width), one))
        parts.append(rf.bidirectional(*ways) if len(ways) == 2 else ways[0])
    return rf.chain(*parts)


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("pooling", ["f", "fo", "ifo"])
@pytest.mark.parametrize("width", [2, 3, 9])
def test_windows_in_front_of_layers_are_the_same(width: int, pooling: Any, both: bool) -> None:
    layer = rf.QRNN(
        3, 5, 2, pooling=pooling, width=width, bidirectional=both, dtype="float64", seed=1
    )
    net = by_windows(layer)
    expected, to_net = net.forward(X, LENGTHS, RESET)
    (y, _), backprop = layer.forward(X, None, LENGTHS, RESET)
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-14)
    dy = RNG.normal(size=y.shape)
    np.testing.assert_allclose(backprop(dy)[0], to_net(dy), rtol=1e-11, atol=1e-13)
    theirs = np.concatenate([grad.ravel() for grad in net.grads.values()])
    ours = np.concatenate([grad.ravel() for grad in layer.grads.values()])
    np.testing.assert_allclose(np.sort(ours), np.sort(theirs), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("sizes", [
    {"input_size": 1, "hidden_size": 1, "steps": 2, "batch": 1},
    {"input_size": 17, "hidden_size": 3, "num_layers": 2, "ragged": True, "resets": True},
    {"input_size": 3, "hidden_size": 33, "num_layers": 2, "bidirectional": True, "ragged": True},
    {"input_size": 65, "hidden_size": 17, "indices": True, "resets": True, "num_layers": 2},
])  # fmt: skip
def test_odd_sizes(level: str, sizes: dict[str, Any]) -> None:
    for dtype in ("float32", "float64"):
        case = Case("qrnn width 3", **sizes)
        tolerance = 1e-5 if dtype == "float32" else 1e-12
        assert_near(run(case.layer(dtype), case.inputs), reference(case), tolerance)


@pytest.mark.parametrize("sizes", [
    {"input_size": 72, "hidden_size": 72, "batch": 13, "num_layers": 2},
    {"input_size": 40, "hidden_size": 33, "batch": 27, "bidirectional": True, "ragged": True},
    {"input_size": 33, "hidden_size": 33, "batch": 2, "num_layers": 4, "resets": True},
], ids=["units", "directions", "layers"])  # fmt: skip
def test_a_team_gives_the_same_bits(
    level: str, set_threads: Callable[[int], None], sizes: dict[str, Any]
) -> None:
    case = big("qrnn width 3", **sizes)
    layer = case.layer("float32")
    set_threads(1)
    values = run(layer, case.inputs)
    assert_near(values, reference(case), 1e-5)
    for count in (2, 3):
        set_threads(count)
        assert_same_bits(run(layer, case.inputs), values)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("sizes", [(3, 4), (5, 2)])
def test_gradients_are_those_of_differences(sizes: tuple[int, int], bidirectional: bool) -> None:
    case = Case(
        "qrnn ifo width 2", *sizes, steps=5, batch=3, num_layers=2, bidirectional=bidirectional,
        ragged=True, resets=True,
    )  # fmt: skip
    layer, inputs = case.layer("float64"), case.inputs
    x, states = inputs.x.copy(), [s.copy() for s in inputs.states]
    parameters = layer.state_dict()

    def value() -> float:
        layer.load_state_dict(parameters)
        y, final = layer(x, pack(states), **inputs.options)
        ends = zip(unpack(final), inputs.dstates, strict=True)
        return float((y * inputs.dy).sum() + sum((s * d).sum() for s, d in ends))

    found = run(layer, inputs)
    room = np.flatnonzero(np.abs(states[1]).sum(axis=(0, 1)) > 0)
    assert room.size >= 4
    gradients = {name: found[name] for name in (*parameters, "dx", "dstate 1")}
    assert_gradients(value, {**parameters, "dx": x, "dstate 1": states[1]}, gradients)


@pytest.mark.parametrize("width", [2, 4])
def test_without_the_gradient_of_x_the_state_has_its_own(width: int) -> None:
    layer = rf.QRNN(3, 5, 2, width=width, dtype="float64", seed=0)
    dy = RNG.normal(size=(7, 4, 5))
    for x in (X, RNG.integers(0, 3, (7, 4)), X[:1]):
        _, backprop = layer.forward(x)
        _, again = layer.forward(x)
        dx, (_, dc) = backprop(dy[: len(x)], need_dx=False)
        assert dx is None and dc[0, :, 5:].any()
        np.testing.assert_array_equal(dc, again(dy[: len(x)])[1][1])


def test_indices_are_one_hot_vectors_in_passes_and_streams() -> None:
    layer = rf.QRNN(6, 5, 2, width=3, seed=0)
    ids = RNG.integers(0, 6, (9, 2))
    vectors = np.eye(6, dtype="f4")[ids]
    y, (h, c) = layer(vectors)
    for one, other in zip(layer(ids)[1], (h, c), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(layer(ids)[0], y)
    stream = layer.stream(2)
    np.testing.assert_array_equal([stream(row).copy() for row in ids], y)
    np.testing.assert_array_equal(stream.state[1], c)
    np.testing.assert_array_equal(c[0, :, 5:11], vectors[-1])


@pytest.mark.parametrize("batch", [1, 3, 300])
def test_rows_of_a_stream_forget_their_steps(batch: int) -> None:
    layer = rf.QRNN(3, 5, 2, width=3, seed=0)
    x = RNG.normal(size=(6, batch, 3)).astype("f4")
    stream, rows = layer.stream(batch), [0, batch - 1][: min(batch, 2)]
    for row in x[:3]:
        stream(row)
    stream.reset(rows)
    assert not any(part[:, rows].any() for part in stream.state)
    y = np.stack([stream(row).copy() for row in x[3:]])
    np.testing.assert_array_equal(y[:, rows], layer(x[3:])[0][:, rows])
    others = [row for row in range(batch) if row not in rows]
    np.testing.assert_array_equal(y[:, others], layer(x)[0][3:, others])
    kept, other = stream.state, copy.copy(stream)
    np.testing.assert_array_equal(stream(x[0]), other(x[0]))
    stream.state = kept
    np.testing.assert_array_equal(stream(x[0], rows=None), other.state[0][-1])
    stream.reset()
    np.testing.assert_array_equal(stream.run(x), layer(x)[0])


def test_saved_and_copied(tmp_path: Path) -> None:
    layer = rf.QRNN(3, 5, 2, width=3, bidirectional=True, dtype="float64", seed=0)
    rf.save(tmp_path / "q.safetensors", layer)
    loaded = rf.load(tmp_path / "q.safetensors")
    assert loaded.width == 3
    for other in (loaded, copy.deepcopy(layer)):
        np.testing.assert_array_equal(other(X)[0], layer(X)[0])
    arrays = layer.state_dict()
    assert arrays["weight_ih_l0"].shape == (15, 9)
    assert arrays["weight_ih_l1_reverse"].shape == (15, 30)
    with pytest.raises(ValueError, match=r"weight_ih_l0: expected shape \(15, 6\)"):
        rf.QRNN(3, 5, 2, width=2, bidirectional=True).load_state_dict(arrays)


def test_fused_and_quantized() -> None:
    lower, upper = (rf.QRNN(i, 5, width=2, dtype="float64", seed=i) for i in (3, 5))
    fused = rf.fuse(lower, upper)
    assert fused.width == 2
    np.testing.assert_array_equal(fused(X)[0], upper(lower(X)[0])[0])
    layer = rf.QRNN(3, 40, width=2, seed=0)
    small = rf.quantize(layer, "int8")
    np.testing.assert_allclose(small(X.astype("f4"))[0], layer(X.astype("f4"))[0], atol=0.05)


def test_an_ensemble_has_the_bits_of_each() -> None:
    layers = [rf.QRNN(3, 5, 2, width=3, seed=seed) for seed in range(3)]
    x = X.astype("f4")
    y, (_, c) = rf.Ensemble(layers)(x)
    for n, layer in enumerate(layers):
        np.testing.assert_array_equal(y[n], layer(x)[0])
        np.testing.assert_array_equal(c[n], layer(x)[1][1])


@pytest.mark.parametrize("embedding", [None, 4])
def test_language_models_sample_and_score(embedding: int | None, tmp_path: Path) -> None:
    lm = rf.LanguageModel(
        cell_options={"width": 3}, num_layers=2, embedding_size=embedding, batch_size=4,
        sequence_length=20, lines=False, **QUICK,
    ).fit(TEXT)  # fmt: skip
    recurrent = lm.network_.recurrent
    assert recurrent.width == 3
    text = "the cat"
    stream = lm.stream()
    scores = [stream(letter).copy() for letter in text]
    assert np.isfinite(np.asarray(scores)).all()
    lm.save(tmp_path / "lm.safetensors")
    loaded = rf.load(tmp_path / "lm.safetensors")
    assert loaded.log_prob(text) == lm.log_prob(text)
    assert loaded.sample(prefix="the", max_length=20, seed=3) == lm.sample(
        prefix="the", max_length=20, seed=3
    )


def test_nothing_is_learned_for_what_is_no_token() -> None:
    lm = rf.LanguageModel(cell_options={"width": 2}, batch_size=4, sequence_length=20, **QUICK)
    network = lm.fit(TEXT).network_
    weight, tokens = network.recurrent.state_dict()["weight_ih_l0"], network.recurrent.input_size
    columns = weight.reshape(-1, 2, tokens)
    assert not columns[:, :, network.start].any()
    assert columns.any(axis=(0, 1)).sum() >= tokens - 2


def test_more_tokens_keep_the_filters_of_those_before() -> None:
    model = rf.SequenceClassifier(
        cell_options={"width": 2}, level="word", embedding_size=None, **QUICK
    )
    model.fit(["a b", "b a"] * 4, [0, 1] * 4)
    before = dict(zip(model._reader.inputs.vocabulary.tokens, range(99), strict=False))
    old = model.network_.encoder.recurrent.state_dict()["weight_ih_l0"].reshape(-1, 2, len(before))
    model.fit(["c b", "b a"] * 4, [0, 1] * 4, warm_start=True, epochs=0)
    tokens = model._reader.inputs.vocabulary.tokens
    new = model.network_.encoder.recurrent.state_dict()["weight_ih_l0"].reshape(-1, 2, len(tokens))
    assert "c" in tokens and len(tokens) > len(before)
    for token, place in before.items():
        np.testing.assert_array_equal(new[:, :, tokens.index(token)], old[:, :, place])


@pytest.mark.parametrize("attention", ["general", None])
def test_a_decoder_begins_with_the_units_of_the_encoder(attention: Any, tmp_path: Path) -> None:
    pairs = [("ab", "ba"), ("abc", "cba"), ("b", "b"), ("ca", "ac")] * 4
    model = rf.Seq2Seq(
        cell_options={"width": 2}, level="char", num_layers=2, bidirectional=True,
        attention=attention, **QUICK,
    )  # fmt: skip
    model.fit([x for x, _ in pairs], [y for _, y in pairs])
    model.save(tmp_path / "s.safetensors")
    assert rf.load(tmp_path / "s.safetensors").predict(["ab", "c"]) == model.predict(["ab", "c"])
    network = model.network_
    encoder, decoder = network.encoder.recurrent, network.decoder.recurrent
    state = tuple(
        RNG.normal(size=(4, 2, size)) for size in (encoder.hidden_size, encoder.spec.memory_size)
    )
    h, c = network._join_directions(state)
    assert c.shape == (2, 2, decoder.spec.memory_size) and not c[:, :, decoder.hidden_size :].any()
    back = network._split_directions((h, c))
    np.testing.assert_array_equal(back[0], state[0])
    units = encoder.hidden_size
    np.testing.assert_array_equal(back[1][:, :, :units], state[1][:, :, :units])


@pytest.mark.parametrize("kind", [rf.SequenceClassifier, rf.SequenceTagger, rf.StepRegressor])
def test_models_and_their_streams(kind: Any) -> None:
    model = kind(cell_options={"width": 3}, num_layers=2, bidirectional=False, **QUICK)
    x = [RNG.normal(size=(5, 3)) for _ in range(8)]
    y: Any = {rf.SequenceClassifier: [0, 1] * 4, rf.SequenceTagger: [["a", "b", "a", "b", "b"]] * 8}
    model.fit(x, y.get(kind, [RNG.normal(size=5) for _ in x]))
    stream = model.stream()
    answers = [copy.deepcopy(stream(row)) for row in x[0]]
    if kind is rf.SequenceClassifier:
        np.testing.assert_array_equal(answers[-1].probabilities, model.predict_proba(x[:1])[0])
    elif kind is rf.StepRegressor:
        np.testing.assert_array_equal(np.ravel(answers), np.ravel(model.predict(x[:1])))
    else:
        assert [answer.labels for answer in answers] == list(model.predict(x[:1])[0])


@pytest.mark.parametrize(("value", "error"), [(0, ValueError), ("2", TypeError), (2.0, TypeError)])
def test_a_width_that_cannot_be(value: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"^width: expected .*, got "):
        rf.QRNN(3, 4, width=value)
    with pytest.raises(error, match=r"width: expected .*, got "):
        rf.SequenceClassifier(cell_options={"width": value}, **QUICK).fit([X[:, 0]] * 2, [0, 1])


def test_what_does_not_fit() -> None:
    layer = rf.QRNN(3, 5, width=2, dtype="float64")
    h, c = np.zeros((1, 4, 5)), np.zeros((1, 4, 5))
    with pytest.raises(ValueError, match=r"^c0: expected shape \(1, 4, 8\), got \(1, 4, 5\)"):
        layer(X, (h, c))
    with pytest.raises(ValueError, match=r"^cell_options: "):
        rf.LanguageModel(cell="gru", cell_options={"width": 2}).fit(TEXT)
    with pytest.raises(MemoryError):
        rf.QRNN(3, 400, width=2**31 - 1)


def test_more_than_there_is() -> None:
    with pytest.raises(MemoryError, match=r"hidden_size, num_layers, width: expected sizes whose"):
        rf.QRNN(3, 4, width=10**9)
    layer = rf.QRNN(1, 1, width=10**6)
    with pytest.raises(MemoryError, match=r"^width: steps side by side, 1000000 each needs "):
        layer(np.zeros((10**6, 10, 1), np.float32))
