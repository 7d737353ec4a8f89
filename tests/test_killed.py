"""Trainings that are ended by signals or killed: what is left, and how it goes on."""

from __future__ import annotations

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
from rnnfast import _files
from rnnfast._files import write_atomically
from rnnfast._signals import InterruptFlag
from rnnfast._tensors import collect_arrays, kind_of, read_tensors
from rnnfast.training import Progress

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


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not path.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert path.exists()


# The command line


@pytest.mark.parametrize("number", ENDS)
@pytest.mark.parametrize("quiet", [True, False])
def test_a_signal_saves_like_ctrl_c(
    corpus: Path, tmp_path: Path, number: signal.Signals, quiet: bool
) -> None:
    """The model is saved, the checkpoint is there to go on, the exit code is the shell's."""
    out = tmp_path / "m"
    options = [*SMALL, "--layers", 2, *(["-q"] if quiet else [])]
    process = start("train", corpus, "-o", out, "--epochs", 100_000, *options)
    wait_for(tmp_path / "m.checkpoint", process)
    time.sleep(0.3)
    process.send_signal(number)
    process.send_signal(number)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == ENDS[number], errors
    assert "Traceback" not in errors
    assert errors.splitlines()[-1] == f"rnnfast: stopped by {number.name}"
    assert f"stopped by {number.name} " in errors.splitlines()[-2]
    assert f"saved     {out}" in output
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
    wait_for(tmp_path / "m.checkpoint", process)
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
    writer = os.open(pipe, os.O_WRONLY)  # waits until it reads
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
    # Checkpoints after every step, of all that changes from step to step.
    script = tmp_path / "train.py"
    script.write_text(
        "import sys, rnnfast.training\n"
        "from rnnfast.__main__ import main\n"
        "rnnfast.training._CHECKPOINT_WITHIN = rnnfast.training._CHECKPOINT_EVERY = 0.0\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    options = ["--epochs", "60", *SMALL, "--dropout", "0.3", "--layers", "2", "-q"]

    def train(path: Path, *more: str) -> subprocess.Popen[bytes]:
        arguments = ["train", corpus, "-o", path, *options, *more]
        command = [sys.executable, script, *map(str, arguments)]
        return subprocess.Popen(
            command,
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    def version(path: Path) -> int:
        return path.stat().st_mtime_ns if path.exists() else 0

    def wait_for_a_step(process: subprocess.Popen[bytes], path: Path) -> None:
        before, deadline = version(path), time.monotonic() + 60
        while version(path) == before and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)

    process = train(whole)
    wait_for_a_step(process, tmp_path / "whole.checkpoint")
    began = time.monotonic()
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    seconds = time.monotonic() - began
    checkpoint = tmp_path / "m.checkpoint"
    places: list[int] = []
    for life in range(6):
        process = train(out, *(["--resume"] if checkpoint.exists() else []))
        if life == 5:
            break
        if life == 2:  # while it imports
            time.sleep(rng.uniform(0.0, 0.5))
        else:
            wait_for_a_step(process, checkpoint)
            time.sleep(rng.uniform(0.0, 0.15) * seconds)
        process.kill()
        _, errors = process.communicate(timeout=60)
        assert process.returncode in (0, -signal.SIGKILL), errors
        places.append(read_tensors(checkpoint, "checkpoint")[1]["position"]["step"])
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert places == sorted(places) and len(set(places)) > 2
    one, two = rf.load(whole), rf.load(out)
    arrays = collect_arrays(one._modules())
    for name, array in collect_arrays(two._modules()).items():
        np.testing.assert_array_equal(array, arrays[name], err_msg=name)
    assert [r["loss"] for r in one.history_] == [r["loss"] for r in two.history_]
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "corpus.txt", "m", "train.py", "whole"
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


# Checkpoints within an epoch


@pytest.mark.parametrize(
    "make",
    [
        lambda **o: fit(**o),
        lambda **o: rf.SequenceTagger(
            hidden_size=4, batch_size=3, dropout=0.3, averaging="ema", schedule="plateau",
            epochs=3, seed=2, verbose=0,
        ).fit([["a", "b"], ["b"], ["a"]] * 8, [[1, 2], [2], [1]] * 8, **o),
        lambda **o: rf.Seq2Seq(
            hidden_size=4, batch_size=3, sampling=0.5, dropout=0.3, schedule="step",
            epochs=3, seed=2, verbose=0,
        ).fit(["a b", "b", "a"] * 8, ["c d", "d", "c"] * 8, **o),
    ],
    ids=["language model", "tagger", "seq2seq"],
)  # fmt: skip
def test_a_checkpoint_in_the_middle_of_an_epoch(
    make: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As often as once a step: whichever is left when the process dies, the bits are those."""
    monkeypatch.setattr("rnnfast.training._CHECKPOINT_WITHIN", 0.0)
    path, kept = tmp_path / "c", {}

    def keep(progress: Progress) -> None:
        kept[progress.step, progress.epoch_ended] = path.read_bytes()

    whole = make(checkpoint=path, callbacks=[keep])
    assert len(set(kept.values())) >= whole.history_[-1]["step"]
    for content in list(kept.values())[::3]:
        path.write_bytes(content)
        resumed = make(checkpoint=path, resume=True)
        assert_same(resumed, whole)
        assert [r["loss"] for r in resumed.history_] == [r["loss"] for r in whole.history_]


def test_how_often_checkpoints_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within an epoch every two minutes, by a clock on which a step takes 50 seconds."""
    clock = [0.0]
    monkeypatch.setattr("rnnfast.training.time.perf_counter", lambda: clock[0])
    path, written = tmp_path / "c", []

    def tick(progress: Progress) -> None:
        now = path.stat().st_mtime_ns, path.stat().st_ino
        if not written or written[-1][1] != now:
            written.append((progress.step, now))
        if not progress.epoch_ended:
            clock[0] += 50.0

    lm = rf.LanguageModel(hidden_size=4, batch_size=1, sequence_length=52, seed=1)
    lm.fit(TEXT, epochs=1, verbose=0, checkpoint=path, callbacks=[tick])
    assert lm.history_[0]["step"] == 10
    # At the beginning; after steps 3, 6 and 9, seen at the next one.
    assert [step for step, _ in written] == [1, 4, 7, 10]


def test_a_callback_that_fails_loses_no_step(tmp_path: Path) -> None:
    path = tmp_path / "c"
    for when in (lambda p: p.step == 5, lambda p: p.epoch_ended):

        def fail(progress: Progress, when: Any = when) -> None:
            if when(progress):
                raise RuntimeError("trouble")

        steps: list[int] = []
        with pytest.raises(RuntimeError, match=r"^trouble$"):
            fit(checkpoint=path, callbacks=[lambda p, s=steps: s.append(p.step), fail])
        more: list[int] = []
        lm = fit(checkpoint=path, resume=True, callbacks=[lambda p, s=more: s.append(p.step)])
        assert more[0] == steps[-1] + 1
        assert_same(lm, fit())
        path.unlink()


def test_a_checkpoint_that_cannot_be_written_does_not_end_a_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the way a full disk is a warning; before the first step it is an error."""
    path = tmp_path / "c"

    def full(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    def fill(progress: Progress) -> None:
        monkeypatch.setattr("rnnfast.training.write_checkpoint", full)

    with pytest.warns(RuntimeWarning, match=r"^checkpoint: .*No space left on device"):
        lm = fit(checkpoint=path, callbacks=[fill])
    assert lm.stopped_ == "finished"
    assert_same(lm, fit())
    path.unlink()
    with pytest.raises(OSError, match=r"No space left on device"):
        fit(checkpoint=path)
    monkeypatch.undo()
    assert_same(fit(checkpoint=path), lm)


def test_a_checkpoint_never_replaces_other_files(tmp_path: Path) -> None:
    path = tmp_path / "c"
    for content in (b"a letter", b"\0" * 100):
        path.write_bytes(content)
        with pytest.raises(
            ValueError, match=r"^checkpoint: expected a new file or a checkpoint to "
        ):
            fit(checkpoint=path)
        assert path.read_bytes() == content
    fit().save(path)
    content = path.read_bytes()
    with pytest.raises(ValueError, match=r"^checkpoint: expected a new file or a checkpoint to "):
        fit(checkpoint=path)
    assert path.read_bytes() == content
    path.write_bytes(b"")
    fit(checkpoint=path)
    assert kind_of(path) == "checkpoint"
    fit(checkpoint=path)  # another training in its place


# What killed writers leave


def left_over(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.endswith(".tmp"))


def test_temporary_files_of_the_dead_are_removed(tmp_path: Path) -> None:
    """Killed in the middle of writing; the next one cleans up, and touches nothing else."""
    script = (
        "import os, signal, sys\n"
        "from rnnfast._files import write_atomically\n"
        "write_atomically(sys.argv[1], lambda f: (f.write(b'half'), f.flush(), "
        "os.kill(os.getpid(), signal.SIGKILL)))\n"
    )
    path = tmp_path / ("long" * 20)
    for target, number in ((path, 1), (path, 1), (tmp_path / "other", 2)):
        subprocess.run([sys.executable, "-c", script, target], env=environment(), timeout=60)
        assert len(left_over(tmp_path)) == number and not path.exists()
    others = [
        f".{path.name[:32]}.0123456789ab.tmp",
        f".{path.name[:32]}.0123456789ab.rnnfast.tmp.mine",
        f"{path.name[:32]}.0123456789ab.rnnfast.tmp",
        f".{path.name[:32]}.0123456789xy.rnnfast.tmp",
        f".{path.name[:32]}.rnnfast.tmp",
    ]
    for name in others:
        (tmp_path / name).write_text("mine")
    (tmp_path / f".{path.name[:32]}.ffffffffffff.rnnfast.tmp").mkdir()
    write_atomically(path, b"whole")
    assert path.read_bytes() == b"whole"
    assert all((tmp_path / name).read_text() == "mine" for name in others)
    # The folder, and what another file's writer left.
    rest = [name.split(".")[1] for name in left_over(tmp_path) if name not in others]
    assert rest == [path.name[:32], "other"]
    write_atomically(tmp_path / "other", b"whole")
    assert not any(name.startswith(".other.") for name in left_over(tmp_path))


def test_writers_at_the_same_time_leave_each_other_alone(tmp_path: Path) -> None:
    """While one writes, others write the same file, from this process and from others."""
    path = tmp_path / "file"
    script = (
        "import sys; from rnnfast._files import write_atomically as w; w(sys.argv[1], b'other')"
    )
    seen: list[bytes] = []

    def write(file: Any) -> None:
        file.write(b"half ")
        file.flush()
        subprocess.run(
            [sys.executable, "-c", script, path], env=environment(), timeout=60, check=True
        )
        thread = threading.Thread(target=write_atomically, args=(path, b"thread"))
        seen.append(path.read_bytes())
        thread.start()
        thread.join()
        seen.append(path.read_bytes())
        file.write(b"whole")

    write_atomically(path, write)
    assert seen == [b"other", b"thread"] and path.read_bytes() == b"half whole"
    assert left_over(tmp_path) == []


def test_a_writer_whose_file_was_taken_begins_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between making and locking its file another one may take it for one that is left over."""
    real, taken = _files._locked_in_time, []

    def lock(descriptor: int) -> bool:
        if not taken:
            taken.extend(left_over(tmp_path))
            _files._remove_left_over(str(tmp_path / "file"))
        return real(descriptor)

    monkeypatch.setattr(_files, "_locked_in_time", lock)
    write_atomically(tmp_path / "file", b"whole")
    assert len(taken) == 1
    assert (tmp_path / "file").read_bytes() == b"whole" and left_over(tmp_path) == []
