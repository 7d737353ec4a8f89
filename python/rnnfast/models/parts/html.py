"""A model as a notebook shows it."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from rnnfast._checks.messages import shown


def model_html(
    name: str,
    params: Mapping[str, Any],
    changed: Mapping[str, Any],
    fitted: bool,
    layers: str = "",
) -> str:
    """Return a line that opens to a table of all hyperparameters, those changed in bold.

    Parameters
    ----------
    name : str
        Of the class.
    params, changed : mapping
        All hyperparameters, and those that are not the default.
    fitted : bool
        Whether it has been fitted.
    layers : str
        HTML that tells of its layers, below the table.
    """
    given = ", ".join(f"{key}={shown(value)}" for key, value in changed.items())
    state = "fitted" if fitted else "not fitted"
    rows = "".join(_row(key, shown(value), key in changed) for key, value in params.items())
    return (
        '<details style="font-family: monospace"><summary>'
        f"<b>{escape(name)}</b>({escape(given)}) <i>{state}</i></summary>"
        f"<table>{rows}</table>{layers}</details>"
    )


def _row(name: str, value: str, bold: bool) -> str:
    cells = f"<td>{escape(name)}</td><td>{escape(value)}</td>"
    return f'<tr style="font-weight: bold">{cells}</tr>' if bold else f"<tr>{cells}</tr>"
