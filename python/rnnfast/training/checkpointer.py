"""What a training goes on from, and the file that it is kept in."""

from __future__ import annotations

import errno
import math
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnfast._checks.messages import counted, of_file
from rnnfast.io.files import shown_path
from rnnfast.io.tensors import Array, collect_arrays, spread_arrays
from rnnfast.nn.module import Module
from rnnfast.training.averaging import WeightAverage
from rnnfast.training.checkpoints import Position, read_checkpoint, write_checkpoint
from rnnfast.training.optimizers import Optimizer
from rnnfast.training.progress import Reporter
from rnnfast.training.schedules import ReduceOnPlateau, Schedule

# Least seconds between checkpoints at the ends of epochs: short ones must not wait for the disk.
_EVERY = 10.0
# Seconds within an epoch after which there is one: so much is lost at most.
_WITHIN = 120.0

# Whether the file is wanted after the end, as a program's user says.
_keeping: ContextVar[bool | None] = ContextVar("keeping", default=None)


@contextmanager
def keeping(wanted: bool) -> Iterator[None]:
    """Let checkpoints say whether they are wanted after the end."""
    token = _keeping.set(wanted)
    try:
        yield
    finally:
        _keeping.reset(token)


@dataclass
class TrainingState:
    """All that a training goes on from.

    Attributes
    ----------
    modules, optimizer, rng, schedule, average, carry
        As `TrainingLoop` has them.
    at : Position
        Where it stands.
    best : dict of str to ndarray
        The weights of the best epoch, empty without one.
    """

    modules: Mapping[str, Module]
    optimizer: Optimizer
    rng: np.random.Generator
    schedule: Schedule | ReduceOnPlateau | None
    average: WeightAverage | None
    carry: dict[str, Array]
    at: Position
    best: dict[str, Array]

    def arrays(self) -> dict[str, dict[str, Array]]:
        """Return all arrays, by what they are."""
        return {
            "weights": collect_arrays(self.modules),
            "best": self.best,
            "optimizer": self.optimizer.state_dict(),
            "carry": dict(self.carry),
            "average": {} if self.average is None else self.average.state_dict(),
        }

    def load(
        self, arrays: Mapping[str, dict[str, Array]], schedule: Mapping[str, Any] | None
    ) -> None:
        """Go on from what `arrays` and a schedule's `state_dict` gave."""
        spread_arrays(self.modules, arrays["weights"])
        self.optimizer.load_state_dict(arrays["optimizer"])
        if self.schedule is not None and schedule is not None:
            self.schedule.load_state_dict(schedule)
        if self.average is not None:
            self.average.load_state_dict(arrays["average"])
        self.best = arrays["best"]
        self.carry.clear()
        self.carry.update(arrays["carry"])


class Checkpointer:
    """Keeps a training in a file.

    Parameters
    ----------
    path : path-like, optional
        The file; None: nothing is kept.
    state : TrainingState
        The training.
    identity : mapping
        What must be the same for the file to be resumed.
    reporter : Reporter
        Is told of files that cannot be written.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None,
        state: TrainingState,
        identity: Mapping[str, Any],
        reporter: Reporter,
    ) -> None:
        self._path, self._state, self._identity = path, state, identity
        self._reporter = reporter
        self._began = self._written = -math.inf
        self._claimed: tuple[int, int] | None = None
        self._kept = _keeping.get()

    def claim(self) -> None:
        """Begin, and write the first checkpoint where there is no file.

        It shows that one can be written, and that the place is taken: to those who look, and to
        another training that begins at the same time.
        """
        self._began = time.perf_counter()
        self._claimed = None
        if self._path is not None and not os.path.lexists(self._path):
            self.write(first=True)
            self._claimed = _identity_of(self._path)

    def give_up(self) -> None:
        """Remove the file if it is still the one that `claim` wrote, which is worth nothing."""
        if self._path is not None and self._claimed is not None:
            with suppress(OSError):  # what is told is why training ended
                if _identity_of(self._path) == self._claimed:
                    os.unlink(self._path)

    def is_due(self) -> bool:
        """Whether a checkpoint is due at the end of an epoch."""
        return time.perf_counter() - self._written >= _EVERY

    def is_due_within(self) -> bool:
        """Whether one is due before an epoch has ended."""
        return time.perf_counter() - max(self._written, self._began) >= _WITHIN

    def write(self, first: bool = False) -> None:
        """Write a checkpoint; if that fails, raise OSError for the ``first`` one, else warn."""
        if self._path is None:
            return
        state = self._state
        state.at.kept = self._kept  # who goes on says it anew, or does not
        self._written = time.perf_counter()
        try:
            write_checkpoint(
                self._path,
                state.at,
                state.arrays(),
                state.rng,
                {} if state.schedule is None else state.schedule.state_dict(),
                self._identity,
                new=first,
            )
        except OSError as error:
            if first:
                raise
            self._reporter.tell(f"checkpoint: {of_file(error)}")
        else:
            self._claimed = None
            self._reporter.log(
                f"checkpoint written after {counted(state.at.step, 'step')}: "
                f"{shown_path(self._path)}"
            )

    def resume(self) -> None:
        """Go on from the file; if that fails, nothing is changed."""
        if self._path is None:
            raise ValueError("checkpoint: expected a path to resume from, got None")
        if not os.path.lexists(self._path):
            reason = "checkpoint: expected an unfinished training to resume, got no file; "
            reason += "resume=False begins anew"
            raise FileNotFoundError(errno.ENOENT, reason, os.fspath(self._path))
        state = self._state
        rng_state = state.rng.bit_generator.state
        schedule_state = None if state.schedule is None else state.schedule.state_dict()
        kept = state.arrays()
        try:
            at, arrays, schedule = read_checkpoint(self._path, state.rng, self._identity)
            state.load(arrays, schedule)
        except (TypeError, ValueError) as error:
            state.rng.bit_generator.state = rng_state
            state.load(kept, schedule_state)
            name = shown_path(self._path)
            message = str(error) if str(error).startswith(f"{name}: ") else f"{name}: {error}"
            raise ValueError(message) from None
        state.at = at
        if self._kept is not None and self._kept != at.kept:
            self.write()  # where nothing is left to train it is not written again


def _identity_of(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Return what tells a file apart from one that takes its place."""
    status = os.stat(path)
    return status.st_dev, status.st_ino
