"""Averages of the weights that training passes through, often better than the last ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from rnnfast._checks import check_int, check_real, check_state
from rnnfast._checks.arrays import as_numbers
from rnnfast.nn._copies import refuse_copy
from rnnfast.nn.module import Array
from rnnfast.training.runs import Parameters, collect


class WeightAverage:
    """Base of the averages: kept beside the parameters, in float64.

    Parameters
    ----------
    parameters : Module, Parameter, or iterable or mapping of those
        What to average.

    Attributes
    ----------
    count : int
        How many times weights entered the average.
    """

    def __init__(self, parameters: Parameters) -> None:
        self._runs = [run for run, _ in collect(parameters)]
        self._steps = 0
        self.count = 0
        self._averages = [np.zeros(run.end - run.begin) for run in self._runs]
        self._kept: list[Array] = []

    __copy__ = refuse_copy

    def update(self) -> None:
        """Let the weights as they are enter the average; call it after each optimizer step.

        Raises
        ------
        RuntimeError
            If the layers have their average weights.
        """
        if self._kept:
            raise RuntimeError("update: expected the weights in training, got their average")
        self._steps += 1
        share = self._share()
        if share == 0.0:
            return
        self.count += 1
        for average, run in zip(self._averages, self._runs, strict=True):
            average += share * (run.buffer.values[run.begin : run.end] - average)

    def _share(self) -> float:
        """Return the weight of the newest weights in the average, 0: none."""
        raise NotImplementedError

    def apply(self) -> None:
        """Give the layers their average weights, until `restore`; nothing before an `update`.

        Raises
        ------
        RuntimeError
            If they have them already.
        """
        if self._kept:
            raise RuntimeError("apply: expected restore before it is called again")
        if self.count == 0:
            return
        for average, run in zip(self._averages, self._runs, strict=True):
            self._kept.append(run.buffer.values[run.begin : run.end].copy())
            run.buffer.assign(run.begin, average.astype(run.buffer.dtype))

    def restore(self) -> None:
        """Give the layers back the weights that they had before `apply`, bit by bit."""
        for weights, run in zip(self._kept, self._runs, strict=False):  # none without `apply`
            run.buffer.assign(run.begin, weights)
        self._kept = []

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Let the layers have their average weights within a ``with`` block.

        ::

            with average.applied():
                loss = validate()
        """
        self.apply()
        try:
            yield
        finally:
            self.restore()

    def state_dict(self) -> dict[str, Array]:
        """Return a copy of what the average remembers, by name, for a checkpoint."""
        state = {"step": np.array(self._steps), "count": np.array(self.count)}
        state.update({f"average.{i}": a.copy() for i, a in enumerate(self._averages)})
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave for an average of the same parameters.

        Raises
        ------
        TypeError
            If it is no mapping, or does not hold numbers.
        ValueError
            If a name is missing or unknown, or a shape differs; nothing is changed then.
        """
        arrays = check_state(self.state_dict(), state)
        averages = [
            as_numbers(f"average.{i}", arrays[f"average.{i}"]) for i in range(len(self._averages))
        ]
        steps, count = (check_int(name, arrays[name].item(), 0) for name in ("step", "count"))
        self._steps, self.count, self._averages = steps, count, averages


class ExponentialAverage(WeightAverage):
    """Exponential moving average, ``a = decay a + (1 - decay) w`` after each step.

    The first share is larger, so that the average is one of the weights seen and of nothing else:
    after n steps it is divided by ``1 - decay^n``, as Adam's moments are.

    Parameters
    ----------
    parameters : Module, Parameter, or iterable or mapping of those
        What to average.
    decay : float
        In [0, 1): about the last ``1 / (1 - decay)`` steps count.
    """

    def __init__(self, parameters: Parameters, decay: float = 0.999) -> None:
        super().__init__(parameters)
        self.decay = check_real("decay", decay, 0.0, 1.0, below=True)

    def _share(self) -> float:
        return float((1 - self.decay) / (1 - self.decay**self._steps))


class MeanAverage(WeightAverage):
    """Mean of the weights from some step on.

    With ``every=1`` averaged SGD (Polyak and Juditsky 1992; "ASGD" in Merity et al. 2018,
    section 3), with the steps of an epoch as ``every`` stochastic weight averaging (Izmailov et
    al. 2018, algorithm 1).

    Parameters
    ----------
    parameters : Module, Parameter, or iterable or mapping of those
        What to average.
    start : int
        So many steps are left out at first.
    every : int
        Only the weights after each ``every``-th step enter.
    """

    def __init__(self, parameters: Parameters, *, start: int = 0, every: int = 1) -> None:
        super().__init__(parameters)
        self.start = check_int("start", start, 0)
        self.every = check_int("every", every, 1)

    def _share(self) -> float:
        past = self._steps - self.start
        return 1 / (self.count + 1) if past > 0 and past % self.every == 0 else 0.0
