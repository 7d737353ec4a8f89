"""Files of RTNeural in C."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from c_library import BAD_FILE, UNSUPPORTED, CError, CModel
from rnnfast.interop.rtneural import read_rtneural
from rtneural_files import published


def test_a_model_gives_what_python_and_its_equations_give(tmp_path: Path) -> None:
    content = published()
    path = tmp_path / "m.json"
    path.write_text(json.dumps(content))
    x = np.random.default_rng(1).normal(size=(50, 1, 1)).astype("f4")
    model = CModel(path, rtneural=True)
    y = model.forward(x)
    np.testing.assert_allclose(y, np.swapaxes(read_rtneural(path)(np.swapaxes(x, 0, 1)), 0, 1),
                               rtol=2e-5, atol=1e-6)  # fmt: skip
    exact = read_rtneural(path, dtype="float64")(np.swapaxes(x, 0, 1).astype("f8"))
    np.testing.assert_allclose(y, np.swapaxes(exact, 0, 1), rtol=2e-5, atol=2e-6)
    np.testing.assert_array_equal(model.stream().run(x), y)
    # Without a function that NumPy computes, bit for bit.
    content["layers"][0]["activation"] = ""
    path.write_text(json.dumps(content))
    expected = np.swapaxes(read_rtneural(path)(np.swapaxes(x, 0, 1)), 0, 1)
    np.testing.assert_array_equal(CModel(path, rtneural=True).forward(x), expected)


def test_what_has_no_equal_is_refused() -> None:
    def refused(line: str, status: int = BAD_FILE, **fields: object) -> None:
        content = published()
        content["layers"][1].update(fields)
        with pytest.raises(CError, match=line) as caught:
            CModel(json.dumps(content).encode(), rtneural=True)
        assert caught.value.status == status

    refused("layers.1.: type: expected dense", UNSUPPORTED, type="conv1d")
    refused("layers.1.: activation: expected tanh", UNSUPPORTED, activation="relu")
    refused("layers.1.: kernel: expected", shape=[None, None, 2**31])
    refused("layers.1.: weights: expected three arrays", weights=[])
    for text, line in ((b"{", "expected JSON"), (b"[]", "expected a model of RTNeural"),
                       (b"\xff", "expected UTF-8"), (b"[" * 9999, "levels")):  # fmt: skip
        with pytest.raises(CError, match=line):
            CModel(text, rtneural=True)
