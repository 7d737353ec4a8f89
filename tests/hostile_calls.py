"""Every public function that takes arrays or sizes, with arguments that it must refuse.

Run by `test_hostile_*.py` in an interpreter of its own, which a failure would end.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import rnnfast as rf
from rnnfast.nn.recurrent.base import LAYERS
from rnnfast.nn.recurrent.layers import RecurrentWithCell

HUGE = 2**20  # twice an axis of an array that no machine has memory for
N = 3


def huge(*last: int, dtype: Any = np.float32, value: Any = 0) -> Any:
    """Return ``(2**20, 2**20, *last)`` of one number: 4 TiB times ``last``, in 4 bytes."""
    return np.broadcast_to(np.asarray(value, dtype), (HUGE, HUGE, *last))


def long(*last: int, dtype: Any = np.float32) -> Any:
    """Return ``(2**40, *last)`` of zeros."""
    return np.broadcast_to(np.asarray(0, dtype), (HUGE * HUGE, *last))


CELLS: dict[str, Callable[..., Any]] = {kind.__name__: kind for kind in LAYERS.values()}


def calls_with_huge_arrays() -> Mapping[str, Callable[[], Any]]:
    linear, embedding, crf = rf.Linear(N, 4), rf.Embedding(N, 4), rf.CRF(N)
    adaptive = rf.AdaptiveSoftmax(N, 9, [3])
    dot, additive = rf.DotAttention(N, N), rf.AdditiveAttention(N, N, N)
    small = np.zeros((2, 2, N), np.float32)
    drop, variational, rows = rf.Dropout(), rf.VariationalDropout(), rf.EmbeddingDropout()
    calls: dict[str, Callable[[], Any]] = {
        "Linear": lambda: linear(huge(N)),
        "Linear, one stride": lambda: linear(np.broadcast_to(small[0, 0], (2**40, N))),
        "Linear backprop": lambda: linear.forward(small)[1](huge(4)),
        "Embedding": lambda: embedding(huge(dtype=np.int64)),
        "Embedding, int8": lambda: embedding(huge(dtype=np.int8)),
        "Embedding forward": lambda: embedding.forward(huge(dtype=np.int64)),
        "cross_entropy": lambda: rf.cross_entropy(huge(N), huge(dtype=np.int64)),
        "cross_entropy, weights": lambda: rf.cross_entropy(
            huge(N), huge(dtype=np.int64), weights=huge(), reduction="sum"
        ),
        "linear_cross_entropy": lambda: rf.linear_cross_entropy(
            linear, huge(N), huge(dtype=np.int64), reduction="sum"
        ),
        "mse": lambda: rf.mse(huge(N), huge(N)),
        "l1": lambda: rf.l1(huge(N), huge(N)),
        "bce": lambda: rf.binary_cross_entropy_with_logits(huge(N), huge(N)),
        "softmax": lambda: rf.softmax(huge(N)),
        "log_softmax": lambda: rf.log_softmax(huge(N)),
        "ctc_loss": lambda: rf.ctc_loss(long(1, N), [[1]]),
        "ctc_greedy": lambda: rf.generation.ctc_greedy(long(1, N)),
        "ctc_beam": lambda: rf.generation.ctc_beam(long(1, N)),
        "Dropout": lambda: drop.forward(huge(N)),
        "Dropout backprop": lambda: drop.forward(huge(N))[1](huge(N)),
        "VariationalDropout": lambda: variational.forward(huge(N)),
        "EmbeddingDropout": lambda: rows.forward(huge(N), huge(dtype=np.int64)),
        "draw": lambda: rf.generation.draw(long(N)),
        "AdaptiveSoftmax loss": lambda: adaptive.loss(huge(N), huge(dtype=np.int64)),
        "AdaptiveSoftmax": lambda: adaptive.log_prob(huge(N)),
        "CRF loss": lambda: crf.loss(huge(N), huge(dtype=np.int64)),
        "CRF decode": lambda: crf.decode(long(1, N)),
        "CRF marginals": lambda: crf.marginals(long(1, N)),
        "DotAttention": lambda: dot(long(1, N), long(1, N)),
        "AdditiveAttention": lambda: additive(long(1, N), long(1, N)),
        "attention's keys": lambda: additive.keys(long(1, N)),
        "activation_penalty": lambda: rf.nn.activation_penalty(huge(N), 1.0),
        "slowness_penalty": lambda: rf.nn.temporal_activation_penalty(huge(N), 1.0),
        "embedding of sample": lambda: rf.sample(
            rf.GRU(N, N).stream(), rf.Linear(N, N), max_length=2**60
        ),
        "assign": lambda: linear.parameters()["weight"].assign(long(N)),
    }
    for name, cell in CELLS.items():
        layer, first = cell(N, 4), cell(N, 4, batch_first=True)
        state = long(1, 4)  # of 2**40 layers, or sequences
        calls |= {
            f"{name}, x": lambda layer=layer: layer(huge(N)),
            f"{name}, rows": lambda layer=layer: layer(huge(N, value=small[0, 0])),
            f"{name}, indices": lambda layer=layer: layer(huge(dtype=np.int64)),
            f"{name}, bytes": lambda layer=layer: layer(huge(dtype=np.uint8)),
            f"{name}, forward": lambda layer=layer: layer.forward(huge(N)),
            f"{name}, batch first": lambda first=first: first.forward(huge(N)),
            f"{name}, recompute": lambda layer=layer: layer.forward(huge(N), recompute=True),
            f"{name}, lengths": lambda layer=layer: layer(small, lengths=long(dtype=np.int64)),
            f"{name}, reset": lambda layer=layer: layer(small, reset=huge(dtype=np.bool_)),
            f"{name}, state": lambda layer=layer, state=state: layer(
                small, (state, state) if isinstance(layer, RecurrentWithCell) else state
            ),
            f"{name}, dy": lambda layer=layer: layer.forward(small)[1](huge(4)),
            f"{name}, run": lambda layer=layer: layer.stream(1).run(long(1, N)),
            f"{name}, step": lambda layer=layer: layer.stream(2)(long(N)),
            f"{name}, out": lambda layer=layer: layer.stream(2)(small[0], long(4)),
        }
    return calls


def sizes_that_nobody_has() -> Mapping[str, Callable[[], Any]]:
    most = 2**63 - 1
    calls: dict[str, Callable[[], Any]] = {
        "Linear": lambda: rf.Linear(2**40, 2**40),
        "Linear, wrapping": lambda: rf.Linear(2**32, 2**32),
        "Linear, most": lambda: rf.Linear(most, most),
        "Embedding": lambda: rf.Embedding(2**40, 2**20),
        "Embedding, sparse": lambda: rf.Embedding(2**40, 2**20, sparse=True),
        "TiedEmbedding": lambda: rf.TiedEmbedding(2**40, 2**20),
        "AdaptiveSoftmax": lambda: rf.AdaptiveSoftmax(2**20, 2**40, [9]),
        "CRF": lambda: rf.CRF(2**30),
        "CRF, wrapping": lambda: rf.CRF(2**32),
        "DotAttention": lambda: rf.DotAttention(2**30, 2**30),
        "AdditiveAttention": lambda: rf.AdditiveAttention(2, 2, 2**50),
        "beam": lambda: rf.generation.ctc_beam(np.zeros((50, 1, 9)), beam_size=2**60),
        "sample": lambda: rf.sample(rf.GRU(N, N).stream(), rf.Linear(N, N), max_length=most),
    }
    for name, cell in CELLS.items():
        calls |= {
            f"{name}, hidden": lambda cell=cell: cell(4, 2**40),
            f"{name}, hidden, both": lambda cell=cell: cell(4, 2**32, bidirectional=True),
            f"{name}, input": lambda cell=cell: cell(2**45, 4),
            f"{name}, layers": lambda cell=cell: cell(4, 5, num_layers=2**31),
            f"{name}, most layers": lambda cell=cell: cell(4, 5, num_layers=most),
            f"{name}, more": lambda cell=cell: cell(most, most, most),
        }
        for batch in (most, 2**62, 2**48, 2**40):
            calls[f"{name}, stream {batch}"] = lambda cell=cell, batch=batch: cell(4, 5).stream(
                batch
            )
    calls["projection"] = lambda: rf.LSTM(4, 2**40, proj_size=2**39)
    return calls


def refused(table: Callable[[], Mapping[str, Callable[[], Any]]]) -> None:
    """Print for each call of a table what it raised."""
    sys.setswitchinterval(1e-3)
    for name, call in table().items():
        print(f"{name}: ", end="", flush=True)
        try:
            call()
        except (MemoryError, ValueError, TypeError) as error:
            print(type(error).__name__, "|", str(error).replace("\n", " "), flush=True)
        else:
            print("nothing", flush=True)
