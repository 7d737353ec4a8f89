"""What a drop-in module has beside the attributes of PyTorch's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rnnfast import _core
from rnnfast.interop.torch._counterpart import Counterpart

Held = tuple[Counterpart, _core.PackedWeights]
# From a module's attributes, what it holds, x and the state to the results, or None.
ReadyCall = Callable[[dict[str, Any], Held | None, Any, Any], Any]
KEPT = "_kept"  # the one attribute beside those of PyTorch's own module


@dataclass(slots=True, eq=False)
class Kept:
    """What a module has on the kernels' side. Copies and pickles of it are empty.

    Attributes
    ----------
    counterpart : Counterpart, optional
        Of the call that came last.
    held : (Counterpart, PackedWeights), optional
        What calls without gradients use, without looking at the weights; see `frozen`.
    holders : int
        Contexts of `frozen` that the module is in.
    ready : callable, optional
        What answers the next call without gradients at once, if it is like the last one.
    ready_for : tuple, optional
        For which calls that was made.
    """

    counterpart: Counterpart | None = None
    held: Held | None = None
    holders: int = 0
    ready: ReadyCall | None = None
    ready_for: tuple[Any, ...] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return Kept, ()


class Keeping:
    """A module that has it."""

    @property
    def kept(self) -> Kept:
        """What this module, and no copy of it, has on the kernels' side."""
        found: Kept | None = self.__dict__.get(KEPT)
        return self.__dict__.setdefault(KEPT, Kept()) if found is None else found

    def held_weights(self) -> Held | None:
        """Return what calls can use without looking at the weights; see `frozen`."""
        raise NotImplementedError
