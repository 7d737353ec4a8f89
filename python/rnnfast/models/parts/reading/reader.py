"""How a model reads `X`: what it has learned of sequences to encode others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rnnfast.models.parts.fitting.warm_start import Axes, axes_of_ids
from rnnfast.models.parts.reading.columns import Columns, restore_names, step_names
from rnnfast.models.parts.reading.inputs import Inputs, SeriesInputs, TokenInputs, inputs_from_dict
from rnnfast.models.parts.reading.lazy import LazySeries
from rnnfast.models.parts.reading.sequences import Sequences, read_sequences
from rnnfast.models.parts.reading.word_features import WordFeatures
from rnnfast.nn.module import Array
from rnnfast.text.tokenizers import CharTokenizer


@dataclass(frozen=True, eq=False)
class Reader:
    """Encodes sequences of the kind of training.

    Attributes
    ----------
    inputs : TokenInputs or SeriesInputs
        Of tokens or of series.
    words : WordFeatures, optional
        What is read of words besides, by the models that can; None for series.
    reverse : bool
        Whether sequences are read from their end.
    columns : Columns, optional
        Those of the table that `fit` was given; None: it was given none.
    step_names : tuple of str, optional
        The names of a step's numbers, where `fit` was given a list of tables.
    """

    inputs: Inputs
    words: WordFeatures | None = None
    reverse: bool = False
    columns: Columns | None = None
    step_names: tuple[str, ...] | None = None

    def read(self, name: str, X: Any) -> Sequences:
        """Return sequences as `read_sequences` does, with the tokenizer of training."""
        known = self.inputs
        tokenizer = known.tokenizer if isinstance(known, TokenInputs) else CharTokenizer()
        step_names(name, X, self.step_names)
        X = X if self.columns is None else self.columns.read(name, X)
        univariate = isinstance(known, SeriesInputs) and known.size == 1
        return read_sequences(name, X, tokenizer, univariate=univariate)

    def encode(self, name: str, X: Any) -> Sequence[Array]:
        """Return sequences as the network reads them; raise as the inputs' ``encode``."""
        step_names(name, X, self.step_names)
        X = X if self.columns is None else self.columns.read(name, X)
        if self.words is None:
            encoded: Sequence[Array] = self.inputs.encode(name, X)
        else:
            sequences = self.read(name, X)
            if isinstance(sequences[0], np.ndarray):
                raise TypeError(f"{name}: expected text or tokens as in training, got arrays")
            words = [list(item) for item in sequences]
            ids = self.inputs.encode(name, [self.words.keys(item) for item in words])
            encoded = self.words.encode(words, ids)
        if not self.reverse:
            return encoded
        if isinstance(encoded, LazySeries):
            return encoded.changed(lambda name, item: np.ascontiguousarray(item[::-1]), name)
        return [np.ascontiguousarray(sequence[::-1]) for sequence in encoded]

    def extended(
        self, sequences: Sequences, *, extend: bool, number_of_ids: int, **options: Any
    ) -> Reader:
        """Return this with what further sequences, of the part to learn from, add to its tables.

        Of series it is this: means and deviations stay those of the first training. Options as
        `TokenInputs.extended` takes them.
        """
        known, words = self.inputs, self.words
        if not isinstance(known, TokenInputs):
            return self
        if words is not None and not any(isinstance(item, np.ndarray) for item in sequences):
            keys: Sequences = [words.keys(list(item)) for item in sequences]
            words, sequences = words.extended("X", sequences, extend=extend), keys
        return replace(
            self,
            inputs=known.extended(
                "X", sequences, extend=extend, number_of_ids=number_of_ids, **options
            ),
            words=words,
        )

    def axes(self, prefix: str, embedded: bool) -> Axes:
        """Return the axes of the layers that read what this encodes; as `axes_of_ids` has them."""
        known, words = self.inputs, self.words
        if not isinstance(known, TokenInputs):
            return {}
        tokens = known.vocabulary.tokens
        if words is None or not words.wide:
            return axes_of_ids(prefix, embedded, tokens)
        axes = axes_of_ids(prefix, True, tokens) if embedded else {}
        if words.characters is not None:
            axes["char_embedding.weight"] = {0: words.characters.tokens}
        return axes

    def to_dict(self, of_words: bool) -> dict[str, Any]:
        """Return what `from_dict` reads; ``of_words`` is whether the model can read words."""
        described: dict[str, Any] = {"inputs": self.inputs.to_dict()}
        if of_words:
            described["words"] = None if self.words is None else self.words.to_dict()
        if self.columns is not None:
            described["columns"] = self.columns.to_dict()
        if self.step_names is not None:
            described["step_names"] = list(self.step_names)
        return described

    @classmethod
    def from_dict(
        cls, learned: Mapping[str, Any], of_words: bool, reverse: bool, tokenizer: Any = None
    ) -> Reader:
        """Return the reader that a file describes; raise if it describes none.

        The tokenizer is the model's hyperparameter.
        """
        words = learned["words"] if of_words else None
        inputs, columns = inputs_from_dict(learned["inputs"], tokenizer), None
        features = inputs.size if isinstance(inputs, SeriesInputs) else 0
        if "columns" in learned:
            columns = Columns.from_dict(learned["columns"], features)
        names = restore_names(learned, "step_names", features)
        known = None if words is None else WordFeatures.from_dict(words)
        return cls(inputs, known, reverse, columns, names)
