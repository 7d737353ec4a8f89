"""The command ``rnnfast export``: what it says, what it writes, and what it leaves alone."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

import rnnfast as rf
from command_line import contents, fails, run
from rnnfast.__main__ import main

onnx = pytest.importorskip("onnx", reason="onnx is not installed")

from rnnfast.interop.onnx.export import file as export_file  # noqa: E402


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a classifier ``m``, a Seq2Seq ``s`` and a layer ``g``."""
    monkeypatch.chdir(tmp_path)
    small = {"hidden_size": 4, "epochs": 1, "verbose": 0, "validation_fraction": 0.0, "seed": 0}
    texts = ["a b", "b", "c a"]
    rf.SequenceClassifier(**small).fit(texts, [1, 2, 1]).save("m")
    rf.Seq2Seq(**small).fit(texts, texts).save("s")
    rf.save("g", rf.GRU(3, 4))
    return tmp_path


@pytest.mark.parametrize("opset", [14, 22])
def test_a_model(folder: Path, opset: int) -> None:
    output = run("export", "m", "m.onnx", "--opset", opset)
    size = os.path.getsize("m.onnx")
    assert output == (
        f"saved m.onnx: SequenceClassifier, opset {opset}, {size:,} bytes; "
        "reads tokens, lengths; gives scores, probabilities\n"
    )
    model = onnx.load("m.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert model.opset_import[0].version == opset
    assert sorted(contents(folder)) == ["g", "m", "m.onnx", "s"]


def test_parts_and_layers(folder: Path) -> None:
    assert "gives memory, h_n, c_n\n" in run("export", "s", "e.onnx", "--part", "encoder")
    assert "reads tokens, h0, c0, memory, lengths;" in run(
        "export", "s", "d.onnx", "--part", "decoder"
    )
    assert "saved g.onnx: GRU, " in run("export", "g", "g.onnx", "--indices")
    (x, *_) = onnx.load("g.onnx").graph.input
    assert x.type.tensor_type.elem_type == onnx.TensorProto.INT64


def test_a_file_is_replaced_with_force_alone(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("o").write_text("old")
    before = contents(folder)
    assert fails(capsys, "export", "m", "o") == (1, "o: exists; --force replaces it")
    assert contents(folder) == before
    run("export", "m", "o", "--force")
    onnx.load("o")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["m", "m", "--force"], 1, "OUT: expected another file than MODEL, got m"),
        (["missing", "o"], 1, "missing: No such file or directory"),
        (["m", "no/o"], 1, "no/o: OUT: its folder does not exist"),
        (["m", "o", "--opset", "13"], 2, "'--opset': expected at least 14, got 13"),
        (["m", "o", "--opset", "23"], 2, "'--opset': expected at most 22, got 23"),
        (["m", "o", "--part", "both"], 2, "expected one of encoder, decoder, got 'both'"),
        (["m", "o", "--part", "encoder"], 1, "--part: expected None but with a Seq2Seq"),
        (["m", "o", "--indices"], 1, "--indices: expected False with a model"),
        (["s", "o"], 1, "--part: expected 'encoder' or 'decoder' of a Seq2Seq"),
        (["several", "o"], 1, "MODEL: expected a layer, a chain or a fitted model, got list"),
        (["crf", "o"], 1, "MODEL: expected no CRF, got CRF: ONNX has no operator"),
        (["m"], 2, "Missing argument 'out'"),
    ],
)
def test_what_is_refused_in_one_line(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    rf.save("several", [rf.GRU(3, 4)])
    rf.save("crf", rf.CRF(3))
    before = contents(folder)
    exit_code, line = fails(capsys, "export", *arguments)
    assert exit_code == code and message in line
    assert contents(folder) == before


def test_without_onnx_one_line_says_so(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("rnnfast.interop.onnx")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "onnx", None)
    code, line = fails(capsys, "export", "m", "o")
    assert code == 1
    assert line.startswith(
        "rnnfast.interop.onnx: expected the package onnx 1.16 or newer, which cannot be imported; "
        "pip install 'rnnfast[onnx]' ("
    )


def test_ctrl_c_leaves_no_file(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(folder)
    make = export_file.make

    def press(*arguments: object, **options: object) -> object:
        os.kill(os.getpid(), signal.SIGINT)
        return make(*arguments, **options)

    monkeypatch.setattr(export_file, "make", press)
    assert main(["export", "m", "o"]) == 130
    assert capsys.readouterr().err == "rnnfast: stopped\n"
    assert contents(folder) == before


def test_the_file_is_what_the_function_writes(folder: Path) -> None:
    from rnnfast.interop.onnx import export

    run("export", "m", "o")
    export(rf.load("m"), "p")
    assert Path("o").read_bytes() == Path("p").read_bytes()
