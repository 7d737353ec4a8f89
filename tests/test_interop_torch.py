"""The drop-in layers against those of PyTorch: results, gradients, training."""

from __future__ import annotations

import copy
import io
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
interop = pytest.importorskip("rnnfast.interop.torch")

CASES = [
    ("RNN", {}),
    ("RNN", {"nonlinearity": "relu", "bias": False}),
    ("GRU", {"num_layers": 2, "bidirectional": True}),
    ("GRU", {"batch_first": True}),
    ("LSTM", {"num_layers": 2}),
    ("LSTM", {"bidirectional": True, "proj_size": 3}),
]


def pair(name: str, options: dict[str, Any], dtype: Any = None) -> tuple[Any, Any]:
    torch.manual_seed(0)
    theirs = getattr(torch.nn, name)(5, 7, dtype=dtype or torch.float64, **options)
    ours = getattr(interop, name)(5, 7, dtype=dtype or torch.float64, **options)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def tensors(result: Any) -> list[Any]:
    y, state = result
    y = y.data if isinstance(y, torch.nn.utils.rnn.PackedSequence) else y
    return [y, *(state if isinstance(state, tuple) else (state,))]


def assert_same(ours: Any, theirs: Any) -> None:
    np.testing.assert_allclose(
        ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-11, atol=1e-13
    )


def gradients(module: Any, x: Any, state: Any, seed: int = 1) -> list[Any]:
    """Everything that comes out of a pass and of its backpropagation."""
    out = tensors(module(x, state))
    generator = torch.Generator().manual_seed(seed)
    loss = sum((t * torch.randn(t.shape, generator=generator, dtype=t.dtype)).sum() for t in out)
    module.zero_grad()
    loss.backward()
    return out + [p.grad for p in module.parameters()]


@pytest.mark.parametrize(("name", "options"), CASES)
@pytest.mark.parametrize("given", [False, True])
def test_results_and_gradients_are_pytorchs(name: str, options: Any, given: bool) -> None:
    ours, theirs = pair(name, options)
    shape = (3, 6, 5) if options.get("batch_first") else (6, 3, 5)
    results = []
    for module in (ours, theirs):
        torch.manual_seed(2)
        x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
        leaves, state = [x], None
        if given:
            layers = options.get("num_layers", 1) * (2 if options.get("bidirectional") else 1)
            h = torch.randn(layers, 3, options.get("proj_size") or 7, dtype=torch.float64)
            leaves.append(h.requires_grad_())
            state = h
            if name == "LSTM":
                c = torch.randn(layers, 3, 7, dtype=torch.float64).requires_grad_()
                leaves.append(c)
                state = (h, c)
        results.append(gradients(module, x, state) + [leaf.grad for leaf in leaves])
    for mine, expected in zip(*results, strict=True):
        assert_same(mine, expected)


@pytest.mark.parametrize(("name", "options"), CASES)
@pytest.mark.parametrize("sort", [False, True])
def test_packed_sequences(name: str, options: Any, sort: bool) -> None:
    ours, theirs = pair(name, options)
    torch.manual_seed(3)
    batch_first = options.get("batch_first", False)
    x = torch.randn((4, 6, 5) if batch_first else (6, 4, 5), dtype=torch.float64)
    lengths = torch.tensor([6, 4, 3, 1] if sort else [3, 6, 1, 4])
    packed = torch.nn.utils.rnn.pack_padded_sequence(
        x, lengths, batch_first=batch_first, enforce_sorted=sort
    )
    for mine, expected in zip(
        gradients(ours, packed, None), gradients(theirs, packed, None), strict=True
    ):
        assert_same(mine, expected)
    y = ours(packed)[0]
    assert torch.equal(y.batch_sizes, packed.batch_sizes)


def test_unbatched_and_inference_mode() -> None:
    ours, theirs = pair("LSTM", {})
    x = torch.randn(6, 5, dtype=torch.float64)
    with torch.inference_mode():
        for mine, expected in zip(tensors(ours(x)), tensors(theirs(x)), strict=True):
            assert_same(mine, expected)


def test_training_follows_pytorch() -> None:
    """Weights that an optimizer changes in place are what the next call uses."""
    ours, theirs = pair("GRU", {})
    x = torch.randn(6, 3, 5, dtype=torch.float64)
    for module in (ours, theirs):
        optimizer = torch.optim.Adam(module.parameters(), lr=0.05)
        for _ in range(5):
            optimizer.zero_grad()
            module(x)[0].square().sum().backward()
            optimizer.step()
    for mine, expected in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(mine.detach(), expected.detach(), rtol=1e-8, atol=1e-10)


def test_dropout_is_drawn_from_pytorchs_generator() -> None:
    ours, _ = pair("LSTM", {"num_layers": 2, "dropout": 0.5})
    x = torch.randn(6, 3, 5, dtype=torch.float64)

    def run() -> Any:
        torch.manual_seed(7)
        return ours(x)[0]

    assert torch.equal(run(), run())
    assert not torch.equal(ours(x)[0], ours(x)[0])
    ours.eval()
    assert torch.equal(ours(x)[0], ours(x)[0])


def test_copies_and_saves_like_a_module() -> None:
    ours, _ = pair("LSTM", {})
    x = torch.randn(6, 3, 5, dtype=torch.float64)
    y = ours(x)[0]
    assert torch.equal(copy.deepcopy(ours)(x)[0], y)
    file = io.BytesIO()
    torch.save(ours.state_dict(), file)
    file.seek(0)
    other = interop.LSTM(5, 7, dtype=torch.float64)
    other.load_state_dict(torch.load(file))
    assert torch.equal(other(x)[0], y)


def test_bad_input() -> None:
    ours, _ = pair("GRU", {})
    with pytest.raises(ValueError, match=r"input: expected 2 or 3 axes, the last of size 5, got"):
        ours(torch.zeros(6, 3, 4, dtype=torch.float64))
    with pytest.raises(TypeError, match=r"input: expected dtype torch.float64, got torch.float32"):
        ours(torch.zeros(6, 3, 5))
