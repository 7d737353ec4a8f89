"""A model run as ONNX Runtime runs it, its recurrent layers on the kernels here."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from rnnfast._checks import among
from rnnfast._checks.calls import explain_calls
from rnnfast._checks.messages import shown
from rnnfast.interop.onnx._onnx import onnx
from rnnfast.interop.onnx.choice import Fastest
from rnnfast.interop.onnx.cut import Part, cut, needed, needed_nodes
from rnnfast.interop.onnx.feeds import Feeds
from rnnfast.interop.onnx.files import check_model, read_model
from rnnfast.interop.onnx.graph import (
    Graph,
    Value,
    read_graph,
    read_nodes,
    require_types,
)
from rnnfast.interop.onnx.guard import EmptySequenceError, guard_nodes
from rnnfast.interop.onnx.metadata import ModelMeta, read_metadata
from rnnfast.interop.onnx.nodes import Array, Node
from rnnfast.interop.onnx.operators.table import why_not
from rnnfast.interop.onnx.program import Program, fresh, make_recurrent, require_covered
from rnnfast.interop.onnx.recurrent.activations import KINDS
from rnnfast.interop.onnx.recurrent.form import Form
from rnnfast.interop.onnx.runtime import (
    InRuntime,
    call,
    import_runtime,
    load,
    part_options,
    quiet_options,
    typed,
)
from rnnfast.interop.onnx.submodel import infer_types, submodel

Values: TypeAlias = dict[str, Any]
Run: TypeAlias = Callable[[Values, Any], None]  # adds results to the values it gets

# What takes less time here than a call of ONNX Runtime.
_LIGHT = frozenset({
    *("Squeeze", "Unsqueeze", "Transpose", "Reshape", "Flatten", "Identity", "Slice", "Split"),
    *("Shape", "Size", "Gather", "Concat", "ConstantOfShape", "Expand", "Cast"),
})  # fmt: skip

_CPU = "CPUExecutionProvider"


class Session:
    """A model, with ONNX Runtime's `run`.

    The recurrent layers run on the kernels here if their weights are constants, and where ONNX
    Runtime lacks them (``layout=1``, float64); all else by ONNX Runtime where it is installed,
    otherwise in NumPy. The graph is cut by level: a part between recurrent layers is one model of
    ONNX Runtime, and no node is computed twice in a call.

    Of no sequence, or no step, recurrent nodes run here always: ONNX Runtime's end the process.
    Where one stands in a branch of an ``If``, or in a ``Loop`` or ``Scan``, such a call is refused.

    Parameters
    ----------
    model : str, path, bytes or onnx.ModelProto
        The model.
    sess_options : onnxruntime.SessionOptions, optional
        Of all parts that ONNX Runtime runs.
    providers : list of str, optional
        ``["CPUExecutionProvider"]``, as ONNX Runtime calls what is meant by None too; others beside
        it are left out, with a warning.
    choice : {"fastest", "kernels", "runtime"}
        ``"fastest"``: for each combination of the inputs' shapes the first twenty calls are made by
        the parts and by the whole model in ONNX Runtime, five in a row, and the faster way is kept.
        These calls differ by rounding, and the model is in memory twice. ``"kernels"``: always the
        parts. ``"runtime"``: what ONNX Runtime can run, it runs.

    Raises
    ------
    NotImplementedError
        If a node is covered nowhere, by its operator and name.
    TypeError, ValueError
        If the model is damaged, or a recurrent node or its weights not valid.
    """

    def __init__(
        self,
        model: Any,
        sess_options: Any = None,
        providers: Sequence[str] | None = None,
        *,
        choice: str = "fastest",
    ) -> None:
        self._check_providers(providers)
        if not among(choice, ("fastest", "kernels", "runtime")):
            raise ValueError(
                f"choice: expected 'fastest', 'kernels' or 'runtime', got {shown(choice)}"
            )
        self._runtime = import_runtime()
        if sess_options is not None and (
            self._runtime is None or not isinstance(sess_options, self._runtime.SessionOptions)
        ):
            got = shown(sess_options)
            raise TypeError(f"sess_options: expected onnxruntime.SessionOptions or None, got {got}")
        proto = read_model(model)
        if self._runtime is None:
            require_covered(read_nodes(proto))
        check_model(proto, types=self._runtime is None)
        self._graph = read_graph(proto)
        self._feeds = Feeds(self._graph)
        self._names = [value.name for value in self._graph.outputs]
        self._options = sess_options
        self._proto = proto
        self.parts: list[Part] = []
        self._complete = self._runtime is not None  # whether ONNX Runtime can run all of it
        self._runs = self._make_runs(choice)
        # Those of ONNX Runtime and of recurrent layers are new arrays; others may be parts of some.
        new = {
            name
            for part, run in zip(self.parts, self._runs, strict=True)
            if isinstance(run, InRuntime) or _recurrent_of(part) is not None
            for name in part.outputs
        }
        self._shares = not new.issuperset(self._names)
        self._whole = self._make_whole(choice)
        self._fastest = Fastest() if self._whole is not None else None
        # Without what ONNX Runtime asks in Python of inputs: they are such as it has taken before.
        self._bare = getattr(self._whole, "_sess", self._whole)

    def get_inputs(self) -> list[Value]:
        """Return what a call must bring: ``name``, ``type`` and ``shape`` each."""
        return list(self._graph.inputs)

    def get_overridable_initializers(self) -> list[Value]:
        """Return what a call may bring, and has a default."""
        return list(self._graph.optional)

    def get_outputs(self) -> list[Value]:
        """Return what a call gives: ``name``, ``type`` and ``shape`` each."""
        return list(self._graph.outputs)

    def get_providers(self) -> list[str]:
        """Return ``["CPUExecutionProvider"]``."""
        return [_CPU]

    def get_modelmeta(self) -> ModelMeta:
        """Return what the file says of the model: ``custom_metadata_map`` and more."""
        return read_metadata(self._proto)

    def __repr__(self) -> str:
        inputs = ", ".join(value.name for value in self._graph.inputs)
        return f"Session({inputs} -> {', '.join(self._names)})"

    def run(
        self,
        output_names: Sequence[str] | None,
        input_feed: Mapping[str, Array],
        run_options: Any = None,
    ) -> list[Array]:
        """Return the outputs of a call.

        Parameters
        ----------
        output_names : sequence of str or None
            Which; None: all, in the model's order.
        input_feed : mapping of str to ndarray
            The inputs by name.
        run_options : onnxruntime.RunOptions, optional
            For the parts that ONNX Runtime runs.

        Raises
        ------
        TypeError, ValueError
            If an input is not the one that the model wants, a name is unknown, or a node refuses
            what it gets.
        """
        fastest = self._fastest
        if output_names is None and fastest is not None and fastest.chosen(input_feed) == 1:
            try:
                return call(self._bare, self._names, input_feed, run_options)
            except EmptySequenceError:
                pass  # by parts, as below
        names = self._checked_names(output_names)
        if not isinstance(input_feed, Mapping):
            kind = type(input_feed).__name__
            raise TypeError(f"input_feed: expected arrays by name, got {kind}")
        feeds = self._feeds.check(input_feed)
        if fastest is None or any(array.size == 0 for array in feeds.values()):
            return self._by_parts(names, feeds, run_options)
        try:
            results = fastest.run(
                feeds,
                lambda: self._by_parts(names, feeds, run_options),
                lambda: call(self._whole, names, feeds, run_options),
            )
        except EmptySequenceError:
            fastest.keep(feeds, 0)
            results = self._by_parts(names, feeds, run_options)
        return list(results)

    def _checked_names(self, names: Any) -> list[str]:
        if names is None or (isinstance(names, (list, tuple)) and not names):
            return self._names  # as ONNX Runtime has it
        if not isinstance(names, (list, tuple)):
            raise TypeError(f"output_names: expected a list of names or None, got {shown(names)}")
        for name in names:
            if name not in self._names:
                raise ValueError(
                    f"output_names: expected some of {', '.join(self._names)}, got {shown(name)}"
                )
        return list(names)

    def _by_parts(self, names: list[str], feeds: Values, options: Any) -> list[Any]:
        given = {**self._graph.defaults, **feeds}
        found = dict(given)
        for run in self._runs:
            run(found, options)
        constants = self._graph.constants
        results = [found[name] if name in found else constants[name] for name in names]
        return fresh(results, [*given.values(), *constants.values()]) if self._shares else results

    @staticmethod
    def _check_providers(providers: Any) -> None:
        if providers is None:
            return
        if not isinstance(providers, (list, tuple)):
            raise TypeError(f"providers: expected a list of names or None, got {shown(providers)}")
        # ONNX Runtime takes options beside a name.
        names = [one[0] if isinstance(one, tuple) and one else one for one in providers]
        for name in names:
            if not isinstance(name, str):
                raise TypeError(f"providers: expected a list of names, got {shown(name)} in it")
        if _CPU not in names:
            raise ValueError(
                f"providers: expected None or a list with {_CPU!r}, as all runs on the CPU, "
                f"got {shown(providers)}"
            )
        if others := [name for name in names if name != _CPU]:
            warnings.warn(f"providers: all runs on the CPU, {shown(others)} not", stacklevel=4)

    # Made once

    def _make_runs(self, choice: str) -> list[Run]:
        graph = self._graph
        nodes = needed_nodes(graph)
        if self._runtime is None:
            require_types(graph)
            self.parts = [Part(nodes, True, [], self._names)]
            return [_in_numpy(graph, self.parts[0])]
        types = infer_types(self._proto, graph, nodes)
        here = set()
        for node in nodes:
            if node.is_recurrent:
                recurrent = make_recurrent(graph, node)
                constant = graph.constant(node.input(0))
                empty = constant is not None and constant.size == 0
                lacking = empty or _lacks(node, recurrent.form, _element(graph, node, types))
                self._complete &= not lacking
                if lacking or (recurrent.on_kernels and choice != "runtime"):
                    here.add(id(node))
        # Recurrent nodes stand by themselves, so that what they read is seen.
        parts = cut(graph, nodes, lambda node: node.is_recurrent)
        self.parts = [replace(part, own=id(part.nodes[0]) in here) for part in parts]
        return [self._make_run(part, types) for part in self.parts]

    def _make_run(self, part: Part, types: dict[str, Any]) -> Run:
        if part.own or _is_light(part, types):
            return self._in_numpy(part, types)
        inputs = []
        for name in part.inputs:
            if name not in types:
                raise NotImplementedError(
                    f"{part.nodes[0].label}: the type of its input {shown(name)} is not known"
                )
            inputs.append(types[name])
        outputs = [types.get(name) or onnx.ValueInfoProto(name=name) for name in part.outputs]
        made = submodel(self._proto, self._graph, part.nodes, inputs, outputs)
        recurrent = _recurrent_of(part)
        guard_nodes(made.graph, checked=() if recurrent is None else part.inputs)
        options = self._options or part_options()
        try:
            session = load(made, f"the part from {part.nodes[0].label} on", options)
        except ValueError:  # such as a Conv in float64, which it has not
            if any(why_not(node) is not None for node in part.nodes):
                raise
            return self._in_numpy(part, types)
        for given in session.get_outputs():
            types.setdefault(given.name, typed(given))
        run = InRuntime(session, part)
        if recurrent is None:
            return run
        return _guarded(run, recurrent.input(0), _in_numpy(self._graph, part))

    def _in_numpy(self, part: Part, types: dict[str, Any]) -> Run:
        for node in part.nodes:
            types.update(_types_of_results(node, types))
        return _in_numpy(self._graph, part)

    def _make_whole(self, choice: str) -> Any:
        """Return the whole model in ONNX Runtime; None: it cannot be, or is not asked for."""
        has_own = any(part.own for part in self.parts)
        if not self._complete or choice != "fastest" or not has_own:
            return None
        made = onnx.ModelProto()
        made.CopyFrom(self._proto)
        graph, nodes = made.graph, self._proto.graph.node
        del graph.node[:]  # ONNX Runtime computes also what no output needs
        graph.node.extend(nodes[k] for k in needed(nodes, self._names))
        # Whether a call's inputs are empty is seen without.
        guard_nodes(graph, checked={value.name for value in self._graph.inputs})
        try:
            return load(made, "model", self._options or quiet_options())
        except ValueError:
            return None


explain_calls(Session, hints={"provider_options": "expected none, all runs on the CPU, got some"})


def _lacks(node: Node, form: Form, kind: int) -> bool:
    """Whether ONNX Runtime has not this form, or gives other numbers for it.

    Its Softplus overflows beyond 88, and its RNN knows activations by ONNX's spelling alone.
    """
    if node.operator == "RNN" and not KINDS.keys() >= set(node.attribute("activations", ())):
        return True
    names = {one.name for direction in form.activations for one in direction}
    return form.batch_first or kind != onnx.TensorProto.FLOAT or "Softplus" in names


def _element(graph: Graph, node: Node, types: dict[str, Any]) -> int:
    """Return the number of a recurrent node's dtype; that of float32 if nothing says it."""
    name = node.input(1)
    held = graph.constant(name)
    if held is not None:
        return int(onnx.helper.np_dtype_to_tensor_dtype(held.dtype))
    known = types.get(name)
    return int(onnx.TensorProto.FLOAT if known is None else known.type.tensor_type.elem_type)


def _is_light(part: Part, types: dict[str, Any]) -> bool:
    """Whether a part is run here: shapes and places only, of types that are known."""
    return all(node.operator in _LIGHT and why_not(node) is None for node in part.nodes) and all(
        name in types and types[name].type.WhichOneof("value") == "tensor_type"
        for name in (*part.outputs, *part.inputs)
    )


def _types_of_results(node: Node, types: dict[str, Any]) -> dict[str, Any]:
    """Return the types of a recurrent node's outputs that inference does not know."""
    if not node.is_recurrent or node.input(0) not in types:
        return {}
    kind = types[node.input(0)].type.tensor_type.elem_type
    return {
        name: onnx.helper.make_tensor_value_info(name, kind, [None] * (3 if place else 4))
        for place, name in enumerate(node.outputs)
        if name and name not in types
    }


def _recurrent_of(part: Part) -> Node | None:
    """Return the recurrent node that a part is; None: it is another one."""
    (node,) = part.nodes if len(part.nodes) == 1 else (None,)
    return node if node is not None and node.is_recurrent else None


def _guarded(run: Run, name: str, for_none: Run) -> Run:
    """Return what runs a part by ``run``, and by another one where a value has no number."""

    def choose(values: Values, options: Any) -> None:
        (run if name not in values or values[name].size else for_none)(values, options)

    return choose


def _in_numpy(graph: Graph, part: Part) -> Run:
    program = Program(graph, part.nodes, part.outputs)

    def run(values: Values, options: Any) -> None:
        values.update(zip(part.outputs, program.run(values), strict=True))

    return run
