"""Recurrent networks on a CPU: RNN, GRU and LSTM, training and inference."""

from rnnfast._core import __version__
from rnnfast._dispatch import cpu_info, get_num_threads, set_num_threads
from rnnfast.clipping import clip_grad_norm, clip_grad_value, scale_grad
from rnnfast.ctc_decoding import ctc_beam, ctc_greedy
from rnnfast.decoding import draw, sample
from rnnfast.models.base import load
from rnnfast.models.classifier import SequenceClassifier
from rnnfast.models.ctc_recognizer import CTCRecognizer
from rnnfast.models.forecaster import Forecaster
from rnnfast.models.language_model import LanguageModel
from rnnfast.models.regressor import SequenceRegressor
from rnnfast.models.seq2seq import Seq2Seq
from rnnfast.nn.attention import AdditiveAttention, DotAttention
from rnnfast.nn.ctc import ctc_loss
from rnnfast.nn.dropout import Dropout
from rnnfast.nn.embedding import Embedding
from rnnfast.nn.linear import Linear
from rnnfast.nn.losses import (
    binary_cross_entropy_with_logits,
    cross_entropy,
    l1,
    linear_cross_entropy,
    log_softmax,
    mse,
    softmax,
)
from rnnfast.nn.recurrent import GRU, LSTM, RNN
from rnnfast.optim import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop
from rnnfast.schedules import ChainLR, CosineLR, ExponentialLR, ReduceOnPlateau, StepLR, WarmupLR
from rnnfast.text.vocabulary import Vocabulary

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "AdditiveAttention",
    "CTCRecognizer",
    "ChainLR",
    "CosineLR",
    "DotAttention",
    "Dropout",
    "Embedding",
    "ExponentialLR",
    "Forecaster",
    "LanguageModel",
    "Linear",
    "Optimizer",
    "RMSprop",
    "ReduceOnPlateau",
    "Seq2Seq",
    "SequenceClassifier",
    "SequenceRegressor",
    "StepLR",
    "Vocabulary",
    "WarmupLR",
    "__version__",
    "binary_cross_entropy_with_logits",
    "clip_grad_norm",
    "clip_grad_value",
    "cpu_info",
    "cross_entropy",
    "ctc_beam",
    "ctc_greedy",
    "ctc_loss",
    "draw",
    "get_num_threads",
    "l1",
    "linear_cross_entropy",
    "load",
    "log_softmax",
    "mse",
    "sample",
    "scale_grad",
    "set_num_threads",
    "softmax",
]
