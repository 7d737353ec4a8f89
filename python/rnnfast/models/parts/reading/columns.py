"""A table of numbers: its rows are series of one feature, or it is one series of several."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnfast._checks import check_int, check_list
from rnnfast._checks.adjustments import warn_caller
from rnnfast._checks.arrays import read_array
from rnnfast._checks.messages import counted, shown
from rnnfast._checks.tables import column_names, is_table
from rnnfast.models.parts.reading.inputs import SeriesInputs
from rnnfast.models.parts.reading.lists import as_item, not_numbers
from rnnfast.nn.module import Array

# What has no columns.
_NO_TABLES = {list, tuple, str, np.ndarray}


@dataclass(frozen=True)
class Columns:
    """The columns of a table that a model was fitted to, which others then are to have as well.

    Attributes
    ----------
    count : int
        How many.
    names : tuple of str, optional
        Their names, where the table has them and all are str.
    """

    count: int
    names: tuple[str, ...] | None = None

    @classmethod
    def of(cls, name: str, X: Any) -> Columns | None:
        """Return the columns of an array or a table of numbers; None of anything else.

        Raises
        ------
        TypeError, ValueError
            If it is masked, or has no column.
        """
        array = _table(name, X)
        if array is None:
            return None
        if array.shape[1] == 0:
            raise ValueError(f"{name}: expected shape (N, T), T at least 1, got {array.shape}")
        return cls(array.shape[1], names_of(X))

    def warn_of_ids(self, name: str, X: Any) -> None:
        """Warn of an array of integers that may be ids of tokens, which are read as numbers."""
        array = None if is_table(X) else _table(name, X)
        if array is None or array.dtype.kind not in "iu" or self.count == 1 or not len(array):
            return
        if array.min() >= 0:
            warn_caller(
                f"{name}: an array of integers is read as series of one number a step; "
                f"list({name}) are ids of tokens; floats are read so without this warning"
            )

    def require_names(self, name: str, X: Any) -> None:
        """Raise ValueError for as many columns of other names; warn if the names are gone.

        What is no table of numbers passes.
        """
        given = names_of(X)
        array = _table(name, X)
        if self.names is None or given == self.names or array is None:
            return
        if array.shape[1] != self.count:
            return
        if given is None:
            text = f"{name}: expected columns with names, as in fit, got an array without"
            warn_caller(text, UserWarning)
            return
        require_order(name, given, self.names)

    def read(self, name: str, X: Any) -> Any:
        """Return a table ``(N, T)`` as series of one feature ``(N, T, 1)``; else what is given.

        Raises
        ------
        TypeError, ValueError
            If a table has other columns, or one that is not of numbers.
        """
        array = _table(name, X)
        if array is None:
            if is_table(X):
                raise TypeError(f"{name}: expected numbers as in fit, got {not_numbers(name, X)}")
            row = as_item(name, X)
            if isinstance(row, np.ndarray) and row.ndim == 1 and row.dtype.kind in "biuf":
                raise ValueError(f"{name}: expected shape (N, {self.count}), got {row.shape}")
            self._require_rows(name, X)
            return X
        if array.shape[1] != self.count:
            raise ValueError(
                f"{name}: expected {counted(self.count, 'column')} as in fit, got shape "
                f"{array.shape}; {name}[..., np.newaxis] are series of any length"
            )
        self.require_names(name, X)
        return array[:, :, np.newaxis]

    def _require_rows(self, name: str, X: Any) -> None:
        """Raise ValueError if a list has rows of floats, of another number of columns."""
        for number, item in enumerate(X if isinstance(X, (list, tuple)) else ()):
            row = as_item(f"{name}[{number}]", item)
            if isinstance(row, np.ndarray):
                is_row = row.ndim == 1 and row.dtype.kind == "f"
            else:
                is_row = isinstance(row, (list, tuple)) and {*map(type, row)} <= {float, int}
            if is_row and len(row) not in (0, self.count):
                raise ValueError(
                    f"{name}[{number}]: expected {counted(self.count, 'column')} as in fit, got "
                    f"{len(row)}; as an array (T, 1) it is a series of any length"
                )

    def to_dict(self) -> dict[str, Any]:
        """Return what `from_dict` reads."""
        return {"count": self.count, "names": None if self.names is None else list(self.names)}

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any], features: int) -> Columns:
        """Return the columns that a file describes, of a model of so many features.

        Raises
        ------
        TypeError, ValueError, KeyError
            If it describes none, with the field's name.
        """
        count, names = check_int("columns.count", settings["count"], 1), settings["names"]
        if features not in (1, count):
            raise ValueError(f"columns.count: expected {features} of that model, got {count}")
        if names is None:
            return cls(count)
        names = check_list("columns.names", names, "str")
        if len(names) != count or not all(isinstance(one, str) for one in names):
            raise ValueError(f"columns.names: expected {count} str, got {shown(names)}")
        return cls(count, tuple(names))


def step_names(name: str, X: Any, known: tuple[str, ...] | None = None) -> tuple[str, ...] | None:
    """Return the names of the columns of tables of a step a row, in a list; None: there are none.

    Parameters
    ----------
    name : str
        The argument, for messages.
    X : object
        What a model reads; of what is no list, nothing is known.
    known : tuple of str, optional
        What they are to be; None: those of the first table.

    Raises
    ------
    ValueError
        If a table has as many columns by other names.
    """
    items = X if isinstance(X, (list, tuple)) else ()
    if set(map(type, items)) <= _NO_TABLES:  # as most are
        return known
    for number, item in enumerate(items):
        names = names_of(item)
        if names is None or known is None:
            known = names if known is None else known
        elif names != known and len(names) == len(known):
            place = next(n for n, own in enumerate(known) if names[n] != own)
            raise ValueError(
                f"{name}[{number}]: expected {shown(known[place])} as column {place}, as others "
                f"have, got {shown(names[place])}"
            )
    return known


class Featured:
    """What a model tells of the features that it reads, by scikit-learn's names."""

    _reader: Any

    def _require_fitted(self) -> None:
        raise NotImplementedError

    @property
    def n_features_in_(self) -> int:
        """How many columns the table of `fit` had; of series, how many numbers a step has."""
        self._require_fitted()
        columns: Columns | None = self._reader.columns
        if columns is not None:
            return columns.count
        inputs = self._reader.inputs
        if not isinstance(inputs, SeriesInputs):
            raise AttributeError("n_features_in_: expected a model of series, got one of text")
        return inputs.size

    @property
    def feature_names_in_(self) -> Array:
        """The names of the columns of what `fit` was given, a table or several, if all are str."""
        self._require_fitted()
        columns: Columns | None = self._reader.columns
        names = self._reader.step_names if columns is None else columns.names
        if names is None:
            raise AttributeError("feature_names_in_: expected a model fitted to named columns")
        return np.array(names, object)


def _table(name: str, X: Any) -> Array | None:
    """Return an array with two axes, of any library, or a table, if it is of numbers."""
    array = as_item(name, X)
    if not isinstance(array, np.ndarray):
        return None
    array = read_array(name, array)
    return array if array.ndim == 2 and array.dtype.kind in "biuf" else None


def restore_names(
    learned: Mapping[str, Any], field: str, width: int, name: str = ""
) -> tuple[str, ...] | None:
    """Return the names that a file's field has of so many columns; None of a file without.

    ``name`` is what messages call the field.
    """
    if field not in learned:
        return None
    name = name or field
    read = check_list(name, learned[field], "str")
    if len(read) != width or not all(isinstance(one, str) for one in read):
        raise ValueError(f"{name}: expected {width} str, got {shown(learned[field])}")
    return tuple(read)


def names_of(X: Any) -> tuple[str, ...] | None:
    """Return what a table calls its columns, where all names are str."""
    if not is_table(X):
        return None
    names = column_names(X)
    return names if all(isinstance(name, str) for name in names) else None


def require_order(name: str, given: tuple[str, ...] | None, known: tuple[str, ...] | None) -> None:
    """Raise ValueError for as many columns by other names than those known, if both have some."""
    if given is None or known is None or len(given) != len(known) or given == known:
        return
    place = next(n for n, own in enumerate(known) if given[n] != own)
    raise ValueError(
        f"{name}: expected the columns of fit in their order, {shown(known[place])} at {place}, "
        f"got {shown(given[place])}"
    )
