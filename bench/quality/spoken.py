"""Recordings of spoken digits (free-spoken-digit-dataset), for the scripts that read them."""

from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np

from rnnfast.data.audio import deltas, log_mel, read_wav

# By digit, speaker and index; those of the indices 0 to 4 are the official test part.
Recordings = dict[tuple[str, str, int], np.ndarray]


def read_recordings(path: Path) -> tuple[Recordings, int]:
    """Return the samples of every recording, and their rate."""
    found: Recordings = {}
    with tarfile.open(path) as archive:
        for member in archive:
            if member.name.endswith(".wav"):
                digit, speaker, index = Path(member.name).stem.split("_")
                found[digit, speaker, int(index)], rate = read_wav(archive.extractfile(member))
    return found, rate


def spectrum(samples: np.ndarray, rate: int) -> np.ndarray:
    """Return the log-mel spectrum and its slopes, ``(T, F)``, without the microphone's share."""
    x = log_mel(samples, rate)
    x -= x.mean(axis=0)
    return np.concatenate([x, deltas(x)], axis=1)
