"""What newcomers give by mistake: the message says what to do instead."""

from __future__ import annotations

import importlib
import pickle
import re
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import rnnfast as rf

X = np.zeros((5, 2, 4), np.float32)
LSTM, GRU, DENSE = rf.LSTM(4, 4), rf.GRU(4, 4), rf.Linear(4, 2)


def one_list(call: Callable[..., Any], *given: Any) -> Callable[[], Any]:
    return lambda: call(*given)


OF_PAIR = "; a recurrent layer returns a pair (y, state), of which y is meant"
OF_FORWARD = "; forward returns a pair (y, backprop), of which y is meant"
GAVE: list[tuple[Callable[[], Any], str]] = [
    (
        one_list(rf.chain, [GRU, DENSE]),
        "chain[0]: expected a Module, got list; parts are given one by one, chain(*parts)",
    ),
    (
        one_list(rf.concatenate, (GRU, DENSE)),
        "concatenate[0]: expected a Module, got tuple; parts are given one by one, "
        "concatenate(*parts)",
    ),
    (
        one_list(rf.residual, [GRU]),
        "residual: expected a Module, got list; rf.chain(*parts) makes one of several parts",
    ),
    (
        one_list(rf.bidirectional, [GRU]),
        "layer: expected a Module, got list; rf.chain(*parts) makes one of several parts",
    ),
    (
        one_list(rf.chain, rf.GRU, DENSE),
        "chain[0]: expected a Module, got the class GRU; GRU(...) makes a layer of it",
    ),
    (
        one_list(rf.bidirectional, rf.GRU),
        "layer: expected a Module, got the class GRU; GRU(...) makes a layer of it",
    ),
    (
        one_list(rf.chain, GRU, np.tanh),
        "chain[1]: expected a Module, got the function tanh; rf.Activation('tanh') is a part for "
        "it",
    ),
    (
        one_list(rf.chain, GRU, np.exp),
        "chain[1]: expected a Module, got ufunc; a part is a layer, or a Module of one's own with "
        "a forward",
    ),
    (one_list(rf.chain, "gru"), "chain[0]: expected a Module, got 'gru'"),
    (one_list(rf.chain, 3), "chain[0]: expected a Module, got int"),
    (
        lambda: rf.Trainer([GRU, DENSE], rf.mse, rf.SGD(DENSE)),  # type: ignore[arg-type]
        "net: expected a Module, got list; rf.chain(*parts) makes one of several parts",
    ),
    *(
        (one_list(call, LSTM(X)), f"{name}: expected a NumPy array, got tuple{OF_PAIR}")
        for call, name in [
            *((part, "x") for part in (DENSE, GRU, rf.Pooling(), rf.Activation("tanh"))),
            (rf.Dropout(0.5).forward, "x"),
            (rf.chain(rf.Activation("tanh")), "chain[0] (Activation): x"),
            (rf.softmax, "x"),
        ]
    ),
    (one_list(DENSE, GRU(X)), f"x: expected a NumPy array, got tuple{OF_PAIR}"),
    (one_list(DENSE, GRU.forward(X)), f"x: expected a NumPy array, got tuple{OF_FORWARD}"),
    (one_list(DENSE, GRU(X[:, 0])), f"x: expected a NumPy array, got tuple{OF_PAIR}"),
    (one_list(DENSE, (1, 2)), "x: expected a NumPy array, got tuple"),
    (one_list(rf.mse, LSTM(X), X), f"predictions: expected a NumPy array, got tuple{OF_PAIR}"),
    (
        one_list(LSTM.load_state_dict, "weights.pt"),
        "mapping: expected a mapping, got str; a file has to be read first: rf.load reads what "
        "rf.save wrote, safetensors.numpy.load_file other safetensors files, torch.load those of "
        "PyTorch",
    ),
    (
        one_list(LSTM.load_state_dict, rf.LSTM(4, 4)),
        "mapping: expected a mapping, got LSTM; its state_dict() is one",
    ),
    (
        lambda: rf.Trainer(DENSE, "mse", rf.SGD(DENSE)),  # type: ignore[arg-type]
        "loss: expected a function, such as rf.mse, got 'mse'; loss=rf.mse is meant",
    ),
    (
        lambda: rf.Trainer(DENSE, "mae", rf.SGD(DENSE)),  # type: ignore[arg-type]
        "loss: expected a function, such as rf.mse, got 'mae'; loss=rf.l1 is meant",
    ),
    (
        lambda: rf.Trainer(DENSE, "hinge", rf.SGD(DENSE)),  # type: ignore[arg-type]
        "loss: expected a function, such as rf.mse, got 'hinge'",
    ),
    (
        lambda: rf.Trainer(DENSE, rf.CRF, rf.SGD(DENSE)),  # type: ignore[arg-type]
        "loss: expected a function, such as rf.mse, got the class CRF; the method loss of a CRF "
        "is one",
    ),
    (
        lambda: rf.save(DENSE, "layer.safetensors"),  # type: ignore[arg-type]
        "path: expected a path, got Linear; rf.save(path, network)",
    ),
    (
        lambda: rf.save(rf.LanguageModel(), "model.safetensors"),  # type: ignore[arg-type]
        "path: expected a path, got LanguageModel; rf.save(path, network)",
    ),
    (
        one_list(rf.save, "layers.safetensors", rf.Ensemble([GRU])),
        "network: expected layers of rnnfast, or lists, tuples and dicts of them, got Ensemble; "
        "rf.save(path, ensemble.layers) saves those of one",
    ),
    (
        one_list(rf.save, "layers.safetensors", [GRU, GRU.stream()]),
        "network[1]: expected layers of rnnfast, or lists, tuples and dicts of them, got Stream; "
        "rf.save(path, layer) saves the layer that made it",
    ),
]


@pytest.mark.parametrize(("call", "message"), GAVE)
def test_what_was_given_and_what_to_give(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(TypeError) as caught:
        call()
    assert str(caught.value) == message


def test_embeddings_of_a_pair() -> None:
    with pytest.raises(ValueError) as caught:
        rf.Embedding(3, 4)(LSTM(X))  # type: ignore[arg-type]
    assert str(caught.value) == f"indices: expected an array of integers, got tuple{OF_PAIR}"


def test_names_behind_that_of_a_part() -> None:
    arrays = {f"encoder.lstm.{name}": array for name, array in LSTM.state_dict().items()}
    arrays["head.weight"] = np.zeros((2, 4))
    with pytest.raises(ValueError) as caught:
        LSTM.load_state_dict(arrays)
    cure = str(caught.value).partition("; those behind 'encoder.lstm.' are ")[2]
    LSTM.load_state_dict(eval(cure, {"mapping": arrays}))
    del arrays["encoder.lstm.bias_hh_l0"]  # then there is none
    with pytest.raises(ValueError, match=r"without .* and with the unknown [^;]*$"):
        LSTM.load_state_dict(arrays)
    with pytest.raises(ValueError, match=r"expected the names none; got one with the unknown a$"):
        rf.Dropout(0.5).load_state_dict({"a": 1})


def test_attributes_that_layers_of_others_have() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'save'; rf.save\(path, layer\) writes"):
        DENSE.save("layer.safetensors")
    with pytest.raises(AttributeError, match=r"no attribute 'backward'; forward returns a pair"):
        DENSE.backward()


def test_one_text_where_a_list_belongs_and_a_list_where_one_does() -> None:
    texts = ["ab", "ac", "ad"] * 4
    model = rf.LanguageModel(hidden_size=3, lines=True, seed=0).fit(texts, epochs=1, verbose=0)
    for name, call in (("sentence", model.log_prob), ("prefix", model.next_tokens)):
        with pytest.raises(TypeError, match=f"^{name}: expected a str, got list; one {name} at a"):
            call(texts)  # type: ignore[arg-type]
    classifier = rf.SequenceClassifier(hidden_size=3, epochs=1, verbose=0, seed=0)
    classifier.fit(texts, [0, 1, 1] * 4)
    for method in (classifier.predict, classifier.predict_proba):
        with pytest.raises(TypeError, match=r"^X: .*, got str; a single one stands in a list, \["):
            method("ab")


def archive(*names: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as file:
            for name in names:
                file.writestr(name, "x")

    return write


def content(data: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(data)


PICKLED = pickle.dumps({"a": list(range(50))})
FILES: list[tuple[str, Callable[[Path], object], str]] = [
    ("a.onnx", content(b"\x08\x07" + b"onnx" * 9), "a model of ONNX; rnnfast.interop.onnx.layers "),
    ("a.keras", archive("model.weights.h5"), "a model of Keras; rnnfast.interop.keras.read_keras"),
    ("a.h5", content(b"\x89HDF\r\n\x1a\n" + b"0" * 50), "an HDF5 file, .*keras.read_keras reads "),
    ("a.pt", archive("archive/data.pkl"), "a file of PyTorch: a pickle, .* torch.load"),
    ("a.model", archive("archive/data.pkl"), "a file of PyTorch: a pickle, .* torch.load"),
    ("b.pt", content(PICKLED), "a file of PyTorch: a pickle, .* torch.load"),
    ("a.pkl", content(PICKLED), "a pickle, which can run code when it is read, and is not read he"),
    ("a.npz", archive("a.npy"), "arrays of NumPy; numpy.load reads it"),
    ("a.npy", content(b"\x93NUMPY\x01\x00" + b"x" * 90), "an array of NumPy; numpy.load reads it"),
    ("a.zip", archive("a.txt"), "a ZIP archive$"),
    ("b.zip", content(b"PK\x03\x04" + b"x" * 90), "a ZIP archive$"),
    ("a.json", content(b'{"in_shape": [1, 2, 3], "a": 1}'), "a file of JSON; .*read_rtneural"),
]


@pytest.mark.parametrize(("name", "write", "message"), FILES)
def test_files_of_others(
    name: str, write: Callable[[Path], object], message: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    write(path)
    start = f"^{re.escape(str(path))}: expected a safetensors file of rnnfast, got {message}"
    with pytest.raises(ValueError, match=start):
        rf.load(path)


def test_a_safetensors_file_of_others(tmp_path: Path) -> None:
    numpy = pytest.importorskip("safetensors.numpy")
    numpy.save_file(LSTM.state_dict(), tmp_path / "a.safetensors")
    with pytest.raises(ValueError, match=r"of others; safetensors.numpy.load_file reads"):
        rf.load(tmp_path / "a.safetensors")


def test_from_torch_of_what_is_no_layer() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    net = torch.nn.ModuleDict({"encoder": torch.nn.LSTM(4, 4), "head": torch.nn.Linear(4, 2)})
    for given, message in [
        (net, "got ModuleDict; from_torch takes one layer of it, such as module.encoder"),
        (net["encoder"].state_dict(), "got OrderedDict; the arrays of a layer go into one of its "),
        ("a.pt", "got str; torch.load reads a file"),
        (torch.nn.GRU(3, 3), "got GRU; rf.GRU.from_torch takes it"),
        (torch.nn.GRUCell(3, 3), "got GRUCell; rf.GRU.from_torch takes it"),
        (torch.nn.Linear(3, 3), "got Linear$"),
    ]:
        with pytest.raises(TypeError, match=f"^module: expected a torch.nn.LSTM .*{message}"):
            rf.LSTM.from_torch(given)
    with pytest.raises(TypeError, match=r"^chain\[0\]: expected a Module, got PyTorch's LSTM; fr"):
        rf.chain(torch.nn.LSTM(4, 4))  # type: ignore[arg-type]


def test_accelerate_of_what_is_on_the_kernels() -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    torch = importlib.import_module("rnnfast.interop.torch")
    for given, message in [
        (GRU, "got GRU; a layer of rnnfast runs on the kernels as it is$"),
        (rf.chain(GRU, DENSE), "got Chain; a layer of rnnfast runs on the kernels as it is$"),
        ("model.pt", "got str$"),
    ]:
        for call in (torch.accelerate, torch.restore):
            with pytest.raises(TypeError, match=f"^model: expected a torch.nn.Module, {message}"):
                call(given)


def test_keras_of_what_is_no_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    from rnnfast.interop.keras import from_keras, read_keras

    if "keras" not in sys.modules:  # which from_keras does not import
        monkeypatch.delitem(sys.modules, "keras", raising=False)
    with pytest.raises(TypeError, match=r"; read_keras reads a file$"):
        from_keras("model.keras")
    with pytest.raises(TypeError, match=r"one by one, from_keras\(model.layers\[0\]\)$"):
        from_keras(SimpleNamespace(layers=[]))
    pytest.importorskip("h5py", reason="h5py is not installed")
    with pytest.raises(TypeError, match=r"^leave_out: expected a list of names, got 'dropout'; \["):
        read_keras("model.keras", leave_out="dropout")
