"""The layers against those of PyTorch: results, parameters, packed sequences, accuracy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import rnnfast as rf
from layer_cases import TOLERANCE, Values, assert_near
from network_cases import pack, unpack

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed")

# PyTorch says so of projections in float32, once a process.
pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported")

MODULES: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "rnn tanh": (rf.RNN, torch.nn.RNN, {}),
    "rnn relu": (rf.RNN, torch.nn.RNN, {"nonlinearity": "relu"}),
    "gru": (rf.GRU, torch.nn.GRU, {}),
    "lstm": (rf.LSTM, torch.nn.LSTM, {}),
    "lstm projection": (rf.LSTM, torch.nn.LSTM, {"proj_size": 9}),
}
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "no bias": {"bias": False},
    "batch first": {"batch_first": True},
    "both ways": {"bidirectional": True, "num_layers": 2},
}


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """PyTorch's threads wait for each other at length where others work too."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


T, B, I, H = 9, 6, 7, 20  # noqa: E741
LENGTHS = np.array([4, 9, 1, 6, 6, 2])


def pair(name: str, dtype: str, seed: int = 0, **options: Any) -> tuple[Any, Any]:
    """A layer and a module with the same parameters, as they come from `state_dict`."""
    ours, theirs, own = MODULES[name]
    sizes = {"input_size": I, "hidden_size": H} | own | options
    torch.manual_seed(seed)
    module = theirs(**sizes, dtype=getattr(torch, dtype))
    layer = ours(**sizes, dtype=dtype)
    layer.load_state_dict(module.state_dict())
    return layer, module


def draw(layer: Any, seed: int, steps: int = T, batch: int = B) -> list[Any]:
    """x, the state, dy and the state's gradient, in the layer's order of axes."""
    rng = np.random.default_rng(seed)
    width = layer.num_directions * layer.output_size
    shapes = [(steps, batch, layer.input_size), (steps, batch, width)]
    if layer.batch_first:
        shapes = [(batch, steps, n) for _, _, n in shapes]
    depth = layer.num_layers * layer.num_directions
    states = [(depth, batch, layer.output_size)]
    if isinstance(layer, rf.LSTM):
        states.append((depth, batch, layer.hidden_size))

    def normal(shape: tuple[int, ...]) -> Any:
        return rng.normal(size=shape).astype(layer.dtype)

    x, dy = map(normal, shapes)
    return [x, [normal(s) for s in states], dy, [normal(s) for s in states]]


def ours(layer: Any, x: Any, states: Any, dy: Any, dstates: Any, lengths: Any = None) -> Values:
    layer.zero_grad()
    (y, final), backprop = layer.forward(x, pack(states), lengths=lengths)
    dx, initial = backprop(dy, pack(dstates))
    return results(y, dx, unpack(final), unpack(initial)) | {
        name: gradient.copy() for name, gradient in layer.grads.items()
    }


def theirs(module: Any, x: Any, states: Any, dy: Any, dstates: Any, lengths: Any = None) -> Values:
    module.zero_grad()
    rnn = torch.nn.utils.rnn
    given = torch_x = torch.tensor(x, requires_grad=True)
    initial = [torch.tensor(s, requires_grad=True) for s in states]
    first = module.batch_first
    if lengths is not None:
        given = rnn.pack_padded_sequence(
            torch_x, torch.tensor(lengths), batch_first=first, enforce_sorted=False
        )
    y, final = module(given, tuple(initial) if len(initial) == 2 else initial[0])
    if lengths is not None:
        y, _ = rnn.pad_packed_sequence(y, batch_first=first, total_length=T)
    finals: list[Any] = unpack(final)
    torch.autograd.backward([y, *finals], [torch.tensor(d) for d in (dy, *dstates)])
    values = results(
        y.detach().numpy(),
        torch_x.grad.numpy(),
        [s.detach().numpy() for s in finals],
        [s.grad.numpy() for s in initial],
    )
    return values | {name: p.grad.numpy().copy() for name, p in module.named_parameters()}


def results(y: Any, dx: Any, final: list[Any], initial: list[Any]) -> Values:
    values = {"y": y, "dx": dx} | {f"state {k}": s for k, s in enumerate(final)}
    return values | {f"dstate {k}": s for k, s in enumerate(initial)}


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("name", MODULES)
def test_same_as_torch(level: str, name: str, options: str, dtype: str, ragged: bool) -> None:
    layer, module = pair(name, dtype, **OPTIONS[options])
    arguments = draw(layer, seed=1)
    arguments.append(LENGTHS if ragged else None)
    assert_near(ours(layer, *arguments), theirs(module, *arguments), TOLERANCE[dtype])


@pytest.mark.parametrize("name", MODULES)
def test_a_single_sequence(level: str, name: str) -> None:
    layer, module = pair(name, "float64", bidirectional=True)
    x, states, dy, dstates = draw(layer, seed=2, batch=1)
    alone = (x[:, 0], [s[:, 0] for s in states], dy[:, 0], [d[:, 0] for d in dstates])
    assert_near(ours(layer, *alone), theirs(module, *alone), TOLERANCE["float64"])


@pytest.mark.parametrize("name", MODULES)
def test_the_state_dictionary_goes_both_ways(name: str) -> None:
    layer, module = pair(name, "float32", num_layers=2, bidirectional=True)
    state = layer.state_dict()
    for (key, tensor), (own, array) in zip(module.state_dict().items(), state.items(), strict=True):
        assert key == own
        np.testing.assert_array_equal(array, tensor.numpy())
    other = pair(name, "float32", seed=1, num_layers=2, bidirectional=True)[1]
    other.load_state_dict({key: torch.from_numpy(array) for key, array in state.items()})
    for key, tensor in module.state_dict().items():
        assert torch.equal(other.state_dict()[key], tensor)


@pytest.mark.parametrize("name", MODULES)
def test_initial_parameters_are_drawn_as_by_torch(name: str) -> None:
    # U(-1/sqrt(H), 1/sqrt(H)), all of them: both samples fill the same interval evenly.
    layer_class, _, own = MODULES[name]
    layer = layer_class(40, 64, seed=3, **own)
    _, module = pair(name, "float32", input_size=40, hidden_size=64)
    for key, tensor in module.state_dict().items():
        for values in (layer.state_dict()[key], tensor.numpy()):
            assert np.abs(values).max() <= 0.125
            error = np.sort(values.ravel()) / 0.25 + 0.5 - np.linspace(0, 1, values.size)
            assert np.abs(error).max() < 1.95 / values.size**0.5  # Kolmogorov-Smirnov, 1 in 1000


def rms(values: npt.NDArray[Any]) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


@pytest.mark.parametrize("name", MODULES)
def test_as_accurate_as_torch(level: str, name: str) -> None:
    # Errors in float32 against float64, ours over PyTorch's: the median over seeds, for gradients
    # over their arrays too.
    outputs, gradients = [], []
    for seed in range(7):
        sizes = {"input_size": 48, "hidden_size": 64}
        layer, module = pair(name, "float32", seed, **sizes)
        exact, _ = pair(name, "float64", **sizes)
        exact.load_state_dict(module.state_dict())
        arguments = draw(layer, seed, steps=60, batch=8)
        x, states, dy, dstates = (
            [a.astype(np.float64) for a in arg] if isinstance(arg, list) else arg.astype(np.float64)
            for arg in arguments
        )
        truth = ours(exact, x, states, dy, dstates)
        mine, other = ours(layer, *arguments), theirs(module, *arguments)
        ratio = {key: rms(mine[key] - v) / rms(other[key] - v) for key, v in truth.items()}
        outputs.append(ratio["y"])
        gradients += [ratio[key] for key in truth if key == "dx" or key in layer.grads]
    assert np.median(outputs) <= 1.5
    assert np.median(gradients) <= 1.5
