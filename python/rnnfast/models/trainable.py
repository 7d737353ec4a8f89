"""How all models are trained: what a training begins with, its loop, and what is kept of it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from rnnfast._checks import check_bool, check_int
from rnnfast._checks.adjustments import AdjustmentWarning
from rnnfast._checks.messages import shown
from rnnfast.io.packing import pack, unpack, untyped
from rnnfast.models.parts.fitting.fit_options import FitOptions
from rnnfast.models.parts.fitting.freezing import Frozen
from rnnfast.models.parts.fitting.given_schedules import describe_schedule
from rnnfast.models.parts.fitting.initial import InitialOptions
from rnnfast.models.parts.fitting.making import Making
from rnnfast.models.parts.fitting.pretrained import put_vectors
from rnnfast.models.parts.fitting.warm_start import FREE, Axes, KeptWeights, require_same_layers
from rnnfast.models.parts.hyperparameters import FittingOptions
from rnnfast.models.parts.shared import make_average, make_optimizer, make_schedule
from rnnfast.models.recurrent_model import RecurrentModel
from rnnfast.text.vocabulary import Vocabulary
from rnnfast.training.loop import TrainingLoop
from rnnfast.training.messages import describe_training
from rnnfast.training.progress import Progress, Reporter
from rnnfast.training.ranks import current_ranks

Batch = TypeVar("Batch")

# Hyperparameters that may change when training is resumed.
_FREE_ON_RESUMPTION = ("epochs", "patience", "verbose", "warm_start")


class Trainable(RecurrentModel, base=True):
    """Base of all models: how what `fit` was given becomes what a model has learned."""

    # What a training begins with

    def _axes(self) -> Axes:
        """Return what stands along the axes of the fitted layers' tables, which may grow."""
        raise NotImplementedError

    def _word_tables(self) -> dict[str, Vocabulary]:
        """Return the vocabularies of the tables that embed words, by the names of those layers."""
        return {}

    def _begin(self, asked: FitOptions, valid: Any) -> tuple[FitOptions, KeptWeights | None]:
        """Return what `fit` of this, a checked copy, is to do, and what it goes on with.

        The model's own epochs and ``verbose`` are then among the former. None of the latter: it
        begins anew.

        Raises
        ------
        TypeError, ValueError
            If an argument is wrong, or layers of these hyperparameters are others.
        """
        warm = self.warm_start if asked.warm_start is None else asked.warm_start
        if not check_bool("extend", asked.extend) and not warm:
            raise ValueError("extend: expected True without warm_start, got False")
        kept = self._kept(asked.warm_start)
        epochs, verbose = self._how_long(asked.epochs, asked.verbose, 1 if kept is None else 0)
        asked = replace(asked, epochs=epochs, verbose=verbose)
        asked.require_epochs(valid)
        if epochs == 0:  # nothing would be measured
            self.validation_fraction = 0.0
        return asked, kept

    def _kept(self, warm_start: Any) -> KeptWeights | None:
        warm = self.warm_start if warm_start is None else check_bool("warm_start", warm_start)
        if not warm or not self._is_fitted():
            return None
        before, now = (
            self._packed({name: value for name, value in params.items() if name not in FREE})
            for params in (self._trained_with, self._hyperparameters())
        )
        require_same_layers(before, now)
        return KeptWeights.of(self._modules(), self._axes())

    def _how_long(self, epochs: Any, verbose: Any, least: int = 1) -> tuple[Any, int]:
        """Return ``epochs`` and ``verbose`` of a training, checked: those of `fit` come first.

        Neither is a hyperparameter of what is learned: the model's own stay as they are. None of
        epochs is for the model to choose.
        """
        own: Any = self
        if epochs is not None:
            epochs = check_int("epochs", epochs, least)
        if verbose is not None:
            verbose = check_int("verbose", verbose, 0)
        return (
            own.epochs if epochs is None else epochs,
            own.verbose if verbose is None else verbose,
        )

    def _fill(
        self,
        asked: FitOptions,
        kept: KeptWeights | None,
        rng: np.random.Generator,
        reporter: Reporter,
    ) -> None:
        """Give this copy's new layers the weights that they are to begin with, and say which.

        Those of a checkpoint come in their place: then vectors of words are not looked up.
        """
        modules = self._modules()
        self._options(InitialOptions).fill(modules, rng)
        if asked.embeddings is not None and not asked.resume:
            put_vectors(asked.embeddings, modules, self._word_tables(), reporter.report)
        if kept is None:
            return
        grown = kept.put_into(modules, self._axes())
        if asked.resume:
            return
        reporter.report(
            f"goes on from {describe_training(self)}; the optimizer begins anew, with a learning "
            f"rate of {self.learning_rate:g} and the {describe_schedule(self.schedule)}"
        )
        if grown:
            reporter.report(f"grown: {', '.join(grown)}")

    # Training

    def _require_measured(self, epochs: int, measured: bool) -> None:
        """Raise ValueError if some epochs measure nothing that the monitor would watch."""
        if self.monitor is not None and epochs and not measured:
            raise ValueError(
                f"monitor: expected None without validation, which measures it, got "
                f"{shown(self.monitor)}"
            )

    def _train(
        self,
        trained: Trainable,
        rng: np.random.Generator,
        *,
        asked: FitOptions,
        step: Callable[[Batch, float], tuple[float, int]],
        batches: Callable[[np.random.Generator], Iterable[Batch]],
        epochs: int,
        total_steps: int,
        data: Callable[[], Mapping[str, str]],
        counts: Mapping[str, int] | None = None,
        chosen: Mapping[str, int] | None = None,
        notes: Sequence[str] = (),
        **options: Any,
    ) -> None:
        """Train ``trained``, a copy of this model, and take over what it learned.

        Until training has ended this model is as it was, for callbacks and other threads too. It
        stays so if an error ends the training.

        Callbacks find ``trained`` as ``progress.model``, with its network; its history begins anew.
        ``asked`` is what `fit` was, and ``epochs`` how many there are to be, which it may not say.
        ``step`` is told too which part of the training is over, from 0 to 1, and the schedule how
        many steps there are to be. ``data`` returns fingerprints by name, which a resumption
        compares, and is called if there is a checkpoint; ``counts`` say for the card how much data
        there is, and ``chosen`` what nobody has set; ``notes`` are told before training begins.
        Without any epoch, only what ``trained`` knows is taken over, and what is told of its
        training stays. All else is as `TrainingLoop` takes it.
        """
        if epochs:
            trained.history_, trained.best_epoch_, trained.stopped_ = [], 0, ""
            trained._made = Making.now(counts or {}, chosen or {})
            trained._trained_with = copy.deepcopy(trained._hyperparameters())
        modules = trained._modules()
        how, frozen = trained._options(FittingOptions), Frozen(modules, asked.freeze)
        optimizer = make_optimizer(
            how.optimizer, frozen.trainable, how.learning_rate, how.optimizer_options
        )
        if not epochs:  # nothing of what follows would be looked at
            self._tell_before(options["reporter"], notes, frozen)
            self._adopt(trained)
            return
        identity = {}
        if asked.checkpoint is not None or current_ranks().several:
            identity = trained._identity(frozen, data)
        schedule = make_schedule(
            how.schedule,
            optimizer,
            max(total_steps, 1),
            how.schedule_options,
            maximize=options.get("maximize", False),
            epochs=epochs,
        )

        def step_of(batch: Batch) -> tuple[float, int]:
            result = step(batch, loop.steps / total_steps)
            frozen.forget_gradients()
            return result

        loop: TrainingLoop[Batch] = TrainingLoop(
            step_of,
            batches,
            modules,
            optimizer,
            rng,
            schedule=schedule,
            max_norm=how.clip_norm,
            max_value=how.clip_value,
            divisor=how.divisor(),
            average=make_average(how.averaging, frozen.trainable, how.averaging_options),
            chosen=chosen or {},
            checkpoint=asked.checkpoint,
            identity=identity,
            callbacks=asked.callbacks,
            model=trained,
            **{"patience": how.patience, **options},
        )

        def note(progress: Progress) -> None:
            trained.history_ = progress.history

        def finish() -> None:
            for module in modules.values():  # gradients of the last step: nothing to copy
                module.zero_grad()
            trained.history_ = loop.history
            trained.best_epoch_, trained.stopped_ = loop.best_epoch, loop.stopped
            self._adopt(trained)

        loop.callbacks, loop.finish = [note, *loop.callbacks], finish
        self._tell_before(loop.reporter, notes, frozen)
        loop.run(epochs, asked.resume)

    def _identity(self, frozen: Frozen, data: Callable[[], Mapping[str, str]]) -> dict[str, Any]:
        """Return what must be the same for a training of this copy to be resumed."""
        # Equal values are the same training, whatever type they have.
        identity: dict[str, Any] = {
            name: pack(untyped(unpack(value)))
            for name, value in self._params_to_save().items()
            if name not in (*_FREE_ON_RESUMPTION, "random_state")
        }
        if self.random_state is not None:  # the seed by its other name
            identity["seed"] = pack(untyped(self.random_state))
        if frozen.names:
            identity["freeze"] = frozen.names
        return {**identity, **data()}

    def _tell_before(self, reporter: Reporter, notes: Sequence[str], frozen: Frozen) -> None:
        for text in notes:
            reporter.tell(text, AdjustmentWarning)
        if frozen.names:
            reporter.report(f"frozen: {frozen.describe()}")
