"""ONNX Runtime: what is asked of it, and how it is told what it refuses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rnnfast._checks.messages import one_line
from rnnfast.interop.onnx._onnx import onnx
from rnnfast.interop.onnx.cut import Part
from rnnfast.interop.onnx.guard import EmptySequenceError, why_empty


class InRuntime:
    """A part that ONNX Runtime runs."""

    def __init__(self, session: Any, part: Part) -> None:
        self._session, self._part = session, part

    def __call__(self, values: dict[str, Any], options: Any) -> None:
        feeds = {name: values[name] for name in self._part.inputs}
        results = call(self._session, self._part.outputs, feeds, options)
        values.update(zip(self._part.outputs, results, strict=True))


def import_runtime() -> Any:
    """Return the module; None: it is not installed."""
    try:
        import onnxruntime
    except ImportError:
        return None
    return onnxruntime


def load(model: Any, name: str, options: Any) -> Any:
    """Return its session of an onnx.ModelProto, which messages call ``name``."""
    try:
        return import_runtime().InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # of many kinds, from C++
        raise ValueError(f"{name}: ONNX Runtime refuses it: {one_line(error)}") from None


def call(session: Any, names: list[str], feeds: Mapping[str, Any], options: Any) -> list[Any]:
    """Return the results of a session.

    Raises
    ------
    EmptySequenceError
        If a guarded recurrent node has nothing to read.
    ValueError
        If ONNX Runtime refuses the call.
    """
    try:
        return session.run(names, feeds, options)  # type: ignore[no-any-return]
    except Exception as error:  # of many kinds, from C++
        why = why_empty(str(error))
        if why is not None:
            raise EmptySequenceError(why) from None
        raise ValueError(f"run: ONNX Runtime refuses it: {one_line(error)}") from None


def quiet_options() -> Any:
    """Return options of a session that writes nothing: what fails is said by an exception."""
    options = import_runtime().SessionOptions()
    options.log_severity_level = 4
    return options


def part_options() -> Any:
    """Return options of a part beside others."""
    options = quiet_options()
    # Its idle threads would spin on the cores that the kernels run on.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def typed(given: Any) -> Any:
    """Return what ONNX Runtime says of a value as ONNX says it; of a sequence the name only."""
    name = given.type.removeprefix("tensor(").removesuffix(")").upper()
    if name not in onnx.TensorProto.DataType.keys():  # noqa: SIM118  # it is no dict
        return onnx.ValueInfoProto(name=given.name)
    kind = onnx.TensorProto.DataType.Value(name)
    return onnx.helper.make_tensor_value_info(given.name, kind, given.shape)
