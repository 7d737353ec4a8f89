"""Learning-rate schedules against PyTorch's and by hand."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from rnnfast.training import (
    ChainLR,
    CosineLR,
    ExponentialLR,
    Optimizer,
    ReduceOnPlateau,
    StepLR,
    WarmupLR,
)


def make(lr: float = 0.5) -> Optimizer:
    return rf.SGD(rf.Linear(2, 2, seed=1), lr=lr)


def rates(optimizer: Optimizer, schedule: Any, steps: int) -> list[float]:
    result = [optimizer.lr]
    for _ in range(steps):
        optimizer.step()
        schedule.step()
        result.append(optimizer.lr)
    return result


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (lambda o: StepLR(o, 3, 0.5), lambda t, o: t.StepLR(o, 3, 0.5)),
        (lambda o: ExponentialLR(o, 0.9), lambda t, o: t.ExponentialLR(o, 0.9)),
        (lambda o: CosineLR(o, 10, 0.1), lambda t, o: t.CosineAnnealingLR(o, 10, 0.05)),
        (lambda o: WarmupLR(o, 4, 0.2), lambda t, o: t.LinearLR(o, 0.2, 1.0, 4)),
    ],
)
def test_against_torch(ours: Callable[..., Any], theirs: Callable[..., Any]) -> None:
    torch = pytest.importorskip("torch")
    optimizer = make()
    other = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
    schedule = theirs(torch.optim.lr_scheduler, other)
    want = [other.param_groups[0]["lr"]]
    for _ in range(10):
        other.step()
        schedule.step()
        want.append(other.param_groups[0]["lr"])
    np.testing.assert_allclose(rates(optimizer, ours(optimizer), 10), want, rtol=1e-12)


def test_ends() -> None:
    """Cosine and warm-up stay where they end."""
    optimizer = make()
    np.testing.assert_allclose(rates(optimizer, CosineLR(optimizer, 3, 0.1), 6)[3:], 0.05)
    optimizer = make()
    np.testing.assert_allclose(rates(optimizer, WarmupLR(optimizer, 3), 6)[3:], 0.5)


def test_chain() -> None:
    optimizer = make(1.0)
    schedule = ChainLR([WarmupLR(optimizer, 2, 0.5), StepLR(optimizer, 2, 0.1)])
    np.testing.assert_allclose(
        rates(optimizer, schedule, 4), [0.5, 0.75, 0.1, 0.1, 0.01], rtol=1e-12
    )


def test_going_on() -> None:
    optimizer = make()
    schedule = CosineLR(optimizer, 8)
    whole = rates(optimizer, schedule, 8)
    optimizer, other = make(), make(0.125)
    schedule = CosineLR(optimizer, 8)
    rates(optimizer, schedule, 3)
    resumed = CosineLR(other, 8)
    resumed.load_state_dict(schedule.state_dict())
    assert rates(other, resumed, 5) == whole[3:]


@pytest.mark.parametrize("chained", [False, True])
@pytest.mark.parametrize(
    "kind",
    [
        lambda o, total: CosineLR(o, total, 0.01),
        lambda o, total: StepLR(o, -(-total // 3), 0.1),
    ],
)
@pytest.mark.parametrize(("stop", "total"), [(0, 24), (5, 24), (8, 24), (5, 6), (5, 3)])
def test_going_on_with_another_length_never_jumps(
    kind: Callable[[Any, int], Any], chained: bool, stop: int, total: int
) -> None:
    """From where it stood, never up, and to the end that it has; twice stopped is once stopped."""

    def begin(total: int, state: dict[str, Any] | None = None) -> tuple[Any, Any]:
        optimizer = make()
        schedule = kind(optimizer, total)
        if chained:
            schedule = ChainLR([WarmupLR(optimizer, 1, 1.0), schedule])
        if state is not None:
            schedule.load_state_dict(json.loads(json.dumps(state)))
        return optimizer, schedule

    optimizer, schedule = begin(8)
    before = rates(optimizer, schedule, stop)
    optimizer, resumed = begin(total, schedule.state_dict())
    after = rates(optimizer, resumed, 30)
    # A step may fall due where they meet, as it may anywhere.
    assert after[0] == before[-1]
    assert all(a >= b for a, b in itertools.pairwise(after))
    if stop < total:
        assert after[-1] < before[-1] or before[-1] == pytest.approx(0.005)
    optimizer, _ = begin(total, resumed.state_dict())
    assert optimizer.lr == after[-1]
    optimizer, third = begin(total, schedule.state_dict())
    rates(optimizer, third, 2)
    optimizer, fourth = begin(total, third.state_dict())
    assert rates(optimizer, fourth, 28) == after[2:]


def test_a_cosine_that_is_stretched() -> None:
    optimizer = make()
    schedule = CosineLR(optimizer, 4, 0.01)
    rates(optimizer, schedule, 2)
    stretched = CosineLR(make(), 10, 0.01)
    stretched.load_state_dict(schedule.state_dict())
    # Half of the way down at the first stop; from there half a cosine over the 8 that are left.
    begin = 0.01 + 0.99 / 2
    expected = [0.01 + (begin - 0.01) * (1 + math.cos(math.pi * n / 8)) / 2 for n in range(9)]
    assert [stretched.factor(n) for n in range(2, 11)] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("maximize", [False, True])
def test_plateau_against_torch(maximize: bool) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    figures = np.abs(rng.normal(size=80) + np.linspace(5.0, 3.0, 80))
    optimizer = make()
    ours = ReduceOnPlateau(
        optimizer, factor=0.5, patience=2, cooldown=2, min_lr=0.01, maximize=maximize
    )
    other = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(
        other, "max" if maximize else "min", factor=0.5, patience=2, cooldown=2, min_lr=0.01
    )
    seen = set()
    for figure in figures:
        ours.step(figure)
        theirs.step(figure)
        assert optimizer.lr == pytest.approx(other.param_groups[0]["lr"], rel=1e-12)
        seen.add(optimizer.lr)
    assert len(seen) > 3
    again = ReduceOnPlateau(optimizer)
    again.load_state_dict(ours.state_dict())
    assert again.state_dict() == ours.state_dict()


def test_plateau_begins() -> None:
    optimizer = make()
    schedule = ReduceOnPlateau(optimizer, patience=0)
    schedule.step(math.nan)
    assert optimizer.lr == pytest.approx(0.05)
    schedule.step(3.0)
    assert schedule.best == 3.0
    assert optimizer.lr == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda o: StepLR(o, 0), ValueError, "step_size: expected at least 1, got 0"),
        (lambda o: ExponentialLR(o, 0.0), ValueError, "gamma: expected a finite number above 0"),
        (lambda o: CosineLR(o, 5, 2.0), ValueError, "min_factor: expected a finite number"),
        (lambda o: WarmupLR(o, 5, -1.0), ValueError, "start_factor: expected a finite number"),
        (lambda o: StepLR(None, 1), TypeError, "optimizer: expected an Optimizer, got NoneType"),
        (lambda o: ReduceOnPlateau(None), TypeError, "optimizer: expected an Optimizer"),
        (lambda o: ReduceOnPlateau(o, factor=1.0), ValueError, "factor: expected a finite"),
        (lambda o: ChainLR([]), ValueError, "schedules: expected at least one, got none"),
        (lambda o: ChainLR([StepLR(o, 1), StepLR(make(), 1)]), ValueError,
         "schedules: expected schedules of one optimizer, got several"),
        (lambda o: StepLR(o, 1).load_state_dict({"step": 1}), ValueError,
         "state: expected the names step, base_lr, step_size, begin, begin_factor; got step"),
        (lambda o: CosineLR(o, 5).load_state_dict({**CosineLR(make(), 5).state_dict(),
         "begin": 3}), ValueError, "begin: expected at most step 0, got 3"),
        (lambda o: ChainLR([StepLR(o, 1)]).load_state_dict(
            {"step": 0, "base_lr": 0.1, "schedules": []}), ValueError,
         "schedules: expected a list of 1"),
    ],
)  # fmt: skip
def test_bad_input(call: Callable[[Any], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(make())
