"""Modern cells beside LSTM and GRU, PyTorch and the authors' code.

Run as ``python bench/modern.py [--threads N] [--rounds N] [--hidden N]``. Each point is one layer
over one sequence of 4,096 or 65,536 steps, input as wide as the state, float32, a call and a pass
forward and back. Answers are compared first, with the reference over the first steps and with every
peer over all. Peers are PyTorch's LSTM and GRU, the equations in PyTorch as a user writes them (all
products at once, then a loop over time, of mLSTM over chunks of 64 steps), and, where they are
installed, the packages of the authors: ``sru``, whose CPU code has a call alone, and ``xlstm``, its
plain PyTorch functions: a loop for sLSTM, for mLSTM all pairs of steps at once. sLSTM and mLSTM
have four heads. All ways of a point take turns; printed is the least time of each, as microseconds
a step and as multiples of rnnfast's.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import rnnfast as rf
import rnnfast.reference as ref

STEPS = (4096, 65536)
LAYERS = {"lstm": rf.LSTM, "gru": rf.GRU, "min_gru": rf.MinGRU, "sru": rf.SRU, "qrnn": rf.QRNN}
LAYERS |= {"qrnn_3": rf.QRNN, "slstm": rf.SLSTM, "mlstm": rf.MLSTM}
WIDTH = 3  # of qrnn_3, of whose peers the steps are put side by side first
HEADS = 4  # of sLSTM and mLSTM
CHECKED = 64  # steps that are compared with the reference
LOOPED = 4096  # more steps than this a loop in PyTorch does not go back through
CHUNK = 64

Ways = dict[str, Callable[[], Any]]


def by_equations(cell: str, state: dict[str, torch.Tensor], alpha: float) -> Callable[..., Any]:
    """Return a cell's equations in PyTorch, x (T, B, I) to h (T, B, H)."""

    def sru(x: torch.Tensor) -> torch.Tensor:
        (v_f, v_r), b = state["weight_c_l0"].chunk(2), state["bias_ih_l0"]
        f, r, n = (x @ state["weight_ih_l0"].T).chunk(3, -1)
        b_f, b_r = b.chunk(2)
        f, r = f + b_f, r + b_r
        c, found = torch.zeros_like(n[0]), []
        for t in range(len(x)):
            forget, reset = torch.sigmoid(f[t] + v_f * c), torch.sigmoid(r[t] + v_r * c)
            c = n[t] + forget * (c - n[t])
            through = alpha * x[t]
            found.append(through + reset * (c - through))
        return torch.stack(found)

    def min_gru(x: torch.Tensor) -> torch.Tensor:
        z, n = (x @ state["weight_ih_l0"].T + state["bias_ih_l0"]).chunk(2, -1)
        z = torch.sigmoid(z)
        h, found = torch.zeros_like(n[0]), []
        for t in range(len(x)):
            h = h + z[t] * (n[t] - h)
            found.append(h)
        return torch.stack(found)

    def qrnn_3(x: torch.Tensor) -> torch.Tensor:
        padded = torch.nn.functional.pad(x, (0, 0, 0, 0, WIDTH - 1, 0))
        return qrnn(torch.cat([padded[k : k + len(x)] for k in reversed(range(WIDTH))], -1))

    def qrnn(x: torch.Tensor) -> torch.Tensor:
        n, f, o = (x @ state["weight_ih_l0"].T + state["bias_ih_l0"]).chunk(3, -1)
        n, f, o = torch.tanh(n), torch.sigmoid(f), torch.sigmoid(o)
        c, found = torch.zeros_like(n[0]), []
        for t in range(len(x)):
            c = n[t] + f[t] * (c - n[t])
            found.append(c)
        return o * torch.stack(found)

    def slstm(x: torch.Tensor) -> torch.Tensor:
        pre = x @ state["weight_ih_l0"].T + state["bias_ih_l0"]
        H = pre.shape[-1] // 4
        R = state["weight_hh_l0"].reshape(4, HEADS, H // HEADS, H // HEADS)
        h, c, n, m = (torch.zeros(x.shape[1], H) for _ in range(4))
        found = []
        for t in range(len(x)):
            mixed = torch.einsum("ghuk,bhk->bghu", R, h.reshape(-1, HEADS, H // HEADS))
            i, f, z, o = (pre[t] + mixed.reshape(-1, 4 * H)).chunk(4, -1)
            kept = torch.nn.functional.logsigmoid(f) + m
            m = torch.maximum(kept, i) if t else i
            i, f = torch.exp(i - m), torch.exp(kept - m)
            c, n = f * c + i * torch.tanh(z), f * n + i
            h = torch.sigmoid(o) * c / n
            found.append(h)
        return torch.stack(found)

    def mlstm(x: torch.Tensor) -> torch.Tensor:
        q, k, v, o, i, log_f = of_heads(x, state)
        d = q.shape[-1]
        C, n, m = torch.zeros(HEADS, d, d), torch.zeros(HEADS, d, 1), torch.zeros(HEADS, 1)
        found = []
        for begin in range(0, len(x), CHUNK):
            part = slice(begin, begin + CHUNK)
            Q, K, V, b = q[:, part], k[:, part] / d**0.5, v[:, part], log_f[:, part].cumsum(-1)
            within = b[:, :, None] - b[:, None] + i[:, None, part]
            later = torch.ones(within.shape[1:], dtype=torch.bool).triu(1)
            within = within.masked_fill(later, -torch.inf)
            most = torch.maximum(within.amax(-1), b + m)
            D, g = torch.exp(within - most[..., None]), torch.exp(b + m - most)[..., None]
            A = D * (Q @ K.mT)
            norm = torch.maximum((A.sum(-1, True) + g * (Q @ n)).abs(), torch.exp(-most)[..., None])
            found.append((A @ V + g * (Q @ C)) / norm)
            weighted, m = (D[:, -1, :, None] * K).mT, most[:, -1:]
            C, n = g[:, -1:] * C + weighted @ V, g[:, -1:] * n + weighted.sum(-1, True)
        return torch.sigmoid(o) * torch.cat(found, 1).transpose(0, 1).reshape(o.shape)

    return {
        "sru": sru, "min_gru": min_gru, "qrnn": qrnn, "qrnn_3": qrnn_3, "slstm": slstm,
        "mlstm": mlstm,
    }[cell]  # fmt: skip


def of_heads(x: torch.Tensor, state: dict[str, torch.Tensor]) -> list[torch.Tensor]:
    """Return mLSTM's q, k, v (heads, T, d), o (T, 1, H), i and log f (heads, T)."""
    pre = x @ state["weight_ih_l0"].T + state["bias_ih_l0"]
    H = (pre.shape[-1] - 2 * HEADS) // 4
    *vectors, o, i, f = pre.split([H, H, H, H, HEADS, HEADS], -1)
    vectors = [each.reshape(len(x), HEADS, H // HEADS).transpose(0, 1) for each in vectors]
    return [*vectors, o, i[:, 0].T, torch.nn.functional.logsigmoid(f)[:, 0].T]


def of_xlstm(cell: str, state: dict[str, torch.Tensor]) -> Callable[..., Any] | None:
    """Return sLSTM or mLSTM by the functions of the package ``xlstm``; None: not installed."""
    try:
        from xlstm.blocks.mlstm.backends import parallel_stabilized_simple
        from xlstm.blocks.slstm.src.vanilla import slstm_forward, slstm_pointwise_function_registry
    except ImportError:
        return None

    def slstm(x: torch.Tensor) -> torch.Tensor:
        H = x.shape[-1]
        R = state["weight_hh_l0"].reshape(4, HEADS, H // HEADS, -1).transpose(0, 1)
        step = slstm_pointwise_function_registry["slstm"]
        every, _, _ = slstm_forward(
            x @ state["weight_ih_l0"].T,
            torch.zeros(4, 1, H),
            R.reshape(HEADS, 4 * (H // HEADS), -1),
            state["bias_ih_l0"],
            step,
        )
        return torch.as_tensor(every[0, 1:])

    def mlstm(x: torch.Tensor) -> torch.Tensor:
        q, k, v, o, i, _ = of_heads(x, state)
        pre = x @ state["weight_ih_l0"].T + state["bias_ih_l0"]
        f = pre[:, 0, -HEADS:].T
        h = parallel_stabilized_simple(q[None], k[None], v[None], i[None, ..., None],
                                       f[None, ..., None])  # fmt: skip
        return torch.sigmoid(o) * h[0].transpose(0, 1).reshape(o.shape)

    return {"slstm": slstm, "mlstm": mlstm}[cell]


def first_steps(cell: str, layer: Any, x: Any) -> Any:
    """Return what the reference makes of some steps."""
    state = layer.state_dict()
    if cell == "slstm":
        return ref.slstm_forward(state, x)[0]
    if cell == "mlstm":
        return ref.mlstm_forward(state, x, num_heads=HEADS)[0]
    name, width = ("qrnn", WIDTH) if cell == "qrnn_3" else (cell, 1)
    spec = ref.NetworkSpec(name, layer.input_size, layer.hidden_size, width=width)
    return ref.network_forward(spec, state, x)[0]


def of_authors(layer: rf.SRU) -> Any:
    """Return the layer in the package of SRU's authors, or None where it is not installed."""
    try:
        import sru  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        return None
    H, state = layer.hidden_size, layer.state_dict()
    theirs = sru.SRU(H, H, num_layers=1, rescale=True).eval()
    (cell,) = theirs.rnn_lst
    f, r, n = state["weight_ih_l0"].reshape(3, H, H)
    with torch.no_grad():
        cell.weight.copy_(torch.from_numpy(np.stack([n, f, r]).transpose(2, 1, 0).reshape(H, -1)))
        cell.bias.copy_(torch.from_numpy(state["bias_ih_l0"]))
        cell.weight_c.copy_(torch.from_numpy(state["weight_c_l0"]))
    return theirs


def ways_of(cell: str, steps: int, hidden: int) -> tuple[Ways, Ways]:
    """Return the ways to call a layer, and those of a pass forward and back, after a comparison."""
    options = {"num_heads": HEADS} if cell in ("slstm", "mlstm") else {}
    options |= {"width": WIDTH} if cell == "qrnn_3" else {}
    layer = LAYERS[cell](hidden, hidden, seed=0, **options)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((steps, 1, hidden), np.float32)
    dy = rng.standard_normal((steps, 1, hidden), np.float32)
    y = first_steps(cell, layer, x[:CHECKED])
    np.testing.assert_allclose(layer(x)[0][:CHECKED], y, rtol=1e-3, atol=1e-5)
    x_torch, dy_torch = torch.from_numpy(x), torch.from_numpy(dy)

    def train() -> Any:
        layer.zero_grad()
        (_, _), backprop = layer.forward(x)
        return backprop(dy)[0]

    calls: Ways = {"rnnfast": lambda: layer(x)[0]}
    passes: Ways = {"rnnfast": train}
    state = {n: torch.from_numpy(v.copy()).requires_grad_() for n, v in layer.state_dict().items()}
    if cell in ("lstm", "gru"):
        module = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[cell](hidden, hidden)
        module.load_state_dict(state)
        run: Callable[..., Any] = lambda given: module(given)[0]  # noqa: E731
        peer = "PyTorch"
    else:
        scale = layer.spec.highway_scale if cell == "sru" else 1.0
        run, peer = by_equations(cell, state, scale), "equations in PyTorch"

    def add(name: str, run: Callable[..., Any], trains: bool) -> None:
        def call() -> Any:
            with torch.no_grad():
                return run(x_torch).numpy()

        def back() -> Any:
            given = x_torch.clone().requires_grad_()
            run(given).backward(dy_torch)
            return None if given.grad is None else given.grad.numpy()

        calls[name] = call
        if trains:
            passes[name] = back

    add(peer, run, peer == "PyTorch" or cell == "mlstm" or steps <= LOOPED)
    # The package's loop writes into one tensor, of which autograd cannot go back; all pairs of many
    # steps are too many.
    known = cell == "slstm" or (cell == "mlstm" and steps <= LOOPED)
    if known and (plain := of_xlstm(cell, state)) is not None:
        add("authors", plain, cell == "mlstm")
    if cell == "sru" and (theirs := of_authors(layer)) is not None:

        def authors() -> Any:
            with warnings.catch_warnings(), torch.no_grad():
                warnings.simplefilter("ignore")
                return theirs(x_torch)[0].numpy()

        calls["authors"] = authors
    for ways in (calls, passes):
        expected, *others = (way() for way in ways.values())
        for other in others:
            np.testing.assert_allclose(other, expected, rtol=1e-2, atol=1e-3)
    return calls, passes


def least(ways: Ways, rounds: int) -> dict[str, float]:
    """Return the least seconds of each, a call a turn."""
    found = dict.fromkeys(ways, np.inf)
    for _ in range(rounds):
        for name, way in ways.items():
            begin = time.perf_counter()
            way()
            found[name] = min(found[name], time.perf_counter() - begin)
    return found


def main() -> None:
    """Print a row for each cell, length and way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--cells", default=",".join(LAYERS))
    parser.add_argument("--steps", default=",".join(map(str, STEPS)))
    arguments = parser.parse_args()
    cells = arguments.cells.split(",")
    if unknown := [cell for cell in cells if cell not in LAYERS]:
        parser.error(f"--cells: expected some of {','.join(LAYERS)}, got {unknown[0]!r}")
    rf.set_num_threads(arguments.threads)
    torch.set_num_threads(arguments.threads)
    for steps in map(int, arguments.steps.split(",")):
        # All cells in turns too: their ratios are printed beside each other.
        points = [ways_of(cell, steps, arguments.hidden) for cell in cells]
        for kind, ways in zip(("call", "forward and back"), zip(*points, strict=True), strict=True):
            both = {
                (cell, name): way
                for cell, own in zip(cells, ways, strict=True)
                for name, way in own.items()
            }
            times = least(both, arguments.rounds)
            print(f"T = {steps}, {kind}: microseconds a step, multiples of rnnfast's")
            for (cell, name), seconds in times.items():
                each, ratio = seconds / steps * 1e6, seconds / times[cell, "rnnfast"]
                print(f"  {cell:8s} {name:22s}{each:10.3f}{ratio:9.2f}", flush=True)


if __name__ == "__main__":
    main()
