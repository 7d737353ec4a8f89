"""The network of `Seq2Seq`: an encoder, a decoder with weights of its own, perhaps attention."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from rnnfast.data.batches import Ints
from rnnfast.models.parts.fitting.examples import PairBatch
from rnnfast.models.parts.networks.encoder import EncoderLayers
from rnnfast.models.parts.networks.input_parts import Network
from rnnfast.models.parts.shared import map_state
from rnnfast.nn.activation import Activation
from rnnfast.nn.attention import AdditiveAttention, Attention, DotAttention
from rnnfast.nn.compose import chain
from rnnfast.nn.dropout import Dropout
from rnnfast.nn.dropout_masks import VariationalDropout
from rnnfast.nn.linear import Linear
from rnnfast.nn.losses import linear_cross_entropy
from rnnfast.nn.module import Array, Module
from rnnfast.nn.placement import Ints as Rows
from rnnfast.nn.placement import numbered, placed, placement, random_of_rows
from rnnfast.nn.recurrent.base import State


class Encoded(NamedTuple):
    """Sequences that the encoder has read.

    Attributes
    ----------
    memory : ndarray
        Its outputs, ``(T, B, M)``.
    keys : ndarray or None
        What attention compares with.
    lengths : ndarray of int64, shape (B,)
    state : ndarray or pair of ndarray
        Where the decoder begins, ``(L, B, M)``.
    """

    memory: Array
    keys: Array | None
    lengths: Ints
    state: State


class Seq2SeqNetwork(Network):
    """An encoder whose final state begins the decoder.

    ::

        memory, state = encoder(x)
        s<u>  = decoder(y<u-1>, s<u-1>),  s<0> = state
        h<u>  = s<u>                                       without attention
        h<u>  = tanh(W_c [context<u>; s<u>])               with (Luong et al. 2015, eq. 5)
        P(y<u> | y<1> ... y<u-1>, x) = softmax(W_y h<u> + b_y)

    The states of both directions of an encoder stand side by side in the decoder's.

    Parameters
    ----------
    encoder : EncoderLayers
        Reads x.
    decoder : EncoderLayers
        Reads tokens; its ``blank`` is the first input, which stands for no token.
    attention : Attention or None
        From the decoder's outputs to the encoder's.
    num_tokens : int
        How many tokens there are to choose from.
    dropout, variational
        Of h, as `EncoderLayers` takes them.
    label_smoothing : float
        As `cross_entropy` takes it.
    rng : numpy.random.Generator
        Draws the initial weights, then dropout and which inputs are the network's own.

    Attributes
    ----------
    sampling : float
        The probability with which `add_gradients` feeds the decoder what it would itself have said
        in place of the true token (scheduled sampling, Bengio et al. 2015).
    """

    def __init__(
        self,
        encoder: EncoderLayers,
        decoder: EncoderLayers,
        attention: Attention | None,
        num_tokens: int,
        *,
        dropout: float,
        variational: bool = False,
        label_smoothing: float,
        rng: np.random.Generator,
    ) -> None:
        self.encoder, self.decoder, self.attention = encoder, decoder, attention
        dtype = decoder.recurrent.dtype.name
        size = decoder.output_size
        self.output = Linear(size, num_tokens, dtype=dtype, seed=rng)
        if attention is not None:
            both = attention.memory_size + size
            self.combine = Linear(both, size, bias=False, dtype=dtype, seed=rng)
            self._combine = chain(self.combine, Activation("tanh"))
        self._dropout = (VariationalDropout if variational else Dropout)(dropout, seed=rng)
        self._label_smoothing = label_smoothing
        self._rng = rng
        self.sampling = 0.0

    @property
    def modules(self) -> dict[str, Module]:
        """The trained layers by the names that files have for them."""
        sides = {"encoder": self.encoder, "decoder": self.decoder}
        own = {f"{side}_{n}": m for side, net in sides.items() for n, m in net.modules.items()}
        above = {n: vars(self).get(n) for n in ("output", "attention", "combine")}
        return own | {n: m for n, m in above.items() if m is not None}

    def add_gradients(self, batch: PairBatch) -> tuple[float, int]:
        """Add the gradients of the summed loss of one batch, with dropout.

        Returns
        -------
        loss : float
            The sum of ``-log P(y<u>)`` in nats, each times the weight of its pair, smoothed.
        count : int
            How many tokens that were, the ends counted.
        """
        inputs = self._inputs(batch)
        (memory, state), to_encoder = self.encoder.forward(batch.x, lengths=batch.lengths)
        with _decoding():
            (s, _), to_decoder = self.decoder.forward(
                inputs, self._join_directions(state), batch.target_lengths
            )
        h, to_states = self._forward_read(s, memory, batch)
        with numbered(_numbers_of_tokens(batch)):
            dropped, to_h = self._dropout.forward(h)
        loss, dropped_gradient = linear_cross_entropy(
            self.output,
            dropped,
            batch.targets[batch.mask],
            weights=batch.of_targets(),
            label_smoothing=self._label_smoothing,
            reduction="sum",
        )
        assert dropped_gradient is not None
        ds, dmemory = to_states(to_h(dropped_gradient))
        _, dstate = to_decoder(ds)
        to_encoder(dmemory, self._split_directions(dstate))
        return loss, len(h)

    def _forward_read(
        self, s: Array, memory: Array, batch: PairBatch
    ) -> tuple[Array, Callable[[Array], tuple[Array, Array | None]]]:
        """Return h of the tokens that count, ``(N, M)``, and what takes its gradient back.

        That returns the gradients of the decoder's outputs and of the memory (None: not read).
        """
        mask, attention = batch.mask, self.attention
        if attention is None:

            def to_outputs(dh: Array) -> tuple[Array, None]:
                ds = np.zeros_like(s)
                ds[mask] = dh
                return ds, None

            return s[mask], to_outputs
        (context, _), to_attention = attention.forward(s, memory, batch.lengths)
        both = np.concatenate([context, s], axis=2)
        h, to_both = self._combine.forward(both[mask])

        def to_states(dh: Array) -> tuple[Array, Array]:
            dboth = np.zeros_like(both)
            dboth[mask] = to_both(dh)
            size = context.shape[2]
            dquery, dmemory = to_attention(dboth[:, :, :size])
            return dboth[:, :, size:] + dquery, dmemory

        return h, to_states

    def loss(self, batch: PairBatch) -> tuple[float, float]:
        """Return the summed loss with the true inputs, without dropout, and the sum of weights."""
        encoded = self.encode(batch.x, batch.lengths)
        s, _ = self.decoder(batch.inputs, encoded.state, batch.target_lengths)
        h = self._read(s, encoded)[0][batch.mask]
        weights = batch.of_targets()
        loss, _ = linear_cross_entropy(
            self.output,
            h,
            batch.targets[batch.mask],
            weights=weights,
            reduction="sum",
            backward=False,
        )
        return loss, len(h) if weights is None else float(weights.sum(dtype=np.float64))

    def encode(self, x: Array, lengths: Ints) -> Encoded:
        """Return what the encoder makes of a batch."""
        memory, state = self.encoder(x, lengths=lengths)
        keys = None if self.attention is None else self.attention.keys(memory)
        return Encoded(memory, keys, lengths, self._join_directions(state))

    def attention_weights(self, batch: PairBatch) -> Array:
        """Return ``(U, B, T)``: how much each step of the output reads of each of the input."""
        encoded = self.encode(batch.x, batch.lengths)
        s, _ = self.decoder(batch.inputs, encoded.state, batch.target_lengths)
        return self._read(s, encoded)[1]

    def decode(self, encoded: Encoded) -> Hypotheses:
        """Return what a search goes through."""
        return Hypotheses(self, encoded)

    def step(self, tokens: Ints, encoded: Encoded, state: State) -> tuple[Array, State]:
        """Take one step with K hypotheses of each sequence.

        Parameters
        ----------
        tokens : ndarray of int64, shape (K, B)
            The tokens before.
        encoded : Encoded
            The B sequences.
        state : ndarray or pair of ndarray
            The hypotheses', ``(L, K*B, M)``.

        Returns
        -------
        scores : ndarray
            ``(K, B, V)``.
        state
            After the step.
        """
        s, state = self.decoder(tokens.reshape(1, -1), state)
        # The hypotheses are to attention as the steps of one sequence.
        h, _ = self._read(s.reshape(*tokens.shape, -1), encoded)
        return self.output(h), state

    def _read(self, s: Array, encoded: Encoded) -> tuple[Array, Array]:
        """Return h of the decoder's outputs, and the weights of attention (empty without)."""
        if self.attention is None:
            return s, np.empty((*s.shape[:2], 0))
        context, weights = self.attention(s, encoded.memory, encoded.lengths, encoded.keys)
        return self._combine(np.concatenate([context, s], axis=2)), weights

    def _inputs(self, batch: PairBatch) -> Ints:
        """Return the decoder's inputs: true tokens, or with `sampling` some of its own."""
        if self.sampling == 0.0:
            return batch.inputs
        encoded = self.encode(batch.x, batch.lengths)
        own = random_of_rows(self._rng, batch.inputs.shape, 1) < self.sampling
        inputs, state = batch.inputs.copy(), encoded.state
        for u in range(len(inputs) - 1):
            scores, state = self.step(inputs[u : u + 1], encoded, state)
            inputs[u + 1] = np.where(own[u + 1], scores[0].argmax(axis=1), inputs[u + 1])
        return inputs

    def _join_directions(self, state: State) -> State:
        """From the encoder's state ``(L*D, B, H)`` to the decoder's ``(L, B, D*H)``.

        What an encoder keeps of its last inputs is nothing to a decoder, which begins without.
        """
        directions = self.encoder.num_directions

        def join(part: Array) -> Array:
            rows, batch_size, size = part.shape
            parts = part.reshape(rows // directions, directions, batch_size, size)
            joined = np.ascontiguousarray(parts.transpose(0, 2, 1, 3))
            return joined.reshape(rows // directions, batch_size, directions * size)

        units = self.encoder.recurrent.spec.without_steps(state)
        return self.decoder.recurrent.spec.with_steps(map_state(join, units))

    def _split_directions(self, state: State) -> State:
        """Undo `_join_directions`."""
        directions = self.encoder.num_directions

        def split(part: Array) -> Array:
            layers, batch_size, size = part.shape
            parts = part.reshape(layers, batch_size, directions, size // directions)
            apart = np.ascontiguousarray(parts.transpose(0, 2, 1, 3))
            return apart.reshape(layers * directions, batch_size, size // directions)

        units = self.decoder.recurrent.spec.without_steps(state)
        return self.encoder.recurrent.spec.with_steps(map_state(split, units))


@contextmanager
def _decoding() -> Iterator[None]:
    """Let sequences have the lengths of targets, where several processes learn from a batch."""
    here = placement()
    if here is None:
        yield
        return
    with placed(replace(here, lengths=here.whole.target_lengths)):
        yield


def _numbers_of_tokens(batch: PairBatch) -> Rows | None:
    """Return the number of each token that counts among those of the whole batch; None: as is."""
    here = placement()
    if here is None:
        return None
    mask = here.whole.mask
    numbers = (np.cumsum(mask) - 1).reshape(mask.shape)[:, here.begin : here.end]
    return numbers[: len(batch.inputs)][batch.mask]


def make_attention(
    kind: str | None, query_size: int, memory_size: int, dtype: str, rng: np.random.Generator
) -> Attention | None:
    """Make the layer that a model's ``attention`` names: "general", "dot", "additive" or None."""
    if kind is None:
        return None
    if kind == "additive":
        return AdditiveAttention(query_size, memory_size, query_size, dtype=dtype, seed=rng)
    return DotAttention(query_size, memory_size, general=kind == "general", dtype=dtype, seed=rng)


class Hypotheses:
    """Hypotheses on the outputs of some sequences, as `generation.search` wants them."""

    def __init__(self, network: Seq2SeqNetwork, encoded: Encoded) -> None:
        self._network, self._encoded, self._state = network, encoded, encoded.state

    def step(self, tokens: Ints) -> Array:
        """Feed a token to each; see `rnnfast.generation.search.Decoder`."""
        scores, self._state = self._network.step(tokens, self._encoded, self._state)
        return scores

    def select(self, parents: Ints, sequences: Ints) -> None:
        """Go on with other ones; see `rnnfast.generation.search.Decoder`."""
        memory, keys, lengths, _ = self._encoded
        rows = (parents * len(lengths) + sequences).reshape(-1)
        self._state = map_state(lambda part: part[:, rows], self._state)
        if len(sequences) < len(lengths):
            keys = None if keys is None else keys[:, sequences]
            self._encoded = Encoded(memory[:, sequences], keys, lengths[sequences], None)
