"""What drawings are made of: functions that return SVG text.

Coordinates are pixels from the top left corner. A ``kind`` says what a shape stands for and so its
colour: ``input``, ``state``, ``output``, ``memory``, ``gate``, ``op`` (an operation), ``back`` (a
gradient), ``ink`` (all else). Every drawing has a background of its own, and a dark set of colours
for readers that prefer one, so it can be read on any page.

Labels are written as ``a^{<t-1>}`` and ``W_{aa}``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from html import escape

Point = tuple[float, float]

# kind: line and fill on light, line and fill on dark
COLOURS = {
    "ink": ("#24292f", "#ffffff", "#e6edf3", "#1b1f24"),
    "input": ("#15803d", "#dcfce7", "#4ade80", "#12351f"),
    "state": ("#1d4ed8", "#dbeafe", "#7db0ff", "#172d57"),
    "output": ("#c2410c", "#ffedd5", "#fb923c", "#4a2310"),
    "memory": ("#7e22ce", "#f3e8ff", "#c79bff", "#3a1d5c"),
    "gate": ("#8a5a00", "#fef3c0", "#facc15", "#403306"),
    "op": ("#24292f", "#f0f2f5", "#e6edf3", "#343b44"),
    "back": ("#d01f1f", "#fee2e2", "#ff7b72", "#4d1717"),
}
TEXT_LIGHT, TEXT_DARK = "#24292f", "#e6edf3"


def _rules(line: int, fill: int, text: str) -> str:
    rules = [f"text {{ fill: {text}; }}"]
    for kind, colours in COLOURS.items():
        rules.append(f".{kind} {{ stroke: {colours[line]}; fill: {colours[fill]}; }}")
        rules.append(f".head-{kind} {{ fill: {colours[line]}; }}")
        rules.append(f".word-{kind} {{ fill: {colours[line]}; }}")
    return "\n".join(rules)


def drawing(
    width: int, height: int, title: str, parts: Iterable[str], *, dark: bool = False
) -> str:
    """Return the file; ``dark`` has the dark colours everywhere, to look at them."""
    light, night = _rules(0, 1, TEXT_LIGHT), _rules(2, 3, TEXT_DARK)
    style = night if dark else f"{light}\n@media (prefers-color-scheme: dark) {{\n{night}\n}}"
    body = "\n".join(parts)
    return f"""<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" \
viewBox="0 0 {width} {height}" role="img">
<title>{escape(title)}</title>
<style>
text {{ font-family: "STIX Two Text", "Cambria", "DejaVu Serif", serif; text-anchor: middle; }}
path, rect, circle {{ stroke-width: 1.6; stroke-linejoin: round; }}
.line {{ fill: none; }}
.dashed {{ stroke-dasharray: 6 4; }}
.dotted {{ stroke-dasharray: 1.5 4; stroke-linecap: round; }}
{style}
path.line {{ fill: none; }}
.card {{ stroke-width: 0; }}
</style>
<rect class="ink card" width="{width}" height="{height}" rx="8"/>
{body}
</svg>
"""


def label(
    x: float, y: float, words: str, *, size: float = 16, anchor: str = "middle", kind: str = ""
) -> str:
    """Text whose middle line is at y."""
    runs, shift = "", 0.0
    for run in re.findall(r"[_^]\{.*?\}|[^_^]+", words):
        move, small = {"^": (-0.36, True), "_": (0.22, True)}.get(run[0], (0.0, False))
        shown = re.sub(r"-(?![A-Z])", "−", escape(run[2:-1] if small else run))
        scale = 0.72 if small else 1.0
        place = f'dy="{(move - shift) * size:.1f}" font-size="{scale * size:.1f}"'
        runs += f"<tspan {place}>{shown}</tspan>"

        shift = move
    colour = f' class="word-{kind}"' if kind else ""
    return (
        f'<text x="{x:g}" y="{y + 0.32 * size:.1f}" font-size="{size:g}"{colour} '
        f'style="text-anchor: {anchor}">{runs}</text>'
    )


def box(
    x: float,
    y: float,
    words: str,
    kind: str,
    *,
    width: float = 54,
    height: float = 36,
    size: float = 16,
) -> str:
    """A rectangle with its middle at (x, y)."""
    return (
        f'<rect class="{kind}" x="{x - width / 2:g}" y="{y - height / 2:g}" width="{width:g}" '
        f'height="{height:g}" rx="7"/>' + label(x, y, words, size=size)
    )


def operation(x: float, y: float, sign: str, *, radius: float = 13) -> str:
    """A circle with a sign in it: an operation element by element."""
    return f'<circle class="op" cx="{x:g}" cy="{y:g}" r="{radius:g}"/>' + label(
        x, y, sign, size=17 if len(sign) == 1 else 13
    )


def join(x: float, y: float, kind: str = "ink") -> str:
    """The dot at which a line parts or lines meet; lines that cross have none."""
    return f'<circle class="head-{kind}" cx="{x:g}" cy="{y:g}" r="3.4"/>'


def line(points: Sequence[Point], kind: str = "ink", *, style: str = "", width: float = 1.6) -> str:
    """A line through points."""
    path = "M" + " L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return f'<path class="{kind} line {style}" style="stroke-width: {width:g}" d="{path}"/>'


def arrow(
    points: Sequence[Point],
    kind: str = "ink",
    *,
    style: str = "",
    width: float = 1.6,
    head: float = 1.0,
) -> str:
    """A line through points with a head, of this relative size, at the last one."""
    (x0, y0), (x1, y1) = points[-2:]
    length = math.hypot(x1 - x0, y1 - y0)
    ux, uy = (x1 - x0) / length, (y1 - y0) / length
    long, wide = head * (9.0 + width), head * (3.2 + 0.8 * width)
    neck = (x1 - long * ux, y1 - long * uy)
    corners = [
        (x1, y1),
        (neck[0] - wide * uy, neck[1] + wide * ux),
        (neck[0] + wide * uy, neck[1] - wide * ux),
    ]
    tip = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
    shaft = line([*points[:-1], neck], kind, style=style, width=width)
    return f'{shaft}<polygon class="head-{kind}" points="{tip}"/>'
