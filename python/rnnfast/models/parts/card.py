"""A model's card: what it is, what made it and how good it was, in Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from rnnfast._checks.messages import one_line, shown
from rnnfast.models.parts.fitting.making import Making
from rnnfast.nn._frozen import NUMBERS
from rnnfast.nn.summary import Summary

# Figures of a record that no two trainings have alike, and what is said elsewhere.
_NOT_SHOWN = ("seconds", "epoch", "step")


def card_of(
    kind: str,
    about: str,
    *,
    made: Making,
    learned: Mapping[str, Any],
    training: str,
    figures: Mapping[str, Any],
    params: Mapping[str, Any],
    summary: Summary,
    numbers: str,
) -> str:
    """Return a model's card, the same text for the same model.

    Parameters
    ----------
    kind : str
        The model's class.
    about : str
        The first line of its documentation.
    made : Making
        Data and versions.
    learned : mapping
        Further facts about what it has learned, such as its classes.
    training : str
        How long it was trained.
    figures : mapping
        Those of the epoch whose weights it has.
    params : mapping
        The hyperparameters that it was trained with.
    summary : Summary
        Its layers.
    numbers : str
        What their matrices are kept in.
    """
    seed = params.get("seed")
    seed = params.get("random_state") if seed is None else seed
    count = f"{summary.num_parameters:,}"
    kept = {"numbers": numbers} if numbers in NUMBERS else {}
    sections = {
        "": [
            *_table("what", {"model": kind, "parameters": count, **kept, "seed": seed}),
            "",
            "Read it with `rnnfast.load(path)`.",
        ],
        "Data": _table("what", {**made.data, **learned}) if made.data or learned else [_UNKNOWN],
        "Training": [f"{training}."],
        "Figures": _table("figure", _rounded(figures)) or ["None: no epoch has ended."],
        "Versions": _table("of", made.versions) or [_UNKNOWN],
        "Hyperparameters": _table("name", params),
        "Layers": _layers(summary),
    }
    lines = [f"# {kind}", "", about]
    for name, content in sections.items():
        lines += ["", f"## {name}", ""] if name else [""]
        lines += content
    return "\n".join(lines) + "\n"


_UNKNOWN = "Not told by the file."


def _rounded(figures: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: float(f"{value:.6g}") if isinstance(value, float) else value
        for name, value in figures.items()
        if name not in _NOT_SHOWN
    }


def _layers(summary: Summary) -> list[str]:
    rows = [
        (_code(row.name or summary.title), _code(row.layer), f"{row.numbers:,}")
        for row in summary.layers
        if row.parameters
    ]
    return ["| layer | as | numbers |", "| --- | --- | ---: |", *map(_row, rows)]


def _table(head: str, values: Mapping[str, Any]) -> list[str]:
    """Return a table of names and values; nothing if there are none."""
    if not values:
        return []
    rows = [(_plain(name), _code(_text(value))) for name, value in values.items()]
    return [f"| {head} | value |", "| --- | --- |", *map(_row, rows)]


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _text(value: Any) -> str:
    """Return a value in one line; of an object, whose repr may have an address, its class."""
    if isinstance(value, str) and re.fullmatch(r"[\w.,+-]+", value):
        return value
    if value is None or isinstance(value, (bool, int, float, str, np.generic, list, tuple, dict)):
        return shown(value)
    return type(value).__name__


def _plain(name: str) -> str:
    """Return a name as it is, or as code where it has more than letters, digits and blanks."""
    return name if re.fullmatch(r"[\w -]+", name) else _code(shown(name))


def _code(text: str) -> str:
    """Return a code span of a table's cell, in which nothing ends it and nothing is markup."""
    text = one_line(text).replace("|", "\\|")
    marks = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    blank = " " if text.startswith("`") or text.endswith("`") or not text else ""
    return f"{marks}{blank}{text}{blank}{marks}"
