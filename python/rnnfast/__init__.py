"""Recurrent networks on a CPU: RNN, GRU and LSTM, training and inference."""

import sys
from typing import TYPE_CHECKING

# isort: off
from rnnfast import _interrupts  # noqa: F401  # first, for the command
from rnnfast import _subinterpreters  # noqa: F401  # before what is compiled
# isort: on

from rnnfast import _renamed, data, generation, nn, text, training
from rnnfast._checks.calls import explain_packages
from rnnfast._core import __version__
from rnnfast._dispatch import cpu_info, get_num_threads, set_num_threads
from rnnfast._imports import import_late
from rnnfast.generation.sampling import sample
from rnnfast.io.saving import load, save
from rnnfast.metrics import character_error_rate, word_error_rate
from rnnfast.nn.activation import Activation
from rnnfast.nn.adaptive import AdaptiveSoftmax
from rnnfast.nn.attention import AdditiveAttention, DotAttention
from rnnfast.nn.attention_parts import AttentionPooling, SelfAttention
from rnnfast.nn.compose import bidirectional, chain, concatenate, residual
from rnnfast.nn.crf import CRF
from rnnfast.nn.ctc import ctc_loss
from rnnfast.nn.dropout import Dropout
from rnnfast.nn.dropout_masks import EmbeddingDropout, VariationalDropout, WeightDrop
from rnnfast.nn.embedding import Embedding
from rnnfast.nn.ensemble import Ensemble
from rnnfast.nn.fuse import fuse
from rnnfast.nn.linear import Linear
from rnnfast.nn.losses import (
    cross_entropy,
    l1,
    linear_cross_entropy,
    log_softmax,
    mse,
    softmax,
)
from rnnfast.nn.module import Module
from rnnfast.nn.pooling import Pooling
from rnnfast.nn.quantize import quantize
from rnnfast.nn.recurrent.ind_rnn import IndRNN
from rnnfast.nn.recurrent.layer_norm import LayerNormGRU, LayerNormLSTM
from rnnfast.nn.recurrent.layers import GRU, LSTM, RNN
from rnnfast.nn.recurrent.minimal import MinGRU, MinLSTM
from rnnfast.nn.recurrent.mlstm import MLSTM
from rnnfast.nn.recurrent.qrnn import QRNN
from rnnfast.nn.recurrent.slstm import SLSTM
from rnnfast.nn.recurrent.sru import SRU
from rnnfast.nn.sigmoid_losses import binary_cross_entropy_with_logits
from rnnfast.nn.tied import TiedEmbedding
from rnnfast.nn.window import Window
from rnnfast.text.vocabulary import Vocabulary
from rnnfast.training.clipping import clip_grad_norm, clip_grad_value
from rnnfast.training.optimizers import SGD, Adagrad, Adam, AdamW, RMSprop
from rnnfast.training.trainer import Trainer

if TYPE_CHECKING:
    from rnnfast import diagnostics
    from rnnfast.models import (
        CTCDecoder,
        CTCRecognizer,
        Forecaster,
        LanguageModel,
        MultiLabelTagger,
        Seq2Seq,
        SequenceClassifier,
        SequenceRegressor,
        SequenceTagger,
        StepRegressor,
    )
    from rnnfast.models import Model as Model

__all__ = [
    "CRF",
    "GRU",
    "LSTM",
    "MLSTM",
    "QRNN",
    "RNN",
    "SGD",
    "SLSTM",
    "SRU",
    "Activation",
    "Adagrad",
    "Adam",
    "AdamW",
    "AdaptiveSoftmax",
    "AdditiveAttention",
    "AttentionPooling",
    "CTCDecoder",
    "CTCRecognizer",
    "DotAttention",
    "Dropout",
    "Embedding",
    "EmbeddingDropout",
    "Ensemble",
    "Forecaster",
    "IndRNN",
    "LanguageModel",
    "LayerNormGRU",
    "LayerNormLSTM",
    "Linear",
    "MinGRU",
    "MinLSTM",
    "Module",
    "MultiLabelTagger",
    "Pooling",
    "RMSprop",
    "SelfAttention",
    "Seq2Seq",
    "SequenceClassifier",
    "SequenceRegressor",
    "SequenceTagger",
    "StepRegressor",
    "TiedEmbedding",
    "Trainer",
    "VariationalDropout",
    "Vocabulary",
    "WeightDrop",
    "Window",
    "__version__",
    "bidirectional",
    "binary_cross_entropy_with_logits",
    "chain",
    "character_error_rate",
    "clip_grad_norm",
    "clip_grad_value",
    "concatenate",
    "cpu_info",
    "cross_entropy",
    "ctc_loss",
    "diagnostics",
    "fuse",
    "generation",
    "get_num_threads",
    "l1",
    "linear_cross_entropy",
    "load",
    "log_softmax",
    "mse",
    "nn",
    "quantize",
    "residual",
    "sample",
    "save",
    "set_num_threads",
    "softmax",
    "training",
    "word_error_rate",
]

# Not imported before somebody wants them: models take longer than all the rest.
_LATE = ("diagnostics", "interop", "models", "reference")
_MODELS = {"Model", *__all__} - {*globals(), *_LATE}

_renamed.install()

_own = sys.modules[__name__]
explain_packages((data, generation, nn, text, training, _own), methods_of=(Trainer, Ensemble))


def __getattr__(name: str) -> object:
    if name in _LATE:
        return import_late(f"{__name__}.{name}")
    if name in _MODELS:
        found: object = getattr(import_late(f"{__name__}.models"), name)
        globals()[name] = found
        return found
    return _renamed.attribute(__name__, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATE, *_MODELS})
