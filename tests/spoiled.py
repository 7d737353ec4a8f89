"""Parameters as a training that diverges leaves them."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnfast.nn.module import Parameter


def spoil(parameter: Parameter, values: Any) -> None:
    """Set numbers that are not finite, which `Parameter.assign` refuses."""
    parameter.buffer.assign(parameter.offset, np.ascontiguousarray(values, parameter.dtype))
