"""What scikit-learn asks of estimators: errors, tags, hyperparameters, targets, scores, HTML."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from rnnfast.models.base import Model, NotFittedError, restore_model
from rnnfast.models.parts import contract
from sklearn_cases import CASES, LETTERS, SERIES, SIGNS, SMALL, WAVE, Table, fit, make

NAMES = sorted(CASES)


@pytest.fixture(autouse=True)
def one_thread(set_threads: Callable[[int], None]) -> None:
    set_threads(1)


def weights(model: Any) -> dict[str, np.ndarray]:
    return {
        f"{place}.{name}": parameter.data
        for place, module in model._modules().items()
        for name, parameter in module.parameters().items()
    }


def assert_same(first: Any, second: Any) -> None:
    one, two = weights(first), weights(second)
    assert one.keys() == two.keys()
    for name, array in one.items():
        np.testing.assert_array_equal(array, two[name], err_msg=name)


def test_every_kind_has_a_case() -> None:
    kinds = {kind for kind, _, _ in CASES.values()}
    public = {k for k in Model._classes.values() if k.__module__.startswith("rnnfast.")}
    assert kinds == public


# Errors


def test_scikit_learn_is_not_imported() -> None:
    code = (
        "import sys, rnnfast as rf\n"
        "model = rf.SequenceClassifier()\n"
        "model._get_tags(), model._more_tags(), model._repr_html_()\n"
        "try: model.predict(['a'])\n"
        "except ValueError as error: print(type(error).__mro__[1].__name__)\n"
        "print(any(name.startswith('sklearn') for name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["ValueError", "False"]


@pytest.mark.parametrize("name", NAMES)
def test_not_fitted_is_that_of_scikit_learn(name: str) -> None:
    exceptions = pytest.importorskip("sklearn.exceptions", reason="scikit-learn is not installed")
    validation = pytest.importorskip("sklearn.utils.validation")
    model = make(name)
    with pytest.raises(exceptions.NotFittedError) as raised:
        model.save("nowhere")
    assert isinstance(raised.value, NotFittedError)
    again = pickle.loads(pickle.dumps(raised.value))
    assert isinstance(again, exceptions.NotFittedError) and isinstance(again, NotFittedError)
    assert str(again) == str(raised.value)
    with pytest.raises(exceptions.NotFittedError):
        validation.check_is_fitted(model)
    validation.check_is_fitted(fit(name))


def test_not_fitted_without_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contract, "loaded", lambda name: None)
    with pytest.raises(NotFittedError) as raised:
        make("language").perplexity("a")
    assert type(raised.value) is NotFittedError and contract.column_warning() is UserWarning


# Tags


@pytest.mark.parametrize("name", NAMES)
def test_tags_are_true(name: str) -> None:
    """By trying what they say."""
    model, y = make(name), CASES[name][2][1:]
    old = model._get_tags()
    assert old["requires_y"] == bool(y)
    kinds = {"classifier": "classifier"} | dict.fromkeys(
        ["regressor", "forecaster", "steps"], "regressor"
    )
    assert model._estimator_type == kinds.get(name)
    arrays = {1: np.arange(40.0), 2: SERIES[..., 0], 3: SERIES}
    for axes, array in arrays.items():
        targets = [np.full(len(array), 0.5) if name == "regressor" else t for t in y]
        if name == "steps" and axes == 3:
            targets = [SERIES]
        try:
            make(name).fit(array, *(t[: len(array)] for t in targets))
            taken = True
        except (TypeError, ValueError):
            taken = False
        assert taken == (f"{axes}darray" in old["X_types"]), axes
    text = ["ab ba"] * 12 + ["ba ab"] * 12
    per_step = {"tagger": [["p", "q"]] * 24, "labels": [np.eye(2)] * 24, "steps": [np.eye(2)] * 24}
    try:
        make(name).fit(text, *(per_step.get(name, t) for t in y))
        taken = True
    except (TypeError, ValueError):
        taken = False
    assert taken == ("string" in old["X_types"])


@pytest.mark.parametrize("name", NAMES)
def test_tags_of_both_forms_say_the_same(name: str) -> None:
    utils = pytest.importorskip("sklearn.utils", reason="scikit-learn is not installed")
    if not hasattr(utils, "get_tags"):
        pytest.skip("scikit-learn before 1.6")
    base = pytest.importorskip("sklearn.base")
    model = make(name)
    tags, old = utils.get_tags(model), model._get_tags()
    assert tags.estimator_type == model._estimator_type
    assert base.is_classifier(model) == (name == "classifier")
    assert base.is_regressor(model) == (name in ("regressor", "forecaster", "steps"))
    assert tags.target_tags.required == old["requires_y"]
    assert tags.target_tags.multi_output == old["multioutput"]
    assert tags.target_tags.single_output != old["multioutput_only"]
    inputs = {
        "1darray": tags.input_tags.one_d_array,
        "2darray": tags.input_tags.two_d_array,
        "3darray": tags.input_tags.three_d_array,
        "string": tags.input_tags.string,
    }
    assert {kind for kind, taken in inputs.items() if taken} == set(old["X_types"])


# Hyperparameters


@pytest.mark.parametrize("name", NAMES)
def test_epochs_and_verbose_in_the_constructor_or_in_fit(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """`fit` has the last word, and leaves the hyperparameters as they are."""
    in_constructor = fit(name, make(name, epochs=3))
    model = make(name, epochs=1, verbose=2)
    before = model.get_params()
    fit(name, model, epochs=3, verbose=0)
    assert len(model.history_) == 3 and model.get_params() == before
    assert_same(model, in_constructor)
    assert capsys.readouterr().err == ""
    fit(name, model)
    assert len(model.history_) == 1 and "epoch 1" in capsys.readouterr().err
    fit(name, model, verbose=0)
    assert capsys.readouterr().err == ""
    for options, message in (
        ({"epochs": 0}, "^epochs: expected at least 1, got 0$"),
        ({"verbose": -1}, "^verbose: expected at least 0, got -1$"),
    ):
        for call in (lambda: fit(name, **options), lambda: fit(name, make(name, **options))):  # noqa: B023
            with pytest.raises(ValueError, match=message):
                call()


def test_epochs_of_a_language_model_are_chosen_if_not_said() -> None:
    model = rf.LanguageModel(hidden_size=4, batch_size=3, verbose=0, seed=0)
    assert model.epochs is None
    assert len(model.fit("abcabc " * 30).history_) == 100  # of two steps


@pytest.mark.parametrize("name", NAMES)
def test_random_state_is_the_seed_by_another_name(name: str, tmp_path: Path) -> None:
    seeded, named = fit(name), fit(name, make(name, seed=None, random_state=3))
    assert_same(seeded, named)
    assert named.get_params()["random_state"] == 3 and named.get_params()["seed"] is None
    assert named.set_params(random_state=4, seed=None).random_state == 4
    with pytest.raises(ValueError, match=r"^random_state: expected None with seed, its synonym, "):
        fit(name, make(name, seed=1, random_state=1))
    with pytest.raises(ValueError, match=r"^random_state: expected None, an integer of at least 0"):
        fit(name, make(name, seed=None, random_state=-1))
    named.set_params(random_state=3).save(tmp_path / "m")
    assert rf.load(tmp_path / "m").get_params() == named.get_params()


@pytest.mark.parametrize("name", NAMES)
def test_of_seed_and_random_state_the_one_set_last_holds(name: str) -> None:
    """scikit-learn sets ``random_state`` of whatever has it, also where ``seed`` was given."""
    model = make(name, seed=3).set_params(random_state=4)
    assert (model.seed, model.random_state) == (None, 4)
    assert model.set_params(random_state=None).random_state is None and model.seed is None
    assert (model.set_params(seed=5).seed, model.random_state) == (5, None)
    assert model.set_params(random_state=None).seed == 5
    with pytest.raises(ValueError, match=r"^random_state: expected None with seed, its synonym, "):
        fit(name, model.set_params(seed=1, random_state=1))


def test_an_ensemble_of_a_model_with_a_seed() -> None:
    ensemble = pytest.importorskip("sklearn.ensemble", reason="scikit-learn is not installed")
    model = rf.SequenceClassifier(**SMALL, epochs=1, verbose=0, seed=3)
    fitted = ensemble.BaggingClassifier(model, 2, random_state=0).fit(
        SERIES[..., 0], CASES["classifier"][2][1]
    )
    assert len({one.random_state for one in fitted.estimators_}) == 2


def test_a_random_state_of_numpys() -> None:
    """It is drawn from, as scikit-learn's own estimators do."""
    first, again, other = (
        fit("classifier", make("classifier", seed=None, random_state=np.random.RandomState(n)))
        for n in (7, 7, 8)
    )
    assert_same(first, again)
    assert first.history_ != other.history_


def test_r2_of_one_sequence() -> None:
    model, (X, y) = fit("regressor"), CASES["regressor"][2]
    sklearn = pytest.importorskip("sklearn.exceptions", reason="scikit-learn is not installed")
    text = r"^y: expected at least 2 sequences for R\^2, got 1; the score is NaN$"
    with pytest.warns(sklearn.UndefinedMetricWarning, match=text):
        assert np.isnan(model.score(X[:1], y[:1]))
    with pytest.warns(sklearn.UndefinedMetricWarning, match=text):
        assert np.isnan(model.score(X[:1], y[:1], [0.5]))


def test_a_training_is_resumed_by_either_name(tmp_path: Path) -> None:
    path = tmp_path / "c"
    fit("classifier", checkpoint=path, callbacks=[lambda p: p.step == 2])
    other = make("classifier", seed=None, random_state=3)
    assert_same(fit("classifier", other, checkpoint=path, resume=True), fit("classifier"))
    with pytest.raises(ValueError, match=r"cannot resume with another seed: expected 3, got 4$"):
        model = make("classifier", seed=None, random_state=4)
        fit("classifier", model, checkpoint=path, resume=True)


@pytest.mark.parametrize("name", NAMES)
def test_files_from_before_are_read(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They name neither `random_state` nor, of language models, `epochs` and `verbose`."""
    written: list[Any] = []
    monkeypatch.setattr(
        "rnnfast.models.base.write_tensors", lambda *given, **more: written.extend(given)
    )
    model = fit(name)
    model.save("unused")
    _, _, arrays, description = written
    later = ["random_state"] + ["epochs", "verbose"] * (name == "language")
    for key in later:
        del description["parameters"][key]
    loaded = restore_model(arrays, description)
    assert_same(loaded, model)
    defaults = type(model)().get_params()
    expected = model.get_params() | {key: defaults[key] for key in later}
    assert loaded.get_params() == expected


@pytest.mark.parametrize("name", NAMES)
def test_clones_and_searches_know_random_state(name: str) -> None:
    base = pytest.importorskip("sklearn.base", reason="scikit-learn is not installed")
    model = make(name, seed=None, random_state=5)
    assert base.clone(model).get_params() == model.get_params()
    if name == "classifier":
        selection = pytest.importorskip("sklearn.model_selection")
        search = selection.GridSearchCV(model, {"random_state": [1, 2]}, cv=2)
        search.fit(*CASES[name][2])
        assert search.best_estimator_.random_state in (1, 2)
        ensemble = pytest.importorskip("sklearn.ensemble")
        voters = ensemble.BaggingClassifier(
            rf.SequenceClassifier(**SMALL, epochs=1, verbose=0), 2, random_state=0
        ).fit(SERIES[..., 0], CASES[name][2][1])
        drawn = [voter.random_state for voter in voters.estimators_]
        assert len({*drawn}) == 2 and None not in drawn


# Targets


@pytest.mark.parametrize(
    "column", [np.array, lambda y: Table(y, ["label"])], ids=["array", "table"]
)
def test_labels_in_a_column(column: Any) -> None:
    X, y = CASES["classifier"][2]
    with pytest.warns(contract.column_warning(), match=r"^A column-vector y was passed when a 1d"):
        model = make("classifier").fit(X, column(np.array(y)[:, np.newaxis]))
    assert_same(model, fit("classifier"))
    with pytest.warns(contract.column_warning(), match=r"; y\.ravel\(\) is one$"):
        assert model.score(X, column(np.array(y)[:, np.newaxis])) == model.score(X, y)


def test_labels_of_steps_in_columns() -> None:
    columns = [np.array(own)[:, np.newaxis] for own in SIGNS]
    with pytest.warns(contract.column_warning()) as warned:
        assert_same(make("tagger").fit(SERIES, columns), fit("tagger"))
    assert str(warned[1].message).startswith("A column-vector y[1] was passed when a 1d array was")


@pytest.mark.parametrize("name", ["pairs", "symbols"])
def test_texts_in_a_column_might_be_tokens(name: str) -> None:
    """So they are refused, as those of ``X`` are."""
    X, y = CASES[name][2]
    for dtype in (str, object):
        with pytest.raises(
            ValueError, match=r"^y: expected one axis of texts, got shape \(24, 1\); y"
        ):
            make(name).fit(X, np.array(y, dtype)[:, np.newaxis])


def test_the_warning_is_that_of_scikit_learn() -> None:
    exceptions = pytest.importorskip("sklearn.exceptions", reason="scikit-learn is not installed")
    assert contract.column_warning() is exceptions.DataConversionWarning


def test_numbers_in_a_column_are_one_number_each() -> None:
    X, y = CASES["regressor"][2]
    model = make("regressor").fit(X, y[:, np.newaxis])
    assert model.predict(X).shape == (24, 1)
    np.testing.assert_array_equal(model.predict(X)[:, 0], fit("regressor").predict(X))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_labels_that_are_whole_numbers_in_floats(dtype: Any, tmp_path: Path) -> None:
    y = np.array([mood == "+" for mood in CASES["classifier"][2][1]])
    model = make("classifier", class_weight={1.0: 2.0}).fit(SERIES, y.astype(dtype))
    whole = make("classifier", class_weight={1: 2.0}).fit(SERIES, y.astype(int))
    assert_same(model, whole)
    assert model.classes_.dtype == np.float64 and model.classes_.tolist() == [0, 1]
    assert model.predict(SERIES).dtype == np.float64
    assert model.score(SERIES, y.astype(dtype)) == whole.score(SERIES, y.astype(int))
    model.save(tmp_path / "m")
    assert rf.load(tmp_path / "m").classes_.dtype == np.float64
    for wrong in (0.5, np.nan, np.inf):
        with pytest.raises(TypeError, match=r"^y\[3\]: expected a label, a str or an int, got "):
            make("classifier").fit(SERIES, np.where(np.arange(24) == 3, wrong, y))


def test_the_label_that_does_not_count_may_be_a_float() -> None:
    whole = [np.where(x[:, 0] > 0, 1, np.where(x[:, 1] > 0, -100, 0)) for x in SERIES]
    floats = [labels.astype(float) for labels in whole]
    model = make("tagger").fit(SERIES, floats)
    assert_same(model, make("tagger").fit(SERIES, whole))
    assert model.classes_.tolist() == [0, 1]
    assert model.score(SERIES, floats) == model.score(SERIES, whole)
    with pytest.raises(ValueError, match=r"^y\[0\]: expected a class, got -100, which stands for"):
        make("classifier").fit(SERIES, [-100.0, *np.arange(23.0) % 2])


# Scores


def test_score_of_a_language_model() -> None:
    model = fit("language")
    assert model.score(LETTERS) == -model.evaluate(LETTERS).loss < 0
    assert model.score(LETTERS) == pytest.approx(-np.log(model.perplexity(LETTERS)))
    with pytest.raises(TypeError, match=r"^y: expected None, a text has no target, got list$"):
        model.score(LETTERS, LETTERS)
    given = make("language").fit(LETTERS, condition=["p", "q"] * 12)
    assert given.score(LETTERS, condition=["p"] * 24) == -given.evaluate(LETTERS, ["p"] * 24).loss


def test_scikit_learn_searches_language_models() -> None:
    selection = pytest.importorskip("sklearn.model_selection", reason="scikit-learn is not instal")
    scores = selection.cross_val_score(make("language"), LETTERS, cv=3)
    assert scores.shape == (3,) and (scores < 0).all()
    search = selection.GridSearchCV(make("language"), {"epochs": [1, 20]}, cv=2).fit(LETTERS)
    assert search.best_params_ == {"epochs": 20}


# What a notebook shows


@pytest.mark.parametrize("name", NAMES)
def test_html(name: str) -> None:
    html = make(name, optimizer="<b>&")._repr_html_()
    assert f"<b>{type(make(name)).__name__}</b>" in html and "<i>not fitted</i>" in html
    assert "&#x27;&lt;b&gt;&amp;&#x27;" in html and "<b>&" not in html
    assert html.count("<tr") == len(make(name).get_params())
    bold = html.count('<tr style="font-weight: bold">')
    assert bold == len(make(name, optimizer="x")._changed())
    assert "<i>fitted</i>" in fit(name)._repr_html_()


def test_html_within_that_of_scikit_learn() -> None:
    pipeline = pytest.importorskip("sklearn.pipeline", reason="scikit-learn is not installed")
    processing = pytest.importorskip("sklearn.preprocessing")
    shown = pipeline.make_pipeline(processing.StandardScaler(), make("classifier"))._repr_html_()
    assert "SequenceClassifier" in shown


def test_a_wave_is_told_by_its_features() -> None:
    assert make("forecaster").fit(WAVE).n_features_in_ == 1
