"""A graph run node by node: recurrent ones on the kernels, the others in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np

from rnnfast.interop.onnx.graph import Graph
from rnnfast.interop.onnx.nodes import Array, Node
from rnnfast.interop.onnx.operators.table import OPERATORS, why_not
from rnnfast.interop.onnx.recurrent.operator import Recurrent
from rnnfast.interop.onnx.recurrent.weights import B, P, R, W
from rnnfast.interop.onnx.running import run_named, run_operator

Step: TypeAlias = Callable[[Sequence[Array | None]], tuple[Array, ...]]


def require_covered(nodes: Iterable[Node]) -> None:
    """Raise NotImplementedError, with operator and name, for the first node that is not covered."""
    for node in nodes:
        if node.is_recurrent or (node.operator == "If" and not node.domain):
            continue
        reason = why_not(node)
        if reason is not None:
            raise NotImplementedError(f"{node.label}: expected what is covered, got {reason}")


def make_recurrent(graph: Graph, node: Node) -> Recurrent:
    """Return a recurrent node of a graph, with its weights if the graph holds them all."""
    names = [node.input(place) for place in (W, R, B, P)]
    if any(name and graph.constant(name) is None for name in names):
        return Recurrent(node)
    return Recurrent(node, [graph.constant(name) if name else None for name in names])


class Program:
    """Nodes in order, with what each of them needs.

    Parameters
    ----------
    graph : Graph
        Where the nodes stand.
    nodes : sequence of Node
        Those to run.
    results : sequence of str
        The values that are wanted.

    Raises
    ------
    NotImplementedError
        If a node is not covered, with its operator and name.
    TypeError, ValueError
        If a recurrent node, or its weights, are not valid.
    """

    def __init__(self, graph: Graph, nodes: Sequence[Node], results: Sequence[str]) -> None:
        require_covered(nodes)
        self.results = list(results)
        self._constants = graph.constants
        self.steps = [(node, _step(graph, node)) for node in nodes]
        last = {name: k for k, node in enumerate(nodes) for name in node.inputs}
        kept = {*results, *graph.constants}
        self._done: list[list[str]] = [[] for _ in nodes]
        for name, k in last.items():
            if name and name not in kept:
                self._done[k].append(name)

    def run(self, values: dict[str, Array]) -> list[Array]:
        """Return the results, from the values that come from outside."""
        found: dict[str, Array] = dict(values)
        for (node, step), done in zip(self.steps, self._done, strict=True):
            inputs = [self._of(found, name) if name else None for name in node.inputs]
            for name, result in zip(node.outputs, step(inputs), strict=False):
                found[name] = result
            for name in done:
                found.pop(name, None)
        return [self._of(found, name) for name in self.results]

    def _of(self, found: dict[str, Array], name: str) -> Array:
        return found[name] if name in found else self._constants[name]


def _step(graph: Graph, node: Node) -> Step:
    if node.is_recurrent:
        recurrent = make_recurrent(graph, node)
        return lambda inputs: run_named(node, lambda: recurrent(inputs))
    if node.operator == "If":
        raise NotImplementedError(
            f"{node.label}: expected a condition that is constant, got one that is computed"
        )
    if node.operator == "Dropout" and np.any(graph.constants.get(node.input(2), False)):
        raise NotImplementedError(f"{node.label}: expected inference, got training_mode True")
    operator: Any = OPERATORS[node.operator]
    return lambda inputs: run_operator(operator, node, inputs)


def fresh(results: Sequence[Any], fixed: Sequence[Any]) -> list[Any]:
    """Return results that share no memory with what a call was given, with constants or others.

    Parameters
    ----------
    results : sequence of ndarray
        Of a call.
    fixed : sequence of ndarray
        What must not change when a result does.
    """
    found: list[Any] = []
    for result in results:
        if isinstance(result, np.ndarray) and (
            not result.flags.writeable
            or any(np.may_share_memory(result, other) for other in (*fixed, *found))
        ):
            result = result.copy()
        found.append(result)
    return found
