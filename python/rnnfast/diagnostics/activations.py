"""What gates and states do, step by step."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np

from rnnfast.diagnostics._single_layers import (
    require_language_model,
    require_one_direction,
    run_alone,
    state_of,
)
from rnnfast.models.language_model import LanguageModel
from rnnfast.nn.module import Array
from rnnfast.nn.recurrent.base import Recurrent, State

Gates: TypeAlias = dict[str, Array]


class TextActivations(NamedTuple):
    """What the layers of a language model do while it reads a text.

    Attributes
    ----------
    tokens : list of str
        What was read.
    layers : list of dict of str to ndarray
        For each layer its gates and states by name, as `gate_activations` has them, ``(T, H)``:
        row t is what they were when token t was read.
    """

    tokens: list[str]
    layers: list[Gates]


def gate_activations(layer: Recurrent, x: Array, *, state: State = None) -> list[Gates]:
    """Return the gates and states of each layer at each step.

    Parameters
    ----------
    layer : RNN, GRU, LSTM or another recurrent layer
        Of one direction.
    x : ndarray
        A batch, ``(T, B, I)`` or indices ``(T, B)``, time first whatever ``layer.batch_first`` is.
    state : ndarray or pair of ndarray, optional
        The initial state.

    Returns
    -------
    list of dict of str to ndarray
        For each layer, ``(T, B, H)``: of an LSTM the gates ``i``, ``f`` and ``o``, the candidate
        ``g``, and ``c`` and ``h``; of a GRU ``r`` (if it has a reset gate), ``z``, the candidate
        ``n`` and ``h``; of an RNN ``h``.

    Raises
    ------
    TypeError
        If an array is none, or of another dtype.
    ValueError
        If the layer is bidirectional, or a shape does not fit.
    """
    require_one_direction(layer)
    inputs, alone = run_alone(layer, x, state)
    return [alone[k]._gates(inputs[k], state_of(layer, state, k)) for k in range(layer.num_layers)]


def text_activations(lm: LanguageModel, text: str, condition: Any = None) -> TextActivations:
    """Return the gates and states of a language model while it reads a text.

    Parameters
    ----------
    lm : LanguageModel
        A fitted one.
    text : str
        At least one token.
    condition : str or ndarray, optional
        As ``lm.log_prob`` takes it.

    Returns
    -------
    TextActivations
        From a zero state; the step before the first token is left out.

    Raises
    ------
    ValueError
        If the text is empty or wholly unknown, or the model is not fitted.
    TypeError
        If it is no str, or the model is another one.
    """
    require_language_model(lm)
    tokens, ids = lm._encode("text", text)
    if len(ids) == 0:
        raise ValueError("text: expected at least 1 token, got 0")
    network = lm.network_
    read = np.concatenate([[network.start], ids])[:, np.newaxis]
    x = network.encoder.inputs(read, lm._given(condition))
    layers = gate_activations(network.recurrent, x)
    return TextActivations(
        list(tokens), [{name: a[1:, 0] for name, a in gates.items()} for gates in layers]
    )
