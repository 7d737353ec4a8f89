"""Calls that the one before made ready: each finds out by itself whether it is still alike."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest

from dropin_cases import assert_same, new_input, pair, tensors, torch
from rnnfast import _core

steps = pytest.importorskip("rnnfast.interop.torch._steps")
interop = pytest.importorskip("rnnfast.interop.torch")

pytestmark = pytest.mark.skipif(
    steps.ACCESS is None, reason="this PyTorch shows its tensors in no such way"
)
NAMES = ["RNN", "GRU", "LSTM"]


def count_steps(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return a list that gets an entry for each call that was not ready."""
    found: list[Any] = []
    step: Any = _core.step_on_tensors

    def counted(*arguments: Any) -> Any:
        found.append(arguments)
        return step(*arguments)

    monkeypatch.setattr(_core, "step_on_tensors", counted)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_calls_alike_are_answered_at_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = count_steps(monkeypatch)
    ours, theirs = pair(name, {})
    x = new_input({})
    with torch.no_grad():
        ours(x)  # before it there is no network of the kernels
        for given in (x, x, x[:1], x[:, :1], x[0], x + 1):
            assert_same(tensors(ours(given)), tensors(theirs(given)))
        assert len(asked) == 1
        first = ours(x)[1]
        assert_same(tensors(ours(x, first)), tensors(theirs(x, first)))
        assert len(asked) == 1
        ours.batch_first = theirs.batch_first = True
        for _ in range(2):
            assert_same(tensors(ours(x)), tensors(theirs(x)))
        assert len(asked) == 2
        ours.batch_first = theirs.batch_first = False
        assert_same(tensors(ours(x)), tensors(theirs(x)))
        assert len(asked) == 3


@pytest.mark.parametrize("name", ["RNNCell", "GRUCell", "LSTMCell"])
@pytest.mark.parametrize("bias", [True, False])
def test_cells(name: str, bias: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = count_steps(monkeypatch)
    torch.manual_seed(0)
    theirs = getattr(torch.nn, name)(5, 7, bias=bias)
    ours = getattr(interop, name)(5, 7, bias=bias)
    ours.load_state_dict(theirs.state_dict())
    states: list[Any] = [None, None]
    with torch.no_grad():
        for x in torch.randn(4, 3, 5):
            states = [m(x, s) for m, s in zip((ours, theirs), states, strict=True)]
            assert_same(*([s] if torch.is_tensor(s) else list(s) for s in states),
                        rtol=1e-5, atol=1e-6)  # fmt: skip
        assert len(asked) == (1 if bias else 4)
        for module in (ours, theirs):
            module.weight_hh.data = 2 * module.weight_hh.data
            module.bias_ih = torch.nn.Parameter(3 * module.bias_ih) if bias else None
        x = torch.randn(5)
        results = [m(x) for m in (ours, theirs)]
        assert_same(*([s] if torch.is_tensor(s) else list(s) for s in results),
                    rtol=1e-5, atol=1e-6)  # fmt: skip


class Seeing(torch.overrides.TorchFunctionMode):  # type: ignore[misc]
    """Counts the functions called."""

    count = 0

    def __torch_function__(self, f: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += 1
        return f(*args, **(kwargs or {}))


CONTEXTS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "none": nullcontext,
    "gradients": torch.enable_grad,
    "inference": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "function mode": Seeing,
    "device": lambda: torch.device("cpu"),
    "forward differentiation": torch.autograd.forward_ad.dual_level,
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("context", CONTEXTS)
def test_what_a_call_runs_under_is_seen(name: str, context: str) -> None:
    ours, theirs = pair(name, {}, torch.float32)
    x = new_input({}, torch.float32)
    with torch.no_grad():
        before = [tensors(ours(x)) for _ in range(3)]
        with CONTEXTS[context]():
            try:
                expected = tensors(theirs(x))
            except RuntimeError as error:  # oneDNN's LSTM, on a processor without bfloat16
                pytest.skip(str(error))
            found = tensors(ours(x))
        after = tensors(ours(x))
    assert [t.dtype for t in found] == [t.dtype for t in expected]
    assert [t.requires_grad for t in found] == [t.requires_grad for t in expected]
    assert [t.is_inference() for t in found] == [t.is_inference() for t in expected]
    assert_same(found, expected, rtol=1e-5, atol=1e-6)
    for results in before:
        assert_same(results, after, rtol=0, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_modes_see_functions(name: str) -> None:
    ours, _ = pair(name, {})
    x = new_input({})
    with torch.no_grad():
        for _ in range(3):
            ours(x)
        with Seeing() as seeing:
            ours(x)
    assert seeing.count > 0


@pytest.mark.parametrize("name", NAMES)
def test_dropout_in_training(name: str) -> None:
    ours, theirs = pair(name, {"num_layers": 2, "dropout": 0.5})
    x = new_input({})
    with torch.no_grad():
        for module in (ours, theirs):
            module.eval()
        expected = tensors(theirs(x))
        for _ in range(3):
            assert_same(tensors(ours(x)), expected)
        ours.train()
        assert not torch.equal(ours(x)[0], expected[0])
        ours.eval()
        assert_same(tensors(ours(x)), expected)


@pytest.mark.parametrize("name", NAMES)
def test_frozen_in_between(name: str) -> None:
    ours, _ = pair(name, {})
    x = new_input({})
    with torch.no_grad():
        first = [tensors(ours(x)) for _ in range(3)][-1]
        with interop.frozen(ours):
            for _ in range(2):
                assert_same(tensors(ours(x)), first, rtol=0, atol=0)
            ours.weight_hh_l0.mul_(2)
            assert_same(tensors(ours(x)), first, rtol=0, atol=0)
        changed = [tensors(ours(x)) for _ in range(2)]
    assert_same(*changed, rtol=0, atol=0)
    assert not torch.equal(changed[0][0], first[0])


@pytest.mark.parametrize("name", NAMES)
def test_copies_are_not_ready_for_the_others_weights(name: str) -> None:
    ours, theirs = pair(name, {})
    x = new_input({})
    with torch.no_grad():
        for _ in range(3):
            ours(x)
        other = copy.deepcopy(ours)
        for weight in other.parameters():
            weight.mul_(0.5)
        found = [tensors(other(x)) for _ in range(3)][-1]
        assert_same(tensors(ours(x)), tensors(theirs(x)))
        for weight in theirs.parameters():
            weight.mul_(0.5)
        assert_same(found, tensors(theirs(x)))


def test_weights_put_in_place_of_the_parameters_are_used() -> None:
    ours, theirs = pair("GRU", {})
    x = new_input({})
    with torch.no_grad():
        for _ in range(3):
            ours(x)
        for module in (ours, theirs):
            for weight in module._parameters:
                module._parameters[weight] = torch.nn.Parameter(0.5 * module._parameters[weight])
            module._update_flat_weights()
        assert_same(tensors(ours(x)), tensors(theirs(x)))


def test_arguments_of_a_ready_call_are_counted() -> None:
    ours, _ = pair("GRU", {})
    with torch.no_grad():
        for _ in range(2):
            ours(new_input({}))
    with pytest.raises(TypeError, match="expected 4 arguments"):
        ours.kept.ready(1)
