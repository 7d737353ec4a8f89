"""Names that have moved: the old ones, of modules, classes and functions, work with a warning.

They go with the release after next.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

MOVED = {
    "rnnfast.averaging": "rnnfast.training.averaging",
    "rnnfast.clipping": "rnnfast.training.clipping",
    "rnnfast.ctc_decoding": "rnnfast.generation.ctc",
    "rnnfast.decoding": "rnnfast.generation.sampling",
    "rnnfast.init": "rnnfast.nn.init",
    "rnnfast.nn.recurrent_base": "rnnfast.nn.recurrent.base",
    "rnnfast.nn.recurrent.stepwise": "rnnfast.nn.recurrent.layer_norm",
    "rnnfast.nn.stepwise": "rnnfast.nn.recurrent.layer_norm",
    "rnnfast.nn.stream": "rnnfast.nn.recurrent.stream",
    "rnnfast.optim": "rnnfast.training.optimizers",
    "rnnfast.plotting": "rnnfast.diagnostics.plotting",
    "rnnfast.schedules": "rnnfast.training.schedules",
    "rnnfast.saving": "rnnfast.io.saving",
    "rnnfast.search": "rnnfast.generation.search",
    "rnnfast.trainer": "rnnfast.training.trainer",
}


# Names that stood at the top of the package.
NAMES = {
    **dict.fromkeys(("ctc_beam", "ctc_greedy", "draw"), "rnnfast.generation"),
    **dict.fromkeys(("activation_penalty", "slowness_penalty"), "rnnfast.nn"),
    **dict.fromkeys(
        (
            *("ExponentialAverage", "MeanAverage", "WeightAverage", "scale_grad", "Optimizer"),
            *("ChainLR", "CosineLR", "ExponentialLR", "ReduceOnPlateau", "StepLR", "WarmupLR"),
        ),
        "rnnfast.training",
    ),
}
# Those that have another name there.
_ANEW = {"slowness_penalty": "temporal_activation_penalty"}


class _Finder(MetaPathFinder, Loader):
    """Imports the module of the new name in the place of the old one."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in MOVED:
            return None
        _warn(name, MOVED[name], stacklevel=3)
        return ModuleSpec(name, self)

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        # The import system hands on what stands here when this returns.
        sys.modules[module.__name__] = importlib.import_module(MOVED[module.__name__])


def attribute(package: str, name: str) -> object:
    """Return what was an attribute of a package; AttributeError if it was none."""
    old = f"{package}.{name}"
    if package == "rnnfast" and name in NAMES:
        home, present = NAMES[name], _ANEW.get(name, name)
        _warn(old, f"{home}.{present}", stacklevel=4)
        found: object = getattr(importlib.import_module(home), present)
        return found
    if old not in MOVED:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    _warn(old, MOVED[old], stacklevel=4)
    return importlib.import_module(MOVED[old])


def _warn(name: str, present: str, stacklevel: int) -> None:
    warnings.warn(
        f"{name} has moved to {present}; the old name goes with the release after next",
        DeprecationWarning,
        stacklevel=stacklevel,
    )


def install() -> None:
    """Let the old names be found."""
    sys.meta_path.append(_Finder())
