"""Learning rates that change as training goes on.

Each schedule multiplies the rate that its optimizer had when its first schedule was made by a
factor of the number of steps made. ``schedule.step()`` comes after ``optimizer.step()``, or after
an epoch, whichever the schedule is to count.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnfast._checks import check_bool, check_int, check_list, check_names, check_real
from rnnfast._checks.messages import shown
from rnnfast.training.optimizers import Optimizer


class Schedule:
    """Base of the schedules that count steps.

    A schedule that goes on from the state of one of another length, as when a training is resumed
    for more epochs, begins where that one stood and falls from there: the rate never jumps.

    Parameters
    ----------
    optimizer : Optimizer
        Whose ``lr`` to set.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"optimizer: expected an Optimizer, got {type(optimizer).__name__}")
        self.optimizer = optimizer
        self.steps = 0
        # The steps and the factor from which it goes on; other than these after a change of length.
        self._begin, self._begin_factor = 0, 1.0
        if optimizer.base_lr is None:
            optimizer.base_lr = optimizer.lr
        self._set()

    def factor(self, steps: int) -> float:
        """Return what to multiply the first learning rate by after ``steps`` steps.

        Raises
        ------
        TypeError, ValueError
            If that is no number of steps.
        """
        return self._factor(check_int("steps", steps, 0))

    def _factor(self, steps: int) -> float:
        raise NotImplementedError

    def step(self) -> None:
        """Count a step and set the learning rate."""
        self.steps += 1
        self._set()

    def _set(self) -> None:
        assert self.optimizer.base_lr is not None
        self.optimizer.lr = self.optimizer.base_lr * self.factor(self.steps)

    def state_dict(self) -> dict[str, Any]:
        """Return what is needed to go on: ``step``, ``base_lr`` and what a schedule adds."""
        return {"step": self.steps, "base_lr": self.optimizer.base_lr, **self._shape()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave.

        If it is that of a schedule of another length, this one begins where that one stood.

        Raises
        ------
        ValueError
            If a name is missing or unknown, or a number is out of its range.
        """
        check_names(self.state_dict(), state)
        steps = check_int("step", state["step"], 0)
        base_lr = check_real("base_lr", state["base_lr"], 0.0)
        self._take_over(state, steps)
        self.steps, self.optimizer.base_lr = steps, base_lr
        self._set()

    def _shape(self) -> dict[str, Any]:
        """Return what tells a schedule's course apart from that of another length."""
        return {}

    def _take_over(self, state: Mapping[str, Any], steps: int) -> None:
        """Go on after ``steps`` steps of the schedule of which ``state`` has the `_shape`."""


class StepLR(Schedule):
    """``gamma`` times less after every ``step_size`` steps: ``gamma ** (steps // step_size)``.

    With the state of one of another ``step_size``, it goes on from the factor that one had, and
    counts the steps from there.

    Parameters
    ----------
    optimizer : Optimizer
        Whose ``lr`` to set.
    step_size : int
        Steps between two changes.
    gamma : float
        The factor.
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        self.step_size = check_int("step_size", step_size, 1)
        self.gamma = check_real("gamma", gamma, 0.0, above=True)
        super().__init__(optimizer)

    def _factor(self, steps: int) -> float:
        return self._begin_factor * _power(self.gamma, (steps - self._begin) // self.step_size)

    def _shape(self) -> dict[str, Any]:
        return {
            "step_size": self.step_size, "begin": self._begin, "begin_factor": self._begin_factor
        }  # fmt: skip

    def _take_over(self, state: Mapping[str, Any], steps: int) -> None:
        size = check_int("step_size", state["step_size"], 1)
        begin, factor = _read_begin(state, steps)
        if size != self.step_size:
            begin, factor = steps, factor * _power(self.gamma, (steps - begin) // size)
        self._begin, self._begin_factor = begin, factor


class ExponentialLR(Schedule):
    """``gamma ** steps``.

    Parameters
    ----------
    optimizer : Optimizer
        Whose ``lr`` to set.
    gamma : float
        The factor of every step.
    """

    def __init__(self, optimizer: Optimizer, gamma: float) -> None:
        self.gamma = check_real("gamma", gamma, 0.0, above=True)
        super().__init__(optimizer)

    def _factor(self, steps: int) -> float:
        return _power(self.gamma, steps)


class CosineLR(Schedule):
    """From 1 to ``min_factor`` along half a cosine in ``total_steps`` steps, then constant.

    With the state of one of another ``total_steps``, it goes on from the factor that one had and
    falls to ``min_factor`` in the steps that are left: slower if there are more of them. Where the
    other one had come to its end, it stays there.

    Parameters
    ----------
    optimizer : Optimizer
        Whose ``lr`` to set.
    total_steps : int
        Steps of the descent.
    min_factor : float
        Where it ends.
    """

    def __init__(self, optimizer: Optimizer, total_steps: int, min_factor: float = 0.0) -> None:
        self.total_steps = check_int("total_steps", total_steps, 1)
        self.min_factor = check_real("min_factor", min_factor, 0.0, 1.0)
        super().__init__(optimizer)

    def _factor(self, steps: int) -> float:
        return self._factor_of(self.total_steps, self._begin, self._begin_factor, steps)

    def _factor_of(self, total: int, begin: int, begin_factor: float, steps: int) -> float:
        if begin >= total:
            return begin_factor
        done = (min(steps, total) - begin) / (total - begin)
        fall = begin_factor - self.min_factor
        return self.min_factor + fall * (1.0 + math.cos(math.pi * done)) / 2.0

    def _shape(self) -> dict[str, Any]:
        return {
            "total_steps": self.total_steps,
            "begin": self._begin,
            "begin_factor": self._begin_factor,
        }

    def _take_over(self, state: Mapping[str, Any], steps: int) -> None:
        total = check_int("total_steps", state["total_steps"], 1)
        begin, factor = _read_begin(state, steps)
        if total != self.total_steps:
            begin, factor = steps, self._factor_of(total, begin, factor, steps)
        self._begin, self._begin_factor = begin, factor


class WarmupLR(Schedule):
    """From ``start_factor`` to 1 along a line in ``warmup_steps`` steps, then constant.

    Parameters
    ----------
    optimizer : Optimizer
        Whose ``lr`` to set.
    warmup_steps : int
        Steps of the ascent.
    start_factor : float
        Where it starts.
    """

    def __init__(self, optimizer: Optimizer, warmup_steps: int, start_factor: float = 0.01) -> None:
        self.warmup_steps = check_int("warmup_steps", warmup_steps, 1)
        self.start_factor = check_real("start_factor", start_factor, 0.0, 1.0)
        super().__init__(optimizer)

    def _factor(self, steps: int) -> float:
        done = min(steps, self.warmup_steps) / self.warmup_steps
        return self.start_factor + (1.0 - self.start_factor) * done


class ChainLR(Schedule):
    """Several schedules at once: the product of their factors.

    ``ChainLR([WarmupLR(optimizer, 100), CosineLR(optimizer, 10_000)])`` warms up and then falls.

    Parameters
    ----------
    schedules : list of Schedule
        Of one optimizer. Only the chain's ``step()`` is to be called.
    """

    def __init__(self, schedules: list[Schedule]) -> None:
        self.schedules = check_list("schedules", schedules, "schedules")
        if not self.schedules:
            raise ValueError("schedules: expected at least one, got none")
        for schedule in self.schedules:
            if not isinstance(schedule, Schedule):
                got = type(schedule).__name__
                raise TypeError(f"schedules: expected schedules that count steps, got {got}")
        if any(s.optimizer is not self.schedules[0].optimizer for s in self.schedules):
            raise ValueError("schedules: expected schedules of one optimizer, got several")
        super().__init__(self.schedules[0].optimizer)

    def _factor(self, steps: int) -> float:
        return float(math.prod(schedule.factor(steps) for schedule in self.schedules))

    def _shape(self) -> dict[str, Any]:
        return {"schedules": [schedule._shape() for schedule in self.schedules]}

    def _take_over(self, state: Mapping[str, Any], steps: int) -> None:
        shapes = state["schedules"]
        if not isinstance(shapes, list) or len(shapes) != len(self.schedules):
            raise ValueError(
                f"schedules: expected a list of {len(self.schedules)}, got {shown(shapes)}"
            )
        for schedule, shape in zip(self.schedules, shapes, strict=True):
            check_names(schedule._shape(), shape)
        for schedule, shape in zip(self.schedules, shapes, strict=True):
            schedule._take_over(shape, steps)


class ReduceOnPlateau:
    """Less when a figure has stopped to improve, as `torch.optim.lr_scheduler.ReduceLROnPlateau`.

    Parameters
    ----------
    optimizer : Optimizer
        Whose ``lr`` to multiply.
    factor : float
        What to multiply it by, below 1.
    patience : int
        Steps without improvement that are borne.
    threshold : float
        An improvement is one by more than this fraction.
    cooldown : int
        Steps after a change in which nothing is counted.
    min_lr : float
        The least learning rate.
    maximize : bool
        Whether more is better.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        *,
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
        maximize: bool = False,
    ) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"optimizer: expected an Optimizer, got {type(optimizer).__name__}")
        self.optimizer = optimizer
        self.factor = check_real("factor", factor, 0.0, 1.0, above=True, below=True)
        self.patience = check_int("patience", patience, 0)
        self.threshold = check_real("threshold", threshold, 0.0)
        self.cooldown = check_int("cooldown", cooldown, 0)
        self.min_lr = check_real("min_lr", min_lr, 0.0)
        self.maximize = check_bool("maximize", maximize)
        self.best = -math.inf if maximize else math.inf
        self.bad_steps = 0
        self.cooldown_left = 0

    def step(self, figure: float) -> None:
        """Take note of a figure, and lower the learning rate if it is time."""
        figure = _figure("figure", figure)
        if self._improves(figure):
            self.best, self.bad_steps = figure, 0
        else:
            self.bad_steps += 1
        if self.cooldown_left > 0:
            self.cooldown_left -= 1
            self.bad_steps = 0
        if self.bad_steps > self.patience:
            self.optimizer.lr = max(self.optimizer.lr * self.factor, self.min_lr)
            self.bad_steps, self.cooldown_left = 0, self.cooldown

    def _improves(self, figure: float) -> bool:
        if math.isinf(self.best):
            return figure > self.best if self.maximize else figure < self.best
        margin = self.threshold * abs(self.best)
        return figure > self.best + margin if self.maximize else figure < self.best - margin

    def state_dict(self) -> dict[str, Any]:
        """Return what is needed to go on; the learning rate is the optimizer's to keep."""
        return {
            "best": self.best,
            "bad_steps": self.bad_steps,
            "cooldown_left": self.cooldown_left,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave.

        Raises
        ------
        ValueError
            If a name is missing or unknown.
        """
        check_names(self.state_dict(), state)
        best = _figure("best", state["best"])
        bad_steps = check_int("bad_steps", state["bad_steps"], 0)
        self.cooldown_left = check_int("cooldown_left", state["cooldown_left"], 0)
        self.best, self.bad_steps = best, bad_steps


def _read_begin(state: Mapping[str, Any], steps: int) -> tuple[int, float]:
    """Return the ``begin``, at most ``steps``, and the ``begin_factor`` of a state."""
    begin = check_int("begin", state["begin"], 0)
    if begin > steps:
        raise ValueError(f"begin: expected at most step {steps}, got {begin}")
    return begin, check_real("begin_factor", state["begin_factor"], 0.0)


def _power(base: float, exponent: int) -> float:
    try:
        return float(base**exponent)
    except OverflowError:
        return math.inf


def _figure(name: str, value: Any) -> float:
    """Return a figure, which may be infinite or NaN, as a float."""
    if isinstance(value, (float, np.floating)) and not math.isfinite(value):
        return float(value)
    return check_real(name, value)
