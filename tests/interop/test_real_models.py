"""Models that packages ship with their weights: the same numbers here."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

BENCH = Path(__file__).resolve().parents[2] / "bench"
FILES = {
    "madmom_beats": "madmom",
    "silero_voice": "silero_vad",
    "g2p_words": "g2p_en",
    "arabic_diacritics": "diacritize",
    "darts_forecast": "darts",
}


@pytest.fixture
def threads_of_torch() -> Iterator[None]:
    """Set the number of threads again that a package has set."""
    torch = None if find_spec("torch") is None else importlib.import_module("torch")
    before = None if torch is None else torch.get_num_threads()
    yield
    if torch is not None:
        torch.set_num_threads(before)


@pytest.mark.filterwarnings("ignore")  # the packages' own
@pytest.mark.usefixtures("threads_of_torch")
@pytest.mark.parametrize("name", FILES)
def test_numbers_of_the_package(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if not BENCH.is_dir():
        pytest.skip("the sources are not here")
    if find_spec(FILES[name]) is None:
        pytest.skip(f"{FILES[name]} is not installed")
    monkeypatch.syspath_prepend(BENCH)
    runs = list(importlib.import_module(f"real.{name}").runs())
    assert runs
    for run in runs:
        theirs, ours = np.asarray(run.theirs()), np.asarray(run.ours())
        assert theirs.size and np.isfinite(theirs).all(), run.name
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=run.tolerance, err_msg=run.name)


def test_every_file_is_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    if not BENCH.is_dir():
        pytest.skip("the sources are not here")
    monkeypatch.syspath_prepend(BENCH)
    assert importlib.import_module("real").FILES == FILES
    files = {path.stem for path in (BENCH / "real").glob("*.py")}
    assert files == {"__init__", *FILES}
