"""The parameters of a layer, laid out in one flat buffer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rnnfast._checks import check_int
from rnnfast._checks.memory import check_memory, claim_parameters
from rnnfast._checks.messages import shown
from rnnfast.nn._copies import Buffer
from rnnfast.nn.parameter import Parameter


def lay_out(
    shapes: Mapping[str, Sequence[int]],
    dtype: str,
    *,
    sparse: bool,
    sizes: Mapping[str, Any] | None,
) -> tuple[Buffer, dict[str, Parameter]]:
    """Return a new buffer and the parameters that stand in it; arguments as `Module` takes them.

    Raises
    ------
    TypeError, ValueError
        If shapes are none.
    MemoryError
        If there is no room for so much.
    """
    if not isinstance(shapes, Mapping):
        raise TypeError(f"shapes: expected names and shapes, got {shown(shapes)}")
    for name, shape in shapes.items():
        if not isinstance(name, str) or not isinstance(shape, (tuple, list)):
            raise TypeError(
                f"shapes: expected names and shapes, got {shown(name)} and {shown(shape)}"
            )
        for size in shape:
            check_int(f"shapes: {name}", size, 0)
    numbers = sum(map(math.prod, shapes.values()))
    check_memory(sizes or shapes, numbers, np.dtype(dtype).itemsize, len(shapes))
    claim_parameters(numbers)
    # Each parameter starts on a cache line of its own.
    offsets, total = [], 0
    for shape in shapes.values():
        offsets.append(Parameter.aligned(total))
        total = offsets[-1] + math.prod(shape)
    row_size = next(iter(shapes.values()))[1] if sparse else 0
    buffer = Buffer(total, dtype, row_size)
    return buffer, {
        name: Parameter(buffer, offset, shape)
        for (name, shape), offset in zip(shapes.items(), offsets, strict=True)
    }
