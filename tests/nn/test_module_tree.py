"""Modules that hold modules: names, what counts once, and what goes through to all."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import rnnfast as rf


def raises(error: type[Exception], message: str) -> Any:
    return pytest.raises(error, match=f"^{re.escape(message)}$")


class Tagger(rf.Module):
    """A parameter of its own, a layer, a list and a dict of layers."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__({"scale": (3,)})
        self.read = rf.Embedding(7, 3, seed=seed)
        self.layers = [rf.GRU(3, 3, seed=seed + 1), rf.Dropout(0.5, seed=seed)]
        self.heads = {"tag": rf.Linear(3, 2, bias=False, seed=seed + 2)}
        self.name = "no module"

    def forward(self, x: Any) -> Any:
        v, to_x = self.read.forward(x)
        (h, _), to_v = self.layers[0].forward(v)
        d, to_h = self.layers[1].forward(h)
        y, to_d = self.heads["tag"].forward(d)
        return y, lambda dy: to_x(to_v(to_h(to_d(dy)))[0])


NAMES = [
    "scale",
    "read.weight",
    "layers.0.weight_ih_l0",
    "layers.0.weight_hh_l0",
    "layers.0.bias_ih_l0",
    "layers.0.bias_hh_l0",
    "heads.tag.weight",
]


def test_names_are_dotted() -> None:
    net = Tagger()
    assert list(net.parameters()) == list(net.state_dict()) == list(net.grads) == NAMES
    assert [name for name, _ in net.named_modules()] == [
        "", "read", "layers.0", "layers.1", "heads.tag",
    ]  # fmt: skip
    assert list(net.children()) == ["read", "layers.0", "layers.1", "heads.tag"]
    assert len(list(net.buffers())) == 4
    assert net.dtype == np.float32


def test_state_goes_from_one_network_to_another() -> None:
    one, other = Tagger(0), Tagger(5)
    tokens = np.arange(6).reshape(3, 2)
    assert not np.array_equal(one(tokens), other(tokens))
    other.load_state_dict(one.state_dict())
    assert np.array_equal(one(tokens), other(tokens))
    one.load_state_dict({name: p.data for name, p in one.parameters().items()})  # its own memory
    assert np.array_equal(one(tokens), other(tokens))


def test_wrong_states_change_nothing() -> None:
    net = Tagger()
    before = net.state_dict()
    lacking = {name: array for name, array in before.items() if name != "heads.tag.weight"}
    known = ", ".join(NAMES)
    with raises(
        ValueError,
        f"mapping: expected the names {known}; got one without heads.tag.weight and with the "
        "unknown tag",
    ):
        net.load_state_dict({**lacking, "tag": before["scale"]})
    wrong = {name: np.zeros_like(array) for name, array in before.items()}
    wrong["layers.0.bias_hh_l0"] = np.zeros(2)
    with raises(ValueError, "layers.0.bias_hh_l0: expected shape (9,), got (2,)"):
        net.load_state_dict(wrong)
    assert all(np.array_equal(array, before[name]) for name, array in net.state_dict().items())


def test_gradients_optimizers_and_clipping_see_all() -> None:
    net = Tagger()
    y, backprop = net.forward(np.arange(6).reshape(3, 2))
    backprop(np.ones_like(y))
    assert all(net.grads[name].any() for name in NAMES if name not in ("scale",))
    norm = rf.clip_grad_norm(net, 0.5)
    assert norm == pytest.approx(
        np.sqrt(sum((g**2).sum() for g in net.grads.values())) * norm / 0.5
    )
    assert norm > 0.5
    before = net.state_dict()
    by_parts = Tagger()
    for name, gradient in net.grads.items():
        by_parts.grads[name][...] = gradient
    rf.Adam(net.parameters(), 0.1).step()
    rf.Adam([by_parts.read, *by_parts.layers[:1], by_parts.heads["tag"]], 0.1).step()
    for name, array in net.state_dict().items():
        assert np.array_equal(array, by_parts.state_dict()[name])
        assert name == "scale" or not np.array_equal(array, before[name])
    net.zero_grad()
    assert not any(gradient.any() for gradient in net.grads.values())


def test_an_average_takes_networks() -> None:
    net = Tagger()
    average = rf.training.MeanAverage(net)
    average.update()
    kept = net.state_dict()
    net.load_state_dict({name: np.zeros_like(array) for name, array in kept.items()})
    average.apply()
    assert all(np.array_equal(array, kept[name]) for name, array in net.state_dict().items())


def test_train_and_eval_reach_all() -> None:
    net = Tagger()
    tokens = np.arange(6).reshape(3, 2)
    plain = net(tokens)
    assert not np.array_equal(net.forward(tokens)[0], plain)
    net.eval()
    assert not net.training and not net.layers[0].training and not net.layers[1].training
    assert np.array_equal(net.forward(tokens)[0], plain)
    net.train()
    assert net.training and net.layers[1].training
    with raises(TypeError, "mode: expected a bool, got int"):
        net.train(1)  # type: ignore[arg-type]


def test_a_plain_call_draws_nothing() -> None:
    net, other = Tagger(), Tagger()
    tokens = np.arange(6).reshape(3, 2)
    net(tokens)
    assert net.training
    assert np.array_equal(net.forward(tokens)[0], other.forward(tokens)[0])

    class Broken(rf.Module):
        def forward(self, x: Any) -> Any:
            raise KeyError("x")

    broken = Broken()
    with pytest.raises(KeyError):
        broken(tokens)
    assert broken.training


def test_a_shared_module_counts_once() -> None:
    class Twice(rf.Module):
        def __init__(self) -> None:
            self.left = rf.Linear(3, 3, seed=0)
            self.right = self.left
            self.more = [self.left, rf.Linear(3, 1, seed=1)]

    net = Twice()
    assert list(net.parameters()) == ["left.weight", "left.bias", "more.1.weight", "more.1.bias"]
    other = Twice()
    other.load_state_dict(net.state_dict())
    assert other.right is other.left is other.more[0]


@pytest.mark.parametrize("first", ["table", "output"])
def test_a_tied_output_layer_counts_as_its_embedding(first: str) -> None:
    class Model(rf.Module):
        def __init__(self) -> None:
            tied = rf.TiedEmbedding(6, 3, out_features=4, seed=0)
            for name in ("table", "output") if first == "table" else ("output", "table"):
                setattr(self, name, tied if name == "table" else tied.linear)

    net = Model()
    shapes = {name: parameter.shape for name, parameter in net.parameters().items()}
    assert shapes == {f"{first}.weight": (6, 3), f"{first}.bias": (4,)}
    assert len(list(net.buffers())) == 1


def test_a_weight_drop_owns_nothing_and_follows_eval() -> None:
    class Dropping(rf.Module):
        def __init__(self) -> None:
            self.drop: rf.WeightDrop
            layer = rf.GRU(3, 3, seed=0)
            self.drop, self.layer = rf.WeightDrop(layer, 0.5, seed=0), layer

    net = Dropping()
    assert next(iter(net.parameters())) == "layer.weight_ih_l0"
    assert len(net.parameters()) == 4
    net.eval()
    before = net.state_dict()["layer.weight_hh_l0"]
    with net.drop:
        assert np.array_equal(net.state_dict()["layer.weight_hh_l0"], before)


def test_a_cycle_is_refused() -> None:
    net = Tagger()
    net.layers.append(net)  # type: ignore[arg-type]
    with raises(
        ValueError, "layers.2: expected no module within itself, got the Tagger that holds it"
    ):
        net.parameters()
    with pytest.raises(ValueError, match="expected no module within itself"):
        rf.Adam(net)


def test_the_dtype_is_that_of_the_modules_within() -> None:
    class Wide(rf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.part = rf.Linear(2, 2, dtype="float64")

    assert Wide().dtype == np.float64 and len(list(Wide().buffers())) == 1


def test_dtypes_that_differ_have_no_common_one() -> None:
    class Mixed(rf.Module):
        def __init__(self) -> None:
            self.parts = [rf.Linear(2, 2), rf.Linear(2, 2, dtype="float64")]

    with raises(ValueError, "dtype: expected parameters of one dtype, got ['float32', 'float64']"):
        _ = Mixed().dtype
    with raises(ValueError, "dtype: expected parameters of one dtype, got none"):
        _ = rf.Dropout(0.5).dtype


def test_a_module_without_forward_says_so() -> None:
    class Empty(rf.Module):
        pass

    with raises(NotImplementedError, "Empty: expected a forward of its own, got none"):
        Empty()(np.zeros(3))
