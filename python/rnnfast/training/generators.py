"""Random generators that a checkpoint keeps together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from rnnfast.nn.module import Module


class GeneratorGroup(np.random.Generator):
    """A generator whose state is that of others too.

    Parameters
    ----------
    own : numpy.random.Generator
        From which this one draws.
    others : iterable of numpy.random.Generator
        Whose states are read and set with its own.
    """

    def __init__(self, own: np.random.Generator, others: Iterable[np.random.Generator]) -> None:
        super().__init__(own.bit_generator)
        self._states = _States([own, *others])

    @property
    def bit_generator(self) -> Any:
        """What has the ``state`` of them all."""
        return self._states


class _States:
    def __init__(self, generators: list[np.random.Generator]) -> None:
        self._generators = generators

    @property
    def state(self) -> dict[str, Any]:
        return {"several": [generator.bit_generator.state for generator in self._generators]}

    @state.setter
    def state(self, value: Any) -> None:
        states = value["several"]
        if len(states) != len(self._generators):
            raise ValueError(
                f"expected the states of {len(self._generators)} generators, got {len(states)}"
            )
        for generator, state in zip(self._generators, states, strict=True):
            generator.bit_generator.state = state


def generators_of(modules: Iterable[Module]) -> list[np.random.Generator]:
    """Return the generators that are attributes of modules and of those within, each once."""
    found = {
        id(value): value
        for module in modules
        for _, inner in module.named_modules()
        for value in vars(inner).values()
        if isinstance(value, np.random.Generator)
    }
    return list(found.values())
