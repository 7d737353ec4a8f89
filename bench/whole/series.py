"""Models of numbers: steps, whole series, symbols, forecasts. Sizes are those of `quality`."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import rnnfast as rf
from whole.networks import LastNetwork, StepNetwork, WindowNetwork
from whole.recipe import CLIP_NORM, SCORED, Pair, Recipe, padded


class SeriesRecipe(Recipe):
    """A network that reads standardised series."""

    kind: type[nn.Module]
    outputs = 1

    def __init__(self, X: Any, y: Any, *, model: Any) -> None:
        super().__init__(X, y, batch_size=model.batch_size, lr=model.learning_rate)
        self.model = model

    def learn(self) -> None:
        steps = np.concatenate(list(self.X))
        self.mean, self.scale = steps.mean(axis=0), steps.std(axis=0)
        if np.asarray(self.y[0]).dtype.kind == "f":
            numbers = np.concatenate([np.reshape(one, (-1, 1)) for one in self.y])
            self.target_mean, self.target_scale = numbers.mean(), numbers.std()

    def network(self) -> nn.Module:
        m = self.model
        return self.kind(
            len(self.mean),
            m.hidden_size,
            self.outputs,
            cell={"lstm": nn.LSTM, "gru": nn.GRU}[m.cell],
            layers=m.num_layers,
            bidirectional=m.bidirectional,
            dropout=m.dropout,
        )

    def inputs(self) -> list[Tensor]:
        return [torch.from_numpy((x - self.mean) / self.scale).float() for x in self.X]

    def targets(self) -> Any:
        return [self.scaled(y) for y in self.y]

    def scaled(self, y: Any) -> Any:
        """Return numbers as the network is to tell them."""
        return torch.from_numpy(np.asarray((y - self.target_mean) / self.target_scale)).float()


class NumberRecipe(SeriesRecipe):
    """A number of a series."""

    kind = LastNetwork

    def collate(self, items: list[tuple[Tensor, Any]]) -> Any:
        return (*padded([x for x, _ in items]), torch.stack([y for _, y in items]))

    def loss(self, net: nn.Module, batch: Any) -> tuple[Tensor, int]:
        x, lengths, y = batch
        return nn.functional.mse_loss(net(x, lengths)[:, 0], y), len(y)

    def answers(self, net: nn.Module, x: Tensor, lengths: Tensor) -> list[Any]:
        found = net(x, lengths)[:, 0].numpy()
        return list(self.target_mean + self.target_scale * found)


class StepNumberRecipe(SeriesRecipe):
    """A number of each step."""

    kind = StepNetwork

    def collate(self, items: list[tuple[Tensor, Any]]) -> Any:
        return (*padded([x for x, _ in items]), padded([y for _, y in items])[0])

    def loss(self, net: nn.Module, batch: Any) -> tuple[Tensor, int]:
        x, lengths, y = batch
        mask = torch.arange(x.shape[1]) < lengths[:, None]
        count = int(lengths.sum())
        return (((net(x, lengths)[..., 0] - y) ** 2) * mask).sum() / count, count

    def answers(self, net: nn.Module, x: Tensor, lengths: Tensor) -> list[Any]:
        found = self.target_mean + self.target_scale * net(x, lengths)[..., 0].numpy()
        return [row[:length] for row, length in zip(found, lengths.tolist(), strict=True)]


class SymbolRecipe(SeriesRecipe):
    """Symbols of a series, by CTC; the last class is the blank."""

    kind = StepNetwork

    def learn(self) -> None:
        super().learn()
        self.symbols = sorted(set("".join(self.y)))
        self.outputs = len(self.symbols) + 1

    def targets(self) -> Any:
        numbers = {symbol: n for n, symbol in enumerate(self.symbols)}
        return [torch.tensor([numbers[symbol] for symbol in y]) for y in self.y]

    def collate(self, items: list[tuple[Tensor, Any]]) -> Any:
        targets = [y for _, y in items]
        counts = torch.tensor([len(y) for y in targets])
        return (*padded([x for x, _ in items]), torch.cat(targets), counts)

    def loss(self, net: nn.Module, batch: Any) -> tuple[Tensor, int]:
        x, lengths, y, counts = batch
        scores = net(x, lengths).log_softmax(dim=2).transpose(0, 1)
        blank = len(self.symbols)
        loss = nn.functional.ctc_loss(scores, y, lengths, counts, blank, reduction="sum")
        return loss / len(counts), len(counts)

    def answers(self, net: nn.Module, x: Tensor, lengths: Tensor) -> list[Any]:
        best, blank, found = net(x, lengths).argmax(dim=2).tolist(), len(self.symbols), []
        for row, length in zip(best, lengths.tolist(), strict=True):
            kept = [a for a, b in zip(row[:length], [blank, *row], strict=False) if a != b]
            found.append("".join(self.symbols[n] for n in kept if n != blank))
        return found


class WindowRecipe(SeriesRecipe):
    """What follows windows of one series."""

    kind = WindowNetwork

    def learn(self) -> None:
        lags, horizon = self.model.lags, self.model.horizon
        windows = np.lib.stride_tricks.sliding_window_view(self.X, lags + horizon)
        self.before, self.after = windows[:, :lags, np.newaxis], windows[:, lags:]
        self.mean, self.scale = self.before.mean(axis=(0, 1)), self.before.std(axis=(0, 1))
        self.target_mean, self.target_scale = self.after.mean(axis=0), self.after.std(axis=0)
        self.outputs = horizon

    def batches(self, shuffle: bool) -> Any:
        x = torch.from_numpy((self.before - self.mean) / self.scale).float()
        y = torch.from_numpy((self.after - self.target_mean) / self.target_scale).float()
        data = torch.utils.data.TensorDataset(x, y)
        return torch.utils.data.DataLoader(data, self.batch_size, shuffle=shuffle)

    def loss(self, net: nn.Module, batch: Any) -> tuple[Tensor, int]:
        x, y = batch
        return nn.functional.mse_loss(net(x), y), y.numel()

    def predict(self, net: nn.Module) -> list[Any]:
        net.eval()
        x = torch.from_numpy((self.before - self.mean) / self.scale).float()
        with torch.no_grad():
            found = torch.cat([net(part) for part in x.split(SCORED)]).numpy()
        return list(self.target_mean + self.target_scale * found)


class NumberPair(Pair):
    """A model of numbers, whose predictions agree within rounding."""

    def difference(self, ours: Any, theirs: Any) -> float:
        ours, theirs = (np.concatenate([np.ravel(one) for one in each]) for each in (ours, theirs))
        return float(np.abs(ours - theirs).max() / np.abs(ours).max())


class ForecastPair(NumberPair):
    """A forecaster, whose prediction is what follows each place of the series."""

    @property
    def data(self) -> tuple[Any, ...]:
        return (self.recipe.X,)

    def predict(self, model: Any) -> Any:
        return model.backtest(self.recipe.X)[1]


def whole_series() -> Pair:
    """Sums of marked numbers: adding_problem.py."""
    rng = np.random.default_rng(0)
    values, marks = rng.uniform(size=(400, 200)), np.zeros((400, 200))
    marks[np.arange(400), rng.integers(100, size=400)] = 1
    marks[np.arange(400), rng.integers(100, 200, size=400)] = 1
    X, y = np.stack([values, marks], axis=2), (values * marks).sum(axis=1)
    model = rf.SequenceRegressor(hidden_size=32, batch_size=50, **_shared(0.003, 0.0))
    recipe = NumberRecipe(X, y, model=model)
    return NumberPair("SequenceRegressor", "steps", X.shape[0] * 200, model, recipe, 10)


def steps() -> Pair:
    """Sums so far, of series of different lengths."""
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(length, 4)) for length in rng.integers(20, 101, size=400)]
    y = [np.tanh(x[:, :1]).cumsum(axis=0)[:, 0] / 4 for x in X]
    model = rf.StepRegressor(cell="gru", hidden_size=64, batch_size=32, **_shared(0.003, 0.0))
    recipe = StepNumberRecipe(X, y, model=model)
    return NumberPair("StepRegressor", "steps", sum(map(len, X)), model, recipe, 10)


def symbols() -> Pair:
    """Strings of spoken digits: spoken_digit_strings.py."""
    rng = np.random.default_rng(0)
    forms = rng.normal(size=(10, 26))
    X, y = [], []
    for _ in range(96):
        said = rng.integers(10, size=rng.integers(2, 6))
        spans = [np.repeat(forms[[n]], rng.integers(25, 40), axis=0) for n in said]
        X.append(np.concatenate(spans) + rng.normal(scale=0.5, size=(sum(map(len, spans)), 26)))
        y.append("".join(map(str, said)))
    model = rf.CTCRecognizer(hidden_size=96, num_layers=2, batch_size=32, **_shared(0.003, 0.5))
    recipe = SymbolRecipe(X, y, model=model)
    return Pair("CTCRecognizer", "steps", sum(map(len, X)), model, recipe, 3)


def forecasts() -> Pair:
    """A season ahead: sunspots.py."""
    rng = np.random.default_rng(0)
    series = np.sin(np.arange(2000) / 1.7) + rng.normal(scale=0.3, size=2000)
    model = rf.Forecaster(
        lags=22, horizon=11, cell="gru", hidden_size=16, batch_size=16, **_shared(0.003, 0.2)
    )
    recipe = WindowRecipe(series, None, model=model)
    windows = len(series) - 32
    return ForecastPair("Forecaster", "windows", windows, model, recipe, 10)


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


PAIRS = (whole_series, steps, symbols, forecasts)
