"""Language models by character or by word: how likely a text is, and new text."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from rnnfast import _core
from rnnfast._checks import among, check_bool, check_int, check_real
from rnnfast._checks.adjustments import warn_caller
from rnnfast._checks.messages import shown
from rnnfast.io.files import require_writable
from rnnfast.models.parts.codecs.base import choose_monitor
from rnnfast.models.parts.contract import Facts, Weighed
from rnnfast.models.parts.fitting.fit_options import FitOptions
from rnnfast.models.parts.hyperparameters import TokenOptions
from rnnfast.models.parts.language.answers import LanguageAnswers
from rnnfast.models.parts.language.corpus import CorpusReader
from rnnfast.models.parts.language.layers import NetworkOptions
from rnnfast.models.parts.language.preparing import Preparing
from rnnfast.models.parts.language.subwords import SubwordOptions, to_identity
from rnnfast.models.parts.language.text_source import Text, read_again
from rnnfast.models.parts.language.token_output import OutputOptions
from rnnfast.models.parts.language.training import (
    CorpusOptions,
    CorpusTraining,
    Known,
    choose_epochs,
    prepare_corpus,
)
from rnnfast.nn.module import Array
from rnnfast.text.subwords import SubwordTokenizer
from rnnfast.training.checkpoints import require_replaceable
from rnnfast.training.distributed import joined
from rnnfast.training.progress import Callback, Reporter
from rnnfast.training.ranks import current_ranks


@dataclass(kw_only=True, eq=False, repr=False)
class LanguageModel(Weighed, LanguageAnswers):
    """A recurrent network that predicts the next character or word.

    It learns ``P(y<t> | y<1> ... y<t-1>)`` from text, and so tells how likely a sentence is, what
    may follow a prefix, and writes new text.

    ::

        a<t>  = cell(a<t-1>, x<t>),    x<t> = y<t-1>,    a<0> = x<1> = 0
        P(y<t> | y<1> ... y<t-1>) = softmax(W_y a<t> + b_y)
        loss  = - sum over t of log P(y<t> | y<1> ... y<t-1>)

    Every text, in training, scoring and sampling alike, starts from a zero state and a zero vector
    as the first input ``x<1>``; each further input is the token before, ``x<t> = y<t-1>``.

    In the course's pictures writing is one-to-many: from nothing, or from a label or a vector that
    `fit` was given for every line as its ``condition``. Its vector v, learned too, then stands
    beside the input of every step, ``x<t> = [y<t-1>, v]``: so it reaches the last token as well as
    the first, where an initial state made of it would fade.

    Parameters
    ----------
    level : {"char", "word", "subword"}
        What a token is, unless there is a ``tokenizer``. Subwords are learned from the corpus, by
        `rnnfast.text.train_subwords`: ``max_vocabulary_size`` of them, 8,000 if that is None, and
        ``tokenizer_options={"model": "unigram"}`` in place of ``"bpe"``; they stand in the model's
        file.
    lines : bool
        False: the corpus is one running text, learned in windows of ``sequence_length`` steps with
        the state carried from one to the next (truncated backpropagation through time). True: each
        line is a text of its own, learned as a whole, and ends with the token ``<EOS>``.
    sequence_length : int
        Steps of a window of a running text; ``batch_size`` of them, or of lines, are learned from
        at once. A text too short for that is learned in smaller batches, and `fit` says so.
    tie_weights : bool
        Whether the embeddings are the weights of the output layer too (Press and Wolf 2017);
        ``embedding_size`` must be the size of the layers' outputs, ``sparse_embedding`` False.
    output : {"full", "adaptive"}
        The output layer: a softmax over all tokens, or for vocabularies of tens of thousands an
        `AdaptiveSoftmax`, with which training and scoring take a fraction of the time. The latter
        wants tokens in the order of their frequency, as those of characters and words are.
    cutoffs : sequence of int, optional
        Where the adaptive softmax cuts the vocabulary; None: below the cutoffs are the tokens that
        make up 80 and 95 of 100 in the text. What was taken is ``cutoffs_``.
    mixed_precision : bool
        Whether training multiplies in the full output layer in bfloat16, with sums and weights in
        float32; see `rnnfast.linear_cross_entropy`. On CPUs that do not multiply such numbers it is
        float32 all the same, and `fit` warns. Validation and all answers are in float32.
    condition_size : int
        Numbers of the vector that is learned for a condition.
    embedding_dropout : float
        Probability with which a token's embedding is zero in a whole batch (`EmbeddingDropout`).
    weight_drop : float
        Probability with which a recurrent weight is zero in a batch (`WeightDrop`).
    activation_penalty, slowness_penalty : float
        Weights of the mean square of the last layer's outputs, and of their change from step to
        step, in what is minimised ("AR" and "TAR", Merity et al. 2018). Both are of the outputs
        that dropout has left, so that the second wants ``variational``. The loss that is shown is
        without them.
    label_smoothing : float
        s in [0, 1): in training s of the probability is spread over all tokens, and the training's
        loss is of that. What is validated and scored is not.
    epochs : int, optional
        How many times to go through the corpus; None: as often as makes about 4,000 steps, at most
        30 times; of a short corpus, as often as makes 300 steps, at most 100 times. `fit` may be
        given another number.
    verbose : int
        0 shows nothing; 1 a progress bar on a terminal, elsewhere one line an epoch; 2 lines. `fit`
        may be given another one.
    **others
        The hyperparameters that all models have, of vocabulary, layers and training; see
        `rnnfast.models.recurrent_model.RecurrentModel`.

    Attributes
    ----------
    vocabulary_ : Vocabulary
        The tokens and their ids.
    tokenizer_ : Tokenizer
        What splits text.
    network_ : TokenNetwork
        The layers.
    cutoffs_ : tuple of int or None
        Where the adaptive softmax cuts the vocabulary; None of the full one.
    condition_ : Condition or None
        The labels, or the size of the vectors, that lines are conditioned on.
    history_ : list of dict
        One record an epoch; see `rnnfast.Trainer`. Losses are in nats a token.
    best_epoch_ : int
        The epoch whose weights the model has; 0: those of the last step.
    stopped_ : {"finished", "patience", "callback", "interrupt"}
        Why training ended.
    """

    sequence_length: int = 50
    tie_weights: bool = False
    output: Literal["full", "adaptive"] = "full"
    cutoffs: Sequence[int] | None = None
    mixed_precision: bool = False
    condition_size: int = 16
    embedding_dropout: float = 0.0
    weight_drop: float = 0.0
    activation_penalty: float = 0.0
    slowness_penalty: float = 0.0
    label_smoothing: float = 0.0
    # Other defaults than those of `RecurrentModel`, for characters.
    level: Literal["word", "char", "subword"] = "char"  # type: ignore[assignment]
    hidden_size: int = 128
    embedding_size: int | None = None
    learning_rate: float = 0.005
    epochs: int | None = None
    verbose: int = 1

    _facts: ClassVar[Facts] = Facts(requires_y=False, axes=())

    # Training

    def fit(
        self,
        text: Text,
        valid: Text | None = None,
        *,
        condition: Sequence[str] | Array | None = None,
        valid_condition: Sequence[str] | Array | None = None,
        sample_weight: Any = None,
        warm_start: bool | None = None,
        extend: bool = True,
        freeze: str | Sequence[str] | None = None,
        embeddings: Any = None,
        epochs: int | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        resume: bool = False,
        verbose: int | None = None,
        callbacks: Sequence[Callback] = (),
        comm: Any = None,
    ) -> LanguageModel:
        """Learn from a corpus.

        What was learned before is forgotten, unless training is resumed or goes on from it with
        ``warm_start``. Until training has ended, the model is as it was, also for callbacks and
        other threads; it stays so if an error ends the training. Ctrl-C ends training after the
        running step, with a model that can be used; SIGTERM and SIGHUP do so too, and then end the
        process if nothing else handles them.

        Parameters
        ----------
        text : str, path-like or iterable
            The corpus; or its file in UTF-8, maybe packed (``.gz``, ``.zst``), a folder of such, or
            several paths; or its lines, in a list, an array, a Series, or anything that can be
            iterated over, once or again. Of a text with ``lines`` blank lines are left out; those
            of a list are learned as they are. It need not fit in memory: :doc:`/corpora`.
        valid : str, path-like or iterable, optional
            What to measure after each epoch; without it a part of ``text``.
        condition : list of str or ndarray, optional
            A label or a vector, ``(N, F)``, for each of a list of N lines. All further calls then
            want one.
        valid_condition : list of str or ndarray, optional
            The same for ``valid``.
        sample_weight : array_like, optional
            How much each of a list of N lines counts, ``(N,)``, none below 0: in the loss, its
            gradients and what is measured of the part held out. A line of weight 2 counts as one
            that is there twice, one of weight 0 as one that is not there; a vocabulary counts each
            line once. Not of a running text.
        warm_start : bool, optional
            Whether to go on with what the model has learned, in place of the constructor's: with
            its weights, vocabulary and labels. A model that has learned nothing begins anew. The
            optimizer begins anew, and so do the schedule of the learning rate, the average of the
            weights, the random numbers of ``seed`` and the history. Hyperparameters of the layers
            must be the same; those of training may be others.
        extend : bool
            With ``warm_start``: whether tokens and labels that the model does not know are added to
            its tables, with new rows of weights beside the old ones, which stay as they are. False:
            they are refused.
        freeze : str or sequence of str, optional
            Layers that training leaves as they are, by their names in ``network_.modules``, or
            single parameters, as ``"recurrent.weight_hh_l0"``. Rows that are new to a table that is
            frozen stay as they were drawn.
        embeddings : path-like, mapping or (words, array), optional
            Vectors of words with which the embeddings begin: a file of GloVe, word2vec or fastText
            as text, also in gzip, a mapping of words to vectors, or words and an array ``(N, D)``.
            A token takes that of itself, or else that of itself in lower case, and begins as any
            other does if there is neither; how many have one is told. ``embedding_size`` has to be
            D. Training goes on with them, unless ``freeze`` names the layer, and the model's file
            needs no others. With ``warm_start`` they are those of tokens that are new; with
            ``resume`` they are not read, the checkpoint has them.
        epochs : int, optional
            How many times to go through the corpus, in place of the constructor's. The weights of
            the best epoch are kept. With ``warm_start`` there may be 0, which extend tables and
            train nothing; then nothing else is taken that a training would look at: ``valid``,
            ``callbacks`` or a ``checkpoint``.
        checkpoint : path-like, optional
            A file to write after epochs, every two minutes within them, and when stopped, from
            which training can go on. One that stands there is replaced if its training has ended;
            that of an unfinished one is refused without ``resume``. Beside it stand the ids of a
            corpus that is too large for memory, as long as training has not ended.
        resume : bool
            Go on from the checkpoint, with the same bits as if training had not stopped. The
            corpus, the hyperparameters and what is frozen must be the same, with ``warm_start`` the
            tables too; ``epochs`` may be others, to which the learning rate then goes on from where
            it stands (`rnnfast.training.CosineLR`).
        verbose : int, optional
            What to show, in place of the constructor's.
        callbacks : sequence of callable
            Called with a `rnnfast.training.Progress` after each step and each epoch;
            ``progress.model`` is the model in training.
        comm : mpi4py.MPI.Intracomm, optional
            The processes that train it together, each of which is given the same corpus; see
            :doc:`/distributed`.

        Returns
        -------
        LanguageModel
            This one.

        Raises
        ------
        ValueError
            If a hyperparameter is wrong, or the corpus is empty or has nothing to hold out.
        TypeError
            If the corpus or a hyperparameter is of a wrong type.
        FloatingPointError
            If the loss or a gradient becomes infinite or NaN.
        OSError
            If a checkpoint cannot be read or written.
        """
        with joined(comm):
            asked = FitOptions(
                warm_start=warm_start,
                extend=extend,
                freeze=freeze,
                embeddings=embeddings,
                epochs=epochs,
                checkpoint=checkpoint,
                resume=resume,
                verbose=verbose,
                callbacks=callbacks,
            )
            return self._fit(text, valid, (condition, valid_condition), sample_weight, asked)

    def _fit(
        self,
        text: Any,
        valid: Any,
        conditions: tuple[Any, Any],
        sample_weight: Any,
        asked: FitOptions,
    ) -> LanguageModel:
        fresh = self._copy_to_train()
        asked, kept = fresh._begin(asked, valid)
        if fresh.mixed_precision and not _core.multiplies_bfloat16():
            warn_caller(
                "mixed_precision: this CPU does not multiply bfloat16: training is in float32"
            )
        checkpoint, resume, epochs = asked.checkpoint, asked.resume, asked.epochs
        known, learns_subwords = None, fresh.level == "subword" and fresh.tokenizer is None
        if kept is not None:
            known = Known(fresh.vocabulary_, fresh.condition_, asked.extend)
            splitter = fresh.tokenizer_
        elif learns_subwords:
            text = read_again("text", text, fresh.lines)
            resumed = checkpoint if resume else None
            splitter = fresh._options(SubwordOptions).learn(text, resumed, sample_weight)
        else:
            splitter = fresh._options(TokenOptions).splitter()
        shown_unit = fresh.unit if fresh.unit == "token" else fresh.level
        reporter = Reporter(asked.verbose, unit=shown_unit, perplexity=True)
        reader = CorpusReader(splitter, fresh.lines)
        if checkpoint is not None and not resume and not current_ranks().several:
            # Before a long corpus is read.
            require_writable("checkpoint", checkpoint)
            require_replaceable("checkpoint", checkpoint)
        with Preparing(reader, reporter, checkpoint, resume) as preparing:
            options = fresh._options(CorpusOptions)
            corpus = prepare_corpus(
                options,
                reader,
                text,
                valid,
                conditions,
                known,
                sample_weight,
                read=preparing.read,
            )
            if kept is None:  # else new tokens come after the others, into the last cluster
                fresh.cutoffs_ = fresh._options(OutputOptions).cut(corpus.vocabulary)
            rng = fresh._make_generator()
            network = fresh._make_network(corpus.vocabulary, corpus.condition, rng)
            fresh.vocabulary_, fresh.tokenizer_ = corpus.vocabulary, reader.tokenizer
            fresh.network_, fresh.condition_ = network, corpus.condition
            training = CorpusTraining(network, corpus, options)
            steps = len(training.batches(None))
            chosen = {}
            if epochs is None:
                epochs = chosen["epochs"] = choose_epochs(steps)
            fresh._require_measured(epochs, bool(corpus.valid))

            def fingerprint() -> dict[str, str]:
                facts, own = training.fingerprint(), reader.tokenizer
                if learns_subwords and isinstance(own, SubwordTokenizer):
                    facts |= to_identity(own)
                return facts

            if isinstance(reader.tokenizer, SubwordTokenizer):
                reporter.write(f"tokenizer: {reader.tokenizer.describe(corpus.vocabulary)}")
            fresh._fill(asked, kept, rng, reporter)
            self._train(
                fresh,
                rng,
                asked=asked,
                step=training.step,
                batches=training.batches,
                epochs=epochs,
                total_steps=epochs * steps,
                data=fingerprint,
                counts=corpus.counts(fresh.lines, fresh.unit),
                chosen=chosen,
                validate=training.validate if corpus.valid else None,
                baseline=math.log(len(corpus.vocabulary)),
                carry=training.carry,
                reporter=reporter,
                notes=corpus.notes,
                split=training.split,
            )
            preparing.ended = fresh.stopped_ in ("finished", "patience")
        return self

    def _check_hyperparameters(self) -> None:
        super()._check_hyperparameters()
        if self.epochs is not None:
            check_int("epochs", self.epochs, 1)
        check_int("verbose", self.verbose, 0)
        check_int("batch_size", self.batch_size, 1)
        check_real("validation_fraction", self.validation_fraction, 0, 1, below=True)
        choose_monitor(self.monitor, ("loss", "perplexity"))
        check_bool("lines", self.lines)
        self._options(NetworkOptions)
        if not among(self.level, ("char", "word", "subword")):
            raise ValueError(
                f"level: expected 'char', 'word' or 'subword', got {shown(self.level)}"
            )
        if self.level == "subword" and self.tokenizer is None:
            self._options(SubwordOptions)
        self._options(OutputOptions)
        check_int("sequence_length", self.sequence_length, 1)

    @property
    def unit(self) -> str:
        """What a token is called: ``"character"``, ``"word"``, or of subwords or with a
        tokenizer ``"token"``."""
        if self.tokenizer is not None or self.level == "subword":
            return "token"
        return "character" if self.level == "char" else "word"
