"""Passes without gradients: from tensors to tensors in one call of the kernels' seam."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

from rnnfast import _core
from rnnfast.interop.torch._conditions import LEVEL, QUIET
from rnnfast.interop.torch._counterpart import Counterpart
from rnnfast.interop.torch._kept import Held, Kept


def _found() -> _core.TensorAccess | None:
    """Return how PyTorch's tensors are looked at; None where this version has no way for it."""
    api = getattr(Tensor, "__dlpack_c_exchange_api__", None)
    if api is None or hasattr(Tensor, "has_names"):  # whose names DLPack does not tell
        return None
    try:
        return _core.TensorAccess(api, (Tensor, Parameter))
    except (TypeError, ValueError):
        return None


ACCESS = _found()


def make_ready(
    kept: Kept,
    counterpart: Counterpart,
    own: dict[str, Any],
    names: tuple[str, ...],
    *,
    held: Held | None,
    parameters: tuple[str, ...] | None,
    batch_first: bool,
    only_one: bool,
) -> None:
    """Let the next call find everything asked before that this one asked.

    Parameters
    ----------
    counterpart : Counterpart
        That of the call.
    own : dict
        The module's attributes.
    names : tuple of str
        Those of which a call is another one as soon as one of them is another object.
    held : (Counterpart, PackedWeights), optional
        What the module held at the call.
    parameters : tuple of str, optional
        Of a cell: the parameters. None: those that a layer's list of names has.
    only_one : bool
        Whether a step of one sequence is all that the kernels are to answer.
    """
    made_for = counterpart, held, *(own.get(name) for name in names)
    if ACCESS is None or kept.ready_for == made_for or not all(name in own for name in names):
        return
    kept.ready_for = made_for
    kept.ready = _core.ready_call(
        counterpart.network,
        ACCESS,
        held,
        None if held is None else held[1],
        QUIET,
        (LEVEL, *((None, name, own[name]) for name in names)),
        parameters,
        torch.get_num_threads,
        batch_first,
        parameters is not None,
        only_one,
    )
