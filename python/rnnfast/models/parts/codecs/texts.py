"""Token sequences of other lengths than what they are predicted from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from rnnfast._checks import check_bool, check_int
from rnnfast._checks.arrays import read_array
from rnnfast.data.batches import Ints
from rnnfast.models.parts.codecs.base import Codec
from rnnfast.models.parts.fitting.examples import (
    Examples,
    PairBatch,
    own_scoring_batches,
    pad_batch,
    pick,
    weights_of,
)
from rnnfast.models.parts.fitting.warm_start import Axes, axes_of_rows
from rnnfast.models.parts.hyperparameters import TokenOptions
from rnnfast.models.parts.networks.seq2seq_network import Seq2SeqNetwork
from rnnfast.models.parts.reading.inputs import Inputs, TokenInputs, inputs_from_dict
from rnnfast.models.parts.reading.lists import as_item, as_list
from rnnfast.models.parts.reading.sequences import read_sequences
from rnnfast.models.parts.reading.weights import Weights
from rnnfast.nn.module import Array
from rnnfast.text._tokens import join_tokens, require_no_end
from rnnfast.text.tokenizers import Tokenizer
from rnnfast.text.vocabulary import Vocabulary, encode_each
from rnnfast.training.ranks import measuring_ranks

# What y may be, for messages.
WHAT = "a list of str or of token lists"


@dataclass(frozen=True, eq=False)
class TextCodec(Codec):
    """Base of the codecs of token sequences, or of text, which `writer` splits and joins."""

    writer: Tokenizer
    writes_text: bool = False

    of_text: ClassVar[bool] = True

    def read(self, name: str, y: Any) -> list[list[str]]:
        """Return the tokens of each y.

        Raises
        ------
        TypeError
            If it is not text or token lists.
        ValueError
            If there is nothing.
        """
        if isinstance(y, np.ndarray) and y.dtype.kind in "biuf":
            raise TypeError(f"{name}: expected {WHAT}, got numbers")
        for number, given in enumerate(as_list(name, y, WHAT)):
            item, what = as_item(f"{name}[{number}]", given), "a str or a list of str"
            if not isinstance(item, str) and not read_array(f"{name}[{number}]", item, what).ndim:
                got = type(item).__name__
                raise TypeError(f"{name}[{number}]: expected {what}, got {got}")
            if len(item) and not isinstance(item[0], str):
                got = type(item[0]).__name__
                raise TypeError(f"{name}[{number}][0]: expected a str, got {got}")
        return [list(tokens) for tokens in read_sequences(name, y, self.writer)]

    def written(self, sequences: list[list[str]]) -> list[Any]:
        """Return predicted tokens as y was in training."""
        return (
            [join_tokens(self.writer, tokens) for tokens in sequences]
            if self.writes_text
            else sequences
        )


@dataclass(frozen=True, eq=False)
class TokenCodec(TextCodec):
    """Tokens by the ids of a vocabulary of their own, which are written until ``<EOS>``.

    `max_length` is how many are written at most if it is not said.
    """

    unit: ClassVar[str] = "token"

    tokens: TokenOptions | None = None
    inputs: TokenInputs | None = None
    max_length: int = 0

    def survey(self, y: Any, targets: list[list[str]]) -> TokenCodec:
        return replace(self, writes_text=isinstance(as_list("y", y, WHAT)[0], str))

    def learn(self, targets: list[list[str]], weights: Weights | None = None) -> TokenCodec:
        assert self.tokens is not None
        learned = self.tokens.learn("y", [*targets], eos="<EOS>")
        assert isinstance(learned, TokenInputs)
        return replace(self, inputs=learned, max_length=2 * max(map(len, targets)))

    def learn_again(
        self, targets: list[list[str]], weights: Weights | None, extend: bool
    ) -> TokenCodec:
        assert self.tokens is not None and self.inputs is not None
        limits = {"max_size": self.tokens.max_vocabulary_size, "min_count": self.tokens.min_count}
        inputs = self.inputs.extended("y", [*targets], number_of_ids=0, extend=extend, **limits)
        longest = max(self.max_length, 2 * max(map(len, targets)))
        return replace(self, inputs=inputs, max_length=longest)

    def axes(self) -> Axes:
        return axes_of_rows("output", self.vocabulary.tokens)

    @property
    def vocabulary(self) -> Vocabulary:
        """The tokens and their ids."""
        assert self.inputs is not None
        return self.inputs.vocabulary

    def encode(self, name: str, targets: list[list[str]], x: object) -> list[Ints]:
        for number, tokens in enumerate(targets):
            require_no_end(f"{name}[{number}]", tokens, self.vocabulary.eos)
        return encode_each(self.vocabulary, targets)

    def terms(self, examples: Examples) -> Ints:
        """Return how many tokens each y has, its end counted."""
        return np.array([len(ids) + 1 for ids in examples.y], np.int64)

    def batch(self, examples: Examples, chosen: Ints) -> PairBatch:
        weights = weights_of(examples, chosen)
        pairs = self.pairs(pick(examples.x, chosen), pick(examples.y, chosen))
        return pairs._replace(weights=weights)

    def split(self, batch: PairBatch, rows: slice) -> PairBatch:
        x, lengths, *steps, target_lengths, weights = batch
        columns = [np.ascontiguousarray(part[:, rows]) for part in (x, *steps)]
        weights = None if weights is None else weights[rows]
        return PairBatch(
            columns[0], lengths[rows], columns[1], columns[2], target_lengths[rows], weights
        )

    def pairs(self, x: Sequence[Array], y: list[Ints]) -> PairBatch:
        """Return the batch of encoded pairs."""
        start, end = len(self.vocabulary), self.vocabulary.eos_id
        assert end is not None
        padded, lengths = pad_batch(x, np.arange(len(x)))
        target_lengths = np.array([len(ids) + 1 for ids in y], np.int64)
        targets = np.full((int(target_lengths.max()), len(y)), end, np.int64)
        for column, ids in enumerate(y):
            targets[: len(ids), column] = ids
        inputs = np.concatenate([np.full((1, len(y)), start, np.int64), targets[:-1]])
        return PairBatch(padded, lengths, inputs, targets, target_lengths)

    def measures(self) -> tuple[str, ...]:
        return ("loss", "perplexity")

    def figures(self, network: Seq2SeqNetwork, examples: Examples) -> dict[str, float]:
        loss, count = 0.0, 0.0
        for chosen, _, _ in own_scoring_batches(examples.x):
            batch = self.batch(examples, chosen)
            if batch.weights is not None:
                batch = batch._replace(weights=batch.weights.astype(network.output.dtype))
            part, terms = network.loss(batch)
            loss, count = loss + part, count + terms
        loss, count = measuring_ranks().total(loss, count)
        return {"valid_loss": loss / count}

    def baseline(self, examples: Examples) -> float:
        """Return the loss of equal chances."""
        return math.log(len(self.vocabulary))

    def to_dict(self) -> dict[str, Any]:
        assert self.inputs is not None
        return {
            "writes_text": self.writes_text,
            "targets": self.inputs.to_dict(),
            "max_length": self.max_length,
        }

    def restore(self, learned: Mapping[str, Any], inputs: Inputs) -> TokenCodec:
        given = None if self.tokens is None else self.tokens.tokenizer
        targets = inputs_from_dict(learned["targets"], given)
        assert isinstance(targets, TokenInputs)
        return replace(
            self,
            writes_text=check_bool("writes_text", learned["writes_text"]),
            inputs=targets,
            max_length=check_int("max_length", learned["max_length"], 0),
        )
