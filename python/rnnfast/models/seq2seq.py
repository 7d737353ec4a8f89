"""Sequence to sequence: an encoder reads the one, a decoder writes the other."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple, NoReturn

import numpy as np

from rnnfast._checks import among, check_bool, check_real
from rnnfast._checks.likeness import likeness
from rnnfast._checks.messages import shown
from rnnfast._checks.weights import read_weights
from rnnfast.data.batches import Ints
from rnnfast.generation.search import beam_search
from rnnfast.metrics import accuracy
from rnnfast.metrics._texts import perplexity_of
from rnnfast.models.base import OfPart
from rnnfast.models.estimator import Estimator
from rnnfast.models.parts.codecs.texts import TokenCodec
from rnnfast.models.parts.contract import Weighed
from rnnfast.models.parts.fitting.examples import PairBatch, check_same_length, scoring_batches
from rnnfast.models.parts.fitting.warm_start import Axes, axes_of_ids
from rnnfast.models.parts.hyperparameters import LayerOptions, TokenOptions
from rnnfast.models.parts.networks.encoder import EncoderLayers
from rnnfast.models.parts.networks.seq2seq_network import Seq2SeqNetwork, make_attention
from rnnfast.models.parts.reading.inputs import TokenInputs
from rnnfast.models.parts.turns import in_turn
from rnnfast.nn.module import Array
from rnnfast.text.vocabulary import Vocabulary, decode_each

# The exponent that the course suggests.
_LENGTH_PENALTY = 0.7
# From the part of training that is over to the part of the final probability of sampling.
_SAMPLING_SCHEDULES: dict[str, Callable[[float], float]] = {
    "linear": lambda progress: progress,
    "sigmoid": lambda progress: 1 / (1 + math.exp(-12 * (progress - 0.5))),
    "constant": lambda progress: 1.0,
}


class Alignment(NamedTuple):
    """How much each step of an output reads of each step of its input.

    Attributes
    ----------
    source : list of str
        The tokens of x, the columns; empty for a series.
    target : list of str
        The tokens of y and the end, the rows.
    weights : ndarray, shape (len(target), T)
        Each row has the sum 1.
    """

    source: list[str]
    target: list[str]
    weights: Array


@dataclass(kw_only=True, eq=False, repr=False)
class Seq2Seq(Weighed, Estimator):
    """Sequences from sequences of other lengths: translation, commands, arithmetic.

    The course's many-to-many picture with T_x != T_y. An encoder reads x and its final state begins
    a decoder, which has weights of its own and writes y token by token until ``<EOS>`` (Cho et al.
    2014; Sutskever et al. 2014):

    ::

        memory<t>, state = encoder(x<1> ... x<T_x>)
        s<u>  = decoder(y<u-1>, s<u-1>),   s<0> = state,  y<0> = 0
        h<u>  = s<u>                       without attention
        h<u>  = tanh(W_c [context<u>; s<u>]),   context<u> = sum over t of alpha<u,t> memory<t>
        P(y<u> | y<1> ... y<u-1>, x) = softmax(W_y h<u> + b_y)

    alpha<u,t> is a softmax over t of scores of s<u> and memory<t>. Attention reads the decoder's
    outputs and feeds nothing back (Luong et al. 2015, section 3.1), so that in training, with the
    true y<u-1> as inputs (teacher forcing), the recurrent layers run over a whole target in one
    call.

    With ``bidirectional`` the encoder has two chains of states, and the decoder as many units as
    both together.

    Parameters
    ----------
    attention : {"general", "dot", "additive"}, optional
        How alpha is scored: see `DotAttention` with and without a weight, and `AdditiveAttention`.
        None: the decoder knows of x only what the encoder's final state holds.
    reverse_source : bool
        Whether the encoder reads x from its end (Sutskever et al. 2014, section 3.3).
    label_smoothing : float
        The share of a target's probability that is spread over all tokens in training.
    sampling : float
        The probability, at the end of training, with which an input of the decoder is what it
        would have said itself, in place of the true token (scheduled sampling, Bengio et al.
        2015). 0: teacher forcing throughout. Training takes about half as long again.
    sampling_schedule : {"linear", "sigmoid", "constant"}
        How that probability rises from 0 over training: evenly, slowly at first and at last (the
        inverse sigmoid of section 2.4), or not at all.
    **others
        The hyperparameters that all models have, see
        `rnnfast.models.recurrent_model.RecurrentModel`, and all supervised ones, see
        `rnnfast.models.estimator.Estimator`. Those of tokens and vocabularies hold for ``X`` and
        for ``y``, each of which has a vocabulary of its own.

    Attributes
    ----------
    inputs_ : TokenInputs or SeriesInputs
        How ``X`` is encoded.
    targets_ : TokenInputs
        How ``y`` is, with its ``vocabulary``.
    writes_text_ : bool
        Whether y was text in training, and predictions are.
    network_ : Seq2SeqNetwork
        The layers.
    max_length_ : int
        Most tokens that `predict` writes if it is not told.
    history_, best_epoch_, stopped_
        As every model has them.

    Examples
    --------
    >>> words = ["abc", "bca", "cab", "acb", "bac", "cba"] * 20
    >>> model = Seq2Seq(level="char", hidden_size=32, epochs=40, seed=0, verbose=0)
    >>> model = model.fit(words, [word.upper()[::-1] for word in words])
    >>> model.predict(["abc", "cab"])
    ['CBA', 'BAC']
    """

    attention: Literal["general", "dot", "additive"] | None = "general"
    reverse_source: bool = False
    label_smoothing: float = 0.0
    sampling: float = 0.0
    sampling_schedule: Literal["linear", "sigmoid", "constant"] = "linear"
    # Others than those of `Estimator`: a whole output has to fit into a state.
    hidden_size: int = 128
    embedding_size: int | None = 64

    targets_ = OfPart[TokenInputs]("_codec.inputs")
    writes_text_ = OfPart[bool]("_codec.writes_text")
    max_length_ = OfPart[int]("_codec.max_length")
    network_: Seq2SeqNetwork = field(init=False)  # type: ignore[assignment]
    _codec: TokenCodec = field(init=False)

    # Asking

    @in_turn
    def predict(
        self,
        X: Any,
        *,
        beam_size: int = 1,
        length_penalty: float = _LENGTH_PENALTY,
        max_length: int | None = None,
        like: bool = False,
    ) -> list[Any]:
        """Return the likeliest y of each x that a search finds.

        Parameters
        ----------
        X : list of str, list of list of str, list of ndarray, or ndarray
            As `fit` takes it.
        beam_size : int
            How many hypotheses are kept at each step; 1 takes the likeliest token each time.
        length_penalty : float
            a of `rnnfast.generation.search.beam_search`: hypotheses are compared by
            ``log P(y) / |y|^a``.
        max_length : int, optional
            Most tokens; None: twice as many as the longest y of training has.
        like : bool
            True: what is returned is of the library that ``X`` is of, such as a Series.

        Returns
        -------
        list of str or list of list of str
            As y was in training. No token is ``<UNK>``.

        Raises
        ------
        NotFittedError
            If the model has not been fitted.
        TypeError, ValueError
            As `fit`, for ``X``; or if an option is out of range.
        """
        self, alike = self._as_fitted(), likeness(X, like)
        codec, x = self._codec, self._reader.encode("X", X)
        found = self._predict_ids(x, beam_size, length_penalty, max_length)
        written = codec.written(decode_each(codec.vocabulary, found))
        return alike.whole(written) if codec.writes_text else alike.each(written)

    def score(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        beam_size: int = 1,
        length_penalty: float = _LENGTH_PENALTY,
        max_length: int | None = None,
    ) -> float:
        """Return the share of ``X`` whose whole y is predicted, token by token.

        Parameters
        ----------
        X, y
            As `fit` takes them.
        sample_weight : array_like, optional
            How much each pair counts, ``(N,)``, none below 0; None: all the same.
        beam_size, length_penalty, max_length
            As `predict` takes them.

        Raises
        ------
        TypeError, ValueError
            As `fit`.
        """
        self = self._as_fitted()
        true = self._codec.read("y", y)
        x = self._reader.encode("X", X)
        check_same_length(x, true)
        weights = read_weights("sample_weight", sample_weight, len(x))
        found = self._predict_ids(x, beam_size, length_penalty, max_length)
        decoded = decode_each(self._codec.vocabulary, found)
        return accuracy(true, decoded, sample_weight=weights)

    def evaluate(self, X: Any, y: Any, sample_weight: Any = None) -> dict[str, float]:
        """Return how well ``y`` is foreseen and written, by name.

        Parameters
        ----------
        X, y
            As `fit` takes them.
        sample_weight : array_like, optional
            As `score` takes it.

        Returns
        -------
        dict of str to float
            ``loss``, in nats a token of ``y`` and its end, each given those before it;
            ``perplexity``, its exponential; ``accuracy``, what `score` returns.

        Raises
        ------
        TypeError, ValueError
            As `fit`.
        """
        self = self._as_fitted()
        figures = super().evaluate(X, y, sample_weight)
        figures["perplexity"] = perplexity_of(figures["loss"])
        return {**figures, "accuracy": self.score(X, y, sample_weight)}

    def attention_weights(self, x: Any, y: Any = None) -> Alignment:
        """Return how much each step of an output reads of each step of its input.

        Parameters
        ----------
        x : str, list of str or ndarray
            One sequence.
        y : str or list of str, optional
            Its output; None: what `predict` gives.

        Returns
        -------
        Alignment
            ``source`` and ``target`` tokens, and ``weights``, one row a target token.

        Raises
        ------
        ValueError
            If the model has no attention.
        TypeError, ValueError
            As `fit`, for ``x`` and ``y``.
        """
        self = self._as_fitted()
        if self.network_.attention is None:
            raise ValueError("attention: expected a model with attention, got None")
        codec = self._codec
        (ids,) = self._reader.encode("x", [x])
        if y is None:
            (target,) = self._predict_ids([ids])
        else:
            (target,) = codec.encode("y", codec.read("y", [y]), [ids])
        batch = codec.pairs([ids], [target])
        weights = self.network_.attention_weights(batch)[:, 0, : len(ids)]
        source: list[str] = []
        if isinstance(self.inputs_, TokenInputs):
            (tokens,) = self._reader.read("x", [x])
            source = list(tokens)
        target_tokens = codec.vocabulary.decode(batch.targets[:, 0])
        return Alignment(
            source, target_tokens, weights[:, ::-1] if self._reader.reverse else weights
        )

    def _predict_ids(
        self,
        x: Sequence[Array],
        beam_size: int = 1,
        length_penalty: float = _LENGTH_PENALTY,
        max_length: int | None = None,
    ) -> list[Ints]:
        vocabulary, network = self._codec.vocabulary, self.network_
        assert vocabulary.eos_id is not None
        results: list[Ints] = [np.zeros(0, np.int64)] * len(x)
        for chosen, padded, lengths in scoring_batches(x):
            found = beam_search(
                network.decode(network.encode(padded, lengths)),
                len(chosen),
                start=len(vocabulary),
                end=vocabulary.eos_id,
                beam_size=beam_size,
                max_length=self.max_length_ if max_length is None else max_length,
                length_penalty=length_penalty,
                forbidden=[] if vocabulary.unk_id is None else [vocabulary.unk_id],
            )
            for number, hypotheses in zip(chosen, found, strict=True):
                results[number] = hypotheses[0].tokens
        return results

    # What it is composed of

    def _make_running(self) -> NoReturn:
        raise ValueError(
            "stream: expected a model that answers while it reads, got a Seq2Seq, which writes "
            "when it has read all"
        )

    def _check_hyperparameters(self) -> None:
        if not among(self.attention, (None, "general", "dot", "additive")):
            got = shown(self.attention)
            raise ValueError(f"attention: expected 'general', 'dot', 'additive' or None, got {got}")
        check_bool("reverse_source", self.reverse_source)
        check_real("label_smoothing", self.label_smoothing, 0, 1, below=True)
        check_real("sampling", self.sampling, 0, 1)
        if not among(self.sampling_schedule, _SAMPLING_SCHEDULES):
            known = ", ".join(_SAMPLING_SCHEDULES)
            raise ValueError(
                f"sampling_schedule: expected one of {known}, got {shown(self.sampling_schedule)}"
            )
        super()._check_hyperparameters()

    def _make_codec(self) -> TokenCodec:
        tokens = self._options(TokenOptions)
        return TokenCodec(tokens.splitter(), tokens=tokens)

    def _reads_backwards(self) -> bool:
        return self.reverse_source

    def _make_network(self, rng: np.random.Generator) -> Seq2SeqNetwork:
        encoder = self._make_encoder(rng)
        directions = encoder.recurrent.num_directions
        cell_options = dict(self.cell_options or {})
        if "proj_size" in cell_options:
            cell_options["proj_size"] *= directions
        layers = replace(
            self._options(LayerOptions),
            hidden_size=directions * self.hidden_size,
            bidirectional=False,
            cell_options=cell_options,
        )
        num_tokens = len(self._codec.vocabulary)
        decoder = EncoderLayers(
            num_tokens + 1, layers, tokens=True, rng=rng, drop_outputs=False, blank=num_tokens
        )
        return Seq2SeqNetwork(
            encoder,
            decoder,
            make_attention(
                self.attention, decoder.output_size, encoder.output_size, self.dtype, rng
            ),
            num_tokens,
            dropout=self.dropout,
            variational=self.variational,
            label_smoothing=self.label_smoothing,
            rng=rng,
        )

    def _word_tables(self) -> dict[str, Vocabulary]:
        read = {f"encoder_{name}": known for name, known in super()._word_tables().items()}
        return {**read, "decoder_embedding": self._codec.vocabulary}

    def _axes(self) -> Axes:
        embedded, tokens = self.embedding_size is not None, self._codec.vocabulary.tokens
        return {
            **self._reader.axes("encoder_", embedded),
            **axes_of_ids("decoder_", embedded, [*tokens, None]),
            **self._codec.axes(),
        }

    def _step(
        self, network: Seq2SeqNetwork, batch: PairBatch, progress: float
    ) -> tuple[float, int]:
        network.sampling = self.sampling * _SAMPLING_SCHEDULES[self.sampling_schedule](progress)
        return network.add_gradients(batch)
