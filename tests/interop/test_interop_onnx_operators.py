"""The operators around recurrent ones, in the forms of old and new opsets, and what is refused."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from onnx_models import OPSET, helper, info, model, onnx, recurrent, runtime

interop = pytest.importorskip("rnnfast.interop.onnx")

X = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)


# What changed between opsets: attributes that became inputs, axes that meant something else.
OLD = [
    ("Squeeze", 11, X[:1], {"axes": [0]}, {}),
    ("Squeeze", 13, X[:1], {}, {"axes": np.array([0])}),
    ("Squeeze", 13, X[:1], {}, {}),
    ("Unsqueeze", 11, X, {"axes": [0, -1]}, {}),
    ("Unsqueeze", 13, X, {}, {"axes": np.array([0, -1])}),
    ("Softmax", 11, X, {}, {}),
    ("Softmax", 11, X, {"axis": 0}, {}),
    ("Softmax", 11, X, {"axis": -1}, {}),
    ("Softmax", 13, X, {}, {}),
    ("Softmax", 13, X, {"axis": 1}, {}),
    ("LogSoftmax", 11, X, {"axis": 1}, {}),
    ("LogSoftmax", 13, X, {"axis": 1}, {}),
    ("Pad", 10, X, {"pads": [0, 1, 2, 1, 0, 0], "value": 2.5}, {}),
    ("Pad", 13, X, {}, {"pads": np.array([0, 1, 2, 1, 0, 0]), "value": np.float32(2.5)}),
    ("Pad", 13, X, {"mode": "reflect"}, {"pads": np.array([0, 1, 2, 0, 1, 1])}),
    ("Pad", 18, X, {}, {"pads": np.array([1, -1]), "v": np.float32(1), "axes": np.array([-1])}),
    ("Slice", 9, X, {"starts": [1], "ends": [9], "axes": [1]}, {}),
    ("Slice", 10, X, {}, {"starts": np.array([1, -1]), "ends": np.array([9, 4])}),
    (
        *("Slice", 13, X, {}),
        {
            "starts": np.array([-1, 9]),
            "ends": np.array([-9, 0]),
            "axes": np.array([1, -1]),
            "steps": np.array([-1, -2]),
        },
    ),
    ("ReduceSum", 11, X, {"axes": [1], "keepdims": 0}, {}),
    ("ReduceSum", 13, X, {"keepdims": 0}, {"axes": np.array([1])}),
    ("ReduceSum", 13, X, {}, {}),
    ("ReduceSum", 13, X, {"noop_with_empty_axes": 1}, {}),
    ("ReduceMean", 13, X, {"axes": [-1]}, {}),
    ("ReduceMean", 18, X, {}, {"axes": np.array([-1])}),
    ("ReduceMax", 13, X, {"axes": [0, 2]}, {}),
    ("ReduceLogSumExp", 18, X, {}, {"axes": np.array([-1])}),
    ("Clip", 10, X, {"min": -0.5, "max": 0.5}, {}),
    ("Clip", 11, X, {}, {"min": np.float32(-0.5), "max": np.float32(0.5)}),
    ("Dropout", 10, X, {"ratio": 0.5}, {}),
    ("Dropout", 13, X, {}, {"ratio": np.float32(0.5)}),
    ("Reshape", 13, X, {}, {"shape": np.array([0, -1])}),
    ("Flatten", 13, X, {"axis": 2}, {}),
    ("Transpose", 13, X, {}, {}),
    ("Gather", 13, X, {"axis": 1}, {"i": np.array([[0, -1], [2, 1]])}),
    ("LayerNormalization", 17, X, {}, {"scale": X[0, 0], "bias": X[0, 1]}),
    ("LayerNormalization", 17, X, {"axis": 1, "epsilon": 1e-3}, {"scale": X[0]}),
    ("Conv", 11, X, {"pads": [1, 2], "strides": [2]}, {"W": X[:, :3, :2].copy(), "B": X[0, 0, :2]}),
    ("Conv", 11, X, {"strides": [2], "auto_pad": "SAME_LOWER"}, {"W": X[:, :, :3].copy()}),
    ("Conv", 11, X, {"dilations": [2], "pads": [2, 1]}, {"W": X[:, :, :3].copy()}),
    ("Conv", 11, X, {"group": 3}, {"W": X.reshape(6, 1, 4)[:, :, :2].copy()}),
    ("MaxPool", 12, X, {"kernel_shape": [2], "ceil_mode": 1, "strides": [3]}, {}),
    ("AveragePool", 11, X, {"kernel_shape": [3], "pads": [1, 1]}, {}),
    ("AveragePool", 11, X, {"kernel_shape": [3], "pads": [1, 1], "count_include_pad": 1}, {}),
    ("Gemm", 13, X[0], {"transA": 1, "alpha": 0.5, "beta": 2.0}, {"B": X[0], "C": X[0, 0]}),
    ("MatMul", 13, X, {}, {"B": X[0].T.copy()}),
    ("Pow", 13, np.abs(X), {}, {"e": np.float32(1.5)}),
    ("Cast", 13, X, {"to": 11}, {}),
    ("Where", 16, X > 0, {}, {"a": X, "b": -X}),
    ("Div", 14, np.array([7, -7, 7, -7]), {}, {"b": np.array([2, 2, -2, -2])}),
]


@pytest.mark.parametrize(
    ("operator", "opset", "x", "attributes", "constants"),
    OLD,
    ids=[f"{case[0]}-{case[1]}-{k}" for k, case in enumerate(OLD)],
)
def test_forms_of_operators(
    operator: str, opset: int, x: Any, attributes: Any, constants: Any
) -> None:
    held = {name: np.asarray(array) for name, array in constants.items()}
    node = helper.make_node(operator, ["x", *held], ["y"], **attributes)
    mine = interop.run_node(node, [x, *held.values()], opset_version=opset).y
    made = model([node], {"x": x}, {"y": (mine.dtype, mine.ndim)}, held, opset)
    (expected,) = runtime(made, {"x": x})
    np.testing.assert_allclose(mine, expected, rtol=1e-5, atol=1e-6, strict=True)
    (again,) = interop.run_model(made, {"x": x})
    np.testing.assert_array_equal(again, mine)


def test_split_by_sizes_and_by_number() -> None:
    for opset, attributes, sizes in (
        (11, {"split": [1, 3], "axis": 2}, []),
        (13, {"axis": 2}, [np.array([1, 3])]),
        (18, {"axis": 2, "num_outputs": 2}, []),
        (18, {"axis": 1, "num_outputs": 2}, []),
    ):
        names = ["s"] if sizes else []
        node = helper.make_node("Split", ["x", *names], ["a", "b"], **attributes)
        mine = interop.run_node(node, [X, *sizes], opset_version=opset)
        held = dict(zip(names, sizes, strict=True))
        made = model([node], {"x": X}, dict.fromkeys("ab", (np.float32, 3)), held, opset)
        for one, other in zip(mine, runtime(made, {"x": X}), strict=True):
            np.testing.assert_array_equal(one, other)


def branching(condition: Any, given: bool) -> Any:
    """A model that takes one of two branches, each with names of its own, or the same ones."""
    nodes = {}
    for name, operator in (("then_branch", "Tanh"), ("else_branch", "Neg")):
        inner = [
            helper.make_node(operator, ["x"], ["inner"]),
            helper.make_node("Add", ["inner", "shift"], ["result"]),
        ]
        shift = onnx.numpy_helper.from_array(np.full(1, 3, np.float32), "shift")
        nodes[name] = helper.make_graph(inner, name, [], [info("result", np.float32, 3)], [shift])
    choose = helper.make_node("If", ["condition"], ["y"], name="choose", **nodes)
    inputs = {"x": X, **({"condition": condition} if given else {})}
    return model(
        [choose], inputs, {"y": (np.float32, 3)}, {} if given else {"condition": condition}
    )


@pytest.mark.parametrize("condition", [True, False])
def test_a_constant_condition_takes_its_branch(condition: bool) -> None:
    made = branching(np.array(condition), False)
    np.testing.assert_allclose(
        interop.run_model(made, [X])[0], (np.tanh(X) if condition else -X) + 3, rtol=1e-6
    )


def test_logarithms_of_integers_are_refused() -> None:
    node = helper.make_node("ReduceLogSumExp", ["x"], ["y"])
    message = r"^node 'y' \(ReduceLogSumExp\): expected numbers with fractions, got int64$"
    with pytest.raises(NotImplementedError, match=message):
        interop.run_node(node, [np.arange(3)], opset_version=18)


@pytest.mark.parametrize("place", [0, 1])
def test_names_of_a_branch_do_not_take_those_of_the_graph(place: int) -> None:
    made = branching(np.array(True), False)
    taken = [
        helper.make_node("Neg", ["x"], ["y/then/inner"]),
        helper.make_node("Neg", ["x"], ["y/then//shift"]),
    ]
    for node in taken:
        made.graph.node.insert(place, node)
    made.graph.node.append(helper.make_node("Sub", ["y", "y/then/inner"], ["above"]))
    made.graph.node.append(helper.make_node("Sub", ["above", "y/then//shift"], ["sum"]))
    made.graph.output[0].name = "sum"
    np.testing.assert_allclose(interop.run_model(made, [X])[0], np.tanh(X) + 3 + 2 * X, rtol=1e-5)


def recurrent_branch() -> Any:
    """A model whose taken branch has a GRU, with weights inside and outside of it."""
    rng = np.random.default_rng(0)
    w, r = (rng.normal(size=(1, 6, n)).astype(np.float32) for n in (4, 2))
    held = {"condition": np.array(True), "W": w}
    gru = helper.make_node("GRU", ["x", "W", "R"], ["", "y_h"], name="inside", hidden_size=2)
    gru.attribute.append(helper.make_attribute("linear_before_reset", 1))
    branch = helper.make_graph(
        [gru], "then", [], [info("y_h", np.float32, 3)], [onnx.numpy_helper.from_array(r, "R")]
    )
    other = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["same"])], "else", [], [info("same", np.float32, 3)]
    )
    node = helper.make_node(
        "If", ["condition"], ["y"], name="choose", then_branch=branch, else_branch=other
    )
    return model([node], {"x": X}, {"y": (np.float32, 3)}, held)


def test_a_recurrent_layer_in_a_branch() -> None:
    made = recurrent_branch()
    (expected,) = runtime(made, {"x": X})
    (layer,) = interop.layers(made).values()
    for mine in (
        layer(X)[1],
        interop.run_model(made, [X])[0],
        interop.Session(made).run(None, {"x": X})[0],
    ):
        np.testing.assert_allclose(mine, expected, rtol=1e-5, atol=1e-6)


def test_a_model_that_trains_is_refused_before_a_call() -> None:
    node = helper.make_node("Dropout", ["x", "ratio", "mode"], ["y"], name="drop")
    held = {"ratio": np.array(0.5, np.float32), "mode": np.array(True)}
    made = model([node], {"x": X}, {"y": (np.float32, 3)}, held)
    message = "node 'drop' (Dropout): expected inference, got training_mode True"
    with pytest.raises(NotImplementedError, match=f"^{re.escape(message)}$"):
        interop.prepare(made)


def test_a_condition_that_is_computed_is_refused() -> None:
    message = "node 'choose' (If): expected a condition that is constant, got one that is computed"
    with pytest.raises(NotImplementedError, match=f"^{re.escape(message)}$"):
        interop.prepare(branching(np.array(True), True))


def single(operator: str, domain: str = "", opset: int = OPSET, **attributes: Any) -> Any:
    node = helper.make_node(operator, ["x"], ["y"], name="one", domain=domain, **attributes)
    graph = helper.make_graph([node], "g", [info("x", np.float32, 3)], [info("y", np.float32, 3)])
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("org.example", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


@pytest.mark.parametrize(
    ("made", "error", "message"),
    [
        (
            single("NonZero"),
            NotImplementedError,
            "node 'one' (NonZero): expected what is covered, got an operator that is not covered",
        ),
        (
            single("Sprout"),
            NotImplementedError,
            "node 'one' (Sprout): expected what is covered, got an operator that is not covered",
        ),
        (
            single("Tanh", "org.example"),
            NotImplementedError,
            "node 'one' (org.example.Tanh): expected what is covered, "
            "got an operator that is not covered",
        ),
        (
            single("Tanh", opset=5),
            NotImplementedError,
            "node 'one' (Tanh): expected what is covered, got its form of opset 1; covered are "
            "those of 6 to 13",
        ),
        (
            single("Cast", to=onnx.TensorProto.STRING),
            NotImplementedError,
            "node 'one' (Cast): expected what is covered, got to STRING, which is not covered",
        ),
        (
            single("Tanh", opset=1000),
            NotImplementedError,
            f"model: expected an opset of 1 to {onnx.defs.onnx_opset_version()}, which the "
            "installed onnx knows, got 1000",
        ),
        (
            onnx.ModelProto(),
            ValueError,
            "model: expected an ONNX model, got one without a graph",
        ),
        (b"", ValueError, "model: expected an ONNX model, got one without a graph"),
        (
            3,
            TypeError,
            "model: expected a path, bytes or an onnx.ModelProto, got int",
        ),
    ],
)
def test_what_is_not_covered_is_named(made: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        interop.prepare(made)


@pytest.mark.parametrize(
    ("kind", "attributes", "message"),
    [
        ("RNN", {"direction": "both"}, "direction: expected forward, reverse or bidirectional, "),
        ("RNN", {"activations": ["Tanh", "Tanh"]}, "activations: expected 1 names, got 2"),
        ("RNN", {"activations": ["Sine"]}, "activations: expected names of Relu, Tanh, "),
        ("RNN", {"activations": ["Affine"]}, "activation_alpha: expected a number for Affine, "),
        (
            "RNN",
            {"activations": ["Elu"], "activation_alpha": [1.0, 2.0]},
            "activation_alpha: expected at most 1 numbers, as many as activations have one, got 2",
        ),
        ("GRU", {"clip": -1.0}, "clip: expected a number above 0, got -1.0"),
        ("GRU", {"layout": 2}, "layout: expected 0 or 1, got 2"),
        ("GRU", {"hidden_size": 7}, r"R: expected shape (1, 21, 7), got (1, 18, 6)"),
        ("LSTM", {"input_forget": 2}, "input_forget: expected 0 or 1, got 2"),
        ("LSTM", {"dtype": np.float16}, "W: expected float32 or float64, got float16"),
    ],
)
def test_a_recurrent_node_that_is_not_valid_is_named(
    kind: str, attributes: Any, message: str
) -> None:
    made, _ = recurrent(kind, **{k: v for k, v in attributes.items() if k != "hidden_size"})
    for attribute in made.graph.node[0].attribute:
        if attribute.name in attributes and attribute.name == "hidden_size":
            attribute.i = attributes["hidden_size"]
    with pytest.raises((ValueError, TypeError), match=rf"^node 'recurrent' \({kind}\): ") as caught:
        interop.prepare(made)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([1, 2], "sequence_lens: expected shape (3,), got (2,)"),
        ([1, 2, 6], "sequence_lens: expected 0 to 5, got 6"),
        ([1, -1, 2], "sequence_lens: expected 0 to 5, got -1"),
    ],
)
def test_lengths_that_do_not_fit_are_named(lengths: Any, message: str) -> None:
    made, inputs = recurrent("GRU", lengths=lengths)
    with pytest.raises(
        ValueError, match=f"^{re.escape(f'node {chr(39)}recurrent{chr(39)} (GRU): {message}')}$"
    ):
        interop.run_model(made, inputs)


def test_sizes_that_no_memory_has_are_refused() -> None:
    row = np.broadcast_to(np.float32(1), (1, 2**29))
    long = np.broadcast_to(np.int64(0), (2**29,))
    for operator, inputs in (
        *((name, [row, row.T]) for name in ("Add", "Less", "Pow", "Mod", "Max", "Mean")),
        ("Where", [row[:, :1] > 0, row, row.T]),
        ("MatMul", [row.T, row]),
        ("Gemm", [row.T, row]),
        ("Gather", [row, long[:4096]]),
        ("GatherND", [row, long[:, np.newaxis]]),
        ("ConstantOfShape", [np.array([2**40, 2**20])]),
        ("Expand", [np.zeros(1, np.float32), np.array([2**40, 2**20])]),
        ("Tile", [np.zeros((1, 1), np.float32), np.array([2**40, 2**20])]),
        ("Pad", [np.zeros(1, np.float32), np.array([2**50, 2**50])]),
        ("Range", [np.int64(0), np.int64(2**60), np.int64(1)]),
    ):
        names = [f"x{k}" for k in range(len(inputs))]
        node = helper.make_node(operator, names, ["y"], name="huge")
        with pytest.raises(MemoryError, match=rf"^node 'huge' \({operator}\): an array of shape"):
            interop.run_node(node, [np.asarray(one) for one in inputs], opset_version=OPSET)
    node = helper.make_node("Concat", ["a", "b"], ["y"], name="huge", axis=1)
    wide = np.broadcast_to(np.float32(1), (1, 2**50))
    with pytest.raises(MemoryError, match=r"^node 'huge' \(Concat\): an array of shape"):
        interop.run_node(node, [wide, wide], opset_version=OPSET)


def test_a_damaged_file_is_one_line() -> None:
    data = recurrent("LSTM")[0].SerializeToString()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        damaged = bytearray(data)
        for place in rng.integers(0, min(len(data), 400), 3):
            damaged[place] = rng.integers(256)
        cut = bytes(damaged[: rng.integers(1, len(data))] if rng.random() < 0.3 else damaged)
        try:
            interop.prepare(cut)
        except (ValueError, TypeError, NotImplementedError) as error:
            refused += 1
            assert str(error)
            assert "\n" not in str(error)
    assert refused > 100


def test_a_function_of_the_model_is_inlined_and_one_that_calls_itself_refused() -> None:
    for inner in ("Tanh", "Twice"):
        domain = "" if inner == "Tanh" else "own"
        opset = [helper.make_opsetid("", OPSET), helper.make_opsetid("own", 1)]
        function = helper.make_function(
            "own",
            "Twice",
            ["a"],
            ["b"],
            [
                helper.make_node(inner, ["a"], ["c"], domain=domain),
                helper.make_node("Add", ["c", "c"], ["b"]),
            ],
            opset,
        )
        graph = helper.make_graph(
            [helper.make_node("Twice", ["x"], ["y"], domain="own")],
            "g",
            [info("x", np.float32, 3)],
            [info("y", np.float32, 3)],
        )
        made = helper.make_model(graph, opset_imports=opset, functions=[function], ir_version=10)
        if inner == "Tanh":
            np.testing.assert_allclose(interop.run_model(made, [X])[0], 2 * np.tanh(X), rtol=1e-6)
        else:
            with pytest.raises(ValueError, match=r"^model: expected functions that end, got one"):
                interop.prepare(made)


def test_types_that_do_not_fit_are_refused_before_a_call() -> None:
    """NumPy would cast."""
    held = {"i": np.arange(4)}
    node = helper.make_node("Add", ["x", "i"], ["y"], name="mixed")
    made = model([node], {"x": X}, {"y": (np.float32, 3)}, held)
    with pytest.raises(ValueError, match=r"^model: expected a valid ONNX model: .*\(op_type:Add"):
        interop.prepare(made)


def test_bounds_and_pads_that_numpy_would_take() -> None:
    node = helper.make_node("Clip", ["x", "low"], ["y"], name="bounded")
    with pytest.raises(ValueError, match=r"^node 'bounded' \(Clip\): expected a number as bound"):
        interop.run_node(node, [X, X[0, 0]])
    node = helper.make_node("Pad", ["x", "pads"], ["y"], name="cut")
    with pytest.raises(ValueError, match=r"^node 'cut' \(Pad\): pads: expected to cut off 2 at mo"):
        interop.run_node(node, [X, np.array([-3, 0, 0, 1, 0, 0])])


@pytest.mark.parametrize(
    ("operator", "inputs", "message"),
    [
        ("Conv", [X, X, X[0, 0, :1]], "B: expected shape (2,), got (1,)"),
        ("Gemm", [X[0, :1], X[0].T, X[0, :, :3]], "C: expected what is broadcast to (1, 3), got "),
        ("PRelu", [X[0, :1], X[0]], "slope: expected what is broadcast to (1, 4), got (3, 4)"),
        (
            "LayerNormalization",
            [X[0, :1], X[0]],
            "Scale: expected what is broadcast to (1, 4), got (3, 4)",
        ),
        (
            "BatchNormalization",
            [X, *[X[0, 0, :1]] * 4],
            "expected a number for each channel of (2, 3, 4), got (1,)",
        ),
    ],
)
def test_what_numpy_would_broadcast_is_refused(operator: str, inputs: Any, message: str) -> None:
    names = [f"x{k}" for k in range(len(inputs))]
    node = helper.make_node(operator, names, ["y"], name="wide")
    with pytest.raises(ValueError, match=re.escape(f"node 'wide' ({operator}): {message}")):
        interop.run_node(node, inputs)
