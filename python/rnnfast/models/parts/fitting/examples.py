"""Encoded examples: padded, in batches, divided in a part to learn from and one to validate on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from rnnfast.data.batches import Ints, bucket_by_length, side_by_side
from rnnfast.models.parts.reading.lazy import LazySeries
from rnnfast.models.parts.reading.sequences import lengths_of
from rnnfast.nn.module import Array
from rnnfast.training.ranks import measuring_ranks

# By how much lengths may differ in a batch: so much that every epoch has other batches.
_LENGTH_JITTER = 0.1
# Sequences side by side where no gradient is needed; the result does not depend on it.
_SCORED_SEQUENCES = 128


class Examples(NamedTuple):
    """Encoded examples.

    Attributes
    ----------
    x : sequence of ndarray
        Ids ``(T_i,)`` or series ``(T_i, F)``.
    y : ndarray or list of ndarray
        What belongs to each; its first axis is that of the examples.
    weights : ndarray or list of ndarray, optional
        How much each counts, ``(N,)``, or each of its steps, ``(T_i,)``; None: all the same.
    """

    x: Sequence[Array]
    y: Any
    weights: Any = None


class ExampleBatch(NamedTuple):
    """Some examples side by side.

    Attributes
    ----------
    x : ndarray
        Ids ``(T, B)`` or series ``(T, B, F)``, padded with zeros; T is at least 1.
    lengths : ndarray of int64, shape (B,)
        The steps of each that count.
    y : ndarray
        What belongs to each: ``(B, ...)``, or as the model's batches have it.
    weights : ndarray, optional
        How much each counts in the loss, ``(B,)``, or each of its steps, ``(T, B)``, of the
        network's dtype; None: 1.
    """

    x: Array
    lengths: Ints
    y: Any
    weights: Array | None = None


class PairBatch(NamedTuple):
    """Pairs of sequences side by side.

    Attributes
    ----------
    x : ndarray
        What the encoder reads, ids ``(T, B)`` or series ``(T, B, F)``.
    lengths : ndarray of int64, shape (B,)
        Its steps that count.
    inputs, targets : ndarray of int64, shape (U, B)
        What the decoder is fed with teacher forcing, ``start, y<1> ... y<n>``, and what it is to
        predict, ``y<1> ... y<n>, end``.
    target_lengths : ndarray of int64, shape (B,)
        n + 1.
    weights : ndarray, optional
        How much each pair counts in the loss, ``(B,)`` of the network's dtype; None: 1.
    """

    x: Array
    lengths: Ints
    inputs: Ints
    targets: Ints
    target_lengths: Ints
    weights: Array | None = None

    @property
    def mask(self) -> Array:
        """True where a target counts, ``(U, B)``."""
        return np.arange(len(self.inputs))[:, np.newaxis] < self.target_lengths

    def of_targets(self) -> Array | None:
        """Return what each target that counts weighs; None: 1."""
        mask = self.mask
        return None if self.weights is None else np.broadcast_to(self.weights, mask.shape)[mask]


class ExampleBatches:
    """The batches of an epoch: sequences of similar length together, in a random order.

    Parameters
    ----------
    lengths : ndarray of int, shape (N,)
        Of all sequences.
    make : callable
        Returns the batch of the examples of some numbers ``(B,)``.
    batch_size : int
        B; one batch may be smaller.
    rng : numpy.random.Generator, optional
        Shuffles; None: the shortest first.
    """

    def __init__(
        self,
        lengths: Ints,
        make: Callable[[Ints], Any],
        batch_size: int,
        rng: np.random.Generator | None = None,
    ) -> None:
        self._make = make
        self._buckets = bucket_by_length(
            lengths, batch_size, rng, jitter=0.0 if rng is None else _LENGTH_JITTER
        )

    def __len__(self) -> int:
        return len(self._buckets)

    def __iter__(self) -> Iterator[Any]:
        return map(self._make, self._buckets)


def pad_batch(sequences: Sequence[Array], chosen: Ints) -> tuple[Array, Ints]:
    """Return the sequences of some numbers padded, ``(T, B, ...)`` with T at least 1, and lengths.

    Parameters
    ----------
    sequences : list of ndarray
        Of any lengths, encoded alike.
    chosen : ndarray of int, shape (B,)
        Which.
    """
    x, lengths = side_by_side([sequences[number] for number in chosen.tolist()], 0)
    if len(x) == 0:
        x = np.zeros((1, *x.shape[1:]), x.dtype)
    return x, lengths


def scoring_batches(x: Sequence[Array]) -> Iterator[tuple[Ints, Array, Ints]]:
    """Yield numbers, padded inputs and lengths of sequences, similar lengths together."""
    for chosen in bucket_by_length(lengths_of(x), _SCORED_SEQUENCES):
        yield chosen, *pad_batch(x, chosen)


def own_scoring_batches(x: Sequence[Array]) -> Iterator[tuple[Ints, Array, Ints]]:
    """Yield what `scoring_batches` does; where several validate, those that are this one's turn."""
    ranks = measuring_ranks()
    for number, batch in enumerate(scoring_batches(x)):
        if ranks.turns(number):
            yield batch


def steps_of(x: Sequence[Array], of_batch: Callable[..., Array]) -> list[Array]:
    """Return what a function gives for each step of sequences, ``(T_i, ...)``.

    Where several validate, they share out the work, and all have the whole.
    """
    ranks = measuring_ranks()
    outputs: list[Array] = [np.empty(0)] * len(x)
    turns: list[list[tuple[int, int]]] = [[] for _ in range(ranks.size)]
    own: list[Array] = []
    for number, (chosen, batch, lengths) in enumerate(scoring_batches(x)):
        turns[number % ranks.size] += zip(chosen.tolist(), lengths.tolist(), strict=True)
        if ranks.turns(number):
            result = of_batch(batch, lengths)
            own += [result[:length, column] for column, length in enumerate(lengths)]
    if ranks.several:
        parts = ranks.gather(np.concatenate(own) if own else None)
        own = []
        for rows, turn in zip(parts, turns, strict=True):
            ends = np.cumsum([length for _, length in turn]).tolist()
            own += [rows[b:e] for b, e in pairwise([0, *ends])]
    places = [place for turn in turns for place, _ in turn]
    for place, rows in zip(places, own, strict=True):
        outputs[place] = rows
    return outputs


def pick(items: Any, numbers: Ints) -> Any:
    """Return the items of some numbers: an array of an array, a list of a list."""
    if isinstance(items, LazySeries):
        return items.picked(numbers)
    return items[numbers] if isinstance(items, np.ndarray) else [items[n] for n in numbers]


def weights_of(examples: Examples, chosen: Ints) -> Array | None:
    """Return the weights of some examples side by side; None: all count the same."""
    if isinstance(examples.weights, list):
        return pad_batch(examples.weights, chosen)[0]
    return None if examples.weights is None else examples.weights[chosen]


def hold_out(count: int, fraction: float, classes: Array | None = None) -> tuple[Ints, Ints]:
    """Return the numbers of the examples to learn from, and of those to validate on.

    Always the same ones, in order.

    Parameters
    ----------
    count : int
        How many examples there are.
    fraction : float
        The share to hold out.
    classes : ndarray of int, optional
        ``(count,)``: each class has its share of both parts, and at least one example to learn
        from.

    Raises
    ------
    ValueError
        If there is too little to divide.
    """
    if fraction == 0:
        return np.arange(count), np.arange(0)
    if classes is None:
        classes = np.zeros(count, np.int64)
    order = np.random.default_rng(0).permutation(count)
    order = order[np.argsort(classes[order], kind="stable")]
    # The first of each class stays; from the rest, class after class, evenly spaced ones are taken.
    rest = order[1:][classes[order[1:]] == classes[order[:-1]]]
    if len(rest) == 0:
        raise ValueError(
            f"X: expected at least 2 examples{' of a class' if count > 1 else ''}, to hold one "
            f"out, got {count}; or set validation_fraction=0"
        )
    number = min(max(round(count * fraction), 1), len(rest))
    taken = rest[np.arange(number) * len(rest) // number]
    return np.setdiff1d(np.arange(count), taken), np.sort(taken)


def split_valid(valid: Any) -> tuple[Any, Any]:
    """Return the X and y of what `fit` was given to validate on.

    Raises
    ------
    TypeError
        If it is not a pair.
    """
    if not isinstance(valid, (tuple, list)) or len(valid) != 2:
        got = type(valid).__name__
        if isinstance(valid, (tuple, list)):
            got = f"a {got} of {len(valid)}"
        raise TypeError(f"valid: expected a pair (X, y), got {got}")
    return valid[0], valid[1]


def check_same_length(X: Sized, y: Sized, suffix: str = "") -> None:
    """Raise ValueError unless there is one y for every X."""
    if len(X) != len(y):
        raise ValueError(f"y{suffix}: expected one for each of the {len(X)} in X, got {len(y)}")


def require_steps(name: str, sequences: Sequence[Any]) -> None:
    """Raise ValueError if all sequences are empty: there is nothing to measure then."""
    if not lengths_of(sequences).any():
        raise ValueError(f"{name}: expected sequences with something in them, got empty ones only")


def fingerprint(train: Examples, held_out: Examples | None, learned: str) -> str:
    """Return what tells a training's examples, and what was learned of them before, from others."""
    parts = [
        [part] if part is examples.weights and isinstance(part, np.ndarray) else part
        for examples in (train, held_out)
        if examples is not None
        for part in examples
        if part is not None
    ]
    return digest(learned, *[map(np.asarray, part) for part in parts])


def digest(*parts: Iterable[Array] | str) -> str:
    """Return a fingerprint of arrays and texts."""
    result = hashlib.sha256()
    for part in parts:
        pieces = [part.encode()] if isinstance(part, str) else map(_as_bytes, part)
        result.update(b";")
        for piece in pieces:
            result.update(f"{len(piece)}:".encode())
            result.update(piece)
    return result.hexdigest()


def _as_bytes(array: Array) -> bytes:
    if array.dtype.kind == "O":  # labels of which some are None
        return repr(array.tolist()).encode()
    return f"{array.dtype.str}{array.shape}".encode() + array.tobytes()
