"""A label for every step of a sequence."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np

from rnnfast._checks.messages import one_line, shown
from rnnfast.data.batches import Ints
from rnnfast.metrics import entity_scores
from rnnfast.metrics._entities import require_labels
from rnnfast.metrics._schemes import scheme_of, written_as
from rnnfast.models.parts.codecs.steps import StepCodec
from rnnfast.models.parts.fitting.examples import Examples, pick, require_steps
from rnnfast.models.parts.fitting.warm_start import Axes, axes_of_rows
from rnnfast.models.parts.networks.encoder_network import EncoderNetwork
from rnnfast.models.parts.networks.feedback_head import FeedbackHead
from rnnfast.models.parts.reading.extension import extend_classes
from rnnfast.models.parts.reading.inputs import Inputs
from rnnfast.models.parts.reading.labels import (
    IGNORED,
    chance_loss,
    class_weights,
    find_classes,
    restore_classes,
)
from rnnfast.models.parts.reading.step_labels import Bools, counts, dropped, read_label_lists
from rnnfast.models.parts.reading.weights import StepWeights, spread
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
        kinds = {labels.dtype.kind for labels in sequences}
        if len(kinds) != 1 or "O" in kinds:
            return [np.where(counts(labels), self._places(labels), IGNORED) for labels in sequences]
        labels, ends = np.concatenate(sequences), np.cumsum([0, *map(len, sequences)]).tolist()
        numbers = np.where(counts(labels), self._places(labels), IGNORED)
        return [numbers[begin:end] for begin, end in pairwise(ends)]

    def _places(self, labels: Array) -> Ints:
        if labels.dtype.kind == "O":
            given = counts(labels)
            places = np.full(len(labels), -1)
            if given.any():
                places[given] = self._places(np.array(labels[given].tolist()))
            return places
        last = len(self.classes) - 1
        place = np.minimum(np.searchsorted(self.classes, labels), last)
        return np.where(self.classes[place] == labels, place, -1)

    def first_forbidden(self, numbers: Ints) -> int | None:
        """Return the first place of a sequence where the rules forbid its label, or its end."""
        if self.rules is None or len(numbers) == 0:
            return None
        if not counts(numbers).all():
            return self._first_unreachable(numbers)
        rules = self.rules
        allowed = rules.transitions[numbers[:-1], numbers[1:]]
        allowed = np.concatenate([rules.start[numbers[:1]], allowed, rules.end[numbers[-1:]]])
        return None if allowed.all() else int(allowed.argmin())

    def _first_unreachable(self, numbers: Ints) -> int | None:
        """Return the first place that no path of those that agree with the labels gets to."""
        assert self.rules is not None
        open_to = self.rules.start
        for place, number in enumerate(numbers.tolist()):
            if place:
                open_to = np.asarray(self.rules.transitions[open_to].any(axis=0))
            if number != IGNORED:
                open_to = open_to & (np.arange(len(self.classes)) == number)
            if not open_to.any():
                return place
        return None if (open_to & self.rules.end).any() else len(numbers)

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
            counting = counts(labels)
            if not counting.all():
                place = int(counting.argmin())
                raise ValueError(
                    f"{name}[{number}]: expected labels that count with {option}=True, got "
                    f"{labels[place]} at {place}"
                )

    def require_allowed(self, name: str, sequences: Sequence[Array], scheme: str) -> None:
        """Raise ValueError, naming the argument, if the rules forbid a sequence of known labels."""
        if self.rules is None:
            return
        for labels, numbers in zip(sequences, self.numbers(sequences), strict=True):
            place = self.first_forbidden(numbers)
            if place is not None:
                before = labels[place - 1] if place else "the start"
                here = labels[place] if place < len(labels) else "the end"
                raise ValueError(
                    f"{name}: expected labels that {scheme.upper()} allows, got {one_line(here)} "
                    f"after {one_line(before)}, in {one_line(' '.join(map(str, labels)))}"
                )


@dataclass(frozen=True, eq=False)
class TagCodec(StepCodec):
    """Labels by number, and how much each weighs in the loss.

    `chained` names the hyperparameter by which each step reads the label before, so that all labels
    must count; None: none does. `beam_size` is for figures.
    """

    class_weight: Any
    scheme: str | None
    crf: bool
    chained: str | None
    beam_size: int
    dtype: str
    ignore_label: Any = None
    tags: TagSet = field(default_factory=lambda: TagSet(np.empty(0)))
    class_weights: Array | None = None

    def read(self, name: str, y: Any) -> list[Array]:
        lists = read_label_lists(name, y, self.ignore_label)
        return lists if self.scheme != "auto" else self._converted(name, lists)

    @property
    def learned_scheme(self) -> str | None:
        """The scheme of the labels that are known; None: they are of none."""
        if self.scheme != "auto":
            return self.scheme
        # Labels were written anew, in one that tells where each entity begins.
        found = scheme_of([[label] for label in self.tags.classes.tolist()])
        return "bio" if found == "iob1" else found

    def _converted(self, name: str, lists: list[Array]) -> list[Array]:
        """Return labels in the scheme of those that are known, or else one that was recognised."""
        counting = [counts(own) for own in lists]
        sentences = [
            require_labels(f"{name}[{n}]", own[here].tolist())
            for n, (own, here) in enumerate(zip(lists, counting, strict=True))
        ]
        try:
            scheme = self.learned_scheme if len(self.tags.classes) else scheme_of(sentences)
        except ValueError as error:  # labels of two schemes
            raise ValueError(f"{name}{str(error).removeprefix('labels')}") from None
        scheme = "bio" if scheme in (None, "iob1") else scheme
        written = [np.array(written_as(scheme, labels), dtype=str) for labels in sentences]
        # Steps without a label are as if they were not there, as in figures.
        return [
            labels if here.all() else _spread(labels, here)
            for labels, here in zip(written, counting, strict=True)
        ]

    def labelled(self, target: Array) -> Bools:
        return counts(target)

    def only(self, target: Array, counting: Bools) -> Array:
        """Return the labels of a sequence of which only some count, all if each must."""
        return target if self.chained is not None else dropped(target, counting)

    def weigh(
        self, targets: list[Array], sample_weight: Any
    ) -> tuple[list[Array], StepWeights | None]:
        """Read weights, with `crf` of sequences alone, whose labels are one output together."""
        targets, weights = super().weigh(targets, sample_weight)
        if self.crf and isinstance(weights, list):
            raise ValueError(
                f"sample_weight: expected shape ({len(targets)},) with crf=True, one for each "
                "sequence, whose labels have one probability together, got one for each step"
            )
        return targets, weights

    def learn(self, targets: list[Array], weights: StepWeights | None = None) -> TagCodec:
        return self._knowing(find_classes("y", _flat(targets)), targets, weights)

    def learn_again(
        self, targets: list[Array], weights: StepWeights | None, extend: bool
    ) -> TagCodec:
        classes = extend_classes("y", self.tags.classes, _flat(targets), extend=extend)
        return self._knowing(classes, targets, weights)

    def axes(self) -> Axes:
        """Return those of the output layer, of a CRF, and of labels that are fed back."""
        classes = self.tags.classes.tolist()
        return {
            **axes_of_rows("output", classes),
            "crf.start": {0: classes},
            "crf.transitions": {0: classes, 1: classes},
            "crf.end": {0: classes},
            "label_embedding.weight": {0: [*classes, None]},
        }

    def _knowing(
        self, classes: Array, targets: list[Array], weights: StepWeights | None
    ) -> TagCodec:
        """Return the codec of these classes, among which are those of the targets."""
        if self.scheme and classes.dtype.kind != "U":
            named = self.scheme.upper()
            raise TypeError(f"y: expected {named} labels, got {shown(classes.tolist()[0])}")
        try:
            tags = self._tag_set(classes)
        except ValueError as error:  # labels that are not of the scheme
            raise ValueError(f"y: {error}") from None
        tags.require_allowed("y", targets, self.learned_scheme or "")
        numbers, each_weight = np.concatenate(tags.numbers(targets)), spread(weights, targets)
        counting = counts(numbers)
        own = None if each_weight is None else each_weight[counting]
        each = class_weights(self.class_weight, classes, numbers[counting], self.dtype, own)
        return replace(self, tags=tags, class_weights=each)

    def _tag_set(self, classes: Array) -> TagSet:
        scheme = replace(self, tags=TagSet(classes)).learned_scheme
        if scheme is None:
            return TagSet(classes)
        rules = (Constraints.bio if scheme == "bio" else Constraints.iobes)(classes.tolist())
        # A label that may stand alone, and after itself, leaves sequences of every length.
        any_length = (rules.start & rules.end & rules.transitions.diagonal()).any()
        return TagSet(classes, rules if self.crf and any_length else None)

    def encode(self, name: str, targets: list[Array], x: object) -> list[Ints]:
        """Return the numbers of labels, -1 for those that training has not seen."""
        if self.chained is not None:
            self.tags.require_counting(name, targets, self.chained)
        return self.tags.numbers(targets)

    def to_measure(self, suffix: str, targets: list[Array], examples: Examples) -> Examples:
        """Return labels as they were read, if there is a sequence that has a loss."""
        require_steps(f"X{suffix}", examples.x)
        if not sum(counts(examples.y[n]).sum() for n in self.tags.possible(examples.y)):
            cure = "" if suffix else "; or set validation_fraction=0"
            raise ValueError(
                f"y{suffix}: expected a sequence to validate on of labels that are learned, "
                f"got none{cure}"
            )
        return examples._replace(y=targets)

    def labels(self, network: EncoderNetwork, x: Sequence[Array], beam_size: int) -> list[Array]:
        """Return the likeliest labels of encoded sequences."""
        beam = {"beam_size": beam_size} if isinstance(network.head, FeedbackHead) else {}
        numbers = network.steps_of(x, lambda x, lengths: network.predict(x, lengths, **beam))
        return [self.tags.classes[row] for row in numbers]

    def measures(self) -> tuple[str, ...]:
        """Return the F1 of entities with a scheme first, else the accuracy."""
        return (*(("f1", "precision", "recall") if self.scheme else ()), "accuracy", "loss")

    def unseen(self, targets: list[Array]) -> list[Any]:
        numbers = self.tags.numbers(targets)
        return [
            labels[places == -1].tolist()[0]
            for labels, places in zip(targets, numbers, strict=True)
            if (places == -1).any()
        ]

    def compare(self, network: EncoderNetwork, examples: Examples) -> dict[str, float]:
        """Return loss, without label smoothing, and what `compare_tags` does."""
        predicted = self.labels(network, examples.x, self.beam_size)
        figures = compare_tags(examples.y, predicted, self.scheme, examples.weights)
        numbers = self.tags.numbers(examples.y)
        whole = [
            n for n in self.tags.possible(numbers) if not self.chained or counts(numbers[n]).all()
        ]
        possible, loss, own = np.array(whole, np.int64), math.nan, examples.weights
        weighing = [n for n in whole if own is None or np.any(own[n] > 0)]
        if any(counts(numbers[n]).any() for n in weighing):
            x, y = pick(examples.x, possible), pick(numbers, possible)
            weights = None if own is None else pick(own, possible)
            loss = network.mean_loss(Examples(x, y, weights))
        return {"loss": loss, **figures}

    def baseline(self, examples: Examples) -> float:
        """Return the loss of equal chances."""
        return chance_loss(self.tags.classes, self.class_weights)

    def to_dict(self) -> dict[str, Any]:
        weights = None if self.class_weights is None else self.class_weights.tolist()
        return {"classes": self.tags.classes.tolist(), "class_weights": weights}

    def restore(self, learned: Mapping[str, Any], inputs: Inputs) -> TagCodec:
        found = restore_classes(learned["classes"], learned["class_weights"], self.dtype)
        return replace(self, tags=self._tag_set(found[0]), class_weights=found[1])


def _spread(labels: Array, counting: Bools) -> Array:
    """Return labels where steps count, and none elsewhere."""
    result = np.empty(len(counting), object)
    result[counting] = labels
    return result


def _flat(sequences: list[Array]) -> list[Any]:
    return [label for labels in sequences for label in labels[counts(labels)].tolist()]


def compare_tags(
    true: list[Array],
    predicted: list[Array],
    scheme: str | None,
    weights: StepWeights | None = None,
) -> dict[str, float]:
    """Return how well labels are predicted, as `SequenceTagger.evaluate` tells it."""
    each = [1.0] * len(true) if weights is None else list(weights)
    counting = [counts(labels) for labels in true]
    steps = sum(float(np.sum(w * c)) for w, c in zip(each, counting, strict=True))
    if steps == 0:
        raise ValueError("y: expected labels that count, got none")
    # What does not count is never predicted.
    hits = (np.sum(w * (t == p)) for t, p, w in zip(true, predicted, each, strict=True))
    figures = {"accuracy": sum(map(float, hits)) / steps}
    if scheme:
        kept = [
            [labels[c].tolist() for labels, c in zip(sequences, counting, strict=True)]
            for sequences in (true, predicted)
        ]
        of_steps = None
        if weights is not None:
            of_steps = [np.broadcast_to(w, c.shape)[c] for w, c in zip(each, counting, strict=True)]
        entities = entity_scores(*kept, sample_weight=of_steps)
        figures["precision"], figures["recall"] = entities.precision, entities.recall
        figures["f1"] = entities.f1
    return figures
