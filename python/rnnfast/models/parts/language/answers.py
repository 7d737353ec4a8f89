"""What a fitted language model answers: how likely a text is, what may follow, new text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnfast._checks import check_bool, check_int
from rnnfast._checks.adjustments import warn_caller
from rnnfast._checks.arrays import read_array
from rnnfast.data.batches import Ints
from rnnfast.models.parts.language.condition import encode_given
from rnnfast.models.parts.language.corpus import CorpusBatches, CorpusReader
from rnnfast.models.parts.language.layers import LanguageLayers
from rnnfast.models.parts.language.line_weights import read_line_weights
from rnnfast.models.parts.language.text_source import Text, read_as_texts
from rnnfast.models.parts.language.token_network import Evaluation, score
from rnnfast.models.parts.language.token_sequences import Tokens
from rnnfast.models.parts.reading.inputs import TokenInputs
from rnnfast.models.parts.reading.reader import Reader
from rnnfast.models.parts.running import RunningProbabilities
from rnnfast.models.parts.turns import in_turn
from rnnfast.models.stream import LanguageStream
from rnnfast.nn.module import Array
from rnnfast.text._tokens import join_tokens, require_no_end, split_text


@dataclass(kw_only=True, eq=False, repr=False)
class LanguageAnswers(LanguageLayers, base=True):
    """Base of `LanguageModel`: what can be asked once it has learned."""

    lines: bool = False

    def evaluate(
        self,
        text: Text,
        condition: Sequence[str] | Array | None = None,
        sample_weight: Any = None,
    ) -> Evaluation:
        """Score a text, or with ``lines`` each of its lines.

        Parameters
        ----------
        text : str, path-like or iterable
            As `fit` takes it, and as large. A running text is scored as one, from a zero state. An
            empty line has the probability that a line ends at once; ``""`` is one such line.
        condition : list of str or ndarray, optional
            What each line is conditioned on, if the model was trained so.
        sample_weight : array_like, optional
            How much each of a list of lines counts, ``(N,)``, none below 0; None: all the same.

        Returns
        -------
        Evaluation
            A dict of ``loss``, ``perplexity``, ``log_prob`` and ``num_tokens``, which are
            attributes too.

        Raises
        ------
        NotFittedError
            If the model has not been fitted.
        ValueError
            If the text is empty, or has no token of the vocabulary, or there is not one known
            condition, or weight, for each line.
        TypeError
            If something is of a wrong type.
        """
        self = self._as_fitted()
        for note in read_as_texts("text", text):
            warn_caller(note)
        return self._evaluate(text, condition, sample_weight)[0]

    def _evaluate(
        self, text: Any, condition: Any = None, sample_weight: Any = None
    ) -> tuple[Evaluation, Counter[str], int]:
        """Score a text; return also its unknown tokens with their numbers, and that of all."""
        reader = CorpusReader(self.tokenizer_, self.lines)
        with ExitStack() as stack:
            corpus = reader.read("text", text, stack, to_learn=False)
            sequences = reader.encode("text", corpus, self.vocabulary_)
            given = encode_given(self.condition_, condition, len(sequences), self.dtype)
            weights = read_line_weights(self.lines, text, len(sequences), sample_weight)
            result = self._score_sequences(sequences, given, weights)
        if weights is not None:  # of which the largest is 1 there
            largest = float(read_array("sample_weight", sample_weight).max())
            result = Evaluation.of(largest * result.log_prob, largest * result.num_tokens)
        return result, reader.unknown(corpus, self.vocabulary_), corpus.num_tokens

    def perplexity(
        self,
        text: Text,
        condition: Sequence[str] | Array | None = None,
    ) -> float:
        """Return the perplexity of a text, ``exp(-log P / number of tokens)``; see `evaluate`."""
        return self.evaluate(text, condition).perplexity

    def score(
        self,
        text: Text,
        y: None = None,
        sample_weight: Any = None,
        *,
        condition: Sequence[str] | Array | None = None,
    ) -> float:
        """Return the mean log-probability of a token, in nats: more is better; see `evaluate`.

        ``-evaluate(text).loss``, which scikit-learn's searches and cross-validation compare.

        Parameters
        ----------
        text : str, path-like or iterable
            As `evaluate` takes it.
        y : None
            Nothing. Here because scikit-learn passes it.
        sample_weight : array_like, optional
            As `evaluate` takes it.
        condition : list of str or ndarray, optional
            As `evaluate` takes it.

        Raises
        ------
        NotFittedError, ValueError, TypeError
            As `evaluate`; TypeError also if ``y`` is given.
        """
        if y is not None:
            raise TypeError(f"y: expected None, a text has no target, got {type(y).__name__}")
        return -self.evaluate(text, condition, sample_weight).loss

    @in_turn
    def log_prob(self, sentence: str, condition: str | Array | None = None) -> float:
        """Return ``log P(sentence)``, the sum of ``log P(y<t> | y<1> ... y<t-1>)``, in nats.

        It starts from a zero state and a zero input. With ``lines`` the probability that the
        sentence ends, P(<EOS> | y<1> ... y<T>), is part of it, so that the probabilities of all
        sentences add up to 1. An unknown token counts as ``<UNK>``. Under a ``condition``, if the
        model was trained so, it is ``log P(sentence | condition)``.

        Parameters
        ----------
        sentence : str
            May be empty.
        condition : str or ndarray, optional
            The label or the vector ``(F,)``, if the model was trained so.

        Raises
        ------
        NotFittedError
            If the model has not been fitted.
        ValueError
            If the sentence has tokens, but none of the vocabulary, or the condition does not fit.
        TypeError
            If something is of a wrong type.
        """
        self = self._as_fitted()
        ids = self._encode("sentence", sentence)[1]
        if len(ids) == 0 and not self.lines:
            return 0.0
        return self._score_sequences([ids], self._given(condition)).log_prob

    @in_turn
    def next_tokens(
        self, prefix: str = "", k: int = 5, condition: str | Array | None = None
    ) -> list[tuple[str, float]]:
        """Return the k tokens that most likely follow a prefix, with their probabilities.

        Parameters
        ----------
        prefix : str
            What stands before; empty: the start of a text or line.
        k : int
            How many; all of the vocabulary if that has fewer.
        condition : str or ndarray, optional
            The label or the vector ``(F,)``, if the model was trained so.

        Returns
        -------
        list of (str, float)
            The likeliest first, ``<EOS>`` and ``<UNK>`` among them.

        Raises
        ------
        NotFittedError, ValueError, TypeError
            As `log_prob`, for ``prefix`` and ``condition``; or if ``k`` is no integer from 1 on.
        """
        self = self._as_fitted()
        k = check_int("k", k, 1)
        ids = self._encode("prefix", prefix)[1]
        probabilities = self.network_.next_probabilities(ids, self._given(condition))
        best = np.argsort(-probabilities, kind="stable")[:k]
        return [(self.vocabulary_.tokens[i], float(probabilities[i])) for i in best]

    @in_turn
    def sample(
        self,
        n: int = 1,
        prefix: str = "",
        max_length: int = 500,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        allow_unknown: bool = False,
        seed: int | None = None,
        condition: str | Array | None = None,
    ) -> str | list[str]:
        """Write new text: draw a token, feed it back, draw the next, and so on.

        Parameters
        ----------
        n : int
            How many texts.
        prefix : str
            What each begins with; empty: they start from a zero state and a zero input.
        max_length : int
            At most so many tokens are drawn; with ``lines`` a text ends at ``<EOS>`` before.
        temperature : float
            Below 1 likely tokens become likelier, above 1 less so; 0 takes the likeliest.
        top_k : int, optional
            Draw among the k likeliest tokens.
        top_p : float, optional
            Draw among the fewest likeliest tokens that carry this probability together.
        allow_unknown : bool
            Whether ``<UNK>`` may be drawn. It is drawn again otherwise.
        seed : int, optional
            The same seed draws the same text.
        condition : str or ndarray, optional
            The label or the vector ``(F,)`` that all of them are to have, if the model was trained
            so.

        Returns
        -------
        str or list of str
            The text, prefix included; a list of them if n is above 1.

        Raises
        ------
        NotFittedError
            If the model has not been fitted.
        ValueError
            If an argument is out of its range, a prefix has no token of the vocabulary, or the
            condition does not fit.
        TypeError
            If something is of a wrong type.
        """
        self = self._as_fitted()
        n, allow_unknown = check_int("n", n, 1), check_bool("allow_unknown", allow_unknown)
        tokens, ids = self._encode("prefix", prefix)
        vocabulary = self.vocabulary_
        unknown, end = vocabulary.unk_id, vocabulary.eos_id
        drawn = self.network_.sample(
            n,
            ids,
            self._given(condition),
            max_length=max_length,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            forbidden=[] if allow_unknown or unknown is None else [unknown],
            stop=[] if end is None else [end],
            seed=seed,
        )
        if end is not None:
            drawn = [row[row != end] for row in drawn]
        texts = [join_tokens(self.tokenizer_, tokens + vocabulary.decode(row)) for row in drawn]
        return texts[0] if n == 1 else texts

    def stream(
        self, batch_size: int = 1, condition: Sequence[str] | Array | None = None
    ) -> LanguageStream:
        """Return a runner that reads one token at a time and tells what may come next.

        Parameters
        ----------
        batch_size : int
            Texts that it reads side by side, all together or some of them at a time.
        condition : list of str or ndarray, optional
            What each of them is conditioned on, if the model was trained so.

        Raises
        ------
        NotFittedError
            If the model has not been fitted.
        ValueError
            If there is not one known condition for each text.
        TypeError
            If something is of a wrong type.
        """
        self = self._as_fitted()
        batch_size = check_int("batch_size", batch_size, 1)
        given = encode_given(self.condition_, condition, batch_size, self.dtype)
        network = self.network_
        return LanguageStream(
            Reader(TokenInputs(self.tokenizer_, self.vocabulary_)),
            network.encoder,
            RunningProbabilities(network.output),
            network.start,
            batch_size,
            given,
        )

    def _encode(self, name: str, text: str) -> tuple[list[str], Ints]:
        """Return the tokens of one sentence or prefix, and their ids."""
        if not isinstance(text, str):
            got = type(text).__name__
            cure = f"; one {name} at a time" if isinstance(text, (list, tuple)) else ""
            raise TypeError(f"{name}: expected a str, got {got}{cure}")
        tokens = split_text(self.tokenizer_, text) if text else []
        require_no_end(name, tokens, self.vocabulary_.eos)
        ids = self.vocabulary_.encode(tokens)
        if len(ids) and (ids == self.vocabulary_.unk_id).all():
            raise ValueError(
                f"{name}: expected tokens of the model's vocabulary, got none among {len(ids)}"
            )
        return tokens, ids

    def _given(self, condition: Any) -> Array | None:
        """Return one condition as a batch of one; None if the model has none."""
        return encode_given(self.condition_, condition, None, self.dtype)

    def _score_sequences(
        self,
        sequences: Tokens | list[Ints],
        condition: Array | None = None,
        weights: Array | None = None,
    ) -> Evaluation:
        batches = CorpusBatches.to_score(sequences, self.network_.start, self.vocabulary_.eos_id)
        weights = None if weights is None else weights.astype(self.dtype)
        return score(self.network_, batches, not self.lines, condition, weights)
