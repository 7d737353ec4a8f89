"""Learning rates whose course is given: by a function, by milestones, or rate by rate."""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from rnnfast._checks import LARGEST_FACTOR, check_int, check_integers, check_mapping, check_real
from rnnfast._checks.messages import one_line, shown
from rnnfast.training.optimizers import Optimizer
from rnnfast.training.schedules import Schedule


class LambdaLR(Schedule):
    """What a function says: ``function(steps // every)``, as PyTorch's of that name.

    Its state has the factor of now, not the function: who goes on from it gives the function again,
    and one that says something else there is refused.

    Parameters
    ----------
    optimizer : Optimizer
        Whose ``lr`` to set.
    function : callable
        Takes how many times ``every`` steps were made, from 0, and returns the factor, at least 0.
    every : int
        So many steps have one factor, such as those of an epoch.

    Raises
    ------
    TypeError, ValueError
        If the function is none, or returns no such number.
    """

    def __init__(
        self, optimizer: Optimizer, function: Callable[[int], float], *, every: int = 1
    ) -> None:
        if not callable(function) or isinstance(function, type):
            raise TypeError(f"function: expected a function, got {shown(function)}")
        self.function, self.every = function, check_int("every", every, 1)
        super().__init__(optimizer)

    def _factor(self, steps: int) -> float:
        place = steps // self.every
        try:
            given = self.function(place)
        except TypeError as error:  # such as that of a function with other arguments
            raise TypeError(
                f"schedule: expected a function of one number, got one that for {place} says: "
                f"{one_line(error)}"
            ) from error
        return check_real("what schedule returns", given, 0.0, LARGEST_FACTOR)

    def _shape(self) -> dict[str, Any]:
        return {"factor": self._factor(self.steps)}

    def _take_over(self, state: Mapping[str, Any], steps: int) -> None:
        before, now = check_real("factor", state["factor"], 0.0), self._factor(steps)
        if not math.isclose(before, now, rel_tol=1e-9):
            raise ValueError(
                f"schedule: expected the function of before, whose factor after {steps} steps is "
                f"{before:g}, got one whose is {now:g}"
            )


class MultiStepLR(Schedule):
    """``gamma`` times less after each milestone: ``gamma ** (milestones that are behind)``.

    Parameters
    ----------
    optimizer : Optimizer
        Whose ``lr`` to set.
    milestones : sequence of int
        Numbers of steps, each larger than the one before.
    gamma : float
        The factor.
    """

    def __init__(self, optimizer: Optimizer, milestones: Sequence[int], gamma: float = 0.1) -> None:
        self.milestones = check_milestones("milestones", milestones)
        self.gamma = check_real("gamma", gamma, 0.0, LARGEST_FACTOR, above=True)
        super().__init__(optimizer)

    def _factor(self, steps: int) -> float:
        behind = bisect.bisect_right(self.milestones, steps)
        return float(self.gamma**behind)


class GivenLR(Schedule):
    """The rates that are given, each from a step on; before the first one, the optimizer's own.

    Parameters
    ----------
    optimizer : Optimizer
        Whose ``lr`` to set.
    rates : mapping of int to float
        The learning rate from so many steps on, at least 0.
    """

    def __init__(self, optimizer: Optimizer, rates: Mapping[int, float]) -> None:
        checked = check_rates("rates", rates)
        self._places, self._rates = [*checked], [*checked.values()]
        super().__init__(optimizer)

    def _factor(self, steps: int) -> float:
        behind = bisect.bisect_right(self._places, steps)
        base = self.optimizer.base_lr
        return self._rates[behind - 1] / base if behind and base else 1.0


def check_milestones(name: str, milestones: Any) -> list[int]:
    """Return integers of at least 1, each larger than the one before, as a list of its own."""
    checked = check_integers(name, milestones, 1)
    if not checked:
        raise ValueError(f"{name}: expected at least one milestone, got none")
    for before, after in pairwise(checked):
        if after <= before:
            raise ValueError(
                f"{name}: expected each above the one before, got {after} behind {before}"
            )
    return checked


def check_rates(name: str, rates: Any) -> dict[int, float]:
    """Return rates by integers of at least 0, in their order."""
    check_mapping(name, rates)
    if not rates:
        raise ValueError(f"{name}: expected at least one rate, got none")
    checked: dict[int, float] = {}
    for place, rate in rates.items():
        at = check_int(f"{name}: where a rate begins", place, 0)
        checked[at] = check_real(f"{name}[{shown(place)}]", rate, 0.0, LARGEST_FACTOR)
    return dict(sorted(checked.items()))
