"""What ``rnnfast train`` begins with: a new model, or one that is finished."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from rnnfast.cli.models import load_as
from rnnfast.cli.recipe import OPTIONS, is_given
from rnnfast.models.language_model import LanguageModel

# Parameters of the command that are called otherwise than the hyperparameters they choose.
_OPTIONS = {
    "num_layers": ("layers",),
    "max_vocabulary_size": ("max_vocabulary",),
    "output": ("output_layer",),
    **OPTIONS,
}


def begin_with(
    start: Path | None, hyperparameters: Mapping[str, Any], context: typer.Context
) -> LanguageModel:
    """Return the model to train.

    Parameters
    ----------
    start : Path, optional
        The file of a finished one; None: a new one.
    hyperparameters : mapping
        Those of a new one. A finished one takes over what the command line has given.
    context : typer.Context
        Knows what that is.

    Raises
    ------
    ValueError
        If the file holds no such model.
    OSError
        If it cannot be read.
    """
    if start is None:
        return LanguageModel(**hyperparameters)
    lm = load_as(start, LanguageModel, "LanguageModel")
    for name, value in hyperparameters.items():
        if is_given(context, *_OPTIONS.get(name, (name,))):
            lm.set_params(**{name: value})
    return lm
