"""The training loop, on a problem of least squares of which everything is known."""

from __future__ import annotations

import io
import itertools
import math
import os
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnfast.io.tensors import read_tensors, write_tensors
from rnnfast.nn.module import Module
from rnnfast.training import Progress, TrainingLoop
from rnnfast.training.averaging import ExponentialAverage, MeanAverage
from rnnfast.training.optimizers import SGD, Adam
from rnnfast.training.progress import Reporter, perplexity_of
from rnnfast.training.schedules import CosineLR, ReduceOnPlateau
from rnnfast.training.signals import InterruptFlag
from spoiled import spoil

TRUE = np.array([2.0, -1.0, 0.5])
ROWS, BATCH = 40, 8
EPOCH = ROWS // BATCH


class Problem:
    """Fit w in ``y = x w``. Each step draws from the generator, as dropout does, and carries."""

    def __init__(self, seed: int = 0, lr: float = 0.1, schedule: Any = None, **options: Any):
        self.rng = np.random.default_rng(seed)
        self.layer = Module({"w": (3,), "unused": (2,)}, "float64")
        self.x = np.random.default_rng(1).normal(size=(ROWS, 3))
        self.carry: dict[str, np.ndarray] = {}
        optimizer = Adam(self.layer, lr)
        self.trainer = TrainingLoop(
            self.step,
            self.batches,
            {"layer": self.layer},
            optimizer,
            self.rng,
            carry=self.carry,
            schedule=schedule(optimizer) if schedule else None,
            validate=self.validate if options.pop("validated", False) else None,
            **options,
        )

    def batches(self, rng: np.random.Generator) -> list[np.ndarray]:
        return np.split(rng.permutation(ROWS), EPOCH)

    def step(self, rows: np.ndarray) -> tuple[float, int]:
        carried = self.carry.get("mean", np.zeros(1))
        noise = self.rng.normal(size=rows.size)
        error = self.x[rows] @ (self.w - TRUE) + 0.01 * (noise + carried)
        self.carry["mean"] = np.array([error.mean()])
        self.layer.grads["w"] += 2 * error @ self.x[rows]
        return float(error @ error), rows.size

    @property
    def w(self) -> np.ndarray:
        return self.layer.parameters()["w"].data

    def validate(self) -> dict[str, float]:
        return {"valid_loss": float(np.sum((self.w - TRUE) ** 2))}


def without_seconds(history: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{k: v for k, v in record.items() if k != "seconds"} for record in history]


def test_learns_and_keeps_a_history() -> None:
    problem = Problem()
    problem.trainer.run(60)
    np.testing.assert_allclose(problem.w, TRUE, atol=0.02)
    history = problem.trainer.history
    assert problem.trainer.stopped == "finished"
    assert [record["epoch"] for record in history] == list(range(1, 61))
    assert [record["step"] for record in history] == list(range(EPOCH, 61 * EPOCH, EPOCH))
    assert all(record["count"] == ROWS and record["learning_rate"] == 0.1 for record in history)
    assert history[-1]["loss"] < 1e-3 < history[0]["loss"]
    assert problem.trainer.best_epoch == 0


def test_divides_by_the_number_of_terms() -> None:
    """One step of gradient descent, by hand."""
    problem = Problem()
    problem.trainer.optimizer = SGD(problem.layer, 0.5)
    rows = np.arange(ROWS)
    problem.trainer.batches = lambda rng: [rows]
    start = problem.w.copy()
    problem.trainer.run(1)
    mean_gradient = problem.layer.grads["w"]  # as the trainer left it
    np.testing.assert_allclose(problem.w, start - 0.5 * mean_gradient, rtol=1e-15)
    noise = np.random.default_rng(0)
    noise.integers(2**63)  # the seed of the epoch's batches
    error = problem.x @ (start - TRUE) + 0.01 * noise.normal(size=ROWS)
    np.testing.assert_allclose(mean_gradient, 2 * error @ problem.x / ROWS, rtol=1e-12)
    assert problem.trainer.history[0]["loss"] == pytest.approx(error @ error / ROWS, rel=1e-12)
    norm = np.linalg.norm(mean_gradient)
    assert problem.trainer.history[0]["gradient_norm"] == pytest.approx(norm, rel=1e-12)


@pytest.mark.parametrize("stop", [1, 3, EPOCH, EPOCH + 1, 4 * EPOCH - 1])
@pytest.mark.parametrize("validated", [False, True])
def test_resumed_is_uninterrupted(tmp_path: Path, stop: int, validated: bool) -> None:
    options: dict[str, Any] = {
        "validated": validated,
        "schedule": lambda optimizer: CosineLR(optimizer, 4 * EPOCH),
        "identity": {"name": "least squares", "sizes": (3, 4)},
    }
    whole = Problem(**options)
    whole.trainer.run(4)
    path = tmp_path / "run.checkpoint"
    stopped = Problem(checkpoint=path, callbacks=[lambda p: p.step == stop], **options)
    stopped.trainer.run(4)
    assert stopped.trainer.stopped == "callback"
    assert not np.array_equal(stopped.w, whole.w)
    resumed = Problem(seed=99, checkpoint=path, **options)
    resumed.trainer.run(4, resume=True)
    np.testing.assert_array_equal(resumed.w, whole.w)
    assert without_seconds(resumed.trainer.history) == without_seconds(whole.trainer.history)
    assert resumed.trainer.best_epoch == whole.trainer.best_epoch == (4 if validated else 0)


def test_a_finished_training_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "run.checkpoint"
    whole = Problem()
    whole.trainer.run(5)
    Problem(checkpoint=path).trainer.run(2)
    resumed = Problem(seed=5, checkpoint=path)
    resumed.trainer.run(5, resume=True)
    np.testing.assert_array_equal(resumed.w, whole.w)


def test_plateau_resumes(tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "validated": True,
        "lr": 2.0,
        "schedule": lambda optimizer: ReduceOnPlateau(optimizer, factor=0.5, patience=0),
    }
    whole = Problem(**options)
    whole.trainer.run(12)
    rates = [record["learning_rate"] for record in whole.trainer.history]
    assert rates[0] == 2.0 > rates[-1]
    path = tmp_path / "c"
    # Before the first figure, the best one is infinite.
    Problem(checkpoint=path, callbacks=[lambda p: p.step == 2], **options).trainer.run(12)
    resumed = Problem(checkpoint=path, **options)
    resumed.trainer.run(12, resume=True)
    np.testing.assert_array_equal(resumed.w, whole.w)


def test_resuming_another_training_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c"
    Problem(checkpoint=path, identity={"size": 3}).trainer.run(1)
    other = Problem(checkpoint=path, identity={"size": 4})
    before = other.w.copy()
    with pytest.raises(ValueError, match=r"c: cannot resume with another size: expected 3, got 4$"):
        other.trainer.run(2, resume=True)
    np.testing.assert_array_equal(other.w, before)


@pytest.mark.parametrize("group", ["weights", "optimizer", "average", "schedule", "rng"])
def test_a_resumption_that_fails_changes_nothing(tmp_path: Path, group: str) -> None:
    """Whichever part does not fit, all that the others would have changed is as it was."""
    path = tmp_path / "c"

    def make(**options: Any) -> Problem:
        problem = Problem(
            checkpoint=path, schedule=lambda optimizer: CosineLR(optimizer, 30), **options
        )
        problem.trainer.average = ExponentialAverage(problem.layer, 0.9)
        return problem

    make().trainer.run(2)
    arrays, description = read_tensors(path, "checkpoint")
    if group in ("schedule", "rng"):
        description[group] = {"step": 3} if group == "schedule" else {"bit_generator": "none"}
    else:
        del arrays[[name for name in arrays if name.startswith(group)][-1]]
    write_tensors(path, "checkpoint", arrays, description)
    problem = make(seed=4)
    trainer = problem.trainer
    if group == "weights":  # one that has steps behind it
        trainer.run(1)
    write_tensors(path, "checkpoint", arrays, description)
    average, schedule = trainer.average, trainer.schedule
    assert average is not None and isinstance(schedule, CosineLR)
    before = [
        problem.w.copy(), trainer.optimizer.state_dict(), average.state_dict(),
        schedule.state_dict(), problem.rng.bit_generator.state, dict(problem.carry),
        list(trainer.history), trainer.steps,
    ]  # fmt: skip
    average.restore()
    before[0] = problem.w.copy()
    with pytest.raises(ValueError, match=r"c: "):
        trainer.run(3, resume=True)
    after = [
        problem.w, trainer.optimizer.state_dict(), average.state_dict(),
        schedule.state_dict(), problem.rng.bit_generator.state, dict(problem.carry),
        trainer.history, trainer.steps,
    ]  # fmt: skip
    for one, two in zip(before, after, strict=True):
        np.testing.assert_equal(one, two)


def test_resuming_needs_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^checkpoint: expected a path to resume from, got None$"):
        Problem().trainer.run(2, resume=True)
    message = r"^\[Errno 2\] checkpoint: expected an unfinished training to resume, got no file; "
    with pytest.raises(FileNotFoundError, match=message + r"resume=False begins anew: '.*none'$"):
        Problem(checkpoint=tmp_path / "none").trainer.run(2, resume=True)


def test_damaged_checkpoints_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "c"
    Problem(checkpoint=path).trainer.run(1)
    content = path.read_bytes()
    for cut in (0, 7, 100, len(content) - 1):
        path.write_bytes(content[:cut])
        with pytest.raises(ValueError, match=r"c: damaged, cut short or not a safetensors file"):
            Problem(checkpoint=path).trainer.run(2, resume=True)
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ValueError, match=r"c: damaged: its content does not match its checksum"):
        Problem(checkpoint=path).trainer.run(2, resume=True)


def test_checkpoint_that_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "no" / "c"
    with pytest.raises(FileNotFoundError, match=r"checkpoint: its folder does not exist"):
        Problem(checkpoint=path)  # before any training
    path.parent.mkdir()
    trainer = Problem(checkpoint=path).trainer
    path.parent.rmdir()
    with pytest.raises(FileNotFoundError, match=r"not written"):
        trainer.run(1)


def test_two_trainings_that_begin_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The place of a checkpoint is one training's, also between looking and writing."""
    path = tmp_path / "c"
    Problem(checkpoint=path).trainer.run(1)
    other = path.read_bytes()
    path.unlink()
    exists = os.path.lexists

    def look(name: Any) -> bool:
        found = exists(name)
        if not found and os.fspath(name) == str(path):
            path.write_bytes(other)  # by another process, right after
        return found

    monkeypatch.setattr("os.path.lexists", look)
    with pytest.raises(FileExistsError, match="not written, File exists"):
        Problem(checkpoint=path).trainer.run(2)
    assert path.read_bytes() == other


def test_a_checkpoint_of_another_training_is_not_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By one that fails and finds it in the place of its own."""
    path = tmp_path / "c"
    Problem(checkpoint=tmp_path / "other").trainer.run(1)

    def fail(progress: Progress) -> None:
        os.replace(tmp_path / "other", path)
        raise RuntimeError("mine")

    problem = Problem(checkpoint=path, callbacks=[fail])
    monkeypatch.setattr(
        "rnnfast.training.checkpointer.Checkpointer.write",
        lambda self, first=False: path.write_bytes(b"first") if first else None,
    )
    with pytest.raises(RuntimeError, match="mine"):
        problem.trainer.run(2)
    assert len(path.read_bytes()) > 100


def test_early_stopping_keeps_the_best() -> None:
    problem = Problem()
    figures = iter([5.0, 3.0, 4.0, 2.0, 2.0, 2.5, 1.0])
    weights: list[np.ndarray] = []

    def validate() -> dict[str, float]:
        weights.append(problem.w.copy())
        return {"valid_loss": next(figures), "other": -1.0}

    problem.trainer.validate, problem.trainer.patience = validate, 2
    problem.trainer.run(7)
    assert problem.trainer.stopped == "patience"
    assert problem.trainer.best_epoch == 4
    assert [r["valid_loss"] for r in problem.trainer.history] == [5.0, 3.0, 4.0, 2.0, 2.0, 2.5]
    assert problem.trainer.history[0]["other"] == -1.0
    np.testing.assert_array_equal(problem.w, weights[3])


def test_a_figure_to_maximize() -> None:
    problem = Problem(monitor="accuracy", maximize=True)
    figures = iter([0.5, 0.9, 0.9, 0.7])
    problem.trainer.validate = lambda: {"accuracy": next(figures)}
    problem.trainer.run(4)
    assert problem.trainer.best_epoch == 2


def test_patience_survives_a_resumption(tmp_path: Path) -> None:
    options: dict[str, Any] = {"checkpoint": tmp_path / "c", "patience": 2}
    first = Problem(validated=True, **options)
    first.trainer.validate = lambda: {"valid_loss": 1.0}
    first.trainer.run(9)
    assert (first.trainer.stopped, len(first.trainer.history)) == ("patience", 3)
    second = Problem(validated=True, **options)
    second.trainer.run(9, resume=True)
    assert (second.trainer.stopped, len(second.trainer.history)) == ("patience", 3)


@pytest.mark.parametrize(("max_norm", "max_value"), [(0.5, None), (None, 0.1), (0.15, 0.1)])
def test_clipping(max_norm: float | None, max_value: float | None) -> None:
    problem = Problem(max_norm=max_norm, max_value=max_value)
    seen: list[np.ndarray] = []
    optimizer_step = problem.trainer.optimizer.step
    problem.trainer.optimizer.step = lambda: (  # type: ignore[method-assign]
        seen.append(problem.layer.grads["w"].copy()),
        optimizer_step(),
    )
    problem.trainer.run(1)
    assert len(seen) == EPOCH
    norms = np.array([np.linalg.norm(gradient) for gradient in seen])
    sizes = np.abs(seen).max(axis=1)
    if max_norm is not None:
        assert norms.max() == pytest.approx(max_norm, rel=1e-5) and norms.max() <= max_norm
    if max_value is not None:
        assert sizes.max() <= max_value
    assert problem.trainer.history[0]["gradient_norm"] >= norms.max()


def test_infinite_loss_stops() -> None:
    problem = Problem(lr=0.25)
    problem.trainer.step = lambda rows: (math.inf, 8)
    problem.layer.parameters()["w"].assign([1.0, -2.0, 0.0])
    message = (
        r"^step 1, epoch 1: the loss is inf "
        r"\(all weights are finite, the largest is 2 in layer\.w\); "
        r"lower the learning rate, 0\.25 now, or cut gradients harder$"
    )
    with pytest.raises(FloatingPointError, match=message):
        problem.trainer.run(1)


def test_an_error_leaves_the_best_weights() -> None:
    problem = Problem(validated=True)
    good = problem.step
    problem.trainer.step = lambda rows: (
        good(rows) if problem.trainer.optimizer.steps < EPOCH + 2 else (math.nan, 8)
    )
    with pytest.raises(FloatingPointError, match=r"^step 8, epoch 2: the loss is nan"):
        problem.trainer.run(2)
    assert problem.trainer.stopped == "error"
    best = Problem()
    best.trainer.run(1)
    np.testing.assert_array_equal(problem.w, best.w)


@pytest.mark.parametrize("step", [2, EPOCH + 2])
@pytest.mark.parametrize("averaged", [False, True])
def test_no_weights_are_left_that_are_not_finite(step: int, averaged: bool) -> None:
    """Without validation there are no best ones: those from before the epoch are put back."""
    problem, before = Problem(), []
    if averaged:
        problem.trainer.average = MeanAverage(problem.layer)
    start, optimizer_step = problem.w.copy(), problem.trainer.optimizer.step

    def explode() -> None:
        optimizer_step()
        if problem.trainer.optimizer.steps == step:
            spoil(problem.layer.parameters()["w"], [np.nan, 1.0, np.inf])

    def keep(progress: Progress) -> None:
        if progress.epoch_ended:
            average = problem.trainer.average
            with nullcontext() if average is None else average.applied():
                before.append(problem.w.copy())

    problem.trainer.optimizer.step = explode  # type: ignore[method-assign]
    problem.trainer.callbacks = [keep]
    with pytest.raises(FloatingPointError):
        problem.trainer.run(3)
    np.testing.assert_array_equal(problem.w, before[-1] if before else start)
    assert len(before) == (step > EPOCH)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_another_error_leaves_the_weights_of_the_last_step(error: type[BaseException]) -> None:
    problem, seen = Problem(), []

    def fail(progress: Progress) -> None:
        seen.append(problem.w.copy())
        if progress.step == EPOCH + 2:
            raise error

    problem.trainer.callbacks = [fail]
    with pytest.raises(error):
        problem.trainer.run(3)
    np.testing.assert_array_equal(problem.w, seen[-1])


def test_what_finishes_a_training() -> None:
    """It is called when the weights are those that stay, and not after an error."""
    problem = Problem(validated=True)
    weights: list[np.ndarray] = []

    def validate() -> dict[str, float]:
        weights.append(problem.w.copy())
        return {"valid_loss": [2.0, 1.0, 3.0][len(weights) - 1]}

    problem.trainer.validate = validate
    finished: list[np.ndarray] = []
    problem.trainer.finish = lambda: finished.append(problem.w.copy())
    problem.trainer.run(3)
    assert len(finished) == 1
    np.testing.assert_array_equal(finished[0], weights[1])
    failed = Problem(callbacks=[lambda p: 1 / 0])
    failed.trainer.finish = lambda: finished.append(failed.w)
    with pytest.raises(ZeroDivisionError):
        failed.trainer.run(1)
    assert len(finished) == 1


def test_gradient_that_is_not_finite_stops_before_the_step() -> None:
    problem = Problem()
    good = problem.step

    def step(rows: np.ndarray) -> tuple[float, int]:
        result = good(rows)
        if problem.trainer.optimizer.steps == 6:
            problem.layer.grads["w"][1] = np.nan
        return result

    problem.trainer.step = step
    with pytest.raises(
        FloatingPointError, match=r"^step 7, epoch 2: gradient of layer\.w: expected finite numbers"
    ) as error:
        problem.trainer.run(2)
    assert "(not finite: gradient of layer.w)" in str(error.value)
    assert np.isfinite(problem.w).all()


def test_numbers_that_a_layer_refuses_stop_training() -> None:
    problem = Problem()

    def step(rows: np.ndarray) -> tuple[float, int]:
        raise ValueError("h: expected finite numbers, got NaN or infinity")

    problem.trainer.step = step
    with pytest.raises(FloatingPointError, match=r"^step 1, epoch 1: h: expected finite numbers"):
        problem.trainer.run(1)

    def wrong(rows: np.ndarray) -> tuple[float, int]:
        raise ValueError("x: expected shape (3,), got (4,)")

    problem.trainer.step = wrong
    with pytest.raises(ValueError, match=r"^x: expected shape \(3,\), got \(4,\)$"):
        problem.trainer.run(1)


def test_weight_and_figure_that_are_not_finite_stop() -> None:
    problem = Problem()
    optimizer_step = problem.trainer.optimizer.step

    def step() -> None:
        optimizer_step()
        spoil(problem.layer.parameters()["unused"], [np.inf, 0.0])

    problem.trainer.optimizer.step = step  # type: ignore[method-assign]
    with pytest.raises(
        FloatingPointError, match=r"a weight is not finite \(.*weight layer\.unused"
    ):
        problem.trainer.run(1)
    problem = Problem()
    problem.trainer.validate = lambda: {"valid_loss": math.nan}
    with pytest.raises(FloatingPointError, match=r"^epoch 1: valid_loss is nan$"):
        problem.trainer.run(1)


def test_batches_without_terms() -> None:
    problem = Problem()
    good, calls = problem.step, iter(range(100))
    problem.trainer.step = lambda rows: good(rows) if next(calls) % 2 else (0.0, 0)
    problem.trainer.run(1)
    assert problem.trainer.optimizer.steps == 2
    problem = Problem()
    problem.trainer.batches = lambda rng: []
    with pytest.raises(ValueError, match=r"^batches: expected something to predict"):
        problem.trainer.run(1)


def test_arguments() -> None:
    with pytest.raises(ValueError, match=r"^epochs: expected at least 1, got 0$"):
        Problem().trainer.run(0)
    with pytest.raises(TypeError, match=r"^epochs: expected an integer, got float$"):
        Problem().trainer.run(1.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^patience: expected None without validation"):
        Problem(patience=3)
    with pytest.raises(ValueError, match=r"^patience: expected at least 1, got 0$"):
        Problem(patience=0, validated=True)


def test_unknown_figure_to_monitor() -> None:
    problem = Problem(validated=True, monitor="accuracy")
    with pytest.raises(ValueError, match=r"^monitor: expected one of valid_loss, got 'accuracy'$"):
        problem.trainer.run(1)


def test_callbacks_see_every_step_and_epoch() -> None:
    seen: list[Progress] = []
    Problem(callbacks=[seen.append], validated=True).trainer.run(2)
    assert [p.step for p in seen if not p.epoch_ended] == list(range(1, 2 * EPOCH + 1))
    ends = [p for p in seen if p.epoch_ended]
    assert [(p.epoch, p.epochs, p.step) for p in ends] == [(1, 2, EPOCH), (2, 2, 2 * EPOCH)]
    assert all(math.isfinite(p.loss) for p in seen)


# Ctrl-C


def press_ctrl_c(progress: Progress) -> None:
    if progress.step == EPOCH + 2:
        os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_ends_after_the_step(tmp_path: Path) -> None:
    whole = Problem()
    whole.trainer.run(4)
    path = tmp_path / "c"
    before = signal.getsignal(signal.SIGINT)
    problem = Problem(checkpoint=path, callbacks=[press_ctrl_c])
    with pytest.warns(
        RuntimeWarning, match=r"^stopped by Ctrl-C in epoch 2 of 4, 7 steps; weights of the last"
    ):
        problem.trainer.run(4)
    assert problem.trainer.stopped == "interrupt"
    assert signal.getsignal(signal.SIGINT) is before
    resumed = Problem(checkpoint=path)
    resumed.trainer.run(4, resume=True)
    np.testing.assert_array_equal(resumed.w, whole.w)


def test_ctrl_c_keeps_the_best_weights() -> None:
    stream = io.StringIO()
    problem = Problem(callbacks=[press_ctrl_c], validated=True, reporter=Reporter(1, stream=stream))
    problem.trainer.run(4)
    last = stream.getvalue().splitlines()[-1]
    assert last.startswith("stopped by Ctrl-C in epoch 2 of 4, 7 steps; weights of epoch 1 kept")
    best = Problem()
    best.trainer.run(1)
    np.testing.assert_array_equal(problem.w, best.w)


def test_second_ctrl_c_ends_at_once() -> None:
    with InterruptFlag() as flag:
        os.kill(os.getpid(), signal.SIGINT)
        assert flag.by == "Ctrl-C"
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_other_threads_and_handlers_keep_their_signals() -> None:
    problem = Problem()
    thread = threading.Thread(target=problem.trainer.run, args=(1,))
    thread.start()
    thread.join()
    assert len(problem.trainer.history) == 1
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with InterruptFlag():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


# What is shown


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(stream: io.StringIO, verbose: int, **options: Any) -> str:
    Problem(
        validated=True, reporter=Reporter(verbose, "char", True, stream), **options
    ).trainer.run(3)
    return stream.getvalue()


def test_one_line_an_epoch_where_there_is_no_terminal() -> None:
    for stream, verbose in ((io.StringIO(), 1), (Terminal(), 2)):
        lines = shown(stream, verbose).splitlines()
        assert len(lines) == 4
        for number, line in enumerate(lines[:3]):
            assert line.startswith(f"epoch {number + 1}/3: loss ")
            assert ", perplexity " in line and ", valid " in line and " char/s, " in line
            assert re.search(r", \d+\.\d s, 00:0\d left$" if number < 2 else r", \d+\.\d s$", line)
        assert lines[3].startswith("3 epochs made, 15 steps; weights of epoch 3 kept (valid_loss ")


def test_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnnfast.training.progress._BAR_EVERY", 0.0)
    text = shown(
        Terminal(), 1, callbacks=[lambda p: p.write(f"<{p.step}>") if p.epoch_ended else None]
    )
    assert re.search(
        r"epoch 3/3: loss \S+, perplexity \S+, valid \S+, \S+ char/s, 00:00 left", text
    )
    assert "<5>" in text and "<15>" in text


def test_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps of 90 seconds: 2 epochs of 3, the first resumed after its first step."""
    now = itertools.count(0.0, 90.0)
    monkeypatch.setattr("rnnfast.training.progress.time.perf_counter", lambda: next(now))
    stream = io.StringIO()
    reporter = Reporter(2, unit="word", stream=stream)
    reporter.start_epoch(0, 2, 1, 3)
    reporter.update(2.0, 900)
    assert stream.getvalue() == "epoch 1/2: loss 2, 10 word/s, 06:00 left\n"
    reporter.update(2.0, 900)
    reporter.start_epoch(1, 2, 0, 60)
    reporter.update(1.0, 900)
    assert stream.getvalue().endswith("epoch 2/2: loss 1, 10 word/s, 1:28:30 left\n")


def test_time_left_counts_what_ends_an_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps of 10 seconds, 2 an epoch, and 100 more for its validation."""
    now = iter([0.0, 0.0, 10.0, 20.0, 120.0, 120.0, 130.0])
    monkeypatch.setattr("rnnfast.training.progress.time.perf_counter", lambda: next(now))
    monkeypatch.setattr("rnnfast.training.progress._LINE_EVERY", 0.0)
    stream = io.StringIO()
    reporter = Reporter(2, unit="word", stream=stream)
    reporter.start_epoch(0, 3, 0, 2)
    reporter.update(2.0, 100)
    reporter.update(2.0, 100)
    reporter.end_epoch({"loss": 2.0, "valid_loss": 2.0, "seconds": 120.0})
    reporter.start_epoch(1, 3, 0, 2)
    reporter.update(1.0, 100)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "epoch 1/3: loss 2, 10 word/s, 00:50 left"  # what it can know
    assert lines[2].endswith("valid 2, 10 word/s, 120.0 s, 04:00 left")
    assert lines[3].endswith("valid 2, 10 word/s, 03:50 left")


def test_callbacks_are_given_the_optimizer() -> None:
    rates: list[float] = []
    problem = Problem(callbacks=[lambda progress: rates.append(progress.optimizer.lr)])
    problem.trainer.run(1)
    assert rates and rates[-1] == problem.trainer.optimizer.lr


def test_silence() -> None:
    assert shown(Terminal(), 0) == ""


def test_batches_without_a_length_are_shown_too() -> None:
    stream = Terminal()
    problem = Problem(reporter=Reporter(1, stream=stream))

    def batches(rng: np.random.Generator) -> Iterator[np.ndarray]:
        yield from np.split(rng.permutation(ROWS), EPOCH)

    problem.trainer.batches = batches
    problem.trainer.run(2)
    assert "2 epochs made" in stream.getvalue()


def test_perplexity_does_not_overflow() -> None:
    assert perplexity_of(0.0) == 1.0
    assert perplexity_of(1e6) == math.inf


# --- averages of the weights ------------------------------------------------------------------


def test_average_is_validated_kept_and_resumed(tmp_path: Path) -> None:
    def make(**options: Any) -> Problem:
        problem = Problem(validated=True, **options)
        problem.trainer.average = ExponentialAverage(problem.layer, 0.9)
        return problem

    whole = make()
    weights: list[np.ndarray] = []
    whole.trainer.callbacks = [lambda p: None if p.epoch_ended else weights.append(whole.w.copy())]
    whole.trainer.run(3)
    shares = 0.9 ** np.arange(3 * EPOCH - 1, -1, -1)
    expected = np.tensordot(shares / shares.sum(), weights, 1)
    assert whole.trainer.best_epoch == 3
    np.testing.assert_allclose(whole.w, expected, rtol=1e-12)
    assert whole.trainer.history[-1]["valid_loss"] == whole.validate()["valid_loss"]
    path = tmp_path / "c"
    make(checkpoint=path, callbacks=[lambda p: p.step == EPOCH + 2]).trainer.run(3)
    resumed = make(seed=8, checkpoint=path)
    resumed.trainer.run(3, resume=True)
    np.testing.assert_array_equal(resumed.w, whole.w)


def test_average_without_validation_is_what_remains() -> None:
    problem = Problem()
    problem.trainer.average = MeanAverage(problem.layer, start=EPOCH)
    weights: list[np.ndarray] = []
    problem.trainer.callbacks = [lambda p: None if p.epoch_ended else weights.append(problem.w + 0)]
    problem.trainer.run(2)
    np.testing.assert_allclose(problem.w, np.mean(weights[EPOCH:], axis=0), rtol=1e-12)
    problem.trainer.run(3)  # goes on from the weights in training
    np.testing.assert_allclose(problem.w, np.mean(weights[EPOCH:], axis=0), rtol=1e-12)
    assert len(weights) == 3 * EPOCH
