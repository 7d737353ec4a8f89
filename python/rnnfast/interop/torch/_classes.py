"""The classes that `accelerate` gives to layers of `torch.nn`, and how they get their own back."""

from __future__ import annotations

import threading
import weakref
from typing import Any

import torch
from torch.nn.utils import parametrize

from rnnfast.interop.torch._cells import Cell, GRUCell, LSTMCell, RNNCell
from rnnfast.interop.torch._kept import KEPT, Keeping
from rnnfast.interop.torch._layers import GRU, LSTM, RNN, Layer

Recurrent = torch.nn.RNNBase | torch.nn.RNNCellBase
_OURS: dict[type[Any], type[Any]] = {
    torch.nn.RNN: RNN,
    torch.nn.GRU: GRU,
    torch.nn.LSTM: LSTM,
    torch.nn.RNNCell: RNNCell,
    torch.nn.GRUCell: GRUCell,
    torch.nn.LSTMCell: LSTMCell,
}
# What leaves the passes of a subclass PyTorch's own.
_FREE = {"reset_parameters", "extra_repr"}
# Of the names that Python gives a meaning: what copies, dictionaries and attributes go by.
_SPECIAL = {
    "__new__", "__init_subclass__", "__slots__", "__eq__", "__hash__", "__setattr__",
    "__getstate__", "__setstate__", "__reduce__", "__reduce_ex__", "__prepare_scriptable__",
}  # fmt: skip


class Swapped:
    """What tells a layer whose class was swapped from one that was made as it is."""

    original: type[Recurrent]

    def __reduce_ex__(self, protocol: Any) -> Any:
        # The class is found by its original, for it has no name of its own.
        state: Any = self.__getstate__()
        return _blank, (self.original,), state


def _blank(original: Any) -> Any:
    """Return a layer without attributes, for copies and pickles."""
    kind: Any = _over(original)
    return kind.__new__(kind)


def torch_kind(kind: type[Any]) -> type[Any]:
    """Return which layer or cell of `torch.nn` a class is, or descends from."""
    kinds = (*_OURS, torch.nn.RNNBase, torch.nn.RNNCellBase)
    return next(k for k in kinds if issubclass(kind, k))


def own_names(module: Recurrent, kind: type[Any]) -> list[str]:
    """Return what a layer, or its class, has in the place of PyTorch's own or of ours."""
    base = torch_kind(kind)
    places: list[Any] = [module, *kind.__mro__[: kind.__mro__.index(base)]]
    is_cell = issubclass(kind, torch.nn.RNNCellBase)
    ours = (Cell, GRUCell, torch.nn.RNNCellBase) if is_cell else (Layer, GRU, torch.nn.RNNBase)
    shadowed = {name for k in (Keeping, *ours, base) for name in vars(k)} - _FREE
    shadowed = {name for name in shadowed if not name.startswith("__")}
    shadowed |= {KEPT, "original", *_SPECIAL}
    return sorted({name for place in places for name in vars(place)} & shadowed)


# By their originals, for as long as there are layers of them.
_made: weakref.WeakValueDictionary[type[Any], type[Any]] = weakref.WeakValueDictionary()
_lock = threading.Lock()


def _over(original: Any) -> type[Any]:
    """Return the one class that runs layers of this class on the kernels."""
    with _lock:
        found = _made.get(original)
        if found is None:
            ours = _OURS[torch_kind(original)]
            # No module of torch.nn's: what looks at that, such as torch.compile, takes those for
            # known.
            attributes = {"original": original, "__module__": __name__, "__doc__": original.__doc__}
            found = type(original.__name__, (Swapped, ours, original), attributes)
            _made[original] = found
        return found


def swapped(module: Recurrent) -> type[Any]:
    """Return the class by which a layer runs on the kernels."""
    return _on(module, _over(parametrize.type_before_parametrizations(module)))


def has_swapped_class(module: torch.nn.Module) -> bool:
    """Return whether a layer's class is the one that `swapped` gave, and no other made of it."""
    kind: Any = parametrize.type_before_parametrizations(module)
    return kind is _over(kind.original)


def restored(module: torch.nn.Module) -> type[Any]:
    """Return the class that a layer had before it was swapped."""
    kind: Any = parametrize.type_before_parametrizations(module)
    return _on(module, kind.original)


def _on(module: torch.nn.Module, base: type[Any]) -> type[Any]:
    """Return a base, under the class of the module's own that a parametrization made."""
    if not parametrize.is_parametrized(module):
        return base
    # Copies of the module may share that class: it stays as it is. It is known by nothing but its
    # properties, and PyTorch takes its only base when the parametrization is removed.
    kind = type(module)
    attributes = {k: v for k, v in vars(kind).items() if k not in ("__dict__", "__weakref__")}
    return type(kind.__name__, (base,), attributes)
