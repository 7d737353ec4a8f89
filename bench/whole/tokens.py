"""Models of tokens: texts, classes, labels of steps, translations. Sizes are those of `quality`."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import rnnfast as rf
from whole.networks import (
    CRFNetwork,
    LanguageNetwork,
    PooledNetwork,
    StepNetwork,
    Translator,
)
from whole.recipe import CLIP_NORM, IGNORED, Pair, Recipe, encoded, padded, vocabulary

STREAM_WINDOW = 1000  # steps of one stream that are scored at once


class LanguageRecipe(Recipe):
    """Windows of a text in parallel streams, the state carried from one to the next."""

    def __init__(self, text: list[str], *, model: Any) -> None:
        super().__init__(text, None, batch_size=model.batch_size, lr=model.learning_rate)
        self.model = model

    def learn(self) -> None:
        self.ids = vocabulary([self.X], "<UNK>")
        assert tuple(self.ids) == tuple(self.model.vocabulary_.tokens)

    def network(self) -> LanguageNetwork:
        m = self.model
        return LanguageNetwork(
            len(self.ids), m.embedding_size, m.hidden_size, m.num_layers, m.dropout
        )

    def streams(self, count: int) -> tuple[Tensor, Tensor]:
        """Return inputs and targets ``(T, count)``; the first input stands for no token."""
        ids = encoded([self.X], self.ids)[0]
        inputs = torch.cat([torch.tensor([len(self.ids)]), ids[:-1]])
        steps = len(ids) // count
        x, y = (part[: steps * count].view(count, steps).T.contiguous() for part in (inputs, ids))
        return x, y

    def fit(self, weights: Any, epochs: int) -> nn.Module:
        self.learn()
        net = self.network()
        net.load_state_dict(weights)
        net.train()
        optimizer = torch.optim.Adam(net.parameters(), lr=self.lr)
        criterion = nn.CrossEntropyLoss()
        x, y = self.streams(self.batch_size)
        window = self.model.sequence_length
        for _ in range(epochs):
            state = None
            for begin in range(0, len(x), window):
                optimizer.zero_grad()
                target = y[begin : begin + window]
                with torch.autocast("cpu", torch.bfloat16, enabled=self.model.mixed_precision):
                    scores, state = net(x[begin : begin + window], state)
                    state = tuple(part.detach() for part in state)
                    loss = criterion(scores.view(-1, scores.shape[-1]), target.reshape(-1))
                loss.backward()
                nn.utils.clip_grad_norm_(net.parameters(), CLIP_NORM)
                optimizer.step()
                loss.item()
        return net

    def predict(self, net: nn.Module) -> list[float]:
        net.eval()
        x, y = self.streams(1)
        total, state = 0.0, None
        with torch.no_grad():
            for begin in range(0, len(x), STREAM_WINDOW):
                scores, state = net(x[begin : begin + STREAM_WINDOW], state)
                target = y[begin : begin + STREAM_WINDOW].reshape(-1)
                flat = scores.view(-1, scores.shape[-1])
                total += nn.functional.cross_entropy(flat, target, reduction="sum").item()
        return [total / len(x)]

    def mean_loss(self, net: nn.Module) -> float:
        return self.predict(net)[0]


class LanguagePair(Pair):
    """A language model, whose prediction is the loss of a text."""

    @property
    def data(self) -> tuple[Any, ...]:
        between = "" if self.model.level == "char" else " "
        return (between.join(self.recipe.X),)

    def predict(self, model: Any) -> list[float]:
        return [self.mean_loss(model)]

    def difference(self, ours: Any, theirs: Any) -> float:
        return abs(ours[0] - theirs[0]) / ours[0]


class TokenRecipe(Recipe):
    """A network of `Reader`'s kind that reads words."""

    kind: type[nn.Module]

    def __init__(self, X: Any, y: Any, *, model: Any) -> None:
        super().__init__(X, y, batch_size=model.batch_size, lr=model.learning_rate)
        self.model = model

    def learn(self) -> None:
        self.ids = vocabulary(self.X, "<UNK>")
        labels = {label for item in self.y for label in ([item] if isinstance(item, str) else item)}
        self.classes = sorted(labels)
        self.numbers = {label: number for number, label in enumerate(self.classes)}

    def network(self) -> nn.Module:
        m = self.model
        return self.kind(
            len(self.ids),
            m.hidden_size,
            len(self.classes),
            embedding=m.embedding_size,
            bidirectional=True,
            dropout=m.dropout,
            **({"factor": 3} if self.kind is PooledNetwork else {}),
        )

    def inputs(self) -> list[Tensor]:
        return encoded(self.X, self.ids)


class ClassRecipe(TokenRecipe):
    """A class of a sentence."""

    kind = PooledNetwork

    def targets(self) -> list[int]:
        return [self.numbers[label] for label in self.y]

    def loss(self, net: nn.Module, batch: Any) -> tuple[Tensor, int]:
        x, lengths, y = batch
        return nn.functional.cross_entropy(net(x, lengths), y), len(y)

    def answers(self, net: nn.Module, x: Tensor, lengths: Tensor) -> list[Any]:
        return [self.classes[n] for n in net(x, lengths).argmax(dim=1).tolist()]


class TagRecipe(TokenRecipe):
    """A label of each word."""

    kind = StepNetwork

    def targets(self) -> list[Tensor]:
        return encoded(self.y, self.numbers)

    def collate(self, items: list[tuple[Tensor, Tensor]]) -> Any:
        y = nn.utils.rnn.pad_sequence([y for _, y in items], True, IGNORED)
        return (*padded([x for x, _ in items]), y)

    def loss(self, net: nn.Module, batch: Any) -> tuple[Tensor, int]:
        x, lengths, y = batch
        scores = net(x, lengths).transpose(1, 2)
        loss = nn.functional.cross_entropy(scores, y, ignore_index=IGNORED)
        return loss, int(lengths.sum())

    def answers(self, net: nn.Module, x: Tensor, lengths: Tensor) -> list[Any]:
        best = net(x, lengths).argmax(dim=2).tolist()
        ends = lengths.tolist()
        return [[self.classes[n] for n in row[:end]] for row, end in zip(best, ends, strict=True)]


class CRFRecipe(TagRecipe):
    """The labels of a sentence as one output."""

    kind = CRFNetwork

    def loss(self, net: nn.Module, batch: Any) -> tuple[Tensor, int]:
        x, lengths, y = batch
        mask = y != IGNORED
        count = int(lengths.sum())
        return net.crf(net(x, lengths), y.clamp(min=0), mask) / count, count  # type: ignore[operator]

    def answers(self, net: nn.Module, x: Tensor, lengths: Tensor) -> list[Any]:
        mask = torch.arange(x.shape[1]) < lengths[:, None]
        found = net.crf.decode(net(x, lengths), mask)  # type: ignore[operator, union-attr]
        return [[self.classes[n] for n in row] for row in found]


class TranslationRecipe(TokenRecipe):
    """A sentence from a sentence; searched greedily."""

    def learn(self) -> None:
        self.ids = vocabulary(self.X, "<UNK>")
        self.target_ids = vocabulary(self.y, "<UNK>", "<EOS>")
        self.words = list(self.target_ids)
        assert tuple(self.words) == tuple(self.model.targets_.vocabulary.tokens)
        self.longest = self.model.max_length_

    def network(self) -> Translator:
        m = self.model
        return Translator(
            len(self.ids), len(self.words), m.embedding_size, m.hidden_size, m.dropout
        )

    def targets(self) -> list[Tensor]:
        return encoded([[*y, "<EOS>"] for y in self.y], self.target_ids)

    def collate(self, items: list[tuple[Tensor, Tensor]]) -> Any:
        y = nn.utils.rnn.pad_sequence([y for _, y in items], True, IGNORED)
        first = torch.full((len(y), 1), len(self.words))
        before = torch.cat([first, y[:, :-1].clamp(min=0)], dim=1)
        return (*padded([x for x, _ in items]), before, y)

    def loss(self, net: nn.Module, batch: Any) -> tuple[Tensor, int]:
        x, lengths, before, y = batch
        scores = net(x, lengths, before).transpose(1, 2)
        loss = nn.functional.cross_entropy(scores, y, ignore_index=IGNORED)
        return loss, int((y != IGNORED).sum())

    def answers(self, net: nn.Module, x: Tensor, lengths: Tensor) -> list[Any]:
        memory, mask, state = net.encode(x, lengths)  # type: ignore[operator]
        token = torch.full((len(x), 1), len(self.words))
        done, said = torch.zeros(len(x), dtype=torch.bool), []
        for _ in range(self.longest):
            scores, state = net.decode(token, memory, mask, state)  # type: ignore[operator]
            token = scores[:, -1].argmax(dim=1, keepdim=True)
            said.append(token)
            done |= token[:, 0] == 1
            if done.all():
                break
        rows = torch.cat(said, dim=1).tolist()
        ends = [row.index(1) if 1 in row else len(row) for row in rows]
        return [[self.words[n] for n in row[:end]] for row, end in zip(rows, ends, strict=True)]


def words(rng: np.random.Generator, size: int, count: int) -> list[str]:
    """Return words of which the n-th is as frequent as 1 / n."""
    frequency = 1 / np.arange(1, size + 1)
    numbers = rng.choice(size, size=count, p=frequency / frequency.sum())
    return [f"w{number}" for number in numbers]


def sentences(
    rng: np.random.Generator, size: int, count: int, shortest: int, longest: int
) -> list[list[str]]:
    """Return sentences of such words."""
    return [words(rng, size, int(length)) for length in rng.integers(shortest, longest + 1, count)]


def labels_of(sentence: list[str], kinds: int) -> list[str]:
    """Return a label of each word, by it and the one before."""
    numbers = [int(word[1:]) for word in sentence]
    return [f"L{(n + b) % kinds}" for n, b in zip(numbers, [0, *numbers[:-1]], strict=True)]


def characters() -> Pair:
    """A text by character: tiny_shakespeare.py."""
    rng = np.random.default_rng(0)
    steps = rng.choice(65, size=60_000, p=rng.dirichlet(np.full(65, 0.3)))
    letters = [chr(48 + n) for n in range(65)]
    text = letters + [letters[n] for n in np.cumsum(steps) % 65]
    model = rf.LanguageModel(
        hidden_size=128, num_layers=2, embedding_size=32, sequence_length=50, batch_size=50,
        **_shared(0.01, 0.0),
    )  # fmt: skip
    recipe = LanguageRecipe(text, model=model)
    return LanguagePair("LanguageModel, characters", "characters", len(text), model, recipe, 1)


def text_of_words(mixed_precision: bool = False) -> Pair:
    """A text by word, V = 10,000: the small LSTM of Zaremba et al. 2014."""
    rng = np.random.default_rng(0)
    text = [f"w{n}" for n in rng.permutation(10_000)] + words(rng, 10_000, 2_000)
    model = rf.LanguageModel(
        level="word", tokenizer_options={"mode": "whitespace"}, hidden_size=200, num_layers=2,
        embedding_size=200, sequence_length=20, batch_size=20, mixed_precision=mixed_precision,
        **_shared(0.002, 0.0),
    )  # fmt: skip
    recipe = LanguageRecipe(text, model=model)
    name = "LanguageModel, words" + (" mixed" if mixed_precision else "")
    return LanguagePair(name, "words", len(text), model, recipe, 1)


def in_mixed_precision() -> Pair:
    """The same beside PyTorch's autocast to bfloat16."""
    return text_of_words(mixed_precision=True)


def classes() -> Pair:
    """Intents: snips_intent.py."""
    rng = np.random.default_rng(0)
    X = sentences(rng, 4000, 512, 4, 16)
    y = [f"C{int(x[0][1:]) % 7}" for x in X]
    model = rf.SequenceClassifier(
        cell="lstm", hidden_size=128, embedding_size=100, bidirectional=True, pooling="concat",
        batch_size=32, **_shared(0.002, 0.4),
    )  # fmt: skip
    units = sum(map(len, X))
    return Pair("SequenceClassifier", "words", units, model, ClassRecipe(X, y, model=model), 10)


def tags() -> Pair:
    """Parts of speech: ud_ewt.py, without characters."""
    rng = np.random.default_rng(0)
    X = sentences(rng, 6000, 256, 2, 35)
    y = [labels_of(x, 17) for x in X]
    model = rf.SequenceTagger(
        hidden_size=128, embedding_size=100, batch_size=32, **_shared(0.003, 0.4)
    )
    units = sum(map(len, X))
    return Pair("SequenceTagger", "words", units, model, TagRecipe(X, y, model=model), 10)


def tags_by_crf() -> Pair:
    """Slots: snips_slots.py, without characters."""
    rng = np.random.default_rng(0)
    X = sentences(rng, 4000, 256, 4, 16)
    y = [labels_of(x, 72) for x in X]
    model = rf.SequenceTagger(
        crf=True, hidden_size=128, embedding_size=100, batch_size=32, **_shared(0.003, 0.4)
    )
    units = sum(map(len, X))
    return Pair("SequenceTagger, CRF", "words", units, model, CRFRecipe(X, y, model=model), 10)


def translations() -> Pair:
    """Translations, V = 6,000: tatoeba.py."""
    rng = np.random.default_rng(0)
    X = sentences(rng, 6000, 512, 3, 12)
    y = [[f"v{word[1:]}" for word in reversed(x)] for x in X]
    model = rf.Seq2Seq(
        hidden_size=128, embedding_size=128, bidirectional=True, batch_size=64,
        **_shared(0.002, 0.1),
    )  # fmt: skip
    units = sum(len(one) + 1 for one in y)
    recipe = TranslationRecipe(X, y, model=model)
    return Pair("Seq2Seq", "words", units, model, recipe, 3)


def _shared(learning_rate: float, dropout: float) -> dict[str, Any]:
    return {
        "learning_rate": learning_rate,
        "dropout": dropout,
        "schedule": "constant",
        "clip_norm": CLIP_NORM,
        "validation_fraction": 0,
        "seed": 0,
        "verbose": 0,
    }


PAIRS = (characters, text_of_words, in_mixed_precision, classes, tags, tags_by_crf, translations)
