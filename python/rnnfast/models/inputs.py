"""What the supervised models read: text, tokens or series of numbers, as ids or arrays.

``X`` may be

- a list of str, which a tokenizer splits into characters or words,
- a list of lists of str: tokens,
- a list of arrays ``(T_i, F)``: series of F numbers a step, of different lengths,
- an array ``(N, T, F)``: series of equal lengths.

Tuples, and arrays of str or of objects with one axis, count as lists.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from rnnfast._checks import check_int
from rnnfast.data.batches import Ints
from rnnfast.nn.module import Array
from rnnfast.text.tokenizers import (
    CharTokenizer,
    Tokenizer,
    WordTokenizer,
    tokenizer_from_dict,
)
from rnnfast.text.vocabulary import Vocabulary

# Sequences as `read_sequences` gives them: all of tokens, or all of numbers.
Sequences: TypeAlias = list[list[str] | Array]


def make_tokenizer(
    level: str, options: Mapping[str, Any] | None = None
) -> CharTokenizer | WordTokenizer:
    """Make a tokenizer from a model's hyperparameters.

    Parameters
    ----------
    level : {"char", "word"}
        What a token is.
    options : mapping, optional
        What `CharTokenizer` or `WordTokenizer` take.

    Raises
    ------
    ValueError, TypeError
        If the level or an option is not one of those.
    """
    if level not in ("char", "word"):
        raise ValueError(f"level: expected 'char' or 'word', got {level!r}")
    kind = CharTokenizer if level == "char" else WordTokenizer
    try:
        return kind(**dict(options or {}))
    except TypeError as error:
        raise ValueError(f"tokenizer_options: {error}") from None


def as_list(name: str, items: Any, what: str) -> list[Any]:
    """Return examples or labels as a list.

    Parameters
    ----------
    name : str
        The argument, for messages.
    items : sequence or array
        A str, a mapping or a set is none.
    what : str
        What was expected, for messages.

    Raises
    ------
    TypeError
        If it is not a list of any kind.
    """
    if isinstance(items, np.ndarray) or (
        hasattr(items, "__array__") and not isinstance(items, Sequence)
    ):
        array = np.asarray(items)
        if array.ndim:
            return array.tolist() if array.dtype.kind == "U" else list(array)
    elif isinstance(items, Sequence) and not isinstance(items, (str, bytes, bytearray)):
        return list(items)
    raise TypeError(f"{name}: expected {what}, got {_describe(items)}")


def read_sequences(name: str, X: Any, tokenizer: Tokenizer) -> Sequences:
    """Return ``X`` as token lists or as arrays ``(T_i, F)``.

    What it gives may be given to it again. Numbers keep their dtype.

    Parameters
    ----------
    name : str
        The argument, for messages.
    X : list of str, list of list of str, list of array_like, or ndarray
        See this module. An empty text, token list or series of no steps is allowed.
    tokenizer : Tokenizer
        Splits text.

    Raises
    ------
    TypeError
        If it is none of these, or holds a mixture.
    ValueError
        If there is no sequence, an array has not two axes, widths differ, or a number is NaN or
        infinite.
    """
    if isinstance(X, np.ndarray) and X.dtype.kind in "biuf" and X.ndim != 3:
        raise ValueError(f"{name}: expected an array of shape (N, T, F), got {X.shape}")
    items = as_list(name, X, "a list of str, of token lists or of arrays")
    if not items:
        raise ValueError(f"{name}: expected at least one sequence, got none")
    kinds = [_kind(f"{name}[{number}]", item) for number, item in enumerate(items)]
    known = [kind for kind in kinds if kind != "nothing"]
    kind = known[0] if known else "token list"
    for number, (found, item) in enumerate(zip(kinds, items, strict=True)):
        if found not in (kind, "nothing") or (found == "nothing" and kind == "str"):
            first = kinds.index(kind)
            raise TypeError(
                f"{name}[{number}]: expected {_an(kind)} as {name}[{first}] is, "
                f"got {_describe(item)}"
            )
    if kind == "str":
        return [tokenizer.tokenize(item) for item in items]
    if kind == "token list":
        return [_as_tokens(f"{name}[{number}]", item) for number, item in enumerate(items)]
    return [*_as_series(name, items)]


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

    tokenizer: CharTokenizer | WordTokenizer
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
        if isinstance(sequences[0], np.ndarray):
            raise TypeError(f"{name}: expected text or tokens as in training, got arrays")
        return [self.vocabulary.encode(tokens) for tokens in sequences]

    def to_dict(self) -> dict[str, Any]:
        """Return what `inputs_from_dict` reads."""
        return {
            "type": "tokens",
            "tokenizer": self.tokenizer.to_dict(),
            "vocabulary": self.vocabulary.to_json(),
        }


@dataclass(frozen=True)
class SeriesInputs:
    """Series of numbers, each feature with its mean taken off and divided by its deviation.

    Attributes
    ----------
    mean, scale : ndarray of float64, shape (F,)
        ``(x - mean) / scale`` is what the network reads.
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
    def learn(cls, arrays: Sequence[Array], standardize: bool, dtype: str) -> SeriesInputs:
        """Take mean and deviation of every feature over all steps, if they are to be taken.

        A feature that does not change is only moved to zero.
        """
        features = arrays[0].shape[1]
        if not standardize:
            return cls(np.zeros(features), np.ones(features), dtype)
        steps = np.concatenate([np.asarray(array, np.float64) for array in arrays])
        if not len(steps):
            return cls(np.zeros(features), np.ones(features), dtype)
        mean, deviation = steps.mean(axis=0), steps.std(axis=0)
        # Rounding leaves a constant feature a deviation of about eps times its size.
        constant = deviation <= 1e-12 * np.abs(mean)
        return cls(mean, np.where(constant, 1.0, deviation), dtype)

    def encode(self, name: str, X: Any) -> list[Array]:
        """Return the arrays ``(T_i, F)`` of what `read_sequences` takes.

        Raises
        ------
        TypeError, ValueError
            As `read_sequences`; also if they are text, have another number of features, or are too
            large for the dtype.
        """
        sequences = read_sequences(name, X, CharTokenizer())
        return [
            self._encode_one(f"{name}[{number}]", item) for number, item in enumerate(sequences)
        ]

    def _encode_one(self, name: str, item: list[str] | Array) -> Array:
        if not isinstance(item, np.ndarray):
            raise TypeError(f"{name}: expected an array (T, {self.size}) as in training, got text")
        if item.shape[1] != self.size:
            raise ValueError(f"{name}: expected shape (T, {self.size}), got {item.shape}")
        with np.errstate(over="ignore"):
            array: Array = ((item - self.mean) / self.scale).astype(self.dtype)
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
    tokenizer: CharTokenizer | WordTokenizer,
    *,
    max_vocabulary_size: int | None = None,
    min_count: int = 1,
    eos: str | None = None,
    standardize: bool = True,
    dtype: str = "float32",
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

    Raises
    ------
    ValueError
        If all sequences are empty, or no token is frequent enough.
    """
    if not any(len(sequence) for sequence in sequences):
        raise ValueError(f"{name}: expected sequences with something in them, got empty ones only")
    if isinstance(sequences[0], np.ndarray):
        arrays = [array for array in sequences if isinstance(array, np.ndarray)]
        return SeriesInputs.learn(arrays, standardize, dtype)
    vocabulary = Vocabulary.from_tokens(
        (token for tokens in sequences for token in tokens),
        max_size=max_vocabulary_size,
        min_count=min_count,
        eos=eos,
    )
    return TokenInputs(tokenizer, vocabulary)


def inputs_from_dict(settings: Mapping[str, Any]) -> Inputs:
    """Make the inputs whose `to_dict` gave the settings.

    Raises
    ------
    ValueError
        If the settings are not those of inputs.
    """
    if settings["type"] == "tokens":
        return TokenInputs(
            tokenizer_from_dict(settings["tokenizer"]),
            Vocabulary.from_json(settings["vocabulary"]),
        )
    if settings["type"] != "series":
        raise ValueError(f"inputs: expected the type 'tokens' or 'series', got {settings['type']}")
    return SeriesInputs(np.array(settings["mean"]), np.array(settings["scale"]), settings["dtype"])


def lengths_of(sequences: Sequence[Any]) -> Ints:
    """Return the lengths ``(N,)`` of sequences."""
    return np.array([len(sequence) for sequence in sequences], np.int64)


def _kind(name: str, item: Any) -> str:
    if isinstance(item, str):
        return "str"
    if isinstance(item, np.ndarray):
        if item.dtype.kind in "biuf":
            return "array"
        if item.dtype.kind not in "UO":
            raise TypeError(f"{name}: expected real numbers or str, got dtype {item.dtype}")
    elif not isinstance(item, (list, tuple)):
        raise TypeError(f"{name}: expected a str, tokens or an array, got {_describe(item)}")
    if len(item) == 0:
        return "nothing"
    return "token list" if isinstance(item[0], str) else "array"


def _as_tokens(name: str, item: Any) -> list[str]:
    tokens = item.tolist() if isinstance(item, np.ndarray) else list(item)
    for place, token in enumerate(tokens):
        if not isinstance(token, str):
            raise TypeError(f"{name}[{place}]: expected a str, got {_describe(token)}")
    return tokens


def _as_series(name: str, items: list[Any]) -> list[Array]:
    arrays: list[Array] = []
    features: int | None = None
    for number, item in enumerate(items):
        label = f"{name}[{number}]"
        try:
            array = np.asarray(item)
        except ValueError:  # rows of different lengths
            raise ValueError(f"{label}: expected shape (T, F), got a ragged list") from None
        if array.dtype.kind not in "biuf":
            raise TypeError(f"{label}: expected real numbers, got dtype {array.dtype}")
        if array.shape == (0,) and not isinstance(item, np.ndarray):
            array = array.reshape(0, features or _features(items))
        if array.ndim != 2 or array.shape[1] == 0:
            raise ValueError(f"{label}: expected shape (T, F), got {array.shape}")
        if features is None:
            features = check_int("features", array.shape[1], 1)
        elif array.shape[1] != features:
            raise ValueError(
                f"{label}: expected shape (T, {features}) as {name}[0] has, got {array.shape}"
            )
        if not np.isfinite(array).all():
            bad = array[~np.isfinite(array)][0]
            raise ValueError(f"{label}: expected finite numbers, got {bad}")
        arrays.append(array)
    return arrays


def _features(items: list[Any]) -> int:
    """Return the width of the first item that is not empty."""
    return int(next(np.shape(item)[-1] for item in items if len(item)))


def _describe(item: Any) -> str:
    if isinstance(item, np.ndarray):
        return f"an array of shape {item.shape}"
    return type(item).__name__


def _an(kind: str) -> str:
    return f"an {kind}" if kind == "array" else f"a {kind}"
