"""Token sequences of other lengths than what they are predicted from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from rnnfast._checks import check_bool, check_int, check_list
from rnnfast._checks.arrays import read_array
from rnnfast._checks.messages import shown
from rnnfast.data.batches import Ints
from rnnfast.generation.ctc import ctc_beam, ctc_greedy
from rnnfast.metrics import edit_distance
from rnnfast.models.parts.codecs.base import Codec
from rnnfast.models.parts.encoder_network import EncoderNetwork
from rnnfast.models.parts.examples import (
    ExampleBatch,
    Examples,
    PairBatch,
    own_scoring_batches,
    pad_batch,
    pick,
    scoring_batches,
    weights_of,
)
from rnnfast.models.parts.extension import require_extendable
from rnnfast.models.parts.hyperparameters import TokenOptions
from rnnfast.models.parts.inputs import Inputs, TokenInputs, inputs_from_dict
from rnnfast.models.parts.seq2seq_network import Seq2SeqNetwork
from rnnfast.models.parts.sequences import as_item, as_list, read_sequences
from rnnfast.models.parts.warm_start import Axes, axes_of_rows
from rnnfast.models.parts.weights import Weights
from rnnfast.nn.ctc import ctc_loss, needed_steps
from rnnfast.nn.module import Array
from rnnfast.text._tokens import join_tokens, require_no_end, require_strings
from rnnfast.text.tokenizers import Tokenizer
from rnnfast.text.vocabulary import Vocabulary
from rnnfast.training.ranks import measuring_ranks

# What y may be, for messages.
_WHAT = "a list of str or of token lists"


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
            raise TypeError(f"{name}: expected {_WHAT}, got numbers")
        for number, given in enumerate(as_list(name, y, _WHAT)):
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
class SymbolCodec(TextCodec):
    """Symbols by number, sorted, which a sequence says in their order."""

    symbols: tuple[str, ...] = ()

    def survey(self, y: Any, targets: list[list[str]]) -> SymbolCodec:
        """Take the symbols, also those that only what is held out has."""
        symbols = sorted({symbol for tokens in targets for symbol in tokens})
        if not symbols:
            raise ValueError("y: expected sequences with something in them, got empty ones only")
        text = isinstance(as_list("y", y, _WHAT)[0], str)
        return replace(self, writes_text=text, symbols=tuple(symbols))

    def learn(self, targets: list[list[str]], weights: Weights | None = None) -> SymbolCodec:
        """Return this: all is known."""
        return self

    def survey_again(self, targets: list[list[str]], extend: bool) -> SymbolCodec:
        said = {symbol for tokens in targets for symbol in tokens}
        new = sorted(said.difference(self.symbols))
        require_extendable("y", new, "symbols", extend)
        return replace(self, symbols=tuple(sorted([*self.symbols, *new])))

    def axes(self) -> Axes:
        return axes_of_rows("output", [*self.symbols, None])

    def encode(self, name: str, targets: list[list[str]], x: list[Array]) -> list[Ints]:
        """Return the numbers of symbols; ValueError if they do not fit their encoded sequence."""
        vocabulary = Vocabulary(self.symbols)
        y: list[Ints] = []
        for number, (tokens, sequence) in enumerate(zip(targets, x, strict=True)):
            for token in tokens:
                if token not in vocabulary:
                    raise ValueError(
                        f"{name}[{number}]: expected symbols of the {len(vocabulary)} in "
                        f"training, got {shown(token)}"
                    )
            ids = vocabulary.encode(tokens)
            needed = int(needed_steps(ids, np.array([len(ids)]))[0])
            if needed > len(sequence):
                raise ValueError(
                    f"{name}[{number}]: expected symbols that fit {len(sequence)} steps, got "
                    f"{len(ids)} that need {needed} with the blanks between equal ones"
                )
            y.append(ids)
        return y

    def batch(self, examples: Examples, chosen: Ints) -> ExampleBatch:
        return ExampleBatch(*pad_batch(examples.x, chosen), pick(examples.y, chosen))

    def decode(self, network: EncoderNetwork, x: list[Array], beam_size: int) -> list[list[str]]:
        """Return the symbols that encoded sequences say."""
        check_int("beam_size", beam_size, 1)
        blank = len(self.symbols)
        found: list[list[str]] = [[]] * len(x)
        for chosen, padded, lengths in scoring_batches(x):
            scores = network.scores(padded, lengths)
            if beam_size == 1:
                each = ctc_greedy(scores, lengths, blank=blank)
            else:
                beams = ctc_beam(scores, lengths, blank=blank, beam_size=beam_size)
                each = [best.symbols for best, *_ in beams]
            for number, symbols in zip(chosen, each, strict=True):
                found[number] = [self.symbols[k] for k in symbols]
        return found

    def figures(self, network: EncoderNetwork, examples: Examples) -> dict[str, float]:
        blank, loss = len(self.symbols), 0.0
        errors = count = 0.0
        for chosen, x, lengths in own_scoring_batches(examples.x):
            scores = network.scores(x, lengths)
            y = pick(examples.y, chosen)
            part = ctc_loss(scores, y, lengths, blank=blank, reduction="sum", backward=False)[0]
            loss += part
            best = ctc_greedy(scores, lengths, blank=blank)
            pairs = zip(y, best, strict=True)
            errors += sum(edit_distance(true.tolist(), said.tolist()) for true, said in pairs)
            count += sum(map(len, y))
        loss, errors, count = measuring_ranks().total(loss, errors, count)
        return {"valid_loss": loss / len(examples.x), "valid_error_rate": errors / max(count, 1)}

    def baseline(self, examples: Examples) -> float:
        """Return the loss of equal chances on the longest sequence."""
        return max(map(len, examples.x)) * math.log(len(self.symbols) + 1)

    def to_dict(self) -> dict[str, Any]:
        return {"writes_text": self.writes_text, "symbols": list(self.symbols)}

    def restore(self, learned: Mapping[str, Any], inputs: Inputs) -> SymbolCodec:
        symbols = check_list("symbols", learned["symbols"], "str")
        require_strings("symbols", symbols)
        if not symbols or len(set(symbols)) < len(symbols):
            raise ValueError(f"symbols: expected different ones, got {shown(symbols)}")
        text = check_bool("writes_text", learned["writes_text"])
        return replace(self, writes_text=text, symbols=tuple(symbols))


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
        return replace(self, writes_text=isinstance(as_list("y", y, _WHAT)[0], str))

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
        return [self.vocabulary.encode(tokens) for tokens in targets]

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

    def pairs(self, x: list[Array], y: list[Ints]) -> PairBatch:
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
