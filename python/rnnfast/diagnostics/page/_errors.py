"""Which labels a model takes for which, or where it errs most, as tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np

from rnnfast._checks import check_list
from rnnfast._checks.arrays import as_numbers
from rnnfast._checks.messages import shown
from rnnfast.diagnostics.page._markup import table_html
from rnnfast.diagnostics.page._reading import Reading
from rnnfast.metrics import confusion
from rnnfast.models.classifier import SequenceClassifier
from rnnfast.models.ctc_recognizer import CTCRecognizer
from rnnfast.models.parts.reading.step_labels import counts
from rnnfast.models.parts.reading.step_rows import known
from rnnfast.models.regressor import SequenceRegressor
from rnnfast.models.seq2seq import Seq2Seq
from rnnfast.models.step_model import StepModel
from rnnfast.models.step_regressor import StepRegressor
from rnnfast.models.tagger import SequenceTagger

_MOST_ROWS = 30
_MOST_LABELS = 40

Table = tuple[str, str]  # a heading and HTML


def errors_of(model: Any, X: Any, y: Any) -> Table:
    """Return what a model makes of examples, beside what is true.

    Raises
    ------
    TypeError
        If the model is of a kind without such a table.
    ValueError
        If there are not as many of both, or the model refuses them.
    """
    for kinds, make in _TABLES:
        if isinstance(model, kinds):
            y = check_list("y", y, "targets")
            found = model.predict(X)
            if len(found) != len(y):
                raise ValueError(f"y: expected {len(found)} of them, got {len(y)}")
            if isinstance(model, StepModel):
                y = model._codec.read("y", y)
            return make(X, y, found)
    kind = type(model).__name__
    raise TypeError(f"examples: expected None with a {kind}, got some")


def _confused(X: Any, y: Any, found: Any) -> Table:
    return "Confusion", _confusion_html([*y], np.asarray(found).tolist())


def _confused_steps(X: Any, y: Any, found: Any) -> Table:
    flat: tuple[list[Any], list[Any]] = ([], [])
    for number, (true, labels) in enumerate(zip(y, found, strict=True)):
        if len(true) != len(labels):
            raise ValueError(f"y[{number}]: expected {len(labels)} labels, got {len(true)}")
        counting = counts(true)
        flat[0].extend(true[counting].tolist())
        flat[1].extend(np.asarray(labels)[counting].tolist())
    return "Confusion of steps", _confusion_html(*flat)


def _confusion_html(true: list[Any], predicted: list[Any]) -> str:
    counts, labels = confusion(true, predicted)
    order = np.argsort(-counts.sum(axis=1), kind="stable")[:_MOST_LABELS]
    kept = sorted(order.tolist())
    right = int(np.trace(counts))
    rows = [[str(labels[i]), *(int(counts[i, j]) for j in kept)] for i in kept]
    head = ["true \\ predicted", *(str(labels[j]) for j in kept)]
    left_out = len(labels) - len(kept)
    more = f", the {len(kept)} most frequent labels of {len(labels)}" if left_out else ""
    return f"<p>{right:,} of {len(true):,} right{more}</p>{table_html(head, rows)}"


def _wrong(X: Any, y: Any, found: Any) -> Table:
    pairs = [
        (shown(x), shown(_plain(true)), shown(_plain(got)))
        for x, true, got in zip(X, y, found, strict=True)
        if _plain(true) != _plain(got)
    ]
    text = f"<p>{len(y) - len(pairs):,} of {len(y):,} right</p>"
    if len(pairs) > _MOST_ROWS:
        text += f"<p>the first {_MOST_ROWS} that are not</p>"
    return "Errors", text + table_html(("x", "y", "predicted"), pairs[:_MOST_ROWS])


def _far_off(X: Any, y: Any, found: Any) -> Table:
    rows = []
    for number, (true, got) in enumerate(zip(y, found, strict=True)):
        one, other = as_numbers(f"y[{number}]", true), np.asarray(got, dtype=float)
        if one.size != other.size:
            raise ValueError(f"y[{number}]: expected {other.size} numbers, got {one.size}")
        errors = np.abs(one.ravel() - other.ravel())
        there = known(errors)
        error = float(errors[there].mean()) if there.any() else 0.0
        rows.append((number, shown(one.tolist()), shown(np.round(other, 6).tolist()), error))
    rows.sort(key=lambda row: -row[3])
    mean = float(np.mean([row[3] for row in rows]))
    text = f"<p>mean absolute error {mean:.4g}; the largest {min(len(rows), _MOST_ROWS)}</p>"
    head = ("example", "y", "predicted", "absolute error")
    return "Errors", text + table_html(head, rows[:_MOST_ROWS])


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, (tuple, np.ndarray)) else value


_TABLES: list[tuple[Any, Callable[[Any, Any, Any], Table]]] = [
    (SequenceClassifier, _confused),
    (SequenceTagger, _confused_steps),
    ((Seq2Seq, CTCRecognizer), _wrong),
    ((SequenceRegressor, StepRegressor), _far_off),
]


def surprises_of(reading: Reading) -> Table:
    """Return which tokens of a text a language model foresees worst, by what they cost together."""
    by_token: dict[str, list[float]] = defaultdict(list)
    for token, bits in zip(reading.tokens, reading.surprises, strict=True):
        by_token[token].append(bits)
    rows = sorted(by_token.items(), key=lambda item: -sum(item[1]))[:_MOST_ROWS]
    total = sum(reading.surprises)
    cells = [
        (repr(token), len(bits), sum(bits) / len(bits), sum(bits) / total if total else 0.0)
        for token, bits in rows
    ]
    head = ("token", "times", "bits each", "share of all bits")
    mean = total / len(reading.tokens)
    return "Least foreseen", f"<p>{mean:.4g} bits a token</p>{table_html(head, cells)}"
