"""The callback for TensorBoard, with a writer that keeps what it is given."""

from __future__ import annotations

import sys
import types
from typing import Any, ClassVar

import pytest

import rnnfast as rf
from rnnfast.training import tensorboard


class Writer:
    made: ClassVar[list[str]] = []

    def __init__(self, folder: str = "") -> None:
        self.made.append(folder)
        self.scalars: list[tuple[str, float, int]] = []
        self.flushes = 0

    def add_scalar(self, name: str, value: float, step: int) -> None:
        self.scalars.append((name, value, step))

    def flush(self) -> None:
        self.flushes += 1


def test_figures_are_written() -> None:
    writer = Writer()
    lm = rf.LanguageModel(hidden_size=4, batch_size=4, sequence_length=10, seed=1)
    lm.fit("abc" * 100, epochs=2, verbose=0, callbacks=[tensorboard(writer=writer, every=3)])
    steps = lm.history_[-1]["step"]
    assert [s for name, _, s in writer.scalars if name == "loss"] == list(range(3, steps + 1, 3))
    written = {(name, step): value for name, value, step in writer.scalars}
    for record in lm.history_:
        for name in ("loss", "valid_loss", "learning_rate", "gradient_norm"):
            assert written[f"epoch/{name}", record["step"]] == record[name]
    assert writer.flushes == 2


@pytest.mark.parametrize("name", ["tensorboardX", "torch.utils.tensorboard"])
def test_the_writer_that_is_installed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for known in ("tensorboardX", "torch", "torch.utils", "torch.utils.tensorboard"):
        monkeypatch.setitem(sys.modules, known, None)
    module: Any = types.ModuleType(name)
    module.SummaryWriter = Writer
    parts = name.split(".")
    for n in range(1, len(parts)):
        parent = ".".join(parts[:n])
        monkeypatch.setitem(sys.modules, parent, types.ModuleType(parent))
    monkeypatch.setitem(sys.modules, name, module)
    Writer.made.clear()
    assert callable(tensorboard("runs/a"))
    assert Writer.made == ["runs/a"]


def test_without_a_writer(monkeypatch: pytest.MonkeyPatch) -> None:
    for known in ("tensorboardX", "torch.utils.tensorboard"):
        monkeypatch.setitem(sys.modules, known, None)
    with pytest.raises(ImportError, match=r"^tensorboard needs tensorboardX, .* pip install"):
        tensorboard("runs")


def test_bad_arguments() -> None:
    for arguments in ({}, {"log_dir": "a", "writer": Writer()}):
        with pytest.raises(ValueError, match=r"^log_dir: expected either a folder or a writer"):
            tensorboard(**arguments)
    with pytest.raises(ValueError, match=r"^every: expected at least 1, got 0$"):
        tensorboard("a", every=0)
