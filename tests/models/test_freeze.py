"""Layers that `fit` leaves as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from rnnfast.io.tensors import read_tensors
from rnnfast.models.parts.fitting.examples import Examples
from warm_cases import CASES, TEXTS, Case, arrays_of


@pytest.fixture(autouse=True)
def one_thread(set_threads: Callable[[int], None]) -> None:
    set_threads(1)


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    yield CASES[request.param]


HARD: dict[str, Any] = {
    "optimizer": "adamw", "optimizer_options": {"weight_decay": 0.5}, "averaging": "ema",
    "learning_rate": 0.1,
}  # fmt: skip


def test_frozen_layers_stay_bit_by_bit(case: Case) -> None:
    """With weight decay and an average of the weights too; all others learn."""
    model = case.fitted()
    before = arrays_of(model)
    for layer in model.network_.modules:
        if len(model.network_.modules) == 1:
            continue
        warm = case.fitted().set_params(**HARD)
        warm.fit(*case.first, warm_start=True, freeze=layer)
        moved = {
            name.partition(".")[0]
            for name, array in arrays_of(warm).items()
            if (array != before[name]).any()
        }
        assert moved == set(model.network_.modules) - {layer}


def test_a_first_training_can_freeze_too(case: Case) -> None:
    """What stays is what the layers were drawn with."""
    drawn = case.make(epochs=1, optimizer="sgd", learning_rate=1e-30).fit(*case.first)
    model = case.make().fit(*case.first, freeze=["recurrent", "encoder_recurrent"][
        "encoder_recurrent" in drawn.network_.modules :][:1])  # fmt: skip
    for name, array in arrays_of(model).items():
        if "recurrent." in name and not name.startswith(("decoder", "char")):
            np.testing.assert_array_equal(array, arrays_of(drawn)[name], err_msg=name)


def test_single_parameters() -> None:
    case = CASES["classifier"]
    model = case.fitted(num_layers=2)
    before = arrays_of(model)
    lower = [name for name in before if name.startswith("recurrent.") and "_l0" in name]
    assert len(lower) == 4
    model.fit(*case.first, warm_start=True, freeze=["embedding", *lower])
    stayed = {name for name, array in arrays_of(model).items() if (array == before[name]).all()}
    assert stayed == {"embedding.weight", *lower}


def test_the_norm_that_is_cut_is_of_the_others() -> None:
    """Worked out by the network itself: the gradients of one batch of all examples."""
    case = CASES["regressor"]
    options = {"batch_size": 100, "dtype": "float64", "validation_fraction": 0.0}
    model = case.fitted(**options)
    codec, x = model._codec, model._reader.encode("X", case.first[0])
    y = codec.encode("y", codec.read("y", case.first[1]), x)
    network = model.network_
    for module in network.modules.values():
        module.zero_grad()
    _, count = network.add_gradients(codec.batch(Examples(x, y), np.arange(len(x))))
    squares = {
        name: sum(float((p.grad**2).sum()) for p in module.parameters().values()) / count**2
        for name, module in network.modules.items()
    }
    assert min(squares.values()) > 0
    for frozen in ([], ["embedding"], ["embedding", "recurrent"]):
        warm = case.fitted(**options)
        warm.fit(*case.first, warm_start=True, freeze=frozen, epochs=1)
        expected = sum(square for name, square in squares.items() if name not in frozen) ** 0.5
        assert warm.history_[0]["gradient_norm"] == pytest.approx(expected, 1e-9)


def test_the_optimizer_remembers_nothing_of_them(tmp_path: Path) -> None:
    """Its moments are of what learns: as many numbers as that has."""
    case, sizes = CASES["classifier"], []
    for freeze in (None, "embedding"):
        path = tmp_path / str(freeze)
        model = case.fitted()
        model.fit(*case.first, warm_start=True, freeze=freeze, checkpoint=path)
        arrays, _ = read_tensors(path, "checkpoint")
        moments = [a for name, a in arrays.items() if name.startswith("optimizer.exp_avg.")]
        assert all((a != 0).any() for a in moments)
        sizes.append(sum(a.size for a in moments))
    table = model.network_.modules["embedding"].parameters()["weight"].data.size
    assert sizes[0] - sizes[1] == table


def test_resumed_with_the_same_ones_only(tmp_path: Path) -> None:
    case, path = CASES["tagger"], tmp_path / "c"
    whole = case.make(epochs=3).fit(*case.first, freeze="embedding")
    stopped = case.make(epochs=3).fit(
        *case.first, freeze="embedding", checkpoint=path, callbacks=[lambda p: p.step == 4]
    )
    assert stopped.stopped_ == "callback"
    for freeze, got in ((None, "None"), ("output", r"\['output'\]")):
        message = rf"cannot resume with another freeze: expected \['embedding'\], got {got}$"
        with pytest.raises(ValueError, match=message):
            case.make(epochs=3).fit(*case.first, freeze=freeze, checkpoint=path, resume=True)
    model = case.make(epochs=3).fit(*case.first, freeze="embedding", checkpoint=path, resume=True)
    for name, array in arrays_of(whole).items():
        np.testing.assert_array_equal(arrays_of(model)[name], array, err_msg=name)


def test_wrong_names(case: Case) -> None:
    model = case.make()
    with pytest.raises(ValueError, match=r"^freeze: expected some of .*, got 'outptu'$") as caught:
        model.fit(*case.first, freeze=["outptu"])
    assert not hasattr(model, "network_")
    layers = [*case.fitted().network_.modules]
    assert f"expected some of {', '.join(layers)}, or parameters of one as" in str(caught.value)
    with pytest.raises(ValueError, match=r"^freeze: expected one of .* left to learn, got all"):
        model.fit(*case.first, freeze=layers)
    for wrong in (1, {"embedding": False}, [None], [["output"]]):
        with pytest.raises(TypeError, match=r"^freeze: expected (a list of )?names of layers"):
            model.fit(*case.first, freeze=wrong)


def test_it_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    rf.SequenceClassifier(hidden_size=4, embedding_size=3, epochs=1, verbose=2, seed=0).fit(
        TEXTS, ["m", "z"] * 9, freeze="recurrent"
    )
    # 3 gates of 4 units over 3 numbers, 4 units and two biases.
    assert f"frozen: recurrent: {12 * 3 + 12 * 4 + 2 * 12} of " in capsys.readouterr().err
