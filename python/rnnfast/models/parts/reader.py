"""How a model reads `X`: what it has learned of sequences to encode others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnfast.models.parts.columns import Columns, restore_step_names, step_names
from rnnfast.models.parts.inputs import Inputs, SeriesInputs, TokenInputs, inputs_from_dict
from rnnfast.models.parts.sequences import Sequences, read_sequences
from rnnfast.models.parts.word_features import WordFeatures
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
        return read_sequences(name, X, tokenizer)

    def encode(self, name: str, X: Any) -> list[Array]:
        """Return sequences as the network reads them; raise as the inputs' ``encode``."""
        step_names(name, X, self.step_names)
        X = X if self.columns is None else self.columns.read(name, X)
        if self.words is None:
            encoded = self.inputs.encode(name, X)
        else:
            sequences = self.read(name, X)
            if isinstance(sequences[0], np.ndarray):
                raise TypeError(f"{name}: expected text or tokens as in training, got arrays")
            words = [list(item) for item in sequences]
            ids = self.inputs.encode(name, [self.words.keys(item) for item in words])
            encoded = self.words.encode(words, ids)
        if not self.reverse:
            return encoded
        return [np.ascontiguousarray(sequence[::-1]) for sequence in encoded]

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
        inputs, columns, names = inputs_from_dict(learned["inputs"], tokenizer), None, None
        features = inputs.size if isinstance(inputs, SeriesInputs) else 0
        if "columns" in learned:
            columns = Columns.from_dict(learned["columns"], features)
        if "step_names" in learned:
            names = restore_step_names(learned["step_names"], features)
        known = None if words is None else WordFeatures.from_dict(words)
        return cls(inputs, known, reverse, columns, names)
