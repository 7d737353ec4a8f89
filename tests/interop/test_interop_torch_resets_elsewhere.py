"""Episodes where the kernels do not run: the weights of the call, and what is refused."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from dropin_cases import CASES, assert_same, new_input, new_state, pair, tensors, torch
from test_interop_torch_resets import mask, one_by_one

NAMES = ["RNN", "GRU", "LSTM"]
NARROW = {"rtol": 0.05, "atol": 0.05}


def halves(module: Any) -> dict[str, Any]:
    return {name: p.detach() * 0.5 for name, p in module.named_parameters()}


def with_weights(module: Any, weights: dict[str, Any]) -> Any:
    found = copy.deepcopy(module)
    found.load_state_dict(weights)
    return found


@pytest.mark.parametrize(("name", "options"), CASES)
def test_a_transform_differentiates_the_weights_that_it_gives(name: str, options: Any) -> None:
    ours, theirs = pair(name, options)
    x, reset, weights = new_input(options), mask(options), halves(theirs)

    def loss(given: dict[str, Any]) -> Any:
        call = torch.func.functional_call(ours, given, (x,), {"reset": reset})
        return tensors(call)[0].square().sum()

    other = with_weights(theirs, weights)
    one_by_one(other, x, None, reset)[0].square().sum().backward()
    expected = [p.grad for p in other.parameters()]
    assert_same(list(torch.func.grad(loss)(weights).values()), expected)


@pytest.mark.parametrize("name", NAMES)
def test_functional_call_under_autocast(name: str) -> None:
    ours, theirs = pair(name, {}, torch.float32)
    x, reset, weights = new_input({}, torch.float32), mask({}), halves(theirs)
    with torch.autocast("cpu", torch.bfloat16):
        call = torch.func.functional_call(ours, weights, (x,), {"reset": reset})
    expected = one_by_one(with_weights(theirs, weights), x, None, reset)
    assert_same([t.float() for t in tensors(call)], expected, **NARROW)


@pytest.mark.parametrize("name", NAMES)
def test_a_parametrization_that_changed_under_autocast(name: str) -> None:
    ours, theirs = pair(name, {}, torch.float32)
    x, reset = new_input({}, torch.float32), mask({})
    for module in (ours, theirs):
        torch.nn.utils.parametrizations.weight_norm(module, "weight_hh_l0")
        with torch.no_grad():
            module.parametrizations.weight_hh_l0.original0.mul_(3.0)
    with torch.autocast("cpu", torch.bfloat16):
        found = ours(x, reset=reset)
    expected = one_by_one(theirs, x, None, reset)
    assert_same([t.float() for t in tensors(found)], expected, **NARROW)


def state_of(name: str, change: Any) -> Any:
    state = new_state(name, {})
    return tuple(map(change, state)) if name == "LSTM" else change(state)


WRONG_STATES: dict[str, Any] = {
    "one sequence, more axes": (
        lambda name: state_of(name, lambda s: s[:, :1]),
        True,
        RuntimeError,
        r"^hx: expected 2 axes, got shape \(1, 1, 7\)$",
    ),
    "a batch, fewer axes": (
        lambda name: state_of(name, lambda s: s[0]),
        False,
        RuntimeError,
        r"^hx: expected 3 axes, got shape \(3, 7\)$",
    ),
    "a number": (lambda name: 5, False, TypeError, r"^hx: expected a .*tensors?, got int$"),
    "of nothing": (
        lambda name: (None, None),
        False,
        TypeError,
        r"^hx: expected .*tensors?, got (tuple|NoneType)$",
    ),
    "three": (
        lambda name: (torch.zeros(1, 3, 7).double(),) * 3,
        False,
        (RuntimeError, TypeError),
        r"^hx: expected a .*tensors?, got (3|tuple)$",
    ),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", WRONG_STATES)
def test_states_are_refused_as_without_reset(name: str, case: str) -> None:
    make, one, error, message = WRONG_STATES[case]
    ours, _ = pair(name, {})
    x, reset = new_input({}), mask({})
    if one:
        x, reset = x[:, 0], reset[:, 0]
    with pytest.raises(Exception):  # noqa: B017 - PyTorch's own, of many types
        ours(x, make(name))
    with pytest.raises(error, match=message):
        ours(x, make(name), reset=reset)


def test_a_stacked_tensor_is_no_pair() -> None:
    ours, _ = pair("LSTM", {})
    with pytest.raises(TypeError, match=r"^hx: expected a tuple of two tensors, got Tensor$"):
        ours(new_input({}), torch.stack(new_state("LSTM", {})), reset=mask({}))


@pytest.mark.parametrize("name", NAMES)
def test_no_steps_and_missing_weights(name: str) -> None:
    ours, _ = pair(name, {})
    for reset in (None, torch.zeros(0, 3, dtype=torch.bool)):
        with pytest.raises(RuntimeError, match=r"larger than 0"):
            ours(new_input({})[:0], reset=reset)
    ours.bias_hh_l0 = None
    with pytest.raises(RuntimeError, match=r"^weights: expected 4 tensors, got 3$"):
        ours(new_input({}), reset=mask({}))
