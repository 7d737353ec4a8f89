"""One of everything that can be made: for tests of what all layers and objects have in common."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import rnnfast as rf
from rnnfast.nn.compose import Bidirectional, Chain, Concatenate, Container, Residual
from rnnfast.nn.crf import Constraints
from rnnfast.nn.dropout import RandomDrop
from rnnfast.nn.module import Module
from rnnfast.nn.recurrent.base import LAYERS as ALL_RECURRENT

RNG = np.random.default_rng(0)
X = RNG.normal(size=(5, 2, 3)).astype(np.float32)  # (T, B, I)
TAGS = RNG.integers(0, 3, size=(5, 2))
RULES = Constraints(
    np.array([True, True, False]), np.eye(3, dtype=np.bool_) | (np.arange(3) == 0), np.ones(3, bool)
)

Make = Callable[[], Any]

RECURRENT: dict[str, Make] = {
    **{name: partial(kind, 3, 4, seed=1) for name, kind in ALL_RECURRENT.items()},
    "RNN": lambda: rf.RNN(3, 4, seed=1),
    "RNN relu": lambda: rf.RNN(3, 4, 2, nonlinearity="relu", bias=False, batch_first=True, seed=1),
    "GRU": lambda: rf.GRU(3, 4, 2, bidirectional=True, seed=1),
    "GRU reset before": lambda: rf.GRU(3, 4, reset_after=False, seed=1),
    "GRU simple": lambda: rf.GRU(3, 4, reset_gate=False, dtype="float64", seed=1),
    "LSTM": lambda: rf.LSTM(3, 4, 2, dropout=0.5, variational=True, seed=1),
    "LSTM projected": lambda: rf.LSTM(3, 4, 2, dropout=0.5, proj_size=2, peephole=True, seed=1),
    "LSTM of the notes": lambda: rf.LSTM(3, 4, peephole="previous", bidirectional=True, seed=1),
    "LayerNormGRU": lambda: rf.LayerNormGRU(3, 4, 2, zoneout=0.3, dropout=0.5, seed=1),
    "LayerNormLSTM": lambda: rf.LayerNormLSTM(
        3, 4, zoneout=(0.2, 0.4), recurrent_dropout=0.3, bidirectional=True, seed=1
    ),
    "QRNN": lambda: rf.QRNN(3, 4, 2, pooling="ifo", width=2, batch_first=True, seed=1),
    "SRU": lambda: rf.SRU(3, 4, 2, bidirectional=True, highway_bias=-1.0, rescale=False, seed=1),
    "LSTM with zoneout": lambda: rf.LayerNormLSTM(3, 4, layer_norm=False, zoneout=0.1, seed=1),
}
LAYERS: dict[str, Make] = {
    **RECURRENT,
    "MLSTM": lambda: rf.MLSTM(3, 4, num_heads=2, forget_gate="exponential", seed=1),
    "SLSTM": lambda: rf.SLSTM(3, 4, num_heads=2, bias=False, seed=1),
    "Linear": lambda: rf.Linear(3, 4, seed=1),
    "Linear without bias": lambda: rf.Linear(3, 4, bias=False, dtype="float64", seed=1),
    "Embedding": lambda: rf.Embedding(6, 4, padding_idx=0, seed=1),
    "Embedding sparse": lambda: rf.Embedding(6, 4, padding_idx=1, sparse=True, seed=1),
    "TiedEmbedding": lambda: rf.TiedEmbedding(6, 4, out_features=3, seed=1),
    "CRF": lambda: rf.CRF(3, seed=1),
    "CRF constrained": lambda: rf.CRF(3, constraints=RULES, dtype="float64", seed=1),
    "AdaptiveSoftmax": lambda: rf.AdaptiveSoftmax(3, 9, (2, 5), 2.0, True, seed=1),
    "DotAttention": lambda: rf.DotAttention(3, 3, seed=1),
    "DotAttention plain": lambda: rf.DotAttention(3, 3, general=False, seed=1),
    "AdditiveAttention": lambda: rf.AdditiveAttention(3, 3, 5, seed=1),
    "Dropout": lambda: rf.Dropout(0.5, seed=1),
    "VariationalDropout": lambda: rf.VariationalDropout(0.5, time_axis=1, seed=1),
    "EmbeddingDropout": lambda: rf.EmbeddingDropout(0.5, seed=1),
    "Activation": lambda: rf.Activation("tanh"),
    "Pooling": lambda: rf.Pooling("concat"),
    "Window": lambda: rf.Window(3),
    "SelfAttention": lambda: rf.SelfAttention(rf.DotAttention(3, 3, seed=1)),
    "AttentionPooling": lambda: rf.AttentionPooling(rf.AdditiveAttention(4, 3, 5, seed=1), seed=2),
    "chain": lambda: rf.chain(rf.GRU(3, 4, seed=1), rf.Dropout(0.5, seed=2), rf.Linear(4, 2)),
    "concatenate": lambda: rf.concatenate(rf.Linear(3, 2, seed=1), rf.GRU(3, 4, seed=1)),
    "residual": lambda: rf.residual(rf.LSTM(3, 3, seed=1)),
    "bidirectional": lambda: rf.bidirectional(rf.LayerNormLSTM(3, 4, zoneout=0.3, seed=1)),
}
# Parts that take and give one array, and have no state.
PARTS = (Container, rf.Activation, rf.Pooling, rf.SelfAttention, rf.AttentionPooling)

OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "SGD": lambda p: rf.SGD(p, 0.1, momentum=0.9, nesterov=True),
    "Adam": lambda p: rf.Adam(p, 0.1, betas=(0.8, 0.9)),
    "AdamW": lambda p: rf.AdamW(p, 0.1),
    "RMSprop": lambda p: rf.RMSprop(p, 0.1, centered=True, momentum=0.5),
    "Adagrad": lambda p: rf.Adagrad(p, 0.1, lr_decay=0.1),
}


def kinds(*bases: type) -> set[type]:
    """Return the public classes that derive from one of these."""
    homes = (rf, rf.generation, rf.nn, rf.training)
    found = {getattr(home, name) for home in homes for name in home.__all__}
    return {kind for kind in found if isinstance(kind, type) and issubclass(kind, bases)}


LAYER_KINDS = {Chain, Concatenate, Residual, Bidirectional, *kinds(Module)} - {
    rf.Module,
    rf.WeightDrop,  # a context on a layer
}


def forward(layer: Any) -> tuple[Any, Callable[..., Any]]:
    """Run a training pass; return the output and what takes its gradient."""
    x = X if isinstance(layer, (RandomDrop, rf.Window, *PARTS)) else X.astype(layer.dtype)
    if isinstance(layer, rf.Embedding):
        y, back = layer.forward(TAGS)
    elif isinstance(layer, (rf.DotAttention, rf.AdditiveAttention)):
        (y, _), back = layer.forward(x, x)
    elif isinstance(layer, rf.EmbeddingDropout):
        y, back = layer.forward(x, TAGS)
    elif isinstance(layer, (RandomDrop, rf.Linear, *PARTS)):
        y, back = layer.forward(x)
    else:
        (y, _), back = layer.forward(x)
    return y, back


def train(layer: Any) -> list[Any]:
    """Run a training pass through a layer, adding to its gradients; return all that it gives."""
    if isinstance(layer, rf.TiedEmbedding):
        x, back = layer.forward(TAGS)
        scores, to_x = layer.linear.forward(x)
        back(to_x(np.ones_like(scores)))
        return [x, scores]
    if isinstance(layer, rf.CRF):
        return list(layer.loss(X.astype(layer.dtype), np.zeros_like(TAGS)))
    if isinstance(layer, rf.AdaptiveSoftmax):
        return list(layer.loss(X.astype(layer.dtype), TAGS))
    y, back = forward(layer)
    return [y, back(np.ones_like(y))]


def ask(layer: Any) -> list[Any]:
    """Return what a layer gives where nothing is drawn and nothing is kept."""
    if isinstance(layer, rf.Embedding):
        return [layer(TAGS)]
    if isinstance(layer, rf.CRF):
        x = X.astype(layer.dtype)
        return [layer.decode(x), layer.marginals(x)]
    if isinstance(layer, rf.AdaptiveSoftmax):
        x = X.astype(layer.dtype)
        return [layer.log_prob(x), layer.predict(x)]
    if isinstance(layer, (rf.DotAttention, rf.AdditiveAttention)):
        return list(layer(X, X))
    if isinstance(layer, PARTS):
        return [layer(X)]
    if isinstance(layer, RandomDrop):
        return [layer.p, vars(layer).get("time_axis")]
    x = X if isinstance(layer, rf.Window) else X.astype(layer.dtype)
    return [layer(x)] if isinstance(layer, rf.Linear) else [layer(x)[0]]


def same(left: Any, right: Any) -> bool:
    """Return whether two answers, lists of arrays and others, are the same bit by bit."""
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[k], right[k]) for k in left)
    if isinstance(left, np.ndarray):
        return left.dtype == right.dtype and left.tobytes() == right.tobytes()
    return bool(left == right)
