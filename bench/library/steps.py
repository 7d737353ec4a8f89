"""Nanoseconds a sample of small GRUs and LSTMs with a dense head, in C++, beside RTNeural.

    python bench/library/steps.py [--rtneural FOLDER [--xsimd FOLDER]] [--onnxruntime FOLDER]
                                  [--seconds S]

builds ``steps.cpp`` against the installed package's library, writes the models as RTNeural's JSON,
and prints the best time of each in turns. FOLDER is a checkout of RTNeural, of which nothing is
here; with that of xsimd its backend of that name runs beside the one of Eigen. That of ONNX Runtime
holds ``onnxruntime_c_api.h``, which its Python package, whose library is used, comes without.
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


def onnxruntime_library(folder: Path) -> list[str]:
    """Return what links a program with the library in ONNX Runtime's Python package.

    Its name there is not the one that programs ask for, which it gets in ``folder``.
    """
    import onnxruntime

    (library,) = (Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so.*")
    link = folder / "libonnxruntime.so.1"
    link.symlink_to(library)
    return [str(link), f"-Wl,-rpath,{folder}"]


def write_onnx(json_file: Path) -> None:
    """Write the same as the least graph of ONNX that takes a state and gives the next one."""
    import onnx
    from onnx import helper, numpy_helper

    from rnnfast.interop.onnx import export
    from rnnfast.interop.rtneural import read_rtneural

    exported = export(read_rtneural(json_file), json_file.with_suffix(".onnx"))
    known = {one.name: one for one in exported.graph.initializer}
    (cell,) = (n for n in exported.graph.node if n.op_type in ("LSTM", "GRU"))
    (product,) = (n for n in exported.graph.node if n.op_type == "MatMul")
    (addition,) = (n for n in exported.graph.node if product.output[0] in n.input)
    bias = next(name for name in addition.input if name in known)
    used = [known[name] for name in (*cell.input[1:4], product.input[1], bias)]
    used.append(numpy_helper.from_array(np.array([1, 2]), "axes"))
    states, finals = (["h0", "c0"], ["h_n", "c_n"]) if cell.op_type == "LSTM" else (["h0"], ["h_n"])
    nodes = [
        helper.make_node(cell.op_type, ["x", *cell.input[1:4], "", *states], ["hidden", *finals]),
        helper.make_node("Squeeze", ["hidden", "axes"], ["rows"]),
        helper.make_node("MatMul", ["rows", product.input[1]], ["product"]),
        helper.make_node("Add", ["product", bias], ["y"]),
    ]
    nodes[0].attribute.extend(cell.attribute)
    width = known[cell.input[2]].dims[2]
    number = onnx.TensorProto.FLOAT

    def value(name: str, *shape: Any) -> Any:
        return helper.make_tensor_value_info(name, number, shape)

    inputs = [value("x", "time", 1, 1), *(value(name, 1, 1, width) for name in states)]
    outputs = [value("y", "time", 1), *(value(name, 1, 1, width) for name in finals)]
    graph = helper.make_graph(nodes, "sample", inputs, outputs, used)
    model = helper.make_model(graph, opset_imports=exported.opset_import, ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, json_file.with_suffix(".onnx"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rtneural", type=Path)
    parser.add_argument("--xsimd", type=Path)
    parser.add_argument("--onnxruntime", type=Path)
    parser.add_argument("--seconds", type=float, default=2.0, help="a size")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        peers: list[Any] = []
        if arguments.onnxruntime:
            peers = ["-DWITH_ONNXRUNTIME", "-isystem", arguments.onnxruntime]
            peers += onnxruntime_library(folder)
        kinds: list[tuple[str, list[Any]]] = [("no", peers)]
        if arguments.rtneural:
            own = [arguments.rtneural / part for part in ("", "modules/json", "modules/Eigen")]
            common = [*peers, "-DWITH_RTNEURAL", *(f"-I{path}" for path in own)]
            kinds = [("Eigen", [*common, "-DRTNEURAL_USE_EIGEN=1"])]
            if arguments.xsimd:
                xsimd = ["-DRTNEURAL_USE_XSIMD=1", f"-I{arguments.xsimd / 'include'}"]
                kinds.append(("xsimd", [*common, *xsimd]))
        for kind in ("gru", "lstm"):
            for hidden in (8, 16, 32, 64):
                file = folder / f"{kind}_{hidden}.json"
                file.write_text(json.dumps(model(kind, hidden)))
                if peers:
                    write_onnx(file)
        for backend, options in kinds:
            program, library = folder / backend, PACKAGE / "lib"
            command = ["c++", "-std=c++17", "-O3", "-march=native", "-DNDEBUG", "-w",
                       f"-I{PACKAGE / 'include'}", HERE / "steps.cpp", *options, "-o", program,
                       f"-L{library}", "-lrnnfast", f"-Wl,-rpath,{library}"]  # fmt: skip
            subprocess.run(command, check=True)
            print(f"RTNeural's backend: {backend}", flush=True)
            subprocess.run([program, folder, str(arguments.seconds)], check=True, stdout=sys.stdout)


if __name__ == "__main__":
    main()
