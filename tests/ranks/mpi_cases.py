"""Trainings that are to give the same model by any number of processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import rnnfast as rf

Arrays = dict[str, np.ndarray[Any, Any]]
CASES: dict[str, Callable[[Any], Arrays]] = {}
WORDS = [
    "the",
    "cat",
    "sat",
    "on",
    "a",
    "mat",
    "and",
    "the",
    "dog",
    "ran",
    "to",
    "see",
    "what",
    "it",
    "was",
    "about",
]
SMALL = {"dtype": "float64", "seed": 3, "verbose": 0, "epochs": 3, "batch_size": 7}


def case(function: Callable[[Any], Arrays]) -> Callable[[Any], Arrays]:
    CASES[function.__name__] = function
    return function


def arrays_of(model: Any) -> Arrays:
    """Return the weights of a model, and its figures."""
    found = {
        f"{name}.{key}": parameter.data
        for name, module in model._modules().items()
        for key, parameter in module.parameters().items()
    }
    figures = [
        [value for name, value in record.items() if name != "seconds"] for record in model.history_
    ]
    return {**found, "history": np.array(figures), "best_epoch": np.array(model.best_epoch_)}


def sentences(count: int, seed: int = 0) -> list[list[str]]:
    rng = np.random.default_rng(seed)
    return [[str(w) for w in rng.choice(WORDS, rng.integers(1, 9))] for _ in range(count)]


def series(count: int, seed: int = 0) -> list[np.ndarray[Any, Any]]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(rng.integers(2, 9), 3)) for _ in range(count)]


@case
def classifier(comm: Any) -> Arrays:
    X = sentences(44)
    y = ["long" if len(x) > 4 else "short" for x in X]
    model = rf.SequenceClassifier(
        cell="gru", num_layers=3, bidirectional=True, dropout=0.3, word_dropout=0.2,
        hidden_size=6, embedding_size=5, class_weight="balanced", **SMALL,
    )  # fmt: skip
    return arrays_of(model.fit(X, y, sample_weight=np.linspace(0, 2, 44), comm=comm))


@case
def classifier_of_few(comm: Any) -> Arrays:
    X = sentences(11)
    y = [len(x) % 2 for x in X]
    options = {**SMALL, "batch_size": 2}
    model = rf.SequenceClassifier(
        variational=True, dropout=0.4, num_layers=2, hidden_size=5, averaging="ema",
        sparse_embedding=True, optimizer="sgd", validation_fraction=0, **options,
    )  # fmt: skip
    return arrays_of(model.fit(X, y, comm=comm))


@case
def regressor(comm: Any) -> Arrays:
    X = series(40)
    y = np.array([x.sum() for x in X])
    model = rf.SequenceRegressor(
        cell="layer_norm_lstm", hidden_size=6, dropout=0.2, pooling="concat",
        cell_options={"zoneout": 0.1, "recurrent_dropout": 0.2}, schedule="plateau", **SMALL,
    )  # fmt: skip
    return arrays_of(model.fit(X, y, comm=comm))


@case
def tagger(comm: Any) -> Arrays:
    X = sentences(40)
    y = [["v" if w in ("sat", "ran", "see", "was") else "o" for w in x] for x in X]
    model = rf.SequenceTagger(
        hidden_size=6, embedding_size=5, char_encoder=True, char_embedding_size=4,
        char_hidden_size=4, dropout=0.3,
        word_dropout=0.1, label_smoothing=0.1, **SMALL,
    )  # fmt: skip
    return arrays_of(model.fit(X, y, comm=comm))


@case
def tagger_with_crf(comm: Any) -> Arrays:
    X = sentences(40)
    y = [["B-X" if w == "cat" else "O" for w in x] for x in X]
    model = rf.SequenceTagger(hidden_size=6, crf=True, scheme="bio", dropout=0.2, **SMALL)
    return arrays_of(model.fit(X, y, comm=comm))


@case
def tagger_with_feedback(comm: Any) -> Arrays:
    X = sentences(30)
    y = [[len(w) % 3 for w in x] for x in X]
    model = rf.SequenceTagger(hidden_size=6, feed_labels=True, dropout=0.2, **SMALL)
    return arrays_of(model.fit(X, y, comm=comm))


@case
def tagger_with_feedback_and_noise(comm: Any) -> Arrays:
    X = sentences(30)
    y = [[len(w) % 3 for w in x] for x in X]
    model = rf.SequenceTagger(
        hidden_size=6, feed_labels=True, cell="layer_norm_gru", optimizer="sgd",
        cell_options={"zoneout": 0.2, "recurrent_dropout": 0.2}, **SMALL,
    )  # fmt: skip
    return arrays_of(model.fit(X, y, valid=(X[:15], y[:15]), comm=comm))


@case
def multilabel_tagger(comm: Any) -> Arrays:
    X = series(30)
    y = [(x > 0).astype(float) for x in X]
    model = rf.MultiLabelTagger(hidden_size=6, dropout=0.2, **SMALL)
    return arrays_of(model.fit(X, y, comm=comm))


@case
def step_regressor(comm: Any) -> Arrays:
    X = series(30)
    y = [np.cumsum(x[:, 0]) for x in X]
    model = rf.StepRegressor(hidden_size=6, dropout=0.2, patience=1, loss="mae", **SMALL)
    return arrays_of(model.fit(X, y, comm=comm))


def some(y: list[Any], seed: int = 0) -> list[Any]:
    """Return labels of which most have None in their place; whole sequences have none."""
    rng = np.random.default_rng(seed)
    return [[v if rng.random() < 0.3 else None for v in np.array(one).tolist()] for one in y]


@case
def tagger_with_some_labels(comm: Any) -> Arrays:
    X = sentences(40)
    y = some([["v" if w in ("sat", "ran", "see", "was") else "o" for w in x] for x in X])
    weights = [np.linspace(0, 1, len(x)) for x in X]
    model = rf.SequenceTagger(
        hidden_size=6, dropout=0.2, class_weight="balanced", averaging="ema", **SMALL
    )
    return arrays_of(model.fit(X, y, sample_weight=weights, comm=comm))


@case
def tagger_with_crf_and_some_labels(comm: Any) -> Arrays:
    X = sentences(40)
    y = some([["B-X" if w == "cat" else "O" for w in x] for x in X])
    model = rf.SequenceTagger(hidden_size=6, crf=True, scheme="bio", dropout=0.2, **SMALL)
    model.fit(X, y, sample_weight=np.linspace(0, 2, 40), comm=comm)
    return arrays_of(model.fit(X, y, warm_start=True, comm=comm))


@case
def multilabel_tagger_with_some_labels(comm: Any) -> Arrays:
    X = series(30)
    y = some([(x > 0).astype(int) for x in X])
    weights = [np.linspace(1, 2, len(x)) for x in X]
    model = rf.MultiLabelTagger(hidden_size=6, dropout=0.2, class_weight="balanced", **SMALL)
    return arrays_of(model.fit(X, y, sample_weight=weights, comm=comm))


@case
def step_regressor_with_some_numbers(comm: Any) -> Arrays:
    X = series(30)
    y = [np.where(x > 0.3, np.nan, x.cumsum(axis=0)) for x in X]
    model = rf.StepRegressor(hidden_size=6, dropout=0.2, ignore_label=np.nan, **SMALL)
    return arrays_of(model.fit(X, y, sample_weight=np.linspace(0, 2, 30), comm=comm))


@case
def seq2seq_with_weights(comm: Any) -> Arrays:
    X = sentences(30)
    y = [x[::-1] for x in X]
    model = rf.Seq2Seq(hidden_size=6, embedding_size=5, **SMALL)
    return arrays_of(model.fit(X, y, sample_weight=np.linspace(0, 2, 30), comm=comm))


@case
def ctc_recognizer(comm: Any) -> Arrays:
    rng = np.random.default_rng(5)
    y = ["".join(rng.choice(list("ab"), 2)) for _ in range(30)]
    X = [rng.normal(size=(rng.integers(5, 9), 3)) for _ in y]
    model = rf.CTCRecognizer(hidden_size=6, dropout=0.2, **SMALL)
    return arrays_of(model.fit(X, y, comm=comm))


@case
def seq2seq(comm: Any) -> Arrays:
    X = sentences(30)
    y = [x[::-1] for x in X]
    model = rf.Seq2Seq(
        hidden_size=6, embedding_size=5, dropout=0.2, num_layers=2, bidirectional=True,
        sampling=0.4, sampling_schedule="constant", **SMALL,
    )  # fmt: skip
    return arrays_of(model.fit(X, y, comm=comm))


@case
def forecaster(comm: Any) -> Arrays:
    options = {**SMALL, "batch_size": 16}
    model = rf.Forecaster(lags=8, horizon=2, hidden_size=6, dropout=0.2, **options)
    return arrays_of(model.fit(np.sin(np.arange(80) / 3), comm=comm))


@case
def language_model(comm: Any) -> Arrays:
    text = " ".join(word for sentence in sentences(150) for word in sentence)
    model = rf.LanguageModel(
        hidden_size=8, embedding_size=8, num_layers=2, dropout=0.3, embedding_dropout=0.1,
        weight_drop=0.2, activation_penalty=1.0, slowness_penalty=1.0, variational=True,
        tie_weights=True, sequence_length=13, **SMALL,
    )  # fmt: skip
    return arrays_of(model.fit(text, comm=comm))


@case
def recipe(comm: Any) -> Arrays:
    """Sums of sequences, a schedule and initial weights that are given, and vectors of words."""
    lines = [" ".join(sentence) for sentence in sentences(60)]
    model = rf.LanguageModel(
        level="word", lines=True, hidden_size=8, embedding_size=3, init="uniform", init_range=0.1,
        loss_reduction="example", optimizer="sgd", learning_rate=0.1, schedule=halving, **SMALL,
    )  # fmt: skip
    vectors = {word: np.full(3, number / 16) for number, word in enumerate(WORDS)}
    return arrays_of(model.fit(lines, embeddings=vectors, comm=comm))


def halving(epoch: int) -> float:
    return 0.5**epoch


@case
def language_model_of_one_stream(comm: Any) -> Arrays:
    options = {**SMALL, "batch_size": 1}
    model = rf.LanguageModel(hidden_size=6, num_layers=2, dropout=0.3, **options)
    return arrays_of(model.fit(TEXT[:400], comm=comm))


@case
def language_model_of_lines(comm: Any) -> Arrays:
    lines = [" ".join(sentence) for sentence in sentences(60)]
    options = {**SMALL, "clip_norm": 0.1}
    model = rf.LanguageModel(
        level="word", lines=True, hidden_size=8, embedding_size=6, sparse_embedding=True,
        dropout=0.2, num_layers=2, **options,
    )  # fmt: skip
    condition = [str(len(line) % 3) for line in lines]
    return arrays_of(model.fit(lines, condition=condition, comm=comm))


@case
def language_model_of_lines_with_weights(comm: Any) -> Arrays:
    lines = [" ".join(sentence) for sentence in sentences(40)]
    model = rf.LanguageModel(lines=True, hidden_size=8, dropout=0.2, **SMALL)
    return arrays_of(model.fit(lines, sample_weight=np.linspace(0, 2, 40), comm=comm))


@case
def language_model_of_rare_words(comm: Any) -> Arrays:
    text = " ".join(word for sentence in sentences(150) for word in sentence)
    model = rf.LanguageModel(
        level="word", output="adaptive", cutoffs=[3, 7], hidden_size=8, embedding_size=6,
        sequence_length=13, **SMALL,
    )  # fmt: skip
    return arrays_of(model.fit(text, comm=comm))


TEXT = "to be or not to be, that is the question; " * 40


def of_streams() -> rf.LanguageModel:
    return rf.LanguageModel(
        hidden_size=6, num_layers=2, dropout=0.2, sequence_length=20,
        **{**SMALL, "batch_size": 5, "seed": 0},
    )  # fmt: skip


def stop(progress: rf.training.Progress) -> bool:
    return progress.step == 20


def trained(trainer: rf.Trainer, batches: Any, **options: Any) -> Arrays:
    trainer.fit(batches, epochs=3, **options)
    figures = [
        [value for name, value in record.items() if name != "seconds"] for record in trainer.history
    ]
    return {**trainer.net.state_dict(), "history": np.array(figures)}


def long_text(batch: int, windows: int) -> list[tuple[Any, Any]]:
    ids = np.random.default_rng(1).integers(0, 9, (windows * 6 + 1, batch))
    return [(ids[t : t + 6], ids[t + 1 : t + 7]) for t in range(0, windows * 6, 6)]


@case
def trainer_of_streams(comm: Any) -> Arrays:
    net = rf.chain(
        rf.Embedding(9, 5, dtype="float64", seed=0), rf.Dropout(0.2, seed=0),
        rf.LSTM(5, 6, 2, dropout=0.3, dtype="float64", seed=0),
        rf.Linear(6, 9, dtype="float64", seed=0),
    )  # fmt: skip
    adam = rf.Adam(net.parameters(), 0.01)
    trainer = rf.Trainer(
        net, rf.cross_entropy, adam, carry_state=True, max_norm=0.5, seed=1, verbose=0, comm=comm
    )
    return trained(trainer, long_text(5, 4), valid=long_text(5, 2))


@case
def trainer_of_sequences(comm: Any) -> Arrays:
    rng = np.random.default_rng(2)
    net = rf.chain(
        rf.GRU(3, 6, 2, dropout=0.3, dtype="float64", batch_first=True, seed=0),
        rf.VariationalDropout(0.2, time_axis=1, seed=0),
        rf.Linear(6, 2, dtype="float64", seed=0),
    )  # fmt: skip
    batches = [
        {
            "x": rng.normal(size=(b, 5, 3)),
            "y": rng.normal(size=(b, 5, 2)),
            "lengths": rng.integers(1, 6, b),
            "weights": rng.random((b, 5)),
        }
        for b in (6, 4, 2, 1)
    ]
    trainer = rf.Trainer(net, rf.mse, rf.SGD(net.parameters(), 0.05), seed=1, verbose=0, comm=comm)

    def shuffled(rng: np.random.Generator) -> list[Any]:
        return [batches[n] for n in rng.permutation(len(batches))]

    return trained(trainer, shuffled, valid=batches, patience=2)
