"""Words of wikitext-2 with the full softmax, in mixed precision too, and the adaptive one.

Prints updates a second, and perplexity. The networks begin with the same seed and take the same
updates in turns, a block of one, then a block of the next; all are measured on the validation text
after the last one, and with `--epochs` after each epoch, while the learning rate falls along a half
cosine to 0 at the last.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

import rnnfast as rf
from rnnfast.data.batches import StreamBatches
from rnnfast.data.datasets import read_text
from rnnfast.models.parts.hyperparameters import LayerOptions
from rnnfast.models.parts.language.corpus import CorpusBatches
from rnnfast.models.parts.language.token_network import TokenNetwork, score
from rnnfast.models.parts.language.token_output import choose_cutoffs


class Training:
    """A network, its optimizer, and what its updates took."""

    def __init__(self, name: str, size: int, options: argparse.Namespace, **output: Any) -> None:
        self.name = name
        layers = LayerOptions(
            cell="lstm",
            hidden_size=options.units,
            num_layers=1,
            embedding_size=options.units,
            dropout=0.0,
            dtype="float32",
            sparse_embedding=True,
        )
        self.network = TokenNetwork(size, layers, rng=np.random.default_rng(1), **output)
        modules = [self.network.encoder.embedding, self.network.recurrent, self.network.output]
        self.modules = [module for module in modules if module is not None]
        self.optimizer = rf.Adam(self.modules, options.learning_rate)
        self.state: Any = None
        self.seconds: list[float] = []
        self.losses: list[float] = []

    def update(self, batch: Any, learning_rate: float) -> None:
        """Make an update."""
        self.optimizer.lr = learning_rate
        began = time.perf_counter()
        loss, self.state = self.network.add_gradients(batch, self.state)
        rf.clip_grad_norm(self.modules, 5.0 * batch.num_targets)  # sums over words
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.seconds.append(time.perf_counter() - began)
        self.losses.append(loss / batch.num_targets)


def main() -> None:
    """Print a line for each network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="with wiki.train.tokens.gz and its siblings")
    parser.add_argument("--units", type=int, default=200)
    parser.add_argument("--steps", type=int, default=35)
    parser.add_argument("--batch", type=int, default=20)
    parser.add_argument("--updates", type=int, default=400)
    parser.add_argument("--epochs", type=int, help="of the whole text, in place of --updates")
    parser.add_argument("--block", type=int, default=5, help="updates of one before the other's")
    parser.add_argument("--learning-rate", type=float, default=0.003)
    parser.add_argument(
        "--valid", type=int, default=40_000, help="words of it to measure on at most"
    )
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    rf.set_num_threads(options.threads)
    texts = {part: read_words(options.folder, part) for part in ("train", "valid")}
    vocabulary = rf.Vocabulary.from_tokens(texts["train"], unk="<unk>", eos="<eos>")
    ids = {part: vocabulary.encode(words) for part, words in texts.items()}
    size, cutoffs = len(vocabulary), choose_cutoffs(vocabulary)
    trainings = [
        Training("full", size, options),
        Training("mixed precision", size, options, mixed_precision=True),
        Training(f"adaptive {cutoffs}", size, options, cutoffs=cutoffs),
    ]
    epoch = StreamBatches(ids["train"], options.batch, options.steps)
    epochs = options.epochs or 1
    updates = len(epoch) if options.epochs else min(options.updates, len(epoch))
    print(f"{size} words, {epochs} x {updates} updates of {options.batch} x {options.steps} words")
    scored = min(options.valid, len(ids["valid"]))
    valid = CorpusBatches.to_score([ids["valid"][:scored]], size, None, 10)
    done, bar = 0, tqdm(total=epochs * updates, unit="update", mininterval=5)
    for number in range(epochs):
        batches = islice(epoch, updates)
        for training in trainings:
            training.state = None
        while block := list(islice(batches, options.block)):
            share = 1.0
            if options.epochs:
                share = (1 + math.cos(math.pi * done / (epochs * updates))) / 2
            for training in trainings:
                for batch in block:
                    training.update(batch, options.learning_rate * share)
            done += len(block)
            bar.update(len(block))
        print(f"after epoch {number + 1}, {done} updates:")
        tell(trainings, valid, scored, options.block)


def tell(trainings: list[Training], valid: Any, scored: int, block: int) -> None:
    """Print what updates took, and the perplexity of the validation text."""
    first = None
    for training in trainings:
        perplexity = score(training.network, valid, True).perplexity
        seconds = training.seconds[block:]
        took = min(seconds), statistics.median(seconds)
        first = took if first is None else first
        print(
            f"{training.name:<28}ms an update {took[0] * 1e3:8.2f} min {took[1] * 1e3:8.2f} median"
            f"{first[0] / took[0]:7.2f}{first[1] / took[1]:7.2f} times as fast, perplexity of the "
            f"validation text's first {scored} words {perplexity:.2f}",
            flush=True,
        )


def read_words(folder: Path, part: str) -> list[str]:
    """Return the words of a part; its lines end with ``<eos>``."""
    path = folder / f"wiki.{part}.tokens.gz"
    if path.exists():
        import gzip

        text = gzip.decompress(path.read_bytes()).decode()
    else:
        text = read_text(folder / f"wiki.{part}.tokens")
    return text.replace("\n", " <eos> ").split()


if __name__ == "__main__":
    main()
