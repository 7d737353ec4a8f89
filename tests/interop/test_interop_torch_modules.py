"""PyTorch's own samples of its recurrent modules, through the drop-in layers."""

from __future__ import annotations

import copy
import functools
import io
import pickle
from typing import Any

import pytest

from dropin_cases import assert_same, interop, leaves, tensors, torch

pytest.importorskip("expecttest", reason="expecttest, which PyTorch's samples need, is missing")
common_modules = pytest.importorskip("torch.testing._internal.common_modules")

NAMES = ["RNN", "GRU", "LSTM"]
rnn = torch.nn.utils.rnn


@functools.cache
def samples(name: str, training: bool) -> list[tuple[Any, tuple[Any, ...]]]:
    """Return constructors' and calls' arguments; packed ones for each batched sample too."""
    (info,) = (m for m in common_modules.module_db if m.module_cls is getattr(torch.nn, name))
    torch.manual_seed(0)
    found = []
    for s in info.module_inputs_func(
        info, device="cpu", dtype=torch.float64, requires_grad=True, training=training
    ):
        options = s.constructor_input.kwargs
        call = tuple(s.forward_input.args)
        assert not s.constructor_input.args
        assert not s.forward_input.kwargs
        found.append((options, call))
        # The samples come without a batch: the same with one, and packed.
        x, *state = call
        if x.dim() == 2:
            batched = torch.stack([x, x.flip(0), 2 * x], 0 if options["batch_first"] else 1)
            states = [tuple(t.unsqueeze(1).repeat(1, 3, 1) for t in leaves(one)) for one in state]
            states = [one if name == "LSTM" else one[0] for one in states]
            found.append((options, (batched.detach().requires_grad_(), *states)))
            lengths = torch.tensor([1, len(x), 1])
            packed = rnn.pack_padded_sequence(
                batched.detach().requires_grad_(), lengths, options["batch_first"], False
            )
            found.append((options, (packed, *states)))
    return found


CASES = [
    pytest.param(name, training, k, id=f"{name}-{'train' if training else 'eval'}-{k}")
    for name in NAMES
    for training in (True, False)
    for k in range(len(samples(name, training)))
]


def modules(name: str, training: bool, options: Any) -> tuple[Any, Any]:
    torch.manual_seed(1)
    theirs = getattr(torch.nn, name)(dtype=torch.float64, **options).train(training)
    ours = getattr(interop, name)(dtype=torch.float64, **options).train(training)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def tensors_of(call: tuple[Any, ...]) -> list[Any]:
    x, *state = call
    x = x.data if isinstance(x, rnn.PackedSequence) else x
    return [x, *(t for one in state for t in leaves(one))]


def fresh(call: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the arguments as leaves of their own."""

    def leaf(t: Any) -> Any:
        return t.detach().clone().requires_grad_()

    x, *state = call
    x = rnn.PackedSequence(leaf(x.data), *x[1:]) if isinstance(x, rnn.PackedSequence) else leaf(x)
    return x, *(tuple(map(leaf, s)) if isinstance(s, tuple) else leaf(s) for s in state)


@pytest.mark.parametrize(("name", "training", "k"), CASES)
def test_forward_and_backward(name: str, training: bool, k: int) -> None:
    options, sample = samples(name, training)[k]
    results = []
    for module in modules(name, training, options):
        call = fresh(sample)
        out = tensors(module(*call))
        wanted = [*tensors_of(call), *module.parameters()]
        results.append([*out, *torch.autograd.grad(sum(t.sum() for t in out), wanted)])
    assert_same(*results, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(
    ("name", "k"), [(n, k) for n in NAMES for k in range(len(samples(n, True)))]
)
def test_gradcheck_and_gradgradcheck(name: str, k: int) -> None:
    options, sample = samples(name, True)[k]
    module, _ = modules(name, True, options)
    x, *state = fresh(sample)
    names = [n for n, _ in module.named_parameters()]
    inputs = [*tensors_of((x, *state)), *(p.detach().requires_grad_() for p in module.parameters())]

    def run(*given: Any) -> Any:
        head, *rest = given[: len(given) - len(names)]
        first = rnn.PackedSequence(head, *x[1:]) if isinstance(x, rnn.PackedSequence) else head
        states = [tuple(rest)] if name == "LSTM" and rest else rest
        weights = dict(zip(names, given[len(given) - len(names) :], strict=True))
        return tuple(tensors(torch.func.functional_call(module, weights, (first, *states))))

    # All entries of the first order for some samples; a random projection for the rest.
    plain = k % 12 == 0
    assert torch.autograd.gradcheck(run, inputs, check_batched_grad=plain, fast_mode=not plain)
    assert torch.autograd.gradgradcheck(run, inputs, fast_mode=True)


@pytest.mark.parametrize(("name", "training", "k"), CASES)
@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
def test_copies_strides_and_other_dtypes(name: str, training: bool, k: int) -> None:
    options, sample = samples(name, training)[k]
    ours, theirs = modules(name, training, options)
    expected = tensors(theirs(*sample))
    assert_same(tensors(ours(*sample)), expected)
    file = io.BytesIO()
    torch.save(ours.state_dict(), file)
    file.seek(0)
    loaded, _ = modules(name, training, options)
    for p in loaded.parameters():
        p.data.zero_()
    loaded.load_state_dict(torch.load(file))
    for other in (pickle.loads(pickle.dumps(ours)), copy.deepcopy(ours), loaded):
        assert repr(other) == repr(ours)
        assert_same(tensors(other(*sample)), expected)
    x, *state = sample
    if isinstance(x, rnn.PackedSequence):
        return
    strided = torch.stack([x, x], -1)[..., 1]
    states = [tuple(torch.stack([t, t], -1)[..., 1] for t in leaves(one)) for one in state]
    states = [one if name == "LSTM" else one[0] for one in states]
    assert not strided.is_contiguous()
    assert_same(tensors(ours(strided, *states)), expected)
    ours, theirs = ours.float(), theirs.float()
    call = [x.float(), *(tuple(t.float() for t in leaves(one)) for one in state)]
    call[1:] = [one if name == "LSTM" else one[0] for one in call[1:]]
    assert_same(tensors(ours(*call)), tensors(theirs(*call)), rtol=1e-4, atol=1e-5)
