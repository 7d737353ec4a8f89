"""Files of Keras, real ones and such as a stranger might send."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnfast.interop.keras import read_keras

h5py: Any = pytest.importorskip("h5py", reason="h5py is not installed")
# What Keras itself does with tensors of PyTorch.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def keras() -> Any:
    pytest.importorskip("torch", reason="PyTorch, the backend of Keras, is not installed")
    os.environ["KERAS_BACKEND"] = "torch"
    return pytest.importorskip("keras", reason="Keras is not installed")


def model_of(keras: Any) -> Any:
    """Return a model with all kinds of layers, one within another one, and weights unlike zero."""
    layers = keras.layers
    inner = keras.Sequential(
        [keras.Input((6, 6)), layers.GRU(4, return_sequences=True, name="gru_in")], name="inner"
    )
    tokens = keras.Input((6,), dtype="int32")
    x = layers.Embedding(9, 3, name="table")(tokens)
    x = layers.Bidirectional(layers.LSTM(3, return_sequences=True), name="both")(x)
    x = layers.Dropout(0.1)(x)
    x = inner(x)
    x = layers.RNN(layers.GRUCell(3, reset_after=False), return_sequences=True, name="cell")(x)
    x = layers.TimeDistributed(layers.Dense(4, activation="tanh"), name="timed")(x)
    x = layers.SimpleRNN(5, activation="relu", name="plain")(x)
    model = keras.Model(tokens, layers.Dense(2, name="out")(x))
    rng = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(rng.normal(size=weight.shape) * 0.4)
    return model


def run(ours: dict[str, Any], names: list[str]) -> Any:
    """Return what the layers make of the tokens, one after the other."""
    x: Any = TOKENS
    for name in names:
        y = ours[name](x)
        x = y[0] if isinstance(y, tuple) else y
    return x[:, -1]


NAMES = ["table", "both", "inner/gru_in", "cell", "timed", "plain", "out"]
GROUPS = ["embedding", "bidirectional", "sequential/gru", "rnn", "time_distributed", "simple_rnn"]
TOKENS = np.array([[0, 3, 0, 1, 8, 0], [1, 2, 3, 4, 5, 6]])


def test_a_model_is_read_layer_by_layer(keras: Any, tmp_path: Path) -> None:
    model = model_of(keras)
    model.compile("adam", "mse")
    model.fit(TOKENS, np.zeros((2, 2)), verbose=0)  # so that the file has an optimizer
    model.save(tmp_path / "m.keras")
    ours = read_keras(tmp_path / "m.keras")
    assert list(ours) == NAMES
    expected = np.asarray(keras.ops.convert_to_numpy(model(TOKENS)))
    np.testing.assert_allclose(run(ours, NAMES), expected, atol=2e-6)
    assert list(read_keras(tmp_path / "m.keras", names=["out", "cell"])) == ["out", "cell"]
    with pytest.raises(ValueError, match=r"names: expected some of table, .* got the unknown nope"):
        read_keras(tmp_path / "m.keras", names=["out", "nope"])
    with pytest.raises(ValueError, match=r"layers: expected None, .* says it itself"):
        read_keras(tmp_path / "m.keras", layers="defaults")


def test_layers_of_one_size_are_not_mixed_up(keras: Any, tmp_path: Path) -> None:
    layers = keras.layers
    first, second = keras.Input((4, 3)), keras.Input((4, 3))
    # Made in another order than they are called in, and one of them called twice.
    made = [layers.LSTM(3, return_sequences=True, name=f"lstm_{n}") for n in "dbac"]
    shared = made[0]
    a = layers.Add()([made[2](first), shared(second)])
    b = keras.ops.add(made[3](shared(a)), made[1](second))
    inner = keras.Sequential([keras.Input((4, 3)), layers.LSTM(3, name="lstm_e")], name="within")
    model = keras.Model([second, first], [inner(b), made[1](a)])
    rng = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(rng.normal(size=weight.shape))
    model.save(tmp_path / "m.keras")
    ours = read_keras(tmp_path / "m.keras")
    assert sorted(ours) == ["lstm_a", "lstm_b", "lstm_c", "lstm_d", "within/lstm_e"]
    for layer in [*made, inner.layers[0]]:
        name = "within/lstm_e" if layer.name == "lstm_e" else layer.name
        kernel = keras.ops.convert_to_numpy(layer.cell.kernel.value)
        np.testing.assert_array_equal(ours[name].state_dict()["weight_ih_l0"], kernel.T)


def test_weights_are_read_as_the_caller_tells_them(keras: Any, tmp_path: Path) -> None:
    model = model_of(keras)
    path = tmp_path / "m.weights.h5"
    model.save_weights(path)
    serialize = keras.saving.serialize_keras_object
    order = [*GROUPS, "dense"]
    told: dict[str, Any] = {
        "embedding": "Embedding",
        "bidirectional": "Bidirectional",
        "sequential/gru": "GRU",
        "rnn": serialize(model.get_layer("cell")),
        "time_distributed": serialize(model.get_layer("timed")),
        "simple_rnn": serialize(model.get_layer("plain")),
        "dense": "Dense",
    }
    ours = read_keras(path, layers=told)
    expected = np.asarray(keras.ops.convert_to_numpy(model(TOKENS)))
    np.testing.assert_allclose(run(ours, order), expected, atol=2e-6)
    with pytest.raises(ValueError, match=r"layers: expected what .*sequential/gru.* are, which"):
        read_keras(path)
    del told["dense"]
    with pytest.raises(ValueError, match="got none of dense and the unknown xx"):
        read_keras(path, layers={**told, "xx": "Dense"})
    ours = read_keras(path, layers={"sequential/gru": "GRU"}, names=["sequential/gru"])
    assert repr(ours) == "{'sequential/gru': GRU(6, 4, batch_first=True)}"
    with pytest.raises(
        ValueError, match="layer 'rnn': expected a class that group and arrays tell"
    ):
        read_keras(path, layers="defaults")
    some = ["embedding", "bidirectional", "sequential/gru", "dense"]
    assert list(read_keras(path, layers="defaults", names=some)) == some
    with pytest.raises(
        ValueError, match=r"layer 'sequential/gru': expected kernel .*got recurrent_kernel"
    ):
        read_keras(path, layers={"sequential/gru": "LSTM"}, names=["sequential/gru"])


def test_layers_without_an_equal_are_all_named(keras: Any, tmp_path: Path) -> None:
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((6, 3)),
            layers.Lambda(lambda x: x),
            layers.Conv1D(4, 2, name="conv"),
            layers.LSTM(4, activation="relu", name="lstm", return_sequences=True),
            layers.RNN([layers.LSTMCell(2), layers.LSTMCell(2)], name="stack"),
            layers.Dense(2, activation="softmax", name="out"),
        ]
    )
    model.save(tmp_path / "m.keras")
    with pytest.raises(
        ValueError, match=r"conv.*'Conv1D'.*lstm.*'relu'.*stack.*out.*'softmax'"
    ) as e:
        read_keras(tmp_path / "m.keras")
    assert "\n" not in str(e.value)
    ours = read_keras(tmp_path / "m.keras", names=["out"], leave_out=["activation"])
    assert repr(ours["out"]) == "Linear(2, 2)"


# Files made by hand


Writer = Callable[[Any], None]


def lstm_config(**options: Any) -> dict[str, Any]:
    layer = {"module": "keras.layers", "class_name": "LSTM", "registered_name": None,
             "config": {"name": "lstm", "units": 2, "dtype": "float32", **options}}  # fmt: skip
    return {"module": "keras", "class_name": "Sequential", "config": {"layers": [layer]}}


def good(file: Any) -> None:
    for k, shape in enumerate(((3, 8), (2, 8), (8,))):
        file[f"layers/lstm/cell/vars/{k}"] = np.full(shape, 0.5, np.float32)


def weights(tmp_path: Path, write: Writer) -> bytes:
    path = tmp_path / "w.weights.h5"
    with h5py.File(path, "w") as file:
        write(file)
    return path.read_bytes()


def archive(
    tmp_path: Path, config: Any, content: bytes, compression: int = zipfile.ZIP_STORED
) -> Path:
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w", compression) as file:
        text = config if isinstance(config, (bytes, str)) else json.dumps(config)
        file.writestr("config.json", text)
        file.writestr("model.weights.h5", content)
    return path


def refused(path: Path, message: str, **options: Any) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        read_keras(path, **options)
    assert "\n" not in str(caught.value) and path.name in str(caught.value)


def test_a_file_made_by_hand_is_read(tmp_path: Path) -> None:
    path = archive(tmp_path, lstm_config(), weights(tmp_path, good))
    layer: Any = read_keras(path)["lstm"]
    assert repr(layer) == "LSTM(3, 2, batch_first=True)"
    assert (layer.state_dict()["weight_ih_l0"] == 0.5).all()
    loose = tmp_path / "w.weights.h5"
    again: Any = read_keras(loose, layers="defaults")["lstm"]
    np.testing.assert_array_equal(again.state_dict()["bias_ih_l0"], np.full(8, 0.5))


def without_bias(file: Any) -> None:
    good(file)
    del file["layers/lstm/cell/vars/2"]


def misshaped(file: Any) -> None:
    good(file)
    del file["layers/lstm/cell/vars/1"]
    file["layers/lstm/cell/vars/1"] = np.zeros((2, 6), np.float32)


def extra(file: Any) -> None:
    good(file)
    file["layers/lstm/cell/vars/3"] = np.zeros(2, np.float32)


def of_another_layer(file: Any) -> None:
    good(file)
    file["layers/gru/cell/vars/0"] = np.zeros(2, np.float32)


def linked(file: Any) -> None:
    without_bias(file)
    file["layers/lstm/cell/vars/2"] = h5py.ExternalLink("/etc/hostname", "/x")


def soft(file: Any) -> None:
    without_bias(file)
    file["layers/lstm/cell/vars/2"] = h5py.SoftLink("/layers/lstm/cell/vars/0")


def cycle(file: Any) -> None:
    good(file)
    file["layers/lstm/again"] = file["layers"]


def outside(file: Any) -> None:
    without_bias(file)
    file["layers/lstm/cell/vars"].create_dataset(
        "2", (8,), np.float32, external=[("/etc/hostname", 0, 32)]
    )


def compressed(file: Any) -> None:
    without_bias(file)
    file["layers/lstm/cell/vars"].create_dataset(
        "2", (8,), np.float32, chunks=(8,), compression="gzip"
    )


def huge(file: Any) -> None:
    without_bias(file)
    file["layers/lstm/cell/vars"].create_dataset("2", (1 << 40,), np.float32)


def of_texts(file: Any) -> None:
    without_bias(file)
    file["layers/lstm/cell/vars/2"] = ["a"] * 8


def bfloat16(file: Any) -> None:
    good(file)
    file["layers/lstm/cell/vars/2"].attrs["dtype"] = "bfloat16"


def of_doubles(file: Any) -> None:
    without_bias(file)
    file["layers/lstm/cell/vars/2"] = np.zeros(8)


def legacy(file: Any) -> None:
    good(file)
    file.attrs["layer_names"] = ["lstm"]


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (without_bias, r"layer 'lstm': expected kernel \(3, 8\), recurrent_kernel \(2, 8\), bias "
                       r"\(8,\) of dtype float32, as its options say, got no bias"),
        (misshaped, r"got recurrent_kernel \(2, 6\)"),
        (extra, r"got the unknown cell/vars/3"),
        (of_another_layer, "expected arrays of the layers in config.json, got layers/gru/cell"),
        (linked, "vars/2: expected an array or a group, got a ExternalLink"),
        (soft, "vars/2: expected an array or a group, got a SoftLink"),
        (cycle, "again: expected each object at one place"),
        (outside, "vars/2: expected an array in one piece"),
        (compressed, "vars/2: expected an array in one piece"),
        (huge, "vars/2: expected 4398046511104 bytes, got 0"),
        (of_texts, "vars/2: expected numbers, got dtype"),
        (bfloat16, "vars/2: expected float32 or float64, got bfloat16"),
        (of_doubles, "got bias of dtype float64"),
        (legacy, "expected a file of Keras 3, got one of Keras 2's HDF5 format"),
        (lambda file: None, "got no kernel, no recurrent_kernel, no bias"),
    ],
)  # fmt: skip
def test_weights_that_are_not_those_are_refused(
    write: Writer, message: str, tmp_path: Path
) -> None:
    refused(archive(tmp_path, lstm_config(), weights(tmp_path, write)), message)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (lstm_config(activation="relu"), "layer 'lstm': activation: expected 'tanh'"),
        (lstm_config(activation={"class_name": "function", "config": "mine"}), "got 'mine'"),
        (lstm_config(new_option=1), "expected options of LSTM, got 'new_option'"),
        (lstm_config(units=-1), "layer 'lstm': units: expected"),
        (lstm_config(units=10**30), "layer 'lstm': units: expected"),
        (lstm_config(units="2"), "layer 'lstm': units: expected an int"),
        (lstm_config(use_bias="no"), "layer 'lstm': use_bias: expected"),
        (lstm_config(dtype={"class_name": "X", "config": {"name": "float32"}}), "dtype: expected"),
        (lstm_config(dtype="float64"), "of dtype float64, as its options say, got"),
        ({"class_name": "Mine"}, "expected a Sequential or functional model, got 'Mine'"),
        ([1], "expected a Sequential or functional model"),
        ({"module": "keras", "class_name": "Sequential", "config": {"layers": [3]}}, "layers, got"),
        ({"module": "keras", "class_name": "Sequential", "config": {}}, "layers: expected a list"),
        (b"{", "config.json: expected JSON, got"),
        (b"[" * 100_000, "config.json: expected JSON, got"),
        (b"\xff\xfe\x00", "config.json: expected JSON, got"),
    ],
)
def test_descriptions_that_are_none_are_refused(config: Any, message: str, tmp_path: Path) -> None:
    refused(archive(tmp_path, config, weights(tmp_path, good)), message)


def test_a_class_of_others_is_not_taken_for_keras_s_own(tmp_path: Path) -> None:
    config = lstm_config()
    for key, value in (("registered_name", "mine>LSTM"), ("module", "mine")):
        layer = {**config["config"]["layers"][0], key: value}
        other = {**config, "config": {"layers": [layer]}}
        refused(archive(tmp_path, other, weights(tmp_path, good)), "layer 'lstm': expected one of")


def test_damaged_and_hostile_archives_are_refused(tmp_path: Path) -> None:
    content = weights(tmp_path, good)
    refused(
        archive(tmp_path, b" " * 50_000_000, content, zipfile.ZIP_DEFLATED),
        "config.json: expected a size that the file holds, got 50000000 bytes",
    )
    zeros = b"\0" * 100_000_000
    refused(
        archive(tmp_path, lstm_config(), zeros, zipfile.ZIP_DEFLATED),
        "model.weights.h5: expected a size that the file holds",
    )
    path = archive(tmp_path, lstm_config(), content[:3000])
    refused(path, "expected weights in HDF5, got damaged ones")
    whole = archive(tmp_path, lstm_config(), content).read_bytes()
    path.write_bytes(whole[:-300])
    refused(path, "expected a .keras file, got a damaged one")
    path.write_bytes(whole.replace(b'"units": 2', b'"units": 3'))
    refused(path, "expected a .keras file, got a damaged one: Bad CRC-32")
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("other", b"")
    refused(path, "expected config.json in it, got other")
    for data in (b"", b"GIF89a  "):
        path.write_bytes(data)
        refused(path, "expected a .keras or .weights.h5 file of Keras 3, got one that begins")
    with pytest.raises(FileNotFoundError):
        read_keras(tmp_path / "nothing.keras")
    for wrong in ({"names": "lstm"}, {"leave_out": "dropout"}, {"names": 3}):
        with pytest.raises(TypeError, match="expected"):
            read_keras(path, **wrong)


def test_weights_with_changed_bytes_are_read_or_refused(tmp_path: Path) -> None:
    content = weights(tmp_path, good)
    path, rng = tmp_path / "d.weights.h5", np.random.default_rng(0)
    outcomes = {"read": 0, "refused": 0}
    for _ in range(300):
        data = bytearray(content)
        for place in rng.integers(len(data), size=rng.integers(1, 9)):
            data[place] = rng.integers(256)
        path.write_bytes(bytes(data))
        try:
            read_keras(path, layers="defaults")
            outcomes["read"] += 1
        except ValueError as error:
            assert "\n" not in str(error) and "d.weights.h5" in str(error)
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 10


def test_without_h5py_it_says_what_is_missing(tmp_path: Path) -> None:
    path = archive(tmp_path, lstm_config(), weights(tmp_path, good))
    code = (
        "import sys; sys.modules['h5py'] = None\n"
        "from rnnfast.interop.keras import read_keras\n"
        f"try: read_keras({str(path)!r})\n"
        "except ImportError as error: print(error)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert result.stdout == "read_keras needs h5py, which is not installed: pip install h5py\n"


def test_the_weights_of_an_archive_may_be_compressed(tmp_path: Path) -> None:
    content = weights(tmp_path, good)
    path = archive(tmp_path, lstm_config(), content, zipfile.ZIP_DEFLATED)
    assert list(read_keras(path)) == ["lstm"]
