"""mLSTM (Beck et al. 2024, section 2.3): a matrix memory with exponential gates.

Features come first, ``x<t>`` is (n_x, m), a column an example. H units are in heads of d; of each
head C is (d, d), a row a key and a column a value: the paper's C turned.

==============================  ==============================================================
here                            library, blocks q, k, v, o of H rows, i, f of a row a head
==============================  ==============================================================
W_q, W_k, W_v, W_o (n_h, n_x)   blocks of ``weight_ih_l0``
W_i, W_f (n_heads, n_x)         blocks of ``weight_ih_l0``, w_i and w_f of each head
b_q, b_v, b_o (n_h, 1)          blocks of ``bias_ih_l0``
b_k (n_h, 1)                    block k of ``bias_ih_l0``, over sqrt(d)
b_i, b_f (n_heads, 1)           blocks of ``bias_ih_l0``
==============================  ==============================================================
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from . import exponential
from .activations import d_sigmoid, sigmoid
from .arrays import Array, Gradients, Parameters
from .exponential import ForgetGate, SequencesCache, Stabilised, States, StepBack, stabilise

GATES = "qkvoif"


class MLSTMCache(NamedTuple):
    """What `mlstm_step` keeps for `mlstm_step_backward`."""

    x: Array
    states: list[Array]
    q: Array
    k: Array
    v: Array
    o: Array
    gates: Stabilised
    C: Array
    n: Array
    parameters: Parameters


def _norm(n: Array, q: Array, m: Array) -> tuple[Array, Array, Array]:
    """Return n . q, what it is at least, and the larger of its size and that: (heads, m)."""
    product, least = np.einsum("hkm,hkm->hm", n, q), np.exp(-m)
    return product, least, np.maximum(np.abs(product), least)


def mlstm_step(
    x: Array, states: Sequence[Array], parameters: Parameters, forget_gate: ForgetGate = "sigmoid"
) -> tuple[Array, list[Array], MLSTMCache]:
    """One step of mLSTM.

    ::

        q<t> = W_q x<t> + b_q, v<t> = W_v x<t> + b_v
        k<t> = W_k x<t> / sqrt(d) + b_k
        i<t>, f<t>, m<t> of W_i x<t> + b_i, W_f x<t> + b_f and m<t-1>   see stabilise
        C<t> = f<t> C<t-1> + i<t> k<t> v<t>^T
        n<t> = f<t> n<t-1> + i<t> k<t>
        h<t> = sigmoid(W_o x<t> + b_o) * (C<t>^T q<t>) / max(|n<t> . q<t>|, exp(-m<t>))

    of each head; exp(-m) stands for the paper's 1, as C and n are divided by exp(m).

    Parameters
    ----------
    x : (n_x, m) array
        Input of this step.
    states : three arrays
        C (n_heads, d, d, m), n (n_heads, d, m) and m (n_heads, m) before this step.
    parameters : mapping
        W and b of q, k, v, o, i, f.
    forget_gate : {"sigmoid", "exponential"}
        What f is of its pre-activation.

    Returns
    -------
    h : (n_h, m) array
        Output.
    states : list of array
        C, n, m after this step.
    cache : MLSTMCache
        For `mlstm_step_backward`.
    """
    C_prev, n_prev, m_prev = states
    heads, d = n_prev.shape[:2]
    z = {g: parameters[f"W_{g}"] @ x for g in GATES}
    z["k"] = z["k"] / np.sqrt(d)
    z = {g: values + parameters[f"b_{g}"] for g, values in z.items()}
    q, k, v = (z[g].reshape(heads, d, -1) for g in "qkv")
    o = sigmoid(z["o"])
    empty = (C_prev == 0).all(axis=(1, 2)) & (n_prev == 0).all(axis=1)
    gates = stabilise(z["i"], z["f"], m_prev, forget_gate, empty)
    f, i = gates.f[:, np.newaxis], gates.i[:, np.newaxis]
    C = f[:, np.newaxis] * C_prev + np.einsum("hkm,hvm->hkvm", i * k, v)
    n = f * n_prev + i * k
    _, _, norm = _norm(n, q, gates.m)
    inner = np.einsum("hkvm,hkm->hvm", C, q) / norm[:, np.newaxis]
    h = o * inner.reshape(o.shape)
    return h, [C, n, gates.m], MLSTMCache(x, list(states), q, k, v, o, gates, C, n, parameters)


def mlstm_step_backward(
    dh: Array, dstates: Sequence[Array], cache: MLSTMCache
) -> tuple[Array, list[Array], Gradients]:
    """Undo `mlstm_step`.

    Parameters
    ----------
    dh : (n_h, m) array
        Gradient of ``h<t>``.
    dstates : three arrays
        Gradients of C, n, m after the step.
    cache : MLSTMCache
        From `mlstm_step`.

    Returns
    -------
    dx : (n_x, m) array
        Gradient of ``x<t>``.
    dstates : list of array
        Gradients of C, n, m before the step.
    grads : dict
        Gradients of the parameters.
    """
    x, (C_prev, n_prev, _), q, k, v, o, gates, C, n, parameters = cache
    dC, dn, dm = dstates
    f, i = gates.f[:, np.newaxis], gates.i[:, np.newaxis]
    product, least, norm = _norm(n, q, gates.m)
    inner = np.einsum("hkvm,hkm->hvm", C, q) / norm[:, np.newaxis]
    # h = o * inner, inner = C^T q / norm, norm = max(|n . q|, least)
    dinner = (dh * o).reshape(q.shape)
    do = dh * inner.reshape(o.shape)
    dvalue = dinner / norm[:, np.newaxis]
    dnorm = -(dinner * inner).sum(axis=1) / norm
    dproduct = np.where(np.abs(product) > least, np.sign(product) * dnorm, 0.0)[:, np.newaxis]
    dm = dm - np.where(np.abs(product) > least, 0.0, least * dnorm)
    dq = np.einsum("hkvm,hvm->hkm", C, dvalue) + dproduct * n
    dC = dC + np.einsum("hkm,hvm->hkvm", q, dvalue)
    dn = dn + dproduct * q
    # C = f C_prev + i k v^T, n = f n_prev + i k
    written = np.einsum("hkvm,hvm->hkm", dC, v) + dn
    df = (dC * C_prev).sum(axis=(1, 2)) + (dn * n_prev).sum(axis=1)
    dz_i, dz_f, dm_prev = exponential.stabilise_backward((written * k).sum(axis=1), df, dm, gates)
    dv = np.einsum("hkvm,hkm->hvm", dC, i * k)
    scale = 1 / np.sqrt(q.shape[1])
    dz = {
        "q": dq.reshape(o.shape), "k": (i * written).reshape(o.shape), "v": dv.reshape(o.shape),
        "o": do * d_sigmoid(o), "i": dz_i, "f": dz_f,
    }  # fmt: skip
    dx = np.zeros_like(x)
    grads: Gradients = {}
    for g, dz_g in dz.items():
        through = dz_g * scale if g == "k" else dz_g
        dx += parameters[f"W_{g}"].T @ through
        grads[f"W_{g}"] = through @ x.T
        grads[f"b_{g}"] = dz_g.sum(axis=1, keepdims=True)
    return dx, [f[:, np.newaxis] * dC, f * dn, dm_prev], grads


class MLSTMSequences(NamedTuple):
    """What `mlstm_forward` keeps for `mlstm_backward`."""

    sequences: SequencesCache
    head_size: int


def mlstm_forward(
    parameters: Mapping[str, Array],
    x: npt.ArrayLike,
    state: Sequence[npt.ArrayLike] | None = None,
    lengths: npt.ArrayLike | None = None,
    *,
    num_heads: int = 1,
    forget_gate: ForgetGate = "sigmoid",
) -> tuple[Array, States, MLSTMSequences]:
    """Run mLSTM over sequences, step by step, with the parameters of `rnnfast.MLSTM`.

    Parameters
    ----------
    parameters : mapping
        ``weight_ih_l0`` (4H + 2 num_heads, I) and ``bias_ih_l0`` (4H + 2 num_heads,).
    x : (T, B, I) array
        Input.
    state : three arrays, optional
        C (1, B, num_heads, d, d), n (1, B, num_heads, d) and m (1, B, num_heads) before the first
        step; zero if None.
    lengths : (B,) integer array, optional
        Steps of each sequence; T if None.
    num_heads : int
        Heads.
    forget_gate : {"sigmoid", "exponential"}
        See `mlstm_step`.

    Returns
    -------
    y : (T, B, H) array
        Output, 0 past a length.
    state : tuple of array
        As `state`, after the last step of each sequence.
    cache : MLSTMSequences
        For `mlstm_backward`.
    """
    H = (len(parameters["weight_ih_l0"]) - 2 * num_heads) // 4
    d = H // num_heads
    own = exponential.split_rows(
        parameters, dict.fromkeys("qkvo", H) | dict.fromkeys("if", num_heads)
    )
    own["b_k"] = own["b_k"] / np.sqrt(d)

    def step(x_t: Array, states: list[Array]) -> tuple[Array, list[Array], StepBack]:
        h, after, cache = mlstm_step(x_t, states, own, forget_gate)
        return h, after, lambda dafter: mlstm_step_backward(dafter[0], dafter[1:], cache)

    shapes = [(num_heads, d, d), (num_heads, d), (num_heads,)]
    y, final, cache = exponential.forward(step, x, state, shapes, lengths)
    y = y if y.shape[2] else np.zeros((*y.shape[:2], H))
    return y, final, MLSTMSequences(cache, d)


def mlstm_backward(
    cache: MLSTMSequences, dy: Array, dstate: Sequence[Array]
) -> tuple[Array, States, Gradients]:
    """Undo `mlstm_forward`.

    Parameters
    ----------
    cache : MLSTMSequences
        From `mlstm_forward`.
    dy : (T, B, H) array
        Gradient of the output; what stands past a length is not read.
    dstate : three arrays
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
    dx, initial, grads = exponential.backward(cache.sequences, dy, dstate, add_h=False)
    if not grads:
        return dx, initial, {}
    grads["b_k"] = grads["b_k"] / np.sqrt(cache.head_size)
    return dx, initial, exponential.join_rows(grads, GATES)
