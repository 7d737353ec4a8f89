"""The layers of a language model: made of hyperparameters, their tables, what of it is in files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnfast._checks import check_bool, check_factor, check_int, check_real
from rnnfast.models.parts.fitting.warm_start import Axes, axes_of_ids, axes_of_rows
from rnnfast.models.parts.hyperparameters import LayerOptions
from rnnfast.models.parts.language.condition import Condition, make_condition_layer
from rnnfast.models.parts.language.token_network import TokenNetwork
from rnnfast.models.parts.reading.tokens import check_vocabulary, saved_tokenizer, tokenizer_to_save
from rnnfast.models.trainable import Trainable
from rnnfast.nn.adaptive import check_cutoffs
from rnnfast.text.tokenizers import Tokenizer
from rnnfast.text.vocabulary import Vocabulary


@dataclass(frozen=True, kw_only=True)
class NetworkOptions:
    """What the network has besides its layers, as `LanguageModel` has it."""

    tie_weights: bool
    mixed_precision: bool
    sparse_embedding: bool
    condition_size: int
    embedding_dropout: float
    weight_drop: float
    label_smoothing: float
    activation_penalty: float
    slowness_penalty: float

    def __post_init__(self) -> None:
        check_bool("tie_weights", self.tie_weights)
        if self.tie_weights and self.sparse_embedding:
            raise ValueError(
                "sparse_embedding: expected False with tie_weights, whose output layer gives every "
                "row a gradient, got True"
            )
        check_int("condition_size", self.condition_size, 1)
        for name in ("embedding_dropout", "weight_drop", "label_smoothing"):
            check_real(name, getattr(self, name), 0, 1, below=True)
        for name in ("activation_penalty", "slowness_penalty"):
            check_factor(name, getattr(self, name), 0)


class LanguageLayers(Trainable, base=True):
    """Base of `LanguageAnswers`: what a language model is, of tokens, conditions and layers."""

    condition_size: int
    tie_weights: bool

    vocabulary_: Vocabulary
    tokenizer_: Tokenizer
    network_: TokenNetwork
    condition_: Condition | None
    cutoffs_: tuple[int, ...] | None

    def _make_network(
        self, vocabulary: Vocabulary, condition: Condition | None, rng: np.random.Generator
    ) -> TokenNetwork:
        options, given = self._options(NetworkOptions), None
        if condition is not None:
            given = make_condition_layer(condition, options.condition_size, self.dtype, rng)
        return TokenNetwork(
            len(vocabulary),
            self._options(LayerOptions),
            rng=rng,
            embedding_dropout=options.embedding_dropout,
            weight_drop=options.weight_drop,
            activation_penalty=options.activation_penalty,
            slowness_penalty=options.slowness_penalty,
            label_smoothing=options.label_smoothing,
            mixed_precision=options.mixed_precision,
            tie_weights=options.tie_weights,
            cutoffs=self.cutoffs_,
            condition=given,
        )

    def _word_tables(self) -> dict[str, Vocabulary]:
        return {"embedding": self.vocabulary_}

    def _axes(self) -> Axes:
        tokens, given = self.vocabulary_.tokens, self.condition_
        beside = 0 if given is None else self.condition_size
        axes = axes_of_ids("", self.embedding_size is not None, [*tokens, None], beside)
        if self.cutoffs_ is None:
            axes |= axes_of_rows("output", tokens)
        else:
            last = len(self.cutoffs_) - 1
            axes[f"output.tail.{last}.1.weight"] = {0: tokens[self.cutoffs_[last] :]}
        if self.tie_weights:
            axes["embedding.bias"] = {0: tokens}
        if given is not None and given.labels is not None:
            axes["condition.weight"] = {0: given.labels}
        return axes

    def _learned(self) -> dict[str, Any]:
        return {
            **super()._learned(),
            "vocabulary": self.vocabulary_.to_json(),
            "tokenizer": tokenizer_to_save(self.tokenizer_, learned=self.tokenizer is None),
            "cutoffs": None if self.cutoffs_ is None else list(self.cutoffs_),
            "condition": None if self.condition_ is None else self.condition_.to_json(),
        }

    def _restore(self, learned: Mapping[str, Any]) -> None:
        super()._restore(learned)
        self.tokenizer_ = saved_tokenizer(learned["tokenizer"], self.tokenizer)
        vocabulary = Vocabulary.from_json(learned["vocabulary"])
        self.vocabulary_ = check_vocabulary(self.tokenizer_, vocabulary)
        cutoffs = learned.get("cutoffs")  # which older files do not have
        self.cutoffs_ = None if cutoffs is None else check_cutoffs("cutoffs", cutoffs, None)
        saved = learned["condition"]
        self.condition_ = None if saved is None else Condition.from_json(saved)
        self.network_ = self._make_network(
            self.vocabulary_, self.condition_, np.random.default_rng(0)
        )
