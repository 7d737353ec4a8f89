"""The drop-in layers against those of PyTorch: results, gradients, training."""

from __future__ import annotations

from typing import Any

import pytest

from dropin_cases import (
    CASES,
    CELLS,
    assert_same,
    count_native,
    interop,
    leaves,
    loss,
    new_input,
    new_state,
    pair,
    tensors,
    torch,
)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(("name", "options"), CASES)
@pytest.mark.parametrize("given", [False, True])
@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
def test_results_and_gradients_are_pytorchs(
    name: str, options: Any, given: bool, dtype: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = count_native(monkeypatch)
    results = []
    for module in pair(name, options, dtype):
        x = new_input(options, dtype, requires_grad=True)
        state = new_state(name, options, dtype=dtype) if given else None
        out = module(x, state)
        wanted = [x, *leaves(state), *module.parameters()]
        results.append([*tensors(out), *torch.autograd.grad(loss(out), wanted)])
    exact = dtype == torch.float64
    assert_same(*results, **({} if exact else {"rtol": 1e-4, "atol": 1e-5}))
    assert passes == [True]


@pytest.mark.parametrize(("name", "options"), CELLS)
@pytest.mark.parametrize("batch_first", [False, True])
def test_a_single_sequence(name: str, options: Any, batch_first: bool) -> None:
    results = []
    for module in pair(name, {**options, "batch_first": batch_first}):
        x = new_input({}, requires_grad=True)[:, 0]
        state = new_state(name, options, 1)
        one = tuple(s[:, 0] for s in state) if name == "LSTM" else state[:, 0]
        out = module(x, one)
        results.append([*tensors(out), *torch.autograd.grad(loss(out), leaves(state))])
    assert_same(*results)


def test_inference_mode() -> None:
    ours, theirs = pair("LSTM", {})
    x = torch.randn(6, 5, dtype=torch.float64)
    with torch.inference_mode():
        assert_same(tensors(ours(x)), tensors(theirs(x)))
        assert ours(x)[0].is_inference()


@pytest.mark.parametrize(("name", "options"), CELLS)
def test_only_some_outputs_are_used(name: str, options: Any) -> None:
    for used in (0, 1, -1):
        results = []
        for module in pair(name, options):
            x = new_input(options, requires_grad=True)
            out = tensors(module(x))[used]
            results.append(torch.autograd.grad(out.square().sum(), [x, *module.parameters()]))
        assert_same(*results)


@pytest.mark.parametrize(("name", "options"), CELLS)
def test_strided_inputs(name: str, options: Any) -> None:
    for view in (
        lambda x: x.transpose(0, 1).contiguous().transpose(0, 1),
        lambda x: torch.stack([x, x], -1)[..., 0],
        lambda x: x[:1].expand(6, 3, 5),
        lambda x: x.flip(0).contiguous().flip(0),
        lambda x: torch.complex(x, -x).conj().imag,
    ):
        results = []
        for module in pair(name, options):
            x = new_input(options, requires_grad=True)
            out = module(view(x))
            results.append(
                [*tensors(out), *torch.autograd.grad(loss(out), [x, *module.parameters()])]
            )
        assert_same(*results)


def test_training_follows_pytorch() -> None:
    ours, theirs = pair("GRU", {})
    x = new_input({})
    for module in (ours, theirs):
        optimizer = torch.optim.Adam(module.parameters(), lr=0.05)
        for _ in range(5):
            optimizer.zero_grad()
            module(x)[0].square().sum().backward()
            optimizer.step()
    assert_same(list(ours.parameters()), list(theirs.parameters()), rtol=1e-8, atol=1e-10)


def wrong_calls(name: str) -> list[Any]:
    """Arguments that PyTorch refuses, or has no kernels' answer for."""
    state = new_state(name, {})
    wide = torch.zeros(1, 3, 8, dtype=torch.float64)
    other = (wide, wide) if name == "LSTM" else wide
    flat = tuple(s[:, 0] for s in state) if name == "LSTM" else state[:, 0]
    zeros = torch.zeros
    return [
        (zeros(6, 3, 4, dtype=torch.float64),),
        (zeros(6, 3, 5),),
        (zeros(5, dtype=torch.float64),),
        (zeros(0, 3, 5, dtype=torch.float64),),
        (zeros(6, 3, 5, dtype=torch.int64),),
        (zeros(6, 3, 5, dtype=torch.float64), other),
        (zeros(6, 2, 5, dtype=torch.float64), state),
        (zeros(6, 3, 5, dtype=torch.float64), flat),
        (zeros(6, 5, dtype=torch.float64), state),
        (zeros(6, 3, 5, dtype=torch.float64).to_sparse(),),
    ]


@pytest.mark.parametrize("name", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize("which", range(10))
def test_what_pytorch_refuses_is_refused_in_its_words(name: str, which: int) -> None:
    ours, theirs = pair(name, {})
    with pytest.raises(Exception) as expected:
        theirs(*wrong_calls(name)[which])
    with pytest.raises(type(expected.value)) as mine:
        ours(*wrong_calls(name)[which])
    assert str(mine.value) == str(expected.value)


@pytest.mark.parametrize("name", ["RNN", "GRU", "LSTM"])
def test_an_empty_batch_is_pytorchs(name: str) -> None:
    ours, theirs = pair(name, {})
    x = torch.zeros(6, 0, 5, dtype=torch.float64)
    assert_same(tensors(ours(x)), tensors(theirs(x)))


@pytest.mark.parametrize("name", ["RNN", "GRU", "LSTM"])
def test_attributes_hold_at_each_call(name: str) -> None:
    """As in PyTorch, `batch_first` and `dropout` may change after the layer was made."""
    ours, theirs = pair(name, {"num_layers": 2})
    x = new_input({"batch_first": True})
    ours(x)
    ours.batch_first = theirs.batch_first = True
    assert_same(tensors(ours(x)), tensors(theirs(x)))
    ours.dropout = 0.5
    assert not torch.equal(ours(x)[0], ours(x)[0])


@pytest.mark.parametrize(("name", "options"), CELLS)
@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_are_not_finite_pass_through(name: str, options: Any, number: float) -> None:
    """In the input, a state, a weight and a gradient: NaN and infinity where PyTorch has them."""
    for place in ("x", "h0", "weight", "dy", "dh"):
        results = []
        for module in pair(name, options):
            x, state = new_input(options), new_state(name, options)
            if place == "x":
                x[2, 1, 3] = number
            elif place == "h0":
                leaves(state)[0].data[0, 1, 2] = number
            elif place == "weight":
                module.weight_hh_l0.data[2, 1] = number
            x.requires_grad_()
            y, h, *_ = tensors(module(x, state))
            dy, dh = torch.ones_like(y), torch.ones_like(h)
            if place == "dy":
                dy[3, 1, 2] = number
            elif place == "dh":
                dh[0, 2, 1] = number
            wanted = [x, *leaves(state), *module.parameters()]
            results.append([y, h, *torch.autograd.grad([y, h], wanted, [dy, dh])])
        assert_same(*results)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_overflow_is_pytorchs(dtype: Any) -> None:
    """Forward in a network that explodes, and back through large weights."""
    largest = torch.finfo(dtype).max
    for scale in (largest**0.5, largest**0.2):
        results = []
        for module in pair("RNN", {"nonlinearity": "relu"}, dtype):
            with torch.no_grad():
                module.weight_hh_l0.fill_(scale)
            x = new_input({}, dtype, requires_grad=True)
            y = module(x)[0]
            y.sum().backward()
            results.append([y, x.grad, *(p.grad for p in module.parameters())])
        assert not torch.isfinite(results[1][3]).all()
        for mine, expected in zip(*results, strict=True):
            for kind in (torch.isnan, torch.isposinf, torch.isneginf):
                assert torch.equal(kind(mine), kind(expected))


def test_the_gradient_scaler_skips_a_step_that_overflows() -> None:
    module = interop.GRU(5, 7)
    optimizer = torch.optim.SGD(module.parameters(), lr=1.0)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127)
    before = [p.clone() for p in module.parameters()]
    scaler.scale(module(new_input({}, torch.float32))[0].square().sum() * 100).backward()
    scaler.step(optimizer)
    scaler.update()
    assert scaler.get_scale() == 2.0**126
    assert all(torch.equal(p, b) for p, b in zip(module.parameters(), before, strict=True))
