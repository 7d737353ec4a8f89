"""Fitted models in ONNX Runtime give the numbers that they give here."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

import rnnfast as rf
from onnx_runs import OPSETS, Run, assert_same, export
from rnnfast.models.base import Model, NotFittedError
from rnnfast.models.forecasting.companions import Companion
from rnnfast.models.forecasting.line import Line
from rnnfast.models.forecasting.windows import Windows
from rnnfast.nn.recurrent import base

RNG = np.random.default_rng(0)
TEXTS = ["good", "very good film", "bad", "a very bad film", "really good", "bad film"] * 3
MOODS = ["+", "+", "-", "-", "+", "-"] * 3
WORDS = [["Ann", "sees", "Rome"], ["Bo", "likes", "Ann"], ["Rome", "sleeps"], ["Bo"]] * 3
TAGS = [["B-PER", "O", "B-LOC"], ["B-PER", "O", "B-PER"], ["B-LOC", "O"], ["B-PER"]] * 3
LENGTHS = [3, 1, 17, 6, 9, 4, 8, 5]
SERIES = [(RNG.normal(size=(n, 3)) * [1, 1e3, 1e-3] + [0, 1e6, 1]) for n in LENGTHS]
SMALL = {"hidden_size": 5, "epochs": 2, "verbose": 0, "seed": 0, "validation_fraction": 0.0}


def padded(arrays):
    """Return ``(B, T, ...)`` and lengths."""
    lengths = np.array([len(array) for array in arrays])
    shape = (len(arrays), lengths.max(), *arrays[0].shape[1:])
    batch = np.zeros(shape, np.int64 if arrays[0].dtype.kind in "iu" else np.float64)
    for row, array in zip(batch, arrays, strict=True):
        row[: len(array)] = array
    return batch, lengths


def fed(model, X):
    """Return what a model's graph is to be given for sequences."""
    if isinstance(X[0], np.ndarray):
        batch, lengths = padded(X)
        return {"x": batch, "lengths": lengths}
    reader = model._reader
    encoded = reader.encode("X", X)
    if reader.reverse:
        encoded = [one[::-1] for one in encoded]
    batch, lengths = padded(encoded)
    return {"words" if batch.ndim == 3 else "tokens": batch, "lengths": lengths}


def facts(run):
    return {one.key: json.loads(one.value) for one in run.model.metadata_props}


def assert_steps(got, expected):
    """Assert that rows are the same up to each sequence's end."""
    for row, own in zip(got, expected, strict=True):
        assert_same(row[: len(own)], own)


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"pooling": "concat", "bidirectional": True, "cell": "gru"},
        {"embedding_size": None, "pooling": "last", "dropout": 0.5, "word_dropout": 0.2},
        {"cell": "min_lstm", "level": "char", "num_layers": 2},
        {"dtype": "float64", "pooling": "mean"},
    ],
    ids=str,
)
def test_classifier_of_text(options, opset, tmp_path):
    model = rf.SequenceClassifier(**{**SMALL, **options}).fit(TEXTS, MOODS)
    run = Run(model, tmp_path / "a.onnx", opset=opset)
    got = run(**fed(model, ["good", "a bad unheard of film", "very good"]))
    assert_same(
        got["probabilities"], model.predict_proba(["good", "a bad unheard of film", "very good"])
    )
    told = facts(run)
    assert told["model"] == "SequenceClassifier" and told["classes"] == ["+", "-"]
    assert told["rnnfast"] == rf.__version__
    assert tuple(told["inputs"]["vocabulary"]["tokens"]) == model.inputs_.vocabulary.tokens
    assert told["inputs"]["tokenizer"] == model.inputs_.tokenizer.to_dict()
    assert "history" not in told


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("standardize", [True, False])
def test_classifier_of_series(standardize, dtype, tmp_path):
    series = SERIES if standardize else [x / [1, 1e6, 1] for x in SERIES]
    options = {**SMALL, "standardize": standardize, "dtype": dtype}
    model = rf.SequenceClassifier(**options).fit(series, np.arange(8) % 3)
    run = Run(model, tmp_path / "a.onnx")
    assert_same(run(**fed(model, series))["probabilities"], model.predict_proba(series))
    assert facts(run)["inputs"]["mean"] == model.inputs_.mean.tolist()
    assert facts(run)["classes"] == [0, 1, 2]
    whole = run(x=np.stack([series[2], series[2]]))["probabilities"]
    assert_same(whole, model.predict_proba([series[2], series[2]]))


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"char_encoder": True, "shape_features": True, "lowercase": True, "cell": "gru"},
        {"char_encoder": True, "embedding_size": None},
        {"shape_features": True, "dtype": "float64"},
        {"feed_labels": True},
        {"feed_labels": True, "cell": "layer_norm_gru", "char_encoder": True},
        {"feed_labels": True, "cell": "qrnn", "cell_options": {"width": 3}, "num_layers": 2},
    ],
    ids=str,
)
def test_tagger(options, opset, tmp_path):
    model = rf.SequenceTagger(**{**SMALL, "epochs": 5, **options}).fit(WORDS, TAGS)
    run = Run(model, tmp_path / "a.onnx", opset=opset)
    X = [["Rome", "sees", "Zoë", "and", "Bo"], ["Ann"], ["Bo", "sleeps"]]
    got = run(**fed(model, X))
    assert_steps(got["probabilities"], model.predict_proba(X))
    for row, tags in zip(got["scores"], model.predict(X), strict=True):
        assert model.classes_[row.argmax(axis=1)].tolist()[: len(tags)] == tags


@pytest.mark.parametrize("scheme", [None, "bio"])
def test_tagger_with_crf(scheme, tmp_path):
    model = rf.SequenceTagger(crf=True, scheme=scheme, **{**SMALL, "epochs": 5}).fit(WORDS, TAGS)
    run = Run(model, tmp_path / "a.onnx")
    assert run.outputs == ["scores"]
    X = [["Rome", "sees", "Bo", "today"], ["Ann"], ["Bo", "sleeps"]]
    given = fed(model, X)
    scores = run(**given)["scores"]
    # The search stays in Python, with what the metadata has.
    told = facts(run)
    crf = rf.CRF(len(told["classes"]))
    crf.load_state_dict(told["crf"])
    if scheme:
        rules = {name: np.array(rows) for name, rows in told["crf_allowed"].items()}
        crf = rf.CRF(len(told["classes"]), constraints=rf.nn.crf.Constraints(**rules))
        crf.load_state_dict(told["crf"])
    else:
        assert set(told["crf_allowed"].values()) == {None}
    tags = crf.decode(np.ascontiguousarray(scores.swapaxes(0, 1)), given["lengths"])
    for column, expected in zip(tags.T, model.predict(X), strict=True):
        assert [told["classes"][tag] for tag in column[: len(expected)]] == expected


@pytest.mark.parametrize("single", [True, False])
@pytest.mark.parametrize("constant", [True, False])
def test_regressor(single, constant, tmp_path):
    y = np.array([[x.sum(), 7.5 if constant else x[0, 0]] for x in SERIES])
    y = y[:, 1] if single else y
    model = rf.SequenceRegressor(pooling="concat", **SMALL).fit(SERIES, y)
    got = Run(model, tmp_path / "a.onnx")(**fed(model, SERIES))["y"]
    expected = model.predict(SERIES)
    assert got.dtype == np.float64 and got.shape == expected.shape
    np.testing.assert_allclose(got, expected, rtol=1e-6)


@pytest.mark.parametrize("flat", [True, False])
def test_step_regressor(flat, tmp_path):
    y = [x[:, 0].cumsum() if flat else x[:, :2].cumsum(axis=0) for x in SERIES]
    model = rf.StepRegressor(bidirectional=True, **SMALL).fit(SERIES, y)
    got = Run(model, tmp_path / "a.onnx")(**fed(model, SERIES))["y"]
    for row, own in zip(got, model.predict(SERIES), strict=True):
        assert row.dtype == np.float64
        np.testing.assert_allclose(row[: len(own)], own, rtol=1e-5, atol=1e-5 * np.abs(own).max())


def test_multilabel_tagger(tmp_path):
    y = [(x[:, :2] > 0).astype(int) for x in SERIES]
    model = rf.MultiLabelTagger(**SMALL).fit(SERIES, y)
    got = Run(model, tmp_path / "a.onnx")(**fed(model, SERIES))
    assert_steps(got["probabilities"], model.predict_proba(SERIES))
    for row, own in zip(got["scores"], model.predict(SERIES), strict=True):
        assert ((row[: len(own)] > 0) == own).all()


def test_ctc_recognizer(tmp_path):
    y = ["ab"[: 1 + n % 2] for n in range(len(SERIES))]
    model = rf.CTCRecognizer(**SMALL).fit(SERIES[2:], y[2:])
    run = Run(model, tmp_path / "a.onnx")
    got = run(**fed(model, SERIES))
    told = facts(run)
    assert tuple(told["symbols"]) == model.symbols_ and told["blank"] == len(model.symbols_)
    x = model._reader.encode("X", SERIES)
    assert_steps(got["scores"], model.network_.steps_of(x, model.network_.scores))
    np.testing.assert_allclose(got["probabilities"].sum(axis=2), 1, rtol=1e-6)


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"horizon": 5, "cell": "gru"},
        {"horizon": 7, "differences": [1]},
        {"horizon": 4, "differences": [3, 1, 2], "pooling": "mean"},
        {"horizon": 2, "targets": [2, 0], "differences": [2]},
        {"horizon": 2, "differences": [1], "linear": True},
        {"horizon": 7, "logarithm": True, "differences": [2], "linear": True},
    ],
    ids=str,
)
def test_forecaster(options, opset, tmp_path):
    series = np.cumsum(RNG.normal(size=(60, 3)), axis=0)
    series += np.array([0, 1e3, 5])
    if "targets" not in options and options.get("horizon") != 7:
        series = series[:, 0]
    if options.get("logarithm"):
        series = np.exp(series / 1e3)
    model = rf.Forecaster(lags=6, **{**SMALL, "validation_fraction": 0.1, **options}).fit(series)
    run = Run(model, tmp_path / "a.onnx", opset=opset)
    reach = facts(run)["reach"]
    starts = [0, 9, 30]
    got = run(x=np.stack([series[start : start + reach] for start in starts]))["y"]
    expected = [model.predict(after=series[start : start + reach]) for start in starts]
    assert got.dtype == np.float64 and got.shape == np.shape(expected)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.filterwarnings("ignore:a naive forecast")
@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("season", [None, 3])
def test_a_forecaster_with_naive_forecasts_in_it(season, opset, tmp_path):
    rng = np.random.default_rng(4)
    series = np.cumsum(rng.normal(size=(90, 2)), axis=0)
    options = {**SMALL, "validation_fraction": 0.1, "season": season, "targets": [1]}
    model = rf.Forecaster(horizon=4, **options).fit(series)
    naive = model._codec.companions[-1]
    again = Line.again(Windows(season or 1, 4, (), (1,)), 2)
    np.testing.assert_array_equal(naive.line.weight, again.weight)
    run = Run(model, tmp_path / "a.onnx", opset=opset)
    reach = facts(run)["reach"]
    starts = [0, 9, 30]
    got = run(x=np.stack([series[start : start + reach] for start in starts]))["y"]
    expected = [model.predict(after=series[start : start + reach]) for start in starts]
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("logarithm", [False, True])
@pytest.mark.parametrize("opset", OPSETS)
def test_a_forecaster_that_averages(logarithm, opset, tmp_path):
    rng = np.random.default_rng(3)
    series = np.exp(np.cumsum(0.1 * rng.normal(size=(90, 2)), axis=0))
    options = {**SMALL, "validation_fraction": 0.1, "logarithm": logarithm, "targets": [1]}
    model = rf.Forecaster(horizon=4, **options).fit(series)
    model._codec = replace(model._codec, companions=companions_of(rng))
    run = Run(model, tmp_path / "a.onnx", opset=opset)
    reach = facts(run)["reach"]
    starts = [0, 9, 30]
    got = run(x=np.stack([series[start : start + reach] for start in starts]))["y"]
    expected = [model.predict(after=series[start : start + reach]) for start in starts]
    np.testing.assert_allclose(got, expected, rtol=1e-5)


def companions_of(rng):
    """Return companions of two forms, one of which foretells less than 0."""
    made = []
    for number, (differences, level) in enumerate([((), -5.0), ((1,), 0.1)]):
        line = Line(rng.normal(0, 0.1, (2 * (number + 1), 4)), np.full(4, level))
        made.append(Companion(Windows(number + 1, 4, differences, (1,)), line, 0.5 - 0.1 * number))
    return tuple(made)


def test_forecasters_that_have_no_graph(tmp_path):
    series = np.sin(np.arange(60.0))
    for options, given in (
        ({"loss": "quantile"}, {}),
        ({"scaling": "window"}, {}),
        ({"missing": "mask"}, {}),
        ({}, {"static_covariates": [1.0]}),
    ):
        model = rf.Forecaster(lags=6, **SMALL, **options).fit(series, **given)
        with pytest.raises(ValueError, match=r"^model: expected a Forecaster without "):
            Run(model, tmp_path / "a.onnx", opset=OPSETS[0])


LINES = ["to be", "or not", "to be", "that is", "the question", "a"] * 2


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"cell": "gru", "embedding_size": 4, "num_layers": 2, "dropout": 0.3},
        {"cell_options": {"proj_size": 3}, "weight_drop": 0.2},
        {"embedding_size": 6, "tie_weights": True, "level": "word", "dtype": "float64"},
        {"cell": "qrnn", "cell_options": {"width": 3}, "num_layers": 2},
        {"cell": "rnn", "condition": "labels"},
        {"cell": "ind_rnn", "embedding_size": 3, "condition": "vectors"},
    ],
    ids=str,
)
def test_language_model(options, opset, tmp_path):
    options, how = dict(options), options.get("condition")
    options.pop("condition", None)
    condition = {
        None: None,
        "labels": [line[0] for line in LINES],
        "vectors": RNG.normal(size=(len(LINES), 2)),
    }[how]
    model = rf.LanguageModel(hidden_size=6, seed=0, lines=True, batch_size=4, **options)
    model.fit(LINES, epochs=2, verbose=0, condition=condition)
    run = Run(model, tmp_path / "a.onnx", opset=opset)
    told = facts(run)
    tokens = told["vocabulary"]["tokens"]
    assert tuple(tokens) == model.vocabulary_.tokens and told["start"] == len(tokens)
    ids = model.vocabulary_.encode(model.tokenizer_.tokenize("to be that"))
    given, own = {}, {}
    if how == "labels":
        given["condition"] = np.array([told["condition"]["labels"].index("t")])
        own["condition"] = "t"
    elif how == "vectors":
        own["condition"] = condition[1].astype("f4")
        given["condition"] = own["condition"][np.newaxis]
    prefixed = np.concatenate([[told["start"]], ids])[np.newaxis]
    whole = run(tokens=prefixed, **given)
    text = "to be that"
    probability = dict(model.next_tokens(text, k=len(tokens), **own))
    last = dict(zip(tokens, whole["probabilities"][0, -1], strict=True))
    for token, expected in probability.items():
        assert last[token] == pytest.approx(expected, rel=1e-4, abs=1e-6)
    assert set(probability) <= set(last)
    # Step by step, with the states handed on; a new text begins without.
    states = {}
    for t in range(prefixed.shape[1]):
        one = run(tokens=prefixed[:, t : t + 1], **given, **states)
        states = {f"{n[0]}0": one[n] for n in one if n.endswith("_n")}
        assert_same(one["scores"], whole["scores"][:, t : t + 1])


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize(
    "options",
    [
        {"attention": None},
        {"attention": "general", "bidirectional": True, "num_layers": 2},
        {"attention": "additive", "reverse_source": True, "cell": "gru"},
        {"attention": "dot", "cell_options": {"proj_size": 3}, "bidirectional": True},
        {"attention": "dot", "cell": "qrnn", "cell_options": {"width": 2}, "bidirectional": True},
    ],
    ids=str,
)
def test_seq2seq_by_greedy_search(options, opset, tmp_path):
    X = ["abc", "ca", "b", "cabab", "bbca"] * 6
    y = [text[::-1] for text in X]
    model = rf.Seq2Seq(level="char", learning_rate=0.02, **{**SMALL, "epochs": 8, **options})
    model.fit(X, y)
    encoder = Run(model, tmp_path / "e.onnx", opset=opset, part="encoder")
    decoder = Run(model, tmp_path / "d.onnx", opset=opset, part="decoder")
    told = facts(decoder)
    asked = ["cab", "b", "abcab"]
    given = fed(model, asked)
    read = encoder(**given)
    states = {f"{n[0]}0": read[n] for n in read if n.endswith("_n")}
    sources = {"memory": read["memory"], "lengths": given["lengths"]}
    sources = sources if options["attention"] else {}
    tokens, said = np.full((3, 1), told["start"]), []
    for _ in range(12):
        one = decoder(tokens=tokens, **sources, **states)
        states = {f"{n[0]}0": one[n] for n in one if n.endswith("_n")}
        scores = one["scores"][:, 0]
        scores[:, told["unknown"]] = -np.inf
        tokens = scores.argmax(axis=1)[:, np.newaxis]
        said.append(tokens[:, 0])
    written = []
    for row in np.array(said).T.tolist():
        ids = row[: row.index(told["end"])] if told["end"] in row else row
        written.append("".join(model._codec.vocabulary.decode(np.array(ids, np.int64))))
    assert written == model.predict(asked, max_length=12)


def test_the_weights_of_a_seq2seqs_attention(tmp_path):
    X = ["abc", "ca", "b", "cabab", "bbca"] * 6
    model = rf.Seq2Seq(level="char", attention="additive", **SMALL).fit(X, X)
    encoder = Run(model, tmp_path / "e.onnx", part="encoder")
    decoder = Run(model, tmp_path / "d.onnx", part="decoder")
    given = fed(model, ["cabab"])
    read = encoder(**given)
    ids = model._codec.vocabulary.encode(list("cab"))
    start = facts(decoder)["start"]
    one = decoder(
        tokens=np.concatenate([[start], ids])[np.newaxis],
        memory=read["memory"],
        h0=read["h_n"],
        c0=read["c_n"],
    )
    assert_same(one["weights"][0], model.attention_weights("cabab", "cab").weights)


def test_what_models_refuse(monkeypatch, tmp_path):
    monkeypatch.setattr(Model, "_classes", dict(Model._classes))
    path = tmp_path / "a.onnx"
    model = rf.SequenceClassifier(**SMALL)
    with pytest.raises(NotFittedError, match="has not been fitted"):
        export(model, path)
    model.fit(TEXTS, MOODS)
    with pytest.raises(ValueError, match=r"^part: expected None but with a Seq2Seq"):
        export(model, path, part="encoder")
    with pytest.raises(ValueError, match=r"^indices: expected False with a model"):
        export(model, path, indices=True)
    pairs = rf.Seq2Seq(level="char", **SMALL).fit(["ab", "b"], ["b", "a"])
    for part in (None, "both", []):
        with pytest.raises(
            ValueError, match=r"^part: expected 'encoder' or 'decoder' of a Seq2Seq"
        ):
            export(pairs, path, part=part)

    class Own(rf.SequenceClassifier):
        pass

    own = Own(**SMALL).fit(TEXTS, MOODS)
    with pytest.raises(TypeError, match=r"^module: expected a model of rnnfast's own.*got Own"):
        export(own, path)
    assert not path.exists()


def test_a_cell_of_ones_own_is_refused(tmp_path):
    before = dict(base.LAYERS)
    try:

        class Own(rf.GRU, name="own"):
            pass

        model = rf.SequenceClassifier(cell="own", **SMALL).fit(TEXTS, MOODS)
    finally:
        base.LAYERS.clear()
        base.LAYERS.update(before)
    with pytest.raises(TypeError, match=r"^module: expected layers.*got Own at recurrent$"):
        export(model, tmp_path / "a.onnx")
