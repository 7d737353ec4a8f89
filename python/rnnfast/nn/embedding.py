"""Embedding: a row of a table for each index."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rnnfast import _core
from rnnfast._checks import check_bool, check_finite, check_indices, check_int, make_generator
from rnnfast._checks.arrays import require_array
from rnnfast._checks.likeness import call_like
from rnnfast.nn._copies import compiled
from rnnfast.nn.module import Array, Module


class Embedding(Module):
    """A table of ``num_embeddings`` vectors, looked up by index, as `torch.nn.Embedding`.

    Parameters
    ----------
    num_embeddings : int
        Rows of the table.
    embedding_dim : int
        Length of a row.
    padding_idx : int, optional
        A row that begins as zeros and gets no gradient.
    sparse : bool
        Keep gradients of those rows alone that were used since `zero_grad`, and let optimizers
        change these alone, as ``torch.nn.Embedding(sparse=True)``. A step then costs as much as
        the rows that it uses, not as the table: for tens of thousands of rows.
    dtype : {"float32", "float64"}
        Type of the table.
    seed : int or numpy.random.Generator, optional
        Draws the initial table, from N(0, 1).

    Attributes
    ----------
    grads : dict of str to ndarray
        Gradient of ``weight``, (num_embeddings, embedding_dim). With ``sparse`` a read-only copy,
        made at each access; `sparse_grads` gives what is kept.

    Notes
    -----
    The gradients themselves, their norm, clipping and scaling do not depend on ``sparse``. The
    steps of optimizers do, where a row that was not used would change in spite of its gradient
    being 0:

    - `Adam`, `AdamW` and `RMSprop`: its moments do not decay, and it does not move along them.
    - ``weight_decay``, of all optimizers: it does not decay.
    - `SGD` with momentum is refused.

    `SGD` and `Adagrad` without weight decay give the same numbers. Optimizers and averages of
    weights still remember as many numbers as the table has, and an average passes over them all.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        sparse: bool = False,
        dtype: str = "float32",
        seed: int | np.random.Generator | None = None,
    ) -> None:
        self.num_embeddings = check_int("num_embeddings", num_embeddings, 1)
        self.embedding_dim = check_int("embedding_dim", embedding_dim, 1)
        self.padding_idx = None if padding_idx is None else check_int("padding_idx", padding_idx, 0)
        if self.padding_idx is not None and self.padding_idx >= self.num_embeddings:
            raise ValueError(
                f"padding_idx: expected less than num_embeddings {num_embeddings}, "
                f"got {padding_idx}"
            )
        self.sparse = check_bool("sparse", sparse)
        sizes = {"num_embeddings": self.num_embeddings, "embedding_dim": self.embedding_dim}
        super().__init__(self._shapes(), dtype, sparse=self.sparse, sizes=sizes)
        self._initialise(make_generator("seed", seed))

    @compiled
    def native(self) -> _core.Embedding:
        return _core.Embedding(
            self.num_embeddings,
            self.embedding_dim,
            self.buffer,
            self._parameters["weight"].offset,
            -1 if self.padding_idx is None else self.padding_idx,
        )

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        return {"weight": (self.num_embeddings, self.embedding_dim)}

    def _initialise(self, rng: np.random.Generator) -> None:
        self._parameters["weight"]._fill(lambda n: rng.normal(size=n))
        self._clear_padding()

    def _clear_padding(self) -> None:
        if self.padding_idx is not None:
            offset = self._parameters["weight"].offset + self.padding_idx * self.embedding_dim
            self.buffer.assign(offset, np.zeros(self.embedding_dim, self.dtype))

    def __call__(self, indices: Any, *, like: bool = False) -> Array:
        """Look up rows.

        Parameters
        ----------
        indices : array_like of int
            Any shape; each from 0 to ``num_embeddings - 1``.
        like : bool
            True: what is returned is of the library that ``indices`` are of, such as a tensor.

        Returns
        -------
        ndarray
            ``(*indices.shape, embedding_dim)``.

        Raises
        ------
        TypeError
            If ``indices`` are not integers.
        ValueError
            If one is out of range.
        """
        if like is not False:
            return call_like(like, self, indices)
        return self._look_up(check_indices("indices", indices).astype(np.int64, copy=False))

    def forward(self, indices: Any) -> tuple[Array, Callable[[Array], None]]:
        """Look up rows and keep the indices.

        Returns
        -------
        y : ndarray
            ``(*indices.shape, embedding_dim)``.
        backprop : callable
            ``backprop(dy)`` adds the gradient of each row, which must be finite, to the row that it
            came from.
        """
        self._require_trainable("forward")
        kept = check_indices("indices", indices).astype(np.int64, copy=False)
        y = self._look_up(kept)

        def backprop(dy: Array) -> None:
            dy = require_array("dy", dy, self.dtype, y.shape)
            rows = dy.reshape(-1, self.embedding_dim)
            check_finite("dy", rows)
            self.native.backward(rows, kept.reshape(-1))

        return y, backprop

    def sparse_grads(self) -> tuple[Array, Array]:
        """Return the gradients as they are kept with ``sparse``.

        Returns
        -------
        rows : ndarray of int64, shape (K,)
            The distinct rows that were used since `zero_grad`, ascending, without ``padding_idx``.
        values : ndarray, shape (K, embedding_dim)
            The gradient of each; copies, as the rows are.

        Raises
        ------
        ValueError
            If the layer was not made with ``sparse=True``.
        """
        if not self.sparse:
            raise ValueError("sparse: expected an Embedding made with True, got False")
        return self.buffer.sparse_grads()

    def _look_up(self, indices: Array) -> Array:
        y = self.native.forward(indices.reshape(-1))
        return y.reshape(*indices.shape, self.embedding_dim)
