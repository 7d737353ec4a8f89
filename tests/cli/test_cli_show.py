"""The command ``rnnfast show``, and the card that ``rnnfast info`` prints."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

import rnnfast as rf
from command_line import LINES, fails, run
from rnnfast.diagnostics import model_page
from rnnfast.io.tensors import _digest


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a language model ``m.safetensors`` and a classifier ``c``."""
    monkeypatch.chdir(tmp_path)
    lm = rf.LanguageModel(lines=True, hidden_size=4, seed=0)
    lm.fit(LINES, epochs=1, verbose=0).save("m.safetensors")
    classifier = rf.SequenceClassifier(hidden_size=4, epochs=1, verbose=0, seed=0)
    classifier.fit(["good", "bad"] * 8, ["+", "-"] * 8).save("c")
    return tmp_path


def test_a_page(folder: Path) -> None:
    output = run("show", "m.safetensors", "to be", "--samples", 2, "--seed", 3)
    page = (folder / "m.html").read_text(encoding="utf-8")
    assert page == model_page(rf.load("m.safetensors"), "to be", samples=2, seed=3)
    size = (folder / "m.html").stat().st_size
    assert output == f"saved m.html: LanguageModel, {size:,} bytes\n"
    assert run("show", "m.safetensors", "-o", "other.html", "-q") == ""
    facts = json.loads(run("show", "m.safetensors", "--force", "--json"))
    assert facts["saved"] == "m.html" and facts["model"] == "LanguageModel"


def test_texts_of_files(folder: Path) -> None:
    (folder / "t").write_text("that is\n", encoding="utf-8")
    run("show", "m.safetensors", "--file", "t", "-o", "a")
    wanted = model_page(rf.load("m.safetensors"), "that is\n")
    assert (folder / "a").read_text(encoding="utf-8") == wanted


def test_examples(folder: Path) -> None:
    lines = [{"x": "good", "y": "+"}, {"x": "bad", "y": "-"}, {"x": "so good", "y": "-"}]
    (folder / "d").write_text("\n\n".join(map(json.dumps, lines)), encoding="utf-8")
    run("show", "c", "good", "--data", "d")
    examples = (["good", "bad", "so good"], ["+", "-", "-"])
    wanted = model_page(rf.load("c"), "good", examples=examples)
    assert (folder / "c.html").read_text(encoding="utf-8") == wanted


def test_series_are_arrays(folder: Path) -> None:
    model = rf.SequenceRegressor(hidden_size=4, epochs=1, verbose=0, seed=0)
    model.fit([[[0.0], [1.0]]] * 8, [1.0] * 8).save("r")
    (folder / "d").write_text('{"x": [[0.5], [1]], "y": 2}', encoding="utf-8")
    run("show", "r", "--data", "d")
    assert "<h2>Errors</h2>" in (folder / "r.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "line", ["3", "[]", "{", '{"x": "a"}', '{"x": [[1], [2, 3]], "y": 1}', "[" * 9999]
)
def test_examples_that_are_none(
    line: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "d").write_text('{"x": "a", "y": "+"}\n' + line, encoding="utf-8")
    code, message = fails(capsys, "show", "c", "--data", "d")
    assert code == 1 and message.startswith("d: line 2: expected an object with x and y, such as")
    assert not (folder / "c.html").exists()


def test_what_is_not_replaced(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "m.html").write_text("mine")
    assert fails(capsys, "show", "m.safetensors") == (1, "m.html: exists; --force replaces it")
    (folder / "t").write_text("to be")
    for arguments, message in (
        (["-o", "m.safetensors", "--force"], "--out: expected another file than MODEL"),
        (["--file", "t", "-o", "t", "--force"], "--out: expected another file than --file"),
        (["-o", "none/x"], "none/x: --out: its folder does not exist"),
        (["ZZ", "-o", "x"], "TEXT: expected"),
        (["", "-o", "x"], "TEXT: expected at least 1 token, got 0"),
        (["--data", "t", "-o", "x"], "t: line 1: expected an object"),
    ):
        code, said = fails(capsys, "show", "m.safetensors", *arguments)
        assert code == 1 and said.startswith(message), said
    for arguments in (["a", "--file", "t"], ["-", "--data", "-"]):
        assert fails(capsys, "show", "m.safetensors", *arguments)[0] == 2
    assert (folder / "m.html").read_text() == "mine" and (folder / "t").read_text() == "to be"
    assert rf.load("m.safetensors") and not (folder / "x").exists()
    rf.save("g", rf.GRU(3, 4))
    assert fails(capsys, "show", "g") == (1, "g: expected a model, got GRU")


def test_conditions(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lm = rf.LanguageModel(lines=True, hidden_size=4, seed=0)
    lm.fit(LINES, condition=["a", "b"] * 15, epochs=1, verbose=0).save("l")
    run("show", "l", "to be", "--condition", "b")
    wanted = model_page(rf.load("l"), "to be", condition="b")
    assert (folder / "l.html").read_text(encoding="utf-8") == wanted
    for arguments in ([], ["--condition", "c"]):
        code, message = fails(capsys, "show", "l", "-o", "x", *arguments)
        assert code == 1 and message.startswith("--condition: expected ")
    assert fails(capsys, "show", "c", "-o", "x", "--condition", "c") == (
        1, "--condition: expected None with a SequenceClassifier, got some",
    )  # fmt: skip


def test_the_card(capsys: pytest.CaptureFixture[str]) -> None:
    card = rf.load("m.safetensors").card()
    assert run("info", "m.safetensors", "--card") == card
    assert json.loads(run("info", "m.safetensors", "--card", "--json")) == {"card": card}
    assert fails(capsys, "info", "--card")[0] == 2
    (line,) = (o for o in run("info", "m.safetensors").splitlines() if o.startswith("made with "))
    assert line.split(maxsplit=2)[2].startswith(f"rnnfast {rf.__version__}, numpy ")
    facts = json.loads(run("info", "m.safetensors", "--json"))
    assert facts["made_with"]["rnnfast"] == rf.__version__


# What a terminal would obey: a title, a colour, the direction of text, a line of one's own.
CONTROLS = "\x1b]0;t\x07\x1b[31m\u202e\nrnnfast: fine"


def test_a_terminal_does_not_obey_what_a_file_says(capsys: pytest.CaptureFixture[str]) -> None:
    model = rf.load("m.safetensors")
    model._made = dataclasses.replace(model._made, versions={CONTROLS: CONTROLS})
    model.save("versions")
    for option in ([], ["--card"]):
        told = run("info", "versions", *option)
        assert "rnnfast: fine" in told
        assert all(line.isprintable() for line in told.splitlines())
        assert not any(line.startswith("rnnfast: fine") for line in told.splitlines())


def test_nor_what_is_told_of_a_damaged_one(capsys: pytest.CaptureFixture[str]) -> None:
    with safe_open("m.safetensors", "np") as file:
        header = json.loads(file.metadata()["rnnfast"])
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    header["content"]["parameters"][CONTROLS] = 1
    header["sha256"] = _digest(arrays, header["content"])
    save_file(arrays, "damaged", {"rnnfast": json.dumps(header)})
    code, message = fails(capsys, "info", "damaged")
    assert code == 1
    assert r"(\x1b]0;t\x07\x1b[31m\u202e rnnfast: fine: expected one of " in message
    assert message.isprintable()
