"""What the training of a language model needs besides the loop."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnfast.data.batches import Batch, Ints
from rnnfast.models.fitting import digest, make_trainer
from rnnfast.models.parts.condition import Condition
from rnnfast.models.parts.corpus import CorpusBatches, CorpusReader
from rnnfast.models.parts.scoring import condition_of, score
from rnnfast.models.parts.shared import pack_state, unpack_state
from rnnfast.models.parts.token_network import TokenNetwork
from rnnfast.nn.module import Array
from rnnfast.text.vocabulary import Vocabulary
from rnnfast.training.loop import TrainingLoop

if TYPE_CHECKING:
    from rnnfast.models.language_model import LanguageModel

# Steps that a training of unspecified length makes, and most epochs for it.
_STEPS = 4000
_MOST_EPOCHS = 30


@dataclass(frozen=True)
class Corpus:
    """An encoded corpus: what to learn from, what to validate on (maybe nothing).

    Attributes
    ----------
    train, valid : list of ndarray of int
        The sequences of both parts.
    vocabulary : Vocabulary
        That of what is learned from.
    batch_size : int
        How many pieces are learned from at once: the model's, or as many as a short text has.
    condition, train_condition, valid_condition
        With a condition, its kind, and what each line of either part is conditioned on.
    notes : tuple of str
        What is done otherwise than asked for, because the text is short, each in one line.
    """

    train: list[Ints]
    valid: list[Ints]
    vocabulary: Vocabulary
    batch_size: int
    condition: Condition | None = None
    train_condition: Array | None = None
    valid_condition: Array | None = None
    notes: tuple[str, ...] = ()


def prepare_corpus(
    model: LanguageModel,
    reader: CorpusReader,
    text: Any,
    valid: Any,
    conditions: tuple[Any, Any] = (None, None),
) -> Corpus:
    """Read, divide and encode what `LanguageModel.fit` was given."""
    everything = reader.read("text", text)
    condition, all_given = _learn_condition(model, text, len(everything), conditions[0])
    if conditions[1] is not None and (valid is None or condition is None):
        raise ValueError("valid_condition: expected None without valid and condition, got some")
    sequences, given = everything, all_given
    held_out: list[list[str]] = []
    valid_given = None
    notes = []
    if valid is not None:
        held_out = reader.read("valid", valid)
        if condition is not None:
            valid_given = condition.encode(
                "valid_condition", conditions[1], len(held_out), model.dtype
            )
    else:
        sequences, held_out = reader.split(everything, model.validation_fraction)
        if given is not None:
            given, valid_given = _split_condition(reader, given, model.validation_fraction)
    vocabulary = _learn_vocabulary(model, sequences)
    held_out_tokens = [token for tokens in held_out for token in tokens]
    if valid is None and held_out_tokens and not any(t in vocabulary for t in held_out_tokens):
        notes.append(
            f"text: none of the {len(held_out_tokens)} {model.unit}s to hold out occurs in the "
            "rest; holding nothing out"
        )
        sequences, held_out, given, valid_given = everything, [], all_given, None
        vocabulary = _learn_vocabulary(model, sequences)
    batch_size = model.batch_size
    if not model.lines:
        count = sum(map(len, sequences))
        batch_size = max(1, min(batch_size, count // model.sequence_length))
        if batch_size < model.batch_size:
            notes.append(
                f"text: {count} {model.unit}s to learn from are less than batch_size x "
                f"sequence_length, {model.batch_size} x {model.sequence_length}; taking a "
                f"batch_size of {batch_size}"
            )
    return Corpus(
        reader.encode("text", sequences, vocabulary),
        reader.encode("valid", held_out, vocabulary),
        vocabulary,
        batch_size,
        condition,
        given,
        valid_given,
        tuple(notes),
    )


def _learn_vocabulary(model: LanguageModel, sequences: list[list[str]]) -> Vocabulary:
    return Vocabulary.from_tokens(
        (token for tokens in sequences for token in tokens),
        max_size=model.max_vocabulary_size,
        min_count=model.min_count,
        eos="<EOS>" if model.lines else None,
    )


def _learn_condition(
    model: LanguageModel, text: Any, count: int, values: Any
) -> tuple[Condition | None, Array | None]:
    """Return the kind of condition that there is for lines, and that of each line."""
    if values is None:
        return None, None
    if not model.lines or isinstance(text, str):
        raise ValueError("condition: expected a list of lines with lines=True, got a running text")
    condition = Condition.learned_from(values)
    return condition, condition.encode("condition", values, count, model.dtype)


def _split_condition(
    reader: CorpusReader, given: Array, fraction: float
) -> tuple[Array, Array | None]:
    """Divide what lines are conditioned on as `CorpusReader.split` divides the lines."""
    if fraction == 0:
        return given, None
    numbers: list[Any] = list(range(len(given)))
    parts: tuple[Any, Any] = reader.split(numbers, fraction)
    return given[parts[0]], given[parts[1]]


def choose_epochs(steps: int) -> int:
    """Return how often to go through a corpus of so many steps if the user does not say."""
    return min(max(1, round(_STEPS / steps)), _MOST_EPOCHS)


def make_batches(
    model: LanguageModel, corpus: Corpus, start: int, rng: np.random.Generator | None
) -> CorpusBatches:
    """Return the batches of an epoch."""
    return CorpusBatches(
        corpus.train,
        start,
        corpus.vocabulary.eos_id,
        corpus.batch_size,
        model.sequence_length,
        rng,
    )


def make_language_trainer(
    model: LanguageModel,
    network: TokenNetwork,
    corpus: Corpus,
    rng: np.random.Generator,
    total_steps: int,
    checkpoint: str | os.PathLike[str] | None,
    **options: Any,
) -> TrainingLoop[Batch]:
    """Return the loop for a network and one corpus; options as `TrainingLoop` takes them."""
    start, eos = network.start, corpus.vocabulary.eos_id
    carry: dict[str, Array] = {}

    def step(batch: Batch) -> tuple[float, int]:
        given = condition_of(batch, corpus.train_condition)
        loss, state = network.add_gradients(batch, unpack_state(carry), given)
        if not model.lines:
            carry.update(pack_state(state))
        return loss, batch.num_targets

    def validate() -> dict[str, float]:
        held_out = CorpusBatches.to_validate(corpus.valid, start, eos, corpus.batch_size)
        result = score(network, held_out, not model.lines, corpus.valid_condition)
        return {"valid_loss": result.loss}

    def fingerprint() -> dict[str, str]:
        conditions = [c for c in (corpus.train_condition, corpus.valid_condition) if c is not None]
        parts = (corpus.train, corpus.valid, corpus.vocabulary.to_json(), conditions)
        return {"corpus": digest(*parts)}

    return make_trainer(
        model,
        network.modules,
        rng,
        step=step,
        batches=lambda rng: make_batches(model, corpus, start, rng),
        total_steps=total_steps,
        checkpoint=checkpoint,
        data=fingerprint,
        validate=validate if corpus.valid else None,
        baseline=math.log(len(corpus.vocabulary)),
        carry=carry,
        **options,
    )
