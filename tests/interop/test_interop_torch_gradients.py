"""Which gradients the drop-in layers give, of which numbers, and which kinds come in."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dropin_cases import CASES, CELLS, assert_same, leaves, new_input, new_state, pair, torch
from rnnfast.interop.torch._counterpart import Counterpart

TRAINED: dict[str, Callable[[str], bool]] = {
    "all": lambda name: True,
    "none": lambda name: False,
    "weights": lambda name: "weight" in name,
    "W_ih": lambda name: "weight_ih" in name,
    "projections": lambda name: "weight_hr" in name,
    "but projections": lambda name: "weight_hr" not in name,
    "lower layer": lambda name: "l0" in name,
    "upper layer": lambda name: "l1" in name,
    "backward": lambda name: "reverse" in name,
}

NAMES = {"x": "input"}  # what messages call an argument of the tests


def stacks() -> Iterator[tuple[str, dict[str, Any]]]:
    for layers, bidirectional in itertools.product((1, 2), (False, True)):
        options = {"num_layers": layers, "bidirectional": bidirectional, "bias": layers == 1}
        for name in ("RNN", "GRU", "LSTM"):
            yield name, options
        yield "LSTM", {**options, "proj_size": 3}


def used(module: Any, x: Any, state: Any, outputs: tuple[int, ...], packed: bool) -> list[Any]:
    """Go back through some of y, h_n and c_n; return all gradients, and who could have one."""
    if packed:
        x = torch.nn.utils.rnn.pack_padded_sequence(x, [len(x), 1, 1])
    y, final = module(x, state)
    found = [y.data if packed else y, *leaves(final)]
    able = [torch.tensor(t.requires_grad) for t in found]
    value = sum(found[i].square().sum() for i in outputs)
    if value.requires_grad:
        value.backward()
    return able


@pytest.mark.parametrize(("name", "options"), list(stacks()))
@pytest.mark.parametrize(("steps", "packed"), [(1, False), (1, True), (3, False)])
def test_a_gradient_is_none_where_pytorchs_is(
    name: str, options: Any, steps: int, packed: bool
) -> None:
    """After one step, c_n of the last layer has not seen its projection."""
    count = 3 if name == "LSTM" else 2
    subsets = [s for n in range(1, count + 1) for s in itertools.combinations(range(count), n)]
    given = list(itertools.product((False, True), (None, True), TRAINED.values()))
    several = options["num_layers"] > 1 or options["bidirectional"]
    for number, (of_x, of_state, trained) in enumerate(given):
        turn = number + number // len(TRAINED)  # of large networks: one subset, in turns
        for outputs in [subsets[turn % len(subsets)]] if several else subsets:
            results = []
            for module in pair(name, options):
                for parameter_name, parameter in module.named_parameters():
                    parameter.requires_grad_(trained(parameter_name))
                x = new_input(options)[:steps].requires_grad_(of_x)
                state = None if of_state is None else new_state(name, options)
                for tensor in leaves(state):
                    tensor.requires_grad_(of_state)
                able = used(module, x, state, outputs, packed)
                gradients = [t.grad for t in (x, *leaves(state), *module.parameters())]
                results.append([*able, *gradients])
            assert_same(*results)


# Weights that are not trained


@pytest.mark.parametrize(("name", "options"), CASES)
@pytest.mark.parametrize("threads", [1, 2])
def test_gradients_of_frozen_weights_are_not_computed(
    name: str, options: Any, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What else there is has the same bits, in passes of several chunks too."""
    ours, _ = pair(name, options)
    torch.manual_seed(2)
    x = torch.randn(90, 8, 5, dtype=torch.float64, requires_grad=True)
    state = new_state(name, options, batch=90 if options.get("batch_first") else 8)
    before = torch.get_num_threads()
    results = []
    try:
        torch.set_num_threads(threads)
        for trained in (True, False):
            if not trained:
                monkeypatch.delattr(Counterpart, "new_gradients")
            ours.requires_grad_(trained)
            y = ours(x, state)[0]
            results.append(torch.autograd.grad(y.square().sum(), [x, *leaves(state)]))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


# Numbers written to between forward and backward where PyTorch does not see it. Its own layers mix
# the old with the new: most of the gradient is of what is there, some of what was computed.


def write(tensor: Any) -> None:
    tensor.data.mul_(2)


def arguments(name: str, options: Any, module: Any, what: str) -> tuple[Any, Any, list[Any]]:
    """Return x, the state, and what is to be written to."""
    x, state = new_input(options, requires_grad=True), new_state(name, options)
    wanted = {"x": [x], "hx": leaves(state), "weights": list(module.parameters())}
    return x, state, wanted[what]


@pytest.mark.parametrize(("name", "options"), CASES)
@pytest.mark.parametrize("what", ["hx", "weights"])
def test_gradients_are_of_what_the_forward_pass_used(name: str, options: Any, what: str) -> None:
    results = []
    for written in (False, True):
        ours, _ = pair(name, options)
        x, state, tensors = arguments(name, options, ours, what)
        y = ours(x, state)[0]
        for tensor in tensors if written else ():
            write(tensor)
        given = [x, *leaves(state), *ours.parameters()]
        results.append(torch.autograd.grad(y.square().sum(), given))
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


@pytest.mark.parametrize(("name", "options"), CASES)
@pytest.mark.parametrize("way", ["twice", "create_graph", "not finite"])
@pytest.mark.parametrize("what", ["x", "hx", "weights"])
def test_what_is_read_again_and_was_written_to_is_refused(
    name: str, options: Any, way: str, what: str
) -> None:
    ours, _ = pair(name, options)
    x, state, tensors = arguments(name, options, ours, what)
    given = [x, *leaves(state), *ours.parameters()]
    for tensor in tensors:
        y = ours(x, state)[0]
        value = y.square().sum() * (float("nan") if way == "not finite" else 1.0)
        first = torch.autograd.grad(y.square().sum(), given, retain_graph=True)
        write(tensor)
        if way == "twice" and what == "weights":  # these it has kept
            second = torch.autograd.grad(value, given)
            assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
            continue
        with pytest.raises(
            RuntimeError, match=f"expected {NAMES.get(what, what)} as .* written to"
        ):
            torch.autograd.grad(value, given, create_graph=way == "create_graph")


REPLACED: dict[str, Callable[[Any], Any]] = {
    "dtype": lambda t: t.half(),
    "shape": lambda t: t[:1],
    "axes": lambda t: t.reshape(-1),
}


@pytest.mark.parametrize(("name", "options"), CASES)
@pytest.mark.parametrize("change", REPLACED)
@pytest.mark.parametrize("what", ["x", "hx", "weights"])
def test_numbers_of_another_kind_are_not_read(
    name: str, options: Any, change: str, what: str
) -> None:
    ours, _ = pair(name, options)
    x, state, tensors = arguments(name, options, ours, what)
    given = [x, *leaves(state), *ours.parameters()]
    for tensor in tensors:
        kept = tensor.detach().clone()
        if REPLACED[change](kept).shape == kept.shape and change != "dtype":
            continue
        y = ours(x, state)[0]
        torch.autograd.grad(y.square().sum(), given, retain_graph=True)
        tensor.data = REPLACED[change](kept)
        with pytest.raises(
            RuntimeError, match=f"expected {NAMES.get(what, what)} as .* written to"
        ):
            torch.autograd.grad(y.square().sum(), given, create_graph=True)
        tensor.data = kept


@pytest.mark.parametrize("written", [False, True])
def test_calls_with_other_weights_between_change_nothing(written: bool) -> None:
    results = []
    for module in pair("GRU", {}):
        x = new_input({}, requires_grad=True)
        y = module(x)[0]
        other = {n: p.detach() * 0.5 for n, p in module.named_parameters()}
        torch.func.functional_call(module, other, (x,))
        if written:
            write(module.weight_hh_l0)
        if written and not results:
            with pytest.raises(RuntimeError, match="backprop: expected weights as they were in"):
                torch.autograd.grad(y.square().sum(), x, create_graph=True)
            return
        results.append(torch.autograd.grad(y.square().sum(), x, create_graph=True))
    assert_same(*results)


@pytest.mark.parametrize("create_graph", [False, True])
def test_hooks_may_give_back_rounded_tensors(create_graph: bool) -> None:
    results = []
    for module in pair("LSTM", {}):
        x = new_input({}, requires_grad=True)
        hooks = torch.autograd.graph.saved_tensors_hooks
        with hooks(lambda t: t.float() if t.is_floating_point() else t, lambda t: t.double()):
            y = module(x * 1)[0]
        results.append(torch.autograd.grad(y.square().sum(), x, create_graph=create_graph))
    assert_same(*results, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "options"), CELLS)
def test_hooks_that_give_back_another_dtype(name: str, options: Any) -> None:
    """They are not read as what they were."""
    ours, _ = pair(name, options)
    x = new_input(options, requires_grad=True)
    hooks = torch.autograd.graph.saved_tensors_hooks
    with hooks(lambda t: t.half(), lambda t: t):
        y = ours(x * 1)[0]
    expected = torch.autograd.grad(ours(x)[0].square().sum(), x)
    assert_same(torch.autograd.grad(y.square().sum(), x), expected, rtol=0.02, atol=0.02)


# Gradients of other kinds


def neg(shape: Any) -> Any:
    return torch._neg_view(dense(shape))


def dense(shape: Any) -> Any:
    torch.manual_seed(4)
    return torch.randn(shape, dtype=torch.float64)


class Logged(torch.Tensor):
    """A class of a user's."""


INCOMING: dict[str, Callable[[Any], Any]] = {
    "zeros without memory": lambda shape: torch._efficientzerotensor(shape, dtype=torch.float64),
    "negated": neg,
    "expanded": lambda shape: torch.ones((), dtype=torch.float64).expand(shape),
    "transposed": lambda shape: dense(shape[::-1]).permute(2, 1, 0),
    "sparse": lambda shape: dense(shape).to_sparse(),
    "sparse rows": lambda shape: dense(shape).to_sparse(1),
    "imaginary part": lambda shape: torch.complex(dense(shape), dense(shape)).conj().imag,
    "of another class": lambda shape: dense(shape).as_subclass(Logged),
    "parameter": lambda shape: torch.nn.Parameter(dense(shape)),
}


class Gives(torch.autograd.Function):
    """A sum whose gradient is of some kind."""

    @staticmethod
    def forward(ctx: Any, tensor: Any, kind: Callable[[Any], Any]) -> Any:
        ctx.kind, ctx.shape = kind, tensor.shape
        return tensor.sum()

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return ctx.kind(ctx.shape), None


@pytest.mark.parametrize(("name", "options"), CELLS)
@pytest.mark.parametrize("kind", INCOMING)
@pytest.mark.parametrize("create_graph", [False, True])
def test_gradients_of_every_kind_come_in(
    name: str, options: Any, kind: str, create_graph: bool
) -> None:
    ours, theirs = pair(name, options)
    for output in range(3 if name == "LSTM" else 2):
        results = []
        for module in (ours, theirs):
            x = new_input(options, requires_grad=True)
            y, final = module(x)
            one = [y, *leaves(final)][output]
            # PyTorch's own layer does not take each of them itself.
            given = INCOMING[kind] if module is ours else lambda s: to_plain(INCOMING[kind](s))
            results.append(
                torch.autograd.grad(
                    Gives.apply(one, given) + (y.square().sum() if output else 0),
                    [x, *module.parameters()],
                    create_graph=create_graph,
                    allow_unused=True,
                )
            )
        assert_same(*results)


def to_plain(tensor: Any) -> Any:
    tensor = tensor.to_dense() if tensor.layout is not torch.strided else tensor
    return tensor.detach().as_subclass(torch.Tensor).clone()
