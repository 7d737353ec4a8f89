"""The quasi-recurrent network's pooling (Bradbury et al. 2017, section 2) of one step.

Features come first, ``x<t>`` is (n_x, m), a column an example. x is what the filters see: one step,
or k of them one below the other for filters of width k, which networks keep behind c.

============================  ========================================================
here                          library, blocks n, f, o, i of H rows, as many as there are
============================  ========================================================
W_n, W_f, W_o, W_i (n_h, n_x)  blocks of ``weight_ih``
b_n, b_f, b_o, b_i (n_h, 1)    blocks of ``bias_ih``
============================  ========================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import numpy as np

from .activations import d_sigmoid, d_tanh, sigmoid
from .arrays import Array, Gradients, Parameters
from .cell import Cell, Step, input_shapes
from .conversion import input_gradients, input_parameters
from .gates import gates_backward

if TYPE_CHECKING:
    from .spec import NetworkSpec

Pooling: TypeAlias = Literal["f", "fo", "ifo"]
GATES: dict[Pooling, str] = {"f": "nf", "fo": "nfo", "ifo": "nfoi"}


class QRNNCache(NamedTuple):
    """What `qrnn_step` keeps for `qrnn_step_backward`."""

    x: Array
    c_prev: Array
    n: Array
    gates: dict[str, Array]
    c: Array
    parameters: Parameters


def qrnn_step(
    x: Array, c_prev: Array, parameters: Parameters, pooling: Pooling = "fo"
) -> tuple[tuple[Array, Array], QRNNCache]:
    """One step of the quasi-recurrent network.

    ::

        n<t> = tanh(W_n x<t> + b_n)
        f<t> = sigmoid(W_f x<t> + b_f), o<t> and i<t> likewise
        c<t> = f<t> * c<t-1> + (1 - f<t>) * n<t>        "f", "fo"
        c<t> = f<t> * c<t-1> + i<t> * n<t>              "ifo"
        h<t> = c<t>                                     "f"
        h<t> = o<t> * c<t>                              "fo", "ifo"

    Parameters
    ----------
    x : (n_x, m) array
        Input of this step.
    c_prev : (n_h, m) array
        Memory before this step.
    parameters : mapping
        W_n, b_n, W_f, b_f, and those of o and i where the pooling has them.
    pooling : {"f", "fo", "ifo"}
        Which gates there are.

    Returns
    -------
    states : pair of (n_h, m) array
        h and c after this step.
    cache : QRNNCache
        For `qrnn_step_backward`.
    """
    n = np.tanh(parameters["W_n"] @ x + parameters["b_n"])
    gates = {k: sigmoid(parameters[f"W_{k}"] @ x + parameters[f"b_{k}"]) for k in pooling}
    f = gates["f"]
    c = f * c_prev + gates.get("i", 1 - f) * n
    h = gates["o"] * c if "o" in gates else c
    return (h, c), QRNNCache(x, c_prev, n, gates, c, parameters)


def qrnn_step_backward(dh: Array, dc: Array, cache: QRNNCache) -> tuple[Array, Array, Gradients]:
    """Undo `qrnn_step`.

    Parameters
    ----------
    dh, dc : (n_h, m) array
        Gradients of ``h<t>``, and of ``c<t>`` from the step after.
    cache : QRNNCache
        From `qrnn_step`.

    Returns
    -------
    dx : (n_x, m) array
        Gradient of ``x<t>``.
    dc_prev : (n_h, m) array
        Gradient of ``c<t-1>``.
    grads : dict
        Gradients of all parameters.
    """
    x, c_prev, n, gates, c, parameters = cache
    f, dz = gates["f"], {}
    # h = o * c, or c
    if "o" in gates:
        dz["o"] = dh * c * d_sigmoid(gates["o"])
        dh = dh * gates["o"]
    dc = dc + dh
    # c = f * c_prev + i * n, or f * c_prev + (1 - f) * n
    if "i" in gates:
        dz["i"] = dc * n * d_sigmoid(gates["i"])
    dz["f"] = dc * (c_prev if "i" in gates else c_prev - n) * d_sigmoid(f)
    dz["n"] = dc * gates.get("i", 1 - f) * d_tanh(n)
    dx, grads = gates_backward(dz, x, parameters)
    return dx, dc * f, grads


def _step(spec: NetworkSpec, x: Array, states: list[Array], cell: Parameters) -> Step:
    # Behind c stand the last k - 1 inputs, the newest first, each filled up to the widest layer's.
    n_x, n_h, k = len(x), spec.hidden_size, spec.width
    c_prev, rows = states[1][:n_h], states[1][n_h:]
    earlier = rows.reshape(k - 1, spec.window_width, x.shape[1])
    seen = np.concatenate([x, *earlier[:, :n_x]])
    (h, c), cache = qrnn_step(seen, c_prev, cell, spec.pooling)
    after = np.zeros_like(earlier)
    after[:, :n_x] = seen.reshape(k, *x.shape)[:-1]

    def backprop(dleft: list[Array]) -> tuple[Array, list[Array], Gradients]:
        dc, dafter = dleft[1][:n_h], dleft[1][n_h:].reshape(after.shape)
        dseen, dc_prev, grads = qrnn_step_backward(dleft[0], dc, cache)
        dsteps = dseen.reshape(k, *x.shape)
        dsteps[:-1] += dafter[:, :n_x]
        dearlier = np.zeros_like(after)
        dearlier[:, :n_x] = dsteps[1:]
        dstate = np.concatenate([dc_prev, dearlier.reshape(rows.shape)])
        return dsteps[0], [np.zeros_like(dc_prev), dstate], grads

    return [h, np.concatenate([c, after.reshape(rows.shape)])], backprop


QRNN = Cell(
    "qrnn",
    shapes=lambda spec, below: input_shapes(spec, spec.width * below, len(GATES[spec.pooling])),
    parameters=lambda spec, weights, suffix: input_parameters(weights, GATES[spec.pooling], suffix),
    step=_step,
    gradients=lambda grads, suffix: input_gradients(
        grads, "".join(k for k in "nfoi" if f"W_{k}" in grads), suffix
    ),
    options={"pooling": "fo", "width": 1},
    memory=True,
)
