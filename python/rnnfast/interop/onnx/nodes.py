"""A node of a graph, read: its attributes as Python values, its operator's version."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from rnnfast._checks.messages import one_line
from rnnfast.interop.onnx._onnx import onnx

Array: TypeAlias = npt.NDArray[Any]

# The two names of the domain of ONNX's own operators.
OWN_DOMAINS = ("", "ai.onnx")
RECURRENT = ("RNN", "GRU", "LSTM")
# ONNX Runtime's own, of which there are no layers.
OTHER_RECURRENT = (("com.microsoft", "DynamicQuantizeLSTM"), ("com.microsoft", "AttnLSTM"))
# The types of arrays that are computed with, by the names of ONNX.
DTYPES: dict[str, np.dtype[Any]] = {
    "float": np.dtype(np.float32),
    "double": np.dtype(np.float64),
    "float16": np.dtype(np.float16),
    "bool": np.dtype(np.bool_),
    **{name: np.dtype(name) for name in ("int8", "int16", "int32", "int64")},
    **{name: np.dtype(name) for name in ("uint8", "uint16", "uint32", "uint64")},
}


@dataclass(frozen=True)
class Node:
    """A node.

    Attributes
    ----------
    operator : str
        Its operator, such as ``"LSTM"``.
    domain : str
        Of the operator; ``""`` is ONNX's own.
    name : str
        What messages call it: its name, or else its first output.
    inputs, outputs : tuple of str
        Names of values; ``""`` is one that is left out.
    attributes : dict
        Numbers, strings, arrays and lists of those; a graph or another kind as the message itself.
    version : int
        The opset in which this form of the operator came; 0: it is not known.
    proto : onnx.NodeProto
        The message.
    """

    operator: str
    domain: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]
    version: int
    proto: Any

    @property
    def label(self) -> str:
        """What stands for the node in a message."""
        operator = self.operator if not self.domain else f"{self.domain}.{self.operator}"
        return f"node {one_line(repr(self.name), 100)} ({one_line(operator, 100)})"

    @property
    def is_recurrent(self) -> bool:
        """Whether it is an RNN, GRU or LSTM."""
        return not self.domain and self.operator in RECURRENT

    def attribute(self, name: str, default: Any = None) -> Any:
        """Return an attribute, or a default."""
        return self.attributes.get(name, default)

    def input(self, place: int) -> str:
        """Return the name of an input, ``""`` if it is left out."""
        return self.inputs[place] if place < len(self.inputs) else ""


def read_node(proto: Any, opsets: dict[str, int]) -> Node:
    """Return a node of a graph whose domains have these opsets.

    Raises
    ------
    ValueError
        If an attribute cannot be read.
    """
    domain = "" if proto.domain in OWN_DOMAINS else proto.domain
    name = proto.name or next((output for output in proto.output if output), "")
    node = Node(
        proto.op_type,
        domain,
        name,
        tuple(proto.input),
        tuple(proto.output),
        {},
        _since(proto.op_type, domain, opsets),
        proto,
    )
    for attribute in proto.attribute:
        try:
            node.attributes[attribute.name] = _value(attribute)
        except Exception as error:  # of many kinds, from a damaged tensor
            raise ValueError(
                f"{node.label}: attribute {one_line(repr(attribute.name), 100)} cannot be read: "
                f"{one_line(error)}"
            ) from None
    return node


def _since(operator: str, domain: str, opsets: dict[str, int]) -> int:
    """Return the opset in which the form of an operator came, 0 if there is none."""
    if domain not in opsets:
        return 0
    try:
        return int(onnx.defs.get_schema(operator, opsets[domain], domain).since_version)
    except onnx.defs.SchemaError:
        return 0


def _value(attribute: Any) -> Any:
    """Return an attribute as a Python value."""
    value = onnx.helper.get_attribute_value(attribute)
    kinds = onnx.AttributeProto
    if attribute.ref_attr_name:
        raise ValueError(f"it refers to {attribute.ref_attr_name!r} of a function")
    if attribute.type == kinds.STRING:
        return value.decode("utf-8")
    if attribute.type == kinds.STRINGS:
        return [one.decode("utf-8") for one in value]
    if attribute.type == kinds.TENSOR:
        return read_tensor(value)
    if attribute.type in (kinds.FLOATS, kinds.INTS):
        return list(value)
    return value


def read_tensor(tensor: Any) -> Array:
    """Return a tensor as an array of its own.

    Raises
    ------
    ValueError
        If its numbers lie elsewhere, or are not as many as its shape has.
    """
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        raise ValueError("its numbers lie in another file; expected a path, or a model that has it")
    if any(size < 0 for size in tensor.dims):
        raise ValueError(f"expected sizes of 0 or more, got shape {tuple(tensor.dims)}")
    return np.asarray(onnx.numpy_helper.to_array(tensor))
