"""What stands in messages for what is no module, with what makes one of it."""

from __future__ import annotations

from typing import Any

from rnnfast._checks.messages import shown
from rnnfast.nn.activation import FUNCTIONS
from rnnfast.nn.module import Module


def not_recurrent(value: Any) -> str:
    """Return what came where a recurrent layer belongs, and the cure where there is one."""
    if isinstance(value, (Module, list, tuple)):
        return type(value).__name__
    return not_a_module(value)


def not_a_module(value: Any, container: str = "") -> str:
    """Return what came where a module belongs, and the cure where there is one.

    Parameters
    ----------
    value : object
        What came.
    container : str
        The function that puts parts together, for parts in a list.
    """
    kind = type(value)
    if isinstance(value, (list, tuple)):
        cure = f"; parts are given one by one, {container}(*parts)" if container else ""
        return f"{kind.__name__}{cure or '; rf.chain(*parts) makes one of several parts'}"
    if isinstance(value, type):
        return f"the class {value.__name__}; {value.__name__}(...) makes a layer of it"
    if any(base.__module__ == "torch.nn.modules.module" for base in kind.__mro__):
        return (
            f"PyTorch's {kind.__name__}; from_torch of rf.RNN, rf.GRU and rf.LSTM makes a layer "
            "of theirs, load_state_dict takes the weights of others"
        )
    if callable(value):
        name = getattr(value, "__name__", kind.__name__)
        if name in FUNCTIONS:
            return f"the function {name}; rf.Activation({name!r}) is a part for it"
        return f"{kind.__name__}; a part is a layer, or a Module of one's own with a forward"
    return f"{shown(value) if isinstance(value, str) else kind.__name__}"
