"""Dropout, copies, dtypes, compilers and transforms: the drop-in layers as PyTorch's are."""

from __future__ import annotations

import copy
import io
import pickle
import subprocess
import sys
from typing import Any

import pytest

from dropin_cases import (
    CASES,
    CELLS,
    assert_same,
    count_native,
    interop,
    new_input,
    pair,
    tensors,
    torch,
)
from rnnfast import _core

nn = torch.nn
NAMES = ["RNN", "GRU", "LSTM"]


class Wrapped(torch.nn.Module):
    """A model around a layer."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x * 1)[0] + 1


# Dropout


@pytest.mark.parametrize(("name", "options"), CELLS)
def test_dropout_depends_on_training_alone(name: str, options: Any) -> None:
    """Monte-Carlo dropout runs without gradients, or with weights that need none."""
    ours, _ = pair(name, {**options, "num_layers": 2, "dropout": 0.5})
    x = new_input(options)

    def run() -> Any:
        torch.manual_seed(7)
        return ours(x)[0]

    with_gradients = run()
    with torch.no_grad():
        assert torch.equal(run(), with_gradients)
        assert not torch.equal(ours(x)[0], ours(x)[0])
    with torch.inference_mode():
        assert torch.equal(run(), with_gradients)
    ours.requires_grad_(False)
    assert torch.equal(run(), with_gradients)
    ours.eval()
    assert torch.equal(ours(x)[0], ours(x)[0])
    with torch.no_grad():
        mean = ours(x)[0]
        ours.train()
        drawn = torch.stack([ours(x)[0] for _ in range(400)]).mean(0)
    assert (drawn - mean).abs().mean() < 0.1


def test_dropout_of_everything() -> None:
    ours, theirs = pair("LSTM", {"num_layers": 2, "dropout": 1.0})
    x = new_input({})
    assert_same(tensors(ours(x)), tensors(theirs(x)))


def test_another_default_device() -> None:
    ours, theirs = pair("LSTM", {"num_layers": 2, "dropout": 0.5})
    x = new_input({})
    with torch.device("meta"):
        assert ours(x)[0].device.type == "cpu"
        assert_same(tensors(ours.eval()(x)), tensors(theirs.eval()(x)))


# Copies


def load(data: bytes) -> Any:
    return torch.load(io.BytesIO(data), weights_only=False)


def save(module: Any) -> bytes:
    file = io.BytesIO()
    torch.save(module, file)
    return file.getvalue()


COPIES: dict[str, Any] = {
    "pickle": lambda m: pickle.loads(pickle.dumps(m)),
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
    "save": lambda m: load(save(m)),
}


@pytest.mark.parametrize(("name", "options"), CASES)
@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize("used", [False, True])
def test_copies(name: str, options: Any, way: str, used: bool) -> None:
    ours, _ = pair(name, options)
    x = new_input(options)
    if used:
        ours(x)[0].sum().backward()
    other = COPIES[way](ours)
    assert type(other) is type(ours)
    assert repr(other) == repr(ours)
    assert_same(tensors(other(x)), tensors(ours(x)))
    if way != "copy":  # which shares the parameters
        other.weight_hh_l0.data.zero_()
        assert not torch.equal(other(x)[0], ours(x)[0])


def test_state_dictionaries() -> None:
    ours, theirs = pair("LSTM", {"bidirectional": True})
    assert list(ours.state_dict()) == list(theirs.state_dict())
    other = interop.LSTM(5, 7, bidirectional=True, dtype=torch.float64)
    other.load_state_dict(load(save(ours.state_dict())))
    assert_same(tensors(other(new_input({}))), tensors(theirs(new_input({}))))


def test_another_process_loads_a_pickled_layer(tmp_path: Any) -> None:
    """As spawn and joblib do."""
    ours, theirs = pair("GRU", {})
    x = new_input({})
    ours(x)
    (tmp_path / "layer").write_bytes(pickle.dumps((ours, x)))
    code = (
        "import pickle, sys; m, x = pickle.load(open(sys.argv[1], 'rb')); "
        "pickle.dump(m(x)[0].detach().numpy(), sys.stdout.buffer)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "layer")], check=True, capture_output=True
    )
    assert_same([torch.from_numpy(pickle.loads(done.stdout))], [theirs(x)[0]])


# What the kernels do not run


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_narrow_numbers(name: str, dtype: Any) -> None:
    ours, theirs = pair(name, {}, dtype)
    x = new_input({}, dtype)
    with torch.no_grad():
        assert torch.equal(ours(x)[0], theirs(x)[0])
    with pytest.raises(ValueError) as mine:
        ours(new_input({}, torch.float32))
    with pytest.raises(ValueError, match="type") as expected:
        theirs(new_input({}, torch.float32))
    assert str(mine.value) == str(expected.value)


@pytest.mark.parametrize("name", NAMES)
def test_autocast(name: str) -> None:
    ours, theirs = pair(name, {}, torch.float32)
    x = new_input({}, torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        try:
            expected = theirs(x)[0]
        except RuntimeError as error:  # PyTorch's LSTM lacks bfloat16 on some processors
            with pytest.raises(RuntimeError) as mine_too:
                ours(x)
            assert str(mine_too.value) == str(error)
            return
        mine = ours(x)[0]
        assert mine.dtype == expected.dtype
        assert torch.equal(mine, expected)


@pytest.mark.parametrize("name", NAMES)
def test_meta(name: str) -> None:
    ours = getattr(interop, name)(5, 7, device="meta")
    assert ours(torch.zeros(6, 3, 5, device="meta"))[0].shape == (6, 3, 7)
    with torch.device("meta"):
        lazy = getattr(interop, name)(5, 7)
    lazy.to_empty(device="cpu").reset_parameters()
    assert lazy(torch.zeros(6, 3, 5))[0].shape == (6, 3, 7)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("way", ["export", "trace", "script", "make_fx"])
@pytest.mark.filterwarnings("ignore")
def test_recorded(name: str, way: str) -> None:
    ours, theirs = pair(name, {})
    x = new_input({})
    model = Wrapped(ours)
    if way == "export":
        recorded = torch.export.export(model, (x,)).module()
    elif way == "trace":
        recorded = torch.jit.trace(model, (x,))
    elif way == "script":
        recorded = torch.jit.script(model)
    else:
        from torch.fx.experimental.proxy_tensor import make_fx

        recorded = make_fx(model)(x)
    other = torch.randn(6, 3, 5, dtype=torch.float64)
    assert_same([recorded(other) - 1], [theirs(other)[0]])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore")
def test_a_scripted_layer_is_as_pytorchs_own(name: str) -> None:
    """By itself it may have no ``forward`` that Python can call; other scripted modules call it."""
    results: list[list[Any]] = []
    x = new_input({})
    ours, theirs = pair(name, {})
    for layer in (ours, theirs):
        scripted = torch.jit.script(layer)
        try:
            results.append(["called", *tensors(scripted(x))])
        except AttributeError as error:
            results.append([str(error)])
        assert_same([torch.jit.script(Wrapped(scripted))(x) - 1], [theirs(x)[0]])
    assert results[0].pop(0) == results[1].pop(0)
    assert_same(*results)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore")
def test_compiled(name: str) -> None:
    ours, theirs = pair(name, {})
    torch._dynamo.reset()
    compiled = torch.compile(Wrapped(ours), backend="eager")
    results = []
    for run in (compiled, Wrapped(theirs)):
        x = new_input({}, requires_grad=True)
        y = run(x)
        results.append([y, *torch.autograd.grad(y.square().sum(), [x])])
    assert_same(*results)
    ours.weight_hh_l0.data.mul_(0.5)
    theirs.weight_hh_l0.data.mul_(0.5)
    assert_same([compiled(x)], [Wrapped(theirs)(x)])
    torch._dynamo.reset()


def test_traced_by_fx(monkeypatch: pytest.MonkeyPatch) -> None:
    """The layer is a leaf, and stays a drop-in."""
    ours, theirs = pair("GRU", {})
    traced = torch.fx.symbolic_trace(Wrapped(ours))
    assert [n.target for n in traced.graph.nodes if n.op == "call_module"] == ["layer"]
    passes = count_native(monkeypatch)
    x = new_input({})
    assert_same([traced(x) - 1], [theirs(x)[0]])
    assert len(passes) == 1


@pytest.mark.parametrize("name", NAMES)
def test_transforms(name: str) -> None:
    ours, theirs = pair(name, {})
    x = new_input({})
    results = []
    for module in (ours, theirs):
        parameters = dict(module.named_parameters())

        def value(parameters: Any, x: Any, module: Any = module) -> Any:
            return torch.func.functional_call(module, parameters, (x,))[0].square().sum()

        of_weights, of_x = torch.func.grad(value, argnums=(0, 1))(parameters, x)
        results.append([*of_weights.values(), of_x])
    assert_same(*results)
    for module in (ours, theirs):  # PyTorch has no rule for its own layers
        with pytest.raises(RuntimeError, match="Batching rule not implemented"):
            torch.vmap(lambda x, m=module: m(x)[0])(torch.stack([x, x]))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore")
def test_forward_mode(name: str) -> None:
    ours, theirs = pair(name, {})
    x = new_input({})
    results = []
    for module in (ours, theirs):
        try:
            _, out = torch.func.jvp(lambda x, m=module: m(x)[0], (x,), (torch.ones_like(x),))
            results.append([out])
        except NotImplementedError as error:
            results.append(str(error))  # type: ignore[arg-type]
    if isinstance(results[1], str):
        assert results[0] == results[1]
    else:
        assert_same(*results)


def test_modes_see_the_operations_of_pytorchs_layer() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    counts = []
    for module in pair("GRU", {}):
        with FlopCounterMode(display=False) as mode:
            module(new_input({}))
        counts.append(mode.get_total_flops())
    assert counts[0] == counts[1] > 0


WRONG_CALLS: dict[str, Any] = {
    "nothing": lambda m: m(),
    "too many": lambda m: m(1, 2, 3),
    "unknown": lambda m: m(torch.zeros(6, 3, 5), hidden=None),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("call", WRONG_CALLS)
def test_wrong_arguments_are_told_as_by_pytorch(name: str, call: str) -> None:
    messages = []
    for module in pair(name, {}):
        with pytest.raises(TypeError, match=rf"{name}\.forward\(\)") as error:
            WRONG_CALLS[call](module)
        messages.append(str(error.value))
    assert messages[0] == messages[1]


# Threads


def test_pytorchs_number_of_threads_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    from rnnfast.interop.torch import _counterpart

    class Counting:
        """A network that notes the threads that it is called with."""

        def __init__(self, network: Any) -> None:
            self.network = network
            self.threads: list[int] = []

        def __getattr__(self, name: str) -> Any:
            def call(*arguments: Any) -> Any:
                if name in ("forward", "backward", "weights_at"):
                    # of a forward pass, noise and whether x is packed stand behind
                    self.threads.append(arguments[-3 if name == "forward" else -1])
                return getattr(self.network, name)(*arguments)

            return call

    made: list[Counting] = []
    init = _counterpart.Counterpart.__init__

    def counted(self: Any, key: Any) -> None:
        init(self, key)
        self.network = Counting(self.network)
        made.append(self.network)

    monkeypatch.setattr(_counterpart.Counterpart, "__init__", counted)
    at_once: Any = _core.weights_of_tensors

    def noted(*arguments: Any) -> Any:
        made[0].threads.append(arguments[-1])
        return at_once(made[0].network, *arguments[1:])

    monkeypatch.setattr(_core, "weights_of_tensors", noted)
    ours, _ = pair("GRU", {})
    before = torch.get_num_threads()
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            ours(new_input({}))[0].sum().backward()
            assert made[0].threads == [count] * 3
            made[0].threads.clear()
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM", "RNNCell", "GRUCell", "LSTMCell"])
def test_traced_by_fx_from_a_state_alone(kind: str) -> None:
    class Decoder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = getattr(nn, kind)(3, 4)

        def forward(self, h: Any) -> Any:
            start = torch.zeros(2, 3) if kind.endswith("Cell") else torch.zeros(1, 2, 3)
            return self.layer(start, (h, h) if kind.startswith("LSTM") else h)[0]

    torch.manual_seed(0)
    model = Decoder()
    h = torch.randn(2, 4) if kind.endswith("Cell") else torch.randn(1, 2, 4)
    with torch.no_grad():
        expected = model(h)
        interop.accelerate(model)
        torch.testing.assert_close(model(h), expected)
        torch.testing.assert_close(torch.fx.symbolic_trace(model)(h), expected)


@pytest.mark.parametrize("kind", ["GRU", "GRUCell"])
@pytest.mark.parametrize("hook", ["forward", "forward_pre", "full_backward", "backward"])
def test_fx_does_not_trace_hooks(kind: str, hook: str) -> None:
    layer = getattr(nn, kind)(3, 4)
    getattr(layer, f"register_{hook}_hook")(lambda *_: None)
    model = nn.Sequential(layer)
    interop.accelerate(model)
    with pytest.raises(torch.fx.proxy.TraceError, match=f"^{kind}: expected a layer without hooks"):
        torch.fx.symbolic_trace(model)


def test_checks_of_ones_own_are_called() -> None:
    class Turned(interop.LSTM):  # type: ignore[misc]
        def permute_hidden(self, hx: Any, permutation: Any) -> Any:
            return tuple(2 * one for one in hx)

    class Refusing(interop.GRU):  # type: ignore[misc]
        def check_forward_args(self, *arguments: Any) -> None:
            raise KeyError("mine")

    torch.manual_seed(0)
    layer, plain = Turned(3, 4), nn.LSTM(3, 4)
    plain.load_state_dict(layer.state_dict())
    x, h = torch.randn(5, 2, 3), torch.ones(1, 2, 4)
    torch.testing.assert_close(layer(x, (h, h))[0], plain(x, (2 * h, 2 * h))[0])
    with pytest.raises(KeyError, match="mine"):
        Refusing(3, 4)(x, h)


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize("batch_first", [False, True])
def test_inputs_of_inference_mode(kind: str, batch_first: bool) -> None:
    """Where PyTorch can train on them, so can a swapped layer."""
    found: list[Any] = []
    for swap in (False, True):
        torch.manual_seed(0)
        layer = getattr(nn, kind)(3, 4, batch_first=batch_first)
        with torch.inference_mode():
            x = torch.randn(5, 7, 3)
        if swap:
            interop.accelerate(layer)
        try:
            layer(x)[0].sum().backward()
            found.append(layer.weight_ih_l0.grad)
        except RuntimeError as error:
            found.append(str(error))
    if isinstance(found[0], str):
        assert found[1] == found[0]
    else:
        torch.testing.assert_close(found[1], found[0])
