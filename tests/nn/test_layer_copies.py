"""Copies and pickles of layers, optimizers, averages, schedules and streams: alike, and apart."""

from __future__ import annotations

import copy
import gc
import multiprocessing
import pickle
import re
import threading
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
import zoo
from rnnfast import _core
from rnnfast.nn._copies import compiled
from rnnfast.nn.module import Module


def unpickled(thing: Any) -> Any:
    return pickle.loads(pickle.dumps(thing))


def out_of_band(thing: Any) -> Any:
    """Pickle as joblib and others do that send arrays by themselves."""
    buffers: list[Any] = []
    data = pickle.dumps(thing, protocol=5, buffer_callback=buffers.append)
    return pickle.loads(data, buffers=[bytes(b.raw()) for b in buffers])


TWINS: dict[str, Callable[[Any], Any]] = {
    "deepcopy": copy.deepcopy,
    "pickle": unpickled,
    "oldest pickle": lambda thing: pickle.loads(pickle.dumps(thing, protocol=2)),
    "out of band": out_of_band,
}
twice = pytest.mark.parametrize("twin", TWINS.values(), ids=TWINS)
once = pytest.mark.parametrize("twin", [copy.deepcopy, unpickled])
all_layers = pytest.mark.parametrize("name", zoo.LAYERS)


def gradients(layer: Any) -> Any:
    return layer.grads if isinstance(layer, Module) else {}


def test_the_layers_tried_are_all() -> None:
    assert {type(make()) for make in zoo.LAYERS.values()} == zoo.LAYER_KINDS


@twice
@all_layers
def test_a_copy_goes_on_as_the_layer_does(name: str, twin: Any) -> None:
    layer = zoo.LAYERS[name]()
    zoo.train(layer)  # gradients, and a generator that has drawn
    other = twin(layer)
    assert type(other) is type(layer) and repr(other) == repr(layer)
    assert zoo.same(gradients(other), gradients(layer))
    assert zoo.same(zoo.ask(other), zoo.ask(layer))
    for _ in range(2):
        assert zoo.same(zoo.train(other), zoo.train(layer))
        assert zoo.same(gradients(other), gradients(layer))


@once
@all_layers
def test_a_copy_shares_nothing(name: str, twin: Any) -> None:
    layer = zoo.LAYERS[name]()
    other = twin(layer)
    answer = zoo.ask(layer)
    if hasattr(layer, "training"):
        other.eval()
        assert layer.training and not twin(other).training
        other.train()
    zoo.train(other)
    assert all(not np.any(gradient) for gradient in gradients(layer).values())
    if not isinstance(layer, Module):
        return
    other.load_state_dict({name: np.zeros_like(w) for name, w in other.state_dict().items()})
    assert zoo.same(zoo.ask(layer), answer)
    values = [buffer.values for buffer in other.buffers()]
    del other
    gc.collect()
    assert not any(
        array.any() for array in values
    )  # memory of its own, alive as long as it is seen


@all_layers
def test_a_shallow_copy_is_another_name_of_the_same_weights(name: str) -> None:
    layer = zoo.LAYERS[name]()
    other = copy.copy(layer)
    assert type(other) is type(layer)
    assert zoo.same(zoo.ask(other), zoo.ask(layer))
    if isinstance(layer, Module):
        zoo.train(other)
        assert zoo.same(gradients(layer), gradients(other))
        for parameter in layer.parameters().values():
            parameter.assign(np.zeros(parameter.shape))
        assert zoo.same(zoo.ask(other), zoo.ask(layer))


def test_layers_that_share_stay_together_and_apart_from_others() -> None:
    rng = np.random.default_rng(3)
    first, second = rf.Dropout(0.5, seed=rng), rf.Dropout(0.5, seed=rng)
    network = {"a": first, "b": second, "again": first}
    other = copy.deepcopy(network)
    assert other["again"] is other["a"] and other["a"]._rng is other["b"]._rng is not rng
    tied = unpickled(rf.TiedEmbedding(6, 4, seed=1))
    tied.load_state_dict({"weight": np.ones((6, 4)), "bias": np.zeros(6)})
    assert (tied.linear(np.ones((1, 4), np.float32)) == 4).all()


def test_the_optimizers_tried_are_all() -> None:
    layer = rf.Linear(2, 2)
    tried = {type(make(layer)) for make in zoo.OPTIMIZERS.values()}
    assert tried == zoo.kinds(rf.training.Optimizer) - {rf.training.Optimizer}


@once
@pytest.mark.parametrize("name", zoo.OPTIMIZERS)
def test_a_copied_optimizer_trains_the_copied_layer(name: str, twin: Any) -> None:
    layer = rf.LSTM(3, 4, seed=1)
    optimizer = zoo.OPTIMIZERS[name]([layer.parameters()["weight_hh_l0"], layer])
    schedule = rf.training.ExponentialLR(optimizer, 0.5)
    zoo.train(layer)
    optimizer.step()
    schedule.step()
    before = layer.state_dict()
    other, trainer, plan = twin((layer, optimizer, schedule))
    assert plan.optimizer is trainer
    zoo.train(other)
    trainer.step()
    plan.step()
    after = other.state_dict()
    assert zoo.same(layer.state_dict(), before) and not zoo.same(after, before)
    trainer.zero_grad()
    assert not other.grads["bias_ih_l0"].any() and layer.grads["bias_ih_l0"].any()
    zoo.train(layer)
    optimizer.step()
    schedule.step()
    assert zoo.same(layer.state_dict(), after)
    assert zoo.same(optimizer.state_dict(), trainer.state_dict())
    assert plan.state_dict() == schedule.state_dict()
    alone = twin(optimizer)
    assert zoo.same(alone.state_dict(), optimizer.state_dict())
    alone.step()
    assert zoo.same(layer.state_dict(), after)


@once
def test_gradients_by_row_come_along(twin: Any) -> None:
    table = rf.Embedding(50, 3, sparse=True, seed=1)
    optimizer = rf.Adam(table, 0.1)
    _, back = table.forward([7, 3, 7])
    back(np.arange(9, dtype=np.float32).reshape(3, 3))
    other, trainer = twin((table, optimizer))
    assert zoo.same(other.sparse_grads(), table.sparse_grads())
    for one in (optimizer, trainer):
        one.step()
    assert zoo.same(other.state_dict(), table.state_dict())


AVERAGES = {
    rf.training.ExponentialAverage: {"decay": 0.5},
    rf.training.MeanAverage: {"start": 1, "every": 2},
}


@once
@pytest.mark.parametrize("kind", AVERAGES)
def test_averages(kind: Any, twin: Any) -> None:
    layer = rf.Linear(2, 3, seed=1)
    average = kind(layer, **AVERAGES[kind])
    for k in range(3):
        layer.parameters()["bias"].assign(np.full(3, float(k)))
        average.update()
    other, copied = twin((layer, average))
    assert zoo.same(copied.state_dict(), average.state_dict())
    with average.applied(), copied.applied():
        assert zoo.same(other.state_dict(), layer.state_dict())
        again, third = twin((other, copied))
    third.restore()
    assert zoo.same(again.state_dict(), layer.state_dict())
    with copied.applied():
        assert (layer.parameters()["bias"].data == 2).all()


def test_every_average_is_tried() -> None:
    assert set(AVERAGES) == zoo.kinds(rf.training.WeightAverage) - {rf.training.WeightAverage}


SCHEDULES: dict[str, Callable[[Any], Any]] = {
    "StepLR": lambda o: rf.training.StepLR(o, 2),
    "ExponentialLR": lambda o: rf.training.ExponentialLR(o, 0.5),
    "CosineLR": lambda o: rf.training.CosineLR(o, 9),
    "WarmupLR": lambda o: rf.training.WarmupLR(o, 9),
    "ChainLR": lambda o: rf.training.ChainLR(
        [rf.training.WarmupLR(o, 2), rf.training.CosineLR(o, 9)]
    ),
    "ReduceOnPlateau": lambda o: rf.training.ReduceOnPlateau(o, patience=0),
}


@once
@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules(name: str, twin: Any) -> None:
    schedule = SCHEDULES[name](rf.SGD(rf.Linear(2, 2), 0.1))
    figure = (1.0,) if name == "ReduceOnPlateau" else ()
    schedule.step(*figure)
    other = twin(schedule)
    rates: list[list[float]] = [[], []]
    for one, rate in zip((schedule, other), rates, strict=True):
        for _ in range(3):
            one.step(*figure)
            rate.append(one.optimizer.lr)
    assert rates[0] == rates[1] and other.optimizer is not schedule.optimizer


def test_a_shallow_copy_of_what_remembers_is_refused() -> None:
    layer = rf.Linear(2, 3)
    for thing in (rf.Adam(layer), rf.training.MeanAverage(layer)):
        name = type(thing).__name__
        with pytest.raises(TypeError, match=rf"^{name}: expected copy.deepcopy, got copy.copy, wh"):
            copy.copy(thing)


# Weights that are dropped


def test_weight_drop() -> None:
    layer = rf.GRU(3, 4, seed=1)
    drop = rf.WeightDrop(layer, 0.5, seed=2)
    other, copied = copy.deepcopy((layer, drop))
    for one, context in ((layer, drop), (other, copied)):
        with context:
            zoo.train(one)
    assert zoo.same(other.grads, layer.grads) and zoo.same(other.state_dict(), layer.state_dict())
    for twin in (copy.copy, copy.deepcopy, pickle.dumps):
        with drop, pytest.raises(RuntimeError, match=r"^WeightDrop: expected to be left before it"):
            twin(drop)
    shallow = copy.copy(drop)
    with drop, shallow:
        zoo.train(layer)
    assert zoo.same(other.state_dict(), layer.state_dict())


# Streams


@pytest.mark.parametrize(
    "name", [name for name, make in zoo.RECURRENT.items() if not make().bidirectional]
)
def test_streams(name: str) -> None:
    layer = zoo.RECURRENT[name]()
    x = zoo.X.astype(layer.dtype)
    stream = layer.stream(2)
    stream(x[0])
    twins = [copy.copy(stream), copy.deepcopy(stream), unpickled(stream)]
    assert twins[0]._layer is layer and twins[1]._layer is not layer
    before = stream.state
    expected = [stream(x[t]).copy() for t in (1, 2)]
    stream.reset()
    for twin in twins:
        assert zoo.same(twin.state, before)
        assert zoo.same([twin(x[t]).copy() for t in (1, 2)], expected)
    network = copy.deepcopy({"stream": stream, "layer": layer})
    assert network["stream"]._layer is network["layer"]


# What users make


class Cell(rf.LSTM):
    """A layer of a user's: with other arguments, attributes, and a stream of its own."""

    def __init__(self, size: int) -> None:
        super().__init__(size, 2 * size, seed=1)
        self.own = self.stream()
        self.note = {"size": size}


class Network(Module):
    """Layers and parameters of its own."""

    def __init__(self) -> None:
        super().__init__({"gain": (4,)}, "float32")
        self.cell, self.out = Cell(3), rf.Linear(6, 4, seed=2)
        self.named = types.SimpleNamespace(network=self)  # no module, so no part of this one

    def __call__(self, x: Any) -> Any:
        return self.out(self.cell(x)[0]) * self.parameters()["gain"].data


@once
def test_layers_of_users(twin: Any) -> None:
    network = Network()
    network.parameters()["gain"].assign([1, 2, 3, 4])
    network.cell.own(zoo.X[0, 0])
    other = twin(network)
    assert other.named.network is other and other.cell.own._layer is other.cell
    assert other.cell.note == {"size": 3} and other.cell.note is not network.cell.note
    assert zoo.same(other(zoo.X), network(zoo.X))
    assert zoo.same(other.cell.own(zoo.X[1, 0]), network.cell.own(zoo.X[1, 0]))


def answer_of(layer: Any, queue: Any) -> None:
    queue.put(zoo.ask(layer))


def test_another_process() -> None:
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    layer = rf.LSTM(3, 4, seed=1)
    process = context.Process(target=answer_of, args=(layer, queue))
    process.start()
    assert zoo.same(queue.get(timeout=60), zoo.ask(layer))
    process.join()


# What has no copy


def test_what_runs_and_what_waits_has_no_copy() -> None:
    layer = rf.GRU(3, 4)
    _, backprop = layer.forward(zoo.X)
    assert copy.deepcopy(backprop) is backprop  # functions are themselves
    with pytest.raises((AttributeError, pickle.PicklingError), match=r"local object|local func"):
        pickle.dumps(backprop)
    native = [layer.native, layer.stream().native, rf.Linear(2, 2).native]
    native += [rf.Embedding(2, 2).native, _core.ParameterBuffer(3, "float32")]
    for thing in native:
        for twin in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(TypeError, match=r"^cannot pickle '[\w.]+' object$") as caught:
                twin(thing)
            assert not re.search("\n", str(caught.value))


def test_threads_get_one_compiled_object() -> None:
    """Though both make one: the first to be kept is everybody's."""
    both = threading.Barrier(2)

    class Holder:
        @compiled
        def native(self) -> object:
            both.wait(timeout=60)  # no lock keeps the other one out
            return object()

    holder, found = Holder(), []
    threads = [threading.Thread(target=lambda: found.append(holder.native)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2 and found[0] is found[1] is holder.native
