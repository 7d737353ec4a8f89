"""The drop-in layers beside those of PyTorch: pairs with the same weights, all that both give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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
CELLS = [
    ("RNN", {"nonlinearity": "tanh"}),
    ("RNN", {"nonlinearity": "relu"}),
    ("GRU", {}),
    ("LSTM", {}),
    ("LSTM", {"proj_size": 3}),
]
TOLERANCE = {"rtol": 1e-10, "atol": 1e-12}


def pair(name: str, options: dict[str, Any], dtype: Any = None) -> tuple[Any, Any]:
    """Return our layer and PyTorch's, of 5 inputs and 7 units, with the same weights."""
    torch.manual_seed(0)
    theirs = getattr(torch.nn, name)(5, 7, dtype=dtype or torch.float64, **options)
    ours = getattr(interop, name)(5, 7, dtype=dtype or torch.float64, **options)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def tensors(result: Any) -> list[Any]:
    """Return y and the final states; of a packed y its data."""
    y, state = result
    y = y.data if isinstance(y, torch.nn.utils.rnn.PackedSequence) else y
    return [y, *(state if isinstance(state, tuple) else (state,))]


def loss(result: Any, seed: int = 1) -> Any:
    """Return a random projection of all that a pass gives."""
    generator = torch.Generator().manual_seed(seed)
    return sum(
        (t * torch.randn(t.shape, generator=generator, dtype=t.dtype)).sum()
        for t in tensors(result)
    )


def new_input(options: dict[str, Any], dtype: Any = None, **given: Any) -> Any:
    """Return 6 steps of 3 sequences."""
    torch.manual_seed(2)
    shape = (3, 6, 5) if options.get("batch_first") else (6, 3, 5)
    return torch.randn(shape, dtype=dtype or torch.float64, **given)


def new_state(name: str, options: dict[str, Any], batch: int = 3, dtype: Any = None) -> Any:
    """Return initial states that need gradients."""
    torch.manual_seed(3)
    rows = options.get("num_layers", 1) * (2 if options.get("bidirectional") else 1)
    dtype = dtype or torch.float64
    h = torch.randn(rows, batch, options.get("proj_size") or 7, dtype=dtype, requires_grad=True)
    if name != "LSTM":
        return h
    return h, torch.randn(rows, batch, 7, dtype=dtype, requires_grad=True)


def leaves(state: Any) -> list[Any]:
    """Return the tensors of a state."""
    return [] if state is None else list(state) if isinstance(state, tuple) else [state]


def assert_same(ours: Any, theirs: Any, **tolerance: Any) -> None:
    """Compare lists of tensors, NaN and None included."""
    assert len(ours) == len(theirs)
    for mine, expected in zip(ours, theirs, strict=True):
        assert (mine is None) == (expected is None)
        if mine is not None:
            torch.testing.assert_close(
                mine.detach(), expected.detach(), equal_nan=True, **(tolerance or TOLERANCE)
            )


def count_native(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Return a list that grows with each pass of the kernels, by whether it keeps."""
    from rnnfast.interop.torch._pass import Call

    passes: list[bool] = []
    run: Callable[..., Any] = Call.run

    def counted(self: Any, *arguments: Any, keep: bool) -> Any:
        passes.append(keep)
        return run(self, *arguments, keep=keep)

    monkeypatch.setattr(Call, "run", counted)
    return passes
