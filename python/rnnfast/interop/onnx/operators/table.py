"""Every operator that is computed here, by its name, and what is not."""

from __future__ import annotations

from rnnfast.interop.onnx.nodes import Node
from rnnfast.interop.onnx.operators.elementwise import ACTIVATIONS, ARITHMETIC, CASTS, COMPARISONS
from rnnfast.interop.onnx.operators.operator import Operator
from rnnfast.interop.onnx.operators.products import PRODUCTS
from rnnfast.interop.onnx.operators.reductions import NORMALISATION, REDUCTIONS
from rnnfast.interop.onnx.operators.shapes import SHAPES

OPERATORS: dict[str, Operator] = {
    **ARITHMETIC,
    **COMPARISONS,
    **ACTIVATIONS,
    **CASTS,
    **REDUCTIONS,
    **NORMALISATION,
    **SHAPES,
    **PRODUCTS,
}


def why_not(node: Node) -> str | None:
    """Return what of a node is not computed here, as a message has it; None: all is.

    Recurrent nodes and If are not looked at.
    """
    operator = None if node.domain else OPERATORS.get(node.operator)
    if operator is None:
        return "an operator that is not covered"
    if not operator.oldest <= node.version <= operator.newest:
        return (
            f"its form of opset {node.version}; covered are those of "
            f"{operator.oldest} to {operator.newest}"
        )
    if operator.unsupported is not None:
        what = operator.unsupported(node)
        if what is not None:
            return f"{what}, which is not covered"
    return None
