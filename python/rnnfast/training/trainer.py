"""Training of any network: the loop of the models, for networks of one's own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeAlias

import numpy as np

from rnnfast._checks import check_bool, check_int, check_real, make_generator
from rnnfast._checks.messages import shown
from rnnfast.nn._not_modules import not_a_module
from rnnfast.nn.container import States
from rnnfast.nn.module import Array, Module
from rnnfast.training.averaging import WeightAverage
from rnnfast.training.batch_numbers import BatchError, blaming_batch
from rnnfast.training.checkpoints import Record
from rnnfast.training.distributed import check_comm, joined
from rnnfast.training.generators import GeneratorGroup, generators_of
from rnnfast.training.loop import TrainingLoop
from rnnfast.training.network_loss import Loss, LossOfNetwork, modules_of
from rnnfast.training.optimizers import Optimizer
from rnnfast.training.progress import Callback, Reporter
from rnnfast.training.ranks import SOLO, measuring_ranks, measuring_with
from rnnfast.training.schedules import ReduceOnPlateau, Schedule
from rnnfast.training.splitting import BatchSplit

Batches: TypeAlias = Iterable[Any] | Callable[[np.random.Generator], Iterable[Any]]
Figures: TypeAlias = Callable[[], Mapping[str, float]]


class Trainer:
    """Trains a network, batch by batch, with the loop that every model of the library uses.

    Parameters
    ----------
    net : Module
        The network: parts put together by `chain` and the like, a layer, or a module of one's own
        with ``forward``. Or, without ``loss``, one that has ``add_gradients(batch)``: it adds the
        gradients of the *summed* loss of a batch and returns that sum and how many terms it has.
    loss : callable, optional
        ``loss(output, y)`` returns a loss and its gradient. `cross_entropy`, `mse`, `l1`,
        `binary_cross_entropy_with_logits`, `ctc_loss`, the method ``loss`` of a `CRF` (which is
        trained too), one of these with further arguments by `functools.partial`, or a function of
        one's own. If it takes ``lengths`` or else ``weights``, outputs ``(T, B, K)`` count within
        the lengths only. With ``reduction`` its sum is asked for and divided by the number of terms
        that its mean has, weights left aside; without, it is a mean over the batch.
    optimizer : Optimizer
        Of parameters of the network.
    schedule : Schedule or ReduceOnPlateau, optional
        Changes the learning rate: after each step, or by what validation measures.
    max_norm : float, optional
        The largest norm of all gradients together; longer ones are scaled down.
    max_value : float, optional
        The largest size of a single gradient; cut to it before the norm is taken.
    average : WeightAverage, optional
        Of the network: what validation measures, and what the network has after training.
    carry_state : bool
        Whether each batch begins with the state that the one before ended with, as the windows of
        a long text do. Each epoch begins with zeros. Of networks with a ``loss``.
    seed : int or numpy.random.Generator, optional
        Of what ``batches`` are given to shuffle with.
    verbose : int
        0 shows nothing; 1 a progress bar on a terminal, elsewhere one line an epoch; 2 lines.
    comm : mpi4py.MPI.Intracomm, optional
        The processes that train the network together, each of which is given the same batches; see
        :doc:`/distributed`.

    Attributes
    ----------
    history : list of dict
        A record of each epoch of the last `fit`: ``epoch``, ``step``, ``loss``, what validation
        measured, ``learning_rate``, ``gradient_norm`` (the largest, before it was cut), ``count``
        of the loss's terms, ``seconds``.
    best_epoch : int
        The epoch whose weights the network has; 0: those of the last step.
    stopped : str
        Why `fit` ended: "finished", "patience", "callback", "interrupt" or "error".

    Notes
    -----
    A batch is ``(x, y)``, ``(x, y, lengths)``, or a dict with ``x``, ``y`` and perhaps ``lengths``
    and ``reset``, whose other entries go to the loss by their names, as ``weights`` or
    ``target_lengths``. A network with ``add_gradients`` takes what it wants.

    Examples
    --------
    >>> import rnnfast as rf
    >>> x, y = rf.data.adding_problem(256, 10, seed=0)
    >>> net = rf.chain(rf.LSTM(2, 16, seed=0), rf.Pooling("last"), rf.Linear(16, 1, seed=0))
    >>> trainer = rf.Trainer(net, loss=rf.mse, optimizer=rf.Adam(net.parameters(), 0.01), verbose=0)
    >>> batches = [
    ...     (np.ascontiguousarray(x[i : i + 32].swapaxes(0, 1)), y[i : i + 32, np.newaxis])
    ...     for i in range(0, 256, 32)
    ... ]
    >>> trainer.fit(batches, epochs=30).history[-1]["loss"] < 0.05
    True
    """

    def __init__(
        self,
        net: Module,
        loss: Loss | None = None,
        optimizer: Optimizer | None = None,
        *,
        schedule: Schedule | ReduceOnPlateau | None = None,
        max_norm: float | None = None,
        max_value: float | None = None,
        average: WeightAverage | None = None,
        carry_state: bool = False,
        seed: int | np.random.Generator | None = None,
        verbose: int = 1,
        comm: Any = None,
    ) -> None:
        if not isinstance(net, Module):
            raise TypeError(f"net: expected a Module, got {not_a_module(net)}")
        self.net, self.loss = net, loss
        self._modules = modules_of(net, loss)
        self.optimizer = self._checked_optimizer(optimizer)
        self.schedule, self.average = schedule, average
        for name, kinds in (("schedule", (Schedule, ReduceOnPlateau)), ("average", WeightAverage)):
            given = getattr(self, name)
            if given is not None and not isinstance(given, kinds):
                got = type(given).__name__
                raise TypeError(f"{name}: expected one of rnnfast's or None, got {got}")
        self.max_norm = None if max_norm is None else check_real("max_norm", max_norm, 0.0)
        self.max_value = None if max_value is None else check_real("max_value", max_value, 0.0)
        self.carry_state = check_bool("carry_state", carry_state)
        self.verbose = check_int("verbose", verbose, 0)
        self._rng, self._comm = make_generator("seed", seed), check_comm(comm)
        self._of_loss = None if loss is None else LossOfNetwork(net, loss)
        if loss is None:
            if not callable(getattr(net, "add_gradients", None)):
                kind = type(net).__name__
                raise TypeError(f"loss: expected one for a {kind} without add_gradients, got None")
            if carry_state:
                raise ValueError("carry_state: expected False without a loss, got True")
        self.history: list[Record] = []
        self.best_epoch, self.stopped = 0, ""

    def fit(
        self,
        batches: Batches,
        *,
        epochs: int,
        valid: Iterable[Any] | Figures | None = None,
        monitor: str = "valid_loss",
        maximize: bool = False,
        patience: int | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        resume: bool = False,
        callbacks: Sequence[Callback] = (),
    ) -> Trainer:
        """Train the network, from the weights that it has.

        Ctrl-C, SIGTERM and SIGHUP end training after the running step. However it ends, the network
        has the weights of the best epoch, if validation has found one, and finite ones.

        Parameters
        ----------
        batches : iterable, or callable
            The batches of an epoch: a list, or what can be gone through again. To shuffle: a
            function of a random generator that returns them; generators of equal seed must give
            equal batches.
        epochs : int
            How many, those before a resumption counted.
        valid : iterable or callable, optional
            Batches to measure the loss of after each epoch, as ``valid_loss``; or a function that
            returns figures by name. A network with ``add_gradients`` needs ``loss(batch)``, which
            returns a sum and its number of terms, for the former.
        monitor : str
            The figure that tells which epoch is the best.
        maximize : bool
            Whether more is better.
        patience : int, optional
            Stop after so many epochs in a row without a new best one.
        checkpoint : path-like, optional
            Where to write all that is needed to go on: before the first step, after epochs, every
            two minutes within one, and when training stops. The state of every random generator
            that is an attribute of a module is part of it. A checkpoint that stands there is
            replaced if its training has ended; that of an unfinished one is refused without
            ``resume``.
        resume : bool
            Go on from the checkpoint, with the same bits as if training had not stopped.
        callbacks : sequence of callable
            Each is called with a `rnnfast.training.Progress`, whose ``model`` is the network, after
            every step and again at the end of an epoch; True as a result stops the training.

        Returns
        -------
        self
            This trainer.

        Raises
        ------
        TypeError
            If batches can be read only once, or something is of a wrong type.
        ValueError
            If there is nothing to learn from, a part of the network refuses a batch, a batch holds
            NaN or infinity, or the checkpoint is damaged or of another training.
        FloatingPointError
            If a loss, a gradient or a weight is not finite.
        OSError
            If the checkpoint cannot be read or written.
        """
        with joined(self._comm):
            return self._fit(
                batches,
                epochs,
                resume,
                valid=valid,
                monitor=monitor,
                maximize=maximize,
                patience=patience,
                checkpoint=checkpoint,
                callbacks=callbacks,
            )

    def _fit(
        self, batches: Batches, epochs: int, resume: bool, *, valid: Any, **options: Any
    ) -> Trainer:
        carry: dict[str, Array] = {}
        loop = TrainingLoop(
            lambda batch: self._step(batch, carry),
            _epochs_of(batches),
            self._modules,
            self.optimizer,
            GeneratorGroup(self._rng, generators_of(self._modules.values())),
            schedule=self.schedule,
            max_norm=self.max_norm,
            max_value=self.max_value,
            validate=self._validation(valid),
            average=self.average,
            carry=carry,
            identity={"optimizer": type(self.optimizer).__name__, "net": type(self.net).__name__},
            reporter=Reporter(self.verbose, unit="term"),
            model=self.net,
            split=BatchSplit(self.net),
            **options,
        )
        try:
            loop.run(epochs, resume)
        finally:
            self.history, self.best_epoch = loop.history, loop.best_epoch
            self.stopped = loop.stopped
        return self

    def evaluate(self, batches: Iterable[Any]) -> float:
        """Return the mean loss over batches, without dropout.

        Raises
        ------
        TypeError
            If the network has neither a loss here nor a method ``loss``.
        ValueError
            If there is nothing to predict.
        """
        total, count, state = 0.0, 0.0, States()
        ranks = SOLO if self.carry_state else measuring_ranks()
        for number, batch in enumerate(_iterator("batches", batches)):
            if not ranks.turns(number):
                continue
            try:
                with self._blaming(batch) as losses:
                    loss, terms, after = self._measure(batch, state)
                    losses.append(float(loss))
            except BatchError as error:
                raise BatchError(f"batches[{number}]: {error}") from error.__cause__
            state = after if self.carry_state else {}
            total, count = total + float(loss), count + int(terms)
        total, count = ranks.total(total, count)
        if not count:
            raise ValueError("batches: expected something to predict, got nothing")
        return total / count

    def _measure(self, batch: Any, state: States) -> tuple[Any, Any, States]:
        """Return the summed loss of a batch, its number of terms and the state behind it."""
        if self._of_loss is not None:
            return self._of_loss.measure(batch, state)
        measure = getattr(self.net, "loss", None)
        if not callable(measure):
            kind = type(self.net).__name__
            raise TypeError(f"net: expected a {kind} with loss(batch), got one without")
        loss, terms = measure(batch)
        return loss, terms, {}

    def _blaming(self, batch: Any) -> AbstractContextManager[list[float]]:
        return blaming_batch(batch, getattr(self.net, "batch_first", None))

    def _step(self, batch: Any, carry: dict[str, Array]) -> tuple[float, int]:
        with self._blaming(batch) as losses:
            loss, terms = self._add_gradients(batch, carry)
            losses.append(float(loss))
        return float(loss), int(terms)

    def _add_gradients(self, batch: Any, carry: dict[str, Array]) -> tuple[Any, Any]:
        if self._of_loss is None:
            loss, terms = self.net.add_gradients(batch)  # type: ignore[attr-defined]
            return loss, terms
        loss, terms, state = self._of_loss.add_gradients(batch, _unpacked(carry))
        if self.carry_state:
            carry.update(_packed(state))
        return loss, terms

    def _validation(self, valid: Any) -> Figures | None:
        if valid is None:
            return None
        if callable(valid):
            return _alone(valid)
        _require_again("valid", valid)

        def measure() -> Mapping[str, float]:
            try:
                return {"valid_loss": self.evaluate(valid)}
            except BatchError as error:
                raise BatchError(f"valid{str(error).removeprefix('batches')}") from error.__cause__

        return measure

    def _checked_optimizer(self, optimizer: Any) -> Optimizer:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(
                "optimizer: expected an Optimizer, such as rf.Adam(net.parameters()), got "
                f"{shown(optimizer)}"
            )
        own = {id(b) for module in self._modules.values() for b in module.buffers()}
        if own.isdisjoint(id(run.buffer) for run in optimizer._runs):
            raise ValueError("optimizer: expected one of the network's parameters, got others")
        return optimizer


def _epochs_of(batches: Any) -> Callable[[np.random.Generator], Iterable[Any]]:
    if callable(batches):
        return batches  # type: ignore[no-any-return]
    _require_again("batches", batches)
    return lambda rng: batches


def _alone(measure: Figures) -> Figures:
    """Have a function of the user's measure all of it in each process."""

    def measured() -> Mapping[str, float]:
        with measuring_with(SOLO):
            return measure()

    return measured


def _require_again(name: str, batches: Any) -> None:
    if _iterator(name, batches) is batches:
        kind = type(batches).__name__
        raise TypeError(f"{name}: expected batches that can be gone through again, got a {kind}")


def _iterator(name: str, batches: Any) -> Iterator[Any]:
    try:
        return iter(batches)
    except TypeError:
        kind = type(batches).__name__
        raise TypeError(f"{name}: expected an iterable of batches, got {kind}") from None


def _packed(states: States) -> dict[str, Array]:
    """Return states by place as named arrays."""
    return {
        f"{place}:{number}": part
        for place, state in states.items()
        for number, part in enumerate(state if isinstance(state, tuple) else (state,))
    }


def _unpacked(arrays: Mapping[str, Array]) -> States:
    """Return the states that `_packed` was given."""
    parts: dict[str, dict[int, Array]] = {}
    for name, array in arrays.items():
        place, _, number = name.rpartition(":")
        parts.setdefault(place, {})[int(number)] = array
    return {
        place: tuple(found[n] for n in sorted(found)) if len(found) > 1 else found[0]
        for place, found in parts.items()
    }
