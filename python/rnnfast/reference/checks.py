"""Checks of what is handed to a network, each failing in one line that names the argument."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from .arrays import Array, BoolArray, as_array, as_float64, expect_shape, is_integer, one_hot
from .spec import NetworkSpec

StateLike: TypeAlias = npt.ArrayLike | tuple[npt.ArrayLike, npt.ArrayLike] | None


def checked_parameters(
    spec: NetworkSpec, parameters: Mapping[str, npt.ArrayLike]
) -> dict[str, Array]:
    """Return the parameters in float64, exactly those that `spec` names."""
    shapes = dict(spec.parameter_shapes())
    missing, unknown = shapes.keys() - parameters.keys(), parameters.keys() - shapes.keys()
    if missing or unknown:
        raise ValueError(
            f"parameters: expected {list(shapes)}, missing {sorted(missing)}, "
            f"unknown {sorted(unknown)}"
        )
    checked = {name: as_float64(name, parameters[name]) for name in shapes}
    for name, shape in shapes.items():
        expect_shape(name, checked[name], shape)
    return checked


def checked_input(
    spec: NetworkSpec, x: npt.ArrayLike, lengths: npt.ArrayLike | None
) -> tuple[Array, BoolArray, bool]:
    """Return x in float64, one-hot where it held indices and 0 where it is padded.

    With it the (T, B) mask of the steps that are not padded, and whether x held indices.
    """
    values = as_array("x", x)
    indices = is_integer(values)
    if values.ndim != (2 if indices else 3):
        expected = "indices of shape (T, B)" if indices else f"shape (T, B, {spec.input_size})"
        raise ValueError(f"x: expected {expected}, got {values.shape}")
    steps, batch_size = values.shape[:2]
    valid = _valid_steps(lengths, steps, batch_size)
    if indices:
        used = one_hot(np.where(valid, values, 0), spec.input_size, "x")
    else:
        expect_shape("x", values, (steps, batch_size, spec.input_size))
        used = as_float64("x", values)
    return np.where(valid[:, :, np.newaxis], used, 0.0), valid, indices


def checked_states(name: str, spec: NetworkSpec, state: StateLike, batch_size: int) -> list[Array]:
    """Return h, or h and c, in float64; zeros if there is no state."""
    shapes = spec.state_shapes(batch_size)
    if state is None:
        return [np.zeros(shape) for shape in shapes]
    if len(shapes) == 2 and not (isinstance(state, tuple) and len(state) == 2):
        raise TypeError(f"{name}: expected a tuple of h and c, got {type(state).__name__}")
    if len(shapes) == 1 and isinstance(state, tuple):
        raise TypeError(f"{name}: expected one array, got a tuple")
    parts: Sequence[Any] = state if isinstance(state, tuple) else [state]
    labels = [f"{name}[{k}]" for k in range(2)] if len(shapes) == 2 else [name]
    checked = []
    for label, part, shape in zip(labels, parts, shapes, strict=True):
        checked.append(as_float64(label, part))
        expect_shape(label, checked[-1], shape)
    return checked


def checked_reset(reset: npt.ArrayLike | None, valid: BoolArray) -> BoolArray:
    """Return the (T, B) mask of the steps that begin anew, False where padded."""
    if reset is None:
        return np.zeros_like(valid)
    values = as_array("reset", reset)
    if values.dtype != np.bool_:
        raise TypeError(f"reset: expected dtype bool, got {values.dtype}")
    expect_shape("reset", values, valid.shape)
    return values & valid


def checked_masks(
    spec: NetworkSpec, masks: Sequence[npt.ArrayLike] | None, valid: BoolArray
) -> list[Array]:
    """Return what each layer's input is multiplied by, past the first layer; 1 where padded."""
    shape = (*valid.shape, spec.num_directions * spec.output_size)
    if masks is None:
        return [np.ones(shape)] * (spec.num_layers - 1)
    if len(masks) != spec.num_layers - 1:
        raise ValueError(f"dropout_masks: expected {spec.num_layers - 1} of them, got {len(masks)}")
    checked = []
    for k, mask in enumerate(masks):
        checked.append(as_float64(f"dropout_masks[{k}]", mask))
        expect_shape(f"dropout_masks[{k}]", checked[-1], shape)
    return [np.where(valid[:, :, np.newaxis], mask, 1.0) for mask in checked]


def checked_dy(spec: NetworkSpec, dy: npt.ArrayLike, valid: BoolArray) -> Array:
    """Return the gradient of the outputs in float64."""
    values = as_float64("dy", dy)
    expect_shape("dy", values, (*valid.shape, spec.num_directions * spec.output_size))
    return values


def _valid_steps(lengths: npt.ArrayLike | None, steps: int, batch_size: int) -> BoolArray:
    """Return the (T, B) mask of the steps that are within the lengths."""
    if lengths is None:
        return np.ones((steps, batch_size), dtype=np.bool_)
    values = as_array("lengths", lengths)
    if values.size == 0 and not isinstance(lengths, np.ndarray):
        values = values.astype(np.int64)  # NumPy takes an empty list for one of floats
    if not is_integer(values):
        raise TypeError(f"lengths: expected an integer dtype, got {values.dtype}")
    expect_shape("lengths", values, (batch_size,))
    outside = (values < 0) | (values > steps)
    if outside.any():
        raise ValueError(f"lengths: expected each from 0 to {steps}, got {values[outside].flat[0]}")
    return np.arange(steps)[:, np.newaxis] < values
