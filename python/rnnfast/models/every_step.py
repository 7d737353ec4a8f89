"""Many to many of equal lengths: what the models with an output at every step share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from rnnfast._checks import check_bool, check_int
from rnnfast.data.batches import Ints
from rnnfast.models.estimator import Estimator
from rnnfast.models.parts.examples import (
    ExampleBatch,
    Examples,
    check_same_length,
    hold_out,
    pad_batch,
    split_valid,
)
from rnnfast.models.parts.inputs import TokenInputs
from rnnfast.models.parts.sequences import Sequences, read_sequences
from rnnfast.models.parts.step_heads import StepHead
from rnnfast.models.parts.step_network import StepNetwork
from rnnfast.models.parts.word_features import WordFeatures
from rnnfast.models.parts.word_layers import WordLayers
from rnnfast.nn.module import Array
from rnnfast.text.tokenizers import CharTokenizer


@dataclass(kw_only=True, eq=False, repr=False)
class Stepwise(Estimator, base=True):
    """Base of the models with as many outputs as inputs, ``T_x = T_y``.

    A subclass fills in `_read_targets`, `_learn_targets`, `_encode_targets`, `_make_head` and
    `_figures`, whose examples have targets as they were read, not encoded.

    Parameters
    ----------
    lowercase : bool
        Whether words are looked up in lower case; their characters and shapes are those of the
        word as it stands. Of no effect on series.
    char_encoder : bool
        Whether the characters of a word are read too, by recurrent layers in both directions,
        whose last states stand beside its embedding; with ``embedding_size=None`` in place of it.
    char_embedding_size, char_hidden_size : int
        Numbers of a character's embedding, and units of each direction over the characters.
    shape_features : bool
        Whether the network is told a word's shape: lower case, capital, number and so on.
    **others
        The hyperparameters that all models have, see
        `rnnfast.models.recurrent_model.RecurrentModel`, and all supervised ones, see
        `rnnfast.models.estimator.Estimator`.

    Attributes
    ----------
    words_ : WordFeatures or None
        How words are read; None for series.
    """

    lowercase: bool = False
    char_encoder: bool = False
    char_embedding_size: int = 32
    char_hidden_size: int = 32
    shape_features: bool = False

    network_: StepNetwork = field(init=False)

    _unit: ClassVar[str] = "step"

    # What a subclass fills in

    def _read_targets(self, name: str, y: Any) -> list[Array]:
        """Check the targets of all sequences, arrays of as many rows as those have steps."""
        raise NotImplementedError

    def _learn_targets(self, targets: list[Array]) -> None:
        """Learn what targets are like, from those to learn from."""
        raise NotImplementedError

    def _check_targets(self, name: str, targets: list[Array]) -> None:
        """Raise unless targets to score are of the shape of those learned."""

    def _encode_targets(self, targets: list[Array]) -> list[Array]:
        """Return targets as the head takes them."""
        raise NotImplementedError

    def _make_head(self, in_features: int, rng: np.random.Generator) -> StepHead:
        raise NotImplementedError

    # What `Estimator` asks for

    def _check_hyperparameters(self) -> None:
        super()._check_hyperparameters()
        for name in ("lowercase", "char_encoder", "shape_features"):
            check_bool(name, getattr(self, name))
        check_int("char_embedding_size", self.char_embedding_size, 1)
        check_int("char_hidden_size", self.char_hidden_size, 1)

    def _prepare(self, X: Any, y: Any, valid: Any) -> tuple[Examples, Examples | None]:
        sequences, targets = self._read("X", X), self._read_targets("y", y)
        check_same_lengths(sequences, targets)
        train, held_out = np.arange(len(sequences)), np.arange(0)
        if valid is None:
            train, held_out = hold_out(len(sequences), self.validation_fraction)
        learned_from = [sequences[number] for number in train]
        known = [targets[number] for number in train]
        self._learn_words(learned_from)
        self._learn_targets(known)
        examples = Examples(self._encode("X", learned_from), self._encode_targets(known))
        if valid is not None:
            others, y_others = self._read_pair(*split_valid(valid), of=" of valid")
        elif len(held_out):
            others = [sequences[number] for number in held_out]
            y_others = [targets[number] for number in held_out]
        else:
            return examples, None
        name = "X" if valid is None else "X of valid"
        require_steps(name, others)
        return examples, Examples(self._encode(name, others), y_others)

    def _make_network(self, rng: np.random.Generator) -> StepNetwork:
        encoder = self._make_encoder(self.inputs_, rng, words=self._make_words(rng))
        return StepNetwork(encoder, self._make_head(encoder.output_size, rng))

    def _make_batch(self, examples: Examples, chosen: Ints) -> ExampleBatch:
        x, lengths = pad_batch(examples.x, chosen)
        return ExampleBatch(x, lengths, pad_batch(examples.y, chosen)[0])

    # Words

    def _learn_words(self, sequences: Sequences) -> None:
        """Set `inputs_` and `words_`."""
        self.words_: WordFeatures | None = None
        tokens = [list(item) for item in sequences if not isinstance(item, np.ndarray)]
        if not tokens:
            for name in ("char_encoder", "shape_features", "lowercase"):
                if getattr(self, name):
                    raise ValueError(f"{name}: expected False where X has no words, got True")
            self.inputs_ = self._learn_inputs(sequences)
            return
        self.words_ = WordFeatures.learn(
            tokens,
            lowercase=self.lowercase,
            shapes=self.shape_features,
            characters=self.char_encoder,
        )
        self.inputs_ = self._learn_inputs([self.words_.keys(words) for words in tokens])

    def _make_words(self, rng: np.random.Generator) -> WordLayers | None:
        if self.words_ is None or not self.words_.wide:
            return None
        assert isinstance(self.inputs_, TokenInputs)
        unknown = self.inputs_.vocabulary.unk_id
        assert unknown is not None
        return WordLayers(
            self.words_,
            self.inputs_.size,
            embedding_size=self.embedding_size,
            sparse_embedding=self.sparse_embedding,
            char_embedding_size=self.char_embedding_size,
            char_hidden_size=self.char_hidden_size,
            cell=self.cell,
            cell_options=self.cell_options,
            dtype=self.dtype,
            rng=rng,
            unknown=unknown,
            word_dropout=self.word_dropout,
        )

    def _encode(self, name: str, X: Any) -> list[Array]:
        """Return sequences as the network reads them."""
        if self.words_ is None:
            return self.inputs_.encode(name, X)
        assert isinstance(self.inputs_, TokenInputs)
        sequences = read_sequences(name, X, self.inputs_.tokenizer)
        if isinstance(sequences[0], np.ndarray):
            raise TypeError(f"{name}: expected text or tokens as in training, got arrays")
        words = [list(item) for item in sequences]
        ids = self.inputs_.encode(name, [self.words_.keys(item) for item in words])
        return self.words_.encode(words, ids)

    # Examples

    def _read_pair(self, X: Any, y: Any, of: str = "") -> tuple[Sequences, list[Array]]:
        """Read sequences and targets to score on, of the kinds of training."""
        known = self.inputs_
        tokenizer = known.tokenizer if isinstance(known, TokenInputs) else CharTokenizer()
        sequences = read_sequences(f"X{of}", X, tokenizer)
        targets = self._read_targets(f"y{of}", y)
        check_same_lengths(sequences, targets, of)
        self._check_targets(f"y{of}", targets)
        return sequences, targets

    def _mean_loss(self, examples: Examples) -> float:
        """Return the mean loss of a step of encoded examples."""
        require_steps("X", examples.x)
        loss, count = 0.0, 0
        for chosen, x, lengths in self._scoring_batches(examples.x):
            batch = ExampleBatch(x, lengths, pad_batch(examples.y, chosen)[0])
            loss += self.network_.loss(batch)
            count += self.network_.count(batch)
        return loss / count

    def _outputs(self, x: list[Array], of_batch: Callable[..., Array]) -> list[Array]:
        """Return what a method of the network gives for each sequence, ``(T_i, ...)``."""
        outputs: list[Array] = [np.empty(0)] * len(x)
        for chosen, batch, lengths in self._scoring_batches(x):
            result = of_batch(batch, lengths)
            for column, number in enumerate(chosen):
                outputs[number] = result[: lengths[column], column]
        return outputs

    # Files

    def _learned(self) -> dict[str, Any]:
        words = None if self.words_ is None else self.words_.to_dict()
        return {**super()._learned(), "words": words}

    def _restore(self, learned: Mapping[str, Any]) -> None:
        words = learned["words"]
        self.words_ = None if words is None else WordFeatures.from_dict(words)
        super()._restore(learned)


def require_steps(name: str, sequences: Sequence[Any]) -> None:
    """Raise ValueError if all sequences are empty: there is nothing to measure then."""
    if not any(len(sequence) for sequence in sequences):
        raise ValueError(f"{name}: expected sequences with something in them, got empty ones only")


def check_same_lengths(X: Sequences, y: list[Array], suffix: str = "") -> None:
    """Raise ValueError unless every sequence has one target a step."""
    check_same_length(X, y, suffix)
    for number, (sequence, targets) in enumerate(zip(X, y, strict=True)):
        if len(sequence) != len(targets):
            raise ValueError(
                f"y{suffix}[{number}]: expected {len(sequence)}, one for each step of "
                f"X{suffix}[{number}], got {len(targets)}"
            )
