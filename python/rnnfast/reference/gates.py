"""The gradient that all gated cells share: that of ``W [state, x] + b``, gate by gate."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .arrays import Array, Gradients, Parameters


def gates_backward(
    dz: Mapping[str, Array], stacked: Array, parameters: Parameters
) -> tuple[Array, Gradients]:
    """Undo ``z_gate = W_gate [state, x] + b_gate`` for all gates that saw the same [state, x].

    Parameters
    ----------
    dz : mapping of str to (n, m) array
        Gradient of z by the gate's letter: u, f, o, r, or c for the candidate.
    stacked : (n + n_x, m) array
        [state, x], the state on top.
    parameters : mapping
        W_gate and b_gate for every gate of `dz`.

    Returns
    -------
    dstacked : (n + n_x, m) array
        Gradient of [state, x], summed over the gates.
    grads : dict
        Gradients of W_gate and b_gate.
    """
    dstacked = np.zeros_like(stacked)
    grads: Gradients = {}
    for gate, dz_gate in dz.items():
        dstacked += parameters[f"W_{gate}"].T @ dz_gate
        grads[f"W_{gate}"] = dz_gate @ stacked.T
        grads[f"b_{gate}"] = dz_gate.sum(axis=1, keepdims=True)
    return dstacked, grads
