"""What a model does while it reads a text, as a page shows it."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rnnfast.diagnostics._tokens import visible
from rnnfast.diagnostics.activations import Gates, gate_activations
from rnnfast.models.estimator import Estimator
from rnnfast.models.forecaster import Forecaster
from rnnfast.models.language_model import LanguageModel
from rnnfast.models.parts.language.token_output import token_log_probabilities
from rnnfast.nn.module import Array

MOST_TOKENS = 2000  # of a text that is shown
_MOST_SCORED = 256  # rows of scores at once, each as wide as the vocabulary
NEXT_TOKENS = 5
_GATES = frozenset("ifozr")  # from 0 to 1; candidates and states are around 0


@dataclass(frozen=True)
class Reading:
    """What a model does while it reads a text.

    Attributes
    ----------
    tokens : list of str
        What was read, at most `MOST_TOKENS`.
    left_out : int
        How many tokens the text has besides.
    layers : list of dict of str to ndarray
        For each layer its gates and states by name, ``(T, H)``.
    next_tokens : list of list of (str, float)
        Of a language model: for each token the likeliest ones behind it, with probabilities.
    surprises : list of float
        Of a language model: ``-log2 P`` of each token after those before it.
    prediction : str
        Of another model: what it predicts of the whole text.
    note : str
        Why there are no gates; empty: there are.
    """

    tokens: list[str]
    left_out: int = 0
    layers: list[Gates] = field(default_factory=list)
    next_tokens: list[list[tuple[str, float]]] = field(default_factory=list)
    surprises: list[float] = field(default_factory=list)
    prediction: str = ""
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return what the page's script reads: gates as bytes, from 0 for the least to 255."""
        return {
            "tokens": [*map(visible, self.tokens)],
            "surprises": [round(value, 4) for value in self.surprises],
            "next": [[[visible(t), round(p, 6)] for t, p in row] for row in self.next_tokens],
            "layers": [
                {name: _packed(name, values) for name, values in gates.items()}
                for gates in self.layers
            ],
        }


def _packed(name: str, values: Array) -> dict[str, Any]:
    bound = max(1.0, float(np.abs(values).max()))
    low, high = (0.0, 1.0) if name in _GATES else (-bound, bound)
    scaled = np.rint((values.astype(np.float64) - low) / (high - low) * 255).astype(np.uint8)
    return {
        "low": low,
        "high": high,
        "units": values.shape[1],
        "bytes": base64.b64encode(scaled.tobytes()).decode("ascii"),
    }


def read(model: Any, text: str, condition: Any) -> Reading:
    """Let a model read a text; raise as it does where it cannot."""
    if isinstance(model, LanguageModel):
        return _of_language_model(model, text, condition)
    return _of_estimator(model, text)


def _of_language_model(lm: LanguageModel, text: str, condition: Any) -> Reading:
    tokens, ids = lm._encode("text", text)
    if len(ids) == 0:
        raise ValueError("text: expected at least 1 token, got 0")
    left_out = max(0, len(tokens) - MOST_TOKENS)
    tokens, ids = tokens[:MOST_TOKENS], ids[:MOST_TOKENS]
    network, given = lm.network_, lm._given(condition)
    inputs = np.concatenate([[network.start], ids])[:, np.newaxis]
    h = network.encoder(inputs, condition=given)[0][:, 0]
    rows: list[list[tuple[str, float]]] = []
    surprises: list[float] = []
    names = lm.vocabulary_.tokens
    for begin in range(0, len(h), _MOST_SCORED):
        scores = token_log_probabilities(network.output, h[begin : begin + _MOST_SCORED])
        scores = scores.astype(np.float64)
        best = np.argsort(-scores, axis=1, kind="stable")[:, :NEXT_TOKENS]
        for number, (row, chosen) in enumerate(zip(scores, best, strict=True), begin):
            rows.append([(names[i], float(np.exp(row[i]))) for i in chosen])
            if number < len(ids):
                surprises.append(float(-row[ids[number]] / np.log(2)))
    gates = gate_activations(network.recurrent, network.encoder.inputs(inputs, given))
    layers = [{name: values[1:, 0] for name, values in one.items()} for one in gates]
    return Reading(list(tokens), left_out, layers, rows[1:], surprises)


def _of_estimator(model: Any, text: str) -> Reading:
    reads: bool = isinstance(model, Estimator) and not isinstance(model, Forecaster)
    if not reads:
        raise TypeError(f"text: expected None with a {type(model).__name__}, got a str")
    (encoded,) = model._reader.encode("text", [text])
    (read_as,) = model._reader.read("text", [text])
    tokens = [str(token) for token in read_as]
    if not tokens:
        raise ValueError("text: expected at least 1 token, got 0")
    if model._reader.reverse:
        tokens.reverse()  # as it is read
    (predicted,) = model.predict([text])
    prediction = str(predicted.tolist() if isinstance(predicted, np.ndarray) else predicted)
    encoder, left_out = model.network_.encoder, max(0, len(tokens) - MOST_TOKENS)
    tokens, encoded = tokens[:MOST_TOKENS], encoded[:MOST_TOKENS]
    if encoder.recurrent.bidirectional:
        note = "A model of both directions: its gates are not of the text up to a token."
        return Reading(tokens, left_out, prediction=prediction, note=note)
    gates = gate_activations(encoder.recurrent, encoder.inputs(encoded[:, np.newaxis]))
    layers = [{name: values[:, 0] for name, values in one.items()} for one in gates]
    return Reading(tokens, left_out, layers, prediction=prediction)
