"""What a training loop is given: checked, and what of it is alike in all processes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnfast._checks import check_bool, check_functions, check_int, check_real
from rnnfast.nn.module import Module
from rnnfast.training.averaging import WeightAverage
from rnnfast.training.optimizers import Optimizer
from rnnfast.training.progress import Reporter
from rnnfast.training.schedules import ReduceOnPlateau, Schedule

if TYPE_CHECKING:
    from rnnfast.training.loop import TrainingLoop


def check_loop(loop: TrainingLoop[Any]) -> None:
    """Raise TypeError or ValueError if arguments of a loop are wrong, or do not fit together."""
    check_functions("callbacks", loop.callbacks)
    kinds: dict[str, tuple[type, ...]] = {
        "modules": (Mapping,),
        "optimizer": (Optimizer,),
        "rng": (np.random.Generator,),
        "schedule": (Schedule, ReduceOnPlateau, type(None)),
        "average": (WeightAverage, type(None)),
        "carry": (dict,),
        "identity": (Mapping,),
        "chosen": (Mapping,),
        "reporter": (Reporter,),
        "monitor": (str,),
    }
    for name, allowed in kinds.items():
        value = getattr(loop, name)
        if not isinstance(value, allowed):
            known = " or ".join(kind.__name__ for kind in allowed)
            raise TypeError(f"{name}: expected a {known}, got {type(value).__name__}")
    for name, module in loop.modules.items():
        if not isinstance(name, str) or not isinstance(module, Module):
            raise TypeError(f"modules: expected layers by name, got {type(module).__name__}")
    for name in ("step", "batches", "validate", "finish", "split", "divisor"):
        value = getattr(loop, name)
        optional = name not in ("step", "batches")
        if not callable(value) and not (optional and value is None):
            raise TypeError(f"{name}: expected a function, got {type(value).__name__}")
    check_bool("maximize", loop.maximize)
    if loop.validate is None and isinstance(loop.schedule, ReduceOnPlateau):
        raise ValueError("schedule: expected no plateau without validation, which it watches")
    if loop.baseline is not None:
        check_real("baseline", loop.baseline, 0.0, above=True)
    if loop.patience is not None:
        check_int("patience", loop.patience, 1)
        if loop.validate is None:
            raise ValueError("patience: expected None without validation, which it waits for")


def facts_of(loop: TrainingLoop[Any], epochs: int, resume: bool, keeps: bool) -> dict[str, Any]:
    """Return what all ranks have to have alike; ``keeps`` is whether there is a checkpoint.

    Raises
    ------
    ValueError
        If the loop does not know how to divide batches.
    """
    if loop.split is None:
        raise ValueError("split: expected a function where several ranks train, got None")
    layers = {
        f"{prefix}.{name}": f"{parameter.shape} {parameter.dtype}"
        for prefix, module in loop.modules.items()
        for name, parameter in module.parameters().items()
    }
    return {
        **loop.identity,
        "layers": layers,
        "number of epochs": epochs,
        "resume": resume,
        "presence of a checkpoint": keeps,
        "state of the optimizer": f"{loop.optimizer!r}",
        "bounds of gradients": [loop.max_norm, loop.max_value],
        "patience": loop.patience,
    }
