"""Layers and models in fewer bits."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any, Literal, TypeVar

import numpy as np

from rnnfast import _core
from rnnfast._checks import among, check_int
from rnnfast._checks.adjustments import warn_caller
from rnnfast._checks.messages import shown
from rnnfast.nn._frozen import LARGEST, NUMBERS, FrozenBuffer, numbers_of
from rnnfast.nn._not_modules import not_a_module
from rnnfast.nn.adaptive import AdaptiveSoftmax
from rnnfast.nn.attention import Attention
from rnnfast.nn.embedding import Embedding
from rnnfast.nn.linear import Linear
from rnnfast.nn.module import Module
from rnnfast.nn.recurrent.base import Recurrent
from rnnfast.nn.recurrent.exponential import ExponentialRecurrent
from rnnfast.nn.tied import TiedEmbedding

Network = TypeVar("Network")

# Layers whose matrices are rounded; those of others, such as a CRF's transitions, stay float32.
_ROUNDED = (AdaptiveSoftmax, Attention, Embedding, Linear, Recurrent)


def quantize(
    network: Network, numbers: Literal["int8", "bfloat16"] = "int8", *, activations: int = 8
) -> Network:
    """Return a copy of a layer, a network of layers or a fitted model in fewer bits, to be used.

    The matrices of recurrent and linear layers, embeddings and attention become int8 with a scale
    a row, or bfloat16; all other parameters stay float32. What comes back is of the same class,
    can do all that needs no gradients, and does not change: training and whatever would set its
    parameters is refused. `save` writes it as it is, a quarter or half as large.

    Parameters
    ----------
    network : layer, chain or the like, or model
        Of float32. It stays as it is.
    numbers : {"int8", "bfloat16"}
        What matrices become.
    activations : {8, 16}
        With int8, the bits of what is multiplied with them: 16 are more accurate.

    Returns
    -------
    Module or Model
        Of the same class as ``network``; ``numbers`` of layers and ``numbers_`` of models tell in
        what it is, "int8", "int8-16" or "bfloat16".

    Raises
    ------
    TypeError
        If it is no layer and no model, or not of float32.
    ValueError
        If there are no parameters, one is NaN, infinite or beyond 1e38, or an argument is none of
        these.
    NotFittedError
        If a model has not been fitted.

    Warns
    -----
    AdjustmentWarning
        If the CPU does not multiply bfloat16: batches then take longer than in float32.

    Examples
    --------
    >>> import rnnfast as rf
    >>> small = rf.quantize(rf.LSTM(8, 16, seed=0), "int8")
    >>> small
    quantize(LSTM(8, 16), 'int8')
    """
    word = _word(numbers, activations)
    if isinstance(network, Module):
        result = copy.deepcopy(network)
        freeze(result, word)
    else:
        make: Any = getattr(type(network), "_quantized", None)  # of models, which are above layers
        if make is None:
            raise TypeError(f"network: expected a layer or a model, got {not_a_module(network)}")
        result = make(network, word)
    if word == "bfloat16" and not _core.multiplies_bfloat16():
        warn_caller(
            "numbers: bfloat16 halves the file, but this CPU does not multiply it, so that batches "
            "take longer than in float32"
        )
    return result


def check_numbers(word: Any) -> str | None:
    """Return in what a file says that numbers are, or None; ValueError if `quantize` has it not."""
    if word is not None and not among(word, NUMBERS):
        raise ValueError(f"numbers: expected one of {', '.join(NUMBERS)}, got {shown(word)}")
    known: str | None = word
    return known


def freeze(network: Module, word: str) -> None:
    """Round the matrices within a network, whose parameters stay as they are from now on.

    Raises
    ------
    TypeError, ValueError
        As `quantize`; what has been rounded before that stays so.
    """
    owners = list(_owners(network))
    if not owners:
        kind = type(network).__name__
        raise ValueError(f"network: expected layers with parameters, got {kind}, which has none")
    for name, module in owners:
        if isinstance(module, ExponentialRecurrent):
            kind = type(module).__name__
            raise TypeError(
                f"{name or 'network'}: expected layers that have fewer bits, got {kind}"
            )
    for name, module in owners:
        freeze_own(name, module, word)


def freeze_own(name: str, module: Module, word: str) -> None:
    """Do what `freeze` does, with the parameters that are a module's own."""
    kind = numbers_of(module.buffer) if module._parameters else "no numbers"
    if kind != "float32":
        cure = "; make it with dtype='float32'" if kind == "float64" else ", of what is quantized"
        raise TypeError(f"{name or 'network'}: expected numbers of float32, got {kind}{cure}")
    shapes: dict[int, tuple[int, ...]] = {}
    for key, parameter in module._parameters.items():
        largest = np.abs(parameter.data).max(initial=0.0)
        if not largest <= LARGEST:
            full = f"{name}.{key}" if name else key
            raise ValueError(f"{full}: expected numbers up to {LARGEST:g}, got {largest:g}")
        if isinstance(module, _ROUNDED) and len(parameter.shape) == 2:
            shapes[parameter.offset] = parameter.shape
    buffer = FrozenBuffer.of(module.buffer.values, word, shapes)
    module._move(buffer)
    if isinstance(module, TiedEmbedding):
        module.linear._move(buffer)


def _word(numbers: Any, activations: Any) -> str:
    """Return what layers call it."""
    if not among(numbers, ("int8", "bfloat16")):
        raise ValueError(f"numbers: expected 'int8' or 'bfloat16', got {shown(numbers)}")
    bits = check_int("activations", activations, 1)
    if bits not in (8, 16):
        raise ValueError(f"activations: expected 8 or 16, got {bits}")
    if numbers == "int8":
        return "int8-16" if bits == 16 else "int8"
    if bits != 8:
        raise ValueError(f"activations: expected to be left out with bfloat16, got {bits}")
    return "bfloat16"


def _owners(network: Module) -> Iterable[tuple[str, Module]]:
    """Yield the modules within that have parameters of their own, each once, by name."""
    seen = set()
    for name, module in network.named_modules():
        owner = module._owner
        if "buffer" in vars(owner) and owner._parameters and id(owner) not in seen:
            seen.add(id(owner))
            yield name, owner
