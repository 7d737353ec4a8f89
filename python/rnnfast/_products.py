"""Products of matrices on the kernels: their threads are counted, and a fork may come between.

NumPy's go to a library of its own, BLAS, which takes every core whatever `set_num_threads` says.
"""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from rnnfast import _core

Array = npt.NDArray[Any]


def product(a: Array, b: Array) -> Array:
    """Return ``a @ b`` of two matrices, both float32 or both float64."""
    return _core.product(a, b)
