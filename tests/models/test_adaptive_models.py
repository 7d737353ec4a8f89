"""Language models with an adaptive softmax."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast as rf

WORDS = [f"w{number}" for number in range(150)]
P = 1 / np.arange(1, 151)


def make_text(count: int = 3000, seed: int = 0) -> str:
    rng = np.random.default_rng(seed)
    return " ".join(rng.choice(WORDS, count, p=P / P.sum()))


TEXT = make_text()
OPTIONS: dict[str, Any] = {
    "level": "word", "output": "adaptive", "hidden_size": 16, "embedding_size": 8, "epochs": 2,
    "seed": 1, "verbose": 0,
}  # fmt: skip


@pytest.fixture(scope="module")
def lm() -> rf.LanguageModel:
    return rf.LanguageModel(**OPTIONS).fit(TEXT)


@pytest.fixture(scope="module")
def lines() -> rf.LanguageModel:
    texts = [make_text(5 + n % 7, n) for n in range(150)]
    return rf.LanguageModel(**OPTIONS, lines=True).fit(texts)


def test_cutoffs_follow_the_frequencies(lm: rf.LanguageModel) -> None:
    counts = lm.vocabulary_.counts
    shares = np.cumsum(counts) / counts.sum()
    assert lm.cutoffs_ is not None
    for cutoff, share in zip(lm.cutoffs_, (0.8, 0.95), strict=True):
        assert shares[cutoff - 1] >= share > shares[cutoff - 2]
    output = lm.network_.output
    assert isinstance(output, rf.AdaptiveSoftmax) and output.cutoffs == lm.cutoffs_
    assert rf.LanguageModel(**OPTIONS, cutoffs=[3, 9]).fit(TEXT).cutoffs_ == (3, 9)


@pytest.mark.parametrize("text", ["a", "ab" * 50, "a b " * 30])
def test_vocabularies_of_few_tokens(text: str) -> None:
    options = OPTIONS | {"level": "char", "validation_fraction": 0.0, "batch_size": 1}
    options["sequence_length"] = 1
    lm = rf.LanguageModel(**options).fit(text)
    assert sum(p for _, p in lm.next_tokens("a", 9)) == pytest.approx(1, abs=1e-6)


def test_probabilities_are_exact(lm: rf.LanguageModel) -> None:
    """They sum to 1, and those of all steps are what log_prob and the stream say."""
    following = lm.next_tokens("w1 w2", 1000)
    assert len(following) == len(lm.vocabulary_)
    assert sum(p for _, p in following) == pytest.approx(1, abs=1e-6)
    prefix, total = [], 0.0
    stream = lm.stream()
    for word in ["w0", "w140", "w3", "w60"]:
        chances = dict(lm.next_tokens(" ".join(prefix), 1000))
        total += np.log(chances[word])
        prefix.append(word)
        after = stream(word)
        np.testing.assert_allclose(after.sum(), 1, atol=1e-6)
        again = dict(lm.next_tokens(" ".join(prefix), 1000))
        expected = [again[token] for token in lm.vocabulary_.tokens]
        np.testing.assert_allclose(after.reshape(-1), expected, rtol=1e-4)
    assert lm.log_prob(" ".join(prefix)) == pytest.approx(total, rel=1e-5)
    assert lm.perplexity(TEXT) < len(lm.vocabulary_)


def test_lines_sum_to_one(lines: rf.LanguageModel) -> None:
    assert np.isfinite(lines.log_prob("w1 w2"))
    assert sum(p for _, p in lines.next_tokens("", 1000)) == pytest.approx(1, abs=1e-6)
    texts = lines.sample(20, max_length=30, seed=0)
    assert len(texts) == 20 and "<EOS>" not in " ".join(texts)
    assert min(len(text.split()) for text in texts) < 30


def test_samples_follow_the_probabilities(lm: rf.LanguageModel) -> None:
    following = lm.next_tokens("w1", 1000)
    chances, unknown = dict(following), dict(following)["<UNK>"]
    drawn = [text.split()[1] for text in lm.sample(8000, "w1", max_length=1, seed=3)]
    best = following[0][0]
    for word in ("w0", best):
        share, expected = drawn.count(word) / len(drawn), chances[word] / (1 - unknown)
        assert share == pytest.approx(expected, abs=4 * np.sqrt(expected / len(drawn)))
    assert lm.sample(2, "w1", max_length=8, seed=5) == lm.sample(2, "w1", max_length=8, seed=5)
    greedy = lm.sample(1, "w1", max_length=3, temperature=0.0)
    prefix = "w1"
    for _ in range(3):
        tokens = [token for token, _ in lm.next_tokens(prefix, 2) if token != "<UNK>"]
        prefix += f" {tokens[0]}"
    assert greedy == prefix


def test_saved_and_loaded(lm: rf.LanguageModel, tmp_path: Path) -> None:
    lm.save(tmp_path / "lm.safetensors")
    again = rf.load(tmp_path / "lm.safetensors")
    assert again.cutoffs_ == lm.cutoffs_ and again.get_params() == lm.get_params()
    assert again.perplexity(TEXT) == lm.perplexity(TEXT)
    assert again.sample(2, "w1", max_length=5, seed=1) == lm.sample(2, "w1", max_length=5, seed=1)


def test_resumed_with_the_same_bits(tmp_path: Path) -> None:
    whole = rf.LanguageModel(**OPTIONS).fit(TEXT)
    part = rf.LanguageModel(**OPTIONS)
    path = tmp_path / "checkpoint"

    def stop(progress: Any) -> None:
        if progress.epoch_ended:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        part.fit(TEXT, checkpoint=path, callbacks=[stop])
    part = rf.LanguageModel(**OPTIONS).fit(TEXT, checkpoint=path, resume=True)
    for name, value in whole.network_.output.state_dict().items():
        np.testing.assert_array_equal(part.network_.output.state_dict()[name], value)


def test_new_words_go_to_the_last_cluster(lm: rf.LanguageModel) -> None:
    more = make_text(1800, 5) + " alpha beta alpha beta"
    warm = rf.LanguageModel(**OPTIONS, validation_fraction=0.0, warm_start=True).fit(TEXT)
    before, cutoffs = warm.network_.output.state_dict(), warm.cutoffs_
    old = warm.vocabulary_.tokens
    warm.fit(more, epochs=0)
    assert warm.vocabulary_.tokens == (*old, "alpha", "beta") and warm.cutoffs_ == cutoffs
    after = warm.network_.output.state_dict()
    last = "tail.1.1.weight"
    assert len(after[last]) == len(before[last]) + 2
    for name, value in before.items():
        np.testing.assert_array_equal(after[name][: len(value)], value)
    warm.fit(more, epochs=1)
    assert sum(p for _, p in warm.next_tokens("alpha", 1000)) == pytest.approx(1, abs=1e-6)
    with pytest.raises(ValueError, match="output: expected 'adaptive', with which the model was"):
        warm.set_params(output="full").fit(more)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"output": "hierarchical"}, "output: expected 'full' or 'adaptive', got 'hierarchical'"),
        ({"output": "full", "cutoffs": [3]}, "cutoffs: expected None with output='full', got"),
        ({"cutoffs": [9, 3]}, "cutoffs: expected numbers from 1 on in ascending order"),
        ({"cutoffs": [9, 1000]}, "cutoffs: expected numbers from 1 to 1[0-9]{2} in ascending"),
        ({"tie_weights": True}, "tie_weights: expected False with output='adaptive'"),
        ({"label_smoothing": 0.1}, "label_smoothing: expected 0 with output='adaptive'"),
    ],
)
def test_what_does_not_go_with_it(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rf.LanguageModel(**(OPTIONS | options)).fit(TEXT)


def test_a_tokenizer_of_another_order_is_refused() -> None:
    tokenizers = pytest.importorskip("tokenizers")
    made = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({"z": 0, "a": 1, "<UNK>": 2}, unk_token="<UNK>")
    )
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    options = {k: v for k, v in OPTIONS.items() if k != "level"} | {"tokenizer": made}
    options |= {"batch_size": 1, "sequence_length": 5}
    with pytest.raises(ValueError, match="output: expected 'full' where the tokens of a tokenizer"):
        rf.LanguageModel(**options).fit("a a z " * 20)
    assert rf.LanguageModel(**options).fit("z z a " * 20).cutoffs_ is not None


def test_gradients_through_time(lm: rf.LanguageModel) -> None:
    before = lm.perplexity(TEXT)
    norms = rf.diagnostics.text_gradient_norms(lm, "w1 w2 w100")
    assert norms.shape == (1, 3) and (norms > 0).all()
    assert not any(gradient.any() for gradient in lm.network_.output.grads.values())
    assert lm.perplexity(TEXT) == before


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_exported(lm: rf.LanguageModel, dtype: str, tmp_path: Path) -> None:
    ort = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    from rnnfast.interop.onnx import export

    model = rf.LanguageModel(**OPTIONS, dtype=dtype).fit(TEXT)
    path = tmp_path / "lm.onnx"
    export(model, path)
    session = ort.InferenceSession(path)
    ids = model.vocabulary_.encode(["w1", "w2"])
    tokens = np.concatenate([[model.network_.start], ids])[np.newaxis]
    names = [output.name for output in session.get_outputs()]
    given = dict(zip(names, session.run(None, {"tokens": tokens}), strict=True))
    expected = dict(model.next_tokens("w1 w2", 1000))
    np.testing.assert_allclose(
        given["probabilities"][0, -1],
        [expected[token] for token in model.vocabulary_.tokens],
        rtol=1e-4 if dtype == "float32" else 1e-10,
    )


def test_sample_checks_what_it_is_given() -> None:
    gru = rf.GRU(9, 4, seed=0)
    layer = rf.AdaptiveSoftmax(4, 9, [3], seed=0)
    rows = rf.sample(gru.stream(3), layer, max_length=4, stop=[0, 1, 2, 3], seed=1)
    assert len(rows) == 3 and all(0 < len(row) <= 4 for row in rows)
    assert all((row[:-1] > 3).all() for row in rows)
    bad: list[tuple[Any, dict[str, Any], type[Exception], str]] = [
        (rf.AdaptiveSoftmax(5, 9, [3]), {}, ValueError, "linear: expected in_features 4, got 5"),
        (rf.AdaptiveSoftmax(4, 10, [3]), {}, ValueError, "linear: expected at most 9 tokens"),
        (rf.AdaptiveSoftmax(4, 9, [3], dtype="float64"), {}, TypeError, "linear: expected the dt"),
        (layer, {"prefix": [9]}, ValueError, "prefix: expected tokens from 0 to 8, got 9"),
        (layer, {"zero_first": False}, ValueError, "prefix: expected a token, or zero_first=True"),
        (layer, {"forbidden": range(9)}, ValueError, "forbidden: "),
        (rf.CRF(4), {}, TypeError, "linear: expected a Linear"),
    ]
    for output, options, kind, message in bad:
        with pytest.raises(kind, match=message):
            rf.sample(gru.stream(2), output, max_length=3, **options)
