"""Nanoseconds a sample of small GRUs and LSTMs with a dense head, in C++, beside RTNeural.

    python bench/library/steps.py [--rtneural FOLDER [--xsimd FOLDER]] [--seconds S]

builds ``steps.cpp`` against the installed package's library, writes the models as RTNeural's JSON,
and prints the best time of each in turns. FOLDER is a checkout of RTNeural, of which nothing is
here; with that of xsimd its backend of that name runs beside the one of Eigen. ONNX Runtime's
Python package has no headers of its C API, and is left out.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import rnnfast

HERE, PACKAGE = Path(__file__).resolve().parent, Path(rnnfast.__file__).resolve().parent


def model(kind: str, hidden: int) -> dict[str, Any]:
    """Return a recurrent layer and a dense one as RTNeural's script writes them."""
    rng, gates = np.random.default_rng(hidden), {"gru": 3, "lstm": 4}[kind]
    bound, rows = hidden**-0.5, gates * hidden
    bias = (2, rows) if kind == "gru" else (rows,)

    def layer(name: str, units: int, *shapes: tuple[int, ...]) -> dict[str, Any]:
        weights = [rng.uniform(-bound, bound, shape).tolist() for shape in shapes]
        activation = "" if name == "dense" else "tanh"
        return {"type": name, "activation": activation, "shape": [None, None, units],
                "weights": weights}  # fmt: skip

    layers = [layer(kind, hidden, (1, rows), (hidden, rows), bias)]
    return {"in_shape": [None, None, 1], "layers": [*layers, layer("dense", 1, (hidden, 1), (1,))]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rtneural", type=Path)
    parser.add_argument("--xsimd", type=Path)
    parser.add_argument("--seconds", type=float, default=2.0, help="a size")
    arguments = parser.parse_args()
    kinds: list[tuple[str, list[str]]] = [("alone", [])]
    if arguments.rtneural:
        common = ["-DWITH_RTNEURAL", f"-I{arguments.rtneural}",
                  f"-I{arguments.rtneural / 'modules' / 'json'}"]  # fmt: skip
        eigen = [*common, "-DRTNEURAL_USE_EIGEN=1", f"-I{arguments.rtneural / 'modules' / 'Eigen'}"]
        kinds = [("Eigen", eigen)]
        if arguments.xsimd:
            xsimd = ["-DRTNEURAL_USE_XSIMD=1", f"-I{arguments.xsimd / 'include'}"]
            kinds.append(("xsimd", [*common, *xsimd]))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind in ("gru", "lstm"):
            for hidden in (8, 16, 32, 64):
                (folder / f"{kind}_{hidden}.json").write_text(json.dumps(model(kind, hidden)))
        for backend, options in kinds:
            program, library = folder / backend, PACKAGE / "lib"
            command = ["c++", "-std=c++17", "-O3", "-march=native", "-DNDEBUG", "-w",
                       f"-I{PACKAGE / 'include'}", *options, HERE / "steps.cpp", "-o", program,
                       f"-L{library}", "-lrnnfast", f"-Wl,-rpath,{library}"]  # fmt: skip
            subprocess.run(command, check=True)
            print(f"RTNeural's backend: {backend}" if options else "rnnfast alone", flush=True)
            subprocess.run([program, folder, str(arguments.seconds)], check=True, stdout=sys.stdout)


if __name__ == "__main__":
    main()
