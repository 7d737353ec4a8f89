"""Cases of whole models on tiny data, of optimizers and schedules, of text and of sound."""

from __future__ import annotations

from typing import Any

import numpy as np

import rnnfast as rf
from rnnfast.data.audio import log_mel, mfcc
from rnnfast.data.batches import bucket_by_length, pad_sequences
from rnnfast.text.tokenizers import CharTokenizer, WordTokenizer
from rnnfast.training import (
    CosineLR,
    ExponentialAverage,
    ExponentialLR,
    GivenLR,
    LambdaLR,
    MeanAverage,
    MultiStepLR,
    StepLR,
    WarmupLR,
    scale_grad,
)

from .checks import Case, require
from .draws import DTYPES, Draw

WORDS = ("a", "bad", "good", "film", "é", "it's", "x-1", "42", "\U0001f40c", "The", "THE", "<EOS>x")


def text(draw: Draw, most: int = 6) -> str:
    return " ".join(draw.choice(WORDS) for _ in range(draw.integer(1, most)))


def tokens(draw: Draw, count: int) -> list[list[str]]:
    return [text(draw).split() for _ in range(count)]


def series(draw: Draw, count: int, width: int = 2) -> list[Any]:
    return [draw.numbers(draw.integer(1, 6), width) for _ in range(count)]


def halving(epoch: int) -> float:
    """Return the factor of a learning rate that is halved after each epoch."""
    return 0.5**epoch


def training(draw: Draw) -> dict[str, Any]:
    """Draw the hyperparameters that all models have, small."""
    options: dict[str, Any] = {
        "hidden_size": draw.integer(1, 6), "verbose": 0, "seed": draw.integer(0, 9),
        "batch_size": draw.integer(1, 5),
    }  # fmt: skip
    return options | draw.some(
        cell=lambda: draw.choice(("rnn", "gru", "lstm")),
        num_layers=lambda: draw.integer(1, 2),
        embedding_size=lambda: draw.integer(1, 5),
        dropout=lambda: 0.3,
        variational=lambda: draw.chance(0.5),
        optimizer=lambda: draw.choice(("adam", "adamw", "sgd", "rmsprop", "adagrad")),
        schedule=lambda: draw.choice(
            ("constant", "cosine", "step", [1, 3], {0: 0.01, 2: 0.001}, halving)
        ),
        init=lambda: draw.choice(("glorot", "orthogonal")),
        loss_reduction=lambda: draw.choice(("mean", "example", "sum")),
        learning_rate=lambda: draw.choice((0.001, 0.01)),
        clip_norm=lambda: draw.choice((None, 1.0)),
        averaging=lambda: draw.choice((None, "ema", "mean")),
        dtype=lambda: draw.choice(DTYPES),
    )


def supervised(draw: Draw) -> tuple[Any, Any, Any, dict[str, Any]]:
    """Draw a kind of model, its inputs and targets, and options of its own."""
    count = draw.integer(5, 8)
    kind = draw.choice((
        rf.SequenceClassifier, rf.SequenceRegressor, rf.SequenceTagger, rf.StepRegressor,
        rf.MultiLabelTagger, rf.Seq2Seq, rf.CTCRecognizer,
    ))  # fmt: skip
    own: dict[str, Any] = {}
    words = kind is rf.Seq2Seq or (kind is not rf.CTCRecognizer and draw.chance(0.5))
    X = tokens(draw, count) if words else series(draw, count)
    if kind is rf.SequenceClassifier:
        own = draw.some(pooling=lambda: draw.choice(("last", "mean", "max", "concat")))
        y: Any = [draw.choice(("p", "q")) for _ in X]
        y[:2] = "p", "q"
    elif kind is rf.SequenceRegressor:
        y = draw.rng.normal(size=count if draw.chance(0.5) else (count, 2))
    elif kind is rf.SequenceTagger:
        # The few sequences held out may have no label that the others have, and are refused then.
        own = draw.some(crf=lambda: draw.chance(0.5)) | {"validation_fraction": 0.0}
        y = [[draw.choice(("O", "B-a", "I-a")) for _ in x] for x in X]
        y[0][0], y[1][0] = "B-a", "O"
        if draw.chance(0.4):
            y = [*y[:2], *without_some(draw, y[2:])]
    elif kind is rf.StepRegressor:
        y = [draw.rng.normal(size=len(x)) for x in X]
        if draw.chance(0.4):
            own = {"ignore_label": np.nan}
            y = [*y[:2], *without_some(draw, [rows.tolist() for rows in y[2:]])]
    elif kind is rf.MultiLabelTagger:
        own = draw.some(class_weight=lambda: draw.choice(("balanced", {0: 2.0})))
        y = [(draw.rng.random((len(x), 3)) < 0.5).astype(int) for x in X]
        if draw.chance(0.4):
            y = [*y[:2], *without_some(draw, [rows.tolist() for rows in y[2:]])]
    elif kind is rf.Seq2Seq:
        own = draw.some(attention=lambda: draw.choice((None, "dot", "general", "additive")))
        y = tokens(draw, count)
    else:
        X = [draw.numbers(draw.integer(9, 14), 2) for _ in range(count)]
        y = ["ab"[: draw.integer(1, 2)] for _ in X]
    return kind, X, y, own


def without_some(draw: Draw, y: list[Any]) -> list[Any]:
    """Return labels of which about half have None in their place."""
    return [[None if draw.chance(0.5) else label for label in labels] for labels in y]


def weights(draw: Draw, kind: Any, X: Any, own: dict[str, Any]) -> dict[str, Any]:
    """Draw how much each sequence counts, or each step."""
    if kind is rf.CTCRecognizer:
        return {}
    each = draw.rng.random(len(X)) + 0.1
    if kind in (rf.StepRegressor, rf.MultiLabelTagger, rf.SequenceTagger) and not own.get("crf"):
        of_steps = [draw.rng.random(len(x)) + 0.1 for x in X]
        return draw.some(sample_weight=lambda: of_steps if draw.chance(0.5) else each)
    return draw.some(sample_weight=lambda: each)


def again(draw: Draw) -> dict[str, Any]:
    """Draw how a model goes on."""
    return {"warm_start": True} | draw.some(
        extend=lambda: draw.chance(0.8),
        freeze=lambda: draw.choice(("output", ["output"], [])),
        epochs=lambda: draw.integer(0, 2),
    )


def estimator(case: Case) -> None:
    """A supervised model learns, predicts and scores."""
    draw = case.draw
    kind, X, y, own = supervised(draw)
    options = training(draw) | own
    model = case.call(kind, **options)
    case.call(model.set_params, epochs=draw.integer(1, 2))
    counting = weights(draw, kind, X, own)
    case.call(model.fit, X, y, **counting)
    if draw.chance(0.3):
        case.call(model.fit, X, y, **again(draw))
    if not case.spoiled:
        whole = [model.predict(X)] if draw.chance(0.5) else []
        for predicted in whole:
            require(len(predicted) == len(X), "another number of predictions")
    case.call(model.predict, X)
    if hasattr(model, "predict_proba") and not own.get("crf"):
        case.call(model.predict_proba, X)
    case.call(model.score, X, y, **counting)


def model_stream(case: Case) -> None:
    """The answers of a stream are those for the sequences so far."""
    draw = case.draw
    kind, X, y, own = supervised(draw)
    if kind is rf.Seq2Seq or own.get("crf") or own.get("pooling") in ("mean", "concat"):
        return
    model = kind(**training(draw) | own | {"bidirectional": False, "epochs": 1})
    model.fit(X, y)
    count = draw.integer(1, len(X))
    stream = case.call(model.stream, count)
    if case.spoiled:
        return
    for t in range(min(map(len, X[:count]))):
        rows = draw.rng.permutation(count)
        given: Any = [X[n][t] for n in rows]
        if not isinstance(given[0], str):
            given = np.stack(given)
        answer = case.call(stream, given, rows if draw.chance(0.5) else rows.tolist())
        if case.spoiled:
            return
        begun = [X[n][: t + 1] for n in rows]
        whole = model.predict(begun)
        if kind is rf.CTCRecognizer:
            require([one.symbols for one in answer] == list(whole), "other symbols")
            continue
        expected = whole if kind in (rf.SequenceClassifier, rf.SequenceRegressor) else [
            one[-1] for one in whole
        ]  # fmt: skip
        found = getattr(answer, "labels", answer)
        require(np.array_equal(found, np.asarray(expected)), "another answer than predict's")
    case.call(stream.reset, [draw.integer(0, count - 1)])


def forecaster(case: Case) -> None:
    """A forecaster learns a series and foretells it."""
    draw = case.draw
    draw.longest = 2**12  # a series may have any length, and all of it is learned from
    lags, horizon = draw.integer(1, 6), draw.integer(1, 3)
    model = case.call(
        rf.Forecaster, lags=lags, horizon=horizon, **training(draw),
        **draw.some(
            differences=lambda: [draw.integer(1, 3)], linear=lambda: draw.chance(0.5),
            scaling=lambda: draw.choice(("all", "window")),
            missing=lambda: draw.choice(("refuse", "mask")),
            loss=lambda: draw.choice(("mse", "mae", "quantile", "gaussian", "student_t")),
        ),
    )  # fmt: skip
    case.call(model.set_params, epochs=1)
    values = draw.numbers(40) if draw.chance(0.5) else draw.numbers(40, 2)
    case.call(model.fit, values)
    if draw.chance(0.3):
        case.call(model.fit, values, **again(draw))
    case.call(model.predict, steps=draw.integer(1, 7))
    case.call(model.predict, steps=2, after=values[:20])
    case.call(model.score, values)
    case.call(model.backtest, values, stride=draw.integer(1, 3))
    if case.spoiled:
        return
    if model.loss in ("gaussian", "student_t"):
        case.call(model.sample_paths, draw.integer(1, 3), draw.integer(1, 7), seed=1)
    else:
        case.call(model.predict_interval, 1, coverage=0.5)


def language_model(case: Case) -> None:
    """A language model learns, scores and writes."""
    draw = case.draw
    level = draw.choice(("char", "word"))
    lines = draw.chance(0.5)
    options = training(draw) | {"batch_size": 2}
    options |= draw.some(output=lambda: draw.choice(("full", "adaptive")))
    del options["verbose"]
    model = case.call(
        rf.LanguageModel, level=level, lines=lines, sequence_length=draw.integer(2, 6),
        **options,
    )  # fmt: skip
    corpus = "\n".join(text(draw) for _ in range(40))
    case.call(model.fit, corpus, epochs=1, verbose=0)
    if draw.chance(0.3):
        case.call(model.fit, corpus, **{**again(draw), "verbose": 0, "epochs": 1})
    some = text(draw)
    case.call(model.log_prob, some)
    case.call(model.perplexity, some)
    case.call(model.next_tokens, some, k=draw.integer(1, 3))
    stream = case.call(model.stream, 2)
    p = case.call(stream.start)
    for token in model.tokenizer_.tokenize(some):
        p = case.call(stream, [token], rows=[1])
    if not case.spoiled:
        first = model.next_tokens(some, 1)[0]
        require(float(p.max()) == first[1], "another probability than that of next_tokens")
    options = draw.some(
        temperature=lambda: draw.choice((0.0, 1.0)), top_k=lambda: 2, top_p=lambda: 0.9
    )
    case.call(model.sample, n=2, max_length=5, seed=1, **options)


OPTIMIZERS: dict[Any, dict[str, Any]] = {
    rf.SGD: {"momentum": 0.9, "nesterov": True},
    rf.Adam: {"betas": (0.9, 0.99), "eps": 1e-8},
    rf.AdamW: {"weight_decay": 0.1},
    rf.RMSprop: {"alpha": 0.9, "centered": True, "momentum": 0.5},
    rf.Adagrad: {"lr_decay": 0.1, "initial_accumulator_value": 0.1},
}


def optimizer(case: Case) -> None:
    """Steps, clipping, averages, schedules, and states that come back."""
    draw = case.draw
    kind = draw.choice(list(OPTIMIZERS))
    layer = rf.Linear(draw.size(), draw.size(), dtype=draw.choice(DTYPES), seed=1)
    options = {name: value for name, value in OPTIMIZERS[kind].items() if draw.chance(0.5)}
    if "nesterov" in options:
        options["momentum"] = 0.9
    one = case.call(kind, layer.parameters(), draw.choice((0.1, 0.001)), **options)
    average = case.call(draw.choice((ExponentialAverage, MeanAverage)), layer.parameters())
    schedule = case.call(*draw.choice((
        (StepLR, one, 2), (ExponentialLR, one, 0.9), (CosineLR, one, 5),
        (WarmupLR, one, 3), (LambdaLR, one, halving), (MultiStepLR, one, [1, 2]),
        (GivenLR, one, {1: 0.01}),
    )))  # fmt: skip
    for _ in range(draw.integer(1, 3)):
        for gradient in layer.grads.values():
            gradient[...] = draw.rng.normal(size=gradient.shape)
        case.call(rf.clip_grad_norm, layer.parameters(), draw.choice((0.5, 5.0)))
        case.call(rf.clip_grad_value, layer.parameters(), 0.7)
        case.call(scale_grad, layer.parameters(), 0.5)
        case.call(one.step)
        average.update()
        case.call(schedule.step)
    if case.spoiled:
        return
    state = case.call(one.state_dict)
    case.call(one.load_state_dict, state)
    case.call(average.load_state_dict, average.state_dict())
    case.call(schedule.load_state_dict, schedule.state_dict())
    weights = case.call(layer.state_dict)
    case.call(layer.load_state_dict, weights)
    case.call(layer.parameters()["weight"].assign, weights["weight"])
    for value in layer.state_dict().values():
        require(case.spoiled or np.isfinite(value).all(), "a weight that is not finite")


def vocabulary(case: Case) -> None:
    """A vocabulary gives back what it was given."""
    draw = case.draw
    kind: Any = draw.choice((CharTokenizer, WordTokenizer))
    tokenizer = case.call(kind)
    parts = case.call(tokenizer.tokenize, text(draw))
    case.call(tokenizer.detokenize, parts)
    known = case.call(
        rf.Vocabulary.from_tokens, parts,
        **draw.some(max_size=lambda: draw.integer(3, 9), min_count=lambda: 1),
    )  # fmt: skip
    ids = case.call(known.encode, parts)
    case.call(known.decode, ids)
    case.call(known.one_hot, ids)
    again = case.call(rf.Vocabulary.from_json, known.to_json())
    if not case.spoiled:
        require(again.encode(parts).tolist() == ids.tolist(), "another vocabulary came back")


def sound(case: Case) -> None:
    draw = case.draw
    samples = draw.numbers(draw.integer(1, 2000), scale=0.1)
    function = draw.choice((log_mel, mfcc))
    case.call(function, samples, draw.choice((8000, 16000)))
    case.call(bucket_by_length, draw.indices(9, draw.integer(1, 9)), draw.integer(1, 4))
    sequences = [draw.numbers(draw.integer(1, 4), 2) for _ in range(draw.integer(1, 4))]
    case.call(pad_sequences, sequences)


CASES = [
    (1, estimator), (0.5, model_stream), (0.3, forecaster), (0.3, language_model),
    (2, optimizer), (1, vocabulary), (0.5, sound),
]  # fmt: skip
