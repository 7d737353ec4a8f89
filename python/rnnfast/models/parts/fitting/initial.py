"""How a model's weights begin: by a name and a range, in place of what the layers draw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnfast._checks import LARGEST_FACTOR, among, check_real
from rnnfast._checks.messages import listed, shown
from rnnfast.nn import init
from rnnfast.nn.embedding import Embedding
from rnnfast.nn.module import Array, Module
from rnnfast.nn.recurrent.base import Recurrent

_RANGED = ("uniform", "normal")
WAYS = (*_RANGED, "glorot", "xavier", "orthogonal")


@dataclass(frozen=True, kw_only=True)
class InitialOptions:
    """What weights begin as, as `RecurrentModel` has it."""

    init: str | Mapping[str, str] | None = None
    init_range: float | None = None
    cell_options: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        ways = self._ways()
        for way in ways:
            if not among(way, WAYS):
                raise ValueError(f"init: expected one of {', '.join(WAYS)}, got {shown(way)}")
        ranged = next((way for way in ways if way in _RANGED), None)
        if self.init_range is not None:
            check_real("init_range", self.init_range, 0, LARGEST_FACTOR, above=True)
            if ranged is None:
                given = shown(self.init)
                raise ValueError(
                    f"init_range: expected None with init={given}, got {self.init_range:g}"
                )
        elif ranged is not None:
            raise ValueError(f"init_range: expected a number with init={ranged!r}, got None")
        if ways and isinstance(self.cell_options, Mapping) and self.cell_options.get("orthogonal"):
            raise ValueError(
                "cell_options: expected no orthogonal with init, which says how weights begin, "
                "got both"
            )

    def _ways(self) -> list[Any]:
        if self.init is None:
            return []
        if isinstance(self.init, str):
            return [self.init]
        if not isinstance(self.init, Mapping):
            got = type(self.init).__name__
            raise TypeError(f"init: expected a name, names by layer or None, got {got}")
        return list(self.init.values())

    def fill(self, modules: Mapping[str, Module], rng: np.random.Generator) -> None:
        """Draw the weights of new layers, by their names.

        What is zero for a reason stays so, such as the row of what stands for no token.

        Raises
        ------
        ValueError
            If a layer is none of those, or a table of vectors is to begin as a matrix does.
        """
        if self.init is None:
            return
        ways = dict(self.init) if isinstance(self.init, Mapping) else {}
        for name in ways:
            if name not in modules:
                raise ValueError(f"init: expected some of {listed(modules)}, got {shown(name)}")
        if isinstance(self.init, str):
            ways = dict.fromkeys(modules, self.init)
        forget_bias = (self.cell_options or {}).get("forget_bias")
        for name, way in ways.items():
            module = modules[name]
            if isinstance(module, Embedding) and way not in _RANGED:
                if isinstance(self.init, str):
                    continue
                raise ValueError(f"init: expected uniform or normal of {name}, got {way}")
            self._fill(module, way, rng)
            if forget_bias is not None and isinstance(module, Recurrent):
                init.forget_bias(module, forget_bias)

    def _fill(self, module: Module, way: str, rng: np.random.Generator) -> None:
        recurrent = isinstance(module, Recurrent)
        zeros = {name: _zeros(p.data) for name, p in module.parameters().items()}
        if recurrent and way not in _RANGED:
            hidden: Any = "orthogonal" if way == "orthogonal" else "glorot"
            init.recurrent(module, hidden=hidden, seed=rng)  # type: ignore[arg-type]
        else:
            for name, parameter in module.parameters().items():
                if way in _RANGED:
                    # Gains, peepholes and other weights of one number a unit have their own start.
                    if recurrent and parameter.data.ndim == 1 and name[:8] not in _BIASES:
                        continue
                    assert self.init_range is not None
                    if way == "uniform":
                        init.uniform(parameter, -self.init_range, self.init_range, seed=rng)
                    else:
                        init.normal(parameter, self.init_range, seed=rng)
                elif name == "bias":
                    init.constant(parameter, 0.0)
                elif name.startswith("weight") and parameter.data.ndim == 2:
                    fill = init.orthogonal if way == "orthogonal" else init.glorot_uniform
                    fill(parameter, seed=rng)
        for name, parameter in module.parameters().items():
            rows, columns = zeros[name]
            if isinstance(module, Embedding) and rows.any():
                parameter.assign(np.where(rows[:, np.newaxis], 0, parameter.data))
            elif recurrent and name.startswith("weight_ih_") and columns.any():
                parameter.assign(np.where(columns, 0, parameter.data))


_BIASES = ("bias_ih_", "bias_hh_")


def _zeros(array: Array) -> tuple[Array, Array]:
    """Return which rows and columns of a table are zero; none of what is no table."""
    if array.ndim != 2:
        return np.zeros(0, np.bool_), np.zeros(0, np.bool_)
    return np.logical_not(array.any(axis=1)), np.logical_not(array.any(axis=0))
