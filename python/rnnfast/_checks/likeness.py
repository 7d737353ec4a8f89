"""Outputs as what came in: a tensor for a tensor, a Series for a Series.

The counterpart of `exporters`, which reads such things. Whatever takes ``like`` asks here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, TypeVar, cast

import numpy as np

from rnnfast._checks.containers import Array, Kind, Names, kind_of_container
from rnnfast._checks.messages import one_line
from rnnfast._checks.tables import column_names, is_table
from rnnfast._checks.values import check_bool

Output = TypeVar("Output")
Columns: TypeAlias = Sequence[Any] | Array

_NO_NAMES = Names()


class Likeness:
    """Makes outputs of what a caller gave; see `likeness`.

    Parameters
    ----------
    given : object
        The input that outputs are to be like: an array of any library, a table, or a list of such.
        Of anything else, text and NumPy's arrays among it, outputs stay as they are.

    Raises
    ------
    TypeError
        If it is of a kind that cannot be made of outputs.
    """

    def __init__(self, given: Any) -> None:
        self._given = given
        self._items = list(given) if isinstance(given, (list, tuple)) else None
        items = [given] if self._items is None else self._items
        self._kinds: list[Kind | None] = [*map(kind_of_container, items)] or [None]

    def whole(self, output: Output, columns: Columns | None = None) -> Output:
        """Return an array of a row for each sequence, as what they came in.

        Parameters
        ----------
        output : ndarray
            ``(N, ...)``.
        columns : sequence or ndarray, optional
            The names of its columns.

        Raises
        ------
        TypeError, ValueError
            If the input's kind cannot hold it, or sequences in a list are of several.
        """
        rows = self._given if self._items is None else None
        return self._made(self._first(), output, Names(rows, columns))

    def each(
        self, outputs: Sequence[Any], columns: Columns | None = None, *, lists: bool = False
    ) -> list[Any]:
        """Return an array for each sequence, as that sequence came in.

        Parameters
        ----------
        outputs : sequence of ndarray
            Of a row a step.
        columns : sequence or ndarray, optional
            The names of their columns.
        lists : bool
            Whether what stays an array of NumPy is to be a list.

        Raises
        ------
        TypeError, ValueError
            If a sequence's kind cannot hold its output.
        """
        if not any(self._kinds):
            return [output.tolist() for output in outputs] if lists else list(outputs)
        made = []
        for place, output in enumerate(outputs):
            if self._items is None:
                alike = self._made(0, output, Names(columns=columns))
            else:
                alike = self._made(place, output, Names(self._items[place], columns))
            made.append(output.tolist() if lists and alike is output else alike)
        return made

    def following(self, output: Output, chosen: Sequence[int]) -> Output:
        """Return steps that follow the input, which is a series: its channels ``chosen``.

        They have the names that the input's have.
        """
        given = self._given
        if not is_table(given):
            return self._made(0, output, Names(name=getattr(given, "name", None)))
        known = column_names(given)
        return self._made(0, output, Names(columns=[known[k] for k in chosen]))

    def results(self, found: Output) -> Output:
        """Return what a layer has, an array or one beside states or weights, all of them alike."""
        first = found[0] if isinstance(found, tuple) else found
        place = self._first()
        kind = self._kinds[place]
        named = kind is not None and kind.rows and self._items is None
        rows = self._given if named and _are_steps(self._given, first) else None

        def alike(one: Any) -> Any:
            if isinstance(one, tuple):
                return tuple(map(alike, one))
            if isinstance(one, dict):
                return {key: alike(value) for key, value in one.items()}
            return self._made(place, one, Names(rows) if one is first else _NO_NAMES)

        return cast(Output, alike(found))

    def _first(self) -> int:
        """Return the place of an item whose kind all have; TypeError if there are several."""
        if self._items is None:
            return 0
        arrays = [k for k, one in enumerate(self._items) if not isinstance(one, (str, list, tuple))]
        kinds = {self._kinds[place]: place for place in reversed(arrays)}
        if len(kinds) > 1:
            got = " and ".join(
                type(self._items[place]).__name__ for place in sorted(kinds.values())
            )
            raise TypeError(f"like: expected sequences of one kind, got {got}")
        return next(iter(kinds.values()), 0)

    def _made(self, place: int, output: Output, names: Names) -> Output:
        """Return an output as what stands at a place."""
        kind = self._kinds[place]
        if kind is None:
            return output
        given = self._given if self._items is None else self._items[place]
        # Lists are of text, which an empty one does not show.
        array: Any = np.array(output, str) if isinstance(output, list) else output
        of = type(given).__name__
        if array.ndim > kind.most_axes:
            raise ValueError(
                f"like: expected an output of at most {kind.most_axes} axes for a {of}, got shape "
                f"{array.shape}"
            )
        if not kind.text and array.dtype.kind not in "biuf":
            raise TypeError(f"like: expected numbers to make a {of} of, got dtype {array.dtype}")
        try:
            made = kind.make(given, array if array.flags.writeable else array.copy(), names)
            return cast(Output, made)
        except Exception as error:  # of many kinds, those of the libraries
            raise TypeError(
                f"like: expected an output that a {of} can hold, got shape {array.shape} and dtype "
                f"{array.dtype} ({one_line(error)})"
            ) from None


_AS_THEY_ARE = Likeness(None)


def likeness(given: Any, like: Any) -> Likeness:
    """Return what makes outputs of the kind of an input.

    Parameters
    ----------
    given : object
        The input.
    like : bool
        False: outputs stay NumPy's.

    Raises
    ------
    TypeError
        If ``like`` is no bool, or the input is of a kind that cannot be made of outputs.
    """
    return Likeness(given) if check_bool("like", like) else _AS_THEY_ARE


def call_like(like: Any, call: Callable[..., Output], x: Any, *args: Any, **kwargs: Any) -> Output:
    """Return what a layer's call does, as what its input ``x`` came in; raise as `Likeness`."""
    alike = likeness(x, like)
    return alike.results(call(x, *args, **kwargs))


def steps_like(
    like: Any, stream: Any, call: Callable[..., Array], x: Any, out: Any = None
) -> Array:
    """Return what a stream does, as what ``x`` came in, in memory of its own.

    Where that cannot be, the stream has taken no step.
    """
    alike = likeness(x, like)
    if out is not None and like:
        raise TypeError(f"out: expected None with like, got {type(out).__name__}")
    if not like:
        return call(x) if out is None else call(x, out)
    before = stream.state
    y = call(x)
    try:
        return alike.results(y.copy())
    except (TypeError, ValueError):
        stream.state = before
        raise


def _are_steps(x: Any, y: Any) -> bool:
    """Whether each row of a layer's output belongs to one of its input: both are steps."""
    given = np.asarray(x)
    axes = 1 if given.dtype.kind in "iu" else 2  # indices have one less
    return np.ndim(y) == 2 and given.ndim == axes and len(given) == len(y)
