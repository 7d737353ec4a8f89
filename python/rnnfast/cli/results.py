"""Results of commands, as lines to read or, with ``--json``, as JSON lines."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
import typer

from rnnfast.cli.console import say

AsJson = Annotated[bool, typer.Option("--json", help="Print results as JSON, one object a line.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Print nothing but results and errors.")]


def say_json(**facts: Any) -> None:
    """Write one object as a line of standard output, which is ASCII whatever its encoding is."""
    say(json.dumps(_plain(facts), allow_nan=False))


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: numbers that are not finite are null."""
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return _plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)
