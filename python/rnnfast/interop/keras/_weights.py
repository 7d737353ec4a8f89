"""The weights of layers here in the layout of Keras."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from rnnfast._checks.messages import listed
from rnnfast.interop.keras._layers import GATES
from rnnfast.nn.activation import Activation
from rnnfast.nn.bidirectional import Bidirectional
from rnnfast.nn.compose import Chain
from rnnfast.nn.embedding import Embedding
from rnnfast.nn.linear import Linear
from rnnfast.nn.module import Array, Module
from rnnfast.nn.recurrent.from_weights import read_layout
from rnnfast.nn.recurrent.layers import GRU, LSTM, RNN

KerasArrays: TypeAlias = dict[str, Array]

_RECURRENT = (RNN, GRU, LSTM)
_KINDS: dict[type[Any], str] = {RNN: "SimpleRNN", GRU: "GRU", LSTM: "LSTM"}
_OWN = {"ifgo": "ifgo", "zrn": "rzn"}
# What decides on what is computed, beside the size of the input.
_OPTIONS = (
    "hidden_size", "bias", "nonlinearity", "reset_after", "reset_gate", "proj_size", "peephole",
    "bidirectional", "dtype",
)  # fmt: skip


def arrays_for(
    ours: Any, counterparts: Sequence[Module], names: Sequence[str], leave_out: frozenset[str]
) -> list[KerasArrays]:
    """Return the arrays for each layer and direction, once it is clear that they are equals.

    Parameters
    ----------
    ours : Module
        What is written.
    counterparts : sequence of Module
        What `from_keras` makes of each layer that is written to.
    names : sequence of str
        What messages call those.

    Raises
    ------
    TypeError, ValueError
        If they are none.
    """
    if isinstance(ours, _RECURRENT) and type(ours) in _KINDS:
        return _recurrent_arrays(ours, counterparts, names, leave_out)
    if len(counterparts) != 1:
        raise ValueError(f"layer: expected one layer, got a list of {len(counterparts)}")
    other, name = counterparts[0], names[0]
    if type(ours) is Bidirectional:
        parts = [ours.forward_layer, ours.reverse_layer]
        if isinstance(other, Bidirectional):
            _require_same(name, {"merge": ours.merge}, {"merge": other.merge})
            others = [other.forward_layer, other.reverse_layer]
        elif isinstance(other, _RECURRENT) and other.bidirectional:
            _require_same(name, {"merge": ours.merge}, {"merge": "concat"})
            others = [_one_direction(other)] * 2
        else:
            raise TypeError(f"{name}: expected a Bidirectional, as ours is, got {other!r}")
        return [
            arrays
            for part, each in zip(parts, others, strict=True)
            for arrays in arrays_for(part, [each], [name], leave_out)
        ]
    linear, activation = _split(ours)
    if type(linear) not in (Embedding, Linear):
        kinds = "RNN, GRU, LSTM, Bidirectional, Embedding, Linear or Linear and Activation"
        raise TypeError(f"ours: expected {kinds}, got {ours!r}")
    other_linear, other_activation = _split(other)
    if type(other_linear) is not type(linear):
        raise TypeError(f"{name}: expected the equal of {ours!r}, got that of {other!r}")
    if "activation" not in leave_out:
        _require_same(name, {"activation": activation}, {"activation": other_activation})
    _require_same(name, _shapes(linear), _shapes(other_linear))
    state = linear.state_dict()
    if isinstance(linear, Embedding):
        return [{"embeddings": state["weight"]}]
    return [{"kernel": state["weight"].T} | ({"bias": state["bias"]} if linear.bias else {})]


def _recurrent_arrays(
    ours: Any, counterparts: Sequence[Any], names: Sequence[str], leave_out: frozenset[str]
) -> list[KerasArrays]:
    if len(counterparts) != ours.num_layers:
        raise ValueError(
            f"layer: expected a list of {ours.num_layers} layers, as ours has, "
            f"got {len(counterparts)}"
        )
    if ours.num_layers > 1 and ours.dropout and "dropout" not in leave_out:
        raise ValueError(
            f"ours: dropout: expected 0 between the layers, which no layer of Keras has, got "
            f"{ours.dropout}; leave_out=['dropout'] leaves it to the caller"
        )
    for k, (name, other) in enumerate(zip(names, counterparts, strict=True)):
        if type(other) is not type(ours):
            kind = "Bidirectional" if ours.bidirectional else _KINDS[type(ours)]
            raise TypeError(f"{name}: expected a {kind}, the equal of {ours!r}, got {other!r}")
        _require_same(name, _options(ours) | {"input_size": ours.spec.width(k)}, _options(other))
    state = ours.state_dict()
    return [
        _direction_arrays(ours, {n: state.get(f"{n}_{end}") for n in _NAMES})
        for _, end in ours.spec.suffixes()
    ]


_NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def _direction_arrays(ours: Any, state: Mapping[str, Any]) -> KerasArrays:
    """Return the arrays of one layer in one direction."""
    gates = GATES[_KINDS[type(ours)]]
    if gates is not None:
        layout = read_layout(_OWN[gates], gates, True)
        state = {
            n: None if a is None else layout.reordered(a, gates, _OWN[gates])
            for n, a in state.items()
        }
    arrays = {"kernel": state["weight_ih"].T, "recurrent_kernel": state["weight_hh"].T}
    if ours.bias:
        pair = state["bias_ih"], state["bias_hh"]
        both = isinstance(ours, GRU) and ours.reset_after
        arrays["bias"] = np.stack(pair) if both else pair[0] + pair[1]
    return arrays


def _options(layer: Any) -> dict[str, Any]:
    found = {name: getattr(layer, name) for name in _OPTIONS if hasattr(layer, name)}
    return found | {"input_size": layer.input_size}


def _one_direction(layer: Any) -> Any:
    """Return a layer of the options of another one, in one direction."""
    state = layer.state_dict()
    kind, end = type(layer), "_reverse"
    options = {n: getattr(layer, n) for n in ("nonlinearity", "reset_after") if hasattr(layer, n)}
    one = kind(
        layer.input_size, layer.hidden_size, bias=layer.bias, batch_first=layer.batch_first,
        dtype=str(layer.dtype), seed=0, **options,
    )  # fmt: skip
    one.load_state_dict({n: a for n, a in state.items() if not n.endswith(end)})
    return one


def _split(module: Any) -> tuple[Any, str]:
    """Return a module without the activation behind it, and that."""
    if type(module) is Chain and len(module) == 2 and type(module[1]) is Activation:
        return module[0], module[1].kind
    return module, "linear"


def _shapes(module: Module) -> dict[str, Any]:
    shapes: dict[str, Any] = {name: p.shape for name, p in module.parameters().items()}
    return {"bias": "bias" in shapes} | shapes | {"dtype": module.dtype}


def _require_same(name: str, ours: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    """Raise ValueError for what differs."""
    differing = [n for n in ours if n not in other or ours[n] != other[n]]
    if differing:
        reason = ""
        if "reset_after" in differing:
            reason = (
                "; a GRU that resets before the product has no equal among those that reset "
                "after it"
            )
        raise ValueError(
            f"{name}: expected {listed(f'{n}={ours[n]}' for n in differing)}, as ours has, "
            f"got {listed(f'{n}={other.get(n)}' for n in differing)}{reason}"
        )
