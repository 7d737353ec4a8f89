"""Tensors of every kind: the drop-in layers answer, or refuse, what those of PyTorch do."""

from __future__ import annotations

from typing import Any

import pytest

from dropin_cases import assert_same, leaves, new_input, new_state, pair, tensors, torch

NAMES = ["RNN", "GRU", "LSTM"]


def base() -> Any:
    return new_input({})


def inference() -> Any:
    with torch.inference_mode():
        return base() * 1


INPUTS: dict[str, Any] = {
    "zeros without memory": lambda: torch._efficientzerotensor((6, 3, 5), dtype=torch.float64),
    "sparse": lambda: base().to_sparse(),
    "quantized": lambda: torch.quantize_per_tensor(base().float(), 0.1, 0, torch.qint8),
    "complex": lambda: torch.complex(base(), base()),
    "negated": lambda: torch._neg_view(base()),
    "imaginary part": lambda: torch.complex(base(), base()).conj().imag,
    "expanded in time": lambda: base()[:1].expand(6, 3, 5),
    "expanded in the batch": lambda: base()[:, :1].expand(6, 3, 5),
    "expanded features": lambda: base()[..., :1].expand(6, 3, 5),
    "one number": lambda: torch.tensor(0.5, dtype=torch.float64).expand(6, 3, 5),
    "overlapping": lambda: torch.rand(40, dtype=torch.float64).as_strided((6, 3, 5), (2, 1, 1)),
    "nested": lambda: torch.nested.nested_tensor([base()[:, 0], base()[:3, 0]]),
    "inference": inference,
    "view of a leaf": lambda: base().requires_grad_()[:],
    "expanded leaf": lambda: base()[:1].expand(6, 3, 5).requires_grad_(),
    "functional": lambda: torch._to_functional_tensor(base()),
    "meta": lambda: base().to("meta"),
    "integers": lambda: torch.ones(6, 3, 5, dtype=torch.int64),
    "an array": lambda: base().numpy(),
}
if hasattr(torch.Tensor, "refine_names"):  # which PyTorch gave up
    INPUTS["named"] = lambda: base().refine_names("T", "B", "I")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("gradients", [True, False])
@pytest.mark.parametrize("place", ["input", "hx"])
@pytest.mark.filterwarnings("ignore")
def test_tensors_of_every_kind(name: str, kind: str, gradients: bool, place: str) -> None:
    results: list[Any] = []
    for module in pair(name, {}):
        torch.manual_seed(5)
        x, state = INPUTS[kind](), None
        try:
            if place == "hx":
                state, x = x.reshape(-1)[:21].reshape(1, 3, 7), base()
                state = (state, state.clone()) if name == "LSTM" else state
            with torch.set_grad_enabled(gradients):
                found = tensors(module(x, state))
            if found[0].requires_grad and not found[0].is_meta:
                found += torch.autograd.grad(found[0].sum(), list(module.parameters()))
            results.append([(t.is_meta, t.shape) if t.is_meta else t for t in found])
        except Exception as error:
            results.append((type(error), str(error)))
    mine, expected = results
    if kind == "functional" and isinstance(expected, list):
        mine, expected = ([torch._from_functional_tensor(t) for t in r[:1]] for r in results)
    if isinstance(expected, tuple) or isinstance(expected[0], tuple):
        assert mine == expected
    else:
        assert_same(mine, expected)


@pytest.mark.parametrize("name", NAMES)
def test_tensors_of_other_classes(name: str) -> None:
    class Logged(torch.Tensor):
        pass

    ours, theirs = pair(name, {})
    x = new_input({}).as_subclass(Logged)
    assert type(ours(x)[0]) is type(theirs(x)[0])
    learned = torch.nn.Parameter(leaves(new_state(name, {}))[0].detach())
    state = (learned, torch.nn.Parameter(learned.detach())) if name == "LSTM" else learned
    ours(new_input({}), state)[0].sum().backward()
    assert learned.grad is not None
