"""Predictions on a Dask cluster: a model travels to each worker once, as the bytes of its file."""

from __future__ import annotations

import copy
import os
import tempfile
from collections.abc import Sequence
from typing import Any

import dask
import distributed

from rnnfast import _core
from rnnfast._checks.messages import one_line, shown
from rnnfast.io.files import read_bytes
from rnnfast.io.saving import load
from rnnfast.models.base import Model
from rnnfast.nn._copies import compiled, state_without_compiled

__all__ = ["predict_shards"]

# Bytes of a task that Dask is not to warn of beside its file.
_FREE = 1 << 20


def predict_shards(
    client: distributed.Client,
    model: Model,
    shards: Sequence[Any],
    *,
    method: str = "predict",
    **options: Any,
) -> list[Any]:
    """Have the workers of a Dask cluster answer what a fitted model is asked, shard by shard.

    Each worker gets the file of the model once, as `rnnfast.save` writes it, and reads it once,
    however many shards it answers. What a worker was at when it dies, others do again.

    Parameters
    ----------
    client : distributed.Client
        Of the cluster; not an asynchronous one.
    model : Model
        A fitted model.
    shards : list or tuple
        Of what the method takes, or of futures of it, which stay where they are. The partitions of
        a bag are ``client.compute(bag.to_delayed())``.
    method : str
        What the model is asked: ``"predict"``, ``"predict_proba"`` and the like.
    **options
        Further arguments of the method, by name, the same for all shards.

    Returns
    -------
    list of distributed.Future
        Of the answers, in the order of the shards; ``client.gather`` waits for them. Of a shard
        that the model refuses, the future has a ValueError or TypeError that begins with its
        number, ``shards[3]: X: expected ...``.

    Raises
    ------
    TypeError
        If an argument is of another type, or a hyperparameter of the model cannot be in a file.
    ValueError
        If the model has no such method.
    NotFittedError
        If the model has not been fitted.

    Notes
    -----
    A task of Dask has one thread, and so has a call of the model there, unless the worker was told
    otherwise by ``RNNFAST_NUM_THREADS`` or `rnnfast.set_num_threads`.
    """
    if not isinstance(client, distributed.Client) or client.asynchronous:
        raise TypeError(
            f"client: expected a distributed.Client that is not asynchronous, got {shown(client)}"
        )
    if not isinstance(model, Model):
        raise TypeError(f"model: expected a model of rnnfast, got {shown(model)}")
    if not isinstance(shards, (list, tuple)):
        raise TypeError(f"shards: expected a list of shards, got {type(shards).__name__}")
    if not isinstance(method, str):
        raise TypeError(f"method: expected a str, got {shown(method)}")
    if method.startswith("_") or not callable(getattr(type(model), method, None)):
        raise ValueError(
            f"method: expected one that {type(model).__name__} has, got {shown(method)}"
        )
    file = _file_of(model)
    # A task that has the bytes, where scattered data is lost with the worker that holds it. Dask
    # warns of large tasks, as they are sent many times where this one is not.
    with dask.config.set(
        {"distributed.admin.large-graph-warning-threshold": 2 * len(file) + _FREE}
    ):
        sent = client.submit(_Sent, file)
    numbers = range(len(shards))
    asked = [(method, options, os.getpid())] * len(shards)
    futures: list[Any] = client.map(
        _answer, [sent] * len(shards), numbers, shards, asked, key=method, pure=False
    )
    return futures


def _file_of(model: Model) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model")
        model.save(path)
        return read_bytes(path)


class _Sent:
    """The bytes of a model's file, which alone are sent, and the model that they make once."""

    def __init__(self, file: bytes) -> None:
        self.file = file

    @compiled
    def model(self) -> Any:
        """Read from the file."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "model")
            with open(path, "wb") as file:
                file.write(self.file)
            return load(path)

    def __getstate__(self) -> dict[str, Any]:
        return state_without_compiled(self)

    def __sizeof__(self) -> int:
        """Return the bytes by which Dask counts what a worker holds."""
        return len(self.file)


def _answer(sent: _Sent, number: int, shard: Any, asked: tuple[str, dict[str, Any], int]) -> Any:
    method, options, process_of_client = asked
    if os.getpid() != process_of_client:  # of a cluster within a process it is the client's own
        _core.limit_threads(1)
    model = copy.copy(sent.model)  # which no method changes for the others
    try:
        return getattr(model, method)(shard, **options)
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"shards[{number}]: {one_line(error)}") from error
