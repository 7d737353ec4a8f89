"""Any number of processes learn the same model, and each of them has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mpi_cases import CASES
from mpi_runs import HERE, run

Trained = dict[int, dict[str, list[dict[str, Any]]]]


def train(ranks: int, folder: Path) -> dict[str, list[dict[str, Any]]]:
    done = run(ranks, str(HERE / "mpi_train_cases.py"), str(folder))
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr
    return {
        name: [dict(np.load(folder / f"{name}.{rank}.npz")) for rank in range(ranks)]
        for name in CASES
    }


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return {ranks: train(ranks, tmp_path_factory.mktemp(f"ranks{ranks}")) for ranks in (1, 2, 3)}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("ranks", [2, 3])
def test_several_learn_what_one_learns(trained: Trained, name: str, ranks: int) -> None:
    alone = CASES[name](None)
    for own in (trained[1][name][0], *trained[ranks][name]):
        assert own.keys() == alone.keys()
    for key, value in alone.items():
        assert np.array_equal(trained[1][name][0][key], value), f"{key}: not by one process"
        for rank, own in enumerate(trained[ranks][name]):
            np.testing.assert_allclose(
                own[key], value, rtol=1e-8, atol=1e-10, err_msg=f"{key}, rank {rank}"
            )
            assert np.array_equal(own[key], trained[ranks][name][0][key]), f"{key}, rank {rank}"


def test_the_same_number_of_ranks_learns_the_same_bits(trained: Trained, tmp_path: Path) -> None:
    again = train(3, tmp_path)
    for name, own in trained[3].items():
        for key, value in own[0].items():
            assert np.array_equal(again[name][0][key], value), (name, key)
