"""What a model answers while a stream goes on: of the layers' outputs at each step, so far."""

from __future__ import annotations

import copy
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from rnnfast.models.parts.codecs.numbers import NumberTargets
from rnnfast.models.parts.language.token_output import TokenOutput, token_probabilities
from rnnfast.models.parts.networks.feedback_head import FeedbackHead
from rnnfast.models.parts.networks.heads import Head, SigmoidHead
from rnnfast.models.parts.running_pool import Rows, RunningPool
from rnnfast.nn.losses import log_softmax, softmax
from rnnfast.nn.module import Array

Answer = TypeVar("Answer")


class Labels(NamedTuple):
    """What a model of labels answers to a step.

    Attributes
    ----------
    labels : ndarray
        What is predicted: one of ``classes_`` each, ``(n,)``; or bool ``(n, K)``, where any of K
        labels may be.
    probabilities : ndarray
        ``(n, K)``, as ``predict_proba`` gives them.
    """

    labels: Any
    probabilities: Array


class Running(Generic[Answer]):
    """Base of the answers; one may keep something of each sequence.

    `_changing` names the attributes that steps change.
    """

    _changing: ClassVar[tuple[str, ...]] = ()

    def __getstate__(self) -> dict[str, Any]:
        """Return all attributes, copies of those that change: a copy goes on by itself."""
        state = dict(vars(self))
        return {**state, **{name: copy.copy(state[name]) for name in self._changing}}

    def begin(self, batch_size: int) -> None:
        """Make room for so many sequences."""

    def reset(self, rows: Rows) -> None:
        """Forget what some sequences have said."""

    def answer(self, h: Array, rows: Rows, steps: npt.NDArray[np.int64]) -> Answer:
        """Return what follows from outputs ``(n, W)``, the ``steps``-th of each row, from 1 on."""
        raise NotImplementedError

    def alone(self, answer: Answer) -> Any:
        """Return the answer of one sequence without its axis."""
        rows: Any = answer
        return rows[0]


class Pooled(Running[Answer]):
    """Base of answers that may be of all steps so far; `pool` None: each is of its step."""

    _changing = ("_pool",)

    def __init__(self, pool: RunningPool | None) -> None:
        self._pool = pool

    def begin(self, batch_size: int) -> None:
        if self._pool is not None:
            self._pool.begin(batch_size)

    def reset(self, rows: Rows) -> None:
        if self._pool is not None:
            self._pool.reset(rows)

    def _vectors(self, h: Array, rows: Rows, steps: npt.NDArray[np.int64]) -> Array:
        return h if self._pool is None else self._pool(h, rows, steps)


class RunningLabels(Pooled[Labels]):
    """The likeliest class, and the probability of each."""

    def __init__(self, head: Head, classes: Array, pool: RunningPool | None = None) -> None:
        super().__init__(pool)
        self._output, self._classes = head.output, classes

    def answer(self, h: Array, rows: Rows, steps: npt.NDArray[np.int64]) -> Labels:
        scores = self._output(self._vectors(h, rows, steps))
        probabilities = softmax(scores)
        # As `predict` of the models decides: the likeliest class, or the label of the best score.
        best = (scores if self._pool is None else probabilities).argmax(axis=1)
        return Labels(self._classes[best], probabilities)

    def alone(self, answer: Labels) -> Labels:
        return Labels(answer.labels.tolist()[0], answer.probabilities[0])


class RunningLabelSets(Running[Labels]):
    """Which of K labels are likelier than not, and the probability of each."""

    def __init__(self, head: SigmoidHead) -> None:
        self._head = head

    def answer(self, h: Array, rows: Rows, steps: npt.NDArray[np.int64]) -> Labels:
        scores = self._head.output(h)
        return Labels(scores > 0, self._head.probabilities_of(scores))

    def alone(self, answer: Labels) -> Labels:
        return Labels(answer.labels[0], answer.probabilities[0])


class RunningNumbers(Pooled[Array]):
    """Numbers in the units of y, ``(n, K)``, or ``(n,)`` if `flat`."""

    def __init__(
        self, head: Head, numbers: NumberTargets, flat: bool, pool: RunningPool | None = None
    ) -> None:
        super().__init__(pool)
        self._output, self._numbers, self._flat = head.output, numbers, flat

    def answer(self, h: Array, rows: Rows, steps: npt.NDArray[np.int64]) -> Array:
        numbers = self._numbers.decode(self._output(self._vectors(h, rows, steps)))
        return numbers[:, 0] if self._flat else numbers


class RunningProbabilities(Running[Array]):
    """The probabilities of what may come next, ``(n, V)``."""

    def __init__(self, output: TokenOutput) -> None:
        self._output = output

    def answer(self, h: Array, rows: Rows, steps: npt.NDArray[np.int64]) -> Array:
        return token_probabilities(self._output, h)


class RunningFeedback(Running[Labels]):
    """Labels of which each is fed back, by greedy search, and their probabilities."""

    _changing = ("_decoder", "_before", "_log_prob")

    def __init__(self, head: FeedbackHead, classes: Array) -> None:
        self._head, self._classes = head, classes

    def begin(self, batch_size: int) -> None:
        self._decoder = self._head.decoder.stream(batch_size)
        self._before = np.full(batch_size, self._head.start)
        self._log_prob = np.zeros(batch_size)

    def reset(self, rows: Rows) -> None:
        self._decoder.reset(None if isinstance(rows, slice) else rows)
        self._before[rows] = self._head.start
        self._log_prob[rows] = 0

    def answer(self, h: Array, rows: Rows, steps: npt.NDArray[np.int64]) -> Labels:
        x = self._head.decoder_input(h, self._before[rows])
        s = self._decoder(x, rows=None if isinstance(rows, slice) else rows)
        scores = self._head.output(s)
        # Rounded as `FeedbackHead.predict` adds them up, so that its choices are these.
        total = self._log_prob[rows, np.newaxis] + log_softmax(scores)
        best = total.argmax(axis=1)
        self._log_prob[rows] = total[np.arange(len(total)), best]
        self._before[rows] = best
        return Labels(self._classes[best], softmax(scores))

    def alone(self, answer: Labels) -> Labels:
        return Labels(answer.labels.tolist()[0], answer.probabilities[0])
