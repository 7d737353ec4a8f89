"""Cases of the drop-in replacements for PyTorch's layers, beside PyTorch's own."""

from __future__ import annotations

import contextlib
import copy
from typing import Any

import rnnfast as rf

from .checks import Case, Fault, near, require_refusal
from .draws import DTYPES
from .layers import TOLERANCE


def dropin(case: Case) -> None:
    """A drop-in gives what PyTorch's layer gives, forward and back."""
    import torch

    from rnnfast.interop import torch as ours

    draw = case.draw
    name = draw.choice(("RNN", "GRU", "LSTM"))
    options = draw.some(
        num_layers=lambda: draw.integer(1, 2),
        bias=lambda: draw.chance(0.5),
        batch_first=lambda: draw.chance(0.5),
        bidirectional=lambda: draw.chance(0.5),
    )
    hidden = draw.size()
    if name == "LSTM" and hidden > 1:
        options |= draw.some(proj_size=lambda: draw.integer(1, hidden - 1))
    dtype = draw.choice(DTYPES)
    options["dtype"] = getattr(torch, dtype)
    size = draw.size()
    torch.manual_seed(draw.integer(0, 99))
    with contextlib.suppress(Exception):
        torch.set_num_threads(1)
    theirs = getattr(torch.nn, name)(size, hidden, **options)
    swapped = draw.chance(0.5)
    if swapped:
        mine = copy.deepcopy(theirs)
        ours.accelerate(mine)
    else:
        mine = getattr(ours, name)(size, hidden, **options)
        mine.load_state_dict(theirs.state_dict())
    steps, batch = draw.integer(1, 6), draw.integer(1, 5)
    shape = (batch, steps, size) if options.get("batch_first") else (steps, batch, size)
    x = torch.tensor(draw.rng.normal(size=shape), dtype=options["dtype"])
    if draw.chance(0.2):
        x = x.transpose(0, 1).contiguous().transpose(0, 1)
    packed = draw.chance(0.3)
    results = []
    way = "accelerate(torch.nn" if swapped else "(interop.torch"
    case.tell(f"{way}.{name}({size}, {hidden}, {options})), x {shape}")
    lengths = [draw.integer(1, steps) for _ in range(batch)]
    lengths[0] = steps
    for layer in (theirs, mine):
        given = x.clone().requires_grad_()
        inputs: Any = given
        if packed:
            inputs = torch.nn.utils.rnn.pack_padded_sequence(
                given, lengths, options.get("batch_first", False), enforce_sorted=False
            )
        try:
            y, final = layer(inputs)
        except Exception as error:
            require_refusal(error)
            raise Fault(f"refused what PyTorch takes: {error}") from error
        y = y.data if packed else y
        ends = final if isinstance(final, tuple) else (final,)
        ((y * y).sum() + sum(end.sum() for end in ends)).backward()
        gradients = {n: p.grad for n, p in layer.named_parameters()}
        results.append({"y": y, "dx": given.grad, **gradients}
                       | {f"state {k}": end for k, end in enumerate(ends)})  # fmt: skip
    for key, wanted in results[0].items():
        tolerance = TOLERANCE[dtype] * (100 if key.startswith(("weight", "bias", "dx")) else 2)
        near(results[1][key].detach().numpy(), wanted.detach().numpy(), tolerance, key)
    native = case.call(getattr(rf, name).from_torch, mine)
    if not (case.spoiled or packed):
        wanted = results[0]["y"].detach().numpy()
        near(native(x.numpy())[0], wanted, 2 * TOLERANCE[dtype], "y of from_torch")


def dropin_steps(case: Case) -> None:
    """Steps of a layer or a cell, with changes of weights between them, are PyTorch's."""
    import torch

    from rnnfast.interop import torch as ours

    draw = case.draw
    is_cell = draw.chance(0.5)
    name = draw.choice(("RNN", "GRU", "LSTM"))
    dtype = draw.choice(DTYPES)
    size, hidden, batch = draw.size(), draw.size(), draw.integer(1, 5)
    options: dict[str, Any] = {"bias": draw.chance(0.5), "dtype": getattr(torch, dtype)}
    torch.manual_seed(draw.integer(0, 99))
    theirs = getattr(torch.nn, name + "Cell" * is_cell)(size, hidden, **options)
    mine = copy.deepcopy(theirs)
    ours.accelerate(mine)
    states: list[Any] = [None, None]
    case.tell(
        f"steps of accelerate(torch.nn.{name}{'Cell' * is_cell}({size}, {hidden}, {options}))"
    )
    for _ in range(draw.integer(1, 8)):
        rows = torch.tensor(draw.rng.normal(size=(batch, size)), dtype=options["dtype"])
        x = rows if is_cell else rows.unsqueeze(0)
        if draw.chance(0.3):
            x = x.transpose(0, -1).contiguous().transpose(0, -1)
        way = draw.choice(("grad", "no_grad", "inference", "frozen"))
        change = draw.choice(("none", "in place", "data", "another", "state"))
        found = []
        for k, module in enumerate((theirs, mine)):
            parameter = module.get_parameter(next(iter(module.state_dict())))
            with torch.no_grad():
                if change == "in place":
                    parameter.mul_(0.9)
                elif change == "data":
                    parameter.data = parameter.data * 0.9
                elif change == "another":
                    key = next(iter(module.state_dict()))
                    setattr(module, key, torch.nn.Parameter(parameter.detach() * 0.9))
                elif change == "state" and states[k] is not None:
                    for tensor in states[k]:
                        tensor.mul_(0.5)
            hx: Any = states[k] if states[k] is None or name == "LSTM" else states[k][0]
            mode = torch.inference_mode() if way == "inference" else (
                torch.set_grad_enabled(way == "grad")
            )  # fmt: skip
            with mode, ours.frozen(module) if way == "frozen" else contextlib.nullcontext():
                result = module(x, hx)
            result = result if is_cell else result[1]
            ends = result if isinstance(result, tuple) else (result,)
            states[k] = tuple(end.detach().clone() for end in ends)
            found.append(states[k])
        for wanted, given in zip(*found, strict=True):
            near(
                given.numpy(), wanted.numpy(), 2 * TOLERANCE[dtype], f"state after {way}, {change}"
            )


def cases() -> list[tuple[float, Any]]:
    """Return the cases that this environment can run."""
    try:
        import torch
    except ImportError:
        return []
    del torch
    return [(0.5, dropin), (0.5, dropin_steps)]
