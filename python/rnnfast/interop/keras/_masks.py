"""Calls of recurrent layers with any masks, as Keras makes them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rnnfast._checks import check_bool
from rnnfast._checks.arrays import read_array, require_ndarray
from rnnfast.nn._not_modules import not_recurrent
from rnnfast.nn.bidirectional import Bidirectional
from rnnfast.nn.module import Array
from rnnfast.nn.recurrent.base import Recurrent, State


def masked_call(
    layer: Recurrent | Bidirectional,
    x: Array,
    mask: npt.ArrayLike | None = None,
    state: State = None,
    *,
    zero_output_for_mask: bool | None = None,
    go_backwards: bool = False,
) -> tuple[Array, State]:
    """Run a recurrent layer over the steps that a mask lets through, wherever those stand.

    What Keras computes with ``mask``: over a masked step the state stays, and the output is that
    of the step before, zero before the first one. The valid steps of each sequence are taken
    together, run with ``lengths``, and the outputs put back, so that masked steps cost nothing and
    are never read.

    Parameters
    ----------
    layer : Recurrent or Bidirectional
        Any recurrent layer here, of any number of layers.
    x : ndarray
        As the layer takes it, with an axis for the batch.
    mask : array_like of bool, optional
        The first two axes of ``x``: ``(B, T)`` with ``batch_first``, else ``(T, B)``. True where a
        step counts, as in Keras. None: everywhere.
    state : ndarray, pair or dict, optional
        Initial state, as the layer takes it.
    zero_output_for_mask : bool, optional
        Whether outputs of masked steps are zero. None: as Keras has it without being asked, False
        in one direction, and True in both, where nothing else is to be had.
    go_backwards : bool
        True: take the steps from the last to the first; outputs are in that order too, as those of
        Keras are. In one direction only.

    Returns
    -------
    y : ndarray
        Outputs of all steps. ``y[:, -1]`` with ``batch_first`` is what Keras gives without
        ``return_sequences``, except in both directions, where that is both final states h.
    state : ndarray, pair or dict
        Final state, as the layer gives it.

    Raises
    ------
    TypeError
        If the layer is none of these, or ``mask`` is not of bool.
    ValueError
        If the shape of ``mask`` is not that of ``x``, or the call does not fit the layer.
    """
    if not isinstance(layer, (Recurrent, Bidirectional)):
        raise TypeError(f"layer: expected a recurrent layer, got {not_recurrent(layer)}")
    both = isinstance(layer, Bidirectional) or layer.bidirectional
    zeros = both
    if zero_output_for_mask is not None:
        zeros = check_bool("zero_output_for_mask", zero_output_for_mask)
    if both and not zeros:
        raise ValueError(
            "zero_output_for_mask: expected True or None in both directions, got False"
        )
    backwards = check_bool("go_backwards", go_backwards)
    if both and backwards:
        raise ValueError("go_backwards: expected False in both directions, got True")
    x = require_ndarray("x", x)
    if x.ndim < (2 if x.dtype.kind in "iu" else 3):
        raise ValueError(f"x: expected axes for time and batch, got shape {x.shape}")
    time = 1 if layer.batch_first else 0
    if backwards:
        x = np.flip(x, time)
    if mask is None:
        return _called(layer, x, None, state)
    valid = read_array("mask", mask, "an array of bool")
    if valid.dtype != np.bool_:
        raise TypeError(f"mask: expected bools, got dtype {valid.dtype}")
    if valid.shape != x.shape[:2]:
        raise ValueError(f"mask: expected shape {x.shape[:2]}, got {valid.shape}")
    if backwards:
        valid = np.flip(valid, time)
    # Where each of the valid steps stands, those of a sequence one after the other.
    order = np.argsort(~valid, axis=time, kind="stable")
    lengths = np.count_nonzero(valid, axis=time)
    y, final = _called(layer, _taken(x, order, time), lengths, state)
    # Which of them was the last one, as seen from each step; -1 before the first.
    last = np.cumsum(valid, axis=time) - 1
    y = _taken(y, np.maximum(last, 0), time)
    y[~valid if zeros else last < 0] = 0
    return y, final


def _called(layer: Any, x: Array, lengths: Array | None, state: State) -> tuple[Array, State]:
    if isinstance(layer, Bidirectional):
        y, final = layer(x, lengths=lengths, state=state, return_state=True)
        return y, final
    y, final = layer(x, state, lengths)
    return y, final


def _taken(array: Array, places: Array, time: int) -> Array:
    """Return other steps of each sequence."""
    places = places.reshape(*places.shape, *[1] * (array.ndim - 2))
    return np.take_along_axis(array, places, axis=time)
