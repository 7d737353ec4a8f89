"""The files of ``rnnfast train``: what may be written is looked at before the first step."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rnnfast.io.files import require_writable, shown_path
from rnnfast.io.tensors import kind_of
from rnnfast.training.checkpoints import has_ended, is_kept


def require_free(
    out: Path, checkpoint: Path, texts: Sequence[tuple[str, Path]], resume: bool, force: bool
) -> None:
    """Raise unless a training may write its model and checkpoint.

    Parameters
    ----------
    out, checkpoint : Path
        The files to write.
    texts : sequence of (str, Path)
        What is read, with the names of its arguments: never to be replaced.
    resume : bool
        Whether the checkpoint is to be there, and the model may be.
    force : bool
        Whether what stands there may be replaced.

    Raises
    ------
    ValueError
        If a file to write is one of those that are read, by whatever path.
    OSError
        If a file cannot be written, is missing, or stands there and is not to be replaced.
    """
    for what, path in (("model", out), ("checkpoint", checkpoint)):
        for name, text in texts:
            if are_same(path, text):
                raise ValueError(
                    f"--out: expected another file than {name} for the {what}, got {path}"
                )
        require_writable("--out", path)
    if resume:
        if not checkpoint.exists():
            cure = ""
            if out.is_file() and kind_of(out) == "model":
                cure = f"; --from {shown_path(out)} goes on with the model"
            raise FileNotFoundError(
                f"no unfinished training: {shown_path(checkpoint)} does not exist{cure}"
            )
        if out.exists() and kind_of(out) != "model" and not force:
            raise _exists(out, "exists and is no model; --force replaces it")
    elif not force:
        if checkpoint.exists():
            which, how = "has not ended", "--resume"
            if has_ended(checkpoint):
                which, how = "has ended", "--resume, with more --epochs,"
            raise _exists(
                checkpoint,
                f"exists, of a training that {which}; {how} goes on with it, --force begins anew",
            )
        if out.exists():
            raise _exists(out, "exists; --force replaces it, --out names another file")


def is_wanted(checkpoint: Path, out: Path) -> bool:
    """Whether a checkpoint is one to keep when its training has ended.

    One that does not say, of Python's `fit` or of an older version, is if it has outlived the
    model's file.
    """
    kept = is_kept(checkpoint)
    return out.exists() and has_ended(checkpoint) if kept is None else kept


@contextmanager
def set_aside(checkpoint: Path, wanted: bool) -> Iterator[None]:
    """Let a training begin where another one's checkpoint stands, if that is ``wanted``.

    The old one comes back if none has taken its place in the end.
    """
    if not wanted or not checkpoint.exists() or kind_of(checkpoint) != "checkpoint":
        yield
        return
    number = 1
    while os.path.lexists(aside := Path(f"{checkpoint}.old{number}")):  # of a run that was killed
        number += 1
    os.replace(checkpoint, aside)
    try:
        yield
    finally:
        if os.path.lexists(checkpoint):
            aside.unlink(missing_ok=True)
        else:
            os.replace(aside, checkpoint)


def _exists(path: Path, reason: str) -> FileExistsError:
    return FileExistsError(errno.EEXIST, reason, str(path))


def are_same(first: Path, second: Path) -> bool:
    """Whether two paths are of one file, through links of both kinds too."""
    try:
        return os.path.samefile(first, second)
    except OSError:  # one of them is not there
        return os.path.realpath(first) == os.path.realpath(second)
