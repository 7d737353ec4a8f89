"""Calls whose arguments do not fit: one line in place of Python's own words, with the nearest name.

Nothing is looked at before Python itself has refused a call.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any

from rnnfast._checks.messages import counted, listed, shown
from rnnfast._checks.ours import is_our_module, is_ours
from rnnfast._checks.synonyms import ARGUMENTS

_explaining: set[Callable[..., Any]] = set()  # functions that explain others


def nearest(name: str, names: list[str]) -> str | None:
    """Return which of some names was most likely meant; None: none of them."""
    for group in ARGUMENTS:
        if name.lower() in group:
            for other in names:
                if other in group:
                    return other
    from difflib import get_close_matches  # takes long to import

    close = get_close_matches(name.lower(), names, 1, 0.8)
    if close:
        return close[0]
    words = _words(name)
    within = [n for n in names if words and (words <= _words(n) or _words(n) <= words)]
    within = within or [n for n in names if len(n) > 2 and name.lower().startswith(n)]
    return within[0] if len(within) == 1 else None


def _words(name: str) -> set[str]:
    return {word.removesuffix("s") for word in name.lower().split("_") if word}


def unknown_argument(
    name: str, of: str, names: list[str], elsewhere: Mapping[str, list[str]] = {}
) -> str:
    """Return what to say of an argument that a function does not take.

    Parameters
    ----------
    name : str
        The argument.
    of : str
        The function.
    names : list of str
        What it takes.
    elsewhere : mapping of str to list of str
        What others take that may be meant: the constructor, or ``fit``.
    """
    start = f"{shown(name)[1:-1]}: {of} has no such argument"
    for other, taken in elsewhere.items():
        if name in taken:
            return f"{start}; {other} takes it"
    takes = f"it takes {listed(names, 300)}"
    meant = nearest(name, names)
    if meant is not None:
        return f"{start}; did you mean {meant}? ({takes})"
    for other, taken in elsewhere.items():
        meant = nearest(name, taken)
        if meant is not None:
            return f"{start}; did you mean {meant} of {other}? ({takes})"
    return f"{start}; {takes}"


def explain_calls(
    kind: type[Any], *, methods: bool = False, hints: Mapping[str, str] | None = None
) -> None:
    """Let what makes objects of a class, and its methods, say in one line which argument is wrong.

    What the class inherits from this package is seen to with it. Signatures stay as they are.

    Parameters
    ----------
    kind : type
        The class.
    methods : bool
        Whether to see to its public methods, and to its call, too; those that are methods of the
        class are always.
    hints : mapping of str, optional
        What to say of names that the constructor does not take.
    """
    for base in kind.__mro__:
        if not is_ours(base) or getattr(base, "_is_protocol", False):
            continue
        for name, found in list(vars(base).items()):
            public = not name.startswith("_") or name == "__call__"
            of_class = isinstance(found, classmethod)
            function = found.__func__ if isinstance(found, classmethod) else found
            if not inspect.isfunction(function) or function in _explaining:
                continue
            if name == "__init__" or (public and (methods or of_class)):
                explained = _explained(function, hints or {})
                setattr(base, name, classmethod(explained) if of_class else explained)


def explain_packages(
    packages: Iterable[ModuleType], methods_of: tuple[type[Any], ...] = ()
) -> None:
    """Do it for all public classes of some packages, with the methods of some of them.

    And for their functions that have options, as these packages have them: where they are defined,
    and where this package calls them, they stay what they are.
    """
    explained: dict[Any, Any] = {}  # one for all packages that have a function
    for package in packages:
        for name in package.__all__:
            found = vars(package).get(name)  # None: not imported yet
            if isinstance(found, type):
                explain_calls(found, methods=issubclass(found, methods_of))
            elif inspect.isfunction(found) and _has_options(found):
                if found not in explained:
                    explained[found] = _explained_function(found, package.__name__)
                setattr(package, name, explained[found])


def _has_options(function: Any) -> bool:
    """Whether a function of this package may be called with more than it has to be."""
    ours = is_our_module(function.__module__)
    return ours and bool(function.__defaults__ or function.__kwdefaults__)


def _explained_function(function: Callable[..., Any], package: str) -> Callable[..., Any]:
    """Return a function of a package that says in one line how it cannot be called."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except TypeError as error:
            trace = error.__traceback__
            if trace is None or trace.tb_next is not None:  # it has run, and what it says counts
                raise
            parameters = list(inspect.signature(function).parameters.values())
            message = _misfit(function.__name__, parameters, args, kwargs, dict)
            if message is None:
                raise
            problem = TypeError(message)
        raise problem

    call.__module__ = package  # by which pickle finds it
    return call


def _explained(function: Callable[..., Any], hints: Mapping[str, str]) -> Callable[..., Any]:
    """Return a function that says in one line with which arguments it cannot be called."""

    @functools.wraps(function)
    def call(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        try:
            return function(self, *args, **kwargs)
        except TypeError as error:
            if _has_run(error, function):  # and what it says counts
                raise
            kind = self if isinstance(self, type) else type(self)
            message = next((f"{n}: {hints[n]}" for n in kwargs if n in hints), None)
            message = message or _refusal(call, kind, inspect.signature(function), args, kwargs)
            if message is None:
                raise
            problem = TypeError(message)
        raise problem

    _explaining.add(call)
    return call


def _has_run(error: TypeError, function: Callable[..., Any]) -> bool:
    """Whether a function was entered before an error, behind what wraps it."""
    trace = error.__traceback__
    while hasattr(function, "__wrapped__") and trace is not None:
        function, trace = function.__wrapped__, trace.tb_next
    return trace is None or trace.tb_next is not None


def _refusal(
    call: Any,
    kind: type[Any],
    signature: inspect.Signature,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> str | None:
    """Return what to say of arguments that do not fit a signature; None: they fit."""
    method = call.__name__
    # The class that users know: a base within the package may be where the function stands.
    owners = (base for base in kind.__mro__ if _function_of(base, method) is call)
    owner = next((base for base in owners if not base.__name__.startswith("_")), kind)
    of = owner.__name__ if method == "__init__" else f"{owner.__name__}.{method}"
    if method == "__call__":
        of = f"a call of {owner.__name__}"
    parameters = list(signature.parameters.values())[1:]
    return _misfit(of, parameters, args, kwargs, lambda: _elsewhere(owner, method))


def _misfit(
    of: str,
    parameters: list[inspect.Parameter],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    elsewhere: Callable[[], Mapping[str, list[str]]],
) -> str | None:
    """Return what to say of arguments that do not fit parameters; None: they fit."""
    variable = {p.kind for p in parameters} & {inspect.Parameter.VAR_POSITIONAL}
    by_place = [
        p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    by_name = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    if not any(p.kind is p.VAR_KEYWORD for p in parameters):
        for name in kwargs:
            if name not in by_name:
                return unknown_argument(name, of, by_name, elsewhere())
    if len(args) > len(by_place) and not variable:
        if by_place:
            most = counted(len(by_place), "value")
            return f"{of}: expected at most {most} by place ({listed(by_place)}), got {len(args)}"
        example = f", such as {by_name[0]}=..." if by_name else ""
        got = counted(len(args), "value")
        return f"{of}: expected names for all{example}, got {got} without one"
    for name in by_place[: len(args)]:
        if name in kwargs:
            return f"{name}: expected once by {of}, got it by its place and by its name"
    needed = [
        p.name for p in parameters if p.default is p.empty and p.name in {*by_place, *by_name}
    ]
    missing = [n for n in needed if n not in kwargs and n not in by_place[: len(args)]]
    if missing:
        return f"{missing[0]}: expected by {of}({listed(needed)}), got none"
    return None


def _function_of(kind: type[Any], name: str) -> Any:
    method = getattr(kind, name, None)
    return getattr(method, "__func__", method)


def _elsewhere(owner: type[Any], method: str) -> dict[str, list[str]]:
    """Return what the constructor takes, for a method, or ``fit``, for a constructor."""
    if method == "__init__":
        other, of = getattr(owner, "fit", None), f"{owner.__name__}.fit"
    else:
        other, of = owner.__init__, f"{owner.__name__}(...)"
    return {} if other is None else {of: list(inspect.signature(other).parameters)[1:]}
