"""What the tests of the command line start from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import rnnfast as rf


@pytest.fixture(autouse=True)
def one_thread(set_threads: Callable[[int], None]) -> None:
    set_threads(1)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A text of short lines."""
    from command_line import LINES

    path = tmp_path / "corpus.txt"
    path.write_text("\n".join(LINES), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model of such lines, which no test changes."""
    from command_line import LINES

    path = tmp_path_factory.mktemp("models") / "m.safetensors"
    lm = rf.LanguageModel(lines=True, hidden_size=8, seed=0)
    lm.fit(LINES, epochs=3, verbose=0).save(path)
    return path
