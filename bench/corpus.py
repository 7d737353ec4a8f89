"""Memory and time of a language model on a text that is larger than memory should be.

    python bench/corpus.py --gigabytes 2 --folder /tmp

A text of that size is made in the folder and removed in the end. A process of its own trains a
small model on it for some steps, with a checkpoint, and tells its peak of resident memory; so do
one that resumes this training, and one that trains on a twentieth of the text and scores that.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

WORDS = 20_000


def write_text(path: Path, size: int) -> None:
    """Write lines of words that occur as often as Zipf's law has it."""
    rng = np.random.default_rng(0)
    letters = np.array(list("etaoinshrdlucmfwypvbgkqjxz"))
    drawn = [rng.choice(letters, n) for n in rng.integers(1, 11, WORDS)]
    words = np.array(["".join(word) for word in drawn], object)
    with open(path, "wb") as file:
        while file.tell() < size:
            chosen = words[np.minimum(rng.zipf(1.2, 200_000) - 1, WORDS - 1)]
            ends = np.where(rng.random(len(chosen)) < 0.1, "\n", " ")
            file.write("".join(np.stack([chosen, ends], 1).ravel().tolist()).encode())


def measure(arguments: argparse.Namespace) -> None:
    """Do one of the things, and print how long it took and its peak of memory."""
    import rnnfast as rf

    what, path = arguments.measure, arguments.path
    lm = rf.LanguageModel(
        level=arguments.level,
        lines=arguments.lines,
        hidden_size=16,
        max_vocabulary_size=5000,
        seed=1,
    )
    began = time.perf_counter()
    first: list[float] = []

    def step(progress: rf.training.Progress) -> bool:
        first.append(time.perf_counter() - began)
        return len(first) >= arguments.updates

    checkpoint = None if what == "score" else path.with_name("corpus.checkpoint")
    lm.fit(path, epochs=1, checkpoint=checkpoint, resume=what == "resume", callbacks=[step])
    told = f"first step after {first[0]:.1f} s, {len(first)} steps"
    if what == "score":
        told += f", perplexity {lm.perplexity(path):.2f} of {path.stat().st_size / 1e6:.0f} MB"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"{what}: {told}, {time.perf_counter() - began:.1f} s in all; peak {peak / 1e6:.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--updates", type=int, default=300)
    parser.add_argument("--level", choices=("char", "word"), default="char")
    parser.add_argument("--lines", action="store_true")
    parser.add_argument("--measure", choices=("train", "resume", "score"), help=argparse.SUPPRESS)
    parser.add_argument("--path", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure(arguments)
        return
    size = int(arguments.gigabytes * 1e9)
    free = shutil.disk_usage(arguments.folder).free
    if free < 4 * size:
        raise SystemExit(f"{arguments.folder}: expected {4 * size:,} bytes free, got {free:,}")
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        path = Path(folder) / "corpus.txt"
        write_text(path, size)
        print(f"{path.stat().st_size / 1e9:.2f} GB of text", flush=True)
        part = path.with_name("part.txt")
        with open(path, "rb") as file:
            part.write_bytes(file.read(size // 20))
        for what, text in (("train", path), ("resume", path), ("score", part)):
            given = [*sys.argv[1:], "--measure", what, "--path", str(text)]
            subprocess.run([sys.executable, __file__, *given], check=True)


if __name__ == "__main__":
    main()
