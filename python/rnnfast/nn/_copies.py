"""What lets layers be copied and pickled: memory by its content, compiled objects made anew.

`copy.copy` of a layer shares its parameters, gradients and random generator, as two names of one
layer would; `copy.deepcopy` and pickle share nothing. What points to the same buffer, a layer and
its optimizer or two layers with one table, does so in a deep copy of both too.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from rnnfast import _core

T = TypeVar("T")


class Buffer(_core.ParameterBuffer):
    """The memory of parameters and their gradients, which copies and pickles by its content."""

    def __reduce__(self) -> tuple[Any, ...]:
        if self.is_sparse:
            rows, gradients = self.sparse_grads()
            state = {"values": self.values, "rows": rows, "grads": gradients}
            return type(self), (self.size, self.dtype, gradients.shape[1]), state
        # Most copies are made between passes, where gradients are zero.
        grads = self.grads if self.grads.any() else None
        return type(self), (self.size, self.dtype), {"values": self.values, "grads": grads}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.assign(0, state["values"])
        gradients = state["grads"]
        if self.is_sparse:
            width = gradients.shape[1]
            table = _core.Embedding(self.size // width, width, self, 0, -1)
            table.backward(gradients, state["rows"])
        elif gradients is not None:
            self.grads[...] = gradients


class compiled(functools.cached_property[T]):
    """A compiled object on parameters, or what holds some: made when first used, never copied."""

    def __init__(self, make: Callable[[Any], T]) -> None:
        super().__init__(make)


def state_without_compiled(instance: object) -> dict[str, Any]:
    """Return the attributes of an object but those that are `compiled`."""
    kind = type(instance)
    return {
        name: value
        for name, value in vars(instance).items()
        if not isinstance(getattr(kind, name, None), compiled)
    }


def refuse_copy(instance: object) -> Any:
    """Raise TypeError: a `__copy__` for what would share what it changes with its copy."""
    raise TypeError(
        f"{type(instance).__name__}: expected copy.deepcopy, got copy.copy, whose result would "
        "share what the object remembers"
    )
