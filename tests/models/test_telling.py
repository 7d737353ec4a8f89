"""What a model tells of itself: its summary, its card, and the card in its file."""

from __future__ import annotations

import copy
import pickle
import platform
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
import test_copies
from rnnfast.io.tensors import description_of, read_tensors, write_tensors

SMALL: dict[str, Any] = {"hidden_size": 3, "epochs": 2, "verbose": 0, "seed": 1}
LINES = ["to be", "or not"] * 6


@pytest.fixture(scope="module")
def lm() -> rf.LanguageModel:
    return rf.LanguageModel(lines=True, validation_fraction=0.25, **SMALL).fit(LINES)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "m.safetensors"


def table(card: str, section: str) -> dict[str, str]:
    """Return the rows of a section's table, each as name and value."""
    content = card.split(f"\n## {section}\n")[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ", 1) for line in content.splitlines() if "|" in line]
    return {name: value.strip("`") for name, value in rows[2:]}


# Summaries


@pytest.mark.parametrize("name", test_copies.MODELS)
def test_a_summary_has_every_parameter_once(name: str) -> None:
    model = test_copies.MODELS[name]()
    summary = model.summary()
    assert summary.title == type(model).__name__
    assert summary.num_parameters == model.num_parameters
    arrays = {f"{row.name}.{one.name}": one for row in summary.layers for one in row.parameters}
    described = {
        f"{name}.{key}": array
        for name, module in model._modules().items()
        for key, array in module.state_dict().items()
    }
    assert {n: (one.shape, one.bytes) for n, one in arrays.items()} == {
        n: (array.shape, array.nbytes) for n, array in described.items()
    }


def test_numbers_that_were_counted_by_hand(lm: rf.LanguageModel) -> None:
    tokens = len(set("".join(LINES))) + 2  # <UNK> and <EOS>
    # An LSTM of 3 units on one-hot vectors, one more for the start; a linear layer.
    numbers = {"recurrent": 12 * (tokens + 1) + 12 * 3 + 2 * 12, "output": 3 * tokens + tokens}
    summary = lm.summary()
    assert {row.name: row.numbers for row in summary.layers} == numbers
    assert {row.name: row.output for row in summary.layers} == {
        "recurrent": "(T, B, 3)", "output": f"(..., {tokens})",
    }  # fmt: skip
    assert summary.num_bytes == 4 * sum(numbers.values())
    steps = int(lm.history_[-1]["step"])
    assert f"training: 2 epochs, {steps} steps; weights of epoch {lm.best_epoch_}" in str(summary)


def test_a_notebook_shows_the_layers_of_a_fitted_model(lm: rf.LanguageModel) -> None:
    assert "weight_hh_l0" in lm._repr_html_() and "<i>fitted</i>" in lm._repr_html_()
    assert "weight_hh_l0" not in rf.LanguageModel()._repr_html_()


def test_before_fit() -> None:
    for ask in (rf.LanguageModel().summary, rf.SequenceTagger().card):
        with pytest.raises(rf.models.base.NotFittedError, match="has not been fitted"):
            ask()


# Cards


def test_a_card(lm: rf.LanguageModel) -> None:
    card = lm.card()
    assert card.startswith("# LanguageModel\n\nA recurrent network that predicts the next char")
    assert f"| parameters | `{lm.num_parameters:,}` |\n| seed | `1` |" in card
    counts = table(card, "Data")
    assert (counts["lines"], counts["held-out lines"]) == ("9", "3")  # a quarter of 12
    both = int(counts["characters"]) + int(counts["held-out characters"])
    assert both == 6 * len("to be") + 6 * len("or not")
    assert counts["vocabulary"] == str(len(lm.vocabulary_))
    kept = lm.history_[lm.best_epoch_ - 1]
    figures = table(card, "Figures")
    assert float(figures["loss"]) == pytest.approx(kept["loss"], rel=1e-5)
    assert float(figures["valid_loss"]) == pytest.approx(kept["valid_loss"], rel=1e-5)
    assert "seconds" not in figures
    assert table(card, "Versions") == {
        "rnnfast": rf.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "instruction set": rf.cpu_info()["level"],
    }
    parameters = table(card, "Hyperparameters")
    assert parameters.keys() == lm.get_params().keys()
    assert (parameters["hidden_size"], parameters["cell"], parameters["patience"]) == (
        "3", "lstm", "None",
    )  # fmt: skip


def test_cards_of_examples() -> None:
    model = rf.SequenceClassifier(validation_fraction=0.25, **SMALL)
    model.fit([np.ones((5, 2))] * 8, ["x", "y"] * 4)
    assert table(model.card(), "Data") == {
        "examples": "6",
        "steps": "30",
        "held-out examples": "2",
        "features": "2",
        "classes": "['x', 'y']",
    }


@pytest.mark.parametrize("name", test_copies.MODELS)
def test_the_same_model_has_the_same_card_and_file(name: str, path: Path) -> None:
    model = test_copies.MODELS[name]()
    model.save(path)
    loaded = rf.load(path)
    again = path.with_name("again")
    loaded.save(again)
    assert again.read_bytes() == path.read_bytes()
    cards = {one.card() for one in (model, loaded, copy.deepcopy(model))}
    cards.add(pickle.loads(pickle.dumps(model)).card())
    assert len(cards) == 1
    assert description_of(path)[1]["card"] == cards.pop()
    assert not re.search(r"0x[0-9a-f]{6}|20\d\d-\d\d", model.card())


def test_a_card_tells_of_the_training_whatever_is_set_since(lm: rf.LanguageModel) -> None:
    model = copy.deepcopy(lm).set_params(hidden_size=99, seed=7)
    assert model.card() == lm.card()


def test_a_card_tells_of_the_training_whatever_its_tables_met_since() -> None:
    model = rf.SequenceClassifier(**SMALL).fit(["a b", "b"] * 10, [0, 1] * 10)
    before = table(model.card(), "Data")
    model.fit(["c"] * 6, [0, 1] * 3, warm_start=True, epochs=0)
    after = table(model.card(), "Data")
    assert int(after.pop("vocabulary")) == int(before.pop("vocabulary")) + 1
    assert after == before and after["examples"] == "20"


def test_a_tokenizer_is_told_by_its_class(path: Path) -> None:
    model = rf.LanguageModel(lines=True, tokenizer=rf.text.CharTokenizer(), **SMALL).fit(LINES)
    assert "| tokenizer | `CharTokenizer` |" in model.card()
    model.save(path)
    assert rf.load(path).card() == model.card()


def test_nothing_in_a_card_is_markup() -> None:
    labels = ["`|` <script>", "\n# big\u202e"]
    model = rf.SequenceClassifier(class_weight={labels[0]: 2.0}, **SMALL)
    card = model.fit(["a", "b"] * 8, labels * 8).card()
    rows = [line for line in card.splitlines() if "script" in line]
    assert len(rows) == 2 and "\n# big" not in card and "\u202e" not in card
    for row in rows:
        assert re.fullmatch(r"\| [a-z_]+ \| (`+) ?(.*?) ?\1 \|", row)
        assert len(re.findall(r"(?<!\\)\|", row)) == 3
    heads = [line for line in card.splitlines() if line.startswith("#")]
    assert [line[:3] for line in heads] == ["# S", *["## "] * 6]


# Files


def change(path: Path, **changes: Any) -> None:
    arrays, description = read_tensors(path, "model")
    for name, value in changes.items():
        if value is None:
            del description[name]
        else:
            description[name] = value
    write_tensors(path, "model", arrays, description)


def test_files_of_before_have_no_card(lm: rf.LanguageModel, path: Path) -> None:
    lm.save(path)
    change(path, card=None, making=None)
    loaded = rf.load(path)
    assert loaded.log_prob("to be") == lm.log_prob("to be")
    assert "## Versions\n\nNot told by the file.\n" in loaded.card()
    assert table(loaded.card(), "Data") == {"vocabulary": str(len(lm.vocabulary_))}


@pytest.mark.parametrize("card", [3, [], {"x": 1}, "</script>\n# mine", "\ud800" * 9])
def test_what_a_file_calls_its_card_is_not_believed(
    card: Any, lm: rf.LanguageModel, path: Path
) -> None:
    lm.save(path)
    change(path, card=card)
    assert rf.load(path).card() == lm.card()


@pytest.mark.parametrize(
    ("making", "message"),
    [
        (3, "making: expected a mapping, got int"),
        ({"data": {}}, "'versions'"),
        ({"data": {"examples": -1}, "versions": {}}, "examples: expected at least 0, got -1"),
        ({"data": {"examples": 10**400}, "versions": {}}, "examples: expected at most"),
        ({"data": {"examples": "x"}, "versions": {}}, "examples: expected an integer, got str"),
        ({"data": {}, "versions": {"numpy": 2}}, "numpy: expected a version, got 2"),
    ],
)
def test_nonsense_of_a_training(
    making: Any, message: str, lm: rf.LanguageModel, path: Path
) -> None:
    lm.save(path)
    change(path, making=making)
    with pytest.raises(ValueError, match="its parts do not fit together") as caught:
        rf.load(path)
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "learned",
    [{"best_epoch": 9}, {"history": [{}]}, {"history": [{"step": 10**400}]}],
)
def test_nonsense_of_a_history(learned: Any, lm: rf.LanguageModel, path: Path) -> None:
    lm.save(path)
    _, description = read_tensors(path, "model")
    change(path, learned={**description["learned"], **learned})
    with pytest.raises(ValueError, match="its parts do not fit together"):
        rf.load(path)


def test_hostile_names_of_what_was_counted(lm: rf.LanguageModel, path: Path) -> None:
    lm.save(path)
    name = "|`\n\u202e</script>"
    change(path, making={"data": {name: 3}, "versions": {name: name}})
    card = rf.load(path).card()
    assert "\u202e" not in card and card.count("</script>") == 3
    rows = [line for line in card.splitlines() if "script" in line]
    assert [len(re.findall(r"(?<!\\)\|", row)) for row in rows] == [3, 3]
    assert all(re.match(r"\| (``).*\1 \| (`+)[^`].*\2 \|$", row) for row in rows)
