"""How much a model is trained where nobody says: batches, epochs, what is held out."""

from __future__ import annotations

import math
from dataclasses import dataclass

# Steps that a training makes, and most epochs for it.
_STEPS = 4000
_MOST_EPOCHS = 30
# Least epochs, of examples that take more steps than that.
_LEAST_EPOCHS = 5
# Steps without which little is learned, and most epochs for them, of few examples.
_FEW_STEPS = 600
_MOST_EPOCHS_OF_FEW = 100
# Batches are a power of two of about a thirty-second of the examples, within bounds; of a handful,
# so many that an epoch has some.
_LEAST_BATCH, _MOST_BATCH = 8, 64
_BATCHES = 32
_BATCHES_OF_FEW = 6
# Examples from which on some are held out, and which part of them.
_ENOUGH = 400
_FRACTION = 0.1


@dataclass(frozen=True)
class Amount:
    """How much a training is, and what of it was chosen.

    Attributes
    ----------
    epochs, batch_size : int
        How often to go through the examples, and how many to learn from at once.
    patience : int or None
        After how many epochs without a better one to stop; None: not.
    chosen : dict of str to int
        Those of these that nobody has set.
    """

    epochs: int
    batch_size: int
    patience: int | None
    chosen: dict[str, int]


def choose_fraction(count: int, watched: bool) -> float:
    """Return which part of so many examples to hold out: of few none, unless it is watched."""
    return _FRACTION if watched or count >= _ENOUGH else 0.0


def choose_batch_size(count: int) -> int:
    """Return how many of so many examples to learn from at once."""
    largest = max(_LEAST_BATCH, min(_MOST_BATCH, count // _BATCHES))
    largest = max(1, min(largest, count // _BATCHES_OF_FEW))
    return 1 << (largest.bit_length() - 1)


def choose_epochs(steps: int, *, least: int = _LEAST_EPOCHS, few: int = _FEW_STEPS) -> int:
    """Return how often to make an epoch of so many steps.

    That is at least so often, and of few steps so often that there are ``few`` of them.
    """
    epochs = min(max(least, round(_STEPS / steps)), _MOST_EPOCHS)
    return max(epochs, min(math.ceil(few / steps), _MOST_EPOCHS_OF_FEW))


def choose_patience(epochs: int) -> int:
    """Return after how many epochs without a better one to stop so many."""
    return max(3, math.ceil(epochs / 3))


def choose_amount(
    count: int, epochs: int | None, batch_size: int | None, patience: int | None, held_out: bool
) -> Amount:
    """Return the amount of a training on so many examples; None is chosen.

    Patience is chosen with the epochs alone, where something is ``held_out`` to measure on.
    """
    chosen = {}
    if batch_size is None:
        batch_size = chosen["batch_size"] = choose_batch_size(count)
    if epochs is None:
        epochs = chosen["epochs"] = choose_epochs(-(-count // batch_size))
        if patience is None and held_out:
            patience = chosen["patience"] = choose_patience(epochs)
    return Amount(epochs, batch_size, patience, chosen)
