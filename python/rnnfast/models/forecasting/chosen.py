"""What a forecaster chose, as its file tells it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rnnfast._checks import check_bool, check_int, check_integers, check_mapping, check_real
from rnnfast._checks.messages import shown


def check_chosen(chosen: Any) -> Mapping[str, Any]:
    """Return what a file says was chosen; raise unless it can be."""
    check_mapping("chosen", chosen)
    for name in ("lags", "horizon", "season", "windows", "averaged"):
        if chosen.get(name) is not None:
            check_int(f"chosen.{name}", chosen[name], 0 if name == "windows" else 1)
    for name in ("logarithm", "linear", "network"):
        check_bool(f"chosen.{name}", chosen.get(name, False))
    check_integers("chosen.differences", chosen.get("differences", []), 1)
    errors = chosen.get("errors", {})
    check_mapping("chosen.errors", errors)
    for name, error in errors.items():
        check_real(f"chosen.errors.{name}", error, 0)
    if chosen.get("scaling") not in ("all", "window"):
        raise ValueError(
            f"chosen.scaling: expected all or window, got {shown(chosen.get('scaling'))}"
        )
    return dict(chosen)
