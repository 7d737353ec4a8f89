"""One file a library: how to compute a point with it, in the way its users would at its best."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from point import Point, Problem
from timing import Answer, Candidate, Timed, time_blocks

# The name of a peer, the module here that knows it, and the package it needs.
PEERS = {
    "torch": ("peers.with_torch", "torch"),
    "onnxruntime": ("peers.with_onnxruntime", "onnxruntime"),
    "openvino": ("peers.with_openvino", "openvino"),
    "jax": ("peers.with_jax", "jax"),
    "numpy": ("peers.with_numpy", "numpy"),
}


class Local:
    """A candidate that runs in this process.

    Parameters
    ----------
    name, peer : str
        What it is; which library it belongs to.
    call : callable
        What is timed.
    answer : callable
        Returns what is compared.
    contexts : callable, optional
        Returns the context managers within which both run.
    """

    def __init__(
        self,
        name: str,
        peer: str,
        call: Callable[[], object],
        answer: Callable[[], Answer],
        contexts: Callable[[], list[Any]] = list,
    ) -> None:
        self.name, self.peer = name, peer
        self._call, self._answer, self._contexts = call, answer, contexts

    def answer(self) -> Answer:
        """Compute what is compared."""
        with ExitStack() as stack:
            for context in self._contexts():
                stack.enter_context(context)
            return self._answer()

    def time(self, calls: int, blocks: int, clock: str = "wall") -> Timed:
        """Time blocks of calls."""
        with ExitStack() as stack:
            for context in self._contexts():
                stack.enter_context(context)
            return time_blocks(self._call, calls, blocks, clock)

    def close(self) -> None:
        """Nothing is held."""


def installed(names: list[str]) -> list[str]:
    """Return those of the peers whose package is here."""
    return [name for name in names if find_spec(PEERS[name][1]) is not None]


def candidates(name: str, point: Point, problem: Problem) -> Iterator[Candidate]:
    """Yield the ways in which a peer computes a point; none if it cannot."""
    found: Iterator[Candidate] = import_module(PEERS[name][0]).candidates(point, problem)
    yield from found
