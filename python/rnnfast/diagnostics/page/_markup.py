"""HTML of texts and tables in which nothing of a text is markup."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from rnnfast.diagnostics._tokens import visible


def text_html(text: str) -> str:
    """Return a text as HTML: what is not printable as escapes, lines as they are."""
    return "\n".join(escape(_line(line)) for line in text.split("\n"))


def _line(text: str) -> str:
    return "".join(c if c in " \t" else visible(c) for c in text)


def cell_html(value: Any, kind: str = "td") -> str:
    """Return a cell of a table; numbers stand to the right."""
    if isinstance(value, float):
        return f'<{kind} class="number">{value:.4g}</{kind}>'
    if isinstance(value, int) and not isinstance(value, bool):
        return f'<{kind} class="number">{value:,}</{kind}>'
    return f"<{kind}><bdi>{text_html(str(value))}</bdi></{kind}>"


def table_html(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table."""
    lines = [f"<tr>{''.join(cell_html(name, 'th') for name in head)}</tr>"]
    lines += [f"<tr>{''.join(map(cell_html, row))}</tr>" for row in rows]
    return f'<div class="wide"><table>{"".join(lines)}</table></div>'


def json_html(data: Any) -> str:
    """Return JSON that may stand in a script element, whatever its texts are."""
    text = json.dumps(data, allow_nan=False)  # ASCII
    for mark in "<>&":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return text


def hash_of(script: str) -> str:
    """Return the hash by which a page allows this script alone."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
