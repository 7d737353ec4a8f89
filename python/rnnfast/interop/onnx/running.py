"""One node run, with its name in what it raises."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rnnfast._checks.messages import one_line
from rnnfast.interop.onnx.nodes import Array, Node
from rnnfast.interop.onnx.operators.operator import Operator


def run_operator(
    operator: Operator, node: Node, inputs: Sequence[Array | None]
) -> tuple[Array, ...]:
    """Return the outputs of a node.

    Raises
    ------
    ValueError, NotImplementedError, MemoryError
        If the inputs do not fit, with the node's name.
    """
    with np.errstate(all="ignore"):
        return run_named(node, lambda: operator.function(node, inputs))


def run_named(node: Node, run: Callable[[], Any]) -> tuple[Array, ...]:
    """Return what a node's function does, as a tuple; errors have the node's name."""
    try:
        results = run()
    except MemoryError as error:
        raise MemoryError(_named(node, error)) from None
    except NotImplementedError as error:
        raise NotImplementedError(_named(node, error)) from None
    except Exception as error:  # of many kinds, from NumPy
        raise ValueError(_named(node, error)) from None
    return results if isinstance(results, tuple) else (results,)


def _named(node: Node, error: Exception) -> str:
    message = one_line(error)
    return message if message.startswith(node.label) else f"{node.label}: {message}"
