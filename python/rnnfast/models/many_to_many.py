"""Many to many of different lengths: what the models share that write sequences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rnnfast._checks import check_bool
from rnnfast._checks.arrays import read_array
from rnnfast.models.estimator import Estimator
from rnnfast.models.parts.examples import Examples, check_same_length, hold_out, split_valid
from rnnfast.models.parts.sequences import Sequences, as_list, read_sequences
from rnnfast.nn.module import Array
from rnnfast.text.tokenizers import CharTokenizer, WordTokenizer

# What y may be, for messages.
_WHAT = "a list of str or of token lists"


@dataclass(kw_only=True, eq=False, repr=False)
class ManyToMany(Estimator, base=True):
    """Base of the models that read sequences and write token sequences of other lengths.

    A subclass fills in `_learn_targets` and `_encode_targets` beside what `Estimator` asks for.

    Attributes
    ----------
    writes_text_ : bool
        Whether y was text in training, and predictions are.
    """

    # What splits y and joins predictions: that of training, whatever was set since.
    _writer: CharTokenizer | WordTokenizer = field(init=False)

    def _learn_targets(self, train: list[list[str]], everything: list[list[str]]) -> None:
        """Learn which tokens there are, from those to learn from or those of all examples."""
        raise NotImplementedError

    def _encode_targets(self, name: str, targets: list[list[str]], x: list[Array]) -> list[Array]:
        """Return the ids of each target, checked against its encoded input."""
        raise NotImplementedError

    def _encode_x(self, name: str, X: Any) -> list[Array]:
        return self.inputs_.encode(name, X)

    def _prepare(self, X: Any, y: Any, valid: Any) -> tuple[Examples, Examples | None]:
        self._writer = self._tokenizer()
        sequences, targets = self._read("X", X), self._read_targets("y", y)
        check_same_length(sequences, targets)
        train, held_out = np.arange(len(sequences)), np.arange(0)
        if valid is None:
            train, held_out = hold_out(len(sequences), self.validation_fraction)
        self.writes_text_ = isinstance(as_list("y", y, _WHAT)[0], str)
        self.inputs_ = self._learn_inputs([sequences[i] for i in train])
        self._learn_targets([targets[i] for i in train], targets)

        def encode(X: Sequences, y: list[list[str]], suffix: str = "") -> Examples:
            x = self._encode_x(f"X{suffix}", X)
            check_same_length(x, y, suffix)
            return Examples(x, self._encode_targets(f"y{suffix}", y, x))

        if valid is not None:
            X, y = split_valid(valid)
            y = self._read_targets("y of valid", y)
            return encode(sequences, targets), encode(X, y, " of valid")
        both = encode(sequences, targets)
        parts = [
            Examples([both.x[i] for i in part], [both.y[i] for i in part])
            for part in (train, held_out)
        ]
        return parts[0], parts[1] if len(held_out) else None

    def _read_targets(self, name: str, y: Any) -> list[list[str]]:
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
        for number, item in enumerate(as_list(name, y, _WHAT)):
            what = "a str or a list of str"
            if not isinstance(item, str) and not read_array(f"{name}[{number}]", item, what).ndim:
                got = type(item).__name__
                raise TypeError(f"{name}[{number}]: expected {what}, got {got}")
            if len(item) and not isinstance(item[0], str):
                got = type(item[0]).__name__
                raise TypeError(f"{name}[{number}][0]: expected a str, got {got}")
        return [list(tokens) for tokens in read_sequences(name, y, self._writer)]

    def _written(self, sequences: list[list[str]]) -> list[Any]:
        """Return predicted tokens as y was in training."""
        if not self.writes_text_:
            return sequences
        return [self._writer.detokenize(tokens) for tokens in sequences]

    def _learned(self) -> dict[str, Any]:
        return {**super()._learned(), "writes_text": self.writes_text_}

    def _restore(self, learned: Mapping[str, Any]) -> None:
        self.writes_text_ = check_bool("writes_text", learned["writes_text"])
        self._writer = self._tokenizer()  # the hyperparameters are those of training here
        super()._restore(learned)
