"""`rf.save` and `rf.load` of layers and networks of layers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors

import rnnfast as rf
import zoo
from rnnfast.io.layers import KINDS
from rnnfast.io.tensors import read_tensors, write_tensors
from spoiled import spoil


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "network.safetensors"


def saved(path: Path, network: Any) -> Any:
    rf.save(path, network)
    return rf.load(path)


def test_every_layer_has_a_name_in_files() -> None:
    assert set(KINDS.values()) == zoo.LAYER_KINDS | {rf.WeightDrop}
    assert all(kind.__name__ == name for name, kind in KINDS.items())


@pytest.mark.parametrize("name", zoo.LAYERS)
def test_a_layer_comes_back_bit_by_bit(name: str, path: Path) -> None:
    layer = zoo.LAYERS[name]()
    other = saved(path, layer)
    assert type(other) is type(layer) and repr(other) == repr(layer)
    assert zoo.same(zoo.ask(other), zoo.ask(layer))
    if hasattr(layer, "state_dict"):
        assert zoo.same(other.state_dict(), layer.state_dict())
    before = path.read_bytes()
    assert zoo.same(zoo.ask(saved(path, other)), zoo.ask(layer))
    assert path.read_bytes() == before


def test_a_network_keeps_its_form_and_what_it_shares(path: Path) -> None:
    table, lstm = rf.TiedEmbedding(6, 4, seed=1), rf.LSTM(4, 4, seed=1)
    network = {
        "output": table.linear,
        "embedding": table,
        "stack": [lstm, (rf.Dropout(0.3), lstm)],
        "drop": rf.WeightDrop(lstm, 0.25, prefix="weight_hh_l0"),
        "nothing": [],
    }
    other = saved(path, network)
    assert list(other) == list(network) and other["nothing"] == []
    assert other["output"] is other["embedding"].linear
    assert other["stack"][0] is other["stack"][1][1] is other["drop"].layer
    assert isinstance(other["stack"][1], tuple) and other["stack"][1][0].p == 0.3
    assert (other["drop"].p, other["drop"].prefix) == (0.25, "weight_hh_l0")
    assert zoo.same(
        other["stack"][0](zoo.X[..., [0, 1, 2, 0]])[0], lstm(zoo.X[..., [0, 1, 2, 0]])[0]
    )


def test_a_network_of_parts_is_one_again(path: Path) -> None:
    table, gru = rf.TiedEmbedding(6, 4, seed=1), rf.GRU(4, 4, seed=2)
    net = rf.chain(
        rf.chain(table, rf.residual(gru)),
        rf.concatenate(gru, rf.bidirectional(rf.RNN(4, 3, seed=3), merge="sum")),
        rf.Linear(7, 4, seed=4),
        table.linear,
    )
    other = saved(path, net)
    assert repr(other) == repr(net) and list(other.parameters()) == list(net.parameters())
    assert other[3] is other[0][0].linear and other[0][1].part is other[1][0]
    tokens = np.arange(6).reshape(3, 2)
    assert zoo.same(other(tokens, [3, 2]), net(tokens, [3, 2]))


def test_options_set_since_are_those_of_the_file(path: Path) -> None:
    layer = rf.LSTM(3, 4, 2, dropout=0.5)
    layer.dropout, layer.training = 0.25, False
    other = saved(path, layer)
    assert other.dropout == 0.25 and other.training
    assert not any(np.any(gradient) for gradient in other.grads.values())


def test_numbers_that_are_not_finite_come_back(path: Path) -> None:
    layer = rf.Linear(3, 2)
    spoil(layer.parameters()["bias"], [np.nan, -np.inf])
    assert zoo.same(saved(path, layer).state_dict(), layer.state_dict())


def test_a_model(path: Path) -> None:
    model = rf.Forecaster(lags=3, hidden_size=3, epochs=1, verbose=0).fit(np.sin(np.arange(40.0)))
    assert zoo.same(saved(path, model).predict(2), model.predict(2))


class Mine(rf.Linear):
    """A layer of a user's."""


@pytest.mark.parametrize(
    ("network", "error", "message"),
    [
        (None, TypeError, r"^network: expected layers of rnnfast, .*, got NoneType$"),
        ([rf.Linear(2, 2), 3], TypeError, r"^network\[1\]: expected layers of rnnfast, .* got int"),
        ({"a": {"b": Mine(2, 2)}}, TypeError, r"^network\['a'\]\['b'\]: expected .*, got Mine$"),
        ({1: rf.Linear(2, 2)}, TypeError, r"^network: expected names, got int$"),
        (rf.Adam(rf.Linear(2, 2)), TypeError, r"^network: expected layers .*, got Adam$"),
        ([], ValueError, r"^network: expected at least one layer, got none$"),
        ({"a": []}, ValueError, r"^network: expected at least one layer, got none$"),
        (rf.TiedEmbedding(2, 2).linear, ValueError, r"^network: expected its TiedEmbedding to be"),
    ],
)
def test_what_no_file_holds(network: Any, error: type, message: str, path: Path) -> None:
    with pytest.raises(error, match=message):
        rf.save(path, network)
    assert not path.exists()


def test_lists_within_themselves(path: Path) -> None:
    network: list[Any] = [rf.Linear(2, 2)]
    network.append(network)
    with pytest.raises(ValueError, match=r"expected at most 100 levels of lists, got more$"):
        rf.save(path, network)


def test_a_file_is_plain_safetensors(path: Path) -> None:
    rf.save(path, {"l": rf.Linear(3, 2)})
    with safetensors.safe_open(path, framework="np") as file:
        assert set(file.keys()) == {"0.weight", "0.bias"}
        header = json.loads(file.metadata()["rnnfast"])
    assert header["kind"] == "layers" and header["version"] == 1
    assert header["content"]["structure"] == {"dict": {"l": {"layer": 0}}}
    (layer,) = header["content"]["layers"]
    assert layer == {
        "class": "Linear",
        "options": {"in_features": 3, "out_features": 2, "bias": True, "dtype": "float32"},
    }


def rewritten(path: Path, change: Callable[[Any, Any], Any]) -> None:
    """Change a file in a way that its checksum does not tell."""
    arrays, description = read_tensors(path, "layers")
    change(arrays, description)
    write_tensors(path, "layers", arrays, description)


def option(name: str, value: Any) -> Callable[[Any, Any], None]:
    return lambda arrays, description: description["layers"][0]["options"].update({name: value})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a, d: d["layers"][0].update({"class": "os.system"}), "class: expected one of Acti"),
        (lambda a, d: d["layers"][0].update({"class": "Module"}), "got 'Module'"),
        (lambda a, d: d["layers"][0]["options"].pop("bias"), "options: expected input_size, "),
        (option("seed", 1), "options: expected input_size, "),
        (option("hidden_size", "4"), "hidden_size: expected an integer, got str"),
        (option("hidden_size", 5), r"weight_ih_l0: expected shape \(20, 3\), got \(16, 3\)"),
        (option("hidden_size", 2**40), "expected layers of at most [0-9]+ parameters, as the file"),
        (option("input_size", 2**40), "expected layers of at most [0-9]+ parameters, as the file"),
        (option("num_layers", 2**31), "expected layers of at most [0-9]+ parameters, as the file"),
        (option("dtype", "float64"), "_l0: expected dtype float64, got float32"),
        (option("dropout", float("nan")), "dropout: expected a probability"),
        (lambda a, d: a.pop("0.weight_hh_l0"), "without weight_hh_l0"),
        (lambda a, d: a.update({"1.x": np.zeros(1)}), r"1\.x: expected one of 1 layers"),
        (lambda a, d: a.update({"x": np.zeros(1)}), r"x: expected the number of a layer"),
        (lambda a, d: d.update(structure={"layer": 1}), "layer: expected the number of one of"),
        (lambda a, d: d.update(structure={"layer": True}), "layer: expected the number of one of"),
        (lambda a, d: d.update(structure={"set": []}), "structure: expected a layer, a list"),
        (lambda a, d: d.update(layers={}), "layers: expected a list, got dict"),
    ],
)
def test_descriptions_that_do_not_fit(
    change: Callable[[Any, Any], Any], message: str, path: Path
) -> None:
    rf.save(path, rf.LSTM(3, 4))
    rewritten(path, change)
    with pytest.raises(ValueError, match=message) as error:
        rf.load(path)
    assert str(error.value).startswith(f"{path}: its parts do not fit together (")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", ["TiedEmbedding", "Embedding", "Linear", "CRF", "DotAttention"])
def test_sizes_are_looked_at_before_anything_is_allocated(kind: str, path: Path) -> None:
    rf.save(path, zoo.LAYERS[kind]())
    sizes = [
        n
        for n, v in read_tensors(path, "layers")[1]["layers"][0]["options"].items()
        if type(v) is int and n != "padding_idx"
    ]
    for name in sizes:
        rf.save(path, zoo.LAYERS[kind]())
        rewritten(path, option(name, 2**50))
        with pytest.raises(ValueError, match=r"expected layers of at most|out_features: expected"):
            rf.load(path)


def test_another_version(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnnfast.io.tensors.FORMAT_VERSION", 3)
    rf.save(path, rf.Linear(2, 2))
    monkeypatch.undo()
    with pytest.raises(ValueError, match=r"expected format version 1 or 2, got 3; another version"):
        rf.load(path)


def test_a_checkpoint_is_no_network(path: Path) -> None:
    write_tensors(path, "checkpoint", {}, {})
    with pytest.raises(ValueError, match=r"expected an rnnfast model, got checkpoint$"):
        rf.load(path)
