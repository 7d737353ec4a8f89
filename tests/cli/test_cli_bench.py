"""The command ``rnnfast bench``: what it compares, what it says, and that wrong answers end it."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from command_line import fails, run
from rnnfast.__main__ import main
from rnnfast.cli.bench import command, runs
from rnnfast.cli.bench.cases import CELLS, Case, Problem, forward
from rnnfast.cli.bench.timing import ratios
from rnnfast.reference import NetworkSpec, network_forward

QUICK = ["--size", 5, "--threads", 1, "--seconds", 1]


def test_what_is_measured() -> None:
    lines = [json.loads(line) for line in run("bench", *QUICK, "--json").splitlines()]
    head, *found = lines
    assert head["rnnfast"] == rf.__version__ and head["flops"] > 1e8
    assert head["peers"] == runs.peers()
    cases = [(one["cell"], one["mode"], one["size"], one["threads"]) for one in found]
    assert cases == [
        (c, m, 5, 1) for c in ("rnn", "gru", "lstm") for m in ("step", "infer", "train")
    ]
    for one in found:
        assert 0 < one["seconds"] <= one["median_seconds"] and one["rounds"] >= 3
        assert 0 < one["share_of_limit"] < 2
        able = [p for p in head["peers"] if p == "torch" or one["mode"] != "train"]
        assert sorted(one["peers"]) == sorted(able)
        for peer in one["peers"].values():
            assert peer["ratio"] == pytest.approx(peer["seconds"] / one["seconds"])
            assert peer["median_ratio"] > 0


def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    lines = run("bench", "--cell", "gru", *QUICK).splitlines()
    assert lines[0].startswith(f"rnnfast {rf.__version__} on ")
    rows = [line.split() for line in lines[-3:]]
    assert [row[:3] for row in rows] == [["gru", mode, "5"] for mode in ("step", "infer", "train")]
    assert lines[-4].split()[:3] == ["cell", "what", "size"]
    assert len(run("bench", "--cell", "gru", *QUICK, "--quiet").splitlines()) == 4


@pytest.mark.parametrize("cell", CELLS)
def test_the_equations_are_those_of_the_definition(cell: str) -> None:
    problem = Problem.of(Case(cell, "infer", 6, 1))
    weights = {n: w.astype(np.float64) for n, w in problem.layer.state_dict().items()}
    x = problem.x.astype(np.float64)
    spec = NetworkSpec(cell, 6, 6)  # type: ignore[arg-type]
    wanted, _, _ = network_forward(spec, weights, x)
    np.testing.assert_allclose(forward(cell, weights, x)[0], wanted, rtol=1e-12, atol=1e-14)


def test_what_a_case_costs() -> None:
    # An LSTM of 10 units: matrices of 400 numbers. Arithmetic alone, 2 * 16 * 400 a product.
    for mode, products in (("step", 2 / 16 / 50), ("infer", 2), ("train", 5)):
        least = Case("lstm", mode, 10, 1).least_seconds(1e9, 1e30)
        assert least == pytest.approx(products * 50 * 2 * 16 * 400 / 1e9)
    # Reading alone: both matrices of a step; the recurrent one at each of 50 steps, and once more.
    for mode, reads in (("step", 2), ("infer", 50), ("train", 100)):
        least = Case("lstm", mode, 10, 1).least_seconds(1e30, 1e9)
        assert least == pytest.approx(reads * 4 * 400 / 1e9)


def test_ratios() -> None:
    assert ratios([4.0, 9.0, 6.0], [2.0, 3.0, 1.0]) == (4.0, 3.0)


@pytest.mark.parametrize(
    ("mode", "wrong"),
    [("step", "y"), ("infer", "y"), ("train", "y"), ("train", "weight_hh_l0")],
)
def test_a_wrong_answer_is_not_timed(
    mode: str, wrong: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ours, timed = runs._ours, []

    def spoiled(case: Case, problem: Problem) -> runs.Run:
        run = ours(case, problem)

        def answer() -> dict[str, Any]:
            found = run.answer()
            if wrong in found and case.mode == mode:
                found[wrong] = found[wrong] * np.float32(1.01)
            return found

        return runs.Run(run.name, run.call, answer)

    def in_turns(ways: Any, case: Case, limits: Any, seconds: float) -> list[list[float]]:
        timed.append(ways)
        limits.probe_read(case)
        return [[1.0] for _ in ways]

    monkeypatch.setattr(runs, "_ours", spoiled)
    monkeypatch.setattr(command, "in_turns", in_turns)
    code, message = fails(capsys, "bench", "--cell", "lstm", *QUICK)
    what = "outputs" if wrong == "y" else "gradients"
    assert code == 1
    assert message.startswith(f"rnnfast: expected {what} of lstm {mode} 5 within 0.0001 of the eq")
    assert len(timed) == ["step", "infer", "train"].index(mode)


def test_ctrl_c_gives_what_there_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = []
    measure = command.in_turns

    def press(*given: Any) -> Any:
        seen.append(given)
        if len(seen) == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return measure(*given)

    monkeypatch.setattr(command, "in_turns", press)
    assert main(["bench", "--cell", "rnn", *map(str, QUICK)]) == 130
    captured = capsys.readouterr()
    assert captured.err == "rnnfast: stopped by Ctrl-C after 2 of 3 measurements\n"
    assert [line.split()[1] for line in captured.out.splitlines()[-2:]] == ["step", "infer"]


def test_libraries_that_are_not_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "find_spec", lambda name: None)
    assert runs.peers() == ["numpy"]
    rows = run("bench", "--cell", "rnn", *QUICK, "-q").splitlines()
    assert rows[0].split()[-1] == "numpy" and rows[-1].split()[-1] == "-"
