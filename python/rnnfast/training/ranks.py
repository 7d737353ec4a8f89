"""What the training loop asks of those that train together: one process, or several.

`Ranks` is the one process, which asks nobody. `rnnfast.training.mpi_ranks` has several.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any, NamedTuple

from rnnfast.nn.module import Array, Module
from rnnfast.nn.placement import Placement


class Shard(NamedTuple):
    """What of a batch a process learns from.

    Attributes
    ----------
    batch : object
        Its rows, as the network takes batches.
    here : Placement
        Which those are.
    empty : bool
        Whether it has none: the batch is then of one row, which does not count.
    mark : int
        Tells the whole batch from others; 0: nothing does.
    """

    batch: Any
    here: Placement
    empty: bool = False
    mark: int = 0


# Takes a batch, a rank and how many there are.
Split = Callable[[Any, int, int], Shard]


def share(count: int, rank: int, size: int) -> tuple[int, int]:
    """Return where the rows of a rank begin and end: as many each, or one more for the first."""
    least, more = divmod(count, size)
    begin = rank * least + min(rank, more)
    return begin, begin + least + (rank < more)


def place(
    count: int, rank: int, size: int, whole: Any, **options: Any
) -> tuple[slice, Placement, bool]:
    """Return a rank's rows of a batch of ``count``, where they are, and whether it has none.

    One that has none takes the first, so that it draws what the others draw.
    """
    begin, end = share(count, rank, size)
    empty = begin == end
    if empty:
        begin, end = 0, 1
    return slice(begin, end), Placement(begin, end, count, whole, **options), empty


class Outcome(NamedTuple):
    """What a step of all came to.

    Attributes
    ----------
    loss, terms : float and int
        Sums over the whole batch.
    stop : str
        Why training is to stop before this step: "callback", or what `InterruptFlag` calls a
        signal; empty: it goes on.
    save : bool
        Whether a checkpoint is due.
    """

    loss: float
    terms: int
    stop: str = ""
    save: bool = False


class Ranks:
    """One process."""

    rank: int = 0
    size: int = 1
    split: Split | None = None

    @property
    def leads(self) -> bool:
        """Whether this process writes files and shows progress."""
        return self.rank == 0

    @property
    def several(self) -> bool:
        """Whether there are more."""
        return self.size > 1

    # Training

    def require_alike(self, facts: Mapping[str, Any]) -> None:
        """Raise ValueError, naming what differs, unless all ranks have the same facts."""

    def share_state(self, state: Any, carry_at: int = 1) -> None:
        """Have all go on from the first one's `TrainingState`."""

    def step(
        self,
        step: Callable[[Any], tuple[float, int]],
        batch: Any,
        modules: Mapping[str, Module],
        *,
        stop: Callable[[], str],
        save: bool = False,
    ) -> Outcome:
        """Add the gradients of a whole batch, and tell the others what this one wishes.

        ``stop`` is asked once they are there.
        """
        return Outcome(*step(batch))

    def agree(self, stop: str) -> str:
        """Return why to stop, if one of all wants to."""
        return stop

    def same(self, figures: Mapping[str, float]) -> dict[str, float]:
        """Return the first one's figures."""
        return dict(figures)

    def whole(self, carry: dict[str, Array]) -> AbstractContextManager[None]:
        """Have the states of all rows in ``carry`` while entered."""
        return nullcontext()

    def told(self, error: BaseException) -> BaseException:
        """Tell the others of an error, unless they know; return what this one is to raise."""
        return error

    # Sharing out what is measured

    def turns(self, number: int) -> bool:
        """Whether the work of this number is this process's."""
        return number % self.size == self.rank

    def total(self, *numbers: float) -> tuple[float, ...]:
        """Return the sums of numbers over all."""
        return numbers

    def add(self, array: Array) -> Array:
        """Return the sum of arrays of one shape over all."""
        return array

    def gather(self, rows: Array | None) -> list[Array]:
        """Return the arrays of all, by rank; None stands for one of no rows."""
        assert rows is not None
        return [rows]


SOLO = Ranks()
_current: ContextVar[Ranks] = ContextVar("ranks", default=SOLO)
_measuring: ContextVar[Ranks] = ContextVar("measuring", default=SOLO)


def current_ranks() -> Ranks:
    """Return those that train together."""
    return _current.get()


def measuring_ranks() -> Ranks:
    """Return those that share out what is measured: all only while they validate."""
    return _measuring.get()


@contextmanager
def training_with(ranks: Ranks) -> Iterator[None]:
    """Have `current_ranks` return these, and nothing shared out that is measured."""
    tokens = _current.set(ranks), _measuring.set(SOLO)
    try:
        yield
    finally:
        _current.reset(tokens[0])
        _measuring.reset(tokens[1])


@contextmanager
def measuring_with(ranks: Ranks) -> Iterator[None]:
    """Have these share out what is measured."""
    token = _measuring.set(ranks)
    try:
        yield
    finally:
        _measuring.reset(token)
