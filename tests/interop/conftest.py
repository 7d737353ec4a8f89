"""What the tests of the drop-in modules for PyTorch share."""

from __future__ import annotations

from typing import Any

import pytest

from rnnfast import _core


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """What says of each call whether it was a short pass of the kernels on tensors."""
    found: list[bool] = []
    step: Any = _core.step_on_tensors

    def counted(*arguments: Any) -> Any:
        result = step(*arguments)
        found.append(result is not None)
        return result

    monkeypatch.setattr(_core, "step_on_tensors", counted)
    return found
