"""How well a language model foresees a text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from rnnfast.data.batches import Batch, SentenceBatch
from rnnfast.metrics._texts import perplexity_of
from rnnfast.models.parts.token_network import TokenNetwork
from rnnfast.nn.module import Array


class Evaluation(NamedTuple):
    """How well a model foresees a text.

    Attributes
    ----------
    log_prob : float
        The sum of ``log P(y<t> | y<1> ... y<t-1>)`` over all tokens, in nats.
    num_tokens : int
        How many tokens that were, with ``lines`` the ``<EOS>`` of each line counted.
    """

    log_prob: float
    num_tokens: int

    @property
    def loss(self) -> float:
        """Nats a token."""
        return -self.log_prob / self.num_tokens

    @property
    def perplexity(self) -> float:
        """``exp(loss)``: among how many equally likely tokens the model is in doubt on average."""
        return perplexity_of(self.loss)


def score(
    network: TokenNetwork,
    batches: Iterable[Batch],
    carry_state: bool,
    condition: Array | None = None,
) -> Evaluation:
    """Score batches, each from a zero state or with ``carry_state`` from where the last ended.

    ``condition`` holds what each sentence is conditioned on, by its number.
    """
    log_prob, count, state = 0.0, 0, None
    for batch in batches:
        loss, after = network.loss(batch, state, condition_of(batch, condition))
        state = after if carry_state else None
        log_prob -= loss
        count += batch.num_targets
    return Evaluation(log_prob, count)


def condition_of(batch: Batch, condition: Array | None) -> Array | None:
    """Return what the sentences of a batch are conditioned on."""
    if condition is None:
        return None
    assert isinstance(batch, SentenceBatch)
    return condition[batch.sentences]
