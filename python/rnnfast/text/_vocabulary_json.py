"""The form in which a vocabulary is kept: one JSON object."""

from __future__ import annotations

import json
from typing import Any

from rnnfast._checks.messages import shown

_FORMAT = "rnnfast.vocabulary"
_VERSION = 1
_PARTS = ("pad", "unk", "eos", "tokens", "counts")


def dump(**parts: Any) -> str:
    """Return the JSON of a vocabulary's parts, in ASCII: any token survives any encoding."""
    content = {"format": _FORMAT, "version": _VERSION, **{name: parts[name] for name in _PARTS}}
    return json.dumps(content, separators=(",", ":"))


def parse(text: str) -> dict[str, Any]:
    """Return the parts that `dump` was given; that they fit together is not checked here.

    Raises
    ------
    ValueError
        If the text is something else, or comes from a later version.
    """
    if not isinstance(text, str):
        raise TypeError(f"text: expected a str, got {type(text).__name__}")
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not a vocabulary: expected JSON, got other text ({error})") from None
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise ValueError(f"not a vocabulary: expected a JSON object of the format {_FORMAT!r}")
    if content.get("version") != _VERSION:
        raise ValueError(
            f"vocabulary: expected version {_VERSION}, got {shown(content.get('version'))}; "
            f"a later rnnfast may have written it"
        )
    missing = [name for name in _PARTS if name not in content]
    if missing:
        raise ValueError(f"damaged vocabulary: expected {', '.join(_PARTS)}, got no {missing[0]}")
    for name in ("tokens", "counts"):
        if not isinstance(content[name], list):
            raise ValueError(
                f"damaged vocabulary: {name}: expected a list, got {type(content[name]).__name__}"
            )
    return {name: content[name] for name in _PARTS}
