"""Model files whose metadata asks for more than their arrays have: refused before it is made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import rnnfast as rf
from hostile import linux_only, outputs
from rnnfast.io.tensors import read_tensors, write_tensors
from test_copies import MODELS, SERIES, SHARED, TEXTS

GIB = 2**30
KINDS = {
    **MODELS,
    "regressor": lambda: rf.SequenceRegressor(**SHARED).fit(SERIES, range(24)),
    "several labels": lambda: rf.MultiLabelTagger(**SHARED).fit(
        SERIES, [[[t % 2, 1] for t in range(7)] for _ in SERIES]
    ),
    "numbers of steps": lambda: rf.StepRegressor(**SHARED).fit(
        SERIES, [[[float(t)] for t in range(7)] for _ in SERIES]
    ),
    "layer normalisation": lambda: rf.SequenceClassifier(cell="layer_norm_lstm", **SHARED).fit(
        TEXTS, [1, 0] * 12
    ),
    "attention": lambda: rf.Seq2Seq(attention="additive", **SHARED).fit(
        TEXTS, [text[::-1] for text in TEXTS]
    ),
    "tied": lambda: rf.LanguageModel(
        hidden_size=4, embedding_size=4, tie_weights=True, seed=1, lines=True
    ).fit(TEXTS, epochs=1, verbose=0),
}

LOAD = """
import sys, time
import rnnfast as rf

for path in sys.argv[1:]:
    print(path, end=" ", flush=True)
    start = time.perf_counter()
    try:
        rf.load(path)
    except ValueError as error:
        print("ValueError", error, end="")
    print(f" {{time.perf_counter() - start:.1f}}", flush=True)
# Of this process alone: what getrusage tells begins with the size of the one that forked it.
status = open("/proc/self/status").read()
print(int(status.split("VmHWM:")[1].split()[0]) // 1024)
"""


def leaves(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return where integers and None stand, of a list the first and the last only."""
    if isinstance(value, dict):
        return [found for key in value for found in leaves(value[key], (*place, key))]
    if isinstance(value, list):
        places = sorted({0, len(value) - 1}) if value else []
        return [found for i in places for found in leaves(value[i], (*place, i))]
    is_number = value is None or (isinstance(value, int) and not isinstance(value, bool))
    return [place] if is_number else []


@linux_only
@pytest.mark.parametrize("number", [2**22, 2**40])
@pytest.mark.parametrize("kind", KINDS)
def test_metadata_that_asks_for_more(kind: str, number: int, tmp_path: Path) -> None:
    good = tmp_path / "good"
    KINDS[kind]().save(good)
    arrays, description = read_tensors(good, "model")
    paths = [str(good)]
    for k, place in enumerate(leaves({n: description[n] for n in ("parameters", "learned")})):
        _, changed = read_tensors(good, "model")
        target: Any = changed
        for step in place[:-1]:
            target = target[step]
        target[place[-1]] = number
        path = tmp_path / f"{k}.{place[-1]}"
        write_tensors(path, "model", arrays, changed)
        paths.append(str(path))
    assert any(path.endswith(".hidden_size") for path in paths)
    printed = outputs(f"import sys; sys.argv[1:] = {paths!r}\n{LOAD.format()}", limit=4 * GIB)
    *lines, peak = printed.splitlines()
    assert len(lines) == len(paths)
    assert "ValueError" not in lines[0]
    for line in lines:
        assert float(line.rsplit(" ", 1)[1]) < 20, line
        if ".hidden_size " in line or ".num_layers " in line:
            assert "expected layers of at most" in line, line
    assert int(peak) < 700, "MiB"
