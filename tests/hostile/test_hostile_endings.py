"""A program that ends while daemon threads run passes ends with its own exit code."""

from __future__ import annotations

import subprocess
import sys

import pytest

BEGIN = """
import threading
import numpy as np, rnnfast as rf

rf.set_num_threads(1)
x = np.zeros((200, 16, 64), np.float32)
layer = rf.LSTM(64, 128, seed=0)
begun = threading.Barrier(9)

def run():
    call = made()
    call()
    begun.wait()
    while True:
        call()
"""
END = """
for _ in range(8):
    threading.Thread(target=run, daemon=True).start()
begun.wait()
raise SystemExit({code})
"""
CALLS = {
    "layers": "made = lambda: lambda: layer(x)",
    "strides": "made = lambda: lambda: layer(x[:, :, ::-1])",
    "training": """
def made():
    def call():
        (y, _), backprop = layer.forward(x)
        backprop(y)
    return call
""",
    "linear": "linear = rf.Linear(64, 256, seed=0); made = lambda: lambda: linear(x)",
    "xlstm": "xlstm = rf.MLSTM(64, 64, seed=0); made = lambda: lambda: xlstm(x)",
    "models": """
model = rf.SequenceClassifier(hidden_size=16, epochs=1, seed=0, verbose=0)
model.fit(x[:40], np.arange(40) % 2)
made = lambda: lambda: model.predict(x[:40])
""",
    "streams": """
def made():
    stream = layer.stream()
    return lambda: (stream(x[0, 0]), stream.run(x[:, :1]))
""",
}


@pytest.mark.parametrize("kind", CALLS)
def test_daemon_threads_let_the_process_end(kind: str) -> None:
    for code in (0, 0, 3):
        program = BEGIN + CALLS[kind] + END.format(code=code)
        ended = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=120
        )
        assert (ended.returncode, ended.stderr) == (code, "")
