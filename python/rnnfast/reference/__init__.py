"""The definition of every cell and network of the library, in NumPy, forward and backward.

This is the specification, written in the notation of the usual course notes (``a<t>``, ``c<t>``,
Gamma_u, Gamma_f, Gamma_o, Gamma_r), and the oracle that the kernels are tested against. It computes
in float64, depends on NumPy only, and the library never imports it at run time.

One room per subject: `rnn`, `gru`, `lstm`, `min_gru` and others define one step of a cell and its
backward step, and what networks have to know of it (`cell`);
`layer_norm` defines one step of the layer-normalised cells, with the noise that training draws;
`heads`, `adaptive` and `ctc` the outputs and losses, `crf` the loss of a whole sequence of classes;
`attention` what a decoder reads of its encoder; `sequences` runs a cell over a sequence in the
layout of the notes; `conversion` takes the notes' parameters to the library's and back; `spec` and
`network` define what the library's layers compute, with layers, directions, lengths and resets. The
others serve these: `activations`, `gates` and `arrays` the cells, `checks` the network.
"""

from .activations import activate, activate_backward, log_softmax, sigmoid, softmax
from .adaptive import (
    adaptive_cross_entropy,
    adaptive_cross_entropy_backward,
    adaptive_log_softmax,
)
from .arrays import one_hot
from .attention import (
    additive_attention,
    additive_attention_backward,
    dot_attention,
    dot_attention_backward,
)
from .cell import CELLS
from .conversion import (
    gru_parameters,
    gru_state_dict,
    input_gradients,
    input_parameters,
    lstm_parameters,
    lstm_state_dict,
    rnn_parameters,
    rnn_state_dict,
    state_dict_gradients,
)
from .crf import (
    crf_loss,
    crf_loss_backward,
    crf_marginals,
    crf_partial_loss,
    crf_score,
    crf_viterbi,
)
from .ctc import ctc, ctc_beam
from .gru import (
    gru_step,
    gru_step_backward,
    reset_after_gru_step,
    reset_after_gru_step_backward,
    simplified_gru_step,
    simplified_gru_step_backward,
)
from .heads import (
    bidirectional_head_step,
    bidirectional_head_step_backward,
    cross_entropy_backward,
    head_step,
    head_step_backward,
    sigmoid_cross_entropy,
    softmax_cross_entropy,
)
from .ind_rnn import ind_rnn_step, ind_rnn_step_backward
from .layer_norm import layer_norm, layer_norm_gru_step, layer_norm_lstm_step
from .lstm import lstm_step, lstm_step_backward
from .min_gru import min_gru_step, min_gru_step_backward
from .min_lstm import min_lstm_step, min_lstm_step_backward
from .mlstm import mlstm_backward, mlstm_forward, mlstm_step, mlstm_step_backward
from .network import NetworkCache, network_backward, network_forward
from .qrnn import qrnn_step, qrnn_step_backward
from .rnn import rnn_step, rnn_step_backward
from .sequences import gru_forward, lstm_forward, rnn_forward
from .slstm import slstm_backward, slstm_forward, slstm_step, slstm_step_backward
from .spec import NetworkSpec, random_parameters
from .sru import sru_step, sru_step_backward

__all__ = [
    "CELLS",
    "NetworkCache",
    "NetworkSpec",
    "activate",
    "activate_backward",
    "adaptive_cross_entropy",
    "adaptive_cross_entropy_backward",
    "adaptive_log_softmax",
    "additive_attention",
    "additive_attention_backward",
    "bidirectional_head_step",
    "bidirectional_head_step_backward",
    "crf_loss",
    "crf_loss_backward",
    "crf_marginals",
    "crf_partial_loss",
    "crf_score",
    "crf_viterbi",
    "cross_entropy_backward",
    "ctc",
    "ctc_beam",
    "dot_attention",
    "dot_attention_backward",
    "gru_forward",
    "gru_parameters",
    "gru_state_dict",
    "gru_step",
    "gru_step_backward",
    "head_step",
    "head_step_backward",
    "ind_rnn_step",
    "ind_rnn_step_backward",
    "input_gradients",
    "input_parameters",
    "layer_norm",
    "layer_norm_gru_step",
    "layer_norm_lstm_step",
    "log_softmax",
    "lstm_forward",
    "lstm_parameters",
    "lstm_state_dict",
    "lstm_step",
    "lstm_step_backward",
    "min_gru_step",
    "min_gru_step_backward",
    "min_lstm_step",
    "min_lstm_step_backward",
    "mlstm_backward",
    "mlstm_forward",
    "mlstm_step",
    "mlstm_step_backward",
    "network_backward",
    "network_forward",
    "one_hot",
    "qrnn_step",
    "qrnn_step_backward",
    "random_parameters",
    "reset_after_gru_step",
    "reset_after_gru_step_backward",
    "rnn_forward",
    "rnn_parameters",
    "rnn_state_dict",
    "rnn_step",
    "rnn_step_backward",
    "sigmoid",
    "sigmoid_cross_entropy",
    "simplified_gru_step",
    "simplified_gru_step_backward",
    "slstm_backward",
    "slstm_forward",
    "slstm_step",
    "slstm_step_backward",
    "softmax",
    "softmax_cross_entropy",
    "sru_step",
    "sru_step_backward",
    "state_dict_gradients",
]
