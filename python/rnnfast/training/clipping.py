"""Gradients cut to a norm or a size, before an optimizer's step."""

from __future__ import annotations

import math

import numpy as np

from rnnfast import _core
from rnnfast._checks import check_factor, check_real
from rnnfast.nn.module import Array
from rnnfast.training.runs import Collected, Parameters, collect

# Numbers below this have squares that are not exact any more.
_SMALLEST = 1e-145


def clip_grad_norm(parameters: Parameters, max_norm: float) -> float:
    """Scale all gradients together so that their norm is at most ``max_norm``.

    As `torch.nn.utils.clip_grad_norm_`: if ``max_norm / (norm + 1e-6)`` is below 1, all gradients
    are multiplied by it.

    Parameters
    ----------
    parameters : Module, Parameter, or iterable or mapping of those
        Whose gradients.
    max_norm : float
        The largest Euclidean norm; infinity only measures.

    Returns
    -------
    float
        The norm before.

    Raises
    ------
    FloatingPointError
        If it is not finite; the message names the parameters. Nothing is changed then.
    """
    return clip_norm_of(collect(parameters), max_norm)


def clip_norm_of(runs: Collected, max_norm: float) -> float:
    """Do what `clip_grad_norm` does with what `collect` gave."""
    endless = isinstance(max_norm, (float, np.floating)) and max_norm == math.inf
    limit = math.inf if endless else check_real("max_norm", max_norm, 0.0)
    norm = math.sqrt(sum(_core.squared_norm(*run) for run, _ in runs))
    if not _SMALLEST < norm < math.inf:  # squares may have vanished or overflowed
        norm = _scaled_norm([p.grad for _, members in runs for p in members.values()])
    if not math.isfinite(norm):
        bad = [
            name
            for _, members in runs
            for name, parameter in members.items()
            if not np.isfinite(parameter.grad).all()
        ]
        raise FloatingPointError(f"gradient of {', '.join(bad)}: expected finite numbers")
    factor = limit / (norm + 1e-6)
    if factor < 1.0:
        for run, _ in runs:
            _core.scale_grads(*run, factor)
    return norm


def clip_grad_value(parameters: Parameters, clip_value: float) -> None:
    """Cut every number of the gradients to ``[-clip_value, clip_value]``; NaN stays.

    Parameters
    ----------
    parameters : Module, Parameter, or iterable or mapping of those
        Whose gradients.
    clip_value : float
        The largest size.
    """
    clip_value_of(collect(parameters), clip_value)


def clip_value_of(runs: Collected, clip_value: float) -> None:
    """Do what `clip_grad_value` does with what `collect` gave."""
    bound = check_real("clip_value", clip_value, 0.0)
    for run, _ in runs:
        _core.clip_grads(*run, bound)


def scale_grad(parameters: Parameters, factor: float) -> None:
    """Multiply every gradient by ``factor``, as by 1 / count for a mean of summed losses.

    Parameters
    ----------
    parameters : Module, Parameter, or iterable or mapping of those
        Whose gradients.
    factor : float
        A finite number.
    """
    scale_runs(collect(parameters), factor)


def scale_runs(runs: Collected, factor: float) -> None:
    """Do what `scale_grad` does with what `collect` gave."""
    number = check_factor("factor", factor)
    for run, _ in runs:
        _core.scale_grads(*run, number)


def _scaled_norm(gradients: list[Array]) -> float:
    """Return the norm of all gradients together; NaN or infinity if a number is not finite."""
    largest = max((float(np.abs(g).max(initial=0)) for g in gradients), default=0.0)
    if largest == 0 or not math.isfinite(largest):
        return largest
    squares = (np.square(g.astype(np.float64) / largest).sum() for g in gradients)
    return largest * math.sqrt(sum(map(float, squares)))
