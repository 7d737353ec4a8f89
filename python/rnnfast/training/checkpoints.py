"""Files from which a training goes on where it stopped."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rnnfast._checks import check_bool, check_int, check_mapping, check_real
from rnnfast._checks.messages import counted, one_line, shown
from rnnfast.io.files import shown_path
from rnnfast.io.tensors import Array, description_of, read_tensors, to_json, write_tensors

Record = dict[str, float]
_GROUPS = ("weights", "best", "optimizer", "carry", "average")


@dataclass
class Position:
    """Where training stands: what a checkpoint keeps besides arrays. Values that JSON can hold."""

    epoch: int = 0  # epochs that have ended
    batch: int = 0  # batches of the running epoch that have been used
    batch_seed: int = 0  # of the running epoch's batches
    step: int = 0
    loss_sum: float = 0.0  # of the running epoch, as the four below
    count: int = 0
    gradient_norm: float = 0.0
    seconds: float = 0.0
    best_epoch: int = 0  # 0: none yet
    best_value: float | None = None
    history: list[Record] = field(default_factory=list)
    ended: bool = False  # whether all epochs were made, or patience ran out
    kept: bool | None = None  # whether a program's user wants the file after the end; None: unsaid

    def start_epoch(self, batch_seed: int) -> None:
        """Forget what concerns the epoch before."""
        self.batch, self.batch_seed = 0, batch_seed
        self.loss_sum, self.count, self.gradient_norm, self.seconds = 0.0, 0, 0.0, 0.0

    def check(self) -> None:
        """Raise TypeError or ValueError if a value is none that training leaves."""
        for name in ("epoch", "batch", "batch_seed", "step", "count", "best_epoch"):
            check_int(name, getattr(self, name), 0)
        for name in ("loss_sum", "gradient_norm", "seconds"):
            check_real(name, getattr(self, name))
        if self.best_value is not None:
            check_real("best_value", self.best_value)
        check_bool("ended", self.ended)
        if self.kept is not None:
            check_bool("kept", self.kept)
        if not isinstance(self.history, list):
            raise TypeError(f"history: expected a list, got {type(self.history).__name__}")
        for record in self.history:
            check_mapping("history", record)
            for name, value in record.items():
                check_real(f"history: {name}", value)
        if self.best_epoch > len(self.history):
            raise ValueError(
                f"best_epoch: expected at most {len(self.history)}, got {self.best_epoch}"
            )

    @property
    def loss(self) -> float:
        """Mean loss of the running epoch so far."""
        return self.loss_sum / self.count if self.count else math.nan


def write_checkpoint(
    path: str | os.PathLike[str],
    position: Position,
    arrays: Mapping[str, Mapping[str, Array]],
    rng: np.random.Generator,
    schedule: Mapping[str, Any],
    identity: Mapping[str, Any],
    *,
    new: bool = False,
) -> None:
    """Write a checkpoint whole or not at all.

    Parameters
    ----------
    path : path-like
        The file.
    position : Position
        Where training stands.
    arrays : mapping of str to mapping of str to ndarray
        ``weights``, ``best`` weights, ``optimizer`` state, ``carry`` and ``average`` weights.
    rng : numpy.random.Generator
        Its state is kept.
    schedule : mapping
        The state of a learning-rate schedule, empty without one.
    identity : mapping
        What `read_checkpoint` compares.
    new : bool
        As `write_atomically` takes it.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    write_tensors(
        path,
        "checkpoint",
        {f"{group}.{name}": array for group in _GROUPS for name, array in arrays[group].items()},
        {
            "position": dataclasses.asdict(position),
            "schedule": dict(schedule),
            "rng": rng.bit_generator.state,
            "identity": dict(identity),
        },
        new=new,
    )


def require_replaceable(name: str, path: str | os.PathLike[str]) -> None:
    """Raise ValueError unless a new training may write its checkpoint to a path.

    It may where nothing stands, or the checkpoint of a training that has ended. An empty file,
    which programs make to reserve a name, is nothing.
    """
    file = os.fsdecode(path)
    if not os.path.exists(file) or not os.path.getsize(file):
        return
    kind, description = description_of(file)
    if kind != "checkpoint":
        raise ValueError(
            f"{name}: expected a new file or a checkpoint to replace, got another file, "
            f"{shown_path(file)}"
        )
    position = _position_in(description)
    if position.get("ended") is not True:
        steps = position.get("step")
        after = f" after {counted(steps, 'step')}" if isinstance(steps, int) else ""
        raise ValueError(
            f"{name}: expected a new file or the checkpoint of a training that has ended, got one "
            f"that stopped{after}, {shown_path(file)}; resume=True goes on with it, without the "
            "file training begins anew"
        )


def _is_digest(value: Any) -> bool:
    """Whether a value is the sum of something that is not kept, which says nothing to a reader."""
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


def has_ended(path: str | os.PathLike[str]) -> bool:
    """Return whether a file is the checkpoint of a training that has ended."""
    kind, description = description_of(path)
    return kind == "checkpoint" and _position_in(description).get("ended") is True


def is_kept(path: str | os.PathLike[str]) -> bool | None:
    """Return whether a file is a checkpoint to be kept after the end; None if it does not say."""
    kind, description = description_of(path)
    kept = _position_in(description).get("kept") if kind == "checkpoint" else None
    return kept if isinstance(kept, bool) else None


def _position_in(description: Mapping[str, Any]) -> dict[str, Any]:
    position = description.get("position")
    return position if isinstance(position, dict) else {}


def read_checkpoint(
    path: str | os.PathLike[str], rng: np.random.Generator, identity: Mapping[str, Any]
) -> tuple[Position, dict[str, dict[str, Array]], dict[str, Any]]:
    """Read what `write_checkpoint` wrote, and put ``rng`` in the state of then.

    Returns
    -------
    position : Position
    arrays : dict of str to dict of str to ndarray
    schedule : dict

    Raises
    ------
    ValueError
        If the file is damaged or the training is another one.
    OSError
        If it cannot be read.
    """
    flat, description = read_tensors(path, "checkpoint")
    file = shown_path(path)
    arrays: dict[str, dict[str, Array]] = {group: {} for group in _GROUPS}
    try:
        written, schedule = description["identity"], description["schedule"]
        check_mapping("identity", written)
        position = Position(**description["position"])
        position.check()
        for full_name, array in flat.items():
            group, _, name = full_name.partition(".")
            arrays[group][name] = array
    except (KeyError, TypeError, ValueError) as error:
        reason = f"its parts do not fit together ({one_line(error)})"
        raise ValueError(f"{file}: {reason}") from None
    given = json.loads(to_json(dict(identity)))
    for name in {**given, **written}:
        expected, got = written.get(name), given.get(name)
        if expected == got:
            continue
        told = f"expected {shown(expected)}, got {shown(got)}"
        if _is_digest(expected) and _is_digest(got):
            told = f"expected the {name} that the checkpoint was made from, got another"
        raise ValueError(f"{file}: cannot resume with another {name}: {told}")
    try:
        rng.bit_generator.state = description["rng"]
    except Exception as error:  # whatever a generator makes of what it cannot use
        reason = f"not the state of a generator ({one_line(error)})"
        raise ValueError(f"{file}: {reason}") from None
    return position, arrays, schedule
