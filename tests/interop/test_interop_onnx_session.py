"""Sessions: graphs cut by level, against ONNX Runtime alone."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from onnx_models import helper, info, model, onnx, recurrent, runtime

interop = pytest.importorskip("rnnfast.interop.onnx")
session_module = pytest.importorskip("rnnfast.interop.onnx.session")
ort = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")

CHOICES = pytest.mark.parametrize("choice", ["fastest", "kernels", "runtime"])


def speech(kind: str = "LSTM", dtype: Any = np.float32, **attributes: Any) -> tuple[Any, Any]:
    """A convolution, two recurrent layers in both directions, a head, and a way past them."""
    rng = np.random.default_rng(0)
    G = {"LSTM": 4, "GRU": 3, "RNN": 1}[kind]
    x = rng.normal(size=(2, 5, 12)).astype(dtype)  # (B, C, T)
    shapes = {
        "K": (6, 5, 3),
        "bK": (6,),
        "W0": (2, G * 4, 6),
        "R0": (2, G * 4, 4),
        "B0": (2, 2 * G * 4),
        "W1": (2, G * 4, 8),
        "R1": (2, G * 4, 4),
        "head": (8, 7),
        "past": (6, 7),
    }
    held = {name: (rng.normal(size=s) / 2).astype(dtype) for name, s in shapes.items()}
    held["flat"] = np.array([0, 0, -1])
    more = {"direction": "bidirectional", "hidden_size": 4, **attributes}
    nodes = [
        helper.make_node("Conv", ["x", "K", "bK"], ["conv"], name="conv", pads=[1, 1]),
        helper.make_node("Relu", ["conv"], ["relu"], name="relu"),
        helper.make_node("Transpose", ["relu"], ["time"], name="turn", perm=[2, 0, 1]),
        helper.make_node(kind, ["time", "W0", "R0", "B0"], ["Y0", "h0"], name="first", **more),
        helper.make_node("Transpose", ["Y0"], ["t0"], name="t0", perm=[0, 2, 1, 3]),
        helper.make_node("Reshape", ["t0", "flat"], ["y0"], name="r0"),
        helper.make_node(kind, ["y0", "W1", "R1"], ["Y1"], name="second", **more),
        helper.make_node("Transpose", ["Y1"], ["t1"], name="t1", perm=[0, 2, 1, 3]),
        helper.make_node("Reshape", ["t1", "flat"], ["y1"], name="r1"),
        helper.make_node("MatMul", ["y1", "head"], ["scores"], name="head"),
        helper.make_node("MatMul", ["time", "past"], ["beside"], name="past"),
        helper.make_node("Add", ["scores", "beside"], ["sum"], name="sum"),
        helper.make_node("Softmax", ["sum"], ["out"], name="softmax"),
        helper.make_node("Sqrt", ["x"], ["unused"], name="unused"),
    ]
    outputs = {"out": (dtype, 3), "h0": (dtype, 3)}
    return model(nodes, {"x": x}, outputs, held), {"x": x}


def names(part: Any) -> list[str]:
    return [node.name for node in part.nodes]


def assert_same(mine: Any, expected: Any) -> None:
    assert len(mine) == len(expected)
    for one, other in zip(mine, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5, strict=True)


def test_a_graph_is_cut_by_level_and_nothing_is_in_two_parts() -> None:
    made, _ = speech()
    parts = interop.Session(made).parts
    assert [(names(part), part.own) for part in parts] == [
        (["conv", "relu", "turn", "past"], False),
        (["first"], True),
        (["t0", "r0"], False),
        (["second"], True),
        (["t1", "r1", "head", "sum", "softmax"], False),
    ]
    assert parts[0].inputs == ["x"]
    assert parts[0].outputs == ["time", "beside"]
    assert parts[4].inputs == ["Y1", "beside"]


@CHOICES
@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_results_are_onnx_runtimes(kind: str, choice: str) -> None:
    made, inputs = speech(kind)
    session = interop.Session(made, choice=choice)
    for _ in range(23):  # beyond the trials
        assert_same(session.run(None, inputs), runtime(made, inputs))
    assert_same(session.run(["h0"], inputs), runtime(made, inputs)[1:])


def test_nothing_is_written_of_initial_states_that_a_call_may_bring(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "gru.onnx"
    interop.export(rf.GRU(3, 4, seed=0), path)
    interop.Session(path).run(None, {"x": np.ones((5, 2, 3), np.float32)})
    assert capfd.readouterr() == ("", "")


def test_the_faster_way_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    made, inputs = speech()
    session = interop.Session(made)
    clock, whole = iter(range(10**6)), session_module.call
    calls: list[str] = []
    slow = {"parts": 9, "whole": 1}

    def ticking(name: str, run: Any) -> Any:
        def counted(*given: Any) -> Any:
            if name == "whole" and given[0] not in (session._whole, session._bare):
                return run(*given)  # of a part
            calls.append(name)
            for _ in range(slow[name]):
                next(clock)
            return run(*given)

        return counted

    monkeypatch.setattr("rnnfast.interop.onnx.choice.time.perf_counter", lambda: next(clock))
    monkeypatch.setattr(session, "_by_parts", ticking("parts", session._by_parts))
    monkeypatch.setattr(session_module, "call", ticking("whole", whole))
    for _ in range(24):
        session.run(None, inputs)
    assert calls == (["parts"] * 5 + ["whole"] * 5) * 2 + ["whole"] * 4
    slow.update(parts=1, whole=9)
    calls.clear()
    for _ in range(24):
        session.run(None, {"x": inputs["x"][:1]})
    assert calls == (["parts"] * 5 + ["whole"] * 5) * 2 + ["parts"] * 4


def test_what_onnx_runtime_lacks_runs_here() -> None:
    """Weights in float64, which its recurrent operators refuse at a call."""
    made, inputs = speech("GRU", np.float64)
    session = interop.Session(made)
    assert session._whole is None
    assert_same(session.run(None, inputs), interop.run_model(made, inputs))
    for choice in ("fastest", "runtime"):
        made, inputs = recurrent("LSTM", layout=1, lengths=[5, 0, 2], state=True)
        session = interop.Session(made, choice=choice)
        assert [part.own for part in session.parts] == [True]
        assert_same(session.run(None, inputs), interop.run_model(made, inputs))


def test_a_form_without_a_layer_runs_here_and_weights_of_a_call_in_onnx_runtime() -> None:
    for constant in (True, False):
        made, inputs = recurrent("LSTM", clip=1.0, constant=constant)
        session = interop.Session(made)
        assert [part.own for part in session.parts] == [constant]
        assert_same(session.run(None, inputs), runtime(made, inputs))


@pytest.mark.parametrize("kind", ["GRU", "LSTM"])
def test_without_onnx_runtime(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made, inputs = speech(kind)
    expected = runtime(made, inputs)
    monkeypatch.setattr(session_module, "import_runtime", lambda: None)
    session = interop.Session(made)
    assert len(session.parts) == 1
    assert_same(session.run(None, inputs), expected)
    made.graph.node[1].op_type = "NonZero"
    with pytest.raises(
        NotImplementedError, match=r"^node 'relu' \(NonZero\): expected what is cov"
    ):
        interop.Session(made)


def test_operators_that_are_not_covered_are_onnx_runtimes() -> None:
    made, inputs = recurrent("RNN")
    node = helper.make_node("NonZero", ["Y"], ["places"], name="nz")
    made.graph.node.append(node)
    made.graph.output.append(info("places", np.int64, 2))
    session = interop.Session(made)
    assert [part.own for part in session.parts] == [True, False]
    assert_same(session.run(None, inputs), runtime(made, inputs))


def test_an_operator_that_nobody_has_is_named() -> None:
    made, _ = recurrent("RNN")
    made.graph.node.append(helper.make_node("Sprout", ["Y"], ["z"], name="s", domain="org.x"))
    made.opset_import.append(helper.make_opsetid("org.x", 1))
    made.graph.output.append(info("z", np.float32, 4))
    with pytest.raises(ValueError, match=r"part from node 's' \(org.x.Sprout\) on: ONNX Runtime"):
        interop.Session(made)


def test_branches_that_read_values_from_outside() -> None:
    """An If whose condition is computed, and whose branches read what a recurrent node gave."""
    made, inputs = recurrent("GRU")
    branches = {}
    for name, operator in (("then_branch", "Tanh"), ("else_branch", "Neg")):
        inner = helper.make_node(operator, ["Y_h"], [f"{name}_y"], name=name)
        branches[name] = helper.make_graph([inner], name, [], [info(f"{name}_y", np.float32, 3)])
    made.graph.input.append(info("condition", np.bool_, 0))
    made.graph.node.append(helper.make_node("If", ["condition"], ["z"], name="if", **branches))
    made.graph.output.append(info("z", np.float32, 3))
    session = interop.Session(made)
    assert [names(part) for part in session.parts] == [["recurrent"], ["if"]]
    for condition in (True, False):
        inputs["condition"] = np.array(condition)
        assert_same(session.run(None, inputs), runtime(made, inputs))


def test_inputs_and_outputs_are_told_as_onnx_runtime_tells_them() -> None:
    made, _ = speech()
    session = interop.Session(made)
    theirs = ort.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    for mine, other in (
        (session.get_inputs(), theirs.get_inputs()),
        (session.get_outputs(), theirs.get_outputs()),
    ):
        told = [(value.name, value.type, len(value.shape)) for value in mine]
        assert told == [(value.name, value.type, len(value.shape)) for value in other]
    made.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    made.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 5
    assert interop.Session(made).get_inputs()[0].shape == ["batch", 5, None]
    assert session.get_overridable_initializers() == []


def test_what_a_file_says_of_itself() -> None:
    made, _ = speech()
    onnx.helper.set_model_props(made, {"classes": '["a", "b"]'})
    made.doc_string, made.producer_name, made.domain, made.model_version = "of speech", "me", "d", 3
    cpu = ["CPUExecutionProvider"]
    session = interop.Session(made, None, cpu)
    theirs = ort.InferenceSession(made.SerializeToString(), providers=cpu)
    mine, other = session.get_modelmeta(), theirs.get_modelmeta()
    for name in vars(mine):
        assert getattr(mine, name) == getattr(other, name), name
    assert session.get_providers() == theirs.get_providers()
    assert repr(session).startswith("Session(x -> ")


@pytest.mark.parametrize("providers", ["CPUExecutionProvider", 1, np.array(["a", "b"]), {"a"}])
def test_providers_that_are_no_list(providers: Any) -> None:
    message = f"providers: expected a list of names or None, got {providers!r}"
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        interop.Session(speech()[0], providers=providers)


@pytest.mark.parametrize("providers", [[], ["CUDAExecutionProvider"]])
def test_providers_that_there_are_not(providers: Any) -> None:
    with pytest.raises(ValueError, match=r"^providers: expected None or a list with 'CPU\w+', as "):
        interop.Session(speech()[0], providers=providers)


def test_providers_beside_the_one_that_there_is() -> None:
    """As in a script that takes a GPU where there is one."""
    cpu = "CPUExecutionProvider"
    with pytest.warns(UserWarning, match=r"^providers: .* CPU, \['CUDAExecutionProvider'\] not$"):
        session = interop.Session(speech()[0], providers=["CUDAExecutionProvider", cpu])
    assert session.get_providers() == [cpu]
    interop.Session(speech()[0], providers=[(cpu, {})])


@pytest.mark.parametrize("names", ["y", "scores", b"y", 5, {"scores"}])
def test_a_name_is_not_a_list_of_names(names: Any) -> None:
    made, inputs = speech()
    message = f"output_names: expected a list of names or None, got {names!r}"
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        interop.Session(made).run(names, inputs)


@pytest.mark.parametrize("choice", ["kernels", "fastest"])
def test_results_are_the_callers_own(choice: str) -> None:
    x = np.ones((2, 3, 4), np.float32)
    made = model(
        [
            helper.make_node("Identity", ["x"], ["same"]),
            helper.make_node("Squeeze", ["c"], ["held"]),
        ],
        {"x": x},
        {"same": (np.float32, 3), "held": (np.float32, 1)},
        {"c": np.ones((1, 2), np.float32)},
    )
    for run in (interop.prepare(made).run, lambda feeds: interop.Session(made).run(None, feeds)):
        for _ in range(2):
            same, held = run({"x": x})
            assert (held == 1).all()
            same[:] = held[:] = 5
            assert (x == 1).all()


def test_calls_leave_what_they_were_given() -> None:
    made, inputs = speech()
    before = inputs["x"].copy()
    session = interop.Session(made, choice="kernels")
    first = session.run(None, inputs)
    copies = [array.copy() for array in first]
    session.run(None, {"x": -inputs["x"]})
    assert np.array_equal(inputs["x"], before)
    for one, other in zip(first, copies, strict=True):
        assert np.array_equal(one, other)
    strided = np.asfortranarray(before)
    assert_same(session.run(None, {"x": strided}), first)


@pytest.mark.parametrize(
    ("outputs", "feed", "error", "message"),
    [
        (["none"], {}, ValueError, "output_names: expected some of out, h0, got 'none'"),
        (None, [1], TypeError, "input_feed: expected arrays by name, got list"),
        (None, {}, ValueError, "inputs: expected 'x', which is missing"),
        (None, {"y": 1}, ValueError, "inputs: expected names of x, got 'y'"),
        (
            None,
            {"x": np.zeros(3)},
            TypeError,
            "x: expected dtype float32, got float64; use x.astype(np.float32)",
        ),
        (
            None,
            {"x": np.zeros(3, np.float32)},
            ValueError,
            "x: expected shape (?, ?, ?), got (3,)",
        ),
    ],
)
def test_wrong_calls_are_refused(outputs: Any, feed: Any, error: Any, message: str) -> None:
    session = interop.Session(speech()[0])
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        session.run(outputs, feed)


def test_a_choice_that_there_is_not() -> None:
    with pytest.raises(ValueError, match=r"^choice: expected 'fastest', 'kernels' or 'runtime', "):
        interop.Session(speech()[0], choice="slowest")


def test_a_session_from_a_file(tmp_path: Any) -> None:
    made, inputs = speech()
    onnx.save(made, tmp_path / "speech.onnx")
    session = interop.Session(tmp_path / "speech.onnx", sess_options=ort.SessionOptions())
    assert_same(session.run(None, inputs), runtime(made, inputs))
    with pytest.raises(FileNotFoundError):
        interop.Session(tmp_path / "none.onnx")


def test_threads_share_a_session() -> None:
    made, inputs = speech()
    session = interop.Session(made)
    expected = runtime(made, inputs)
    with ThreadPoolExecutor(8) as pool:
        for results in pool.map(lambda _: session.run(None, inputs), range(64)):
            assert_same(results, expected)


def late(kind: str, **attributes: Any) -> tuple[Any, dict[str, Any]]:
    """A recurrent node that reads what comes behind the fifth step."""
    made, inputs = recurrent(kind, T=5, **attributes)
    for node in made.graph.node:
        node.input[0] = "late"
    cut = {"five": np.array([5]), "end": np.array([2**31]), "axis": np.array([0])}
    made.graph.initializer.extend(onnx.numpy_helper.from_array(a, n) for n, a in cut.items())
    made.graph.node.insert(
        0, helper.make_node("Slice", ["X", "five", "end", "axis"], ["late"], name="slice")
    )
    return made, inputs


@CHOICES
@pytest.mark.parametrize("attributes", [{}, {"clip": 3.0}], ids=str)
@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_of_no_step_and_no_sequence(kind: str, attributes: Any, choice: str) -> None:
    """ONNX Runtime's GRU and LSTM end the process."""
    none = [
        recurrent(kind, T=0, **attributes),
        recurrent(kind, B=0, **attributes),
        late(kind, **attributes),
    ]
    for made, inputs in none:
        session = interop.Session(made, choice=choice)
        expected = interop.run_model(made, inputs)
        for _ in range(25):
            results = session.run(None, inputs)
            for one, other in zip(results, expected, strict=True):
                np.testing.assert_array_equal(one, other, strict=True)


def test_a_number_of_numpy_is_an_array_whichever_way_is_kept() -> None:
    made, inputs = recurrent("GRU")
    made.graph.input.append(info("scale", np.float32, 0))
    made.graph.node.append(helper.make_node("Mul", ["Y", "scale"], ["scaled"], name="scale"))
    made.graph.output.append(info("scaled", np.float32, 4))
    session = interop.Session(made)
    expected = None
    for _ in range(25):
        results = session.run(["scaled"], {**inputs, "scale": np.float32(2)})
        expected = results if expected is None else expected
        assert_same(results, expected)
    feeds = {**inputs, "scale": np.asarray(np.float32(2))}
    session._fastest.keep(feeds, 1)
    assert_same(session.run(["scaled"], feeds), expected)
    assert_same(session.run(["scaled"], {**feeds, "scale": np.float32(2)}), expected)


@pytest.mark.parametrize("which", [0, 1])
def test_another_order_of_bytes_is_another_dtype_whichever_way_is_kept(which: int) -> None:
    made, inputs = recurrent("GRU")
    session = interop.Session(made)
    session._fastest.keep(inputs, which)
    swapped = {name: array.astype(array.dtype.newbyteorder()) for name, array in inputs.items()}
    with pytest.raises(TypeError, match=r"expected dtype float32, got >f4"):
        session.run(None, swapped)


def test_arrays_of_subclasses_are_read_as_arrays_or_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    square = np.array([[1, 2], [3, 4]], np.float32)
    nodes = [helper.make_node("Mul", ["x", "x"], ["y"])]
    made = model(nodes, {"x": square}, {"y": (np.float32, 2)})
    monkeypatch.setattr(session_module, "import_runtime", lambda: None)
    sessions = interop.Session(made).run
    ways = [
        lambda x: interop.run_model(made, [x])[0],
        lambda x: interop.run_node(nodes[0], [x])[0],
        lambda x: sessions(None, {"x": x})[0],
    ]
    for way in ways:
        np.testing.assert_array_equal(way(square.view(np.matrix)), square * square)
        with pytest.raises(TypeError, match=r"^x: expected an array without a mask, "):
            way(np.ma.masked_array(square, square > 2))


def cut_by_a_call(operator: str, axis: int, computed: bool) -> Any:
    """A recurrent node that reads as much of x as a call says, or as half of its shape says."""
    rng, G = np.random.default_rng(0), {"LSTM": 4, "GRU": 3, "RNN": 1}[operator]
    held = {
        "W": rng.normal(size=(1, G * 2, 2)).astype("f"),
        "R": rng.normal(size=(1, G * 2, 2)).astype("f"),
        "zero": np.array([0]),
        "two": np.array([2]),
        "axis": np.array([axis]),
    }
    nodes = [
        helper.make_node("Slice", ["x", "zero", "n", "axis"], ["part"]),
        helper.make_node(operator, ["part", "W", "R"], ["y"], hidden_size=2),
    ]
    inputs: dict[str, Any] = {"x": np.zeros((4, 3, 2), "f")}
    if computed:
        nodes[:0] = [
            helper.make_node("Shape", ["x"], ["sizes"]),
            helper.make_node("Gather", ["sizes", "axis"], ["size"]),
            helper.make_node("Div", ["size", "two"], ["n"]),
        ]
    else:
        inputs["n"] = np.array([2])
    return model(nodes, inputs, {"y": (np.float32, 4)}, held)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("operator", ["RNN", "GRU", "LSTM"])
def test_what_becomes_empty_within_a_graph(operator: str, axis: int) -> None:
    """ONNX Runtime's GRU and LSTM would end the process, at any call that tries the whole model."""
    session = interop.Session(cut_by_a_call(operator, axis, computed=False))
    x = np.random.default_rng(0).normal(size=(4, 3, 2)).astype("f")
    for empty in ({0, 5, 7, 25}, {5}, {25}, set()):  # in trials by parts, of the whole, and behind
        session._fastest = session_module.Fastest()
        for call in range(27):
            n = 0 if call in empty else 2
            (y,) = session.run(None, {"x": x, "n": np.array([n])})
            assert y.shape == ((n, 1, 3, 2) if axis == 0 else (4, 1, n, 2))
    session._fastest.keep({"x": x, "n": np.array([0])}, 1)
    (y,) = session.run(None, {"x": x, "n": np.array([0])})
    assert y.size == 0
    computed = interop.Session(cut_by_a_call(operator, axis, computed=True))
    for call in range(26):
        size = 1 if call in (0, 5, 7, 25) else 3
        part = x[:size] if axis == 0 else x[:, :size]
        (y,) = computed.run(None, {"x": part})
        assert y.shape == ((size // 2, 1, 3, 2) if axis == 0 else (4, 1, size // 2, 2))


@CHOICES
def test_what_is_empty_and_needed_for_no_output(choice: str) -> None:
    """ONNX Runtime would compute it nevertheless."""
    made = cut_by_a_call("GRU", 0, computed=False)
    made.graph.node.append(helper.make_node("GRU", ["x", "W", "R"], ["z"], hidden_size=2))
    made.graph.output[0].name = "z"
    session = interop.Session(made, choice=choice)
    for _ in range(25):
        (z,) = session.run(None, {"x": np.ones((4, 3, 2), "f"), "n": np.array([0])})
        assert z.shape == (4, 1, 3, 2)


@CHOICES
@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_constants_of_no_step(kind: str, choice: str) -> None:
    made, inputs = recurrent(kind)
    made.graph.initializer.append(onnx.numpy_helper.from_array(inputs["X"][:0], "none"))
    node = made.graph.node.add()
    node.CopyFrom(made.graph.node[0])
    node.name, node.input[0], node.output[:] = "beside", "none", ["no"]
    made.graph.output.append(info("no", np.float32, 4))
    (no,) = interop.Session(made, choice=choice).run(["no"], inputs)
    assert no.shape[0] == 0


def within(kind: str, outer: str) -> Any:
    """A recurrent node in a graph within another node, which reads the first n steps of x."""
    G = {"LSTM": 4, "GRU": 3, "RNN": 1}[kind]
    rng = np.random.default_rng(0)
    held = {name: rng.normal(size=(1, G * 2, 2)).astype("f") for name in ("W", "R")}
    held.update(zero=np.array([0]), once=np.array(1))
    nodes = [
        helper.make_node("Slice", ["x", "zero", "n", "zero"], ["part"]),
        helper.make_node(kind, ["part", "W", "R"], ["", "last"], name="inner's", hidden_size=2),
    ]
    last = info("last", np.float32, 3)
    if outer == "If":
        graphs = {}
        for name in ("then_branch", "else_branch"):
            graphs[name] = helper.make_graph(nodes, name, [], [last])
        node = helper.make_node("If", ["on"], ["y"], **graphs)
    elif outer == "Loop":
        given = [info("step", np.int64, 0), info("go", np.bool_, 0)]
        passed = helper.make_node("Identity", ["go"], ["going"])
        body = helper.make_graph(
            [passed, *nodes], "body", given, [info("going", np.bool_, 0), last]
        )
        node = helper.make_node("Loop", ["once", "on"], ["y"], body=body)
    else:
        body = helper.make_graph(
            nodes, "body", [info("one", np.float32, 2)], [info("last", np.float32, 3)]
        )
        node = helper.make_node("Scan", ["x"], ["y"], body=body, num_scan_inputs=1)
    inputs = {"x": np.ones((4, 3, 2), "f"), "n": np.array([2]), "on": np.array(True)}
    return model([node], inputs, {"y": (np.float32, 3 if outer == "If" else 4)}, held), inputs


@CHOICES
@pytest.mark.parametrize("outer", ["If", "Loop", "Scan"])
@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_what_is_empty_within_a_node_is_refused(kind: str, outer: str, choice: str) -> None:
    """It would end the process, and runs in ONNX Runtime alone."""
    made, inputs = within(kind, outer)
    session = interop.Session(made, choice=choice)
    (expected,) = runtime(made, inputs)
    np.testing.assert_array_equal(session.run(None, inputs)[0], expected)
    wrong = {"n": np.array([0])}, {"x": inputs["x"][:, :0]}
    for one in wrong:
        message = rf"^node 'inners' \({kind}\): expected a step and a sequence at least, got none$"
        for _ in range(2):
            with pytest.raises(ValueError, match=message):
                session.run(None, {**inputs, **one})
    np.testing.assert_array_equal(session.run(None, inputs)[0], expected)


def test_a_quantized_node_of_no_step_is_refused(tmp_path: Path) -> None:
    """ONNX Runtime's own operator, which ends the process of no sequence too."""
    quantization = pytest.importorskip("onnxruntime.quantization")
    made, inputs = recurrent("LSTM")
    onnx.save(made, tmp_path / "lstm.onnx")
    quantization.quantize_dynamic(tmp_path / "lstm.onnx", tmp_path / "small.onnx")
    session = interop.Session(tmp_path / "small.onnx")
    session.run(None, inputs)
    for empty in (inputs["X"][:0], inputs["X"][:, :0]):
        with pytest.raises(ValueError, match=r"DynamicQuantizeLSTM\): expected a step and a seq"):
            session.run(None, {**inputs, "X": empty})

    with pytest.raises(NotImplementedError, match="there is no layer with its weights"):
        interop.layers(tmp_path / "small.onnx")


@CHOICES
def test_an_attention_lstm_of_no_step_is_refused(choice: str) -> None:
    """Another operator of ONNX Runtime's own that ends the process."""
    rng = np.random.default_rng(0)
    shapes = {
        "W": (1, 12, 6), "R": (1, 12, 3), "B": (1, 24), "QW": (1, 3, 4), "MW": (1, 5, 4),
        "V": (1, 4), "AW": (1, 8, 4),
    }  # fmt: skip
    held = {name: rng.normal(size=shape).astype("f") for name, shape in shapes.items()}
    names = ["X", "W", "R", "B", "", "", "", "", "QW", "MW", "V", "memory", "ends", "AW"]
    node = helper.make_node("AttnLSTM", names, ["Y"], domain="com.microsoft", hidden_size=3)
    inputs = {
        "X": np.ones((4, 2, 2), "f"),
        "memory": np.ones((2, 6, 5), "f"),
        "ends": np.array([6, 6], np.int32),
    }
    made = model([node], inputs, {"Y": (np.float32, 4)}, held, others=("com.microsoft",))
    session = interop.Session(made, choice=choice)
    assert session.run(None, inputs)[0].shape == (4, 1, 2, 3)
    for empty in (inputs["X"][:0], inputs["X"][:, :0]):
        with pytest.raises(ValueError, match=r"AttnLSTM\): expected a step and a sequence"):
            session.run(None, {**inputs, "X": empty})


@pytest.mark.parametrize("name", ["'", "''x''", "", "a 'b' c", "rnnfast: empty sequence: "])
def test_names_that_a_guard_finds(name: str) -> None:
    """Values that are called as its own would be, nodes of odd names, and of none that is read."""
    made, inputs = within("GRU", "If")
    for branch in made.graph.node[0].attribute:
        node = branch.g.node[1]
        node.name = name
        beside = branch.g.node.add()
        beside.CopyFrom(node)
        beside.name, beside.output[:] = "", [""]
        dead = branch.g.node.add()
        dead.CopyFrom(beside)
        branch.g.node.insert(0, helper.make_node("Identity", ["x"], ["rnnfast/guarded/0"]))
    session = interop.Session(made)
    (expected,) = runtime(made, inputs)
    np.testing.assert_array_equal(session.run(None, inputs)[0], expected)
    with pytest.raises(ValueError, match=r"expected a step and a sequence at least, got none$"):
        session.run(None, {**inputs, "n": np.array([0])})


def test_what_else_a_session_is_given() -> None:
    made, inputs = recurrent("GRU")
    for wrong in (5, "options", {}):
        with pytest.raises(TypeError, match=r"^sess_options: expected onnxruntime.SessionOptions"):
            interop.Session(made, wrong)
    for provider in (1, np.array([1, 2]), None):
        with pytest.raises(TypeError, match=r"^providers: expected a list of names, got"):
            interop.Session(made, providers=[provider, "CPUExecutionProvider"])
    session = interop.Session(made)
    everything, asked = session.run(None, inputs), session.run([], inputs)
    for got, expected in zip(asked, everything, strict=True):
        np.testing.assert_array_equal(got, expected)
    assert session.get_modelmeta().graph_description == made.graph.doc_string


@CHOICES
@pytest.mark.parametrize("name", ["tanh", "TANH", "relu", "Relu"])
def test_activations_in_another_spelling(name: str, choice: str) -> None:
    """ONNX Runtime's RNN knows one alone; the weights come with the call."""
    rng = np.random.default_rng(0)
    shapes = {"x": (3, 2, 4), "W": (1, 2, 4), "R": (1, 2, 2)}
    feeds = {key: rng.normal(size=shape).astype("f") for key, shape in shapes.items()}
    node = helper.make_node("RNN", list(feeds), ["y"], hidden_size=2, activations=[name])
    made = model([node], feeds, {"y": (np.float32, 4)})
    (y,) = interop.Session(made, choice=choice).run(None, feeds)
    (expected,) = interop.prepare(made).run(list(feeds.values()))
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)
