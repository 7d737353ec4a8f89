"""Whether the shapes of values follow from those of a call's inputs, whatever their numbers."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from rnnfast.interop.onnx.graph import Graph
from rnnfast.interop.onnx.nodes import RECURRENT, Node

# The shapes of their outputs follow from those of their inputs.
_PLAIN = frozenset({
    *RECURRENT,
    *("Add", "Sub", "Mul", "Div", "Pow", "Mod", "Min", "Max", "Mean", "Sum", "Where", "Clip"),
    *("And", "Or", "Xor", "Not", "Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"),
    *("Abs", "Neg", "Sign", "Sqrt", "Exp", "Log", "Reciprocal", "Floor", "Ceil", "Round", "Erf"),
    *("Sin", "Cos", "Tan", "Tanh", "Sigmoid", "HardSigmoid", "HardSwish", "Relu", "LeakyRelu"),
    *("Elu", "Selu", "Gelu", "PRelu", "Softplus", "Softsign", "Swish", "Mish", "ThresholdedRelu"),
    *("Softmax", "LogSoftmax", "Hardmax", "LayerNormalization", "InstanceNormalization"),
    *("BatchNormalization", "LpNormalization", "GroupNormalization", "RMSNormalization", "Dropout"),
    *("MatMul", "Gemm", "Einsum", "Conv", "ConvTranspose", "MaxPool", "AveragePool"),
    *("GlobalMaxPool", "GlobalAveragePool", "Transpose", "Concat", "Cast", "CastLike", "Identity"),
    *("Gather", "GatherElements", "GatherND", "ScatterElements", "ScatterND", "Flatten", "CumSum"),
    *("ArgMax", "ArgMin", "DepthToSpace", "SpaceToDepth", "ReverseSequence", "IsNaN", "IsInf"),
    *("MatMulInteger", "ConvInteger", "QuantizeLinear", "DequantizeLinear"),
    *("DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul"),
})  # fmt: skip
# The same if the numbers of all inputs but the first are known.
_BY_OPERANDS = frozenset({
    *("Slice", "Reshape", "Split", "Squeeze", "Unsqueeze", "Pad", "Tile", "Expand", "TopK"),
    *("ReduceMax", "ReduceMin", "ReduceMean", "ReduceSum", "ReduceProd", "ReduceL1", "ReduceL2"),
    *("ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare", "Resize", "Upsample"),
})  # fmt: skip
# The same if the numbers of all inputs are known: they are sizes.
_BY_ALL = frozenset({"ConstantOfShape", "Range", "OneHot"})


def shapes_are_fixed(graph: Graph, nodes: Iterable[Node], names: Collection[str]) -> bool:
    """Return whether the shapes of some values follow from those of the graph's inputs.

    Of operators that are not known here, they are taken not to.

    Parameters
    ----------
    graph : Graph
        The graph.
    nodes : iterable of Node
        Its nodes, in an order in which they can run.
    names : collection of str
        The values.
    """
    known = {"", *graph.constants}  # values whose numbers follow from shapes
    fixed = {*known, *graph.defaults, *(value.name for value in graph.inputs)}
    for node in nodes:
        operator, inputs = node.operator, set(node.inputs)
        if node.domain:
            continue
        if operator in ("Shape", "Size"):
            if inputs <= fixed:
                known.update(node.outputs)
                fixed.update(node.outputs)
            continue
        plain = operator in _PLAIN or operator == "Constant"
        operands = set() if plain else {*node.inputs[1:]}
        if operator in _BY_ALL:
            operands = inputs
        elif not plain and operator not in _BY_OPERANDS:
            continue
        if not (inputs <= fixed and operands <= known):
            continue
        fixed.update(node.outputs)
        if inputs <= known:
            known.update(node.outputs)
    return fixed.issuperset(names)
