"""How long a language model is trained if nobody says."""

from __future__ import annotations

import math

import pytest

import rnnfast as rf
from rnnfast.data import load_dinosaurs
from rnnfast.models.parts.language.training import choose_epochs


@pytest.mark.parametrize(
    ("steps", "epochs"),
    [
        (1, 100), (2, 100), (3, 100), (4, 75), (9, 34), (10, 30), (11, 30), (133, 30), (200, 20),
        (4000, 1), (10**6, 1),
    ],
)  # fmt: skip
def test_epochs_by_steps(steps: int, epochs: int) -> None:
    assert choose_epochs(steps) == epochs


def test_a_short_list_of_names_is_learned_with_the_defaults() -> None:
    names = list(load_dinosaurs())[:40]
    lm = rf.LanguageModel(lines=True, seed=1).fit(names, verbose=0)
    assert len(lm.history_) == 100 and lm.history_[-1]["step"] == 200
    kept = lm.history_[lm.best_epoch_ - 1]["valid_loss"]
    assert kept < 0.75 * math.log(len(lm.vocabulary_))  # that of a model that has learned nothing
    assert lm.history_[29]["loss"] > 1.2 * lm.history_[99]["loss"]


def test_epochs_that_are_given_are_kept() -> None:
    lm = rf.LanguageModel(lines=True, hidden_size=3, seed=1).fit(["ab", "ba"], epochs=2, verbose=0)
    assert len(lm.history_) == 2
