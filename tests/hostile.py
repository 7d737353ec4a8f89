"""Calls that must not end the interpreter, run in one of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="asks for what Linux has")

root_only = pytest.mark.skipif(
    not hasattr(os, "getuid") or os.getuid() != 0, reason="only root becomes another user"
)


def outputs(
    code: str, *, timeout: float = 300, limit: int | None = None, **environment: str
) -> str:
    """Return what code prints in a new interpreter, which must end well.

    ``limit`` is how many bytes it may have. One thread, unless the environment says otherwise.
    """
    own = {name: value for name, value in os.environ.items() if not name.startswith("RNNFAST")}
    paths = [str(Path(__file__).parent), own.get("PYTHONPATH", "")]
    one = {name: "1" for name in ("RNNFAST_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    if limit is not None:
        code = (
            f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({limit}, {limit}))\n{code}"
        )
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", code],
        env={**own, "PYTHONPATH": os.pathsep.join(paths), **one, **environment},
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, f"{done.returncode}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
    return done.stdout
