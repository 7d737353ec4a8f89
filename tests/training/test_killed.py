"""Trainings that are ended by signals or killed: what is left, and how it goes on."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from command_line import LINES, SMALL, environment, start
from rnnfast.io.tensors import collect_arrays, kind_of, read_tensors
from rnnfast.training import Progress
from rnnfast.training.signals import InterruptFlag

if not hasattr(signal, "SIGKILL"):
    pytest.skip("a system without these signals", allow_module_level=True)

# Signals that end a process, and the code that a shell gives it then.
ENDS = {signal.SIGTERM: 143, signal.SIGHUP: 129}


@pytest.fixture(autouse=True)
def one_thread(set_threads: Callable[[int], None]) -> None:
    set_threads(1)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "corpus.txt"
    path.write_text("\n".join(LINES), encoding="utf-8")
    return path


# A command line that writes checkpoints after every step.
OFTEN = """
import sys, rnnfast.training.checkpointer as checkpointer
from rnnfast.__main__ import main
checkpointer._WITHIN = checkpointer._EVERY = 0.0
sys.exit(main(sys.argv[1:]))
"""


def start_often(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", OFTEN, *map(str, arguments)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until(done: Callable[[], bool], process: subprocess.Popen[str]) -> bool:
    """Wait until something is done or the process has ended; whether it is done."""
    deadline = time.monotonic() + 60
    while not done() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    return done()


def steps_in(checkpoint: Path) -> int:
    """Return how many steps were made, by a checkpoint; -1 without one."""
    if not checkpoint.exists():
        return -1
    try:
        return int(read_tensors(checkpoint, "checkpoint")[1]["position"]["step"])
    except FileNotFoundError:  # the training has just ended
        return -1


def epochs_in(checkpoint: Path) -> int:
    return int(read_tensors(checkpoint, "checkpoint")[1]["position"]["epoch"])


def open_writer(pipe: Path, process: subprocess.Popen[str]) -> int:
    """Open a pipe once the process reads from it."""
    descriptors: list[int] = []

    def opened() -> bool:
        with contextlib.suppress(OSError):  # as long as nobody reads
            descriptors.append(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        return bool(descriptors)

    assert wait_until(opened, process), process.communicate()
    return descriptors[0]


# The command line


@pytest.mark.parametrize("number", ENDS)
@pytest.mark.parametrize("quiet", [True, False])
def test_a_signal_saves_like_ctrl_c(
    corpus: Path, tmp_path: Path, number: signal.Signals, quiet: bool
) -> None:
    """The model is saved, the checkpoint is there to go on, the exit code is the shell's."""
    out = tmp_path / "m"
    options = [*SMALL, "--layers", 2, *(["-q"] if quiet else [])]
    process = start_often("train", corpus, "-o", out, "--epochs", 100_000, *options)
    checkpoint = tmp_path / "m.checkpoint"
    assert wait_until(lambda: checkpoint.exists() and epochs_in(checkpoint) > 0, process)
    process.send_signal(number)
    process.send_signal(number)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == ENDS[number], errors
    assert "Traceback" not in errors
    assert errors.splitlines()[-1] == f"rnnfast: stopped by {number.name}"
    assert f"stopped by {number.name} " in errors.splitlines()[-2]
    assert output == "" if quiet else f"saved     {out}" in output
    stopped = rf.load(out)
    assert stopped.stopped_ == "interrupt" and stopped.history_
    assert kind_of(tmp_path / "m.checkpoint") == "checkpoint"
    epochs = len(stopped.history_) + 2
    resumed = start("train", corpus, "-o", out, "--epochs", epochs, *options, "--resume")
    assert resumed.communicate(timeout=60) and resumed.returncode == 0
    assert len(rf.load(out).history_) == epochs


def test_a_process_under_nohup_goes_on(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "m"
    options: dict[str, Any] = {"preexec_fn": lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)}
    process = start("train", corpus, "-o", out, "--epochs", 40, *SMALL, **options)
    assert wait_until((tmp_path / "m.checkpoint").exists, process)
    process.send_signal(signal.SIGHUP)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert len(rf.load(out).history_) == 40


@pytest.mark.parametrize("number", ENDS)
def test_a_signal_before_the_first_step_saves_nothing(
    tmp_path: Path, number: signal.Signals
) -> None:
    """It waits for its corpus, a pipe to which nobody writes."""
    pipe, out = tmp_path / "pipe", tmp_path / "m"
    os.mkfifo(pipe)
    process = start("train", pipe, "-o", out, *SMALL)
    writer = open_writer(pipe, process)
    time.sleep(0.2)  # one that comes between opening and reading is seen after that only
    process.send_signal(number)
    output, errors = process.communicate(timeout=60)
    os.close(writer)
    assert (process.returncode, output) == (ENDS[number], "")
    assert errors == f"rnnfast: stopped by {number.name}\n"
    assert list(tmp_path.iterdir()) == [pipe]


def test_killed_at_any_time_and_resumed(corpus: Path, tmp_path: Path) -> None:
    """Killed at random times, again and again; the model in the end has the bits of one go."""
    rng = random.Random(7)
    out, whole = tmp_path / "m", tmp_path / "whole"
    options = ["--epochs", "60", *SMALL, "--dropout", "0.3", "--layers", "2", "-q"]

    def train(path: Path, *more: str) -> subprocess.Popen[str]:
        return start_often("train", corpus, "-o", path, *options, *more)

    process = train(whole)
    assert process.communicate(timeout=120) and process.returncode == 0
    steps = rf.load(whole).history_[-1]["step"]
    checkpoint = tmp_path / "m.checkpoint"
    places: list[int] = []
    for life in range(5):
        process = train(out, *(["--resume"] if checkpoint.exists() else []))
        if life == 2:  # while it imports
            time.sleep(rng.uniform(0.0, 0.5))
        else:
            aim = max([0, *places]) + rng.randint(1, int(steps) // 12)
            wait_until(lambda aim=aim: steps_in(checkpoint) >= aim, process)  # type: ignore[misc]
        process.kill()
        _, errors = process.communicate(timeout=60)
        if process.returncode == 0:  # this process slept for long
            break
        assert process.returncode == -signal.SIGKILL, errors
        places.append(steps_in(checkpoint))
    else:
        assert len(set(places)) > 2
        process = train(out, "--resume")
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    assert places == sorted(places)
    one, two = rf.load(whole), rf.load(out)
    arrays = collect_arrays(one._modules())
    for name, array in collect_arrays(two._modules()).items():
        np.testing.assert_array_equal(array, arrays[name], err_msg=name)
    assert [r["loss"] for r in one.history_] == [r["loss"] for r in two.history_]
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "corpus.txt", "m", "whole"
    ]  # fmt: skip


# In Python


TEXT = "the cat sat on the mat. the dog sat on the log. " * 12
SCRIPT = """
import os, signal, sys
import rnnfast as rf

def stop(progress):
    if progress.step == 3:
        os.kill(os.getpid(), signal.{signal})

{before}
lm = rf.LanguageModel(hidden_size=8, batch_size=4, sequence_length=16, seed=1)
lm.fit({text!r}, epochs=2, verbose=0, checkpoint="c", callbacks=[stop])
print("went on", lm.stopped_, len(lm.sample(max_length=5)))
"""


def run_script(tmp_path: Path, number: signal.Signals, before: str) -> tuple[int, str, str]:
    script = SCRIPT.format(signal=number.name, before=before, text=TEXT)
    (tmp_path / "c").unlink(missing_ok=True)
    process = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    return process.returncode, process.stdout, process.stderr


def fit(**options: Any) -> rf.LanguageModel:
    lm = rf.LanguageModel(hidden_size=8, batch_size=4, sequence_length=16, seed=1)
    return lm.fit(TEXT, epochs=2, verbose=0, **options)


def assert_same(first: rf.LanguageModel, second: rf.LanguageModel) -> None:
    arrays = collect_arrays(second._modules())
    for name, array in collect_arrays(first._modules()).items():
        np.testing.assert_array_equal(array, arrays[name], err_msg=name)


@pytest.mark.parametrize("number", ENDS)
def test_a_process_ends_with_its_checkpoint(tmp_path: Path, number: signal.Signals) -> None:
    """By default a signal ends it, as it would have; but what it has done is on the disk."""
    code, output, errors = run_script(tmp_path, number, "")
    assert (code, output) == (-number, "")
    assert f"stopped by {number.name} in epoch 1 of 2, 3 steps" in errors
    assert_same(fit(checkpoint=tmp_path / "c", resume=True), fit())


def test_a_handler_of_the_program_comes_after(tmp_path: Path) -> None:
    """It is called when the model is whole; training has ended by the signal all the same."""
    code, output, _ = run_script(
        tmp_path,
        signal.SIGTERM,
        "signal.signal(signal.SIGTERM, lambda *_: print('handled', lm.stopped_))",
    )
    assert (code, output) == (0, "handled interrupt\nwent on interrupt 5\n")
    code, output, _ = run_script(
        tmp_path, signal.SIGTERM, "signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))"
    )
    assert (code, output) == (3, "")
    code, output, _ = run_script(
        tmp_path, signal.SIGTERM, "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    )
    assert (code, output) == (0, "went on finished 5\n")


def test_handlers_are_put_back() -> None:
    numbers = [signal.SIGINT, *ENDS]
    before = [signal.getsignal(number) for number in numbers]
    for error in (None, RuntimeError("trouble")):
        try:
            with InterruptFlag() as flag:
                assert all(signal.getsignal(n) == flag._handle for n in numbers)
                if error is not None:
                    raise error
        except RuntimeError:
            assert error is not None
        assert [signal.getsignal(number) for number in numbers] == before


def test_signals_are_the_main_threads() -> None:
    seen: list[Any] = []

    def look(progress: Progress) -> None:
        seen.append(signal.getsignal(signal.SIGTERM))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=fit, kwargs={"callbacks": [look]})
    thread.start()
    thread.join()
    assert seen and set(seen) == {before}


def test_the_first_signal_is_told_and_passed_on() -> None:
    passed: list[int] = []
    previous = signal.signal(signal.SIGTERM, lambda number, frame: passed.append(number))
    try:
        with InterruptFlag() as flag:
            assert flag.by == ""
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)
            assert flag.by == "SIGTERM" and passed == []
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
        assert passed == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, previous)
