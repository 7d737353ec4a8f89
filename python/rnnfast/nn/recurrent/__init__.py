"""Recurrent layers: their arguments, passes and streams."""

from rnnfast import _renamed

# All of them, in the order in which `base.LAYERS` names them.
# isort: off
from rnnfast.nn.recurrent.layers import GRU, LSTM, RNN
from rnnfast.nn.recurrent.ind_rnn import IndRNN
from rnnfast.nn.recurrent.minimal import MinGRU, MinLSTM
from rnnfast.nn.recurrent.sru import SRU
from rnnfast.nn.recurrent.qrnn import QRNN
from rnnfast.nn.recurrent.layer_norm import LayerNormGRU, LayerNormLSTM

# Of states of their own, which models do not take.
from rnnfast.nn.recurrent.mlstm import MLSTM
from rnnfast.nn.recurrent.slstm import SLSTM
# isort: on

__all__ = [
    "GRU",
    "LSTM",
    "MLSTM",
    "QRNN",
    "RNN",
    "SLSTM",
    "SRU",
    "IndRNN",
    "LayerNormGRU",
    "LayerNormLSTM",
    "MinGRU",
    "MinLSTM",
]


def __getattr__(name: str) -> object:
    return _renamed.attribute(__name__, name)
