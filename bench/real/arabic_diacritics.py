"""Diacritics by arabic-diacritizer: three bidirectional LSTM layers of PyTorch, and attention."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch
from diacritize.baseline.model import BiLSTMDiacritizer
from diacritize.config import MODELS_DIR

from real import Run
from rnnfast.interop.torch import accelerate

SENTENCE = "السلام عليكم ورحمة الله وبركاته كيف حالك اليوم"


def runs() -> Iterator[Run]:
    """Yield the LSTM by itself, and scores of a sentence."""
    theirs = BiLSTMDiacritizer.from_pretrained(str(MODELS_DIR / "bilstm_best.pt"))
    ours = copy.deepcopy(theirs)
    accelerate(ours)
    ids = torch.tensor([theirs.tokenizer.encode(SENTENCE, add_special=False)])

    def without_gradients(run: Any) -> Any:
        def ran() -> Any:
            with torch.no_grad():
                return run().numpy()

        return ran

    with torch.no_grad():
        embedded = theirs.embedding(ids)
    yield Run(
        "the LSTM, a sentence of 46 letters",
        without_gradients(lambda: theirs.lstm(embedded)[0]),
        without_gradients(lambda: ours.lstm(embedded)[0]),
        1e-5,
    )
    yield Run(
        "scores of that sentence",
        without_gradients(lambda: theirs(ids)),
        without_gradients(lambda: ours(ids)),
        1e-3,
    )
