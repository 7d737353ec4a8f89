"""What a step of a model's stream is given: a token of each sequence, or a row of numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnfast._checks import check_indices
from rnnfast._checks.arrays import not_real, read_array, require_finite
from rnnfast._checks.messages import shown
from rnnfast.models.parts.reading.columns import step_names
from rnnfast.models.parts.reading.inputs import TokenInputs
from rnnfast.models.parts.reading.lists import as_item, as_list
from rnnfast.models.parts.reading.reader import Reader
from rnnfast.nn.module import Array
from rnnfast.text._tokens import require_no_end
from rnnfast.text.tokenizers import CharTokenizer


class StepReader:
    """Encodes steps as a model encodes whole sequences.

    Parameters
    ----------
    reader : Reader
        The model's.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        inputs, self._by_character, self._end_id = reader.inputs, False, None
        if isinstance(inputs, TokenInputs):
            known = inputs.vocabulary
            special = {known.pad, known.unk, known.eos}
            single = all(len(token) == 1 for token in known.tokens if token not in special)
            self._by_character = isinstance(inputs.tokenizer, CharTokenizer) and single
            self._end_id = known.eos_id

    def encode(self, x: Any, count: int) -> tuple[Array, bool]:
        """Return a step of so many sequences, and whether it came without their axis.

        Parameters
        ----------
        x : list of str, array of int, or array_like
            A token or an id of each, or rows ``(count, F)``; of one sequence also a str, an int or
            ``(F,)``.

        Returns
        -------
        encoded : ndarray
            Ids ``(count,)``, words ``(count, W)`` or features ``(count, F)``.
        alone : bool
            Whether ``x`` is what the one sequence has.

        Raises
        ------
        TypeError
            If it is of another kind than in training.
        ValueError
            If there is not one for each sequence, or a shape, a number or an id does not fit.
        """
        x = as_item("x", x)
        if not isinstance(self._reader.inputs, TokenInputs):
            return self._numbers(x, count)
        number = isinstance(x, (int, np.integer)) and not isinstance(x, bool)
        alone = count == 1 and (isinstance(x, str) or number)
        ids = isinstance(x, np.ndarray) and x.dtype.kind in "iu" and x.ndim == 1
        items = x if ids else as_list("x", [x] if alone else x, f"{count} tokens, a list of str")
        if len(items) != count:
            raise ValueError(f"x: expected one token for each of {count}, got {len(items)}")
        if not ids and any(isinstance(item, str) for item in items):
            return self._tokens(items), alone
        return self._ids(items), alone

    def _tokens(self, items: list[Any]) -> Array:
        inputs, words = self._reader.inputs, self._reader.words
        assert isinstance(inputs, TokenInputs)
        for place, token in enumerate(items):
            if not isinstance(token, str):
                raise TypeError(f"x[{place}]: expected a str, got {type(token).__name__}")
            if self._by_character and len(token) != 1:
                raise ValueError(f"x[{place}]: expected one character, got {shown(token)}")
        require_no_end("x", items, inputs.vocabulary.eos)
        if words is None:
            return inputs.vocabulary.encode(items)
        ids = inputs.vocabulary.encode(words.keys(items))
        return words.encode([items], [ids])[0] if items else ids

    def _ids(self, items: Any) -> Array:
        inputs = self._reader.inputs
        assert isinstance(inputs, TokenInputs)
        if self._reader.words is not None and len(items):
            raise TypeError(f"x: expected tokens, a list of str, got {shown(items[0])}")
        ids = check_indices("x", items, ndim=1).astype(np.int64)
        if len(ids) and ids.max() >= inputs.size:
            raise ValueError(
                f"x: expected ids of the vocabulary, from 0 to {inputs.size - 1}, got {ids.max()}"
            )
        if self._end_id is not None and (ids == self._end_id).any():
            raise ValueError(
                f"x: expected no {inputs.vocabulary.eos!r}, which ends a sequence, got its id; "
                f"reset(rows) begins another one"
            )
        return ids

    def _numbers(self, x: Any, count: int) -> tuple[Array, bool]:
        inputs = self._reader.inputs
        assert not isinstance(inputs, TokenInputs)
        step_names("x", [x], self._reader.step_names)
        shape = (count, inputs.size)
        array = read_array("x", x, f"shape {shape}")
        if array.dtype.kind not in "biuf":
            raise not_real("x", array)
        alone = count == 1 and (array.shape == shape[1:] or (inputs.size == 1 and not array.ndim))
        rows = array.reshape(shape) if alone else array
        if rows.shape != shape:
            raise ValueError(f"x: expected shape {shape}, got {array.shape}")
        require_finite("x", rows, ("row", "number"))
        return inputs.encode_one("x", rows), alone
