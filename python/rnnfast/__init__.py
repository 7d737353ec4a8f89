"""Recurrent networks on a CPU: RNN, GRU and LSTM, training and inference."""

from rnnfast._core import __version__
from rnnfast._dispatch import cpu_info, get_num_threads, set_num_threads
from rnnfast.nn.recurrent import GRU, LSTM, RNN

__all__ = ["GRU", "LSTM", "RNN", "__version__", "cpu_info", "get_num_threads", "set_num_threads"]
