"""The training loop that every model shares."""

from __future__ import annotations

import dataclasses
import math
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Generic, TypeVar

import numpy as np

from rnnfast._checks import check_bool, check_int
from rnnfast._checks.messages import counted
from rnnfast.io.files import require_writable
from rnnfast.io.tensors import Array, collect_arrays
from rnnfast.nn.module import Module
from rnnfast.training.averaging import WeightAverage
from rnnfast.training.checkpointer import Checkpointer, TrainingState
from rnnfast.training.checkpoints import Position, Record, require_replaceable
from rnnfast.training.finite_numbers import FiniteNumbers, are_finite
from rnnfast.training.gradients import fingerprint
from rnnfast.training.kept_weights import KeptWeights
from rnnfast.training.loop_arguments import check_loop, facts_of
from rnnfast.training.messages import describe_absurdity, describe_end
from rnnfast.training.optimizers import Optimizer
from rnnfast.training.progress import Callback, Progress, Reporter, ask
from rnnfast.training.ranks import Split, current_ranks, measuring_with
from rnnfast.training.schedules import ReduceOnPlateau, Schedule
from rnnfast.training.signals import InterruptFlag
from rnnfast.training.step import StepMaker

Batch = TypeVar("Batch")


@dataclass
class TrainingLoop(Generic[Batch]):
    """Trains layers, batch by batch.

    A run that is stopped and resumed from its checkpoint gives the same bits as one that never
    stopped: batches and dropout draw from ``rng``, whose state the checkpoint keeps.

    Parameters
    ----------
    step : callable
        Takes a batch, adds the gradients of the *summed* loss to the layers, and returns that sum
        and how many terms it has. The trainer divides the gradients by that number.
    batches : callable
        Takes a random generator and returns the batches of an epoch: an iterable, best with a
        length. From generators of equal seed come equal batches.
    modules : mapping of str to Module
        The layers to train, by the names that messages and checkpoints use.
    optimizer : Optimizer
        Of the same layers.
    rng : numpy.random.Generator
        Gives each epoch's batches their seed. The layers' dropout draws from the same one.
    schedule : Schedule or ReduceOnPlateau, optional
        Changes the optimizer's learning rate: after each step, or by what `validate` measures.
    max_norm : float, optional
        The largest norm that all gradients together may have; longer ones are scaled down.
    max_value : float, optional
        The largest size of a single gradient; cut to it before the norm is taken.
    validate : callable, optional
        Returns figures by name, measured on the layers as they are; called after every epoch.
    average : WeightAverage, optional
        Of the same layers; updated after each step. Validation measures the average weights, and
        those are what the layers have after training.
    monitor : str
        The figure of `validate` that tells which epoch is the best.
    maximize : bool
        Whether more is better.
    patience : int, optional
        Stop after so many epochs in a row without a new best one.
    carry : dict of str to ndarray
        What `step` keeps from one batch to the next, such as states: emptied before each epoch,
        kept in checkpoints.
    checkpoint : path-like, optional
        Where to write all that is needed to go on: when an epoch has ended, though not again within
        ten seconds; within an epoch, every two minutes; when training stops or a callback fails;
        and before the first step where no file stands. The checkpoint of a training that has ended
        is replaced unless training is resumed from it; that of another one, and any other file, is
        refused. If one cannot be written on the way, a warning says so and training goes on.
    identity : mapping
        What must be the same for a checkpoint to be resumed, for example hyperparameters, as
        values that JSON can hold.
    reporter : Reporter
        Shows the progress.
    callbacks : sequence of callable
        Each is called with a `Progress` after every step and again at the end of an epoch; True
        as a result stops the training.
    model : object
        What callbacks find as ``progress.model``.
    chosen : mapping of str to int
        What of the training's amount was chosen where nobody had said it, to tell at the end.
    baseline : float, optional
        The loss of a model that has learned nothing. If training leaves one that is far worse, that
        is told aloud.
    finish : callable, optional
        Called once training has ended without an error and the layers have the weights that they
        are to have; signals wait until it has returned.
    split : callable, optional
        Takes a batch, a rank and how many ranks there are, and returns a
        `rnnfast.training.ranks.Shard`. Where several processes train together.
    divisor : callable, optional
        Takes a batch, that of all ranks, and how many terms its loss has, and returns what to
        divide the gradients by in place of that number. Losses that are shown are means all the
        same.

    Attributes
    ----------
    stopped : {"finished", "patience", "callback", "interrupt", "error"}
        Why `run` ended.
    """

    step: Callable[[Batch], tuple[float, int]]
    batches: Callable[[np.random.Generator], Iterable[Batch]]
    modules: Mapping[str, Module]
    optimizer: Optimizer
    rng: np.random.Generator
    _: dataclasses.KW_ONLY
    schedule: Schedule | ReduceOnPlateau | None = None
    max_norm: float | None = None
    max_value: float | None = None
    validate: Callable[[], Mapping[str, float]] | None = None
    average: WeightAverage | None = None
    monitor: str = "valid_loss"
    maximize: bool = False
    patience: int | None = None
    carry: dict[str, Array] = field(default_factory=dict)
    checkpoint: str | os.PathLike[str] | None = None
    identity: Mapping[str, Any] = field(default_factory=dict)
    reporter: Reporter = field(default_factory=lambda: Reporter(verbose=0))
    callbacks: Sequence[Callback] = ()
    model: Any = None
    chosen: Mapping[str, int] = field(default_factory=dict)
    baseline: float | None = None
    finish: Callable[[], object] | None = None
    split: Split | None = None
    divisor: Callable[[Batch, int], float] | None = None

    def __post_init__(self) -> None:
        check_loop(self)
        self._ranks = current_ranks()
        self._keeps = self.checkpoint is not None
        if not self._ranks.leads:  # the first one writes, and calls those who look on
            self.checkpoint, self.callbacks = None, ()
        if self.checkpoint is not None:
            require_writable("checkpoint", self.checkpoint)
        self.stopped = ""
        self._state = self._state_at(Position(), {})
        self._by = ""  # the signal that has interrupted it

    def _state_at(self, at: Position, best: dict[str, Array]) -> TrainingState:
        parts = self.modules, self.optimizer, self.rng, self.schedule, self.average, self.carry
        return TrainingState(*parts, at, best)

    @property
    def _at(self) -> Position:
        return self._state.at

    @property
    def history(self) -> list[Record]:
        """A record of each epoch.

        ``epoch``, ``step``, ``loss``, the figures of `validate`, ``learning_rate``,
        ``gradient_norm`` (the largest, before it was cut), ``count`` of the loss's terms,
        ``seconds``.
        """
        return self._at.history

    @property
    def steps(self) -> int:
        """How many steps were made so far, those before a resumption counted."""
        return self._at.step

    @property
    def best_epoch(self) -> int:
        """The epoch whose weights the layers have after `run`; 0: those of the last step."""
        return self._at.best_epoch

    def run(self, epochs: int, resume: bool = False) -> None:
        """Train until there have been ``epochs`` epochs in all.

        Ctrl-C, SIGTERM and SIGHUP end it after the running step, a second Ctrl-C at once. The two
        others are then passed on to whoever handled them before; by default they end the process.
        However training ends, the weights of the best epoch are put back, if validation has found
        one; and no weights are left that are not finite, but those from before the epoch.

        Parameters
        ----------
        epochs : int
            How many, those before a resumption counted.
        resume : bool
            Go on from the checkpoint. If that fails, nothing is changed.

        Raises
        ------
        FloatingPointError
            If a loss, a gradient or a weight is not finite.
        ValueError
            If there is nothing to learn from, or the checkpoint is damaged or of another training,
            or a file that is none, or an unfinished training's where none is resumed, stands in its
            place.
        OSError
            If the checkpoint cannot be read, or written before the first step.
        """
        epochs, resume = check_int("epochs", epochs, 1), check_bool("resume", resume)
        if self.average is not None:
            self.average.restore()
        self._state = self._state_at(self._state.at, self._state.best)
        self._file = Checkpointer(self.checkpoint, self._state, self.identity, self.reporter)
        self._finite = FiniteNumbers(self._state)
        if self._ranks.several:
            self._ranks.require_alike(facts_of(self, epochs, resume, self._keeps))
            self._ranks.split = self.split
        if resume and self._ranks.leads:
            self._file.resume()
        elif self.checkpoint is not None:
            require_replaceable("checkpoint", self.checkpoint)
        if self._ranks.several:
            self._ranks.share_state(self._state)
        if resume and epochs < self._at.epoch:
            raise ValueError(
                f"epochs: expected at least the {self._at.epoch} that the checkpoint has made, got "
                f"{epochs}"
            )
        if resume:
            self.reporter.report(
                f"resumed after {counted(self.steps, 'step')} and {self._at.epoch} of "
                f"{counted(epochs, 'epoch')}, with a learning rate of {self.optimizer.lr:g}"
            )
        self._kept = KeptWeights(self._state, self.monitor, self.maximize, self.patience)
        self._steps = StepMaker(
            self.step,
            self.divisor,
            self.max_norm,
            self.max_value,
            state=self._state,
            finite=self._finite,
            ranks=self._ranks,
        )
        # A training that had run out of patience may be resumed with that much, or with more.
        self.stopped = "patience" if self._kept.out_of_patience() else ""
        self._at.ended = False  # there may be more epochs now
        # All come to what follows, or none: an error there is for all to save.
        self._ranks.agree("")
        with InterruptFlag(self._ranks.several) as interrupt:
            try:
                self._file.claim()
                while self._at.epoch < epochs and not self.stopped:
                    self._run_epoch(epochs, interrupt)
                self.stopped = self.stopped or "finished"
                self._ranks.agree("")  # and none leaves it before the others
            except BaseException as error:
                self.stopped = "error"
                known = self._ranks.told(error)
                if self._ranks.several:
                    self._save_what_is_whole()
                self._file.give_up()
                if known is error:
                    raise
                raise known from None
            finally:
                self.reporter.close()
                self._kept.put_back(failed=self.stopped == "error")
            if self.finish is not None:
                self.finish()
            self._tell_end(epochs)

    def _save_what_is_whole(self) -> None:
        """Write what was learned until another rank, or this one, has failed."""
        self._steps.undo()
        unsaved = self._keeps and self._at.step > 0 and not self._at.ended
        if self._ranks.total(unsaved)[0] < self._ranks.size:  # all of them gather states, or none
            return
        with self._ranks.whole(self.carry):
            if self._steps.whole and are_finite(collect_arrays(self.modules)):
                self._file.write()

    def _save(self) -> None:
        """Write a checkpoint within an epoch."""
        self._finite.require(collect_arrays(self.modules))
        if self._keeps:
            with self._ranks.whole(self.carry):
                self._file.write()

    def _run_epoch(self, epochs: int, interrupt: InterruptFlag) -> None:
        at = self._at
        if at.batch == 0:
            at.start_epoch(int(self.rng.integers(2**63)))
            self.carry.clear()
        began = time.perf_counter() - at.seconds
        batches = self.batches(np.random.default_rng(at.batch_seed))
        length = len(batches) if isinstance(batches, Sized) else None
        self.reporter.start_epoch(at.epoch, epochs, at.batch, length)
        called_off, save, stop = False, False, ""

        def wish() -> str:
            return "callback" if called_off else interrupt.by

        for batch in islice(batches, at.batch, None):
            outcome = self._steps.make(batch, wish, save)
            if outcome.stop:
                stop = outcome.stop
                break
            at.seconds = time.perf_counter() - began
            self.reporter.update(at.loss, outcome.terms)
            called_off = self._call_back(at.epoch + 1, epochs, epoch_ended=False)
            stop = "" if self._ranks.several else wish()
            save = self._keeps and self._file.is_due_within()
            if outcome.save or (save and not self._ranks.several and not stop):
                self._save()
            if stop:
                break
        if self._stop(self._ranks.agree(stop or wish())):
            self._save()
            return
        if at.count == 0:
            raise ValueError("batches: expected something to predict, got nothing in an epoch")
        self._end_epoch(began)
        at.epoch, at.batch = at.epoch + 1, 0
        called_off = self._call_back(at.epoch, epochs, epoch_ended=True)
        if self._ranks.several:  # callbacks of the first one may have changed something
            facts = {"weights": fingerprint(self.modules), "learning rate": self.optimizer.lr}
            self._ranks.require_alike({f"{k} after epoch {at.epoch}": v for k, v in facts.items()})
        stop = wish() if called_off or at.epoch < epochs else ""
        if not self._stop(self._ranks.agree(stop)) and self._kept.out_of_patience():
            self.stopped = "patience"
        ends = self.stopped or at.epoch == epochs
        at.ended = at.epoch >= epochs or self.stopped == "patience"
        if ends or self._file.is_due():
            self._file.write()

    def _stop(self, wish: str) -> bool:
        """Stop training for what one of the ranks wishes; return whether there is something."""
        if wish:
            self.stopped = "callback" if wish == "callback" else "interrupt"
        if self.stopped == "interrupt":
            self._by = wish
        return bool(wish)

    def _end_epoch(self, began: float) -> None:
        """Validate, and enter the epoch in the history."""
        at = self._at
        with nullcontext() if self.average is None else self.average.applied():
            arrays = collect_arrays(self.modules)
            self._finite.require(arrays)
            with self._finite.telling():
                figures = self._figures()
        for name, value in figures.items():
            if not math.isfinite(value):
                raise FloatingPointError(f"epoch {at.epoch + 1}: {name} is {value}")
        self._kept.enter(arrays, figures)
        if figures and isinstance(self.schedule, ReduceOnPlateau):
            self.schedule.step(figures[self.monitor])
        at.seconds = time.perf_counter() - began
        at.history.append(
            {
                "epoch": at.epoch + 1,
                "step": at.step,
                "loss": at.loss,
                **{name: float(value) for name, value in figures.items()},
                "learning_rate": self.optimizer.lr,
                "gradient_norm": at.gradient_norm,
                "count": at.count,
                "seconds": at.seconds,
            }
        )
        self.reporter.end_epoch(at.history[-1])

    def _figures(self) -> dict[str, float]:
        if self.validate is None:
            return {}
        with measuring_with(self._ranks):
            return self._ranks.same(self.validate())

    def _call_back(self, epoch: int, epochs: int, epoch_ended: bool) -> bool:
        at = self._at
        progress = Progress(
            epoch,
            epochs,
            at.step,
            at.loss,
            epoch_ended,
            at.history,
            self.reporter.write,
            self.model,
            self.optimizer,
        )
        try:
            return ask(self.callbacks, progress)
        except BaseException:
            if not self._ranks.several and are_finite(collect_arrays(self.modules)):
                self._file.write()  # what was learned up to here is whole
            raise

    def _tell_end(self, epochs: int) -> None:
        message = describe_end(
            self._at,
            self.stopped,
            epochs,
            self.patience,
            self.monitor,
            self.maximize,
            self._by,
            self.chosen,
        )
        if self.stopped == "interrupt":
            self.reporter.tell(message)
        else:
            self.reporter.report(message)
        absurd = describe_absurdity(self._at, self.baseline)
        if absurd:
            self.reporter.tell(absurd)
