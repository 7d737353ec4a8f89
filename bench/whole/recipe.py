"""A training and a prediction as PyTorch's users write them, and what they are compared with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader

from rnnfast.models.base import Model

CLIP_NORM = 5.0
SCORED = 128  # sequences side by side where no gradient is needed, as the models have it
IGNORED = -100


class Recipe:
    """What a user of PyTorch writes for one task.

    Parameters
    ----------
    X, y
        What is learned from.
    batch_size, lr
        Of the training.
    """

    def __init__(self, X: Any, y: Any, *, batch_size: int, lr: float) -> None:
        self.X, self.y, self.batch_size, self.lr = X, y, batch_size, lr

    def learn(self) -> None:
        """Learn vocabularies, classes or scales of the data."""

    def network(self) -> nn.Module:
        raise NotImplementedError

    def inputs(self) -> Sequence[Tensor]:
        """Return the encoded inputs."""
        raise NotImplementedError

    def targets(self) -> Sequence[Any]:
        """Return the encoded targets."""
        raise NotImplementedError

    def collate(self, items: list[tuple[Tensor, Any]]) -> Any:
        """Return a batch: inputs and lengths, then targets."""
        x, lengths = padded([x for x, _ in items])
        return x, lengths, torch.tensor([y for _, y in items])

    def loss(self, net: nn.Module, batch: Any) -> tuple[Tensor, int]:
        """Return the mean loss of a batch, and of how many terms."""
        raise NotImplementedError

    def answers(self, net: nn.Module, x: Tensor, lengths: Tensor) -> list[Any]:
        """Return what is predicted for a batch."""
        raise NotImplementedError

    def batches(self, shuffle: bool) -> Iterable[Any]:
        """Return the batches of an epoch."""
        items = list(zip(self.inputs(), self.targets(), strict=True))
        return DataLoader(
            items,  # type: ignore[arg-type]
            self.batch_size,
            shuffle=shuffle,
            collate_fn=self.collate,
        )

    def fit(self, weights: Mapping[str, Tensor], epochs: int) -> nn.Module:
        """Train, from given weights."""
        self.learn()
        net = self.network()
        net.load_state_dict(weights)
        net.train()
        optimizer = torch.optim.Adam(net.parameters(), lr=self.lr)
        loader = self.batches(shuffle=True)
        for _ in range(epochs):
            total, count = 0.0, 0
            for batch in loader:
                optimizer.zero_grad()
                loss, terms = self.loss(net, batch)
                loss.backward()  # type: ignore[no-untyped-call]
                nn.utils.clip_grad_norm_(net.parameters(), CLIP_NORM)
                optimizer.step()
                total, count = total + loss.item() * terms, count + terms
        return net

    def predict(self, net: nn.Module) -> list[Any]:
        """Return what the network says of all inputs."""
        net.eval()
        found = []
        with torch.no_grad():
            for items in DataLoader(self.inputs(), SCORED, collate_fn=padded):  # type: ignore[arg-type]
                found += self.answers(net, *items)
        return found

    def mean_loss(self, net: nn.Module) -> float:
        """Return the loss of all examples, without dropout."""
        net.eval()
        total, count = 0.0, 0
        with torch.no_grad():
            for batch in self.batches(shuffle=False):
                loss, terms = self.loss(net, batch)
                total, count = total + loss.item() * terms, count + terms
        return total / count


@dataclass
class Pair:
    """A model, and the same in PyTorch.

    Attributes
    ----------
    name, unit : str
        As the table has them.
    units : int
        Of the data: what is counted in a second, once in each epoch and in a prediction.
    model : Model
        With all its hyperparameters.
    recipe : Recipe
        Of the same.
    epochs : int
    """

    name: str
    unit: str
    units: int
    model: Any
    recipe: Any
    epochs: int

    def fit(self) -> Any:
        """Train the model."""
        return self.model.fit(*self.data, epochs=self.epochs, verbose=0)

    @property
    def data(self) -> tuple[Any, ...]:
        """What the model's methods take."""
        return (self.recipe.X, self.recipe.y)

    def predict(self, model: Any) -> Any:
        """Return what the model says of all inputs."""
        return model.predict(self.recipe.X)

    def mean_loss(self, model: Any) -> float:
        """Return the model's loss of all examples."""
        return float(model.evaluate(*self.data)["loss"])

    def begun(self) -> Any:
        """Return the model with its first weights."""
        rate = self.model.learning_rate
        self.model.set_params(learning_rate=1e-30)
        try:
            return self.model.fit(*self.data, epochs=1, verbose=0)
        finally:
            self.model.set_params(learning_rate=rate)

    def difference(self, ours: Any, theirs: Any) -> float:
        """Return how far two predictions are from each other: the share that differs."""
        different = [list(one) != list(other) for one, other in zip(ours, theirs, strict=True)]
        return float(np.mean(different))


def weights_of(model: Model) -> dict[str, Tensor]:
    """Return the parameters of a model by the names that the networks have."""
    return {
        f"{name}.{key}": torch.from_numpy(parameter.data.copy())
        for name, module in model.network_.modules.items()
        for key, parameter in module.parameters().items()
    }


def padded(sequences: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Return sequences side by side, ``(B, T, ...)``, and their lengths."""
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    return pad_sequence(sequences, batch_first=True), lengths


def vocabulary(sequences: Iterable[Sequence[str]], *specials: str) -> dict[str, int]:
    """Return the ids of tokens, the frequent ones first."""
    counts = Counter(token for sequence in sequences for token in sequence)
    tokens = sorted(counts, key=lambda token: (-counts[token], token))
    return {token: number for number, token in enumerate([*specials, *tokens])}


def encoded(sequences: Iterable[Sequence[str]], ids: Mapping[str, int]) -> list[Tensor]:
    """Return the ids of the tokens of sequences."""
    return [torch.tensor([ids.get(t, 0) for t in sequence]) for sequence in sequences]
