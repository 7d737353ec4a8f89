"""The README's table: its rows, and how `compare.py --grid readme` prints them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from point import Point
from report import Result

TITLES = {
    "torch": "PyTorch",
    "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
    "jax": "JAX",
    "numpy": "NumPy",
}
ANOTHER_STORY = 1.1  # a ratio of medians that is so far from that of the least times is told, too


def _step(cell: str, units: int, threads: int) -> tuple[str, Point]:
    point = Point(cell, "step", 1, 1, units, units, threads=threads)
    return f"{cell.upper()} step, {units} units", point


def _batch(cell: str, T: int, B: int, H: int, threads: int) -> tuple[str, Point]:
    point = Point(cell, "infer", T, B, H, H, threads=threads)
    return f"{cell.upper()}, {T} steps x {B} x {H}", point


def _trained(row: tuple[str, Point], title: str | None = None) -> tuple[str, Point]:
    return title or f"{row[0]}, trained", replace(row[1], mode="train")


def _small(cell: str) -> tuple[str, Point]:
    """Forward and backpropagation as in ``pytest bench``."""
    title = f"{cell.upper()}, 20 steps x 8 x 32, forward and back"
    return title, Point(cell, "grad", 20, 8, 24, 32)


_RAGGED, _TWO, _GRU = (
    Point("lstm", "infer", 50, 32, 128, 128, ragged=True, threads=2),
    Point("lstm", "infer", 100, 1, 64, 64, layers=2, threads=2),
    Point("gru", "train", 50, 16, 128, 128, layers=2, threads=2),
)
ROWS: tuple[tuple[str, Point], ...] = (
    _step("lstm", 64, 1),
    _step("lstm", 256, 1),
    _step("lstm", 256, 2),
    _step("lstm", 512, 1),
    _step("lstm", 512, 2),
    _step("gru", 64, 1),
    _step("rnn", 256, 1),
    _batch("lstm", 50, 32, 256, 1),
    _batch("lstm", 50, 32, 256, 2),
    _batch("lstm", 50, 64, 128, 1),
    _batch("gru", 50, 32, 256, 1),
    ("LSTM, ragged, 50 steps x 32 x 128", _RAGGED),
    ("LSTM, 2 layers, 100 steps x 1 x 64", _TWO),
    _small("rnn"),
    _small("gru"),
    _small("lstm"),
    _trained(_batch("lstm", 50, 32, 256, 1)),
    _trained(_batch("lstm", 50, 32, 256, 2), "LSTM, the same, trained"),
    _trained(_batch("gru", 50, 32, 256, 2), "GRU, the same, trained"),
    ("GRU, 2 layers, 50 steps x 16 x 128, trained", _GRU),
)


def points() -> list[Point]:
    """The points of all rows."""
    return [point for _, point in ROWS]


def _seconds(seconds: float) -> str:
    for unit, scale, most in (("us", 1e6, 1e-3), ("ms", 1e3, 1.0)):
        if seconds < most:
            value = seconds * scale
            return f"{value:.{0 if value >= 19.5 else 1}f} {unit}"
    return f"{seconds:.2f} s"


def _number(ratio: float) -> str:
    """Two digits, but three below 2."""
    return f"{ratio:.0f}" if ratio >= 9.95 else f"{ratio:.{1 if ratio >= 1.995 else 2}f}"


def _ratio(least: float, median: float) -> str:
    text = _number(least)
    told = median / least > ANOTHER_STORY or least / median > ANOTHER_STORY
    return f"{text} ({_number(median)})" if told else text


def markdown(results: Sequence[Result], peers: Sequence[str]) -> str:
    """Format the rows that were measured."""
    by_label = {result.label: result for result in results}
    lines = [
        f"| | threads | time | {' | '.join(TITLES[peer] for peer in peers)} |",
        "|---" * (3 + len(peers)) + "|",
    ]
    for title, point in ROWS:
        result = by_label.get(point.label)
        if result is None:
            continue
        ratios = result.ratios()
        shown = [_ratio(*ratios[peer]) if peer in ratios else "" for peer in peers]
        words = [title, str(point.threads), _seconds(result.ours.minimum), *shown]
        lines.append("| " + " | ".join(words) + " |")
    return "\n".join(lines).replace("|  |", "| |").replace("|  |", "| |")
