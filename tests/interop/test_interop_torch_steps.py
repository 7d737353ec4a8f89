"""Short passes without gradients: from tensors to tensors, past most of what Python does."""

from __future__ import annotations

from typing import Any

import pytest

from dropin_cases import (
    CASES,
    assert_same,
    count_native,
    leaves,
    new_input,
    new_state,
    pair,
    tensors,
    torch,
)
from rnnfast import _core
from test_interop_torch_weights import WRITES

steps = pytest.importorskip("rnnfast.interop.torch._steps")
interop = pytest.importorskip("rnnfast.interop.torch")

pytestmark = [
    pytest.mark.skipif(
        steps.ACCESS is None, reason="this PyTorch shows its tensors in no such way"
    ),
    pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN"),
]
FLOAT = {"rtol": 1e-5, "atol": 1e-6}


class Own(torch.Tensor):  # type: ignore[misc]
    """A subclass, as users have them."""


def detached(state: Any) -> Any:
    return tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()


@pytest.mark.parametrize(("name", "options"), CASES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_results_are_pytorchs(
    name: str, options: Any, dtype: Any, mode: Any, taken: list[bool]
) -> None:
    modules = pair(name, options, dtype)
    x = new_input(options, dtype)
    state = detached(new_state(name, options, dtype=dtype))
    one = detached(new_state(name, options, batch=1, dtype=dtype))
    one = tuple(s[:, 0] for s in one) if isinstance(one, tuple) else one[:, 0]
    calls = [(x, None), (x, state), (x[:, :0], None), (x[1], None), (x[0], one)]
    calls += [(x[:1], None), (x[:, :1], None), (x.flip(0).transpose(0, 1).contiguous(), None)]
    tolerance = FLOAT if dtype is torch.float32 else {}
    with mode():
        for module in modules:
            module(x)
        for given, hx in calls:
            if not given.numel():
                continue
            ours, theirs = (m(given, hx) for m in modules)
            assert type(ours[1]) is type(theirs[1])
            assert_same(tensors(ours), tensors(theirs), **tolerance)
            for mine, other in zip(tensors(ours), tensors(theirs), strict=True):
                assert mine.is_inference() == other.is_inference()
                assert mine.dtype is dtype
                assert not mine.requires_grad
                assert mine.is_contiguous()
    assert taken == [True] * 7


@pytest.mark.parametrize(("name", "options"), CASES)
@pytest.mark.parametrize("write", WRITES)
def test_every_write_is_seen(name: str, options: Any, write: str, taken: list[bool]) -> None:
    if write == "strides" and options.get("bias", True):
        options = {**options, "bias": False}
    modules = pair(name, options)
    x = new_input(options)
    with torch.no_grad():
        before = [[tensors(m(x)) for _ in range(3)][-1] for m in modules]
        for module in modules:
            for weight in module.parameters():
                WRITES[write](weight)
        after = [tensors(m(x)) for m in modules]
    assert_same(*before)
    assert_same(*after)
    assert not torch.equal(after[0][0], before[0][0])
    assert taken == [True, True, write != "strides"]


def _optimizer(module: Any) -> None:
    for parameter in module.parameters():
        parameter.grad = torch.ones_like(parameter)
    torch.optim.Adam(module.parameters(), 0.1).step()


def _parameter(module: Any) -> None:
    module.weight_hh_l0 = torch.nn.Parameter(module.weight_hh_l0.detach() * 0.5)


def _parametrization(module: Any) -> None:
    torch.nn.utils.parametrizations.weight_norm(module, "weight_hh_l0")
    module.parametrizations.weight_hh_l0.original0.data.mul_(0.5)


def _loaded(module: Any) -> None:
    module.load_state_dict({n: 0.5 * p for n, p in module.state_dict().items()})


def _assigned(module: Any) -> None:
    module.load_state_dict({n: 0.5 * p for n, p in module.state_dict().items()}, assign=True)


def _flat(module: Any) -> None:
    module._flat_weights = [0.5 * w.detach() for w in module._flat_weights]


def _negated(module: Any) -> None:
    module.weight_hh_l0.data = torch._neg_view(module.weight_hh_l0.detach())


CHANGES = [_optimizer, _parameter, _parametrization, _loaded, _assigned, _flat, _negated]


@pytest.mark.parametrize("name", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_seen(name: str, change: Any, taken: list[bool]) -> None:
    modules = pair(name, {})
    x = new_input({})[:2]
    with torch.no_grad():
        before = [[tensors(m(x)) for _ in range(2)][-1] for m in modules]
        for module in modules:
            change(module)
        after = [tensors(m(x)) for m in modules]
    assert taken[0]
    assert_same(*after)
    assert not torch.equal(after[0][0], before[0][0])


@pytest.mark.parametrize("name", ["RNN", "GRU", "LSTM"])
def test_functional_call_and_options_hold(name: str) -> None:
    results = []
    for module in pair(name, {}):
        x = new_input({})
        with torch.no_grad():
            module(x)
            given = {n: 0.5 * p for n, p in module.named_parameters()}
            out = [*tensors(torch.func.functional_call(module, given, (x,))), *tensors(module(x))]
            module.batch_first = True
            out += tensors(module(x))
        results.append(out)
    assert_same(*results)


@pytest.mark.parametrize("name", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize(
    "change",
    [
        lambda x: x.double(),
        lambda x: x.to(torch.bfloat16),
        lambda x: torch._neg_view(x),
        lambda x: x.to("meta"),
        lambda x: x * float("nan"),
        lambda x: x[..., :4],
        lambda x: x[None],
        lambda x: x[:, :0],
        lambda x: x.transpose(0, 2).contiguous().transpose(0, 2),
        lambda x: torch.frombuffer(bytearray(1 + 4 * x.numel())[1:], dtype=x.dtype).view_as(x),
        lambda x: x.numpy(),
        lambda x: x.as_subclass(Own),
    ],
)
@pytest.mark.parametrize("where", ["x", "hx"])
def test_what_is_not_plain_is_answered_as_ever(name: str, change: Any, where: str) -> None:
    outcomes = []
    for module in pair(name, {}, torch.float32):
        x = new_input({}, torch.float32)
        state = detached(new_state(name, {}, dtype=torch.float32))
        with torch.no_grad():
            module(x)
            if where == "x":
                arguments = change(x), state
            elif isinstance(state, tuple):
                arguments = x, (change(state[0]), state[1])
            else:
                arguments = x, change(state)
            try:
                outcomes.append(tensors(module(*arguments)))
            except Exception as error:
                outcomes.append((type(error), str(error).split("\n")[0]))
    ours, theirs = outcomes
    if isinstance(theirs, list) and theirs[0].is_meta:
        assert [t.shape for t in ours] == [t.shape for t in theirs]
    elif isinstance(theirs, list):
        assert [type(t) for t in ours] == [type(t) for t in theirs]
        plain = ([t.as_subclass(torch.Tensor) for t in each] for each in (ours, theirs))
        assert_same(*plain, **FLOAT)
    else:
        assert ours == theirs


@pytest.mark.parametrize("name", ["RNN", "GRU", "LSTM"])
def test_results_have_memory_of_their_own(name: str) -> None:
    ours, theirs = pair(name, {})
    x = new_input({})[:1]
    with torch.no_grad():
        ours(x)
        first = tensors(ours(x))
        kept = [t.clone() for t in first]
        state = ours(x)[1]
        del ours
        for tensor in first:
            torch.testing.assert_close(tensor, kept.pop(0), rtol=0, atol=0)
            tensor.add_(1)
        expected = theirs(x)[1]
    assert_same(leaves(state), leaves(expected))


@pytest.mark.parametrize("name", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("threads", [1, 2])
def test_long_passes(name: str, batch_first: bool, threads: int, taken: list[bool]) -> None:
    ours, theirs = pair(name, {"batch_first": batch_first}, torch.float32)
    x, state = torch.randn(2000, 16, 5), ours(torch.randn(16, 16, 5))[1]
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.no_grad():
            given = x.transpose(0, 1) if batch_first else x
            assert_same(tensors(ours(given, state)), tensors(theirs(given, state)), **FLOAT)
    finally:
        torch.set_num_threads(before)
    assert taken == [True]


@pytest.mark.parametrize("name", ["RNN", "GRU", "LSTM"])
def test_frozen_steps_use_the_weights_of_the_entry(name: str, taken: list[bool]) -> None:
    ours, _ = pair(name, {})
    x = new_input({})[:1]
    with torch.no_grad(), interop.frozen(ours):
        before = tensors(ours(x))
        ours.weight_hh_l0.zero_()
        ours.weight_ih_l0.zero_()
        assert_same(tensors(ours(x)), before)
    with torch.no_grad():
        assert not torch.equal(tensors(ours(x))[0], before[0])
    assert taken == [True, True, True]


@pytest.mark.parametrize(("name", "native"), [("RNN", False), ("GRU", False), ("LSTM", True)])
def test_few_steps_with_many_weights(
    name: str, native: bool, monkeypatch: pytest.MonkeyPatch, taken: list[bool]
) -> None:
    """There to compare the weights takes longer than the kernels save."""
    passes = count_native(monkeypatch)
    torch.manual_seed(0)
    theirs = getattr(torch.nn, name)(300, 300, 2)
    ours = getattr(interop, name)(300, 300, 2)
    ours.load_state_dict(theirs.state_dict())
    few, many = torch.randn(2, 1, 300), torch.randn(12, 1, 300)
    with torch.no_grad():
        for x in (few, few, many, few):
            assert_same(tensors(ours(x)), tensors(theirs(x)), **FLOAT)
        found = len(passes) + sum(taken)
        assert found == (4 if native else 1)
        with interop.frozen(ours):
            assert_same(tensors(ours(few)), tensors(theirs(few)), **FLOAT)
    assert len(passes) + sum(taken) == found + 1
    ours(few)[0].sum().backward()
    assert passes[-1]


def test_another_capsule_is_refused() -> None:
    with pytest.raises(TypeError, match="api"):
        _core.TensorAccess(object(), (torch.Tensor,))
