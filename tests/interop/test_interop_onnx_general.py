"""The general cells against the equations: any activations, clip and coupled gates."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from onnx_models import recurrent
from rnnfast import _core

interop = pytest.importorskip("rnnfast.interop.onnx")
operator = pytest.importorskip("rnnfast.interop.onnx.recurrent.operator")
activations = pytest.importorskip("rnnfast.interop.onnx.recurrent.activations")
forms = pytest.importorskip("rnnfast.interop.onnx.recurrent.form")
weights_module = pytest.importorskip("rnnfast.interop.onnx.recurrent.weights")

KINDS = {"RNN": 1, "GRU": 2, "LSTM": 3}  # and how many activations a direction has
TOLERANCES = {"float32": 2e-5, "float64": 1e-12}
SIZES = [1, 3, 17, 33, 65]


def random_form(kind: str, names: list[str], rng: np.random.Generator) -> dict[str, Any]:
    """Return what a node says, at random, with activations out of ``names``."""
    direction = str(rng.choice(["forward", "reverse", "bidirectional"]))
    count = KINDS[kind] * (2 if direction == "bidirectional" else 1)
    chosen = [str(name) for name in rng.choice(names, count)]
    found: dict[str, Any] = {
        "direction": direction,
        "activations": chosen,
        "layout": int(rng.integers(2)),
        "clip": float(rng.uniform(0.5, 2)) if rng.random() < 0.5 else 1e6,
    }
    for which in ("alpha", "beta"):
        numbers = [
            float(np.float32(rng.uniform(0.2, 0.8)))
            for kind_of in (activations.KINDS[name] for name in chosen)
            if which in kind_of.needs or getattr(kind_of, which) is not None
        ]
        if numbers:
            found[f"activation_{which}"] = numbers
    if kind == "LSTM":
        found |= {"input_forget": int(rng.integers(2)), "peepholes": bool(rng.integers(2))}
    if kind == "GRU":
        found["linear_before_reset"] = int(rng.integers(2))
    return found


def random_node(
    kind: str, dtype: str, rng: np.random.Generator, **sizes: int
) -> tuple[Any, dict[str, Any]]:
    """Return a model of a node that has no layer, whose states stay near 1, and its inputs."""
    hidden, inputs = (int(size) for size in rng.choice(SIZES, 2))
    shape = {"T": int(rng.integers(1, 7)), "B": int(rng.choice([1, 2, 5, 17]))}
    shape |= {"I": inputs, "H": hidden, **sizes}
    names = list(activations.KINDS)
    if dtype == "float32" and hidden > 3:
        names.remove("ThresholdedRelu")  # rounding decides on which side of its step a number is
    lengths = rng.integers(0, shape["T"] + 1, shape["B"]) if rng.random() < 0.6 else None
    made, arrays = recurrent(
        kind,
        **shape,
        dtype=np.dtype(dtype),
        lengths=lengths,
        state=bool(rng.random() < 0.6),
        bias=bool(rng.random() < 0.8),
        constant=False,
        seed=int(rng.integers(1000)),
        **random_form(kind, names, rng),
    )
    for name, columns in (("W", shape["I"]), ("R", shape["H"])):
        arrays[name] *= np.array(columns, dtype) ** -0.5
    return made, arrays


def by_kernels(made: Any, arrays: Any, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    with monkeypatch.context() as patch:
        patch.delattr(operator.Recurrent, "_by_steps")
        return list(interop.run_model(made, arrays))


def by_equations(made: Any, arrays: Any, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    with monkeypatch.context() as patch:
        patch.setattr(operator.Recurrent, "_network_of", lambda *given: None)
        return list(interop.run_model(made, arrays))


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("kind", KINDS)
def test_random_forms_equal_the_equations(
    kind: str, dtype: str, seed: int, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, arrays = random_node(kind, dtype, np.random.default_rng(seed))
    expected = by_equations(made, arrays, monkeypatch)
    for one, other in zip(by_kernels(made, arrays, monkeypatch), expected, strict=True):
        assert one.dtype == dtype
        tolerance = TOLERANCES[dtype] * max(1.0, float(np.abs(other).max(initial=0)))
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance, strict=True)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_bits_do_not_depend_on_the_number_of_threads(
    kind: str,
    dtype: str,
    seed: int,
    level: str,
    set_threads: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes = {"T": 9, "B": 1 if seed == 3 else 33, "I": 65, "H": 520 if seed == 3 else 65}
    made, arrays = random_node(kind, dtype, np.random.default_rng(seed), **sizes)
    results = []
    for threads in (1, 2):
        set_threads(threads)
        results.append(by_kernels(made, arrays, monkeypatch))
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)


def network(kind: str, names: list[str], numbers: dict[str, Any], **form: Any) -> Any:
    """Return the general network of given weights, of one direction."""
    alphas, betas = form.pop("alphas", []), form.pop("betas", [])
    options = {"clip": None, "input_forget": False, "linear_before_reset": False} | form
    found = tuple(activations.read_activations(names, alphas, betas))
    made = forms.Form(kind, "forward", None, (found,), batch_first=False, **options)
    held = [numbers.get(name) for name in ("W", "R", "B", "P")]
    return operator.GeneralNetwork(made, weights_module.Weights(*held))


@pytest.mark.parametrize("name", activations.KINDS)
@pytest.mark.parametrize("dtype", TOLERANCES)
def test_activations_at_every_magnitude(dtype: str, name: str, level: str) -> None:
    kind = activations.KINDS[name]
    alpha = 0.25 if "alpha" in kind.needs or kind.alpha is not None else None
    beta = 0.5 if "beta" in kind.needs or kind.beta is not None else None
    one = np.ones((1, 1, 1), dtype)
    made = network(
        "RNN",
        [name],
        {"W": one, "R": 0 * one},
        alphas=[] if alpha is None else [alpha],
        betas=[] if beta is None else [beta],
    )
    info = np.finfo(dtype)
    rng = np.random.default_rng(0)
    size = np.exp(rng.uniform(np.log(1e-6), np.log(1e30), 5000))
    size = np.concatenate([size, rng.uniform(0, 30, 5000), [0.0, 0.25, 1.0]])
    x = np.concatenate([size, -size]).astype(dtype)
    y, _ = made(x.reshape(1, -1, 1), None, None)
    exact = kind.function(x.astype(np.longdouble), alpha or 0.0, beta or 0.0)
    # Sums of a x and b lose what cancels.
    sums = {"Affine", "HardSigmoid"}
    np.testing.assert_allclose(
        y[0, :, 0].astype(np.longdouble),
        exact,
        rtol=8 * float(info.eps),
        atol=float(info.eps if name in sums else 8 * info.tiny),
    )


def test_a_closed_gate_keeps_a_state_beside_a_large_candidate(level: str) -> None:
    """(1 - z) n + z h' with z = 1: n + z (h' - n) would lose h'."""
    for before_reset in (False, True):
        made = network(
            "GRU",
            ["HardSigmoid", "Affine"],
            {
                "W": np.array([0, 0, 1.0]).reshape(1, 3, 1),
                "R": np.zeros((1, 3, 1)),
                "B": np.array([[100.0, 0, 0, 0, 0, 0]]),
            },
            alphas=[0.2, 1e30],
            betas=[0.5, 0.0],
            linear_before_reset=before_reset,
        )
        h0 = np.array([[[0.625]]])
        y, h = made(np.ones((3, 1, 1)), h0, None)
        np.testing.assert_array_equal(y, np.full((3, 1, 1), 0.625))
        np.testing.assert_array_equal(h, h0)


def test_a_cell_state_beyond_all_numbers_stays_there(level: str) -> None:
    """Without peepholes nothing multiplies it by 0."""
    made = network(
        "LSTM",
        ["Affine", "Affine", "Tanh"],
        {"W": np.zeros((1, 4, 1)), "R": np.zeros((1, 4, 1)), "B": np.array([[1.0] * 4 + [0] * 4])},
        alphas=[1.0, 1e308],
        betas=[0.0, 0.0],
    )
    y, (h, c) = made(np.ones((4, 1, 1)), None, None)
    np.testing.assert_array_equal(y, np.ones((4, 1, 1)))
    assert h.item() == 1 and c.item() == np.inf


@pytest.mark.parametrize("kind", KINDS)
def test_copies_and_streams_compute_the_same(kind: str, level: str) -> None:
    rng = np.random.default_rng(0)
    G, H = {"RNN": 1, "GRU": 3, "LSTM": 4}[kind], 19
    held = {"W": rng.normal(size=(1, G * H, 5)) / 3, "R": rng.normal(size=(1, G * H, H)) / 5}
    made = network(kind, ["Softsign"] * KINDS[kind], held, clip=1.5)
    x = rng.normal(size=(6, 3, 5))
    y, final = made(x, None, None)
    for other in (copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        np.testing.assert_array_equal(other(x, None, None)[0], y)
    stream = _core.Stream(made.native, 3)
    for t in range(6):
        np.testing.assert_array_equal(stream.step(x[t]), y[t])
    np.testing.assert_array_equal(stream.state()[0], final[0] if kind == "LSTM" else final)


# --- the seam ---------------------------------------------------------------------------------

ZEROS = [np.zeros(18, np.float32), np.zeros(27, np.float32)]
PLAIN = [([("Sigmoid", 0.0, 0.0), ("Tanh", 0.0, 0.0)], 1.0, False)]


def native(cell: str = "gru_general", functions: Any = PLAIN, directions: int = 1) -> Any:
    return _core.Recurrent(
        cell=cell,
        input_size=2,
        hidden_size=3,
        output_size=3,
        num_layers=1,
        num_directions=directions,
        bias=False,
        projection=False,
        buffer=_core.ParameterBuffer(200, "float32"),
        offsets=[{"weight_ih": 0, "weight_hh": 64}] * directions,
        functions=functions,
    )


def test_general_cells_say_what_they_are() -> None:
    counts = {name: c.function_count for name, c in _core.cells().items() if c.function_count}
    assert counts == {
        "rnn_general": 1,
        "gru_general": 2,
        "gru_general_before": 2,
        "lstm_general": 3,
        "lstm_general_peephole": 3,
    }
    assert {name for name, c in _core.cells().items() if not c.trains} == set(counts)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"functions": []}, "functions: expected 1 entries for the cell 'gru_general', got 0"),
        ({"cell": "gru"}, "functions: expected 0 entries for the cell 'gru', got 1"),
        ({"directions": 2}, "functions: expected 2 entries for the cell 'gru_general', got 1"),
        ({"directions": 3}, "num_directions: expected 1 or 2, got 3"),
        (
            {"functions": [([("Tanh", 0.0, 0.0)], 1.0, False)]},
            "functions: expected 2 for the cell 'gru_general', got 1",
        ),
        (
            {"functions": [([("Sine", 0.0, 0.0)] * 2, 1.0, False)]},
            "functions: expected names of known ones, got 'Sine'",
        ),
        (
            {"functions": [(PLAIN[0][0], float("nan"), False)]},
            "clip: expected a number above 0, got nan",
        ),
        (
            {"functions": [(PLAIN[0][0], 1.0, True)]},
            "coupled: expected False for the cell 'gru_general', which has no forget gate, got T",
        ),
    ],
)
def test_functions_that_do_not_fit_a_cell(given: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        native(**given)


def test_there_is_no_backpropagation() -> None:
    general, x = native(), np.zeros((2, 1, 2), np.float32)
    message = "^cell: expected one with backpropagation, got 'gru_general', which is for inference"
    keep = (x, None, None, None, None, False, True, 0.0, 0, False)
    with pytest.raises(ValueError, match=message):
        general.forward(*keep)
    weights = general.weights_at([values.ctypes.data for values in ZEROS], False)
    with pytest.raises(ValueError, match=message):
        general.forward(*keep, weights)
    with pytest.raises(ValueError, match=message):
        general.weights_at([], True)
    gru = native("gru", [])
    cache = gru.forward(*keep)[3]
    with pytest.raises(ValueError, match=message):
        general.backward(cache, None, None, None, True)
    gru.backward(cache, None, None, None, True)


def test_packed_weights_of_other_functions_are_refused() -> None:
    weights = native().weights_at([values.ctypes.data for values in ZEROS], False)
    call = (np.zeros((2, 1, 2), np.float32), None, None, None, None, False, False, 0.0, 0, False)
    native().forward(*call, weights)
    for functions in (
        [(PLAIN[0][0], 2.0, False)],
        [([("Sigmoid", 0.0, 0.0), ("Relu", 0.0, 0.0)], 1.0, False)],
        [([("Sigmoid", 0.0, 0.0), ("Tanh", 0.5, 0.0)], 1.0, False)],
    ):
        with pytest.raises(ValueError, match=r"^weights: expected those of a network of this"):
            native(functions=functions).forward(*call, weights)
