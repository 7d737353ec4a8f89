"""Perplexity of a word model on wikitext-2: test part, 33,278 words, lower case kept.

Lines are split at blanks and each ends with `<eos>`, as PyTorch's word-language-model example reads
them; every word of the training part has an id, so that no word of the others is unknown. The
weights of the epoch that is best on the validation part are scored once on the test part, as one
text from a zero state.

With ``--torch`` the same model learns in PyTorch: the same sizes, batches in the same order,
optimizer, schedule, clipping and dropout. With ``--steps`` either only tells its speed.
"""

from __future__ import annotations

import argparse
import gzip
import math
import time
from pathlib import Path
from typing import Any

import numpy as np

import rnnfast as rf
from rnnfast.data import StreamBatches

DATA = Path(__file__).parents[3] / "shared" / "data" / "wikitext-2"


def read_words(path: Path) -> list[str]:
    """Return the words of a part, `<eos>` after each line."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [word for line in file for word in [*line.split(), "<eos>"]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", type=Path, default=DATA)
    parser.add_argument("--size", type=int, default=200, help="of embeddings and layers")
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--lr", type=float, default=0.003)
    parser.add_argument("--dropout", type=float, default=0.2)
    parser.add_argument("--steps", type=int, help="only so many steps, to measure the speed")
    parser.add_argument("--torch", action="store_true", help="train PyTorch's layers instead")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()

    parts = [read_words(next(arguments.data.glob(f"*{p}*"))) for p in ("train", "valid", "test")]
    began = time.process_time()
    perplexity = (train_torch if arguments.torch else train_ours)(parts, arguments)
    seconds = time.process_time() - began
    print(
        f"{'torch' if arguments.torch else 'rnnfast'}: test perplexity {perplexity:.1f}, "
        f"{len(parts[2])} words, {seconds:.0f} CPU seconds, seed {arguments.seed}"
    )


def train_ours(parts: list[list[str]], arguments: argparse.Namespace) -> float:
    train, valid, test = (" ".join(words) for words in parts)
    lm = rf.LanguageModel(
        level="word",
        tokenizer_options={"mode": "whitespace"},
        hidden_size=arguments.size,
        num_layers=arguments.layers,
        embedding_size=arguments.size,
        tie_weights=True,
        dropout=arguments.dropout,
        variational=True,
        sequence_length=35,
        batch_size=20,
        learning_rate=arguments.lr,
        clip_norm=0.25,
        seed=arguments.seed,
    )
    clock = Clock(arguments.steps)
    lm.fit(train, valid, epochs=arguments.epochs, verbose=2, callbacks=[clock])
    print(lm, f"{lm.num_parameters} parameters", sep="\n")
    for record in lm.history_:
        print({name: round(value, 4) for name, value in record.items()})
    return math.nan if arguments.steps else lm.evaluate(test).perplexity


class Clock:
    """Ends training after so many steps and tells the speed."""

    def __init__(self, steps: int | None) -> None:
        self.steps = steps
        self.began = time.process_time()

    def __call__(self, progress: Any) -> bool:
        if progress.step == 1:  # the first one warms up
            self.began = time.process_time()
        if progress.step == self.steps:
            seconds = time.process_time() - self.began
            print(f"{(self.steps - 1) * 700 / seconds:.0f} words a CPU second")
        return progress.step == self.steps


class TorchModel:
    """The same network and training in PyTorch."""

    def __init__(self, size: int, layers: int, dropout: float, vocabulary: int, seed: int) -> None:
        import torch

        self.torch = torch
        torch.manual_seed(seed)
        self.p = dropout
        self.embedding = torch.nn.Embedding(vocabulary, size)
        torch.nn.init.uniform_(self.embedding.weight, -(size**-0.5), size**-0.5)
        self.lstm = torch.nn.LSTM(size, size, layers, dropout=dropout if layers > 1 else 0.0)
        self.output = torch.nn.Linear(size, vocabulary)
        self.output.weight = self.embedding.weight
        modules = (self.embedding, self.lstm, self.output)
        # A shared parameter counts once.
        self.parameters = list({id(p): p for m in modules for p in m.parameters()}.values())

    def loss(self, batch: Any, state: Any, training: bool) -> tuple[Any, Any]:
        """Return the summed loss and the final state."""
        torch = self.torch
        x = self.drop(self.embedding(torch.from_numpy(batch.inputs)), training)
        h, state = self.lstm(x, state)
        scores = self.output(self.drop(h, training)).flatten(0, 1)
        targets = torch.from_numpy(np.where(batch.mask, batch.targets, -100)).flatten()
        loss = torch.nn.functional.cross_entropy(scores, targets, reduction="sum")
        return loss, tuple(part.detach() for part in state)

    def drop(self, x: Any, training: bool) -> Any:
        """Drop numbers, the same ones at every step."""
        if not training:
            return x
        keep = self.torch.rand(1, *x.shape[1:]) >= self.p
        return x * keep / (1 - self.p)

    def score(self, ids: Any, streams: int) -> float:
        """Return the perplexity of a text, from a zero state."""
        total, count, state = 0.0, 0, None
        with self.torch.no_grad():
            for batch in StreamBatches(ids, streams, 512):
                loss, state = self.loss(batch, state, training=False)
                total, count = total + loss.item(), count + batch.num_targets
        return math.exp(total / count)


def train_torch(parts: list[list[str]], arguments: argparse.Namespace) -> float:
    import torch

    torch.set_num_threads(rf.get_num_threads())
    vocabulary = rf.Vocabulary.from_tokens(parts[0])
    # The first word of each part is predicted from a state and an input of zeros by rnnfast; here
    # it is read only.
    train, valid, test = (vocabulary.encode(words) for words in parts)
    model = TorchModel(
        arguments.size, arguments.layers, arguments.dropout, len(vocabulary), arguments.seed
    )
    optimizer = torch.optim.Adam(model.parameters, arguments.lr)
    batches = StreamBatches(train, 20, 35)
    total = len(batches) * arguments.epochs
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda s: 0.01 + 0.99 * (1 + math.cos(math.pi * min(s / total, 1))) / 2
    )
    best = (math.inf, math.nan)
    step = 0
    clock = Clock(arguments.steps)
    for epoch in range(arguments.epochs):
        state = None
        for batch in batches:
            optimizer.zero_grad()
            loss, state = model.loss(batch, state, training=True)
            (loss / batch.num_targets).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters, 0.25)
            optimizer.step()
            schedule.step()
            step += 1
            if clock(argparse.Namespace(step=step)):
                return math.nan
        figure = model.score(valid, 20)
        print(f"epoch {epoch + 1}: validation perplexity {figure:.1f}")
        best = min(best, (figure, model.score(test, 1)))
    return best[1]


if __name__ == "__main__":
    main()
