"""What `fit` of every model is told of its training, besides the data."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rnnfast._checks import check_bool, check_functions
from rnnfast.training.progress import Callback


@dataclass(frozen=True, kw_only=True)
class FitOptions:
    """The arguments that say how a model is trained, as `Estimator.fit` has them."""

    warm_start: bool | None
    extend: bool
    freeze: str | Sequence[str] | None
    embeddings: Any
    checkpoint: str | os.PathLike[str] | None
    resume: bool
    epochs: int | None
    verbose: Any  # int once it is known
    callbacks: Sequence[Callback]

    def require_epochs(self, valid: Any) -> None:
        """Raise ValueError if something was given to `fit` that no epoch would look at."""
        check_functions("callbacks", self.callbacks)
        given = {
            "checkpoint": check_bool("resume", self.resume) or self.checkpoint is not None,
            "valid": valid is not None,
            "callbacks": len(self.callbacks) > 0,
        }
        for name in (name for name, there in given.items() if there and self.epochs == 0):
            raise ValueError(f"epochs: expected at least 1 with {name}, got 0")
