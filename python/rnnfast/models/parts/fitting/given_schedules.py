"""A learning-rate schedule that is given as a function, as milestones, or as rates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rnnfast._checks import among, check_options, check_real
from rnnfast._checks.messages import shown
from rnnfast.training.courses import (
    GivenLR,
    LambdaLR,
    MultiStepLR,
    check_milestones,
    check_rates,
)
from rnnfast.training.optimizers import Optimizer
from rnnfast.training.schedules import Schedule

_LOST = "function"


def packed_schedule(schedule: Any) -> Any:
    """Return what a file has of a schedule: of a function no more than its name."""
    if not callable(schedule):
        return schedule
    return {_LOST: str(getattr(schedule, "__name__", type(schedule).__name__))}


def check_schedule(schedule: Any) -> None:
    """Raise TypeError or ValueError unless it is given in one of these ways, or a file's name."""
    if isinstance(schedule, type):
        raise TypeError(f"schedule: expected a function, got {shown(schedule)}")
    if callable(schedule) or _is_lost(schedule):
        return
    if isinstance(schedule, Mapping):
        check_rates("schedule", schedule)
    else:
        check_milestones("schedule", schedule)


def require_function(schedule: Any) -> None:
    """Raise ValueError for a function of which only the name is known."""
    if _is_lost(schedule):
        raise ValueError(
            f"schedule: expected the function {shown(schedule[_LOST])} again, or another schedule, "
            "got its name, which is all that a file has of it"
        )


def describe_schedule(schedule: Any) -> str:
    """Return what a message calls it."""
    return f"{schedule} schedule" if isinstance(schedule, str) else "schedule that is given"


def make_given_schedule(
    schedule: Any, optimizer: Optimizer, steps_per_epoch: int, options: Any
) -> tuple[Schedule, dict[str, Any]]:
    """Make such a schedule, and return the options that are not its own: those of a warm-up.

    Raises
    ------
    TypeError, ValueError
        If it, an option, or a number is wrong.
    """
    require_function(schedule)
    milestones = not callable(schedule) and not isinstance(schedule, Mapping)
    allowed = ["by", *["gamma"] * milestones, "warmup_steps", "start_factor"]
    given = check_options("schedule_options", options, allowed, _kind(schedule))
    by = given.pop("by", "epoch")
    if not among(by, ("epoch", "step")):
        raise ValueError(f"schedule_options: by: expected 'epoch' or 'step', got {shown(by)}")
    every = steps_per_epoch if by == "epoch" else 1
    if callable(schedule):
        return LambdaLR(optimizer, schedule, every=every), given
    if isinstance(schedule, Mapping):
        rates = check_rates("schedule", schedule)
        return GivenLR(optimizer, {every * place: rate for place, rate in rates.items()}), given
    places = [every * place for place in check_milestones("schedule", schedule)]
    gamma = check_real("gamma", given.pop("gamma", 0.1), 0.0, above=True)
    return MultiStepLR(optimizer, places, gamma), given


def _is_lost(schedule: Any) -> bool:
    return isinstance(schedule, Mapping) and set(schedule) == {_LOST}


def _kind(schedule: Any) -> str:
    if callable(schedule):
        return "a function"
    return "rates" if isinstance(schedule, Mapping) else "milestones"
