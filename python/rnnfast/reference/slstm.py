"""sLSTM (Beck et al. 2024, section 2.2): a scalar memory with exponential gates.

Features come first, ``x<t>`` is (n_x, m), a column an example.

==============================  ========================================================
here                            library, blocks i, f, z, o of H rows
==============================  ========================================================
W_i, W_f, W_z, W_o (n_h, n_x)   blocks of ``weight_ih_l0``
R_i, R_f, R_z, R_o (n_h, n_h)   block-diagonal; a block's rows of ``weight_hh_l0`` (4H, H / heads)
b_i, b_f, b_z, b_o (n_h, 1)     blocks of ``bias_ih_l0``
==============================  ========================================================
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from . import exponential
from .activations import d_sigmoid, d_tanh, sigmoid
from .arrays import Array, Gradients, Parameters, as_float64
from .exponential import ForgetGate, SequencesCache, Stabilised, States, StepBack, stabilise

GATES = "ifzo"


class SLSTMCache(NamedTuple):
    """What `slstm_step` keeps for `slstm_step_backward`."""

    x: Array
    states: list[Array]
    gates: Stabilised
    z: Array
    o: Array
    c: Array
    n: Array
    parameters: Parameters


def slstm_step(
    x: Array, states: Sequence[Array], parameters: Parameters, forget_gate: ForgetGate = "sigmoid"
) -> tuple[list[Array], SLSTMCache]:
    """One step of sLSTM.

    ::

        z_g<t> = W_g x<t> + R_g h<t-1> + b_g        for the gates g = i, f, z, o
        i<t>, f<t>, m<t> of z_i, z_f and m<t-1>     see stabilise
        c<t> = f<t> * c<t-1> + i<t> * tanh(z_z<t>)
        n<t> = f<t> * n<t-1> + i<t>
        h<t> = sigmoid(z_o<t>) * c<t> / n<t>

    Parameters
    ----------
    x : (n_x, m) array
        Input of this step.
    states : four (n_h, m) arrays
        h, c, n, m before this step.
    parameters : mapping
        W_g, R_g, b_g of each gate.
    forget_gate : {"sigmoid", "exponential"}
        What f is of z_f.

    Returns
    -------
    states : list of (n_h, m) array
        h, c, n, m after this step.
    cache : SLSTMCache
        For `slstm_step_backward`.
    """
    h_prev, c_prev, n_prev, m_prev = states
    pre = {
        g: parameters[f"W_{g}"] @ x + parameters[f"R_{g}"] @ h_prev + parameters[f"b_{g}"]
        for g in GATES
    }
    empty = (c_prev == 0) & (n_prev == 0)
    gates = stabilise(pre["i"], pre["f"], m_prev, forget_gate, empty)
    z, o = np.tanh(pre["z"]), sigmoid(pre["o"])
    c = gates.f * c_prev + gates.i * z
    n = gates.f * n_prev + gates.i
    h = o * c / n
    return [h, c, n, gates.m], SLSTMCache(x, list(states), gates, z, o, c, n, parameters)


def slstm_step_backward(
    dstates: Sequence[Array], cache: SLSTMCache
) -> tuple[Array, list[Array], Gradients]:
    """Undo `slstm_step`.

    Parameters
    ----------
    dstates : four (n_h, m) arrays
        Gradients of h, c, n, m after the step.
    cache : SLSTMCache
        From `slstm_step`.

    Returns
    -------
    dx : (n_x, m) array
        Gradient of ``x<t>``.
    dstates : list of (n_h, m) array
        Gradients of h, c, n, m before the step.
    grads : dict
        Gradients of the parameters.
    """
    x, (h_prev, c_prev, n_prev, _), gates, z, o, c, n, parameters = cache
    dh, dc, dn, dm = dstates
    # h = o * c / n
    do, dc, dn = dh * c / n, dc + dh * o / n, dn - dh * o * c / n**2
    # c = f * c_prev + i * z, n = f * n_prev + i
    di, df = dc * z + dn, dc * c_prev + dn * n_prev
    dz_i, dz_f, dm_prev = exponential.stabilise_backward(di, df, dm, gates)
    dz = {"i": dz_i, "f": dz_f, "z": dc * gates.i * d_tanh(z), "o": do * d_sigmoid(o)}
    dx, dh_prev = np.zeros_like(x), np.zeros_like(h_prev)
    grads: Gradients = {}
    for g, dz_g in dz.items():
        dx += parameters[f"W_{g}"].T @ dz_g
        dh_prev += parameters[f"R_{g}"].T @ dz_g
        grads[f"W_{g}"], grads[f"R_{g}"] = dz_g @ x.T, dz_g @ h_prev.T
        grads[f"b_{g}"] = dz_g.sum(axis=1, keepdims=True)
    return dx, [dh_prev, dc * gates.f, dn * gates.f, dm_prev], grads


class SLSTMSequences(NamedTuple):
    """What `slstm_forward` keeps for `slstm_backward`."""

    sequences: SequencesCache
    num_heads: int


def slstm_forward(
    parameters: Mapping[str, Array],
    x: npt.ArrayLike,
    state: Sequence[npt.ArrayLike] | None = None,
    lengths: npt.ArrayLike | None = None,
    *,
    forget_gate: ForgetGate = "sigmoid",
) -> tuple[Array, States, SLSTMSequences]:
    """Run sLSTM over sequences, with the parameters of `rnnfast.SLSTM`.

    Parameters
    ----------
    parameters : mapping
        ``weight_ih_l0`` (4H, I), ``weight_hh_l0`` (4H, H / num_heads), ``bias_ih_l0`` (4H,).
    x : (T, B, I) array
        Input.
    state : four (1, B, H) arrays, optional
        h, c, n, m before the first step; zero if None.
    lengths : (B,) integer array, optional
        Steps of each sequence; T if None.
    forget_gate : {"sigmoid", "exponential"}
        See `slstm_step`.

    Returns
    -------
    y : (T, B, H) array
        Output, 0 past a length.
    state : tuple of array
        As `state`, after the last step of each sequence.
    cache : SLSTMSequences
        For `slstm_backward`.
    """
    weight = as_float64("weight_hh_l0", parameters["weight_hh_l0"])
    H, d = len(weight) // 4, weight.shape[1]
    own = exponential.split_rows(parameters, dict.fromkeys(GATES, H))
    for g, rows in zip(GATES, np.split(weight, 4), strict=True):
        own[f"R_{g}"] = np.zeros((H, H))
        for k in range(0, H, d):
            own[f"R_{g}"][k : k + d, k : k + d] = rows[k : k + d]

    def step(x_t: Array, states: list[Array]) -> tuple[Array, list[Array], StepBack]:
        after, cache = slstm_step(x_t, states, own, forget_gate)
        return after[0], after, lambda dafter: slstm_step_backward(dafter, cache)

    y, final, cache = exponential.forward(step, x, state, [(H,)] * 4, lengths)
    y = y if y.shape[2] else np.zeros((*y.shape[:2], H))
    return y, final, SLSTMSequences(cache, H // d)


def slstm_backward(
    cache: SLSTMSequences, dy: Array, dstate: Sequence[Array]
) -> tuple[Array, States, Gradients]:
    """Undo `slstm_forward`.

    Parameters
    ----------
    cache : SLSTMSequences
        From `slstm_forward`.
    dy : (T, B, H) array
        Gradient of the output; what stands past a length is not read.
    dstate : four (1, B, H) arrays
        Gradients of the final states.

    Returns
    -------
    dx : (T, B, I) array
        Gradient of ``x``.
    dstate : tuple of array
        Gradients of the initial states.
    grads : dict
        Gradients of the library's parameters; empty if there is no step.
    """
    dx, initial, grads = exponential.backward(cache.sequences, dy, dstate, add_h=True)
    if not grads:
        return dx, initial, {}
    rows = []
    for g in GATES:
        R = grads[f"R_{g}"]
        d = len(R) // cache.num_heads
        rows += [R[k : k + d, k : k + d] for k in range(0, len(R), d)]
    return dx, initial, exponential.join_rows(grads, GATES) | {"weight_hh_l0": np.concatenate(rows)}
