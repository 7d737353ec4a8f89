"""Hyperparameters of training that all models have: schedules, averages, bounds, dropout."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from rnnfast.data.batches import Batch
from rnnfast.io.tensors import collect_arrays
from rnnfast.models.parts.shared import make_schedule
from rnnfast.nn.dropout_masks import VariationalDropout

TEXTS = ["good film", "a bad film", "good", "bad bad", "so good", "so very bad"] * 4
MOODS = ["+", "-"] * 12
REVERSED = [text[::-1] for text in TEXTS]


def make(kind: Any = rf.SequenceClassifier, **options: Any) -> Any:
    defaults = {"hidden_size": 4, "embedding_size": 4, "batch_size": 4, "epochs": 3}
    return kind(**{**defaults, "validation_fraction": 0.25, "seed": 3, "verbose": 0, **options})


def rates(name: str, options: dict[str, Any] | None, steps: int = 12) -> list[float]:
    """Return the learning rate of each of so many steps, over the first one."""
    optimizer = rf.SGD({"a": rf.Linear(2, 2, seed=0)}, lr=1.0)
    schedule = make_schedule(name, optimizer, steps, options)
    seen = []
    for _ in range(steps):
        seen.append(optimizer.lr)
        if schedule is not None:
            schedule.step()  # type: ignore[call-arg]
    return seen


def test_schedules_by_name() -> None:
    turns = [math.pi * step / 12 for step in range(12)]
    assert rates("constant", None) == [1.0] * 12
    assert rates("cosine", None) == pytest.approx(
        [0.01 + 0.99 * (1 + math.cos(t)) / 2 for t in turns]
    )
    half = rates("cosine", {"min_factor": 0.5})
    assert half == pytest.approx([0.5 + 0.5 * (1 + math.cos(t)) / 2 for t in turns])
    assert rates("step", None) == pytest.approx([1] * 4 + [0.1] * 4 + [0.01] * 4)
    slow = rates("step", {"step_size": 6, "gamma": 0.5})
    assert slow == pytest.approx([1] * 6 + [0.5] * 6)
    warm = rates("constant", {"warmup_steps": 4, "start_factor": 0.2})
    assert warm == pytest.approx([0.2, 0.4, 0.6, 0.8] + [1] * 8)
    both = rates("step", {"step_size": 6, "gamma": 0.5, "warmup_steps": 4, "start_factor": 0.2})
    assert both == pytest.approx(np.multiply(slow, warm))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"schedule": "linear"}, ValueError, "^schedule: expected one of constant, cosine, step, "),
        ({"schedule_options": 3}, TypeError, "^schedule_options: expected a dict or None, got int"),
        (
            {"schedule_options": {"gamma": 1}},
            ValueError,
            "^schedule_options: expected some of min_factor, .* with 'cosine', got 'gamma'$",
        ),
        (
            {"schedule": "plateau", "schedule_options": {"warmup_steps": 1}},
            ValueError,
            "^schedule_options: expected some of factor, .* with 'plateau', got 'warmup_steps'$",
        ),
        (
            {"schedule_options": {"start_factor": 0.1}},
            ValueError,
            "^schedule_options: expected warmup_steps with start_factor, got none$",
        ),
        (
            {"schedule": "plateau", "validation_fraction": 0},
            ValueError,
            "^schedule: expected no plateau without validation, which it watches$",
        ),
        ({"averaging": "sum"}, ValueError, "^averaging: expected one of ema, mean or None, got 's"),
        ({"averaging_options": {"decay": 0.5}}, ValueError, "^averaging_options: expected none wi"),
        ({"clip_value": 0}, ValueError, "^clip_value: expected a finite number above 0, got 0$"),
        ({"variational": 1}, TypeError, "^variational: expected a bool, got int$"),
        ({"cell_options": 3}, TypeError, "^cell_options: expected a dict or None, got int$"),
        ({"optimizer_options": "x"}, TypeError, "^optimizer_options: expected a dict or None, go"),
        ({"optimizer_options": {"betas": 3}}, TypeError, "^betas: expected a pair of numbers, got"),
        ({"tokenizer_options": "x"}, TypeError, "^tokenizer_options: expected a dict or None, go"),
    ],
    ids=str,
)  # fmt: skip
def test_bad_options(options: dict[str, Any], error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        make(**options).fit(TEXTS, MOODS)
    assert not make(**options)._is_fitted()


def test_plateau_options() -> None:
    model = make(schedule="plateau", schedule_options={"factor": 0.1, "patience": 0}, epochs=2)
    labels = [MOODS[(7 * n) % 5] for n in range(24)]
    history = model.set_params(learning_rate=1e-9).fit(TEXTS, labels).history_
    assert [record["learning_rate"] for record in history] == pytest.approx([1e-9, 1e-10])


def test_average_of_weights(tmp_path: Path) -> None:
    options: dict[str, Any] = {"validation_fraction": 0, "averaging": "mean", "schedule": "step"}
    model, seen = make(**options), []

    def keep(progress: Any) -> None:
        if not progress.epoch_ended:
            seen.append({n: a.copy() for n, a in collect_arrays(progress.model._modules()).items()})

    model.fit(TEXTS, MOODS, callbacks=[keep])
    assert len(seen) == 18
    for name, array in collect_arrays(model._modules()).items():
        mean = np.mean([arrays[name] for arrays in seen], axis=0, dtype=np.float64)
        np.testing.assert_allclose(array, mean, rtol=1e-5, atol=1e-6, err_msg=name)
    path = tmp_path / "checkpoint"
    make(**options).fit(TEXTS, MOODS, checkpoint=path, callbacks=[lambda p: p.step == 7])
    resumed = make(**options).fit(TEXTS, MOODS, checkpoint=path, resume=True)
    for name, array in collect_arrays(resumed._modules()).items():
        np.testing.assert_array_equal(array, collect_arrays(model._modules())[name], err_msg=name)
    with pytest.raises(ValueError, match=r"another averaging: expected 'mean', got 'ema'$"):
        make(**{**options, "averaging": "ema"}).fit(TEXTS, MOODS, checkpoint=path, resume=True)


def test_bound_of_each_gradient() -> None:
    bounded = make(clip_value=1e-3, clip_norm=None).fit(TEXTS, MOODS)
    count = bounded.num_parameters
    assert all(r["gradient_norm"] <= 1e-3 * math.sqrt(count) for r in bounded.history_)
    free = make(clip_norm=None).fit(TEXTS, MOODS)
    assert free.history_[0]["gradient_norm"] > 1e-3 * math.sqrt(count)


@pytest.mark.parametrize("kind", [rf.SequenceTagger, rf.Seq2Seq])
def test_one_mask_for_all_steps(kind: Any) -> None:
    y = REVERSED if kind is rf.Seq2Seq else [list(text) for text in REVERSED]
    options = {"level": "char", "variational": True, "dropout": 0.3, "num_layers": 2}
    network = make(kind, **options, epochs=1).fit(TEXTS, y).network_
    dropouts = [module for _, module in network.named_modules() if isinstance(module, rf.Dropout)]
    assert len(dropouts) == (5 if kind is rf.Seq2Seq else 2)
    assert all(isinstance(dropout, VariationalDropout) for dropout in dropouts)
    assert network.encoder.recurrent.variational


def test_label_smoothing_of_a_language_model() -> None:
    text = "the cat sat on the mat. the dog sat on the log. " * 12
    options: dict[str, Any] = {"hidden_size": 4, "batch_size": 2, "sequence_length": 9, "seed": 0}
    model = rf.LanguageModel(label_smoothing=0.25, **options).fit(text, epochs=1, verbose=0)
    network, s = model.network_, 0.25
    ids = model.vocabulary_.encode(list(text[:40])).reshape(10, 4)
    batch = Batch(ids[:-1], ids[1:], np.full(4, 9))
    for module in network.modules.values():
        module.zero_grad()
    loss, _ = network.add_gradients(batch, None)
    h, _ = network.encoder(ids[:-1])
    log_p = np.log(rf.softmax(network.output(h)).astype(np.float64))
    right = np.take_along_axis(log_p, ids[1:, :, np.newaxis], axis=-1).sum()
    assert loss == pytest.approx(-(1 - s) * right - s * log_p.mean(axis=-1).sum(), rel=1e-5)
    assert network.loss(batch, None)[0] == pytest.approx(-right, rel=1e-5)  # scored without
    with pytest.raises(ValueError, match=r"^label_smoothing: expected a finite number of at leas"):
        rf.LanguageModel(label_smoothing=1.0, **options).fit(text, verbose=0)


# What `fit` is given besides


@pytest.mark.parametrize(
    "model", [make(), rf.LanguageModel(batch_size=1, sequence_length=2)], ids=["classifier", "lm"]
)
def test_callbacks_and_checkpoints_are_checked_first(model: Any, tmp_path: Path) -> None:
    data: Any = (TEXTS, MOODS) if isinstance(model, rf.SequenceClassifier) else ("abcdefgh" * 9,)
    for options, error, message in (
        (
            {"callbacks": print},
            TypeError,
            r"^callbacks: expected a list of functions, got builtin_",
        ),
        ({"callbacks": ["x"]}, TypeError, r"^callbacks\[0\]: expected a function, got str$"),
        ({"checkpoint": 3}, TypeError, r"^checkpoint: expected a path, got int$"),
        ({"checkpoint": tmp_path}, IsADirectoryError, r"checkpoint: expected a file, got a folder"),
        (
            {"checkpoint": tmp_path / "no" / "c"},
            FileNotFoundError,
            r"checkpoint: its folder does not exist: '.*c'$",
        ),
    ):
        with pytest.raises(error, match=message):
            model.fit(*data, **options)
        assert not model._is_fitted()
    if isinstance(model, rf.LanguageModel):
        with pytest.raises(TypeError, match=r"^verbose: expected an integer, got str$"):
            model.fit(*data, verbose="x")
        model.fit(*data, epochs=1, verbose=0)
        with pytest.raises(TypeError, match=r"^allow_unknown: expected a bool, got str$"):
            model.sample(allow_unknown="yes")


@pytest.mark.parametrize(
    ("schedule", "options"),
    [
        ("cosine", None),
        ("cosine", {"warmup_steps": 3, "min_factor": 0.1}),
        ("step", None),
        ("step", {"warmup_steps": 3, "gamma": 0.5}),
    ],
)
@pytest.mark.parametrize("stop", [None, 9])
@pytest.mark.parametrize("language", [False, True])
def test_resumed_with_more_epochs_the_learning_rate_does_not_jump(
    tmp_path: Path, schedule: str, options: Any, stop: int | None, language: bool
) -> None:
    """From a training that had ended, and from one that was stopped in its second epoch of four."""
    path = tmp_path / "checkpoint"
    seen: dict[int, float] = {}

    def train(epochs: int, resume: bool, stop: int | None = None) -> None:
        def look(progress: Any) -> bool:
            if progress.epoch_ended:
                seen[progress.epoch] = progress.history[-1]["learning_rate"]
            return progress.step == stop

        common: dict[str, Any] = {
            "schedule": schedule, "schedule_options": options, "hidden_size": 4, "batch_size": 4,
            "seed": 3, "validation_fraction": 0, "learning_rate": 0.003,
        }  # fmt: skip
        given: dict[str, Any] = {"checkpoint": path, "resume": resume, "callbacks": [look]}
        if language:
            lm = rf.LanguageModel(lines=True, **common)
            lm.fit(TEXTS, epochs=epochs, verbose=0, **given)
        else:
            rf.SequenceClassifier(epochs=epochs, verbose=0, **common).fit(TEXTS, MOODS, **given)

    train(4, resume=False, stop=stop)
    train(9, resume=True)
    rates = [seen[epoch] for epoch in range(1, 10)]
    assert all(a >= b for a, b in itertools.pairwise(rates))
    floor = (options or {}).get("min_factor", 0.01) * 0.003
    if schedule == "cosine":
        assert rates[-1] == pytest.approx(floor)
        assert (rates[4] == pytest.approx(floor)) == (stop is None)
    elif stop is not None:
        assert rates[-1] < rates[1]


ABSURD: dict[str, Any] = {
    "classifier": lambda **o: make(label_smoothing=0.1, **o).fit(TEXTS, MOODS),
    "regressor": lambda **o: make(rf.SequenceRegressor, **o).fit(TEXTS, [len(t) for t in TEXTS]),
    "forecaster": lambda **o: make(rf.Forecaster, lags=3, **o).fit(np.sin(np.arange(40.0))),
    "tagger": lambda **o: make(rf.SequenceTagger, **o).fit(
        [t.split() for t in TEXTS], [[w[0] for w in t.split()] for t in TEXTS]
    ),
    "crf": lambda **o: make(rf.SequenceTagger, crf=True, **o).fit(
        [t.split() for t in TEXTS], [[w[0] for w in t.split()] for t in TEXTS]
    ),
    "labels": lambda **o: make(rf.MultiLabelTagger, **o).fit(
        [t.split() for t in TEXTS], [[[len(w) % 2, 1] for w in t.split()] for t in TEXTS]
    ),
    "steps": lambda **o: make(rf.StepRegressor, **o).fit(
        [t.split() for t in TEXTS], [[len(w) for w in t.split()] for t in TEXTS]
    ),
    "seq2seq": lambda **o: make(rf.Seq2Seq, **o).fit(TEXTS, REVERSED),
    "ctc": lambda **o: make(rf.CTCRecognizer, **o).fit(TEXTS, ["ab"] * 24),
    "language model": lambda **o: rf.LanguageModel(
        lines=True, hidden_size=4, batch_size=4, seed=3, **o
    ).fit(TEXTS, epochs=3, verbose=0),
}


@pytest.mark.parametrize("name", ABSURD)
@pytest.mark.parametrize("validation_fraction", [0.0, 0.25])
def test_a_model_that_is_far_worse_than_none_is_told(name: str, validation_fraction: float) -> None:
    ABSURD[name](validation_fraction=validation_fraction, learning_rate=0.01)
    options: dict[str, Any] = {"learning_rate": 1e7, "schedule": "constant", "patience": None}
    message = r"^(valid_)?loss .*e\+.* is far above .*; lower the learning rate$"
    with pytest.warns(RuntimeWarning, match=message):
        ABSURD[name](validation_fraction=validation_fraction, **options)
