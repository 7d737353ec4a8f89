"""What the supervised models read, encoded: tokens as ids, series as standardised arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from rnnfast import _core
from rnnfast._checks.arrays import as_numbers, check_float_dtype
from rnnfast._checks.messages import shown
from rnnfast.models.parts.reading.extension import are_numbered, extend_ids, extend_vocabulary
from rnnfast.models.parts.reading.lazy import LazySeries
from rnnfast.models.parts.reading.scaling import mean_and_scale
from rnnfast.models.parts.reading.sequences import Sequences, are_ids, lengths_of, read_sequences
from rnnfast.models.parts.reading.series import common_dtype
from rnnfast.models.parts.reading.tokens import (
    check_vocabulary,
    learn_vocabulary,
    saved_tokenizer,
    tokenizer_to_save,
)
from rnnfast.models.parts.reading.weights import Weights, spread
from rnnfast.nn.module import Array
from rnnfast.text.subwords import SubwordTokenizer
from rnnfast.text.tokenizers import CharTokenizer, Tokenizer
from rnnfast.text.vocabulary import Vocabulary, encode_each

# As many have a vocabulary that fits in memory.
_MOST_IDS = 1 << 24


@dataclass(frozen=True)
class TokenInputs:
    """Tokens as ids.

    Attributes
    ----------
    tokenizer : Tokenizer
        Splits text.
    vocabulary : Vocabulary
        A token that it lacks reads as ``<UNK>``, also if all tokens of a sequence do.
    """

    tokenizer: Tokenizer
    vocabulary: Vocabulary

    @property
    def size(self) -> int:
        """How many ids there are."""
        return len(self.vocabulary)

    def encode(self, name: str, X: Any) -> list[Array]:
        """Return the ids ``(T_i,)`` of what `read_sequences` takes.

        Raises
        ------
        TypeError, ValueError
            As `read_sequences`; also if they are numbers.
        """
        sequences = read_sequences(name, X, self.tokenizer)
        if are_ids(sequences):
            return [self._known_ids(f"{name}[{n}]", ids) for n, ids in enumerate(sequences)]
        if isinstance(sequences[0], np.ndarray):
            raise TypeError(f"{name}: expected text or tokens as in training, got arrays")
        tokens = [tokens for tokens in sequences if isinstance(tokens, list)]
        return [*encode_each(self.vocabulary, tokens)]

    def extended(
        self, name: str, sequences: Sequences, *, number_of_ids: int, **options: Any
    ) -> TokenInputs:
        """Return these with what further sequences add to the vocabulary.

        Parameters
        ----------
        name : str
            The argument that they come from, for messages.
        sequences : list
            What `read_sequences` gave, of the part to learn from.
        number_of_ids : int
            As `learn_inputs` takes it.
        **options
            ``extend``, ``max_size`` and ``min_count`` of `extend_vocabulary`.

        Raises
        ------
        TypeError, ValueError
            As `extend_vocabulary`; also if they are numbers.
        """
        vocabulary = self.vocabulary
        if are_ids(sequences):
            if not are_numbered(vocabulary):
                return self
            _require_few(name, number_of_ids)
            extend = options["extend"]
            vocabulary = extend_ids(name, vocabulary, number_of_ids, extend=extend)
            return replace(self, vocabulary=vocabulary)
        if any(isinstance(item, np.ndarray) for item in sequences):
            raise TypeError(f"{name}: expected text or tokens as in training, got arrays")
        tokens = (token for sequence in sequences for token in sequence)
        if vocabulary.unk is not None or isinstance(self.tokenizer, SubwordTokenizer):
            vocabulary = extend_vocabulary(
                name, vocabulary, tokens, tokenizer=self.tokenizer, **options
            )
        return replace(self, vocabulary=vocabulary)

    def _known_ids(self, name: str, ids: Any) -> Array:
        known: Array = ids
        if len(known) and known.max() >= self.size:
            raise ValueError(
                f"{name}: expected ids of the vocabulary, from 0 to {self.size - 1}, got "
                f"{known.max()}"
            )
        return known

    def to_dict(self) -> dict[str, Any]:
        """Return what `inputs_from_dict` reads."""
        return {
            "type": "tokens",
            "tokenizer": tokenizer_to_save(self.tokenizer),
            "vocabulary": self.vocabulary.to_json(),
        }


@dataclass(frozen=True)
class SeriesInputs:
    """Series of numbers, each feature with its mean taken off and divided by its deviation.

    Attributes
    ----------
    mean, scale : ndarray of float64, shape (F,)
        ``(x - mean) / scale`` is what the network reads. The scale of a feature that does not
        change is 1.
    dtype : {"float32", "float64"}
        Of what it reads.
    """

    mean: Array
    scale: Array
    dtype: str

    @property
    def size(self) -> int:
        """F, how many numbers a step has."""
        return len(self.mean)

    @classmethod
    def learn(
        cls,
        arrays: Sequence[Array],
        standardize: bool,
        dtype: str,
        rounding: float | Array = 0.0,
        weights: Weights | None = None,
    ) -> SeriesInputs:
        """Take mean and scale of every feature over all steps, if they are to be taken.

        As `mean_and_scale` takes them; a feature that does not change is only moved to zero.
        """
        features = arrays[0].shape[1]
        if not standardize or not lengths_of(arrays).any():
            return cls(np.zeros(features), np.ones(features), dtype)
        weights = spread(weights, arrays)
        mean, scale = mean_and_scale(arrays, common_dtype(arrays), rounding, weights)
        return cls(mean, np.where(scale > 0, scale, 1.0), dtype)

    def encode(self, name: str, X: Any) -> Sequence[Array]:
        """Return the arrays ``(T_i, F)`` of what `read_sequences` takes.

        Raises
        ------
        TypeError, ValueError
            As `read_sequences`; also if they are text, have another number of features, or are too
            large for the dtype.
        """
        sequences = read_sequences(name, X, CharTokenizer(), univariate=self.size == 1)
        if isinstance(sequences, LazySeries):
            return sequences.changed(self.encode_one, name)
        return self.encode_all(lambda number: f"{name}[{number}]", sequences)

    def encode_all(self, name: Callable[[int], str], items: Sequence[Any]) -> list[Array]:
        """Return what `encode_one` does of each, whose name is that of its number."""
        encoded = zip(items, self._standardised(items), strict=True)
        return [
            self.encode_one(name(number), item) if rows is None else rows
            for number, (item, rows) in enumerate(encoded)
        ]

    def _standardised(self, items: Sequence[Any]) -> list[Array | None]:
        """Return ``(T_i, F)`` numbers as the network reads them; None where it could not."""
        return _core.standardised([*items], self.mean, self.scale, np.dtype(self.dtype))

    def encode_one(self, name: str, item: list[str] | Array) -> Array:
        """Return one of what `encode` takes; raise as that does."""
        if isinstance(item, list) and not item:  # of no steps, it might be of tokens or of numbers
            item = np.zeros((0, self.size))
        if isinstance(item, np.ndarray) and item.ndim == 1:
            cure = f"{name}[:, np.newaxis] is one of a single feature"
            raise ValueError(
                f"{name}: expected shape (T, {self.size}) as in training, got {item.shape}; {cure}"
            )
        if not isinstance(item, np.ndarray):
            raise TypeError(f"{name}: expected an array (T, {self.size}) as in training, got text")
        if item.shape[1] != self.size:
            raise ValueError(f"{name}: expected shape (T, {self.size}), got {item.shape}")
        (array,) = self._standardised([item])
        if array is None:  # numbers of another type, or too large
            with np.errstate(over="ignore"):
                array = ((item - self.mean) / self.scale).astype(self.dtype)
        if not np.isfinite(array).all():
            raise ValueError(f"{name}: expected numbers within {self.dtype} when standardised")
        return array

    def to_dict(self) -> dict[str, Any]:
        """Return what `inputs_from_dict` reads."""
        return {
            "type": "series",
            "mean": self.mean.tolist(),
            "scale": self.scale.tolist(),
            "dtype": self.dtype,
        }


Inputs: TypeAlias = TokenInputs | SeriesInputs


def learn_inputs(
    name: str,
    sequences: Sequences,
    tokenizer: Tokenizer,
    *,
    max_vocabulary_size: int | None = None,
    min_count: int = 1,
    eos: str | None = None,
    standardize: bool = True,
    dtype: str = "float32",
    rounding: float | Array = 0.0,
    weights: Weights | None = None,
    number_of_ids: int = 0,
) -> Inputs:
    """Learn how to encode sequences: a vocabulary, or means and deviations.

    Parameters
    ----------
    name : str
        The argument that they come from, for messages.
    sequences : list
        What `read_sequences` gave, of the part to learn from.
    tokenizer : Tokenizer
        What split them.
    max_vocabulary_size, min_count, eos
        As `Vocabulary.from_tokens` takes them.
    standardize : bool
        Whether series are standardised.
    dtype : {"float32", "float64"}
        Of the network.
    rounding : float or ndarray
        Of series, as `mean_and_scale` takes it.
    weights : ndarray, optional
        How much each series counts, ``(N,)``. A vocabulary is of all that is learned from.
    number_of_ids : int
        Of ids, one more than the largest of all sequences, of those held out too.

    Raises
    ------
    ValueError
        If all sequences are empty, or no token is frequent enough.
    """
    if not lengths_of(sequences).any():
        raise ValueError(f"{name}: expected sequences with something in them, got empty ones only")
    if are_ids(sequences):
        all_of_them = max_vocabulary_size is None and min_count == 1
        return TokenInputs(tokenizer, _known_by_ids(name, tokenizer, number_of_ids, all_of_them))
    if isinstance(sequences[0], np.ndarray):
        arrays: Sequence[Array]
        if isinstance(sequences, LazySeries):
            arrays = sequences
        else:
            arrays = [array for array in sequences if isinstance(array, np.ndarray)]
        return SeriesInputs.learn(arrays, standardize, dtype, rounding, weights)
    vocabulary = learn_vocabulary(
        name,
        tokenizer,
        (token for tokens in sequences for token in tokens),
        max_size=max_vocabulary_size,
        min_count=min_count,
        eos=eos,
    )
    return TokenInputs(tokenizer, vocabulary)


def count_ids(sequences: Sequences) -> int:
    """Return one more than the largest id; 0 of sequences that are no ids."""
    if not are_ids(sequences):
        return 0
    return max(int(np.max(ids, initial=-1)) for ids in sequences) + 1


def _known_by_ids(name: str, tokenizer: Tokenizer, count: int, all_of_them: bool) -> Vocabulary:
    """Return the tokenizer's vocabulary, or one whose tokens are the ids, written as numbers."""
    if isinstance(tokenizer, SubwordTokenizer):
        return tokenizer.make_vocabulary()
    if not all_of_them:
        raise ValueError(
            f"{name}: expected text or tokens, of which max_vocabulary_size and min_count choose, "
            f"got ids"
        )
    _require_few(name, count)
    return Vocabulary([*map(str, range(count))])


def _require_few(name: str, count: int) -> None:
    if count > _MOST_IDS:
        raise ValueError(f"{name}: expected ids below {_MOST_IDS}, got {count - 1}")


def inputs_from_dict(settings: Mapping[str, Any], given: Any = None) -> Inputs:
    """Make the inputs whose `to_dict` gave the settings; ``given`` as `saved_tokenizer` takes it.

    Raises
    ------
    ValueError
        If the settings are not those of inputs.
    """
    if settings["type"] == "tokens":
        tokenizer = saved_tokenizer(settings["tokenizer"], given)
        vocabulary = Vocabulary.from_json(settings["vocabulary"])
        return TokenInputs(tokenizer, check_vocabulary(tokenizer, vocabulary))
    if settings["type"] != "series":
        raise ValueError(
            f"inputs: expected the type 'tokens' or 'series', got {shown(settings['type'])}"
        )
    return series_from_dict(settings)


def series_from_dict(settings: Mapping[str, Any]) -> SeriesInputs:
    """Make the `SeriesInputs` whose `to_dict` gave the settings.

    Raises
    ------
    TypeError, ValueError, KeyError
        If the settings are not those.
    """
    mean, scale, dtype = read_scaling(settings)
    if scale.size and scale.min() == 0:
        raise ValueError("scale: expected positive numbers, got 0")
    return SeriesInputs(mean, scale, dtype)


def read_scaling(settings: Mapping[str, Any]) -> tuple[Array, Array, str]:
    """Return the mean and scale ``(F,)``, the latter at least 0, and the dtype of settings.

    Raises
    ------
    TypeError, ValueError, KeyError
        If the settings are not such.
    """
    mean, scale = (as_numbers(name, settings[name]) for name in ("mean", "scale"))
    for name, array in (("mean", mean), ("scale", scale)):
        if array.ndim != 1 or array.shape != mean.shape:
            raise ValueError(f"{name}: expected one number a feature, got shape {array.shape}")
        if not np.isfinite(array).all() or (name == "scale" and (array < 0).any()):
            raise ValueError(f"{name}: expected finite numbers, of the scale none below 0")
    return mean, scale, check_float_dtype("dtype", settings["dtype"]).name
