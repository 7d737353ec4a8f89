"""The drop-in layers use the weights that the module has at each call, however they changed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dropin_cases import (
    CASES,
    CELLS,
    assert_same,
    loss,
    new_input,
    pair,
    tensors,
    torch,
)

OPTIMIZERS = {
    "SGD": {"momentum": 0.9, "fused": True},
    "Adam": {"fused": True},
    "AdamW": {"fused": True},
    "Adagrad": {"fused": True},
    "RMSprop": {"foreach": True},
}


@pytest.mark.parametrize(("name", "options"), CELLS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_trains(name: str, options: Any, optimizer: str) -> None:
    x, losses = new_input(options), []
    modules = pair(name, options)
    for module in modules:
        one = getattr(torch.optim, optimizer)(module.parameters(), lr=0.01, **OPTIMIZERS[optimizer])
        of_one = []
        for _ in range(5):
            one.zero_grad()
            value = module(x)[0].square().sum()
            value.backward()
            one.step()
            of_one.append(value)
        losses.append(of_one)
    assert_same(*losses, rtol=1e-8, atol=1e-10)
    assert losses[0][-1] < losses[0][0]


def through_numpy(weight: Any) -> None:
    array = weight.detach().numpy()
    array *= 0.5


def through_another_tensor(weight: Any) -> None:
    weight.data = weight.data * 0.5


WRITES: dict[str, Any] = {
    "mul_": lambda w: w.data.mul_(0.5),
    "clamp_": lambda w: w.data.clamp_(-0.05, 0.05),
    "copy_": lambda w: w.data.copy_(torch.ones_like(w)),
    "init": lambda w: torch.nn.init.constant_(w.data, 0.25),
    "numpy": through_numpy,
    "data": through_another_tensor,
    "one bit": lambda w: w.data.view(-1)[-1:].neg_(),
    "strides": lambda w: setattr(w, "data", w.data.t().contiguous().t().mul(0.5)),
}


@pytest.mark.parametrize(("name", "options"), CASES)
@pytest.mark.parametrize("write", WRITES)
def test_writes_that_no_counter_sees(name: str, options: Any, write: str) -> None:
    if write == "strides" and options.get("bias", True):
        options = {**options, "bias": False}
    modules = pair(name, options)
    x = new_input(options)
    before = [tensors(m(x)) for m in modules]
    for module in modules:
        for weight in module.parameters():
            WRITES[write](weight)
    after = [tensors(m(x)) for m in modules]
    assert_same(*before)
    assert_same(*after)
    assert not torch.equal(after[0][0], before[0][0])


@pytest.mark.parametrize(("name", "options"), CELLS)
def test_addresses_that_come_back(name: str, options: Any) -> None:
    ours, theirs = pair(name, options)
    x = new_input(options)
    count = sum(p.numel() for p in ours.parameters())
    for seed in range(50):
        for module in (ours, theirs):
            generator = torch.Generator().manual_seed(seed)
            vector = torch.randn(count, dtype=torch.float64, generator=generator)
            torch.nn.utils.vector_to_parameters(vector, module.parameters())
            del vector  # its memory may be had again
        assert_same(tensors(ours(x)), tensors(theirs(x)))


@pytest.mark.parametrize(("name", "options"), CASES)
def test_functional_call_uses_and_trains_what_it_is_given(name: str, options: Any) -> None:
    results = []
    for module in pair(name, options):
        x = new_input(options)
        module(x)
        torch.manual_seed(5)
        given = {n: torch.randn_like(p).requires_grad_() for n, p in module.named_parameters()}
        out = torch.func.functional_call(module, given, (x,))
        own = torch.autograd.grad(
            loss(out), [*given.values(), *module.parameters()], allow_unused=True
        )
        assert all(g is None for g in own[len(given) :])
        results.append([*tensors(out), *own[: len(given)], *tensors(module(x))])
    assert_same(*results)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_each_backward_uses_the_weights_of_its_forward(name: str, options: Any) -> None:
    """Two calls of one module with different weights, then back through both (MAML)."""
    results = []
    for module in pair(name, options):
        x = new_input(options, requires_grad=True)
        names = [n for n, _ in module.named_parameters()]
        first = list(module.parameters())
        inner = module(x)[0].square().sum()
        steps = torch.autograd.grad(inner, first, create_graph=True)
        second = [w - 0.1 * g for w, g in zip(first, steps, strict=True)]
        functional = torch.func.functional_call
        outer = functional(module, dict(zip(names, second, strict=True)), (x,))
        value = loss(outer) + loss(module(x), seed=7)
        results.append([*tensors(outer), value, *torch.autograd.grad(value, [x, *first])])
    assert_same(*results)


def weight_norm(module: Any) -> None:
    torch.nn.utils.parametrizations.weight_norm(module, "weight_hh_l0")


def old_weight_norm(module: Any) -> None:
    with pytest.warns(FutureWarning):
        torch.nn.utils.weight_norm(module, "weight_hh_l0")


def orthogonal(module: Any) -> None:
    torch.nn.utils.parametrizations.orthogonal(module, "weight_hh_l0")


def pruned(module: Any) -> None:
    import torch.nn.utils.prune

    torch.manual_seed(4)
    torch.nn.utils.prune.random_unstructured(module, "weight_hh_l0", amount=0.5)


@pytest.mark.parametrize(("name", "options"), CELLS)
@pytest.mark.parametrize("change", [weight_norm, old_weight_norm, orthogonal, pruned])
def test_parametrizations(name: str, options: Any, change: Any) -> None:
    results = []
    for module in pair(name, options):
        x = new_input(options)
        module(x)
        change(module)
        with torch.no_grad():
            for p in module.parameters():
                p.add_(0.1)
        out = module(x)
        wanted = list(module.parameters())
        results.append([*tensors(out), *torch.autograd.grad(loss(out), wanted)])
    assert_same(*results)


class Counted(torch.nn.Module):
    """A parametrization with a state: another weight each time."""

    times = 0

    def forward(self, weight: Any) -> Any:
        self.times += 1
        return weight * (1 + 0.1 * self.times)


def counted(module: Any) -> None:
    torch.nn.utils.parametrize.register_parametrization(module, "weight_hh_l0", Counted())


def spectral(module: Any) -> None:
    torch.manual_seed(4)
    torch.nn.utils.parametrizations.spectral_norm(module, "weight_hh_l0")


@pytest.mark.parametrize(("name", "options"), CELLS)
@pytest.mark.parametrize("change", [counted, spectral])
def test_parametrizations_that_change_as_they_are_used(
    name: str, options: Any, change: Any
) -> None:
    """They are computed as often as by PyTorch."""
    results = []
    for module in pair(name, options):
        x = new_input(options)
        change(module)
        torch.manual_seed(6)
        values = [tensors(module(x))[0] for _ in range(3)]
        with torch.nn.utils.parametrize.cached():
            values += [tensors(module(x))[0] for _ in range(2)]
        wanted = list(module.parameters())
        results.append([*values, *torch.autograd.grad(values[-1].square().sum(), wanted)])
    assert_same(*results)


@pytest.mark.parametrize("name", ["RNN", "GRU", "LSTM"])
def test_flat_weights_of_the_users(name: str) -> None:
    results: list[list[Any]] = []
    for module in pair(name, {"num_layers": 2}):
        x = new_input({})
        module._flat_weights = [w * 2 for w in module._flat_weights]
        out = module(x)
        value = [*tensors(out), *torch.autograd.grad(loss(out), list(module.parameters()))]
        module._flat_weights = [w.detach() for w in module._flat_weights]
        value += tensors(module(x))
        assert not value[-1].requires_grad
        module._flat_weights = module._flat_weights[:-1]
        with pytest.raises(RuntimeError) as error:
            module(x)
        weight = module.weight_hh_l0
        del module.weight_hh_l0
        module.weight_hh_l0 = torch.nn.Parameter(weight.detach() * 3)
        module._init_flat_weights()
        results.append([*value, *tensors(module(x)), str(error.value)])
    assert results[0].pop() == results[1].pop()
    assert_same(*results)


@pytest.mark.parametrize("name", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.parametrize("calls", [0, 3])
@pytest.mark.parametrize("shape", [(6, 3, 5), (1, 1, 5), (1, 5)])
def test_one_of_the_flat_weights_replaced(
    name: str, grad: bool, calls: int, shape: tuple[int, ...]
) -> None:
    """In the list itself, which no attribute of the module tells of."""
    results: list[list[Any]] = []
    x = new_input({}).new_ones(shape)
    for module in pair(name, {}):
        with torch.set_grad_enabled(grad):
            for _ in range(calls):
                module(x)
            value: list[Any] = []
            for place in range(len(module._flat_weights)):
                other = torch.full_like(module._flat_weights[place], 0.1 + place)
                module._flat_weights[place] = torch.nn.Parameter(other) if place % 2 else other
                value += [one.detach() for _ in range(2) for one in tensors(module(x))]
            module._init_flat_weights()
            value += [one.detach() for one in tensors(module(x))]
        results.append(value)
    assert_same(*results)


def test_tied_and_replaced_parameters() -> None:
    results = []
    for module in pair("GRU", {"num_layers": 2}):
        x = new_input({})
        module(x)
        module.weight_hh_l1 = module.weight_hh_l0
        module.bias_ih_l1 = torch.nn.Parameter(module.bias_ih_l0.detach() + 1)
        out = module(x)
        results.append([*tensors(out), *torch.autograd.grad(loss(out), module.parameters())])
    assert_same(*results)


def test_some_weights_are_not_trained() -> None:
    results = []
    for module in pair("LSTM", {"num_layers": 2}):
        module.weight_hh_l0.requires_grad_(False)
        module.bias_ih_l1.requires_grad_(False)
        module(new_input({}))[0].square().sum().backward()
        results.append([p.grad for p in module.parameters()])
    assert_same(*results)


def test_dtype_changes() -> None:
    ours, theirs = pair("LSTM", {})
    for dtype in (torch.float64, torch.float32, torch.float64):
        ours, theirs = ours.to(dtype), theirs.to(dtype)
        x = new_input({}, dtype)
        assert_same(tensors(ours(x)), tensors(theirs(x)), rtol=1e-5, atol=1e-6)


def test_gradients_have_memory_of_their_own() -> None:
    ours, _ = pair("LSTM", {})
    ours(new_input({}))[0].sum().backward()
    for p in ours.parameters():
        assert p.grad.untyped_storage().nbytes() == p.numel() * p.element_size()
    kept = [p.grad.clone() for p in ours.parameters()]
    ours(new_input({}))[0].sum().backward()  # adds to them
    assert_same([p.grad for p in ours.parameters()], [2 * k for k in kept])


def test_another_process_writes_the_weights() -> None:
    """Hogwild: shared memory that no counter of this process sees change."""
    ours, theirs = pair("GRU", {})
    ours.share_memory()
    ours(new_input({}))
    context = torch.multiprocessing.get_context("fork")
    child = context.Process(target=through_numpy, args=(ours.weight_hh_l0,))
    child.start()
    child.join()
    through_numpy(theirs.weight_hh_l0)
    np.testing.assert_array_equal(ours.weight_hh_l0.detach(), theirs.weight_hh_l0.detach())
    assert_same(tensors(ours(new_input({}))), tensors(theirs(new_input({}))))
