"""What `fit` of every model does alike: checks, the trainer, and a checkpoint's identity."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import numpy as np

from rnnfast._checks import check_int, check_real
from rnnfast.models.base import Model
from rnnfast.models.parts import make_optimizer, make_schedule
from rnnfast.nn.module import Array, Module
from rnnfast.training import Trainer

Batch = TypeVar("Batch")

# Hyperparameters that may change when training is resumed.
_FREE_ON_RESUMPTION = ("epochs", "patience", "verbose")


def check_shared(model: Model) -> None:
    """Raise for hyperparameters that all models have and no layer, optimizer or trainer checks.

    Raises
    ------
    ValueError, TypeError
        Naming the hyperparameter.
    """
    params = model.get_params(deep=False)
    for name in ("embedding_size", "max_vocabulary_size"):
        if params[name] is not None:
            check_int(name, params[name], 1)
    check_int("min_count", params["min_count"], 1)
    check_int("batch_size", params["batch_size"], 1)
    check_real("dropout", params["dropout"], 0, 1, below=True)
    check_real("learning_rate", params["learning_rate"], 0, above=True)
    if params["clip_norm"] is not None:
        check_real("clip_norm", params["clip_norm"], 0, above=True)
    check_real("validation_fraction", params["validation_fraction"], 0, 1, below=True)


def make_trainer(
    model: Model,
    modules: Mapping[str, Module],
    rng: np.random.Generator,
    *,
    step: Callable[[Batch], tuple[float, int]],
    batches: Callable[[np.random.Generator], Iterable[Batch]],
    total_steps: int,
    checkpoint: str | os.PathLike[str] | None,
    data: Callable[[], Mapping[str, str]],
    **options: Any,
) -> Trainer[Batch]:
    """Return a trainer as a model's hyperparameters want it.

    Parameters
    ----------
    model : Model
        Whose hyperparameters.
    modules, rng, step, batches, checkpoint
        As `Trainer` takes them.
    total_steps : int
        Steps of the whole training, for the schedule.
    data : callable
        Returns fingerprints of the data by name, which a resumption compares; called only if there
        is a checkpoint.
    **options
        Further arguments of `Trainer`.
    """
    params = model.get_params(deep=False)
    optimizer = make_optimizer(
        params["optimizer"], modules, params["learning_rate"], params["optimizer_options"]
    )
    identity: dict[str, Any] = {}
    if checkpoint is not None:
        saved = model._params_to_save()
        identity = {n: value for n, value in saved.items() if n not in _FREE_ON_RESUMPTION}
        identity.update(data())
    return Trainer(
        step,
        batches,
        modules,
        optimizer,
        rng,
        schedule=make_schedule(
            params["schedule"], optimizer, total_steps, maximize=options.get("maximize", False)
        ),
        max_norm=params["clip_norm"],
        max_value=params.get("clip_value"),
        patience=params["patience"],
        checkpoint=checkpoint,
        identity=identity,
        **options,
    )


def run_trainer(model: Model, trainer: Trainer[Any], epochs: int, resume: bool) -> None:
    """Train, and set what `Model` tells of its training, however that ends."""
    model.history_ = trainer.history
    try:
        trainer.run(epochs, resume)
    finally:
        model.history_ = trainer.history
        model.best_epoch_, model.stopped_ = trainer.best_epoch, trainer.stopped


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
