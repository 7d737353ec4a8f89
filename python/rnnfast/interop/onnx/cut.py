"""A graph cut into parts that run one after the other, each of its nodes in exactly one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rnnfast.interop.onnx.files import graphs_of
from rnnfast.interop.onnx.graph import Graph
from rnnfast.interop.onnx.nodes import Node


@dataclass(frozen=True, repr=False)
class Part:
    """Nodes that run together.

    Attributes
    ----------
    nodes : list of Node
        In the graph's order.
    own : bool
        Whether they are those that were asked to stand by themselves.
    inputs, outputs : list of str
        What they read of other parts, or of a call, and what others, or a call, read of them.
    """

    nodes: list[Node]
    own: bool
    inputs: list[str]
    outputs: list[str]

    def __repr__(self) -> str:
        """Return a line with the operators of its nodes."""
        kind = "own" if self.own else "rest"
        return f"Part({kind}: {', '.join(node.operator for node in self.nodes)})"


def names_used(proto: Any) -> Iterator[str]:
    """Yield the names of values that a node reads, by its graphs too."""
    yield from filter(None, proto.input)
    for attribute in proto.attribute:
        for graph in graphs_of(attribute):
            made = {tensor.name for tensor in graph.initializer}
            made |= {value.name for value in graph.input}
            for node in graph.node:
                yield from (name for name in names_used(node) if name not in made)
                made |= set(node.output)
            yield from (value.name for value in graph.output if value.name not in made)


def needed(protos: Sequence[Any], names: Iterable[str]) -> list[int]:
    """Return which of the nodes some values depend on, by place."""
    wanted, found = set(names), []
    for k in reversed(range(len(protos))):
        if wanted.intersection(protos[k].output):
            found.append(k)
            wanted.update(names_used(protos[k]))
    return found[::-1]


def needed_nodes(graph: Graph) -> list[Node]:
    """Return the nodes that the outputs depend on."""
    protos = [node.proto for node in graph.nodes]
    return [graph.nodes[k] for k in needed(protos, (value.name for value in graph.outputs))]


def cut(graph: Graph, nodes: Sequence[Node], is_own: Callable[[Node], bool]) -> list[Part]:
    """Return the parts of a graph, by level.

    The level of a node is the largest number of own nodes on a way to it. The others of a level
    are one part, as they need nothing of each other's own nodes; each own node is one by itself.
    """
    levels: dict[str, int] = {}
    others: dict[int, list[Node]] = {}
    own: dict[int, list[Node]] = {}
    for node in nodes:
        level = max((levels.get(name, 0) for name in names_used(node.proto)), default=0)
        itself = is_own(node)
        (own if itself else others).setdefault(level, []).append(node)
        levels.update(dict.fromkeys(node.outputs, level + itself))
    groups: list[tuple[list[Node], bool]] = []
    for level in range(max((*own, *others), default=-1) + 1):
        if level in others:
            groups.append((others[level], False))
        groups += [([node], True) for node in own.get(level, [])]
    return _parts(graph, groups)


def _parts(graph: Graph, groups: list[tuple[list[Node], bool]]) -> list[Part]:
    reads = [
        dict.fromkeys(name for node in nodes for name in names_used(node.proto))
        for nodes, _ in groups
    ]
    results = {value.name for value in graph.outputs}
    found = []
    for k, (nodes, own) in enumerate(groups):
        made = dict.fromkeys(name for node in nodes for name in node.outputs if name)
        wanted = results.union(*(reads[j] for j in range(len(groups)) if j != k))
        found.append(
            Part(
                nodes,
                own,
                [n for n in reads[k] if n not in made and n not in graph.constants],
                [name for name in made if name in wanted],
            )
        )
    return found
