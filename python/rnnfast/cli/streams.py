"""Lines of standard input scored as they come."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rnnfast.cli.console import flush, say
from rnnfast.cli.results import say_json
from rnnfast.cli.texts import input_lines
from rnnfast.models.language_model import LanguageModel


def score_lines(lm: LanguageModel, as_json: bool) -> None:
    """Tell of each line of standard input how likely it is, as soon as it is there.

    With ``lines`` each is a text of its own, and blank ones are left out; else it goes on from all
    lines before, and the line end that a model by character reads is part of the line.
    """
    for line, log_prob, count in _scored(lm):
        if as_json:
            loss = -log_prob / count if count else None
            say_json(text=line, log_prob=log_prob, num_tokens=count, loss=loss)
        else:
            say(f"{log_prob:12.4f}  {line}")
        flush()


def _scored(lm: LanguageModel) -> Iterator[tuple[str, float, int]]:
    """Yield each line without its end, its log-probability and how many tokens that is of."""
    vocabulary, stream = lm.vocabulary_, lm.stream()
    p = stream.start()[0]
    for given in input_lines():
        line = given.removesuffix("\n")
        if lm.lines:
            if not line or line.isspace():
                continue
            p = stream.start()[0]
        found: list[float] = []
        for token in lm.tokenizer_.tokenize(line if lm.lines else given):
            found.append(float(p[vocabulary[token]]))
            p = stream(token)
        if lm.lines:
            assert vocabulary.eos_id is not None
            found.append(float(p[vocabulary.eos_id]))
        with np.errstate(divide="ignore"):  # what cannot be has the logarithm -inf
            yield line, float(np.log(found).sum()), len(found)
