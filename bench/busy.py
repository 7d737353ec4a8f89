"""Calls in a process that is not alone; see README.md here.

Each situation is made, calls with one thread and with several are timed in turns, and the median of
several is divided by that of one: above 1, a user had better have asked for one thread.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import rnnfast as rf
from compare import split

SHAPES = ((64, 16, 128), (50, 1, 256), (20, 64, 256))  # T, B, H
BUSY = "while True: pass"
CGROUPS = Path("/sys/fs/cgroup")
QUOTA = (50_000, 100_000)  # microseconds of each so many
Call = Callable[[int], None]  # with so many threads


def ours(T: int, B: int, H: int) -> Call:
    """Return calls of an LSTM here."""
    layer = rf.LSTM(H, H, seed=0)
    x = np.random.default_rng(0).normal(size=(T, B, H)).astype(np.float32)
    expected = layer(x)[0].copy()

    def call(threads: int) -> None:
        rf.set_num_threads(threads)
        if not np.array_equal(layer(x)[0], expected):
            raise SystemExit("rnnfast: other bits than at first")

    return call


def theirs(T: int, B: int, H: int) -> Call:
    """Return calls of an LSTM of PyTorch."""
    import torch

    layer, x = torch.nn.LSTM(H, H), torch.randn(T, B, H)

    def call(threads: int) -> None:
        torch.set_num_threads(threads)
        with torch.inference_mode():
            layer(x)

    return call


@contextlib.contextmanager
def processes(count: int) -> Iterator[None]:
    """Keep so many processes busy."""
    running = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(count)]
    try:
        time.sleep(0.5)
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


@contextlib.contextmanager
def spinning(threads: int) -> Iterator[Callable[[], None]]:
    """Give what wakes the pool of an ONNX Runtime session, which then spins for a while."""
    import onnxruntime
    from onnx import TensorProto, helper

    node = helper.make_node("MatMul", ["a", "a"], ["b"])
    shapes = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [256, 256]) for n in "ab"]
    graph = helper.make_graph([node], "product", shapes[:1], shapes[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads + 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    a = np.ones((256, 256), np.float32)
    yield lambda: session.run(None, {"a": a})


def measure(
    calls: dict[str, Call], threads: tuple[int, int], seconds: float, before: Callable[[], object]
) -> dict[str, tuple[list[float], list[float]]]:
    """Time blocks of calls with one and with several threads, in turns."""
    found: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in calls}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(found["rnnfast"][0]) < 30:
        for name, call in calls.items():
            for times, count in zip(found[name], threads, strict=True):
                call(count)
                for _ in range(10):
                    before()
                    begin = time.perf_counter()
                    call(count)
                    times.append(time.perf_counter() - begin)
    return found


def report(
    situation: str,
    peers: list[str],
    threads: tuple[int, int],
    seconds: float,
    before: Callable[[], object] = lambda: None,
) -> None:
    """Print a line for each shape and each library."""
    for T, B, H in SHAPES:
        calls = {"rnnfast": ours(T, B, H)}
        if "torch" in peers:
            calls["torch"] = theirs(T, B, H)
        for name, (one, several) in measure(calls, threads, seconds, before).items():
            a, b = statistics.median(one), statistics.median(several)
            print(
                f"{situation:34s} T{T}-B{B}-H{H:<4d} {name:8s} 1 thread {a * 1e3:8.2f} ms  "
                f"{threads[1]} threads {b * 1e3:8.2f} ms  {b / a:5.2f}  "
                f"(least {min(several) / min(one):.2f})",
                flush=True,
            )


def half_a_core() -> Path:
    """Return a new control group that may use as much, of either version; OSError if none may."""
    if (CGROUPS / "cgroup.controllers").exists():
        group = CGROUPS / "rnnfast-bench"
        limits = {"cpu.max": f"{QUOTA[0]} {QUOTA[1]}"}
    else:
        group = CGROUPS / "cpu/rnnfast-bench"
        limits = {"cpu.cfs_period_us": str(QUOTA[1]), "cpu.cfs_quota_us": str(QUOTA[0])}
    group.mkdir()
    try:
        for name, value in limits.items():
            with (group / name).open("r+") as file:
                file.write(value)
    except OSError:
        group.rmdir()
        raise
    return group


def under_quota(peers: list[str], threads: int, seconds: float) -> None:
    """Report from a process that may use half a core, where the system lets us make one."""
    try:
        group = half_a_core()
    except OSError as error:
        print(f"half a core: not to be had here ({error.strerror})")
        return

    def run() -> None:
        (group / "cgroup.procs").write_text(str(os.getpid()))
        report("half a core", peers, (1, threads), seconds)

    try:
        child: Any = multiprocessing.get_context("fork").Process(target=run)
        child.start()
        child.join()
    finally:
        time.sleep(0.2)
        group.rmdir()


def main() -> None:
    """Measure all situations."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each shape")
    parser.add_argument("--peers", type=lambda s: split(s, ["torch", "none"]), default=["torch"])
    options = parser.parse_args()
    peers, seconds = options.peers, options.seconds
    threads = (1, options.threads)
    under_quota(peers, options.threads, seconds)  # first: its process is forked
    report("alone", peers, threads, seconds)
    for count in (1, 2):
        with processes(count):
            report(f"{count} busy process{'es' * (count > 1)}", peers, threads, seconds)
    try:
        with spinning(options.threads) as before:
            report("a spinning pool", peers, threads, seconds, before)
    except ModuleNotFoundError:
        print("a spinning pool: onnxruntime and onnx are not installed")
    many = 4 * (os.cpu_count() or 1)
    report(f"{many} threads", peers, (1, many), seconds)


if __name__ == "__main__":
    main()
