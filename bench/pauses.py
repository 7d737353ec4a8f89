"""The first call after a pause, in which threads have gone to sleep; see README.md here."""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import numpy as np

from compare import TOLERANCE, relative_error, split
from peers import PEERS, candidates, installed, ours
from point import Point, make_problem
from timing import Candidate

STEP = Point("lstm", "step", 1, 1, 1, 1)
INFER = Point("lstm", "infer", 50, 16, 1, 1)
SHAPES = (
    *(replace(STEP, I=H, H=H) for H in (64, 256, 512)),
    *(replace(INFER, I=H, H=H) for H in (128, 256)),
)


def first_calls(ways: list[Candidate], pause: float, rounds: int) -> list[list[float]]:
    """Time one call of each after a pause, in turns: seconds."""
    seconds: list[list[float]] = [[] for _ in ways]
    for turn in range(rounds):
        for place in range(len(ways)):
            k = (turn + place) % len(ways)
            time.sleep(pause)
            seconds[k] += ways[k].time(1, 1).seconds
    return seconds


def main() -> None:
    """Measure every shape on one thread and on several."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pause", type=float, default=0.1, help="seconds before each call")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument(
        "--peers", type=lambda s: split(s, list(PEERS)), default=["torch", "onnxruntime"]
    )
    options = parser.parse_args()
    print(f"microseconds of a call {options.pause:g} s after the one before: median (90 % below)")
    for shape in SHAPES:
        for threads in sorted({1, options.threads}):
            point = replace(shape, threads=threads)
            problem = make_problem(point)
            ways: list[Candidate] = [ours.candidate(point, problem)]
            for peer in installed(options.peers):
                ways += candidates(peer, point, problem)
            expected = ways[0].answer()
            for way in ways:
                error = relative_error(way.answer(), expected)
                if error > TOLERANCE[point.dtype]:
                    raise SystemExit(f"{point.label}: {way.name} is wrong by {error:.1e}")
            texts = []
            for way, found in zip(
                ways, first_calls(ways, options.pause, options.rounds), strict=True
            ):
                middle, most = np.quantile(found, [0.5, 0.9]) * 1e6
                texts.append(f"{way.name} {middle:.0f} ({most:.0f})")
                way.close()
            print(f"{point.label:<38}" + "; ".join(texts), flush=True)


if __name__ == "__main__":
    main()
