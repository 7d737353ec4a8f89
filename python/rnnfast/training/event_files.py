"""Figures of a training for TensorBoard."""

from __future__ import annotations

import os
from typing import Any

from rnnfast._checks import check_int
from rnnfast.training.progress import Callback, Progress


def tensorboard(
    log_dir: str | os.PathLike[str] | None = None, *, every: int = 50, writer: Any = None
) -> Callback:
    """Return a callback that writes a training's figures for TensorBoard.

    ::

        lm.fit(text, callbacks=[tensorboard("runs/first")])

    The running mean of the loss goes in as ``loss``, and all figures of an epoch's record as
    ``epoch/valid_loss`` and the like, each at the number of the step.

    Parameters
    ----------
    log_dir : path-like, optional
        The folder to write to.
    every : int
        Steps between two values of the running loss.
    writer : object, optional
        A ``SummaryWriter`` to use in place of ``log_dir``.

    Returns
    -------
    callable
        For the ``callbacks`` of a model's ``fit`` or of a `Trainer`.

    Raises
    ------
    ValueError
        If there is neither a folder nor a writer, or both; or ``every`` is below 1.
    TypeError
        If ``log_dir`` is no path.
    ImportError
        If neither tensorboardX nor PyTorch with tensorboard is installed.
    """
    every = check_int("every", every, 1)
    if (log_dir is None) == (writer is None):
        raise ValueError("log_dir: expected either a folder or a writer, got both or none")
    if log_dir is not None and not isinstance(log_dir, (str, os.PathLike)):
        raise TypeError(f"log_dir: expected a path, got {type(log_dir).__name__}")
    to = _writer_class()(os.fspath(log_dir)) if log_dir is not None else writer

    def write(progress: Progress) -> None:
        if progress.epoch_ended:
            for name, value in progress.history[-1].items():
                if name not in ("epoch", "step"):
                    to.add_scalar(f"epoch/{name}", value, progress.step)
            to.flush()
        elif progress.step % every == 0:
            to.add_scalar("loss", progress.loss, progress.step)

    return write


def _writer_class() -> Any:
    """Return the ``SummaryWriter`` of tensorboardX, else of PyTorch."""
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise ImportError(
                "tensorboard needs tensorboardX, or torch and tensorboard, and found neither: "
                "pip install tensorboardX"
            ) from None
    return SummaryWriter
