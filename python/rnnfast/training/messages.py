"""What to tell of a training that has ended, or whose numbers are not finite any more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from rnnfast._checks.messages import counted
from rnnfast.nn.module import Module
from rnnfast.training.checkpoints import Position, Record


def describe_end(
    at: Position, stopped: str, epochs: int, patience: int | None, monitor: str, signal: str
) -> str:
    """Say why and where a training ended, and which weights it leaves.

    ``signal`` is what interrupted it, if something did; the others are as `TrainingLoop`'s.
    """
    kept = (
        f"weights of epoch {at.best_epoch} kept ({monitor} {at.best_value:.4f})"
        if at.best_epoch
        else "weights of the last step kept"
    )
    if stopped == "patience":
        why = f"stopped after epoch {at.epoch}, no better one in {patience}"
    elif stopped == "finished":
        why = f"{counted(epochs, 'epoch')} made"
    else:
        by = signal if stopped == "interrupt" else "a callback"
        place = f"in epoch {at.epoch + 1}" if at.batch else f"after epoch {at.epoch}"
        why = f"stopped by {by} {place} of {epochs}"
    return f"{why}, {counted(at.step, 'step')}; {kept}"


# How many times a loss is that of having learned nothing where no training with sense ends. That of
# training is a mean over an epoch, of which the first steps may have been bad.
_ABSURD_ALONE = {"loss": 2.0}
_ABSURD_VALIDATED = {"valid_loss": 10.0, "loss": 100.0}


def describe_absurdity(at: Position, baseline: float | None) -> str:
    """Say that a training has left a model far worse than one that has learned nothing.

    Empty if it has not, or if nobody knows what that would be: ``baseline`` is its loss.
    """
    if baseline is None or not at.history:
        return ""
    record = at.history[at.best_epoch - 1]
    for name, factor in (_ABSURD_VALIDATED if "valid_loss" in record else _ABSURD_ALONE).items():
        if record[name] > factor * baseline:
            return (
                f"{name} {record[name]:.4g} is far above {baseline:.4g}, that of a model that has "
                "learned nothing; lower the learning rate"
            )
    return ""


class Trained(Protocol):
    """What tells of its training, as every fitted model does."""

    history_: list[Record]
    best_epoch_: int


def describe_training(model: Trained) -> str:
    """Say how long a model was trained, and which weights it has."""
    history, best = model.history_, model.best_epoch_
    length = "no full epoch"
    if history:
        length = f"{counted(len(history), 'epoch')}, {counted(int(history[-1]['step']), 'step')}"
    return f"{length}; weights of {f'epoch {best}' if best else 'the last step'}"


def kept_record(model: Trained) -> Record:
    """Return the record of the epoch whose weights a model has, of the last one without a best.

    Empty if there was none.
    """
    return model.history_[model.best_epoch_ - 1] if model.history_ else {}


def describe_divergence(
    modules: Mapping[str, Module], what: str, step: int, epoch: int, learning_rate: float
) -> str:
    """Say where numbers that are not finite stand, and what helps.

    Parameters
    ----------
    modules : mapping of str to Module
        The layers, by the names to call them.
    what : str
        What was seen.
    step, epoch : int
        When, both counted from 1.
    learning_rate : float
        That of the step.
    """
    bad = [
        f"{kind} {prefix}.{name}"
        for prefix, module in modules.items()
        for name, parameter in module.parameters().items()
        for kind, array in (("weight", parameter.data), ("gradient of", parameter.grad))
        if not np.isfinite(array).all()
    ]
    if bad:
        where = f"not finite: {', '.join(bad)}"
    else:
        sizes = {
            f"{prefix}.{name}": float(np.abs(parameter.data).max(initial=0.0))
            for prefix, module in modules.items()
            for name, parameter in module.parameters().items()
        }
        largest = max(sizes, key=sizes.__getitem__)
        where = f"all weights are finite, the largest is {sizes[largest]:.3g} in {largest}"
    return (
        f"step {step}, epoch {epoch}: {what} ({where}); lower the "
        f"learning rate, {learning_rate:g} now, or cut gradients harder"
    )
