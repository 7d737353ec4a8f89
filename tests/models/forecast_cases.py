"""Small forecasters and series that their tests share."""

from __future__ import annotations

from typing import Any

import numpy as np

import rnnfast as rf

MONTHS = np.arange(132)
NOISE = np.random.default_rng(5).normal(size=(132, 8))
SEASONAL = 0.5 * MONTHS + 10 * np.sin(2 * np.pi * MONTHS / 12) + 0.5 * NOISE[:, 0]


def small(**options: Any) -> rf.Forecaster:
    """Return a forecaster that is trained at once."""
    defaults: dict[str, Any] = {
        "cell": "gru", "hidden_size": 6, "batch_size": 16, "epochs": 2, "seed": 3, "verbose": 0,
    }  # fmt: skip
    return rf.Forecaster(**{**defaults, **options})
