"""What to tell of a training that has ended, or whose numbers are not finite any more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from rnnfast._checks.messages import counted
from rnnfast.nn.module import Module
from rnnfast.training.checkpoints import Position, Record


def describe_end(
    at: Position,
    stopped: str,
    epochs: int,
    patience: int | None,
    monitor: str,
    maximize: bool,
    signal: str,
    chosen: Mapping[str, int],
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
    amount = f" ({describe_chosen(chosen)})" if chosen else ""
    more = ""
    if stopped == "finished" and _still_improving(at, monitor, maximize):
        what = monitor if at.best_epoch else "the loss"
        more = f"; {what} was still getting better, more epochs may help"
    return f"{why}, {counted(at.step, 'step')}{amount}; {kept}{more}"


def describe_chosen(chosen: Mapping[str, int]) -> str:
    """Say what of a training's amount was chosen."""
    return f"chosen: {', '.join(f'{name} {value}' for name, value in chosen.items())}"


# By which part of its best value before a figure of what is held out, or the loss of what is
# learned from, has to have become better in the last quarter of a training, to be called improving;
# which part of its first value is next to nothing, and which a training gains that learns at all.
_IMPROVING, _IMPROVING_LOSS, _NOTHING, _LEARNING = 0.05, 0.1, 0.05, 0.02


def _still_improving(at: Position, monitor: str, maximize: bool) -> bool:
    """Return whether a training ended while the figure that tells the best epoch became better.

    The best of its last quarter is compared with the best before, and the second half with the
    first; the best epoch has to be among the last tenth. Without a best epoch it is the loss of
    what is learned from.
    """
    history, last = at.history, max(1, len(at.history) // 4)
    name, sign, least = "loss", -1, _IMPROVING_LOSS
    if at.best_epoch:
        name, sign, least = monitor, 1 if maximize else -1, _IMPROVING
    if len(history) < 2 or (at.best_epoch and len(history) - at.best_epoch > len(history) // 10):
        return False
    if not all(name in record for record in history):  # in a checkpoint from elsewhere
        return False
    values = [sign * record[name] for record in history]
    before, after = max(values[:-last]), max(values[-last:])
    if sign < 0 and -before < _NOTHING * -values[0]:
        return False
    return after - before > least * abs(before) or _as_fast_as_ever(values)


def _as_fast_as_ever(values: list[float]) -> bool:
    """Return whether the second half of a training gained at least half of what the first did.

    However small the steps have become by then, as a schedule makes them: what has learned all
    that it can gains most in the beginning.
    """
    if len(values) < 3:
        return False
    middle = values[(len(values) - 1) // 2]
    first, second = middle - values[0], max(values) - middle
    return second >= first / 2 > 0 and first + second > _LEARNING * abs(values[0])


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
    _made: Any


def describe_training(model: Trained) -> str:
    """Say how long a model was trained, and which weights it has."""
    history, best = model.history_, model.best_epoch_
    length = "no full epoch"
    if history:
        length = f"{counted(len(history), 'epoch')}, {counted(int(history[-1]['step']), 'step')}"
    chosen = f" ({describe_chosen(model._made.chosen)})" if model._made.chosen else ""
    return f"{length}{chosen}; weights of {f'epoch {best}' if best else 'the last step'}"


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
