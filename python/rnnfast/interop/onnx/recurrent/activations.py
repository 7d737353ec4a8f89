"""The eleven activations that a recurrent operator may have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rnnfast.interop.onnx.nodes import Array


@dataclass(frozen=True)
class Kind:
    """An activation without its numbers.

    Attributes
    ----------
    function : callable
        Of x, alpha and beta.
    alpha, beta : float, optional
        Defaults of those that it has, as ONNX's operator of that name has them.
    needs : tuple of str
        Those that it has and for which there is no default: ONNX names none, or ONNX Runtime
        takes another one.
    """

    function: Callable[[Array, float, float], Array]
    alpha: float | None = None
    beta: float | None = None
    needs: tuple[str, ...] = ()


def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + exp(-x)), without overflow."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e)).astype(x.dtype, copy=False)


def softplus(x: Array) -> Array:
    """Return log(1 + exp(x)), without overflow."""
    return np.asarray(np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))), dtype=x.dtype)


def elu(x: Array, alpha: float) -> Array:
    """Return x, below 0 alpha * (exp(x) - 1)."""
    return np.where(x >= 0, x, alpha * np.expm1(np.minimum(x, 0)))


KINDS = {
    "Relu": Kind(lambda x, a, b: np.maximum(x, 0)),
    "Tanh": Kind(lambda x, a, b: np.tanh(x)),
    "Sigmoid": Kind(lambda x, a, b: sigmoid(x)),
    "Affine": Kind(lambda x, a, b: a * x + b, needs=("alpha", "beta")),
    "LeakyRelu": Kind(lambda x, a, b: np.where(x >= 0, x, a * x), alpha=0.01),
    "ThresholdedRelu": Kind(
        lambda x, a, b: np.where(x >= a, x, np.zeros_like(x)), needs=("alpha",)
    ),
    "ScaledTanh": Kind(lambda x, a, b: a * np.tanh(b * x), needs=("alpha", "beta")),
    "HardSigmoid": Kind(lambda x, a, b: np.clip(a * x + b, 0, 1), alpha=0.2, beta=0.5),
    "Elu": Kind(lambda x, a, b: elu(x, a), alpha=1.0),
    "Softsign": Kind(lambda x, a, b: x / (1 + np.abs(x))),
    "Softplus": Kind(lambda x, a, b: softplus(x)),
}
# ONNX Runtime reads names in any case.
_NAMES = {name.lower(): name for name in KINDS}
# What is the same function under another name, by alpha and beta.
_SAME = {
    ("ScaledTanh", 1.0, 1.0): "Tanh",
    ("LeakyRelu", 0.0, 0.0): "Relu",
    ("ThresholdedRelu", 0.0, 0.0): "Relu",
}


@dataclass(frozen=True)
class Activation:
    """An activation with its numbers; 0 for those that it does not have."""

    name: str
    alpha: float = 0.0
    beta: float = 0.0

    def __call__(self, x: Array) -> Array:
        """Return the function of each number, in the dtype of ``x``."""
        return KINDS[self.name].function(x, self.alpha, self.beta)


def read_activations(names: list[str], alphas: list[float], betas: list[float]) -> list[Activation]:
    """Return the activations that a node has; alphas and betas go to those that have one, in order.

    Raises
    ------
    ValueError
        If a name is not known, or there are too few or too many numbers.
    """
    found = []
    rest = {"alpha": list(alphas), "beta": list(betas)}
    for given in names:
        if given.lower() not in _NAMES:
            raise ValueError(f"activations: expected names of {', '.join(KINDS)}, got {given!r}")
        name = _NAMES[given.lower()]
        kind = KINDS[name]
        numbers = {}
        for which, default in (("alpha", kind.alpha), ("beta", kind.beta)):
            if default is None and which not in kind.needs:
                continue
            if rest[which]:
                numbers[which] = float(rest[which].pop(0))
            elif default is None:
                raise ValueError(
                    f"activation_{which}: expected a number for {name}, for which there is no "
                    "default that all keep to, got none"
                )
            else:
                numbers[which] = default
        one = Activation(name, **numbers)
        same = _SAME.get((one.name, one.alpha, one.beta))
        found.append(one if same is None else Activation(same))
    for which, given_numbers in (("alpha", alphas), ("beta", betas)):
        if rest[which]:
            most = len(given_numbers) - len(rest[which])
            raise ValueError(
                f"activation_{which}: expected at most {most} numbers, as many as activations "
                f"have one, got {len(given_numbers)}"
            )
    return found
