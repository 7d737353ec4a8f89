"""The options of layers of Keras: what has an equal here, and what is refused by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rnnfast._checks import check_bool, check_int
from rnnfast._checks.messages import shown

# What changes numbers, and may be left to the caller.
LEAVABLE = ("activation", "dropout", "go_backwards", "recurrent_dropout")

# Without effect on what a trained layer computes, or on the form of a call alone.
_NEUTRAL = {
    "name", "trainable", "seed", "implementation", "unroll", "unit_forget_bias", "mask_zero",
    "return_sequences", "return_state", "stateful", "zero_output_for_mask", "batch_input_shape",
    "input_length", "build_config",
}  # fmt: skip
_NEUTRAL_ENDS = ("_initializer", "_regularizer", "_constraint")
# What must be as it is without them: another computation otherwise.
_ABSENT = ("lora_rank", "lora_alpha", "quantization_config")

_RECURRENT = {"units", "activation", "use_bias", "dropout", "recurrent_dropout", "go_backwards"}
_RECURRENT |= {"time_major"}
_KNOWN = {
    "SimpleRNN": _RECURRENT,
    "GRU": _RECURRENT | {"recurrent_activation", "reset_after"},
    "LSTM": _RECURRENT | {"recurrent_activation"},
    "Dense": {"units", "activation", "use_bias"},
    "Embedding": {"input_dim", "output_dim"},
    "Bidirectional": {"merge_mode", "layer", "backward_layer"},
    "TimeDistributed": {"layer"},
    "RNN": {"cell", "go_backwards", "time_major"},
}


def check_leave_out(leave_out: Any) -> frozenset[str]:
    """Return the names of the options that are left to the caller.

    Raises
    ------
    TypeError, ValueError
        If it is not several names of such options.
    """
    if isinstance(leave_out, str) or not isinstance(leave_out, Iterable):
        cure = f"; [{shown(leave_out)}] is one" if isinstance(leave_out, str) else ""
        raise TypeError(f"leave_out: expected a list of names, got {shown(leave_out)}{cure}")
    names = list(leave_out)
    for name in names:
        if name not in LEAVABLE:
            raise ValueError(
                f"leave_out: expected some of {', '.join(LEAVABLE)}, got {shown(name)}"
            )
    return frozenset(names)


class Options:
    """The options of one layer, checked as they are read.

    Parameters
    ----------
    where : str
        The layer, for messages.
    kind : str
        Keras's name of the class.
    config : mapping
        As ``get_config`` gives it; what is missing has Keras's default.
    leave_out : frozenset of str
        Options that are left to the caller.

    Raises
    ------
    TypeError, ValueError
        For an option that is not known, or that no layer here has an equal of.
    """

    def __init__(
        self, where: str, kind: str, config: Mapping[str, Any], leave_out: frozenset[str]
    ) -> None:
        self.where, self.kind = where, kind
        self._config, self._leave_out = config, leave_out
        known = _KNOWN[kind] | _NEUTRAL | {"dtype", *_ABSENT}
        for name, value in config.items():
            if not isinstance(name, str) or not (name in known or name.endswith(_NEUTRAL_ENDS)):
                raise ValueError(f"{where}: expected options of {kind}, got {shown(name)}")
            if name in _ABSENT and value is not None:
                raise ValueError(
                    f"{where}: {name}: expected None, no layer here has it, got {shown(value)}"
                )
        self.dtype = self._dtype()

    def _dtype(self) -> str:
        policy = self._config.get("dtype", "float32")
        name = policy
        if isinstance(policy, Mapping):
            inner = policy.get("config")
            inner = inner if isinstance(inner, Mapping) else {}
            plain = policy.get("class_name") in ("DTypePolicy", "FloatDTypePolicy", "Policy")
            name = inner.get("name", inner.get("mode")) if plain else inner.get("mode", policy)
        if not isinstance(name, str) or name not in ("float32", "float64"):
            raise ValueError(
                f"{self.where}: dtype: expected the policy float32 or float64, got {shown(name)}"
            )
        return name

    def size(self, name: str) -> int:
        """Return a size, of 1 or more."""
        return check_int(f"{self.where}: {name}", self._config.get(name), 1)

    def flag(self, name: str, default: bool) -> bool:
        """Return a bool."""
        return check_bool(f"{self.where}: {name}", self._config.get(name, default))

    def function(
        self,
        name: str,
        default: str,
        allowed: Iterable[str],
        cure: str = "",
        or_left_out: str | None = None,
    ) -> str:
        """Return the name of an activation that a layer here has, or what stands for another one.

        That is ``or_left_out``, where the option is left to the caller.
        """
        value = self._config.get(name, default)
        value = "linear" if value is None else value
        choices = list(allowed)
        if not isinstance(value, str) or value not in choices:
            if or_left_out is not None and self.is_left_out(name):
                return or_left_out
            given = value if isinstance(value, (str, type(None))) else _custom(value)
            raise ValueError(
                f"{self.where}: {name}: expected {' or '.join(map(repr, choices))}, which the "
                f"{self.kind} here has, got {shown(given)}{cure}"
            )
        return value

    def is_left_out(self, name: str) -> bool:
        """Whether an option is left to the caller."""
        return name in self._leave_out

    def require_no_dropout(self) -> None:
        """Raise ValueError for a dropout that is not left to the caller."""
        for name in ("dropout", "recurrent_dropout"):
            value = self._config.get(name, 0.0)
            if value and not self.is_left_out(name):
                raise ValueError(
                    f"{self.where}: {name}: expected 0, no layer here draws masks as Keras does, "
                    f"got {shown(value)}; leave_out=['{name}'] takes the layer without it, which "
                    "computes the same in inference"
                )

    def require_forwards(self) -> None:
        """Raise ValueError for a layer that reads backwards, unless that is left to the caller."""
        if self.flag("go_backwards", False) and not self.is_left_out("go_backwards"):
            raise ValueError(
                f"{self.where}: go_backwards: expected False, layers here read forwards, got True; "
                "leave_out=['go_backwards'] takes its weights, for masked_call(..., "
                "go_backwards=True)"
            )


def _custom(value: Any) -> Any:
    """Return the name of a function as a file has it, if it can be told."""
    if isinstance(value, Mapping):
        return value.get("registered_name") or value.get("config") or value.get("class_name")
    return value
