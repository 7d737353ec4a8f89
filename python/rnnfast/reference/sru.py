"""The simple recurrent unit (Lei et al. 2018, section 3), with its highway connection.

Features come first, ``x<t>`` is (n_x, m), a column an example.

======================  ============================================================
here                    library, blocks f, r, n, and s where there is one, of H rows
======================  ============================================================
W_f, W_r, W (n_h, n_x)  blocks f, r, n of ``weight_ih``
W_s (n_h, n_x)          block s of ``weight_ih``, or what `highway` returns
b_f, b_r (n_h, 1)       blocks f and r of ``bias_ih``
v_f, v_r (n_h, 1)       blocks f and r of ``weight_c``
======================  ============================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .activations import d_sigmoid, sigmoid
from .arrays import Array, Gradients, Parameters
from .cell import Cell, Shapes, Step

if TYPE_CHECKING:
    from .spec import NetworkSpec


class SRUCache(NamedTuple):
    """What `sru_step` keeps for `sru_step_backward`."""

    x: Array
    c_prev: Array
    f: Array
    r: Array
    candidate: Array
    s: Array
    c: Array
    parameters: Parameters


def sru_step(
    x: Array, c_prev: Array, parameters: Parameters
) -> tuple[tuple[Array, Array], SRUCache]:
    """One step of the simple recurrent unit.

    ::

        f<t> = sigmoid(W_f x<t> + v_f * c<t-1> + b_f)
        c<t> = f<t> * c<t-1> + (1 - f<t>) * (W x<t>)
        r<t> = sigmoid(W_r x<t> + v_r * c<t-1> + b_r)
        h<t> = r<t> * c<t> + (1 - r<t>) * (W_s x<t>)

    W_s is alpha times the identity where x is as wide as h, and learned where it is not.

    Parameters
    ----------
    x : (n_x, m) array
        Input of this step.
    c_prev : (n_h, m) array
        Memory before this step.
    parameters : mapping
        W_f, b_f, v_f, W_r, b_r, v_r, W, W_s.

    Returns
    -------
    states : pair of (n_h, m) array
        h and c after this step.
    cache : SRUCache
        For `sru_step_backward`.
    """
    W_f, b_f, v_f = (parameters[name] for name in ("W_f", "b_f", "v_f"))
    W_r, b_r, v_r = (parameters[name] for name in ("W_r", "b_r", "v_r"))
    f = sigmoid(W_f @ x + v_f * c_prev + b_f)
    r = sigmoid(W_r @ x + v_r * c_prev + b_r)
    candidate, s = parameters["W"] @ x, parameters["W_s"] @ x
    c = f * c_prev + (1 - f) * candidate
    h = r * c + (1 - r) * s
    return (h, c), SRUCache(x, c_prev, f, r, candidate, s, c, parameters)


def sru_step_backward(dh: Array, dc: Array, cache: SRUCache) -> tuple[Array, Array, Gradients]:
    """Undo `sru_step`.

    Parameters
    ----------
    dh, dc : (n_h, m) array
        Gradients of ``h<t>``, and of ``c<t>`` from the step after.
    cache : SRUCache
        From `sru_step`.

    Returns
    -------
    dx : (n_x, m) array
        Gradient of ``x<t>``.
    dc_prev : (n_h, m) array
        Gradient of ``c<t-1>``.
    grads : dict
        Gradients of W_f, b_f, v_f, W_r, b_r, v_r, W, W_s.
    """
    x, c_prev, f, r, candidate, s, c, parameters = cache
    # h = r * c + (1 - r) * s
    dz_r, ds, dc = dh * (c - s) * d_sigmoid(r), dh * (1 - r), dc + dh * r
    # c = f * c_prev + (1 - f) * candidate
    dz_f, dcandidate = dc * (c_prev - candidate) * d_sigmoid(f), dc * (1 - f)
    dc_prev = dc * f + parameters["v_f"] * dz_f + parameters["v_r"] * dz_r
    grads = {}
    dx = np.zeros_like(x)
    for name, dz in (("W_f", dz_f), ("W_r", dz_r), ("W", dcandidate), ("W_s", ds)):
        grads[name] = dz @ x.T
        dx += parameters[name].T @ dz
    for gate, dz in (("f", dz_f), ("r", dz_r)):
        grads[f"b_{gate}"] = dz.sum(axis=1, keepdims=True)
        grads[f"v_{gate}"] = (dz * c_prev).sum(axis=1, keepdims=True)
    return dx, dc_prev, grads


def highway(spec: NetworkSpec, below: int, reverse: bool) -> Array | None:
    """W_s of a layer whose input, `below` wide, is as wide as its output; None if it is not.

    alpha times the identity, alpha = sqrt(1 + 2 exp(b)) with b what b_r begins as (section 3.2),
    or 1 without rescaling. Each direction of a bidirectional layer lets its half of x pass.
    """
    H = spec.hidden_size
    if below != spec.num_directions * H:
        return None
    alpha = np.sqrt(1 + 2 * np.exp(spec.highway_bias)) if spec.rescale else 1.0
    return np.asarray(alpha * np.eye(H, below, H * reverse))


def _shapes(spec: NetworkSpec, below: int) -> Shapes:
    H = spec.hidden_size
    blocks = 4 if highway(spec, below, False) is None else 3
    shapes: Shapes = {"weight_ih": (blocks * H, below)}
    return shapes | ({"bias_ih": (2 * H,)} if spec.bias else {}) | {"weight_c": (2 * H,)}


def _parameters(spec: NetworkSpec, weights: Parameters, suffix: str) -> Parameters:
    H, weight = spec.hidden_size, weights[f"weight_ih_{suffix}"]
    found = highway(spec, weight.shape[1], suffix.endswith("reverse"))
    bias = weights.get(f"bias_ih_{suffix}", np.zeros(2 * H))
    columns = [values[:, np.newaxis] for values in (bias, weights[f"weight_c_{suffix}"])]
    (b_f, b_r), (v_f, v_r) = (np.split(values, 2) for values in columns)
    W_f, W_r, W, *W_s = np.split(weight, len(weight) // H)
    parameters = {"W_f": W_f, "b_f": b_f, "v_f": v_f, "W_r": W_r, "b_r": b_r, "v_r": v_r, "W": W}
    return parameters | ({"W_s": W_s[0]} if found is None else {"W_s": found, "fixed": found})


def _step(spec: NetworkSpec, x: Array, states: list[Array], cell: Parameters) -> Step:
    (h, c), cache = sru_step(x, states[1], cell)

    def backprop(dleft: list[Array]) -> tuple[Array, list[Array], Gradients]:
        dx, dc_prev, grads = sru_step_backward(dleft[0], dleft[1], cache)
        if "fixed" in cell:
            del grads["W_s"]
        return dx, [np.zeros_like(dc_prev), dc_prev], grads

    return [h, c], backprop


def _gradients(grads: Gradients, suffix: str) -> Gradients:
    blocks = [grads[name] for name in ("W_f", "W_r", "W", "W_s") if name in grads]
    return {
        f"weight_ih_{suffix}": np.concatenate(blocks),
        f"bias_ih_{suffix}": np.concatenate([grads["b_f"], grads["b_r"]]).ravel(),
        f"weight_c_{suffix}": np.concatenate([grads["v_f"], grads["v_r"]]).ravel(),
    }


SRU = Cell(
    "sru",
    shapes=_shapes,
    parameters=_parameters,
    step=_step,
    gradients=_gradients,
    options={"highway_bias": 0.0, "rescale": True},
    memory=True,
)
