"""What every model asks of that which it is to predict."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np

from rnnfast._checks import among
from rnnfast._checks.messages import shown
from rnnfast._checks.weights import read_weights
from rnnfast.data.batches import Ints
from rnnfast.models.parts.fitting.examples import (
    ExampleBatch,
    Examples,
    check_same_length,
    hold_out,
    pad_batch,
    split_valid,
    weights_of,
)
from rnnfast.models.parts.fitting.warm_start import Axes
from rnnfast.models.parts.reading.inputs import Inputs
from rnnfast.models.parts.reading.sequences import Sequences
from rnnfast.models.parts.reading.weights import StepWeights
from rnnfast.nn.module import Array

Self = TypeVar("Self", bound="Codec")
# Takes the name of an argument and what it was given, and returns sequences.
Read = Callable[[str, Any], Sequences]


# Figures of which more is better; of all others less is.
_MORE_IS_BETTER = ("accuracy", "precision", "recall", "f1", "r2")


def choose_monitor(monitor: Any, measures: tuple[str, ...]) -> tuple[str, bool]:
    """Return what `Codec.choice` does, of figures by name.

    A perplexity is the exponential of the loss, which decides the same.
    """
    if monitor is not None and not among(monitor, measures):
        known = ", ".join(sorted(measures))
        raise ValueError(f"monitor: expected None or one of {known}, got {shown(monitor)}")
    name = measures[0] if monitor is None else monitor
    return f"valid_{'loss' if name == 'perplexity' else name}", name in _MORE_IS_BETTER


@dataclass(frozen=True, eq=False)
class Codec:
    """Base of the codecs: all that concerns ``y``.

    A codec is made of hyperparameters, its first fields. `begin` and `learn` return one that knows
    what training data tell besides, `restore` one that knows what a file says, `begin_again` and
    `learn_again` one that knows more; all are to the network, to figures and to files what ``y``
    is. A subclass fills in `read`, `learn`, `encode`,
    `figures`, `to_dict` and `restore`, and what else is different with it.

    Attributes
    ----------
    unit : str
        What the progress counts.
    of_text : bool
        Whether ``y`` is text, which the model's tokenizer splits.
    of_steps : bool
        Whether ``y`` has something for each step.
    notes : tuple of str
        What is to be told before training begins.
    """

    unit: ClassVar[str] = "sequence"
    of_text: ClassVar[bool] = False
    of_steps: ClassVar[bool] = False

    @property
    def notes(self) -> tuple[str, ...]:
        return ()

    # Reading

    def read(self, name: str, y: Any) -> Any:
        """Return targets, one for each sequence, checked but for what must be learned first."""
        raise NotImplementedError

    def check_pairs(self, X: Sequences, targets: Any, suffix: str) -> None:
        """Raise ValueError unless there are targets for all sequences."""
        check_same_length(X, targets, suffix)

    def check_known(self, name: str, targets: Any) -> None:
        """Raise ValueError unless targets are of the shape of those learned from."""

    def read_pair(self, read: Read, X: Any, y: Any, suffix: str = "") -> tuple[Sequences, Any]:
        """Read sequences and targets of the kinds of training; ``suffix`` is for messages."""
        sequences, targets = read(f"X{suffix}", X), self.read(f"y{suffix}", y)
        self.check_pairs(sequences, targets, suffix)
        self.check_known(f"y{suffix}", targets)
        return sequences, targets

    def read_valid(self, read: Read, valid: Any) -> tuple[Sequences, Any]:
        """Read what `fit` was given to validate on."""
        return self.read_pair(read, *split_valid(valid), " of valid")

    # What counts

    def weigh(self, targets: Any, sample_weight: Any) -> tuple[Any, StepWeights | None]:
        """Read how much each example counts; return the targets that do, and it; None: the same."""
        return targets, read_weights("sample_weight", sample_weight, len(targets))

    def counting(self, targets: Any, weights: Any) -> Ints:
        """Return the numbers of the examples that count."""
        return np.arange(len(targets)) if weights is None else np.flatnonzero(weights)

    # Learning

    def begin(
        self: Self, read: Read, X: Any, y: Any, held_out: bool
    ) -> tuple[Self, Sequences, Any]:
        """Read what `fit` was given; return the codec that knows what all of it tells, and it.

        ``held_out`` is whether a part of it is to be.
        """
        sequences, targets = read("X", X), self.read("y", y)
        self.check_pairs(sequences, targets, "")
        return self.survey(y, targets), sequences, targets

    def survey(self: Self, y: Any, targets: Any) -> Self:
        """Return the codec that knows what ``y``, and the targets that it reads as, tell."""
        return self

    def hold_out(self, targets: Any, fraction: float) -> tuple[Ints, Ints]:
        """Return the numbers of the examples to learn from, and of those to validate on."""
        return hold_out(len(targets), fraction)

    def input_rounding(self) -> float | Array:
        """Return what calculations may have left in series, as `mean_and_scale` takes it."""
        return 0.0

    def learn(self: Self, targets: Any, weights: Any = None) -> Self:
        """Return the codec that knows the targets to learn from, and how much each counts."""
        raise NotImplementedError

    # Learning more: as above, of a codec that knows what a training before this one told

    def begin_again(
        self: Self, read: Read, X: Any, y: Any, held_out: bool, extend: bool
    ) -> tuple[Self, Sequences, Any]:
        """Do what `begin` does; ``extend`` is whether what is known may grow."""
        sequences, targets = self.read_pair(read, X, y)
        return self.survey_again(targets, extend), sequences, targets

    def survey_again(self: Self, targets: Any, extend: bool) -> Self:
        """Return the codec that knows what all targets tell besides; here this one."""
        return self

    def learn_again(self: Self, targets: Any, weights: Any, extend: bool) -> Self:
        """Return the codec that knows what targets to learn from tell besides; here this one."""
        return self

    def axes(self) -> Axes:
        """Return the axes of the layers that score what is known; here none, nothing grows."""
        return {}

    # For the network

    def encode(self, name: str, targets: Any, x: Sequence[Array]) -> Any:
        """Return targets as batches are made of them, given the encoded sequences."""
        raise NotImplementedError

    def terms(self, examples: Examples) -> Ints:
        """Return how many terms the loss of each encoded example has, ``(N,)``."""
        return np.ones(len(examples.x), np.int64)

    def to_measure(self, suffix: str, targets: Any, examples: Examples) -> Examples:
        """Return the examples that `figures` takes, of targets and of the same ones encoded."""
        return examples

    def batch(self, examples: Examples, chosen: Ints) -> Any:
        """Return the batch of the examples of these numbers."""
        x, lengths = pad_batch(examples.x, chosen)
        return ExampleBatch(x, lengths, examples.y[chosen], weights_of(examples, chosen))

    def split(self, batch: Any, rows: slice) -> Any:
        """Return some rows of a batch."""
        x, lengths, y, weights = batch
        x = np.ascontiguousarray(x[:, rows])
        weights = None if weights is None else np.ascontiguousarray(weights[..., rows])
        return ExampleBatch(x, lengths[rows], self.split_targets(y, rows), weights)

    def split_targets(self, y: Any, rows: slice) -> Any:
        """Return some rows of a batch's targets."""
        return y[rows]

    # Metrics

    def measures(self) -> tuple[str, ...]:
        """Return the names of the figures, the one first that tells which epoch is the best."""
        return ("loss",)

    def choice(self, monitor: Any = None) -> tuple[str, bool]:
        """Return the figure that tells which epoch is the best, and whether more is better.

        ``monitor`` is the name of one of `measures`; None: the first.

        Raises
        ------
        ValueError
            If it is none.
        """
        return choose_monitor(monitor, self.measures())

    def figures(self, network: Any, examples: Examples) -> dict[str, float]:
        """Return figures of a network on examples: ``valid_loss`` and others."""
        raise NotImplementedError

    def evaluate(
        self, network: Any, x: list[Array], targets: Any, weights: StepWeights | None
    ) -> dict[str, float]:
        """Return what a model's `evaluate` does, of encoded sequences and targets as read."""
        examples = Examples(x, self.encode("y", targets, x), weights)
        figures = self.figures(network, examples)
        return {name.removeprefix("valid_"): value for name, value in figures.items()}

    def unseen(self, targets: Any) -> list[Any]:
        """Return of each target that training has not seen, and no loss can have, what is new."""
        return []

    def baseline(self, examples: Examples) -> float | None:
        """Return what a network that has learned nothing loses on encoded examples.

        None: not known.
        """
        return None

    # Files

    def to_dict(self) -> dict[str, Any]:
        """Return what `restore` reads, for JSON."""
        raise NotImplementedError

    def restore(self: Self, learned: Mapping[str, Any], inputs: Inputs) -> Self:
        """Return the codec that knows what a file says; raise if that cannot be."""
        raise NotImplementedError
