"""Temporary files: those of writers that were killed are removed, and no others."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from command_line import environment
from rnnfast.io import files as _files
from rnnfast.io.files import write_atomically

pytest.importorskip("fcntl", reason="a system without locks of files")


def left_over(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.endswith(".tmp"))


def test_temporary_files_of_the_dead_are_removed(tmp_path: Path) -> None:
    """Killed in the middle of writing; the next one cleans up, and touches nothing else."""
    script = (
        "import os, signal, sys\n"
        "from rnnfast.io.files import write_atomically\n"
        "write_atomically(sys.argv[1], lambda f: (f.write(b'half'), f.flush(), "
        "os.kill(os.getpid(), signal.SIGKILL)))\n"
    )
    path = tmp_path / ("long" * 20)
    for target, number in ((path, 1), (path, 1), (tmp_path / "other", 2)):
        subprocess.run([sys.executable, "-c", script, target], env=environment(), timeout=60)
        assert len(left_over(tmp_path)) == number and not path.exists()
    others = [
        f".{path.name[:32]}.0123456789ab.tmp",
        f".{path.name[:32]}.0123456789ab.rnnfast.tmp.mine",
        f"{path.name[:32]}.0123456789ab.rnnfast.tmp",
        f".{path.name[:32]}.0123456789xy.rnnfast.tmp",
        f".{path.name[:32]}.rnnfast.tmp",
    ]
    for name in others:
        (tmp_path / name).write_text("mine")
    (tmp_path / f".{path.name[:32]}.ffffffffffff.rnnfast.tmp").mkdir()
    write_atomically(path, b"whole")
    assert path.read_bytes() == b"whole"
    assert all((tmp_path / name).read_text() == "mine" for name in others)
    # The folder, and what another file's writer left.
    rest = [name.split(".")[1] for name in left_over(tmp_path) if name not in others]
    assert rest == [path.name[:32], "other"]
    write_atomically(tmp_path / "other", b"whole")
    assert not any(name.startswith(".other.") for name in left_over(tmp_path))


def test_writers_at_the_same_time_leave_each_other_alone(tmp_path: Path) -> None:
    """While one writes, others write the same file, from this process and from others."""
    path = tmp_path / "file"
    script = (
        "import sys; from rnnfast.io.files import write_atomically as w; w(sys.argv[1], b'other')"
    )
    seen: list[bytes] = []

    def write(file: Any) -> None:
        file.write(b"half ")
        file.flush()
        subprocess.run(
            [sys.executable, "-c", script, path], env=environment(), timeout=60, check=True
        )
        thread = threading.Thread(target=write_atomically, args=(path, b"thread"))
        seen.append(path.read_bytes())
        thread.start()
        thread.join()
        seen.append(path.read_bytes())
        file.write(b"whole")

    write_atomically(path, write)
    assert seen == [b"other", b"thread"] and path.read_bytes() == b"half whole"
    assert left_over(tmp_path) == []


def test_a_writer_whose_file_was_taken_begins_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between making and locking its file another one may take it for one that is left over."""
    real, taken = _files._locked_in_time, []

    def lock(descriptor: int) -> bool:
        if not taken:
            taken.extend(left_over(tmp_path))
            _files.remove_left_over(str(tmp_path / "file"))
        return real(descriptor)

    monkeypatch.setattr(_files, "_locked_in_time", lock)
    write_atomically(tmp_path / "file", b"whole")
    assert len(taken) == 1
    assert (tmp_path / "file").read_bytes() == b"whole" and left_over(tmp_path) == []
