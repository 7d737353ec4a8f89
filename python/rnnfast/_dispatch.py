"""Choice of the kernels: the best instruction set that this CPU runs, or the one asked for."""

from __future__ import annotations

import importlib
import importlib.util
import os
from typing import Any

from rnnfast import _core
from rnnfast._checks import check_int

MOST_THREADS = 1024
# The level of the kernels beside which those of smaller numbers are used.
_BASE = {"vnni": "v4", "bf16": "v4", "amx": "v4"}
# Whether the user has said how many threads there are to be.
_said = False


def available_levels() -> list[str]:
    """Return the instruction-set levels whose kernels are installed and run here, lowest first."""
    runnable = _core.cpu_levels()
    return [level for level in runnable if importlib.util.find_spec(_module(level)) is not None]


def use_level(level: str) -> None:
    """Use the kernels of one instruction-set level from now on.

    Layers made earlier keep the kernels they were made with.

    Parameters
    ----------
    level : {"v1", "v3", "v4"}
        ``v1`` is the baseline, ``v3`` means x86-64-v3 (AVX2), ``v4`` x86-64-v4 (AVX-512).

    Raises
    ------
    ValueError
        If the level is unknown or this CPU lacks it.
    """
    levels = available_levels()
    if level not in levels:
        raise ValueError(
            f"RNNFAST_ISA: expected one of {', '.join(levels)} on this CPU, got {level[:40]!r}"
        )
    _core.use_kernels(importlib.import_module(_module(level)).table)
    _core.use_reduced(None)


def reduced_levels() -> list[str]:
    """Return the levels whose kernels of smaller numbers are installed and run here, in order."""
    return [
        level
        for level in _core.cpu_reduced_levels()
        if importlib.util.find_spec(_reduced_module(level)) is not None
    ]


def choose_reduced_level() -> None:
    """Use the best kernels of smaller numbers beside the kernels in use."""
    level = _core.kernel_level()
    fitting = [reduced for reduced in reduced_levels() if _BASE.get(reduced, reduced) <= level]
    if fitting:
        use_reduced_level(fitting[-1])


def use_reduced_level(level: str) -> None:
    """Use the kernels of smaller numbers of one level for layers that are made from now on.

    Parameters
    ----------
    level : {"v1", "v3", "vnni", "bf16", "amx"}
        The last three are x86-64-v4 with AVX512-VNNI, with AVX512-BF16 as well, with AMX as well.

    Raises
    ------
    ValueError
        If the level is unknown or this CPU lacks it.
    """
    if level not in reduced_levels():
        raise ValueError(
            f"level: expected one of {', '.join(reduced_levels())} on this CPU, got {level[:40]!r}"
        )
    _core.use_reduced(importlib.import_module(_reduced_module(level)).table)


def _reduced_module(level: str) -> str:
    return f"rnnfast._reduced_{level}"


def _module(level: str) -> str:
    return f"rnnfast._kernels_{level}"


def _start() -> None:
    levels = available_levels()
    if not levels:
        raise ImportError(f"rnnfast: found no kernels for {', '.join(_core.cpu_levels())}")
    use_level(os.environ.get("RNNFAST_ISA") or levels[-1])
    limit = _openmp_limit(os.environ.get("OMP_NUM_THREADS", ""))
    if limit is not None:
        _core.limit_threads(limit)
    threads = os.environ.get("RNNFAST_NUM_THREADS")
    if threads:
        if threads not in map(str, range(1, MOST_THREADS + 1)):
            raise ValueError(
                f"RNNFAST_NUM_THREADS: expected 1 to {MOST_THREADS}, got {threads[:40]!r}"
            )
        set_num_threads(int(threads))


def _openmp_limit(value: str) -> int | None:
    """Return the threads that OMP_NUM_THREADS allows; None where it says nothing, as OpenMP has it.

    Of a list, one number for each level of nesting, the first counts.
    """
    first = value.split(",")[0].strip()
    if not (first.isascii() and first.isdigit()) or int(first) < 1:
        return None
    return min(int(first), MOST_THREADS)


def set_num_threads(count: int) -> None:
    """Set how many threads one call of a layer may use.

    It goes before all else that tells their number: ``RNNFAST_NUM_THREADS``, ``OMP_NUM_THREADS``,
    the CPUs that the process may use. Where the system does not give as many, a call makes do with
    fewer.

    Parameters
    ----------
    count : int
        1 to 1024. Results carry the same bits whatever it is.

    Raises
    ------
    TypeError
        If it is not an integer.
    ValueError
        If it is out of that range.
    RuntimeError
        If it is more than 1 in a process that was forked inside a call of several threads.
    """
    global _said
    _core.set_num_threads(check_int("count", count, 1, MOST_THREADS))
    _said = True


def set_default_threads(count: int) -> None:
    """Do what `set_num_threads` does, unless the user has said a number."""
    if not _said:
        _core.set_num_threads(count)


def get_num_threads() -> int:
    """Return how many threads one call from this thread may use.

    What `set_num_threads` was given; else ``RNNFAST_NUM_THREADS``, as it was at import; else the
    least of ``OMP_NUM_THREADS`` and the CPU quota of the process's cgroup and those above it, both
    as they were at import, and the CPUs in the thread's affinity mask, as it is now. In a forked
    process it is 1 until `set_num_threads` is called there.
    """
    return _core.get_num_threads()


def cpu_info() -> dict[str, Any]:
    """Tell what the kernels run on.

    Returns
    -------
    dict
        ``name`` of the processor; ``level`` in use and ``levels`` that could be; ``lanes``, the
        float32 and float64 numbers in a SIMD register; ``cpus`` this process may use; ``threads``
        a call may use.
    """
    return {
        "name": _core.cpu_name(),
        "level": _core.kernel_level(),
        "levels": available_levels(),
        "lanes": dict(zip(("float32", "float64"), _core.kernel_lanes(), strict=True)),
        "cpus": _core.usable_cpus(),
        "threads": _core.get_num_threads(),
    }


_start()
