"""Processes that fork while other threads compute, and locks over gradients that layers share."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest

import rnnfast as rf
from hostile import linux_only, outputs

FORKS = """
import os, signal, sys, threading, time
import numpy as np, rnnfast as rf

sys.setswitchinterval(1e-4)
rng = np.random.default_rng(0)
f = np.float32
x = rng.normal(size=(40, 32, 24)).astype(f)
ints = rng.integers(24, size=(40, 32))
lstm, norm = rf.LSTM(24, 64, seed=0), rf.LayerNormGRU(24, 32, seed=0)
linear, crf, attention = rf.Linear(24, 24, seed=0), rf.CRF(24, seed=0), rf.DotAttention(24, 24)
dense, sparse = rf.Embedding(24, 24, seed=0), rf.Embedding(24, 24, sparse=True, seed=0)
tied = rf.TiedEmbedding(24, 24, seed=0)
optimizer = rf.Adam([lstm, linear, sparse])

def pass_of(layer, x=x):
    (y, _), backprop = layer.forward(x)
    backprop(np.ones_like(y))

def looked_up(table):
    y, backprop = table.forward(ints)
    backprop(np.ones_like(y))

def through(layer):
    y, backprop = layer.forward(x)
    backprop(np.ones_like(y))

def attend():
    (y, _), backprop = attention.forward(x, x)
    backprop(np.ones_like(y))

def optimise():
    optimizer.step()
    optimizer.zero_grad()

work = {
    "lstm": lambda: pass_of(lstm), "norm": lambda: pass_of(norm), "linear": lambda: through(linear),
    "dense": lambda: looked_up(dense), "sparse": lambda: looked_up(sparse),
    "tied": lambda: (looked_up(tied), through(tied.linear)), "attention": attend,
    "loss": lambda: rf.linear_cross_entropy(linear, x, ints),
    "crf": lambda: crf.loss(x[:9], ints[:9]), "optimizer": optimise,
    "stream": lambda: lstm.stream(4)(x[0, :4]),
}
assert work.keys() >= set(chosen)
stop, stream = threading.Event(), lstm.stream(8)

def keep_on(call):
    while not stop.is_set():
        call()

threads = [threading.Thread(target=keep_on, args=(work[name],)) for name in chosen]
if "sampling" in extra:
    # A stream that another thread runs is lost to the child until it is reset.
    out = rf.Linear(64, 24, seed=0)
    threads.append(threading.Thread(target=lambda: [
        rf.sample(stream, out, max_length=2000, seed=1) for _ in iter(stop.is_set, True)]))
for thread in threads:
    thread.start()
slow = []
for number in range(forks):
    time.sleep(0.002 * (number % 5))
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        try:
            for call in work.values():
                call()
            if "sampling" in extra:
                stream.reset()
                stream(x[0, :8])
            rf.get_num_threads() == 1 or os._exit(4)
        except BaseException as error:
            print("child:", repr(error), file=sys.stderr, flush=True)
            os._exit(3)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if status:
        slow.append(os.waitstatus_to_exitcode(status))
stop.set()
for thread in threads:
    thread.join()
print(slow)
"""


@linux_only
@pytest.mark.parametrize("threads", ["1", "2"])
@pytest.mark.parametrize(
    "chosen",
    [
        ["lstm", "lstm"],
        ["sparse", "sparse", "optimizer"],
        ["tied", "tied", "loss"],
        ["norm", "linear", "crf", "attention", "dense"],
    ],
    ids=lambda names: "+".join(names),
)
def test_forks_while_threads_backpropagate(chosen: list[str], threads: str) -> None:
    code = f"chosen, extra, forks = {chosen!r}, [], 25\n" + FORKS
    assert (
        outputs(
            "import warnings; warnings.simplefilter('ignore')\n" + code, RNNFAST_NUM_THREADS=threads
        )
        == "[]\n"
    )


@linux_only
def test_a_fork_while_a_stream_is_run() -> None:
    code = "chosen, extra, forks = ['lstm'], ['sampling'], 25\n" + FORKS
    assert outputs("import warnings; warnings.simplefilter('ignore')\n" + code) == "[]\n"


MANY = """
import os, sys, threading, warnings
import numpy as np, rnnfast as rf

warnings.simplefilter("ignore")
rf.set_num_threads(2)
stream = rf.GRU(128, 256, seed=0).stream(2000)
x, stop = np.ones((2000, 128), np.float32), threading.Event()
thread = threading.Thread(target=lambda: [stream(x) for _ in iter(stop.is_set, True)])
thread.start()
codes = set()
for _ in range(10):
    child = os.fork()
    if child == 0:
        stream.reset()
        stream(x[:3], rows=[1, 2, 3])
        os._exit(0 if stream.state[0, 1].any() and not stream.state[0, 4:].any() else 3)
    codes.add(os.waitpid(child, 0)[1])
stop.set()
thread.join()
print(codes)
"""


@linux_only
def test_a_fork_while_a_stream_of_many_is_run() -> None:
    assert outputs(MANY) == "{0}\n"


IMPORTS = """
import os, signal, sys, threading, time
import rnnfast as rf

thread = threading.Thread(target=lambda: eval(first))
thread.start()
while "__import__" in first and "rnnfast.models" not in sys.modules:
    time.sleep(0.001)
codes = []
for _ in range(5):
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        rf.Forecaster, rf.models, rf.diagnostics
        os._exit(0)
    codes.append(child)
    time.sleep(0.02)
thread.join()
print({os.waitpid(child, 0)[1] for child in codes})
"""


@linux_only
@pytest.mark.parametrize(
    "first",
    [
        "rf.LanguageModel",
        "rf.diagnostics",
        "__import__('rnnfast.models.classifier')",
    ],
)
def test_a_fork_while_models_are_imported(first: str) -> None:
    assert outputs(f"first = {first!r}\n" + IMPORTS) == "{0}\n"


TEAMS = """
import os, sys
import numpy as np, rnnfast as rf

x = np.random.default_rng(0).normal(size=(40, 64, 64)).astype(np.float32)
layer = rf.LSTM(64, 128, seed=0)
tasks = lambda: len(os.listdir("/proc/self/task"))

def value():
    layer.zero_grad()
    (y, _), backprop = layer.forward(x)
    return backprop(y)[0].tobytes() + layer.grads["weight_hh_l0"].tobytes()

rf.set_num_threads(1)
expected = value()
for before in (1, 3):
    rf.set_num_threads(before)
    assert value() == expected
    child = os.fork()
    if child == 0:
        import signal
        signal.alarm(100)
        try:
            assert rf.get_num_threads() == 1 and value() == expected and tasks() == 1
            rf.set_num_threads(4)
            assert rf.get_num_threads() == 4 and value() == expected and tasks() == 4, tasks()
            grandchild = os.fork()
            if grandchild == 0:
                signal.alarm(100)
                rf.set_num_threads(2)
                os._exit(0 if value() == expected and tasks() == 2 else 5)
            assert os.waitpid(grandchild, 0)[1] == 0
            assert value() == expected
        except BaseException as error:
            print("child:", repr(error), file=sys.stderr, flush=True)
            os._exit(3)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status == 0, status
    assert rf.get_num_threads() == before and value() == expected
print("all")
"""


@linux_only
def test_threads_of_a_forked_child() -> None:
    """One at first; as many as it asks for, truly."""
    assert outputs(TEAMS) == "all\n"


def in_threads(*calls: Callable[[], object]) -> None:
    start, errors = threading.Barrier(len(calls)), []

    def run(call: Callable[[], object]) -> None:
        try:
            start.wait(timeout=60)
            call()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=300)
    assert not errors, errors


def test_layers_over_one_gradient_lose_no_sum() -> None:
    """The embedding and the output layer of a `TiedEmbedding` add to one array."""
    rounds, size, width = 40, 1500, 256
    tied = rf.TiedEmbedding(size, width, seed=0, dtype="float64")
    tokens, ones = np.arange(size), np.ones((size, width))
    h, targets = np.ones((4, width)), np.zeros(4, np.int64)

    def embed() -> None:
        for _ in range(rounds):
            tied.forward(tokens)[1](ones)

    def score() -> None:
        for _ in range(rounds):
            tied.linear.forward(h)[1](np.ones((4, size)))

    in_threads(embed, score, embed, score)
    # 1 from the table's pass, 4 rows of 1 from the output layer's: exact in float64.
    want = np.full((size, width), 2.0 * rounds * (1 + 4))
    np.testing.assert_array_equal(tied.grads["weight"], want)
    tied.zero_grad()
    loss, _ = rf.linear_cross_entropy(tied.linear, h, targets, reduction="sum")
    once = tied.grads["weight"].copy()
    tied.zero_grad()
    in_threads(
        *(
            lambda: [
                rf.linear_cross_entropy(tied.linear, h, targets, reduction="sum")
                for _ in range(rounds)
            ],
        )
        * 3,
        embed,
    )
    np.testing.assert_allclose(
        tied.grads["weight"], 3 * rounds * once + rounds, rtol=1e-10, err_msg=str(loss)
    )


def test_gradients_added_in_numpy_lose_no_sum() -> None:
    """CRF, attention and layer normalisation work partly in NumPy, which lets others in."""
    rng = np.random.default_rng(0)
    rounds, K = 20, 300
    crf = rf.CRF(K, seed=0, dtype="float64")
    e, y = rng.normal(size=(3, 2, K)), rng.integers(K, size=(3, 2))
    dot = rf.DotAttention(K, K, seed=0, dtype="float64")
    additive = rf.AdditiveAttention(K, K, K, seed=0, dtype="float64")
    norm = rf.LayerNormGRU(K, 100, seed=0, dtype="float64")

    def attend(layer: rf.DotAttention | rf.AdditiveAttention) -> None:
        (context, _), backprop = layer.forward(e, e)
        backprop(np.ones_like(context))

    def step() -> None:
        (h, _), backprop = norm.forward(y)
        backprop(np.ones_like(h))

    calls = {
        crf: lambda: crf.loss(e, y),
        dot: lambda: attend(dot),
        additive: lambda: attend(additive),
        norm: step,
    }
    for layer, call in calls.items():
        call()
        once = {name: g.copy() for name, g in layer.grads.items()}
        layer.zero_grad()
        in_threads(*(lambda call=call: [call() for _ in range(rounds)],) * 4)
        for name, g in layer.grads.items():
            np.testing.assert_allclose(g, 4 * rounds * once[name], rtol=1e-9, atol=1e-12)
