"""Time layers in smaller numbers against float32 and against peers' smaller numbers, in turns.

Run as ``python bench/reduced.py [--hidden 256,512] [--rounds 10] [--cells lstm,gru]`` with torch,
onnx, onnxruntime and openvino, each left out where it is not installed. One thread, I = H, random
weights of scale 1/sqrt(H). A point is (T, B); (1, 1) of ours is a step of a stream. Prints least
times: of ours in microseconds, of all the ratio to our float32, and the largest error against it.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import rnnfast as rf
from rnnfast import _core
from turns import in_turns

NUMBERS = ("float32", "int8", "int8-16", "bfloat16")
# The library's blocks of gates in ONNX's order.
GATES = {"lstm": (0, 3, 1, 2), "gru": (1, 0, 2)}
POINTS = ((1, 1), (20, 16), (20, 64))
Run = Callable[[], Any]


class Weights:
    """Random parameters of one layer, I = H."""

    def __init__(self, cell: str, H: int) -> None:
        rng = np.random.default_rng(0)
        rows, scale = len(GATES[cell]) * H, np.float32(H**0.5)
        self.cell, self.H = cell, H
        shapes = {"weight_ih": (rows, H), "weight_hh": (rows, H)}
        shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
        self.arrays = {
            name: rng.uniform(-1, 1, shape).astype(np.float32) / scale
            for name, shape in shapes.items()
        }

    def native(self, numbers: str) -> Any:
        """Return rnnfast's network."""
        flat = np.concatenate([array.ravel() for array in self.arrays.values()])
        buffer = _core.ParameterBuffer(flat.size, "float32")
        buffer.assign(0, flat)
        offsets, at = {}, 0
        for name, array in self.arrays.items():
            offsets[name] = at
            at += array.size
        return _core.Recurrent(
            cell=self.cell,
            input_size=self.H,
            hidden_size=self.H,
            output_size=self.H,
            num_layers=1,
            num_directions=1,
            bias=True,
            projection=False,
            buffer=buffer,
            offsets=[offsets],
            numbers=numbers,
        )

    def onnx_model(self) -> Any:
        from onnx import helper, numpy_helper

        def blocks(array: Any) -> Any:
            parts = np.split(array, len(GATES[self.cell]))
            return np.concatenate([parts[gate] for gate in GATES[self.cell]])

        a = {name: blocks(array) for name, array in self.arrays.items()}
        held = {
            "W": a["weight_ih"][None],
            "R": a["weight_hh"][None],
            "B": np.concatenate([a["bias_ih"], a["bias_hh"]])[None],
        }
        more = {"linear_before_reset": 1} if self.cell == "gru" else {}
        node = helper.make_node(
            self.cell.upper(), ["x", "W", "R", "B"], ["Y"], hidden_size=self.H, **more
        )
        graph = helper.make_graph(
            [node],
            "graph",
            [helper.make_tensor_value_info("x", 1, [None, None, self.H])],
            [helper.make_tensor_value_info("Y", 1, [None, 1, None, self.H])],
            [numpy_helper.from_array(array, name) for name, array in held.items()],
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)

    def torch_layer(self) -> Any:
        import torch

        layer = getattr(torch.nn, self.cell.upper())(self.H, self.H)
        with torch.no_grad():
            for name, array in self.arrays.items():
                getattr(layer, f"{name}_l0").copy_(torch.from_numpy(array))
        return layer.eval()


def ours(weights: Weights, x: Any) -> dict[str, Run]:
    runs: dict[str, Run] = {}
    for numbers in NUMBERS:
        native = weights.native(numbers)
        if x.shape[:2] == (1, 1):
            stream, out = _core.Stream(native, 1), np.empty((1, weights.H), np.float32)

            def step(stream: Any = stream, out: Any = out) -> Any:
                return stream.step(x[0], out)

            runs[numbers] = step
        else:

            def forward(native: Any = native) -> Any:
                return native.forward(x, None, None, None, None, False, False, 0.0, 0, False)[0]

            runs[numbers] = forward
    return runs


def with_onnxruntime(weights: Weights, x: Any) -> dict[str, Run]:
    import onnxruntime
    from onnxruntime.quantization import QuantType, quantize_dynamic

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "model.onnx")
        quantize_dynamic(
            weights.onnx_model(),
            path,
            op_types_to_quantize=[weights.cell.upper()],
            weight_type=QuantType.QInt8,
        )
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return {"ONNX Runtime int8": lambda: session.run(None, {"x": x})[0][:, 0]}


def with_torch(weights: Weights, x: Any) -> dict[str, Run]:
    import torch

    torch.set_num_threads(1)
    layer = weights.torch_layer()
    given = torch.from_numpy(x)
    reduced, wide = weights.torch_layer().bfloat16(), given.bfloat16()

    def in_bfloat16() -> Any:
        with torch.inference_mode():
            return reduced(wide)[0]

    runs: dict[str, Run] = {"PyTorch bfloat16": in_bfloat16}
    if hasattr(torch.ao, "quantization"):
        dynamic = torch.ao.quantization.quantize_dynamic(
            torch.nn.Sequential(layer), {type(layer)}, torch.qint8
        )

        def in_int8() -> Any:
            with torch.inference_mode():
                return dynamic(given)[0]

        runs["PyTorch int8"] = in_int8
    return runs


def with_openvino(weights: Weights, x: Any) -> dict[str, Run]:
    import openvino

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(weights.onnx_model().SerializeToString())
        model = openvino.Core().read_model(path)
    model.reshape(list(x.shape))
    compiled = openvino.compile_model(
        model, "CPU", {"INFERENCE_PRECISION_HINT": "bf16", "INFERENCE_NUM_THREADS": 1}
    )
    request = compiled.create_infer_request()
    given = openvino.Tensor(x, shared_memory=True)
    return {"OpenVINO bfloat16": lambda: request.infer([given], share_outputs=True)[0][:, 0]}


def as_array(y: Any) -> Any:
    return np.asarray(y.float().numpy() if hasattr(y, "float") else y).reshape(-1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", default="lstm,gru")
    parser.add_argument("--hidden", default="256,512,1024")
    parser.add_argument("--rounds", type=int, default=10)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    rf.set_num_threads(1)
    print(f"{rf.cpu_info()['name']}, smaller numbers by {_core.reduced_level()!r}")
    for cell in arguments.cells.split(","):
        for H in map(int, arguments.hidden.split(",")):
            weights = Weights(cell, H)
            for T, B in POINTS:
                x = np.random.default_rng(1).standard_normal((T, B, H)).astype(np.float32)
                runs = ours(weights, x)
                for peer in (with_onnxruntime, with_torch, with_openvino):
                    try:
                        runs |= peer(weights, x)
                    except (ImportError, RuntimeError, NotImplementedError, ValueError) as error:
                        print(f"  {peer.__name__}: {type(error).__name__}")
                expected = as_array(runs["float32"]())
                errors = {
                    name: np.abs(as_array(run()) - expected).max() for name, run in runs.items()
                }
                best = in_turns(list(runs.values()), arguments.rounds)
                print(f"{cell} H {H}, T {T}, B {B}: float32 {best[0] * 1e6:.1f} us")
                for (name, error), seconds in list(zip(errors.items(), best, strict=True))[1:]:
                    # A stream goes on from step to step, so that its error is no peer's.
                    note = "" if (T, B) == (1, 1) else f", error {error:.1e}"
                    print(f"  {name}: {seconds / best[0]:.3f}{note}", flush=True)


if __name__ == "__main__":
    main()
