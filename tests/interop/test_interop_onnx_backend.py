"""The backend through ONNX's own tests of operators, and its interface."""

from __future__ import annotations

import functools
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onnx_models import OPSET, helper, model, onnx, recurrent

interop = pytest.importorskip("rnnfast.interop.onnx")
official = pytest.importorskip("onnx.backend.test")
loader = pytest.importorskip("onnx.backend.test.loader")

RECURRENT = re.compile("test_(gru|lstm|rnn|simple_rnn)_")
# What a call tells to train is refused by the call.
TRAINING = re.compile("test_training_dropout(_default)?(_mask)?$")


@functools.cache
def cases() -> Any:
    """Return ONNX's tests of operators."""
    with warnings.catch_warnings():  # it computes some answers with overflow
        warnings.simplefilter("ignore", RuntimeWarning)
        return loader.load_model_tests(kind="node")


@functools.cache
def covered() -> frozenset[str]:
    """Return the names of those whose operators are all covered."""
    return frozenset(
        case.name
        for case in cases()
        if not TRAINING.fullmatch(case.name)
        # Before onnx 1.23 the models were files.
        and interop.is_compatible(case.model or Path(case.model_dir) / "model.onnx")
    )


def official_tests() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        tests = official.BackendTest(interop.Backend, __name__).test_cases
    found = tests["OnnxBackendNodeModelTest"]
    for name in [name for name in vars(found) if name.startswith("test_")]:
        if not name.endswith("_cpu") or name.removesuffix("_cpu") not in covered():
            delattr(found, name)  # in place of a thousand that are skipped
    return found


OnnxBackendNodeModelTest = official_tests()


def test_all_tests_of_recurrent_operators_are_covered() -> None:
    wanted = {case.name for case in cases() if RECURRENT.match(case.name)}
    assert wanted <= covered()
    assert len(wanted) >= (18 if OPSET >= 22 else 12)
    assert len(covered()) > 700


def test_what_a_call_tells_to_train_is_refused() -> None:
    x = np.ones((2, 3), np.float32)
    node = helper.make_node("Dropout", ["x", "ratio", "mode"], ["y"], name="drop")
    with pytest.raises(NotImplementedError, match=r"^node 'drop' \(Dropout\): expected inference"):
        interop.run_node(node, [x, np.float32(0.5), np.bool_(True)])
    assert np.array_equal(interop.run_node(node, [x, np.float32(0.5), np.bool_(False)]).y, x)


@pytest.mark.parametrize("device", ["CPU", "CPU:0"])
def test_devices(device: str) -> None:
    assert interop.supports_device(device)
    made, inputs = recurrent("GRU")
    assert interop.prepare(made, device).run(inputs)[0].shape == (5, 1, 3, 6)


@pytest.mark.parametrize("device", ["CUDA", "CUDA:0", "cpu", "", 3])
def test_other_devices_are_refused(device: Any) -> None:
    assert not interop.supports_device(device)
    with pytest.raises(ValueError, match=r"^device: expected CPU, got "):
        interop.prepare(recurrent("GRU")[0], device)


def test_inputs_by_order_and_by_name_and_outputs_by_name() -> None:
    made, inputs = recurrent("LSTM", lengths=[5, 0, 2], state=True)
    names = [value.name for value in made.graph.input]
    prepared = interop.prepare(made)
    by_name = prepared.run(inputs)
    by_order = prepared.run([inputs[name] for name in names])
    assert by_name._fields == ("Y", "Y_h", "Y_c")
    assert np.array_equal(by_name.Y, by_name["Y"])
    for one, other in zip(by_name, by_order, strict=True):
        assert np.array_equal(one, other)
    for one, other in zip(interop.run_model(made, inputs), by_name, strict=True):
        assert np.array_equal(one, other)


def test_paths_and_bytes_are_taken(tmp_path: Path) -> None:
    made, inputs = recurrent("RNN")
    onnx.save(made, tmp_path / "model.onnx")
    expected = interop.run_model(made, inputs)
    for given in (tmp_path / "model.onnx", str(tmp_path / "model.onnx"), made.SerializeToString()):
        assert np.array_equal(interop.run_model(given, inputs)[0], expected[0])


def test_arrays_beside_a_file_are_read_from_its_folder(tmp_path: Path) -> None:
    made, inputs = recurrent("RNN", H=40)
    expected = interop.run_model(made, inputs)[0]
    path = tmp_path / "model.onnx"
    onnx.save(made, path, save_as_external_data=True, location="weights", size_threshold=0)
    assert np.array_equal(interop.run_model(path, inputs)[0], expected)
    with pytest.raises(ValueError, match=r"^model: expected a model that holds its arrays, or a p"):
        interop.prepare(path.read_bytes())
    (tmp_path / "weights").write_bytes(b"")
    with pytest.raises(ValueError, match=r"its external data cannot be read|expected a valid"):
        interop.prepare(path)


def test_arrays_elsewhere_are_refused(tmp_path: Path) -> None:
    made, _ = recurrent("RNN", H=40)
    folder = tmp_path / "folder"
    folder.mkdir()
    path = folder / "model.onnx"
    onnx.save(made, path, save_as_external_data=True, location="weights", size_threshold=0)
    (tmp_path / "weights").write_bytes((folder / "weights").read_bytes())
    path.write_bytes(path.read_bytes().replace(b"weights", b"../wght"))
    with pytest.raises(ValueError, match=r"its external data cannot be read: "):
        interop.prepare(path)


def test_values_with_a_default_may_be_given() -> None:
    x, scale = np.arange(3, dtype=np.float32), np.full(1, 2, np.float32)
    made = model(
        [helper.make_node("Mul", ["x", "scale"], ["y"])],
        {"x": x, "scale": scale},
        {"y": (np.float32, 1)},
        {"scale": scale},
    )
    prepared = interop.prepare(made)
    assert np.array_equal(prepared.run([x]).y, 2 * x)
    assert np.array_equal(prepared.run({"x": x, "scale": 3 * scale / 2}).y, 3 * x)


@pytest.mark.parametrize(
    ("inputs", "error", "message"),
    [
        ([], ValueError, "inputs: expected 1 arrays, got 0"),
        ({}, ValueError, "inputs: expected 'X', which is missing"),
        ({"X": None}, TypeError, "X: expected a NumPy array, got NoneType"),
        ({"x": 1}, ValueError, "inputs: expected names of X, got 'x'"),
        (
            [np.zeros((5, 3, 4))],
            TypeError,
            "X: expected dtype float32, got float64; use X.astype(np.float32)",
        ),
        ([np.zeros((3, 4), np.float32)], ValueError, r"X: expected shape (?, ?, ?), got (3, 4)"),
        (
            [np.zeros((5, 3, 2), np.float32)],
            ValueError,
            "node 'recurrent' (GRU): X: expected shape (T, B, 4), got (5, 3, 2)",
        ),
    ],
)
def test_wrong_inputs_are_refused(inputs: Any, error: type[Exception], message: str) -> None:
    prepared = interop.prepare(recurrent("GRU")[0])
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        prepared.run(inputs)


@pytest.mark.parametrize("reader", ["prepare", "Session", "layers"])
def test_names_that_are_not_text(reader: str) -> None:
    """A message takes them, which protobuf leaves to its reader."""
    made = model([helper.make_node("Relu", ["x"], ["y"])], {"x": np.ones(1, "f")}, {"y": ("f", 1)})
    spoiled = onnx.ModelProto()
    spoiled.ParseFromString(made.SerializeToString().replace(b"Relu", b"Re\xff\xfe"))
    with pytest.raises(ValueError, match=r"^model: expected an ONNX model, got names that are not"):
        getattr(interop, reader)(spoiled)
