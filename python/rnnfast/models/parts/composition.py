"""What supervised models are composed of: layers of hyperparameters, and what of it is in files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnfast.models.parts.fitting.preparation import Preparation
from rnnfast.models.parts.fitting.warm_start import Axes
from rnnfast.models.parts.hyperparameters import LayerOptions, PoolOptions, WordOptions
from rnnfast.models.parts.networks.encoder import EncoderLayers
from rnnfast.models.parts.networks.encoder_network import EncoderNetwork
from rnnfast.models.parts.networks.heads import Head
from rnnfast.models.parts.networks.word_layers import WordLayers
from rnnfast.models.parts.reading.inputs import TokenInputs
from rnnfast.models.parts.reading.reader import Reader
from rnnfast.models.parts.running import Running
from rnnfast.models.parts.running_pool import RunningPool
from rnnfast.nn.compose import chain
from rnnfast.nn.dropout import Dropout
from rnnfast.nn.pooling import Pooling, pooled_size
from rnnfast.text.vocabulary import Vocabulary


class Composition(Preparation, base=True):
    """Base of `Estimator`: its layers, and what of it stands in files."""

    network_: EncoderNetwork

    # Layers

    def _make_head(self, in_features: int, rng: np.random.Generator) -> Head:
        """Return what stands above the encoder, of the hyperparameters and what was learned."""
        raise NotImplementedError

    def _make_network(self, rng: np.random.Generator) -> Any:
        """Return the network; its ``add_gradients(batch)`` tells the summed loss and its terms."""
        encoder = self._make_encoder(rng)
        size = encoder.output_size
        if PoolOptions not in self._groups:
            return EncoderNetwork(encoder, self._make_head(size, rng))
        pooling = self._options(PoolOptions).pooling
        pool = chain(
            Pooling(pooling, num_directions=encoder.num_directions),
            Dropout(self.dropout, seed=rng),
        )
        return EncoderNetwork(encoder, self._make_head(pooled_size(pooling, size), rng), pool)

    def _make_encoder(self, rng: np.random.Generator) -> EncoderLayers:
        """Make the layers that read encoded sequences."""
        inputs, known, words = self._reader.inputs, self._reader.words, None
        unknown = inputs.vocabulary.unk_id if isinstance(inputs, TokenInputs) else None
        layers = self._options(LayerOptions)
        if known is not None and known.wide:
            assert unknown is not None
            options = self._options(WordOptions)
            words = WordLayers(known, inputs.size, layers, options, rng=rng, unknown=unknown)
        return EncoderLayers(
            inputs.size,
            layers,
            tokens=isinstance(inputs, TokenInputs),
            rng=rng,
            drop_outputs=PoolOptions not in self._groups,
            unknown=unknown,
            words=words,
        )

    def _make_running(self) -> Running[Any]:
        """Return what makes the answers of a stream; ValueError says why there are none."""
        raise NotImplementedError

    def _make_pool(self) -> RunningPool:
        """Return the pooling of the trained network, over the steps so far."""
        network = self.network_
        assert network.pooling is not None
        layer = network.encoder.recurrent
        return RunningPool(network.pooling, layer.output_size, layer.dtype)

    # Their tables

    def _word_tables(self) -> dict[str, Vocabulary]:
        inputs = self._reader.inputs
        return {"embedding": inputs.vocabulary} if isinstance(inputs, TokenInputs) else {}

    def _axes(self) -> Axes:
        return {**self._reader.axes("", self.embedding_size is not None), **self._codec.axes()}

    # Files

    def _learned(self) -> dict[str, Any]:
        described = self._reader.to_dict(WordOptions in self._groups)
        return {**super()._learned(), **described, **self._codec.to_dict()}

    def _restore(self, learned: Mapping[str, Any]) -> None:
        """Set what `_learned` gave, and make the layers."""
        super()._restore(learned)
        self._reader = Reader.from_dict(
            learned, WordOptions in self._groups, self._reads_backwards(), self.tokenizer
        )
        self._codec = self._make_codec().restore(learned, self._reader.inputs)
        self.network_ = self._make_network(np.random.default_rng(0))
