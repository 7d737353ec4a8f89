"""The reference's networks against those of PyTorch, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import rnnfast.reference as ref
from rnnfast.reference import NetworkSpec

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed")

T, B, I, H = 7, 4, 3, 5  # noqa: E741
LENGTHS = np.array([4, 7, 1, 6])

CELLS: dict[str, dict[str, Any]] = {
    "rnn tanh": {"cell": "rnn"},
    "rnn relu": {"cell": "rnn", "nonlinearity": "relu"},
    "gru": {"cell": "gru"},
    "lstm": {"cell": "lstm"},
    "lstm projection": {"cell": "lstm", "proj_size": 2},
}


def torch_module(spec: NetworkSpec) -> Any:
    options: dict[str, Any] = {"bias": spec.bias, "bidirectional": spec.bidirectional}
    if spec.cell == "rnn":
        options["nonlinearity"] = spec.nonlinearity
    if spec.cell == "lstm":
        options["proj_size"] = spec.proj_size
    module = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}[spec.cell]
    return module(
        spec.input_size, spec.hidden_size, spec.num_layers, dtype=torch.float64, **options
    )


def unpack(state: Any) -> list[Any]:
    return list(state) if isinstance(state, tuple) else [state]


def assert_close(actual: Any, expected: npt.NDArray[np.float64], what: str) -> None:
    """Agree to 1e-12 of the largest value."""
    error = np.abs(actual - expected).max()
    assert error <= 1e-12 * np.abs(expected).max(), (what, error)


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("num_layers", [1, 3])
@pytest.mark.parametrize("name", CELLS)
def test_same_as_torch(
    name: str, num_layers: int, bias: bool, bidirectional: bool, ragged: bool
) -> None:
    spec = NetworkSpec(
        input_size=I,
        hidden_size=H,
        num_layers=num_layers,
        bias=bias,
        bidirectional=bidirectional,
        **CELLS[name],
    )
    rng = np.random.default_rng(40)
    module = torch_module(spec)
    parameters = ref.random_parameters(spec, rng)
    assert list(module.state_dict()) == list(parameters)
    module.load_state_dict({key: torch.from_numpy(value) for key, value in parameters.items()})

    x = rng.normal(size=(T, B, I))
    states = [rng.normal(size=shape) for shape in spec.state_shapes(B)]
    dstates = [rng.normal(size=shape) for shape in spec.state_shapes(B)]
    dy = rng.normal(size=(T, B, spec.num_directions * spec.output_size))

    torch_x = torch.tensor(x, requires_grad=True)
    torch_states = [torch.tensor(s, requires_grad=True) for s in states]
    given = torch_x
    if ragged:
        given = torch.nn.utils.rnn.pack_padded_sequence(
            torch_x, torch.tensor(LENGTHS), enforce_sorted=False
        )
    torch_y, torch_final = module(
        given, tuple(torch_states) if spec.cell == "lstm" else torch_states[0]
    )
    if ragged:
        torch_y, _ = torch.nn.utils.rnn.pad_packed_sequence(torch_y, total_length=T)
    torch.autograd.backward(
        [torch_y, *unpack(torch_final)], [torch.tensor(d) for d in (dy, *dstates)]
    )

    packed: Any = tuple(states) if spec.cell == "lstm" else states[0]
    dpacked: Any = tuple(dstates) if spec.cell == "lstm" else dstates[0]
    lengths = LENGTHS if ragged else None
    y, final, cache = ref.network_forward(spec, parameters, x, packed, lengths)
    dx, dinitial, grads = ref.network_backward(cache, dy, dpacked)

    assert_close(y, torch_y.detach().numpy(), "y")
    assert_close(dx, torch_x.grad.numpy(), "dx")
    for k in range(len(states)):
        assert_close(unpack(final)[k], unpack(torch_final)[k].detach().numpy(), f"state {k}")
        assert_close(unpack(dinitial)[k], torch_states[k].grad.numpy(), f"initial state {k}")
    for key, parameter in module.named_parameters():
        assert_close(grads[key], parameter.grad.numpy(), key)


@pytest.mark.parametrize("name", CELLS)
def test_parameter_names_order_and_shapes(name: str) -> None:
    for bias in (False, True):
        for bidirectional in (False, True):
            spec = NetworkSpec(
                input_size=I,
                hidden_size=H,
                num_layers=3,
                bias=bias,
                bidirectional=bidirectional,
                **CELLS[name],
            )
            state = torch_module(spec).state_dict()
            expected = [(key, tuple(value.shape)) for key, value in state.items()]
            assert list(spec.parameter_shapes()) == expected


@pytest.mark.parametrize("weighted", [False, True])
def test_losses_are_those_of_torch(weighted: bool) -> None:
    rng = np.random.default_rng(41)
    z, target = rng.normal(size=(5, 8)), rng.integers(0, 5, size=8)
    y = rng.uniform(size=(5, 8))
    weight = rng.integers(0, 2, size=8).astype(np.float64) if weighted else np.ones(8)
    factor = torch.tensor(weight)

    scores = torch.tensor(z.T, requires_grad=True)
    loss = torch.nn.functional.cross_entropy(scores, torch.tensor(target), reduction="none")
    (factor * loss).sum().backward()
    value, cache = ref.softmax_cross_entropy(z, target, weight)
    assert value == pytest.approx((factor * loss).sum().item(), rel=1e-13)
    assert_close(ref.cross_entropy_backward(1.0, cache).T, scores.grad.numpy(), "softmax")

    scores = torch.tensor(z.T, requires_grad=True)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(
        scores, torch.tensor(y.T), reduction="none"
    )
    (factor[:, None] * loss).sum().backward()
    value, cache = ref.sigmoid_cross_entropy(z, y, weight)
    assert value == pytest.approx((factor[:, None] * loss).sum().item(), rel=1e-13)
    assert_close(ref.cross_entropy_backward(1.0, cache).T, scores.grad.numpy(), "sigmoid")
