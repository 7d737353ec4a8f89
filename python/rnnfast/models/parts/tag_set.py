"""The labels of a tagger as numbers, and which of them may follow each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rnnfast._checks.messages import one_line
from rnnfast.data.batches import Ints
from rnnfast.models.parts.labels import IGNORED, counts
from rnnfast.nn.crf import Constraints
from rnnfast.nn.module import Array


@dataclass(frozen=True, eq=False)
class TagSet:
    """Labels by number.

    Attributes
    ----------
    classes : ndarray, shape (K,)
        The labels, sorted.
    rules : Constraints, optional
        What a sequence may be.
    """

    classes: Array
    rules: Constraints | None = None

    def numbers(self, sequences: Sequence[Array]) -> list[Ints]:
        """Return the place of each label among the classes.

        -1 for one that is not there, `IGNORED` for one that does not count.
        """
        return [np.where(counts(labels), self._places(labels), IGNORED) for labels in sequences]

    def _places(self, labels: Array) -> Ints:
        last = len(self.classes) - 1
        place = np.minimum(np.searchsorted(self.classes, labels), last)
        return np.where(self.classes[place] == labels, place, -1)

    def first_forbidden(self, numbers: Ints) -> int | None:
        """Return the first place of a sequence where the rules forbid its label."""
        if self.rules is None or len(numbers) == 0:
            return None
        allowed = self.rules.transitions[numbers[:-1], numbers[1:]]
        allowed = np.concatenate([self.rules.start[numbers[:1]], allowed])
        return None if allowed.all() else int(allowed.argmin())

    def possible(self, numbers: Sequence[Ints]) -> list[int]:
        """Return which sequences are of labels that are known and in an order that is allowed."""
        return [
            place
            for place, one in enumerate(numbers)
            if (one != -1).all() and self.first_forbidden(one) is None
        ]

    def require_counting(self, name: str, sequences: Sequence[Array], option: str) -> None:
        """Raise ValueError if a label does not count, where each depends on those before it."""
        for number, labels in enumerate(sequences):
            if not counts(labels).all():
                raise ValueError(
                    f"{name}[{number}]: expected labels that count with {option}=True, got "
                    f"{IGNORED} at {counts(labels).argmin()}"
                )

    def require_allowed(self, name: str, sequences: Sequence[Array]) -> None:
        """Raise ValueError, naming the argument, if the rules forbid a sequence of known labels."""
        for labels, numbers in zip(sequences, self.numbers(sequences), strict=True):
            place = self.first_forbidden(numbers)
            if place is not None:
                before = labels[place - 1] if place else "the start"
                raise ValueError(
                    f"{name}: expected labels that BIO allows, got {one_line(labels[place])} "
                    f"after {one_line(before)}, in {one_line(' '.join(labels))}"
                )
