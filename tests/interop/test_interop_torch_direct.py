"""A single step of one sequence reads the weights where PyTorch has them."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from dropin_cases import assert_same, interop, leaves, tensors, torch
from test_interop_torch_weights import WRITES

steps = pytest.importorskip("rnnfast.interop.torch._steps")

pytestmark = pytest.mark.skipif(
    steps.ACCESS is None, reason="this PyTorch shows its tensors in no such way"
)
SIZES = [(1, 1), (5, 7), (16, 32), (33, 80), (300, 300), (40, 530)]
OPTIONS: list[dict[str, Any]] = [
    {},
    {"bias": False},
    {"num_layers": 2, "bidirectional": True},
    {"batch_first": True, "num_layers": 3},
]
NAMES = [("RNN", {"nonlinearity": "tanh"}), ("RNN", {"nonlinearity": "relu"})]
NAMES += [("GRU", {}), ("LSTM", {})]
FLOAT = {"rtol": 1e-4, "atol": 1e-5}


def pair(name: str, inputs: int, hidden: int, dtype: Any, options: dict[str, Any]) -> Any:
    torch.manual_seed(0)
    theirs = getattr(torch.nn, name)(inputs, hidden, dtype=dtype, **options)
    ours = getattr(interop, name)(inputs, hidden, dtype=dtype, **options)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def run(module: Any, x: Any, state: Any) -> list[Any]:
    return (
        tensors(module(x, state))
        if module.__class__.__name__[-4:] != "Cell"
        else leaves(module(x, state))
    )


@pytest.mark.parametrize(("name", "kind"), NAMES)
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_steps_have_the_bits_of_packed_weights(
    name: str, kind: Any, options: Any, dtype: Any, taken: list[bool]
) -> None:
    for inputs, hidden in SIZES:
        modules = pair(name, inputs, hidden, dtype, {**kind, **options})
        ours, theirs = modules
        for shape in ((1, 1, inputs), (1, inputs)):
            x = torch.randn(shape, dtype=dtype)
            with torch.no_grad():
                ours(x)
                state = theirs(x)[1]
                for given in (None, state):
                    found = run(ours, x, given)
                    taken.clear()
                    assert_same(run(ours, x, given), found, rtol=0, atol=0)
                    assert taken == [True]
                    with interop.frozen(ours):
                        assert_same(run(ours, x, given), found, rtol=0, atol=0)
                    tolerance = FLOAT if dtype is torch.float32 else {}
                    assert_same(found, run(theirs, x, given), **tolerance)
                    assert all(t.is_contiguous() and t.dtype is dtype for t in found)


@pytest.mark.parametrize("name", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize("cell", [False, True])
@pytest.mark.parametrize("write", WRITES)
def test_every_write_is_seen(name: str, cell: bool, write: str, taken: list[bool]) -> None:
    modules = pair(name + "Cell" * cell, 40, 300, torch.float64, {"bias": False})
    x = torch.randn((1, 40) if cell else (1, 1, 40), dtype=torch.float64)
    with torch.no_grad():
        before = [[run(m, x, None) for _ in range(3)][-1] for m in modules]
        for module in modules:
            for weight in module.parameters():
                WRITES[write](weight)
        after = [run(m, x, None) for m in modules]
    assert_same(*before)
    assert_same(*after)
    assert not torch.equal(after[0][0], before[0][0])
    assert taken[-1] == (write != "strides")


@pytest.mark.parametrize("name", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize("number", [float("inf"), float("nan"), -float("inf")])
def test_numbers_that_are_not_finite_are_pytorchs(name: str, number: float) -> None:
    for where in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0", "x", "hx"):
        results = []
        for module in pair(name, 9, 37, torch.float64, {}):
            torch.manual_seed(1)
            x, h = torch.randn(1, 1, 9), torch.randn(1, 1, 37)
            x, h = x.double(), h.double()
            given = {"x": x, "hx": h}.get(where)
            with torch.no_grad():
                module(x)
                (getattr(module, where) if given is None else given).view(-1)[-3] = number
                results.append(run(module, x, (h, h) if name == "LSTM" else h))
        assert_same(*results)


@pytest.mark.parametrize("name", ["RNN", "GRU", "LSTM"])
def test_two_threads_give_the_same_bits(name: str) -> None:
    before = torch.get_num_threads()
    ours, _ = pair(name, 700, 700, torch.float32, {"bidirectional": True})
    x = torch.randn(1, 1, 700)
    results = []
    try:
        with torch.no_grad():
            for threads in (1, 2):
                torch.set_num_threads(threads)
                results.append([run(ours, x, None) for _ in range(2)][-1])
    finally:
        torch.set_num_threads(before)
    assert_same(*results, rtol=0, atol=0)


def test_weights_of_another_type_and_size_are_followed(taken: list[bool]) -> None:
    ours, _ = pair("GRU", 300, 300, torch.float32, {})
    x = torch.randn(1, 1, 300)
    with torch.no_grad():
        first = run(ours, x, None)
        ours.double()
        assert_same([t.float() for t in run(ours, x.double(), None)], first, **FLOAT)
        with pytest.raises(ValueError, match="dtype"):
            ours(x)
    assert taken == [True, True, False]


@pytest.mark.parametrize("name", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize("cell", [False, True])
def test_a_long_step_holds_what_it_reads(name: str, cell: bool) -> None:
    hidden = 1500 if name == "RNN" else 800
    ours, _ = pair(name + "Cell" * cell, hidden, hidden, torch.float32, {})
    x = torch.zeros((1, hidden) if cell else (1, 1, hidden))
    state = torch.zeros_like(x)
    stop = threading.Event()

    def replace() -> None:
        while not stop.is_set():
            for tensor in (*ours.parameters(), x, state):
                tensor.data = tensor.detach().clone()

    thread = threading.Thread(target=replace)
    with torch.no_grad():
        given = (state, state) if name == "LSTM" else state
        expected = [run(ours, x, given) for _ in range(2)][-1]
        thread.start()
        try:
            for _ in range(100):
                assert_same(run(ours, x, given), expected, rtol=0, atol=0)
        finally:
            stop.set()
            thread.join()
