"""Few symbols from many steps, without knowing where: speech to digits, strokes to letters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from rnnfast._checks import check_int, check_list
from rnnfast._checks.messages import shown
from rnnfast.data.batches import Ints
from rnnfast.generation.ctc import ctc_beam, ctc_greedy
from rnnfast.metrics import edit_distance, error_rate
from rnnfast.models.many_to_many import ManyToMany
from rnnfast.models.parts.encoder import EncoderLayers
from rnnfast.models.parts.examples import ExampleBatch, Examples, check_same_length, pad_batch
from rnnfast.models.parts.network import Network
from rnnfast.nn.compose import chain
from rnnfast.nn.ctc import ctc_loss, needed_steps
from rnnfast.nn.linear import Linear
from rnnfast.nn.module import Array
from rnnfast.text._tokens import require_strings
from rnnfast.text.vocabulary import Vocabulary


class CTCNetwork(Network):
    """Encoder layers and a linear layer to the symbols and the blank.

    Parameters
    ----------
    encoder : EncoderLayers
        Reads the sequences.
    num_symbols : int
        How many there are; the blank is the class after them.
    dtype, rng
        As the layers take them.

    Attributes
    ----------
    blank : int
        The class that stands for no symbol.
    """

    def __init__(
        self, encoder: EncoderLayers, num_symbols: int, *, dtype: str, rng: np.random.Generator
    ) -> None:
        self.encoder = encoder
        self.blank = num_symbols
        self.output = Linear(encoder.output_size, num_symbols + 1, dtype=dtype, seed=rng)
        self._layers = chain(encoder, self.output)

    def add_gradients(self, batch: ExampleBatch) -> tuple[float, int]:
        """Add the gradients of the summed loss of one batch; return it and how many sequences."""
        scores, backprop = self._layers.forward(batch.x, batch.lengths)
        loss, dscores = ctc_loss(scores, batch.y, batch.lengths, blank=self.blank, reduction="sum")
        backprop(dscores)
        return loss, len(batch.y)

    def scores(self, x: Array, lengths: Ints) -> Array:
        """Return the scores of symbols and blank, ``(T, B, K + 1)``, without dropout."""
        scores: Array = self._layers(x, lengths)
        return scores


@dataclass(kw_only=True, eq=False, repr=False)
class CTCRecognizer(ManyToMany):
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
    network_ : CTCNetwork
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

    network_: CTCNetwork = field(init=False)

    # Asking

    def predict(self, X: Any, *, beam_size: int = 1) -> list[Any]:
        """Return the symbols that each sequence says.

        Parameters
        ----------
        X : list of ndarray, ndarray, list of str or list of list of str
            Sequences of the kind that `fit` was given.
        beam_size : int
            1 takes the best class of each step; more keep so many prefixes, see `ctc_beam`.

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
        self = self._as_fitted()
        found = self._predict_symbols(self.inputs_.encode("X", X), beam_size)
        return self._written(found)

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
        true = self._read_targets("y", y)
        x = self.inputs_.encode("X", X)
        check_same_length(x, true)
        return 1.0 - error_rate(true, self._predict_symbols(x, beam_size))

    def _predict_symbols(self, x: list[Array], beam_size: int) -> list[list[str]]:
        check_int("beam_size", beam_size, 1)
        found: list[list[str]] = [[]] * len(x)
        blank = self.network_.blank
        for chosen, padded, lengths in self._scoring_batches(x):
            scores = self.network_.scores(padded, lengths)
            if beam_size == 1:
                each = ctc_greedy(scores, lengths, blank=blank)
            else:
                beams = ctc_beam(scores, lengths, blank=blank, beam_size=beam_size)
                each = [best.symbols for best, *_ in beams]
            for number, symbols in zip(chosen, each, strict=True):
                found[number] = [self.symbols_[k] for k in symbols]
        return found

    # Training

    def _learn_targets(self, train: list[list[str]], everything: list[list[str]]) -> None:
        symbols = sorted({symbol for tokens in everything for symbol in tokens})
        if not symbols:
            raise ValueError("y: expected sequences with something in them, got empty ones only")
        self.symbols_ = tuple(symbols)

    def _encode_targets(self, name: str, targets: list[list[str]], x: list[Array]) -> list[Array]:
        vocabulary = Vocabulary(self.symbols_)
        y: list[Array] = []
        for number, (tokens, sequence) in enumerate(zip(targets, x, strict=True)):
            for token in tokens:
                if token not in vocabulary:
                    raise ValueError(
                        f"{name}[{number}]: expected symbols of the {len(vocabulary)} in "
                        f"training, got {shown(token)}"
                    )
            ids = vocabulary.encode(tokens)
            needed = int(needed_steps(ids, np.array([len(ids)]))[0])
            if needed > len(sequence):
                raise ValueError(
                    f"{name}[{number}]: expected symbols that fit {len(sequence)} steps, got "
                    f"{len(ids)} that need {needed} with the blanks between equal ones"
                )
            y.append(ids)
        return y

    def _make_network(self, rng: np.random.Generator) -> CTCNetwork:
        encoder = self._make_encoder(self.inputs_, rng)
        return CTCNetwork(encoder, len(self.symbols_), dtype=self.dtype, rng=rng)

    def _make_batch(self, examples: Examples, chosen: Ints) -> ExampleBatch:
        x, lengths = pad_batch(examples.x, chosen)
        return ExampleBatch(x, lengths, [examples.y[i] for i in chosen])

    def _baseline(self, examples: Examples) -> float | None:
        return max(map(len, examples.x)) * math.log(len(self.symbols_) + 1)

    def _figures(self, examples: Examples) -> dict[str, float]:
        network, loss = self.network_, 0.0
        found: list[Ints] = [np.zeros(0, np.int64)] * len(examples.x)
        for chosen, x, lengths in self._scoring_batches(examples.x):
            scores = network.scores(x, lengths)
            y = [examples.y[i] for i in chosen]
            part, _ = ctc_loss(
                scores, y, lengths, blank=network.blank, reduction="sum", backward=False
            )
            loss += part
            best = ctc_greedy(scores, lengths, blank=network.blank)
            for i, symbols in zip(chosen, best, strict=True):
                found[i] = symbols
        pairs = zip(examples.y, found, strict=True)
        errors = sum(edit_distance(true.tolist(), best.tolist()) for true, best in pairs)
        count = sum(len(y) for y in examples.y)
        return {"valid_loss": loss / len(found), "valid_error_rate": errors / max(count, 1)}

    # Files

    def _learned(self) -> dict[str, Any]:
        return {**super()._learned(), "symbols": list(self.symbols_)}

    def _restore(self, learned: Mapping[str, Any]) -> None:
        symbols = check_list("symbols", learned["symbols"], "str")
        require_strings("symbols", symbols)
        if not symbols or len(set(symbols)) < len(symbols):
            raise ValueError(f"symbols: expected different ones, got {shown(symbols)}")
        self.symbols_ = tuple(symbols)
        super()._restore(learned)
