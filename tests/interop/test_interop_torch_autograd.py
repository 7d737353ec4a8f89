"""The drop-in layers under autograd: changes in place, higher orders, second passes, threads."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from dropin_cases import (
    CASES,
    CELLS,
    assert_same,
    count_native,
    leaves,
    loss,
    new_input,
    new_state,
    pair,
    tensors,
    torch,
)

CHANGED = "modified by an inplace operation"


# In place


@pytest.mark.parametrize(
    "change",
    [
        lambda y: y.mul_(3),
        lambda y: y[2:4].zero_(),
        torch.relu_,
        lambda y: y.data.mul_(3),
        lambda y: y.detach().numpy().fill(7.0),
    ],
    ids=["mul_", "zero_", "relu_", "data", "numpy"],
)
@pytest.mark.parametrize(("name", "options"), CELLS)
def test_an_output_may_be_changed(name: str, options: Any, change: Any) -> None:
    results = []
    for module in pair(name, options):
        x = new_input(options, requires_grad=True)
        y = module(x)[0]
        change(y)
        results.append(torch.autograd.grad(y.square().sum(), [x, *module.parameters()]))
    assert_same(*results)


@pytest.mark.parametrize("name", ["RNN", "GRU", "LSTM"])
def test_packed_rows_of_another_width_are_refused(name: str) -> None:
    ours, _ = pair(name, {})
    data = torch.randn(6, ours.input_size + 1, dtype=ours.weight_ih_l0.dtype)
    packed = torch.nn.utils.rnn.PackedSequence(data, torch.tensor([3, 3]))
    with pytest.raises(RuntimeError, match=r"input.size\(-1\) must be equal to input_size"):
        ours(packed)


@pytest.mark.parametrize(("name", "options"), CELLS)
def test_what_went_in_and_changed_makes_backward_raise(name: str, options: Any) -> None:
    ours, _ = pair(name, options)

    def run(change: Any) -> None:
        x = new_input(options)
        state = tuple(s.detach().clone() for s in leaves(new_state(name, options)))
        y = ours(x, state if name == "LSTM" else state[0])[0]
        with torch.no_grad():
            change(x, state)
        with pytest.raises(RuntimeError, match=CHANGED):
            y.sum().backward()

    run(lambda x, state: x.zero_())
    run(lambda x, state: state[0].zero_())
    if name == "LSTM":
        run(lambda x, state: state[1].zero_())
    for p in ours.parameters():
        run(lambda x, state, p=p: p.mul_(2))


@pytest.mark.parametrize(("name", "options"), CELLS)
def test_an_input_written_behind_the_counter_makes_backward_raise(name: str, options: Any) -> None:
    """Where PyTorch itself notices nothing."""
    ours, _ = pair(name, options)
    x = new_input(options)
    y = ours(x)[0]
    x.data.mul_(2)
    with pytest.raises(RuntimeError, match="expected x as it was in the forward pass"):
        y.sum().backward()


@pytest.mark.parametrize(("name", "options"), CELLS)
def test_final_states_may_be_changed(name: str, options: Any) -> None:
    results = []
    for module in pair(name, options):
        x = new_input(options, requires_grad=True)
        _, h, *_ = tensors(module(x))
        h.mul_(3)
        results.append(torch.autograd.grad(h.square().sum(), [x, *module.parameters()]))
    assert_same(*results)


def test_memory_that_went_away_is_noticed() -> None:
    """As FSDP and offloading do it: the storage goes and comes back."""
    ours, theirs = pair("GRU", {})
    results = []
    for module in (ours, theirs):
        leaf = new_input({}, requires_grad=True)
        x = leaf * 1
        values = x.detach().clone()
        y = module(x)[0]
        size = x.untyped_storage().nbytes()
        x.untyped_storage().resize_(0)
        if module is ours:
            with pytest.raises(RuntimeError, match="input: expected a tensor with memory, got a"):
                y.sum().backward(retain_graph=True)
        x.untyped_storage().resize_(size)
        with torch.autograd._unsafe_preserve_version_counter(x):
            x.detach().copy_(values)
        y.square().sum().backward()
        results.append([leaf.grad, *(p.grad for p in module.parameters())])
    assert_same(*results)


@pytest.mark.parametrize("name", ["RNN", "GRU", "LSTM"])
def test_weights_whose_storage_comes_and_goes(name: str) -> None:
    """FSDP2 gathers weights into a storage before each use, and empties it after."""
    ours, theirs = pair(name, {})
    x = new_input({})
    shards = [p.detach().clone() for p in ours.parameters()]

    def gather() -> None:
        for p, shard in zip(ours.parameters(), shards, strict=True):
            p.untyped_storage().resize_(shard.numel() * shard.element_size())
            with torch.autograd._unsafe_preserve_version_counter(p), torch.no_grad():
                p.copy_(shard)

    def scatter() -> None:
        for p in ours.parameters():
            p.untyped_storage().resize_(0)

    for _ in range(2):
        gather()
        y = ours(x)[0]
        scatter()
        gather()
        mine = torch.autograd.grad(y.square().sum(), list(ours.parameters()))
        scatter()
        y = theirs(x)[0]
        assert_same(mine, torch.autograd.grad(y.square().sum(), list(theirs.parameters())))
        with torch.no_grad():
            for shard, p in zip(shards, theirs.parameters(), strict=True):
                shard.mul_(0.9)
                p.mul_(0.9)
    with pytest.raises(RuntimeError, match="weight_ih_l0: expected a tensor with memory, got a"):
        ours(x)


# More than one backward, and higher orders


@pytest.mark.parametrize(("name", "options"), CASES)
def test_a_second_backward_with_retain_graph(name: str, options: Any) -> None:
    results = []
    for module in pair(name, options):
        x, state = new_input(options, requires_grad=True), new_state(name, options)
        out = module(x, state)
        wanted = [x, *leaves(state), *module.parameters()]
        found: list[Any] = []
        for seed in range(3):
            found += torch.autograd.grad(loss(out, seed), wanted, retain_graph=seed < 2)
        with pytest.raises(RuntimeError, match="second time"):
            torch.autograd.grad(loss(out), wanted)
        results.append(found)
    assert_same(*results)


def test_a_second_backward_has_the_same_dropout() -> None:
    ours, _ = pair("GRU", {"num_layers": 3, "dropout": 0.5})
    x = new_input({}, requires_grad=True)
    out = ours(x)
    first = torch.autograd.grad(loss(out), [x, *ours.parameters()], retain_graph=True)
    second = torch.autograd.grad(loss(out), [x, *ours.parameters()], retain_graph=True)
    third = torch.autograd.grad(loss(out), [x, *ours.parameters()], create_graph=True)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert_same(third, first)  # the equations' masks are the kernels'


@pytest.mark.parametrize(("name", "options"), CASES)
def test_gradient_penalty(name: str, options: Any) -> None:
    results = []
    for module in pair(name, options):
        x, state = new_input(options, requires_grad=True), new_state(name, options)
        y = module(x, state)[0]
        (slope,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
        penalty = (slope.norm() - 1) ** 2
        results.append(
            [penalty, *torch.autograd.grad(penalty, [x, *leaves(state), *module.parameters()])]
        )
    assert results[1][0] > 0
    assert_same(*results)


@pytest.mark.parametrize(("name", "options"), CELLS)
def test_hessians(name: str, options: Any) -> None:
    results = []
    for module in pair(name, options):
        x = new_input(options)[:2, :1]

        def value(x: Any, module: Any = module) -> Any:
            return module(x)[0].square().sum()

        functional = torch.autograd.functional
        results.append(
            [
                functional.hessian(value, x),
                functional.hessian(value, x, vectorize=True),
                functional.jacobian(lambda x, m=module: m(x)[0], x),
            ]
        )
        if module is not None and len(results) == 1:
            ours = functional.jacobian(lambda x, m=module: m(x)[0], x, vectorize=True)
            assert_same([ours], results[0][2:])
    assert_same(*results)
    assert results[0][0].abs().max() > 0


def test_inputs_that_depend_on_each_other() -> None:
    """Where h0 is made of x, the gradient through h0 is not counted twice."""
    results = []
    for module in pair("GRU", {}):
        x = new_input({}, requires_grad=True)
        h0 = torch.tanh(x.sum(0)[:, :1].expand(3, 7)).unsqueeze(0)
        (slope,) = torch.autograd.grad(module(x, h0)[0].square().sum(), x, create_graph=True)
        results.append([slope, *torch.autograd.grad(slope.square().sum(), [x])])
    assert_same(*results)


def test_checkpointing_keeps_no_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    results = []
    passes = count_native(monkeypatch)
    for reentrant in (False, True, None):
        ours, _ = pair("LSTM", {"num_layers": 2, "dropout": 0.5})
        x = new_input({}, requires_grad=True)
        torch.manual_seed(8)
        if reentrant is None:
            y = ours(x)[0]
        else:
            y = torch.utils.checkpoint.checkpoint(
                lambda x, m=ours: m(x)[0], x, use_reentrant=reentrant
            )
            assert passes[-1] is False
        y.square().sum().backward()
        results.append([y, x.grad, *(p.grad for p in ours.parameters())])
    assert_same(results[0], results[2])
    assert_same(results[1], results[2])


def test_saved_tensors_elsewhere() -> None:
    results = []
    for module in pair("GRU", {}):
        x = new_input({}, requires_grad=True)
        with torch.autograd.graph.save_on_cpu():
            y = module(x)[0]
        y.square().sum().backward()
        results.append([x.grad, *(p.grad for p in module.parameters())])
    assert_same(*results)


# Threads


def in_threads(count: int, work: Any) -> list[Any]:
    results: list[Any] = [None] * count
    barrier = threading.Barrier(count)

    def run(i: int) -> None:
        barrier.wait()
        results[i] = work(i)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.parametrize(("name", "options"), [("GRU", {}), ("LSTM", {"num_layers": 2})])
def test_gradients_belong_to_a_call(name: str, options: Any) -> None:
    ours, theirs = pair(name, options)
    torch.manual_seed(9)
    inputs = [torch.randn(6, 3, 5, dtype=torch.float64) for _ in range(100)]
    weights = [list(m.parameters()) for m in (ours, theirs)]
    expected = [torch.autograd.grad(theirs(x)[0].sum(), weights[1]) for x in inputs]

    def work(i: int) -> list[Any]:
        return [torch.autograd.grad(ours(x)[0].sum(), weights[0]) for x in inputs]

    for found in in_threads(4, work):
        for mine, theirs_own in zip(found, expected, strict=True):
            assert_same(mine, theirs_own)


def test_other_weights_in_another_thread() -> None:
    """A pass uses the weights of its call while calls with others run on the same network."""
    from rnnfast.interop.torch._counterpart import Counterpart, key_of
    from rnnfast.interop.torch._pass import Call, Pass

    ours, theirs = pair("LSTM", {})
    counterpart = Counterpart(key_of(ours, torch.float64))
    x = new_input({})
    sets = []
    for seed in range(4):
        torch.manual_seed(seed)
        given = {n: torch.randn_like(p).requires_grad_() for n, p in theirs.named_parameters()}
        y = torch.func.functional_call(theirs, given, (x,))[0]
        sets.append((list(given.values()), y, torch.autograd.grad(y.sum(), list(given.values()))))

    def work(i: int) -> list[Any]:
        weights, _, _ = sets[i]
        found = []
        for _ in range(50):
            call = Call(counterpart, counterpart.packed(weights, True), False)
            y = Pass.apply(call, x, None, None, *weights)[0]
            found.append((y, torch.autograd.grad(y.sum(), weights)))
        return found

    for (_, y, gradients), found in zip(sets, in_threads(4, work), strict=True):
        for mine, of_mine in found:
            assert_same([mine, *of_mine], [y, *gradients])


def test_backward_of_one_graph_in_two_threads() -> None:
    ours, _ = pair("GRU", {})
    y = ours(new_input({}))[0]
    weights = list(ours.parameters())

    def work(i: int) -> Any:
        return torch.autograd.grad(y.sum(), weights, retain_graph=True)

    first, *others = in_threads(4, work)
    for other in others:
        assert all(torch.equal(a, b) for a, b in zip(first, other, strict=True))
