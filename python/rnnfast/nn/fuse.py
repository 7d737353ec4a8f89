"""Several recurrent layers as one: a stack of layers, a pair of directions."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from rnnfast._checks.messages import shown
from rnnfast.nn._describe import options_of
from rnnfast.nn._frozen import require_floats
from rnnfast.nn._not_modules import not_recurrent
from rnnfast.nn.bidirectional import Bidirectional
from rnnfast.nn.module import Array
from rnnfast.nn.recurrent.base import LAYERS, Recurrent

# What the layers themselves tell, and what acts between the layers of one network only.
_DERIVED = ("input_size", "num_layers", "bidirectional", "dropout", "variational")


class _Level(NamedTuple):
    """Layers that follow each other in the result.

    Attributes
    ----------
    name : str
        Of what was given, for messages.
    directions : tuple of Recurrent
        A layer as it is, or the forward and the reverse one, each in one direction.
    """

    name: str
    directions: tuple[Recurrent, ...]

    @property
    def first(self) -> Recurrent:
        return self.directions[0]

    @property
    def num_directions(self) -> int:
        return len(self.directions) * self.first.num_directions

    def arrays(self, layer: int) -> dict[tuple[str, str], Array]:
        """Return the parameters of one layer: what their names begin with and end in."""
        found: dict[tuple[str, str], Array] = {}
        for place, part in enumerate(self.directions):
            for own in ("", "_reverse")[: part.num_directions]:
                end, reverse = f"_l{layer}{own}", "_reverse" if place else own
                found |= {
                    (name.removesuffix(end), reverse): parameter.data
                    for name, parameter in part.parameters().items()
                    if name.endswith(end)
                }
        return found


def fuse(*layers: Any, seed: int | np.random.Generator | None = None) -> Any:
    """Make one recurrent layer of several: of a stack, of two directions, of a stack of both.

    ::

        rf.fuse(lower, upper)                                   # num_layers=2
        rf.fuse((forward, reverse))                             # bidirectional=True
        rf.fuse((forward_0, reverse_0), (forward_1, reverse_1)) # both

    The result computes what `chain` and `bidirectional` of the same layers do, in one pass of the
    kernels. It has weights of its own, copies of those of the layers.

    Parameters
    ----------
    *layers : Recurrent, or pair of Recurrent, or Bidirectional
        One above the other, the lowest first, all of one kind with the same options,
        ``hidden_size`` and number of directions. Each is a layer, which may have several layers
        itself, or a pair of layers in one direction that read the same, the second from each
        sequence's end: a tuple, or what `bidirectional` made with ``merge="concat"``.
    seed : int or numpy.random.Generator, optional
        Of dropout.

    Returns
    -------
    Recurrent
        A layer of the same kind, in the mode of the first. Its ``dropout`` is 0 and may be set.

    Raises
    ------
    TypeError
        If something is no recurrent layer.
    ValueError
        If there is none, kinds, options or sizes do not fit each other, one of a pair has several
        layers or directions, layers have dropout between them, which is another for each, or a pair
        of `SRU` has another highway than one layer of both directions.

    Examples
    --------
    >>> import rnnfast as rf
    >>> pair = rf.LSTM(5, 8), rf.LSTM(5, 8)
    >>> rf.fuse(pair, rf.bidirectional(rf.LSTM(16, 8)))
    LSTM(5, 8, num_layers=2, bidirectional=True)
    """
    if not layers:
        raise ValueError("layers: expected at least one, got none")
    levels = [_level(f"layers[{i}]", given) for i, given in enumerate(layers)]
    _require_alike(levels)
    first = levels[0].first
    options = {name: getattr(first, name) for name in _options(first)}
    kind: type[Any] = type(first)
    made = kind(
        first.input_size,
        num_layers=sum(level.first.num_layers for level in levels),
        bidirectional=levels[0].num_directions == 2,
        **{**options, "dtype": first.dtype.name, "seed": seed},
    )
    below = 0
    state = {}
    shapes = {name: parameter.shape for name, parameter in made.parameters().items()}
    for level in levels:
        for layer in range(level.first.num_layers):
            for (name, reverse), array in level.arrays(layer).items():
                place = f"{name}_l{below + layer}{reverse}"
                if array.shape != shapes[place]:  # the highway of a pair lets halves of x pass
                    raise ValueError(
                        f"{level.name}: expected {name} of shape {shapes[place]}, as {made} has "
                        f"it, got {array.shape}"
                    )
                state[place] = array
        below += level.first.num_layers
    made.load_state_dict(state)
    made.train(first.training)
    return made


def _level(name: str, given: Any) -> _Level:
    """Return what one argument is."""
    if isinstance(given, Bidirectional):
        if given.merge != "concat":
            raise ValueError(f"{name}: expected merge 'concat', got {shown(given.merge)}")
        given = given.forward_layer, given.reverse_layer
    if not isinstance(given, (tuple, list)):
        _require_layer(name, given, "a recurrent layer, or a pair of them")
        return _Level(name, (given,))
    if len(given) != 2:
        raise ValueError(f"{name}: expected a pair of layers, got {len(given)}")
    for k, layer in enumerate(given):
        _require_layer(f"{name}[{k}]", layer, "a recurrent layer")
        if layer.num_layers > 1 or layer.bidirectional:
            raise ValueError(
                f"{name}[{k}]: expected one layer in one direction, got {layer.num_layers} in "
                f"{layer.num_directions}"
            )
    return _Level(name, tuple(given))


def _require_layer(name: str, given: Any, expected: str) -> None:
    if type(given) not in LAYERS.values():
        raise TypeError(f"{name}: expected {expected}, got {not_recurrent(given)}")
    require_floats(name, given.buffers())
    if given.num_layers > 1 and given.dropout:
        raise ValueError(f"{name}: expected dropout 0 between layers, got {given.dropout}")


def _options(layer: Recurrent) -> list[str]:
    """Return the names of what all layers must have alike."""
    return [p.name for p in options_of(type(layer)) if p.name not in _DERIVED]


def _require_alike(levels: list[_Level]) -> None:
    """Raise ValueError unless the layers fit each other."""
    lowest = levels[0]
    first, width = lowest.first, lowest.first.input_size
    for level in levels:
        if level.num_directions != lowest.num_directions:
            raise ValueError(
                f"{level.name}: expected {lowest.num_directions} directions, as layers[0] has, got "
                f"{level.num_directions}"
            )
        for k, layer in enumerate(level.directions):
            name = f"{level.name}[{k}]" if len(level.directions) > 1 else level.name
            if type(layer) is not type(first):
                raise ValueError(
                    f"{name}: expected a {type(first).__name__}, as the first is, got "
                    f"{type(layer).__name__}"
                )
            for option in _options(first):
                expected, got = getattr(first, option), getattr(layer, option)
                if got != expected:
                    raise ValueError(
                        f"{name}: expected {option} {expected}, as the first has, got {got}"
                    )
            if layer.input_size != width:
                raise ValueError(f"{name}: expected input_size {width}, got {layer.input_size}")
        width = level.num_directions * first.output_size
