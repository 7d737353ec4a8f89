"""Networks made of parts: one after the other, side by side, around, in both directions.

A *part* is a `Module` that takes one array and returns one:

::

    y = part(x)                         inference: nothing is dropped, nothing kept
    y, backprop = part.forward(x)       training
    dx = backprop(dy)                   adds to the gradients of the part's parameters

Every layer is one but those that need two inputs, and so is whatever `chain`, `concatenate`,
`residual` and `bidirectional` make of parts. A part of one's own is a subclass of `Module` with
such a ``forward``; its plain call follows from that. What all of them keep to:

Arrays
    Between parts go float arrays: sequences ``(T, B, F)`` (``(B, T, F)`` if all parts that know of
    time are made with ``batch_first``), behind a pooling vectors ``(B, F)``. At the start there
    may be integers, ``(T, B)`` tokens; they have no gradient, ``dx`` is None then. A first part of
    one's own may take anything else, and return its gradient or None.
``lengths``, ``reset``
    A container is called with ``lengths`` ``(B,)`` and ``reset`` ``(T, B)`` beside ``x``, each or
    none, as recurrent layers are, and hands them as they are to every part whose ``forward`` has a
    parameter of that name. Recurrent layers take both; the reversal of `bidirectional` follows
    both; poolings and attention take lengths and refuse resets, which they cannot follow. Layers
    that treat each step by itself take neither.
Padding
    What stands past a length is finite and has no meaning. Parts that take lengths never let it
    have an effect and return 0 as its gradient; a loss has to leave it out.
State
    Recurrent layers begin with a state of zero and drop their last one, unless asked otherwise:
    with ``return_state=True`` a container returns ``(y, state)`` in place of ``y``, and its
    ``backprop(dy, dstate=None)`` returns ``(dx, dstate)``: from the gradients of the final states
    to those of the initial ones. ``state`` gives initial ones. Each is a dict of what the layers
    themselves take and give, by their places: ``"1"`` of a chain's second part, ``"0.2"`` of the
    third of a chain that is its first, ``"1.reverse_layer"``. What is not in the dict is zero.
    A part of one's own has state if it says ``has_state = True``; it is then called as a recurrent
    layer is, ``(y, state), backprop = part.forward(x, state, ...)`` and ``dx, dstate =
    backprop(dy, dstate, need_dx=...)``.
``dy``
    May be None for a gradient of zero, where only that of a state is there.
``need_dx``
    With ``backprop(dy, need_dx=False)`` a container leaves out the gradient of ``x``.

A part may stand in several places: it is one set of parameters, to which every place adds its
gradient, and has a state in each place. An error within a part is told with its place,
``chain[2] (Linear): x: expected shape (..., 192), got (20, 4, 96)``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rnnfast._checks.arrays import require_ndarray
from rnnfast.nn._contract import has_gradient, require_passed_on
from rnnfast.nn.bidirectional import Bidirectional, bidirectional
from rnnfast.nn.container import (
    Back,
    Container,
    Pass,
    States,
    split_gradient,
    sum_gradients,
)
from rnnfast.nn.dropout import Dropout
from rnnfast.nn.module import Module
from rnnfast.nn.pooling import Pooling

if TYPE_CHECKING:
    from rnnfast.nn.chain_stream import ChainStream

__all__ = [
    "Bidirectional",
    "Chain",
    "Concatenate",
    "Container",
    "Residual",
    "States",
    "bidirectional",
    "chain",
    "concatenate",
    "residual",
]


class _Several(Container):
    """A container of any number of parts, which are its items."""

    def __init__(self, *parts: Module) -> None:
        self._check_parts({str(number): part for number, part in enumerate(parts)})
        self.parts = parts

    def children(self) -> dict[str, Module]:
        """Return the parts by their numbers."""
        return {str(number): part for number, part in enumerate(self.parts)}

    def __len__(self) -> int:
        return len(self.parts)

    def _at(self, number: int, part: Module) -> str:
        return f"{self._place(str(number))} ({type(part).__name__})"

    def __getitem__(self, number: int) -> Module:
        return self.parts[number]


class Chain(_Several):
    """Parts one after the other; see `chain`."""

    _word = "chain"

    def __init__(self, *parts: Module) -> None:
        super().__init__(*parts)
        directions, before = None, ""
        for name, part in self.children().items():
            place = f"{self._place(name)} ({type(part).__name__})"
            if isinstance(part, Pooling):
                if part.needs_directions and directions not in (None, part.num_directions):
                    raise ValueError(
                        f"{place}: num_directions: expected {directions} as {before} has it, "
                        f"got {part.num_directions}"
                    )
                directions = None
            elif not isinstance(part, Dropout):
                directions, before = getattr(part, "num_directions", None), place
        self.num_directions = directions

    def _through(self, run: Pass, x: Any) -> tuple[Any, Back]:
        backs = []
        for number, part in enumerate(self.parts):
            passes_on = number > 0 and has_gradient(x)
            x, back = run.run(str(number), part, x)
            backs.append((part, passes_on, back))

        def through(dy: Any, need_dx: bool) -> Any:
            for number, (part, passes_on, back) in reversed(list(enumerate(backs))):
                dx = back(dy, need_dx or number > 0)
                if passes_on:
                    require_passed_on(self._at(number, part), dy, dx)
                dy = dx
            return dy

        return x, through

    def stream(self, batch_size: int = 1) -> ChainStream:
        """Return a runner that takes one step at a time and keeps the states inside.

        For chains of recurrent layers in one direction, `Linear`, `Embedding`, `Activation` and
        `Dropout`, which drops nothing then, and of chains of such.

        Parameters
        ----------
        batch_size : int
            Sequences that run side by side.

        Raises
        ------
        ValueError
            If a part is of another kind, or does not take what the one before gives.
        """
        from rnnfast.nn.chain_stream import ChainStream  # which imports this module

        return ChainStream(self, batch_size)


class Concatenate(_Several):
    """Parts side by side; see `concatenate`."""

    _word = "concatenate"

    def _through(self, run: Pass, x: Any) -> tuple[Any, Back]:
        parts = [run.run(str(n), part, x) for n, part in enumerate(self.parts)]
        outputs = [y for y, _ in parts]
        for number, y in enumerate(outputs):
            if y.shape[:-1] != outputs[0].shape[:-1]:
                raise ValueError(
                    f"{self._word}: expected outputs that differ in their last axis alone, "
                    f"got {outputs[0].shape} of part 0 and {y.shape} of part {number}"
                )
        borders = np.cumsum([y.shape[-1] for y in outputs])

        def through(dy: Any, need_dx: bool) -> Any:
            pieces = [None] * len(parts) if dy is None else split_gradient(dy, borders)
            dxs = [back(piece, need_dx) for (_, back), piece in zip(parts, pieces, strict=True)]
            if any(dx is not None for dx in dxs):  # then of all
                for number, (piece, dx) in enumerate(zip(pieces, dxs, strict=True)):
                    require_passed_on(self._at(number, self.parts[number]), piece, dx)
            return sum_gradients(dxs)

        return np.concatenate(outputs, axis=-1), through


class Residual(Container):
    """A part and a way around it; see `residual`."""

    _word = "residual"

    def __init__(self, part: Module) -> None:
        self._check_parts({"part": part})
        self.part = part
        self.num_directions = getattr(part, "num_directions", None)

    def _through(self, run: Pass, x: Any) -> tuple[Any, Back]:
        x = require_ndarray("x", x)
        if x.dtype.kind != "f":
            raise TypeError(f"x: expected dtype float32 or float64 to add to, got {x.dtype}")
        inner, back = run.run("part", self.part, x)
        if inner.shape != x.shape:
            raise ValueError(
                f"{self._word}: expected {type(self.part).__name__} to keep the shape of x, "
                f"{x.shape}, got {inner.shape}"
            )

        def through(dy: Any, need_dx: bool) -> Any:
            dx = back(dy, need_dx)
            if need_dx:
                require_passed_on(f"{self._word} ({type(self.part).__name__})", dy, dx)
            return sum_gradients([dy if need_dx else None, dx])

        return x + inner, through

    def _place(self, name: str) -> str:
        return self._word


def chain(*parts: Module) -> Chain:
    """Put parts one after the other: each reads what the one before returns.

    Parameters
    ----------
    *parts : Module
        At least one. `rnnfast.nn.compose` says what a part is, and how lengths and states go
        through.

    Returns
    -------
    Chain
        A module: ``y = net(x, lengths)``; ``y, backprop = net.forward(x, lengths)``. Parameters are
        named by the part's number, ``1.weight_ih_l0``; ``net[1]`` is the part.

    Raises
    ------
    TypeError
        If something is no Module.
    ValueError
        If there is none, some have the batch first and others time, or a `Pooling` takes the last
        step of other directions than there are.

    Examples
    --------
    >>> import rnnfast as rf
    >>> net = rf.chain(
    ...     rf.Embedding(100, 16), rf.bidirectional(rf.GRU(16, 24)), rf.Dropout(0.5),
    ...     rf.Linear(48, 5),
    ... )
    >>> tokens = np.zeros((7, 2), np.int64)
    >>> net(tokens, lengths=[7, 3]).shape
    (7, 2, 5)
    >>> y, backprop = net.forward(tokens, lengths=[7, 3])
    >>> backprop(np.ones_like(y))  # tokens have no gradient
    >>> list(net.grads)[:2]
    ['0.weight', '1.forward_layer.weight_ih_l0']
    """
    return Chain(*parts)


def concatenate(*parts: Module) -> Concatenate:
    """Put parts side by side: all read the same, their outputs stand together in the last axis.

    Parameters
    ----------
    *parts : Module
        At least one; see `chain`.

    Returns
    -------
    Concatenate

    Raises
    ------
    TypeError, ValueError
        As `chain`.

    Examples
    --------
    >>> import rnnfast as rf
    >>> both = rf.concatenate(rf.Pooling("mean"), rf.Pooling("max"))
    >>> both(np.ones((5, 2, 3), np.float32), lengths=[5, 4]).shape
    (2, 6)
    """
    return Concatenate(*parts)


def residual(part: Module) -> Residual:
    """Add what a part makes of ``x`` to ``x``: ``y = x + part(x)`` (He et al. 2016).

    Parameters
    ----------
    part : Module
        Keeps the shape; see `chain`.

    Returns
    -------
    Residual

    Raises
    ------
    TypeError
        If it is no Module.

    Examples
    --------
    >>> import rnnfast as rf
    >>> block = rf.residual(rf.chain(rf.GRU(8, 8), rf.Dropout(0.2)))
    >>> block(np.zeros((5, 2, 8), np.float32)).shape
    (5, 2, 8)
    """
    return Residual(part)
