"""Pages that show a model: what stands in them, and that no text becomes markup."""

from __future__ import annotations

import base64
import html.parser
import json
import math
import re
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from rnnfast.diagnostics import model_page, text_activations
from rnnfast.diagnostics._tokens import visible

TEXT = "to be or not to be " * 120
SMALL: dict[str, Any] = {"hidden_size": 3, "epochs": 2, "verbose": 0, "seed": 1}
HOSTILE = ["</script>", "<img/src=x>", '"', "'", "`", "&lt;", "\u202e", "\u2066", "<!--", "]]>",
           "\\u003c", "ש", "\x00", "$x$"]  # fmt: skip


@pytest.fixture(scope="module")
def lm() -> rf.LanguageModel:
    return rf.LanguageModel(num_layers=2, **SMALL).fit(TEXT)


@pytest.fixture(scope="module")
def hostile() -> rf.LanguageModel:
    lines = [" ".join(HOSTILE[k:] + HOSTILE[:k]) for k in range(len(HOSTILE))]
    return rf.LanguageModel(
        level="word", lines=True, tokenizer_options={"mode": "whitespace"}, validation_fraction=0.0,
        **SMALL,
    ).fit(lines)  # fmt: skip


class Reader(html.parser.HTMLParser):
    """What a page has: elements by name, the text of each, and its data."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.scripts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.elements.append((tag, dict(attrs)))
        self._open.append(tag)
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self._open[-1:] == ["script"]:
            self.scripts[-1] += data
        elif self._open[-1:] != ["style"]:
            self.text.append(data)

    @property
    def data(self) -> Any:
        return json.loads(self.scripts[0])


def test_the_data_of_a_language_model(lm: rf.LanguageModel) -> None:
    text = "to be not"
    data = Reader(model_page(lm, text)).data
    assert data["tokens"] == ["t", "o", "␣", "b", "e", "␣", "n", "o", "t"]
    for t in range(len(text)):
        wanted = lm.next_tokens(text[: t + 1], 5)
        assert [token for token, _ in data["next"][t]] == [visible(token) for token, _ in wanted]
        np.testing.assert_allclose(
            [p for _, p in data["next"][t]], [p for _, p in wanted], atol=2e-6
        )
        before = dict(lm.next_tokens(text[:t], 99))
        assert data["surprises"][t] == pytest.approx(-math.log2(before[text[t]]), abs=2e-4)
    assert sum(data["surprises"]) == pytest.approx(-lm.log_prob(text) / math.log(2), abs=1e-2)
    for ours, layer in zip(text_activations(lm, text).layers, data["layers"], strict=True):
        assert ours.keys() == layer.keys()
        for name, values in ours.items():
            found = layer[name]
            whole = np.frombuffer(base64.b64decode(found["bytes"]), np.uint8)
            share = whole.reshape(len(text), found["units"]) / 255
            span = found["high"] - found["low"]
            np.testing.assert_allclose(found["low"] + span * share, values, atol=span / 509)


def test_sections(lm: rf.LanguageModel) -> None:
    page = model_page(lm, "to be", samples=3, seed=4)
    heads = re.findall("<h2>(.*?)</h2>", page)
    assert heads == ["Text", "History", "Samples", "Least foreseen", "Layers", "Card"]
    shown = Reader(page)
    for text in lm.sample(3, max_length=400, seed=4):
        assert text in shown.text or text.replace("\n", "") in "".join(shown.text)
    assert lm.card().splitlines()[2] in "".join(shown.text)
    assert model_page(lm, "to be", samples=3, seed=4) == page
    assert "Samples" not in re.findall("<h2>(.*?)</h2>", model_page(lm, samples=0))


def test_the_chart_has_the_losses(lm: rf.LanguageModel) -> None:
    page = model_page(lm, "to")
    told = re.findall("<title>(epoch .*?)</title>", page)
    assert told == [
        f"epoch {record['epoch']:g}: {name} {record[name]:.4g}"
        for name in ("loss", "valid_loss")
        for record in lm.history_
    ]


def test_it_loads_nothing_from_elsewhere(lm: rf.LanguageModel) -> None:
    page = model_page(lm)
    for tag, attributes in Reader(page).elements:
        assert tag not in ("link", "iframe", "object", "embed", "base", "form", "img")
        assert not {"src", "href", "action", "srcset"} & attributes.keys()
    assert "url(" not in page and "@import" not in page
    assert "default-src 'none'" in page


def test_hostile_vocabularies(hostile: rf.LanguageModel) -> None:
    text = " ".join(HOSTILE)
    page = model_page(hostile, text)
    assert page.count("</script>") == 2 == page.count("<script")
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u2028\u2029\x00]", page)
    page.encode("utf-8")
    plain = Reader(model_page(hostile, "ש"))
    shown = Reader(page)
    kinds = {tag for tag, _ in shown.elements}
    assert kinds == {tag for tag, _ in plain.elements} and "img" not in kinds
    assert shown.data["tokens"] == [visible(token) for token in HOSTILE]


def test_surrogates_in_a_text(hostile: rf.LanguageModel) -> None:
    assert "\\ud800" in model_page(hostile, "ש \ud800")


def test_long_texts_are_cut(lm: rf.LanguageModel) -> None:
    page = model_page(lm, "to be " * 400)
    assert len(Reader(page).data["tokens"]) == 2000
    assert "400 more tokens are left out." in page


def test_a_classifier() -> None:
    X, y = ["good", "bad", "so good", "so bad"] * 6, ["+", "-"] * 12
    model = rf.SequenceClassifier(**SMALL).fit(X, y)
    page = model_page(model, "so good", examples=(X, y))
    data = Reader(page).data
    assert data["tokens"] == ["so", "good"] and data["next"] == [] == data["surprises"]
    assert f"Predicted: {model.predict(['so good'])[0]}" in page
    predicted = model.predict(X).tolist()
    right = sum(one == other for one, other in zip(y, predicted, strict=True))
    assert f"{right} of 24 right" in page
    section = page.split("<h2>Confusion</h2>")[1].split("</section>")[0]
    numbers = [int(n) for n in re.findall('class="number">([0-9]+)<', section)]
    pairs = list(zip(y, predicted, strict=True))
    names = sorted({label for pair in pairs for label in pair})
    assert numbers == [pairs.count((t, p)) for t in names for p in names]


def test_the_gates_of_a_classifier_are_those_of_its_layer() -> None:
    model = rf.SequenceClassifier(cell="gru", **SMALL).fit(["a b", "b a"] * 8, [1, 2] * 8)
    data = Reader(model_page(model, "a b a")).data
    assert set(data["layers"][0]) == {"r", "z", "n", "h"}
    encoder = model.network_.encoder
    ids = model._reader.encode("x", ["a b a"])[0][:, np.newaxis]
    h, _ = encoder(ids)
    found = data["layers"][0]["h"]
    share = np.frombuffer(base64.b64decode(found["bytes"]), np.uint8).reshape(3, 3) / 255
    np.testing.assert_allclose(found["low"] + 2 * share, h[:, 0], atol=2 / 509)


def test_both_directions_have_no_gates() -> None:
    model = rf.SequenceClassifier(bidirectional=True, **SMALL).fit(["a", "b"] * 8, [1, 2] * 8)
    page = model_page(model, "a b")
    assert "both directions" in page and Reader(page).data["layers"] == []


def test_other_models() -> None:
    texts = ["a b", "b", "a a"] * 6
    tagger = rf.SequenceTagger(**SMALL).fit(
        [t.split() for t in texts], [[w.upper() for w in t.split()] for t in texts]
    )
    page = model_page(
        tagger,
        "a b",
        examples=([t.split() for t in texts], [["A"] * len(t.split()) for t in texts]),
    )
    assert "Confusion of steps" in page and "of 30 right" in page
    back = rf.Seq2Seq(**SMALL).fit(texts, [t[::-1] for t in texts])
    page = model_page(back, "a b", examples=(texts, [t[::-1] for t in texts]))
    assert "<h2>Errors</h2>" in page and "of 18 right" in page
    series = [np.full((4, 2), k / 10) for k in range(12)]
    number = rf.SequenceRegressor(**SMALL).fit(series, np.arange(12.0))
    page = model_page(number, examples=(series, np.arange(12.0)))
    error = np.abs(number.predict(series).ravel() - np.arange(12.0)).mean()
    assert f"mean absolute error {error:.4g};" in page
    assert "Layers" in model_page(rf.Forecaster(lags=3, **SMALL).fit(np.sin(np.arange(40.0))))


@pytest.mark.parametrize("cell", sorted(rf.nn.recurrent.base.LAYERS))
def test_every_cell(cell: str) -> None:
    lm = rf.LanguageModel(cell=cell, **SMALL).fit(TEXT)
    assert "h" in Reader(model_page(lm, "to be")).data["layers"][0]


def test_refusals(lm: rf.LanguageModel) -> None:
    none: Any = ([], [])
    tagger = rf.SequenceTagger(**SMALL).fit([["a"], ["b"]] * 8, [["a"], ["b"]] * 8)
    number = rf.SequenceRegressor(**SMALL).fit(["a", "b"] * 8, [1.0, 2.0] * 8)
    far = rf.Forecaster(lags=3, **SMALL).fit(np.sin(np.arange(40.0)))
    classifier = rf.SequenceClassifier(**SMALL).fit(["a", "b"] * 8, [1, 2] * 8)
    calls: list[tuple[type[Exception], str, Any]] = [
        (TypeError, "model: expected a fitted model, got int", lambda: model_page(3)),  # type: ignore[arg-type]
        (ValueError, "has not been fitted", lambda: model_page(rf.LanguageModel())),
        (TypeError, "text: expected a str, got int", lambda: model_page(lm, 3)),  # type: ignore[arg-type]
        (ValueError, "text: expected at least 1 token, got 0", lambda: model_page(lm, "")),
        (ValueError, "text: expected", lambda: model_page(lm, "ZZZ")),
        (TypeError, "examples: expected None with a Lang", lambda: model_page(lm, examples=none)),
        (TypeError, "examples: expected a pair", lambda: model_page(lm, examples=3)),  # type: ignore[arg-type]
        (TypeError, "examples: expected None with a Fore", lambda: model_page(far, examples=none)),
        (ValueError, "condition: expected None with a Fore", lambda: model_page(far, condition=1)),
        (ValueError, "y: expected 2 of them, got 1",
         lambda: model_page(classifier, examples=(["a", "b"], [1]))),
        (TypeError, "y[1]: expected ",
         lambda: model_page(tagger, examples=([["a"], ["b"]], [["a"], 3]))),
        (ValueError, "y[0]: expected 1 labels, got 2",
         lambda: model_page(tagger, examples=([["a"]], [["a", "a"]]))),
        (TypeError, "y[0]: expected real numbers",
         lambda: model_page(number, examples=(["a"], ["x"]))),
        (ValueError, "samples: expected at least 0", lambda: model_page(lm, samples=-1)),
    ]  # fmt: skip
    for kind, message, call in calls:
        with pytest.raises(kind, match=re.escape(message)):
            call()
