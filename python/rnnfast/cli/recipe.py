"""Options of ``rnnfast train`` with which published recipes are said."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from rnnfast._checks.messages import shown
from rnnfast.cli.options import choice, file, real
from rnnfast.models.parts.fitting.initial import WAYS
from rnnfast.models.parts.hyperparameters import REDUCTIONS
from rnnfast.models.parts.shared import OPTIMIZERS, SCHEDULES
from rnnfast.text._lookup import vector_size


def schedule_of(text: Any) -> Any:
    """Return a schedule as a model takes it: a name, epochs, or rates by epoch."""
    if text in SCHEDULES:
        return text
    try:
        parts = [part.split(":") for part in text.split(",")]
        if all(len(part) == 1 for part in parts):
            return [int(epoch) for (epoch,) in parts]
        rates = {int(epoch): float(rate) for epoch, rate in parts}
    except ValueError:
        rates = {}
    if len(rates) != len(text.split(",")):
        raise typer.BadParameter(
            f"expected one of {', '.join(SCHEDULES)}, or epochs as 4,6,8, or rates from epochs on "
            f"as 0:1,4:0.5, got {shown(text)}"
        )
    return rates


def word_of(text: str) -> str:
    """Return a word; BadParameter if it is none."""
    if text.split() != [text]:
        raise typer.BadParameter(f"expected a word without white space, got {shown(text)}")
    return text


Optimizer = Annotated[Any, choice("What makes the steps.", *OPTIMIZERS)]
Schedule = Annotated[
    Any,
    typer.Option(
        parser=schedule_of,
        metavar="<name|epochs|rates>",
        help=f"How the learning rate falls: {', '.join(SCHEDULES)}; or after how many epochs, as "
        "4,6,8, each time by --decay; or the rates themselves, as 0:1,4:0.5.",
    ),
]
Decay = Annotated[
    float | None, real("What --schedule 4,6,8 multiplies the rate by.", 0.0, math.inf, above=True)
]
ClipNorm = Annotated[
    float, real("The largest norm of all gradients together; 0: any.", 0.0, math.inf)
]
Init = Annotated[Any, choice("How weights begin, in place of each layer's way.", *WAYS)]
InitRange = Annotated[
    float | None,
    real("r of --init uniform, from -r to r, or the deviation of normal.", 0.0, 1e6, above=True),
]
LossReduction = Annotated[
    Any,
    choice(
        "Gradients of the mean token, of the sum of each piece in the mean, or of the sum.",
        *REDUCTIONS,
    ),
]
Embeddings = Annotated[
    Path | None,
    file("Begin with the vectors of words of this file of GloVe or word2vec, as text."),
]
Newline = Annotated[
    str | None,
    typer.Option(
        parser=word_of,
        metavar="<word>",
        help="With --level word, read each line end as this token, such as '<eos>'.",
    ),
]
Whitespace = Annotated[
    bool,
    typer.Option("--whitespace", help="With --level word, split text at white space alone."),
]


def recipe_of(
    context: typer.Context,
    *,
    level: str,
    subwords: str,
    tokenizer: Any,
    newline: str | None,
    whitespace: bool,
    decay: float | None,
    clip_norm: float,
    embeddings: Path | None,
    **named: Any,
) -> dict[str, Any]:
    """Return the hyperparameters that these options say; ``named`` are such by their names."""
    found = {**named, "clip_norm": clip_norm or None}
    if decay is not None:
        if not isinstance(found.get("schedule"), list):
            raise typer.BadParameter("expected --schedule with epochs, as 4,6,8, with --decay")
        found["schedule_options"] = {"gamma": decay}
    given = is_given(context, "level") or not is_given(context, "start")
    for name, wanted in (("newline", "word"), ("whitespace", "word"), ("subwords", "subword")):
        if is_given(context, name) and (tokenizer is not None or (given and level != wanted)):
            other = "--tokenizer" if tokenizer is not None else f"--level {level}"
            raise typer.BadParameter(f"expected --level {wanted} with --{name}, got {other}")
    splits: dict[str, Any] = {"mode": "whitespace"} if whitespace else {}
    if newline is not None:
        splits["newline"] = newline
    if is_given(context, "subwords") or (level == "subword" and tokenizer is None):
        splits["model"] = subwords
    found["tokenizer_options"] = splits or None
    if embeddings is not None and not is_given(context, "embedding_size", "start"):
        found["embedding_size"] = vector_size("--embeddings", embeddings)
    return found


def is_given(context: typer.Context, *names: str) -> bool:
    """Return whether one of some options was given on the command line."""
    sources = [context.get_parameter_source(name) for name in names]
    return any(source is not None and source.name != "DEFAULT" for source in sources)


# The options by which a model that is gone on with takes over such hyperparameters.
OPTIONS: Mapping[str, tuple[str, ...]] = {
    "schedule_options": ("decay",),
    "tokenizer_options": ("newline", "whitespace", "subwords"),
}
