"""RNN, GRU and LSTM layers: any number of layers, one or both directions."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from rnnfast._checks import among, check_bool
from rnnfast._checks.likeness import call_like
from rnnfast._checks.messages import shown
from rnnfast.nn.module import Array
from rnnfast.nn.recurrent.base import Backprop, Recurrent, State
from rnnfast.nn.recurrent.conversion import Convertible


class RNN(Convertible, name="rnn"):
    """Plain recurrent network, ``h<t> = g(W_ih x<t> + b_ih + W_hh h<t-1> + b_hh)``.

    Parameters
    ----------
    input_size, hidden_size : int
        I and H.
    num_layers : int
        L; each layer above the first reads the outputs of the one below.
    nonlinearity : {"tanh", "relu"}
        g.
    bias : bool
        False: without b_ih and b_hh.
    batch_first : bool
        True: ``x`` and ``y`` are ``(B, T, ...)``. States never change their order.
    dropout : float
        Probability with which `forward` sets outputs of each layer but the last to zero (and
        scales the others up), one draw per element and step.
    variational : bool
        True: one draw per element for all steps of a sequence (Gal and Ghahramani 2016, section 4).
    bidirectional : bool
        True: a second direction runs from each sequence's end; outputs are side by side.
    dtype : {"float32", "float64"}
        Of parameters, inputs and outputs.
    seed : int or numpy.random.Generator, optional
        Of the initial parameters and of dropout.

    Attributes
    ----------
    grads : dict of str to ndarray
        Gradient of each parameter; backpropagation adds to it.

    Notes
    -----
    Parameters have PyTorch's names and shapes: ``weight_ih_l0`` (H, I), ``weight_hh_l0`` (H, H),
    ``bias_ih_l0`` and ``bias_hh_l0`` (H,), further layers ``_l1``..., the other direction
    ``_reverse``. In the course's notation ``W_ax``, ``W_aa`` and ``b_a``, the sum of both biases.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        nonlinearity: Literal["tanh", "relu"] = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        variational: bool = False,
        bidirectional: bool = False,
        dtype: str = "float32",
        seed: int | np.random.Generator | None = None,
    ) -> None:
        if not among(nonlinearity, ("tanh", "relu")):
            raise ValueError(f"nonlinearity: expected 'tanh' or 'relu', got {shown(nonlinearity)}")
        self.nonlinearity = nonlinearity
        super().__init__(
            f"rnn_{nonlinearity}",
            input_size,
            hidden_size,
            num_layers,
            bias=bias,
            batch_first=batch_first,
            dropout=dropout,
            variational=variational,
            bidirectional=bidirectional,
            dtype=dtype,
            seed=seed,
        )


class GRU(Convertible, name="gru"):
    """Gated recurrent unit.

    ``r = sigmoid(W_ir x + b_ir + W_hr h' + b_hr)``, z likewise,
    ``n = tanh(W_in x + b_in + r * (W_hn h' + b_hn))``, ``h = (1 - z) * n + z * h'``, with h' the
    state of the step before (Cho et al. 2014, in the form of cuDNN and PyTorch).

    Parameters
    ----------
    input_size, hidden_size, num_layers, bias, batch_first, dropout, variational, bidirectional, \
    dtype, seed
        See `RNN`.
    reset_after : bool
        False: the reset gate acts before the product, ``n = tanh(W_in x + b_in + W_hn (r * h') +
        b_hn)``: the full GRU of the course notes and of Cho et al. (2014), version 3.
    reset_gate : bool
        False: no reset gate, ``n = tanh(W_in x + b_in + W_hn h' + b_hn)``: the simplified GRU of
        the course notes.

    Notes
    -----
    Parameters have PyTorch's names and shapes, with the gates r, z, n one below the other:
    ``weight_ih_l0`` (3H, I), ... Without a reset gate they are z, n: (2H, I). z keeps the old
    state; the course's update gate Gamma_u is 1 - z, so that its weights and bias change their
    sign.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        variational: bool = False,
        bidirectional: bool = False,
        dtype: str = "float32",
        seed: int | np.random.Generator | None = None,
        reset_after: bool = True,
        reset_gate: bool = True,
    ) -> None:
        self.reset_after = check_bool("reset_after", reset_after)
        self.reset_gate = check_bool("reset_gate", reset_gate)
        kernel = "gru_simple" if not reset_gate else "gru" if reset_after else "gru_reset_before"
        super().__init__(
            kernel,
            input_size,
            hidden_size,
            num_layers,
            bias=bias,
            batch_first=batch_first,
            dropout=dropout,
            variational=variational,
            bidirectional=bidirectional,
            dtype=dtype,
            seed=seed,
        )


class RecurrentWithCell(Recurrent):
    """Base of layers whose state is a pair (h, c)."""

    def __call__(
        self,
        x: Array,
        state: State = None,
        lengths: npt.ArrayLike | None = None,
        reset: npt.ArrayLike | None = None,
        *,
        like: bool = False,
    ) -> tuple[Array, State]:
        """Run the network over a batch and keep nothing: inference.

        Parameters
        ----------
        x : ndarray
            Input, ``(T, B, I)``, or ``(B, T, I)`` with ``batch_first``, or ``(T, I)`` for a single
            sequence, of the layer's dtype. An integer array of one axis less holds indices.
        state : pair of ndarray, optional
            Initial state ``(h0, c0)``, each ``(L*D, B, H)``, h0 ``(L*D, B, proj_size)`` with a
            projection; zero if None. Cells without a recurrent product see c0 alone, which is
            wider in a `QRNN` of longer filters.
        lengths : array_like of int, optional
            ``(B,)``; outputs past a length are 0.
        reset : array_like of bool, optional
            ``(T, B)``, or ``(B, T)`` with ``batch_first``; True where a new document begins.
        like : bool
            True: what is returned is of the library that ``x`` is of, such as a tensor.

        Returns
        -------
        y : ndarray
            Output of the last layer, ``(T, B, D*H)`` in the axes of ``x``; ``D*proj_size`` wide
            with a projection.
        state : pair of ndarray
            Final state ``(h, c)``, as ``state``.

        Notes
        -----
        A call of `RNN` says more of each argument, and of the errors.
        """
        if like is not False:
            return call_like(like, self, x, state, lengths, reset)
        return super().__call__(x, state, lengths, reset)

    def forward(
        self,
        x: Array,
        state: State = None,
        lengths: npt.ArrayLike | None = None,
        reset: npt.ArrayLike | None = None,
        *,
        recompute: bool = False,
    ) -> tuple[tuple[Array, State], Backprop]:
        """Run the network over a batch and keep what backpropagation needs.

        Takes what a call of the layer takes. `RNN` says more of ``recompute`` and of what has to
        stay as it is until ``backprop`` has run.

        Returns
        -------
        (y, state) : tuple
            As a call of the layer: the output, ``(T, B, D*H)``, and the final pair (h, c).
        backprop : callable
            ``dx, dstate = backprop(dy, dstate=None, need_dx=True)``: from the gradients of ``y``
            and of the final state, a pair (None: zero), to those of ``x`` and of the initial state.
            Adds to `grads`. May be called once.
        """
        return super().forward(x, state, lengths, reset, recompute=recompute)


class LSTM(RecurrentWithCell, Convertible, name="lstm"):
    """Long short-term memory.

    ``i = sigmoid(W_ii x + b_ii + W_hi h' + b_hi)``, f and o likewise, ``g = tanh(W_ig x + b_ig +
    W_hg h' + b_hg)``, ``c = f * c' + i * g``, ``h = o * tanh(c)``, with h' and c' the states of the
    step before (Hochreiter and Schmidhuber 1997; forget gate: Gers et al. 2000).

    Parameters
    ----------
    input_size, hidden_size, num_layers, bias, batch_first, dropout, variational, bidirectional, \
    dtype, seed
        See `RNN`.
    proj_size : int
        P > 0: ``h = W_hr (o * tanh(c))`` of P units (Sak et al. 2014).
    peephole : bool or "previous"
        True: ``p_i * c'`` and ``p_f * c'`` enter the input and forget gate, ``p_o * c`` the output
        gate (Gers and Schmidhuber 2000; ONNX, oneDNN). ``"previous"``: all three see c', as the
        course notes have it.

    Notes
    -----
    Parameters have PyTorch's names and shapes, with the gates i, f, g, o one below the other:
    ``weight_ih_l0`` (4H, I), ``weight_hh_l0`` (4H, H or P), ``weight_hr_l0`` (P, H). Peepholes:
    ``weight_peephole_l0`` (3H,), the gates i, f, o one after the other. In the course's notation
    i, f, o and g are Gamma_u, Gamma_f, Gamma_o and c~.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        variational: bool = False,
        bidirectional: bool = False,
        dtype: str = "float32",
        seed: int | np.random.Generator | None = None,
        proj_size: int = 0,
        peephole: bool | Literal["previous"] = False,
    ) -> None:
        kernels = {False: "lstm", True: "lstm_peephole", "previous": "lstm_peephole_previous"}
        if not among(peephole, kernels):
            raise ValueError(f"peephole: expected False, True or 'previous', got {shown(peephole)}")
        self.peephole = peephole
        super().__init__(
            kernels[peephole],
            input_size,
            hidden_size,
            num_layers,
            bias=bias,
            batch_first=batch_first,
            dropout=dropout,
            variational=variational,
            bidirectional=bidirectional,
            dtype=dtype,
            seed=seed,
            proj_size=proj_size,
        )
