"""A model in the format of RTNeural, and what it gives."""

from __future__ import annotations

from typing import Any

import numpy as np


def published() -> dict[str, Any]:
    """Return one of each layer that RTNeural's script writes."""
    rng = np.random.default_rng(0)

    def layer(kind: str, units: int, *shapes: tuple[int, ...], activation: str = "") -> Any:
        weights = [np.round(rng.normal(size=shape), 6).tolist() for shape in shapes]
        return {"type": kind, "activation": activation, "shape": [None, None, units],
                "weights": weights}  # fmt: skip

    return {
        "in_shape": [None, None, 1],
        "layers": [
            layer("time-distributed-dense", 8, (1, 8), (8,), activation="tanh"),
            layer("gru", 3, (8, 9), (3, 9), (2, 9), activation="tanh"),
            layer("lstm", 4, (3, 16), (4, 16), (16,)),
            layer("dense", 1, (4, 1), (1,)),
        ],
    }
