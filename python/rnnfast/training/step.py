"""One step of training: the gradients of a batch, cut, and what the optimizer makes of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from rnnfast import _core
from rnnfast.io.tensors import Array
from rnnfast.training.batch_numbers import BatchError
from rnnfast.training.checkpointer import TrainingState
from rnnfast.training.clipping import clip_norm_of, clip_value_of, scale_runs
from rnnfast.training.finite_numbers import FiniteNumbers
from rnnfast.training.ranks import Outcome, Ranks
from rnnfast.training.runs import collect
from rnnfast.training.schedules import Schedule

Batch = TypeVar("Batch")


class StepMaker(Generic[Batch]):
    """Makes the steps of a training.

    Parameters
    ----------
    step, divisor, max_norm, max_value
        As `TrainingLoop` takes them.
    state : TrainingState
        The training.
    finite : FiniteNumbers
        Of the same.
    ranks : Ranks
        Those that train together.

    Attributes
    ----------
    whole : bool
        Whether no step is half made.
    """

    def __init__(
        self,
        step: Callable[[Batch], tuple[float, int]],
        divisor: Callable[[Batch, int], float] | None,
        max_norm: float | None,
        max_value: float | None,
        *,
        state: TrainingState,
        finite: FiniteNumbers,
        ranks: Ranks,
    ) -> None:
        self._step, self._divisor = step, divisor
        self._max_norm = math.inf if max_norm is None else max_norm
        self._max_value = max_value
        self._state, self._finite, self._ranks = state, finite, ranks
        # What every step clears, scales and measures stays the same arrays.
        modules = state.modules
        self._runs = collect(modules)
        self._buffers = {id(b): b for m in modules.values() for b in m.buffers()}.values()
        # What a step has changed before it is made: the generator's state, and states.
        self._before: tuple[Any, dict[str, Array]] | None = None
        self.whole = True

    def make(self, batch: Batch, stop: Callable[[], str], save: bool) -> Outcome:
        """Make one step, unless one of the ranks wishes to stop before it."""
        state, at, ranks = self._state, self._state.at, self._ranks
        if ranks.several:
            self._before = state.rng.bit_generator.state, dict(state.carry)
        for buffer in self._buffers:
            _core.zero_grads(buffer, 0, buffer.size)
        with self._finite.telling():
            try:
                outcome = ranks.step(self._step, batch, state.modules, stop=stop, save=save)
            except BatchError as error:
                where = f"epoch {at.epoch + 1}, batch {at.batch + 1}"
                raise BatchError(f"{where}: {error}") from error.__cause__
            if outcome.stop:
                self.undo()
                return outcome
            loss_sum, count = outcome.loss, outcome.terms
            if not math.isfinite(loss_sum):
                raise FloatingPointError(f"the loss is {loss_sum}")
            if count:
                divisor = count if self._divisor is None else self._divisor(batch, count)
                at.gradient_norm = max(at.gradient_norm, self._cut_gradients(divisor))
        self._before, self.whole = None, False
        if count:
            state.optimizer.step()
            if state.average is not None:
                state.average.update()
            if isinstance(state.schedule, Schedule):
                state.schedule.step()
        at.batch += 1
        at.step += 1
        at.loss_sum += float(loss_sum)
        at.count += int(count)
        self.whole = True
        return outcome

    def undo(self) -> None:
        """Put back what a step that is not made has changed."""
        if self._before is not None:
            self._state.rng.bit_generator.state = self._before[0]
            self._state.carry.clear()
            self._state.carry.update(self._before[1])
            self._before = None

    def _cut_gradients(self, divisor: float) -> float:
        """Divide the gradients and cut them; return their norm before the cut."""
        scale_runs(self._runs, 1 / divisor)
        if self._max_value is not None:
            clip_value_of(self._runs, self._max_value)
        return clip_norm_of(self._runs, self._max_norm)
