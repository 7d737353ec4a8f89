"""Hyperparameters by scikit-learn's rules, and model files: whole, checked, without pickle."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rnnfast as rf
from rnnfast.io.tensors import read_tensors, spread_arrays, write_tensors
from rnnfast.models.base import Model

LINES = ["to be", "or not", "to be", "that is", "the question", "é ☃ 𝄞"] * 2


@pytest.fixture(scope="module")
def lm() -> rf.LanguageModel:
    return make(lines=True).fit(LINES, epochs=2, verbose=0)


def make(**options: Any) -> rf.LanguageModel:
    return rf.LanguageModel(**{"hidden_size": 6, "batch_size": 4, "seed": 0, **options})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.safetensors"


# Hyperparameters


def test_get_and_set_params() -> None:
    lm = rf.LanguageModel(hidden_size=7, cell="gru")
    params = lm.get_params()
    assert params["hidden_size"] == 7 and params["cell"] == "gru" and params["num_layers"] == 1
    assert lm.get_params(deep=False) == params
    assert lm.set_params(num_layers=3, cell="rnn") is lm
    assert (lm.num_layers, lm.cell) == (3, "rnn")
    with pytest.raises(ValueError, match=r"^units: expected one of level, .*lines, .*"):
        lm.set_params(cell="gru", units=3)
    assert lm.cell == "rnn"


def test_the_constructor_only_keeps_what_it_is_given() -> None:
    """What scikit-learn's clone relies on: the very same objects come back."""
    given = {name: object() for name in rf.LanguageModel().get_params()}
    lm = rf.LanguageModel(**given)  # type: ignore[arg-type]
    params = lm.get_params()
    assert params.keys() == given.keys()
    assert all(params[name] is value for name, value in given.items())
    clone = type(lm)(**params)
    assert all(clone.get_params()[name] is value for name, value in given.items())


def test_clone_with_scikit_learn() -> None:
    base = pytest.importorskip("sklearn.base", reason="scikit-learn is not installed")
    lm = rf.LanguageModel(hidden_size=9, cell_options={"peephole": True})
    assert base.clone(lm).get_params() == lm.get_params()


def test_repr_tells_what_is_not_default() -> None:
    assert repr(rf.LanguageModel()) == "LanguageModel()"
    shown = "LanguageModel(hidden_size=7, cell_options={'peephole': True})"
    lm = rf.LanguageModel(hidden_size=7, cell_options={"peephole": True})
    assert repr(lm) == shown


# Saved and loaded


@pytest.mark.parametrize(
    "options",
    [
        {"lines": True},
        {"level": "word", "lines": True, "embedding_size": 3, "tokenizer_options": {"lower": True}},
        {"cell": "gru", "cell_options": {"reset_after": False}, "dtype": "float64", "lines": True},
        {"cell": "lstm", "cell_options": {"proj_size": 3}, "num_layers": 2, "sequence_length": 5},
    ],
    ids=str,
)
def test_round_trip(path: Path, options: dict[str, Any]) -> None:
    corpus = LINES if options.get("lines") else "".join(LINES)
    lm = make(**options).fit(corpus, epochs=2, verbose=0)
    lm.save(path)
    loaded = rf.load(path)
    assert type(loaded) is rf.LanguageModel
    assert loaded.get_params() == lm.get_params()
    assert loaded.vocabulary_ == lm.vocabulary_ and loaded.tokenizer_ == lm.tokenizer_
    assert loaded.history_ == lm.history_
    assert (loaded.best_epoch_, loaded.stopped_) == (lm.best_epoch_, lm.stopped_)
    assert loaded.num_parameters == lm.num_parameters
    assert loaded.log_prob("to be") == lm.log_prob("to be")
    assert loaded.sample(3, seed=1, max_length=20) == lm.sample(3, seed=1, max_length=20)
    again = path.with_name("again")
    loaded.save(str(again))
    assert again.read_bytes() == path.read_bytes()


def test_a_file_is_plain_safetensors(lm: rf.LanguageModel, path: Path) -> None:
    lm.save(path)
    with safetensors.safe_open(path, framework="np") as file:
        metadata = file.metadata()
        names = set(file.keys())
        weight = file.get_tensor("recurrent.weight_hh_l0")
    header = json.loads(metadata["rnnfast"])
    assert header["kind"] == "model" and header["version"] == 1
    description = header["content"]
    assert description["model"] == "LanguageModel"
    assert description["parameters"]["hidden_size"] == 6
    assert "output.bias" in names
    np.testing.assert_array_equal(weight, lm.network_.recurrent.parameters()["weight_hh_l0"].data)


def test_what_json_cannot_hold_is_named(lm: rf.LanguageModel, path: Path) -> None:
    other = make(lines=True).fit(LINES, epochs=1, verbose=0)
    other.set_params(cell_options={"bias": lambda: 0})
    with pytest.raises(TypeError, match=r"^cell_options: .* cannot be saved"):
        other.save(path)
    assert not path.exists()


def test_numbers_of_numpy_stay_what_they_are(path: Path) -> None:
    lm = make(lines=True, dropout=np.float32(0.25))
    lm.set_params(hidden_size=np.int64(5)).fit(LINES, epochs=1, verbose=0, checkpoint=path)
    lm.fit(LINES, epochs=2, verbose=0, checkpoint=path, resume=True)
    lm.save(path)
    loaded = rf.load(path)
    assert type(loaded.hidden_size) is np.int64 and loaded.hidden_size == 5
    assert type(loaded.dropout) is np.float32 and loaded.dropout == 0.25


def test_a_full_disk_leaves_the_old_file(
    lm: rf.LanguageModel, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lm.save(path)
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"not written, No space left on device") as error:
        lm.save(path)
    assert error.value.filename == str(path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


# Files that are not what they should be


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        rf.load(tmp_path / "none")
    with pytest.raises(IsADirectoryError):
        rf.load(tmp_path)


def test_every_cut_is_noticed(lm: rf.LanguageModel, path: Path) -> None:
    lm.save(path)
    content = path.read_bytes()
    for size in [*range(12), 100, len(content) // 2, len(content) - 1]:
        path.write_bytes(content[:size])
        with pytest.raises(ValueError, match=r"^\S*model\.safetensors: damaged, cut short or not"):
            rf.load(path)
    path.write_bytes(content + b"x")
    with pytest.raises(ValueError, match=r"damaged, cut short or not a safetensors file"):
        rf.load(path)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_every_flipped_bit_is_noticed(lm: rf.LanguageModel, path: Path, data: Any) -> None:
    lm.save(path)
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    try:
        loaded = rf.load(path)
    except ValueError as error:
        assert str(error).startswith(f"{path}: ") and "\n" not in str(error)
    else:  # space between parts of the header, or the case of a number's exponent
        assert loaded.log_prob("to be") == lm.log_prob("to be")


FOREIGN = [b"", b"\xff" * 300, b"{}"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        *((start, "damaged, cut short or not a safetensors file") for start in FOREIGN),
        (b"\x80\x04K\x01.", "expected a safetensors file of rnnfast, got a pickle"),
        (b"PK\x03\x04" * 9, "expected a safetensors file of rnnfast, got a ZIP archive"),
    ],
)
def test_foreign_files(path: Path, content: bytes, message: str) -> None:
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        rf.load(path)


def test_foreign_safetensors(path: Path) -> None:
    arrays = {"weight": np.zeros(3, np.float32)}
    for metadata in (None, {"format": "pt"}):
        safetensors.numpy.save_file(arrays, path, metadata)
        with pytest.raises(ValueError, match=r"expected an rnnfast model, got a safetensors file"):
            rf.load(path)
    write_tensors(path, "checkpoint", arrays, {})
    with pytest.raises(ValueError, match=r"expected an rnnfast model, got checkpoint$"):
        rf.load(path)


def rewritten(path: Path, change: Callable[[dict[str, np.ndarray], dict[str, Any]], None]) -> None:
    """Change a model file in a way that its checksum does not tell."""
    arrays, description = read_tensors(path, "model")
    change(arrays, description)
    write_tensors(path, "model", arrays, description)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a, d: d.pop("parameters"), "its parts do not fit together"),
        (
            lambda a, d: d.update(model="Oracle"),
            r"\(model: expected one of CTCRecognizer, Forecaster, LanguageModel, .*'Orac",
        ),
        (lambda a, d: d.update(model=["LanguageModel"]), "expected one of"),
        # What models are based on is none.
        (lambda a, d: d.update(model="Estimator"), r"expected one of .*, got 'Estimator'\)$"),
        (lambda a, d: d["parameters"].update(units=3), r"fit together \(units: expected one of"),
        (lambda a, d: d["parameters"].update(hidden_size=7), r"expected shape \(28, .*got \(24, "),
        (lambda a, d: d["parameters"].update(hidden_size="x"), "hidden_size: expected an integer"),
        (lambda a, d: d["learned"].update(vocabulary="{}"), "not a vocabulary"),
        (lambda a, d: d["learned"].update(vocabulary=3), "its parts do not fit together"),
        (lambda a, d: d["learned"].update(tokenizer={"type": "char"}), "tokenizer: expected"),
        (lambda a, d: d.update(learned=[]), "its parts do not fit together"),
        (lambda a, d: a.pop("output.bias"), "output.* without bias"),
        (lambda a, d: a.update({"output.more": np.zeros(2)}), "output.* unknown more"),
        (
            lambda a, d: a.update({"more.x": np.zeros(2)}),
            "more.x: expected arrays of recurrent, out",
        ),
        (lambda a, d: a["output.bias"].fill(np.nan), "output.bias: expected finite values"),
        (lambda a, d: a.update({"output.bias": np.zeros(2, bool)}), "output.bias: expected"),
    ],
)
def test_parts_that_do_not_fit(
    lm: rf.LanguageModel, path: Path, change: Callable[[Any, Any], None], message: str
) -> None:
    lm.save(path)
    rewritten(path, change)
    with pytest.raises(ValueError, match=message) as error:
        rf.load(path)
    assert str(error.value).startswith(str(path)) and "\n" not in str(error.value)


def test_other_format_versions(
    lm: rf.LanguageModel, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("rnnfast.io.tensors.FORMAT_VERSION", 3)
        lm.save(path)
    with pytest.raises(ValueError, match=r"expected format version 1 or 2, got 3; another version"):
        rf.load(path)


def test_arrays_of_no_axes_and_no_elements_survive(path: Path) -> None:
    arrays = {"scalar": np.array(3), "empty": np.zeros((0, 2)), "strided": np.arange(6)[::2]}
    write_tensors(path, "test", arrays, {"infinite": float("inf")})
    read, description = read_tensors(path, "test")
    assert description == {"infinite": float("inf")}
    for name, array in arrays.items():
        assert read[name].shape == array.shape and read[name].dtype == array.dtype
        np.testing.assert_array_equal(read[name], array)


@pytest.mark.parametrize("entry", ["", "[1]", "{}", "[" * 100_000])
def test_metadata_that_is_not_ours(path: Path, entry: str) -> None:
    safetensors.numpy.save_file({"x": np.zeros(1)}, path, {"rnnfast": entry})
    with pytest.raises(
        ValueError, match=r"model\.safetensors: (damaged: |expected an rnnfast model)"
    ):
        rf.load(path)


def test_nothing_is_loaded_when_one_array_is_wrong() -> None:
    layer = rf.Linear(2, 3, seed=0)
    before = layer.state_dict()
    with pytest.raises(ValueError, match=r"^layer\."):
        spread_arrays({"layer": layer}, {"layer.weight": np.ones((3, 2), np.float32)})
    np.testing.assert_array_equal(layer.state_dict()["weight"], before["weight"])


def test_subclasses_are_found(path: Path) -> None:
    class Shouting(rf.LanguageModel):
        pass

    try:
        Shouting(lines=True, hidden_size=3, seed=0).fit(LINES, epochs=1, verbose=0).save(path)
        assert type(rf.load(path)) is Shouting
    finally:
        del Model._classes["Shouting"]
