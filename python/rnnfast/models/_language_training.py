"""What the training of a language model needs besides the loop."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnfast._checks import check_int, check_real
from rnnfast.data.batches import Batch, Ints
from rnnfast.models._corpus import CorpusBatches, CorpusReader
from rnnfast.models._fitting import check_shared, digest, make_trainer
from rnnfast.models._scoring import score
from rnnfast.models.parts import pack_state, unpack_state
from rnnfast.models.token_network import TokenNetwork
from rnnfast.nn.module import Array
from rnnfast.text.vocabulary import Vocabulary
from rnnfast.training import Trainer

if TYPE_CHECKING:
    from rnnfast.models.language_model import LanguageModel

# Steps that a training of unspecified length makes, and most epochs for it.
_STEPS = 4000
_MOST_EPOCHS = 30


@dataclass(frozen=True)
class Corpus:
    """An encoded corpus: what to learn from, what to validate on (maybe nothing)."""

    train: list[Ints]
    valid: list[Ints]
    vocabulary: Vocabulary


def check_hyperparameters(model: LanguageModel) -> None:
    """Raise ValueError or TypeError for those that no layer, optimizer or tokenizer checks."""
    if not isinstance(model.lines, bool):
        raise TypeError(f"lines: expected True or False, got {type(model.lines).__name__}")
    check_int("sequence_length", model.sequence_length, 1)
    if model.clip_value is not None:
        check_real("clip_value", model.clip_value, 0, above=True)
    check_shared(model)


def prepare_corpus(model: LanguageModel, reader: CorpusReader, text: Any, valid: Any) -> Corpus:
    """Read, divide and encode what `LanguageModel.fit` was given."""
    sequences = reader.read("text", text)
    if valid is None:
        sequences, held_out = reader.split(sequences, model.validation_fraction)
    else:
        held_out = reader.read("valid", valid)
    vocabulary = Vocabulary.from_tokens(
        (token for tokens in sequences for token in tokens),
        max_size=model.max_vocabulary_size,
        min_count=model.min_count,
        eos="<EOS>" if model.lines else None,
    )
    count, needed = sum(map(len, sequences)), model.batch_size * model.sequence_length
    if not model.lines and count < needed:
        raise ValueError(
            f"text: expected at least one batch, {model.batch_size} x {model.sequence_length} "
            f"tokens to learn from, got {count}; lower batch_size or sequence_length"
        )
    return Corpus(
        reader.encode("text", sequences, vocabulary),
        reader.encode("valid", held_out, vocabulary),
        vocabulary,
    )


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
        model.batch_size,
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
) -> Trainer[Batch]:
    """Return a trainer of a model's network for one corpus."""
    start, eos = network.start, corpus.vocabulary.eos_id
    carry: dict[str, Array] = {}

    def step(batch: Batch) -> tuple[float, int]:
        loss, state = network.add_gradients(batch, unpack_state(carry))
        if not model.lines:
            carry.update(pack_state(state))
        return loss, batch.num_targets

    def validate() -> dict[str, float]:
        held_out = CorpusBatches.to_validate(corpus.valid, start, eos, model.batch_size)
        return {"valid_loss": score(network, held_out, carry_state=not model.lines).loss}

    return make_trainer(
        model,
        network.modules,
        rng,
        step=step,
        batches=lambda rng: make_batches(model, corpus, start, rng),
        total_steps=total_steps,
        checkpoint=checkpoint,
        data=lambda: {"corpus": digest(corpus.train, corpus.valid, corpus.vocabulary.to_json())},
        validate=validate if corpus.valid else None,
        carry=carry,
    )
