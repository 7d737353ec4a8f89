"""What the benchmarks of ONNX share: models with random weights, sessions and times."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import helper

import rnnfast as rf

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}


def read_arguments(description: str | None) -> argparse.Namespace:
    """Return ``threads`` and ``seconds``, and have rnnfast use as many threads."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3.0)
    arguments = parser.parse_args()
    rf.set_num_threads(arguments.threads)
    return arguments


def session_options(threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return options


def runtime_of(model: Any, options: Any) -> Any:
    """Return ONNX Runtime's session of a model."""
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def weight(rng: np.random.Generator, *shape: int) -> Any:
    return (rng.uniform(-1, 1, shape) / np.sqrt(shape[-1])).astype(np.float32)


def model_of(
    nodes: list[Any],
    held: dict[str, Any],
    x: list[int | None],
    output: tuple[str, list[int | None]],
) -> Any:
    """Return a model of nodes that hold arrays, of an input x and one output, by their shapes."""
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", 1, x)],
        [helper.make_tensor_value_info(output[0], 1, output[1])],
        [onnx.numpy_helper.from_array(array, name) for name, array in held.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
