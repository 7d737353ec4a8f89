"""Threads: those of a call, those that share a layer, and processes that fork."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from layer_cases import DTYPES, TEAMS, Case, assert_near, assert_same_bits, big, named, run
from network_cases import pack
from test_package import run_python

# A layer and a batch that a team of any size shares, and a value that tells all of its results.
SETUP = """
import os, sys
import numpy as np
import rnnfast as rf

rng = np.random.default_rng(0)
layer = rf.LSTM(40, 72, {layers}, dtype="float32", bidirectional={both}, seed=0)
x = rng.normal(size=(20, {batch}, 40)).astype(np.float32)

def value():
    layer.zero_grad()
    (y, _), backprop = layer.forward(x)
    dx, _ = backprop(y)
    inference, _ = layer(x)
    arrays = [y, dx, inference, *layer.grads.values()]
    return b"".join(array.tobytes() for array in arrays)

def tasks():
    return len(os.listdir("/proc/self/task"))
"""


def script(
    code: str, batch: int = 9, both: bool = False, layers: int = 1, **environment: str
) -> str:
    setup = SETUP.format(batch=batch, both=both, layers=layers)
    finished = run_python(setup + code, **environment)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


# --- the threads of a call ------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="counts the threads in /proc")
@pytest.mark.parametrize(
    ("batch", "both", "threads"),
    [(9, False, 3), (30, False, 3), (9, True, 2), (9, True, 4), (40, True, 5)],
    ids=["units", "rows", "directions", "directions and units", "directions and rows"],
)
def test_as_many_threads_work_as_may(batch: int, both: bool, threads: int) -> None:
    code = f"before = tasks(); rf.set_num_threads({threads}); value(); print(tasks() - before)"
    assert script(code, batch, both) == f"{threads - 1}\n"


@pytest.mark.skipif(sys.platform != "linux", reason="counts the threads in /proc")
@pytest.mark.parametrize(("layers", "threads"), [(1, 1), (3, 3), (4, 2)])
def test_layers_work_side_by_side(layers: int, threads: int) -> None:
    # One sequence: its steps are too small to share, so that only layers can be dealt out.
    code = (
        "x = np.tile(x, (5, 1, 1)); rf.set_num_threads(1); one = value(); before = tasks()\n"
        f"rf.set_num_threads({threads}); print(value() == one, tasks() - before)"
    )
    assert script(code, batch=1, layers=layers) == f"True {threads - 1}\n"


def test_a_small_call_stays_on_one_thread() -> None:
    code = (
        "x = x[:1, :1]; before = tasks(); rf.set_num_threads(4); value(); print(tasks() - before)"
    )
    assert script(code) == "0\n"


@pytest.mark.parametrize("limit", [{"OMP_THREAD_LIMIT": "1"}, {"OMP_THREAD_LIMIT": "2"}])
@pytest.mark.parametrize(
    ("batch", "both", "layers"),
    [(9, False, 1), (40, False, 1), (9, True, 1), (40, True, 1), (2, False, 4)],
)
def test_fewer_threads_than_were_asked_for(
    batch: int, both: bool, layers: int, limit: dict[str, str]
) -> None:
    code = "rf.set_num_threads(1); one = value(); rf.set_num_threads(4); print(value() == one)"
    assert script(code, batch, both, layers, **limit) == "True\n"


@pytest.mark.parametrize(("batch", "layers"), [(9, 1), (40, 1), (2, 5)])
def test_many_more_threads_than_cores(batch: int, layers: int) -> None:
    code = "rf.set_num_threads(1); one = value(); rf.set_num_threads(11)\nprint(value() == one)"
    assert script(code, batch, layers=layers) == "True\n"


@pytest.mark.skipif(sys.platform != "linux", reason="asks on which cores threads may run")
@pytest.mark.parametrize("threads", [2, 5])
@pytest.mark.parametrize(("batch", "layers"), [(9, 1), (40, 1), (2, 3)])
def test_threads_that_slept(threads: int, batch: int, layers: int) -> None:
    # They may wake up on one core, and then go to another, but may run where they might before.
    code = f"""
import time
rf.set_num_threads(1)
one = value()
rf.set_num_threads({threads})
for _ in range(6):
    print(value() == one)
    time.sleep(0.03)
masks = {{frozenset(os.sched_getaffinity(int(task))) for task in os.listdir("/proc/self/task")}}
print(masks == {{frozenset(os.sched_getaffinity(0))}})
"""
    assert script(code, batch, layers=layers) == 7 * "True\n"


@pytest.mark.skipif(sys.platform != "linux", reason="binds a process to a core")
@pytest.mark.parametrize(("batch", "layers"), [(9, 1), (40, 1), (2, 3)])
def test_two_threads_on_one_core(batch: int, layers: int) -> None:
    code = """
import time
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
rf.set_num_threads(1)
one = value()
rf.set_num_threads(2)
for _ in range(3):
    print(value() == one)
    time.sleep(0.03)
"""
    assert script(code, batch, layers=layers) == 3 * "True\n"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("team", TEAMS)
@pytest.mark.parametrize("threads", [1, 5])
def test_the_callers_arithmetic_keeps_its_subnormal_numbers(
    set_threads: Callable[[int], None], dtype: str, team: str, threads: int
) -> None:
    set_threads(threads)
    case = big("lstm", **TEAMS[team][1])
    layer, inputs = case.layer(dtype), case.inputs.astype(dtype)
    info = np.finfo(dtype)
    small = np.full(64, info.smallest_normal)

    def assert_subnormal() -> None:
        assert (small / 2 > 0).all(), "results are flushed"
        assert (np.full(64, info.smallest_subnormal) * 2 > 0).all(), "operands are taken for zero"

    assert_subnormal()
    run(layer, inputs)
    assert_subnormal()
    if not layer.bidirectional:
        stream = layer.stream(case.batch)
        stream(inputs.x[0])
        assert_subnormal()
    with pytest.raises(ValueError, match="finite"):
        layer(inputs.x, pack([s * dtype_nan(dtype) for s in inputs.states]))
    assert_subnormal()


def dtype_nan(dtype: str) -> Any:
    return np.dtype(dtype).type("nan")


def test_decaying_states_are_zero_before_they_are_subnormal(level: str) -> None:
    layer = rf.RNN(1, 4, nonlinearity="relu", bias=False, dtype="float32")
    weights = {"weight_ih_l0": np.ones((4, 1)), "weight_hh_l0": 0.5 * np.eye(4)}
    layer.load_state_dict(weights)
    x = np.zeros((200, 1, 1), np.float32)
    x[0] = 1
    y = layer(x)[0][:, 0, 0]
    smallest = np.finfo(np.float32).smallest_normal
    np.testing.assert_array_equal(y[:127], 0.5 ** np.arange(127, dtype=np.float32))
    assert y[126] == smallest
    assert not y[127:].any()


# --- threads that share a layer -------------------------------------------------------------------


def in_threads(count: int, work: Callable[[int], None]) -> None:
    """Run work(0), work(1), ... at once, and raise what they raise."""
    start, errors = threading.Barrier(count), []

    def body(k: int) -> None:
        try:
            start.wait(timeout=30)
            work(k)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=body, args=(k,), daemon=True) for k in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
        assert not thread.is_alive(), "a thread hangs"
    if errors:
        raise errors[0]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("team", ["units", "rows", "directions"])
def test_threads_that_share_a_layer(
    level: str, set_threads: Callable[[int], None], team: str, threads: int
) -> None:
    set_threads(threads)
    rounds, case = 6, big("gru reset after", **TEAMS[team][1])
    layer, inputs = case.layer("float64"), case.inputs
    expected = run(layer, inputs)
    layer.zero_grad()

    def work(_: int) -> None:
        for _ in range(rounds):
            state = pack(inputs.states)
            (y, final), backprop = layer.forward(inputs.x, state, **inputs.options)
            values = named(y, final)
            assert_same_bits(named(*layer(inputs.x, state, **inputs.options)), values)
            dx, initial = backprop(inputs.dy, pack(inputs.dstates))
            values |= named(dx, initial, "d")
            assert_same_bits(values, {name: expected[name] for name in values})

    in_threads(3, work)
    total = {name: 3 * rounds * expected[name] for name in layer.grads}
    assert_near(dict(layer.grads), total, 1e-13)


def test_weights_that_change_while_other_threads_call(
    level: str, set_threads: Callable[[int], None]
) -> None:
    # Each call sees the one or the other, whole.
    set_threads(2)
    case = big("lstm", input_size=16, hidden_size=33, batch=20)
    layer, inputs = case.layer("float32"), case.inputs.astype("float32")
    versions = [case.inputs.parameters, {n: -v for n, v in case.inputs.parameters.items()}]
    expected = []
    for weights in versions:
        layer.load_state_dict(weights)
        expected.append(layer(inputs.x)[0].tobytes())
    stop = threading.Event()

    def work(k: int) -> None:
        if k > 0:
            try:
                for _ in range(30):
                    assert layer(inputs.x)[0].tobytes() in expected
                    assert layer.forward(inputs.x)[0][0].tobytes() in expected
            finally:
                stop.set()
        turn = 0
        while not stop.wait(1e-4):
            buffer, turn = layer.buffer, 1 - turn
            values = buffer.values.copy()
            for name, parameter in layer.parameters().items():
                begin = parameter.offset
                values[begin : begin + parameter.data.size] = versions[turn][name].ravel()
            buffer.assign(0, values)

    in_threads(3, work)


def test_streams_in_threads_of_their_own(level: str) -> None:
    case = Case("gru reset before", hidden_size=40, steps=200, batch=2)
    layer, inputs = case.layer("float32"), case.inputs.astype("float32")
    expected, _ = layer(inputs.x)

    def work(_: int) -> None:
        stream = layer.stream(case.batch)
        for x_t, y_t in zip(inputs.x, expected, strict=True):
            np.testing.assert_array_equal(stream(x_t), y_t)

    in_threads(4, work)


# --- processes ------------------------------------------------------------------------------------

FORK = """
rf.set_num_threads(3)
expected = value()
(y, _), backprop = layer.forward(x)
stream = None if layer.bidirectional else layer.stream(9)
child = os.fork()
if child == 0:
    same = value() == expected and rf.get_num_threads() == 1
    backprop(y)
    if stream is not None:
        stream(x[0, :9])
    os._exit(0 if same else 3)
_, status = os.waitpid(child, 0)
assert os.waitstatus_to_exitcode(status) == 0, status
assert value() == expected and rf.get_num_threads() == 3
print("both")
"""


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="no fork on this system")
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("batch", [9, 40])
def test_a_fork_after_a_team_has_worked(batch: int, both: bool) -> None:
    # The team's threads are not there in the child: it works alone, and gives the same bits.
    assert script(FORK, batch, both) == "both\n"


def test_worker_processes() -> None:
    code = """
import multiprocessing
rf.set_num_threads(2)
expected = value()
with multiprocessing.get_context("fork").Pool(2) as pool:
    print(all(found == expected for found in pool.starmap(value, [()] * 4)))
"""
    assert script(code) == "True\n"
