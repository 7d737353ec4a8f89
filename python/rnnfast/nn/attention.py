"""Attention: each step of a decoder reads a mixture of an encoder's outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnfast import _core
from rnnfast._checks import check_bool, check_finite, check_int, check_lengths, make_generator
from rnnfast._checks.arrays import dtype_error, require_array, require_ndarray
from rnnfast._checks.likeness import call_like
from rnnfast._products import product
from rnnfast.nn._copies import compiled
from rnnfast.nn._frozen import kernel_numbers
from rnnfast.nn.module import Array, Module

Backprop = Callable[[Array], tuple[Array, Array]]


class Attention(Module):
    """Base of the attentions, which differ in how they score.

    For query t and memory s of the same sequence, with the score e,

    ::

        weights<t,s> = exp(e<t,s>) / sum over s' of exp(e<t,s'>)
        context<t>   = sum over s of weights<t,s> memory<s>

    A step of memory is scored by its key. What a call keeps for backpropagation are the weights,
    ``(B, T, S)``, the queries and the keys.
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
        query, memory, steps = self._check(query, memory, lengths)
        if keys is None:
            queries, keys = self._compared(query, memory)
        else:
            shape = (*memory.shape[:2], self._key_size)
            keys = require_array("keys", keys, self.dtype, shape)
            check_finite("keys", keys)
            queries = self._queries(query)
        context, weights = _core.attend(queries, keys, memory, steps, self._score)
        return context, weights.transpose(1, 0, 2)

    def forward(
        self, query: Array, memory: Array, lengths: npt.ArrayLike | None = None
    ) -> tuple[tuple[Array, Array], Backprop]:
        """Read from a memory and keep what backpropagation needs.

        Takes what a call takes. ``query`` and ``memory`` must not be changed before ``backprop``
        has run: they are read again. So are the weights that it returns, which are read-only, and
        the parameters, of which a change is a RuntimeError.

        Returns
        -------
        (context, weights) : tuple
            As a call gives them.
        backprop : callable
            ``dquery, dmemory = backprop(dcontext)``. Adds to `grads`.
        """
        self._require_trainable("forward")
        query, memory, steps = self._check(query, memory, lengths)
        require_same = self._as_now()
        read = *self._compared(query, memory), memory, steps, self._score
        context, weights = _core.attend(*read)
        weights.setflags(write=False)

        def backprop(dcontext: Array) -> tuple[Array, Array]:
            dcontext = require_array("dcontext", dcontext, self.dtype, shape)
            check_finite("dcontext", dcontext)
            require_same()
            dqueries, dkeys, dmemory, dscore = _core.attend_backward(*read, dcontext, weights)
            if dscore is not None:
                self._parameters["weight_score"]._add_grad(dscore)
            dquery, from_keys = self._compared_backward(dqueries, dkeys, query, memory)
            dmemory += from_keys
            return dquery, dmemory

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

    # How scores are made: products of queries and keys, or with a score vector the small network.

    _score: Array | None = None

    @property
    def _key_size(self) -> int:
        """Numbers of a key, and of a query that is compared with it."""
        raise NotImplementedError

    def _keys(self, memory: Array) -> Array:
        raise NotImplementedError

    def _queries(self, query: Array) -> Array:
        return query

    def _compared(self, query: Array, memory: Array) -> tuple[Array, Array]:
        """Return queries and keys."""
        return self._queries(query), self._keys(memory)

    def _compared_backward(
        self, dqueries: Array, dkeys: Array, query: Array, memory: Array
    ) -> tuple[Array, Array]:
        """Undo `_compared`: return the gradients of query and memory; add those of parameters."""
        raise NotImplementedError

    def _projection(self, name: str) -> _core.Linear:
        """Return ``x W^T`` of a parameter W."""
        weight = self._parameters[name]
        rows, columns = weight.shape
        numbers = kernel_numbers(self.buffer, columns)
        return _core.Linear(columns, rows, self.buffer, weight.offset, -1, numbers)

    def _check_input(self, name: str, given: Any, width: int) -> Array:
        array: Array = require_ndarray(name, given)
        if array.dtype != self.dtype:
            raise dtype_error(name, self.dtype, array.dtype)
        if array.ndim != 3 or array.shape[2] != width:
            axes = "T" if name == "query" else "S"
            raise ValueError(f"{name}: expected shape ({axes}, B, {width}), got {array.shape}")
        check_finite(name, array)
        return array

    def _check(
        self, query: Any, memory: Any, lengths: Any
    ) -> tuple[Array, Array, npt.NDArray[np.int64] | None]:
        """Return query, memory and lengths."""
        query = self._check_input("query", query, self.query_size)
        memory = self._check_input("memory", memory, self.memory_size)
        steps, batch_size, _ = memory.shape
        if query.shape[1] != batch_size:
            raise ValueError(
                f"memory: expected as many sequences as query, {query.shape[1]}, got {batch_size}"
            )
        if lengths is None:
            return query, memory, None
        return query, memory, check_lengths("lengths", lengths, batch_size, steps)


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

    @compiled
    def _native(self) -> _core.Linear:
        return self._projection("weight")

    @compiled
    def _weight(self) -> Array:
        return self._parameters["weight"].data

    @property
    def _key_size(self) -> int:
        return self.query_size

    def _keys(self, memory: Array) -> Array:
        return _project(self._native, memory) if self.general else memory

    # W goes to the side of fewer rows.

    def _compared(self, query: Array, memory: Array) -> tuple[Array, Array]:
        if self.general and len(query) < len(memory):
            return self._turned(query), memory
        return super()._compared(query, memory)

    def _compared_backward(
        self, dqueries: Array, dkeys: Array, query: Array, memory: Array
    ) -> tuple[Array, Array]:
        if not self.general:
            return dqueries, dkeys
        if len(query) < len(memory):
            weight = self._parameters["weight"]
            weight._add_grad(product(_rows(query).T, _rows(dqueries)))
            return product(_rows(dqueries), weight.data.T).reshape(query.shape), dkeys
        return dqueries, _project_back(self._native, dkeys, memory)

    def _turned(self, query: Array) -> Array:
        queries = product(_rows(query), self._weight)
        return queries.reshape(*query.shape[:2], self.memory_size)


class AdditiveAttention(Attention):
    """Scores by a small network (Bahdanau et al. 2015, appendix A.1.2).

    ::

        e<t,s> = v^T tanh(W_q query<t> + W_m memory<s>)

    Of the small network nothing is kept: backpropagation works it out again.

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

    @compiled
    def _native_query(self) -> _core.Linear:
        return self._projection("weight_query")

    @compiled
    def _native_memory(self) -> _core.Linear:
        return self._projection("weight_memory")

    @property
    def _score(self) -> Array:  # type: ignore[override]
        return self._parameters["weight_score"].data

    @property
    def _key_size(self) -> int:
        return self.size

    def _keys(self, memory: Array) -> Array:
        return _project(self._native_memory, memory)

    def _queries(self, query: Array) -> Array:
        return _project(self._native_query, query)

    def _compared_backward(
        self, dqueries: Array, dkeys: Array, query: Array, memory: Array
    ) -> tuple[Array, Array]:
        return (
            _project_back(self._native_query, dqueries, query),
            _project_back(self._native_memory, dkeys, memory),
        )


def _project(linear: _core.Linear, x: Array) -> Array:
    """Return ``x W^T`` of every step."""
    y: Array = linear.forward(_rows(x))
    return y.reshape(*x.shape[:-1], y.shape[-1])


def _project_back(linear: _core.Linear, dy: Array, x: Array) -> Array:
    """Add the gradient of W; return that of ``x``."""
    dx = linear.backward(_rows(dy), _rows(x), True)
    assert dx is not None
    return dx.reshape(x.shape)


def _rows(array: Array) -> Array:
    return array.reshape(-1, array.shape[-1])
