"""Language models by character or by word: how likely a text is, and new text."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from rnnfast import decoding
from rnnfast._checks import check_int, make_generator
from rnnfast._progress import Reporter
from rnnfast.data.batches import Ints
from rnnfast.models._corpus import CorpusBatches, CorpusReader
from rnnfast.models._fitting import run_trainer
from rnnfast.models._language_training import (
    check_hyperparameters,
    choose_epochs,
    make_batches,
    make_language_trainer,
    prepare_corpus,
)
from rnnfast.models._scoring import Evaluation, score
from rnnfast.models.base import Model
from rnnfast.models.inputs import make_tokenizer
from rnnfast.models.token_network import TokenNetwork
from rnnfast.nn.module import Module
from rnnfast.text.tokenizers import tokenizer_from_dict
from rnnfast.text.vocabulary import Vocabulary
from rnnfast.training import Callback


class LanguageModel(Model):
    """A recurrent network that predicts the next character or word.

    It learns ``P(y<t> | y<1> ... y<t-1>)`` from text, and so tells how likely a sentence is, what
    may follow a prefix, and writes new text.

    Every text, in training, scoring and sampling alike, starts from a zero state and a zero vector
    as the first input ``x<1>``; each further input is the token before, ``x<t> = y<t-1>``.

    Parameters
    ----------
    level : {"char", "word"}
        What a token is.
    lines : bool
        False: the corpus is one running text, learned in windows of ``sequence_length`` steps with
        the state carried from one to the next (truncated backpropagation through time). True: each
        line is a text of its own, learned as a whole, and ends with the token ``<EOS>``.
    cell : {"lstm", "gru", "rnn"}
        The recurrent cell.
    hidden_size, num_layers : int
        Units of a layer, and how many layers.
    embedding_size : int, optional
        Learned vectors of so many numbers as inputs; None: one-hot vectors (by their index).
    dropout : float
        Probability with which, in training, embeddings and the layers' outputs are set to zero.
    cell_options : dict, optional
        What is particular to the cell, such as ``{"peephole": True}`` or
        ``{"reset_gate": False}``; see `make_recurrent`.
    tokenizer_options : dict, optional
        What `CharTokenizer` or `WordTokenizer` take, such as ``{"lower": True}``.
    max_vocabulary_size : int, optional
        Only so many of the most frequent tokens get an id of their own; the others are ``<UNK>``.
    min_count : int
        Only tokens that occur at least so often do.
    sequence_length : int
        Steps of a window of a running text.
    batch_size : int
        Windows or lines that are learned from at once.
    optimizer : {"adam", "adamw", "sgd", "rmsprop", "adagrad"}
        Which, with ``optimizer_options``, a dict, as its further arguments.
    learning_rate : float
        The first learning rate.
    schedule : {"cosine", "constant", "plateau"}
        How the learning rate falls: to a hundredth over the epochs asked for, along half a cosine;
        not at all; or by half whenever two epochs on end were no better on the text held out.
    clip_norm, clip_value : float, optional
        Bounds for the norm of all gradients together, and for each gradient.
    validation_fraction : float
        The part of the corpus to hold out where `fit` is given no other text to validate on: the
        end of a text, or lines from all over, the same ones for any seed. 0: none.
    patience : int, optional
        Stop after so many epochs that are no better, on the text held out, than the best one.
    seed : int, optional
        Of initial weights, order of lines and dropout: the same seed, the same model.
    dtype : {"float32", "float64"}
        Of the weights.

    Attributes
    ----------
    vocabulary_ : Vocabulary
        The tokens and their ids.
    tokenizer_ : CharTokenizer or WordTokenizer
        What splits text.
    network_ : TokenNetwork
        The layers.
    history_ : list of dict
        One record an epoch; see `rnnfast.training.Trainer`. Losses are in nats a token.
    best_epoch_ : int
        The epoch whose weights the model has; 0: those of the last step.
    stopped_ : {"finished", "patience", "callback", "interrupt", "error"}
        Why training ended.
    """

    def __init__(
        self,
        *,
        level: Literal["char", "word"] = "char",
        lines: bool = False,
        cell: Literal["lstm", "gru", "rnn"] = "lstm",
        hidden_size: int = 128,
        num_layers: int = 1,
        embedding_size: int | None = None,
        dropout: float = 0.0,
        cell_options: Mapping[str, Any] | None = None,
        tokenizer_options: Mapping[str, Any] | None = None,
        max_vocabulary_size: int | None = None,
        min_count: int = 1,
        sequence_length: int = 50,
        batch_size: int = 32,
        optimizer: Literal["adam", "adamw", "sgd", "rmsprop", "adagrad"] = "adam",
        optimizer_options: Mapping[str, Any] | None = None,
        learning_rate: float = 0.005,
        schedule: Literal["constant", "cosine", "plateau"] = "cosine",
        clip_norm: float | None = 5.0,
        clip_value: float | None = None,
        validation_fraction: float = 0.1,
        patience: int | None = None,
        seed: int | None = None,
        dtype: Literal["float32", "float64"] = "float32",
    ) -> None:
        self.level = level
        self.lines = lines
        self.cell = cell
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.embedding_size = embedding_size
        self.dropout = dropout
        self.cell_options = cell_options
        self.tokenizer_options = tokenizer_options
        self.max_vocabulary_size = max_vocabulary_size
        self.min_count = min_count
        self.sequence_length = sequence_length
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.optimizer_options = optimizer_options
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.clip_norm = clip_norm
        self.clip_value = clip_value
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.seed = seed
        self.dtype = dtype

    # Training

    def fit(
        self,
        text: str | Sequence[str],
        valid: str | Sequence[str] | None = None,
        *,
        epochs: int | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        resume: bool = False,
        verbose: int = 1,
        callbacks: Sequence[Callback] = (),
    ) -> LanguageModel:
        """Learn from a corpus.

        What was learned before is forgotten, unless training is resumed. Ctrl-C ends training
        after the running step, with a model that can be used.

        Parameters
        ----------
        text : str or list of str
            The corpus; with ``lines`` its lines, blank ones left out, or a list of them.
        valid : str or list of str, optional
            What to measure after each epoch; without it a part of ``text``.
        epochs : int, optional
            How many times to go through the corpus; None: as often as makes about 4,000 steps, at
            most 30 times. The weights of the best epoch are kept.
        checkpoint : path-like, optional
            A file to write after each epoch and when stopped, from which training can go on.
        resume : bool
            Go on from the checkpoint, with the same bits as if training had not stopped. The
            corpus and the hyperparameters must be the same.
        verbose : int
            0 shows nothing; 1 a progress bar on a terminal, elsewhere one line an epoch; 2 lines.
        callbacks : sequence of callable
            Called with a `rnnfast.training.Progress` after each step and each epoch.

        Returns
        -------
        LanguageModel
            This one.

        Raises
        ------
        ValueError
            If a hyperparameter is wrong, or the corpus is empty or shorter than one batch.
        TypeError
            If the corpus or a hyperparameter is of a wrong type.
        FloatingPointError
            If the loss or a gradient becomes infinite or NaN.
        OSError
            If a checkpoint cannot be read or written.
        """
        if epochs is not None:
            epochs = check_int("epochs", epochs, 1)
        check_hyperparameters(self)
        reader = CorpusReader(make_tokenizer(self.level, self.tokenizer_options), self.lines)
        corpus = prepare_corpus(self, reader, text, valid)
        rng = make_generator("seed", self.seed)
        network = self._make_network(corpus.vocabulary, rng)
        steps = len(make_batches(self, corpus, network.start, None))
        epochs = epochs or choose_epochs(steps)
        trainer = make_language_trainer(self, network, corpus, rng, epochs * steps, checkpoint)
        trainer.callbacks = callbacks
        trainer.reporter = Reporter(verbose, unit=self.level, perplexity=True)
        # Callbacks may already ask the model.
        self.vocabulary_, self.tokenizer_ = corpus.vocabulary, reader.tokenizer
        self.network_ = network
        run_trainer(self, trainer, epochs, resume)
        return self

    # Asking

    def evaluate(self, text: str | Sequence[str]) -> Evaluation:
        """Score a text, or with ``lines`` each of its lines.

        Parameters
        ----------
        text : str or list of str
            As `fit` takes it. A running text is scored as one, from a zero state.

        Returns
        -------
        Evaluation
            Log-probability, number of tokens, loss and perplexity.

        Raises
        ------
        ValueError
            If the text is empty, or has no token of the vocabulary.
        TypeError
            If it is not text.
        """
        self._require_fitted()
        reader = CorpusReader(self.tokenizer_, self.lines)
        sequences = reader.encode("text", reader.read("text", text), self.vocabulary_)
        return self._score_sequences(sequences)

    def perplexity(self, text: str | Sequence[str]) -> float:
        """Return the perplexity of a text, ``exp(-log P / number of tokens)``; see `evaluate`."""
        return self.evaluate(text).perplexity

    def log_prob(self, sentence: str) -> float:
        """Return ``log P(sentence)``, the sum of ``log P(y<t> | y<1> ... y<t-1>)``, in nats.

        It starts from a zero state and a zero input. With ``lines`` the probability that the
        sentence ends, P(<EOS> | y<1> ... y<T>), is part of it, so that the probabilities of all
        sentences add up to 1. An unknown token counts as ``<UNK>``.

        Raises
        ------
        ValueError
            If the sentence has tokens, but none of the vocabulary.
        TypeError
            If it is not a str.
        """
        ids = self._encode("sentence", sentence)[1]
        if len(ids) == 0 and not self.lines:
            return 0.0
        return self._score_sequences([ids]).log_prob

    def next_tokens(self, prefix: str = "", k: int = 5) -> list[tuple[str, float]]:
        """Return the k tokens that most likely follow a prefix, with their probabilities.

        Parameters
        ----------
        prefix : str
            What stands before; empty: the start of a text or line.
        k : int
            How many; all of the vocabulary if that has fewer.

        Returns
        -------
        list of (str, float)
            The likeliest first, ``<EOS>`` and ``<UNK>`` among them.
        """
        k = check_int("k", k, 1)
        ids = self._encode("prefix", prefix)[1]
        probabilities = self.network_.next_probabilities(ids)
        best = np.argsort(-probabilities, kind="stable")[:k]
        return [(self.vocabulary_.tokens[i], float(probabilities[i])) for i in best]

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

        Returns
        -------
        str or list of str
            The text, prefix included; a list of them if n is above 1.

        Raises
        ------
        ValueError
            If an argument is out of its range.
        """
        n = check_int("n", n, 1)
        tokens, ids = self._encode("prefix", prefix)
        network, vocabulary = self.network_, self.vocabulary_
        unknown, end = vocabulary.unk_id, vocabulary.eos_id
        drawn = decoding.sample(
            network.recurrent.stream(n),
            network.output,
            max_length=max_length,
            embedding=network.embedding,
            prefix=ids,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            forbidden=[] if allow_unknown or unknown is None else [unknown],
            stop=[] if end is None else [end],
            seed=seed,
        )
        if end is not None:
            drawn = [row[row != end] for row in drawn]
        texts = [self.tokenizer_.detokenize(tokens + vocabulary.decode(row)) for row in drawn]
        return texts[0] if n == 1 else texts

    def _encode(self, name: str, text: str) -> tuple[list[str], Ints]:
        """Return the tokens of one sentence or prefix, and their ids."""
        self._require_fitted()
        if not isinstance(text, str):
            raise TypeError(f"{name}: expected a str, got {type(text).__name__}")
        reader = CorpusReader(self.tokenizer_, self.lines)
        tokens = self.tokenizer_.tokenize(text)
        return tokens, reader.encode(name, [tokens], self.vocabulary_)[0]

    def _score_sequences(self, sequences: list[Ints]) -> Evaluation:
        batches = CorpusBatches.to_score(sequences, self.network_.start, self.vocabulary_.eos_id)
        return score(self.network_, batches, carry_state=not self.lines)

    # Making and files

    def _make_network(self, vocabulary: Vocabulary, rng: np.random.Generator) -> TokenNetwork:
        return TokenNetwork(
            len(vocabulary),
            cell=self.cell,
            hidden_size=self.hidden_size,
            num_layers=self.num_layers,
            embedding_size=self.embedding_size,
            dropout=self.dropout,
            cell_options=self.cell_options,
            dtype=self.dtype,
            rng=rng,
        )

    @property
    def unit(self) -> str:
        """What a token is called: ``"character"`` or ``"word"``."""
        return "character" if self.level == "char" else "word"

    def _is_fitted(self) -> bool:
        return hasattr(self, "network_")

    def _modules(self) -> dict[str, Module]:
        return self.network_.modules

    def _learned(self) -> dict[str, Any]:
        return {
            **super()._learned(),
            "vocabulary": self.vocabulary_.to_json(),
            "tokenizer": self.tokenizer_.to_dict(),
        }

    def _restore(self, learned: Mapping[str, Any]) -> None:
        super()._restore(learned)
        self.vocabulary_ = Vocabulary.from_json(learned["vocabulary"])
        self.tokenizer_ = tokenizer_from_dict(learned["tokenizer"])
        self.network_ = self._make_network(self.vocabulary_, np.random.default_rng(0))
