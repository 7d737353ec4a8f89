"""The command ``rnnfast quantize``."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Annotated, Any

import typer

import rnnfast as rf
from rnnfast.cli.console import say
from rnnfast.cli.options import choice, path_of_file
from rnnfast.cli.results import AsJson, Quiet, say_json
from rnnfast.cli.training_files import are_same
from rnnfast.io.files import require_writable
from rnnfast.models.base import Model


def quantize(
    model: Annotated[
        Path, typer.Argument(parser=path_of_file, help="A model, or a layer, that was saved.")
    ],
    out: Annotated[Path, typer.Argument(parser=path_of_file, help="The file to write.")],
    numbers: Annotated[Any, choice("What weights become.", "int8", "bfloat16")] = "int8",
    activations: Annotated[
        Any, choice("With int8, the bits of what is multiplied with them.", "8", "16")
    ] = "8",
    force: Annotated[bool, typer.Option("--force", help="Replace a file.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write a model in fewer bits: a smaller file, to be used and not to be trained."""
    if are_same(model, out):
        raise ValueError(f"OUT: expected another file than MODEL, got {out}")
    if os.path.lexists(out) and not force:
        raise FileExistsError(errno.EEXIST, "exists; --force replaces it", str(out))
    require_writable("OUT", out)
    made = rf.quantize(rf.load(model), numbers, activations=int(activations))
    rf.save(out, made)
    kept = made.numbers_ if isinstance(made, Model) else made.numbers
    name, before, after = type(made).__name__, model.stat().st_size, out.stat().st_size
    if as_json:
        say_json(saved=out, model=name, numbers=kept, size=after, size_before=before)
    elif not quiet:  # the file is the result
        say(f"saved {out}: {name}, {kept}, {after:,} bytes in place of {before:,}")
