"""What a language model by word says of prefixes written by character."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from rnnfast.data.batches import Ints
from rnnfast.models.parts.language.prefix_scores import Floats
from rnnfast.models.parts.language.token_network import TokenNetwork
from rnnfast.nn.module import Array
from rnnfast.text._tokens import split_text
from rnnfast.text.tokenizers import Tokenizer
from rnnfast.text.vocabulary import Vocabulary


class History(NamedTuple):
    """Words that have ended: the layers' state after them, and log P of each token to follow."""

    state: Any
    log_probs: Array


class WordScores:
    """A language model by word: a word is scored when it ends, by a space or with the text.

    Parameters
    ----------
    network, tokenizer, vocabulary
        The language model's.
    labels : list of str
        The characters of the classes.
    blank, space : int
        The classes of the blank, and of what ends a word.
    end : int or None
        The token that ends a text.
    weight, bonus : float
        By which log-probabilities are multiplied, and what is added for each word.
    """

    def __init__(
        self,
        network: TokenNetwork,
        tokenizer: Tokenizer,
        vocabulary: Vocabulary,
        labels: list[str],
        *,
        blank: int,
        space: int,
        end: int | None,
        weight: float,
        bonus: float,
    ) -> None:
        self._network, self._tokenizer, self._vocabulary = network, tokenizer, vocabulary
        self._labels, self._blank, self._space = labels, blank, space
        self._end, self._weight, self._bonus = end, weight, bonus
        # Of each place the words that have ended, and the characters since.
        self._places: dict[int, tuple[History, str]] = {}
        (self._start,) = self._read([(None, network.start)])

    def scores(self, places: Ints, parents: Ints, symbols: Ints) -> Floats:
        """Return what the base says."""
        now: list[tuple[History, str]] = []
        ended: list[int] = []
        for parent, symbol in zip(parents.tolist(), symbols.tolist(), strict=True):
            if parent < 0:
                now.append((self._start, ""))
                continue
            history, word = self._places[parent]
            if symbol != self._space:
                now.append((history, word + self._labels[symbol]))
                continue
            if word:
                ended.append(len(now))
            now.append((history, word))
        after = self._after([now[n] for n in ended])
        for number, (history, _) in zip(ended, after, strict=True):
            now[number] = history, ""
        self._places.update(zip(places.tolist(), now, strict=True))
        scores = np.zeros((len(places), len(self._labels)))
        writing = [number for number, (_, word) in enumerate(now) if word]
        gains = self._gains([now[n] for n in writing])
        for number, gain in zip(writing, gains, strict=True):
            scores[number, [self._space, self._blank]] = gain
        return scores

    def ends(self, texts: list[list[str]]) -> list[float]:
        """Return what it adds that there is no further word."""
        if self._end is None or not texts:
            return [0.0] * len(texts)
        histories = [self._start] * len(texts)
        words = ["".join(text).split(" ") for text in texts]
        for place in range(max(map(len, words))):
            chosen = [n for n, each in enumerate(words) if place < len(each) and each[place]]
            after = self._after([(histories[n], words[n][place]) for n in chosen])
            for number, (history, _) in zip(chosen, after, strict=True):
                histories[number] = history
        return [self._weight * float(history.log_probs[self._end]) for history in histories]

    def _gains(self, pairs: list[tuple[History, str]]) -> list[float]:
        """Return what is added if words end after histories."""
        found = [0.0] * len(pairs)
        several: list[int] = []
        for number, (history, word) in enumerate(pairs):
            ids = self._ids(word)
            if len(ids) == 1:
                found[number] = float(history.log_probs[ids[0]])
            else:
                several.append(number)
        for number, (_, log_prob) in zip(
            several, self._after([pairs[n] for n in several]), strict=True
        ):
            found[number] = log_prob
        return [self._weight * log_prob + self._bonus for log_prob in found]

    def _after(self, pairs: list[tuple[History, str]]) -> list[tuple[History, float]]:
        """Return the histories with one more word each, and log P of that."""
        tokens = [self._ids(word) for _, word in pairs]
        histories, log_probs = [history for history, _ in pairs], [0.0] * len(pairs)
        for place in range(max(map(len, tokens), default=0)):
            chosen = [n for n, ids in enumerate(tokens) if place < len(ids)]
            for n in chosen:
                log_probs[n] += float(histories[n].log_probs[tokens[n][place]])
            read = self._read([(histories[n].state, tokens[n][place]) for n in chosen])
            for number, history in zip(chosen, read, strict=True):
                histories[number] = history
        return list(zip(histories, log_probs, strict=True))

    def _ids(self, word: str) -> list[int]:
        ids: list[int] = self._vocabulary.encode(split_text(self._tokenizer, word)).tolist()
        return ids

    def _read(self, pairs: list[tuple[Any, int]]) -> list[History]:
        """Return what follows one token after states ``(L, H)``; None: zero."""
        if not pairs:
            return []
        states = [state for state, _ in pairs]
        state: Any = None
        if isinstance(states[0], tuple):
            state = tuple(np.stack(part, axis=1) for part in zip(*states, strict=True))
        elif states[0] is not None:
            state = np.stack(states, axis=1)
        log_probs, state = self._network.step(np.array([token for _, token in pairs]), state)
        if isinstance(state, tuple):
            each: list[Any] = [tuple(part[:, n] for part in state) for n in range(len(pairs))]
        else:
            each = [state[:, n] for n in range(len(pairs))]
        return [History(*pair) for pair in zip(each, log_probs, strict=True)]
