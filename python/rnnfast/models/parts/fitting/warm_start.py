"""What a warm `fit` begins with: the weights of the training before, in tables that have grown."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rnnfast._checks.messages import shown
from rnnfast.io.packing import pack, unpack, untyped
from rnnfast.io.tensors import collect_arrays, spread_arrays
from rnnfast.nn.module import Array, Module

# What stands for each place along an axis of a parameter, by the parameter's name and the axis.
Axes = dict[str, dict[int, Sequence[Hashable]]]

# Hyperparameters that may be others: those of training, and those by which no layer is made. All
# else, also what a subclass adds, has to be as it was.
FREE = frozenset({
    "activation_penalty", "averaging", "averaging_options", "batch_size", "beam_size",
    "class_weight", "clip_norm", "clip_value", "dropout", "embedding_dropout",
    "embedding_scale", "epochs", "frame_rate", "ignore_label", "impossible", "init",
    "init_range", "label_smoothing", "learning_rate", "loss", "loss_reduction",
    "max_vocabulary_size", "min_count", "mixed_precision", "monitor", "optimizer",
    "optimizer_options", "patience", "random_state", "sampling", "sampling_schedule",
    "schedule", "schedule_options", "seed", "sequence_length", "slowness_penalty",
    "sparse_embedding", "validation_fraction", "variational", "verbose", "warm_start",
    "weight_drop", "word_dropout",
})  # fmt: skip


def require_same_layers(before: Mapping[str, object], now: Mapping[str, object]) -> None:
    """Raise ValueError if hyperparameters, packed for JSON, are not of the same layers.

    Parameters
    ----------
    before : mapping
        Those of the training before; what it lacks is not compared.
    now : mapping
        Those of the one that is to go on, without the `FREE` ones.
    """
    for name, value in now.items():
        if name not in before:
            continue
        old, new = (untyped(unpack(given)) for given in (before[name], value))
        if pack(old) != pack(new):
            raise ValueError(
                f"{name}: expected {shown(old)}, with which the model was trained, got "
                f"{shown(new)}; without warm_start it is trained anew"
            )


@dataclass(frozen=True)
class KeptWeights:
    """The weights of a fitted model, and what stands along the axes of its tables.

    Attributes
    ----------
    arrays : dict of str to ndarray
        By ``layer.parameter``.
    axes : dict
        Those of `Axes`.
    """

    arrays: dict[str, Array]
    axes: Axes

    @classmethod
    def of(cls, modules: Mapping[str, Module], axes: Axes) -> KeptWeights:
        """Return copies of the weights of layers; ValueError if one is not finite."""
        arrays = collect_arrays(modules)
        for name, array in arrays.items():
            if not np.isfinite(array).all():
                raise ValueError(
                    f"warm_start: expected finite weights to go on with, got others in {name}; "
                    "without it the model is trained anew"
                )
        return cls(arrays, axes)

    def put_into(self, modules: Mapping[str, Module], axes: Axes) -> list[str]:
        """Give these weights to new layers.

        Whatever stands for the same thing along an axis gets the same bits, wherever it now stands;
        what is new keeps the weights that the layers were made with.

        Returns
        -------
        list of str
            What has grown, for people.

        Raises
        ------
        ValueError
            If the layers are others.
        """
        arrays, grown = collect_arrays(modules), []
        for name, new in arrays.items():
            old = self.arrays.get(name)
            if old is None or old.ndim != new.ndim:
                raise ValueError(f"{name}: expected a layer that was trained, got a new one")
            places = [
                _places(
                    name,
                    _keys(self.axes, name, axis, old.shape[axis]),
                    _keys(axes, name, axis, new.shape[axis]),
                )
                for axis in range(new.ndim)
            ]
            new[np.ix_(*places)] = old
            if new.shape != old.shape:
                grown.append(f"{name} from {old.shape} to {new.shape}")
        spread_arrays(modules, arrays)
        return grown


def _keys(axes: Axes, name: str, axis: int, size: int) -> Sequence[Hashable]:
    """Return what stands along an axis; filters see each column once in each of their steps."""
    keys = axes.get(name, {}).get(axis)
    if keys is None:
        return range(size)
    steps = size // len(keys)
    return keys if steps < 2 else [(step, key) for step in range(steps) for key in keys]


def _places(name: str, old: Sequence[Hashable], new: Sequence[Hashable]) -> list[int]:
    """Return where each of the old keys stands among the new ones."""
    place = {key: number for number, key in enumerate(new)}
    if isinstance(new, range) and len(old) != len(new):
        raise ValueError(f"{name}: expected size {len(old)}, as trained, got {len(new)}")
    return [place[key] for key in old]


def axes_of_ids(prefix: str, embedded: bool, keys: Sequence[Hashable], beside: int = 0) -> Axes:
    """Return the axes of what reads ids.

    Parameters
    ----------
    prefix : str
        What the names of its layers begin with.
    embedded : bool
        Whether ids are looked up in an embedding, whose rows they are; else they are columns of
        the first layer's weights.
    keys : sequence
        What the ids stand for.
    beside : int
        Further columns, of what stands beside one-hot vectors.
    """
    if embedded:
        return {f"{prefix}embedding.weight": {0: keys}}
    columns = [*keys, *((prefix, number) for number in range(beside))]
    weights = ("weight_ih_l0", "weight_ih_l0_reverse")
    return {f"{prefix}recurrent.{weight}": {1: columns} for weight in weights}


def axes_of_rows(layer: str, keys: Sequence[Hashable]) -> Axes:
    """Return the axes of a linear layer that has an output for each key."""
    return {f"{layer}.{parameter}": {0: keys} for parameter in ("weight", "bias")}
