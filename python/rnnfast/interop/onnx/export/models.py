"""Fitted models as graphs, and what a user of these has to know, for their metadata."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np

from rnnfast._checks import among
from rnnfast._checks.messages import shown
from rnnfast.interop.onnx.export.attention import attend
from rnnfast.interop.onnx.export.graph import Graph
from rnnfast.interop.onnx.export.heads import (
    batch_first,
    feedback,
    give_scores,
    in_units,
    token_scores,
)
from rnnfast.interop.onnx.export.model_inputs import encoded, read
from rnnfast.interop.onnx.export.modules import Network, linear, require_known
from rnnfast.interop.onnx.export.sequences import Sequences, States, Value
from rnnfast.interop.onnx.export.windows import forecast
from rnnfast.models.base import Model
from rnnfast.models.classifier import SequenceClassifier
from rnnfast.models.ctc_recognizer import CTCRecognizer
from rnnfast.models.estimator import Estimator
from rnnfast.models.forecaster import Forecaster
from rnnfast.models.language_model import LanguageModel
from rnnfast.models.multilabel_tagger import MultiLabelTagger
from rnnfast.models.parts.networks.feedback_head import FeedbackHead
from rnnfast.models.parts.networks.heads import CrfHead
from rnnfast.models.regressor import SequenceRegressor
from rnnfast.models.seq2seq import Seq2Seq
from rnnfast.models.step_regressor import StepRegressor
from rnnfast.models.tagger import SequenceTagger
from rnnfast.nn.recurrent.base import Recurrent

Facts = dict[str, Any]

# What of a model is of its training alone.
_OF_TRAINING = {"history", "best_epoch", "stopped", "trained_with", "class_weights"}


def model_graph(model: Model, opset: int, part: str | None) -> tuple[Graph, Facts]:
    """Return the graph of a fitted model, or of a part of it, and its facts by name.

    Raises
    ------
    TypeError, ValueError
        If there is no exact equal of it, or ``part`` is none of its parts.
    """
    if type(model) is Seq2Seq:
        if not among(part, _PARTS):
            raise ValueError(
                f"part: expected 'encoder' or 'decoder' of a Seq2Seq, which is two graphs, got "
                f"{shown(part)}"
            )
        make = _PARTS[str(part)]
    elif part is not None:
        raise ValueError(f"part: expected None but with a Seq2Seq, got {shown(part)}")
    elif type(model) in _GRAPHS:
        make = _GRAPHS[type(model)]
    else:
        raise TypeError(
            f"module: expected a model of rnnfast's own, of which there is an exact equal, "
            f"got {type(model).__name__}"
        )
    for name, module in model._modules().items():
        if isinstance(module, Recurrent):  # of a class that a user may have named as a cell
            require_known(module, name)
    g = Graph(opset, next(iter(model._modules().values())).dtype)
    learned = {n: v for n, v in model._learned().items() if n not in _OF_TRAINING}
    facts = {
        "model": type(model).__name__,
        "parameters": model._params_to_save(),
        **_opened(learned),
    }
    if part is not None:
        facts["part"] = part
    facts |= make(g, model) or {}
    return g, facts


def _opened(learned: Facts) -> Facts:
    """Return what was learned with vocabularies, which are JSON already, as what they say."""
    return {
        name: _opened(value)
        if isinstance(value, dict)
        else json.loads(value)
        if name in ("vocabulary", "characters") and isinstance(value, str)
        else value
        for name, value in learned.items()
    }


# One output a step, or one a sequence


def _outputs(g: Graph, model: Estimator) -> Value:
    """Return a model's scores, time first."""
    network, reader = model.network_, model._reader
    x, sequences = read(g, reader)
    h, _ = encoded(g, network.encoder, x, sequences, words=reader.words)
    if network._pool is not None:
        h = Network(g, sequences).add(network._pool, h)
    if isinstance(network.head, FeedbackHead):
        scores = feedback(g, network.head, h, sequences)
    else:
        scores = linear(g, network.output, h.name)
    return Value(scores, h.kind, network.output.out_features)


def _classifier(g: Graph, model: SequenceClassifier) -> None:
    scores = _outputs(g, model)
    give_scores(g, scores.name, ["batch", scores.width], "Softmax")


def _steps(g: Graph, model: Estimator, function: str | None) -> None:
    scores = _outputs(g, model)
    give_scores(g, batch_first(g, scores.name), ["batch", "time", scores.width], function)


def _tagger(g: Graph, model: SequenceTagger) -> Facts | None:
    head = model.network_.head
    _steps(g, model, None if isinstance(head, CrfHead) else "Softmax")
    if not isinstance(head, CrfHead):
        return None
    crf = head.crf
    own = {name: parameter.data.tolist() for name, parameter in crf.parameters().items()}
    rules = crf.constraints
    allowed = {n: None if rules is None else getattr(rules, n).tolist() for n in own}
    return {"crf": own, "crf_allowed": allowed}


def _multilabel(g: Graph, model: MultiLabelTagger) -> None:
    _steps(g, model, "Sigmoid")


def _recognizer(g: Graph, model: CTCRecognizer) -> Facts:
    _steps(g, model, "Softmax")
    return {"blank": len(model.symbols_)}


def _regressor(g: Graph, model: SequenceRegressor) -> None:
    outputs, codec = _outputs(g, model), model._codec
    y = in_units(g, outputs.name, codec.numbers)
    if codec.single:
        g.output("y", g.squeeze(y, 1), ["batch"], np.float64)
    else:
        g.output("y", y, ["batch", outputs.width], np.float64)


def _step_regressor(g: Graph, model: StepRegressor) -> None:
    outputs, codec = _outputs(g, model), model._codec
    y = in_units(g, batch_first(g, outputs.name), codec.numbers)
    if codec.flat:
        g.output("y", g.squeeze(y, 2), ["batch", "time"], np.float64)
    else:
        g.output("y", y, ["batch", "time", outputs.width], np.float64)


def _forecaster(g: Graph, model: Forecaster) -> Facts:
    network, codec = model.network_, model._codec
    x, changes_to_series = forecast(g, codec, model._reader.inputs)
    sequences = Sequences(g, x.name, whole=True)
    h, _ = encoded(g, network.encoder, x, sequences)
    assert network._pool is not None
    v = Network(g, sequences).add(network._pool, h)
    changes_to_series(in_units(g, linear(g, network.output, v.name), codec.numbers))
    return {"reach": codec.windows.reach}


# Token by token


def _language_model(g: Graph, model: LanguageModel) -> Facts:
    network = model.network_
    tokens = g.input("tokens", np.int64, ["batch", "time"])
    x = Value(g.add("Transpose", tokens, perm=[1, 0]), "ids")
    condition = None
    if model.condition_ is not None:
        if model.condition_.labels is not None:
            condition = g.input("condition", np.int64, ["batch"])
        else:
            condition = g.input("condition", g.dtype, ["batch", model.condition_.width])
    states = States(g)
    h, _ = encoded(g, network.encoder, x, Sequences(g, x.name), states=states, condition=condition)
    scores = batch_first(g, token_scores(g, network.output, h.name))
    give_scores(g, scores, ["batch", "time", network.start], "Softmax")
    states.give()
    return {"start": network.start}


def _seq2seq_encoder(g: Graph, model: Seq2Seq) -> None:
    network, encoder = model.network_, model.network_.encoder
    x, sequences = read(g, model._reader)
    memory, final = encoded(g, encoder, x, sequences, words=model._reader.words)
    g.output("memory", batch_first(g, memory.name), ["batch", "time", memory.width])
    layers, directions = network.decoder.recurrent.num_layers, encoder.num_directions
    spec = network.decoder.recurrent.spec
    sizes = [(spec.output_size, 0), (spec.hidden_size, spec.memory_size - spec.hidden_size)]
    for name, state, (units, behind) in zip("hc", final, sizes, strict=False):
        # The states of both directions stand side by side, without the steps behind their units.
        own = g.slice(state, 0, units // directions)
        rows = g.integers(layers, directions, -1, units // directions)
        apart = g.add("Transpose", g.add("Reshape", own, rows), perm=[0, 2, 1, 3])
        joined = g.add("Reshape", apart, g.integers(0, 0, units))
        if behind:
            shape = g.concat([g.integers(layers), sequences.batch, g.integers(behind)], 0)
            joined = g.concat([joined, g.add("Expand", g.constant(0), shape)])
        g.output(f"{name}_n", joined, [layers, "batch", units + behind])


def _seq2seq_decoder(g: Graph, model: Seq2Seq) -> Facts:
    network, recurrent = model.network_, model.network_.decoder.recurrent
    tokens = g.input("tokens", np.int64, ["batch", "time"])
    widths = [recurrent.output_size, recurrent.spec.memory_size]
    names = ["h", "c"] if recurrent.spec.cell.has_memory else ["h"]
    initial = [
        g.input(f"{name}0", g.dtype, [recurrent.num_layers, "batch", width])
        for name, width in zip(names, widths, strict=False)
    ]
    x = Value(g.add("Transpose", tokens, perm=[1, 0]), "ids")
    whole = Sequences(g, x.name, whole=True)
    s, final = encoded(g, network.decoder, x, whole, initial=initial)
    h, weights = s.name, None
    if network.attention is not None:
        size = network.attention.memory_size
        memory = batch_first(g, g.input("memory", g.dtype, ["batch", "source_time", size]))
        context, weights = attend(g, network.attention, h, memory, Sequences(g, memory))
        h = g.add("Tanh", linear(g, network.combine, g.concat([context, h])))
    scores = batch_first(g, linear(g, network.output, h))
    give_scores(g, scores, ["batch", "time", network.output.out_features], "Softmax")
    for name, state, width in zip(names, final, widths, strict=False):
        g.output(f"{name}_n", state, [recurrent.num_layers, "batch", width])
    if weights is not None:
        g.output("weights", batch_first(g, weights), ["batch", "time", "source_time"])
    vocabulary = model._codec.vocabulary
    return {"start": len(vocabulary), "end": vocabulary.eos_id, "unknown": vocabulary.unk_id}


_PARTS: dict[str, Callable[[Graph, Any], Facts | None]] = {
    "encoder": _seq2seq_encoder,
    "decoder": _seq2seq_decoder,
}

_GRAPHS: dict[type, Callable[[Graph, Any], Facts | None]] = {
    CTCRecognizer: _recognizer,
    Forecaster: _forecaster,
    LanguageModel: _language_model,
    MultiLabelTagger: _multilabel,
    SequenceClassifier: _classifier,
    SequenceRegressor: _regressor,
    SequenceTagger: _tagger,
    StepRegressor: _step_regressor,
}
