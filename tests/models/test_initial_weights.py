"""``init`` and ``init_range``: what a model's weights begin as."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast as rf

TEXT = "the owl hunts the mice and the mice eat the corn " * 6
# So small a rate that float32 has the same weights afterwards.
STAY: dict[str, Any] = {"optimizer": "sgd", "learning_rate": 1e-30, "epochs": 1, "verbose": 0}


def language_model(**options: Any) -> rf.LanguageModel:
    given = {"level": "word", "hidden_size": 16, "embedding_size": 12, "seed": 3, **STAY, **options}
    return rf.LanguageModel(sequence_length=5, batch_size=4, **given).fit(TEXT)


def weights(model: Any) -> dict[str, np.ndarray]:
    # A step of that rate is what zeros have become.
    return {
        f"{layer}.{name}": np.where(abs(parameter.data) < 1e-20, 0, parameter.data)
        for layer, module in model.network_.modules.items()
        for name, parameter in module.parameters().items()
    }


def test_uniform_is_within_its_range_and_fills_it() -> None:
    model = language_model(init="uniform", init_range=0.05)
    found = weights(model)
    start = found["embedding.weight"][model.network_.start]
    assert (start == 0).all()  # the vector before the first token stays zero
    everything = np.concatenate([array.ravel() for array in found.values()])
    drawn = everything[everything != 0]
    assert abs(everything).max() <= 0.05
    assert len(drawn) == len(everything) - 12
    # Of U(-r, r): the deviation is r / sqrt(3), the mean 0.
    assert drawn.std() == pytest.approx(0.05 / np.sqrt(3), rel=0.05)
    assert abs(drawn.mean()) < 0.003
    again = weights(language_model(init="uniform", init_range=0.05))
    for name, array in found.items():
        np.testing.assert_array_equal(array, again[name])


def test_normal_has_its_deviation_and_forget_bias_comes_after() -> None:
    found = weights(
        language_model(init="normal", init_range=0.2, cell_options={"forget_bias": 1.0})
    )
    recurrent = found["recurrent.weight_hh_l0"]
    assert recurrent.std() == pytest.approx(0.2, rel=0.1)
    assert (found["recurrent.bias_ih_l0"][16:32] == 1).all()
    assert (found["recurrent.bias_hh_l0"][16:32] == 0).all()
    assert found["recurrent.bias_ih_l0"][:16].std() == pytest.approx(0.2, rel=0.5)


def test_orthogonal_and_glorot() -> None:
    plain = weights(language_model())
    found = weights(language_model(init="orthogonal"))
    for gate in np.split(found["recurrent.weight_hh_l0"].astype(float), 4):
        np.testing.assert_allclose(gate @ gate.T, np.eye(16), atol=1e-5)
    for name in ("recurrent.bias_ih_l0", "recurrent.bias_hh_l0", "output.bias"):
        assert (found[name] == 0).all()
    np.testing.assert_array_equal(found["embedding.weight"], plain["embedding.weight"])
    for way in ("glorot", "xavier"):
        glorot = weights(language_model(init=way))
        bound = np.sqrt(6 / (16 + 12))  # of each gate's matrix (16, 12)
        assert 0.9 * bound < abs(glorot["recurrent.weight_ih_l0"]).max() <= bound
        bound = np.sqrt(6 / (16 + len(glorot["output.bias"])))
        assert 0.9 * bound < abs(glorot["output.weight"]).max() <= bound


def test_some_layers_only() -> None:
    plain = weights(language_model())
    found = weights(
        language_model(init={"embedding": "uniform", "output": "uniform"}, init_range=0.1)
    )
    for name, array in found.items():
        if name.startswith("recurrent"):
            np.testing.assert_array_equal(array, plain[name])
        else:
            assert (0.09 if array.ndim == 2 else 0.0) < abs(array).max() <= 0.1


def test_one_hot_columns_and_unknown_words_stay_zero() -> None:
    model = language_model(init="uniform", init_range=0.1, embedding_size=None)
    column = weights(model)["recurrent.weight_ih_l0"][:, model.network_.start]
    assert (column == 0).all()
    tagger = rf.SequenceTagger(init="normal", init_range=0.1, char_encoder=True, crf=True, **STAY)
    tagger.fit([["ab", "cd"]] * 4, [["x", "y"]] * 4)
    found = weights(tagger)
    for name in ("embedding.weight", "char_embedding.weight"):
        assert (found[name] == 0).all(axis=1).sum() == (1 if name[0] == "e" else 2)
    assert found["crf.transitions"].any()


@pytest.mark.parametrize("cell", ["layer_norm_lstm", "ind_rnn", "min_gru"])
def test_gains_and_weights_of_one_number_a_unit_begin_as_ever(cell: str) -> None:
    plain = weights(language_model(cell=cell))
    found = weights(language_model(cell=cell, init="uniform", init_range=0.01))
    for name, array in found.items():
        own = array.ndim == 1 and "bias_ih" not in name and "bias_hh" not in name
        if own and name != "output.bias":
            np.testing.assert_array_equal(array, plain[name])
        else:
            assert abs(array).max() <= 0.01


def test_every_model_takes_it_and_its_file_says_it(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(8, 5, 2))
    models = [
        rf.SequenceClassifier(init="uniform", init_range=0.01, **STAY).fit(x, [0, 1] * 4),
        rf.SequenceRegressor(init="orthogonal", **STAY).fit(x, np.arange(8.0)),
        rf.Seq2Seq(init="normal", init_range=0.01, **STAY).fit(["a b"] * 4, ["b a"] * 4),
        rf.CTCRecognizer(init="glorot", **STAY).fit(x, ["ab"] * 8),
        language_model(init={"output": "uniform"}, init_range=0.5),
    ]
    for model in models:
        model.save(tmp_path / "model.safetensors")
        loaded = rf.load(tmp_path / "model.safetensors")
        assert loaded.get_params()["init"] == model.init
        assert loaded.init_range == model.init_range
        for name, array in weights(loaded).items():
            np.testing.assert_array_equal(array, weights(model)[name])


def test_warm_starts_keep_what_was_learned() -> None:
    model = language_model(init="uniform", init_range=0.05, warm_start=True)
    before = weights(model)["recurrent.weight_hh_l0"].copy()
    model.set_params(init="normal", init_range=0.3).fit(TEXT)
    np.testing.assert_array_equal(weights(model)["recurrent.weight_hh_l0"], before)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"init": "zeros"}, ValueError, "^init: expected one of uniform, normal, .*, got 'zeros'$"),
        ({"init": 0.1}, TypeError, "^init: expected a name, names by layer or None, got float$"),
        ({"init": {"output": 1}}, ValueError, "^init: expected one of uniform, .*, got 1$"),
        ({"init": "uniform"}, ValueError, "^init_range: expected a number with init='uniform', g"),
        ({"init_range": 0.1}, ValueError, "^init_range: expected None with init=None, got 0.1$"),
        ({"init": "glorot", "init_range": 1}, ValueError, "^init_range: expected None with init='"),
        ({"init": "normal", "init_range": -1}, ValueError, "^init_range: .* above 0"),
        ({"init": "normal", "init_range": "1"}, TypeError, "^init_range: "),
        ({"init": {"out": "glorot"}}, ValueError, "^init: expected some of embedding, .*'out'$"),
        ({"init": {"embedding": "glorot"}}, ValueError, "^init: expected uniform or normal of emb"),
        ({"init": "glorot", "cell_options": {"orthogonal": True}}, ValueError, "^cell_options: "),
    ],
)
def test_bad_input(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        language_model(**options)
