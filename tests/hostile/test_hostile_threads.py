"""Threads that cannot be had: fewer are taken, and the results are the same."""

from __future__ import annotations

import pytest

from hostile import linux_only, outputs, root_only

VALUE = """
import os
import numpy as np, rnnfast as rf

x = np.random.default_rng(0).normal(size=(30, 64, 64)).astype(np.float32)
layer, linear = rf.LSTM(64, 128, seed=0), rf.Linear(64, 300, seed=0)
tasks = lambda: len(os.listdir("/proc/self/task"))

def value():
    layer.zero_grad()
    (y, _), backprop = layer.forward(x)
    rows, _ = rf.linear_cross_entropy(linear, x, np.zeros((30, 64), np.int64))
    step = layer.stream(64)(x[0])
    return backprop(y)[0].tobytes() + step.tobytes() + linear(x).tobytes() + repr(rows).encode()

rf.set_num_threads(1)
expected = value()
"""

# Threads of others count as well: a user that nobody else is.
USER = """
import resource
os.setgid(54321)
os.setuid(54321)
resource.setrlimit(resource.RLIMIT_NPROC, ({limit}, {limit}))
"""


@linux_only
@root_only
@pytest.mark.parametrize("limit", [1, 2, 3])
@pytest.mark.parametrize("threads", [2, 3, 8])
def test_no_thread_to_be_had(limit: int, threads: int) -> None:
    code = f"""
rf.set_num_threads({threads})
print(all(value() == expected for _ in range(20)), tasks() <= {limit})
rf.set_num_threads(2)
print(value() == expected)
rf.set_num_threads({threads})
print(value() == expected)
"""
    assert outputs(VALUE + USER.format(limit=limit) + code) == "True True\nTrue\nTrue\n"


@linux_only
@root_only
@pytest.mark.parametrize("limit", [1, 2])
def test_no_thread_for_a_search(limit: int) -> None:
    """Where no thread can begin, the caller's does the work of all."""
    code = f"""
logits = np.random.default_rng(0).normal(size=(300, 3, 40)).astype("f4")
decoder = rf.CTCDecoder(["", *map(chr, range(97, 136))], beam_size=50)
expected = decoder(logits)
{USER.format(limit=limit)}
rf.set_num_threads(4)
print(decoder(logits) == expected)
"""
    assert outputs(VALUE + code) == "True\n"


@linux_only
@root_only
def test_threads_that_come_back() -> None:
    """A team that has begun keeps its threads; one that could not begin has them when it can."""
    code = """
import threading, time
stop = threading.Event()
others = []
try:
    while True:
        others.append(threading.Thread(target=stop.wait))
        others[-1].start()
except RuntimeError:
    others.pop()
rf.set_num_threads(4)
full = tasks()
print(value() == expected, tasks() == full)
stop.set()
for thread in others:
    thread.join()
time.sleep(0.1)
print(value() == expected, tasks())
"""
    assert outputs(VALUE + USER.format(limit=5) + code) == "True True\nTrue 4\n"


@linux_only
def test_no_memory_for_a_stack() -> None:
    code = """
import resource
rf.set_num_threads(4)
used = int(open("/proc/self/statm").read().split()[0]) * 4096
hard = resource.getrlimit(resource.RLIMIT_AS)[1]
resource.setrlimit(resource.RLIMIT_AS, (used + 2**22, hard))  # a thread's stack has more
y = linear(x)
resource.setrlimit(resource.RLIMIT_AS, 2 * resource.getrlimit(resource.RLIMIT_AS)[1:])
print(value() == expected)
"""
    assert outputs(VALUE + code) == "True\n"
