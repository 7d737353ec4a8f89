"""A `fit` that does not end well leaves the model as it was, for other threads too."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from rnnfast.io.tensors import collect_arrays
from rnnfast.models.base import NotFittedError
from rnnfast.training import Progress
from rnnfast.training.optimizers import Optimizer

TEXTS = ["good film", "a bad film", "good", "bad bad", "so good", "so very bad"] * 4
MOODS = ["+", "-"] * 12
WORDS = [text.split() for text in TEXTS]
ROWS = [np.arange(float(len(words))) for words in WORDS]
NOTES = [np.eye(3)[np.arange(4) % (2 + n % 2)] for n in range(12)]
SOUNDS = [np.repeat(np.eye(3)[[n % 3, 2]], 4, 0) for n in range(12)]
WAVE = np.sin(np.arange(60) / 3)

# A model, what `fit` takes, what it takes for another training, and a question with one answer.
CASES: dict[str, tuple[Any, tuple[Any, ...], tuple[Any, ...], Callable[[Any], Any]]] = {
    "classifier": (
        rf.SequenceClassifier,
        (TEXTS, MOODS),
        (["x y", "z"] * 9, [1, 2] * 9),
        lambda m: m.predict_proba(["good bad"]),
    ),
    "regressor": (
        rf.SequenceRegressor,
        (TEXTS, np.arange(24.0)),
        (["x y", "z"] * 9, np.arange(36.0).reshape(18, 2)),
        lambda m: m.predict(["good bad"]),
    ),
    "forecaster": (
        rf.Forecaster,
        (WAVE,),
        (np.stack([WAVE, WAVE**2], 1),),
        lambda m: m.predict(5),
    ),
    "tagger": (
        rf.SequenceTagger,
        (WORDS, WORDS),
        ([["x", "y"], ["z"]] * 9, [[1, 2], [1]] * 9),
        lambda m: [m.predict([["good", "bad"]]), m.predict_proba([["good"]])],
    ),
    "multi-label tagger": (
        rf.MultiLabelTagger,
        (NOTES, NOTES),
        ([n[:, :2] for n in NOTES], [n[:, :2] for n in NOTES]),
        lambda m: m.generate(3, seed=1),
    ),
    "step regressor": (
        rf.StepRegressor,
        (WORDS, ROWS),
        (WORDS, [np.stack([r, r], 1) for r in ROWS]),
        lambda m: m.predict([["good", "bad"]]),
    ),
    "seq2seq": (
        rf.Seq2Seq,
        (TEXTS, TEXTS),
        (["x y", "z"] * 9, ["u", "v w"] * 9),
        lambda m: m.predict(["good bad"]),
    ),
    "recognizer": (
        rf.CTCRecognizer,
        (SOUNDS, ["ab", "bb"] * 6),
        ([s[:, :2] for s in SOUNDS], ["abcd"] * 12),
        lambda m: m.predict(SOUNDS[:2]),
    ),
    "language model": (
        rf.LanguageModel,
        (["ab", "ba", "abab"] * 8,),
        (["xyz", "zyxyx", "yy"] * 8,),
        lambda m: [m.sample(3, seed=1, max_length=5), m.next_tokens(k=3)],
    ),
}


@pytest.fixture(autouse=True)
def one_thread(set_threads: Callable[[int], None]) -> None:
    set_threads(1)


@pytest.fixture(params=CASES)
def name(request: pytest.FixtureRequest) -> Iterator[str]:
    yield request.param


def make(name: str, **options: Any) -> Any:
    kind = CASES[name][0]
    defaults = {"hidden_size": 4, "batch_size": 6, "seed": 3, "validation_fraction": 0.2}
    if kind is rf.LanguageModel:
        defaults["lines"] = True
    else:
        defaults |= {"epochs": 2, "verbose": 0}
    if kind is rf.Forecaster:
        defaults["lags"] = 6
    return kind(**{**defaults, **options})


def fit(model: Any, data: tuple[Any, ...], **options: Any) -> Any:
    if isinstance(model, rf.LanguageModel):
        options = {"epochs": 2, "verbose": 0, **options}
    return model.fit(*data, **options)


def state(model: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Every attribute by identity, and a copy of every weight."""
    return dict(vars(model)), collect_arrays(model._modules())


def assert_unchanged(model: Any, before: tuple[dict[str, Any], dict[str, np.ndarray]]) -> None:
    attributes, arrays = before
    assert vars(model).keys() == attributes.keys()
    assert [n for n, v in vars(model).items() if v is not attributes[n]] == []
    for key, array in collect_arrays(model._modules()).items():
        np.testing.assert_array_equal(array, arrays[key], err_msg=key)


class Trouble(Exception):
    pass


def trouble_at(step: int, error: type[BaseException] = Trouble) -> Callable[[Progress], None]:
    def callback(progress: Progress) -> None:
        if progress.step == step:
            raise error

    return callback


def press_ctrl_c_twice(progress: Progress) -> None:
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("fitted", [True, False])
@pytest.mark.parametrize("error", [Trouble, KeyboardInterrupt, SystemExit, MemoryError])
def test_a_callback_that_fails(name: str, fitted: bool, error: type[BaseException]) -> None:
    model = make(name)
    if not fitted:
        with pytest.raises(error):
            fit(model, CASES[name][1], callbacks=[trouble_at(2, error)])
        assert vars(model) == vars(make(name))
        with pytest.raises(NotFittedError):
            model.save("m")
        return
    fit(model, CASES[name][1])
    before = state(model)
    for data in CASES[name][1:3]:
        with pytest.raises(error):
            fit(model, data, callbacks=[trouble_at(2, error)])
        assert_unchanged(model, before)


def test_interrupted_at_once(name: str) -> None:
    model = fit(make(name), CASES[name][1])
    before = state(model)
    with pytest.raises(KeyboardInterrupt):
        fit(model, CASES[name][2], callbacks=[press_ctrl_c_twice])
    assert_unchanged(model, before)


@pytest.mark.parametrize("step", [1, 3])
def test_diverged(name: str, step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the first step, and in the second epoch, with a best one behind."""
    model = fit(make(name), CASES[name][1])
    before = state(model)
    real = Optimizer.step

    def explode(self: Optimizer) -> None:
        if self.steps + 1 < step:
            real(self)
            return
        for run in self._runs:
            size = run.end - run.begin
            run.buffer.assign(run.begin, np.full(size, np.inf, run.buffer.dtype))

    monkeypatch.setattr(Optimizer, "step", explode)
    with pytest.raises(FloatingPointError, match=r"^step \d+, epoch \d+: .* lower the learning r"):
        fit(model, CASES[name][1])
    assert_unchanged(model, before)


def test_resumed_without_its_checkpoint(name: str, tmp_path: Path) -> None:
    model = fit(make(name), CASES[name][1])
    before, path = state(model), tmp_path / "checkpoint"
    for error, options in (
        (ValueError, {}),
        (FileNotFoundError, {"checkpoint": path}),
        (FileNotFoundError, {"checkpoint": tmp_path / "no" / "c"}),
    ):
        with pytest.raises(error, match=r"checkpoint|No such file"):
            fit(model, CASES[name][1], resume=True, **options)
        assert_unchanged(model, before)
    fit(make(name, hidden_size=5), CASES[name][1], checkpoint=path)
    with pytest.raises(ValueError, match=r"cannot resume with another hidden_size"):
        fit(model, CASES[name][1], resume=True, checkpoint=path)
    assert_unchanged(model, before)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"checkpoint: damaged"):
        fit(model, CASES[name][1], resume=True, checkpoint=path)
    assert_unchanged(model, before)


def test_bad_data_and_hyperparameters(name: str) -> None:
    model = fit(make(name), CASES[name][1])
    before = state(model)
    with pytest.raises((TypeError, ValueError)):
        fit(model, tuple([] for _ in CASES[name][1]))
    assert_unchanged(model, before)
    cell = model.cell
    with pytest.raises(ValueError, match=r"^cell: "):
        fit(model.set_params(cell="cnn"), CASES[name][2])
    assert_unchanged(model.set_params(cell=cell), before)


def test_a_model_in_training_is_another_one(name: str, tmp_path: Path) -> None:
    """`progress.model` can be asked, saved and kept; the model itself answers as before."""
    model = fit(make(name), CASES[name][1])
    before, answer = state(model), repr(CASES[name][3](model))
    seen: list[Any] = []

    def look(progress: Progress) -> None:
        assert_unchanged(model, before)
        assert repr(CASES[name][3](model)) == answer
        if progress.epoch_ended:
            assert progress.model.history_ == progress.history
            progress.model.save(tmp_path / "m")
            loaded = rf.load(tmp_path / "m")
            assert (loaded.best_epoch_, len(loaded.history_)) == (0, progress.epoch)
            seen.append(progress.model)

    fit(model, CASES[name][2], callbacks=[look])
    assert len(seen) == 2 and model.network_ is seen[0].network_ is seen[1].network_
    assert model.stopped_ == "finished" and len(model.history_) == 2
    whole = fit(make(name), CASES[name][2])
    for key, array in collect_arrays(whole._modules()).items():
        np.testing.assert_array_equal(array, collect_arrays(model._modules())[key], err_msg=key)


def test_what_is_set_during_training_stays(name: str) -> None:
    model = make(name)
    model.mine = 1

    def change(progress: Progress) -> None:
        model.set_params(hidden_size=17)
        model.mine = 2

    fit(model, CASES[name][1], callbacks=[change])
    assert (model.hidden_size, model.mine) == (17, 2)
    assert not hasattr(model, "_parameters")


def test_ctrl_c_gives_what_there_is(name: str) -> None:
    model = fit(make(name), CASES[name][1])
    with pytest.warns(RuntimeWarning, match=r"^stopped by Ctrl-C in epoch 1 of 2, 1 step;"):
        fit(model, CASES[name][2], callbacks=[lambda p: os.kill(os.getpid(), signal.SIGINT)])
    assert model.stopped_ == "interrupt" and model.history_ == []


def test_ctrl_c_with_warnings_as_errors(name: str) -> None:
    """They are here: what tells of the end does not undo it."""
    model = make(name)
    with pytest.raises(RuntimeWarning, match=r"^stopped by Ctrl-C"):
        fit(model, CASES[name][1], callbacks=[lambda p: os.kill(os.getpid(), signal.SIGINT)])
    assert model.stopped_ == "interrupt"
    CASES[name][3](model)


@pytest.fixture
def busy_switching() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


# Questions that look at several of the attributes that a training changes.
QUESTIONS: dict[str, Callable[[Any], Any]] = {
    "classifier": lambda m: m.predict(["good bad", "x"]),
    "regressor": lambda m: m.predict(["good bad", "x"]),
    "tagger": lambda m: m.predict([["good", "x"]]),
    "forecaster": lambda m: m.predict(2),
    "language model": lambda m: m.next_tokens(k=2),
    "seq2seq": lambda m: m.predict(["good x"]),
}


@pytest.mark.usefixtures("busy_switching")
@pytest.mark.parametrize("name", QUESTIONS)
def test_a_thread_that_asks_meanwhile(name: str) -> None:
    """Every answer is that of the one training or of the other, never a mixture of both."""
    ask, data = QUESTIONS[name], CASES[name][1:3]
    model = fit(make(name), data[0])
    known = {repr(ask(model)), repr(ask(fit(make(name), data[1])))}
    assert len(known) == 2
    answers: set[str] = set()
    done, answered = threading.Event(), threading.Barrier(3)

    def serve() -> None:
        answers.add(repr(ask(model)))
        answered.wait(timeout=60)
        while not done.is_set():
            try:
                answers.add(repr(ask(model)))
            except Exception as error:
                answers.add(repr(error))

    threads = [threading.Thread(target=serve) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        answered.wait(timeout=60)  # both threads live, whoever gets a turn from now on
        for turn in range(12):
            fit(model, data[(turn + 1) % 2])
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert answers <= known
