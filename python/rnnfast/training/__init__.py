"""Training: the loop, optimizers, learning rates, clipping, averages of weights."""

from rnnfast.training.event_files import tensorboard
from rnnfast.training.loop import TrainingLoop
from rnnfast.training.progress import Callback, Progress

__all__ = ["Callback", "Progress", "TrainingLoop", "tensorboard"]
