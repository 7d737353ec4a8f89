"""Few symbols from many steps, without knowing where: speech to digits, strokes to letters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from rnnfast._checks import check_int, check_real
from rnnfast._checks.likeness import likeness
from rnnfast.data.batches import Ints
from rnnfast.metrics import error_rate
from rnnfast.models.base import OfPart
from rnnfast.models.ctc_decoder import CTCDecoder
from rnnfast.models.estimator import Estimator
from rnnfast.models.language_model import LanguageModel
from rnnfast.models.parts.codecs.symbols import SymbolCodec
from rnnfast.models.parts.contract import Weighed
from rnnfast.models.parts.fitting.examples import check_same_length
from rnnfast.models.parts.hyperparameters import TokenOptions
from rnnfast.models.parts.networks.heads import CTCHead
from rnnfast.models.parts.running_symbols import RunningSymbols
from rnnfast.models.parts.turns import in_turn
from rnnfast.models.stream import ModelStream
from rnnfast.nn.module import Array
from rnnfast.text._tokens import split_text


@dataclass(kw_only=True, eq=False, repr=False)
class CTCRecognizer(Weighed, Estimator):
    """Writes the symbols that a long sequence says: digits from speech, letters from strokes.

    The course's many-to-many picture with T_x != T_y for speech recognition, where T_x is much
    larger than T_y: a network gives a symbol or the blank at each step,
    ``ttt_h_eee___ ___qqq__``, and what it says is left when repeated symbols are merged and blanks
    removed, ``the q``. It learns from sequences and symbols alone, without being told when a symbol
    is said: the loss adds up all ways to say them (connectionist temporal classification, Graves et
    al. 2006).

    ::

        a<t>  = layers(x<1> ... x<T_x>)                   usually in both directions
        p<t>  = softmax(W_y a<t> + b_y)                   symbols and blank
        loss  = - log sum over paths that say y of prod over t of p<t>[path_t]

    Parameters
    ----------
    impossible : {"error", "skip"}
        What becomes of a sequence that is too short for what it is to say: one step for each symbol
        and one for the blank between any two equal neighbours, without which no path says it.
        ``"error"`` raises ValueError, which names it; ``"skip"`` leaves it out, in training and of
        what is validated on, and `fit` tells which ones.
    frame_rate : float, optional
        Steps a second, by which `transcribe` tells times in seconds.
    **others
        The hyperparameters that all models have, see
        `rnnfast.models.recurrent_model.RecurrentModel`, and all supervised ones, see
        `rnnfast.models.estimator.Estimator`. ``bidirectional`` is True if not set. Those of tokens
        hold for ``X`` where that is text, and ``level`` for text in ``y``.

    Attributes
    ----------
    symbols_ : tuple of str
        The symbols, sorted.
    inputs_ : TokenInputs or SeriesInputs
        How ``X`` is encoded.
    writes_text_ : bool
        Whether y was text in training, and predictions are.
    network_ : EncoderNetwork
        The layers.
    history_, best_epoch_, stopped_
        As every model has them. Of each epoch the history has ``valid_loss``, which tells the best
        epoch, and ``valid_error_rate``.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = ["".join(rng.choice(list("ab"), size=3)) for _ in range(60)]
    >>> X = [np.repeat([[c == "a", c == "b", 0] for c in t + " "], 3, 0) * 1.0 for t in y]
    >>> model = CTCRecognizer(hidden_size=16, learning_rate=0.01, epochs=100, seed=0, verbose=0)
    >>> model.fit(X, y).predict(X[:3]) == y[:3]
    True
    """

    # Others than those of `Estimator`.
    level: Literal["word", "char"] = "char"
    bidirectional: bool = True
    impossible: Literal["error", "skip"] = "error"
    frame_rate: float | None = None

    symbols_ = OfPart[tuple[str, ...]]("_codec.symbols")
    writes_text_ = OfPart[bool]("_codec.writes_text")
    _codec: SymbolCodec = field(init=False)

    # Asking

    @in_turn
    def predict(
        self,
        X: Any,
        *,
        beam_size: int | None = None,
        language_model: LanguageModel | Callable[[tuple[str, ...]], Any] | None = None,
        lm_weight: float = 0.5,
        insertion_bonus: float = 0.0,
        hot_words: Sequence[str | Sequence[str]] = (),
        hot_word_bonus: float = 1.0,
        min_log_prob: float | None = None,
        like: bool = False,
    ) -> list[Any]:
        """Return the symbols that each sequence says.

        Parameters
        ----------
        X : list of ndarray, ndarray, list of str or list of list of str
            Sequences of the kind that `fit` was given.
        beam_size : int, optional
            How many beginnings are searched on; 1 takes the best class of each step. None: 16 with
            a language model, hot words or a bonus, else 1.
        language_model, lm_weight, insertion_bonus, hot_words, hot_word_bonus, min_log_prob
            As `rnnfast.CTCDecoder` takes them; text in ``hot_words`` is split as ``y`` was.
        like : bool
            True: what is returned is of the library that ``X`` is of, such as a Series.

        Returns
        -------
        list of str or list of list of str
            As y was in training.

        Raises
        ------
        NotFittedError
            If the model has not been fitted.
        ValueError
            If there is no sequence, a shape does not fit, a number is not finite or out of its
            range, or a language model or a hot word does not fit the symbols.
        TypeError
            If the sequences are of another kind than in training.
        """
        self, alike = self._as_fitted(), likeness(X, like)
        said = self._said(
            X,
            beam_size=beam_size,
            language_model=language_model,
            lm_weight=lm_weight,
            insertion_bonus=insertion_bonus,
            hot_words=hot_words,
            hot_word_bonus=hot_word_bonus,
            min_log_prob=min_log_prob,
        )
        found = self._codec.written(said)
        return alike.whole(found) if self._codec.writes_text else alike.each(found)

    @in_turn
    def transcribe(
        self,
        X: Any,
        *,
        n_best: int = 1,
        beam_size: int = 16,
        language_model: LanguageModel | Callable[[tuple[str, ...]], Any] | None = None,
        lm_weight: float = 0.5,
        insertion_bonus: float = 0.0,
        hot_words: Sequence[str | Sequence[str]] = (),
        hot_word_bonus: float = 1.0,
        min_log_prob: float | None = None,
    ) -> list[Any]:
        """Return what each sequence says, with scores, and when each letter and word is said.

        Parameters
        ----------
        X : list of ndarray, ndarray, list of str or list of list of str
            Sequences of the kind that `fit` was given.
        n_best : int
            How many texts of each are wanted, at most ``beam_size``.
        beam_size : int
            How many beginnings are searched on.
        language_model, lm_weight, insertion_bonus, hot_words, hot_word_bonus, min_log_prob
            As `rnnfast.CTCDecoder` takes them; text in ``hot_words`` is split as ``y`` was.

        Returns
        -------
        list of Transcription
            See `rnnfast.models.parts.transcription.Transcription`; times in seconds where the model
            has a ``frame_rate``. With an ``n_best`` above 1 a list of at most so many in place of
            each, the best first.

        Raises
        ------
        NotFittedError, ValueError, TypeError
            As `predict`.
        """
        self = self._as_fitted()
        decoder = self._decoder(
            beam_size=beam_size,
            language_model=language_model,
            lm_weight=lm_weight,
            insertion_bonus=insertion_bonus,
            hot_words=hot_words,
            hot_word_bonus=hot_word_bonus,
            min_log_prob=min_log_prob,
        )
        x = self._reader.encode("X", X)
        codec = self._codec

        def search(scores: Array, lengths: Ints) -> list[Any]:
            return [
                [one] if n_best == 1 else one for one in decoder(scores, lengths, n_best=n_best)
            ]

        found: list[Any] = []
        for each in codec.decode(self.network_, x, search):
            said = codec.written([[letter.text for letter in one.letters] for one in each])
            pairs = zip(each, said, strict=True)
            told = [one._replace(symbols=symbols) for one, symbols in pairs]
            found.append(told[0] if n_best == 1 else told)
        return found

    def score(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        beam_size: int | None = None,
        language_model: LanguageModel | Callable[[tuple[str, ...]], Any] | None = None,
        lm_weight: float = 0.5,
        insertion_bonus: float = 0.0,
        hot_words: Sequence[str | Sequence[str]] = (),
        hot_word_bonus: float = 1.0,
        min_log_prob: float | None = None,
    ) -> float:
        """Return 1 less the symbol error rate; see `rnnfast.metrics.error_rate`.

        Parameters
        ----------
        X : list of ndarray, ndarray, list of str or list of list of str
            Sequences.
        y : list of str or list of list of str
            What each says.
        sample_weight : array_like, optional
            How much each sequence counts, ``(N,)``, none below 0; None: all the same.
        beam_size, language_model, lm_weight, insertion_bonus
            As `predict` takes them.
        hot_words, hot_word_bonus, min_log_prob
            As `predict` takes them.

        Raises
        ------
        ValueError, TypeError
            As `predict`; also if ``X`` and ``y`` differ in length or all of y is empty.
        """
        self = self._as_fitted()
        true = self._codec.read("y", y)
        check_same_length(self._reader.encode("X", X), true)
        said = self._said(
            X,
            beam_size=beam_size,
            language_model=language_model,
            lm_weight=lm_weight,
            insertion_bonus=insertion_bonus,
            hot_words=hot_words,
            hot_word_bonus=hot_word_bonus,
            min_log_prob=min_log_prob,
        )
        return 1.0 - error_rate(true, said, sample_weight=sample_weight)

    def _said(self, X: Any, *, beam_size: int | None, **search: Any) -> list[list[str]]:
        """Return the symbols of each sequence."""
        codec = self._codec
        decoder = self._decoder(beam_size=16 if beam_size is None else beam_size, **search)

        def decode(scores: Array, lengths: Ints) -> list[list[str]]:
            if beam_size in (None, 1) and not decoder.guided:
                return codec.best_path(scores, lengths)
            found = decoder(scores, lengths)
            return [[letter.text for letter in one.letters] for one in found]

        return codec.decode(self.network_, self._reader.encode("X", X), decode)

    def _decoder(self, *, hot_words: Any, **search: Any) -> CTCDecoder:
        """Return what searches through the scores of the network."""
        codec = self._codec
        if codec.writes_text and isinstance(hot_words, (list, tuple)):
            hot_words = [
                split_text(codec.writer, word) if isinstance(word, str) else word
                for word in hot_words
            ]
        labels = [*codec.symbols, ""]
        blank, frame_rate = len(codec.symbols), self.frame_rate
        return CTCDecoder(labels, blank=blank, hot_words=hot_words, frame_rate=frame_rate, **search)

    def stream(self, batch_size: int = 1, *, keep: int | None = 10_000) -> ModelStream[Any]:
        """Return a runner that takes one step at a time and tells what was said so far.

        Parameters
        ----------
        batch_size : int
            Sequences that it runs side by side, all together or some of them at a time.
        keep : int, optional
            How many symbols of each sequence an answer has at most, the last ones, so that a stream
            that never ends needs no more and more memory; None: all.

        Raises
        ------
        NotFittedError
            If the model has not been fitted.
        ValueError
            If the model cannot answer before it has read the end: it is bidirectional.
        """
        self = self._as_fitted()
        keep = None if keep is None else check_int("keep", keep, 1)
        running = RunningSymbols(self.network_.head, self._codec, keep)
        return ModelStream(self._reader, self.network_.encoder, running, batch_size)

    # What it is composed of

    def _check_hyperparameters(self) -> None:
        super()._check_hyperparameters()
        if self.frame_rate is not None:
            check_real("frame_rate", self.frame_rate, 0, above=True)

    def _make_codec(self) -> SymbolCodec:
        return SymbolCodec(self._options(TokenOptions).splitter(), impossible=self.impossible)

    def _make_head(self, in_features: int, rng: np.random.Generator) -> CTCHead:
        return CTCHead(in_features, len(self.symbols_), dtype=self.dtype, rng=rng)
