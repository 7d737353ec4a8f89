"""Whole models step by step: the answer so far after every token or row of numbers."""

from __future__ import annotations

import copy
from typing import Any, Generic

import numpy as np
import numpy.typing as npt

from rnnfast import _core
from rnnfast._checks import check_int
from rnnfast.models.parts.networks.encoder import EncoderLayers
from rnnfast.models.parts.reading.reader import Reader
from rnnfast.models.parts.running import Answer, Running
from rnnfast.models.parts.running_pool import Rows
from rnnfast.models.parts.step_reader import StepReader
from rnnfast.models.parts.turns import in_turn
from rnnfast.nn.module import Array
from rnnfast.nn.recurrent.stream import given_rows


class ModelStream(Generic[Answer]):
    """Runs a fitted model step by step; made by ``model.stream(batch_size)``.

    A step is a call, ``answer = stream(x_t)``, with what each of B sequences has at it:

    - a token each, a list of B str (of text what the model's tokenizer makes of it), or ids
      ``(B,)``;
    - or a row of numbers each, ``(B, F)``, in the units of training.

    Of a single sequence it may be the str, the id or ``(F,)`` alone, and the answer comes without
    its axis too. The answer is that of the model for what each sequence has been so far:

    - of a `SequenceClassifier`, a `SequenceTagger` and a `MultiLabelTagger` the pair ``labels`` and
      ``probabilities`` (`rnnfast.models.parts.running.Labels`);
    - of a `SequenceRegressor` and a `StepRegressor` numbers ``(B, K)``, or ``(B,)`` where those of
      ``y`` were;
    - of a `CTCRecognizer` a list with the ``symbols`` that each has said and the ``times``, steps
      from 0 on, at which they began (`rnnfast.models.parts.running_symbols.Transcript`);
    - of a `LanguageModel` the probability of each token to be the next one, ``(B, V)``.

    After the last step it is what ``predict`` or ``predict_proba`` gives for the whole sequence,
    bit for bit; with pooling by the mean but for the rounding of that.

    A step may be one of some sequences alone, ``stream(x_t, rows=[3, 7])``; the others stay as they
    are. So thousands of streams share the weights of one model.

    A stream keeps what the model had learned when it was made, whatever `fit` does to it later. It
    belongs to one thread at a time. `copy.copy` makes one that goes on by itself, with the same
    weights; it can be pickled.

    Attributes
    ----------
    batch_size : int
        B.
    """

    def __init__(
        self,
        reader: Reader,
        encoder: EncoderLayers,
        running: Running[Answer],
        batch_size: int = 1,
    ) -> None:
        self.batch_size = check_int("batch_size", batch_size, 1)
        if encoder.recurrent.bidirectional:
            raise ValueError(
                "stream: expected a model with bidirectional=False, got one whose reverse "
                "direction begins at an end that a stream has not seen"
            )
        self._layers = encoder.recurrent.stream(self.batch_size)
        self._reader, self._encoder, self._running = StepReader(reader), encoder, running
        self._steps = np.zeros(self.batch_size, np.int64)
        running.begin(self.batch_size)

    @property
    def steps(self) -> npt.NDArray[np.int64]:
        """How many steps each sequence has taken since it began, ``(B,)``; a copy."""
        return self._steps.copy()

    @in_turn
    def __call__(self, x: Any, rows: Any = None) -> Any:
        """Take one step.

        Parameters
        ----------
        x : list of str, array of int, or array_like
            See above.
        rows : array_like of int, optional
            The sequences that take the step, ``(n,)``, none of them twice; n stands for B above.
            None: all.

        Returns
        -------
        Labels, ndarray or list of Transcript
            See above; the rows in the order of ``x``.

        Raises
        ------
        TypeError
            If ``x`` is of another kind than in training, or rows are no integers.
        ValueError
            If there is not one token or row of numbers for each sequence, a shape, a number, an id
            or a row does not fit. No sequence has taken the step then.
        """
        chosen, count = self._chosen(rows)
        encoded, alone = self._reader.encode(x, count)
        answer = self._step(encoded, chosen)
        return self._running.alone(answer) if alone else answer

    def reset(self, rows: Any = None) -> None:
        """Begin anew: as if no step had been taken.

        Parameters
        ----------
        rows : array_like of int, optional
            Which sequences, ``(n,)``; None: all.

        Raises
        ------
        TypeError, ValueError
            If rows are no integers, out of range, or one is there twice.
        """
        self._begin(self._chosen(rows)[0])

    def _chosen(self, rows: Any) -> tuple[Rows, int]:
        """Return rows, checked, and how many they are."""
        if rows is None:
            return slice(None), self.batch_size
        chosen = _core.read_rows(given_rows(rows), self.batch_size)
        return chosen, len(chosen)

    def _begin(self, rows: Rows) -> None:
        self._layers.reset(None if isinstance(rows, slice) else rows)
        self._running.reset(rows)
        self._steps[rows] = 0

    def _step(self, encoded: Array, rows: Rows) -> Answer:
        h = self._through(encoded, rows)
        self._steps[rows] += 1
        return self._running.answer(h, rows, self._steps[rows])

    def _through(self, encoded: Array, rows: Rows, condition: Array | None = None) -> Array:
        """Return the layers' outputs ``(n, W)`` of a step; the next one writes into them."""
        if not len(encoded):  # nobody's step
            return np.zeros((0, self._encoder.output_size), self._encoder.recurrent.dtype)
        x = self._encoder.inputs(encoded[np.newaxis], condition)[0]
        return self._layers(x, rows=None if isinstance(rows, slice) else rows)

    def __getstate__(self) -> dict[str, Any]:
        """Return all attributes, copies of those that change: a copy goes on by itself."""
        state = dict(vars(self))
        changing = ("_layers", "_running", "_steps")
        return {**state, **{name: copy.copy(state[name]) for name in changing}}


class LanguageStream(ModelStream[Array]):
    """Runs a `LanguageModel` step by step; made by ``model.stream(batch_size)``.

    As `ModelStream` says. A text begins with the zero vector that the model has seen at the
    beginning of every text, which a stream reads by itself before the first token; `start` gives
    what may come first.
    """

    def __init__(
        self,
        reader: Reader,
        encoder: EncoderLayers,
        running: Running[Array],
        start: int,
        batch_size: int = 1,
        condition: Array | None = None,
    ) -> None:
        super().__init__(reader, encoder, running, batch_size)
        self._start, self._condition = start, condition
        self._fresh = np.ones(self.batch_size, np.bool_)

    def start(self, rows: Any = None) -> Array:
        """Begin anew, and tell what may come first.

        Parameters
        ----------
        rows : array_like of int, optional
            Which sequences, ``(n,)``; None: all.

        Returns
        -------
        ndarray
            The probability of each token to be the first one, ``(n, V)``.

        Raises
        ------
        TypeError, ValueError
            As `reset`.
        """
        chosen, count = self._chosen(rows)
        self._begin(chosen)
        h = self._through(np.full(count, self._start), chosen)
        self._fresh[chosen] = False
        return self._running.answer(h, chosen, self._steps[chosen])

    def _begin(self, rows: Rows) -> None:
        super()._begin(rows)
        self._fresh[rows] = True

    def _step(self, encoded: Array, rows: Rows) -> Array:
        numbers = np.arange(self.batch_size)[rows]
        fresh = numbers[self._fresh[rows]]
        if len(fresh):
            self._through(np.full(len(fresh), self._start), fresh)
            self._fresh[fresh] = False
        return super()._step(encoded, rows)

    def _through(self, encoded: Array, rows: Rows, condition: Array | None = None) -> Array:
        given = None if self._condition is None else self._condition[rows]
        return super()._through(encoded, rows, given)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_fresh": self._fresh.copy()}
