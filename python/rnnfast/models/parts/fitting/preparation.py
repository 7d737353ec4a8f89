"""What the supervised models learn of data before a network does: how ``X`` and ``y`` are read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from rnnfast._checks.adjustments import AdjustmentWarning, warn_caller
from rnnfast._checks.messages import shown
from rnnfast.data.batches import Ints
from rnnfast.models.parts.codecs.base import Codec
from rnnfast.models.parts.fitting.amount import choose_fraction
from rnnfast.models.parts.fitting.examples import Examples, pick
from rnnfast.models.parts.hyperparameters import TokenOptions, WordOptions
from rnnfast.models.parts.reading.columns import Columns, step_names
from rnnfast.models.parts.reading.inputs import count_ids
from rnnfast.models.parts.reading.reader import Reader
from rnnfast.models.parts.reading.sequences import (
    Sequences,
    are_series,
    has_steps_of,
    read_sequences,
)
from rnnfast.models.parts.reading.weights import Weights, of_examples, relative, scaled
from rnnfast.models.parts.reading.word_features import WordFeatures
from rnnfast.models.trainable import Trainable
from rnnfast.nn.module import Array
from rnnfast.training.ranks import current_ranks


class Preparation(Trainable, base=True):
    """Base of `Estimator`: what `fit` does before it trains."""

    standardize: bool
    _reader: Reader  # of X
    _codec: Any  # of y

    # The hyperparameters that it has besides: `WordOptions` of words, `PoolOptions` of outputs that
    # are one for a sequence.
    _groups: ClassVar[tuple[type, ...]] = ()

    def _make_codec(self) -> Codec:
        """Return what ``y`` is to the model, of the hyperparameters."""
        raise NotImplementedError

    def _prepare(
        self, X: Any, y: Any, valid: Any, sample_weight: Any = None, grow: bool | None = None
    ) -> tuple[Examples, Examples | None, float | None]:
        """Learn what ``X`` and ``y`` are, and encode them.

        Called on a copy of the model, so that a failure changes nothing. Returns the examples to
        learn from, those to measure on, if any, and what a network that has learned nothing loses
        on these, or on those; None: not known. ``grow`` is whether what is known already may grow;
        None: nothing is.
        """
        tokenizer, codec = self._options(TokenOptions).splitter(), self._make_codec()
        columns = None
        if grow is not None:
            columns = self._reader.columns
        elif 2 in self._facts.axes and not codec.of_steps:
            columns = Columns.of("X", X)
            if columns is not None and self.tokenizer is None and current_ranks().leads:
                columns.warn_of_ids("X", X)
        if columns is not None and self.tokenizer is not None:
            raise ValueError(
                "X: expected text, tokens or ids with a tokenizer, got a table of numbers, which "
                "are series; list(X) are ids of tokens"
            )

        def read(name: str, X: Any) -> Sequences:
            X = X if columns is None else columns.read(name, X)
            univariate = codec.of_steps and has_steps_of(name, X, y)
            return read_sequences(name, X, tokenizer, univariate=univariate)

        self._require_weighable(sample_weight)
        held_out = valid is None and bool(self.validation_fraction)
        if grow is None:
            codec, sequences, targets = codec.begin(read, X, y, held_out)
        else:
            codec = codec.restore(self._codec.to_dict(), self._reader.inputs)
            codec, sequences, targets = codec.begin_again(self._reader.read, X, y, held_out, grow)
        if self.tokenizer is not None and not codec.of_text and are_series(sequences):
            raise ValueError("X: expected text, tokens or ids with a tokenizer, got series")
        targets, weights = codec.weigh(targets, sample_weight)
        counting = codec.counting(targets, weights)
        train, kept = counting, np.arange(0)
        if valid is None:
            given = targets if len(counting) == len(sequences) else pick(targets, counting)
            parts = self._hold_out(codec, given)
            train, kept = counting[parts[0]], counting[parts[1]]
        own = None if weights is None else pick(weights, train)
        number_of_ids = count_ids(sequences)
        if grow is None:
            reader = self._learn_reader(
                pick(sequences, train), codec.input_rounding(), of_examples(own), number_of_ids
            )
            reader = replace(reader, columns=columns, step_names=step_names("X", X))
            codec = codec.learn(pick(targets, train), own)
        else:
            limits = {"max_size": self.max_vocabulary_size, "min_count": self.min_count}
            reader = self._reader.extended(
                pick(sequences, train), extend=grow, number_of_ids=number_of_ids, **limits
            )
            codec = codec.learn_again(pick(targets, train), own, grow)
        self._reader, self._codec = reader, codec

        def encode(sequences: Any, targets: Any, suffix: str = "") -> Examples:
            x = reader.encode(f"X{suffix}", sequences)
            return Examples(x, codec.encode(f"y{suffix}", targets, x))

        both, suffix = encode(sequences, targets), ""
        examples = Examples(pick(both.x, train), pick(both.y, train))
        others, y_others = Examples(pick(both.x, kept), pick(both.y, kept)), pick(targets, kept)
        if weights is not None and own is not None:
            examples = examples._replace(weights=scaled(own, codec.terms(examples), self.dtype))
            others = others._replace(weights=relative(pick(weights, kept)))
        if valid is not None:
            suffix = " of valid"
            if columns is not None:
                columns.require_names("valid", valid)
            sequences, y_others = codec.read_valid(reader.read, valid)
            others = encode(sequences, y_others, suffix)
        if not others.x:
            return examples, None, codec.baseline(examples)
        measured = codec.to_measure(suffix, y_others, others)
        if valid is not None:
            _warn_of_unseen(codec.unseen(y_others), len(others.x))
        return examples, measured, codec.baseline(others)

    def _hold_out(self, codec: Codec, targets: Any) -> tuple[Ints, Ints]:
        """Return the numbers of the examples to learn from, and of those to validate on."""
        if self.validation_fraction is not None:
            return codec.hold_out(targets, self.validation_fraction)
        watched = self.patience is not None or self.monitor is not None
        watched = watched or self.schedule == "plateau"
        try:
            return codec.hold_out(targets, choose_fraction(len(targets), watched))
        except ValueError:  # there is too little to divide
            if watched:
                raise
            return codec.hold_out(targets, 0.0)

    def _learn_reader(
        self,
        sequences: Sequences,
        rounding: float | Array,
        weights: Weights | None,
        number_of_ids: int,
    ) -> Reader:
        words = None
        if WordOptions in self._groups:
            words = WordFeatures.learn(sequences, self._options(WordOptions))
        inputs = self._options(TokenOptions).learn(
            "X",
            sequences if words is None else [words.keys(item) for item in sequences],
            standardize=self.standardize,
            dtype=self.dtype,
            rounding=rounding,
            weights=weights,
            number_of_ids=number_of_ids,
        )
        return Reader(inputs, words, self._reads_backwards())

    def _reads_backwards(self) -> bool:
        """Whether sequences are read from their end."""
        return False


def _warn_of_unseen(unseen: list[Any], count: int) -> None:
    """Warn of targets to measure on that training has not seen, if there are some."""
    if unseen and current_ranks().leads:
        warn_caller(
            f"y of valid: {len(unseen)} of {count} have what training has not seen, the first "
            f"{shown(unseen[0])}; they count as errors and are left out of the loss",
            AdjustmentWarning,
        )
