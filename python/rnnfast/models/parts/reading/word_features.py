"""What a word is besides its id: its characters and its shape."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnfast._checks import check_bool
from rnnfast.models.parts.hyperparameters import WordOptions
from rnnfast.models.parts.reading.extension import extend_vocabulary
from rnnfast.models.parts.reading.sequences import Sequences
from rnnfast.nn.module import Array
from rnnfast.text.vocabulary import Vocabulary

# Of a longer word its first and last characters are read, half of each.
MOST_CHARACTERS = 24

SHAPES = ("lower", "capital", "upper", "mixed", "number", "with digit", "no letter")


@dataclass(frozen=True)
class WordFeatures:
    """How words are read.

    Attributes
    ----------
    lowercase : bool
        Whether words are looked up in lower case. Characters and shapes are those of the word as
        it stands.
    shapes : bool
        Whether a word's shape is read, one of `SHAPES`.
    characters : Vocabulary, optional
        The characters, with a padding token of id 0; None: they are not read.
    """

    lowercase: bool = False
    shapes: bool = False
    characters: Vocabulary | None = None

    @classmethod
    def learn(cls, sequences: Sequences, options: WordOptions) -> WordFeatures | None:
        """Take the characters that occur in sentences, if they are to be read; None of series."""
        sentences = [list(item) for item in sequences if not isinstance(item, np.ndarray)]
        if not sentences:
            options.require_off()
            return None
        known = None
        if options.char_encoder:
            letters = "".join(word for words in sentences for word in words)
            known = Vocabulary.from_tokens(list(letters or " "), pad="<PAD>", eos=None)
        return cls(options.lowercase, options.shape_features, known)

    def extended(self, name: str, sequences: Sequences, *, extend: bool) -> WordFeatures:
        """Return these with the characters of further sentences; as `extend_vocabulary`."""
        if self.characters is None:
            return self
        letters = (letter for words in sequences for word in words for letter in str(word))
        return replace(
            self,
            characters=extend_vocabulary(
                name, self.characters, letters, extend=extend, what="characters"
            ),
        )

    @property
    def wide(self) -> bool:
        """Whether a word is more than its id."""
        return self.shapes or self.characters is not None

    def keys(self, words: Iterable[str]) -> list[str]:
        """Return what to look words up by."""
        return [word.lower() for word in words] if self.lowercase else list(words)

    def encode(self, sentences: Sequence[Sequence[str]], ids: Sequence[Array]) -> list[Array]:
        """Return what the network reads of sentences.

        Parameters
        ----------
        sentences : list of list of str
            Their words, T_i each.
        ids : list of ndarray of int64, shapes (T_i,)
            The ids of these.

        Returns
        -------
        list of ndarray of int32, shapes (T_i, 2 + MOST_CHARACTERS) or (T_i, 2)
            The id, the place in `SHAPES`, and the ids of the characters, filled up with 0. If a
            word is not more than its id, ``ids`` itself.
        """
        if not self.wide:
            return list(ids)
        words = list(dict.fromkeys(word for sentence in sentences for word in sentence))
        place = {word: number for number, word in enumerate(words)}
        table = np.zeros(
            (len(words), 2 + (0 if self.characters is None else MOST_CHARACTERS)), "i4"
        )
        for row, word in zip(table, words, strict=True):
            if self.shapes:
                row[1] = word_shape(word)
            if self.characters is not None:
                letters = word
                if len(word) > MOST_CHARACTERS:
                    letters = word[: MOST_CHARACTERS // 2] + word[-MOST_CHARACTERS // 2 :]
                row[2 : 2 + len(letters)] = self.characters.encode(list(letters))
        encoded = []
        for sentence, numbers in zip(sentences, ids, strict=True):
            rows = table[[place[word] for word in sentence]]
            rows[:, 0] = numbers
            encoded.append(rows)
        return encoded

    def to_dict(self) -> dict[str, Any]:
        """Return what `from_dict` reads."""
        known = self.characters
        return {
            "lowercase": self.lowercase,
            "shapes": self.shapes,
            "characters": None if known is None else known.to_json(),
        }

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> WordFeatures:
        """Make the features whose `to_dict` gave the settings.

        Raises
        ------
        TypeError, ValueError, KeyError
            If the settings are not those.
        """
        known = settings["characters"]
        return cls(
            check_bool("words.lowercase", settings["lowercase"]),
            check_bool("words.shapes", settings["shapes"]),
            None if known is None else Vocabulary.from_json(known),
        )


def word_shape(word: str) -> int:
    """Return the place of a word's shape in `SHAPES`.

    Examples
    --------
    >>> [SHAPES[word_shape(word)] for word in ("Paris", "NASA", "iPhone", "1,200", "4th", "...")]
    ['capital', 'upper', 'mixed', 'number', 'with digit', 'no letter']
    """
    letters = "".join(filter(str.isalpha, word))
    if any(map(str.isdigit, word)):
        return SHAPES.index("with digit" if letters else "number")
    if not letters:
        return SHAPES.index("no letter")
    if letters.islower() or not (letters.isupper() or letters.lower() != letters):
        return SHAPES.index("lower")
    if letters[0].isupper() and (len(letters) == 1 or letters[1:].islower()):
        return SHAPES.index("capital")
    return SHAPES.index("upper" if letters.isupper() else "mixed")


def distinct_rows(rows: npt.NDArray[np.int32]) -> tuple[npt.NDArray[np.int32], Array]:
    """Return the rows that differ, and for each row its place among them."""
    bytes_of = np.ascontiguousarray(rows).view(np.dtype((np.void, rows.shape[1] * rows.itemsize)))
    _, first, place = np.unique(bytes_of[:, 0], return_index=True, return_inverse=True)
    return rows[first], place
