"""Episodes within sequences: one pass with `reset` beside a loop over episodes."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from dropin_cases import (
    CASES,
    assert_same,
    count_native,
    leaves,
    loss,
    new_input,
    new_state,
    pair,
    tensors,
    torch,
)

rnn = torch.nn.utils.rnn
interop = pytest.importorskip("rnnfast.interop.torch")
RESET = [[0, 1, 0], [0, 0, 0], [1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0]]  # (T, B)


def mask(options: dict[str, Any]) -> Any:
    found = torch.tensor(RESET, dtype=torch.bool)
    return found.t().contiguous() if options.get("batch_first") else found


def one_by_one(module: Any, x: Any, state: Any, reset: Any) -> list[Any]:
    """Return y, and the final states, of a loop over the episodes of each sequence.

    Of stacked layers in both directions too: a reset cuts all of them at the same place.
    """
    first = module.batch_first
    ys, finals = [], []
    for b in range(reset.shape[0 if first else 1]):
        row = reset[b] if first else reset[:, b]
        cuts = sorted({0, *row.nonzero().flatten().tolist()})
        parts, ends = [], []
        for begin, end in zip(cuts, [*cuts[1:], len(row)], strict=True):
            piece = x[b : b + 1, begin:end] if first else x[begin:end, b : b + 1]
            own = tuple(s[:, b : b + 1] for s in leaves(state))
            if state is None or row[begin]:
                own = tuple(torch.zeros_like(s) for s in own)
            # The reverse direction begins at the end of all, with its own initial state.
            hx: Any = own
            if module.bidirectional and state is not None:
                last = tuple(s[:, b : b + 1] for s in leaves(state))
                zero = [torch.zeros_like(s) for s in own]
                hx = tuple(
                    torch.stack(
                        [
                            (o[i] if i % 2 == 0 else (s[i] if end == len(row) else z[i]))
                            for i in range(len(o))
                        ]
                    )
                    for o, s, z in zip(own, last, zero, strict=True)
                )
            hx = None if state is None else hx if isinstance(state, tuple) else hx[0]
            if begin and state is not None and not row[begin]:
                raise AssertionError("episodes begin where the mask says so")
            y, final = module(piece, hx)
            parts.append(y)
            ends.append(leaves(final))
        ys.append(torch.cat(parts, 1 if first else 0))
        if module.bidirectional:  # the reverse direction ends in the first episode
            finals.append(
                [
                    torch.stack([(e if i % 2 == 0 else a)[i] for i in range(len(e))])
                    for a, e in zip(ends[0], ends[-1], strict=True)
                ]
            )
        else:
            finals.append(ends[-1])
    return [torch.cat(ys, 0 if first else 1), *(torch.cat(f, 1) for f in zip(*finals, strict=True))]


@pytest.mark.parametrize(("name", "options"), CASES)
@pytest.mark.parametrize("with_state", [False, True])
@pytest.mark.parametrize("native", [True, False])
def test_a_pass_is_a_loop_over_episodes(
    name: str, options: Any, with_state: bool, native: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = pair(name, options)
    passes = count_native(monkeypatch)
    found = []
    for module in (ours, theirs):
        x = new_input(options, requires_grad=True)
        state = new_state(name, options) if with_state else None
        reset = mask(options)
        if module is ours:
            if not native:
                monkeypatch.setattr("rnnfast.interop.torch._layers.is_observed", lambda: True)
            y, final = module(x, state, reset=reset)
            reset.fill_(False)  # the call has what it was
            out = [y, *leaves(final)]
        else:
            out = one_by_one(module, x, state, reset)
        total = loss((out[0], tuple(out[1:])))
        wanted = [x, *leaves(state), *module.parameters()]
        found.append([*out, *torch.autograd.grad(total, wanted, allow_unused=True)])
    assert_same(*found)
    assert passes == ([True] if native else [])


@pytest.mark.parametrize(("name", "options"), CASES)
def test_stacked_layers_with_a_state_at_every_episode(name: str, options: Any) -> None:
    ours, theirs = pair(name, options)
    x, state = new_input(options), None
    with torch.no_grad():
        out = ours(x, state, reset=mask(options))
        assert_same(tensors(out), one_by_one(theirs, x, state, mask(options)))
        no_reset = torch.zeros_like(mask(options))
        assert_same(tensors(ours(x, reset=no_reset)), tensors(theirs(x)))


@pytest.mark.parametrize("name", ["RNN", "GRU", "LSTM"])
def test_a_single_sequence_and_gradients_of_gradients(name: str) -> None:
    ours, theirs = pair(name, {})
    x = new_input({})[:, 0].requires_grad_()
    reset = mask({})[:, 0]
    y, final = ours(x, None, reset=reset)
    expected = one_by_one(theirs, x.unsqueeze(1), None, reset.unsqueeze(1))
    assert_same([y, *leaves(final)], [t.squeeze(1) for t in expected])
    both = []
    for out in (y, expected[0]):
        (first,) = torch.autograd.grad(out.square().sum(), x, create_graph=True)
        both.append([first, *torch.autograd.grad(first.square().sum(), x)])
    assert_same(*both)


@pytest.mark.parametrize("name", ["RNN", "GRU", "LSTM"])
def test_what_the_kernels_do_not_run(name: str) -> None:
    ours, theirs = pair(name, {}, torch.float32)
    x, reset = new_input({}, torch.float32), mask({})
    expected = one_by_one(theirs, x, None, reset)
    narrow = copy.deepcopy(ours).to(torch.bfloat16)
    half = narrow(x.to(torch.bfloat16), reset=reset)
    assert_same([t.float() for t in tensors(half)], expected, rtol=0.05, atol=0.05)
    with torch.no_grad():
        x[1, 0, 0] = float("nan")  # forgotten at the next episode
        found, expected = tensors(ours(x, reset=reset)), one_by_one(theirs, x, None, reset)
    assert_same(found, expected, rtol=1e-5, atol=1e-6)
    assert torch.isnan(found[0]).any()
    assert not torch.isnan(found[0][2:]).any()


def test_dropout_between_layers_holds() -> None:
    ours, _ = pair("GRU", {"num_layers": 2, "dropout": 0.5})
    x, reset = new_input({}), mask({})
    for _ in range(2):
        torch.manual_seed(1)
        first = ours(x, reset=reset)
        torch.manual_seed(1)
        assert_same(tensors(first), tensors(ours(x, reset=reset)))
        assert not torch.equal(first[0], ours(x, reset=reset)[0])
        x = x.requires_grad_()


def test_an_accelerated_layer_takes_it() -> None:
    model = torch.nn.Sequential(torch.nn.GRU(5, 7))
    interop.accelerate(model)
    x, reset = torch.randn(6, 3, 5), mask({})
    y, _ = model[0](x, reset=reset)
    assert not torch.equal(y, model[0](x)[0])
    interop.restore(model)
    with pytest.raises(TypeError, match="reset"):
        model[0](x, reset=reset)


@pytest.mark.parametrize(
    ("reset", "error", "message"),
    [
        (lambda: RESET, TypeError, r"^reset: expected a tensor of bools, got list$"),
        (lambda: np.array(RESET), TypeError, r"^reset: expected a tensor of bools, got ndarray$"),
        (
            lambda: torch.tensor(RESET),
            TypeError,
            r"^reset: expected dtype torch\.bool, got torch\.int64$",
        ),
        (lambda: mask({}).t(), ValueError, r"^reset: expected shape \(6, 3\), got \(3, 6\)$"),
        (
            lambda: mask({}).to("meta"),
            ValueError,
            r"^reset: expected a tensor on cpu, got one on meta$",
        ),
    ],
)
@pytest.mark.parametrize("name", ["RNN", "GRU", "LSTM"])
def test_another_reset_is_refused(name: str, reset: Any, error: Any, message: str) -> None:
    ours, _ = pair(name, {})
    with pytest.raises(error, match=message):
        ours(new_input({}), reset=reset())
    packed = rnn.pack_padded_sequence(new_input({}), torch.tensor([6, 4, 2]))
    with pytest.raises(
        ValueError, match=r"^reset: expected None with a PackedSequence, got a mask"
    ):
        ours(packed, reset=mask({}))
