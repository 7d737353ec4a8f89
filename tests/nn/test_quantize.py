"""`rf.quantize` of layers: what numbers become, what stays possible and what is refused, files."""

from __future__ import annotations

import copy
import json
import pickle
import re
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
import zoo
from rnnfast import reference
from rnnfast.io.tensors import read_tensors, write_tensors
from rnnfast.nn import _frozen
from rnnfast.reference import quantized
from spoiled import spoil

WORDS: dict[str, dict[str, Any]] = {
    "int8": {"numbers": "int8"},
    "int8-16": {"numbers": "int8", "activations": 16},
    "bfloat16": {"numbers": "bfloat16"},
}
# Float32 layers with parameters, but those of which it has no smaller numbers.
NAMES = [
    name
    for name, make in zoo.LAYERS.items()
    if (made := make()).parameters()
    and made.dtype == np.float32
    and not isinstance(made, (rf.MLSTM, rf.SLSTM))
]
TWINS: list[Callable[[Any], Any]] = [
    copy.deepcopy,
    copy.copy,
    lambda layer: pickle.loads(pickle.dumps(layer)),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "network.safetensors"


def matrices() -> dict[str, np.ndarray[Any, Any]]:
    rng = np.random.default_rng(0)
    normal = rng.normal(size=(40, 33)).astype(np.float32)
    wild = np.ldexp(rng.normal(size=(60, 5)), rng.integers(-140, 120, (60, 1))).astype(np.float32)
    edges = np.array([[0, -0.0, 0], [1e-30, 0, 0], [9e-31, 0, 1e-45], [1e38, -1e38, 1]], np.float32)
    ties = np.array([[127, 0.5, 1.5, 2.5, -0.5, -1.5]], np.float32)
    return {"normal": normal, "wild": wild, "edges": edges, "ties": ties, "empty": normal[:0]}


@pytest.mark.parametrize("name", matrices())
@pytest.mark.parametrize("numbers", ["int8", "bfloat16"])
def test_numbers_are_those_of_the_definition_and_rounded_to_themselves(
    name: str, numbers: str
) -> None:
    matrix = matrices()[name]
    found = _frozen.rounded(matrix, numbers)
    if numbers == "int8":
        codes, scale = quantized.quantise(matrix)
        kept = _frozen.encoded("w", matrix, numbers)
        assert zoo.same(kept, {"w": codes, "w.scale": scale})
        expected = quantized.dequantise(codes, scale)
        assert (np.abs(found - matrix) <= np.maximum(scale[:, np.newaxis] * 0.51, 1e-30)).all()
    else:
        expected = quantized.round_bfloat16(matrix)
    assert found.tobytes() == expected.tobytes()
    again = _frozen.encoded("w", found, numbers)
    assert zoo.same(again, _frozen.encoded("w", matrix, numbers))
    assert np.array_equal(_frozen.rounded(found, numbers), found)


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("name", NAMES)
def test_every_layer(name: str, word: str, path: Path) -> None:
    layer = zoo.LAYERS[name]()
    before = layer.state_dict()
    small = rf.quantize(layer, **WORDS[word])
    assert zoo.same(layer.state_dict(), before) and layer.numbers == "float32"
    assert type(small) is type(layer) and small.numbers == word and small.dtype == np.float32
    for key, array in small.state_dict().items():
        is_matrix = array.ndim == 2 and not isinstance(layer, rf.CRF)
        kept = _frozen.rounded(before[key], word) if is_matrix else before[key]
        assert array.tobytes() == kept.tobytes(), key
    answer = zoo.ask(small)
    for twin in TWINS:
        other = twin(small)
        assert zoo.same(zoo.ask(other), answer) and other.numbers == word
    rf.save(path, small)
    other = rf.load(path)
    assert repr(other) == repr(small) and type(other) is type(small) and other.numbers == word
    assert zoo.same(other.state_dict(), small.state_dict()) and zoo.same(zoo.ask(other), answer)
    content = path.read_bytes()
    rf.save(path, other)
    assert path.read_bytes() == content
    assert f"numbers: {word}, " in str(small.summary())


REFUSALS: dict[str, Callable[[Any], Any]] = {
    "train": zoo.train,
    "grads": lambda layer: layer.grads,
    "grad": lambda layer: next(iter(layer.parameters().values())).grad,
    "zero_grad": lambda layer: layer.zero_grad(),
    "load_state_dict": lambda layer: layer.load_state_dict(layer.state_dict()),
    "assign": lambda layer: [p.assign(p.data) for p in layer.parameters().values()],
    "optimizer": lambda layer: rf.SGD(layer, 0.1),
    "clip": lambda layer: rf.clip_grad_norm(layer, 1.0),
    "quantize": lambda layer: rf.quantize(layer),
}


@pytest.mark.parametrize("what", REFUSALS)
@pytest.mark.parametrize("name", NAMES)
def test_what_would_change_it_is_refused(name: str, what: str) -> None:
    small = rf.quantize(zoo.LAYERS[name]())
    before = small.state_dict()
    with pytest.raises(TypeError, match=r"expected numbers of float32( or float64)?, got .*int8"):
        REFUSALS[what](small)
    assert zoo.same(small.state_dict(), before)
    with pytest.raises((ValueError, AttributeError)):
        small.parameters()[next(iter(before))].data[...] = 0


def test_a_message() -> None:
    small = rf.quantize(rf.GRU(3, 4), "int8", activations=16)
    told = (
        "forward: expected numbers of float32 or float64, got those in int8-16 that rf.quantize "
        "made, which stay as they are"
    )
    with pytest.raises(TypeError, match=f"^{told}$"):
        small.forward(zoo.X)


@pytest.mark.parametrize(
    ("arguments", "kind", "told"),
    [
        ((rf.GRU(3, 4), "int4"), ValueError, r"numbers: expected 'int8' or 'bfloat16', got 'int4'"),
        ((rf.GRU(3, 4), None), ValueError, r"numbers: expected 'int8' or 'bfloat16', got None"),
        ((rf.GRU(3, 4, dtype="float64"),), TypeError, r"network: .* of float32, got float64"),
        (([rf.GRU(3, 4)],), TypeError, r"network: expected a layer or a model, got list; rf.chain"),
        ((rf.GRU,), TypeError, r"network: expected a layer or a model, got the class GRU;"),
        ((3,), TypeError, r"network: expected a layer or a model, got int"),
        ((rf.Dropout(0.5),), ValueError, r"network: expected layers with parameters, got Dropout"),
        ((rf.GRU(3, 4).stream(),), TypeError, r"network: expected a layer or a model, got Stream"),
        (
            (rf.chain(rf.Linear(3, 3), rf.quantize(rf.Linear(3, 3))),),
            TypeError,
            r"1: expected numbers of float32, got int8",
        ),
    ],
)
def test_bad_arguments(arguments: tuple[Any, ...], kind: type[Exception], told: str) -> None:
    with pytest.raises(kind, match=f"^{told}"):
        rf.quantize(*arguments)


@pytest.mark.parametrize("bits", [0, 7, 12, 32, -8, True, 8.0, "8", None])
def test_bad_activations(bits: Any) -> None:
    with pytest.raises((ValueError, TypeError), match=r"^activations: expected [^\n]*$"):
        rf.quantize(rf.GRU(3, 4), activations=bits)


def test_activations_of_bfloat16() -> None:
    with pytest.raises(ValueError, match=r"^activations: expected to be left out with bfloat16"):
        rf.quantize(rf.GRU(3, 4), "bfloat16", activations=16)


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none(number: float) -> None:
    layer = rf.chain(rf.Dropout(0.5), rf.GRU(3, 4))
    spoil(layer.parts[1].parameters()["weight_hh_l0"], np.full((12, 4), number))
    with pytest.raises(ValueError, match=r"^1\.weight_hh_l0: expected numbers up to 1e\+38, got"):
        rf.quantize(layer)


def test_numbers_that_are_too_large() -> None:
    layer = rf.Linear(1, 1)
    layer.load_state_dict({"weight": [[2e38]], "bias": [0.0]})
    with pytest.raises(ValueError, match=r"^weight: expected numbers up to 1e\+38, got 2e\+38"):
        rf.quantize(layer, "bfloat16")


@pytest.mark.parametrize("word", WORDS)
def test_streams_and_cuts_in_time_give_the_same_bits(word: str) -> None:
    x = np.random.default_rng(0).normal(size=(9, 3, 5)).astype(np.float32)
    for layer in (rf.LSTM(5, 7, 2, seed=1), rf.GRU(5, 7, seed=1), rf.RNN(5, 7, seed=1)):
        small = rf.quantize(layer, **WORDS[word])
        y, _ = small(x)
        step = small.stream(3)
        assert np.array([step(each).copy() for each in x]).tobytes() == y.tobytes()
        first, state = small(x[:4])
        rest, _ = small(x[4:], state)
        assert np.concatenate([first, rest]).tobytes() == y.tobytes()
        alone, _ = small(np.ascontiguousarray(x[:, 1:2]))
        assert alone.tobytes() == np.ascontiguousarray(y[:, 1:2]).tobytes()


@pytest.mark.parametrize("word", WORDS)
def test_accuracy_of_random_weights(word: str) -> None:
    """The largest error against float64 of an LSTM of weights of the scale 1/sqrt(H)."""
    hidden = 256
    layer = rf.LSTM(hidden, hidden, seed=0)
    exact = rf.LSTM(hidden, hidden, dtype="float64")
    exact.load_state_dict(layer.state_dict())
    x = np.random.default_rng(1).normal(size=(50, 4, hidden)).astype(np.float32)
    y, _ = rf.quantize(layer, **WORDS[word])(x)
    error = np.abs(y - exact(x.astype(np.float64))[0]).max()
    assert error < {"int8": 3e-2, "int8-16": 2.2e-2, "bfloat16": 1e-2}[word]


@pytest.mark.parametrize("word", WORDS)
def test_what_multiplies(word: str) -> None:
    """Kernels of these numbers where there are some, else those of float32."""
    for name, make in zoo.RECURRENT.items():
        if (layer := make()).dtype == np.float32:
            native = rf.quantize(layer, **WORDS[word]).native
            others = ("ind_", "min_", "sru", "qrnn", "layer_", "zoneout_")
            plain = layer.spec.cell_name.startswith(others)
            assert native.numbers == ("float32" if plain else word), name
    for layer in (rf.Linear(3, 4), rf.TiedEmbedding(3, 4).linear):
        assert rf.quantize(layer, **WORDS[word]).native.numbers == word
    long = rf.quantize(rf.Linear(2**16 + 1, 1, seed=0), **WORDS[word])  # longer than they take
    assert long.native.numbers == "float32"
    assert np.isfinite(long(np.ones((2, 2**16 + 1), np.float32))).all()


def test_a_linear_layer_is_what_the_definition_says() -> None:
    layer = rf.Linear(33, 20, bias=False, seed=0)
    weight = layer.parameters()["weight"].data
    x = np.random.default_rng(0).normal(size=(7, 33)).astype(np.float32)
    for word, options in WORDS.items():
        expected = quantized.product(x, weight, word)
        # Without units for bfloat16 what is multiplied with the weights is not rounded.
        tolerance = 2e-2 if word == "bfloat16" else 1e-5
        np.testing.assert_allclose(rf.quantize(layer, **options)(x), expected, atol=tolerance)


def test_ensembles() -> None:
    layers = [rf.GRU(3, 4, seed=seed) for seed in (1, 2)]
    small = [rf.quantize(layer) for layer in layers]
    y, _ = rf.Ensemble(small)(zoo.X)
    for k in range(2):
        assert y[k].tobytes() == small[k](zoo.X)[0].tobytes()
    with pytest.raises(ValueError, match=r"^layers\[1\]: expected a layer like quantize\(GRU"):
        rf.Ensemble([small[0], layers[1]])
    with pytest.raises(ValueError, match=r"^layers\[1\]: expected a layer like quantize\(GRU"):
        rf.Ensemble([small[0], rf.quantize(layers[1], "bfloat16")])


@pytest.mark.parametrize("word", WORDS)
def test_threads_and_memory_change_no_bit(word: str) -> None:
    small = rf.quantize(rf.LSTM(40, 96, 2, bidirectional=True, seed=0), **WORDS[word])
    x = np.random.default_rng(0).normal(size=(20, 9, 40)).astype(np.float32)
    before = rf.get_num_threads()
    try:
        rf.set_num_threads(1)
        y, _ = small(x)
        rf.set_num_threads(2)
        assert small(x)[0].tobytes() == y.tobytes()
        assert small(np.asfortranarray(x))[0].tobytes() == y.tobytes()
    finally:
        rf.set_num_threads(before)


def test_threads_share_one_layer() -> None:
    small = rf.quantize(rf.LSTM(3, 8, 2, bidirectional=True, seed=0))
    expected, found = zoo.ask(copy.deepcopy(small)), []
    threads = [threading.Thread(target=lambda: found.append(zoo.ask(small))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4 and all(zoo.same(each, expected) for each in found)


class Twice(rf.Module):
    """A module of somebody's own."""

    def __init__(self) -> None:
        self.layers = [rf.GRU(3, 3, seed=1), rf.Linear(3, 3, seed=2)]

    def forward(self, x: Any) -> Any:
        (y, _), back = self.layers[0].forward(x)
        z, to_y = self.layers[1].forward(y)
        return z, lambda dz: back(to_y(dz))[0]


def test_a_module_of_ones_own() -> None:
    network = Twice()
    small = rf.quantize(network)
    assert small.numbers == "int8" and network.numbers == "float32"
    expected = small.layers[1](small.layers[0](zoo.X)[0])
    assert small(zoo.X).tobytes() == expected.tobytes()
    with pytest.raises(TypeError, match=r"^forward: expected numbers of float32 or float64, got"):
        small.forward(zoo.X)


def test_tables_stay_shared(path: Path) -> None:
    table = rf.TiedEmbedding(6, 4, seed=1)
    small = rf.quantize(table.linear)
    assert repr(small) == "quantize(Linear(4, 6), 'int8')" and small.numbers == "int8"
    network = rf.quantize(rf.chain(table, rf.GRU(4, 4, seed=2), table.linear))
    rf.save(path, network)
    for each in (network, rf.load(path)):
        assert each.parts[2] is each.parts[0].linear
        weight, shared = (each.parts[k].parameters()["weight"] for k in (0, 2))
        assert weight.buffer is shared.buffer and weight.offset == shared.offset
        weight = weight.data
        assert np.array_equal(_frozen.rounded(weight, "int8"), weight)


def test_a_twin_of_other_weights_is_not_made() -> None:
    small = rf.quantize(rf.GRU(3, 4, seed=1))
    with pytest.raises(TypeError, match=r"^layer: expected numbers of float32 or float64, got"):
        rf.bidirectional(small)
    both = rf.bidirectional(small, rf.quantize(rf.GRU(3, 4, seed=2)))
    y = zoo.ask(both)[0]
    assert y[..., :4].tobytes() == zoo.ask(small)[0].tobytes()


def test_a_network_of_both_kinds(path: Path) -> None:
    network = rf.chain(rf.quantize(rf.GRU(3, 4, seed=1), "bfloat16"), rf.Linear(4, 2, seed=2))
    with pytest.raises(ValueError, match=r"^numbers: expected those of one kind, got .*bfloat16"):
        _ = network.numbers
    rf.save(path, network)
    other = rf.load(path)
    assert other(zoo.X).tobytes() == network(zoo.X).tobytes() and repr(other) == repr(network)
    assert other.parts[1].numbers == "float32" and other.parts[0].numbers == "bfloat16"
    rf.SGD(network.parts[1], 0.1)  # that part is trained as ever


@pytest.mark.parametrize("word", WORDS)
def test_files_are_as_small_as_the_numbers(word: str, path: Path) -> None:
    layer = rf.LSTM(128, 128, seed=0)
    rf.save(path, layer)
    whole = path.stat().st_size
    small = rf.quantize(layer, **WORDS[word])
    rf.save(path, small)
    assert path.stat().st_size < whole * (0.52 if word == "bfloat16" else 0.28)
    size = re.search(r"numbers: \S+, ([\d.]+) KiB in a file", str(small.summary()))
    assert size is not None
    assert 0 < path.stat().st_size / 1024 - float(size[1]) < 2


def test_other_libraries_read_the_files(path: Path) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    safetensors_torch = pytest.importorskip("safetensors.torch", reason="it is part of that")
    layer = rf.Linear(3, 4, seed=0)
    small = rf.quantize(layer, "bfloat16")
    rf.save(path, small)
    found = safetensors_torch.load_file(path)["0.weight"]
    assert found.dtype == torch.bfloat16
    assert np.array_equal(found.float().numpy(), small.parameters()["weight"].data)


def test_what_a_reader_of_before_says(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rf.save(path, rf.quantize(rf.Linear(3, 4)))
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["rnnfast"])
    assert header["version"] == 2  # one line: expected format version 1, got 2
    later = content.replace(rb"\"version\": 2", rb"\"version\": 3")
    assert later != content
    path.write_bytes(later)
    with pytest.raises(ValueError, match=r"expected format version 1 or 2, got 3; another version"):
        rf.load(path)
    rf.save(path, rf.Linear(3, 4))  # others stay readable
    assert rb"\"version\": 1" in path.read_bytes()


def _hostile() -> dict[str, Callable[[dict[str, Any], dict[str, Any]], None]]:
    def other_scale(arrays: dict[str, Any], description: dict[str, Any]) -> None:
        arrays["0.weight.scale"][0] *= np.float32(1.1)

    def set_to(name: str, value: Any) -> Callable[[dict[str, Any], dict[str, Any]], None]:
        return lambda arrays, description: arrays.__setitem__(name, value)

    def node(key: str, value: Any) -> Callable[[dict[str, Any], dict[str, Any]], None]:
        return lambda arrays, description: description["layers"][0].__setitem__(key, value)

    return {
        "a scale that no row has": other_scale,
        "no scales": lambda arrays, description: arrays.pop("0.weight.scale"),
        "no codes": lambda arrays, description: arrays.pop("0.weight"),
        "too few scales": set_to("0.weight.scale", np.ones(2, np.float32)),
        "a NaN": set_to("0.weight.scale", np.full(4, np.nan, np.float32)),
        "infinity": set_to("0.weight.scale", np.full(4, np.inf, np.float32)),
        "negative": set_to("0.weight.scale", -np.ones(4, np.float32)),
        "the code -128": set_to("0.weight", np.full((4, 3), -128, np.int8)),
        "scales of int8": set_to("0.weight.scale", np.ones(4, np.int8)),
        "float32 in their place": set_to("0.weight", np.ones((4, 3), np.float32)),
        "bfloat16 in their place": set_to("0.weight", np.ones((4, 3), np.uint16)),
        "a bias in int8": set_to("0.bias", np.ones(4, np.int8)),
        "more": set_to("0.more.scale", np.ones(4, np.float32)),
        "numbers of none": node("numbers", "int4"),
        "numbers of another": node("numbers", "bfloat16"),
        "numbers of float32": node("numbers", "float32"),
        "a list": node("numbers", ["int8"]),
        "a dict": node("numbers", {}),
        "none": lambda arrays, description: description["layers"][0].pop("numbers"),
        "another class": node("class", "Dropout"),
    }


@pytest.mark.parametrize("what", _hostile())
def test_files_of_nonsense(what: str, path: Path) -> None:
    rf.save(path, rf.quantize(rf.Linear(3, 4, seed=0)))
    arrays, description = read_tensors(path, "layers")
    _hostile()[what](arrays, description)
    write_tensors(path, "layers", arrays, description, reduced=True)
    with pytest.raises(ValueError, match=r"^[^\n]{1,600}$") as error:
        rf.load(path)
    assert str(error.value).startswith(f"{path}: ")


def test_damaged_files(path: Path) -> None:
    rf.save(path, rf.quantize(rf.Linear(3, 4, seed=0), "bfloat16"))
    content = path.read_bytes()
    for place in range(0, len(content), 7):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(ValueError, match=r"^[^\n]*$"):
            rf.load(path)
        path.write_bytes(content[:place])
        with pytest.raises(ValueError, match=r"^[^\n]*$"):
            rf.load(path)


def test_the_definition_is_in_reference() -> None:
    assert reference.quantized is quantized


def test_others_that_read_weights() -> None:
    small = rf.quantize(rf.GRU(3, 4, seed=1))
    gates = rf.diagnostics.gate_activations(small, zoo.X)
    np.testing.assert_allclose(gates[0]["h"], small(zoo.X)[0], atol=0.05)
    plain = rf.GRU(3, 4)
    plain.load_state_dict(small.state_dict())  # in float32 again, by what the numbers stand for
    np.testing.assert_allclose(plain(zoo.X)[0], small(zoo.X)[0], atol=0.05)
    with pytest.raises(TypeError, match=r"^layers\[0\]: expected numbers of float32"):
        rf.fuse(small, small)


def test_onnx() -> None:
    pytest.importorskip("onnx", reason="onnx is not installed")
    from rnnfast.interop.onnx import export

    with pytest.raises(TypeError, match=r"^module: expected numbers of float32 or float64, got"):
        export(rf.quantize(rf.GRU(3, 4)), "never.onnx")


def test_of_numbers_that_the_cpu_does_not_multiply_it_warns(reduced_level: str) -> None:
    layer = rf.Linear(2, 3, seed=0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for numbers in ("int8", "bfloat16"):
            rf.quantize(layer, numbers)
    told = [str(one.message) for one in caught if one.filename == __file__]
    assert len(told) == (reduced_level not in ("bf16", "amx"))
    assert all("this CPU does not multiply it" in line for line in told)
