"""Attention: each step of a decoder reads a mixture of an encoder's outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnfast._checks import check_bool, check_finite, check_int, check_lengths, make_generator
from rnnfast._checks.arrays import dtype_error, require_array, require_ndarray
from rnnfast._checks.likeness import call_like
from rnnfast._products import product
from rnnfast.nn.module import Array, Module

Backprop = Callable[[Array], tuple[Array, Array]]


class Attention(Module):
    """Base of the attentions, which differ in how they score.

    For query t and memory s of the same sequence, with the score e,

    ::

        weights<t,s> = exp(e<t,s>) / sum over s' of exp(e<t,s'>)
        context<t>   = sum over s of weights<t,s> memory<s>

    All steps of all sequences are computed at once, by BLAS.
    """

    def __init__(
        self,
        query_size: int,
        memory_size: int,
        shapes: Mapping[str, tuple[int, ...]],
        sizes: Mapping[str, int],
        dtype: str,
        seed: int | np.random.Generator | None,
    ) -> None:
        self.query_size, self.memory_size = query_size, memory_size
        super().__init__(shapes, dtype, sizes=sizes)
        rng = make_generator("seed", seed)
        for parameter in self._parameters.values():
            parameter._fill_uniform(rng, parameter.shape[-1] ** -0.5)

    def __call__(
        self,
        query: Array,
        memory: Array,
        lengths: npt.ArrayLike | None = None,
        keys: Array | None = None,
        *,
        like: bool = False,
    ) -> tuple[Array, Array]:
        """Read from a memory.

        Parameters
        ----------
        query : ndarray
            ``(T, B, query_size)``, the decoder's outputs. They may be the steps of one sequence or
            any T queries of it, such as the hypotheses of a search.
        memory : ndarray
            ``(S, B, memory_size)``, the encoder's outputs.
        lengths : array_like of int, optional
            ``(B,)``, how many steps of the memory count; the weights of further ones are 0, and
            they must be finite. A length of 0 gives the context 0.
        keys : ndarray, optional
            What `keys` gives for ``memory``, so as not to work it out in every call.
        like : bool
            True: what is returned is of the library that ``query`` is of, such as a tensor.

        Returns
        -------
        context : ndarray
            ``(T, B, memory_size)``.
        weights : ndarray
            ``(T, B, S)``, each row with the sum 1.

        Raises
        ------
        TypeError
            If an array is of another dtype.
        ValueError
            If a shape does not fit, a length is out of range, or a number is NaN or infinite.
        """
        if like is not False:
            return call_like(like, self, query, memory, lengths, keys)
        query, memory, mask = self._check(query, memory, lengths)
        queries = self._queries(query)
        if keys is None:
            keys = self._keys(memory)
        else:
            shape = (*memory.shape[:2], self._key_size)
            keys = _in_order(require_array("keys", keys, self.dtype, shape))
            check_finite("keys", keys)
        weights = _masked_softmax(self._scores(queries, keys), mask)
        return _mix(weights, memory), weights.transpose(1, 0, 2)

    def forward(
        self, query: Array, memory: Array, lengths: npt.ArrayLike | None = None
    ) -> tuple[tuple[Array, Array], Backprop]:
        """Read from a memory and keep what backpropagation needs.

        Takes what a call takes. ``query`` and ``memory`` must not be changed before ``backprop``
        has run: they are read again.

        Returns
        -------
        (context, weights) : tuple
            As a call gives them.
        backprop : callable
            ``dquery, dmemory = backprop(dcontext)``. Adds to `grads`.
        """
        query, memory, mask = self._check(query, memory, lengths)
        queries, keys = self._queries(query), self._keys(memory)
        weights = _masked_softmax(self._scores(queries, keys), mask)
        context = _mix(weights, memory)

        def backprop(dcontext: Array) -> tuple[Array, Array]:
            dcontext = _in_order(require_array("dcontext", dcontext, self.dtype, shape))
            check_finite("dcontext", dcontext)
            by_batch = dcontext.transpose(1, 0, 2)
            # context = weights memory
            dweights = product(by_batch, memory.transpose(1, 2, 0))
            dmemory = product(weights.transpose(0, 2, 1), by_batch).transpose(1, 0, 2)
            dscores = weights * (dweights - (dweights * weights).sum(axis=-1, keepdims=True))
            dqueries, dkeys = self._scores_backward(dscores, queries, keys)
            dquery, from_keys = self._inputs_backward(dqueries, dkeys, query, memory)
            return dquery, dmemory + from_keys

        shape = context.shape
        return (context, weights.transpose(1, 0, 2)), backprop

    def keys(self, memory: Array) -> Array:
        """Return what the queries are compared with, ``(S, B, ...)``, for calls of one memory.

        Raises
        ------
        TypeError, ValueError
            As a call.
        """
        return self._keys(self._check_input("memory", memory, self.memory_size))

    @property
    def _key_size(self) -> int:
        """Numbers of a key."""
        raise NotImplementedError

    def _keys(self, memory: Array) -> Array:
        raise NotImplementedError

    def _queries(self, query: Array) -> Array:
        """Return what is compared with the keys, ``(T, B, ...)``."""
        raise NotImplementedError

    def _scores(self, queries: Array, keys: Array) -> Array:
        """Return e, ``(B, T, S)``."""
        raise NotImplementedError

    def _scores_backward(self, dscores: Array, queries: Array, keys: Array) -> tuple[Array, Array]:
        """Undo `_scores`: return the gradients of queries and keys."""
        raise NotImplementedError

    def _inputs_backward(
        self, dqueries: Array, dkeys: Array, query: Array, memory: Array
    ) -> tuple[Array, Array]:
        """Undo `_queries` and `keys`: return the gradients of query and memory."""
        raise NotImplementedError

    def _check_input(self, name: str, array: Any, width: int) -> Array:
        array = require_ndarray(name, array)
        if array.dtype != self.dtype:
            raise dtype_error(name, self.dtype, array.dtype)
        if array.ndim != 3 or array.shape[2] != width:
            axes = "T" if name == "query" else "S"
            raise ValueError(f"{name}: expected shape ({axes}, B, {width}), got {array.shape}")
        check_finite(name, array)
        return _in_order(array)

    def _check(
        self, query: Any, memory: Any, lengths: Any
    ) -> tuple[Array, Array, npt.NDArray[np.bool_] | None]:
        """Return query and memory, and where that counts, ``(B, 1, S)``; None: everywhere."""
        query = self._check_input("query", query, self.query_size)
        memory = self._check_input("memory", memory, self.memory_size)
        steps, batch_size, _ = memory.shape
        if query.shape[1] != batch_size:
            raise ValueError(
                f"memory: expected as many sequences as query, {query.shape[1]}, got {batch_size}"
            )
        if lengths is None:
            return query, memory, None
        array = check_lengths("lengths", lengths, batch_size, steps)
        return query, memory, np.arange(steps) < array[:, np.newaxis, np.newaxis]


class DotAttention(Attention):
    """Scores by products, ``e<t,s> = query<t>^T W memory<s>`` (Luong et al. 2015, section 3.1).

    Parameters
    ----------
    query_size, memory_size : int
        Sizes of the last axes.
    general : bool
        False: without W, the products themselves; both sizes must be the same.
    dtype : {"float32", "float64"}
        Type of the parameter and of what the layer takes and gives.
    seed : int or numpy.random.Generator, optional
        Draws W, ``weight`` (query_size, memory_size), from U(-1/sqrt(memory_size),
        1/sqrt(memory_size)).
    """

    def __init__(
        self,
        query_size: int,
        memory_size: int,
        *,
        general: bool = True,
        dtype: str = "float32",
        seed: int | np.random.Generator | None = None,
    ) -> None:
        query_size = check_int("query_size", query_size, 1)
        memory_size = check_int("memory_size", memory_size, 1)
        self.general = check_bool("general", general)
        if not self.general and query_size != memory_size:
            raise ValueError(
                f"memory_size: expected query_size {query_size} without a weight, got {memory_size}"
            )
        shapes = {"weight": (query_size, memory_size)} if self.general else {}
        sizes = {"query_size": query_size, "memory_size": memory_size}
        super().__init__(query_size, memory_size, shapes, sizes, dtype, seed)

    @property
    def _key_size(self) -> int:
        return self.memory_size

    def _keys(self, memory: Array) -> Array:
        return memory

    def _queries(self, query: Array) -> Array:
        return product(query, self._parameters["weight"].data) if self.general else query

    def _scores(self, queries: Array, keys: Array) -> Array:
        return product(queries.transpose(1, 0, 2), keys.transpose(1, 2, 0))

    def _scores_backward(self, dscores: Array, queries: Array, keys: Array) -> tuple[Array, Array]:
        dqueries = product(dscores, keys.transpose(1, 0, 2))
        dkeys = product(dscores.transpose(0, 2, 1), queries.transpose(1, 0, 2))
        return dqueries.transpose(1, 0, 2), dkeys.transpose(1, 0, 2)

    def _inputs_backward(
        self, dqueries: Array, dkeys: Array, query: Array, memory: Array
    ) -> tuple[Array, Array]:
        if not self.general:
            return dqueries, dkeys
        self._parameters["weight"]._add_grad(product(_rows(query).T, _rows(dqueries)))
        return product(dqueries, self._parameters["weight"].data.T), dkeys


class AdditiveAttention(Attention):
    """Scores by a small network (Bahdanau et al. 2015, appendix A.1.2).

    ::

        e<t,s> = v^T tanh(W_q query<t> + W_m memory<s>)

    It keeps no more than a step's ``(B, S, size)`` numbers at a time; backpropagation works them
    out again.

    Parameters
    ----------
    query_size, memory_size : int
        Sizes of the last axes.
    size : int
        Units of the small network.
    dtype : {"float32", "float64"}
        Type of the parameters and of what the layer takes and gives.
    seed : int or numpy.random.Generator, optional
        Draws ``weight_query`` (size, query_size), ``weight_memory`` (size, memory_size) and
        ``weight_score`` (size,) from U(-1/sqrt(n), 1/sqrt(n)), n their last axis.
    """

    def __init__(
        self,
        query_size: int,
        memory_size: int,
        size: int,
        *,
        dtype: str = "float32",
        seed: int | np.random.Generator | None = None,
    ) -> None:
        query_size = check_int("query_size", query_size, 1)
        memory_size = check_int("memory_size", memory_size, 1)
        self.size = check_int("size", size, 1)
        shapes = {
            "weight_query": (self.size, query_size),
            "weight_memory": (self.size, memory_size),
            "weight_score": (self.size,),
        }
        sizes = {"query_size": query_size, "memory_size": memory_size, "size": self.size}
        super().__init__(query_size, memory_size, shapes, sizes, dtype, seed)

    @property
    def _key_size(self) -> int:
        return self.size

    def _keys(self, memory: Array) -> Array:
        return product(memory, self._parameters["weight_memory"].data.T)

    def _queries(self, query: Array) -> Array:
        return product(query, self._parameters["weight_query"].data.T)

    def _scores(self, queries: Array, keys: Array) -> Array:
        score = self._parameters["weight_score"].data
        scores = np.empty((queries.shape[1], len(queries), len(keys)), self.dtype)
        for t, row in enumerate(queries):
            scores[:, t] = product(np.tanh(row + keys), score).T
        return scores

    def _scores_backward(self, dscores: Array, queries: Array, keys: Array) -> tuple[Array, Array]:
        score = self._parameters["weight_score"].data
        dqueries, dkeys, dweight = map(np.zeros_like, (queries, keys, score))
        for t, row in enumerate(queries):
            hidden = np.tanh(row + keys)
            dscore = np.ascontiguousarray(dscores[:, t].T)  # (S, B)
            dweight += product(dscore.reshape(-1), _rows(hidden))
            # d tanh = 1 - tanh^2
            np.multiply(hidden, hidden, out=hidden)
            np.subtract(1, hidden, out=hidden)
            hidden *= dscore[:, :, np.newaxis]
            hidden *= score
            dqueries[t] = hidden.sum(axis=0)
            dkeys += hidden
        self._parameters["weight_score"]._add_grad(dweight)
        return dqueries, dkeys

    def _inputs_backward(
        self, dqueries: Array, dkeys: Array, query: Array, memory: Array
    ) -> tuple[Array, Array]:
        self._parameters["weight_query"]._add_grad(product(_rows(dqueries).T, _rows(query)))
        self._parameters["weight_memory"]._add_grad(product(_rows(dkeys).T, _rows(memory)))
        dquery = product(dqueries, self._parameters["weight_query"].data)
        return dquery, product(dkeys, self._parameters["weight_memory"].data)


def _masked_softmax(scores: Array, mask: npt.NDArray[np.bool_] | None) -> Array:
    """Return the softmax along the last axis, 0 where the mask is False; overwrites scores."""
    if scores.shape[-1] == 0:
        return scores
    if mask is not None:
        np.copyto(scores, -np.inf, where=~mask)
    most = scores.max(axis=-1, keepdims=True)
    most[most == -np.inf] = 0  # nothing to read
    np.exp(np.subtract(scores, most, out=scores), out=scores)
    total = scores.sum(axis=-1, keepdims=True)
    total[total == 0] = 1
    scores /= total
    return scores


def _mix(weights: Array, memory: Array) -> Array:
    """Return the contexts, ``(T, B, M)`` and contiguous."""
    return np.ascontiguousarray(product(weights, memory.transpose(1, 0, 2)).transpose(1, 0, 2))


def _in_order(array: Array) -> Array:
    """Return an array as NumPy lays out a new one: products' bits depend on the strides they meet.

    Those of an axis of size one count too, although they reach nothing.
    """
    kept = array.flags.aligned and array.strides == _strides(array)
    return array if kept else np.array(array, order="C")


def _strides(array: Array) -> tuple[int, ...]:
    strides, step = [], array.itemsize
    for size in reversed(array.shape):
        strides.append(step)
        step *= size
    return tuple(reversed(strides))


def _rows(array: Array) -> Array:
    return array.reshape(-1, array.shape[-1])
