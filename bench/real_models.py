"""Time models that packages ship with their weights, as they run there and as they run here.

Run as ``python bench/real_models.py [--only TEXT] [--rounds R]``. Needs the packages; those
that are absent are left out, with a word. Compares the numbers first, then prints the least time of
both, in turns, and their ratio. One thread.
"""

from __future__ import annotations

import argparse
from importlib import import_module
from importlib.util import find_spec

import numpy as np

import rnnfast as rf
from real import FILES
from turns import in_turns


def main() -> None:
    """Time every model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="")
    parser.add_argument("--rounds", type=int, default=10)
    arguments = parser.parse_args()
    rf.set_num_threads(1)
    if find_spec("torch") is not None:
        import_module("torch").set_num_threads(1)
    for name, package in FILES.items():
        if arguments.only not in name:
            continue
        if find_spec(package) is None:
            print(f"{name}: {package} is not installed")
            continue
        for run in import_module(f"real.{name}").runs():
            theirs, ours = np.asarray(run.theirs()), np.asarray(run.ours())
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=run.tolerance)
            there, here = in_turns([run.theirs, run.ours], arguments.rounds)
            print(
                f"{name}, {run.name}: there {there * 1e3:.3f} ms, here {here * 1e3:.3f} ms, "
                f"{there / here:.1f}x, numbers within {np.abs(ours - theirs).max():.0e}",
                flush=True,
            )


if __name__ == "__main__":
    main()
