"""Native layers and streams from those of PyTorch."""

from __future__ import annotations

import copy
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from dropin_cases import CASES, interop, new_input, new_state, tensors, torch

nn = torch.nn
prune = pytest.importorskip("torch.nn.utils.prune")
KINDS = ["RNN", "GRU", "LSTM"]


def of_kind(kind: str, options: dict[str, Any], dtype: Any = None) -> Any:
    torch.manual_seed(0)
    return getattr(nn, kind)(5, 7, dtype=dtype or torch.float64, **options)


def arrays(state: Any) -> Any:
    """Return a state of PyTorch's as the layers here take it."""
    pair = isinstance(state, tuple)
    return tuple(s.detach().numpy() for s in state) if pair else state.detach().numpy()


@pytest.mark.parametrize(("kind", "options"), CASES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("ours", [False, True])
@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
def test_a_layer_gives_what_pytorchs_gives(kind: str, options: Any, dtype: Any, ours: bool) -> None:
    module = of_kind(kind, options, dtype)
    if ours:
        interop.accelerate(module)
    layer = getattr(rf, kind).from_torch(module)
    assert type(layer) is getattr(rf, kind)
    assert layer.dtype == str(dtype).removeprefix("torch.")
    x, state = new_input(options, dtype), new_state(kind, options, dtype=dtype)
    y, found = layer(x.numpy(), arrays(state))
    mine = [y, *(found if kind == "LSTM" else [found])]
    tolerance = 1e-10 if dtype == torch.float64 else 1e-5
    for one, expected in zip(mine, tensors(module(x, state)), strict=True):
        np.testing.assert_allclose(one, expected.detach(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("training", [False, True])
def test_options_and_modes_are_taken_over(kind: str, training: bool) -> None:
    module = of_kind(kind, {"num_layers": 3, "dropout": 0.25, "bias": False}).train(training)
    layer = getattr(rf, kind).from_torch(module, seed=3)
    assert (layer.num_layers, layer.dropout, layer.bias) == (3, 0.25, False)
    assert layer.training is training
    x = new_input({}).numpy()
    twin = getattr(rf, kind).from_torch(module, seed=3)
    np.testing.assert_array_equal(layer.forward(x)[0][0], twin.forward(x)[0][0])


@pytest.mark.parametrize(("kind", "options"), CASES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
def test_there_and_back(kind: str, options: Any, dtype: Any) -> None:
    module = of_kind(kind, options, dtype).eval()
    layer = getattr(rf, kind).from_torch(module)
    drawn = torch.get_rng_state()
    back = layer.to_torch()
    assert torch.equal(torch.get_rng_state(), drawn)
    assert type(back) is type(module) and repr(back) == repr(module) and not back.training
    for name, weight in module.state_dict().items():
        assert torch.equal(back.state_dict()[name], weight)
    x, state = new_input(options, dtype), new_state(kind, options, dtype=dtype)
    for one, expected in zip(tensors(back(x, state)), tensors(module(x, state)), strict=True):
        assert torch.equal(one, expected)
    next(back.parameters()).data.zero_()  # a copy: the layer stays as it is
    np.testing.assert_array_equal(layer.state_dict()["weight_ih_l0"], module.weight_ih_l0.detach())


@pytest.mark.parametrize(
    ("kind", "options", "name"),
    [
        ("LSTM", {"peephole": True}, "peephole"),
        ("GRU", {"reset_after": False}, "reset_after"),
        ("GRU", {"reset_gate": False}, "reset_gate"),
        ("RNN", {"num_layers": 2, "dropout": 0.1, "variational": True}, "variational"),
    ],
)
def test_what_pytorch_has_not_does_not_go_there(kind: str, options: Any, name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}: torch.nn.{kind} computes what {name}=.* got"):
        getattr(rf, kind)(5, 7, **options).to_torch()


def test_masks_that_are_never_drawn_do_not_count() -> None:
    assert rf.GRU(5, 7, variational=True).to_torch().dropout == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bias", [False, True])
def test_a_cell_becomes_a_layer_of_one(kind: str, bias: bool) -> None:
    torch.manual_seed(0)
    options: dict[str, Any] = {"nonlinearity": "relu"} if kind == "RNN" else {}
    cell = getattr(nn, f"{kind}Cell")(5, 7, bias, dtype=torch.float64, **options)
    layer = getattr(rf, kind).from_torch(cell)
    x = new_input({})
    state = None
    for t in range(len(x)):
        state = cell(x[t], state)
    h = state[0] if kind == "LSTM" else state
    np.testing.assert_allclose(layer(x.numpy())[0][-1], h.detach(), rtol=1e-10, atol=1e-12)


def test_weights_are_copied() -> None:
    module = of_kind("GRU", {})
    layer = rf.GRU.from_torch(module)
    before = layer.state_dict()
    with torch.no_grad():
        module.weight_hh_l0.zero_()
    np.testing.assert_array_equal(layer.state_dict()["weight_hh_l0"], before["weight_hh_l0"])


class Halved(nn.Module):
    """A parametrization."""

    def forward(self, weight: Any) -> Any:
        return weight / 2


def test_weights_of_a_parametrization_are_computed() -> None:
    module = of_kind("GRU", {})
    nn.utils.parametrize.register_parametrization(module, "weight_hh_l0", Halved())
    layer, x = rf.GRU.from_torch(module), new_input({})
    np.testing.assert_allclose(layer(x.numpy())[0], module(x)[0].detach(), rtol=1e-10, atol=1e-12)


class Doubled(nn.GRU):
    """A layer of a user's with other passes."""

    def forward(self, input: Any, hx: Any = None) -> Any:
        y, h = super().forward(input, hx)
        return 2 * y, h


class Doubling(interop.GRU):
    """The same of a drop-in layer."""

    def forward(self, input: Any, hx: Any = None) -> Any:
        y, h = super().forward(input, hx)
        return 2 * y, h


def pruned() -> Any:
    return prune.l1_unstructured(nn.GRU(5, 7), "weight_hh_l0", 0.5)


def patched() -> Any:
    layer = nn.GRU(5, 7)
    layer.forward = lambda *_: None
    return layer


def mixed() -> Any:
    layer = nn.GRU(5, 7)
    layer.weight_hh_l0 = nn.Parameter(layer.weight_hh_l0.detach().double())
    return layer


def other_shape() -> Any:
    layer = nn.GRU(5, 7)
    layer.weight_hh_l0 = nn.Parameter(torch.zeros(21, 6))
    return layer


own = "module: expected the forward of torch.nn.GRU, got a {} with one of its own"


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (
            lambda: nn.LSTM(5, 7),
            TypeError,
            "module: expected a torch.nn.GRU or GRUCell, got LSTM; rf.LSTM.from_torch takes it",
        ),
        (
            lambda: nn.Linear(5, 7),
            TypeError,
            "module: expected a torch.nn.GRU or GRUCell, got Linear",
        ),
        (lambda: Doubled(5, 7), TypeError, own.format("Doubled")),
        (lambda: Doubling(5, 7), TypeError, own.format("Doubling")),
        (patched, TypeError, own.format("GRU")),
        (
            lambda: nn.GRU(5, 7).half(),
            ValueError,
            "module: expected weights of dtype float32 or float64, got float16",
        ),
        (
            mixed,
            ValueError,
            "module: expected weights of dtype float32 or float64, got float32 and float64",
        ),
        (
            lambda: nn.GRU(5, 7, device="meta"),
            ValueError,
            "module: expected weight_ih_l0 in memory, got one on the device meta",
        ),
        (
            pruned,
            ValueError,
            "module: expected weight_hh_l0 to be a parameter, got one that a hook makes at each "
            "call; make it permanent first",
        ),
        (other_shape, ValueError, "weight_hh_l0: expected shape (21, 7), got (21, 6)"),
    ],
)
def test_what_has_no_counterpart_is_refused(make: Any, kind: Any, message: str) -> None:
    with pytest.raises(kind) as error:
        rf.GRU.from_torch(make())
    assert str(error.value) == message


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("swapped", [False, True])
def test_a_stream_goes_on_as_the_layer_does(kind: str, swapped: bool) -> None:
    if swapped:
        module = of_kind(kind, {"num_layers": 2})
        interop.accelerate(module)
    else:
        module = getattr(interop, kind)(5, 7, 2, dtype=torch.float64)
    step, x = module.stream(3), new_input({})
    expected = module(x)[0].detach().numpy()
    with torch.no_grad():
        for p in module.parameters():
            p.zero_()  # which the stream does not see
    for t in range(len(x)):
        np.testing.assert_allclose(step(x[t].numpy()), expected[t], rtol=1e-10, atol=1e-12)


def test_a_stream_of_both_directions_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^stream: expected a network in one direction"):
        interop.GRU(5, 7, bidirectional=True).stream()
    with pytest.raises(TypeError, match=r"^batch_size: expected"):
        interop.GRU(5, 7).stream(1.5)


def test_pytorch_is_not_imported_for_it() -> None:
    code = (
        "import sys, rnnfast as rf\n"
        "try: rf.GRU.from_torch(3)\n"
        "except TypeError: print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["False"], done.stderr


def quantized(module: Any, dtype: Any = torch.qint8) -> Any:
    made = torch.ao.quantization.quantize_dynamic(nn.Sequential(module), {type(module)}, dtype)
    return made[0]


QUANTIZED = [
    ("LSTM", {"num_layers": 2, "bidirectional": True, "batch_first": True}),
    ("LSTM", {}),
    ("GRU", {"num_layers": 2, "bidirectional": True}),
    ("GRU", {}),
    ("LSTMCell", {}),
    ("GRUCell", {}),
    ("RNNCell", {"nonlinearity": "relu"}),
]


@pytest.mark.filterwarnings("ignore")  # where quantization goes from here
@pytest.mark.parametrize(("kind", "options"), QUANTIZED)
@pytest.mark.parametrize("dtype", [torch.qint8, torch.float16])
def test_quantized_weights_are_read_as_what_they_stand_for(
    kind: str, options: Any, dtype: Any
) -> None:
    torch.manual_seed(0)
    plain = getattr(nn, kind)(5, 7, **options)
    module = quantized(plain, dtype)
    values = {**module.get_weight(), **module.get_bias()}
    assert values.keys() == plain.state_dict().keys()
    changed = copy.deepcopy(plain)
    changed.load_state_dict({n: v.dequantize() for n, v in values.items()})
    layer = getattr(rf, kind.removesuffix("Cell")).from_torch(module)
    assert layer.dtype == np.float32
    x = new_input(options, torch.float32)
    if kind.endswith("Cell"):
        state, expected = None, []
        for row in x:
            state = changed(row, state)
            expected.append(state[0] if isinstance(state, tuple) else state)
        expected = torch.stack(expected)
    else:
        expected = changed(x)[0]
    y, _ = layer(x.numpy())
    np.testing.assert_allclose(y, expected.detach(), rtol=1e-5, atol=1e-6)
    assert not np.array_equal(
        y, getattr(rf, kind.removesuffix("Cell")).from_torch(plain)(x.numpy())[0]
    )


@pytest.mark.filterwarnings("ignore")
def test_quantized_modules_of_other_kinds_are_refused() -> None:
    with pytest.raises(
        TypeError, match=r"^module: expected a torch\.nn\.GRU or GRUCell, got LSTM; rf.LSTM"
    ):
        rf.GRU.from_torch(quantized(nn.LSTM(5, 7)))
    with pytest.raises(
        ValueError, match=r"^weight_hh_l0: expected shape \(28, 7\), got \(28, 3\)$"
    ):
        rf.LSTM.from_torch(quantized(nn.LSTM(5, 7, proj_size=3)))  # weight_hr is lost


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("kind", "options"), QUANTIZED)
def test_quantized_modules_are_not_swapped(kind: str, options: Any) -> None:
    module = quantized(getattr(nn, kind)(5, 7, **options))
    why = "is quantized; rnnfast's from_torch reads it, by the numbers its weights stand for"
    report = interop.accelerate(nn.ModuleDict({"a": module, "b": nn.GRU(5, 7)}))
    assert report == interop.Report({"b": "GRU"}, {"a": why})
