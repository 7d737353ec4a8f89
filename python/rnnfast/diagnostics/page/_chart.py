"""The history of a training as a drawing in SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from rnnfast.training.checkpoints import Record

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 640, 240, 56, 28, 12
_COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd")
_TICKS = 5

Points = list[tuple[float, float]]


def history_svg(history: Sequence[Record], best_epoch: int) -> str:
    """Return the losses by epoch, those that are finite; empty if there is none.

    Parameters
    ----------
    history : sequence of dict
        A record an epoch.
    best_epoch : int
        The epoch to mark; 0: none.
    """
    lines = {name: _points(history, name) for name in ("loss", "valid_loss")}
    lines = {name: points for name, points in lines.items() if points}
    values = [y for points in lines.values() for _, y in points]
    if not values:
        return ""
    low, high = min(values), max(values)
    size = max(abs(low), abs(high))
    if high - low < 1e-9 * max(size, 1e-300):
        margin = max(0.5, 1e-6 * size)  # that makes a difference to large numbers, too
        low, high = low - margin, high + margin
    last = max(len(history), 2)

    def place(epoch: float, value: float) -> tuple[float, float]:
        x = _LEFT + (epoch - 1) / (last - 1) * (_WIDTH - _LEFT - 10)
        y = _TOP + (high - value) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)
        return round(x, 1), round(y, 1)

    parts = []
    for k in range(_TICKS):
        value = low + (high - low) * k / (_TICKS - 1)
        y = place(1, value)[1]
        parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH - 10}" y1="{y}" y2="{y}" class="grid"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4}" text-anchor="end">{value:.3g}</text>')
    for tick in sorted({round(1 + (len(history) - 1) * k / 4) for k in range(5)}):
        x, _ = place(tick, low)
        parts.append(f'<text x="{x}" y="{_HEIGHT - 8}" text-anchor="middle">{tick}</text>')
    if best_epoch:
        x, _ = place(best_epoch, low)
        parts.append(f'<line x1="{x}" x2="{x}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}" class="best"/>')
    for number, (name, points) in enumerate(lines.items()):
        colour, placed = _COLOURS[number], [place(*point) for point in points]
        way = " ".join(f"{x},{y}" for x, y in placed)
        parts.append(f'<polyline points="{way}" fill="none" stroke="{colour}"/>')
        for (x, y), (epoch, value) in zip(placed, points, strict=True):
            told = escape(f"epoch {epoch:g}: {name} {value:.4g}")
            parts.append(
                f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"><title>{told}</title></circle>'
            )
        parts.append(
            f'<text x="{_WIDTH - 100}" y="{_TOP + 14 + 16 * number}" fill="{colour}">{name}</text>'
        )
    label = "losses by epoch"
    return (
        f'<svg id="history" role="img" aria-label="{label}" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'width="{_WIDTH}">{"".join(parts)}</svg>'
    )


def _points(history: Sequence[Record], name: str) -> Points:
    """Return the epochs, counted from 1, and the values of those that have a finite one."""
    found = []
    for epoch, record in enumerate(history, 1):
        value = record.get(name)
        if isinstance(value, (int, float)) and math.isfinite(value):
            found.append((float(epoch), float(value)))
    return found
