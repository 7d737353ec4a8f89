"""What the training of a language model needs besides the loop."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnfast._checks.messages import shown
from rnnfast.data.batches import Batch
from rnnfast.models.parts.fitting import amount
from rnnfast.models.parts.fitting.examples import digest
from rnnfast.models.parts.language.condition import Condition, encode_given
from rnnfast.models.parts.language.corpus import CorpusBatches, CorpusReader, EncodedCorpus
from rnnfast.models.parts.language.encoded_text import counter_of
from rnnfast.models.parts.language.line_weights import (
    read_line_weights,
    scaled_to_tokens,
    weights_of_columns,
)
from rnnfast.models.parts.language.text_source import path_of_nothing, paths_in_place_of_texts
from rnnfast.models.parts.language.token_network import (
    TokenNetwork,
    columns_of,
    condition_of,
    score,
)
from rnnfast.models.parts.language.token_sequences import Tokens
from rnnfast.models.parts.reading.extension import extend_vocabulary
from rnnfast.models.parts.reading.tokens import learn_vocabulary
from rnnfast.models.parts.shared import pack_state, unpack_state
from rnnfast.nn.module import Array
from rnnfast.text.tokenizers import split_lines
from rnnfast.text.vocabulary import Vocabulary
from rnnfast.training.ranks import Shard, place

# Reads a corpus, by the name of its argument.
Read = Callable[[str, Any], EncodedCorpus]

# Steps without which nothing is learned, of a corpus that is short.
_FEW_STEPS = 300
# Lines that are looked at for being labels.
_COMPARED = 1_000_000


@dataclass(frozen=True)
class Corpus:
    """An encoded corpus: what to learn from, what to validate on (maybe nothing).

    Attributes
    ----------
    train, valid : TextTokens or LineTokens
        The sequences of both parts; of the latter maybe None.
    vocabulary : Vocabulary
        That of what is learned from.
    batch_size : int
        How many pieces are learned from at once: the model's, or as many as a short text has.
    identity : tuple of str
        What tells the ids of both parts from others.
    condition, train_condition, valid_condition
        With a condition, its kind, and what each line of either part is conditioned on.
    train_weights, valid_weights
        With weights, how much each line of either part counts.
    notes : tuple of str
        What is done otherwise than asked for, because the text is short, each in one line.
    """

    train: Tokens
    valid: Tokens | None
    vocabulary: Vocabulary
    batch_size: int
    identity: tuple[str, ...]
    condition: Condition | None = None
    train_condition: Array | None = None
    valid_condition: Array | None = None
    train_weights: Array | None = None
    valid_weights: Array | None = None
    notes: tuple[str, ...] = ()

    def counts(self, lines: bool, unit: str) -> dict[str, int]:
        """Return how much there is of both parts, by what is counted: ``unit``, and lines."""
        found = {}
        for kind, part in (("", self.train), ("held-out ", self.valid)):
            if lines:
                found[f"{kind}lines"] = 0 if part is None else len(part)
            found[f"{kind}{unit}s"] = 0 if part is None else part.num_tokens
        return found


@dataclass(frozen=True)
class Known:
    """What a model has learned of other corpora.

    Attributes
    ----------
    vocabulary : Vocabulary
    condition : Condition or None
    extend : bool
        Whether tokens and labels may be added.
    """

    vocabulary: Vocabulary
    condition: Condition | None
    extend: bool


@dataclass(frozen=True, kw_only=True)
class CorpusOptions:
    """The hyperparameters that say how a corpus is learned, as `LanguageModel` has them."""

    unit: str
    lines: bool
    sequence_length: int
    batch_size: int
    validation_fraction: float
    max_vocabulary_size: int | None
    min_count: int
    dtype: str


def prepare_corpus(
    options: CorpusOptions,
    reader: CorpusReader,
    text: Any,
    valid: Any,
    conditions: tuple[Any, Any] = (None, None),
    known: Known | None = None,
    sample_weight: Any = None,
    *,
    read: Read,
) -> Corpus:
    """Read, divide and encode what `LanguageModel.fit` was given.

    ``known`` is what a model goes on with that was trained before; ``read`` reads a corpus, as
    `CorpusReader.read` does. Lines of weight 0 are not there.
    """
    _require_no_path("text", text)
    _require_no_path("valid", valid)
    everything = read("text", text)
    condition, all_given = _learn_condition(options, text, len(everything), conditions[0], known)
    weights = read_line_weights(options.lines, text, len(everything), sample_weight)
    if weights is not None:
        counting = np.flatnonzero(weights)
        everything, weights = everything.split(counting)[1], weights[counting]
        all_given = None if all_given is None else all_given[counting]
    if conditions[1] is not None and (valid is None or condition is None):
        raise ValueError("valid_condition: expected None without valid and condition, got some")
    learned, given, own_weights = everything, all_given, weights
    held_out: EncodedCorpus | None = None
    valid_given = valid_weights = None
    notes = []
    for name, given_text in (("text", text), ("valid", valid)):
        notes += paths_in_place_of_texts(name, given_text) + path_of_nothing(name, given_text)
    if valid is not None:
        held_out = read("valid", valid)
        if isinstance(valid, Collection) and not isinstance(valid, str):
            notes += _labels_in_place_of_text(text, valid, options.lines)
        if condition is not None:
            valid_given = condition.encode(
                "valid_condition", conditions[1], len(held_out), options.dtype
            )
    elif options.validation_fraction != 0:
        out = reader.held_out(everything, options.validation_fraction)
        learned, held_out = everything.split(out)
        if given is not None:
            valid_given, given = given[out], np.delete(given, out, axis=0)
        if weights is not None:
            valid_weights, own_weights = weights[out], np.delete(weights, out)
    vocabulary = _learn_vocabulary(options, reader, learned, known)
    if valid is None and held_out is not None and held_out.num_tokens:
        found = counter_of(reader.known, held_out.counts)
        if not any(token in vocabulary for token in found):
            notes.append(
                f"text: none of the {held_out.num_tokens} {options.unit}s to hold out occurs in "
                "the rest; holding nothing out"
            )
            learned, held_out, given, valid_given = everything, None, all_given, None
            own_weights, valid_weights = weights, None
            vocabulary = _learn_vocabulary(options, reader, learned, known)
    batch_size = options.batch_size
    if not options.lines:
        count = learned.num_tokens
        batch_size = max(1, min(batch_size, count // options.sequence_length))
        if batch_size < options.batch_size:
            notes.append(
                f"text: {count} {options.unit}s to learn from are less than batch_size x "
                f"sequence_length, {options.batch_size} x {options.sequence_length}; taking a "
                f"batch_size of {batch_size}"
            )
    train = reader.encode("text", learned, vocabulary)
    held_out_ids = None if held_out is None else reader.encode("valid", held_out, vocabulary)
    return Corpus(
        train,
        held_out_ids,
        vocabulary,
        batch_size,
        (learned.identity, "" if held_out is None else held_out.identity),
        condition,
        given,
        valid_given,
        scaled_to_tokens(own_weights, train, options.dtype),
        scaled_to_tokens(valid_weights, held_out_ids, options.dtype),
        tuple(notes),
    )


def _learn_vocabulary(
    options: CorpusOptions, reader: CorpusReader, corpus: EncodedCorpus, known: Known | None
) -> Vocabulary:
    counts = counter_of(reader.known, corpus.counts)
    if known is not None:
        return extend_vocabulary(
            "text",
            known.vocabulary,
            counts,
            extend=known.extend,
            tokenizer=reader.tokenizer,
            max_size=options.max_vocabulary_size,
            min_count=options.min_count,
        )
    return learn_vocabulary(
        "text",
        reader.tokenizer,
        counts,
        max_size=options.max_vocabulary_size,
        min_count=options.min_count,
        eos="<EOS>" if options.lines else None,
    )


def _require_no_path(name: str, text: Any) -> None:
    """Raise ValueError if a text is the path of something that exists."""
    if isinstance(text, str) and text and "\n" not in text and os.path.exists(text):
        kind = "folder" if os.path.isdir(text) else "file"
        raise ValueError(
            f"{name}: expected a text, got the path of a {kind}, {shown(text)}; give "
            "pathlib.Path(path), or what it holds"
        )


def _labels_in_place_of_text(text: Any, valid: Any, lines: bool) -> list[str]:
    """Return what to say of lines to measure on that seem to be labels of those of the text."""
    if isinstance(text, str):
        text = split_lines(text) if lines else []
    if not isinstance(text, Collection) or not len(valid) == len(text) <= _COMPARED:
        return []
    own, others = set(text), set(valid)
    if 2 * len(others) > len(valid) or own & others:
        return []
    return [
        f"valid: expected text to measure on, got as many lines as text has, {len(others)} "
        "different ones; a language model takes no y"
        + (", condition= takes the labels of lines" if lines else "")
    ]


def _learn_condition(
    options: CorpusOptions, text: Any, count: int, values: Any, known: Known | None
) -> tuple[Condition | None, Array | None]:
    """Return the kind of condition that there is for lines, and that of each line."""
    before = None if known is None else known.condition
    if values is None and before is None:
        return None, None
    if known is not None and (before is None or values is None):
        return before, encode_given(before, values, count, options.dtype)
    if not options.lines or isinstance(text, str):
        raise ValueError("condition: expected a list of lines with lines=True, got a running text")
    condition = Condition.learned_from(values)
    if known is not None and before is not None:
        condition = before.extended(condition, known.extend)
    return condition, condition.encode("condition", values, count, options.dtype)


def choose_epochs(steps: int) -> int:
    """Return how often to go through a corpus of so many steps if the user does not say."""
    return amount.choose_epochs(steps, least=1, few=_FEW_STEPS)


class CorpusTraining:
    """The training of a network on a corpus: batches, steps, figures.

    `carry` is the state that a running text has reached.
    """

    def __init__(self, network: TokenNetwork, corpus: Corpus, options: CorpusOptions) -> None:
        self._network, self._corpus, self._options = network, corpus, options
        self.carry: dict[str, Array] = {}

    def batches(self, rng: np.random.Generator | None) -> CorpusBatches:
        """Return the batches of an epoch."""
        return CorpusBatches(
            self._corpus.train,
            self._network.start,
            self._corpus.vocabulary.eos_id,
            self._corpus.batch_size,
            self._options.sequence_length,
            rng,
        )

    def split(self, batch: Batch, rank: int, size: int) -> Shard:
        """Return a rank's streams of a batch, or its lines."""
        ids, count = batch.inputs, len(batch.lengths)
        rows, here, empty = place(count, rank, size, batch, ids=ids, lengths=batch.lengths)
        return Shard(columns_of(batch, rows), here, empty)

    def step(self, batch: Batch, progress: float) -> tuple[float, int]:
        """Add the gradients of a batch."""
        given = condition_of(batch, self._corpus.train_condition)
        weights = weights_of_columns(batch, self._corpus.train_weights)
        loss, state = self._network.add_gradients(batch, unpack_state(self.carry), given, weights)
        if not self._options.lines:
            self.carry.update(pack_state(state))
        return loss, batch.num_targets

    def validate(self) -> dict[str, float]:
        """Return the loss of what is held out."""
        corpus, start = self._corpus, self._network.start
        assert corpus.valid is not None
        held_out = CorpusBatches.to_validate(
            corpus.valid, start, corpus.vocabulary.eos_id, corpus.batch_size
        )
        given, weights = corpus.valid_condition, corpus.valid_weights
        result = score(self._network, held_out, not self._options.lines, given, weights)
        return {"valid_loss": result.loss}

    def fingerprint(self) -> dict[str, str]:
        """Return what tells the corpus from others."""
        corpus = self._corpus
        conditions = [c for c in (corpus.train_condition, corpus.valid_condition) if c is not None]
        weights = [w for w in (corpus.train_weights, corpus.valid_weights) if w is not None]
        more = [weights] if weights else []
        vocabulary = corpus.vocabulary.to_json()
        return {"corpus": digest(*corpus.identity, vocabulary, conditions, *more)}
