"""Steps of one module in several threads, while another one gives it new parameters."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from dropin_cases import interop, torch

NAMES = ["RNN", "GRU", "LSTM", "RNNCell", "GRUCell", "LSTMCell"]


@pytest.fixture(autouse=True)
def quick_switches() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.parametrize("name", NAMES)
def test_parameters_that_are_replaced_meanwhile(name: str) -> None:
    torch.manual_seed(0)
    module = getattr(torch.nn, name)(5, 7, dtype=torch.float64)
    rows = torch.randn(3, 5, dtype=torch.float64)
    x = rows if "Cell" in name else rows.unsqueeze(0)

    def run() -> Any:
        with torch.no_grad():
            result = module(x)
        return result[0] if isinstance(result, tuple) else result

    expected = run()
    interop.accelerate(module)
    worst, done = [], threading.Event()

    def step() -> None:
        found = [float((run() - expected).abs().max()) for _ in range(2000)]
        worst.append(max(found))

    def replace() -> None:
        while not done.is_set():
            for key, parameter in list(module.named_parameters()):  # the same numbers elsewhere
                setattr(module, key, torch.nn.Parameter(parameter.detach().clone()))

    stepping = [threading.Thread(target=step) for _ in range(3)]
    replacing = threading.Thread(target=replace)
    for thread in (*stepping, replacing):
        thread.start()
    for thread in stepping:
        thread.join()
    done.set()
    replacing.join()
    assert len(worst) == 3
    assert max(worst) < 1e-12
