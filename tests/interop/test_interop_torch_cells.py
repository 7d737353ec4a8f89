"""Cells: steps without gradients run on the kernels, all others are PyTorch's."""

from __future__ import annotations

import contextlib
import copy
import pickle
from typing import Any

import pytest

import rnnfast as rf
from dropin_cases import assert_same, interop, leaves, torch
from test_interop_torch_weights import WRITES

steps = pytest.importorskip("rnnfast.interop.torch._steps")
nn = torch.nn
pytestmark = pytest.mark.skipif(
    steps.ACCESS is None, reason="this PyTorch shows its tensors in no such way"
)
CELLS = [
    ("RNNCell", {}),
    ("RNNCell", {"nonlinearity": "relu", "bias": False}),
    ("GRUCell", {}),
    ("GRUCell", {"bias": False}),
    ("LSTMCell", {}),
    ("LSTMCell", {"bias": False}),
]
FLOAT = {"rtol": 1e-5, "atol": 1e-6}


def pair(name: str, options: Any, dtype: Any = torch.float64) -> tuple[Any, Any]:
    torch.manual_seed(0)
    theirs = getattr(nn, name)(5, 7, dtype=dtype, **options)
    ours = getattr(interop, name)(5, 7, dtype=dtype, **options)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def looped(cell: Any, x: Any, state: Any = None) -> list[Any]:
    found = []
    for row in x:
        state = cell(row, state)
        found += leaves(state)
    return found


@pytest.mark.parametrize(("name", "options"), CELLS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(4, 3, 5), (4, 5), (4, 1, 5)])
def test_a_loop_is_pytorchs(
    name: str, options: Any, dtype: Any, shape: Any, taken: list[bool]
) -> None:
    ours, theirs = pair(name, options, dtype)
    x = torch.randn(shape, dtype=dtype)
    tolerance = FLOAT if dtype is torch.float32 else {}
    with torch.no_grad():
        found, expected = looped(ours, x), looped(theirs, x)
    assert_same(found, expected, **tolerance)
    assert all(
        not t.requires_grad and t.shape == e.shape for t, e in zip(found, expected, strict=True)
    )
    assert taken == [True] * 4
    wide = torch.randn(4, 3, 10, dtype=dtype)[..., ::2]  # rows that are not contiguous
    with torch.no_grad():
        assert_same(looped(ours, wide), looped(theirs, wide), **tolerance)


@pytest.mark.parametrize(("name", "options"), CELLS)
def test_gradients_are_pytorchs(name: str, options: Any, taken: list[bool]) -> None:
    found = []
    for module in pair(name, options):
        torch.manual_seed(1)
        x = torch.randn(4, 3, 5, dtype=torch.float64, requires_grad=True)
        out = looped(module, x)
        total = sum(t.square().sum() for t in out)
        found.append([*out, *torch.autograd.grad(total, [x, *module.parameters()])])
    assert_same(*found)
    assert not taken


@pytest.mark.parametrize(("name", "options"), CELLS)
@pytest.mark.parametrize("write", WRITES)
def test_every_write_is_seen(name: str, options: Any, write: str, taken: list[bool]) -> None:
    if write == "strides":
        options = {**options, "bias": False}
    modules = pair(name, options)
    x = torch.randn(2, 3, 5, dtype=torch.float64)
    with torch.no_grad():
        before = [looped(m, x) for m in modules]
        for module in modules:
            for weight in module.parameters():
                WRITES[write](weight)
        after = [looped(m, x) for m in modules]
    assert_same(*before)
    assert_same(*after)
    assert not torch.equal(before[0][0], after[0][0])
    assert taken[:2] == [True, True]


@pytest.mark.parametrize(("name", "options"), CELLS)
def test_other_weights_and_numbers(name: str, options: Any) -> None:
    found = []
    for module in pair(name, options):
        torch.manual_seed(2)
        x = torch.randn(3, 5, dtype=torch.float64)
        with torch.no_grad():
            out = leaves(module(x))
            given = {n: 0.5 * p for n, p in module.named_parameters()}
            out += leaves(torch.func.functional_call(module, given, (x,)))
            out += leaves(module(x * float("nan")))
            nn.utils.parametrizations.weight_norm(module, "weight_hh")
            out += leaves(module(x, module(x)))
            nn.utils.parametrize.remove_parametrizations(module, "weight_hh")
            module.float()
            out += leaves(module(x.float()))
        found.append(out)
    assert_same(*found, **FLOAT)


@pytest.mark.parametrize(("name", "options"), CELLS)
@pytest.mark.parametrize(
    "call",
    [
        lambda m: m(torch.zeros(3, 6, dtype=torch.float64)),
        lambda m: m(torch.zeros(3, 5)),
        lambda m: m(torch.zeros(2, 3, 5, 1, dtype=torch.float64)),
        lambda m: m(torch.zeros(3, 5, dtype=torch.float64), torch.zeros(2, 7, dtype=torch.float64)),
        lambda m: m(torch.zeros(3, 5, dtype=torch.float64), (torch.zeros(3, 7),) * 2),
        lambda m: m([1.0]),
        lambda m: m(),
    ],
)
def test_what_is_wrong_is_pytorchs_to_say(name: str, options: Any, call: Any) -> None:
    messages = []
    for module in pair(name, options):
        with torch.no_grad(), pytest.raises(Exception) as error:
            call(module)
        messages.append((type(error.value), str(error.value).split("\n")[0]))
    assert messages[0] == messages[1]


@pytest.mark.parametrize(("name", "options"), CELLS)
def test_swapped_copied_pickled_scripted_and_restored(
    name: str, options: Any, taken: list[bool]
) -> None:
    _, theirs = pair(name, options)
    x = torch.randn(3, 5, dtype=torch.float64)
    with torch.no_grad():
        expected = leaves(theirs(x))
        model = nn.ModuleDict({"cell": theirs})
        report = interop.accelerate(model)
        assert report == interop.Report({"cell": name}, {})
        assert model["cell"] is theirs
        assert_same(leaves(theirs(x)), expected)
        for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
            assert_same(leaves(other["cell"](x)), expected)
            interop.restore(other)
            assert type(other["cell"]) is getattr(nn, name)
        assert taken == [True] * 3
        assert_same(leaves(torch.compile(theirs, backend="eager")(x)), expected)
        ours, _ = pair(name, options)
        layer = getattr(rf, name.removesuffix("Cell")).from_torch(theirs)
        assert_same([torch.from_numpy(layer(x.numpy()[None])[0])[0]], expected[:1])
        ours(x)
        ours.__prepare_scriptable__()
        interop.restore(model)
    assert type(theirs) is getattr(nn, name)
    assert "_kept" not in vars(theirs)


@pytest.mark.filterwarnings("ignore")  # torch.jit is full of them
@pytest.mark.parametrize(("name", "options"), CELLS)
@pytest.mark.parametrize("way", ["trace", "script", "export", "fx"])
def test_recorded(name: str, options: Any, way: str, taken: list[bool]) -> None:
    ours, theirs = pair(name, options)
    x = torch.randn(3, 5, dtype=torch.float64)
    with torch.no_grad():
        ours(x)
        if way == "trace":
            recorded = torch.jit.trace(ours, x)
        elif way == "script":
            recorded = torch.jit.script(ours)
        elif way == "fx":
            recorded = torch.fx.symbolic_trace(nn.Sequential(ours))
        else:
            recorded = torch.export.export(ours, (x,)).module()
        other = torch.randn(3, 5, dtype=torch.float64)
        assert_same(leaves(recorded(other)), leaves(theirs(other)))
    assert taken[0]


@pytest.mark.parametrize("name", ["RNNCell", "GRUCell", "LSTMCell"])
def test_large_cells_are_pytorchs_unless_frozen(name: str, taken: list[bool]) -> None:
    ours = getattr(interop, name)(300, 300)
    theirs = getattr(nn, name)(300, 300)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(2, 300)
    with torch.no_grad():
        assert_same(leaves(ours(x)), leaves(theirs(x)), **FLOAT)
        assert not taken
        with interop.frozen(ours):
            assert_same(leaves(ours(x)), leaves(theirs(x)), **FLOAT)
            assert taken == [True]
        for one in (x[0], x[1:]):
            assert_same(leaves(ours(one)), leaves(theirs(one)), **FLOAT)
        assert taken == [True] * 3
        with interop.frozen(ours), pytest.raises(RuntimeError, match="frozen"):
            interop.accelerate(nn.Sequential(small := nn.GRUCell(5, 7)))
            with interop.frozen(small):
                interop.restore(small)


@pytest.mark.parametrize("name", ["RNNCell", "GRUCell", "LSTMCell"])
@pytest.mark.parametrize("frozen", [False, True])
def test_biases_are_those_that_there_are(name: str, frozen: bool, taken: list[bool]) -> None:
    ours, theirs = pair(name, {})
    x = torch.randn(4, 3, 5, dtype=torch.float64)
    for cell in (ours, theirs):
        cell.bias = False  # which a step of PyTorch's does not ask
    with torch.no_grad(), interop.frozen(ours) if frozen else contextlib.nullcontext():
        assert_same(looped(ours, x), looped(theirs, x))
    assert taken == [True] * 4
    for cell in (ours, theirs):
        cell.bias = True
        cell.bias_ih = cell.bias_hh = None
    with torch.no_grad(), interop.frozen(ours) if frozen else contextlib.nullcontext():
        assert_same(looped(ours, x), looped(theirs, x))
    assert taken == [True] * 8
