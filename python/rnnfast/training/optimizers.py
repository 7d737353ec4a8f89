"""Optimizers: SGD, Adam, AdamW, RMSprop and Adagrad, with the equations of `torch.optim`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnfast import _core
from rnnfast._checks import check_bool, check_factor, check_int, check_real, check_state
from rnnfast._checks.messages import shown
from rnnfast.nn._copies import refuse_copy
from rnnfast.nn.module import Array
from rnnfast.training.runs import Parameters, Run, collect


class Optimizer:
    """Base of the optimizers.

    Parameters
    ----------
    parameters : Module, Parameter, or iterable or mapping of those
        What to train: layers, or only some of their parameters.
    lr : float
        Learning rate.

    Attributes
    ----------
    lr : float
        Learning rate of the next step; may be set.
    base_lr : float or None
        The one that schedules multiply: ``lr`` as it was when the first of them was made.
    """

    def __init__(self, parameters: Parameters, lr: float, weight_decay: float) -> None:
        self._runs = [run for run, _ in collect(parameters)]
        self.lr = lr
        self.base_lr: float | None = None
        self._weight_decay = check_factor("weight_decay", weight_decay, 0.0)
        self._steps = 0
        self._memory: dict[str, list[Array]] = {}

    __copy__ = refuse_copy

    def _remember(self, *names: str, value: float = 0.0) -> None:
        for name in names:
            # Pages of zeros take no memory until they are written.
            arrays = [np.zeros(run.end - run.begin, run.buffer.dtype) for run in self._runs]
            for array in arrays if value else ():
                array[...] = value
            self._memory[name] = arrays

    @property
    def lr(self) -> float:
        """Learning rate of the next step."""
        return self._lr

    @lr.setter
    def lr(self, value: float) -> None:
        self._lr = check_factor("lr", value, 0.0)

    @property
    def steps(self) -> int:
        """Steps made."""
        return self._steps

    def step(self) -> None:
        """Change every parameter by its gradient, once."""
        self._steps += 1
        for i, run in enumerate(self._runs):
            self._update(run, {name: arrays[i] for name, arrays in self._memory.items()})

    def _update(self, run: Run, memory: Mapping[str, Array]) -> None:
        raise NotImplementedError

    def zero_grad(self) -> None:
        """Set every gradient to zero."""
        for run in self._runs:
            _core.zero_grads(*run)

    def state_dict(self) -> dict[str, Array]:
        """Return a copy of what the optimizer remembers, by name, for a checkpoint.

        ``step`` and ``lr`` have no axes; the others are flat, numbered by run of parameters.
        """
        state = {"step": np.array(self._steps, dtype=np.int64), "lr": np.array(self.lr)}
        for name, arrays in self._memory.items():
            state.update({f"{name}.{i}": array.copy() for i, array in enumerate(arrays)})
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave for an optimizer of the same parameters.

        Raises
        ------
        TypeError
            If it is no mapping.
        ValueError
            If a name is missing or unknown, or a shape or dtype differs; nothing is changed then.
        """
        own = self.state_dict()
        arrays = check_state(own, state)
        for name, array in arrays.items():
            kinds = {"step": "iu", "lr": "f"}.get(name)
            if array.dtype.kind not in kinds if kinds else array.dtype != own[name].dtype:
                raise ValueError(f"{name}: expected dtype {own[name].dtype}, got {array.dtype}")
        steps = check_int("step", arrays["step"].item(), 0)
        self.lr = float(arrays["lr"])
        self._steps = steps
        for name, own_arrays in self._memory.items():
            for i, own_array in enumerate(own_arrays):
                own_array[...] = arrays[f"{name}.{i}"]

    def __repr__(self) -> str:
        return f"{type(self).__name__}(lr={self.lr:g}, steps={self.steps})"


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum if wanted.

    ::

        g += weight_decay p
        b  = momentum b + (1 - dampening) g        (b = g at the first step)
        p -= lr (g + momentum b)  with nesterov,  lr b  without

    Parameters
    ----------
    parameters : Module, Parameter, or iterable or mapping of those
        What to train.
    lr, momentum, dampening, weight_decay : float
        As in the equations.
    nesterov : bool
        Look ahead along the momentum.

    Notes
    -----
    Of an ``Embedding(sparse=True)`` a step changes the rows that were used since `zero_grad`:
    ``weight_decay`` touches these alone, and without it the step is that of dense gradients.
    Momentum would move every row that was ever used, at each step (as it does in
    `torch.optim.SGD`): it is refused.
    """

    def __init__(
        self,
        parameters: Parameters,
        lr: float = 1e-3,
        *,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        super().__init__(parameters, lr, weight_decay)
        self._momentum = check_factor("momentum", momentum, 0.0)
        self._dampening = check_factor("dampening", dampening)
        self._nesterov = check_bool("nesterov", nesterov)
        if self._nesterov and (self._momentum == 0.0 or self._dampening != 0.0):
            raise ValueError(
                f"nesterov: expected a momentum and no dampening with it, got {momentum} "
                f"and {dampening}"
            )
        if self._momentum:
            if any(run.buffer.is_sparse for run in self._runs):
                raise ValueError(
                    f"momentum: expected 0 with an Embedding of sparse=True, got {momentum}"
                )
            self._remember("momentum_buffer")

    def _update(self, run: Run, memory: Mapping[str, Array]) -> None:
        _core.sgd(
            *run,
            memory.get("momentum_buffer"),
            lr=self.lr,
            momentum=self._momentum,
            dampening=self._dampening,
            weight_decay=self._weight_decay,
            nesterov=self._nesterov,
            first=self.steps == 1,
        )


class Adam(Optimizer):
    """Adam (Kingma and Ba 2015, algorithm 1).

    ::

        g += weight_decay p
        m  = beta1 m + (1 - beta1) g
        v  = beta2 v + (1 - beta2) g^2
        p -= lr m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps)

    Parameters
    ----------
    parameters : Module, Parameter, or iterable or mapping of those
        What to train.
    lr : float
        Learning rate.
    betas : pair of float
        beta1 and beta2, in [0, 1).
    eps, weight_decay : float
        As in the equations.

    Notes
    -----
    A gradient beyond 2^53 (float64: 2^501), whose square is near the end of the dtype's range, is
    taken as that number: m and the root of v grow alike with it, so that the step is the same. So
    do `AdamW`, `RMSprop` and `Adagrad`.

    Of an ``Embedding(sparse=True)`` a step changes the rows that were used since `zero_grad`, their
    values and their m and v alone ("lazy" Adam, as `torch.optim.SparseAdam`). With dense gradients
    a row that was not used has the gradient 0: its m and v decay, it goes on along its m, and
    ``weight_decay`` shrinks it. Here nothing of it changes. t counts all steps, whatever rows they
    used. `torch.optim.SparseAdam` divides by ``sqrt(v) + eps`` and multiplies by
    ``sqrt(1 - beta2^t)``, so that its ``eps`` weighs more at first; it knows no weight decay.
    """

    _decoupled = False

    def __init__(
        self,
        parameters: Parameters,
        lr: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, lr, weight_decay)
        if not isinstance(betas, (tuple, list)) or len(betas) != 2:
            raise TypeError(f"betas: expected a pair of numbers, got {shown(betas)}")
        self._betas = (
            check_real("betas", betas[0], 0.0, 1.0, below=True),
            check_real("betas", betas[1], 0.0, 1.0, below=True),
        )
        self._eps = check_factor("eps", eps, 0.0)
        self._remember("exp_avg", "exp_avg_sq")

    def _update(self, run: Run, memory: Mapping[str, Array]) -> None:
        _core.adam(
            *run,
            memory["exp_avg"],
            memory["exp_avg_sq"],
            lr=self.lr,
            beta1=self._betas[0],
            beta2=self._betas[1],
            eps=self._eps,
            weight_decay=self._weight_decay,
            decoupled=self._decoupled,
            step=self.steps,
        )


class AdamW(Adam):
    """Adam whose weight decay is not part of the gradient (Loshchilov and Hutter 2019).

    ``p *= 1 - lr weight_decay`` comes before the step in place of ``g += weight_decay p``.

    Parameters
    ----------
    parameters, lr, betas, eps, weight_decay
        As `Adam` takes them.
    """

    _decoupled = True

    def __init__(
        self,
        parameters: Parameters,
        lr: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        super().__init__(parameters, lr, betas=betas, eps=eps, weight_decay=weight_decay)


class RMSprop(Optimizer):
    """RMSprop (Hinton's lecture 6e; centred: Graves 2013).

    ::

        g += weight_decay p
        v  = alpha v + (1 - alpha) g^2
        v' = v,  or with centered  v - m^2  where  m = alpha m + (1 - alpha) g
        b  = momentum b + g / (sqrt(v') + eps)
        p -= lr b

    Parameters
    ----------
    parameters : Module, Parameter, or iterable or mapping of those
        What to train.
    lr, alpha, eps, weight_decay, momentum : float
        As in the equations.
    centered : bool
        Divide by an estimate of the deviation, not of the mean square.

    Notes
    -----
    Of an ``Embedding(sparse=True)`` a step changes the rows that were used since `zero_grad`, their
    values and their v, m and b alone: those of other rows do not decay, they do not go on along
    their b, and ``weight_decay`` does not touch them.
    """

    def __init__(
        self,
        parameters: Parameters,
        lr: float = 1e-2,
        *,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
    ) -> None:
        super().__init__(parameters, lr, weight_decay)
        self._alpha = check_real("alpha", alpha, 0.0, 1.0, below=True)
        self._eps = check_factor("eps", eps, 0.0)
        self._momentum = check_factor("momentum", momentum, 0.0)
        self._remember("square_avg")
        if check_bool("centered", centered):
            self._remember("grad_avg")
        if self._momentum:
            self._remember("momentum_buffer")

    def _update(self, run: Run, memory: Mapping[str, Array]) -> None:
        _core.rmsprop(
            *run,
            memory["square_avg"],
            memory.get("grad_avg"),
            memory.get("momentum_buffer"),
            lr=self.lr,
            alpha=self._alpha,
            eps=self._eps,
            weight_decay=self._weight_decay,
            momentum=self._momentum,
        )


class Adagrad(Optimizer):
    """Adagrad (Duchi, Hazan and Singer 2011).

    ::

        g += weight_decay p
        s += g^2
        p -= lr / (1 + (t - 1) lr_decay) g / (sqrt(s) + eps)

    Parameters
    ----------
    parameters : Module, Parameter, or iterable or mapping of those
        What to train.
    lr, lr_decay, weight_decay, eps : float
        As in the equations.
    initial_accumulator_value : float
        What s begins with.

    Notes
    -----
    Of an ``Embedding(sparse=True)`` a step changes the rows that were used since `zero_grad`.
    Without ``weight_decay``, which touches these alone, that is the step of dense gradients.
    """

    def __init__(
        self,
        parameters: Parameters,
        lr: float = 1e-2,
        *,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
    ) -> None:
        super().__init__(parameters, lr, weight_decay)
        self._lr_decay = check_factor("lr_decay", lr_decay, 0.0)
        self._eps = check_factor("eps", eps, 0.0)
        start = check_factor("initial_accumulator_value", initial_accumulator_value, 0.0)
        self._remember("sum", value=start)

    def _update(self, run: Run, memory: Mapping[str, Array]) -> None:
        _core.adagrad(
            *run,
            memory["sum"],
            lr=self.lr / (1.0 + (self.steps - 1) * self._lr_decay),
            eps=self._eps,
            weight_decay=self._weight_decay,
        )
