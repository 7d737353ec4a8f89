"""The hyperparameters of models by subject: frozen, checked, and handed to what they are for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnfast._checks import LARGEST_FACTOR, among, check_bool, check_int, check_real
from rnnfast._checks.messages import shown
from rnnfast.models.parts.fitting.given_schedules import check_schedule
from rnnfast.models.parts.reading.inputs import Inputs, learn_inputs
from rnnfast.models.parts.reading.sequences import Sequences
from rnnfast.models.parts.reading.tokens import make_tokenizer
from rnnfast.nn.pooling import POOLINGS
from rnnfast.nn.recurrent.base import LAYERS
from rnnfast.text.subwords import SubwordTokenizer
from rnnfast.text.tokenizers import Tokenizer

# What gradients are of: a batch's terms in the mean, their sum a sequence in the mean, or the sum.
REDUCTIONS = ("mean", "example", "sum")


@dataclass(frozen=True, kw_only=True)
class TokenOptions:
    """What tokens are, and which have an id of their own, as `RecurrentModel` has it."""

    level: str
    tokenizer_options: Mapping[str, Any] | None
    max_vocabulary_size: int | None
    min_count: int
    tokenizer: Any = None

    def __post_init__(self) -> None:
        if self.max_vocabulary_size is not None:
            check_int("max_vocabulary_size", self.max_vocabulary_size, 1)
        check_int("min_count", self.min_count, 1)
        if self.tokenizer is None or not isinstance(self.splitter(), SubwordTokenizer):
            return
        for name, all_of_it in (("max_vocabulary_size", None), ("min_count", 1)):
            if getattr(self, name) != all_of_it:
                raise ValueError(
                    f"{name}: expected {all_of_it} with a tokenizer that has a vocabulary of its "
                    f"own, got {getattr(self, name)}"
                )

    def splitter(self) -> Tokenizer:
        """Return what splits text."""
        return make_tokenizer(self.level, self.tokenizer_options, self.tokenizer)

    def learn(self, name: str, sequences: Sequences, **options: Any) -> Inputs:
        """Learn how to encode sequences; options as `learn_inputs` takes them."""
        return learn_inputs(
            name,
            sequences,
            self.splitter(),
            max_vocabulary_size=self.max_vocabulary_size,
            min_count=self.min_count,
            **options,
        )


@dataclass(frozen=True, kw_only=True)
class LayerOptions:
    """Embeddings and recurrent layers, as `RecurrentModel` and `Estimator` have them."""

    cell: str
    hidden_size: int
    num_layers: int
    embedding_size: int | None
    dropout: float
    dtype: str
    sparse_embedding: bool = False
    variational: bool = False
    cell_options: Mapping[str, Any] | None = None
    bidirectional: bool = False
    embedding_scale: float = 1.0
    word_dropout: float = 0.0

    def __post_init__(self) -> None:
        if not among(self.cell, LAYERS):
            raise ValueError(f"cell: expected one of {', '.join(LAYERS)}, got {shown(self.cell)}")
        check_int("hidden_size", self.hidden_size, 1)
        check_int("num_layers", self.num_layers, 1)
        if not among(self.dtype, ("float32", "float64")):
            raise ValueError(f"dtype: expected 'float32' or 'float64', got {shown(self.dtype)}")
        if self.embedding_size is not None:
            check_int("embedding_size", self.embedding_size, 1)
        check_bool("sparse_embedding", self.sparse_embedding)
        check_real("dropout", self.dropout, 0, 1, below=True)
        check_bool("variational", self.variational)
        check_real("embedding_scale", self.embedding_scale, 0, LARGEST_FACTOR, above=True)
        check_real("word_dropout", self.word_dropout, 0, 1, below=True)


@dataclass(frozen=True, kw_only=True)
class WordOptions:
    """What is read of words, by the models with an output at every step.

    With series there are no words, and all of it is off.

    Parameters
    ----------
    lowercase : bool
        Whether words are looked up in lower case; their characters and shapes are those of the
        word as it stands.
    char_encoder : bool
        Whether the characters of a word are read too, by recurrent layers in both directions,
        whose last states stand beside its embedding; with ``embedding_size=None`` in place of it.
    char_embedding_size, char_hidden_size : int
        Numbers of a character's embedding, and units of each direction over the characters.
    shape_features : bool
        Whether the network is told a word's shape: lower case, capital, number and so on.
    """

    lowercase: bool = False
    char_encoder: bool = False
    char_embedding_size: int = 32
    char_hidden_size: int = 32
    shape_features: bool = False

    def __post_init__(self) -> None:
        for name in ("lowercase", "char_encoder", "shape_features"):
            check_bool(name, getattr(self, name))
        check_int("char_embedding_size", self.char_embedding_size, 1)
        check_int("char_hidden_size", self.char_hidden_size, 1)

    def require_off(self) -> None:
        """Raise ValueError if something is to be read of words, where there are none."""
        for name in ("char_encoder", "shape_features", "lowercase"):
            if getattr(self, name):
                raise ValueError(f"{name}: expected False where X has no words, got True")


@dataclass(frozen=True, kw_only=True)
class PoolOptions:
    """What becomes of the layers' outputs over time, by the models with one output a sequence."""

    pooling: str

    def __post_init__(self) -> None:
        if not among(self.pooling, POOLINGS):
            known = ", ".join(POOLINGS)
            raise ValueError(f"pooling: expected one of {known}, got {shown(self.pooling)}")


@dataclass(frozen=True, kw_only=True)
class FittingOptions:
    """How weights are learned, as `RecurrentModel` has it."""

    optimizer: str
    optimizer_options: Mapping[str, Any] | None
    learning_rate: float
    schedule: Any
    schedule_options: Mapping[str, Any] | None
    clip_norm: float | None
    clip_value: float | None
    averaging: str | None
    averaging_options: Mapping[str, Any] | None
    batch_size: int | None
    validation_fraction: float | None
    patience: int | None
    loss_reduction: str = "mean"

    def __post_init__(self) -> None:
        if self.batch_size is not None:
            check_int("batch_size", self.batch_size, 1)
        check_real("learning_rate", self.learning_rate, 0, LARGEST_FACTOR, above=True)
        for name in ("clip_norm", "clip_value"):
            value = getattr(self, name)
            if value is not None:
                check_real(name, value, 0, above=True)
        if self.validation_fraction is not None:
            check_real("validation_fraction", self.validation_fraction, 0, 1, below=True)
        if self.patience is not None:
            check_int("patience", self.patience, 1)
        if not isinstance(self.schedule, str):
            check_schedule(self.schedule)
        if not among(self.loss_reduction, REDUCTIONS):
            known = ", ".join(REDUCTIONS)
            raise ValueError(
                f"loss_reduction: expected one of {known}, got {shown(self.loss_reduction)}"
            )

    def divisor(self) -> Callable[[Any, int], float] | None:
        """Return what gradients of a batch's summed loss are divided by; None: by its terms."""
        if self.loss_reduction == "mean":
            return None
        if self.loss_reduction == "sum":
            return lambda batch, terms: 1.0
        return lambda batch, terms: max(float(np.count_nonzero(batch.lengths)), 1.0)
