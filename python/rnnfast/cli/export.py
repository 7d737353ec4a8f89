"""The command ``rnnfast export``."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Annotated, Any

import typer

import rnnfast as rf
from rnnfast.cli.console import say
from rnnfast.cli.options import choice, integer, path_of_file
from rnnfast.cli.results import AsJson, Quiet, say_json
from rnnfast.cli.training_files import are_same
from rnnfast.io.files import require_writable


def export(
    model: Annotated[
        Path, typer.Argument(parser=path_of_file, help="A model, or layers, that were saved.")
    ],
    out: Annotated[Path, typer.Argument(parser=path_of_file, help="The ONNX file to write.")],
    opset: Annotated[
        int, integer("The version of ONNX's operators, at most 22.", 14, high=22)
    ] = 22,
    part: Annotated[
        Any, choice("Of a Seq2Seq, which is two files: which one.", "encoder", "decoder")
    ] = None,
    indices: Annotated[
        bool, typer.Option("--indices", help="Recurrent layers are to read indices.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write a model as an ONNX file, for other runtimes."""
    from rnnfast.interop.onnx.export.file import make, write

    if are_same(model, out):
        raise ValueError(f"OUT: expected another file than MODEL, got {out}")
    if os.path.lexists(out) and not force:
        raise FileExistsError(errno.EEXIST, "exists; --force replaces it", str(out))
    require_writable("OUT", out)
    network = rf.load(model)
    made = make(network, opset=opset, indices=indices, part=part)
    write(made, out, new=not force)
    inputs, outputs = (
        [value.name for value in values] for values in (made.graph.input, made.graph.output)
    )
    model_name, size = type(network).__name__, out.stat().st_size
    if as_json:
        say_json(
            saved=out, model=model_name, opset=opset, size=size, inputs=inputs, outputs=outputs
        )
    elif not quiet:  # the file is the result
        say(
            f"saved {out}: {model_name}, opset {opset}, {size:,} bytes; "
            f"reads {', '.join(inputs)}; gives {', '.join(outputs)}"
        )
