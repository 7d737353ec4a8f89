"""What a model tells of itself: its layers, its card, and what a notebook shows of it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnfast._checks.messages import shown
from rnnfast.models.parts.card import card_of
from rnnfast.models.parts.contract import Contract
from rnnfast.models.parts.fitting.making import Making
from rnnfast.models.parts.html import model_html
from rnnfast.models.parts.reading.inputs import SeriesInputs, TokenInputs
from rnnfast.nn.module import Module
from rnnfast.nn.summary import Summary, numbers_facts, summarise
from rnnfast.training.messages import describe_training, kept_record


class Telling(Contract):
    """Base of `Model`: what it tells of itself once it is fitted."""

    # Of the training that made the layers.
    _made: Making = Making()
    _trained_with: Mapping[str, Any]

    def summary(self) -> Summary:
        """Return what the fitted model is made of: layers, shapes, numbers and memory.

        Returns
        -------
        Summary
            Whose text is a table: ``print(model.summary())``.

        Raises
        ------
        NotFittedError
            If the model has not been fitted.
        """
        model: Any = self._as_fitted()
        modules: dict[str, Module] = model._modules()
        facts = [("training", describe_training(model)), *numbers_facts(model.network_)]
        facts += [(name, shown(value)) for name, value in _chosen_of(model).items()]
        return summarise(type(model).__name__, modules, facts)

    def card(self) -> str:
        """Return the fitted model's card: what it is, what made it and how good it was.

        The same text for the same model, without a date. `save` writes it into the file's metadata.

        Returns
        -------
        str
            Markdown: parameters and seed, how much data it learned from, how long, figures of the
            epoch whose weights it has, versions, hyperparameters, layers.

        Raises
        ------
        NotFittedError
            If the model has not been fitted.
        """
        model: Any = self._as_fitted()
        documentation = inspect.getdoc(type(model)) or ""
        return card_of(
            type(model).__name__,
            documentation.partition("\n")[0],
            made=model._made,
            learned=_learned_of(model),
            training=describe_training(model),
            figures=kept_record(model),
            params=model._trained_with or model._hyperparameters(),
            summary=model.summary(),
            numbers=model.numbers_,
        )

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        model: Any = self
        layers = ""
        if self._is_fitted():
            model = self._as_fitted()
            layers = model.summary().table_html()
        params, changed = model.get_params(deep=False), model._changed()
        return model_html(type(self).__name__, params, changed, self._is_fitted(), layers)

    def _as_fitted(self) -> Any:
        raise NotImplementedError


def _chosen_of(model: Any) -> dict[str, Any]:
    """Return what a forecaster has chosen, and its errors on what was held out."""
    chosen = dict(getattr(model, "chosen_", {}))
    errors = chosen.pop("errors", {})
    return {**chosen, **{f"error of {name}": float(f"{e:.4g}") for name, e in errors.items()}}


def _learned_of(model: Any) -> dict[str, Any]:
    """Return what a fitted model knows of its data, for its card."""
    found: dict[str, Any] = {}
    if hasattr(model, "vocabulary_"):
        found["vocabulary"] = len(model.vocabulary_)
    inputs = getattr(model, "inputs_", None)
    if isinstance(inputs, TokenInputs):
        found["vocabulary"] = inputs.size
    elif isinstance(inputs, SeriesInputs):
        found["features"] = inputs.size
    found |= _chosen_of(model)
    classes = getattr(model, "classes_", None)
    if classes is not None:
        found["classes"] = np.asarray(classes).tolist()
    return found
