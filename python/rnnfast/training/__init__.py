"""Training: the loop, optimizers, learning rates, clipping, averages of weights."""

import warnings

from rnnfast.training.averaging import ExponentialAverage, MeanAverage, WeightAverage
from rnnfast.training.clipping import clip_grad_norm, clip_grad_value, scale_grad
from rnnfast.training.courses import GivenLR, LambdaLR, MultiStepLR
from rnnfast.training.event_files import tensorboard
from rnnfast.training.loop import TrainingLoop
from rnnfast.training.mpi_ranks import RankFailed
from rnnfast.training.optimizers import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop
from rnnfast.training.progress import Callback, Progress
from rnnfast.training.schedules import (
    ChainLR,
    CosineLR,
    ExponentialLR,
    ReduceOnPlateau,
    StepLR,
    WarmupLR,
)

__all__ = [
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Callback",
    "ChainLR",
    "CosineLR",
    "ExponentialAverage",
    "ExponentialLR",
    "GivenLR",
    "LambdaLR",
    "MeanAverage",
    "MultiStepLR",
    "Optimizer",
    "Progress",
    "RMSprop",
    "RankFailed",
    "ReduceOnPlateau",
    "StepLR",
    "TrainingLoop",
    "WarmupLR",
    "WeightAverage",
    "clip_grad_norm",
    "clip_grad_value",
    "scale_grad",
    "tensorboard",
]


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
