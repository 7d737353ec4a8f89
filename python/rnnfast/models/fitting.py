"""What `fit` of every model does alike: the trainer, and a checkpoint's identity."""

from __future__ import annotations

import copy
import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import numpy as np

from rnnfast.io.packing import pack, unpack, untyped
from rnnfast.models.parts.shared import make_average, make_optimizer, make_schedule
from rnnfast.models.recurrent_model import RecurrentModel
from rnnfast.nn.module import Array, Module
from rnnfast.training.loop import Progress, TrainingLoop

Batch = TypeVar("Batch")

# Hyperparameters that may change when training is resumed.
_FREE_ON_RESUMPTION = ("epochs", "patience", "verbose")


def make_trainer(
    model: RecurrentModel,
    modules: Mapping[str, Module],
    rng: np.random.Generator,
    *,
    step: Callable[[Batch], tuple[float, int]],
    batches: Callable[[np.random.Generator], Iterable[Batch]],
    total_steps: int,
    checkpoint: str | os.PathLike[str] | None,
    data: Callable[[], Mapping[str, str]],
    **options: Any,
) -> TrainingLoop[Batch]:
    """Return a trainer as a model's hyperparameters want it.

    Parameters
    ----------
    model : RecurrentModel
        Whose hyperparameters; what callbacks find as ``progress.model``. Its history begins anew.
    modules, rng, step, batches, checkpoint
        As `TrainingLoop` takes them.
    total_steps : int
        Steps of the whole training, for the schedule.
    data : callable
        Returns fingerprints of the data by name, which a resumption compares; called only if there
        is a checkpoint.
    **options
        Further arguments of `TrainingLoop`.
    """
    model.history_, model.best_epoch_, model.stopped_ = [], 0, ""
    model._trained_with = copy.deepcopy(model.get_params())
    optimizer = make_optimizer(
        model.optimizer, modules, model.learning_rate, model.optimizer_options
    )
    identity: dict[str, Any] = {}
    if checkpoint is not None:
        saved = model._params_to_save()
        # Equal values are the same training, whatever type they have.
        identity = {
            name: pack(untyped(unpack(value)))
            for name, value in saved.items()
            if name not in _FREE_ON_RESUMPTION
        }
        identity.update(data())
    return TrainingLoop(
        step,
        batches,
        modules,
        optimizer,
        rng,
        schedule=make_schedule(
            model.schedule,
            optimizer,
            total_steps,
            model.schedule_options,
            maximize=options.get("maximize", False),
        ),
        max_norm=model.clip_norm,
        max_value=model.clip_value,
        average=make_average(model.averaging, modules, model.averaging_options),
        patience=model.patience,
        checkpoint=checkpoint,
        identity=identity,
        model=model,
        **options,
    )


def train_copy(
    model: RecurrentModel,
    trained: RecurrentModel,
    trainer: TrainingLoop[Any],
    epochs: int,
    resume: bool,
) -> None:
    """Train ``trained``, a copy of ``model``, and let ``model`` have what it learned.

    Until training has ended, ``model`` is as it was, for callbacks and other threads too. It stays
    so if an error ends the training.
    """

    def note(progress: Progress) -> None:
        trained.history_ = progress.history

    def finish() -> None:
        for module in trainer.modules.values():  # gradients of the last step: nothing to copy
            module.zero_grad()
        trained.history_ = trainer.history
        trained.best_epoch_, trained.stopped_ = trainer.best_epoch, trainer.stopped
        model._adopt(trained)

    trainer.callbacks, trainer.finish = [note, *trainer.callbacks], finish
    trainer.run(epochs, resume)


def digest(*parts: Iterable[Array] | str) -> str:
    """Return a fingerprint of arrays and texts."""
    result = hashlib.sha256()
    for part in parts:
        pieces = [part.encode()] if isinstance(part, str) else map(_as_bytes, part)
        result.update(b";")
        for piece in pieces:
            result.update(f"{len(piece)}:".encode())
            result.update(piece)
    return result.hexdigest()


def _as_bytes(array: Array) -> bytes:
    return f"{array.dtype.str}{array.shape}".encode() + array.tobytes()
