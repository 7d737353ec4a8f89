"""The subwords of a language model that learns them from its corpus."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnfast._checks import check_options
from rnnfast._checks.messages import shown
from rnnfast.io.tensors import description_of
from rnnfast.models.parts.language.line_weights import read_line_weights
from rnnfast.models.parts.language.text_source import ItemSource, text_source
from rnnfast.text.subword_training import LEAST_SIZE, MODELS, train_subwords
from rnnfast.text.subwords import SubwordTokenizer
from rnnfast.text.tokenizers import split_lines, tokenizer_from_dict
from rnnfast.training.ranks import current_ranks

# By which a checkpoint's identity has them: another training might learn others by a rounding.
IDENTITY = "subwords"
_SIZE = 8000


@dataclass(frozen=True, kw_only=True)
class SubwordOptions:
    """How subwords are learned, as `LanguageModel` has it."""

    tokenizer_options: Mapping[str, Any] | None
    max_vocabulary_size: int | None
    min_count: int
    lines: bool

    def __post_init__(self) -> None:
        size = self.max_vocabulary_size
        if size is not None and size < LEAST_SIZE:
            raise ValueError(
                f"max_vocabulary_size: expected at least {LEAST_SIZE} with level='subword', all "
                f"bytes, got {size}"
            )
        if self.min_count != 1:
            raise ValueError(f"min_count: expected 1 with level='subword', got {self.min_count}")
        self._model()

    def _model(self) -> Any:
        options = check_options("tokenizer_options", self.tokenizer_options, ["model"], "subword")
        model = options.get("model", "bpe")
        if model not in MODELS:
            raise ValueError(
                f"tokenizer_options: model: expected 'bpe' or 'unigram', got {shown(model)}"
            )
        return model

    def learn(self, text: Any, resumed: Any = None, sample_weight: Any = None) -> SubwordTokenizer:
        """Learn subwords of a corpus, or read those of the checkpoint that is ``resumed``.

        Lines of weight 0 are not there.

        Of several processes the first one does, and tells the others.

        Raises
        ------
        OSError, TypeError, ValueError
            If there is no text.
        ModuleNotFoundError
            If the package ``tokenizers`` is not installed.
        """
        ranks = current_ranks()
        found = None
        if ranks.leads:
            known = None if resumed is None else _of_checkpoint(resumed)
            found = known if known is not None else self._train(text, sample_weight).to_dict()
        if ranks.several:
            told = None
            if found is not None:
                told = np.frombuffer(json.dumps(found).encode(), np.uint8)
            parts = [part for part in ranks.gather(told) if len(part)]
            found = json.loads(parts[0].tobytes())
        made = tokenizer_from_dict(found or {})
        assert isinstance(made, SubwordTokenizer)
        return made

    def _train(self, text: Any, sample_weight: Any) -> SubwordTokenizer:
        source = text_source("text", text, self.lines)
        if isinstance(source, ItemSource):
            texts = [item for block in source.blocks("text", _unheard) for item in block]
        else:
            whole = "".join(source.pieces(_unheard))
            texts = split_lines(whole) if self.lines else whole.splitlines(keepends=True)
        weights = read_line_weights(self.lines, text, len(texts), sample_weight)
        if weights is not None:
            texts = [item for item, weight in zip(texts, weights, strict=True) if weight > 0]
        if not any(texts):
            raise ValueError("text: expected text, got an empty corpus")
        return train_subwords(texts, self.max_vocabulary_size or _SIZE, model=self._model())


def _unheard(done: int) -> None:
    """Be told how much was read."""


def _of_checkpoint(path: Any) -> dict[str, Any] | None:
    """Return the subwords of a checkpoint, if it has some; what else is wrong is found later."""
    if not isinstance(path, (str, os.PathLike)) or not os.path.isfile(path):
        return None
    try:
        identity = description_of(path)[1]["identity"]
        found = json.loads(identity[IDENTITY])
    except (KeyError, TypeError, ValueError, OSError):
        return None
    return found if isinstance(found, dict) else None


def to_identity(tokenizer: SubwordTokenizer) -> dict[str, str]:
    """Return what a checkpoint's identity has of the subwords."""
    return {IDENTITY: json.dumps(tokenizer.to_dict())}
