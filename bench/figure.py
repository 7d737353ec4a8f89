"""The figure: every point's ratio to each peer, on a logarithmic axis."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from report import Result, geometric_mean

COLOURS = {
    "torch": "#d9480f",
    "onnxruntime": "#1864ab",
    "openvino": "#2b8a3e",
    "jax": "#5f3dc4",
    "numpy": "#868e96",
}
TITLES = {
    "step": "one step, one sequence",
    "infer": "inference",
    "grad": "forward and backward",
    "train": "training step",
    "model": "training of a language model",
    "sample": "sampling",
}


def draw(results: Sequence[Result], path: Path) -> None:
    """Write a figure: a panel a mode, a column a cell, a dot a point and peer.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    matplotlib: Any = import_module("matplotlib")
    matplotlib.use("Agg")
    pyplot: Any = import_module("matplotlib.pyplot")
    modes = list(dict.fromkeys(r.point["mode"] for r in results))
    cells = list(dict.fromkeys(r.point["cell"] for r in results))
    figure, axes = pyplot.subplots(
        1, len(modes), figsize=(1.2 + 3.2 * len(modes), 4.2), sharey=True, squeeze=False
    )
    peers = [p for p in COLOURS if any(p in r.ratios() for r in results)]
    for axis, mode in zip(axes[0], modes, strict=True):
        for place, peer in enumerate(peers):
            across, values = [], []
            for column, cell in enumerate(cells):
                found = [
                    r.ratios()[peer][0]
                    for r in results
                    if r.point["mode"] == mode and r.point["cell"] == cell and peer in r.ratios()
                ]
                if not found:
                    continue
                middle = column + (place - (len(peers) - 1) / 2) * 0.22
                # Dots side by side, in the order of the grid, so that each is seen.
                across += [
                    middle + 0.16 * (k / max(len(found) - 1, 1) - 0.5) for k in range(len(found))
                ]
                values += found
                mean = geometric_mean(found)
                axis.plot([middle - 0.1, middle + 0.1], [mean, mean], color=COLOURS[peer], lw=2)
            axis.scatter(across, values, s=9, color=COLOURS[peer], alpha=0.55, label=peer, lw=0)
        axis.axhline(1, color="black", lw=0.8)
        axis.set_yscale("log")
        axis.set_xticks(range(len(cells)), [cell.upper() for cell in cells])
        axis.set_title(TITLES[mode], fontsize=10)
        axis.grid(axis="y", which="major", alpha=0.3)
    axes[0][0].set_ylabel("their time / rnnfast's (bars: geometric means)")
    axes[0][0].yaxis.set_major_formatter(pyplot.FuncFormatter(lambda v, _: f"{v:g}"))
    axes[0][-1].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=150)
    pyplot.close(figure)
