"""Training: the loop, optimizers, learning rates, clipping, averages of weights."""

import warnings

from rnnfast.training.event_files import tensorboard
from rnnfast.training.loop import TrainingLoop
from rnnfast.training.progress import Callback, Progress

__all__ = ["Callback", "Progress", "TrainingLoop", "tensorboard"]


def __getattr__(name: str) -> object:
    if name != "Trainer":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warnings.warn(
        "rnnfast.training.Trainer is now TrainingLoop, rnnfast.Trainer trains any network; the old "
        "name goes with the release after next",
        DeprecationWarning,
        stacklevel=2,
    )
    return TrainingLoop
