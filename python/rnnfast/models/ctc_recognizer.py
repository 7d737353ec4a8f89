"""Few symbols from many steps, without knowing where: speech to digits, strokes to letters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from rnnfast._checks.likeness import likeness
from rnnfast.metrics import error_rate
from rnnfast.models.base import OfPart
from rnnfast.models.estimator import Estimator
from rnnfast.models.parts.codecs.texts import SymbolCodec
from rnnfast.models.parts.examples import check_same_length
from rnnfast.models.parts.heads import CTCHead
from rnnfast.models.parts.hyperparameters import TokenOptions
from rnnfast.models.parts.running import RunningSymbols


@dataclass(kw_only=True, eq=False, repr=False)
class CTCRecognizer(Estimator):
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

    symbols_ = OfPart[tuple[str, ...]]("_codec.symbols")
    writes_text_ = OfPart[bool]("_codec.writes_text")
    _codec: SymbolCodec = field(init=False)

    # Asking

    def predict(self, X: Any, *, beam_size: int = 1, like: bool = False) -> list[Any]:
        """Return the symbols that each sequence says.

        Parameters
        ----------
        X : list of ndarray, ndarray, list of str or list of list of str
            Sequences of the kind that `fit` was given.
        beam_size : int
            1 takes the best class of each step; more keep so many prefixes, see `ctc_beam`.
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
            If there is no sequence, a shape does not fit, or a number is not finite or out of its
            range.
        TypeError
            If the sequences are of another kind than in training.
        """
        self, alike = self._as_fitted(), likeness(X, like)
        codec, x = self._codec, self._reader.encode("X", X)
        found = codec.written(codec.decode(self.network_, x, beam_size))
        return alike.whole(found) if codec.writes_text else alike.each(found)

    def score(self, X: Any, y: Any, *, beam_size: int = 1) -> float:
        """Return 1 less the symbol error rate; see `rnnfast.metrics.error_rate`.

        Parameters
        ----------
        X : list of ndarray, ndarray, list of str or list of list of str
            Sequences.
        y : list of str or list of list of str
            What each says.
        beam_size : int
            As `predict` takes it.

        Raises
        ------
        ValueError, TypeError
            As `predict`; also if ``X`` and ``y`` differ in length or all of y is empty.
        """
        self = self._as_fitted()
        true = self._codec.read("y", y)
        x = self._reader.encode("X", X)
        check_same_length(x, true)
        return 1.0 - error_rate(true, self._codec.decode(self.network_, x, beam_size))

    # What it is composed of

    def _make_running(self) -> RunningSymbols:
        return RunningSymbols(self.network_.head, self._codec)

    def _make_codec(self) -> SymbolCodec:
        return SymbolCodec(self._options(TokenOptions).splitter())

    def _make_head(self, in_features: int, rng: np.random.Generator) -> CTCHead:
        return CTCHead(in_features, len(self.symbols_), dtype=self.dtype, rng=rng)
