"""Options of the commands: each says what it expects, and what it got."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import typer

from rnnfast._checks import MAX_INT, check_int, check_real
from rnnfast._checks.messages import shown
from rnnfast.io.files import is_of_folder

Number = TypeVar("Number", int, float)

# What the package calls its arguments, and what the commands call them.
_NAMES = {
    "train": {
        "batch_size": "--batch-size",
        "embedding_dim": "--embedding-size",
        "embedding_size": "--embedding-size",
        "hidden_size": "--hidden-size",
        "learning_rate": "--lr",
        "clip_norm": "--clip-norm",
        "embeddings": "--embeddings",
        "init": "--init",
        "init_range": "--init-range",
        "schedule": "--schedule",
        "max_vocabulary_size": "--max-vocabulary",
        "num_layers": "--layers",
        "output:": "--output-layer:",
        "output='adaptive'": "--output-layer adaptive",
        "level='subword'": "--level subword",
        "sequence_length": "--sequence-length",
        "patience": "--patience",
        "extend=False": "--no-extend",
        "freeze": "--freeze",
        "without warm_start": "without --from",
        "set validation_fraction=0": "give another text with --valid",
        "or lines=False": "or leave out --lines",
        "or level='char'": "or take --level char",
    },
    "export": {"module": "MODEL", "opset": "--opset", "part": "--part", "indices": "--indices"},
    "quantize": {"network:": "MODEL:", "activations:": "--activations:"},
    "show": {
        "text:": "TEXT:",
        "condition:": "--condition:",
        "examples:": "--data:",
        "X:": "--data: x:",
        "y:": "--data: y:",
    },
    "sample": {"batch_size": "--number", "max_length": "--length"},
}


def integer(help: str, low: int, *names: str, high: int = MAX_INT) -> Any:
    """Return an option that takes an integer from ``low`` to ``high``."""

    def parse(text: Any) -> int:
        try:
            number = int(text)
        except ValueError:
            raise typer.BadParameter(f"expected an integer, got {shown(text)}") from None
        return _checked(lambda: check_int("", number, low, high))

    return typer.Option(*names, parser=parse, metavar=f"<int from {low}>", help=help)


def real(help: str, low: float, high: float, *names: str, **bounds: bool) -> Any:
    """Return an option that takes a number; bounds as `check_real` has them."""

    def parse(text: Any) -> float:
        try:
            number = float(text)
        except ValueError:
            raise typer.BadParameter(f"expected a number, got {shown(text)}") from None
        return _checked(lambda: check_real("", number, low, high, **bounds))

    return typer.Option(*names, parser=parse, metavar="<float>", help=help)


def choice(help: str, *choices: str) -> Any:
    """Return an option that takes one of several words."""

    def parse(text: str) -> str:
        if text not in choices:
            raise typer.BadParameter(f"expected one of {', '.join(choices)}, got {shown(text)}")
        return text

    def complete(incomplete: str) -> list[str]:
        return [word for word in choices if word.startswith(incomplete)]

    return typer.Option(
        parser=parse, metavar=f"<{'|'.join(choices)}>", help=help, autocompletion=complete
    )


def file(help: str, *names: str) -> Any:
    """Return an option that takes the path of a file."""
    return typer.Option(*names, parser=path_of_file, metavar="<path>", help=help)


def path_of_file(text: str | Path) -> Path:
    """Return a text as a path.

    BadParameter if there is none, or it ends as a folder's does, or is ``-``, a standard stream.
    """
    if text == "-":
        raise typer.BadParameter("expected the path of a file, got '-'; ./- is one")
    if not str(text) or is_of_folder(str(text)):
        raise typer.BadParameter(f"expected the path of a file, got {shown(str(text))}")
    return Path(text)


def in_options(command: str, message: str) -> str:
    """Return a message of the package with the command's names of what it names."""
    names: Mapping[str, str] = _NAMES.get(command, {})
    known = "|".join(map(re.escape, names))
    # Not what stands in a path or between quotation marks.
    alone = rf"(?<![\w./\\'\"-])({known})(?![\w./\\'\"-])"
    return re.sub(alone, lambda found: names[found[1]], message) if known else message


def _checked(check: Callable[[], Number]) -> Number:
    """Return what a check of an argument without a name returns."""
    try:
        return check()
    except ValueError as error:
        raise typer.BadParameter(str(error).removeprefix(": ")) from None
