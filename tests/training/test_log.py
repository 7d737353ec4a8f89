"""What training tells the log of those who embed the package."""

from __future__ import annotations

import io
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from rnnfast._checks.adjustments import AdjustmentWarning
from rnnfast.training.progress import Reporter

LINES = ["to be", "or not", "to be", "that is", "the question"] * 6


def fit(**options: Any) -> rf.LanguageModel:
    given = {"epochs": 3, "verbose": 0, **options}
    return rf.LanguageModel(lines=True, hidden_size=4, seed=1).fit(LINES, **given)


def messages(caplog: pytest.LogCaptureFixture, level: int = logging.INFO) -> list[str]:
    records = [record for record in caplog.records if record.levelno == level]
    assert all(record.name == "rnnfast.training" for record in records)
    return [record.getMessage() for record in records]


@pytest.mark.parametrize("verbose", [0, 2])
def test_epochs_checkpoints_and_the_end(
    verbose: int, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """Whatever is shown; what callbacks show is theirs."""
    caplog.set_level(logging.INFO, logger="rnnfast")
    path = tmp_path / "checkpoint"
    lm = fit(verbose=verbose, checkpoint=path, callbacks=[lambda at: at.write("a sample")])
    said = messages(caplog)
    for number, record in enumerate(lm.history_, 1):
        start = f"epoch {number}/3: loss {record['loss']:.4g}, perplexity "
        assert sum(text.startswith(start) for text in said) == 1
    assert said[0] == f"checkpoint written after 0 steps: {path}"
    assert said[-2] == f"checkpoint written after 3 steps: {path}"
    assert said[-1].startswith("3 epochs made, 3 steps; weights of epoch 3 kept (valid_loss ")
    assert "a sample" not in said and messages(caplog, logging.WARNING) == []


def test_early_stopping_and_resumption(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    caplog.set_level(logging.INFO, logger="rnnfast")
    options: dict[str, Any] = {"verbose": 0, "checkpoint": tmp_path / "c"}
    lm = rf.LanguageModel(lines=True, hidden_size=4, seed=1, patience=1, learning_rate=0.5)
    lm.fit(LINES, epochs=200, **options)
    assert lm.stopped_ == "patience"
    end = f"stopped after epoch {len(lm.history_)}, no better one in 1, "
    assert messages(caplog)[-1].startswith(end)
    caplog.clear()
    lm.set_params(patience=2).fit(LINES, epochs=200, resume=True, **options)
    assert messages(caplog)[0].startswith("resumed after ")


def test_what_must_not_go_unseen(caplog: pytest.LogCaptureFixture) -> None:
    lm = rf.LanguageModel(hidden_size=4, seed=1, batch_size=4, sequence_length=16)
    with pytest.warns(AdjustmentWarning, match="taking a batch_size of 1"):
        lm.fit("to be or not to be", epochs=1, verbose=0)
    (warning,) = messages(caplog, logging.WARNING)
    assert warning.endswith("taking a batch_size of 1")


def test_the_trainer_too(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="rnnfast")
    net = rf.chain(rf.Embedding(5, 4, seed=0), rf.GRU(4, 4, seed=0), rf.Linear(4, 3, seed=0))
    trainer = rf.Trainer(net, loss=rf.cross_entropy, optimizer=rf.Adam(net), verbose=0)
    ids = np.arange(12).reshape(4, 3) % 5
    trainer.fit([(ids, ids % 3)], epochs=2)
    said = messages(caplog)
    assert [text.split(":")[0] for text in said[:2]] == ["epoch 1/2", "epoch 2/2"]
    assert said[2].startswith("2 epochs made, ")


def test_the_bar_stays(caplog: pytest.LogCaptureFixture) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    caplog.set_level(logging.INFO, logger="rnnfast")
    stream = Terminal()
    reporter = Reporter(1, stream=stream)
    reporter.start_epoch(0, 1, 0, 1)
    reporter.update(1.0, 3)
    reporter.end_epoch({"epoch": 1, "loss": 1.0, "seconds": 1.0})
    reporter.close()
    assert "left |" in stream.getvalue()
    assert len(messages(caplog)) == 1 and messages(caplog)[0].startswith("epoch 1/1: loss 1, ")


def test_unasked_it_goes_nowhere() -> None:
    """Without a handler of the program's, not even warnings reach standard error by the log."""
    script = (
        "import logging, warnings, rnnfast as rf\n"
        "warnings.simplefilter('ignore')\n"
        "rf.LanguageModel(hidden_size=4).fit('to be or not', epochs=1, verbose=0)\n"
        "kinds = [type(h).__name__ for h in logging.getLogger('rnnfast').handlers]\n"
        "assert kinds == ['NullHandler'], kinds\n"
    )
    package = str(Path(rf.__file__).parent.parent)
    process = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {package!r})\n{script}"],
        capture_output=True, encoding="utf-8", timeout=60, check=False,
    )  # fmt: skip
    assert (process.returncode, process.stdout, process.stderr) == (0, "", "")
