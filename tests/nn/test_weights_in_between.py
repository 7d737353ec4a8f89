"""Weights assigned between a forward pass and its backpropagation do not mix into gradients."""

from __future__ import annotations

import copy
import re
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
import zoo

CHANGED = "backprop: expected the parameters of the forward pass, but they were changed"
# Of which `forward` gives no function that takes a gradient back.
LOSSES = ("CRF", "CRF constrained", "AdaptiveSoftmax")


@pytest.mark.parametrize("name", [name for name in zoo.LAYERS if name not in LOSSES])
def test_the_weights_of_the_forward_pass_or_a_refusal(name: str) -> None:
    layer = zoo.LAYERS[name]()
    other = copy.deepcopy(layer)
    y, back = zoo.forward(layer)
    _, expected_back = zoo.forward(other)
    expected = expected_back(np.ones_like(y))
    layer.load_state_dict({n: 3 * a - 1 for n, a in layer.state_dict().items()})
    try:
        found = back(np.ones_like(y))
    except RuntimeError as error:
        assert re.match(f"^{CHANGED}$", str(error)), error
        if not isinstance(layer, zoo.PARTS):
            assert not any(grad.any() for grad in layer.grads.values())
    else:
        assert zoo.same(found, expected)
        assert zoo.same(layer.grads, other.grads)


@pytest.mark.parametrize("name", ["Linear", "SLSTM", "MLSTM", "DotAttention", "AdditiveAttention"])
def test_what_reads_its_weights_again_refuses(name: str) -> None:
    """Also values that are the same: that they are is not looked at."""
    layer = zoo.LAYERS[name]()
    y, back = zoo.forward(layer)
    for parameter in layer.parameters().values():
        parameter.assign(parameter.data.copy())
    with pytest.raises(RuntimeError, match=f"^{CHANGED}$"):
        back(np.ones_like(y))
    y, back = zoo.forward(layer)
    back(np.ones_like(y))  # which has its own


def test_a_linear_layer_that_forms_no_dx_reads_none() -> None:
    layer = rf.Linear(3, 4, seed=0)
    x: Any = zoo.X
    y, back = layer.forward(x)
    layer.parameters()["weight"].assign(np.zeros((4, 3)))
    assert back(np.ones_like(y), need_dx=False) is None
    expected = np.tile(x.reshape(-1, 3).sum(axis=0), (4, 1))
    np.testing.assert_allclose(layer.grads["weight"], expected, rtol=1e-5)
