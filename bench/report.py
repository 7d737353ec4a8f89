"""Results: one point's numbers, the table's lines, the summary, the JSON file."""

from __future__ import annotations

import json
import math
import os
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

OURS = "rnnfast"


@dataclass
class Measured:
    """Numbers of one candidate at one point; seconds are of one call."""

    name: str
    peer: str
    minimum: float
    median: float
    share: float  # of the machine's limit
    clean_slices: int
    slices: int
    error: float  # relative to rnnfast's answer; rnnfast's own is 0


@dataclass
class Result:
    """Everything measured at one point."""

    point: dict[str, Any]
    label: str
    flops: float
    bound: str  # the limit that binds: "fma" or "read"
    fma: float  # operations per second, best probe of the run
    read: float  # bytes per second at this point's weights
    wrong: bool
    measured: list[Measured] = field(default_factory=list)

    @property
    def ours(self) -> Measured:
        """rnnfast's numbers."""
        return next(m for m in self.measured if m.peer == OURS)

    def ratios(self) -> dict[str, tuple[float, float]]:
        """Each peer's time over ours, by minimum and by median, of its fastest way."""
        found: dict[str, tuple[float, float]] = {}
        for peer in dict.fromkeys(m.peer for m in self.measured if m.peer != OURS):
            ways = [m for m in self.measured if m.peer == peer]
            found[peer] = (
                min(m.minimum for m in ways) / self.ours.minimum,
                min(m.median for m in ways) / self.ours.median,
            )
        return found

    def best(self) -> tuple[str, float, float] | None:
        """The fastest peer and its ratios by minimum and median, each against the fastest."""
        ratios = self.ratios()
        if not ratios:
            return None
        peer = min(ratios, key=lambda name: ratios[name][0])
        return peer, ratios[peer][0], min(median for _, median in ratios.values())


def merge(runs: Sequence[Sequence[Result]]) -> list[Result]:
    """Merge runs of a grid at different times: least minimum, middle median, per candidate."""
    by_label: dict[str, list[Result]] = defaultdict(list)
    for run in runs:
        for result in run:
            by_label[result.label].append(result)
    merged = []
    for results in by_label.values():
        fastest = min(results, key=lambda r: r.ours.minimum)
        names = dict.fromkeys(m.name for r in results for m in r.measured)
        measured = []
        for name in names:
            same = [m for r in results for m in r.measured if m.name == name]
            measured.append(
                Measured(
                    name,
                    same[0].peer,
                    min(m.minimum for m in same),
                    statistics.median(m.median for m in same),
                    statistics.median(m.share for m in same),
                    sum(m.clean_slices for m in same),
                    sum(m.slices for m in same),
                    max(m.error for m in same),
                )
            )
        merged.append(
            Result(
                fastest.point,
                fastest.label,
                fastest.flops,
                fastest.bound,
                max(r.fma for r in results),
                max(r.read for r in results),
                any(r.wrong for r in results),
                measured,
            )
        )
    return merged


def micro(seconds: float) -> str:
    """Microseconds in at most seven characters."""
    value = seconds * 1e6
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"


def header(peers: Sequence[str]) -> str:
    """First lines of the table."""
    columns = [
        f"{'point':<44}{'min us':>9}{'med us':>9}{'GF/s':>7}{'limit':>10}{'clean':>6}",
        *(f"{peer + ' min':>16}{'med':>7}" for peer in peers),
        f"{'error':>9}",
    ]
    line = "".join(columns)
    return f"{line}\n{'-' * len(line)}"


def line(result: Result, peers: Sequence[str]) -> str:
    """One point's line of the table."""
    ours, ratios = result.ours, result.ratios()
    gigaflops = result.flops / ours.minimum / 1e9
    limit = f"{100 * ours.share:.0f}% {result.bound}"
    text = f"{result.label:<44}{micro(ours.minimum):>9}{micro(ours.median):>9}"
    text += f"{gigaflops:>7.1f}{limit:>10}{100 * ours.clean_slices // ours.slices:>5}%"
    for peer in peers:
        if peer in ratios:
            text += f"{ratios[peer][0]:>16.2f}{ratios[peer][1]:>7.2f}"
        else:
            text += f"{'-':>16}{'-':>7}"
    text += f"{max(m.error for m in result.measured):>9.0e}"
    best = result.best()
    if result.wrong:
        text += "  WRONG"
    elif best is not None and best[1] < 1:
        text += "  lost"
    return text


def geometric_mean(values: Iterable[float]) -> float:
    """The n-th root of the product of n numbers."""
    logs = [math.log(value) for value in values]
    return math.exp(statistics.fmean(logs)) if logs else math.nan


def summary(results: Sequence[Result], peers: Sequence[str]) -> str:
    """Means, extremes and the lost points."""
    text = ["", "Share of the machine's limit"]
    modes = list(dict.fromkeys(r.point["mode"] for r in results))
    for mode in modes:
        of_mode = [r for r in results if r.point["mode"] == mode]
        middle = statistics.median(r.ours.share for r in of_mode)
        least = min(of_mode, key=lambda r: r.ours.share)
        text.append(
            f"  {mode:<6} median {100 * middle:.0f}%, least {100 * least.ours.share:.0f}% "
            f"at {least.label}"
        )
    if not any(r.ratios() for r in results):
        return "\n".join(text)
    text += ["", "Speed against the peers: their time over ours, geometric means, (of medians)"]
    for mode in modes:
        text.append(_speed(mode, [r for r in results if r.point["mode"] == mode], peers))
    lost = [(best, r) for r in results if (best := r.best()) is not None and best[1] < 1]
    text += ["", f"Lost points: {len(lost)} of {len(results)}"]
    for (peer, least_ratio, median), result in sorted(lost, key=lambda pair: pair[0][1]):
        text.append(f"  {result.label:<46}{least_ratio:>6.2f} ({median:.2f}) against {peer}")
    wrong = [r.label for r in results if r.wrong]
    if wrong:
        text.append(f"WRONG answers at {len(wrong)} points: {', '.join(wrong)}")
    return "\n".join(text)


def _speed(mode: str, results: Sequence[Result], peers: Sequence[str]) -> str:
    """One mode's line of the summary."""
    found = [(best, r) for r in results if (best := r.best()) is not None]
    if not found:
        return f"  {mode:<6} no peer"
    mean = geometric_mean(best[1] for best, _ in found)
    median = geometric_mean(best[2] for best, _ in found)
    text = f"  {mode:<6} best peer {mean:.2f} ({median:.2f})"
    for peer in peers:
        ratios = [r.ratios()[peer] for r in results if peer in r.ratios()]
        if ratios:
            mean, median = (geometric_mean(column) for column in zip(*ratios, strict=True))
            text += f", {peer} {mean:.2f} ({median:.2f})"
    (_, least, _), worst = min(found, key=lambda pair: pair[0][1])
    return f"{text}; least {least:.2f} at {worst.label}"


def save(path: Path, machine: dict[str, Any], options: Any, results: Sequence[Result]) -> None:
    """Write everything as JSON, whole or not at all."""
    document = {"machine": machine, "options": options, "results": [asdict(r) for r in results]}
    part = path.with_suffix(path.suffix + ".part")
    with part.open("w") as file:
        json.dump(document, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def load(path: Path) -> tuple[dict[str, Any], list[Result]]:
    """Read what `save` wrote: the machine and the results."""
    document = json.loads(path.read_text())
    results = []
    for item in document["results"]:
        measured = [Measured(**m) for m in item.pop("measured")]
        results.append(Result(**item, measured=measured))
    return document["machine"], results
