"""Layers that training leaves as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rnnfast import _core
from rnnfast._checks import check_list
from rnnfast._checks.messages import listed, shown
from rnnfast.nn.module import Module, Parameter
from rnnfast.training.runs import collect


class Frozen:
    """Some of the parameters of several layers.

    Parameters
    ----------
    modules : mapping of str to Module
        The layers.
    freeze : str or sequence of str, optional
        Names of layers, or of single parameters of them, as ``recurrent.weight_hh_l0``.

    Attributes
    ----------
    names : list of str
        The names, in order.
    trainable : mapping of str to Module or Parameter
        What is left to learn: the layers themselves if nothing is frozen.

    Raises
    ------
    TypeError, ValueError
        If it is no list of names, there is none of that name, or nothing is left to learn.
    """

    def __init__(self, modules: Mapping[str, Module], freeze: Any) -> None:
        if isinstance(freeze, Mapping):  # whose False would freeze as well
            raise TypeError(f"freeze: expected a list of names of layers, got {shown(freeze)}")
        given = [freeze] if isinstance(freeze, str) else freeze
        given = [] if given is None else check_list("freeze", given, "names of layers")
        parameters = {
            f"{layer}.{name}": parameter
            for layer, module in modules.items()
            for name, parameter in module.parameters().items()
        }
        stays: dict[str, Parameter] = {}
        for name in given:
            if not isinstance(name, str):
                raise TypeError(f"freeze: expected names of layers, got {shown(name)}")
            own = {n: p for n, p in parameters.items() if n == name or n.startswith(f"{name}.")}
            if not own:
                raise ValueError(
                    f"freeze: expected some of {listed(modules)}, or parameters of one as "
                    f"{next(iter(parameters))}, got {shown(name)}"
                )
            stays |= own
        if len(stays) == len(parameters):
            raise ValueError(
                f"freeze: expected one of {listed(modules)} that is left to learn, got all of them"
            )
        self.names: list[str] = sorted(set(given))
        self._runs = [run for run, _ in collect(stays)] if stays else []
        self._stay = sum(parameter.data.size for parameter in stays.values())
        self._size = sum(parameter.data.size for parameter in parameters.values())
        self.trainable: Mapping[str, Module | Parameter] = modules
        if stays:
            self.trainable = {n: p for n, p in parameters.items() if n not in stays}

    def forget_gradients(self) -> None:
        """Set the gradients of what stays to zero, so that no norm counts them."""
        for run in self._runs:
            _core.zero_grads(*run)

    def describe(self) -> str:
        """Return how much stays, for people."""
        return f"{listed(self.names)}: {self._stay:,} of {self._size:,} parameters stay"
