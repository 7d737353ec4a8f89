"""Every public callable, each argument in turn replaced by what it cannot be: what it says then.

What is public is found out, and arguments have their values by name, so that a new function is
swept by itself; one with an argument of an unknown name fails until `VALUES` or `OF` knows it.
"""

from __future__ import annotations

import copy
import functools
import inspect
import math
import pkgutil
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
import tokenizer_cases
import zoo
from rnnfast import data, diagnostics, generation, metrics, nn, text, training
from rnnfast.models.base import Model
from rnnfast.nn.recurrent.conversion import Convertible

# Of arguments that are taken, and have no effect.
pytestmark = pytest.mark.filterwarnings("ignore::rnnfast._checks.adjustments.AdjustmentWarning")

# What no argument is, or not just any: integers beyond int64 first, in all their guises.
BEYOND = [2**63, 2**64, -(2**63) - 1, 10**30, 10**5000, np.uint64(2**64 - 1)]
BEYOND += [[number] for number in (2**63, -(2**63) - 1, 10**30)]
BEYOND += [[[2**64, 1]], np.array([2**64 - 1] * 2, np.uint64)]
ITSELF: list[Any] = []
ITSELF.append(ITSELF)
OTHERS = [
    None,
    True,
    3.0,
    -1,
    math.nan,
    math.inf,
    1j,
    np.int64(3),
    np.float64(0.5),
    np.datetime64("2020-01-01"),
    "text",
    "line\nline",
    "\ud800",
    b"bytes",
    object(),
    len,
    dict,
    np.random.default_rng(0),
    [],
    (),
    {},
    [None],
    ["a", 1, None],
    [[1], [2, 3]],
    {"a": 1},
    {1: "a"},
    {"step": None},
    ITSELF,
    np.zeros(()),
    np.zeros((0, 3)),
    np.zeros((2, 3), np.complex64),
    np.full((5, 2, 3), np.nan, np.float32),
    np.zeros((5, 2, 3), np.float16),
    np.zeros((5, 2), object),
    np.array(["a", "b"]),
    np.zeros(3, "M8[s]"),
    np.zeros(2, [("a", int)]),
    np.zeros((1,) * 20),
    "x" * 5000,
    ["x" * 5000] * 2,
    {"x" * 5000: 1, "y" * 5000: 2},
    [["a", "x" * 5000]],
    [0.5] * 5000,
]


@functools.cache
def fitted() -> dict[str, tuple[Any, tuple[Any, ...]]]:
    """Return a fitted model of each kind, and what it was fitted on."""
    texts, series = ["good film", "a bad film", "good", "bad bad"] * 3, [zoo.X[:, 0]] * 12
    tags = [["XY"[i % 2] for i, _ in enumerate(t.split())] for t in texts]
    examples: dict[Any, tuple[Any, ...]] = {
        rf.SequenceClassifier: (texts, [1, 0] * 6),
        rf.SequenceRegressor: (texts, [0.5, 1.5] * 6),
        rf.SequenceTagger: ([t.split() for t in texts], tags),
        rf.MultiLabelTagger: (series, [[[1, 0, 0]] * 5, [[0, 1, 1]] * 5] * 6),
        rf.StepRegressor: (series, [[[float(i)] for i in range(5)]] * 12),
        rf.Seq2Seq: (texts, [t[::-1] for t in texts]),
        rf.CTCRecognizer: (series, ["ab", "b"] * 6),
        rf.Forecaster: (np.sin(np.arange(40.0)),),
    }
    assert {*examples, rf.LanguageModel} == zoo.kinds(Model)
    found: dict[str, tuple[Any, tuple[Any, ...]]] = {}
    for kind, given in examples.items():
        more = {"lags": 3, "loss": "gaussian"} if kind is rf.Forecaster else {}
        if kind in (rf.SequenceTagger, rf.CTCRecognizer):
            more = {"bidirectional": False}  # so that there is a stream
        model = kind(hidden_size=3, epochs=1, verbose=0, batch_size=6, seed=0, **more)
        found[kind.__name__] = (model.fit(*given), given)
    lm = rf.LanguageModel(lines=True, hidden_size=3, batch_size=6, seed=0)
    found["LanguageModel"] = (lm.fit(texts, epochs=1, verbose=0), (texts,))
    return found


NET = rf.chain(rf.LSTM(3, 4), rf.Linear(4, 3))


def optimizer() -> Any:
    return rf.SGD(rf.Linear(3, 4), 0.1)


def average() -> Any:
    made = rf.training.MeanAverage(rf.Linear(3, 4))
    made.update()
    return made


# One of each class whose methods are swept.
INSTANCES: dict[str, Callable[[], Any]] = {
    **{type(make()).__name__: make for make in reversed(zoo.LAYERS.values())},
    **{name: functools.partial(getattr(rf, name), rf.Linear(3, 4)) for name in zoo.OPTIMIZERS},
    "EmbeddingSparse": lambda: rf.Embedding(6, 4, sparse=True),
    "RNN": lambda: rf.RNN(3, 4, 2),
    "GRU": lambda: rf.GRU(3, 4),
    "LSTM": lambda: rf.LSTM(3, 4, proj_size=2, dropout=0.5, num_layers=2),
    "LayerNormLSTM": lambda: rf.LayerNormLSTM(3, 4, zoneout=0.1),
    "MeanAverage": average,
    "ExponentialAverage": lambda: rf.training.ExponentialAverage(rf.Linear(3, 4)),
    "GivenLR": lambda: rf.training.GivenLR(optimizer(), {1: 0.1}),
    "LambdaLR": lambda: rf.training.LambdaLR(optimizer(), lambda steps: 1.0),
    "MultiStepLR": lambda: rf.training.MultiStepLR(optimizer(), [1]),
    "StepLR": lambda: rf.training.StepLR(optimizer(), 2),
    "ExponentialLR": lambda: rf.training.ExponentialLR(optimizer(), 0.5),
    "CosineLR": lambda: rf.training.CosineLR(optimizer(), 9),
    "WarmupLR": lambda: rf.training.WarmupLR(optimizer(), 9),
    "ChainLR": lambda: rf.training.ChainLR([rf.training.WarmupLR(optimizer(), 2)]),
    "ReduceOnPlateau": lambda: rf.training.ReduceOnPlateau(optimizer()),
    "WeightDrop": lambda: rf.WeightDrop(rf.LSTM(3, 4)),
    "Vocabulary": lambda: rf.Vocabulary(["a", "b"]),
    "Parameter": lambda: rf.Linear(3, 4).parameters()["weight"],
    "Stream": lambda: rf.LSTM(3, 4).stream(2),
    "Ensemble": lambda: rf.Ensemble([rf.LSTM(3, 4), rf.LSTM(3, 4)]),
    "EnsembleStream": lambda: rf.Ensemble([rf.LSTM(3, 4), rf.LSTM(3, 4)]).stream(2),
    **{
        f"stream of a {kind}": lambda kind=kind: fitted()[kind][0].stream(2)
        for kind in ("SequenceTagger", "StepRegressor", "CTCRecognizer", "LanguageModel")
    },
    "CharTokenizer": text.CharTokenizer,
    "WordTokenizer": text.WordTokenizer,
    "Constraints": lambda: zoo.RULES,
    "TrainingLoop": lambda: training.TrainingLoop(**arguments("", training.TrainingLoop)),
    "NetworkTrainer": lambda: rf.Trainer(NET, rf.mse, rf.SGD(NET), verbose=0),
}
# No object is one; takes parts and nothing else; or has tests of its own for what it refuses.
SKIPPED: set[Any] = {
    training.Callback,
    training.Progress,
    training.RankFailed,
    training.tensorboard,
    generation.Decoder,
    generation.beam_search,
    rf.training.Optimizer,
    rf.training.WeightAverage,
    text.Tokenizer,
    rf.chain,
    rf.concatenate,
    rf.fuse,
}
# What modules of one's own begin with; and what takes a module of PyTorch, which may be absent.
BASE = {
    vars(rf.Module)["forward"],
    vars(rf.Module)["__call__"],
    vars(Convertible)["from_torch"],
}

WORDS, GATES = ["a", "b", "a", "c", "b"], ["O", "B-X", "I-X"]
LOGITS = np.abs(zoo.X)


def a_file() -> str:
    rf.save("a layer", rf.Linear(3, 4))
    return "a layer"


def a_vocabulary() -> str:
    rf.Vocabulary(["a"]).save("a vocabulary")
    return "a vocabulary"


def some_vectors() -> str:
    Path("some vectors").write_text("a 1 2\n")
    return "some vectors"


def a_tokenizer() -> str:
    tokenizer_cases.word_level().save("a tokenizer")
    return "a tokenizer"


SENTENCES = {"source": lambda: ["a", "b"], "target": lambda: ["c", "d"]}

# What packages tokenizers of other libraries are of.
NEEDED = {
    "HuggingFaceTokenizer": "tokenizers",
    "read_tokenizer": "tokenizers",
    "SentencePieceTokenizer": "sentencepiece",
    "train_subwords": "tokenizers",
}

# What an argument of a name is, when all is well.
VALUES: dict[str, Callable[[], Any]] = {
    "x": lambda: zoo.X,
    "query": lambda: zoo.X,
    "memory": lambda: zoo.X,
    "h": lambda: zoo.X,
    "logits": lambda: LOGITS,
    "emissions": lambda: zoo.X,
    "predictions": lambda: zoo.X,
    "targets": lambda: zoo.TAGS,
    "indices": lambda: zoo.TAGS,
    "ids": lambda: [0, 1, 1],
    "mapping": lambda: {"weight": np.zeros((4, 3)), "bias": np.zeros(4)},
    "value": lambda: 0.5,
    "parameters": lambda: rf.Linear(3, 4),
    "parameter": lambda: rf.Linear(3, 4).parameters()["weight"],
    "layer": lambda: rf.LSTM(3, 4),
    "linear": lambda: rf.Linear(3, 4),
    "stream": lambda: rf.LSTM(3, 4).stream(2),
    "optimizer": optimizer,
    "schedules": lambda: [rf.training.WarmupLR(optimizer(), 2)],
    "input_size": lambda: 3,
    "hidden_size": lambda: 4,
    "num_embeddings": lambda: 6,
    "embedding_dim": lambda: 4,
    "in_features": lambda: 3,
    "out_features": lambda: 4,
    "num_tags": lambda: 3,
    "n_classes": lambda: 9,
    "cutoffs": lambda: [3],
    "query_size": lambda: 3,
    "memory_size": lambda: 3,
    "size": lambda: 4,
    "part": lambda: rf.Linear(3, 3),
    "attention": lambda: rf.DotAttention(3, 3),
    "kind": lambda: "tanh",
    "net": lambda: NET,
    "total_steps": lambda: 9,
    "warmup_steps": lambda: 9,
    "step_size": lambda: 2,
    "steps": lambda: 3,
    "gamma": lambda: 0.5,
    "function": lambda: lambda steps: 0.5,
    "milestones": lambda: [2, 4],
    "rates": lambda: {0: 0.5, 3: 0.1},
    "scheme": lambda: "bio",
    "figure": lambda: 0.5,
    "tokens": lambda: WORDS[:2],
    "text": lambda: "a b",
    "labels": lambda: GATES,
    "weight": lambda: 0.5,
    "max_norm": lambda: 1.0,
    "clip_value": lambda: 1.0,
    "factor": lambda: 0.5,
    "max_length": lambda: 3,
    "count": lambda: 1,
    "low": lambda: 0.1,
    "high": lambda: 0.9,
    "std": lambda: 0.1,
    "true": lambda: [1.0, 2.0],
    "predicted": lambda: [1.0, 3.0],
    "loss": lambda: 0.5,
    "n": lambda: 3,
    "length": lambda: 4,
    "clause": lambda: 3,
    "lengths": lambda: None,
    "batch_size": lambda: 2,
    "eos_id": lambda: 1,
    "sentences": lambda: [[2, 3], [4]],
    "sequences": lambda: [[1, 2], [3]],
    "items": lambda: [1, 2, 3, 4],
    "valid_fraction": lambda: 0.5,
    "fractions": lambda: [0.5, 0.5],
    "num_steps": lambda: 3,
    "prefix": lambda: None,
    "settings": lambda: {"type": "char", "nfc": False},
    "path": lambda: "a file",
    "step": lambda: lambda batch: (0.5, 1),
    "batches": lambda: lambda rng: [1, 2],
    "modules": lambda: {"layer": rf.Linear(3, 4)},
    "rng": lambda: np.random.default_rng(0),
    "epochs": lambda: 1,
    "offset": lambda: 3,
    "lm": lambda: fitted()["LanguageModel"][0],
    "activations": lambda: rf.diagnostics.text_activations(fitted()["LanguageModel"][0], "good"),
    "norms": lambda: [1.0, 0.5],
    "history": lambda: [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}],
}
# What it is for one callable, where that differs; None: not to be given.
OF: dict[str, dict[str, Callable[[], Any]]] = {
    "rf.load": {"path": a_file},
    "rf.save": {"network": lambda: rf.Linear(3, 4)},
    "rf.quantize": {"network": lambda: rf.Linear(3, 4)},
    "rf.Trainer": {"loss": lambda: rf.mse, "optimizer": lambda: rf.SGD(NET)},
    "rf.bidirectional": {"layer": lambda: rf.GRU(3, 4)},
    "rf.Ensemble": {"layers": lambda: [rf.GRU(3, 4)]},
    "NetworkTrainer.fit": {"batches": lambda: [(zoo.X, zoo.X)]},
    "NetworkTrainer.evaluate": {"batches": lambda: [(zoo.X, zoo.X)]},
    "rf.generation.draw": {"logits": lambda: zoo.X[0]},
    "rf.linear_cross_entropy": {"linear": lambda: rf.Linear(3, 4)},
    "rf.ctc_loss": {"targets": lambda: [[1], [2]]},
    "rf.mse": {"targets": lambda: zoo.X},
    "rf.l1": {"targets": lambda: zoo.X},
    "rf.binary_cross_entropy_with_logits": {"targets": lambda: np.zeros_like(zoo.X)},
    "rf.sample": {"linear": lambda: rf.Linear(4, 4), "embedding": lambda: rf.Embedding(4, 3)},
    "rf.metrics.bleu": {"true": lambda: ["a b c d"] * 2, "predicted": lambda: ["a b c d"] * 2},
    "rf.metrics.entity_scores": {"true": lambda: [GATES], "predicted": lambda: [GATES]},
    "rf.metrics.find_scheme": {"labels": lambda: [["B-x", "O"]]},
    "rf.metrics.convert_labels": {"labels": lambda: [["B-x", "O"]]},
    "rf.metrics.error_rate": {"true": lambda: ["ab"], "predicted": lambda: ["b"]},
    "rf.word_error_rate": {"true": lambda: ["ab"], "predicted": lambda: ["b"]},
    "rf.character_error_rate": {"true": lambda: ["ab"], "predicted": lambda: ["b"]},
    "rf.CTCDecoder": {"labels": lambda: ["", "a", "b"]},
    "rf.AdaptiveSoftmax": {"n_classes": lambda: 7, "cutoffs": lambda: [2, 4]},
    "rf.text.train_subwords": {"texts": lambda: ["a text to split", "and one more"]},
    "rf.data.bucket_by_length": {"lengths": lambda: [3, 2, 1]},
    "rf.data.read_text": {"path": a_vocabulary},
    "rf.text.read_vectors": {"path": some_vectors, "vocabulary": lambda: rf.Vocabulary(["a"])},
    "rf.diagnostics.gate_summary": {
        "layers": lambda: rf.diagnostics.gate_activations(rf.LSTM(3, 4), zoo.X)
    },
    "rf.diagnostics.find_units": {"values": lambda: [True, False, True, True]},
    "rf.diagnostics.model_page": {"model": lambda: fitted()["LanguageModel"][0]},
    "rf.diagnostics.plotting.plot_attention": {"weights": lambda: np.eye(2), **SENTENCES},
    "rf.diagnostics.plotting.plot_forecast": {"model": lambda: fitted()["Forecaster"][0]},
    "rf.diagnostics.plotting.plot_gates": {"activations": lambda: np.zeros((3, 4))},
    "rf.diagnostics.plotting.plot_text_activations": {"values": lambda: [0.5, 0.1]},
    "rf.text.HuggingFaceTokenizer": {"tokenizer": tokenizer_cases.word_level},
    "rf.text.SentencePieceTokenizer": {"model": tokenizer_cases.sentence_piece},
    "rf.text.read_tokenizer": {"path": a_tokenizer},
    "rf.text.register_tokenizer": {
        "kind": lambda: "tests.pairs",
        "from_dict": lambda: tokenizer_cases.Pairs.from_dict,
    },
    "Vocabulary.from_json": {"text": lambda: rf.Vocabulary(["a"]).to_json()},
    "Vocabulary.load": {"path": a_vocabulary},
    "Parameter.assign": {"value": lambda: np.zeros((4, 3))},
    **{
        f"{kind}.from_weights": {
            "W": lambda rows=rows: np.zeros((rows, 3)),
            "U": lambda rows=rows: np.zeros((rows, 4)),
        }
        for kind, rows in (("RNN", 4), ("GRU", 12), ("LSTM", 16))
    },
    "Stream.__call__": {"x": lambda: zoo.X[0]},
    "EnsembleStream.__call__": {"x": lambda: zoo.X[0]},
    "stream of a SequenceTagger.__call__": {"x": lambda: ["good", "bad"]},
    "stream of a StepRegressor.__call__": {"x": lambda: zoo.X[0]},
    "stream of a CTCRecognizer.__call__": {"x": lambda: zoo.X[0]},
    "stream of a LanguageModel.__call__": {"x": lambda: ["a", "b"]},
    "WordTokenizer.from_dict": {
        "settings": lambda: {"type": "word", "mode": "words", "lower": False}
    },
}
# The same of models; examples are those of their training.
OF_MODELS: dict[str, Callable[[], Any]] = {
    "path": lambda: "a model",
    "sentence": lambda: "good film",
    "steps": lambda: 2,
    "start": lambda: zoo.X[:, 0],
    "length": lambda: 3,
}

Case = tuple[str, Callable[[], tuple[Callable[..., Any], dict[str, Any]]]]


def public() -> Iterator[tuple[str, Any]]:
    """Yield the name and object of every function and class that is public."""
    seen: set[int] = set()
    homes = (rf, nn, nn.init, generation, training, diagnostics, metrics, data, text)
    for module in (*homes, diagnostics.plotting):
        for name in module.__all__:
            thing = getattr(module, name)
            if callable(thing) and id(thing) not in seen:
                seen.add(id(thing))
                yield f"{module.__name__.replace('rnnfast', 'rf')}.{name}", thing


def arguments(label: str, function: Any) -> dict[str, Any]:
    """Return the arguments of a call that is well: those that have no default."""
    own, given, owner = OF.get(label, {}), {}, getattr(function, "__self__", None)
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind in VARIADIC:
            continue
        if name in own:
            given[name] = own[name]()
        elif label.endswith(".load_state_dict"):
            given[name] = owner.state_dict()
        elif parameter.default is parameter.empty:
            assert name in VALUES, f"{label}: VALUES or OF is to tell what {name} is"
            given[name] = VALUES[name]()
    return given


def cases() -> Iterator[Case]:
    """Yield a label and what makes a function and its arguments, for all that is swept."""
    for label, thing in public():
        if thing in SKIPPED or (isinstance(thing, type) and issubclass(thing, (Model, tuple))):
            continue
        yield label, lambda label=label, thing=thing: (thing, arguments(label, thing))
    trainer = "rf.training.TrainingLoop"
    yield trainer, lambda: (training.TrainingLoop, arguments(trainer, training.TrainingLoop))
    for kind, make in INSTANCES.items():
        for method in methods(type(make())):
            if method == "sparse_grads" and not make().sparse:
                continue
            label = f"{kind}.{method}"

            def ready(label: str = label, make: Any = make, method: str = method) -> Any:
                bound = getattr(make(), method)
                return bound, arguments(label, bound)

            yield label, ready


def methods(kind: type) -> list[str]:
    """Return the public methods of a class."""
    names = [name for name in dir(kind) if not name.startswith("_") or name == "__call__"]
    names = [name for name in names if name != "native"]  # the kernels' own: the seam checks
    found = {n: inspect.getattr_static(kind, n) for n in names}
    return [n for n, value in found.items() if inspect.isroutine(value) and value not in BASE]


def backpropagations() -> Iterator[Case]:
    """Yield what undoes the forward passes of layers."""
    for kind, make in zoo.LAYERS.items():
        if type(make()).forward in BASE:
            continue

        def ready(make: Any = make) -> Any:
            y, back = zoo.forward(make())
            name = next(iter(inspect.signature(back).parameters))
            return back, {name: np.ones_like(y)}

        yield f"backprop of {kind}", ready


def of_models() -> Iterator[Case]:
    """Yield the methods of fitted models."""
    for kind, (model, examples) in fitted().items():
        for method in methods(type(model)):
            if method in ("get_params", "load", "get_metadata_routing"):  # the last: scikit-learn's
                continue
            if method == "stream" and kind in ("Seq2Seq", "Forecaster"):  # which have none
                continue

            def ready(model: Any = model, method: str = method, examples: Any = examples) -> Any:
                bound = getattr(copy.copy(model), method)
                label = f"{type(model).__name__}.{method}"
                known = dict(zip(inspect.signature(model.fit).parameters, examples, strict=False))
                known["x"], known["text"] = examples[0][0], examples[0]
                given = {}
                for name, parameter in inspect.signature(bound).parameters.items():
                    if parameter.default is parameter.empty and parameter.kind not in VARIADIC:
                        given[name] = known[name] if name in known else OF_MODELS[name]()
                given.update({name: value() for name, value in OF.get(label, {}).items()})
                return bound, given

            yield f"{kind}.{method}", ready


def hyperparameters() -> Iterator[tuple[str, Callable[[Any], Any]]]:
    """Yield each hyperparameter of each model, and what fits a model that has it otherwise."""
    for kind, (model, examples) in fitted().items():
        for name in model.get_params():

            def fit(value: Any, model: Any = model, name: str = name, given: Any = examples) -> Any:
                options = {} if isinstance(model, rf.LanguageModel) else {"verbose": 0}
                other = type(model)(**{**model.get_params(), **options, name: value})
                more = {} if options else {"epochs": 1, "verbose": 0}
                return other.fit(*given, **more)

            yield f"{kind}({name})", fit


FUNCTIONS = ("step", "batches", "validate", "valid", "finish", "split", "divisor", "function")
VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
ALLOWED = (TypeError, ValueError, FloatingPointError, OSError)


def run(function: Any, given: dict[str, Any]) -> None:
    result = function(**given)
    if isinstance(result, (data.StreamBatches, data.SentenceBatches)):
        list(result)
    if isinstance(result, training.TrainingLoop):
        result.run(1)


def fault_of(error: BaseException) -> str | None:
    """Return what is wrong with an answer to a wrong argument."""
    message, kind = str(error), type(error).__name__
    if isinstance(error, RuntimeWarning) and message.endswith("; lower the learning rate"):
        return None  # it has trained, with one that is absurd
    if not isinstance(error, ALLOWED) or isinstance(error, UnicodeError):
        return f"{kind}: {message}"
    if isinstance(error, OSError) and error.errno is not None:
        return None  # the system's own, with the file's name
    if "\n" in message or len(message) > 700 or re.search(r"got[:;, ]*$", message):
        return f"{kind} of several lines or too long: {message[:300]!r}"
    if not re.match(r"^[^:]+: .*\b(expected|cannot|no)\b", message):
        return f"{kind} that does not name an argument and what was expected: {message}"
    return None


def sweep(label: str, ready: Callable[[], Any], values: list[Any]) -> Iterator[str]:
    """Yield the faults found in the answers of one function."""
    function, given = ready()
    run(function, given)
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind in VARIADIC:
            continue
        for value in values:
            if name in FUNCTIONS and callable(value):
                continue  # what a function of the caller's raises is its own
            function, given = ready()
            fault = attempt(functools.partial(run, function, {**given, name: value}))
            if fault is not None:
                yield f"{label}({name}={brief(value)}): {fault}"


def attempt(call: Callable[[], Any]) -> str | None:
    try:
        call()
    except Exception as error:
        return fault_of(error)
    finally:
        close_figures()
    return None


def close_figures() -> None:
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


def brief(value: Any) -> str:
    if isinstance(value, int) and value.bit_length() > 200:
        return "huge"
    return " ".join(repr(value).split())[:50]


@functools.cache
def all_cases() -> dict[str, Any]:
    return {label: ready for part in (cases, backpropagations) for label, ready in part()}


@pytest.fixture(autouse=True)
def aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let files that are written be in a folder of their own, and threads as many as before."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    types = "rnnfast.text.tokenizers._TYPES"
    monkeypatch.setattr(types, dict(pkgutil.resolve_name(types)))
    threads = rf.get_num_threads()
    yield
    rf.set_num_threads(threads)
    close_figures()


@pytest.mark.parametrize("label", all_cases())
def test_functions_and_layers(label: str) -> None:
    if label.startswith("rf.diagnostics.plotting"):
        pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    for name, package in NEEDED.items():
        if label == f"rf.text.{name}":
            pytest.importorskip(package, reason=f"{package} is not installed")
    if label in ("rf.word_error_rate", "rf.character_error_rate"):
        pytest.importorskip("jiwer", reason="jiwer is not installed")
    if label.endswith("bleu"):
        pytest.importorskip("sacrebleu", reason="sacreBLEU is not installed")
    faults = list(sweep(label, all_cases()[label], BEYOND + OTHERS))
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("kind", sorted(kind.__name__ for kind in zoo.kinds(Model)))
def test_models(kind: str) -> None:
    faults = [
        fault
        for label, ready in of_models()
        if label.startswith(f"{kind}.")
        for fault in sweep(label, ready, BEYOND + OTHERS)
    ]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("kind", sorted(kind.__name__ for kind in zoo.kinds(Model)))
def test_hyperparameters(kind: str) -> None:
    faults = []
    for turn, (label, fit) in enumerate(hyperparameters()):
        if label.startswith(f"{kind}("):
            # Many of them train: a third of the values each, another one from one to the next.
            for value in (BEYOND + OTHERS)[turn % 3 :: 3]:
                fault = attempt(functools.partial(fit, value))
                if fault is not None:
                    faults.append(f"{label[:-1]}={brief(value)}): {fault}")
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(
    "kind", [kind for kind, make in INSTANCES.items() if hasattr(make(), "load_state_dict")]
)
def test_states_of_the_right_names(kind: str) -> None:
    """Each entry in turn is something else; where that is refused, nothing has changed."""
    faults = []
    for name in INSTANCES[kind]().state_dict():
        for value in BEYOND + OTHERS:
            thing = INSTANCES[kind]()
            state = thing.state_dict()
            try:
                thing.load_state_dict({**state, name: value})
            except Exception as error:
                fault = fault_of(error)
                if not zoo.same(thing.state_dict(), state):
                    fault = "changed though refused"
                if fault is not None:
                    faults.append(f"{kind}[{name}={brief(value)}]: {fault}")
    assert not faults, "\n".join(faults)
