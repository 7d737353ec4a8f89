"""Time `rnnfast.interop.onnx.Session` against ONNX Runtime alone, in turns, answers compared first.

Run as ``python bench/onnx_session.py [--threads N] [--seconds S]``. The models are made here with
random weights. Prints, for each, the median of both and the ratio of ONNX Runtime's to rnnfast's,
with the parts always (``kernels``) and with the way that the session chooses (``fastest``).
"""

from __future__ import annotations

import functools
import statistics
from typing import Any

import numpy as np
from onnx import helper

from onnx_common import GATES, model_of, read_arguments, runtime_of, session_options, weight
from rnnfast.interop.onnx import Session
from turns import times_in_turns


def make(
    kind: str, inputs: int, hidden: int, layers: int, *, both: bool, front: bool, head: int = 32
) -> Any:
    """A stack of recurrent layers with a head, and a convolution over time before it if wanted."""
    rng = np.random.default_rng(0)
    directions = 2 if both else 1
    held: dict[str, Any] = {"flat": np.array([0, 0, -1])}
    nodes = []

    def hold(name: str, *shape: int) -> str:
        held[name] = weight(rng, *shape)
        return name

    x = "x"
    if front:  # (B, C, T)
        nodes = [
            helper.make_node("Conv", ["x", hold("K", inputs, inputs, 5)], ["c"], pads=[2, 2]),
            helper.make_node("Relu", ["c"], ["r"]),
            helper.make_node("Transpose", ["r"], ["t"], perm=[2, 0, 1]),
        ]
        x = "t"
    width = inputs
    for k in range(layers):
        rows = GATES[kind] * hidden
        names = [
            hold(f"W{k}", directions, rows, width),
            hold(f"R{k}", directions, rows, hidden),
            hold(f"B{k}", directions, 2 * rows),
        ]
        more = {"linear_before_reset": 1} if kind == "GRU" else {}
        direction = "bidirectional" if both else "forward"
        nodes += [
            helper.make_node(
                kind, [x, *names], [f"Y{k}"], hidden_size=hidden, direction=direction, **more
            ),
            helper.make_node("Transpose", [f"Y{k}"], [f"p{k}"], perm=[0, 2, 1, 3]),
            helper.make_node("Reshape", [f"p{k}", "flat"], [f"y{k}"]),
        ]
        x, width = f"y{k}", directions * hidden
    nodes += [
        helper.make_node("MatMul", [x, hold("head", width, head)], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["out"]),
    ]
    x_shape = [None, inputs, None] if front else [None, None, inputs]
    return model_of(nodes, held, x_shape, ("out", [None, None, head]))


# Model, and the shape of its input: (T, B, I), or (B, C, T) with a convolution.
CASES: dict[str, tuple[dict[str, Any], tuple[int, int, int]]] = {
    "LSTM(64), a step": (
        {"kind": "LSTM", "inputs": 64, "hidden": 64, "layers": 1, "both": False, "front": False},
        (1, 1, 64),
    ),
    "LSTM(128), T=50 B=1": (
        {"kind": "LSTM", "inputs": 128, "hidden": 128, "layers": 1, "both": False, "front": False},
        (50, 1, 128),
    ),
    "2 x GRU(128), T=50 B=16": (
        {"kind": "GRU", "inputs": 64, "hidden": 128, "layers": 2, "both": False, "front": False},
        (50, 16, 64),
    ),
    "Conv, 2 x BiLSTM(128), T=100 B=4": (
        {"kind": "LSTM", "inputs": 40, "hidden": 128, "layers": 2, "both": True, "front": True},
        (4, 40, 100),
    ),
    "2 x BiLSTM(256), T=100 B=1": (
        {"kind": "LSTM", "inputs": 80, "hidden": 256, "layers": 2, "both": True, "front": False},
        (100, 1, 80),
    ),
    "RNN(256), T=100 B=8": (
        {"kind": "RNN", "inputs": 64, "hidden": 256, "layers": 1, "both": False, "front": False},
        (100, 8, 64),
    ),
}


def main() -> None:
    arguments = read_arguments(__doc__)
    options = session_options(arguments.threads)
    print(f"{'median, us':34s}{'Runtime':>10s}{'kernels':>10s}{'ratio':>7s}{'fastest':>10s} ratio")
    for name, (sizes, shape) in CASES.items():
        model = make(**sizes)
        feeds = {"x": np.random.default_rng(1).normal(size=shape).astype(np.float32)}
        theirs = runtime_of(model, options)
        kernels = Session(model, sess_options=options, choice="kernels")
        fastest = Session(model, sess_options=options)
        expected = theirs.run(None, feeds)[0]
        for session in (kernels, *[fastest] * 24):
            np.testing.assert_allclose(session.run(None, feeds)[0], expected, rtol=1e-4, atol=1e-6)
        peer, parts, chosen = (
            statistics.median(times) * 1e6
            for times in times_in_turns(
                [functools.partial(s.run, None, feeds) for s in (theirs, kernels, fastest)],
                arguments.seconds,
            )
        )
        print(
            f"{name:34s}{peer:10.1f}{parts:10.1f}{peer / parts:7.2f}{chosen:10.1f}"
            f"{peer / chosen:6.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
