"""Modes that see the functions that are called: PyTorch's own layer's, as they would be."""

from __future__ import annotations

from typing import Any

import pytest

from dropin_cases import interop, new_input, torch

NAMES = ["RNN", "GRU", "LSTM", "RNNCell", "GRUCell", "LSTMCell"]


class Doubling(torch.overrides.TorchFunctionMode):  # type: ignore[misc]
    """Doubles what recurrent functions give."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None):  # type: ignore[no-untyped-def]
        found = function(*args, **(kwargs or {}))
        name = getattr(function, "__name__", "")
        if not any(part in name for part in ("rnn", "gru", "lstm")):
            return found
        return tuple(t * 2 for t in found) if isinstance(found, tuple) else found * 2


def first(result: Any) -> Any:
    return result[0] if isinstance(result, tuple) else result


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("gradients", [False, True])
@pytest.mark.parametrize("frozen", [False, True])
def test_a_mode_sees_and_changes_what_it_would(name: str, gradients: bool, frozen: bool) -> None:
    torch.manual_seed(0)
    cell = getattr(torch.nn, name)(5, 7, dtype=torch.float64)
    x = new_input({})[0] if "Cell" in name else new_input({})
    with torch.set_grad_enabled(gradients):
        expected = 2 * first(cell(x))
        interop.accelerate(cell)
        cell(x)
        with Doubling():
            if frozen:
                with interop.frozen(cell):
                    found = first(cell(x))
            else:
                found = first(cell(x))
    torch.testing.assert_close(found, expected)


def test_a_default_device_leaves_calls_to_the_kernels() -> None:
    conditions = pytest.importorskip("rnnfast.interop.torch._conditions")
    assert not conditions.is_observed()
    with torch.device("cpu"):
        assert not conditions.is_observed()
        with Doubling():
            assert conditions.is_observed()
    assert not conditions.is_observed()
