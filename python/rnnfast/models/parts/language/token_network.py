"""The network of a language model: token ids in, the next token's probabilities out; scores."""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any

import numpy as np

from rnnfast.data.batches import Batch, Ints, SentenceBatch
from rnnfast.generation import sampling
from rnnfast.metrics._texts import perplexity_of
from rnnfast.models.parts.hyperparameters import LayerOptions
from rnnfast.models.parts.language.line_weights import number_of_targets, weights_of_columns
from rnnfast.models.parts.language.token_output import (
    TokenOutput,
    make_output,
    token_log_probabilities,
    token_loss,
    token_probabilities,
)
from rnnfast.models.parts.networks.encoder import EncoderLayers
from rnnfast.models.parts.networks.input_parts import Network
from rnnfast.nn import penalties
from rnnfast.nn.dropout_masks import WeightDrop
from rnnfast.nn.embedding import Embedding
from rnnfast.nn.linear import Linear
from rnnfast.nn.module import Array
from rnnfast.nn.recurrent.base import State
from rnnfast.nn.tied import TiedEmbedding
from rnnfast.training.ranks import measuring_ranks, share

# The target that losses ignore by default.
_IGNORED = -100


class TokenNetwork(Network):
    """Tokens or their embeddings, recurrent layers, an output layer with its softmax.

    Before the first token the input is a vector of zeros, ``x<1> = 0``. Batches of ids say it with
    an id of its own, `start`: the column of the first layer's weights that belongs to it, or its
    embedding, is zero and stays so.

    Parameters
    ----------
    num_tokens : int
        V, how many tokens there are.
    layers : LayerOptions
        Embeddings and layers.
    rng, embedding_dropout, condition
        As `EncoderLayers` takes them.
    weight_drop : float
        Probability of `WeightDrop` on the recurrent weights.
    activation_penalty, slowness_penalty : float
        The weights of those, on the last layer's outputs.
    label_smoothing : float
        Of the loss of `add_gradients`, as `linear_cross_entropy` takes it.
    mixed_precision : bool
        Whether `add_gradients` rounds the output layer's products, as `linear_cross_entropy` does.
    tie_weights : bool
        Whether the embeddings are the weights of the output layer too; see `TiedEmbedding`.
    cutoffs : tuple of int, optional
        Where an `AdaptiveSoftmax` cuts the tokens; None: the output layer scores all of them.

    Attributes
    ----------
    start : int
        The id that stands for no token, V.
    """

    def __init__(
        self,
        num_tokens: int,
        layers: LayerOptions,
        *,
        rng: np.random.Generator,
        embedding_dropout: float = 0.0,
        weight_drop: float = 0.0,
        activation_penalty: float = 0.0,
        slowness_penalty: float = 0.0,
        label_smoothing: float = 0.0,
        mixed_precision: bool = False,
        tie_weights: bool = False,
        cutoffs: tuple[int, ...] | None = None,
        condition: Embedding | Linear | None = None,
    ) -> None:
        if tie_weights and layers.embedding_size is None:
            raise ValueError("tie_weights: expected an embedding_size with it, got None")
        self.start = num_tokens
        self.encoder = EncoderLayers(
            num_tokens + 1,
            layers,
            tokens=True,
            rng=rng,
            blank=self.start,
            embedding_dropout=embedding_dropout,
            tied=num_tokens if tie_weights else None,
            condition=condition,
        )
        self.embedding, self.recurrent = self.encoder.embedding, self.encoder.recurrent
        size = self.encoder.output_size
        if isinstance(self.embedding, TiedEmbedding):
            if size != layers.embedding_size:
                raise ValueError(
                    f"tie_weights: expected embedding_size {size}, the size of the layers' "
                    f"outputs, got {layers.embedding_size}"
                )
            self.output: TokenOutput = self.embedding.linear
        else:
            self.output = make_output(size, num_tokens, cutoffs, layers.dtype, rng)
        self._weight_drop: WeightDrop | None = None
        if weight_drop != 0:
            if not any(name.startswith("weight_hh_") for name in self.recurrent.parameters()):
                raise ValueError(
                    f"weight_drop: expected 0 with the cell {layers.cell}, which has no recurrent "
                    f"weights, got {weight_drop}"
                )
            self._weight_drop = WeightDrop(self.recurrent, weight_drop, seed=rng)
        self._activation_penalty, self._slowness_penalty = activation_penalty, slowness_penalty
        self._label_smoothing, self._mixed_precision = label_smoothing, mixed_precision

    def add_gradients(
        self,
        batch: Batch,
        state: State,
        condition: Array | None = None,
        weights: Array | None = None,
    ) -> tuple[float, State]:
        """Add the gradients of the summed loss of one batch, and of the penalties.

        Parameters
        ----------
        batch : Batch
            Ids; the inputs may be `start`.
        state : ndarray or pair of ndarray, optional
            The recurrent layers' initial state, to which no gradient flows; None: zero.
        condition : ndarray, optional
            What each column of the batch is conditioned on, as its layer takes it.
        weights : ndarray, optional
            How much each token counts, ``(T, B)``; None: 1.

        Returns
        -------
        loss : float
            The sum of ``-log P(target)`` in nats, without the penalties.
        state
            The final state.
        """
        inputs, targets, lengths = _effective(batch)
        with self._weight_drop or nullcontext():
            (h, state), backprop = self.encoder.forward(inputs, state, lengths, condition=condition)
            loss, dh = token_loss(
                self.output,
                h,
                targets,
                weights=weights,
                label_smoothing=self._label_smoothing,
                mixed_precision=self._mixed_precision,
            )
            assert dh is not None
            if self._activation_penalty:
                dh += penalties.activation_penalty(h, self._activation_penalty, lengths)[1]
            if self._slowness_penalty:
                dh += penalties.temporal_activation_penalty(h, self._slowness_penalty, lengths)[1]
            backprop(dh)
        return loss, state

    def loss(
        self,
        batch: Batch,
        state: State,
        condition: Array | None = None,
        weights: Array | None = None,
    ) -> tuple[float, State]:
        """Return what `add_gradients` does, without gradients and dropout."""
        inputs, targets, lengths = _effective(batch)
        h, state = self.encoder(inputs, state, lengths, condition=condition)
        loss, _ = token_loss(self.output, h, targets, weights=weights, backward=False)
        return loss, state

    def step(self, ids: Ints, state: State = None) -> tuple[Array, State]:
        """Read one token of each of n texts.

        Parameters
        ----------
        ids : ndarray of int64, shape (n,)
            Tokens, or `start`.
        state : ndarray or pair of ndarray, optional
            Where each text stands; None: at zero.

        Returns
        -------
        log_probs : ndarray, shape (n, V)
            ``log P`` of each token to be the next one.
        state : ndarray or pair of ndarray
            Where each stands now.
        """
        h, state = self.encoder(ids[np.newaxis], state)
        return token_log_probabilities(self.output, h[-1]), state

    def next_probabilities(self, ids: Array, condition: Array | None = None) -> Array:
        """Return the probability of each token after ``ids`` (T,), from zero state and input."""
        inputs = np.concatenate([[self.start], ids])[:, np.newaxis]
        h, _ = self.encoder(inputs, condition=condition)
        probabilities: Array = token_probabilities(self.output, h[-1])[0]
        return probabilities

    def sample(
        self, n: int, prefix: Ints, condition: Array | None = None, **options: Any
    ) -> list[Ints]:
        """Draw n sequences that begin with a prefix ``(T,)`` of ids, from zero state and input.

        Parameters
        ----------
        n : int
            How many.
        prefix : ndarray of int
            Ids; it is not part of what is returned.
        condition : ndarray, optional
            What all of them are conditioned on, a batch of one.
        **options
            Further arguments of `rnnfast.generation.sampling.sample`.
        """
        if condition is None:
            start: dict[str, Any] = {"embedding": self.embedding, "prefix": prefix}
        else:  # the first input is no vector of zeros: the condition stands in it
            start = {
                "embedding": self.input_table(condition),
                "prefix": np.concatenate([[self.start], prefix]),
                "zero_first": False,
            }
        return sampling.sample(self.recurrent.stream(n), self.output, **start, **options)

    def input_table(self, condition: Array) -> Embedding:
        """Return an embedding that gives the whole input of each token under one condition."""
        tokens = np.arange(self.start + 1)[:, np.newaxis]
        rows = self.encoder.inputs(tokens, condition)[:, 0]
        table = Embedding(*rows.shape, dtype=str(rows.dtype))
        table.parameters()["weight"].assign(rows)
        return table


def _effective(batch: Batch) -> tuple[Array, Array, Array | None]:
    """Return inputs, targets that are ignored past a length, and lengths if any is short."""
    inputs, targets, lengths = batch
    if (lengths == len(inputs)).all():
        return inputs, targets, None
    return inputs, np.where(batch.mask, targets, _IGNORED), lengths


class Evaluation(dict[str, float]):
    """How well a model foresees a text: figures by name, which are attributes too.

    Attributes
    ----------
    loss : float
        Nats a token.
    perplexity : float
        ``exp(loss)``: among how many equally likely tokens the model is in doubt on average.
    log_prob : float
        The sum of ``log P(y<t> | y<1> ... y<t-1>)`` over all tokens, in nats.
    num_tokens : int
        How many tokens that were, with ``lines`` the ``<EOS>`` of each line counted. With weights
        of lines a float: each token counts as much as its line does.
    """

    @classmethod
    def of(cls, log_prob: float, num_tokens: float) -> Evaluation:
        """Return that of so many tokens."""
        loss = -log_prob / num_tokens if num_tokens else math.nan
        return cls(
            loss=loss, perplexity=perplexity_of(loss), log_prob=log_prob, num_tokens=num_tokens
        )

    @property
    def loss(self) -> float:
        """Nats a token."""
        return self["loss"]

    @property
    def perplexity(self) -> float:
        """``exp(loss)``."""
        return self["perplexity"]

    @property
    def log_prob(self) -> float:
        """The sum over all tokens, in nats."""
        return self["log_prob"]

    @property
    def num_tokens(self) -> float:
        """How many tokens there are, each as much as its line counts."""
        return self["num_tokens"]


def score(
    network: TokenNetwork,
    batches: Iterable[Batch],
    carry_state: bool,
    condition: Array | None = None,
    weights: Array | None = None,
) -> Evaluation:
    """Score batches, each from a zero state or with ``carry_state`` from where the last ended.

    ``condition`` holds what each sentence is conditioned on, by its number, ``weights`` how much it
    counts. Where several validate,
    each has batches or, with ``carry_state``, streams of its own.
    """
    log_prob, count, state = 0.0, 0.0, None
    ranks = measuring_ranks()
    for number, batch in enumerate(batches):
        if carry_state:
            rows = slice(*share(len(batch.lengths), ranks.rank, ranks.size))
            batch = columns_of(batch, rows) if ranks.several else batch
        if not (len(batch.lengths) if carry_state else ranks.turns(number)):
            continue
        given, each = condition_of(batch, condition), weights_of_columns(batch, weights)
        loss, after = network.loss(batch, state, given, each)
        state = after if carry_state else None
        log_prob -= loss
        count += number_of_targets(batch, weights)
    log_prob, count = ranks.total(log_prob, count)
    return Evaluation.of(log_prob, int(count) if weights is None else count)


def columns_of(batch: Batch, rows: slice) -> Batch:
    """Return some columns of a batch."""
    inputs, targets, lengths = batch
    part = type(batch)(
        np.ascontiguousarray(inputs[:, rows]), np.ascontiguousarray(targets[:, rows]), lengths[rows]
    )
    if isinstance(batch, SentenceBatch) and isinstance(part, SentenceBatch):
        part.sentences = batch.sentences[rows]
    return part


def condition_of(batch: Batch, condition: Array | None) -> Array | None:
    """Return what the sentences of a batch are conditioned on."""
    if condition is None:
        return None
    assert isinstance(batch, SentenceBatch)
    return condition[batch.sentences]
