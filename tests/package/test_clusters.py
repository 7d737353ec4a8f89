"""The files for clusters in the documentation: scripts parse, and what they name is there."""

from __future__ import annotations

import re
import shutil
import subprocess
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "clusters.rst"
FILES = sorted((ROOT / "docs" / "clusters").glob("*"))
OPTION = re.compile(r"(?<![\w-])--[a-z][\w-]*")

pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="the documentation is not here")


def commands(start: str) -> list[str]:
    """Return what stands behind the start of a command, in the page and in all files."""
    found = []
    for path in (PAGE, *FILES):
        text = path.read_text("utf-8").replace("\\\n", " ")
        found += re.findall(rf"(?<![\w/-]){start}\b([^\n`#&]*)", text)
    return found


def options_of(command: Any) -> set[str]:
    return {
        option
        for parameter in command.params
        for option in parameter.opts + parameter.secondary_opts
    }


def test_the_page_shows_every_file() -> None:
    shown = re.findall(r"^\.\. literalinclude:: clusters/(\S+)$", PAGE.read_text("utf-8"), re.M)
    assert FILES and sorted(shown) == [path.name for path in FILES]


@pytest.mark.parametrize("path", [p for p in FILES if p.suffix == ".slurm"], ids=lambda p: p.name)
def test_scripts_parse(path: Path) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed")
    assert path.read_text("utf-8").startswith("#!/bin/bash\n")
    subprocess.run([bash, "-n", path], check=True, timeout=60)


def test_options_of_the_command_line_are_there() -> None:
    typer = pytest.importorskip("typer", reason="typer is not installed")
    app = typer.main.get_command(import_module("rnnfast.cli.commands").app)
    found = commands("rnnfast train")
    assert len(found) >= 3
    named = {option for text in found for option in OPTION.findall(text)} | {"--resume"}
    assert {"--level", "--out"} <= named <= options_of(app.commands["train"])


def test_options_of_dask_are_there() -> None:
    pytest.importorskip("distributed", reason="Dask is not installed")
    for name in ("scheduler", "worker"):
        found = commands(f"dask {name}")
        assert found
        known = options_of(import_module(f"distributed.cli.dask_{name}").main)
        assert {option for text in found for option in OPTION.findall(text)} <= known


def test_extras_are_there() -> None:
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    text = "".join(path.read_text("utf-8") for path in (PAGE, *FILES))
    named = {
        extra for names in re.findall(r"rnnfast\[([\w,]+)\]", text) for extra in names.split(",")
    }
    assert {"cli", "dask"} <= named
    for extra in named:
        assert re.search(rf"^{extra} = \[", project, re.MULTILINE), extra
