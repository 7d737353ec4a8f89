"""The interface of ONNX's backends: `prepare`, `run_model`, `run_node`, `supports_device`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rnnfast._checks.messages import one_line, shown
from rnnfast.interop.onnx._onnx import onnx
from rnnfast.interop.onnx.feeds import Feeds, read_feed
from rnnfast.interop.onnx.files import check_model, read_model
from rnnfast.interop.onnx.graph import Graph, read_graph, read_nodes, require_types
from rnnfast.interop.onnx.nodes import Array, read_node
from rnnfast.interop.onnx.program import Program, fresh, require_covered


class Prepared(onnx.backend.base.BackendRep):
    """A model that is ready to run; `Backend.prepare` makes it."""

    def __init__(self, graph: Graph) -> None:
        require_types(graph)
        self._graph = graph
        self._checked = Feeds(graph)
        self._names = [value.name for value in graph.outputs]
        self._program = Program(graph, graph.nodes, self._names)

    def run(self, inputs: Any, **kwargs: Any) -> tuple[Array, ...]:
        """Return the outputs, also by their names.

        Parameters
        ----------
        inputs : sequence of ndarray, or mapping of str to ndarray, or ndarray
            What the graph's inputs are, in their order, or by name.

        Raises
        ------
        TypeError, ValueError
            If an input is not the one that the graph wants, or not one that a node can take.
        NotImplementedError
            If a node is asked for what is not covered.
        """
        if kwargs:
            raise TypeError(f"run: expected no such argument, got {shown(next(iter(kwargs)))}")
        feeds = self._checked.check(self._feeds(inputs))
        values = {**self._graph.defaults, **feeds}
        results = self._program.run(values)
        fixed = [*values.values(), *self._graph.constants.values()]
        return _named(self._names, fresh(results, fixed))

    def _feeds(self, inputs: Any) -> dict[str, Array]:
        if isinstance(inputs, Mapping):
            return dict(inputs)
        given = [inputs] if isinstance(inputs, np.ndarray) else list(inputs)
        names = [value.name for value in (*self._graph.inputs, *self._graph.optional)]
        if not len(self._graph.inputs) <= len(given) <= len(names):
            raise ValueError(f"inputs: expected {len(self._graph.inputs)} arrays, got {len(given)}")
        return dict(zip(names, given, strict=False))


class Backend(onnx.backend.base.Backend):
    """ONNX's backend interface, on this package's kernels and NumPy."""

    @classmethod
    def is_compatible(cls, model: Any, device: str = "CPU", **kwargs: Any) -> bool:
        """Whether every operator of a model is covered; see `prepare`."""
        try:
            cls.prepare(model, device, **kwargs)
        except (NotImplementedError, ValueError, TypeError):
            return False
        return True

    @classmethod
    def prepare(cls, model: Any, device: str = "CPU", **kwargs: Any) -> Prepared:
        """Return a model ready to run.

        Parameters
        ----------
        model : onnx.ModelProto, str, path or bytes
            The model, or the file that has it.
        device : str
            ``"CPU"``.

        Raises
        ------
        NotImplementedError
            If an operator is not covered: by its name and that of the node.
        TypeError, ValueError
            If the model is damaged, or a recurrent node, its weights, or the device not valid.
        """
        _require_device(cls, device)
        if kwargs:
            raise TypeError(f"prepare: expected no such argument, got {shown(next(iter(kwargs)))}")
        proto = read_model(model)
        require_covered(read_nodes(proto))
        check_model(proto, types=True)
        return Prepared(read_graph(proto))

    @classmethod
    def run_model(
        cls, model: Any, inputs: Any, device: str = "CPU", **kwargs: Any
    ) -> tuple[Array, ...]:
        """Return the outputs of a model, once; see `prepare` and `Prepared.run`."""
        return cls.prepare(model, device, **kwargs).run(inputs)

    @classmethod
    def run_node(
        cls,
        node: Any,
        inputs: Any,
        device: str = "CPU",
        outputs_info: Sequence[tuple[Any, tuple[int, ...]]] | None = None,
        **kwargs: Any,
    ) -> tuple[Array, ...]:
        """Return the outputs of a node by itself, also by their names.

        Parameters
        ----------
        node : onnx.NodeProto
            The node.
        inputs : sequence of ndarray, or mapping of str to ndarray, or ndarray
            Its inputs in their order, those that are left out left out here too, or by name.
        device : str
            ``"CPU"``.
        outputs_info : sequence of (dtype, shape), optional
            What the outputs are; not needed.
        **kwargs
            ``opset_version``; the newest that is installed if it is left out.

        Raises
        ------
        NotImplementedError
            If the operator is not covered.
        TypeError, ValueError
            If the node or an input is not valid.
        """
        _require_device(cls, device)
        opset = kwargs.pop("opset_version", onnx.defs.onnx_opset_version())
        if kwargs:
            raise TypeError(f"run_node: expected no such argument, got {shown(next(iter(kwargs)))}")
        read = read_node(node, {"": opset})
        require_covered([read])
        context = onnx.checker.C.CheckerContext()
        context.ir_version, context.opset_imports = onnx.IR_VERSION, {"": opset}
        try:
            onnx.checker.check_node(node, context)
        except onnx.checker.ValidationError as error:
            raise ValueError(f"{read.label}: {one_line(error)}") from None
        names = list(dict.fromkeys(name for name in read.inputs if name))
        if isinstance(inputs, Mapping):
            values = dict(inputs)
        else:
            given = [inputs] if isinstance(inputs, np.ndarray) else list(inputs)
            if len(given) != len(names):
                raise ValueError(f"inputs: expected {len(names)} arrays, got {len(given)}")
            values = dict(zip(names, given, strict=True))
        for name in names:
            values[name] = read_feed(name, values.get(name))
        outputs = [name for name in read.outputs if name]
        results = Program(Graph(), [read], outputs).run(values)
        return _named(outputs, fresh(results, list(values.values())))

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """Whether it is a CPU, ``"CPU"`` or ``"CPU:0"``."""
        return device in ("CPU", "CPU:0")


def _named(names: list[str], values: list[Array]) -> tuple[Array, ...]:
    made = onnx.backend.base.namedtupledict("Outputs", names)
    result: tuple[Array, ...] = made(*values)
    return result


def _require_device(backend: type[Backend], device: str) -> None:
    if not backend.supports_device(device):
        raise ValueError(f"device: expected CPU, got {shown(device)}")


prepare = Backend.prepare
run_model = Backend.run_model
run_node = Backend.run_node
supports_device = Backend.supports_device
is_compatible = Backend.is_compatible
