"""The classes that layers are given: one for each original, and no longer than there are layers."""

from __future__ import annotations

import copy
import gc
import weakref
from typing import Any

import pytest

from dropin_cases import interop, torch


@pytest.mark.parametrize("base", ["GRU", "LSTMCell"])
def test_classes_go_with_their_layers(base: str) -> None:
    def of_a_class_made_here() -> Any:
        class Own(getattr(torch.nn, base)):  # type: ignore[misc]
            """As a notebook's cell defines it anew at each run."""

        layer = Own(5, 7)
        interop.accelerate(layer)
        first = type(layer)
        assert type(copy.deepcopy(layer)) is first
        interop.restore(layer)
        interop.accelerate(layer)
        assert type(layer).original is Own
        return weakref.ref(Own), weakref.ref(type(layer))

    references = of_a_class_made_here()
    for _ in range(3):
        gc.collect()
    assert [r() for r in references] == [None, None]
