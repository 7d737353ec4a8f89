"""Pronunciations by g2p_en of words that its dictionary lacks: two GRUs, in NumPy there."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Any
from unittest import mock

import numpy as np

import rnnfast as rf
from real import Run

WORDS = ("activationist", "rnnfast", "bidirectional", "zyzzogeton", "madmom", "untokenized")
LONGEST, START, END = 20, 2, 3


def predictor() -> Any:
    """Return a `G2p` whose dictionary, which comes from elsewhere, is empty."""
    with mock.patch("nltk.download"):
        from g2p_en import g2p
    with mock.patch.object(g2p, "cmudict", types.SimpleNamespace(dict=dict)):
        return g2p.G2p()


class Words:
    """`G2p.predict` with its GRUs here.

    Parameters
    ----------
    model : g2p_en.G2p
        Whose weights are taken.
    """

    def __init__(self, model: Any) -> None:
        self.graphemes, self.phonemes = model.g2idx, model.idx2p
        self.encoder, self.decoder = (
            rf.GRU.from_weights(
                # Rows of the table meet the weights once, and not at each step.
                getattr(model, f"{part}_w_ih") @ getattr(model, f"{part}_emb").T,
                getattr(model, f"{part}_w_hh"),
                (getattr(model, f"{part}_b_ih"), getattr(model, f"{part}_b_hh")),
            )
            for part in ("enc", "dec")
        )
        self.step = self.decoder.stream()
        self.weight, self.bias = model.fc_w, model.fc_b

    def predict(self, word: str) -> list[str]:
        """Return the phonemes of a word."""
        unknown = self.graphemes["<unk>"]
        letters = [self.graphemes.get(letter, unknown) for letter in [*word, "</s>"]]
        _, h = self.encoder(np.array(letters))
        self.step.state = h[:, np.newaxis]
        last, found = START, []
        for _ in range(LONGEST):
            last = int((self.weight @ self.step(last) + self.bias).argmax())
            if last == END:
                break
            found.append(self.phonemes[last])
        return found


def runs() -> Iterator[Run]:
    """Yield the encoder by itself, and the phonemes of words."""
    model = predictor()
    ours = Words(model)
    encoded = [model.encode(word) for word in WORDS]
    indices = [np.array([model.g2idx[letter] for letter in [*word, "</s>"]]) for word in WORDS]
    weights = [getattr(model, f"enc_{name}") for name in ("w_ih", "w_hh", "b_ih", "b_hh")]
    yield Run(
        "the encoder, 6 words",
        lambda: np.concatenate([model.gru(x, x.shape[1], *weights)[0] for x in encoded]),
        lambda: np.concatenate([ours.encoder(x)[0] for x in indices]),
        1e-5,
    )

    def numbered(predict: Any) -> Any:
        return lambda: np.array([model.p2idx[p] for word in WORDS for p in predict(word)])

    yield Run("6 words to phonemes", numbered(model.predict), numbered(ours.predict), 0)
