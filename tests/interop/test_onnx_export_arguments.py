"""What an export refuses, and the files that it writes."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import rnnfast as rf
from onnx_runs import Run, onnx
from rnnfast.interop.onnx import export
from rnnfast.interop.onnx.export import file as export_file
from spoiled import spoil


class Own(rf.Module):
    def forward(self, x):
        return x, lambda dy: dy


class OwnLinear(rf.Linear):
    def __call__(self, x):
        return -super().__call__(x)


def mixed():
    return rf.chain(rf.Linear(3, 3), rf.Linear(3, 3, dtype="float64"))


LAYER = rf.GRU(3, 4)


@pytest.mark.parametrize(
    ("module", "options", "kind", "message"),
    [
        (LAYER, {"opset": 13}, ValueError, "opset: expected from 14 to 22, got 13"),
        (LAYER, {"opset": 23}, ValueError, "opset: expected from 14 to 22, got 23"),
        (LAYER, {"opset": "22"}, TypeError, "opset: expected an int"),
        (LAYER, {"opset": True}, TypeError, "opset: expected an int"),
        (LAYER, {"indices": 1}, TypeError, "indices: expected"),
        (LAYER, {"part": "encoder"}, ValueError, "part: expected None but with a Seq2Seq"),
        (rf.Linear(3, 4), {"indices": True}, ValueError, "indices: expected False with a Linear"),
        (
            rf.DotAttention(3, 4),
            {"indices": True},
            ValueError,
            "indices: expected False with a DotAttention",
        ),
        ([LAYER], {}, TypeError, "module: expected a layer, a chain or a fitted model, got list"),
        (Own(), {}, TypeError, "module: expected layers and chains of rnnfast's own.*got Own"),
        (OwnLinear(2, 2), {}, TypeError, "module: expected layers and chains.*got OwnLinear"),
        (
            rf.chain(LAYER, rf.residual(Own())),
            {},
            TypeError,
            "module: expected layers and chains of rnnfast's own.*got Own at 1.part",
        ),
        (rf.chain(LAYER, rf.CRF(4)), {}, ValueError, "module: expected no CRF, got CRF at 1: ONNX"),
        (mixed(), {}, ValueError, "module: expected parameters of one dtype, got float32, float64"),
        (
            rf.chain(rf.GRU(1, 4), rf.Linear(4, 2)),
            {"indices": True},
            ValueError,
            "indices: expected False with input_size 1, for which a call refuses them, got True",
        ),
        (
            rf.chain(rf.GRU(3, 4), rf.Linear(5, 2)),
            {},
            ValueError,
            "module: expected parts that fit, the Linear at 1 reads 5 numbers a step, got 4",
        ),
        (
            rf.chain(rf.GRU(3, 4), rf.Pooling(), rf.GRU(4, 4)),
            {},
            ValueError,
            "module: expected parts that fit, the GRU at 2 reads steps, got one vector of each",
        ),
        (
            rf.chain(rf.Linear(3, 4), rf.Embedding(4, 4)),
            {},
            ValueError,
            "module: expected parts that fit, the Embedding at 1 reads indices, got numbers",
        ),
        (
            rf.concatenate(rf.Embedding(4, 4), rf.Linear(3, 4)),
            {},
            ValueError,
            "module: expected parts that fit, the Linear at 1 reads numbers, got indices",
        ),
        (
            rf.concatenate(rf.Linear(3, 4), rf.Pooling()),
            {},
            ValueError,
            "module: expected parts side by side of one kind, got steps and vectors",
        ),
        (
            rf.residual(rf.Linear(3, 4)),
            {},
            ValueError,
            "module: expected outputs of one shape in the Residual, got 3 numbers",
        ),
        (
            rf.bidirectional(rf.GRU(3, 4), rf.GRU(3, 5), merge="sum"),
            {},
            ValueError,
            "module: expected outputs of one shape in the Bidirectional, got 4 numbers",
        ),
        (
            rf.SelfAttention(rf.DotAttention(3, 4)),
            {},
            ValueError,
            "module: expected an attention of one size in the SelfAttention, got 3 and 4",
        ),
    ],
)
def test_what_is_refused(module, options, kind, message, tmp_path):
    path = tmp_path / "a.onnx"
    path.write_text("old")
    with pytest.raises(kind, match=f"^{message}") as caught:
        export(module, path, **options)
    assert "\n" not in str(caught.value)
    assert path.read_text() == "old"
    assert [*tmp_path.iterdir()] == [path]


def test_numbers_that_are_not_finite_are_refused(tmp_path):
    net = rf.chain(rf.Linear(3, 3), rf.Linear(3, 2))
    spoil(net[1].parameters()["bias"], [0, np.nan])
    with pytest.raises(ValueError, match=r"^1\.bias: expected finite numbers, got NaN"):
        export(net, tmp_path / "a.onnx")
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("most", [1000, 1300])
def test_what_an_onnx_file_has_no_room_for_is_refused(most, monkeypatch, tmp_path):
    """By the numbers before there is a graph, and by all that the file is to hold."""
    monkeypatch.setattr(export_file, "_MOST_BYTES", most)
    with pytest.raises(ValueError, match=f"^module: expected at most {most:,} bytes, for which"):
        export(rf.Linear(16, 16), tmp_path / "a.onnx")
    assert not [*tmp_path.iterdir()]


def test_an_opset_that_the_installed_onnx_does_not_know(monkeypatch, tmp_path):
    monkeypatch.setattr(onnx.defs, "onnx_opset_version", lambda: 21)
    with pytest.raises(ValueError, match=r"^opset: expected from 14 to 21, the newest that onnx"):
        export(LAYER, tmp_path / "a.onnx")


@pytest.mark.parametrize("opset", range(14, 23))
def test_every_opset(opset, tmp_path):
    net = rf.chain(rf.bidirectional(rf.LayerNormGRU(3, 4)), rf.Pooling("concat", num_directions=2))
    run = Run(net, tmp_path / "a.onnx", opset=opset)
    (imported,) = run.model.opset_import
    assert imported.version == opset
    assert run.model.producer_name == "rnnfast"


def test_a_file_is_replaced_and_no_folder_is_made(tmp_path):
    path = tmp_path / "a.onnx"
    path.write_text("old")
    Run(LAYER, path)
    with pytest.raises(FileNotFoundError, match="not written"):
        export(LAYER, tmp_path / "missing" / "a.onnx")
    with pytest.raises(TypeError, match=r"^path: expected a path"):
        export(LAYER, 3)


def test_without_onnx_one_sentence_says_what_is_missing():
    code = "import sys; sys.modules['onnx'] = None; import rnnfast.interop.onnx"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    last = result.stderr.splitlines()[-1]
    assert last.startswith(
        "ImportError: rnnfast.interop.onnx: expected the package onnx 1.16 or newer, which cannot "
        "be imported; pip install 'rnnfast[onnx]' ("
    )
