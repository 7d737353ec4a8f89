"""How a model was made: what it learned from, and with which versions."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rnnfast._checks import check_int, check_mapping
from rnnfast._checks.messages import shown
from rnnfast._core import __version__
from rnnfast._dispatch import cpu_info


@dataclass(frozen=True)
class Making:
    """What is kept of a training besides its result.

    Attributes
    ----------
    data : mapping of str to int
        How much it learned from and measured on, by what is counted.
    chosen : mapping of str to int
        What of its amount was chosen, as ``epochs``, where nobody had set it.
    versions : mapping of str to str
        Of what it ran on: the package, NumPy, Python, and the kernels' instruction set.
    """

    data: Mapping[str, int] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    chosen: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def now(cls, data: Mapping[str, int], chosen: Mapping[str, int]) -> Making:
        """Return that of a training in this process."""
        versions = {
            "rnnfast": __version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
            "instruction set": str(cpu_info()["level"]),
        }
        return cls(dict(data), versions, dict(chosen))

    def to_dict(self) -> dict[str, Any]:
        """Return what `from_dict` reads, for JSON."""
        chosen = {"chosen": dict(self.chosen)} if self.chosen else {}
        return {"data": dict(self.data), "versions": dict(self.versions), **chosen}

    @classmethod
    def from_dict(cls, found: Any) -> Making:
        """Return that which a file tells of; raise if it tells something else."""
        check_mapping("making", found)
        data, versions = found["data"], found["versions"]
        check_mapping("data", data)
        for name, count in data.items():
            check_int(name, count, 0)
        check_mapping("versions", versions)
        for name, version in versions.items():
            if not isinstance(version, str):
                raise TypeError(f"{name}: expected a version, got {shown(version)}")
        chosen = found.get("chosen", {})  # files of before have none
        check_mapping("chosen", chosen)
        for name, value in chosen.items():
            check_int(name, value, 1)
        return cls(data, versions, chosen)
