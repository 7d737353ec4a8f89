"""What the processes of a communicator tell each other while they train.

Each step is one exchange of sums and wishes, then one sum of all dense gradients. Whatever else
goes between processes begins with such an exchange too: so an error in one of them reaches the
others wherever they are, and none waits for ever. An error that leaves an exchange half made in one
process, such as Ctrl-C or MemoryError, cannot be told: it ends all of them at once.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn

import numpy as np

from rnnfast._checks.messages import one_line, shown
from rnnfast.io.tensors import to_json
from rnnfast.nn.module import Array, Module
from rnnfast.nn.placement import placed
from rnnfast.training.gradients import Gradients
from rnnfast.training.ranks import Outcome, Ranks, Split, share
from rnnfast.training.shared_threads import share_threads

# What a rank may say at an exchange.
_FINE, _ERROR = 0, 100
# Characters of a fact that a message shows.
_BRIEF = 60
_WISHES = ("", "callback", "Ctrl-C", "SIGTERM", "SIGHUP", "SIGUSR1")


class RankFailed(SystemExit):
    """Another process of the training has failed, and tells why.

    It ends this one quietly with status 1 if nothing catches it.

    Attributes
    ----------
    reason : str
        Which one, and its error, in one line.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(1)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class MpiRanks(Ranks):
    """The processes of a communicator.

    Parameters
    ----------
    comm : mpi4py.MPI.Intracomm
        A communicator of their own.
    given : mpi4py.MPI.Intracomm
        That of which it is a copy.
    """

    def __init__(self, comm: Any, given: Any) -> None:
        self._comm, self.given = comm, given
        self.rank, self.size = comm.Get_rank(), comm.Get_size()
        self.split: Split | None = None
        self._gradients: Gradients | None = None
        self._rows = 0  # of the last batch, for states of its rows
        self._known: BaseException | None = None  # the error that all know of
        self._exchanging = False  # stays so where an error has left an exchange half made
        self._over = False  # whether the others wait no more

    # Training

    def require_alike(self, facts: Mapping[str, Any]) -> None:
        names = ["kind of training", *facts]
        own = tuple(map(to_json, [names, *facts.values()]))
        with self._whole_exchange():
            self._exchange()
            known = self._comm.allgather(own)
        # Of other kinds there may be others; then the names, which come first, differ.
        for name, values in zip(names, zip(*known, strict=False), strict=False):
            for rank, value in enumerate(values):
                if value == values[0]:
                    continue
                got = f"another on rank {rank} than on rank 0"
                if max(len(value), len(values[0])) <= _BRIEF:
                    first, other = (shown(json.loads(v)) for v in (values[0], value))
                    got = f"{first} on rank 0 and {other} on rank {rank}"
                raise ValueError(f"comm: expected the same {name} on every rank, got {got}")

    def share_threads(self) -> None:
        """Have those of one machine share its CPUs."""
        with self._whole_exchange():
            share_threads(self._comm)

    def share_state(self, state: Any, carry_at: int = 1) -> None:
        arrays = state.arrays()
        schedule = None if state.schedule is None else state.schedule.state_dict()
        described = {
            "arrays": {
                group: {name: (a.dtype.str, a.shape) for name, a in part.items()}
                for group, part in arrays.items()
            },
            "at": vars(state.at),
            "schedule": schedule,
            "rng": state.rng.bit_generator.state,
        }
        text = to_json(described)
        with self._whole_exchange():
            self._exchange()
            told = json.loads(self._text(text))
            received = {
                group: {
                    name: self._from_first(arrays[group].get(name), np.dtype(kind), tuple(shape))
                    for name, (kind, shape) in part.items()
                }
                for group, part in told["arrays"].items()
            }
        if not self.leads:
            state.load(received, told["schedule"])
            state.rng.bit_generator.state = told["rng"]
            vars(state.at).update(told["at"])
        for name, array in state.carry.items():
            begin, end = share(array.shape[1], self.rank, self.size)
            rows = slice(begin, end) if begin < end else slice(0, 1)
            self._rows = array.shape[1]
            state.carry[name] = np.ascontiguousarray(array[:, rows])

    def step(
        self,
        step: Callable[[Any], tuple[float, int]],
        batch: Any,
        modules: Mapping[str, Module],
        *,
        stop: Callable[[], str],
        save: bool = False,
    ) -> Outcome:
        assert self.split is not None
        if self._gradients is None:
            self._gradients = Gradients(modules)
        shard = self.split(batch, self.rank, self.size)
        self._rows = shard.here.size
        with placed(shard.here):
            loss, count = step(shard.batch)
        if shard.empty:
            loss, count = 0.0, 0
            for module in modules.values():
                module.zero_grad()
        wish_code = _WISHES.index(stop())
        with self._whole_exchange():
            said = self._exchange(float(loss), int(count), wish_code, save, shard.mark)
            wish = self._wish(said)
            prints = said[3 + self.size :]
            alike = bool((prints == prints[0]).all())
            if not wish and alike:
                self._gradients.reduce(self._comm)
        if wish:
            return Outcome(0.0, 0, wish)
        if not alike:
            other = int((prints != prints[0]).argmax())
            raise ValueError(
                f"batches: expected the same on every rank, got others on rank {other} than on "
                "rank 0; a function of a generator must draw from that alone"
            )
        return Outcome(float(said[0]), int(said[1]), save=bool(said[2]))

    def agree(self, stop: str) -> str:
        return self._wish(self._exchange(wish=_WISHES.index(stop)))

    def same(self, figures: Mapping[str, float]) -> dict[str, float]:
        own = tuple((n, float(v)) for n, v in figures.items())
        with self._whole_exchange():
            self._exchange()
            return dict(self._comm.bcast(own))

    @contextmanager
    def whole(self, carry: dict[str, Array]) -> Iterator[None]:
        own = dict(carry)
        with self._whole_exchange():
            self._exchange()
            known = self._comm.allgather(sorted(own))
        # After an error one may have ended an epoch, and others begun the next: no state goes on.
        if own and all(names == known[0] for names in known):
            begin, end = share(self._rows, self.rank, self.size)
            for name, part in sorted(own.items()):
                if part.ndim < 2 or part.shape[1] != max(end - begin, 1):
                    raise ValueError(
                        "comm: expected states with an axis of sequences behind the first, to keep "
                        f"them in a checkpoint, got shape {part.shape}"
                    )
                rows = np.ascontiguousarray(np.moveaxis(part, 1, 0)[: end - begin])
                with self._whole_exchange():
                    parts = self._gathered(rows)
                carry[name] = np.ascontiguousarray(np.moveaxis(np.concatenate(parts), 0, 1))
        try:
            yield
        finally:
            carry.update(own)

    def told(self, error: BaseException) -> BaseException:
        if self._over or error is self._known or isinstance(error, RankFailed):
            return error
        if self._exchanging:
            abort(self._comm, error)
        try:
            self._exchange(wish=_ERROR, error=error)
        except BaseException as known:
            if known is self._known:
                return known
            abort(self._comm, known)
        raise AssertionError("an error was told, and nothing came of it")

    def end(self) -> None:
        """Wait until all have come to the end, or an error in one of them."""
        with self._whole_exchange():
            self._exchange()
            self._over = True

    # Measuring

    def total(self, *numbers: float) -> tuple[float, ...]:
        sums = np.array(numbers, np.float64)
        self.add(sums)
        return tuple(sums.tolist())

    def add(self, array: Array) -> Array:
        with self._whole_exchange():
            self._exchange()
            self._sum(array)
        return array

    def gather(self, rows: Array | None) -> list[Array]:
        with self._whole_exchange():
            self._exchange()
            return self._gathered(rows)

    # Between processes

    @contextmanager
    def _whole_exchange(self) -> Iterator[None]:
        """Have what all do together be done as one: an error within it cannot be told to others."""
        outer, self._exchanging = self._exchanging, True
        yield
        self._exchanging = outer

    def _exchange(
        self,
        loss: float = 0.0,
        count: int = 0,
        wish: int = _FINE,
        save: bool = False,
        mark: int = 0,
        error: BaseException | None = None,
    ) -> Array:
        """Tell all of sums and of what this one wishes; raise if one of them has failed.

        Returns the sums of the loss and the count, whether the first one wants a checkpoint, what
        each wishes, and the mark of each.
        """
        said = np.zeros(3 + 2 * self.size)
        said[:3] = loss, count, save and self.leads
        said[3 + self.rank], said[3 + self.size + self.rank] = wish, mark
        with self._whole_exchange():
            self._sum(said)
        failed = np.flatnonzero(said[3 : 3 + self.size] == _ERROR)
        if len(failed):
            first = int(failed[0])
            reason = "" if error is None else f"{type(error).__name__}: {one_line(error)}"
            reason = self._comm.bcast(reason, root=first)
            self._known = (
                error
                if error is not None and first == self.rank
                else RankFailed(f"rank {first}: {reason}")
            )
            self._exchanging = False
            raise self._known
        return said

    def _wish(self, said: Array) -> str:
        wishes = said[3 : 3 + self.size]
        return _WISHES[int(wishes.max())]

    def _sum(self, array: Array) -> None:
        self._comm.Allreduce(_in_place(), array)

    def _text(self, text: str) -> str:
        """Return the first one's text."""
        data = np.frombuffer(text.encode(), np.uint8).copy()
        size = self._comm.bcast(len(data))
        if not self.leads:
            data = np.empty(size, np.uint8)
        self._comm.Bcast(data)
        return data.tobytes().decode()

    def _from_first(self, own: Array | None, kind: np.dtype[Any], shape: tuple[int, ...]) -> Array:
        """Return the first one's array."""
        array = np.asarray(own, order="C") if self.leads else np.empty(shape, kind)
        self._comm.Bcast(array.reshape(-1).view(np.uint8))
        return array

    def _gathered(self, rows: Array | None) -> list[Array]:
        facts = None if rows is None else (rows.dtype.str, len(rows), rows.shape[1:])
        known = self._comm.allgather(facts)
        kind, _, rest = next(fact for fact in known if fact is not None)
        parts = []
        for rank, fact in enumerate(known):
            count = 0 if fact is None else fact[1]
            part = np.empty((count, *rest), kind)
            if rank == self.rank and rows is not None:
                part[...] = rows
            if part.size:
                self._comm.Bcast(part.reshape(-1).view(np.uint8), root=rank)
            parts.append(part)
        return parts


def _in_place() -> Any:
    from mpi4py import MPI

    return MPI.IN_PLACE


def abort(comm: Any, error: BaseException) -> NoReturn:
    """End all processes where they cannot be told: MPI has failed, or one does not answer."""
    what = f"{type(error).__name__}: {one_line(error)}"
    print(
        f"comm: rank {comm.Get_rank()} ends all, as it failed in an exchange: {what}",
        file=sys.stderr,
    )
    sys.stderr.flush()
    comm.Abort(1)
    raise error
