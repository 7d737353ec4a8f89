"""What an object raises as it makes an array of itself: memory is told, the rest is chained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rnnfast as rf


class Raising:
    """Makes no array."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise self.error


@pytest.mark.parametrize("error", [MemoryError("much"), KeyboardInterrupt()])
@pytest.mark.parametrize("nested", [False, True])
def test_passed_on(error: BaseException, nested: bool) -> None:
    given: Any = Raising(error)
    layer = rf.GRU(3, 4)
    with pytest.raises(type(error)) as raised:
        layer(np.ones((2, 1, 3), "f4"), lengths=[given] if nested else given)
    assert raised.value is error


def test_chained() -> None:
    error = LookupError("no such row")
    with pytest.raises(ValueError, match=r"^x: expected an array, got a Raising") as raised:
        rf.GRU(3, 4)(Raising(error))  # type: ignore[arg-type]
    assert raised.value.__cause__ is error


class Speechless(Exception):
    """Makes no text of itself."""

    def __str__(self) -> str:
        raise LookupError("no text")

    __repr__ = __str__


def test_an_error_without_a_text_is_told_by_its_type() -> None:
    given: Any = Raising(Speechless())
    layer, x = rf.GRU(3, 4), np.ones((2, 1, 3), "f4")
    texts = ["a good film", "a bad film"] * 4
    model = rf.SequenceClassifier(hidden_size=2, epochs=1, verbose=0)
    calls: dict[str, Callable[[], Any]] = {
        "x": lambda: layer(given),
        "lengths": lambda: layer(x, lengths=given),
        "h0": lambda: layer(x, given),
        "y": lambda: model.fit(texts, given),
        "sample_weight": lambda: model.fit(texts, [0, 1] * 4, sample_weight=given),
        "true": lambda: rf.metrics.rmse(given, x),
    }
    for name, call in calls.items():
        with pytest.raises(
            (TypeError, ValueError), match=rf"^{name}: expected .*Raising"
        ) as raised:
            call()
        assert "\n" not in str(raised.value)
    stream = layer.stream()
    with pytest.raises((TypeError, ValueError), match=r"^x: expected an array.*none .Speechless"):
        stream(given)
    with pytest.raises((TypeError, ValueError), match=r"^rows: expected .*Speechless"):
        stream(x[0], rows=given)


def test_a_normaliser_of_zero_divides_nothing() -> None:
    layer = rf.SLSTM(3, 4, seed=0)
    zeros, ones = np.zeros((1, 1, 4), "f4"), np.ones((1, 1, 4), "f4")
    x = np.ones((2, 1, 3), "f4")
    with pytest.raises(ValueError, match=r"^n0: expected numbers above 0 where c0 is not 0"):
        layer(x, (zeros, ones, zeros, zeros))
    assert np.isfinite(layer(x, (zeros, zeros, zeros, zeros))[0]).all()


@pytest.mark.parametrize("kind", [rf.SLSTM, rf.MLSTM])
def test_runs_of_streams_name_x(kind: Any) -> None:
    with pytest.raises(ValueError, match=r"^x: expected 3 axes, got shape \(2, 3\)"):
        kind(3, 4).stream().run(np.ones((2, 3), "f4"))
