"""What lets layers be copied and pickled: memory by its content, compiled objects made anew.

`copy.copy` of a layer shares its parameters, gradients and random generator, as two names of one
layer would; `copy.deepcopy` and pickle share nothing. What points to the same buffer, a layer and
its optimizer or two layers with one table, does so in a deep copy of both too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar, overload

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


class compiled(Generic[T]):
    """A compiled object on parameters, or what holds some: made when first used, never copied.

    Unlike `functools.cached_property`, which has a lock until Python 3.12, it never waits: a
    process that is forked while another thread holds a lock would do so for ever. Of several
    threads that make one at a time the first one's is kept.
    """

    def __init__(self, make: Callable[[Any], T]) -> None:
        self._make = make
        self.__doc__ = make.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> compiled[T]: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> compiled[T] | T:
        if instance is None:
            return self
        made: T = vars(instance).setdefault(self._name, self._make(instance))
        return made


def compiled_names(instance: object) -> list[str]:
    """Return the names of the attributes of an object that are `compiled`."""
    kind = type(instance)
    return [name for name in vars(instance) if isinstance(getattr(kind, name, None), compiled)]


def state_without_compiled(instance: object) -> dict[str, Any]:
    """Return the attributes of an object but those that are `compiled`."""
    left_out = compiled_names(instance)
    return {name: value for name, value in vars(instance).items() if name not in left_out}


def refuse_copy(instance: object) -> Any:
    """Raise TypeError: a `__copy__` for what would share what it changes with its copy."""
    raise TypeError(
        f"{type(instance).__name__}: expected copy.deepcopy, got copy.copy, whose result would "
        "share what the object remembers"
    )
