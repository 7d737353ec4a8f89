"""Penalties on a recurrent layer's outputs: how large they are, and how fast they change."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rnnfast._checks import check_factor, check_finite, check_lengths
from rnnfast.nn._loss_arguments import require_scores
from rnnfast.nn.module import Array


def activation_penalty(
    h: Array, weight: float, lengths: npt.ArrayLike | None = None
) -> tuple[float, Array]:
    """Activation regularisation: ``weight / H`` times the sum of the squares of ``h``.

    Merity, McCann and Socher (2018, section 4.6) call it AR; divided by the number of steps it is
    ``weight`` times the mean square.

    Parameters
    ----------
    h : ndarray
        Outputs, ``(T, B, H)``, float32 or float64, as dropout has left them.
    weight : float
        alpha, at least 0.
    lengths : array_like of int, optional
        ``(B,)``: only so many steps of a sequence count.

    Returns
    -------
    penalty : float
        The sum over all steps.
    dh : ndarray
        Its gradient, of the shape of ``h``.

    Raises
    ------
    TypeError
        If ``h`` is no array of float32 or float64, or lengths are not integers.
    ValueError
        If a shape is another one, ``weight`` is negative, a length is not from 0 to T, or a number
        that counts is NaN or infinite.
    """
    h, factor, valid = _checked(h, weight, lengths)
    counted = h if valid is None else np.where(valid, h, h.dtype.type(0))
    check_finite("h", counted)
    dh: Array = h.dtype.type(2 * factor) * counted
    return factor * _sum_of_squares(counted), dh


def temporal_activation_penalty(
    h: Array, weight: float, lengths: npt.ArrayLike | None = None
) -> tuple[float, Array]:
    """Temporal activation regularisation: ``weight / H`` times the sum of (h<t> - h<t-1>)^2.

    Merity, McCann and Socher (2018, section 4.6) call it TAR. The first step has none before it.

    Takes what `activation_penalty` takes, gives what it gives and raises what it raises; ``h`` is
    best the outputs before dropout, or those that one mask for all steps has left.
    """
    h, factor, valid = _checked(h, weight, lengths)
    counted = h if valid is None else np.where(valid, h, h.dtype.type(0))
    check_finite("h", counted)
    change = np.diff(counted, axis=0)
    if valid is not None:
        change *= valid[1:]
    dh = np.zeros_like(h)
    dh[1:] = change
    dh[:-1] -= change
    dh *= h.dtype.type(2 * factor)
    return factor * _sum_of_squares(change), dh


def _checked(h: Any, weight: float, lengths: Any) -> tuple[Array, float, Array | None]:
    """Return h, ``weight / H`` and a mask (T, B, 1) of the steps that count."""
    weight = check_factor("weight", weight, 0.0)
    h = require_scores("h", h, 0)
    if h.ndim != 3:
        raise ValueError(f"h: expected shape (T, B, H), got {h.shape}")
    factor = weight / max(h.shape[2], 1)
    if lengths is None:
        return h, factor, None
    ends = check_lengths("lengths", lengths, h.shape[1], len(h))
    valid: Array = (np.arange(len(h))[:, np.newaxis] < ends)[..., np.newaxis]
    return h, factor, valid


def _sum_of_squares(x: Array) -> float:
    """Return the sum, in float64: squares of float32 do not overflow."""
    flat = x.reshape(-1)
    return float(np.einsum("i,i->", flat, flat, dtype=np.float64))
