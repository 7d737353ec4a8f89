"""What the containers of `rnnfast.nn.compose` share: a pass through parts, and what it hands on."""

from __future__ import annotations

import functools
import inspect
import operator
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from rnnfast._checks import check_bool
from rnnfast._checks.arrays import require_array
from rnnfast._checks.likeness import call_like
from rnnfast._checks.messages import shown
from rnnfast._checks.ours import is_ours
from rnnfast.nn._contract import has_gradient, passed, require_output, with_state
from rnnfast.nn._not_modules import not_a_module
from rnnfast.nn.linear import Linear
from rnnfast.nn.module import Array, Module
from rnnfast.nn.recurrent.base import State

States: TypeAlias = dict[str, State]
# Takes dy and whether dx is wanted; returns dx.
Back: TypeAlias = Callable[[Any, bool], Any]


# Errors that say where they came up.
_TOLD = (TypeError, ValueError, FloatingPointError)


class Pass:
    """One pass through a container: what its parts are given, and the states that they hand out.

    Parameters
    ----------
    container : Container
        Whose.
    lengths, reset, state
        As the container was called with.
    training : bool
        Whether backpropagation will follow.
    """

    def __init__(
        self, container: Container, lengths: Any, reset: Any, state: Any, *, training: bool
    ) -> None:
        self._container = container
        self.lengths, self.reset = lengths, reset
        self._training = training
        self._initial = checked_states("state", state, container)
        self.states: States = {}
        self._dstates: States = {}  # of the final states
        self._dinitial: States = {}

    def run(self, name: str, part: Module, x: Any, reset: Any = None) -> tuple[Any, Back]:
        """Run a part at a place; ``reset`` stands for the pass's own."""
        options: dict[str, Any] = {}
        if self.lengths is not None:
            options["lengths"] = self.lengths
        if self.reset is not None:
            options["reset"] = self.reset if reset is None else reset
        if isinstance(part, Container):
            return self._run_container(name, part, x, options)
        try:
            if options:
                options = _taken_by(part, options)
            if part.has_state:
                return self._run_with_state(name, part, x, options)
            return self._run_plain(name, part, x, options)
        except _TOLD as error:
            raise self._placed(name, part, error) from error

    def _run_plain(
        self, name: str, part: Module, x: Any, options: dict[str, Any]
    ) -> tuple[Any, Back]:
        own = not is_ours(part)
        taken = (x.dtype, x.shape) if own and has_gradient(x) else None
        if not self._training:
            y = part(x, **options)
            if own:
                require_output(y)
            return y, _no_backprop
        y, backprop = passed(part.forward(x, **options))
        if own:
            require_output(y)

        def back(dy: Any, need_dx: bool) -> Any:
            if dy is None:
                return None
            try:
                if isinstance(part, Linear):
                    return backprop(dy, need_dx=need_dx)
                dx = backprop(dy)
                if taken is not None and dx is not None:
                    require_array("dx", dx, *taken)
                return dx
            except _TOLD as error:
                raise self._placed(name, part, error) from error

        return y, back

    def _run_with_state(
        self, name: str, part: Module, x: Any, options: dict[str, Any]
    ) -> tuple[Any, Back]:
        state = self._initial.get(name)
        if not self._training:
            y, self.states[name] = with_state(part(x, state, **options), "call", "(y, state)")
            return y, _no_backprop
        output, backprop = passed(part.forward(x, state, **options))
        y, self.states[name] = with_state(output, "forward", "((y, state), backprop)")

        def back(dy: Any, need_dx: bool) -> Any:
            dstate = self._dstates.get(name)
            if dy is None and dstate is None:
                return None
            try:
                dx, self._dinitial[name] = with_state(
                    backprop(dy, dstate, need_dx=need_dx), "backprop", "(dx, dstate)"
                )
            except _TOLD as error:
                raise self._placed(name, part, error) from error
            return dx

        return y, back

    def _run_container(
        self, name: str, part: Container, x: Any, options: dict[str, Any]
    ) -> tuple[Any, Back]:
        start = f"{name}."
        options |= {"state": _below(start, self._initial), "return_state": True}
        try:
            if not self._training:
                y, states = part(x, **options)
            else:
                (y, states), backprop = part.forward(x, **options)
        except _TOLD as error:
            raise self._placed(name, part, error) from error
        self.states |= {start + place: state for place, state in states.items()}
        if not self._training:
            return y, _no_backprop

        def back(dy: Any, need_dx: bool) -> Any:
            try:
                dx, dstates = backprop(dy, _below(start, self._dstates), need_dx=need_dx)
            except _TOLD as error:
                raise self._placed(name, part, error) from error
            self._dinitial |= {start + place: dstate for place, dstate in dstates.items()}
            return dx

        return y, back

    def backprop(self, back: Back, dy: Any, dstate: Any, need_dx: bool) -> tuple[Any, States]:
        """Go back through the pass; return the gradients of ``x`` and of the initial states."""
        self._dstates = checked_states("dstate", dstate, self._container)
        self._dinitial = {}
        return back(dy, need_dx), self._dinitial

    def _placed(self, name: str, part: Module, error: Exception) -> Exception:
        """Return an error that says at which place of the container it came up."""
        text, place = str(error), self._container._place(name)
        inner = isinstance(part, Container) and text.startswith(part._word)
        text = f"{place}.{text}" if inner else f"{place} ({type(part).__name__}): {text}"
        return next(kind for kind in _TOLD if isinstance(error, kind))(text)


class Container(Module):
    """Base of what is made of parts; `rnnfast.nn.compose` says what they keep to.

    Attributes
    ----------
    batch_first : bool or None
        Whether sequences have the batch's axis first; None: no part knows of time.
    num_directions : int
        How many directions stand side by side in the output; None: not known.
    """

    _word: str
    batch_first: bool | None = None
    num_directions: int | None = None

    def __call__(
        self,
        x: Any,
        lengths: npt.ArrayLike | None = None,
        reset: npt.ArrayLike | None = None,
        *,
        state: Mapping[str, State] | None = None,
        return_state: bool = False,
        like: bool = False,
    ) -> Any:
        """Run the parts and keep nothing: inference.

        Parameters
        ----------
        x : ndarray
            What the first part takes, in a part of one's own perhaps something else.
        lengths, reset : array_like, optional
            ``(B,)`` and ``(T, B)``, for the parts that take them.
        state : mapping of str, optional
            Initial states by place; None: zero.
        return_state : bool
            Whether the final states are wanted too.
        like : bool
            True: what is returned is of the library that ``x`` is of, such as a tensor.

        Returns
        -------
        y : ndarray
            What the parts make of it; ``(y, state)`` with ``return_state``.

        Raises
        ------
        TypeError, ValueError
            As the parts, with the place; also if there is a state for a place that has none.
        """
        if like is not False:
            return call_like(like, self, x, lengths, reset, state=state, return_state=return_state)
        check_bool("return_state", return_state)
        run = Pass(self, lengths, reset, state, training=False)
        y, _ = self._through(run, x)
        return (y, run.states) if return_state else y

    def forward(
        self,
        x: Any,
        lengths: npt.ArrayLike | None = None,
        reset: npt.ArrayLike | None = None,
        *,
        state: Mapping[str, State] | None = None,
        return_state: bool = False,
    ) -> tuple[Any, Callable[..., Any]]:
        """Run the parts and keep what backpropagation needs.

        Takes what a call takes. Arrays must not be changed before ``backprop`` has run.

        Returns
        -------
        y : ndarray
            As a call; ``(y, state)`` with ``return_state``.
        backprop : callable
            ``dx = backprop(dy, dstate=None, need_dx=True)``; ``dx, dstate`` with ``return_state``.
            Adds to `grads`.
        """
        check_bool("return_state", return_state)
        run = Pass(self, lengths, reset, state, training=True)
        y, back = self._through(run, x)

        def backprop(
            dy: Array | None, dstate: Mapping[str, State] | None = None, *, need_dx: bool = True
        ) -> Any:
            check_bool("need_dx", need_dx)
            if dy is not None:
                dy = require_array("dy", dy, y.dtype, y.shape)
            dx, dinitial = run.backprop(back, dy, dstate, need_dx)
            return (dx, dinitial) if return_state else dx

        return ((y, run.states) if return_state else y), backprop

    def state_places(self) -> list[str]:
        """Return the places of the parts that have a state."""
        places = []
        for name, part in self.children().items():
            if isinstance(part, Container):
                places += [f"{name}.{place}" for place in part.state_places()]
            elif part.has_state:
                places.append(name)
        return places

    def _through(self, run: Pass, x: Any) -> tuple[Any, Back]:
        """Take ``x`` through the parts."""
        raise NotImplementedError

    def _place(self, name: str) -> str:
        """Return what to call the place of a part in messages."""
        return f"{self._word}[{name}]"

    def _check_parts(self, parts: Mapping[str, Any]) -> None:
        """Check what the container is made of, and set `batch_first`."""
        if not parts:
            raise ValueError(f"{self._word}: expected at least one part, got none")
        first = ""
        for name, part in parts.items():
            if not isinstance(part, Module):
                got = not_a_module(part, self._word if name.isdecimal() else "")
                raise TypeError(f"{self._place(name)}: expected a Module, got {got}")
            batch_first = getattr(part, "batch_first", None)
            if batch_first is None:
                continue
            if self.batch_first is not None and batch_first != self.batch_first:
                raise ValueError(
                    f"{self._place(name)} ({type(part).__name__}): batch_first: expected "
                    f"{self.batch_first} as {first} has it, got {batch_first}"
                )
            self.batch_first = batch_first
            first = first or f"{self._place(name)} ({type(part).__name__})"

    def __repr__(self) -> str:
        parts = ", ".join(map(repr, self.children().values()))
        return f"{self._word}({parts})"


def _no_backprop(dy: Any, need_dx: bool) -> Any:
    raise RuntimeError("backprop: expected a forward pass before, got a plain call")


def checked_states(name: str, states: Any, container: Container) -> States:
    """Return states by place without those that are None; raise for what has no place."""
    if states is None:
        return {}
    if not isinstance(states, Mapping):
        kind = type(states).__name__
        raise TypeError(f"{name}: expected a mapping of states by place, got {kind}")
    places = container.state_places() if states else []
    for place in states:
        if place not in places:
            known = ", ".join(places) or "none"
            raise ValueError(f"{name}: expected states of the places {known}, got {shown(place)}")
    return {place: state for place, state in states.items() if state is not None}


def _below(start: str, states: States) -> States:
    """Return what belongs to places within a container."""
    return {p.removeprefix(start): state for p, state in states.items() if p.startswith(start)}


def _taken_by(part: Module, options: dict[str, Any]) -> dict[str, Any]:
    """Return what of the options a part takes; ValueError for what it should not do without."""
    taken = _parameters_of(getattr(part.forward, "__func__", part.forward))
    for key in sorted(options.keys() - taken):
        if part.has_state:
            raise ValueError(f"{key}: expected None, the part takes none, got an array")
        if _hides_state(part):
            raise ValueError(
                f"{key}: expected None, since forward takes none but layers within would need "
                f"them, got an array; give forward a parameter {key}=None"
            )
        del options[key]
    return options


def _hides_state(part: Module) -> bool:
    """Whether a module of somebody's own has layers within that go through steps."""
    return not is_ours(part) and any(module.has_state for _, module in part.named_modules())


@functools.lru_cache(maxsize=256)
def _parameters_of(function: Callable[..., Any]) -> frozenset[str]:
    """Return what a part's ``forward`` takes by name, of what a container has to give."""
    parameters = inspect.signature(function).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return frozenset({"lengths", "reset"})
    return frozenset(p.name for p in parameters)


def split_gradient(dy: Array, borders: Any) -> list[Array]:
    """Return the parts of a gradient along its last axis; ``borders`` are where they end."""
    return [np.ascontiguousarray(piece) for piece in np.split(dy, borders[:-1], axis=-1)]


def sum_gradients(arrays: list[Any]) -> Any:
    """Return the sum of what is not None; None if nothing is."""
    return functools.reduce(operator.add, [a for a in arrays if a is not None] or [None])
