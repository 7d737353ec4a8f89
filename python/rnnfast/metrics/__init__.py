"""How good predictions are: plain functions of what was true and what was predicted."""

import sys

from rnnfast._checks.calls import explain_packages
from rnnfast.metrics._entities import EntityScores, entities, entity_scores
from rnnfast.metrics._errors import mae, r2, rmse
from rnnfast.metrics._labels import accuracy, confusion, macro_f1
from rnnfast.metrics._schemes import convert_labels, find_scheme
from rnnfast.metrics._speech import character_error_rate, word_error_rate
from rnnfast.metrics._texts import (
    bits_per_character,
    bleu,
    edit_distance,
    error_rate,
    perplexity,
)

__all__ = [
    "EntityScores",
    "accuracy",
    "bits_per_character",
    "bleu",
    "character_error_rate",
    "confusion",
    "convert_labels",
    "edit_distance",
    "entities",
    "entity_scores",
    "error_rate",
    "find_scheme",
    "macro_f1",
    "mae",
    "perplexity",
    "r2",
    "rmse",
    "word_error_rate",
]

explain_packages((sys.modules[__name__],))
