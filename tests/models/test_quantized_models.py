"""`rf.quantize` of models of every kind: they answer, are saved as they are, and learn no more."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
import test_copies
import test_nonsense_files as cases
import zoo
from rnnfast.io.tensors import read_tensors, write_tensors
from rnnfast.nn import _frozen

MODELS = {
    **{name: make for name, make in cases.MODELS.items() if not name.endswith("library")},
    "attention": lambda: rf.Seq2Seq(attention="additive", **test_copies.SHARED).fit(
        cases.TEXTS, [text[::-1] for text in cases.TEXTS]
    ),
    "tied": lambda: rf.LanguageModel(
        hidden_size=4, embedding_size=4, tie_weights=True, lines=True, seed=1
    ).fit(cases.TEXTS, epochs=1, verbose=0),
    "both directions, pooled": lambda: rf.SequenceClassifier(
        cell="gru", bidirectional=True, pooling="concat", **test_copies.SHARED
    ).fit(cases.TEXTS, [1, 0] * 12),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.safetensors"


def answers(model: Any) -> Any:
    if isinstance(model, rf.LanguageModel):
        lines = ["good film"] if model.lines else "good film"
        given = None if model.condition_ is None else [model.condition_.labels[0]]
        one = None if given is None else given[0]
        return [
            dict(model.evaluate(lines, given)),
            model.log_prob("good film", one),
            model.next_tokens("good", condition=one),
            model.sample(3, max_length=6, condition=one, seed=0),
        ]
    if isinstance(model, rf.Forecaster):
        return [np.asarray(model.predict())]
    of_tokens = hasattr(model.inputs_, "vocabulary")
    of_words = isinstance(model, (rf.SequenceTagger, rf.MultiLabelTagger))
    X = (cases.WORDS if of_words else cases.TEXTS) if of_tokens else cases.SERIES
    found = [model.predict(X)]
    if hasattr(model, "predict_proba"):
        found.append(model.predict_proba(X))
    return found


@pytest.mark.parametrize("name", MODELS)
def test_every_model(name: str, path: Path) -> None:
    model = MODELS[name]()
    before, weights = answers(model), _weights(model)
    assert model.numbers_ == "float32"
    for numbers in ("int8", "bfloat16"):
        small = rf.quantize(model, numbers)  # type: ignore[arg-type]
        assert type(small) is type(model) and small.numbers_ == numbers
        assert small.get_params() == model.get_params() and small.history_ == model.history_
        assert zoo.same(answers(model), before) and zoo.same(_weights(model), weights)
        cases.ask(small)
        found = answers(small)
        small.save(path)
        again = path.read_bytes()
        for other in (
            rf.load(path),
            copy.copy(small),
            copy.deepcopy(small),
            pickle.loads(pickle.dumps(small)),
        ):
            assert other.numbers_ == numbers and zoo.same(answers(other), found)
            assert zoo.same(_weights(other), _weights(small))
        rf.load(path).save(path)
        assert path.read_bytes() == again
        assert f"| numbers | `{numbers}` |" in small.card()
        assert f"numbers: {numbers}, " in str(small.summary())
        with pytest.raises(
            TypeError, match=f"expected numbers of float32, got {numbers}, of what is quantized$"
        ):
            rf.quantize(small)
        with pytest.raises(TypeError, match=r"^parameters: expected numbers of float32 or float64"):
            rf.Adam(small.network_)
        assert repr(small) == f"quantize({model!r}, {numbers!r})"
    assert "| numbers |" not in model.card().partition("## Layers")[0]


def _weights(model: Any) -> dict[str, Any]:
    return {name: module.state_dict() for name, module in model._modules().items()}


def test_it_learns_no_more() -> None:
    model = MODELS["classifier"]()
    small = rf.quantize(model)
    for fit in (
        lambda: small.fit(cases.TEXTS, [1, 0] * 12),
        lambda: small.fit(cases.TEXTS, [1, 0] * 12, warm_start=True),
    ):
        with pytest.raises(TypeError, match=r"^fit: expected numbers of float32 or float64, got"):
            fit()
    assert zoo.same(answers(small), answers(rf.quantize(model)))
    lm = rf.quantize(MODELS["text"](), "bfloat16")
    with pytest.raises(TypeError, match=r"^fit: expected numbers of float32 or float64, got"):
        lm.fit("a good film " * 30)
    forecaster = rf.quantize(MODELS["forecaster"]())
    with pytest.raises(TypeError, match=r"^fit: expected numbers of float32 or float64, got"):
        forecaster.fit(np.sin(np.arange(50)))


def test_a_clone_is_unfitted_and_learns() -> None:
    base = pytest.importorskip("sklearn.base", reason="scikit-learn is not installed")
    model = MODELS["classifier"]()
    clone = base.clone(rf.quantize(model))
    with pytest.raises(rf.models.base.NotFittedError):
        _ = clone.numbers_
    assert clone.fit(cases.TEXTS, [1, 0] * 12).numbers_ == "float32"


def test_other_dtypes_and_objects() -> None:
    double = rf.LanguageModel(hidden_size=3, lines=True, dtype="float64")
    double.fit(cases.TEXTS, epochs=1, verbose=0)
    with pytest.raises(
        TypeError, match=r"^[\w.]+: expected numbers of float32, got float64; make it with"
    ):
        rf.quantize(double)
    with pytest.raises(rf.models.base.NotFittedError):
        rf.quantize(rf.SequenceTagger())
    with pytest.raises(TypeError, match=r"^network: expected a layer or a model, got CTCDecoder"):
        rf.quantize(rf.CTCDecoder(["", "a"]))


def test_a_model_that_has_diverged() -> None:
    model = MODELS["classifier"]()
    parameter = next(iter(model.network_.parameters().values()))
    parameter.buffer.assign(parameter.offset, np.full(1, np.nan, np.float32))
    with pytest.raises(ValueError, match=r"^[\w.]+: expected numbers up to 1e\+38, got nan$"):
        rf.quantize(model)


def test_streams() -> None:
    model = rf.StepRegressor(**test_copies.SHARED).fit(cases.SERIES, cases.SERIES)
    small = rf.quantize(model)
    step = small.stream()
    found = [np.asarray(step(x)).reshape(-1) for x in cases.SERIES[0]]
    np.testing.assert_allclose(found, small.predict(cases.SERIES[:1])[0], atol=1e-5)


def test_beam_search() -> None:
    model = MODELS["seq2seq"]()
    small = rf.quantize(model)
    assert len(small.predict(cases.TEXTS, beam_size=3, max_length=4)) == len(cases.TEXTS)


def test_files(path: Path) -> None:
    model = rf.LanguageModel(hidden_size=96, lines=True, seed=1)
    model.fit(cases.TEXTS, epochs=1, verbose=0)
    model.save(path)
    whole = path.stat().st_size
    for numbers, share in (("int8", 0.4), ("bfloat16", 0.6)):
        rf.save(path, rf.quantize(model, numbers))  # type: ignore[arg-type]
        assert path.stat().st_size < share * whole


@pytest.mark.parametrize(
    "numbers", ["bfloat16", "int8-16", "float32", "int4", "", None, 8, ["int8"], {"int8": 1}]
)
def test_files_that_say_other_numbers(numbers: Any, path: Path) -> None:
    rf.quantize(MODELS["classifier"]()).save(path)
    arrays, description = read_tensors(path, "model")
    write_tensors(path, "model", arrays, {**description, "numbers": numbers}, reduced=True)
    if numbers == "int8-16":  # the weights are the same
        assert rf.load(path).numbers_ == numbers
        return
    with pytest.raises(ValueError, match=r"^[^\n]{1,600}$") as error:
        rf.load(path)
    assert str(error.value).startswith(f"{path}: ")


@pytest.mark.parametrize("numbers", ["int8", "int8-16", "float32", None])
def test_bits_of_bfloat16_are_not_read_as_numbers(numbers: Any, path: Path) -> None:
    rf.quantize(MODELS["classifier"](), "bfloat16").save(path)
    arrays, description = read_tensors(path, "model")
    write_tensors(path, "model", arrays, {**description, "numbers": numbers}, reduced=True)
    with pytest.raises(ValueError, match=r"^[^\n]{1,600}$") as error:
        rf.load(path)
    assert str(error.value).startswith(f"{path}: ")


def test_files_of_other_arrays(path: Path) -> None:
    small = rf.quantize(MODELS["tagger"]())
    small.save(path)
    arrays, description = read_tensors(path, "model")
    for name, array in arrays.items():
        for other in (array[:-1], array.astype(np.int8), array.astype(np.uint16), array + 1):
            if (
                other.dtype == np.float32
                and not name.endswith(".scale")
                and len(other) == len(array)
            ):
                continue  # another bias is a bias
            changed = {**arrays, name: other}
            if zoo.same(dict(arrays), changed):
                continue
            write_tensors(path, "model", changed, description, reduced=True)
            try:
                loaded = rf.load(path)
            except ValueError as error:
                assert str(error).startswith(f"{path}: ") and "\n" not in str(error)
            else:  # other codes may be codes
                assert array.dtype == np.int8 and not zoo.same(_weights(loaded), _weights(small))


def test_what_is_kept_is_what_rounding_gives() -> None:
    model = MODELS["tagger"]()
    small = rf.quantize(model)
    for name, module in small._modules().items():
        for key, parameter in module.parameters().items():
            whole = model._modules()[name].parameters()[key].data
            is_matrix = whole.ndim == 2 and "crf" not in name
            kept = _frozen.rounded(whole, "int8") if is_matrix else whole
            assert np.array_equal(parameter.data, kept), (name, key)


def test_onnx() -> None:
    pytest.importorskip("onnx", reason="onnx is not installed")
    from rnnfast.interop.onnx import export

    with pytest.raises(TypeError, match=r"^module: expected numbers of float32 or float64, got"):
        export(rf.quantize(MODELS["classifier"]()), "never.onnx")
