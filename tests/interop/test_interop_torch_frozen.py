"""Within `frozen` the drop-in layers do not look at the weights, and after it they do again."""

from __future__ import annotations

import contextlib
import copy
import pickle
import threading
from typing import Any

import pytest

import rnnfast as rf
from dropin_cases import CELLS, assert_same, interop, new_input, pair, tensors, torch


@pytest.mark.parametrize(("name", "options"), CELLS)
def test_frozen_calls_use_the_weights_of_the_entry(name: str, options: Any) -> None:
    ours, _ = pair(name, options)
    x = new_input(options)
    before = tensors(ours(x))
    with torch.no_grad():
        with interop.frozen(torch.nn.Sequential(ours)):
            assert_same(tensors(ours(x)), before)
            ours.weight_hh_l0.data.zero_()
            assert_same(tensors(ours(x)), before)  # as it says
        assert not torch.equal(ours(x)[0], before[0])


def test_frozen_calls_with_gradients_see_changes() -> None:
    ours, theirs = pair("GRU", {})
    x = new_input({})
    with interop.frozen(ours):
        ours(x)
        for module in (ours, theirs):
            module.weight_hh_l0.data.zero_()
        assert_same(tensors(ours(x)), tensors(theirs(x)))
        with torch.no_grad():  # the other call left these as they were
            assert not torch.equal(ours(x)[0], theirs(x)[0])
    assert_same(tensors(ours(x)), tensors(theirs(x)))


def test_frozen_leaves_what_the_kernels_do_not_run() -> None:
    ours, theirs = pair("GRU", {}, torch.bfloat16)
    x = new_input({}, torch.bfloat16)
    with torch.no_grad(), interop.frozen(ours):
        assert torch.equal(ours(x)[0], theirs(x)[0])
    ours, theirs = pair("GRU", {})
    x = new_input({}, torch.float32)
    with torch.no_grad(), interop.frozen(ours), pytest.raises(ValueError) as mine:
        ours(x)
    with pytest.raises(ValueError, match="type") as expected:
        theirs(x)
    assert str(mine.value) == str(expected.value)


def test_dropout_holds_within_frozen() -> None:
    ours, _ = pair("LSTM", {"num_layers": 2, "dropout": 0.5})
    x = new_input({})
    with torch.no_grad(), interop.frozen(ours):
        assert not torch.equal(ours(x)[0], ours(x)[0])
        ours.eval()
        assert torch.equal(ours(x)[0], ours(x)[0])


def follows(module: Any) -> bool:
    """Return whether a call without gradients sees that a weight changes."""
    x = new_input({})
    with torch.no_grad():
        before = module(x)[0]
        module.weight_hh_l0.data.mul_(0.5)
        return not torch.equal(module(x)[0], before)


@pytest.mark.parametrize("first_out", ["first", "second"])
@pytest.mark.parametrize(("name", "options"), CELLS)
def test_contexts_nest_and_overlap(name: str, options: Any, first_out: str) -> None:
    ours, _ = pair(name, options)
    x = new_input({})
    contexts = {"first": interop.frozen(ours), "second": interop.frozen(torch.nn.Sequential(ours))}
    with torch.no_grad():
        at_entry = tensors(ours(x))
    contexts["first"].__enter__()
    ours.weight_hh_l0.data.zero_()
    contexts["second"].__enter__()  # keeps what the first one found
    contexts.pop(first_out).__exit__(None, None, None)
    assert not follows(ours)
    with torch.no_grad():
        assert_same(tensors(ours(x)), at_entry)
    contexts.popitem()[1].__exit__(None, None, None)
    ours.weight_hh_l0.data.fill_(0.25)
    assert follows(ours)
    with interop.frozen(ours):
        assert not follows(ours)
    assert follows(ours)


def test_contexts_on_a_part_of_the_model() -> None:
    one, _ = pair("GRU", {})
    two, _ = pair("GRU", {})
    with interop.frozen(two):
        with interop.frozen(torch.nn.ModuleList([one, two])):
            assert not follows(one)
            assert not follows(two)
        assert follows(one)
        assert not follows(two)
    assert follows(two)


def test_an_entry_that_fails_freezes_nothing() -> None:
    """The weights of the last layer cannot be computed."""

    class Broken(torch.nn.Module):
        def forward(self, weight: Any) -> Any:
            if fails:
                raise ArithmeticError("no weight")
            return weight

    fails = False
    one, two = pair("LSTM", {})[0], pair("LSTM", {})[0]
    torch.nn.utils.parametrize.register_parametrization(two, "weight_hh_l0", Broken())
    model = torch.nn.ModuleList([one, two])
    fails = True
    with pytest.raises(ArithmeticError, match="no weight"), interop.frozen(model):
        pass
    fails = False
    assert follows(one)
    with interop.frozen(model):
        assert not follows(one)
    assert follows(one)


def test_a_body_that_fails_leaves() -> None:
    ours, _ = pair("GRU", {})
    with pytest.raises(ArithmeticError), interop.frozen(ours), interop.frozen(ours):
        raise ArithmeticError
    assert follows(ours)


def test_contexts_overlap_in_two_threads() -> None:
    ours, _ = pair("GRU", {})
    entered, may_leave = threading.Event(), threading.Event()

    def other() -> None:
        with interop.frozen(ours):
            entered.set()
            may_leave.wait(60)

    thread = threading.Thread(target=other)
    with interop.frozen(ours):
        thread.start()
        assert entered.wait(60)
    assert not follows(ours)  # the other thread is within
    may_leave.set()
    thread.join(60)
    assert follows(ours)


def test_threads_that_enter_and_leave_at_once() -> None:
    ours, _ = pair("GRU", {})
    x = new_input({})
    with torch.no_grad():
        expected = ours(x)[0]
    wrong: list[Any] = []

    def run() -> None:
        with torch.no_grad():
            for _ in range(200):
                with interop.frozen(ours):
                    y = ours(x)[0]
                if not torch.equal(y, expected):
                    wrong.append(y)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert ours.kept.holders == 0
    assert follows(ours)


COPIES: dict[str, Any] = {
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
    "pickle": lambda m: pickle.loads(pickle.dumps(m)),
}


@pytest.mark.parametrize(("name", "options"), CELLS)
@pytest.mark.parametrize("way", COPIES)
def test_copies_are_not_frozen(name: str, options: Any, way: str) -> None:
    ours, _ = pair(name, options)
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(interop.frozen(ours))
        copied = COPIES[way](ours)
        assert copied.kept.holders == 0
        assert follows(copied)
        with interop.frozen(copied):
            assert not follows(copied)
        assert follows(copied)
        assert not follows(ours)
    assert follows(ours)
    assert follows(copied)


def test_what_is_no_module_is_refused() -> None:
    for value, got in (("gru", "str$"), (rf.GRU(2, 3), "GRU; a layer of rnnfast runs on the ker")):
        message = f"^module: expected a torch.nn.Module, got {got}"
        with pytest.raises(TypeError, match=message), interop.frozen(value):
            pass


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_weights_that_a_hook_computes_are_not_held() -> None:
    ours, _ = pair("LSTM", {})
    torch.nn.utils.weight_norm(ours, "weight_hh_l0")
    x = new_input({})
    with torch.no_grad():
        before = ours(x)[0]
        ours.weight_hh_l0_g.mul_(3)
        with interop.frozen(ours):
            within = ours(x)[0]
        assert not torch.equal(within, before)
        assert torch.equal(within, ours(x)[0])


@pytest.mark.parametrize("kind", ["LSTM", "LSTMCell"])
def test_hooks_of_all_modules_are_hooks(kind: str) -> None:
    layer = getattr(interop, kind)(3, 4)
    weight = layer.weight_hh if kind == "LSTMCell" else layer.weight_hh_l0

    def grow(module: Any, args: Any) -> None:
        if module is layer:
            weight.data.mul_(1.5)

    hook = torch.nn.modules.module.register_module_forward_pre_hook(grow)
    x = torch.randn(2, 3) if kind == "LSTMCell" else torch.randn(5, 2, 3)
    state = (torch.ones(2, 4),) * 2 if kind == "LSTMCell" else (torch.ones(1, 2, 4),) * 2
    try:
        with torch.no_grad(), interop.frozen(layer):
            first, second = layer(x, state)[0].clone(), layer(x, state)[0]
    finally:
        hook.remove()
    assert not torch.equal(first, second)
