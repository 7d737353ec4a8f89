"""Ways to fill a layer's parameters before training.

Layers draw their parameters when they are made, as PyTorch's do; these functions replace them.
Each fills a `Parameter` through its `assign`, so that the next pass uses what it filled in.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import numpy as np

from rnnfast._checks import among, check_int, check_real, make_generator
from rnnfast._checks.messages import shown
from rnnfast.nn._not_modules import not_recurrent
from rnnfast.nn.module import Array, Parameter
from rnnfast.nn.recurrent.base import Recurrent

__all__ = [
    "constant",
    "forget_bias",
    "glorot_uniform",
    "normal",
    "orthogonal",
    "recurrent",
    "uniform",
]

Seed: TypeAlias = int | np.random.Generator | None


def constant(parameter: Parameter, value: float) -> None:
    """Fill a parameter with one number.

    Raises
    ------
    TypeError, ValueError
        If it is not a finite number.
    """
    _require_parameter(parameter)
    parameter.assign(np.full(parameter.shape, check_real("value", value)))


def uniform(parameter: Parameter, low: float, high: float, *, seed: Seed = None) -> None:
    """Fill a parameter from U(low, high).

    Raises
    ------
    TypeError, ValueError
        If a bound is not a finite number, or ``low`` is above ``high``.
    """
    _require_parameter(parameter)
    low = check_real("low", low)
    high = check_real("high", high, low)
    parameter.assign(make_generator("seed", seed).uniform(low, high, parameter.shape))


def normal(parameter: Parameter, std: float, *, mean: float = 0.0, seed: Seed = None) -> None:
    """Fill a parameter from N(mean, std^2).

    Raises
    ------
    TypeError, ValueError
        If one is not a finite number, or ``std`` is negative.
    """
    _require_parameter(parameter)
    std, mean = check_real("std", std, 0.0), check_real("mean", mean)
    parameter.assign(make_generator("seed", seed).normal(mean, std, parameter.shape))


def glorot_uniform(
    parameter: Parameter, *, gain: float = 1.0, blocks: int = 1, seed: Seed = None
) -> None:
    """Fill a matrix ``(O, I)`` from U(-a, a), ``a = gain sqrt(6 / (I + O))``.

    So drawn, neither outputs nor gradients grow or shrink from layer to layer in the mean (Glorot
    and Bengio 2010, equation 16).

    Parameters
    ----------
    parameter : Parameter
        With two axes.
    gain : float
        A factor.
    blocks : int
        So many matrices stand below each other, such as the gates of a recurrent layer: O is the
        rows of one.
    seed : int or numpy.random.Generator, optional
        Of the draw.

    Raises
    ------
    TypeError
        If it is not a parameter, or a number of another type.
    ValueError
        If it has not two axes, or its rows do not divide into ``blocks``.
    """
    rows, columns = _block_shape(parameter, blocks)
    bound = check_real("gain", gain, 0.0) * math.sqrt(6 / (rows + columns))
    parameter.assign(make_generator("seed", seed).uniform(-bound, bound, parameter.shape))


def orthogonal(
    parameter: Parameter, *, gain: float = 1.0, blocks: int = 1, seed: Seed = None
) -> None:
    """Fill a matrix with orthogonal rows (or columns, of which there are fewer) of length ``gain``.

    Drawn uniformly (Saxe, McClelland and Ganguli 2014): such a matrix keeps lengths, so that states
    and gradients that pass it many times neither vanish nor explode by it.

    Parameters
    ----------
    parameter : Parameter
        With two axes.
    gain : float
        Length of a row.
    blocks : int
        So many matrices stand below each other, each orthogonal by itself, such as the gates of a
        recurrent layer.
    seed : int or numpy.random.Generator, optional
        Of the draw.

    Raises
    ------
    TypeError
        If it is not a parameter, or a number of another type.
    ValueError
        If it has not two axes, or its rows do not divide into ``blocks``.
    """
    rows, columns = _block_shape(parameter, blocks)
    gain = check_real("gain", gain, 0.0)
    rng = make_generator("seed", seed)
    parameter.assign(np.concatenate([gain * _rotation(rng, rows, columns) for _ in range(blocks)]))


def forget_bias(layer: Recurrent, value: float = 1.0) -> None:
    """Let a gated layer begin by keeping its state: set the bias of the gate that does.

    That is the forget gate of an LSTM (Gers et al. 2000; Jozefowicz et al. 2015, section 2.2
    recommends 1) and z of a GRU. ``bias_ih`` of the gate becomes ``value`` (``-value`` where the
    gate is the share of what is new), ``bias_hh`` zero, in every layer and direction.

    Raises
    ------
    TypeError
        If it is not a recurrent layer, or ``value`` no number.
    ValueError
        If the layer has no such gate or no bias.
    """
    value = check_real("value", value)
    size, keeps = _checked(layer).hidden_size, layer.spec.cell.keep_gate
    if keeps is None:
        raise ValueError(f"layer: expected one with gates, got {shown(layer)}")
    if not layer.bias:
        raise ValueError(f"layer: expected one with a bias, got {shown(layer)}")
    gate, sign = keeps
    for name, parameter in layer.parameters().items():
        if name.startswith(("bias_ih_", "bias_hh_")):
            filled = parameter.data.copy()
            filled[gate * size : (gate + 1) * size] = sign * value if "_ih_" in name else 0.0
            parameter.assign(filled)


def recurrent(
    layer: Recurrent,
    *,
    input: Literal["glorot", "orthogonal"] = "glorot",
    hidden: Literal["orthogonal", "glorot"] = "orthogonal",
    seed: Seed = None,
) -> None:
    """Fill the weights of a recurrent layer gate by gate, and its biases with zeros.

    By default as Keras does; weights of one number a unit, such as peepholes and gains of a
    normalisation, stay as they are. A `forget_bias` may follow.

    Parameters
    ----------
    layer : RNN, GRU, LSTM or another recurrent layer
        With any number of layers and directions.
    input : {"glorot", "orthogonal"}
        What fills ``weight_ih`` (and the projection ``weight_hr``).
    hidden : {"orthogonal", "glorot"}
        What fills ``weight_hh``.
    seed : int or numpy.random.Generator, optional
        Of the draws.

    Raises
    ------
    TypeError
        If it is not a recurrent layer.
    ValueError
        If a way is not one of those.
    """
    size = _checked(layer).hidden_size
    fill: dict[str, Callable[..., None]] = {"glorot": glorot_uniform, "orthogonal": orthogonal}
    for name, way in (("input", input), ("hidden", hidden)):
        if not among(way, fill):
            raise ValueError(f"{name}: expected 'glorot' or 'orthogonal', got {shown(way)}")
    rng = make_generator("seed", seed)
    for name, parameter in layer.parameters().items():
        if name.startswith("weight_ih_"):
            fill[input](parameter, blocks=parameter.shape[0] // size, seed=rng)
        elif name.startswith("weight_hh_") and len(parameter.shape) == 2:
            fill[hidden](parameter, blocks=parameter.shape[0] // size, seed=rng)
        elif name.startswith("weight_hr_"):
            fill[input](parameter, seed=rng)
        elif name.startswith("bias_"):
            constant(parameter, 0.0)


def _rotation(rng: np.random.Generator, rows: int, columns: int) -> Array:
    """Draw a matrix with orthonormal rows or columns from the uniform distribution."""
    tall = rng.normal(size=(max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(tall)
    q *= np.sign(np.diagonal(r))  # else the draw would depend on how qr chooses signs
    return np.asarray(q if rows >= columns else q.T)


def _block_shape(parameter: Any, blocks: int) -> tuple[int, int]:
    """Return rows and columns of one of the matrices that stand below each other."""
    _require_parameter(parameter)
    if len(parameter.shape) != 2:
        raise ValueError(f"parameter: expected 2 axes, got shape {parameter.shape}")
    blocks = check_int("blocks", blocks, 1)
    rows, columns = parameter.shape
    if rows % blocks:
        raise ValueError(f"blocks: expected a divisor of {rows} rows, got {blocks}")
    return rows // blocks, columns


def _require_parameter(parameter: Any) -> None:
    if not isinstance(parameter, Parameter):
        raise TypeError(f"parameter: expected a Parameter, got {type(parameter).__name__}")


def _checked(layer: Any) -> Recurrent:
    if not isinstance(layer, Recurrent):
        raise TypeError(f"layer: expected a recurrent layer, got {not_recurrent(layer)}")
    return layer
