"""How much each example counts: in loss, gradients, scaling, class weights, figures and scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from rnnfast import metrics
from rnnfast.models.parts.fitting.examples import hold_out
from sklearn_cases import CASES, fit, make

RNG = np.random.default_rng(5)
LENGTHS = RNG.integers(1, 7, 20)
X = [RNG.normal(size=(length, 2)) for length in LENGTHS]
NUMBERS = np.array([x.sum() for x in X])
LABELS = [["a", "b", "b"][n % 3] for n in range(20)]
TAGS = [["p" if step > 0.5 else "q" for step in x[:, 0]] for x in X]
MARKED = [np.where(x[:, 0] > 1, -100, x[:, 1] > 0).astype(int) for x in X]
ENTITIES = [["B-a" if step > 1 else "I-b" if step < -1 else "O" for step in x[:, 0]] for x in X]
ENTITIES = [
    [
        tag if tag != "I-b" or before in ("B-b", "I-b") else "B-b"
        for before, tag in zip(["O", *tags[:-1]], tags, strict=True)
    ]
    for tags in ENTITIES
]
SOME = [[None if n % 3 == 2 else tag for n, tag in enumerate(tags)] for tags in ENTITIES]
SETS = [(x > 0).astype(int) for x in X]
SAID = [["".join(c) for c in np.where(x[::2, 0] > 0, "a", "b")] for x in X]
TEXTS = ["ab" * (n % 3 + 1) + "c" * (n % 2) for n in range(20)]

# What can be weighted: a class, hyperparameters, X and y.
WEIGHED: dict[str, tuple[Any, dict[str, Any], Any, Any]] = {
    "classifier": (rf.SequenceClassifier, {"class_weight": "balanced"}, X, LABELS),
    "of text": (rf.SequenceClassifier, {"level": "char", "label_smoothing": 0.1}, TEXTS, LABELS),
    "regressor": (rf.SequenceRegressor, {}, X, NUMBERS),
    "two numbers": (rf.SequenceRegressor, {"loss": "mae"}, X, np.stack([NUMBERS] * 2, axis=1) ** 2),
    "tagger": (rf.SequenceTagger, {"class_weight": "balanced"}, X, TAGS),
    "marked": (rf.SequenceTagger, {}, X, MARKED),
    "fed labels": (rf.SequenceTagger, {"feed_labels": True}, X, TAGS),
    "crf": (rf.SequenceTagger, {"crf": True}, X, TAGS),
    "scheme": (rf.SequenceTagger, {"scheme": "bio", "crf": True}, X, ENTITIES),
    "some": (rf.SequenceTagger, {"crf": True, "scheme": "bio"}, X, SOME),
    "labels": (rf.MultiLabelTagger, {"class_weight": "balanced"}, X, SETS),
    "some labels": (
        rf.MultiLabelTagger,
        {},
        X,
        [[None if n % 3 == 1 else row.tolist() for n, row in enumerate(s)] for s in SETS],
    ),
    "steps": (rf.StepRegressor, {}, X, [x.cumsum(axis=0) for x in X]),
    "some steps": (
        rf.StepRegressor,
        {"ignore_label": np.nan},
        X,
        [np.where(x > 1, np.nan, x.cumsum(axis=0)) for x in X],
    ),
    "symbols": (rf.CTCRecognizer, {}, [np.repeat(x, 3, axis=0) for x in X], SAID),
    "pairs": (rf.Seq2Seq, {"level": "char", "label_smoothing": 0.1}, TEXTS, TEXTS[::-1]),
}
# One batch of all: what is compared differs by rounding alone.
WHOLE: dict[str, Any] = {
    "hidden_size": 4, "embedding_size": 3, "batch_size": 50, "epochs": 3, "verbose": 0, "seed": 1,
    "dtype": "float64", "validation_fraction": 0.0, "clip_norm": None, "optimizer": "sgd",
    "learning_rate": 0.1,
}  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread(set_threads: Callable[[int], None]) -> None:
    set_threads(1)


@pytest.fixture(params=WEIGHED)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def train(name: str, chosen: Any, weights: Any = None, **options: Any) -> Any:
    kind, own, X, y = WEIGHED[name]
    picked = [X[n] for n in chosen], [y[n] for n in chosen]
    return kind(**{**WHOLE, **own, **options}).fit(*picked, sample_weight=weights)


def assert_close(first: Any, second: Any) -> None:
    for place, module in first._modules().items():
        other = second._modules()[place].parameters()
        for key, parameter in module.parameters().items():
            np.testing.assert_allclose(
                parameter.data, other[key].data, rtol=1e-9, atol=1e-11, err_msg=key
            )
    for one, two in zip(first.history_, second.history_, strict=True):
        assert one["loss"] == pytest.approx(two["loss"], rel=1e-9)


def test_weight_2_is_the_example_twice(name: str) -> None:
    weights = np.where(np.arange(20) % 4 == 1, 2, 1)
    twice = [*range(20), *range(1, 20, 4)]
    weighted = train(name, range(20), weights)
    assert_close(weighted, train(name, twice))
    plain = train(name, range(20))
    assert abs(weighted.history_[0]["loss"] / plain.history_[0]["loss"] - 1) > 1e-4
    for key in ("target_mean_", "target_scale_"):
        if hasattr(weighted, key):
            np.testing.assert_allclose(getattr(weighted, key), getattr(train(name, twice), key))


def test_weight_0_is_leaving_it_out(name: str) -> None:
    """To the bit, in any batches, and with what is held out."""
    weights = RNG.uniform(0.5, 2, 20).round(2)
    weights[[2, 7, 11]] = 0
    counting = np.flatnonzero(weights)
    for options in ({}, {"batch_size": 4, "validation_fraction": 0.25, "optimizer": "adam"}):
        one = train(name, range(20), weights, **options)
        two = train(name, counting, weights[counting], **options)
        for place, module in one._modules().items():
            for key, parameter in module.parameters().items():
                other = two._modules()[place].parameters()[key].data
                np.testing.assert_array_equal(parameter.data, other, err_msg=key)
        for first, second in zip(one.history_, two.history_, strict=True):
            assert first | {"seconds": 0} == second | {"seconds": 0}


def test_only_ratios_of_weights_matter(name: str) -> None:
    weights = RNG.integers(1, 5, 20)
    one = train(name, range(20), weights)
    for factor in (2.0**-1000, 2.0**900):
        assert_close(one, train(name, range(20), weights * factor))
    assert_close(train(name, range(20)), train(name, range(20), np.full(20, 8)))


def test_what_an_example_weighs_does_not_depend_on_its_batch() -> None:
    """In batches of one, too."""
    weights = np.where(np.arange(20) < 10, 100.0, 1.0)
    options = {"batch_size": 1, "standardize": False, "epochs": 1, "learning_rate": 1e-6}
    model = train("regressor", range(20), weights, **options)
    losses = [(model.predict([x])[0] - number) ** 2 for x, number in zip(X, NUMBERS, strict=True)]
    expected = np.average(losses, weights=weights)
    assert model.history_[0]["loss"] == pytest.approx(expected, rel=1e-3)
    assert np.mean(losses) != pytest.approx(expected, rel=1e-2)


def test_scores(name: str) -> None:
    _, _, X, y = WEIGHED[name]
    model = train(name, range(20))
    weights = np.arange(20) % 3
    repeated = np.repeat(np.arange(20), weights)
    twice = [X[n] for n in repeated], [y[n] for n in repeated]
    assert model.score(X, y, weights) == pytest.approx(model.score(*twice), rel=1e-12)
    assert model.score(X, y, sample_weight=[3] * 20) == pytest.approx(model.score(X, y), rel=1e-12)
    if hasattr(model, "evaluate"):
        figures = model.evaluate(X, y, weights)
        assert figures == pytest.approx(model.evaluate(*twice), rel=1e-12)


def test_figures_of_what_is_held_out() -> None:
    weights = RNG.uniform(1, 5, 20)
    model = train("regressor", range(20), weights, validation_fraction=0.3)
    kept = hold_out(20, 0.3)[1]
    predicted = model.predict([X[n] for n in kept])
    error = metrics.rmse(NUMBERS[kept], predicted, sample_weight=weights[kept])
    best = model.history_[model.best_epoch_ - 1]
    assert best["valid_rmse"] == pytest.approx(error)
    assert best["valid_rmse"] != pytest.approx(metrics.rmse(NUMBERS[kept], predicted), rel=1e-3)


def test_what_is_held_out_may_weigh_next_to_nothing(name: str) -> None:
    of_classes = WEIGHED[name][0] is rf.SequenceClassifier
    classes = np.unique(LABELS, return_inverse=True)[1] if of_classes else None
    weights, y = np.ones(20), WEIGHED[name][3]
    counting = [n for n in range(20) if name != "marked" or (np.array(y[n]) != -100).any()]
    options: dict[str, Any] = {"validation_fraction": 0.3, "dtype": "float32"}
    even = train(name, range(20), weights, **options)
    weights[np.array(counting)[hold_out(len(counting), 0.3, classes)[1]]] = 1e-100
    model = train(name, range(20), weights, **options)
    assert [r["valid_loss"] for r in model.history_] == [r["valid_loss"] for r in even.history_]


def test_balanced_weights_that_the_network_cannot_have_are_refused() -> None:
    weights = np.where(np.array(LABELS) == "a", 1e-100, 1)
    expected = r"^class_weight: expected weights within float32, got \S+ for 'a', balanced$"
    tags = [[LABELS[n]] * len(x) for n, x in enumerate(X)]
    for name, y in {"classifier": LABELS, "tagger": tags}.items():
        model = WEIGHED[name][0](class_weight="balanced", verbose=0, validation_fraction=0)
        with pytest.raises(ValueError, match=expected):
            model.fit(X, y, sample_weight=weights)


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        ([1] * 19, ValueError, r"^sample_weight: expected shape \(20,\), got \(19,\)$"),
        (1.0, ValueError, r"^sample_weight: expected shape \(20,\), got \(\)$"),
        (
            [1] * 19 + [-1],
            ValueError,
            r"^sample_weight\[19\]: expected a finite number of at .*-1$",
        ),
        (
            [np.nan] * 20,
            ValueError,
            r"^sample_weight\[0\]: expected a finite number of .* got nan$",
        ),
        ([0] * 20, ValueError, "^sample_weight: expected a number above 0, got zeros only$"),
        (["a"] * 20, TypeError, "^sample_weight: expected real numbers, got dtype <U1$"),
    ],
    ids=str,
)
def test_bad_weights(name: str, weights: Any, error: type, message: str) -> None:
    _, _, X, y = WEIGHED[name]
    with pytest.raises(error, match=message):
        train(name, range(20), weights)
    with pytest.raises(error, match=message):
        train(name, range(20)).score(X, y, weights)


def test_weights_of_steps_want_steps(name: str) -> None:
    of_steps = WEIGHED[name][0] in (rf.SequenceTagger, rf.MultiLabelTagger, rf.StepRegressor)
    expected = r"^sample_weight\[\d+\]: expected shape \(\d,\), got \(1,\)$"
    if not of_steps:
        expected = r"^sample_weight: expected shape \(20,\), got \(20, 1\)$"
    with pytest.raises(ValueError, match=expected):
        train(name, range(20), np.ones((20, 1)))
    with pytest.raises(ValueError, match=expected):
        train(name, range(20)).score(*WEIGHED[name][2:], np.ones((20, 1)))


def test_a_class_that_weighs_nothing_is_known() -> None:
    weights = [0 if label == "a" else 1 for label in LABELS]
    model = train("classifier", range(20), weights, epochs=30)
    assert model.classes_.tolist() == ["a", "b"] and set(model.predict(X)) == {"b"}


def test_a_training_with_other_weights_is_not_resumed(tmp_path: Any) -> None:
    path, weights = tmp_path / "c", np.arange(1, 25)
    fit("classifier", sample_weight=weights, checkpoint=path, callbacks=[lambda p: p.step == 2])
    for other in (None, weights[::-1]):
        with pytest.raises(ValueError, match=r"cannot resume with another data: expected"):
            fit("classifier", sample_weight=other, checkpoint=path, resume=True)
    fit("classifier", sample_weight=weights, checkpoint=path, resume=True)


# Metrics


def test_metrics_with_weights() -> None:
    true, predicted = RNG.normal(size=(2, 12, 3))
    weights = RNG.integers(0, 4, 12)
    rows = np.repeat(np.arange(12), weights)
    for metric in (metrics.rmse, metrics.mae, metrics.r2):
        expected = metric(true[rows], predicted[rows])
        assert metric(true, predicted, sample_weight=weights) == pytest.approx(expected, rel=1e-12)
    one, two = ["ab"[n % 2] for n in range(12)], ["ab"[n % 3 % 2] for n in range(12)]
    expected = metrics.accuracy([one[n] for n in rows], [two[n] for n in rows])
    assert metrics.accuracy(one, two, sample_weight=weights) == pytest.approx(expected)
    for metric in (metrics.rmse, metrics.accuracy):
        with pytest.raises(ValueError, match=r"^sample_weight: expected shape \(2,\), got \(3,\)$"):
            metric([1, 2], [1, 2], sample_weight=[1, 2, 3])


def test_metrics_are_those_of_scikit_learn() -> None:
    scores = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    true, predicted = RNG.normal(size=(2, 12, 3))
    weights = RNG.uniform(0, 4, 12)
    assert metrics.r2(true, predicted, sample_weight=weights) == pytest.approx(
        scores.r2_score(true, predicted, sample_weight=weights)
    )
    assert metrics.mae(true, predicted, sample_weight=weights) == pytest.approx(
        scores.mean_absolute_error(true, predicted, sample_weight=weights)
    )


# scikit-learn's metadata routing


@pytest.fixture
def routing() -> Any:
    config = pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    if tuple(map(int, config.__version__.split(".")[:2])) < (1, 4):
        pytest.skip("scikit-learn before 1.4 does not route in searches")
    with config.config_context(enable_metadata_routing=True):
        yield


def test_searches_hand_weights_on() -> None:
    selection = pytest.importorskip("sklearn.model_selection", reason="scikit-learn is not instal")
    X, y = CASES["classifier"][2]
    seen: list[Any] = []

    class Seeing(rf.SequenceClassifier, base=True):
        def fit(self, X: Any, y: Any, sample_weight: Any = None, **options: Any) -> Any:
            seen.append(sample_weight)
            return super().fit(X, y, sample_weight=sample_weight, **options)

    model = Seeing(hidden_size=3, epochs=1, verbose=0, seed=0)
    search = selection.GridSearchCV(model, {"hidden_size": [2]}, cv=2)
    search.fit(X, y, sample_weight=np.arange(1, 25))
    assert [len(weights) for weights in seen] == [12, 12, 24]


@pytest.mark.parametrize("case", ["classifier", "regressor", "tagger", "labels", "steps"])
def test_routed_weights(case: str, routing: None) -> None:
    base = pytest.importorskip("sklearn.base")
    selection = pytest.importorskip("sklearn.model_selection")
    X, y = CASES[case][2]
    weights = np.arange(1, 25)
    cv = selection.KFold(2)
    grid = {"epochs": [2]}
    with pytest.raises(ValueError, match="sample_weight"):
        selection.GridSearchCV(make(case), grid, cv=cv).fit(X, y, sample_weight=weights)
    asked = make(case).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
    assert make(case).get_metadata_routing().fit.requests == {"sample_weight": None}
    request = base.clone(asked).get_metadata_routing()
    assert request.fit.requests == request.score.requests == {"sample_weight": True}
    search = selection.GridSearchCV(asked, grid, cv=cv).fit(X, y, sample_weight=weights)
    expected = []
    for learned, kept in cv.split(X):
        pick = lambda part: (X[part], [y[n] for n in part])  # noqa: E731
        one = make(case).fit(*pick(learned), sample_weight=weights[learned])
        expected.append(one.score(*pick(kept), weights[kept]))
    got = [search.cv_results_[f"split{n}_test_score"][0] for n in range(2)]
    np.testing.assert_allclose(got, expected, rtol=1e-12)
    with pytest.raises(
        ValueError, match=r"^sample_weight: expected True, False, None or a name, g"
    ):
        make(case).set_fit_request(sample_weight="two words")
    renamed = make(case).set_fit_request(sample_weight="importance")
    assert renamed.get_metadata_routing().fit.requests == {"sample_weight": "importance"}


@pytest.mark.parametrize("size", [1e12, 1e17, 1e20])
def test_a_number_that_weighs_nothing_rounds_no_other(size: float) -> None:
    """Wherever it stands: what others are moved by is one that weighs."""
    rng = np.random.default_rng(0)
    X, y = [rng.normal(size=(2, 1)) for _ in range(900)], rng.normal(size=900)
    weights = 0.7 ** np.arange(900.0)[::-1] + 1e-200
    y[0] = size
    model = rf.SequenceRegressor(
        hidden_size=2, epochs=1, verbose=0, seed=0, validation_fraction=0, dtype="float64"
    ).fit(X, y, sample_weight=weights)
    mean = np.average(y, weights=weights)
    np.testing.assert_allclose(model.target_mean_, mean, rtol=1e-12)
    deviation = np.sqrt(np.average((y - mean) ** 2, weights=weights))
    np.testing.assert_allclose(model.target_scale_, deviation, rtol=1e-12)
