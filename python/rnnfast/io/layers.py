"""Networks of layers as a description in JSON and arrays, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from rnnfast._checks.memory import parameters_of_file
from rnnfast._checks.messages import shown
from rnnfast.nn._describe import options_of
from rnnfast.nn._frozen import arrays_of, decoded, require_kept
from rnnfast.nn.activation import Activation
from rnnfast.nn.adaptive import AdaptiveSoftmax
from rnnfast.nn.attention import AdditiveAttention, DotAttention
from rnnfast.nn.attention_parts import AttentionPooling, SelfAttention
from rnnfast.nn.compose import Bidirectional, Chain, Concatenate, Residual
from rnnfast.nn.crf import CRF, Constraints
from rnnfast.nn.dropout import Dropout
from rnnfast.nn.dropout_masks import EmbeddingDropout, VariationalDropout, WeightDrop
from rnnfast.nn.embedding import Embedding
from rnnfast.nn.ensemble import Ensemble
from rnnfast.nn.linear import Linear
from rnnfast.nn.module import Array, Module
from rnnfast.nn.pooling import Pooling
from rnnfast.nn.quantize import check_numbers, freeze_own
from rnnfast.nn.recurrent.base import LAYERS
from rnnfast.nn.recurrent.mlstm import MLSTM
from rnnfast.nn.recurrent.slstm import SLSTM
from rnnfast.nn.recurrent.stream import Stream
from rnnfast.nn.tied import SharingLinear, TiedEmbedding
from rnnfast.nn.window import Window

Node: TypeAlias = dict[str, Any]

# What a file can hold, by the name that it has there. A name that is not here is refused.
KINDS: dict[str, type[Module]] = {
    kind.__name__: kind
    for kind in (
        Activation,
        AdaptiveSoftmax,
        AdditiveAttention,
        AttentionPooling,
        Bidirectional,
        CRF,
        Chain,
        Concatenate,
        DotAttention,
        Dropout,
        Embedding,
        EmbeddingDropout,
        Linear,
        MLSTM,
        Pooling,
        Window,
        Residual,
        SLSTM,
        SelfAttention,
        TiedEmbedding,
        VariationalDropout,
        WeightDrop,
        *LAYERS.values(),
    )
}
# The output layer of a table that is shared, which has no options of its own.
_TIED = "TiedEmbedding.linear"
_CONTAINERS = {"list": list, "tuple": tuple}
# What is said of what is made of layers and has no file of its own.
_CURES: dict[type[Any], str] = {
    Ensemble: "; rf.save(path, ensemble.layers) saves those of one",
    Stream: "; rf.save(path, layer) saves the layer that made it",
}
_MAX_DEPTH = 100


def describe(network: Any) -> tuple[dict[str, Array], dict[str, Any]]:
    """Return the arrays of a network by name, and its description.

    Raises
    ------
    TypeError, ValueError
        If it holds something that a file cannot.
    """
    writer = _Writer()
    structure = writer.node("network", network, 0)
    if not writer.layers:
        raise ValueError("network: expected at least one layer, got none")
    return writer.arrays, {"structure": structure, "layers": writer.nodes}


def rebuild(arrays: Mapping[str, Array], description: Mapping[str, Any]) -> Any:
    """Return the network that `describe` described.

    Raises
    ------
    TypeError, ValueError, KeyError
        If description and arrays do not fit together; before layers of far more numbers are made.
    """
    nodes = _mapping_or_list("layers", description.get("layers"), list)
    by_layer: list[dict[str, Array]] = [{} for _ in nodes]
    for full_name, array in arrays.items():
        number, _, name = full_name.partition(".")
        if not number.isascii() or not number.isdecimal() or len(number) > 9:
            raise ValueError(f"{full_name}: expected the number of a layer before the dot")
        if int(number) >= len(nodes):
            raise ValueError(f"{full_name}: expected one of {len(nodes)} layers")
        by_layer[int(number)][name] = array
    layers: list[Module] = []
    for node, own in zip(nodes, by_layer, strict=True):
        try:
            layers.append(_make(_mapping_or_list("layer", node, dict), own, layers))
        except (TypeError, ValueError) as error:
            raise type(error)(f"layer {len(layers)}: {error}") from None
    return _structure(description.get("structure"), layers, 0)


class _Writer:
    """Numbers the layers of a network and describes each once."""

    def __init__(self) -> None:
        self.layers: list[Module] = []
        self.nodes: list[Node] = []
        self.arrays: dict[str, Array] = {}
        self._tables: dict[int, int] = {}  # id of a shared output layer: number of its table

    def node(self, name: str, value: Any, depth: int) -> Node:
        if depth > _MAX_DEPTH:
            raise ValueError(f"{name}: expected at most {_MAX_DEPTH} levels of lists, got more")
        if isinstance(value, Mapping):
            self._number_tables(value.values())
            for key in value:
                if not isinstance(key, str):
                    raise TypeError(f"{name}: expected names, got {type(key).__name__}")
            return {
                "dict": {
                    k: self.node(f"{name}[{shown(k)}]", v, depth + 1) for k, v in value.items()
                }
            }
        for kind, container in _CONTAINERS.items():
            if type(value) is container:
                self._number_tables(value)
                return {
                    kind: [self.node(f"{name}[{i}]", v, depth + 1) for i, v in enumerate(value)]
                }
        return {"layer": self._number(name, value)}

    def _number_tables(self, values: Any) -> None:
        """Let tables come before the output layers that share them."""
        for value in values:
            if type(value) is TiedEmbedding:
                self._number("", value)

    def _number(self, name: str, layer: Any) -> int:
        for place, known in enumerate(self.layers):
            if known is layer:
                return place
        kind = type(layer)
        if id(layer) in self._tables:
            node: Node = {"class": _TIED, "of": self._tables[id(layer)]}
        elif kind is SharingLinear:
            raise ValueError(
                f"{name}: expected its TiedEmbedding to be saved with it, got it alone"
            )
        elif KINDS.get(kind.__name__) is not kind:
            raise TypeError(
                f"{name}: expected layers of rnnfast, or lists, tuples and dicts of them, got "
                f"{kind.__qualname__}{_CURES.get(kind, '')}"
            )
        else:
            node = {"class": kind.__name__, "options": self._options(name, layer)}
            if layer._frozen:
                node["numbers"] = layer.numbers
        number = len(self.layers)
        self.layers.append(layer)
        self.nodes.append(node)
        if isinstance(layer, TiedEmbedding):
            self._tables[id(layer.linear)] = number
        if "options" in node:  # of its own; those of modules within stand with these
            for key, parameter in layer._parameters.items():
                self.arrays |= arrays_of(f"{number}.{key}", parameter)
        return number

    def _options(self, name: str, layer: Module) -> dict[str, Any]:
        options: dict[str, Any] = {}
        for option in (parameter.name for parameter in options_of(type(layer))):
            value = getattr(layer, option)
            if isinstance(value, Module):
                value = {"layer": self._number(f"{name}.{option}", value)}
            elif option == "parts":
                self._number_tables(value)
                places = [self._number(f"{name}[{i}]", part) for i, part in enumerate(value)]
                value = {"layers": places}
            elif isinstance(value, Constraints):
                value = {key: array.tolist() for key, array in vars(value).items()}
            elif isinstance(value, np.dtype):
                value = value.name
            options[option] = value
        return options


def _make(node: Mapping[str, Any], arrays: dict[str, Array], layers: list[Module]) -> Module:
    """Return a layer, from its description and arrays and those before it."""
    name = node.get("class")
    if name == _TIED:
        table = _layer_of(node.get("of"), layers)
        if not isinstance(table, TiedEmbedding) or arrays:
            raise ValueError("of: expected the number of a TiedEmbedding, and no arrays")
        return table.linear
    if not isinstance(name, str) or name not in KINDS:
        raise ValueError(f"class: expected one of {', '.join(KINDS)}, got {shown(name)}")
    kind = KINDS[name]
    options = dict(_mapping_or_list("options", node.get("options"), dict))
    known = [parameter.name for parameter in options_of(kind)]
    if options.keys() != set(known):
        raise ValueError(f"options: expected {', '.join(known)}, got others")
    for option, value in options.items():
        if option == "constraints" and isinstance(value, dict):
            options[option] = _constraints(value)
        elif isinstance(value, dict) and value.keys() == {"layer"}:
            options[option] = _layer_of(value["layer"], layers)
        elif isinstance(value, dict) and value.keys() == {"layers"}:
            places = _mapping_or_list(option, value["layers"], list)
            options[option] = tuple(_layer_of(place, layers) for place in places)
        elif isinstance(value, list):
            options[option] = tuple(value)
    kept, numbers = None, check_numbers(node.get("numbers"))
    if numbers is not None:
        kept, arrays = arrays, decoded(arrays)
    with parameters_of_file(sum(array.size for array in arrays.values())):
        layer = kind(*options.pop("parts", ()), **options)
    if arrays and not layer._parameters:
        raise ValueError(f"expected no arrays of a {name}, got some")
    for key, array in arrays.items():
        if array.dtype != layer.dtype:
            raise TypeError(f"{key}: expected dtype {layer.dtype}, got {array.dtype}")
    layer._replace(arrays, layer._parameters, finite=False)
    if numbers is not None and kept is not None:
        freeze_own("", layer, numbers)
        made = {n: a for key, p in layer._parameters.items() for n, a in arrays_of(key, p).items()}
        require_kept(made, kept)
    return layer


def _constraints(value: Mapping[str, Any]) -> Constraints:
    fields = ("start", "transitions", "end")
    if value.keys() != set(fields):
        raise ValueError(f"constraints: expected {', '.join(fields)}, got others")
    start, transitions, end = (np.array(value[field]) for field in fields)
    return Constraints(start, transitions, end)


def _layer_of(number: Any, layers: list[Module]) -> Module:
    if type(number) is not int or not 0 <= number < len(layers):
        raise ValueError(f"layer: expected the number of one of the {len(layers)} before it")
    return layers[number]


def _structure(node: Any, layers: list[Module], depth: int) -> Any:
    """Return what a description of lists, dicts and layers says."""
    if depth > _MAX_DEPTH or not isinstance(node, dict) or len(node) != 1:
        raise ValueError("structure: expected a layer, a list, a tuple or a dict, got another")
    ((kind, value),) = node.items()
    if kind == "layer":
        return _layer_of(value, layers)
    if kind == "dict":
        items = _mapping_or_list(kind, value, dict).items()
        return {key: _structure(v, layers, depth + 1) for key, v in items}
    if kind not in _CONTAINERS:
        raise ValueError("structure: expected a layer, a list, a tuple or a dict, got another")
    values = _mapping_or_list(kind, value, list)
    return _CONTAINERS[kind](_structure(v, layers, depth + 1) for v in values)


def _mapping_or_list(name: str, value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise TypeError(f"{name}: expected a {kind.__name__}, got {type(value).__name__}")
    return value
