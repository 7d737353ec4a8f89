"""The drop-in layers with a PyTorch that lacks what they ask it: right, if more slowly."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dropin_cases import CASES, assert_same, count_native, loss, new_input, pair, tensors, torch
from rnnfast.interop.torch import _conditions

PROBES = [
    "_tracing_state",
    "_dispatch_modes",
    "_transform",
    "_is_autocast",
    "_is_of_vmap",
    "_saved_tensors_hooks",
]
# Whether each pass keeps, of a forward and its backward: nothing native where all is observed.
PASSES = {"_is_of_vmap": [True], "_saved_tensors_hooks": [False, True]}


@pytest.mark.parametrize("probe", PROBES)
def test_this_version_has_what_is_asked(probe: str) -> None:
    assert getattr(_conditions, probe).__name__ != "<lambda>"


@pytest.mark.parametrize("path", ["_no_such", "_no_such.name", "_functorch._no_such"])
def test_a_missing_function_says_true(path: str) -> None:
    assert _conditions._probe(path)() is True
    assert _conditions._probe(path)(False) is True


@pytest.mark.parametrize(("name", "options"), CASES)
@pytest.mark.parametrize("probe", PROBES)
def test_results_without_a_probe(
    name: str, options: Any, probe: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_conditions, probe, _conditions._probe("_no_such"))
    passes = count_native(monkeypatch)
    results = []
    for module in pair(name, options):
        x = new_input(options, requires_grad=True)
        out = module(x)
        wanted = [x, *module.parameters()]
        results.append([*tensors(out), *torch.autograd.grad(loss(out), wanted)])
    assert_same(*results)
    assert passes == PASSES.get(probe, [])


def test_an_older_version_is_refused() -> None:
    code = (
        "import torch; torch.__version__ = torch.torch_version.TorchVersion('2.7.1+cpu'); "
        "import rnnfast.interop.torch"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    message = "ImportError: rnnfast.interop.torch: expected PyTorch 2.8 or newer, got 2.7.1+cpu"
    assert done.stderr.splitlines()[-1] == message


def test_the_version_that_is_required() -> None:
    project = (Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8")
    required = re.findall(r'^torch = \["torch>=(.*)"\]$', project, re.MULTILINE)
    assert required == [".".join(map(str, _conditions.MINIMUM))]


def test_results_without_the_level_of_forward_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_conditions, "forward_ad", object())
    passes = count_native(monkeypatch)
    ours, theirs = pair("LSTM", {})
    assert_same(tensors(ours(new_input({}))), tensors(theirs(new_input({}))))
    assert passes == []


def test_dropout_without_the_probe_of_hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pass that runs again draws the same masks."""
    ours, _ = pair("GRU", {"num_layers": 2, "dropout": 0.5})
    x = new_input({}, requires_grad=True)
    results = []
    for _ in range(2):
        torch.manual_seed(8)
        out = ours(x)
        wanted = [x, *ours.parameters()]
        results.append([*tensors(out), *torch.autograd.grad(loss(out), wanted)])
        monkeypatch.setattr(_conditions, "_saved_tensors_hooks", _conditions._probe("_no_such"))
    assert_same(*results)
