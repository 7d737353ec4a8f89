"""Arrays and sizes that no machine has memory for: said in one line, and nothing is lost by it."""

from __future__ import annotations

import re

import pytest

from hostile import linux_only, outputs

GIB = 2**30
# "12.0 TiB", as the messages here and NumPy's tell what was wanted
SIZE = re.compile(r"\d+(\.\d*)?(e\+\d+)? ([KMGTPEZY]i)?B\b")


def said(table: str, limit: int | None = None) -> dict[str, tuple[str, str]]:
    """Return by call what a table of `hostile_calls` raised, and its message."""
    printed = outputs(f"import hostile_calls as h\nh.refused(h.{table})", limit=limit)
    lines = dict(line.split(": ", 1) for line in printed.splitlines())
    assert lines
    return {name: tuple(line.split(" | ", 1)) for name, line in lines.items()}  # type: ignore[misc]


def test_arrays_without_memory() -> None:
    for name, (kind, message) in said("calls_with_huge_arrays").items():
        if kind == "MemoryError":
            assert SIZE.search(message), f"{name}: {message}"
        else:  # refused by its shape alone
            assert kind in ("ValueError", "TypeError"), name
            assert re.match(r"[\w.]+: expected ", message), f"{name}: {message}"


def test_sizes_without_memory() -> None:
    for name, (kind, message) in said("sizes_that_nobody_has").items():
        assert kind == "MemoryError", f"{name}: {kind}"
        assert SIZE.search(message), f"{name}: {message}"
        assert re.match(r"\w+(, \w+)*: ", message), f"{name}: {message}"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (
            "rf.GRU(4, 2**40)",
            r"input_size, hidden_size, num_layers: expected sizes whose parameters and gradients "
            r"fit in [\d.]+ [GT]iB, got 4, 1099511627776, 1, which need 24.0 YiB$",
        ),
        (
            "rf.LSTM(4, 5, num_layers=2**31)",
            r"input_size, hidden_size, num_layers: .* got 4, 5, 214",
        ),
        ("rf.Embedding(2**40, 2**20)", r"num_embeddings, embedding_dim: expected .* need 8.0 EiB$"),
        (
            "rf.LSTM(4, 5).stream(2**63 - 1)",
            r"batch_size: a stream of 9223372036854775807 sequences needs [\d.]+ [EZ]iB, more",
        ),
        (
            "rf.LSTM(3, 4)(np.broadcast_to(np.float32(0), (2**20, 2**20, 3)))",
            r"x: a contiguous copy needs 12.0 TiB, more than there is$",
        ),
    ],
)
def test_messages(code: str, message: str) -> None:
    printed = outputs(
        "import numpy as np, rnnfast as rf\n"
        f"try:\n    {code}\nexcept MemoryError as error:\n    print(error)"
    )
    assert re.match(message, printed.strip()), printed


@linux_only
def test_memory_that_is_short() -> None:
    """Ordinary arrays that are not contiguous, where there is no room for a copy of them."""
    code = """
import numpy as np, rnnfast as rf
base = np.zeros((2**25, 4), np.float32)  # half a GiB
x, ints = base[:, ::2], np.zeros((2**25, 2), np.int64)[:, 0]
lstm, linear, embedding, drop = rf.LSTM(2, 1), rf.Linear(2, 1), rf.Embedding(2, 1), rf.Dropout()
lstm(np.zeros((9, 9, 2), np.float32))
import resource
used = int(open("/proc/self/statm").read().split()[0]) * 4096
resource.setrlimit(resource.RLIMIT_AS, (used + 2**26, resource.getrlimit(resource.RLIMIT_AS)[1]))
for name, call in {
    "lstm": lambda: lstm(x[:, None]),
    "indices": lambda: lstm(ints[:, None]),
    "forward": lambda: lstm.forward(x[:, None]),
    "linear": lambda: linear(x),
    "embedding": lambda: embedding(ints),
    "dropout": lambda: drop.forward(x),
    "mse": lambda: rf.mse(x, x),
    "cross_entropy": lambda: rf.cross_entropy(x, ints),
    "linear_cross_entropy": lambda: rf.linear_cross_entropy(linear, x, ints),
    "softmax": lambda: rf.softmax(x),
    "draw": lambda: rf.generation.draw(x),
    "crf": lambda: rf.CRF(2).decode(x),
    "ctc": lambda: rf.ctc_loss(x[:, None], [[1]]),
    "attention": lambda: rf.DotAttention(2, 2)(x[:, None], x[:, None]),
    "stream": lambda: lstm.stream(2**24),
}.items():
    try:
        call()
    except MemoryError as error:
        print(name, "|", error)
    else:
        print(name, "| nothing")
y, _ = lstm(np.zeros((9, 9, 2), np.float32))
print(y.shape)
"""
    lines = outputs(code).splitlines()
    assert lines.pop() == "(9, 9, 1)"
    for line in lines:
        assert SIZE.search(line), line


@linux_only
def test_a_pass_without_memory_for_what_it_keeps() -> None:
    code = """
import numpy as np, rnnfast as rf
layer = rf.LSTM(4, 256)
x = np.zeros((100, 20, 4), np.float32)
layer(x)
import resource
used = int(open("/proc/self/statm").read().split()[0]) * 4096
resource.setrlimit(resource.RLIMIT_AS, (used + 2**24, resource.getrlimit(resource.RLIMIT_AS)[1]))
for call in (lambda: layer.forward(np.concatenate([x] * 40)), lambda: rf.CRF(300).decode(
    np.broadcast_to(np.zeros(300, np.float32), (2000, 60, 300)))):
    try:
        call()
    except MemoryError as error:
        print(error)
resource.setrlimit(resource.RLIMIT_AS, 2 * resource.getrlimit(resource.RLIMIT_AS)[1:])
layer.forward(x)[1](np.ones((100, 20, 256), np.float32))
print("goes on")
"""
    *messages, last = outputs(code).splitlines()
    assert last == "goes on"
    assert len(messages) == 2
    for message in messages:
        assert SIZE.search(message), message


def test_zero_sizes_beside_large_ones() -> None:
    """Axes of no size make any other cheap: nothing may be counted by them."""
    code = """
import numpy as np, rnnfast as rf
f, i = np.float32, np.int64
n = 2**40
for name, call in {
    "no sequences": lambda: rf.LSTM(3, 4)(np.empty((n, 0, 3), f)),
    "no steps": lambda: rf.LSTM(3, 4)(np.empty((0, n, 3), f)),
    "recompute": lambda: rf.LSTM(3, 4).forward(np.empty((n, 0, 3), f), recompute=True),
    "no indices": lambda: rf.GRU(3, 4).forward(np.empty((n, 0), i)),
    "crf": lambda: rf.CRF(3).decode(np.empty((n, 0, 3), f)),
    "crf, loss": lambda: rf.CRF(3).loss(
        np.empty((n, 0, 3), f), np.empty((n, 0), i), reduction="sum"),
    "ctc": lambda: rf.ctc_loss(np.empty((n, 0, 3), f), [], reduction="sum"),
    "no classes": lambda: rf.cross_entropy(np.empty((n, 0), f), np.empty(n, i)),
    "linear": lambda: rf.Linear(3, 4)(np.empty((n, 0, 3), f)),
    "dropout": lambda: rf.Dropout().forward(np.empty((n, 0), f)),
    "mse": lambda: rf.mse(np.empty((n, 0), f), np.empty((n, 0), f), reduction="sum"),
    "softmax": lambda: rf.softmax(np.empty((n, 0, 3), f)),
    "embedding": lambda: rf.Embedding(3, 4)(np.empty((n, 0), i)),
}.items():
    print(name, flush=True)
    try:
        call()
    except (MemoryError, ValueError) as error:
        assert str(error)
"""
    assert len(outputs(code).splitlines()) == 13
