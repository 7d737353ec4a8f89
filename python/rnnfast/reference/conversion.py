"""Parameters of the notes to those of the library (PyTorch's names and layouts), and back.

The notes keep one matrix a gate, acting on [state, x]; the library stacks the gates along the
rows of ``weight_hh`` (state) and ``weight_ih`` (x), in the order i, f, g, o for the LSTM, r, z, n
for the GRU and z, n for the simplified GRU. The notes have one bias, the library two that are
added. The library's z keeps the old state where Gamma_u takes the new one, so its block is negated.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from .arrays import Array, Gradients, Parameters

# The notes' letters in the order of the library's blocks, with the factor on each block.
_LSTM_GATES = {"u": 1.0, "f": 1.0, "c": 1.0, "o": 1.0}
_GRU_GATES = {"r": 1.0, "u": -1.0, "c": 1.0}
_SIMPLIFIED_GRU_GATES = {"u": -1.0, "c": 1.0}


def rnn_state_dict(parameters: Parameters, suffix: str = "l0") -> dict[str, Array]:
    """Parameters of `rnn_step` as those of the library's RNN.

    Parameters
    ----------
    parameters : mapping
        W_aa, W_ax, b_a; others are ignored.
    suffix : str
        Layer and direction: ``"l0"``, ``"l0_reverse"``, ``"l1"``, ...

    Returns
    -------
    dict of str to array
        ``weight_ih``, ``weight_hh``, ``bias_ih`` and ``bias_hh`` with that suffix, ``bias_hh``
        being 0.
    """
    b_a = parameters["b_a"].ravel()
    return {
        f"weight_ih_{suffix}": parameters["W_ax"].copy(),
        f"weight_hh_{suffix}": parameters["W_aa"].copy(),
        f"bias_ih_{suffix}": b_a.copy(),
        f"bias_hh_{suffix}": np.zeros_like(b_a),
    }


def gru_state_dict(parameters: Parameters, suffix: str = "l0") -> dict[str, Array]:
    """Parameters of any of the GRU steps as those of the library's GRU.

    Parameters
    ----------
    parameters : mapping
        W_u, b_u, W_c, b_c (simplified: ``reset_gate=False``), with W_r, b_r (full:
        ``reset_after=False``), with b_cc too (``reset_after=True``); others are ignored.
    suffix : str
        Layer and direction: ``"l0"``, ``"l0_reverse"``, ``"l1"``, ...

    Returns
    -------
    dict of str to array
        ``weight_ih``, ``weight_hh``, ``bias_ih`` and ``bias_hh`` with that suffix; ``bias_hh`` is
        0 except for b_cc.
    """
    gates = _GRU_GATES if "W_r" in parameters else _SIMPLIFIED_GRU_GATES
    state = _stack(parameters, gates, suffix)
    if "b_cc" in parameters:
        b_cc = parameters["b_cc"].ravel()
        state[f"bias_hh_{suffix}"][-len(b_cc) :] = b_cc
    return state


def lstm_state_dict(parameters: Parameters, suffix: str = "l0") -> dict[str, Array]:
    """Parameters of `lstm_step` as those of the library's LSTM.

    Parameters
    ----------
    parameters : mapping
        W_u, b_u, W_f, b_f, W_o, b_o, W_c, b_c; p_u, p_f, p_o and W_p where there are such; others
        are ignored.
    suffix : str
        Layer and direction: ``"l0"``, ``"l0_reverse"``, ``"l1"``, ...

    Returns
    -------
    dict of str to array
        ``weight_ih``, ``weight_hh``, ``bias_ih``, ``bias_hh`` with that suffix, ``bias_hh`` being
        0; ``weight_hr`` from W_p, ``weight_peephole`` from p_u, p_f, p_o.
    """
    state = _stack(parameters, _LSTM_GATES, suffix)
    if "W_p" in parameters:
        state[f"weight_hr_{suffix}"] = parameters["W_p"].copy()
    if "p_u" in parameters:
        peephole = np.concatenate([parameters["p_u"], parameters["p_f"], parameters["p_o"]])
        state[f"weight_peephole_{suffix}"] = peephole.ravel()
    return state


def rnn_parameters(state: Parameters, suffix: str = "l0") -> dict[str, Array]:
    """Undo `rnn_state_dict`: W_aa, W_ax, b_a. Absent biases are taken as 0."""
    weight_hh = state[f"weight_hh_{suffix}"]
    bias_ih, bias_hh = _biases(state, suffix)
    return {
        "W_aa": weight_hh,
        "W_ax": state[f"weight_ih_{suffix}"],
        "b_a": (bias_ih + bias_hh)[:, np.newaxis],
    }


def gru_parameters(
    state: Parameters, suffix: str = "l0", *, reset_after: bool, reset_gate: bool = True
) -> dict[str, Array]:
    """Undo `gru_state_dict`. Absent biases are taken as 0.

    Parameters
    ----------
    state : mapping of str to array
        The library's parameters.
    suffix : str
        Layer and direction.
    reset_after : bool
        True for the parameters of `reset_after_gru_step`, which have b_cc apart from b_c.
    reset_gate : bool
        False for the parameters of `simplified_gru_step`, whatever `reset_after` says.
    """
    gates = _GRU_GATES if reset_gate else _SIMPLIFIED_GRU_GATES
    parameters = _split(state, gates, suffix)
    if reset_gate and reset_after:
        bias_ih, bias_hh = _biases(state, suffix)
        n_c = len(parameters["b_c"])
        parameters["b_c"] = bias_ih[-n_c:, np.newaxis]
        parameters["b_cc"] = bias_hh[-n_c:, np.newaxis]
    return parameters


def lstm_parameters(state: Parameters, suffix: str = "l0") -> dict[str, Array]:
    """Undo `lstm_state_dict`. Absent biases are taken as 0."""
    parameters = _split(state, _LSTM_GATES, suffix)
    if f"weight_hr_{suffix}" in state:
        parameters["W_p"] = state[f"weight_hr_{suffix}"]
    if f"weight_peephole_{suffix}" in state:
        peepholes = np.split(state[f"weight_peephole_{suffix}"][:, np.newaxis], 3)
        parameters["p_u"], parameters["p_f"], parameters["p_o"] = peepholes
    return parameters


def input_parameters(state: Parameters, gates: str, suffix: str = "l0") -> dict[str, Array]:
    """Parameters W_gate and b_gate of a cell whose gates see x alone, from the library's.

    Parameters
    ----------
    state : mapping of str to array
        ``weight_ih`` and ``bias_ih`` with the suffix; an absent bias is taken as 0.
    gates : str
        The cell's letters in the order of the blocks.
    suffix : str
        Layer and direction.
    """
    weight, (bias, _) = state[f"weight_ih_{suffix}"], _biases(state, suffix)
    blocks = zip(gates, np.split(weight, len(gates)), np.split(bias, len(gates)), strict=True)
    return {
        name: values
        for gate, W, b in blocks
        for name, values in ((f"W_{gate}", W), (f"b_{gate}", b[:, np.newaxis]))
    }


def input_gradients(grads: Gradients, gates: str, suffix: str = "l0") -> Gradients:
    """Undo `input_parameters`, for gradients as for parameters."""
    return {
        f"weight_ih_{suffix}": np.concatenate([grads[f"W_{gate}"] for gate in gates]),
        f"bias_ih_{suffix}": np.concatenate([grads[f"b_{gate}"].ravel() for gate in gates]),
    }


def state_dict_gradients(grads: Gradients, suffix: str = "l0") -> Gradients:
    """Gradients of the library's parameters from those of a cell's own.

    The blocks go where the parameters' blocks go. Both biases get the gradient of the sum that
    they enter, but for b_cc, the one part of ``bias_hh`` that is not simply added to ``bias_ih``.

    Parameters
    ----------
    grads : dict
        What a cell's backward step returned, or a sum of such.
    suffix : str
        Layer and direction.
    """
    if "W_aa" in grads:
        state = rnn_state_dict(grads, suffix)
    elif "W_f" in grads:
        state = lstm_state_dict(grads, suffix)
    else:
        state = gru_state_dict(grads, suffix)
    bias_ih, bias_hh = state[f"bias_ih_{suffix}"], state[f"bias_hh_{suffix}"]
    shared = len(bias_ih) - len(grads["b_cc"]) if "b_cc" in grads else len(bias_ih)
    bias_hh[:shared] = bias_ih[:shared]
    return state


def _stack(parameters: Parameters, gates: Mapping[str, float], suffix: str) -> dict[str, Array]:
    """Stack the gates' W = [W_state, W_x] and b along the rows, ``bias_hh`` being 0."""
    weight = np.concatenate([factor * parameters[f"W_{gate}"] for gate, factor in gates.items()])
    bias = np.concatenate([factor * parameters[f"b_{gate}"] for gate, factor in gates.items()])
    gate_rows = len(weight) // len(gates)
    n_state = len(parameters["W_p"]) if "W_p" in parameters else gate_rows
    return {
        f"weight_ih_{suffix}": weight[:, n_state:].copy(),
        f"weight_hh_{suffix}": weight[:, :n_state].copy(),
        f"bias_ih_{suffix}": bias.ravel(),
        f"bias_hh_{suffix}": np.zeros(len(bias)),
    }


def _split(state: Parameters, gates: Mapping[str, float], suffix: str) -> dict[str, Array]:
    """Cut the library's stacked arrays into W = [W_state, W_x] and b of each gate."""
    weight = np.concatenate([state[f"weight_hh_{suffix}"], state[f"weight_ih_{suffix}"]], axis=1)
    bias_ih, bias_hh = _biases(state, suffix)
    bias = (bias_ih + bias_hh)[:, np.newaxis]
    parameters = {}
    blocks = zip(np.split(weight, len(gates)), np.split(bias, len(gates)), strict=True)
    for (gate, factor), (weight_block, bias_block) in zip(gates.items(), blocks, strict=True):
        parameters[f"W_{gate}"] = factor * weight_block
        parameters[f"b_{gate}"] = factor * bias_block
    return parameters


def _biases(state: Parameters, suffix: str) -> tuple[Array, Array]:
    """``bias_ih`` and ``bias_hh``, or zeros where the network has none."""
    zeros: npt.NDArray[np.float64] = np.zeros(len(state[f"weight_ih_{suffix}"]))
    return state.get(f"bias_ih_{suffix}", zeros), state.get(f"bias_hh_{suffix}", zeros)
