"""When checkpoints are written, what they never replace, and that training goes on from each."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from rnnfast.io.files import shown_path
from rnnfast.io.tensors import collect_arrays, kind_of, read_tensors, write_tensors
from rnnfast.training import Progress
from spoiled import spoil

TEXT = "the cat sat on the mat. the dog sat on the log. " * 12


@pytest.fixture(autouse=True)
def one_thread(set_threads: Callable[[int], None]) -> None:
    set_threads(1)


def fit(**options: Any) -> rf.LanguageModel:
    lm = rf.LanguageModel(hidden_size=8, batch_size=4, sequence_length=16, seed=1)
    return lm.fit(TEXT, **{"epochs": 2, "verbose": 0, **options})


def assert_same(first: rf.LanguageModel, second: rf.LanguageModel) -> None:
    arrays = collect_arrays(second._modules())
    for name, array in collect_arrays(first._modules()).items():
        np.testing.assert_array_equal(array, arrays[name], err_msg=name)


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
    monkeypatch.setattr("rnnfast.training.checkpointer._WITHIN", 0.0)
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
    monkeypatch.setattr("rnnfast.training.checkpointer.time.perf_counter", lambda: clock[0])
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

    def full(*arguments: Any, new: bool = False) -> None:
        raise OSError(28, "not written, No space left on device", path)

    def fill(progress: Progress) -> None:
        monkeypatch.setattr("rnnfast.training.checkpointer.write_checkpoint", full)

    told = re.escape(f"checkpoint: {path}: not written, No space left on device")
    with pytest.warns(RuntimeWarning, match=f"^{told}$"):
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


@pytest.mark.parametrize("how", ["callback", "failed", "resumed for more", "older"])
def test_an_unfinished_training_is_not_replaced(how: str, tmp_path: Path) -> None:
    path = tmp_path / "c"

    def stop(progress: Progress) -> bool:
        if progress.step == 12 and how == "failed":
            raise RuntimeError("trouble")
        return progress.step == 12

    if how == "resumed for more":
        fit(checkpoint=path, epochs=1)
        assert fit(checkpoint=path, epochs=1).stopped_ == "finished"  # an ended one may go
        fit(checkpoint=path, epochs=3, resume=True, callbacks=[stop])
    elif how == "failed":
        with pytest.raises(RuntimeError, match="trouble"):
            fit(checkpoint=path, callbacks=[stop])
    else:
        fit(checkpoint=path, callbacks=[stop])
    if how == "older":  # as it was written before checkpoints said whether training had ended
        arrays, description = read_tensors(path, "checkpoint")
        del description["position"]["ended"]
        write_tensors(path, "checkpoint", arrays, description)
    content = path.read_bytes()
    expected = "^checkpoint: expected a new file or the checkpoint of a training that has ended, "
    with pytest.raises(ValueError, match=f"{expected}got one that stopped after 12 steps.*resume"):
        fit(checkpoint=path)
    assert path.read_bytes() == content
    epochs = 3 if how == "resumed for more" else 2
    lm = fit(checkpoint=path, epochs=epochs, resume=True)
    assert lm.stopped_ == "finished"
    fit(checkpoint=path, epochs=epochs)


@pytest.mark.parametrize("how", ["stopped", "Ctrl-C", "by time", "failed"])
def test_weights_that_are_not_finite_are_never_written(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step has made them; the next would find out. The checkpoint from before goes on."""
    path, kept = tmp_path / "c", []
    if how == "by time":
        monkeypatch.setattr("rnnfast.training.checkpointer._WITHIN", 0.0)

    def explode(progress: Progress) -> bool:
        if progress.step < 3:
            return False
        kept.append(path.read_bytes())
        bias = progress.model.network_.modules["output"].parameters()["bias"]
        spoil(bias, np.full(bias.shape, np.inf))
        if how == "Ctrl-C":
            os.kill(os.getpid(), signal.SIGINT)
        if how == "failed":
            raise RuntimeError("trouble")
        return how == "stopped"

    error = RuntimeError if how == "failed" else FloatingPointError
    match = r"^trouble$" if how == "failed" else r"a weight is not finite \(.*output\.bias"
    model = fit()
    before = collect_arrays(model._modules())
    with pytest.raises(error, match=match):
        model.fit(TEXT, epochs=2, verbose=0, checkpoint=path, callbacks=[explode])
    for name, array in collect_arrays(model._modules()).items():
        np.testing.assert_array_equal(array, before[name])
    if how == "by time":
        assert path.read_bytes() == kept[0]
    path.write_bytes(kept[0])
    assert_same(fit(checkpoint=path, resume=True), model)


def test_an_odd_name_is_told_once_and_on_one_line(tmp_path: Path) -> None:
    for name in ("a\nb", b"bytes"):
        path: Any = os.path.join(
            os.fsencode(tmp_path) if isinstance(name, bytes) else tmp_path, name
        )
        fit(checkpoint=path)
        with pytest.raises(ValueError, match=r"cannot resume with another learning_rate") as caught:
            rf.LanguageModel(
                hidden_size=8, batch_size=4, sequence_length=16, seed=1, learning_rate=0.5
            ).fit(TEXT, epochs=2, verbose=0, checkpoint=path, resume=True)
        message = str(caught.value)
        assert message.startswith(f"{shown_path(path)}: cannot resume") and "\n" not in message
        with open(path, "w") as file:
            file.write("something else")
        with pytest.raises(ValueError, match=r"^checkpoint: expected a new file") as caught:
            fit(checkpoint=path)
        assert str(caught.value).endswith(shown_path(path))


def test_the_error_of_the_first_step_is_told_though_the_checkpoint_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "c"

    def fail(self: Any) -> None:
        path.unlink()
        raise RuntimeError("trouble")

    monkeypatch.setattr("rnnfast.training.optimizers.Optimizer.step", fail)
    with pytest.raises(RuntimeError, match=r"^trouble$"):
        fit(checkpoint=path)


def test_a_warning_is_of_the_line_that_called(tmp_path: Path) -> None:
    def stop(progress: Progress) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.warns(RuntimeWarning, match=r"^stopped by Ctrl-C") as caught:
        fit(callbacks=[stop])
    assert [warning.filename for warning in caught] == [__file__]


def test_what_was_claimed_goes_though_nothing_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first checkpoint is worth nothing, and would stand in the way of the next training."""
    path = tmp_path / "c"

    def full(*arguments: Any, new: bool = False) -> None:
        raise OSError(28, "No space left on device")

    def fail(progress: Progress) -> None:
        monkeypatch.setattr("rnnfast.training.checkpointer.write_checkpoint", full)
        raise RuntimeError("trouble")

    with (
        pytest.warns(RuntimeWarning, match="No space left"),
        pytest.raises(RuntimeError, match="trouble"),
    ):
        fit(checkpoint=path, callbacks=[fail])
    assert not path.exists()
    monkeypatch.undo()
    fit(checkpoint=path)
