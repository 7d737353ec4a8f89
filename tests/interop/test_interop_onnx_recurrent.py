"""RNN, GRU and LSTM of ONNX against ONNX Runtime, and the definition where that lacks something."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from onnx_models import OPSET, helper, model, recurrent, runtime
from rnnfast import reference

interop = pytest.importorskip("rnnfast.interop.onnx")
operator = pytest.importorskip("rnnfast.interop.onnx.recurrent.operator")

KINDS = ["RNN", "GRU", "LSTM"]
DIRECTIONS = ["forward", "reverse", "bidirectional"]
COUNTS = {"RNN": 1, "GRU": 2, "LSTM": 3}
# Softplus of ONNX Runtime overflows beyond 88, which a test of its own is for.
NAMES = [
    *("Relu", "Tanh", "Sigmoid", "Affine", "LeakyRelu", "ThresholdedRelu"),
    *("ScaledTanh", "HardSigmoid", "Elu", "Softsign"),
]
WITH_ALPHA = {"Affine", "LeakyRelu", "ThresholdedRelu", "ScaledTanh", "HardSigmoid", "Elu"}
WITH_BETA = {"Affine", "ScaledTanh", "HardSigmoid"}


def assert_same(mine: Any, expected: Any, tolerance: float) -> None:
    assert len(mine) == len(expected)
    for one, other in zip(mine, expected, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance, strict=True)


def random_attributes(kind: str, direction: str, rng: np.random.Generator) -> dict[str, Any]:
    count = COUNTS[kind] * (2 if direction == "bidirectional" else 1)
    found: dict[str, Any] = {"direction": direction}
    if rng.random() < 0.7:
        names = [str(name) for name in rng.choice(NAMES, count)]
        found["activations"] = names
        for which, have in (("alpha", WITH_ALPHA), ("beta", WITH_BETA)):
            numbers = [float(np.float32(rng.uniform(0.2, 0.8))) for name in names if name in have]
            if numbers:
                found[f"activation_{which}"] = numbers
    if rng.random() < 0.3:
        found["clip"] = float(rng.uniform(0.3, 2))
    if kind == "LSTM" and rng.random() < 0.3:
        found["input_forget"] = 1
    if kind == "GRU" and rng.random() < 0.5:
        found["linear_before_reset"] = 1
    return found


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_random_nodes_equal_onnx_runtime(kind: str, direction: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    T, B = (int(size) for size in rng.integers(1, 6, 2))
    made, inputs = recurrent(
        kind,
        T=T,
        B=B,
        seed=seed,
        lengths=rng.integers(0, T + 1, B) if rng.random() < 0.6 else None,
        state=bool(rng.random() < 0.5),
        bias=bool(rng.random() < 0.8),
        peepholes=bool(rng.random() < 0.5),
        constant=bool(rng.random() < 0.5),
        opset=int(rng.choice([7, 14, OPSET])),
        **random_attributes(kind, direction, rng),
    )
    assert_same(interop.run_model(made, inputs), runtime(made, inputs), 1e-5)


@pytest.mark.parametrize("constant", [True, False])
@pytest.mark.parametrize("lengths", [None, [5, 0, 2]])
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        *((kind, {}) for kind in KINDS),
        ("GRU", {"linear_before_reset": 1}),
        ("LSTM", {"peepholes": True}),
    ],
)
def test_common_forms_equal_onnx_runtime(
    kind: str, options: Any, direction: str, lengths: Any, constant: bool
) -> None:
    made, inputs = recurrent(
        kind, direction=direction, lengths=lengths, state=True, constant=constant, **options
    )
    assert_same(interop.run_model(made, inputs), runtime(made, inputs), 1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_which_forms_run_on_the_kernels(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    passes = []
    run = operator.Recurrent._by_kernels
    monkeypatch.setattr(
        operator.Recurrent,
        "_by_kernels",
        lambda self, network, *given: passes.append(type(network)) or run(self, network, *given),
    )
    for attributes in ({}, {"direction": "reverse"}, {"layout": 1}, {"direction": "bidirectional"}):
        interop.run_model(*recurrent(kind, **attributes))
    same = ["Relu"] if kind == "RNN" else ["sigmoid", "tanh", "tanh"][: COUNTS[kind]]
    interop.run_model(*recurrent(kind, activations=same))
    assert passes == [getattr(rf, kind)] * 5
    for attributes in ({"clip": 1.0}, {"activations": ["Softsign"] * COUNTS[kind]}):
        interop.run_model(*recurrent(kind, **attributes))
    assert passes[5:] == [operator.GeneralNetwork] * 2


@pytest.mark.parametrize("general", [False, True])
@pytest.mark.parametrize("lengths", [None, [5, 3, 1]])
@pytest.mark.parametrize("direction", ["forward", "bidirectional"])
@pytest.mark.parametrize(
    ("kind", "attributes", "options"),
    [
        ("RNN", {}, {}),
        ("GRU", {}, {"reset_after": False}),
        ("GRU", {"linear_before_reset": 1}, {}),
        ("LSTM", {}, {}),
        ("LSTM", {"peepholes": True}, {"peephole": True}),
    ],
)
def test_float64_and_layout_1_equal_the_definition(
    kind: str, attributes: Any, options: Any, direction: str, lengths: Any, general: bool
) -> None:
    """ONNX Runtime has neither."""
    made, inputs = recurrent(
        kind,
        dtype=np.float64,
        layout=1,
        direction=direction,
        lengths=lengths,
        state=True,
        **attributes,
        **({"clip": 1e6} if general else {}),
    )
    if general:
        assert interop.prepare(made)._program.steps[0][0].attributes["clip"] == 1e6
    plain, _ = recurrent(
        kind, dtype=np.float64, layout=1, direction=direction, state=True, **attributes
    )
    (layer,) = interop.layers(plain).values()
    spec = reference.NetworkSpec(
        kind.lower(), 4, 6, bidirectional=direction == "bidirectional", **options
    )
    state = [np.swapaxes(inputs[n], 0, 1) for n in ("initial_h", "initial_c") if n in inputs]
    y, final, _ = reference.network_forward(
        spec,
        layer.state_dict(),
        np.swapaxes(inputs["X"], 0, 1),
        tuple(state) if kind == "LSTM" else state[0],
        lengths,
    )
    finals = final if kind == "LSTM" else (final,)
    D = 2 if direction == "bidirectional" else 1
    expected = [y.reshape(5, 3, D, 6).transpose(1, 0, 2, 3), *(f.swapaxes(0, 1) for f in finals)]
    assert_same(interop.run_model(made, inputs), expected, 1e-12)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_option_in_float64_and_with_the_batch_first(kind: str, direction: str) -> None:
    """The same numbers in float32, time first, are ONNX Runtime's."""
    for seed in range(6):
        rng = np.random.default_rng(seed)
        attributes = random_attributes(kind, direction, rng)
        lengths = rng.integers(0, 6, 3)
        common = {"seed": seed, "state": True, "peepholes": seed % 2 == 0, "lengths": lengths}
        made, inputs = recurrent(kind, **common, **attributes)
        expected = interop.run_model(made, inputs)
        wide = {n: x.astype(np.float64) if x.dtype == np.float32 else x for n, x in inputs.items()}
        held = {
            t.name: np.frombuffer(t.raw_data, np.float32).reshape(t.dims).astype(np.float64)
            for t in made.graph.initializer
        }
        for name in ("X", "initial_h", "initial_c"):
            if name in wide:
                wide[name] = np.swapaxes(wide[name], 0, 1)
        node = helper.make_node(
            kind,
            list(made.graph.node[0].input),
            list(made.graph.node[0].output),
            hidden_size=6,
            layout=1,
            **attributes,
        )
        outputs = {
            value.name: (np.float64, 4 if value.name == "Y" else 3) for value in made.graph.output
        }
        mine = interop.run_model(model([node], wide, outputs, held), wide)
        turned = [mine[0].transpose(1, 2, 0, 3), *(one.swapaxes(0, 1) for one in mine[1:])]
        assert_same([one.astype(np.float32) for one in turned], expected, 2e-5)


def test_a_sequence_without_a_step_ends_in_zeros() -> None:
    """As ONNX Runtime has it; a layer's own state would stay."""
    for kind in KINDS:
        for attributes in ({}, {"clip": 2.0}):
            made, inputs = recurrent(kind, lengths=[0, 5, 0], state=True, **attributes)
            y, *finals = interop.run_model(made, inputs)
            assert not y[:, :, [0, 2]].any()
            for final in finals:
                assert not final[:, [0, 2]].any()
                assert final[:, 1].all()
            assert_same([y, *finals], runtime(made, inputs), 1e-5)


@pytest.mark.parametrize("clip", [None, 5.0])
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_what_lies_past_a_length_is_not_read(kind: str, direction: str, clip: Any) -> None:
    more = {} if clip is None else {"clip": clip}
    made, inputs = recurrent(kind, lengths=[2, 0, 5], state=True, direction=direction, **more)
    expected = interop.run_model(made, inputs)
    inputs["X"][2:, 0] = np.nan
    inputs["X"][:, 1] = np.inf
    for one, other in zip(interop.run_model(made, inputs), expected, strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("attributes", [{}, {"clip": 3.0}], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_numbers_that_are_not_finite_go_through(kind: str, attributes: Any) -> None:
    made, inputs = recurrent(kind, **attributes)
    expected = interop.run_model(made, inputs)
    inputs["X"][3, 1] = np.nan
    mine = interop.run_model(made, inputs)
    assert np.isnan(mine[0][3:, 0, 1]).all()
    np.testing.assert_allclose(
        mine[0][:, 0, [0, 2]], expected[0][:, 0, [0, 2]], rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("name", [*NAMES, "Softplus"])
def test_activations_far_from_zero(name: str) -> None:
    numbers = {"activation_alpha": [0.5]} if name in WITH_ALPHA else {}
    numbers |= {"activation_beta": [0.25]} if name in WITH_BETA else {}
    made, inputs = recurrent("RNN", T=1, B=2, I=1, H=1, bias=False, activations=[name], **numbers)
    inputs["X"][:] = np.array([1e4, -1e4], np.float32).reshape(1, 2, 1)
    y = interop.run_model(made, inputs)[0]
    assert np.isfinite(y).all()
    if name != "Softplus":
        assert_same([y], runtime(made, inputs)[:1], 1e-5)


@pytest.mark.parametrize(("T", "B"), [(0, 3), (4, 0)])
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_to_do(kind: str, T: int, B: int) -> None:
    made, inputs = recurrent(kind, T=T, B=B, state=True)
    y, h, *_ = interop.run_model(made, inputs)
    assert y.shape == (T, 1, B, 6)
    assert np.array_equal(h, inputs["initial_h"])
