"""Networks with an output at every step: gradients of all their layers, search, words."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from gradcheck import assert_gradients
from rnnfast.models.parts.fitting.examples import ExampleBatch
from rnnfast.models.parts.hyperparameters import LayerOptions, WordOptions
from rnnfast.models.parts.networks.encoder import EncoderLayers
from rnnfast.models.parts.networks.encoder_network import EncoderNetwork
from rnnfast.models.parts.networks.feedback_head import FeedbackHead
from rnnfast.models.parts.networks.heads import CrfHead, Head, NumberHead, SigmoidHead, SoftmaxHead
from rnnfast.models.parts.networks.word_layers import WordLayers
from rnnfast.models.parts.reading.word_features import (
    MOST_CHARACTERS,
    SHAPES,
    WordFeatures,
    distinct_rows,
    word_shape,
)
from rnnfast.nn.crf import Constraints

Array = npt.NDArray[Any]

SENTENCES = [["The", "cat", "ate"], ["A", "cat"], ["The", "7th", "Cat", "eats", "a", "cat"]]
LENGTHS = np.array([3, 2, 6])


def make_words(**options: Any) -> tuple[WordLayers, Array]:
    """Layers of words, and the sentences as they read them."""
    reading = WordOptions(
        lowercase=True, shape_features=True, char_encoder=True, char_embedding_size=2,
        char_hidden_size=2,
    )  # fmt: skip
    features = WordFeatures.learn([*SENTENCES], reading)
    assert features is not None
    keys = sorted({key for words in SENTENCES for key in features.keys(words)})
    x = np.zeros((6, 3, 2 + MOST_CHARACTERS), np.int32)
    for column, words in enumerate(SENTENCES):
        ids = np.array([1 + keys.index(key) for key in features.keys(words)])
        x[: len(words), column] = features.encode([words], [ids])[0]
    layers = layer_options(**{"embedding_size": 3, **options})
    rng = np.random.default_rng(2)
    return WordLayers(features, len(keys) + 1, layers, reading, rng=rng, unknown=0), x


def layer_options(**options: Any) -> LayerOptions:
    defaults: dict[str, Any] = {
        "cell": "lstm", "hidden_size": 3, "num_layers": 1, "embedding_size": 3, "dropout": 0.0,
        "dtype": "float64",
    }  # fmt: skip
    return LayerOptions(**{**defaults, **options})


def make_encoder(words: WordLayers | None = None) -> EncoderLayers:
    layers = layer_options(cell="gru", bidirectional=True)
    return EncoderLayers(5, layers, tokens=True, rng=np.random.default_rng(0), words=words)


def make_head(kind: str, size: int) -> Head:
    rng: Any = np.random.default_rng(1)
    weights = np.array([0.5, 2.0, 1.0, 1.5])
    if kind == "softmax":
        return SoftmaxHead(
            size, 4, class_weights=weights, label_smoothing=0.1, dtype="float64", rng=rng
        )
    if kind == "crf":
        rules = Constraints.bio(["O", "B-X", "I-X", "B-Y"])
        return CrfHead(size, 4, constraints=rules, dtype="float64", rng=rng)
    if kind == "sigmoid":
        return SigmoidHead(size, 4, dtype="float64", rng=rng)
    if kind in ("mse", "mae"):
        return NumberHead(size, 4, loss=kind, dtype="float64", rng=rng)
    return FeedbackHead(
        size, 4, layer_options(), label_embedding_size=2, class_weights=weights,
        label_smoothing=0.1, rng=rng,
    )  # fmt: skip


def targets_of(kind: str) -> Array:
    rng = np.random.default_rng(3)
    if kind in ("mse", "mae"):
        return rng.normal(size=(6, 3, 4))
    if kind == "sigmoid":
        return (rng.random((6, 3, 4)) < 0.5).astype("float64")
    return np.array([[0, 1, 3], [1, 2, 0], [2, 0, 1], [0, 0, 2], [0, 0, 2], [0, 0, 0]])


def assert_network_gradients(network: EncoderNetwork, batch: ExampleBatch) -> None:
    state = {
        f"{prefix}.{name}": array
        for prefix, module in network.modules.items()
        for name, array in module.state_dict().items()
    }

    start = state.get("label_embedding.weight")

    def value() -> float:
        if start is not None:
            start[-1] = 0  # no label: a vector that stays zero
        for prefix, module in network.modules.items():
            module.load_state_dict({n: state[f"{prefix}.{n}"] for n in module.parameters()})
        return network.add_gradients(batch)[0]

    value()
    for module in network.modules.values():
        module.zero_grad()
    loss, count = network.add_gradients(batch)
    assert count == batch.lengths.sum()
    assert np.isfinite(loss)
    gradients = {
        f"{prefix}.{name}": grad.copy()
        for prefix, module in network.modules.items()
        for name, grad in module.grads.items()
    }
    assert_gradients(value, state, gradients, directions=3, tolerance=2e-7)


@pytest.mark.parametrize("kind", ["softmax", "crf", "sigmoid", "mse", "mae", "feedback"])
def test_gradients_of_heads(kind: str) -> None:
    encoder = make_encoder()
    network = EncoderNetwork(encoder, make_head(kind, encoder.output_size))
    x = np.random.default_rng(4).integers(5, size=(6, 3))
    batch = ExampleBatch(x, LENGTHS, targets_of(kind))
    assert_network_gradients(network, batch)


@pytest.mark.parametrize("kind", ["softmax", "crf", "sigmoid", "mse", "mae", "feedback"])
def test_padding_is_never_read(kind: str) -> None:
    encoder = make_encoder()
    network = EncoderNetwork(encoder, make_head(kind, encoder.output_size))
    x = np.random.default_rng(4).integers(5, size=(6, 3))
    y = targets_of(kind)
    losses = [network.loss(ExampleBatch(x, LENGTHS, y))]
    past = np.arange(6)[:, np.newaxis] >= LENGTHS
    x[past], y[past] = 2, 1
    losses.append(network.loss(ExampleBatch(x, LENGTHS, y)))
    alone = sum(
        network.loss(ExampleBatch(x[:n, b : b + 1], LENGTHS[b : b + 1], y[:n, b : b + 1]))
        for b, n in enumerate(LENGTHS)
    )
    assert losses[0] == losses[1] == pytest.approx(alone, rel=1e-13)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("embedding_size", [3, None])
def test_gradients_of_words(cell: str, embedding_size: int | None) -> None:
    words, x = make_words(cell=cell, embedding_size=embedding_size)
    encoder = make_encoder(words)
    network = EncoderNetwork(encoder, make_head("softmax", encoder.output_size))
    assert_network_gradients(network, ExampleBatch(x, LENGTHS, targets_of("softmax")))


def test_vectors_of_words() -> None:
    """A word's vector is that of its own characters, whatever stands beside it."""
    words, x = make_words()
    vectors = words(x)
    assert vectors.shape == (6, 3, words.output_size) == (6, 3, 3 + 2 * 2 + len(SHAPES))
    for b, n in enumerate(LENGTHS):
        np.testing.assert_array_equal(words(x[:n, b : b + 1])[:, 0], vectors[:n, b])
    np.testing.assert_array_equal(vectors[1, 0], vectors[5, 2])  # cat
    assert (vectors[1, 0, :3] == vectors[2, 2, :3]).all()  # Cat has the same id,
    assert (vectors[1, 0, 3:7] != vectors[2, 2, 3:7]).all()  # but other characters
    np.testing.assert_array_equal(words.forward(x)[0], vectors)


def test_word_dropout_spares_the_characters() -> None:
    words, x = make_words(word_dropout=0.5)
    vectors, dropped = words(x), words.forward(x)[0]
    hidden = (dropped[..., :3] == 0).all(axis=-1)
    assert 2 <= hidden[np.arange(6)[:, np.newaxis] < LENGTHS].sum() <= 9
    np.testing.assert_array_equal(dropped[..., 3:], vectors[..., 3:])
    np.testing.assert_array_equal(dropped[~hidden], vectors[~hidden])


def test_shapes_of_words() -> None:
    found = {word: SHAPES[word_shape(word)] for word in (
        "dog", "Dog", "I", "NASA", "U.S.", "iPhone", "12", "1,200", "4th", "...", "", "don't",
        "O'Neill", "日本",
    )}  # fmt: skip
    assert found == {
        "dog": "lower", "Dog": "capital", "I": "capital", "NASA": "upper", "U.S.": "upper",
        "iPhone": "mixed", "12": "number", "1,200": "number", "4th": "with digit",
        "...": "no letter", "": "no letter", "don't": "lower", "O'Neill": "mixed", "日本": "lower",
    }  # fmt: skip


def test_word_features() -> None:
    features = WordFeatures.learn([["abc", "Ab"]], WordOptions(lowercase=True, char_encoder=True))
    assert features is not None
    assert features.characters is not None
    long = "a" * 20 + "b" * 20
    (encoded, nothing) = features.encode(
        [["Ab", "zb", long], []], [np.array([3, 1, 2]), np.empty(0, np.int64)]
    )
    assert nothing.shape == (0, 2 + MOST_CHARACTERS)
    known = features.characters
    assert encoded.dtype == np.int32
    assert encoded[:, 0].tolist() == [3, 1, 2]
    assert encoded[0, 2:5].tolist() == [known["A"], known["b"], 0]
    assert encoded[1, 2:4].tolist() == [known.unk_id, known["b"]]
    half = MOST_CHARACTERS // 2
    assert encoded[2, 2:].tolist() == [known["a"]] * half + [known["b"]] * half
    assert WordFeatures.from_dict(features.to_dict()) == features
    plain = WordFeatures.learn([["abc"]], WordOptions())
    assert plain is not None
    ids = np.array([5])
    assert plain.encode([["abc"]], [ids])[0] is ids
    assert WordFeatures.from_dict(plain.to_dict()) == plain


def test_distinct_rows() -> None:
    rows = np.random.default_rng(0).integers(-2, 2, size=(50, 3)).astype(np.int32)
    distinct, place = distinct_rows(rows)
    assert len({tuple(row) for row in rows.tolist()}) == len(distinct)
    np.testing.assert_array_equal(distinct[place], rows)


def log_probability(head: FeedbackHead, h: Array, tags: tuple[int, ...]) -> float:
    y = np.array(tags)[:, np.newaxis]
    return -head.loss(h, y, np.array([len(tags)]), backward=False)[0]


def test_a_wide_beam_finds_the_likeliest_tags() -> None:
    rng = np.random.default_rng(3)
    head = FeedbackHead(
        3, 3, layer_options(cell="gru", hidden_size=5), label_embedding_size=4,
        class_weights=None, label_smoothing=0.0, rng=rng,
    )  # fmt: skip
    for module in head.modules.values():  # far from chance
        for parameter in module.parameters().values():
            parameter.assign(3.0 * parameter.data)
    h = rng.normal(size=(4, 20, 3))
    lengths = np.array([4, 4, 3, 1] * 5)
    found = {width: head.predict(h, lengths, beam_size=width) for width in (1, 2, 27)}
    better = 0
    for b, n in enumerate(lengths):
        one = h[:n, b : b + 1]
        scores = {
            tags: log_probability(head, one, tags)
            for tags in itertools.product(range(3), repeat=int(n))
        }
        best = max(scores, key=lambda tags: scores[tags])
        of = {width: tuple(tags[:n, b].tolist()) for width, tags in found.items()}
        assert of[27] == best
        assert scores[of[1]] <= scores[best]
        better += scores[of[1]] < scores[best]
        # Greedy: at every step the likeliest tag after those before.
        for t in range(int(n)):
            options = [log_probability(head, one[: t + 1], (*of[1][:t], k)) for k in range(3)]
            assert of[1][t] == int(np.argmax(options))
        # In a batch of its own a sequence has the same tags.
        assert tuple(head.predict(one, lengths[b : b + 1], 2)[:, 0].tolist()) == of[2]
    assert better > 0, "greedy search was always right: the test shows nothing"


def test_feedback_probabilities() -> None:
    rng = np.random.default_rng(6)
    head = make_head("feedback", 3)
    assert isinstance(head, FeedbackHead)
    h, lengths = rng.normal(size=(5, 2, 3)), np.array([5, 3])
    tags, p = head.predict(h, lengths), head.probabilities(h, lengths)
    np.testing.assert_allclose(p.sum(axis=-1), 1.0, rtol=1e-13)
    for b, n in enumerate(lengths):
        np.testing.assert_array_equal(p[:n, b].argmax(axis=-1), tags[:n, b])
