"""The command ``rnnfast info``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

import rnnfast as rf
from rnnfast._checks.messages import printable
from rnnfast.cli.console import say
from rnnfast.cli.models import load_as
from rnnfast.cli.options import path_of_file
from rnnfast.cli.results import AsJson, say_json
from rnnfast.models.base import Model
from rnnfast.models.language_model import LanguageModel
from rnnfast.text.subwords import SubwordTokenizer
from rnnfast.training.messages import describe_training, kept_record


def info(
    model: Annotated[
        Path | None,
        typer.Argument(parser=path_of_file, help="A model; without one, the CPU."),
    ] = None,
    card: Annotated[
        bool, typer.Option("--card", help="Print the model's card, in Markdown.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Describe a model, or what the kernels run on."""
    if card:
        if model is None:
            raise typer.BadParameter("expected a MODEL with --card, got none")
        text = load_as(model, Model, "model").card()
        if as_json:
            say_json(card=text)
        else:
            say(text.removesuffix("\n"))
        return
    if model is None:
        facts = {"rnnfast": rf.__version__, **rf.cpu_info()}
    elif as_json:
        facts = _facts(model)
    else:
        facts = _describe(model)
    if as_json:
        say_json(**facts)
        return
    width = max(map(len, facts))
    for name, value in facts.items():
        say(f"{name:{width}}  {printable(_show(value))}")


def _facts(path: Path) -> dict[str, Any]:
    """What `_describe` says, for programs: the same names for every model."""
    model: Any = load_as(path, Model, "model")
    history = model.history_
    is_language_model = isinstance(model, LanguageModel)
    return {
        "model": type(model).__name__,
        "params": model.get_params(),
        "num_parameters": model.num_parameters,
        "numbers": model.numbers_,
        "unit": model.unit if is_language_model else None,
        "vocabulary_size": len(model.vocabulary_) if is_language_model else None,
        "epochs": len(history),
        "steps": int(history[-1]["step"]) if history else 0,
        "best_epoch": model.best_epoch_ or None,
        "record": kept_record(model) or None,
        "made_with": dict(model._made.versions) or None,
        "size": path.stat().st_size,
    }


def _describe(path: Path) -> dict[str, Any]:
    model: Any = load_as(path, Model, "model")
    facts = {"model": type(model).__name__, **model.get_params()}
    if facts.get("tokenizer") is not None:
        facts.pop("level", None)
    facts["parameters"] = model.num_parameters
    facts["numbers"] = model.numbers_
    if isinstance(model, LanguageModel):
        known = f"{len(model.vocabulary_)} {model.unit}s"
        if isinstance(model.tokenizer_, SubwordTokenizer):
            known = model.tokenizer_.describe(model.vocabulary_)
        facts["vocabulary"] = known
        if model.cutoffs_ is not None:
            facts["cutoffs"] = list(model.cutoffs_)  # those that were chosen, if none were given
    facts["trained"] = describe_training(model)
    record = kept_record(model)
    # Without a best epoch the weights may be of later steps than the figures.
    suffix = "" if model.best_epoch_ or not record else f" of epoch {record['epoch']}"
    for name, value in record.items():
        if name == "loss" or name.startswith("valid_"):
            facts[f"{name}{suffix}"] = value
    made = [f"{name} {version}" for name, version in model._made.versions.items()]
    if made:
        facts["made with"] = ", ".join(made)
    facts["file size"] = f"{path.stat().st_size:,} bytes"
    return facts


def _show(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_show(item)}" for name, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_show, value))
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
