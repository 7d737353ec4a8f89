"""PyTorch, in eager mode: `torch.nn` under `inference_mode`, fused Adam."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch

from peers import Local
from point import LEARNING_RATE, MOST_NORM, Point, Problem
from timing import Answer

# Said once by the switch of oneDNN, about GPUs.
warnings.filterwarnings("ignore", message="TF32 acceleration")


def candidates(point: Point, problem: Problem) -> Iterator[Local]:
    """Yield the module's way, for an LSTM in float32 also without oneDNN, and the cell's way."""
    torch.set_num_threads(point.threads)
    variants: list[tuple[str, dict[str, bool]]] = [("torch", {})]
    if point.cell == "lstm" and point.dtype == "float32" and not point.ragged:
        # oneDNN computes no other cell, type or packed sequence.
        variants.append(("torch without oneDNN", {"enabled": False}))
    for name, flags in variants:
        module = _module(point, problem)
        contexts = partial(_contexts, point, flags)
        if point.mode == "step":
            call, answer = _step(module, problem)
        elif point.mode == "infer":
            call, answer = _infer(module, point, problem)
        elif point.mode == "model":
            call, answer = _model(module, point, problem)
        elif point.mode == "sample":
            call, answer = _sample(module, point, problem)
        else:
            call, answer = _train(module, point, problem)
        yield Local(name, "torch", call, answer, contexts)
    if point.mode == "step" and point.layers == 1:
        call, answer = _cell(point, problem)
        yield Local("torch cell", "torch", call, answer, partial(_contexts, point, {}))


def _contexts(point: Point, flags: dict[str, bool]) -> list[Any]:
    found: list[Any] = [] if point.trains else [torch.inference_mode()]
    return [*found, torch.backends.mkldnn.flags(**flags)] if flags else found


def _module(point: Point, problem: Problem) -> Any:
    kind: Any = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}[point.cell]
    module = kind(
        point.I,
        point.H,
        num_layers=point.layers,
        bidirectional=point.bidirectional,
        dtype=getattr(torch, point.dtype),
    )
    module.load_state_dict({k: torch.from_numpy(v) for k, v in problem.weights.items()})
    return module


def _step(module: Any, problem: Problem) -> tuple[Any, Any]:
    inputs = [torch.from_numpy(x_t[None]) for x_t in problem.x]
    state: Any = None

    def call() -> None:
        nonlocal state
        _, state = module(inputs[0], state)

    def answer() -> Answer:
        h, outputs = None, []
        for x in inputs:
            y, h = module(x, h)
            outputs.append(y[0])
        return {"y": torch.stack(outputs).numpy()}

    return call, answer


def _cell(point: Point, problem: Problem) -> tuple[Any, Any]:
    kind: Any = {"rnn": torch.nn.RNNCell, "gru": torch.nn.GRUCell, "lstm": torch.nn.LSTMCell}
    cell = kind[point.cell](point.I, point.H, dtype=getattr(torch, point.dtype))
    weights = {k.removesuffix("_l0"): torch.from_numpy(v) for k, v in problem.weights.items()}
    cell.load_state_dict(weights)
    inputs = torch.from_numpy(problem.x).unbind()
    state: Any = None

    def call() -> None:
        nonlocal state
        state = cell(inputs[0], state)

    def answer() -> Answer:
        h, outputs = None, []
        for x in inputs:
            h = cell(x, h)
            outputs.append(h[0] if isinstance(h, tuple) else h)
        return {"y": torch.stack(outputs).numpy()}

    return call, answer


def _run(module: Any, x: Any, lengths: Any) -> tuple[Any, Any]:
    if lengths is None:
        return module(x)  # type: ignore[no-any-return]
    pack, unpack = torch.nn.utils.rnn.pack_padded_sequence, torch.nn.utils.rnn.pad_packed_sequence
    y, state = module(pack(x, lengths, enforce_sorted=False))
    return unpack(y, total_length=len(x))[0], state


def _state(state: Any) -> dict[str, Any]:
    return {"h_n": state[0], "c_n": state[1]} if isinstance(state, tuple) else {"h_n": state}


def _infer(module: Any, point: Point, problem: Problem) -> tuple[Any, Any]:
    x = torch.from_numpy(problem.x)
    lengths = None if point.lengths is None else torch.from_numpy(point.lengths)

    def answer() -> Answer:
        y, state = _run(module, x, lengths)
        return {k: v.numpy() for k, v in {"y": y, **_state(state)}.items()}

    return partial(_run, module, x, lengths), answer


def _train(module: Any, point: Point, problem: Problem) -> tuple[Any, Any]:
    x, dy = torch.from_numpy(problem.x), torch.from_numpy(problem.dy)
    lengths = None if point.lengths is None else torch.from_numpy(point.lengths)
    update = _update(module) if point.mode == "train" else None

    def gradients() -> tuple[Any, Any]:
        module.zero_grad()
        y, state = _run(module, x, lengths)
        y.backward(dy)
        return y, state

    def call() -> None:
        gradients()
        if update is not None:
            update()

    def answer() -> Answer:
        y, state = gradients()
        found = {"y": y, **_state(state), **{k: p.grad for k, p in module.named_parameters()}}
        return {k: v.detach().clone().numpy() for k, v in found.items()}

    return call, answer


def _update(module: Any) -> Any:
    parameters = list(module.parameters())
    optimizer = torch.optim.Adam(parameters, lr=LEARNING_RATE, fused=True)

    def update() -> None:
        torch.nn.utils.clip_grad_norm_(parameters, MOST_NORM)
        optimizer.step()

    return update


def _output(point: Point, problem: Problem) -> Any:
    linear = torch.nn.Linear(point.directions * point.H, point.classes)
    linear.load_state_dict(
        {
            "weight": torch.from_numpy(problem.model["output"]),
            "bias": torch.from_numpy(problem.model["output_bias"]),
        }
    )
    return linear


def _model(module: Any, point: Point, problem: Problem) -> tuple[Any, Any]:
    """Dense one-hot vectors made beforehand, or an embedding; then the usual loop's body."""
    linear = _output(point, problem)
    layers = torch.nn.ModuleDict({"recurrent": module, "output": linear})
    x, indices = torch.from_numpy(problem.x), torch.from_numpy(problem.indices)
    targets = torch.from_numpy(problem.targets).flatten()
    embedding: Any = None
    if "embedding" in problem.model:
        embedding = torch.nn.Embedding(point.classes, point.I)
        embedding.load_state_dict({"weight": torch.from_numpy(problem.model["embedding"])})
        layers["embedding"] = embedding
    update = _update(layers)

    def gradients() -> Any:
        layers.zero_grad()
        y, _ = module(x if embedding is None else embedding(indices))
        logits = linear(y).flatten(0, 1)
        loss = torch.nn.functional.cross_entropy(logits, targets)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    def call() -> None:
        gradients()
        update()

    def answer() -> Answer:
        found = {"loss": gradients()}
        for name, parameter in layers.named_parameters():
            found[name.removeprefix("recurrent.")] = parameter.grad
        return {k: v.detach().clone().numpy() for k, v in found.items()}

    return call, answer


def _sample(module: Any, point: Point, problem: Problem) -> tuple[Any, Any]:
    """The usual loop: a step, the softmax, a draw, and the draw's one-hot vector is fed back."""
    linear = _output(point, problem)
    one_hot = torch.eye(point.I).unsqueeze(1)

    def draw(pick: Any) -> list[int]:
        token, state, tokens = 0, None, []
        for _ in range(point.T):
            y, state = module(one_hot[token : token + 1], state)
            token = int(pick(linear(y[0, 0])))
            tokens.append(token)
        return tokens

    def pick(scores: Any) -> Any:
        return torch.multinomial(torch.softmax(scores, 0), 1)

    def answer() -> Answer:
        return {"tokens": torch.tensor(draw(torch.argmax), dtype=torch.float64).numpy()}

    return partial(draw, pick), answer
