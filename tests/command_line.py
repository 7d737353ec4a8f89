"""What the tests of the command line share: how to run it, in this process or in one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import rnnfast as rf
from rnnfast.__main__ import main

typer = pytest.importorskip("typer", reason="the command line's extra is not installed")
from typer.testing import CliRunner  # noqa: E402

from rnnfast.cli import app  # noqa: E402

LINES = ["to be", "or not", "to be", "that is", "the question"] * 6
SMALL = ["--hidden-size", "8", "--layers", "1", "--batch-size", "5", "--sequence-length", "10"]


def run(*arguments: object) -> str:
    """Run in this process and return standard output."""
    result = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def fails(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    """Run what is to fail; return the exit code and its one line on standard error."""
    code = main([str(a) for a in arguments])
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("rnnfast: "), captured.err
    return code, lines[0].removeprefix("rnnfast: ")


def environment(**more: str) -> dict[str, str]:
    """Return this process's environment, with the package that is tested."""
    package = str(Path(rf.__file__).parent.parent)
    path = os.pathsep.join([package, os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "RNNFAST_NUM_THREADS": "1", "PYTHONPATH": path, **more}


def start(*arguments: object, encoding: str | None = None, **options: Any) -> subprocess.Popen[str]:
    """Start a process of the command line; ``encoding`` is that of its streams."""
    more = {} if encoding is None else {"PYTHONIOENCODING": encoding}
    command = [sys.executable, "-m", "rnnfast", *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "encoding": encoding or "utf-8"}
    return subprocess.Popen(command, env=environment(**more), **{**pipes, **options})


def end(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Return the exit code of a process and what it wrote; it may have no traceback."""
    output, errors = process.communicate(timeout=60)
    assert "Traceback" not in errors and "Exception" not in errors
    return process.returncode, output, errors


def contents(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
