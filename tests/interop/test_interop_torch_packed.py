"""Packed sequences through the drop-in layers: rows stay where PyTorch has them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from dropin_cases import CASES, CELLS, assert_same, leaves, loss, new_state, pair, tensors, torch

rnn = torch.nn.utils.rnn


def packed_input(lengths: list[int], dtype: Any, enforce_sorted: bool) -> tuple[Any, Any]:
    torch.manual_seed(6)
    x = torch.randn(max(lengths), len(lengths), 5, dtype=dtype, requires_grad=True)
    return x, rnn.pack_padded_sequence(x, torch.tensor(lengths), enforce_sorted=enforce_sorted)


LENGTHS = {
    "ties": [4] * 32,
    "ties of two": [4, 2] * 20,
    "many": [(7 * i) % 9 + 1 for i in range(40)],
    "sorted": [6, 4, 4, 1],
    "one": [3],
    "a step": [1, 1, 1],
}


@pytest.mark.parametrize(("name", "options"), CASES)
@pytest.mark.parametrize("kind", LENGTHS)
@pytest.mark.parametrize("enforce_sorted", [False, True])
@pytest.mark.parametrize("given", [False, True])
def test_rows_stay_in_their_places(
    name: str, options: Any, kind: str, enforce_sorted: bool, given: bool
) -> None:
    lengths = LENGTHS[kind]
    if enforce_sorted:
        lengths = sorted(lengths, reverse=True)
    results = []
    for module in pair(name, options):
        x, packed = packed_input(lengths, torch.float64, enforce_sorted)
        state = new_state(name, options, len(lengths)) if given else None
        y, final = module(packed, state)
        wanted = [x, *leaves(state), *module.parameters()]
        for mine, expected in zip(y[1:], packed[1:], strict=True):
            assert mine is expected  # batch_sizes, sorted_indices, unsorted_indices
        out = rnn.pad_packed_sequence(y)[0], final
        results.append([*tensors(out), *torch.autograd.grad(loss(out), wanted)])
    assert_same(*results)


@pytest.mark.parametrize(("name", "options"), CELLS)
def test_float32_without_gradients(name: str, options: Any) -> None:
    modules = pair(name, options, torch.float32)
    _, packed = packed_input(LENGTHS["many"], torch.float32, False)
    with torch.no_grad():
        assert_same(*(tensors(m(packed)) for m in modules), rtol=1e-4, atol=1e-5)


def test_an_order_that_no_sort_gives() -> None:
    """`PackedSequence` may be made by hand: its own indices hold."""
    _, packed = packed_input([4] * 5, torch.float64, False)
    order = torch.tensor([3, 0, 4, 1, 2])
    by_hand = rnn.PackedSequence(packed.data, packed.batch_sizes, order, order.argsort())
    results = []
    for module in pair("LSTM", {}):
        out = module(by_hand, new_state("LSTM", {}, 5))
        results.append([rnn.pad_packed_sequence(out[0])[0], *tensors(out)[1:]])
    assert_same(*results)


def test_what_is_wrong_is_pytorchs_to_say() -> None:
    ours, theirs = pair("GRU", {})
    _, packed = packed_input([4, 2], torch.float64, True)
    state = new_state("GRU", {}, 3)
    for argument in ((packed, state), (packed.to(torch.float32),)):
        with pytest.raises(Exception) as expected:
            theirs(*argument)
        with pytest.raises(type(expected.value)) as mine:
            ours(*argument)
        assert str(mine.value) == str(expected.value)


@pytest.mark.parametrize(("name", "options"), CELLS)
def test_gradients_of_gradients(name: str, options: Any) -> None:
    results = []
    for module in pair(name, options):
        x, packed = packed_input([4, 2, 5], torch.float64, False)
        (first,) = torch.autograd.grad(
            tensors(module(packed))[0].square().sum(), x, create_graph=True
        )
        results.append(torch.autograd.grad(first.square().sum(), [x, *module.parameters()]))
    assert_same(*results)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite(number: float) -> None:
    for place in ("data", "gradient"):
        results = []
        for module in pair("LSTM", {"bidirectional": True}):
            x, packed = packed_input([4, 2, 5], torch.float64, False)
            if place == "data":
                packed.data.data[3, 2] = number
            y = module(packed)[0].data
            dy = torch.ones_like(y)
            if place == "gradient":
                dy[4, 1] = number
            results.append([y, *torch.autograd.grad(y, [x, *module.parameters()], dy)])
        assert_same(*results)


@pytest.mark.parametrize("name", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize("shape", [(1, 3, 9), (1, 3, 3), (1, 2, 7), (2, 3, 7)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("gradients", [False, True])
def test_states_of_another_shape_are_refused(
    name: str, shape: Any, dtype: Any, gradients: bool
) -> None:
    ours, _ = pair(name, {}, dtype)
    _, packed = packed_input([2, 2, 2], dtype, True)  # PyTorch's LSTM reads past such states
    wrong, right = torch.zeros(shape, dtype=dtype), torch.zeros(1, 3, 7, dtype=dtype)
    given = [wrong] if name != "LSTM" else [(wrong, wrong), (wrong, right), (right, wrong)]
    for state in given:
        with (
            torch.set_grad_enabled(gradients),
            pytest.raises(RuntimeError, match=r"^Expected hidden.* got \["),
        ):
            ours(packed, state)


@pytest.mark.parametrize("kind", ["padded", "packed", "step"])
def test_weights_of_another_shape_are_refused(kind: str) -> None:
    ours, _ = pair("LSTM", {}, torch.float32)
    x, packed = packed_input([2, 2, 2], torch.float32, True)
    given = {"padded": x, "packed": packed, "step": x[:1]}[kind]
    with torch.no_grad():
        ours(given)
        ours.weight_ih_l0 = torch.nn.Parameter(torch.ones(3, 3))  # past which PyTorch's reads
        with pytest.raises(
            RuntimeError, match=r"^weight_ih_l0: expected shape \(28, 5\), got \(3, 3\)$"
        ):
            ours(given)


def padded(rows: Any, alive: Any) -> Any:
    """Return packed rows (sum of lengths, n) as a batch (T, B, n)."""
    batch = rows.new_zeros(*alive.shape, rows.shape[1])
    batch[alive] = rows
    return batch


@pytest.mark.parametrize(("name", "options"), CASES)
@pytest.mark.parametrize("kind", LENGTHS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("threads", [1, 2])
def test_the_bits_are_those_of_padded_sequences(
    name: str, options: Any, kind: str, dtype: Any, threads: int
) -> None:
    lengths = np.array(sorted(LENGTHS[kind], reverse=True))
    options = {k: v for k, v in options.items() if k != "batch_first"}
    ours, _ = pair(name, options, dtype)
    native = getattr(rf, name).from_torch(ours)
    _, packed = packed_input(list(lengths), dtype, True)
    data = packed.data.detach().requires_grad_()
    state = new_state(name, options, len(lengths), dtype)
    alive = torch.from_numpy(np.arange(lengths[0])[:, None] < lengths)
    before = torch.get_num_threads(), rf.get_num_threads()
    torch.set_num_threads(threads)
    rf.set_num_threads(threads)
    try:
        y, final = ours(packed._replace(data=data), state)
        dy = torch.randn_like(y.data)
        wanted = [data, *leaves(state), *ours.parameters()]
        found = torch.autograd.grad([y.data, *leaves(final)], wanted, [dy, *leaves(final)])
        arrays = [s.detach().numpy() for s in leaves(state)]
        given = tuple(arrays) if len(arrays) > 1 else arrays[0]
        batch = padded(data.detach(), alive).numpy()
        (expected, ends), backprop = native.forward(batch, given, lengths=lengths)
        dx, dstate = backprop(padded(dy, alive).numpy(), ends)
    finally:
        torch.set_num_threads(before[0])
        rf.set_num_threads(before[1])
    exactly = {"rtol": 0, "atol": 0}
    assert_same([y.data], [torch.from_numpy(expected)[alive]], **exactly)
    assert_same(leaves(final), [torch.from_numpy(s) for s in leaves(ends)], **exactly)
    of_state = [torch.from_numpy(s) for s in leaves(dstate)]
    assert_same(found[: 1 + len(of_state)], [torch.from_numpy(dx)[alive], *of_state], **exactly)
    gradients = [torch.from_numpy(native.grads[n]) for n, _ in ours.named_parameters()]
    assert_same(found[1 + len(of_state) :], gradients, **exactly)


def test_data_that_is_no_run_of_memory() -> None:
    results = []
    for module in pair("GRU", {"num_layers": 2}):
        _, packed = packed_input([4, 2, 5], torch.float64, False)
        wide = torch.stack([packed.data.detach()] * 2, 2).requires_grad_()
        y, final = module(packed._replace(data=wide[..., 1]))
        out = [y.data, final]
        results.append([*out, *torch.autograd.grad(sum(t.square().sum() for t in out), wide)])
    assert_same(*results)


@pytest.mark.parametrize("sizes", [[1, 2], [2, 0], [2, -1, 1], [0], [], [3], [2, 2]])
def test_batch_sizes_that_cannot_be_are_pytorchs_to_answer(sizes: list[int]) -> None:
    outcomes = []
    for module in pair("GRU", {}):
        data = torch.ones(3, 5, dtype=torch.float64)
        packed = rnn.PackedSequence(data, torch.tensor(sizes, dtype=torch.int64))
        try:
            outcomes.append(tensors(module(packed)))
        except Exception as error:
            outcomes.append((type(error), str(error).split("\n")[0]))
    if isinstance(outcomes[1], list):
        assert_same(*outcomes)
    else:
        assert outcomes[0] == outcomes[1]


def test_dropout_between_layers_is_that_of_padded_sequences() -> None:
    torch.manual_seed(0)
    ours, _ = pair("GRU", {"num_layers": 2, "dropout": 0.5})
    x, packed = packed_input([4, 4, 4], torch.float64, True)
    results = []
    for given in (x, packed):
        torch.manual_seed(5)
        y = tensors(ours(given))[0].reshape(12, 7)
        results.append([y, *torch.autograd.grad(y.square().sum(), [x, *ours.parameters()])])
    assert_same(*results, rtol=0, atol=0)


def test_batches_of_gradients() -> None:
    results = []
    for module in pair("LSTM", {}):
        _, packed = packed_input([4, 2, 5], torch.float64, False)
        y = module(packed)[0].data
        torch.manual_seed(8)
        dy = torch.randn(3, *y.shape, dtype=y.dtype)
        results.append(
            torch.autograd.grad(y, [packed.data, *module.parameters()], dy, is_grads_batched=True)
        )
    assert_same(*results)
