"""Linear layers in smaller numbers, against their definition and against themselves."""

from __future__ import annotations

import numpy as np
import pytest

from reduced_cases import NUMBERS, WIDENED, same, some_x
from rnnfast import _core
from rnnfast.reference import quantized


@pytest.mark.parametrize("numbers", NUMBERS)
def test_a_linear_layer_is_the_definition(reduced_level, numbers, set_threads):
    rng = np.random.default_rng(0)
    for R, width, outputs in ((1, 1, 1), (3, 17, 5), (40, 65, 70), (200, 64, 33)):
        values = rng.standard_normal(outputs * width + outputs).astype(np.float32)
        buffer = _core.ParameterBuffer(values.size, "float32")
        buffer.assign(0, values)
        layer = _core.Linear(width, outputs, buffer, 0, outputs * width, numbers=numbers)
        x = some_x(R, width)
        weight, bias = values[: outputs * width].reshape(outputs, width), values[outputs * width :]
        if numbers == "bfloat16" and reduced_level in WIDENED:
            expected = x.astype(np.float64) @ quantized.round_bfloat16(weight).T
        else:
            expected = quantized.product(x, weight, numbers)
        set_threads(1)
        y = layer.forward(x)
        assert np.abs(y - (expected + bias)).max() < 3e-6 * width
        set_threads(2)
        same((y,), (layer.forward(x),))
        same((y[-1:],), (layer.forward(x[-1:]),))
    with pytest.raises(ValueError, match="numbers: expected float32 for backpropagation, got"):
        layer.backward(y, x, False)
