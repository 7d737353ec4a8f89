"""Language models by character or by word: how likely a text is, and new text."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from rnnfast._checks import check_int
from rnnfast._progress import Reporter, perplexity_of
from rnnfast.data.batches import Batch
from rnnfast.models._corpus import CorpusBatches, CorpusReader, digest
from rnnfast.models.base import Model
from rnnfast.models.parts import make_optimizer, make_schedule
from rnnfast.models.token_network import TokenNetwork
from rnnfast.nn.module import Array, Module
from rnnfast.text.tokenizers import CharTokenizer, WordTokenizer, tokenizer_from_dict
from rnnfast.text.vocabulary import Vocabulary
from rnnfast.training import Callback, Trainer


class Evaluation(NamedTuple):
    """How well a model foresees a text.

    Attributes
    ----------
    log_prob : float
        The sum of ``log P(y<t> | y<1> ... y<t-1>)`` over all tokens, in nats.
    count : int
        How many tokens that were, with ``lines`` the ``<EOS>`` of each line counted.
    """

    log_prob: float
    count: int

    @property
    def loss(self) -> float:
        """Nats a token."""
        return -self.log_prob / self.count

    @property
    def perplexity(self) -> float:
        """``exp(loss)``: among how many equally likely tokens the model is in doubt on average."""
        return perplexity_of(self.loss)


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
    optimizer : {"adam", "sgd", "rmsprop", "adagrad"}
        Which, with ``optimizer_options``, a dict, as its further arguments.
    learning_rate : float
        The first learning rate.
    schedule : {"constant", "linear", "cosine"}
        How the learning rate falls to zero over the epochs asked for, if it does.
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
    stopped_ : {"finished", "patience", "callback", "interrupt"}
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
        optimizer: Literal["adam", "sgd", "rmsprop", "adagrad"] = "adam",
        optimizer_options: Mapping[str, Any] | None = None,
        learning_rate: float = 0.002,
        schedule: Literal["constant", "linear", "cosine"] = "linear",
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
        epochs: int = 10,
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
        epochs : int
            How many times to go through the corpus. The weights of the best one are kept.
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
        epochs = check_int("epochs", epochs, 1)
        self._check_parameters()
        tokenizer = self._make_tokenizer()
        reader = CorpusReader(tokenizer, self.lines)
        sequences = reader.read("text", text)
        if valid is None:
            sequences, held_out = reader.split(sequences, self.validation_fraction)
        else:
            held_out = reader.read("valid", valid)
        vocabulary = Vocabulary.from_tokens(
            (token for tokens in sequences for token in tokens),
            max_size=self.max_vocabulary_size,
            min_count=self.min_count,
            eos="<EOS>" if self.lines else None,
        )
        train_ids = reader.encode("text", sequences, vocabulary)
        valid_ids = reader.encode("valid", held_out, vocabulary)
        self._check_length(sum(map(len, train_ids)))
        rng = np.random.default_rng(self.seed)
        network = self._make_network(vocabulary, rng)
        start, eos = network.start, vocabulary.eos_id
