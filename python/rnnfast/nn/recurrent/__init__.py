"""Recurrent layers: their arguments, passes and streams."""

from rnnfast.nn.recurrent.layers import GRU, LSTM, RNN

__all__ = ["GRU", "LSTM", "RNN"]
