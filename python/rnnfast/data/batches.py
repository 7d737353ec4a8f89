"""Batches for training, time first: windows of a long text, sentences, and padded sequences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rnnfast import _core
from rnnfast._checks import check_generator, check_indices, check_int, check_list, check_real
from rnnfast._checks.arrays import read_array
from rnnfast._checks.messages import shown

Ints = npt.NDArray[np.int64]


class Batch(NamedTuple):
    """One batch of a language model: what it reads and what it is to predict.

    Attributes
    ----------
    inputs : ndarray of int64, shape (T, B)
        Token ids.
    targets : ndarray of int64, shape (T, B)
        At each place the id of the token that follows the input there.
    lengths : ndarray of int64, shape (B,)
        How many steps of each column count. After them inputs and targets hold the padding id,
        which must enter neither the loss nor the state.
    """

    inputs: Ints
    targets: Ints
    lengths: Ints

    @property
    def mask(self) -> npt.NDArray[np.bool_]:
        """True where a target counts, shape (T, B)."""
        return np.arange(len(self.inputs))[:, np.newaxis] < self.lengths

    @property
    def num_targets(self) -> int:
        """How many targets count."""
        return int(self.lengths.sum())


class SentenceBatch(Batch):
    """A batch of whole sentences.

    Attributes
    ----------
    sentences : ndarray of int, shape (B,)
        The number of each column's sentence.
    """

    sentences: npt.NDArray[np.intp]


class StreamBatches:
    """A long text, cut in parallel streams that are read window by window.

    Stream ``b`` of a batch goes on where stream ``b`` of the batch before stopped, so that the
    state can be carried over. Every token but the first is predicted exactly once: the streams'
    lengths differ by one at most, and the last window is as short as need be. Only there can the
    lengths differ: some are then one below T.

    Iterating again gives the same batches again.

    Parameters
    ----------
    ids : array_like of int, shape (N,)
        The ids of the whole text. Kept as they are, not copied.
    batch_size : int
        How many streams, B.
    steps : int
        The length of a window, T.
    pad_id : int
        What stands where nothing counts; a valid id.

    Raises
    ------
    ValueError
        If there are fewer than ``batch_size + 1`` ids, or they have not one axis, or one is
        negative; if a number is too small.
    TypeError
        If the ids or a number are not integers.
    """

    def __init__(self, ids: npt.ArrayLike, batch_size: int, steps: int, *, pad_id: int = 0) -> None:
        self.batch_size = check_int("batch_size", batch_size, 1)
        self.steps = check_int("steps", steps, 1)
        self.pad_id = check_int("pad_id", pad_id, 0)
        self._ids = check_indices("ids", ids, ndim=1, copy=False)
        if len(self._ids) == 0:
            raise ValueError("ids: expected a corpus of at least 2 tokens, got an empty one")
        if len(self._ids) <= self.batch_size:
            raise ValueError(
                f"ids: expected at least {self.batch_size + 1} tokens, "
                f"one more than batch_size, got {len(self._ids)}"
            )
        shortest, longer = divmod(len(self._ids) - 1, self.batch_size)
        self._lengths = np.full(self.batch_size, shortest)
        self._lengths[:longer] += 1
        self._starts = np.cumsum(self._lengths) - self._lengths

    @property
    def num_targets(self) -> int:
        """How many targets all batches have together: the number of ids less one."""
        return len(self._ids) - 1

    def __len__(self) -> int:
        return -(-int(self._lengths[0]) // self.steps)

    def __iter__(self) -> Iterator[Batch]:
        for begin in range(0, int(self._lengths[0]), self.steps):
            end = min(begin + self.steps, int(self._lengths[0]))
            time = np.arange(begin, end)[:, np.newaxis]
            place = np.minimum(self._starts + time, len(self._ids) - 2)
            inputs = self._ids[place].astype(np.int64)
            targets = self._ids[place + 1].astype(np.int64)
            past = time >= self._lengths
            inputs[past] = targets[past] = self.pad_id
            yield Batch(inputs, targets, np.minimum(self._lengths, end) - begin)


class SentenceBatches:
    """Sentences, each predicted from its start to its end, similar lengths together.

    A sentence ``s1 ... sn`` is read as ``eos s1 ... sn`` and predicted as ``s1 ... sn eos``: the
    token that ends a sentence also stands before its first word, as it does between the sentences
    of a text. No sentence is left out; the batch of the longest ones may be narrower.

    Parameters
    ----------
    sentences : sequence of array_like of int
        The ids of every sentence, without the end token. A sentence may be empty.
    batch_size : int
        How many sentences a batch has, B.
    eos_id : int
        The id of the end token, also the padding.
    rng : numpy.random.Generator, optional
        Shuffles the batches, and the sentences of the same length among themselves, anew each
        time one iterates. None: always the same batches, the shortest first.

    Raises
    ------
    ValueError
        If there is no sentence, or the ids of one have not one axis or are negative.
    TypeError
        If ids are not integers, or ``rng`` is not a generator.
    """

    def __init__(
        self,
        sentences: Sequence[npt.ArrayLike],
        batch_size: int,
        eos_id: int,
        rng: np.random.Generator | None = None,
    ) -> None:
        self.batch_size = check_int("batch_size", batch_size, 1)
        self.eos_id = check_int("eos_id", eos_id, 0)
        self._rng = check_generator("rng", rng)
        self._sentences = [
            check_indices(f"sentences[{number}]", ids, ndim=1, copy=False)
            for number, ids in enumerate(check_list("sentences", sentences, "sentences"))
        ]
        if not self._sentences:
            raise ValueError("sentences: expected at least one, got an empty corpus")
        self._lengths = np.array([len(ids) + 1 for ids in self._sentences])

    @property
    def num_targets(self) -> int:
        """How many targets all batches have together, the end tokens among them."""
        return int(self._lengths.sum())

    def __len__(self) -> int:
        return -(-len(self._sentences) // self.batch_size)

    def __iter__(self) -> Iterator[SentenceBatch]:
        for chosen in bucket_by_length(self._lengths, self.batch_size, self._rng):
            lengths = self._lengths[chosen]
            inputs = np.full((lengths.max(), len(chosen)), self.eos_id, np.int64)
            targets = inputs.copy()
            for column, number in enumerate(chosen):
                ids = self._sentences[number]
                inputs[1 : len(ids) + 1, column] = ids
                targets[: len(ids), column] = ids
            batch = SentenceBatch(inputs, targets, lengths)
            batch.sentences = chosen
            yield batch


def bucket_by_length(
    lengths: npt.ArrayLike,
    batch_size: int,
    rng: np.random.Generator | None = None,
    *,
    jitter: float = 0.0,
) -> list[npt.NDArray[np.intp]]:
    """Divide sequences into batches of similar length, so that padding costs little.

    Parameters
    ----------
    lengths : array_like of int, shape (N,)
        The length of every sequence.
    batch_size : int
        How many sequences a batch has; the one of the longest may have fewer.
    rng : numpy.random.Generator, optional
        Shuffles the batches, and the sequences of the same length among themselves. None: the
        shortest first, equal ones in their order.
    jitter : float
        With ``rng``, lengths that differ by up to about twice this fraction may change places, so
        that sequences of all different lengths meet others each time too.

    Returns
    -------
    list of ndarray of int
        The numbers of the sequences in each batch; every number occurs once.

    Raises
    ------
    ValueError
        If a length is negative, ``lengths`` has not one axis, ``batch_size`` is below 1, or
        ``jitter`` is not from 0 to 1.
    TypeError
        If a length is not an integer, or ``rng`` is not a generator.
    """
    lengths = check_indices("lengths", lengths, ndim=1)
    batch_size = check_int("batch_size", batch_size, 1)
    rng = check_generator("rng", rng)
    jitter = check_real("jitter", jitter, 0.0, 1.0)
    order = np.arange(len(lengths)) if rng is None else rng.permutation(len(lengths))
    keys: npt.NDArray[Any] = lengths[order]
    if rng is not None and jitter > 0.0:
        keys = keys * rng.uniform(1 - jitter, 1 + jitter, len(keys))
    order = order[np.argsort(keys, kind="stable")]
    batches = [order[first : first + batch_size] for first in range(0, len(order), batch_size)]
    if rng is not None:
        batches = [batches[number] for number in rng.permutation(len(batches))]
    return batches


def pad_sequences(
    sequences: Sequence[npt.ArrayLike], value: float = 0
) -> tuple[npt.NDArray[Any], Ints]:
    """Put sequences of different lengths side by side in one array, time first.

    Parameters
    ----------
    sequences : sequence of array_like, shapes (T_i, ...)
        Numbers, of one dtype, with the same axes after the first. A length of 0 is allowed.
    value : number
        What stands after the end of a sequence.

    Returns
    -------
    padded : ndarray, shape (max T_i, B, ...)
        The sequences, of their dtype.
    lengths : ndarray of int64, shape (B,)
        The T_i.

    Raises
    ------
    ValueError
        If there is no sequence, shapes do not fit together, or ``value`` is not exact in the dtype.
    TypeError
        If dtypes differ or are not numbers.
    """
    items = check_list("sequences", sequences, "sequences")
    arrays = [_as_sequence(f"sequences[{n}]", sequence) for n, sequence in enumerate(items)]
    if not arrays:
        raise ValueError("sequences: expected at least one, got none")
    # An empty list has neither dtype nor shape of its own.
    empty = [isinstance(i, (list, tuple)) and len(i) == 0 for i in items]
    first = next((a for a, none in zip(arrays, empty, strict=True) if not none), arrays[0])
    arrays = [first[:0] if none else a for a, none in zip(arrays, empty, strict=True)]
    for number, array in enumerate(arrays):
        if array.shape[1:] != first.shape[1:]:
            expected = ", ".join(["T", *map(str, first.shape[1:])])
            raise ValueError(
                f"sequences[{number}]: expected shape ({expected}) as the first has, "
                f"got {array.shape}"
            )
        if array.dtype != first.dtype:
            raise TypeError(
                f"sequences[{number}]: expected dtype {first.dtype} as the first has, "
                f"got {array.dtype}"
            )
    return side_by_side(arrays, _exact(value, first.dtype))


def side_by_side(arrays: list[npt.NDArray[Any]], value: Any) -> tuple[npt.NDArray[Any], Ints]:
    """Do what `pad_sequences` does with arrays that are known to fit together."""
    return _core.side_by_side(arrays, np.asarray(value, arrays[0].dtype))


def _as_sequence(name: str, sequence: npt.ArrayLike) -> npt.NDArray[Any]:
    array = read_array(name, sequence)
    if array.dtype.kind not in "biufc":
        raise TypeError(f"{name}: expected numbers, got dtype {array.dtype}")
    if array.ndim == 0:
        raise ValueError(f"{name}: expected a sequence, got a single number")
    return array


def _exact(value: float, dtype: np.dtype[Any]) -> Any:
    try:
        if np.ndim(value):
            raise TypeError
        with np.errstate(over="ignore"):
            filler = dtype.type(value)
    except (OverflowError, TypeError, ValueError):
        filler = None
    # As Python's numbers: NumPy would round the value to the dtype before it compares.
    plain, given = (x.item() if isinstance(x, np.generic) else x for x in (filler, value))
    if filler is None or not (plain == given or (plain != plain and given != given)):
        raise ValueError(f"value: expected a number that {dtype} can hold, got {shown(value)}")
    return filler
