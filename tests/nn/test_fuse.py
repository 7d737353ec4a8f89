"""Stacks and pairs of recurrent layers as one layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from rnnfast.nn.recurrent.base import LAYERS

KINDS = list(LAYERS.values())
X = np.random.default_rng(0).normal(size=(6, 3, 5))


def layer(kind: Any, inputs: int, **options: Any) -> Any:
    return kind(inputs, 4, dtype="float64", **options)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bias", [True, False])
def test_a_stack_is_a_chain(kind: Any, bias: bool) -> None:
    lower, upper = layer(kind, 5, num_layers=2, bias=bias), layer(kind, 4, bias=bias)
    fused = rf.fuse(lower, upper)
    assert (fused.num_layers, fused.num_directions) == (3, 1)
    y, _ = fused(X, lengths=[6, 2, 0])
    np.testing.assert_array_equal(y, rf.chain(lower, upper)(X, lengths=[6, 2, 0]))


@pytest.mark.parametrize("kind", KINDS)
def test_pairs_are_bidirectional(kind: Any) -> None:
    pairs = [(layer(kind, inputs), layer(kind, inputs)) for inputs in (5, 8)]
    if kind is rf.SRU:  # in one layer of both directions each lets its half of x pass
        expected = r"^layers\[1\]: expected weight_ih of shape \(12, 8\)"
        with pytest.raises(ValueError, match=expected):
            rf.fuse(*pairs)
        pairs.pop()
    fused = rf.fuse(pairs[0], *(rf.bidirectional(*pair) for pair in pairs[1:]))
    chain = rf.chain(*(rf.bidirectional(*pair) for pair in pairs))
    y, state = fused(X, lengths=[6, 2, 0])
    expected, states = chain(X, lengths=[6, 2, 0], return_state=True)
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-15)
    places = [f"{k}.{d}_layer" for k in range(len(pairs)) for d in ("forward", "reverse")]
    rows = [states[place] for place in places]
    for part, own in enumerate(state if isinstance(state, tuple) else (state,)):
        parts = [row[part] if isinstance(row, tuple) else row for row in rows]
        np.testing.assert_allclose(own, np.concatenate(parts), rtol=1e-12, atol=1e-15)
    assert repr(rf.fuse(fused)) == repr(fused)  # one layer is one level


def test_options_and_mode_are_kept() -> None:
    options: dict[str, Any] = {"proj_size": 2, "batch_first": True, "bias": False, "seed": 1}
    lower, upper = rf.LSTM(5, 4, **options), rf.LSTM(2, 4, **options)
    lower.train(False)
    fused = rf.fuse(lower, upper, seed=3)
    assert repr(fused) == "LSTM(5, 4, num_layers=2, bias=False, batch_first=True, proj_size=2)"
    assert not fused.training
    x = np.ones((2, 7, 5), np.float32)
    np.testing.assert_array_equal(fused(x)[0], upper(lower(x)[0])[0])


def test_weights_are_copies() -> None:
    lower, upper = rf.GRU(5, 4, seed=0), rf.GRU(4, 4, seed=1)
    fused = rf.fuse(lower, upper)
    before = fused.state_dict()["weight_ih_l1"].copy()
    upper.parameters()["weight_ih_l0"].assign(np.zeros((12, 4)))
    np.testing.assert_array_equal(fused.state_dict()["weight_ih_l1"], before)


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_numbers_of_pytorch(kind: str) -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    module = getattr(torch.nn, kind)(5, 4, num_layers=2, bidirectional=True).double()
    state = module.state_dict()

    def one_way(level: int, end: str) -> Any:
        part = getattr(torch.nn, kind)(5 if level == 0 else 8, 4).double()
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        part.load_state_dict({f"{n}_l0": state[f"{n}_l{level}{end}"] for n in names})
        return getattr(rf, kind).from_torch(part)

    fused = rf.fuse(*((one_way(level, ""), one_way(level, "_reverse")) for level in (0, 1)))
    expected, final = module(torch.from_numpy(X))
    y, own = fused(X)
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-12, atol=1e-14)
    if kind == "LSTM":
        final, own = final[1], own[1]
    np.testing.assert_allclose(own, final.detach().numpy(), rtol=1e-12, atol=1e-14)


GRU = rf.GRU(5, 4)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ((), "layers: expected at least one, got none"),
        ((GRU, 3), r"layers\[1\]: expected a recurrent layer, or a pair of them, got int"),
        (((GRU, rf.Linear(2, 3)),), r"layers\[0\]\[1\]: expected a recurrent layer, got Linear"),
        ((GRU, rf.GRU), r"layers\[1\]: expected a recurrent .* got the class GRU; GRU\(\.\.\.\).*"),
        (((GRU,),), r"layers\[0\]: expected a pair of layers, got 1"),
        ((GRU, rf.LSTM(4, 4)), r"layers\[1\]: expected a GRU, as the first is, got LSTM"),
        ((GRU, rf.GRU(4, 3)), r"layers\[1\]: expected hidden_size 4, as the first has, got 3"),
        ((GRU, rf.GRU(5, 4)), r"layers\[1\]: expected input_size 4, got 5"),
        (((GRU, rf.GRU(4, 4)),), r"layers\[0\]\[1\]: expected input_size 5, got 4"),
        (
            (GRU, rf.GRU(4, 4, dtype="float64")),
            r"layers\[1\]: expected dtype float32, as the first has, got float64",
        ),
        (
            (GRU, rf.GRU(4, 4, bidirectional=True)),
            r"layers\[1\]: expected 1 directions, as layers\[0\] has, got 2",
        ),
        (
            ((GRU, rf.GRU(5, 4, num_layers=2)),),
            r"layers\[0\]\[1\]: expected one layer in one direction, got 2 in 1",
        ),
        (
            (rf.bidirectional(GRU, merge="sum"),),
            r"layers\[0\]: expected merge 'concat', got 'sum'",
        ),
        (
            (rf.GRU(5, 4, num_layers=2, dropout=0.5),),
            r"layers\[0\]: expected dropout 0 between layers, got 0.5",
        ),
    ],
)
def test_what_does_not_fit_is_told(layers: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=f"^{message}$"):
        rf.fuse(*layers)
