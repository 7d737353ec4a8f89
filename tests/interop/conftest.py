"""What the tests of the drop-in modules for PyTorch share."""

from __future__ import annotations

from typing import Any

import pytest

from rnnfast import _core


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """What says of each call whether it was a pass of the kernels from tensors to tensors.

    Calls that one before made ready count where they are answered; where they are not, it is what
    comes after that counts.
    """
    found: list[bool] = []
    step: Any = _core.step_on_tensors
    ready: Any = _core.ready_call

    def counted(*arguments: Any) -> Any:
        result = step(*arguments)
        found.append(result is not None)
        return result

    def counting(*arguments: Any) -> Any:
        call = ready(*arguments)

        def answer(*given: Any) -> Any:
            result = call(*given)
            if result is not None:
                found.append(True)
            return result

        return answer

    monkeypatch.setattr(_core, "step_on_tensors", counted)
    monkeypatch.setattr(_core, "ready_call", counting)
    return found
