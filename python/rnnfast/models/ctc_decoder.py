"""From the scores of any CTC network to text: a beam, a language model, hot words, times."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnfast import _core
from rnnfast._checks import check_factor, check_int, check_list, check_real
from rnnfast._checks.adjustments import warn_caller
from rnnfast._checks.messages import shown
from rnnfast.data.batches import Ints, pad_sequences
from rnnfast.generation.ctc import checked_scores, log_probs_within
from rnnfast.models.language_model import LanguageModel
from rnnfast.models.parts.language.prefix_scores import FunctionScores, PrefixScores, SymbolScores
from rnnfast.models.parts.language.word_scores import WordScores
from rnnfast.models.parts.transcription import Transcription, spans_of, words_of
from rnnfast.nn.module import Array
from rnnfast.text._tokens import require_strings, split_text
from rnnfast.text.tokenizers import CharTokenizer, Tokenizer

# Symbols of a hot word: as many as the search looks back.
_LONGEST = 62


class CTCDecoder:
    """Finds what the scores of a CTC network say, with a language model and hot words if wanted.

    Prefix beam search (Graves and Jaitly 2014, Hannun et al. 2014): step by step, each of the
    ``beam_size`` best prefixes is prolonged by every symbol. They are ranked by

    ::

        log P(prefix by the network) + lm_weight log P(prefix by the language model)
            + insertion_bonus n + hot_word_bonus m

    where the first term is a sum over the paths that say the prefix, n is how many symbols it has,
    or with a language model by word how many words have ended, and m how many of its symbols stand
    in a hot word, or at its end begin one. All of it happens in the kernels but for the language
    model, which is asked once for each prefix that comes into the beam, those of all sequences side
    by side.

    Parameters
    ----------
    labels : sequence of str
        The K symbols by class; that in the place of the blank is not looked at.
    blank : int
        The class that stands for no symbol.
    beam_size : int
        How many prefixes are kept at each step.
    language_model : LanguageModel or callable, optional
        A fitted `LanguageModel`, without a condition. By ``level="char"`` its tokens are the
        symbols, each of which is scored as it comes; by ``level="word"``, where the labels are
        characters and a space, the words between spaces, which are scored when they end. Subwords
        that have the space before them do not go with it. With ``lines`` the end of the text is
        scored too.
        Or a function that is given a prefix, a tuple of str, and returns the logarithms of the
        probabilities of what may follow it: an array ``(K - 1,)`` in the order of ``labels``
        without the blank, or ``(K,)`` with the end of the text as the last one. -inf forbids.
    lm_weight : float
        By which the logarithms of the language model's probabilities are multiplied.
    insertion_bonus : float
        What each symbol, or with a language model by word each word, adds: language models make
        long texts unlikely.
    hot_words : sequence of str or of list of str
        Words or phrases to expect, of at most 62 symbols each. Where the labels have a space they
        are whole words; else they may stand anywhere.
    hot_word_bonus : float
        What each symbol of a hot word adds. A prefix has it while it may still become one, and
        loses it where it turns out to be none.
    min_log_prob : float, optional
        Symbols whose log-probability at a step is below prolong no prefix: -5 is much faster where
        the network is sure. None: all do.
    frame_rate : float, optional
        Steps a second, for times in seconds.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another type or out of its range, a hot word has other symbols than
        the labels, or the language model does not fit them.

    Examples
    --------
    >>> scores = np.log([[0.6, 0.4], [0.6, 0.4]])  # of the blank and of "a": the best path is empty
    >>> found = CTCDecoder(["", "a"])(scores)
    >>> found.symbols, round(math.exp(found.log_prob), 2)
    ('a', 0.64)
    """

    def __init__(
        self,
        labels: Sequence[str],
        *,
        blank: int = 0,
        beam_size: int = 16,
        language_model: LanguageModel | Callable[[tuple[str, ...]], Any] | None = None,
        lm_weight: float = 0.5,
        insertion_bonus: float = 0.0,
        hot_words: Sequence[str | Sequence[str]] = (),
        hot_word_bonus: float = 1.0,
        min_log_prob: float | None = None,
        frame_rate: float | None = None,
    ) -> None:
        self._labels = list(check_list("labels", labels, "str"))
        require_strings("labels", self._labels)
        self._blank = check_int("blank", blank, 0)
        if self._blank >= len(self._labels):
            raise ValueError(
                f"blank: expected a class from 0 to {len(self._labels) - 1}, got {blank}"
            )
        self._classes = {
            label: number for number, label in enumerate(self._labels) if number != self._blank
        }
        if len(self._classes) < len(self._labels) - 1:
            raise ValueError(f"labels: expected different ones, got {shown(labels)}")
        if "" in self._classes and self._labels[self._blank]:
            raise ValueError(
                f"blank: expected the class {self._classes['']}, whose label is empty, got {blank}"
            )
        self._by_character = all(len(label) == 1 for label in self._classes)
        self._space = self._classes.get(" ", -1) if self._by_character else -1
        self._beam_size = check_int("beam_size", beam_size, 1)
        self._weight = check_factor("lm_weight", lm_weight, 0)
        self._bonus = check_factor("insertion_bonus", insertion_bonus)
        self._hot_bonus = check_factor("hot_word_bonus", hot_word_bonus, 0)
        self._hot_words = self._read_hot_words(hot_words)
        self._least = (
            -math.inf if min_log_prob is None else check_real("min_log_prob", min_log_prob)
        )
        if frame_rate is not None:
            frame_rate = check_real("frame_rate", frame_rate, 0, above=True)
        self._frame_rate = frame_rate
        self._by_word = False
        self._language_model = self._read_language_model(language_model)

    def __call__(
        self, logits: Any, lengths: npt.ArrayLike | None = None, *, n_best: int = 1
    ) -> Any:
        """Return what sequences of scores say.

        Parameters
        ----------
        logits : ndarray or list of ndarray
            Scores or logarithms of probabilities: ``(T, B, K)``, as layers and losses have them, or
            a list of B arrays ``(T_i, K)``; or of a single sequence ``(T, K)``. float32 or float64.
        lengths : array_like of int, optional
            ``(B,)``, the steps of each sequence, with an array ``(T, B, K)``; None: T.
        n_best : int
            How many texts are wanted, at most ``beam_size``.

        Returns
        -------
        list of Transcription
            One for each sequence; of a single one alone. With an ``n_best`` above 1 a list of at
            most so many in place of each, the best first.

        Raises
        ------
        TypeError
            If a dtype differs.
        ValueError
            If a shape differs, a number is out of range or not finite, or the language model
            forbids all that the beam has.
        """
        n_best = check_int("n_best", n_best, 1)
        if n_best > self._beam_size:
            raise ValueError(f"n_best: expected at most beam_size {self._beam_size}, got {n_best}")
        alone = isinstance(logits, np.ndarray) and logits.ndim == 2
        if alone:
            logits = logits[:, np.newaxis]
        elif isinstance(logits, (list, tuple)):
            logits, lengths = self._padded(logits, lengths)
        logits, steps = checked_scores(logits, lengths, self._blank)
        if logits.shape[2] != len(self._labels):
            raise ValueError(
                f"logits: expected one for each of the {len(self._labels)} labels, got shape "
                f"{logits.shape}"
            )
        found = self._search(log_probs_within(logits, steps), steps, n_best)
        results = [each[0] for each in found] if n_best == 1 else found
        return results[0] if alone else results

    @property
    def guided(self) -> bool:
        """Whether more than the scores ranks texts: a language model, hot words, a bonus."""
        return self._language_model is not None or bool(self._hot_words) or self._bonus != 0

    def _padded(self, arrays: Any, lengths: Any) -> tuple[Array, Ints]:
        if lengths is not None:
            raise ValueError("lengths: expected None with a list of arrays, got others")
        for number, array in enumerate(arrays):
            if not isinstance(array, np.ndarray) or array.ndim != 2:
                got = getattr(array, "shape", type(array).__name__)
                raise ValueError(f"logits[{number}]: expected shape (T, K), got {shown(got)}")
        if not arrays:
            raise ValueError("logits: expected at least one sequence, got none")
        if len({(array.shape[1], array.dtype) for array in arrays}) > 1:
            raise ValueError("logits: expected arrays of one width and dtype, got several")
        return pad_sequences(list(arrays))

    def _search(self, log_probs: Array, steps: Ints, n_best: int) -> list[list[Transcription]]:
        model, count = self._scores(), log_probs.shape[1]
        search = _core.CtcSearch(
            log_probs, steps, self._blank, self._beam_size, self._least,
            0.0 if self._by_word else self._bonus,
            self._hot_words, self._hot_bonus, self._space, model is not None,
        )  # fmt: skip
        while len(asked := search.advance()):
            assert model is not None
            sequence, place, parent, symbol = asked.T
            parents = np.where(parent < 0, -1, parent * count + sequence)
            search.answer(model.scores(place * count + sequence, parents, symbol))
        best = search.best(self._beam_size if self._by_word else n_best)
        results: list[list[Transcription]] = []
        for number, candidates in enumerate(best):
            ends = [0.0] * len(candidates)
            if model is not None:
                ends = model.ends([[self._labels[k] for k in found] for found, *_ in candidates])
            ranked = [
                (score + end, log_prob, symbols)
                for (symbols, log_prob, score), end in zip(candidates, ends, strict=True)
            ]
            ranked.sort(key=lambda one: -one[0])
            if not ranked:
                raise ValueError(
                    f"language_model: expected one that allows what the beam has, got none for "
                    f"sequence {number}"
                )
            own = np.ascontiguousarray(log_probs[: steps[number], number])
            results.append([self._told(own, *one) for one in ranked[:n_best]])
        return results

    def _told(self, log_probs: Array, score: float, log_prob: float, symbols: Ints) -> Any:
        letters = spans_of(log_probs, symbols, self._labels, self._blank, self._frame_rate)
        said = [letter.text for letter in letters]
        words = words_of(letters, self._frame_rate) if self._by_character else list(letters)
        text = "".join(said) if self._by_character else said
        return Transcription(text, log_prob, score, letters, words)

    def _read_hot_words(self, hot_words: Any) -> list[list[int]]:
        found: list[list[int]] = []
        for number, word in enumerate(check_list("hot_words", hot_words, "str")):
            name = f"hot_words[{number}]"
            if isinstance(word, str):
                symbols = list(word) if self._by_character else [word]
            else:
                symbols = list(check_list(name, word, "str"))
            require_strings(name, symbols)
            if not 0 < len(symbols) <= _LONGEST:
                raise ValueError(f"{name}: expected 1 to {_LONGEST} symbols, got {len(symbols)}")
            for symbol in symbols:
                if symbol not in self._classes:
                    raise ValueError(f"{name}: expected symbols of the labels, got {shown(symbol)}")
            found.append([self._classes[symbol] for symbol in symbols])
        return found

    def _read_language_model(self, model: Any) -> Any:
        if model is None or (callable(model) and not isinstance(model, LanguageModel)):
            return model
        if not isinstance(model, LanguageModel):
            got = type(model).__name__
            raise TypeError(f"language_model: expected a LanguageModel or a callable, got {got}")
        model = model._as_fitted()
        if model.condition_ is not None:
            raise ValueError("language_model: expected one without a condition, got one with it")
        known = [label in model.vocabulary_ for label in self._classes]
        of_words = not isinstance(model.tokenizer_, CharTokenizer) and self._by_character
        self._by_word = of_words and self._space >= 0
        if of_words and not self._by_word:
            raise ValueError(
                "language_model: expected one by character, as the labels have no space to end "
                f"words, got level={model.level!r}"
            )
        if self._by_word and not self._splits_at_spaces(model.tokenizer_):
            raise ValueError(
                "language_model: expected one whose words are the same tokens wherever they stand, "
                f"got {'a tokenizer' if model.tokenizer is not None else f'level={model.level!r}'}"
                ", whose tokens have the space before them"
            )
        letters = [k for label, k in zip(self._classes, known, strict=True) if label != " "]
        if not self._by_word and not any(letters):
            raise ValueError("language_model: expected one whose tokens are the labels, got others")
        if not self._by_word and not all(known) and model.vocabulary_.unk_id is None:
            missing = list(self._classes)[known.index(False)]
            raise ValueError(
                f"language_model: expected one that knows the labels, got one without "
                f"{shown(missing)}"
            )
        if not self._by_word and not all(known):
            missing = shown(list(self._classes)[known.index(False)])
            warn_caller(
                f"language_model: {known.count(False)} of {len(known)} labels are unknown to it "
                f"and read as {model.vocabulary_.unk!r}, the first of them {missing}"
            )
        return model

    def _splits_at_spaces(self, tokenizer: Tokenizer) -> bool:
        """Return whether a text has the tokens of its words, each by itself."""
        letters = [label for label in self._classes if not label.isspace()]
        words = letters[:1] + letters[-1:]
        parts = [split_text(tokenizer, word) for word in words]
        return split_text(tokenizer, " ".join(words)) == [*chain(*parts)]

    def _scores(self) -> PrefixScores | None:
        """Return what scores the prefixes of one search."""
        model = self._language_model
        if model is None:
            return None
        if not isinstance(model, LanguageModel):
            return FunctionScores(model, self._labels, self._blank, self._weight)
        vocabulary = model.vocabulary_
        end = vocabulary.eos_id if model.lines else None
        if self._by_word:
            return WordScores(
                model.network_,
                model.tokenizer_,
                vocabulary,
                self._labels,
                blank=self._blank,
                space=self._space,
                end=end,
                weight=self._weight,
                bonus=self._bonus,
            )
        ids = np.zeros(len(self._labels), np.int64)
        for label, number in self._classes.items():
            ids[number] = vocabulary.encode([label])[0]
        return SymbolScores(model.network_, ids, end, self._blank, self._weight)
