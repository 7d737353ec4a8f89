"""Which layers a file of Keras has, by its description or by what the caller tells."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rnnfast._checks.messages import listed, shown
from rnnfast.interop.keras._hdf5 import Tree
from rnnfast.interop.keras._layers import BLOCKS, CELLS, Node
from rnnfast.nn.module import Array

_VARIABLES = {kind: ("kernel", "recurrent_kernel", "bias") for kind in CELLS} | {
    "Dense": ("kernel", "bias"),
    "Embedding": ("embeddings",),
}
_KINDS = (*CELLS, "RNN", "Bidirectional", "Dense", "Embedding", "TimeDistributed")
_SNAKE = {"simple_rnn": "SimpleRNN", "gru": "GRU", "lstm": "LSTM"}
_SNAKE |= {"dense": "Dense", "embedding": "Embedding"}
# Which have weights whatever is in them.
_WEIGHTED = (*CELLS, "RNN", "Bidirectional", "Dense", "Embedding")
# What stands beside the weights: states of random numbers.
_RANDOM = "seed_generator/"


@dataclass(frozen=True)
class Found:
    """A layer of a file: its description, and where its arrays are.

    Attributes
    ----------
    name : str
        Of the layer.
    description : mapping
        Its class and options, as Keras writes them; ``config`` None: Keras's defaults, with what
        the arrays tell.
    path : str
        Of its group.
    """

    name: str
    description: Mapping[str, Any]
    path: str

    def node(self, tree: Tree) -> Node:
        """Return the layer as data.

        Raises
        ------
        TypeError, ValueError
            If it is none that has an equal here, or its arrays cannot be read.
        """
        return _node(f"layer {self.name!r}", self.description, tree, self.path)


def config_layers(tree: Tree, config: Any) -> dict[str, Found]:
    """Return the layers with weights that a model's description names.

    Raises
    ------
    ValueError
        If it is no description of a model of layers one knows, or the weights are of another one.
    """
    found: dict[str, Found] = {}
    claimed: set[str] = set()
    _add_layers(tree, config, "", "", found, claimed)
    unclaimed = [p for p in tree.within("layers").values() if p not in claimed]
    if unclaimed:
        raise ValueError(f"expected arrays of the layers in config.json, got {listed(unclaimed)}")
    return found


def _add_layers(
    tree: Tree, model: Any, path: str, start: str, found: dict[str, Found], claimed: set[str]
) -> None:
    config = model.get("config") if isinstance(model, Mapping) else None
    if not _is_model(model) or not isinstance(config, Mapping):
        got = model.get("class_name") if isinstance(model, Mapping) else model
        raise ValueError(
            f"expected a Sequential or functional model, got {shown(got)}; of others, save the "
            "weights alone"
        )
    layers = config.get("layers")
    if not isinstance(layers, list):
        raise ValueError(f"config.json: layers: expected a list, got {shown(layers)}")
    counts: Counter[str] = Counter()
    for layer in layers:
        options = layer.get("config") if isinstance(layer, Mapping) else None
        if not isinstance(options, Mapping) or not isinstance(layer.get("class_name"), str):
            raise ValueError(f"config.json: expected layers, got {shown(layer)}")
        snake = _snake_case(layer["class_name"])
        group = f"{path}layers/{snake}" + (f"_{counts[snake]}" if counts[snake] else "")
        counts[snake] += 1
        name = f"{start}{options.get('name', layer.get('name'))}"
        if _is_model(layer):
            _add_layers(tree, layer, f"{group}/", f"{name}/", found, claimed)
            continue
        within = tree.within(group)
        claimed |= set(within.values())
        weights = [p for p in within if _RANDOM not in p]
        if weights or (_is_kerass(layer) and layer["class_name"] in _WEIGHTED):
            if name in found:
                raise ValueError(f"config.json: expected each layer once, got {name!r} again")
            found[name] = Found(name, layer, group)


def told_layers(
    tree: Tree, told: Mapping[str, Any] | str | None, wanted: list[str] | None
) -> dict[str, Found]:
    """Return the layers of a file of weights, each as the caller tells it.

    Raises
    ------
    TypeError, ValueError
        If something else is told than the file has, or it must be told and is not.
    """
    groups = dict(_groups(tree, "", ""))
    if told is None:
        raise ValueError(
            f"layers: expected what {listed(groups)} are, which the file does not say (activations "
            "and the like): a class of Keras for each, or 'defaults'; got None"
        )
    if isinstance(told, str):
        if told != "defaults":
            raise ValueError(f"layers: expected a mapping or 'defaults', got {shown(told)}")
        return {
            name: Found(name, {"class_name": _told_by_file(tree, path), "config": None}, path)
            for name, path in groups.items()
        }
    if not isinstance(told, Mapping):
        raise TypeError(f"layers: expected a mapping or 'defaults', got {type(told).__name__}")
    needed = list(groups) if wanted is None else [name for name in groups if name in wanted]
    missing = [name for name in needed if name not in told]
    unknown = [name for name in told if name not in groups]
    if missing or unknown:
        raise ValueError(
            f"layers: expected one of each of {listed(needed)}, as the file has, got none of "
            f"{listed(missing)} and the unknown {listed(unknown)}"
        )
    descriptions = {n: {"class_name": d, "config": None} if isinstance(d, str) else d
                    for n, d in told.items()}  # fmt: skip
    return {name: Found(name, descriptions[name], groups[name]) for name in needed}


def _groups(tree: Tree, path: str, start: str) -> Iterator[tuple[str, str]]:
    """Yield name and path of each layer with arrays."""
    heads = dict.fromkeys(p.partition("/")[0] for p in tree.within(path))
    for head in heads:
        group = f"{path}/{head}" if path else head
        if group in ("optimizer", "vars") or head == "seed_generator":
            continue
        inner = tree.within(group)
        parts = {p.partition("/")[0] for p in inner}
        if parts & {"vars", "cell", "forward_layer", "layer"}:
            yield f"{start}{head}", group
        else:
            yield from _groups(tree, group, start if head == "layers" else f"{start}{head}/")


def _node(where: str, description: Any, tree: Tree, path: str) -> Node:
    """Return a description and the arrays of its group as one."""
    kind = description.get("class_name") if isinstance(description, Mapping) else description
    if kind == "defaults":
        kind = _told_by_file(tree, path)
    if kind is None:
        raise ValueError(
            f"{where}: expected a class that group and arrays tell, got arrays "
            f"{listed(_shapes(tree, path))}; layers={{...}} says what it is"
        )
    if kind not in _KINDS or not _is_kerass(description):
        raise ValueError(f"{where}: expected one of {', '.join(_KINDS)}, got {shown(kind)}")
    config = description.get("config")
    if config is not None and not isinstance(config, Mapping):
        raise TypeError(f"{where}: expected options, got {shown(config)}")
    if kind == "TimeDistributed":
        inner = {"class_name": "Dense", "config": None} if config is None else config.get("layer")
        node = _node(where, inner, tree, f"{path}/layer")
        if node.kind != "Dense":
            raise ValueError(f"{where}: expected TimeDistributed of Dense, got of {node.kind}")
        return node
    if kind == "RNN":
        return _of_cell(where, config, tree, path)
    if kind == "Bidirectional":
        options = {} if config is None else config
        directions = []
        for name, key in (("forward_layer", "layer"), ("backward_layer", "backward_layer")):
            inner = options.get(key)
            if inner is None and config is None:
                inner = {"class_name": "defaults", "config": None}
            if inner is None:
                inner = _backwards(options.get("layer"))
            directions.append(_node(f"{where}: {name}", inner, tree, f"{path}/{name}"))
            if directions[-1].kind not in CELLS:
                raise ValueError(f"{where}: {name}: expected a recurrent layer")
        return Node(where, kind, options, directions=tuple(directions))
    held_at = f"{path}/cell" if kind in CELLS else path
    arrays = _arrays(kind, tree, path, held_at)
    if config is None:
        config = _told_by_arrays(where, kind, arrays)
    return Node(where, kind, config, arrays)


def _backwards(description: Any) -> Any:
    """Return the description of the same layer that reads backwards."""
    config = description.get("config") if isinstance(description, Mapping) else None
    if not isinstance(config, Mapping):
        return description
    return {**description, "config": {**config, "go_backwards": True}}


def _of_cell(where: str, config: Any, tree: Tree, path: str) -> Node:
    """Return an RNN of one cell as the layer of that cell."""
    cell = {} if config is None else config.get("cell")
    name = cell.get("class_name") if isinstance(cell, Mapping) else cell
    kind = name.removesuffix("Cell") if isinstance(name, str) else None
    inner = cell.get("config") if isinstance(cell, Mapping) else None
    if (
        kind not in CELLS
        or not _is_kerass(cell)
        or not isinstance(cell, Mapping)
        or not isinstance(inner, Mapping)
    ):
        raise ValueError(
            f"{where}: cell: expected one of {', '.join(f'{c}Cell' for c in CELLS)}, "
            f"got {shown(name)}"
        )
    options = {k: v for k, v in config.items() if k != "cell"}
    return _node(where, {**cell, "class_name": kind, "config": options | dict(inner)}, tree, path)


def _arrays(kind: str, tree: Tree, path: str, held_at: str) -> dict[str, Array]:
    """Return the arrays of a layer by Keras's names, and others by where they stand."""
    arrays = {}
    for rest, full in tree.within(path).items():
        if _RANDOM in rest:
            continue
        number = full.removeprefix(f"{held_at}/vars/")
        known = number.isascii() and number.isdecimal() and len(number) < 3
        names = _VARIABLES[kind]
        name = names[int(number)] if known and int(number) < len(names) else rest
        arrays[name] = tree.array(full)
    return arrays


def _told_by_file(tree: Tree, path: str) -> str | None:
    """Return the class that a group and its arrays tell without a doubt."""
    shapes = _shapes(tree, path)
    if {p.partition("/")[0] for p in shapes} >= {"forward_layer", "backward_layer"}:
        return "Bidirectional"
    head = re.sub(r"_\d+$", "", path.rpartition("/")[2])
    if "cell/vars/1" in shapes:
        shape = shapes["cell/vars/1"]
        fits = [k for k, n in BLOCKS.items() if len(shape) == 2 and shape[1] == n * shape[0]]
        # Both layers of a Bidirectional stand under names that do not tell.
        told = head in ("forward_layer", "backward_layer") or fits == [_SNAKE.get(head)]
        return fits[0] if fits and told else None
    kind = _SNAKE.get(head)
    return kind if kind in ("Dense", "Embedding") and "vars/0" in shapes else None


def _told_by_arrays(where: str, kind: str, arrays: Mapping[str, Array]) -> dict[str, Any]:
    """Return the options that arrays tell; all others are Keras's defaults."""
    bias = arrays.get("bias")
    last = {n: a.shape[-1] if a.ndim else 0 for n, a in arrays.items()}
    if kind == "Embedding":
        table = arrays.get("embeddings")
        if table is None or table.ndim != 2:
            raise ValueError(f"{where}: expected embeddings of 2 axes, got {listed(arrays)}")
        options: dict[str, Any] = {"input_dim": table.shape[0], "output_dim": table.shape[1]}
    else:
        name = "recurrent_kernel" if kind in CELLS else "kernel"
        if name not in arrays:
            raise ValueError(f"{where}: expected {name} among its arrays, got {listed(arrays)}")
        options = {"units": last[name] // BLOCKS.get(kind, 1), "use_bias": bias is not None}
    if kind == "GRU":
        if bias is None:
            raise ValueError(
                f"{where}: reset_after: expected to be told, a GRU without a bias does not show it"
            )
        options["reset_after"] = bias.ndim == 2
    first = next(iter(arrays.values()))
    return options | {"dtype": str(first.dtype)}


def _shapes(tree: Tree, path: str) -> dict[str, Any]:
    return {rest: tree.arrays[full].shape for rest, full in tree.within(path).items()}


def _is_kerass(description: Any) -> bool:
    """Whether a class is one of Keras's own, as far as a description says."""
    if not isinstance(description, Mapping):
        return False
    modules = (None, "keras", "keras.layers")
    return description.get("module") in modules and description.get("registered_name") is None


def _is_model(description: Any) -> bool:
    if not isinstance(description, Mapping):
        return False
    kind = description.get("class_name")
    if description.get("registered_name") not in (None, kind):
        return False
    module = description.get("module")
    known = module in (None, "keras", "keras.models") or (
        isinstance(module, str) and module.startswith("keras.src.models.")
    )
    return known and kind in ("Sequential", "Functional")


def _snake_case(name: str) -> str:
    """Return the name of a group, as Keras makes it of a class."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()
