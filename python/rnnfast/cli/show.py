"""The command ``rnnfast show``."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from rnnfast._checks.messages import shown
from rnnfast.cli.console import say
from rnnfast.cli.models import load_as
from rnnfast.cli.options import file, integer, path_of_file
from rnnfast.cli.results import AsJson, Quiet, say_json
from rnnfast.cli.texts import TextSource, given_text, note_path, text_file
from rnnfast.cli.training_files import are_same
from rnnfast.diagnostics.page import model_page
from rnnfast.io.files import require_writable, write_atomically
from rnnfast.models.base import Model


def show(
    model: Annotated[Path, typer.Argument(parser=path_of_file, help="A model that was saved.")],
    text: Annotated[
        str | None,
        typer.Argument(help="What it is to read, -: standard input; else its first sample."),
    ] = None,
    text_source: Annotated[
        TextSource | None, text_file("A UTF-8 file with the text; -: standard input.", "--file")
    ] = None,
    out: Annotated[
        Path | None, file("The page; else beside the model, ending in .html.", "-o", "--out")
    ] = None,
    data: Annotated[
        TextSource | None,
        text_file(
            'Examples for a table of errors, one a line: {"x": ..., "y": ...}; -: standard input.'
        ),
    ] = None,
    condition: Annotated[
        str | None, typer.Option(help="The label, of a model that was trained with labels.")
    ] = None,
    samples: Annotated[int, integer("How many texts a language model writes.", 0)] = 5,
    seed: Annotated[int, integer("The same seed, the same page.", 0)] = 0,
    force: Annotated[bool, typer.Option("--force", help="Replace a file.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write a page of HTML that shows a model: history, samples, gates, errors.

    The page is one file that loads nothing from elsewhere.
    """
    if text is not None and text_source is not None:
        raise typer.BadParameter("expected either a TEXT or a --file, got both")
    from_input = [text == "-", *(s is not None and s.path is None for s in (text_source, data))]
    if sum(from_input) > 1:
        raise typer.BadParameter("expected standard input once, got it twice")
    page = model.with_suffix(".html") if out is None else out
    if are_same(model, page):
        raise ValueError(f"--out: expected another file than MODEL, got {page}")
    for name, source in (("--file", text_source), ("--data", data)):
        if source is not None and source.path is not None and are_same(source.path, page):
            raise ValueError(f"--out: expected another file than {name}, got {page}")
    if os.path.lexists(page) and not force:
        raise FileExistsError(errno.EEXIST, "exists; --force replaces it", str(page))
    require_writable("--out", page)
    loaded: Any = load_as(model, Model, "model")
    if text_source is not None:
        text = text_source.read()
    elif text is not None:
        if not quiet:
            note_path("TEXT", text)
        text = given_text(text)
    examples = None if data is None else _examples(data)
    made = model_page(
        loaded, text, examples=examples, condition=condition, samples=samples, seed=seed
    )
    content = made.encode("utf-8")
    write_atomically(page, content, new=not force)
    if as_json:
        say_json(saved=page, model=type(loaded).__name__, size=len(content))
    elif not quiet:  # the file is the result
        say(f"saved {page}: {type(loaded).__name__}, {len(content):,} bytes")


def _examples(source: TextSource) -> tuple[list[Any], list[Any]]:
    """Read examples, an object of JSON a line; ValueError with the line that is none."""
    X, y = [], []
    for number, line in enumerate(source.read().split("\n"), 1):
        if not line.strip():
            continue
        try:
            one = json.loads(line)
            X.append(_sequence(one["x"]))
            y.append(one["y"])
        except (ValueError, TypeError, KeyError, RecursionError):
            raise ValueError(
                f"{source.shown}: line {number}: expected an object with x and y, such as "
                f'{{"x": "a text", "y": "a label"}}, got {shown(line)}'
            ) from None
    if not X:
        raise ValueError(f"{source.shown}: expected at least one example, got none")
    return X, y


def _sequence(x: Any) -> Any:
    """Return a sequence as models read it: of numbers an array, a text or tokens as they are."""
    if isinstance(x, list) and not all(isinstance(item, str) for item in x):
        return np.array(x)
    return x
