"""All layers of a model at once: swapped in place, and back."""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.ao.nn.quantized.dynamic.modules import rnn as dynamic
from torch.nn.utils import parametrize

from rnnfast._checks.messages import one_line
from rnnfast.interop.torch._cells import MOST_BYTES, bytes_of
from rnnfast.interop.torch._classes import (
    Swapped,
    has_swapped_class,
    own_names,
    restored,
    swapped,
    torch_kind,
)
from rnnfast.interop.torch._conditions import is_plain
from rnnfast.interop.torch._kept import KEPT, Keeping
from rnnfast.interop.torch._modules import require_module
from rnnfast.interop.torch._weights import DTYPES

_ALREADY = "runs on rnnfast's kernels already"
_CELL = (
    "takes one step a call, at which the kernels are no faster with so many weights; "
    "use a layer over all steps"
)
_SCRIPTED = "is compiled by torch.jit"
_QUANTIZED = "is quantized; rnnfast's from_torch reads it, by the numbers its weights stand for"
_NAMES = ("RNN", "GRU", "LSTM")


@dataclass(frozen=True)
class Report:
    """What `accelerate` did to a model.

    Attributes
    ----------
    swapped : dict of str to str
        Kind (``"RNN"``, ``"GRU"``, ``"LSTM"``, ``"LSTMCell"``, ...) of each one that it swapped,
        by the name of the module within the model; ``""`` is the model itself. A layer that stands
        in several places is there under each of its names.
    left : dict of str to str
        Why a recurrent layer or cell is as it was, by its name.
    """

    swapped: dict[str, str] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return a line for each layer."""
        lines = [f"{_called(name)}: {kind}, swapped" for name, kind in self.swapped.items()]
        return "\n".join(
            lines + [f"{_called(name)}: left, {why}" for name, why in self.left.items()]
        )


def _called(name: str) -> str:
    return name or "the model itself"


def accelerate(model: torch.nn.Module) -> Report:
    """Run every ``nn.RNN``, ``nn.GRU`` and ``nn.LSTM`` of a model on the kernels, in place.

    And, without gradients, their cells, if their weights are no more than the kernels gain by.

    The layers stay the objects that they are, with their parameters, hooks and attributes: only
    their classes change, to those of this module's layers. Optimizers that were made before go on
    training them, state dictionaries keep their names, and whoever holds a layer holds it still.
    `restore` undoes it, and `accelerated` does both. Once more on the same model does nothing.

    Parameters
    ----------
    model : torch.nn.Module
        A layer, or what has some, at any depth.

    Returns
    -------
    Report
        What was swapped, and what was not, and why: layers whose weights are not in float32 or
        float64 on the CPU, subclasses with a ``forward`` or another method of their own, what
        ``torch.jit`` compiled, what is quantized, and large cells.

    Raises
    ------
    TypeError
        If it is no module.
    ValueError
        If there is nothing to swap. Where there are layers, but none that can be, it says why.

    Notes
    -----
    A copy or pickle of an accelerated model is an accelerated model, and reading the pickle takes
    rnnfast; a state dictionary holds tensors only.

    Other threads may run the model meanwhile.
    """
    require_module("model", model)
    with _lock:
        return _swap(model)[0]


def restore(model: torch.nn.Module) -> None:
    """Undo `accelerate`: give each layer its own class back, and leave nothing behind.

    What was made as one of this module's layers stays one; a model without swapped layers stays as
    it is.

    Parameters
    ----------
    model : torch.nn.Module
        As for `accelerate`. No other thread may be running it.

    Raises
    ------
    TypeError
        If it is no module.
    RuntimeError
        If a context of `frozen` holds one of the layers, or somebody else has changed the class of
        one since (as ``fully_shard`` does). Nothing is restored then.
    """
    require_module("model", model)
    with _lock:
        _restore([m for m in _once(model) if isinstance(m, Swapped)])


@contextlib.contextmanager
def accelerated(model: torch.nn.Module) -> Iterator[Report]:
    """`accelerate` a model within a context, and `restore` it at the end.

    What was swapped before the context stays so. Contexts may be nested or overlap, in several
    threads too: a layer is restored when the last that holds it is left.

    Parameters
    ----------
    model : torch.nn.Module
        As for `accelerate`.

    Yields
    ------
    Report
        That of `accelerate`.

    Raises
    ------
    TypeError, ValueError
        As `accelerate`.
    RuntimeError
        As `restore`, at the end.
    """
    require_module("model", model)
    with _lock:
        report, layers = _swap(model)
        for layer in layers:
            _contexts[layer] = 0
        held = [m for m in _once(model) if m in _contexts]
        for layer in held:
            _contexts[layer] += 1
    try:
        yield report
    finally:
        with _lock:
            held = [m for m in held if m in _contexts]  # `restore` forgets them
            for layer in held:
                _contexts[layer] -= 1
            _restore([m for m in held if not _contexts[m]])


_lock = threading.RLock()
# How many contexts each layer is in that one of them swapped.
_contexts: weakref.WeakKeyDictionary[torch.nn.Module, int] = weakref.WeakKeyDictionary()


# Names of a model's modules from which on those of shared ones are told once only: there are
# exponentially many of modules within modules that are shared.
_MOST_NAMES = 10_000


def _walk(model: torch.nn.Module) -> Iterator[tuple[str, torch.nn.Module]]:
    """Yield every module within under each of its names."""
    seen: set[torch.nn.Module] = set()
    names = 0

    def under(
        module: torch.nn.Module, name: str, above: tuple[torch.nn.Module, ...]
    ) -> Iterator[tuple[str, torch.nn.Module]]:
        nonlocal names
        names += 1
        seen.add(module)
        yield name, module
        for key, child in module._modules.items():
            if child is None or child is module or child in above:
                continue
            if names < _MOST_NAMES or child not in seen:
                yield from under(child, f"{name}.{key}" if name else key, (*above, module))

    return under(model, "", ())


def _once(model: torch.nn.Module) -> list[torch.nn.Module]:
    return list(model.modules())


def _swap(model: torch.nn.Module) -> tuple[Report, list[torch.nn.Module]]:
    """Swap what can be; return the report, and the layers."""
    report, kinds = Report(), dict[torch.nn.Module, type[Any]]()
    running = False
    for name, module in _walk(model):
        running = running or isinstance(module, Keeping)
        reason = _reason(module)
        if reason is not None:
            report.left[name] = reason
        elif isinstance(module, (torch.nn.RNNBase, torch.nn.RNNCellBase)):
            report.swapped[name] = torch_kind(type(module)).__name__
            if module not in kinds:
                kinds[module] = swapped(module)
    if not kinds and not running:
        reasons = [f"{_called(name)} {why}" for name, why in report.left.items()]
        raise ValueError(
            "model: expected an nn.RNN, nn.GRU or nn.LSTM that can be swapped, got a "
            f"{type(model).__name__} without any"
            + (f": {one_line('; '.join(reasons))}" if reasons else "")
        )
    for module, kind in kinds.items():
        _set_class(module, kind)
    return report, list(kinds)


def _reason(module: torch.nn.Module) -> str | None:
    """Return why a recurrent layer is not to be swapped; None if it is, or is no such layer."""
    if isinstance(module, torch.jit.ScriptModule):
        return _SCRIPTED if getattr(module, "original_name", None) in _NAMES else None
    if isinstance(module, (dynamic.RNNBase, dynamic.RNNCellBase)):
        return _QUANTIZED
    if not isinstance(module, (torch.nn.RNNBase, torch.nn.RNNCellBase)):
        return None
    if isinstance(module, Keeping):
        return _ALREADY
    kind: type[Any] = parametrize.type_before_parametrizations(module)
    if torch_kind(kind) in (torch.nn.RNNBase, torch.nn.RNNCellBase):
        return "is neither an RNN, nor a GRU, nor an LSTM"
    if names := own_names(module, kind):
        return f"has {', '.join(names)} of its own, as a {kind.__name__}"
    if type(kind) is not type:
        return f"is a {kind.__name__}, whose class is made by a {type(kind).__name__}"
    for parameter in module.parameters():
        if parameter.dtype not in DTYPES or not parameter.is_cpu:
            return f"has weights in {_dtype(parameter)} on {parameter.device}"
        if not is_plain(parameter, parameter.dtype):
            return f"has weights of another kind, {type(parameter).__name__}"
    if isinstance(module, torch.nn.RNNCellBase):
        dtype = next(module.parameters()).dtype
        return _CELL if bytes_of(module, dtype) > MOST_BYTES else None
    return None


def _dtype(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _restore(layers: list[torch.nn.Module]) -> None:
    layers = list(dict.fromkeys(layers))
    for layer in layers:
        if isinstance(layer, Keeping) and layer.kept.holders:
            raise RuntimeError(
                "model: expected layers that no context of frozen holds, got a "
                f"{type(layer).__name__} within one"
            )
        if not has_swapped_class(layer):
            raise RuntimeError(
                "model: expected layers of the classes that accelerate gave them, got a "
                f"{type(layer).__name__}, made since; restore before that"
            )
    for layer in layers:
        kind = restored(layer)
        vars(layer).pop(KEPT, None)
        _set_class(layer, kind)
        _contexts.pop(layer, None)


def _set_class(module: torch.nn.Module, kind: type[Any]) -> None:
    object.__setattr__(module, "__class__", kind)
