"""Steps without a label: what they leave of losses, gradients and scores, worked out by hand."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from rnnfast import metrics

RNG = np.random.default_rng(7)
X = [RNG.normal(size=(length, 2)) for length in (4, 1, 3, 5, 2, 4, 3, 5)]
SIGNS = [["p" if step > 0 else "q" for step in x[:, 0]] for x in X]
HIDDEN = [RNG.random(len(x)) < 0.4 for x in X]
HIDDEN[0][0], HIDDEN[1][0], HIDDEN[3][:] = True, True, False
SOME = [
    [None if gone else label for label, gone in zip(labels, hidden, strict=True)]
    for labels, hidden in zip(SIGNS, HIDDEN, strict=True)
]
SETS = [(x > 0).astype(int) for x in X]
SOME_SETS: list[Any] = [
    [None if gone else row for row, gone in zip(rows.tolist(), hidden, strict=True)]
    for rows, hidden in zip(SETS, HIDDEN, strict=True)
]
SUMS = [x.cumsum(axis=0) for x in X]
SOME_SUMS = [
    np.where(hidden[:, np.newaxis], np.nan, sums) for sums, hidden in zip(SUMS, HIDDEN, strict=True)
]
KINDS: dict[str, tuple[Any, dict[str, Any], Any]] = {
    "tagger": (rf.SequenceTagger, {}, SOME),
    "crf": (rf.SequenceTagger, {"crf": True}, SOME),
    "labels": (rf.MultiLabelTagger, {}, SOME_SETS),
    "steps": (rf.StepRegressor, {"ignore_label": math.nan}, SOME_SUMS),
    "absolute": (rf.StepRegressor, {"ignore_label": math.nan, "loss": "mae"}, SOME_SUMS),
}
# One step that changes next to nothing: what it tells is of the weights that are there after it.
STILL: dict[str, Any] = {
    "hidden_size": 3, "batch_size": 50, "epochs": 1, "verbose": 0, "seed": 1, "dtype": "float64",
    "validation_fraction": 0.0, "clip_norm": None, "optimizer": "sgd", "learning_rate": 1e-12,
    "standardize": False,
}  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread(set_threads: Callable[[int], None]) -> None:
    set_threads(1)


@pytest.fixture(params=KINDS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def train(name: str, y: Any = None, chosen: Any = None, **options: Any) -> Any:
    kind, own, some = KINDS[name]
    given, chosen = some if y is None else y, range(len(X)) if chosen is None else chosen
    fit = {key: options.pop(key) for key in ("sample_weight", "valid") if key in options}
    model = kind(**{**STILL, **own, **options})
    return model.fit([X[n] for n in chosen], [given[n] for n in chosen], **fit)


def same_weights(one: Any, other: Any) -> None:
    for place, module in one._modules().items():
        for key, parameter in module.parameters().items():
            twin = other._modules()[place].parameters()[key].data
            np.testing.assert_array_equal(parameter.data, twin, err_msg=key)


def losses_of_steps(model: Any, name: str) -> list[Any]:
    """The loss of every step, of what `predict` and `predict_proba` tell."""
    if name in ("steps", "absolute"):
        power = 2 if name == "steps" else 1
        predicted = model.predict(X)
        return [(np.abs(p - t) ** power).sum(axis=1) for p, t in zip(predicted, SUMS, strict=True)]
    each = model.predict_proba(X)
    if name == "labels":
        return [
            -np.log(np.where(t > 0, p, 1 - p)).sum(axis=1) for p, t in zip(each, SETS, strict=True)
        ]
    columns = {label: n for n, label in enumerate(model.classes_.tolist())}
    return [
        -np.log(p[np.arange(len(p)), [columns[label] for label in labels]])
        for p, labels in zip(each, SIGNS, strict=True)
    ]


def crf_loss(model: Any) -> float:
    """The sum of log Z - log sum of exp(s(y)) over paths that agree, path by path."""
    crf, total = model.network_.head.crf, 0.0
    start, transitions, end = crf.state_dict().values()
    for x, labels in zip(X, SOME, strict=True):
        h, _ = model.network_.encoder(x[:, np.newaxis], lengths=np.array([len(x)]))
        e = model.network_.head.output(h)[:, 0]
        sums = [0.0, 0.0]
        for path in itertools.product(range(2), repeat=len(x)):
            score = start[path[0]] + end[path[-1]] + sum(e[t, k] for t, k in enumerate(path))
            score += sum(transitions[i, j] for i, j in itertools.pairwise(path))
            agrees = all(
                label is None or model.classes_[k] == label
                for k, label in zip(path, labels, strict=True)
            )
            sums[0] += math.exp(score)
            sums[1] += math.exp(score) * agrees
        total += math.log(sums[0] / sums[1])
    return total


def test_the_loss_is_that_of_labelled_steps(name: str) -> None:
    model, known = train(name), ~np.concatenate(HIDDEN)
    assert model.history_[0]["count"] == known.sum()
    if name == "crf":
        expected = crf_loss(model) / known.sum()
    else:
        expected = np.concatenate(losses_of_steps(model, name))[known].mean()
    assert model.history_[0]["loss"] == pytest.approx(expected, rel=1e-9)


def test_gradients_are_those_of_the_loss(name: str) -> None:
    """The change that a step makes, by central differences of the loss that is told."""
    before = train(name)
    head = before._modules()["output"].parameters()["weight"].data.copy()
    after = train(name, learning_rate=1e-3)
    moved = after._modules()["output"].parameters()["weight"].data - head
    network, codec = before.network_, before._codec
    targets = codec.read("y", KINDS[name][2])
    counting = codec.counting(targets, None)
    x = before._reader.encode("X", [X[n] for n in counting])
    y = codec.encode("y", [targets[n] for n in counting], x)
    batch = codec.batch(rf.models.parts.fitting.examples.Examples(x, y), np.arange(len(x)))
    count = network.head.counts(batch.y, batch.lengths).sum()
    parameter = network.output.parameters()["weight"]
    for place in ((0, 0), (1, 2)):
        sides = []
        for step in (1e-6, -1e-6):
            changed = head.copy()
            changed[place] += step
            parameter.assign(changed)
            sides.append(network.loss(batch) / count)
        slope = (sides[0] - sides[1]) / 2e-6
        assert moved[place] == pytest.approx(-1e-3 * slope, rel=1e-4, abs=1e-12)


def test_a_sequence_without_labels_is_as_if_it_were_not_there(name: str) -> None:
    """To the bit, with what is held out and in small batches."""
    assert all(HIDDEN[1])
    labelled = [n for n in range(len(X)) if not all(HIDDEN[n])]
    for options in ({}, {"batch_size": 2, "validation_fraction": 0.3, "standardize": True}):
        options = {"learning_rate": 0.1, "epochs": 3, **options}
        one, two = train(name, **options), train(name, chosen=labelled, **options)
        same_weights(one, two)
        for first, second in zip(one.history_, two.history_, strict=True):
            assert first | {"seconds": 0} == second | {"seconds": 0}


def test_going_on_with_steps_without_labels(name: str) -> None:
    """The same bits as without the sequences that have none, in an average of weights too."""
    labelled, y = [n for n in range(len(X)) if not all(HIDDEN[n])], KINDS[name][2]
    options: dict[str, Any] = {"learning_rate": 0.1, "epochs": 2, "averaging": "ema"}
    one, two = train(name, **options), train(name, **options)
    one.fit(X, y, warm_start=True)
    two.fit([X[n] for n in labelled], [y[n] for n in labelled], warm_start=True)
    same_weights(one, two)


@pytest.mark.parametrize("name", ["tagger", "crf"])
def test_new_classes_beside_steps_without_labels(name: str) -> None:
    model = train(name)
    y = [[None] * (len(x) - 1) + ["r"] for x in X]
    model.fit(X, y, warm_start=True)
    assert model.classes_.tolist() == ["p", "q", "r"]
    with pytest.raises(ValueError, match=r"^y: expected classes that the model knows with e"):
        train(name).fit(X, y, warm_start=True, extend=False)


def test_ways_to_say_that_there_is_none() -> None:
    numbers = [[0 if label == "p" else 1 for label in labels] for labels in SIGNS]
    marks = {"None": None, "-100": -100, "7": 7, "nan": math.nan}
    options: dict[str, Any] = {"learning_rate": 0.1, "epochs": 2}
    models = []
    for mark in marks.values():
        y = [
            [mark if gone else label for label, gone in zip(labels, hidden, strict=True)]
            for labels, hidden in zip(numbers, HIDDEN, strict=True)
        ]
        ignored = None if mark in (None, -100) else mark
        models.append(train("tagger", y, ignore_label=ignored, **options))
        assert models[-1].classes_.tolist() == [0, 1]
    of_text = [[label or "?" for label in labels] for labels in SOME]
    models.append(train("tagger", of_text, ignore_label="?", **options))
    of_bools = [[None if label is None else label == "q" for label in labels] for labels in SOME]
    models.append(train("tagger", of_bools, **options))
    for model in models[1:]:
        same_weights(models[0], model)
    assert train("tagger", of_text).classes_.tolist() == ["?", "p", "q"]
    assert models[-1].classes_.tolist() == [False, True]
    # Values of another type are labels: 1 is not True.
    assert train("tagger", numbers, ignore_label=True).classes_.tolist() == [0, 1]


def test_ways_to_say_that_numbers_are_missing() -> None:
    options: dict[str, Any] = {"learning_rate": 0.1, "epochs": 2, "standardize": True}
    models = [train("steps", **options)]
    none = [[None if np.isnan(row[0]) else row.tolist() for row in rows] for rows in SOME_SUMS]
    models.append(train("steps", none, **options))
    models.append(train("steps", none, **options, ignore_label=-999))
    marked = [np.where(np.isnan(rows), -999, rows) for rows in SOME_SUMS]
    models.append(train("steps", marked, **options, ignore_label=-999))
    objects = [np.array(rows, object) for rows in ([[None, None]] * 4, *none[1:])]
    objects[0][1:] = SUMS[0][1:]
    for model in models[1:]:
        same_weights(models[0], model)
        assert model.score(X, SUMS) == models[0].score(X, SUMS)
    sets = train("labels", **options)
    for mark in (-1, math.nan):
        y = [[[mark, mark] if row is None else row for row in rows] for rows in SOME_SETS]
        same_weights(sets, train("labels", y, ignore_label=mark, **options))
    same_weights(sets, train("labels", [np.array(rows, object) if None not in rows else rows
                                        for rows in SOME_SETS], **options))  # fmt: skip


def test_one_number_a_step() -> None:
    flat = [sums[:, 0].tolist() for sums in SUMS]
    some: list[Any] = [[None if n % 2 else v for n, v in enumerate(values)] for values in flat]
    some[1] = [None]
    model = train("steps", some, standardize=True)
    assert [p.shape for p in model.predict(X)] == [(len(x),) for x in X]
    known = np.concatenate([values[::2] for n, values in enumerate(flat) if n != 1])
    assert model.outputs_.mean == pytest.approx(known.mean())
    assert model.outputs_.scale == pytest.approx(known.std())
    predicted = np.concatenate([p[::2] for n, p in enumerate(model.predict(X)) if n != 1])
    assert model.score(X, some) == pytest.approx(metrics.r2(known, predicted))


def test_parts_of_a_step_may_be_known() -> None:
    """Each number, or label, counts for itself; a step counts if one of its own does."""
    there = [RNG.random(x.shape) < 0.6 for x in X]
    flat = np.concatenate(there)
    steps = flat.any(axis=1).sum()
    y = [np.where(k, sums, np.nan) for k, sums in zip(there, SUMS, strict=True)]
    model = train("steps", y, standardize=True)
    true = np.concatenate(SUMS)
    for column in range(2):
        known = true[flat[:, column], column]
        assert model.outputs_.mean[column] == pytest.approx(known.mean())
        assert model.outputs_.scale[column] == pytest.approx(known.std())
    predicted = np.concatenate(model.predict(X))
    errors = ((predicted - true) / model.outputs_.scale) ** 2
    record = model.history_[0]
    assert record["count"] == steps
    assert record["loss"] == pytest.approx((errors * flat).sum() / steps, rel=1e-9)
    figures, difference = model.evaluate(X, y), (predicted - true)[flat]
    assert figures["rmse"] == pytest.approx(np.sqrt((difference**2).mean()))
    assert figures["mae"] == pytest.approx(np.abs(difference).mean())
    of_columns = [metrics.r2(true[k, n], predicted[k, n]) for n, k in enumerate(flat.T)]
    assert figures["r2"] == pytest.approx(np.mean(of_columns))

    sets = [
        [[v if known else None for v, known in zip(*pair, strict=True)]
         for pair in zip(rows.tolist(), k, strict=True)]
        for rows, k in zip(SETS, there, strict=True)
    ]  # fmt: skip
    tagger = train("labels", sets)
    p, t = np.concatenate(tagger.predict_proba(X)), np.concatenate(SETS)
    loss = (-np.log(np.where(t > 0, p, 1 - p)) * flat).sum() / steps
    assert tagger.history_[0]["loss"] == pytest.approx(loss, rel=1e-9)
    found, positive = (p > 0.5) & flat, (t > 0) & flat
    right = (found & positive).sum()
    figures = tagger.evaluate(X, sets)
    assert figures["loss"] == pytest.approx(loss, rel=1e-9)
    assert figures["f1"] == pytest.approx(2 * right / (found.sum() + positive.sum()))
    either = found.sum() + positive.sum() - right
    assert figures["accuracy"] == pytest.approx(right / either)


def test_scores_count_labelled_steps(name: str) -> None:
    model, known = train(name, epochs=20, learning_rate=0.1), ~np.concatenate(HIDDEN)
    predicted = np.concatenate(model.predict(X))
    got = model.score(X, KINDS[name][2])
    if name in ("tagger", "crf"):
        expected = (predicted == np.concatenate(SIGNS))[known].mean()
    elif name == "labels":
        p, t = predicted[known], np.concatenate(SETS)[known] > 0
        expected = 2 * (p & t).sum() / (p.sum() + t.sum())
    else:
        expected = metrics.r2(np.concatenate(SUMS)[known], predicted[known])
    assert got == pytest.approx(expected, rel=1e-12)


def test_what_is_held_out_is_measured_on_labelled_steps(name: str) -> None:
    valid = [X[n] for n in (0, 1, 2)], [KINDS[name][2][n] for n in (0, 1, 2)]
    model = train(name, valid=valid)
    record, figures = model.history_[0], model.evaluate(*valid)
    shared = [key for key in figures if f"valid_{key}" in record]
    assert shared
    for key in shared:
        assert record[f"valid_{key}"] == pytest.approx(figures[key], rel=1e-12)
    if name != "crf":
        known = ~np.concatenate(HIDDEN[:3])
        losses = np.concatenate(losses_of_steps(model, name)[:3])
        assert record["valid_loss"] == pytest.approx(losses[known].mean(), rel=1e-6)


def test_entities_of_labelled_tokens() -> None:
    """As other libraries count them: tokens without a label are taken out of both."""
    X = [["a", "b", "c", "d"], ["e", "f", "g"]] * 3
    y = [["B-x", None, "I-x", "O"], ["O", "B-y", None]] * 3
    for crf in (False, True):
        tagger = rf.SequenceTagger(
            scheme="bio", crf=crf, epochs=60, learning_rate=0.05, hidden_size=6, verbose=0, seed=0
        ).fit(X, y)
        predicted = tagger.predict(X)
        kept = [
            [label for label, true in zip(labels, truth, strict=True) if true is not None]
            for labels, truth in zip(predicted, y, strict=True)
        ]
        truth = [[label for label in labels if label is not None] for labels in y]
        scores = metrics.entity_scores(truth, kept)
        assert tagger.score(X, y) == pytest.approx(scores.f1) and scores.f1 > 0.9


def test_rules_hold_across_gaps() -> None:
    X = [["a", "b", "c"]] * 4
    tagger = rf.SequenceTagger(scheme="bio", crf=True, validation_fraction=0, epochs=1, verbose=0)
    fine = [["B-x", None, "I-x"], [None, "I-x", "O"], ["O", None, None], [None, None, "B-x"]]
    tagger.fit(X, fine)
    assert all(math.isfinite(record["loss"]) for record in tagger.history_)
    # No way leads from O over one step to I-y if there is no B-y.
    message = r"^y: expected labels that BIO allows, got I-y after O, in O I-y None$"
    with pytest.raises(ValueError, match=message):
        tagger.fit(X, [["O", "I-y", None], *fine[1:]])
    message = r"^y: expected labels that BIO allows, got I-y after None, in None I-y O$"
    with pytest.raises(ValueError, match=message):
        tagger.fit(X, [[None, "I-y", "O"], *fine[1:]])
    # Held out, such a sentence is left out of the loss.
    tagger.fit(X, fine, valid=(X[:2], [["O", "I-x", None], fine[0]]))
    assert math.isfinite(tagger.history_[0]["valid_loss"])


def test_balanced_weights_count_labelled_steps() -> None:
    model = train("tagger", class_weight="balanced")
    known = [label for labels in SOME for label in labels if label is not None]
    expected = [len(known) / (2 * known.count(label)) for label in ("p", "q")]
    np.testing.assert_allclose(model.class_weights_, expected)


def test_nothing_to_learn_from_or_to_measure(name: str) -> None:
    nothing: list[Any] = [[None] * len(x) for x in X]
    if name in ("tagger", "crf"):
        message = r"^y: expected at least one label, got none$"
    else:
        message = r"^y: expected at least one array with something in it, got none$"
    with pytest.raises(ValueError, match=message):
        train(name, nothing)
    model = train(name)
    with pytest.raises(ValueError, match=message):
        model.score(X, nothing)
    few = [KINDS[name][2][0], *nothing[1:]]
    with pytest.raises(ValueError, match=r"^X: expected at least 2 examples, to hold one out, got"):
        train(name, few, validation_fraction=0.5)
    weights = [np.where(hidden, 1.0, 0.0) for hidden in HIDDEN]
    if name != "crf":
        with pytest.raises(
            ValueError,
            match=r"^sample_weight: expected a number above 0 at a step that counts, got none$",
        ):
            train(name, sample_weight=weights)


def test_integers_without_a_label_at_all_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^y: expected a step that counts, got none$"):
        train("tagger", [[-100] * len(x) for x in X])
    sets = [np.full((len(x), 2), -1) for x in X]
    with pytest.raises(ValueError, match=r"^y: expected a step that counts, got none$"):
        train("labels", sets, ignore_label=-1)
    half = [np.stack([rows[:, 0], np.full(len(rows), -1)], axis=1) for rows in SETS]
    with pytest.raises(
        ValueError, match=r"^y: expected a step with number 1 to learn from, got none$"
    ):
        train("labels", half, ignore_label=-1)


@pytest.mark.parametrize(
    ("kind", "y", "options", "error", "message"),
    [
        ("steps", None, {"ignore_label": None}, ValueError,
         r"^y\[0\]: expected finite numbers, got nan at step 0, number 0$"),
        ("steps", None, {"ignore_label": -1}, ValueError,
         r"^y\[0\]: expected finite numbers, got nan at step 0, number 0$"),
        ("steps", [np.full(x.shape, np.inf) for x in X], {}, ValueError,
         r"^y\[0\]: expected finite numbers, got inf at step 0, number 0$"),
        ("steps", [[None] * len(x) for x in X], {"ignore_label": None}, TypeError,
         r"^y\[0\]: expected real numbers, got None at \(0, 0\)$"),
        ("steps", [[[1.0, "a"]] * len(x) for x in X], {}, TypeError,
         r"^y\[0\]: expected real numbers, got dtype <U\d+$"),
        ("steps", [[[None, 1.0], [1.0]][: len(x)] for x in X], {}, ValueError,
         r"^y\[0\]: expected shape \(T, K\), got a ragged list$"),
        ("steps", None, {"ignore_label": "nan"}, TypeError, r"^ignore_label: expected "),
        ("steps", None, {"ignore_label": math.inf}, ValueError, r"^ignore_label: expected "),
        ("steps", None, {"ignore_label": True}, TypeError, r"^ignore_label: expected "),
        ("labels", SOME_SUMS, {}, ValueError,
         r"^y\[0\]: expected finite numbers, got nan at step 0, number 0$"),
        ("labels", [[[2, None]] * len(x) for x in X], {}, ValueError,
         r"^y\[0\]: expected 0 and 1, got 2$"),
        ("tagger", None, {"ignore_label": [1]}, TypeError,
         r"^ignore_label: expected a label, a str or a number, or None, got \[1\]$"),
        ("tagger", [[None, 1, "a", None][: len(x)] + [1] * (len(x) - 4) for x in X], {}, TypeError,
         r"^y\[0\]\[2\]: expected an int as y\[0\]\[1\] is, got a str$"),
        ("tagger", [[math.nan] * len(x) for x in X], {}, TypeError,
         r"^y\[0\]\[0\]: expected a label, a str or an int, got nan$"),
        ("tagger", None, {"feed_labels": True}, ValueError,
         r"^y\[0\]: expected labels that count with feed_labels=True, got None at 0$"),
        ("crf", None, {"sample_weight": [np.ones(len(x)) for x in X]}, ValueError,
         r"^sample_weight: expected shape \(8,\) with crf=True, one for each sequence, whose "),
        ("crf", None, {"class_weight": "balanced"}, ValueError,
         r"^class_weight: expected None with crf=True, got 'balanced'; the loss is of whole sequ"),
    ],
)  # fmt: skip
def test_what_is_refused(
    kind: str, y: Any, options: dict[str, Any], error: type, message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        train(kind, y, **options)
    assert "\n" not in str(caught.value)


def test_the_option_stays(name: str, tmp_path: Any) -> None:
    """In files, copies, resumed trainings and warm starts, NaN too."""
    ignored = "?" if name in ("tagger", "crf") else math.nan
    y = [[label or "?" for label in labels] for labels in SOME]
    y = y if ignored == "?" else KINDS[name][2]
    options: dict[str, Any] = {"ignore_label": ignored, "epochs": 3, "learning_rate": 0.1}
    model = train(name, y, **options)
    model.save(tmp_path / "m")
    loaded = rf.load(tmp_path / "m")
    assert str(loaded.ignore_label) == str(ignored)
    assert loaded.score(X, y) == model.score(X, y)
    path = tmp_path / "c"
    kind = type(model)
    again = kind(**{**STILL, **KINDS[name][1], **options, "batch_size": 3})
    whole = kind(**again.get_params()).fit(X, y)
    again.fit(X, y, checkpoint=path, callbacks=[lambda p: p.step == 2])
    again.fit(X, y, checkpoint=path, resume=True)
    same_weights(whole, again)
    more = loaded.fit(X, y, warm_start=True, epochs=1)
    assert more.history_[0]["count"] == (~np.concatenate(HIDDEN)).sum()


def test_lists_of_other_libraries() -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    options: dict[str, Any] = {"learning_rate": 0.1, "epochs": 2}
    series = [pandas.Series(labels, dtype=object) for labels in SOME]
    same_weights(train("tagger", **options), train("tagger", series, **options))
    tables = [pandas.DataFrame(rows) for rows in SOME_SUMS]
    same_weights(train("steps", **options), train("steps", tables, **options))


def test_what_goes_on_is_known() -> None:
    music = [(RNG.random((5, 2)) < 0.5).astype(int) for _ in range(4)]
    heard = [np.concatenate([np.zeros((1, 2)), rows[:-1]]) for rows in music]
    model = rf.MultiLabelTagger(ignore_label=-1, **STILL).fit(heard, music)
    assert model.generate(3, [[[0, 1]]], seed=0)[0].shape == (3, 2)
    for prefix in ([[[0, None]]], [[None, [0, 1]]], [[[0, -1]]]):
        with pytest.raises(
            ValueError, match=r"^prefix\[0\]: expected 0 and 1, got what is not known$"
        ):
            model.generate(3, prefix)


def test_confusions_count_labelled_steps() -> None:
    true, guess = ["p", None, "q", "p"], ["p", "q", "p", "q"]
    counts, labels = metrics.confusion(true, guess)
    assert counts.tolist() == [[1, 1], [1, 0]] and labels == ["p", "q"]
    marked, _ = metrics.confusion([label or "?" for label in true], guess, ignore_label="?")
    assert marked.tolist() == counts.tolist()
    numbers, _ = metrics.confusion([0, -100, 1, 0], [0, 1, 0, 1], ignore_label=-100)
    assert numbers.tolist() == counts.tolist()
    assert metrics.macro_f1(true, guess) == metrics.macro_f1(["p", "q", "p"], ["p", "p", "q"])
    with pytest.raises(ValueError, match=r"^true: expected at least one label, got none$"):
        metrics.confusion([None], ["p"])


def test_the_page_of_a_model_counts_labelled_steps() -> None:
    tagger = train("tagger", epochs=30, learning_rate=0.1)
    known = sum(label is not None for labels in SOME for label in labels)
    right = round(tagger.score(X, SOME) * known)
    page = rf.diagnostics.model_page(tagger, examples=(X, SOME))
    assert f"{right} of {known} right" in page
    steps = train("steps")
    errors = [
        np.abs(p - t)[~np.isnan(t)].mean() if not np.isnan(t).all() else 0.0
        for p, t in zip(steps.predict(X), SOME_SUMS, strict=True)
    ]
    page = rf.diagnostics.model_page(steps, examples=(X, SOME_SUMS))
    assert f"mean absolute error {np.mean(errors):.4g}" in page


@pytest.mark.parametrize("model", [rf.MultiLabelTagger, rf.StepRegressor])
@pytest.mark.parametrize("ignored", [None, -1])
def test_none_in_place_of_a_sequence(model: Any, ignored: Any) -> None:
    x = [np.ones((3, 2)), np.ones((2, 2))]
    y = [None, np.zeros((2, 1), np.int64)]
    with pytest.raises(TypeError, match=r"^y\[0\]: expected an array of shape .* got NoneType$"):
        model(ignore_label=ignored, verbose=0).fit(x, y)
