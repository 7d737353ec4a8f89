"""Time recurrent nodes of ONNX that are no layers: general cells, NumPy, ONNX Runtime, in turns.

Run as ``python bench/onnx_general.py [--threads N] [--seconds S]``. Nodes have random weights, 128
inputs and 128 hidden units, and read 50 steps. Answers are compared first. Prints the least time of
the general cells, and how many times as long the equations in NumPy and ONNX Runtime take.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import helper

from onnx_common import GATES, model_of, read_arguments, runtime_of, session_options, weight
from rnnfast.interop.onnx import prepare
from rnnfast.interop.onnx.recurrent.operator import Recurrent
from turns import times_in_turns

SIZE, STEPS = 128, 50
FORMS: dict[str, tuple[str, dict[str, Any]]] = {
    "LSTM, HardSigmoid": ("LSTM", {"activations": ["HardSigmoid", "Tanh", "Tanh"]}),
    "LSTM, clip": ("LSTM", {"clip": 3.0}),
    "GRU, HardSigmoid, Softsign": ("GRU", {"activations": ["HardSigmoid", "Softsign"]}),
    "RNN, LeakyRelu": ("RNN", {"activations": ["LeakyRelu"]}),
}


def make(kind: str, attributes: dict[str, Any]) -> Any:
    """A model of one node."""
    rng = np.random.default_rng(0)
    rows = GATES[kind] * SIZE
    held = {
        "W": weight(rng, 1, rows, SIZE),
        "R": weight(rng, 1, rows, SIZE),
        "B": weight(rng, 1, 2 * rows),
    }
    node = helper.make_node(kind, ["x", *held], ["y"], hidden_size=SIZE, **attributes)
    return model_of([node], held, [None, None, SIZE], ("y", [None, 1, None, SIZE]))


def in_numpy(model: Any) -> Callable[[Any], Any]:
    """Return what runs a model by the equations."""
    network_of = Recurrent._network_of
    Recurrent._network_of = lambda self, weights: None  # type: ignore[method-assign]
    try:
        return prepare(model).run  # type: ignore[no-any-return]
    finally:
        Recurrent._network_of = network_of  # type: ignore[method-assign]


def main() -> None:
    arguments = read_arguments(__doc__)
    options = session_options(arguments.threads)
    print(f"{'least time':30s}{'kernels':>10s}{'NumPy':>8s}{'ONNX Runtime':>14s}")
    for name, form in FORMS.items():
        model = make(*form)
        session = runtime_of(model, options)
        kernels, steps = prepare(model).run, in_numpy(model)
        for batch in (1, 16):
            x = np.random.default_rng(1).normal(size=(STEPS, batch, SIZE)).astype(np.float32)
            runs = [
                functools.partial(kernels, [x]),
                functools.partial(steps, [x]),
                functools.partial(session.run, None, {"x": x}),
            ]
            expected = runs[2]()[0]
            for run in runs[:2]:
                np.testing.assert_allclose(run()[0], expected, rtol=1e-4, atol=1e-5)
            mine, *others = map(min, times_in_turns(runs, arguments.seconds))
            numpy, runtime = (other / mine for other in others)
            label = f"{name}, B={batch}"
            print(f"{label:30s}{mine * 1e6:7.0f} us{numpy:7.1f}x{runtime:13.1f}x")


if __name__ == "__main__":
    main()
