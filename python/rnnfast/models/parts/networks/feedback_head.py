"""Tags that depend on the tags before: the previous label fed back as an input."""

from __future__ import annotations

import numpy as np

from rnnfast.data.batches import Ints
from rnnfast.models.parts.hyperparameters import LayerOptions
from rnnfast.models.parts.networks.heads import SoftmaxHead
from rnnfast.models.parts.networks.input_parts import Beside
from rnnfast.models.parts.shared import make_recurrent, map_state
from rnnfast.nn.compose import States, chain
from rnnfast.nn.embedding import Embedding
from rnnfast.nn.losses import log_softmax, softmax
from rnnfast.nn.module import Array


class FeedbackHead(SoftmaxHead):
    """A second recurrent layer, from left to right, that reads the label before.

    ::

        s<t>     = cell(s<t-1>, [h<t>, E y<t-1>])        y<0>: no label
        y_hat<t> = softmax(W_y s<t> + b_y)
        P(y)     = product over t of y_hat<t>[y<t>]

    In training ``y<t-1>`` is the true label (teacher forcing); after it, what was predicted.

    Parameters
    ----------
    in_features, num_tags : int
        Sizes of h<t> and of y_hat<t>.
    layers : LayerOptions
        Cell, size and dtype of the layer.
    label_embedding_size : int
        Numbers of ``E y``.
    rng : numpy.random.Generator
        Draws the initial weights.
    class_weights, label_smoothing
        As `SoftmaxHead` takes them.

    Attributes
    ----------
    start : int
        The label that stands for none before the first, K.
    """

    def __init__(
        self,
        in_features: int,
        num_tags: int,
        layers: LayerOptions,
        *,
        label_embedding_size: int,
        class_weights: Array | None,
        label_smoothing: float,
        rng: np.random.Generator,
    ) -> None:
        dtype = layers.dtype
        self.start = num_tags
        self.label_embedding = Embedding(
            num_tags + 1, label_embedding_size, padding_idx=self.start, dtype=dtype, seed=rng
        )
        self.decoder = make_recurrent(
            layers.cell,
            in_features + label_embedding_size,
            layers.hidden_size,
            1,
            options=layers.cell_options,
            dtype=dtype,
            rng=rng,
        )
        super().__init__(
            self.decoder.output_size,
            num_tags,
            class_weights=class_weights,
            label_smoothing=label_smoothing,
            dtype=dtype,
            rng=rng,
        )
        self._layers = chain(Beside(None, self.label_embedding), self.decoder)

    def loss(
        self,
        h: Array,
        y: Array,
        lengths: Ints,
        *,
        backward: bool,
        weights: Array | None = None,
    ) -> tuple[float, Array | None]:
        """Return ``-log P(y<1> ... y<T>)``, each step given the true label before."""
        given = h, self._before(y, lengths)
        if not backward:  # without the noise of training
            return super().loss(
                self._layers(given, lengths), y, lengths, backward=False, weights=weights
            )
        s, backprop = self._layers.forward(given, lengths)
        loss, ds = super().loss(s, y, lengths, backward=True, weights=weights)
        assert ds is not None
        dh, _ = backprop(ds)
        return loss, dh

    def scores(self, h: Array, lengths: Ints) -> Array:
        """Return the scores given the labels that greedy decoding found before."""
        before = self._before(self.predict(h, lengths), lengths)
        return self.output(self._layers((h, before), lengths))

    def probabilities(self, h: Array, lengths: Ints) -> Array:
        """Return ``y_hat<t>`` given the labels that greedy decoding found before."""
        return softmax(self.scores(h, lengths))

    def predict(self, h: Array, lengths: Ints, beam_size: int = 1) -> Array:
        """Search for the likeliest sequence of tags from left to right.

        Parameters
        ----------
        h : ndarray
            ``(T, B, W)``.
        lengths : ndarray of int
            ``(B,)``.
        beam_size : int
            How many of the likeliest beginnings are kept at each step; 1: greedy search.

        Returns
        -------
        ndarray of int
            ``(T, B)``; the tags past a length have no meaning.
        """
        T, B, _ = h.shape
        rows = np.arange(B)[:, np.newaxis]
        before = np.full(B * beam_size, self.start)
        scores = np.full((B, beam_size), -np.inf)
        scores[:, 0] = 0
        tags = np.zeros((T, B, beam_size), np.int64)
        parents = np.zeros_like(tags)
        state: States = {}
        for t in range(T):
            pair = np.repeat(h[t], beam_size, axis=0)[np.newaxis], before[np.newaxis]
            s, state = self._layers(pair, state=state, return_state=True)
            log_p = log_softmax(self.output(s[0])).reshape(B, beam_size, -1)
            num_tags = log_p.shape[-1]
            total = (scores[..., np.newaxis] + log_p).reshape(B, -1)
            best = np.argsort(-total, axis=1, kind="stable")[:, :beam_size]
            parents[t], tags[t] = np.divmod(best, num_tags)
            going = (t < lengths)[:, np.newaxis]
            parents[t] = np.where(going, parents[t], np.arange(beam_size))
            scores = np.where(going, np.take_along_axis(total, best, axis=1), scores)
            state = _reordered(state, (rows * beam_size + parents[t]).reshape(-1))
            before = tags[t].reshape(-1)
        result = np.zeros((T, B), np.int64)
        place = scores.argmax(axis=1)
        for t in range(T - 1, -1, -1):
            result[t] = tags[t, rows[:, 0], place]
            place = parents[t, rows[:, 0], place]
        return result

    def decoder_input(self, h: Array, before: Array) -> Array:
        """Return what the second layer reads at a step: ``h<t>`` (n, W) and labels (n,)."""
        return np.concatenate([h, self.label_embedding(before)], axis=1)

    def _before(self, y: Array, lengths: Ints) -> Array:
        """Return the label before each step, `start` at the first and past a length."""
        before = np.full_like(y, self.start)
        before[1:] = y[:-1]
        return np.where(np.arange(len(y))[:, np.newaxis] < lengths, before, self.start)


def _reordered(states: States, rows: Array) -> States:
    def take(part: Array) -> Array:
        return np.ascontiguousarray(part[:, rows])

    return {place: map_state(take, state) for place, state in states.items()}
