"""Training of networks of one's own: any network, any loss, and as the models train."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast as rf

T, B, V, K = 8, 6, 7, 3


def raises(error: type[Exception], message: str) -> Any:
    return pytest.raises(error, match=f"^{re.escape(message)}$")


@pytest.fixture(autouse=True)
def one_thread(set_threads: Callable[[int], None]) -> None:
    set_threads(1)


def batches(rng: np.random.Generator, count: int = 6) -> list[Any]:
    """Tokens, whether each is as the one before, and lengths."""
    result = []
    for _ in range(count):
        x = rng.integers(V, size=(T, B))
        y = x % K
        lengths = rng.integers(1, T + 1, size=B)
        y[np.arange(T)[:, np.newaxis] >= lengths] = -5  # never looked at
        result.append((x, y, lengths))
    return result


def make_net(seed: int = 0, p: float = 0.2) -> Any:
    """A network whose layers draw from generators of their own."""
    return rf.chain(
        rf.Embedding(V, 6, seed=seed),
        rf.bidirectional(rf.GRU(6, 5, 2, dropout=p, seed=seed + 1)),
        rf.Dropout(p, seed=seed + 2),
        rf.Linear(10, K, seed=seed + 3),
    )


def make_trainer(net: Any, loss: Any = rf.cross_entropy, **options: Any) -> rf.Trainer:
    optimizer = rf.Adam(net.parameters(), lr=0.02)
    schedule = options.pop("schedule", lambda optimizer: None)(optimizer)
    return rf.Trainer(net, loss, optimizer, schedule=schedule, verbose=0, **options)


def ignoring(y: Any, lengths: Any) -> Any:
    return np.where(np.arange(T)[:, np.newaxis] < lengths, y, -100)


VALID = batches(np.random.default_rng(9), 3)


def test_a_chain_learns() -> None:
    net = make_net()
    trainer = make_trainer(net, max_norm=1.0)
    assert trainer.fit(batches, epochs=10, valid=VALID) is trainer
    history = trainer.history
    assert [record["epoch"] for record in history] == list(range(1, 11))
    assert history[-1]["valid_loss"] < 0.1 < 1.0 < history[0]["loss"]
    assert trainer.best_epoch > 5 and trainer.stopped == "finished"
    x, y, lengths = VALID[0]
    found = net(x, lengths).argmax(axis=-1)
    assert (found == y)[np.arange(T)[:, np.newaxis] < lengths].mean() > 0.98


def test_a_step_is_the_one_made_by_hand() -> None:
    net, other = make_net(), make_net()
    data = batches(np.random.default_rng(3), 2)
    trainer = make_trainer(net, max_norm=0.5)
    trainer.fit(data, epochs=1)
    optimizer = rf.Adam(other, lr=0.02)
    total, count = 0.0, 0
    for x, y, lengths in data:
        optimizer.zero_grad()
        scores, backprop = other.forward(x, lengths)
        loss, dscores = rf.cross_entropy(scores, ignoring(y, lengths), reduction="sum")
        backprop(dscores)
        rf.training.scale_grad(other, 1 / lengths.sum())
        rf.clip_grad_norm(other, 0.5)
        optimizer.step()
        total, count = total + loss, count + int(lengths.sum())
    for name, array in other.state_dict().items():
        assert np.array_equal(net.state_dict()[name], array)
    assert trainer.history[0]["loss"] == pytest.approx(total / count, rel=1e-12)
    assert trainer.history[0]["count"] == count


@pytest.mark.parametrize("stop", [2, 6, 9])
def test_resumed_is_uninterrupted(tmp_path: Path, stop: int) -> None:
    """Bit for bit, though every layer has a generator of its own."""
    path = tmp_path / "run.checkpoint"
    options: dict[str, Any] = {
        "max_norm": 1.0,
        "seed": 4,
        "schedule": lambda optimizer: rf.training.CosineLR(optimizer, 24),
    }
    whole = make_net()
    one = make_trainer(whole, **options).fit(batches, epochs=4, valid=VALID)
    stopped = make_trainer(make_net(), **options)
    stopped.fit(
        batches, epochs=4, valid=VALID, checkpoint=path, callbacks=[lambda p: p.step == stop]
    )
    assert stopped.stopped == "callback"
    net = make_net(seed=50)
    resumed = make_trainer(net, **{**options, "seed": 5})
    resumed.fit(batches, epochs=4, valid=VALID, checkpoint=path, resume=True)
    for name, array in whole.state_dict().items():
        assert np.array_equal(net.state_dict()[name], array)
    for left, right in zip(one.history, resumed.history, strict=True):
        assert left | {"seconds": 0} == right | {"seconds": 0}


def test_another_training_is_not_resumed(tmp_path: Path) -> None:
    path = tmp_path / "c"
    net = make_net()
    make_trainer(net).fit(batches, epochs=1, checkpoint=path)
    smaller = rf.chain(*net.parts[:2], rf.Linear(10, K, seed=3))
    before = smaller.state_dict()
    with pytest.raises(ValueError, match=r"c: not the state of a generator .*of 2 .*, got 3\)$"):
        make_trainer(smaller).fit(batches, epochs=2, checkpoint=path, resume=True)
    other = rf.Trainer(net, rf.cross_entropy, rf.SGD(net), verbose=0)
    with pytest.raises(
        ValueError, match=r"c: cannot resume with another optimizer: expected 'Adam', got 'SGD'$"
    ):
        other.fit(batches, epochs=2, checkpoint=path, resume=True)
    assert all(np.array_equal(array, before[name]) for name, array in smaller.state_dict().items())


def test_validation_patience_and_the_best_weights() -> None:
    net = make_net()
    figures = iter([0.3, 0.5, 0.4, 0.2])
    seen: list[Any] = []
    kept: list[Any] = []

    def valid() -> dict[str, float]:
        kept.append(net.state_dict())
        return {"accuracy": next(figures)}

    trainer = make_trainer(net, average=rf.training.ExponentialAverage(net, 0.5))
    trainer.fit(
        batches,
        epochs=9,
        valid=valid,
        monitor="accuracy",
        maximize=True,
        patience=2,
        callbacks=[lambda progress: seen.append(progress.model)],
    )
    assert seen and all(model is net for model in seen)
    assert trainer.stopped == "patience" and trainer.best_epoch == 2
    assert all(np.array_equal(a, kept[1][name]) for name, a in net.state_dict().items())


def test_a_second_fit_goes_on() -> None:
    net = make_net()
    trainer = make_trainer(net)
    first = trainer.fit(batches, epochs=3).history[-1]["loss"]
    assert trainer.fit(batches, epochs=1).history[0]["loss"] < first
    assert trainer.optimizer.steps == 24


# --- losses ---------------------------------------------------------------------------------------


def mean_of(trainer: rf.Trainer, batch: Any) -> float:
    return trainer.evaluate([batch])


def features(rng: np.random.Generator) -> Any:
    return rng.normal(size=(T, B, V)).astype(np.float32)


def test_every_loss_leaves_out_what_is_past_a_length() -> None:
    rng = np.random.default_rng(0)
    x, lengths = features(rng), np.array([8, 3, 0, 5, 8, 1])
    x[5:, 1] = 3.0  # past a length
    inside = np.arange(T)[:, np.newaxis] < lengths
    net = rf.chain(rf.GRU(V, 5, seed=0), rf.Linear(5, K, seed=1))
    scores = net(x, lengths)
    numbers = rng.normal(size=scores.shape).astype(np.float32)
    labels = rng.integers(K, size=(T, B))
    cases: list[tuple[Any, Any, float]] = [
        (rf.mse, numbers, rf.mse(scores, numbers, weights=inside)[0]),
        (rf.l1, numbers, rf.l1(scores, numbers, weights=inside)[0]),
        (
            rf.binary_cross_entropy_with_logits,
            numbers > 0,
            rf.binary_cross_entropy_with_logits(scores, numbers > 0, weights=inside)[0],
        ),
        (rf.cross_entropy, labels, rf.cross_entropy(scores, labels, weights=inside)[0]),
        (
            functools.partial(rf.cross_entropy, ignore_index=1),
            labels,
            rf.cross_entropy(scores, labels, weights=inside, ignore_index=1)[0],
        ),
        (
            functools.partial(rf.cross_entropy, label_smoothing=0.1),
            labels,
            rf.cross_entropy(scores, labels, weights=inside, label_smoothing=0.1)[0],
        ),
    ]
    for loss, targets, want in cases:
        y = targets.copy()
        y[~inside] = 99 if y.dtype.kind == "i" else np.nan
        trainer = make_trainer(net, loss)
        assert mean_of(trainer, (x, y, lengths)) == pytest.approx(want, rel=1e-6)
        assert mean_of(trainer, {"x": x, "y": y, "lengths": lengths}) == pytest.approx(want)
        weights = (rng.random((T, B)) < 0.5).astype(np.float32)
        some = {"x": x, "y": y, "lengths": lengths, "weights": weights}
        plain = make_trainer(net, loss)._of_loss
        assert plain is not None
        total, _, _ = plain.measure(some, {})
        bound = make_trainer(net, functools.partial(loss, weights=weights))._of_loss
        assert bound is not None
        assert bound.measure((x, y, lengths), {})[0] == total
        want_sum, _ = loss(scores, targets, weights=weights * inside, reduction="sum")
        assert total == pytest.approx(want_sum, rel=1e-6)


def test_one_vector_a_sequence() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(V, size=(B, B)), rng.integers(2, size=B)  # T = B: nothing to go by
    net = rf.chain(rf.Embedding(V, 4, seed=0), rf.Pooling("mean"), rf.Linear(4, 2, seed=1))
    lengths = np.array([6, 1, 3, 2, 6, 4])
    trainer = make_trainer(net)
    want, _ = rf.cross_entropy(net(x, lengths), y)
    assert mean_of(trainer, (x, y, lengths)) == pytest.approx(want)
    assert mean_of(trainer, (x, y)) == pytest.approx(rf.cross_entropy(net(x), y)[0])


def test_outputs_without_an_axis_for_features_are_refused_with_lengths() -> None:
    class Squeezed(rf.Module):
        def __init__(self) -> None:
            self.layers = rf.chain(rf.GRU(V, 5, seed=0), rf.Linear(5, 1, seed=1))

        def forward(self, x: Any, lengths: Any = None) -> Any:
            y, back = self.layers.forward(x, lengths)
            return y[..., 0], lambda dy: back(np.ascontiguousarray(dy[..., np.newaxis]))

    x = features(np.random.default_rng(0))
    trainer = make_trainer(Squeezed(), rf.mse)
    trainer.fit([(x, x[..., 0].copy())], epochs=1)
    with raises(
        ValueError,
        "net: expected an output (T, B, K) or (B, K) with lengths of B sequences, got shape (8, 6) "
        "with 6 lengths",
    ):
        trainer.fit([(x, x[..., 0].copy(), np.full(B, T))], epochs=1)


def test_batch_first() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(V, size=(B, T)), rng.integers(K, size=(B, T))
    lengths = np.array([8, 3, 0, 5, 8, 1])
    net = rf.chain(rf.GRU(V, 5, batch_first=True, seed=0), rf.Linear(5, K, seed=1))
    inside = np.arange(T) < lengths[:, np.newaxis]
    want, _ = rf.cross_entropy(net(x, lengths), y, weights=inside)
    assert mean_of(make_trainer(net), (x, y, lengths)) == pytest.approx(want)


class Around(rf.Module):
    """A network of somebody's own around a layer with ``batch_first``, which need not say so."""

    def __init__(self, **said: bool) -> None:
        self.layer = rf.GRU(3, 4, batch_first=True, seed=0)
        vars(self).update(said)

    def __call__(self, x: Any, lengths: Any = None) -> Any:
        return self.layer(x, lengths=lengths)[0]

    def forward(self, x: Any, lengths: Any = None) -> Any:
        (y, _), backprop = self.layer.forward(x, lengths=lengths)
        return y, lambda dy: backprop(dy)[0]


def test_lengths_are_never_of_the_wrong_axis() -> None:
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=(5, 5, n)).astype(np.float32) for n in (3, 4))  # as many steps as rows
    batch = x, y, np.arange(1, 6)
    inside = np.arange(5) < np.arange(1, 6)[:, np.newaxis]
    net = Around(batch_first=True)
    want, _ = rf.mse(net(x, batch[2]), y, weights=inside[..., np.newaxis] * np.ones(4, np.float32))
    assert mean_of(make_trainer(net, rf.mse), batch) == pytest.approx(want, rel=1e-6)
    cure = "^net: expected a network with an attribute batch_first, as it has a GRU with batch_firs"
    for unsaid in (Around(), rf.chain(Around(), rf.Linear(4, 4, seed=0))):
        with pytest.raises(ValueError, match=f"{cure}t=True, with lengths of a batch, got none$"):
            make_trainer(unsaid, rf.mse).evaluate([batch])
        make_trainer(unsaid, rf.mse).evaluate([batch[:2]])  # all steps count


def test_a_crf_is_trained_too() -> None:
    net, crf = make_net(), rf.CRF(K, seed=0)
    before = crf.state_dict()
    trainer = rf.Trainer(net, crf.loss, rf.Adam([net, crf], 0.02), verbose=0)

    def tagged(rng: np.random.Generator) -> Iterator[Any]:
        for x, y, lengths in batches(rng):
            yield x, np.maximum(y, 0), lengths

    valid = [(x, np.maximum(y, 0), lengths) for x, y, lengths in VALID]
    trainer.fit(tagged, epochs=8, valid=valid)
    assert trainer.history[-1]["valid_loss"] < 0.1
    assert (
        trainer.history[0]["count"]
        == sum(batch[2].sum() for batch in batches(np.random.default_rng(0)))
        or trainer.history[0]["count"] > 0
    )
    assert not np.array_equal(crf.state_dict()["transitions"], before["transitions"])
    x, y, lengths = valid[0]
    want, _ = crf.loss(net(x, lengths), y, lengths, backward=False)
    assert mean_of(trainer, valid[0]) == pytest.approx(want, rel=1e-6)


def test_ctc() -> None:
    rng = np.random.default_rng(0)
    net = rf.chain(rf.GRU(V, 5, seed=0), rf.Linear(5, K, seed=1))
    x, lengths = features(rng), np.array([8, 5, 6, 5, 8, 4])
    y, sizes = rng.integers(1, K, size=(B, 2)), np.array([2, 1, 2, 2, 1, 2])
    batch = {"x": x, "y": y, "lengths": lengths, "target_lengths": sizes}
    trainer = make_trainer(net, rf.ctc_loss)
    want, _ = rf.ctc_loss(net(x, lengths), y, lengths, sizes)
    assert mean_of(trainer, batch) == pytest.approx(want)
    trainer.fit([batch], epochs=60)
    assert mean_of(trainer, batch) < 0.3 * want


def test_a_loss_of_ones_own() -> None:
    """Without ``reduction`` it is a mean over the batch; the step is that of this mean."""

    def half_square(output: Any, y: Any) -> tuple[float, Any]:
        difference = output - y
        return 0.5 * float((difference**2).sum()) / len(y), difference / len(y)

    rng = np.random.default_rng(0)
    x, y = features(rng), rng.normal(size=(B, 1)).astype(np.float32)
    net, other = (
        rf.chain(rf.GRU(V, 4, seed=0), rf.Pooling(), rf.Linear(4, 1, seed=1)) for _ in "12"
    )
    rf.Trainer(net, half_square, rf.SGD(net, 0.1), verbose=0).fit([(x, y)], epochs=1)
    output, backprop = other.forward(x)
    backprop(half_square(output, y)[1])
    rf.SGD(other, 0.1).step()
    for name, array in other.state_dict().items():
        np.testing.assert_allclose(net.state_dict()[name], array, rtol=1e-5, atol=1e-7)


def test_resets_reach_the_layers() -> None:
    rng = np.random.default_rng(0)
    x, reset = features(rng), rng.random((T, B)) < 0.4
    y = rng.integers(K, size=(T, B))
    net = rf.chain(rf.GRU(V, 5, seed=0), rf.Linear(5, K, seed=1))
    want, _ = rf.cross_entropy(net(x, reset=reset), y)
    assert mean_of(make_trainer(net), {"x": x, "y": y, "reset": reset}) == pytest.approx(want)
    assert want != pytest.approx(rf.cross_entropy(net(x), y)[0])


# --- other networks -------------------------------------------------------------------------------


def test_a_layer_and_a_module_of_ones_own() -> None:
    class Own(rf.Module):
        def __init__(self) -> None:
            self.gru, self.out = rf.GRU(V, 8, seed=0), rf.Linear(8, K, seed=1)

        def forward(self, x: Any, lengths: Any = None) -> Any:
            (h, _), to_x = self.gru.forward(x, lengths=lengths)
            y, to_h = self.out.forward(h)
            return y, lambda dy: to_x(to_h(dy), need_dx=False)[0]

    net = Own()
    make_trainer(net).fit(batches, epochs=10)
    assert make_trainer(net).evaluate(VALID) < 0.1
    with raises(ValueError, "net (Own): lengths: expected shape (6,), got (2,)"):
        make_trainer(net).evaluate([(VALID[0][0], VALID[0][1], [1, 2])])
    layer = rf.GRU(V, K, seed=0)
    x = features(np.random.default_rng(0))
    want, _ = rf.mse(layer(x)[0], x[..., :K])
    assert mean_of(make_trainer(layer, rf.mse), (x, x[..., :K])) == pytest.approx(want)


def test_a_network_with_add_gradients() -> None:
    class Line(rf.Module):
        """y = w x, whose steps take arrays of pairs."""

        def __init__(self) -> None:
            super().__init__({"w": (1,)}, "float64")
            self.parameters()["w"].assign([0.0])

        def loss(self, batch: Any) -> tuple[float, int]:
            error = batch[0] * self.parameters()["w"].data - batch[1]
            return float(error @ error), len(error)

        def add_gradients(self, batch: Any) -> tuple[float, int]:
            error = batch[0] * self.parameters()["w"].data - batch[1]
            self.grads["w"][...] += 2 * error @ batch[0]
            return self.loss(batch)

    net = Line()
    x = np.linspace(-1, 1, 10)
    trainer = rf.Trainer(net, optimizer=rf.SGD(net, 0.5), verbose=0)
    trainer.fit([(x, 3 * x)], epochs=50, valid=[(x, 3 * x)])
    assert net.parameters()["w"].data[0] == pytest.approx(3, abs=1e-4)
    assert trainer.history[0]["valid_loss"] < trainer.history[0]["loss"]
    with raises(ValueError, "carry_state: expected False without a loss, got True"):
        rf.Trainer(net, optimizer=rf.SGD(net, 0.5), carry_state=True)


def test_the_windows_of_a_text_carry_the_state(tmp_path: Path) -> None:
    """With the state carried over, cutting a text does not change the measured loss."""
    ids = np.random.default_rng(0).integers(V, size=200)
    net = rf.chain(rf.Embedding(V, 4, seed=0), rf.LSTM(4, 6, seed=1), rf.Linear(6, V, seed=2))
    whole = make_trainer(net).evaluate(rf.data.StreamBatches(ids, 4, 100))
    parts = rf.data.StreamBatches(ids, 4, 7)
    assert make_trainer(net, carry_state=True).evaluate(parts) == pytest.approx(whole, rel=1e-6)
    assert make_trainer(net).evaluate(parts) != pytest.approx(whole, rel=1e-6)
    path = tmp_path / "c"
    state = net.state_dict()
    make_trainer(net, carry_state=True).fit(parts, epochs=2)
    want = net.state_dict()
    net.load_state_dict(state)
    make_trainer(net, carry_state=True).fit(
        parts, epochs=2, checkpoint=path, callbacks=[lambda p: p.step == 3]
    )
    make_trainer(net, carry_state=True).fit(parts, epochs=2, checkpoint=path, resume=True)
    assert all(np.array_equal(net.state_dict()[name], array) for name, array in want.items())


# --- what is refused ------------------------------------------------------------------------------


def adam(net: Any) -> Any:
    return rf.Adam(net)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda net: rf.Trainer(lambda x: x, rf.mse, adam(net)),  # type: ignore[arg-type]
            TypeError,
            "net: expected a Module, got function; a part is a layer, or a Module of one's own "
            "with a forward",
        ),
        (
            lambda net: rf.Trainer(net, rf.cross_entropy),
            TypeError,
            "optimizer: expected an Optimizer, such as rf.Adam(net.parameters()), got None",
        ),
        (
            lambda net: rf.Trainer(net, rf.cross_entropy, adam(make_net())),
            ValueError,
            "optimizer: expected one of the network's parameters, got others",
        ),
        (
            lambda net: rf.Trainer(net, optimizer=adam(net)),
            TypeError,
            "loss: expected one for a Chain without add_gradients, got None",
        ),
        (
            lambda net: rf.Trainer(net, "mse", adam(net)),  # type: ignore[arg-type]
            TypeError,
            "loss: expected a function, such as rf.mse, got 'mse'; loss=rf.mse is meant",
        ),
        (
            lambda net: make_trainer(net).fit(iter(VALID), epochs=2),
            TypeError,
            "batches: expected batches that can be gone through again, got a list_iterator",
        ),
        (
            lambda net: make_trainer(net).fit(VALID, epochs=2, valid=iter(VALID)),
            TypeError,
            "valid: expected batches that can be gone through again, got a list_iterator",
        ),
        (
            lambda net: make_trainer(net).fit([], epochs=1),
            ValueError,
            "batches: expected something to predict, got nothing in an epoch",
        ),
        (
            lambda net: make_trainer(net).fit([np.zeros(3)], epochs=1),
            TypeError,
            "batch: expected (x, y), (x, y, lengths) or a dict, got ndarray; a single batch is "
            "given as [(x, y)]",
        ),
        (
            lambda net: make_trainer(net).fit([(1, 2, 3, 4)], epochs=1),
            ValueError,
            "batch: expected (x, y) or (x, y, lengths), got 4 parts",
        ),
        (
            lambda net: make_trainer(net).fit([{"x": 1, "lengths": 2}], epochs=1),
            ValueError,
            "batch: expected the keys x and y, got x, lengths",
        ),
        (
            lambda net: make_trainer(net, lambda y, t: (0.0, y)).fit(VALID, epochs=1),
            ValueError,
            "loss: expected one that takes lengths or weights, to leave out what stands past a "
            "length, got one that takes neither",
        ),
        (
            lambda net: make_trainer(net).fit(VALID, epochs=0),
            ValueError,
            "epochs: expected at least 1, got 0",
        ),
        (
            lambda net: make_trainer(net).fit([(np.full((T, B), V), VALID[0][1])], epochs=1),
            ValueError,
            "chain[0] (Embedding): indices: expected numbers from 0 to 6, got 7",
        ),
    ],
)
def test_errors(call: Callable[[Any], Any], error: type[Exception], message: str) -> None:
    with raises(error, message):
        call(make_net())


class Own(rf.Module):
    def __init__(self, result: Any) -> None:
        super().__init__()
        self.linear, self.result = rf.Linear(3, 2, seed=0), result

    def forward(self, x: Any) -> Any:
        y, backprop = self.linear.forward(x)
        return self.result(y, backprop)


@pytest.mark.parametrize(
    ("result", "got"),
    [
        (lambda y, back: y, "ndarray"),
        (lambda y, back: (y, None), r"\(ndarray, NoneType\)"),
        (lambda y, back: (y, back, 1), r"\(ndarray, function, int\)"),
        (lambda y, back: None, "NoneType"),
    ],
)
def test_a_forward_of_ones_own_that_returns_no_pair(result: Any, got: str) -> None:
    net = Own(result)
    x, y = np.ones((4, 3), np.float32), np.ones((4, 2), np.float32)
    expected = rf"^net \(Own\): forward: expected to return a pair \(y, backprop\), got {got}$"
    for part in (net, rf.chain(rf.Linear(3, 3), net)):
        with pytest.raises(TypeError, match=expected.replace("net", "(net|chain.1.)", 1)):
            rf.Trainer(part, rf.mse, rf.Adam(part), verbose=0).fit([(x, y)], epochs=1)


@pytest.mark.parametrize(
    ("result", "got"), [(0.5, "float"), ((0.5, None, 1), "3 values"), (None, "NoneType")]
)
def test_a_loss_of_ones_own_that_returns_no_pair(result: Any, got: str) -> None:
    net = rf.Linear(3, 2)
    x, y = np.ones((4, 3), np.float32), np.ones((4, 2), np.float32)

    def plain(y: Any, targets: Any) -> Any:
        return result

    def reducing(y: Any, targets: Any, reduction: str = "mean") -> Any:
        return result

    for loss in (plain, reducing):
        expected = f"^loss: expected to return the loss and its gradient, got {got}$"
        with pytest.raises(TypeError, match=expected):
            rf.Trainer(net, loss, rf.Adam(net), verbose=0).fit([(x, y)], epochs=1)


def test_a_loss_of_pytorch_is_refused() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    net = rf.Linear(2, 1)
    message = r"^loss: expected a function, such as rf.mse, got MSELoss; loss=rf.mse is meant$"
    with pytest.raises(TypeError, match=message):
        rf.Trainer(net, torch.nn.MSELoss(), rf.Adam(net.parameters(), 0.1))
