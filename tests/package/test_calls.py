"""Calls with arguments that do not fit: one line that names the argument and the nearest one."""

from __future__ import annotations

import copy
import importlib
import inspect
import pickle
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from rnnfast import data, generation, text, training
from rnnfast._checks.calls import explain_calls, nearest
from rnnfast.models.base import Model

PACKAGES: list[ModuleType] = [rf, data, generation, text, training]
X = np.zeros((1, 3), np.float32)


def classes() -> dict[str, type[Any]]:
    """Return what is public and made by a constructor of its own."""
    found = {n: k for p in PACKAGES for n in p.__all__ if isinstance(k := getattr(p, n), type)}
    return {
        name: kind
        for name, kind in found.items()
        if inspect.isfunction(kind.__init__) and not getattr(kind, "_is_protocol", False)
    }


def layer(**options: Any) -> rf.GRU:
    return rf.GRU(3, 3, **options)


def net() -> Any:
    return rf.Linear(2, 1)


def trainer() -> rf.Trainer:
    layers = net()
    return rf.Trainer(layers, rf.mse, rf.SGD(layers, 0.1), verbose=0)


def test_public_classes_are_found() -> None:
    assert {"GRU", "LanguageModel", "Adam", "CosineLR", "Trainer", "WordTokenizer"} <= {*classes()}


@pytest.mark.parametrize("name", sorted(classes()))
def test_every_constructor_names_an_unknown_argument(name: str) -> None:
    kind = classes()[name]
    with pytest.raises(TypeError) as caught:
        kind(no_such_thing=1)
    message = str(caught.value)
    assert message.startswith(f"no_such_thing: {name} has no such argument; it takes ")
    assert "\n" not in message
    assert caught.value.__context__ is None  # nothing of Python's own words beside it


@pytest.mark.parametrize("name", sorted(n for n, k in classes().items() if issubclass(k, Model)))
@pytest.mark.parametrize("method", ["fit", "score", "save", "predict", "sample", "backtest"])
def test_every_method_of_a_model_names_an_unknown_argument(name: str, method: str) -> None:
    kind = classes()[name]
    if not hasattr(kind, method):
        return
    with pytest.raises(TypeError, match=f"^no_such: {name}.{method} has no such argument; it ta"):
        getattr(kind(), method)(no_such=1)


NEAREST: list[tuple[Callable[[], Any], str]] = [
    (lambda: rf.LanguageModel(layers=2), "layers: LanguageModel has .*; did you mean num_layers"),  # type: ignore[call-arg]
    (lambda: rf.SequenceTagger(hiden_size=2), "hiden_size: .*; did you mean hidden_size"),  # type: ignore[call-arg]
    (lambda: layer(layers=2), "layers: GRU has no such argument; did you mean num_layers"),
    (lambda: layer(dropout_rate=0.5), "dropout_rate: GRU has .*; did you mean dropout"),
    (lambda: rf.MinGRU(8, 8, layers=2), "layers: MinGRU has .*; did you mean num_layers"),  # type: ignore[call-arg]
    (lambda: rf.Adam(net(), learning_rate=1), "learning_rate: Adam .*; did you mean lr"),  # type: ignore[call-arg]
    (lambda: rf.Linear(input_size=1, out_features=1), "input_size: Li.* you mean in_features"),  # type: ignore[call-arg]
    (lambda: rf.Embedding(vocab_size=3), "vocab_size: .*; did you mean num_embeddings"),  # type: ignore[call-arg]
    (lambda: rf.Trainer(net(), criterion=rf.mse), "criterion: Trainer .*; did you mean loss"),  # type: ignore[call-arg]
    (lambda: text.WordTokenizer(lowercase=True), "lowercase: Word.*; did you mean lower"),  # type: ignore[call-arg]
    (lambda: training.CosineLR(rf.SGD(net()), steps=3), "steps: .*; did you mean total_steps"),  # type: ignore[call-arg]
    (lambda: rf.LanguageModel().fit("a", epoch=3), "epoch: LanguageModel.fit .* mean epochs"),  # type: ignore[call-arg]
    (lambda: trainer().fit([], epoch=3), r"epoch: Trainer.fit .*; did you mean epochs\?"),  # type: ignore[call-arg]
    (lambda: rf.Vocabulary.from_tokens([], max=3), "max: Vocabulary.from_tokens .*max_size"),  # type: ignore[call-arg]
]
ELSEWHERE: list[tuple[Callable[[], Any], str]] = [
    (lambda: rf.Trainer(net(), epochs=3), "epochs: Trainer has .*; Trainer.fit takes it"),  # type: ignore[call-arg]
    (
        lambda: rf.SequenceClassifier().fit([], [], hidden_size=3),  # type: ignore[call-arg]
        r"hidden_size: SequenceClassifier.fit has .*; SequenceClassifier\(...\) takes it",
    ),
    (
        lambda: rf.SequenceClassifier().predict([], batch=3),  # type: ignore[call-arg]
        r"batch: .* did you mean batch_size of SequenceClassifier\(...\)\? \(it takes X, like\)",
    ),
]
FUNCTIONS: list[tuple[Callable[[], Any], str]] = [
    (lambda: rf.fuse(layer(), sed=1), r"sed: fuse .*; did you mean seed\? \(it takes seed\)$"),  # type: ignore[call-arg]
    (lambda: rf.cross_entropy(X, [0], weight=1), "weight: cross_entropy .*; did you mean weights"),  # type: ignore[call-arg]
    (lambda: rf.sample(net(), net(), temprature=1), "temprature: sample .* you mean temperature"),  # type: ignore[call-arg]
    (lambda: generation.ctc_beam(X, beam=3), "beam: ctc_beam .*; did you mean beam_size"),  # type: ignore[call-arg]
    (lambda: rf.metrics.accuracy([1], [1], weights=1), "weights: acc.* did you mean sample_weight"),  # type: ignore[call-arg]
    (lambda: rf.mse(X), r"targets: expected by mse\(predictions, targets\), got none"),  # type: ignore[call-arg]
    (lambda: rf.mse(X, X, "sum"), "mse: expected at most 2 values by place"),  # type: ignore[misc]
    (lambda: rf.Ensemble([layer()])(X, length=3), "length: a call of Ensemble .* mean lengths"),  # type: ignore[call-arg]
    (lambda: rf.Ensemble([layer()]).stream(batch=3), "batch: Ensemble.stream .* you mean batch_si"),  # type: ignore[call-arg]
]
OTHERS: list[tuple[Callable[[], Any], str]] = [
    (lambda: rf.GRU(8), r"hidden_size: expected by GRU\(input_size, hidden_size\), got none"),  # type: ignore[call-arg]
    (lambda: rf.Trainer(), r"net: expected by Trainer\(net\), got none"),  # type: ignore[call-arg]
    (lambda: trainer().fit([]), r"epochs: expected by Trainer.fit\(batches, epochs\), got none"),  # type: ignore[call-arg]
    (
        lambda: rf.GRU(8, 8, 1, True),  # type: ignore[misc]
        r"GRU: expected at most 3 values by place \(input_size, hidden_size, num_layers\), got 4$",
    ),
    (
        lambda: rf.LanguageModel("char"),  # type: ignore[misc]
        "LanguageModel: expected names for all, such as level=..., got 1 value without one",
    ),
    (
        lambda: rf.GRU(8, 8, **{"input_size": 3}),  # type: ignore[arg-type]
        "input_size: expected once by GRU, got it by its place and by its name",
    ),
]


@pytest.mark.parametrize(("call", "message"), [*NEAREST, *ELSEWHERE, *FUNCTIONS, *OTHERS])
def test_words_of_calls(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(TypeError, match=f"^{message}"):
        call()


def test_a_class_of_ones_own_is_told_of_by_the_name_that_its_user_knows() -> None:
    class Plain(rf.GRU):
        pass

    class Own(rf.MinGRU):
        def __init__(self, **options: Any) -> None:
            super().__init__(3, 3, **options)

    class Strict(rf.GRU):
        def __init__(self, size: int) -> None:
            super().__init__(size, size)

    with pytest.raises(TypeError, match=r"^layers: Plain has no such argument"):
        Plain(3, 3, layers=2)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"^layers: MinGRU has no such argument"):
        Own(layers=2)
    with pytest.raises(TypeError, match="unexpected keyword argument 'layers'"):
        Strict(3, layers=2)  # type: ignore[call-arg]
    assert Own(num_layers=2).num_layers == 2 and Strict(3).hidden_size == 3


def test_what_a_call_says_itself_is_left_as_it_is() -> None:
    with pytest.raises(TypeError, match=r"^hidden_size: expected an integer, got str"):
        rf.GRU(3, "3")  # type: ignore[arg-type]

    def loss(y: Any, target: Any) -> Any:
        return len(y, target)  # type: ignore[call-arg]

    layers = net()
    own = rf.Trainer(layers, loss, rf.SGD(layers, 0.1), verbose=0)
    with pytest.raises(TypeError, match=r"len\(\) takes exactly one argument"):
        own.fit([(np.ones((2, 2), np.float32), np.ones((2, 1), np.float32))], epochs=1)


@pytest.mark.parametrize("name", sorted(classes()))
def test_signatures_stay(name: str) -> None:
    function: Any = classes()[name].__init__
    plain = inspect.unwrap(function)
    assert inspect.signature(function) == inspect.signature(plain)
    assert (function.__qualname__, function.__doc__) == (plain.__qualname__, plain.__doc__)
    assert inspect.signature(classes()[name]).parameters.keys() == (
        inspect.signature(plain).parameters.keys() - {"self"}
    )


def functions() -> dict[str, Any]:
    """Return the functions of all packages, by the names that users know."""
    packages = [*PACKAGES, rf.metrics, rf.diagnostics]
    names = {f"{p.__name__}.{n}": vars(p)[n] for p in packages for n in p.__all__}
    return {
        name: found
        for name, found in names.items()
        if inspect.isfunction(found) and any(p.default is not p.empty for p in options(found))
    }


def options(function: Any) -> list[inspect.Parameter]:
    return [*inspect.signature(function).parameters.values()]


@pytest.mark.parametrize("name", sorted(functions()))
def test_functions_stay_what_they_are(name: str) -> None:
    function = functions()[name]
    plain = inspect.unwrap(function)
    assert inspect.signature(function) == inspect.signature(plain)
    assert (function.__name__, function.__doc__) == (plain.__name__, plain.__doc__)
    assert pickle.loads(pickle.dumps(function)) is function
    if all(p.kind is not p.VAR_KEYWORD for p in options(plain)):
        with pytest.raises(TypeError, match=rf"^no_such: {function.__name__} has no such argument"):
            function(no_such=1)


def test_models_and_their_methods_can_still_be_copied_and_sent() -> None:
    model = rf.SequenceClassifier(hidden_size=3)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert other.get_params() == model.get_params()
    assert pickle.loads(pickle.dumps(model.fit)).__self__.hidden_size == 3
    assert pickle.loads(pickle.dumps(rf.Trainer.fit)) is rf.Trainer.fit


def test_scikit_learn_clones() -> None:
    base = pytest.importorskip("sklearn.base", reason="scikit-learn is not installed")
    model = rf.SequenceClassifier(hidden_size=3, cell="gru")
    assert base.clone(model).get_params() == model.get_params()


def test_warnings_are_of_the_callers_line() -> None:
    model = rf.LanguageModel(hidden_size=3, batch_size=64)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit("a text " * 30, epochs=1, verbose=0)
    assert caught and {w.filename for w in caught} == {__file__}


def test_what_is_not_of_this_package_is_left_alone() -> None:
    class Outside:
        def __init__(self, size: int) -> None:
            self.size = size

    explain_calls(Outside)
    assert Outside(3).size == 3
    assert not hasattr(Outside.__init__, "__wrapped__")


def test_a_session_says_that_it_takes_no_options_of_providers() -> None:
    pytest.importorskip("onnx", reason="onnx is not installed")
    onnx = importlib.import_module("rnnfast.interop.onnx")
    with pytest.raises(TypeError, match=r"^provider_options: expected none, all runs on the CPU"):
        onnx.Session("model.onnx", provider_options=[{}])
    with pytest.raises(TypeError, match=r"^chioce: Session has no .*; did you mean choice"):
        onnx.Session("model.onnx", chioce="kernels")


@pytest.mark.parametrize(
    ("name", "names", "expected"),
    [
        ("layers", ["hidden_size", "num_layers"], "num_layers"),
        ("Hidden_Size", ["hidden_size"], "hidden_size"),
        ("num_classes", ["num_layers", "hidden_size"], None),
        ("size", ["input_size", "hidden_size"], None),
        ("rate", ["learning_rate", "dropout"], "dropout"),
        ("", ["a"], None),
        ("x" * 5000, ["a", "x"], None),
    ],
)
def test_nearest(name: str, names: list[str], expected: str | None) -> None:
    assert nearest(name, names) == expected
