"""A step of training and a measurement for any network and any loss."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from rnnfast._checks import check_lengths
from rnnfast._checks.arrays import read_array
from rnnfast._checks.messages import listed, shown
from rnnfast._checks.synonyms import LOSSES
from rnnfast.nn.container import Back, Container, Pass, States
from rnnfast.nn.module import Array, Module

Loss = Callable[..., tuple[float, Any]]


class Given(NamedTuple):
    """A batch, read."""

    x: Any
    y: Any
    lengths: Any
    reset: Any
    options: dict[str, Any]


class LossOfNetwork:
    """The loss of a network's output, summed, with its gradient.

    Parameters
    ----------
    net : Module
        A part, as `rnnfast.nn.compose` has it.
    loss : callable
        As `rnnfast.Trainer` takes it.
    """

    def __init__(self, net: Module, loss: Loss) -> None:
        torch = sys.modules.get("torch")
        foreign = torch is not None and isinstance(loss, torch.nn.Module)
        if not callable(loss) or isinstance(loss, type) or foreign:
            raise TypeError(f"loss: expected a function, such as rf.mse, got {_not_a_loss(loss)}")
        self._whole = net if isinstance(net, Container) else _Whole(net)
        self._loss = loss
        self._net = net
        try:
            parameters = inspect.signature(loss).parameters
        except ValueError:  # some that are built in have none
            raise TypeError(
                f"loss: expected a function with named arguments, got {shown(loss)}"
            ) from None
        self._takes = {name: parameter.default for name, parameter in parameters.items()}

    def add_gradients(self, batch: Any, state: States) -> tuple[float, int, States]:
        """Add the gradients of the summed loss; return it, its number of terms, and the state."""
        given = read_batch(batch)
        (y, state), backprop = self._whole.forward(
            given.x, given.lengths, given.reset, state=state, return_state=True
        )
        loss, count, dy = self._loss_of(y, given, backward=True)
        backprop(dy, need_dx=False)
        return loss, count, state

    def measure(self, batch: Any, state: States) -> tuple[float, int, States]:
        """Return what `add_gradients` does, by a plain call."""
        given = read_batch(batch)
        y, state = self._whole(given.x, given.lengths, given.reset, state=state, return_state=True)
        loss, count, _ = self._loss_of(y, given, backward=False)
        return loss, count, state

    def _loss_of(self, y: Array, given: Given, *, backward: bool) -> tuple[float, int, Any]:
        options, takes, targets = dict(given.options), self._takes, given.y
        inside = None
        if given.lengths is not None and y.ndim < 3 and len(y) != len(given.lengths):
            raise ValueError(
                f"net: expected an output (T, B, K) or (B, K) with lengths of B sequences, "
                f"got shape {y.shape} with {len(given.lengths)} lengths"
            )
        if given.lengths is not None and y.ndim > 2:
            if "lengths" in takes:
                options["lengths"] = given.lengths
            elif "weights" not in takes:
                raise ValueError(
                    "loss: expected one that takes lengths or weights, to leave out what stands "
                    "past a length, got one that takes neither"
                )
            else:
                require_order(self._net, "with lengths of a batch")
                inside = self._inside(y, given.lengths)
                targets = _filled("y", targets, ~inside, takes.get("ignore_index", 0))
                if "ignore_index" not in takes:
                    weights = options.get("weights", takes["weights"])
                    weights = inside if weights is None else weights
                    options["weights"] = _filled("weights", weights, ~inside, 0)
        if "backward" in takes:
            options["backward"] = backward
        if "reduction" not in takes:  # a mean over the batch
            mean, dy = _pair(self._loss(y, targets, **options))
            count = y.shape[0 if y.ndim == 2 or self._whole.batch_first else 1]
            return float(mean) * count, count, None if dy is None else dy * dy.dtype.type(count)
        loss, dy = _pair(self._loss(y, targets, reduction="sum", **options))
        return loss, self._terms(y, given, inside), dy

    def _terms(self, y: Array, given: Given, inside: Array | None) -> int:
        """Return how many terms the loss has: what its mean would be divided by."""
        takes = self._takes
        if "target_lengths" in takes:  # a term for each sequence
            return len(given.y)
        if "lengths" in takes and y.ndim > 2:  # a term for each step
            steps, batch = y.shape[:2]
            return steps * batch if given.lengths is None else int(np.sum(given.lengths))
        if "ignore_index" in takes:  # a term for each row that has a target
            counted = read_array("y", given.y) != takes["ignore_index"]
            return int(np.count_nonzero(counted if inside is None else counted & inside))
        return y.size if inside is None else int(np.count_nonzero(inside)) * y.shape[-1]

    def _inside(self, y: Array, lengths: Any) -> Array:
        """Return True where a step counts, of the shape of ``y`` without its last axis."""
        steps, batch = y.shape[:2][::-1] if self._whole.batch_first else y.shape[:2]
        ends = check_lengths("lengths", lengths, batch, steps)
        inside: Array = np.arange(steps)[:, np.newaxis] < ends
        return inside.T if self._whole.batch_first else inside


def require_order(net: Module, when: str) -> None:
    """Raise ValueError if it is unknown whether steps or sequences come first in a network.

    Layers within may have another order than the network that does not say its own. ``when`` is
    for the message.
    """
    if getattr(net, "batch_first", None) is not None:
        return
    for _, module in net.named_modules():
        if getattr(module, "batch_first", None):
            raise ValueError(
                "net: expected a network with an attribute batch_first, as it has a "
                f"{type(module).__name__} with batch_first=True, {when}, got none"
            )


def _not_a_loss(value: Any) -> str:
    """Return what came where a loss belongs, and which function is meant."""
    kind = value if isinstance(value, type) else type(value)
    name = value if isinstance(value, str) else kind.__name__
    meant = [ours for ours, names in LOSSES.items() if name in names]
    cure = f"; loss={meant[0]} is meant" if meant else ""
    if isinstance(value, type):
        if issubclass(value, Module) and hasattr(value, "loss"):
            cure = f"; the method loss of a {name} is one"
        return f"the class {name}{cure}"
    return f"{shown(value) if isinstance(value, str) else type(value).__name__}{cure}"


def _pair(result: Any) -> tuple[float, Any]:
    """Return what a loss returned; TypeError if it is not a number and a gradient."""
    if isinstance(result, tuple) and len(result) == 2:
        return result
    got = type(result).__name__ if not isinstance(result, tuple) else f"{len(result)} values"
    raise TypeError(f"loss: expected to return the loss and its gradient, got {got}")


def _filled(name: str, values: Any, where: Array, number: Any) -> Any:
    """Return an array with a number at some steps; what does not fit is for the loss to tell."""
    array = read_array(name, values)
    if array.shape[: where.ndim] != where.shape:
        return values
    array = array.copy()
    array[where] = number
    return array


class _Whole(Container):
    """A single part as a container, so that all networks are called alike."""

    _word = "net"

    def __init__(self, part: Module) -> None:
        self.part = part
        self._check_parts({"part": part})

    def _through(self, run: Pass, x: Any) -> tuple[Any, Back]:
        return run.run("part", self.part, x)

    def _place(self, name: str) -> str:
        return self._word


def modules_of(net: Module, loss: Any) -> dict[str, Module]:
    """Return what is trained: the network, and the module whose method the loss is, if any."""
    while isinstance(loss, functools.partial):
        loss = loss.func
    owner = getattr(loss, "__self__", None)
    return {"net": net, "loss": owner} if isinstance(owner, Module) else {"net": net}


def read_batch(batch: Any) -> Given:
    """Return what `rnnfast.Trainer` was given as a batch.

    Raises
    ------
    TypeError
        If it is neither a dict nor a tuple or list.
    ValueError
        If it has too few or too many parts.
    """
    if isinstance(batch, Mapping):
        rest = dict(batch)
        missing = [name for name in ("x", "y") if name not in rest]
        if missing:
            raise ValueError(f"batch: expected the keys x and y, got {listed(batch)}")
        x, y = rest.pop("x"), rest.pop("y")
        return Given(x, y, rest.pop("lengths", None), rest.pop("reset", None), rest)
    if not isinstance(batch, (tuple, list)):
        kind = type(batch).__name__
        raise TypeError(
            f"batch: expected (x, y), (x, y, lengths) or a dict, got {kind}; a single batch is "
            "given as [(x, y)]"
        )
    if len(batch) not in (2, 3):
        raise ValueError(f"batch: expected (x, y) or (x, y, lengths), got {len(batch)} parts")
    x, y, *lengths = batch
    return Given(x, y, lengths[0] if lengths else None, None, {})
