"""Files of RTNeural."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from rnnfast.interop.rtneural import read_rtneural

RNG = np.random.default_rng(0)


def layer(kind: str, units: int, *shapes: tuple[int, ...], activation: str = "") -> dict[str, Any]:
    """Return a layer as the script of RTNeural writes it."""
    weights = [np.round(RNG.normal(size=shape), 6).tolist() for shape in shapes]
    return {"type": kind, "activation": activation, "shape": [None, None, units],
            "weights": weights}  # fmt: skip


def model(*layers: Any) -> dict[str, Any]:
    return {"in_shape": [None, None, 1], "layers": list(layers)}


def dense(inputs: int, units: int, activation: str = "") -> dict[str, Any]:
    kind = "time-distributed-dense"
    return layer(kind, units, (inputs, units), (units,), activation=activation)


def lstm(inputs: int, units: int) -> dict[str, Any]:
    return layer("lstm", units, (inputs, 4 * units), (units, 4 * units), (4 * units,))


def gru(inputs: int, units: int) -> dict[str, Any]:
    return layer("gru", units, (inputs, 3 * units), (units, 3 * units), (2, 3 * units),
                 activation="tanh")  # fmt: skip


def written(tmp_path: Path, content: Any) -> Path:
    path = tmp_path / "m.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def sigmoid(a: Any) -> Any:
    return 1 / (1 + np.exp(-a))


def test_a_model_computes_what_its_equations_say(tmp_path: Path) -> None:
    layers = [dense(1, 8, "tanh"), gru(8, 3), lstm(3, 4), dense(4, 1)]
    chain = read_rtneural(written(tmp_path, model(*layers)), dtype="float64")
    assert [type(part) for part in chain.parts] == [
        rf.Linear, type(chain[1]), rf.GRU, rf.LSTM, rf.Linear,
    ]  # fmt: skip
    x = RNG.normal(size=(2, 5, 1))
    (k, b), (gk, gu, gb), (lk, lu, lb), (o, ob) = (
        [np.array(w) for w in each["weights"]] for each in layers
    )
    h, s, c, expected = np.zeros((2, 3)), np.zeros((2, 4)), np.zeros((2, 4)), []
    for t in range(5):
        y = np.tanh(x[:, t] @ k + b)
        (zx, rx, nx), (zh, rh, nh) = (np.split(a, 3, 1) for a in (y @ gk + gb[0], h @ gu + gb[1]))
        z = sigmoid(zx + zh)
        h = z * h + (1 - z) * np.tanh(nx + sigmoid(rx + rh) * nh)
        i, f, g, e = np.split(h @ lk + s @ lu + lb, 4, 1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        s = sigmoid(e) * np.tanh(c)
        expected.append(s @ o + ob)
    np.testing.assert_allclose(chain(x), np.stack(expected, 1), rtol=1e-12, atol=1e-13)
    assert read_rtneural(tmp_path / "m.json").dtype == np.float32


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "expected JSON, got"),
        ("[" * 100_000, "expected JSON, got too many levels"),
        ([1], "expected a model of RTNeural with layers, got none"),
        ({"layers": [dense(1, 2)]}, "in_shape[-1]: expected"),
        (model({"type": "conv1d"}, {"type": 3}), "layers[0]: type: expected one of dense, "),
        (model({"type": "conv1d"}, {"type": "x"}), "layers[1]: type: expected one of dense, "),
        (model(3, dense(4, 1), [3]), "got 3; layers[2]: type: expected one of dense, "),
        (model(dense(1, 2, "elu")), "layers[0]: activation: expected 'linear' or 'tanh'"),
        (
            model({**lstm(1, 2), "activation": "relu"}),
            "activation: expected 'tanh', which the LSTM",
        ),
        (model(dense(2, 2)), "layers[0]: kernel: expected 1 rows, as many as come in, got 2"),
        (model(dense(1, 2), gru(3, 2)), "layers[1]: kernel: expected 2 rows"),
        (model(layer("lstm", 2, (1, 8), (2, 6))), "got no bias, recurrent_kernel (2, 6)"),
        (model(layer("lstm", 2, (1, 8), (2, 8))), "got no bias"),
        (model(layer("gru", 2, (1, 6), (2, 6), (6,))), "got bias (6,)"),
        (model(layer("dense", 2, (1, 2), (2,), (2,))), "got the unknown weights[2]"),
        (model({**dense(1, 2), "weights": [[[1, 2], [3]], [0, 0]]}), "kernel: expected an array"),
        (model({**dense(1, 2), "weights": [[["1", "2"]], [0, 0]]}), "kernel: expected an array"),
        (model({**dense(1, 2), "weights": [[[1e300, 2]], [0, 0]]}), "kernel: expected finite"),
        (model({**dense(1, 2), "weights": 3}), "weights: expected a list of arrays, got 3"),
        (model({**dense(1, 2), "shape": [2.5]}), "layers[0]: shape[-1]: expected"),
    ],
)
def test_what_has_no_equal_is_refused_by_name(content: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        read_rtneural(written(tmp_path, content))
    assert "\n" not in str(caught.value) and "m.json: " in str(caught.value)
