"""Layers, chains and fitted models as ONNX files."""

from __future__ import annotations

import os
from typing import Any, Literal

from rnnfast.interop.onnx.export.file import make, write
from rnnfast.interop.onnx.export.graph import OPSETS
from rnnfast.io.files import check_path
from rnnfast.models.base import Model
from rnnfast.nn.module import Module

__all__ = ["export"]


def export(
    module: Module | Model,
    path: str | os.PathLike[str],
    *,
    opset: int = OPSETS[1],
    indices: bool = False,
    part: Literal["encoder", "decoder"] | None = None,
) -> Any:
    """Write a layer, a chain or a fitted model as an ONNX file: inference, to the same numbers.

    Parameters
    ----------
    module : Module or Model
        What to write. Dropout is the identity. What has no exact equal is refused, by name.
    path : path-like
        The file, written whole or not at all; one that stands there is replaced.
    opset : int
        The version of ONNX's operators, from 14 to 22.
    indices : bool
        Of layers that take both: True if ``x`` is to hold indices, ``(T, B)`` of int64, in place
        of numbers.
    part : {"encoder", "decoder"}, optional
        Of a `Seq2Seq`, which is two graphs: which one.

    Returns
    -------
    onnx.ModelProto
        What the file holds. `onnx.checker` has passed it.

    Raises
    ------
    TypeError
        If it is neither, or holds a module of a class of your own.
    ValueError
        If something in it has no exact equal in ONNX, a parameter is not finite, ``opset`` is not
        among those, or ``part`` or ``indices`` does not fit.
    NotFittedError
        If a model has not been fitted.
    OSError
        If the file cannot be written; one that stood there is unchanged.

    Notes
    -----
    A layer's graph has the input ``x`` in the layer's own axes, and the output ``y``. Inputs that
    may be left out are ``lengths``, ``(B,)`` of int64 (-1: the whole of T), where they matter, and
    initial states, ``h0`` and ``c0``, in a chain by place, ``1.h0``; final states are the outputs
    ``h_n`` and ``c_n``. There is no ``reset``. Graphs of models have the batch first; what they
    read and give is on the documentation's page on ONNX.

    Examples
    --------
    >>> import rnnfast as rf
    >>> from rnnfast.interop.onnx import export  # doctest: +SKIP
    >>> net = rf.chain(rf.GRU(8, 16), rf.Linear(16, 3))
    >>> model = export(net, "net.onnx")  # doctest: +SKIP
    """
    check_path("path", path)
    model = make(module, opset=opset, indices=indices, part=part)
    write(model, path)
    return model
