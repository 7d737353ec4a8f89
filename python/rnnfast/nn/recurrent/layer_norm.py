"""LSTM and GRU with layer normalisation, zoneout and dropout of the candidate."""

from __future__ import annotations

from rnnfast.nn.recurrent.layers import RecurrentWithCell
from rnnfast.nn.recurrent.noisy import NoisyRecurrent


class LayerNormGRU(NoisyRecurrent, name="layer_norm_gru"):
    """GRU with layer normalisation, zoneout and dropout of the candidate.

    ::

        r, z = sigmoid(LN(W_i x) gain_i + b_i + LN(W_h h') gain_h + b_h)       both together
        n    = tanh(LN(W_in x) gain_in + b_in + r * (LN(W_hn h') gain_hn + b_hn))
        h    = (1 - z) * m_n * n + z * h'
        h    = m_h * h' + (1 - m_h) * h

    with ``LN(v) = (v - mean(v)) / sqrt(var(v) + 1e-5)`` over the units of a row (Ba, Kiros and
    Hinton 2016, equations 23 to 27 of the supplement, in the gates and the order of `rf.GRU`);
    ``m_n`` the mask of dropout of the candidate (Semeniuta, Severyn and Barth 2016, section 4),
    ``m_h`` that of zoneout (Krueger et al. 2017), both drawn anew at each step in `forward`. A
    plain call takes the masks' means.

    Parameters
    ----------
    input_size, hidden_size, num_layers
        See `RNN`.
    layer_norm : bool
        False: LN is the identity and there are no gains, which makes it a `GRU`.
    zoneout : float
        Probability with which a unit keeps its state at a step.
    recurrent_dropout : float
        Probability with which a unit's candidate n is dropped at a step; others are divided by
        ``1 - p``.
    bias, batch_first, dropout, variational, bidirectional, dtype, seed
        See `RNN`.

    Notes
    -----
    The parameters of a `GRU`, and ``gain_ih_l0`` and ``gain_hh_l0`` (3H,), which begin as 1.
    """

    _lstm = False
    reset_gate = True
    reset_after = True


class LayerNormLSTM(RecurrentWithCell, NoisyRecurrent, name="layer_norm_lstm"):
    """LSTM with layer normalisation, zoneout and dropout of the candidate.

    ::

        i, f, g, o = LN(W_i x) gain_i + b_i + LN(W_h h') gain_h + b_h          all together
        k = sigmoid(f) * c' + sigmoid(i) * m_g * tanh(g)
        h = sigmoid(o) * tanh(LN(k) gain_c + b_c)
        c = m_c * c' + (1 - m_c) * k
        h = m_h * h' + (1 - m_h) * h

    with ``LN(v) = (v - mean(v)) / sqrt(var(v) + 1e-5)`` over the units of a row (Ba, Kiros and
    Hinton 2016, equations 20 to 22 of the supplement); ``m_g`` the mask of dropout of the candidate
    (Semeniuta, Severyn and Barth 2016, section 4: memory loss is avoided since c itself is never
    dropped), ``m_c`` and ``m_h`` those of zoneout (Krueger et al. 2017, section 3.2), all drawn
    anew at each step in `forward`. A plain call takes the masks' means.

    Parameters
    ----------
    input_size, hidden_size, num_layers
        See `RNN`.
    layer_norm : bool
        False: LN is the identity and there are no gains, which makes it an `LSTM`.
    zoneout : float or pair of float
        Probability with which a unit keeps its h and its c at a step; a pair: of h, of c.
    recurrent_dropout : float
        Probability with which a unit's candidate g is dropped at a step; others are divided by
        ``1 - p``.
    bias, batch_first, dropout, variational, bidirectional, dtype, seed
        See `RNN`.

    Notes
    -----
    The parameters of an `LSTM`, and the gains ``gain_ih_l0`` and ``gain_hh_l0`` (4H,) and
    ``gain_c_l0`` (H,), which begin as 1, and ``bias_c_l0`` (H,), which begins as 0.
    """

    _lstm = True
