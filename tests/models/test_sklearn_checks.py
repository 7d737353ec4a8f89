"""scikit-learn's own checks of estimators, and a table of those that do not apply, with reasons."""

from __future__ import annotations

import re
import unittest
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rnnfast as rf
import sklearn_adapted as adapted
from sklearn_cases import make

DOCS = Path(__file__).resolve().parents[2] / "docs"

# The models whose fit takes the tables of the checks. `OneStep...` of series that have one step.
TABLES: dict[str, Any] = {
    "classifier, one step": adapted.OneStepClassifier,
    "regressor, one step": adapted.OneStepRegressor,
    "tagger, one step": adapted.OneStepTagger,
    "steps, one step": adapted.OneStepStepRegressor,
    "labels, one step": adapted.OneStepLabels,
    "classifier": rf.SequenceClassifier,
    "regressor": rf.SequenceRegressor,
}
# Those that fit no table: a series that foretells itself, and text.
NO_TABLES = ["forecaster", "pairs", "symbols", "language"]
WITHOUT_DATA = {
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_estimator_tags_renamed",
    "check_get_params_invariance",
    "check_mixin_order",
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_set_params",
    "check_valid_tag_types",
}

# The messages of this package name the argument, what was expected and what came.
WORDS = "is refused in words of this package"
# What a check asks that models do not do, of which models, and why: docs/sklearn.rst has it too.
EXCLUDED: list[tuple[str, str, str]] = [
    ("check_classifiers_one_label_sample_weights", "tagger", f"a single class left {WORDS}"),
    ("check_classifiers_regression_target", "classifiers", f"a fraction as a label {WORDS}"),
    ("check_classifiers_train", "tables", "its rows in a list: each is a series, of any length"),
    ("check_complex_data", "all", f"TypeError: what is not real {WORDS}"),
    ("check_dtype_object", "all", "TypeError: numbers as objects are not cast without a word"),
    ("check_estimator_sparse_array", "all", f"TypeError: a sparse matrix {WORDS}"),
    ("check_estimator_sparse_matrix", "all", f"TypeError: a sparse matrix {WORDS}"),
    ("check_estimator_sparse_tag", "all", f"TypeError: a sparse matrix {WORDS}"),
    ("check_estimators_empty_data_messages", "all", f"a table without columns {WORDS}"),
    ("check_estimators_nan_inf", "all", f"NaN {WORDS}, with its step and feature"),
    ("check_fit2d_1sample", "classifiers", f"a single class {WORDS}"),
    ("check_fit2d_predict1d", "all", f"an array of one axis {WORDS}"),
    ("check_n_features_in_after_fitting", "all", f"another number of features {WORDS}"),
    ("check_regressors_train", "tables", "its score wants more steps than one a round, as here"),
    ("check_requires_y_none", "all", f"TypeError: no targets where some are needed {WORDS}"),
    ("check_supervised_y_2d", "per step", "targets are one for each step, not one for each row"),
    ("check_supervised_y_no_nan", "classifiers", f"TypeError: NaN as a label {WORDS}"),
]
GROUPS = {
    "all": set(TABLES),
    "tables": {"classifier", "regressor"},
    "classifiers": {"classifier", "classifier, one step", "tagger, one step"},
    "per step": {"tagger, one step", "steps, one step"},
    "tagger": {"tagger, one step"},
}


@pytest.fixture(autouse=True)
def one_thread(set_threads: Callable[[int], None]) -> None:
    set_threads(1)


def checks_of_scikit_learn() -> Any:
    checks: Any = pytest.importorskip(
        "sklearn.utils.estimator_checks", reason="scikit-learn is not installed"
    )
    if not hasattr(checks, "estimator_checks_generator"):
        pytest.skip("scikit-learn before 1.6 has other checks")
    return checks


def run_checks(model: Any) -> tuple[set[str], dict[str, str]]:
    """Return the checks that ran, and what those say that failed."""
    checks = checks_of_scikit_learn()
    ran, failed = set(), {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the checks, and that a model is no BaseEstimator
        for one, check in checks.estimator_checks_generator(model, legacy=True):
            name = check.func.__name__
            try:
                check(one)
            except unittest.SkipTest:
                continue
            except Exception as error:
                failed[name] = f"{type(error).__name__}: {error}"
            ran.add(name)
    return ran, failed


@pytest.mark.parametrize("name", TABLES)
def test_checks_of_scikit_learn(name: str) -> None:
    model = TABLES[name](
        hidden_size=8, epochs=60, verbose=0, learning_rate=0.05, validation_fraction=0.0,
        batch_size=1000, dtype="float64", random_state=0,  # weights, repetitions: the same steps
    )  # fmt: skip
    ran, failed = run_checks(model)
    assert len(ran) >= 40
    excluded = {check for check, group, _ in EXCLUDED if name in GROUPS[group]}
    assert {check: what for check, what in failed.items() if check not in excluded} == {}
    passed = (excluded & ran) - failed.keys()
    assert not passed, "these are excluded and pass"


@pytest.mark.parametrize("name", NO_TABLES)
def test_checks_that_need_no_data(name: str) -> None:
    checks, model = checks_of_scikit_learn(), make(name)
    found = [getattr(checks, check) for check in WITHOUT_DATA if hasattr(checks, check)]
    assert len(found) >= 8
    for check in found:
        check(type(model).__name__, model)


def test_the_documentation_has_the_table() -> None:
    text = (DOCS / "sklearn.rst").read_text("utf-8")
    rows = re.findall(r"^   \* - ``(check_\w+)``\n     - (.+)\n     - (.+)$", text, re.MULTILINE)
    assert rows == EXCLUDED
