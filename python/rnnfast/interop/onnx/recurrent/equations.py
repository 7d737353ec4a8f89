"""One step of each recurrent operator, as ONNX writes it: any activations, clip, coupled gates.

Every function takes the input's share of the gates, ``x W^T + Wb`` of this step, ``(B, G*H)``,
and the state of the step before, ``(B, H)`` each. Blocks stand as in ONNX: z, r, h of a GRU and
i, o, f, c of an LSTM; peepholes i, o, f.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from rnnfast.interop.onnx.nodes import Array
from rnnfast.interop.onnx.recurrent.activations import Activation


@dataclass(frozen=True)
class Cell:
    """What a step of one direction takes beside its input and state.

    Attributes
    ----------
    R : ndarray
        ``(G*H, H)``.
    Rb : ndarray
        ``(G*H,)``.
    P : ndarray or None
        ``(3*H,)``.
    activations : tuple of Activation
        f and g, and h of an LSTM.
    clip : float or None
        Bound of what goes into the activations of gates.
    input_forget, linear_before_reset : bool
        As the node says.
    """

    R: Array
    Rb: Array
    P: Array | None
    activations: tuple[Activation, ...]
    clip: float | None
    input_forget: bool
    linear_before_reset: bool

    def clipped(self, x: Array) -> Array:
        """Return what goes into an activation."""
        return x if self.clip is None else np.clip(x, -self.clip, self.clip)


State: TypeAlias = tuple[Array, ...]
Step: TypeAlias = Callable[[Array, State, Cell], State]


def rnn_step(x: Array, state: State, cell: Cell) -> State:
    """Return (h,): ``h = f(x W^T + h' R^T + Wb + Rb)``."""
    (h,) = state
    (f,) = cell.activations
    return (f(cell.clipped(x + (h @ cell.R.T + cell.Rb))),)


def gru_step(x: Array, state: State, cell: Cell) -> State:
    """Return (h,).

    ::

        z = f(x Wz^T + h' Rz^T + Wbz + Rbz)
        r = f(x Wr^T + h' Rr^T + Wbr + Rbr)
        n = g(x Wh^T + (r * h') Rh^T + Rbh + Wbh)      linear_before_reset = 0
        n = g(x Wh^T + r * (h' Rh^T + Rbh) + Wbh)      otherwise
        h = (1 - z) * n + z * h'
    """
    (h,) = state
    f, g = cell.activations
    gates = 2 * h.shape[1]
    xz, xr, xn = np.split(x, 3, axis=1)
    hz, hr = np.split(h @ cell.R[:gates].T + cell.Rb[:gates], 2, axis=1)
    Rh, Rbh = cell.R[gates:], cell.Rb[gates:]
    z = f(cell.clipped(xz + hz))
    r = f(cell.clipped(xr + hr))
    if cell.linear_before_reset:
        n = g(cell.clipped(xn + r * (h @ Rh.T + Rbh)))
    else:
        n = g(cell.clipped(xn + ((r * h) @ Rh.T + Rbh)))
    return ((1 - z) * n + z * h,)


def lstm_step(x: Array, state: State, cell: Cell) -> State:
    """Return (h, c).

    ::

        i = f(x Wi^T + h' Ri^T + Pi * c' + Wbi + Rbi)
        f = f(x Wf^T + h' Rf^T + Pf * c' + Wbf + Rbf)  or 1 - i with input_forget
        g = g(x Wc^T + h' Rc^T + Wbc + Rbc)
        c = f * c' + i * g
        o = f(x Wo^T + h' Ro^T + Po * c + Wbo + Rbo)
        h = o * h(c)
    """
    h, c = state
    act_f, act_g, act_h = cell.activations
    i, o, f, g = np.split(x + (h @ cell.R.T + cell.Rb), 4, axis=1)
    if cell.P is not None:
        p_i, p_o, p_f = np.split(cell.P, 3)
        i, f = i + p_i * c, f + p_f * c
    i = act_f(cell.clipped(i))
    f = 1 - i if cell.input_forget else act_f(cell.clipped(f))
    c = f * c + i * act_g(cell.clipped(g))
    if cell.P is not None:
        o = o + p_o * c
    return act_f(cell.clipped(o)) * act_h(c), c


STEPS: dict[str, Step] = {"RNN": rnn_step, "GRU": gru_step, "LSTM": lstm_step}
