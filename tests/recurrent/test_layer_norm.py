"""Layer-normalised LSTM and GRU: zoneout, dropout of the candidate, and what is theirs alone.

The tests of all cells, on `network_cases`, have them too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
import rnnfast.reference as ref
from gradcheck import assert_gradients
from rnnfast import diagnostics
from rnnfast.nn.recurrent.noise import Noise

CELLS = [rf.LayerNormLSTM, rf.LayerNormGRU]
T, B, N, H = 7, 5, 3, 6
LENGTHS = np.array([4, 7, 0, 7, 1])
RESET = np.random.default_rng(4).random((T, B)) < 0.25
TOLERANCE = {"float32": 2e-5, "float64": 1e-12}


@pytest.fixture(autouse=True)
def one_thread(set_threads: Callable[[int], None]) -> None:
    set_threads(1)


def make(cell: Any, **options: Any) -> Any:
    """A layer whose gains and biases are not the ones it begins with."""
    layer = cell(options.pop("input_size", N), H, dtype=options.pop("dtype", "float64"), seed=1,
                 **options)  # fmt: skip
    rng = np.random.default_rng(2)
    for name, parameter in layer.parameters().items():
        if name.startswith("gain"):
            parameter.assign(rng.uniform(0.5, 1.5, parameter.shape))
        elif name.startswith("bias_c"):
            parameter.assign(rng.normal(size=parameter.shape))
    return layer


def states_of(layer: Any, rng: np.random.Generator) -> Any:
    shape = (layer.num_layers * layer.num_directions, B, H)
    h = rng.normal(size=shape).astype(layer.dtype)
    if isinstance(layer, rf.LayerNormGRU):
        return h
    return h, rng.normal(size=shape).astype(layer.dtype)


def pair(state: Any) -> tuple[Any, Any]:
    return state if isinstance(state, tuple) else (state, None)


def reference(layer: Any, x: Any, state: Any, lengths: Any, masks: Any = None) -> tuple[Any, ...]:
    """Layers and directions step by step; masks by the place of a layer's direction."""
    h0, c0 = pair(state)
    finals_h, finals_c = [], []
    for k in range(layer.num_layers):
        outputs = []
        for d, end in enumerate(("", "_reverse")[: layer.num_directions]):
            place = k * layer.num_directions + d
            suffix = f"_l{k}{end}"
            p = {n.removesuffix(suffix): v.astype(float) for n, v in layer.state_dict().items()
                 if n.endswith(suffix)}  # fmt: skip
            y = np.zeros((T, B, H))
            h_n, c_n = np.zeros((B, H)), np.zeros((B, H))
            for b in range(B):
                h = h0[place, b : b + 1].astype(float)
                c = None if c0 is None else c0[place, b : b + 1].astype(float)
                steps = list(range(T if lengths is None else lengths[b]))
                for s, t in enumerate(reversed(steps) if d else steps):
                    # The kernels' masks stand at the step of the pass, by row.
                    own = {} if masks is None else {n: m[s, b] for n, m in masks[place].items()}
                    row = x[t, b : b + 1].astype(float)
                    if c is None:
                        h = ref.layer_norm_gru_step(row, h, p, **own)
                    else:
                        h, c = ref.layer_norm_lstm_step(row, h, c, p, **own)
                    y[t, b] = h[0]
                h_n[b] = h[0]
                c_n[b] = 0 if c is None else c[0]
            outputs.append(y)
            finals_h.append(h_n)
            finals_c.append(c_n)
        x = np.concatenate(outputs, axis=2)
    return x, np.stack(finals_h), None if c0 is None else np.stack(finals_c)


@pytest.mark.usefixtures("level")
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"layer_norm": False},
        {"bias": False},
        {"num_layers": 2, "bidirectional": True},
        {"zoneout": 0.3, "recurrent_dropout": 0.5},
    ],
    ids=str,
)
@pytest.mark.parametrize("lengths", [None, LENGTHS])
def test_inference_is_the_reference(
    cell: Any, dtype: str, options: dict[str, Any], lengths: Any
) -> None:
    rng = np.random.default_rng(0)
    layer = make(cell, dtype=dtype, **options)
    x = rng.normal(size=(T, B, N)).astype(dtype)
    state = states_of(layer, rng)
    masks = None
    if "zoneout" in options:
        mean: dict[str, Any] = {"keep_h": np.full((T, B, H), 0.3)}
        if cell is rf.LayerNormLSTM:
            mean["keep_c"] = mean["keep_h"]
        masks = [mean]
    expected = reference(layer, x, state, lengths, masks)
    if lengths is not None:
        for b, length in enumerate(lengths):
            x[length:, b] = np.nan  # never read
    y, final = layer(x, state, lengths)
    for got, wanted in zip((y, *pair(final)), expected, strict=True):
        if wanted is not None:
            assert got.dtype == dtype
            np.testing.assert_allclose(got, wanted, rtol=0, atol=TOLERANCE[dtype])
    layer.eval()
    np.testing.assert_array_equal(layer.forward(x, state, lengths)[0][0], y)
    first = make(cell, dtype=dtype, batch_first=True, **options)
    across, _ = first(np.swapaxes(x, 0, 1), state, lengths)
    np.testing.assert_array_equal(np.swapaxes(across, 0, 1), y)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("width", [1, 6, 17, 40])
def test_without_normalisation_it_is_the_plain_cell(cell: Any, width: int) -> None:
    rng = np.random.default_rng(0)
    plain_cell = rf.LSTM if cell is rf.LayerNormLSTM else rf.GRU
    plain = plain_cell(4, width, 2, bidirectional=True, dtype="float64", seed=3)
    layer = cell(4, width, 2, layer_norm=False, bidirectional=True, dtype="float64")
    layer.load_state_dict(plain.state_dict())
    x = rng.normal(size=(T, B, 4))
    dy = rng.normal(size=(T, B, 2 * width))
    results = []
    for one in (plain, layer):
        (y, state), backprop = one.forward(x, lengths=LENGTHS)
        dx, dstate = backprop(dy, state)
        results.append([y, dx, *np.atleast_1d(state), *np.atleast_1d(dstate), *one.grads.values()])
    for wanted, got in zip(*results, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-11)


@pytest.mark.usefixtures("level")
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"layer_norm": False, "bias": False, "recurrent_dropout": 0.4},
        {"num_layers": 2, "bidirectional": True, "dropout": 0.3, "zoneout": 0.2},
        {"zoneout": 0.4, "recurrent_dropout": 0.3, "variational": True},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    ("lengths", "reset", "recompute"),
    [(None, None, False), (LENGTHS, None, False), (LENGTHS, RESET, False), (LENGTHS, RESET, True)],
)
def test_gradients(
    cell: Any, options: dict[str, Any], lengths: Any, reset: Any, recompute: bool
) -> None:
    """Central differences through training passes with the same noise."""
    rng = np.random.default_rng(0)
    layer = make(cell, **options)
    x = rng.normal(size=(T, B, N))
    state = states_of(layer, rng)
    values = dict(zip(("h0", "c0"), pair(state), strict=True)) | {"x": x} | layer.state_dict()
    values = {name: v for name, v in values.items() if v is not None}
    dy = rng.normal(size=(T, B, H * layer.num_directions))
    dstate = states_of(layer, rng)

    def run() -> Any:
        layer.load_state_dict({n: values[n] for n in layer.parameters()})
        layer._rng = np.random.default_rng(5)
        h0 = (values["h0"], values["c0"]) if "c0" in values else values["h0"]
        return layer.forward(values["x"], h0, lengths, reset, recompute=recompute)

    def value() -> float:
        (y, final), _ = run()
        ends = zip(pair(final), pair(dstate), strict=True)
        return float((y * dy).sum() + sum((a * b).sum() for a, b in ends if a is not None))

    _, backprop = run()
    dx, dinitial = backprop(dy, dstate)
    gradients = {"x": dx, **{n: layer.grads[n].copy() for n in layer.grads}}
    gradients |= {n: g for n, g in zip(("h0", "c0"), pair(dinitial), strict=True) if g is not None}
    assert_gradients(value, values, {n: gradients[n] for n in values}, directions=4)
    if lengths is not None:
        assert not dx[4:, 0].any() and not dx[:, 2].any()


def watch(layer: Any) -> list[Any]:
    """What the passes of a layer draw from now on."""
    drawn: list[Any] = []

    class Watched(Noise):
        def masks(self, *args: Any) -> Any:
            drawn.append(super().masks(*args))
            return drawn[-1]

    noise = layer._noise
    layer._noise = lambda: Watched(*noise())
    return drawn


@pytest.mark.parametrize("cell", CELLS)
def test_noise_is_what_it_says(cell: Any) -> None:
    """A training pass against the reference with the masks that were drawn."""
    rng = np.random.default_rng(0)
    layer = make(cell, zoneout=0.3, recurrent_dropout=0.4)
    x, state = rng.normal(size=(T, B, N)), states_of(layer, rng)
    drawn = watch(layer)
    (y, _), _ = layer.forward(x, state)
    ((found, _),) = drawn
    names = ("keep_h", "keep_c", "drop")
    masks = {n: a[0] for n, a in zip(names, found, strict=True) if a is not None}
    assert len(masks) == (3 if cell is rf.LayerNormLSTM else 2)
    assert set(np.unique(masks["keep_h"])) == {0.0, 1.0}
    assert abs(masks["keep_h"].mean() - 0.3) < 0.1
    assert {round(float(v), 9) for v in np.unique(masks["drop"])} == {0.0, round(1 / 0.6, 9)}
    expected, _, _ = reference(layer, x, state, None, [masks])
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-12)
    assert not np.array_equal(layer.forward(x, state)[0][0], y)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_noise_when_recomputed(cell: Any, bidirectional: bool) -> None:
    """Each part, direction and layer has masks of its own, which backprop draws again."""
    layer = make(cell, num_layers=2, zoneout=0.3, bidirectional=bidirectional, variational=True)
    drawn = watch(layer)
    (y, _), backprop = layer.forward(np.zeros((T, B, N)), lengths=LENGTHS, recompute=True)
    forward = [found[0].tobytes() for found, _ in drawn if found is not None]
    assert len(set(forward)) == len(forward) == 3 * (4 if bidirectional else 1)
    drawn.clear()
    backprop(y)
    assert sorted(found[0].tobytes() for found, _ in drawn) == sorted(forward)


def test_zoneout_of_one_keeps_the_state() -> None:
    layer = rf.LayerNormLSTM(N, H, zoneout=(0.0, 1.0), dtype="float64", seed=1)
    rng = np.random.default_rng(0)
    state = states_of(layer, rng)
    (_, (h, c)), _ = layer.forward(rng.normal(size=(T, B, N)), state)
    np.testing.assert_array_equal(c, state[1])
    assert not np.allclose(h, state[0])


@pytest.mark.parametrize("cell", CELLS)
def test_indices_single_sequences_and_streams(cell: Any) -> None:
    rng = np.random.default_rng(0)
    layer = make(cell, num_layers=2)
    ids = rng.integers(N, size=(T, B))
    ids[5:, 0] = 99  # past its length
    lengths = np.array([5, 7, 7, 7, 7])
    one_hot = np.eye(N + 97)[ids][..., :N]
    (y, _), backprop = layer.forward(ids, lengths=lengths)
    dy = rng.normal(size=y.shape)
    assert backprop(dy)[0] is None
    by_index = {n: g.copy() for n, g in layer.grads.items()}
    layer.zero_grad()
    (expected, _), backprop = layer.forward(one_hot, lengths=lengths)
    backprop(dy)
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-14)
    for name, gradient in layer.grads.items():
        np.testing.assert_allclose(by_index[name], gradient, rtol=1e-10, atol=1e-13, err_msg=name)
    single, _ = layer(one_hot[:, 1])
    np.testing.assert_allclose(single, y[:, 1], rtol=1e-12, atol=1e-14)
    step = layer.stream(B)
    out = np.empty((B, H))
    for t in range(5):
        assert step(ids[t], out=out) is out
        np.testing.assert_allclose(out, y[t], rtol=1e-12, atol=1e-14)
    saved = step.state
    after = step(one_hot[5]).copy()
    step.state = saved
    np.testing.assert_array_equal(step(one_hot[5]), after)
    step.reset()
    np.testing.assert_allclose(step(ids[0]), y[0], rtol=1e-12, atol=1e-14)
    step.reset()
    np.testing.assert_allclose(step.run(one_hot[:5]), y[:5], rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(step(one_hot[5]), after)
    alone = layer.stream()
    assert alone(one_hot[0, 1]).shape == (H,) and alone(1).shape == (H,)


@pytest.mark.usefixtures("level")
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"zoneout": 0.2, "recurrent_dropout": 0.3, "dropout": 0.4},
        {"zoneout": 0.2, "layer_norm": False, "bidirectional": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("batch", [5, 90])
@pytest.mark.parametrize("recompute", [False, True])
def test_threads_give_the_same_bits(
    cell: Any,
    options: dict[str, Any],
    batch: int,
    recompute: bool,
    set_threads: Callable[[int], None],
) -> None:
    """Whether units, rows or layers are dealt out, and whatever is drawn."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(9, batch, 40)).astype("float32")
    lengths = rng.integers(0, 10, batch)
    results = []
    for threads in (1, 2, 3):
        set_threads(threads)
        layer = cell(40, 70, 2, seed=1, **options)
        (y, _), backprop = layer.forward(x, lengths=lengths, recompute=recompute)
        dx, _ = backprop(y)
        results.append([y, dx, *(g.copy() for g in layer.grads.values())])
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


# --- in models --------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", ["layer_norm_lstm", "layer_norm_gru"])
@pytest.mark.parametrize("embedding_size", [None, 6])
def test_in_a_language_model(cell: Any, embedding_size: int | None, tmp_path: Any) -> None:
    zoneout: Any = [0.05, 0.1] if cell == "layer_norm_lstm" else 0.05
    lm = rf.LanguageModel(
        cell=cell, hidden_size=16, embedding_size=embedding_size, batch_size=4, sequence_length=20,
        learning_rate=0.03, seed=1, weight_drop=0.05, dtype="float64",
        cell_options={"zoneout": zoneout, "recurrent_dropout": 0.05, "orthogonal": True,
                      "forget_bias": 1.0},
    )  # fmt: skip
    lm.fit("abcde" * 120, epochs=20, verbose=0)
    assert lm.sample(prefix="c", max_length=9, seed=1) == "cdeabcdeab"
    lm.save(tmp_path / "m")
    again = rf.load(tmp_path / "m")
    assert again.log_prob("abcde") == lm.log_prob("abcde")
    texts = lm.sample(4, max_length=12, seed=3, temperature=2.0)
    assert again.sample(4, max_length=12, seed=3, temperature=2.0) == texts
    assert len(set(texts)) > 1
    found = diagnostics.text_activations(lm, "abcab")
    gates = found.layers[0]
    assert list(gates) == (["i", "f", "g", "o", "c", "h"] if "lstm" in cell else list("rznh"))
    assert all(a.shape == (5, 16) for a in gates.values())
    assert diagnostics.text_gradient_norms(lm, "abcab").shape == (1, 5)


def test_lines_end_in_a_language_model() -> None:
    lm = rf.LanguageModel(
        lines=True, cell="layer_norm_gru", hidden_size=12, learning_rate=0.03, batch_size=4, seed=1
    )
    lm.fit(["ab", "ba", "aab"] * 6, epochs=25, verbose=0)
    assert set(lm.sample(20, seed=2)) <= {"ab", "ba", "aab", "a", "b", "aa", "aba", "abb", ""}
    first = [lm.sample(max_length=1, seed=s) for s in range(300)]
    assert abs(first.count("a") / 300 - dict(lm.next_tokens("", 9))["a"]) < 0.1


# --- errors -----------------------------------------------------------------------------------


LAYER = rf.LayerNormLSTM(N, H)
X = np.zeros((T, B, N), "float32")
STATE = np.zeros((1, B, H), "float32")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: rf.LayerNormGRU(N, H, zoneout=1.5), ValueError,
         "zoneout: expected a probability from 0 to 1, got 1.5"),
        (lambda: rf.LayerNormGRU(N, H, zoneout=(0.1, 0.2)), TypeError,
         "zoneout: expected a number, got tuple"),
        (lambda: rf.LayerNormLSTM(N, H, zoneout=(0.1,)), ValueError,
         "zoneout: expected a number or a pair of them, got (0.1,)"),
        (lambda: rf.LayerNormLSTM(N, H, layer_norm=None), TypeError,
         "layer_norm: expected a bool, got NoneType"),
        (lambda: rf.LayerNormLSTM(N, H, recurrent_dropout=-1), ValueError,
         "recurrent_dropout: expected a probability from 0 to 1, got -1"),
        (lambda: LAYER(X.astype(float)), TypeError,
         "x: expected dtype float32 or integers, got float64; "
        "use x.astype(np.float32), or a layer of dtype=\"float64\""),
        (lambda: LAYER(X[..., :2]), ValueError, "x: expected shape (T, B, 3), got (7, 5, 2)"),
        (lambda: LAYER(X + np.inf), ValueError,
         "x: expected finite numbers, got NaN or infinity at time 0 of sequence 0"),
        (lambda: LAYER(np.full((T, B), 3)), ValueError,
         "x: expected indices from 0 to 2, got 3 at time 0 of sequence 0"),
        (lambda: LAYER(X, (STATE, STATE[:, :1])), ValueError,
         "c0: expected shape (1, 5, 6), got (1, 1, 6)"),
        (lambda: LAYER(X, (STATE.astype(float), STATE)), TypeError,
         "h0: expected dtype float32, got float64; "
        "use h0.astype(np.float32), or a layer of dtype=\"float64\""),
        (lambda: LAYER(X, STATE), TypeError, "state: expected a pair (h, c), got ndarray"),
        (lambda: LAYER(X, lengths=[8] * B), ValueError,
         "lengths: expected numbers from 0 to 7, got 8"),
        (lambda: LAYER.forward(X)[1](X), ValueError,
         "dy: expected shape (7, 5, 6), got (7, 5, 3)"),
        (lambda: LAYER.stream(2)(X[0]), ValueError, "x: expected shape (2, 3), got (5, 3)"),
        (lambda: rf.LayerNormGRU(N, H, bidirectional=True).stream(), ValueError,
         "stream: expected a network in one direction, got a bidirectional one, whose reverse "
         "direction begins at an end that a stream has not seen"),
    ],
)  # fmt: skip
def test_bad_arguments(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        call()


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("shape", [(0, B, N), (T, 0, N)])
def test_nothing_to_do(cell: Any, shape: tuple[int, ...]) -> None:
    layer = cell(N, H, 2, bidirectional=True, seed=1)
    (y, state), backprop = layer.forward(np.zeros(shape, "float32"))
    dx, _ = backprop(y)
    assert y.shape == (*shape[:2], 2 * H) and dx.shape == shape
    assert not np.any(pair(state)[0]) and not any(g.any() for g in layer.grads.values())


def test_backprop_runs_once() -> None:
    (y, _), backprop = LAYER.forward(X)
    backprop(y)
    with pytest.raises(RuntimeError, match=r"^backprop: expected to be called once a forward"):
        backprop(y)


@pytest.mark.parametrize("name", ["zoneout", "recurrent_dropout", "layer_norm"])
def test_what_a_layer_was_made_with_cannot_be_set(name: str) -> None:
    layer = rf.LayerNormLSTM(3, 4, zoneout=0.1, seed=0)
    with pytest.raises(AttributeError, match=f"^{name}: "):
        setattr(layer, name, 0.9)
    assert layer.zoneout == 0.1 and layer.recurrent_dropout == 0.0 and layer.layer_norm


def test_a_pair_of_rates_is_kept_as_it_was() -> None:
    rates = [0.1, 0.2]
    layer = rf.LayerNormLSTM(2, 4, zoneout=rates, seed=0)
    rates[0] = 0.9
    assert layer.zoneout == (0.1, 0.2) and "zoneout=(0.1, 0.2)" in repr(layer)
