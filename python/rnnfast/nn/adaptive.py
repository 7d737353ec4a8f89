"""Adaptive softmax: an output layer for many classes of which few are frequent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnfast import _core
from rnnfast._checks import (
    check_bool,
    check_finite,
    check_indices,
    check_int,
    check_list,
    check_real,
    make_generator,
)
from rnnfast._checks.arrays import dtype_error, require_ndarray
from rnnfast._checks.likeness import call_like
from rnnfast._checks.messages import shown
from rnnfast.nn._copies import compiled
from rnnfast.nn._frozen import kernel_numbers
from rnnfast.nn._loss_arguments import Reduction, native_targets, require_numbers
from rnnfast.nn.losses import log_softmax
from rnnfast.nn.module import Array, Module

Ints = npt.NDArray[np.int64]


class AdaptiveSoftmax(Module):
    """A softmax over classes in the order of their frequency, the most frequent first.

    The first classes are scored for every row, together with one score for each cluster of rarer
    ones; those are scored where their cluster is asked for, from fewer numbers the rarer they are
    (Grave, Joulin, Cissé, Grangier and Jégou 2017, section 4)::

        P(y = v) = softmax(W h + b)[v]                                    v in the head
        P(y = v) = softmax(W h + b)[S + i] softmax(U_i D_i h)[v - begin_i]    v in cluster i

    with the S classes of the head and the clusters ``begin_i`` to ``end_i``, as ``cutoffs`` cut
    them. The probabilities are those of a proper distribution, and the loss and its gradients are
    exact. A step of training costs little more than that of the head, for most rows ask for no
    cluster. It is `torch.nn.AdaptiveLogSoftmaxWithLoss`.

    Parameters
    ----------
    in_features : int
        Size of the last axis of ``h``.
    n_classes : int
        V, how many classes there are.
    cutoffs : sequence of int
        Where the classes are cut, in ascending order, each from 1 to V - 1: the head has the
        classes below the first one, each cluster those from one to the next, the last the rest.
    div_value : float
        By what the numbers that a cluster's classes are scored from are divided with each cluster:
        cluster i has ``in_features / div_value^(i + 1)`` of them, rounded down, and at least 1.
    head_bias : bool
        Whether there is b.
    dtype : {"float32", "float64"}
        Type of the parameters, and of what the layer takes and gives.
    seed : int or numpy.random.Generator, optional
        Draws the initial parameters, each from U(-1/sqrt(n), 1/sqrt(n)) with the n numbers that it
        is multiplied with.

    Attributes
    ----------
    grads : dict of str to ndarray
        Gradients of W, ``head.weight`` (S + C, in_features), with the C clusters after the S
        classes, b, ``head.bias`` (S + C,), and for each cluster i of D, ``tail.i.0.weight``, and of
        U, ``tail.i.1.weight``, one row a class. PyTorch's module has the same, so that
        `load_state_dict` takes its ``state_dict()``, and the other way round.
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        *,
        dtype: str = "float32",
        seed: int | np.random.Generator | None = None,
    ) -> None:
        self.in_features = check_int("in_features", in_features, 1)
        self.n_classes = check_int("n_classes", n_classes, 2)
        self.cutoffs = check_cutoffs("cutoffs", cutoffs, self.n_classes)
        self.div_value = check_real("div_value", div_value, 0, above=True)
        self.head_bias = check_bool("head_bias", head_bias)
        shortlist, clusters = self.cutoffs[0], len(self.cutoffs)
        shapes: dict[str, tuple[int, ...]] = {
            "head.weight": (shortlist + clusters, self.in_features)
        }
        if self.head_bias:
            shapes["head.bias"] = (shortlist + clusters,)
        for i, (begin, end) in enumerate(self._clusters()):
            width = self._width(i)
            shapes[f"tail.{i}.0.weight"] = (width, self.in_features)
            shapes[f"tail.{i}.1.weight"] = (end - begin, width)
        sizes = {"in_features": self.in_features, "n_classes": self.n_classes}
        super().__init__(shapes, dtype, sizes=sizes)
        rng = make_generator("seed", seed)
        for name, parameter in self._parameters.items():
            inputs = self.in_features if name == "head.bias" else parameter.shape[1]
            parameter._fill_uniform(rng, inputs**-0.5)

    def _clusters(self) -> list[tuple[int, int]]:
        """Return the first class of each cluster, and the one after its last."""
        return list(zip(self.cutoffs, (*self.cutoffs[1:], self.n_classes), strict=True))

    def _width(self, cluster: int) -> int:
        """Return how many numbers a cluster's classes are scored from."""
        try:
            width = self.in_features / self.div_value ** (cluster + 1)
        except (OverflowError, ZeroDivisionError):
            width = 0.0 if self.div_value > 1 else math.inf
        if width > self.in_features:
            raise ValueError(
                f"div_value: expected at least 1, so that no cluster has more numbers than "
                f"in_features, got {shown(self.div_value)}"
            )
        return max(1, int(width))

    def _linear(self, name: str, bias: str = "") -> _core.Linear:
        weight, b = self._parameters[name], self._parameters.get(bias)
        outputs, inputs = weight.shape
        offset = -1 if b is None else b.offset
        numbers = kernel_numbers(self.buffer, inputs)
        return _core.Linear(inputs, outputs, self.buffer, weight.offset, offset, numbers)

    @compiled
    def _layers(self) -> tuple[_core.Linear, list[tuple[_core.Linear, _core.Linear]]]:
        tail = [
            (self._linear(f"tail.{i}.0.weight"), self._linear(f"tail.{i}.1.weight"))
            for i in range(len(self.cutoffs))
        ]
        return self._linear("head.weight", "head.bias"), tail

    @compiled
    def native(self) -> _core.AdaptiveSoftmax:
        return _core.AdaptiveSoftmax(*self._layers)

    def loss(
        self,
        h: Array,
        targets: npt.ArrayLike,
        *,
        weights: Array | None = None,
        ignore_index: int = -100,
        reduction: Reduction = "mean",
        scale: float = 1.0,
        backward: bool = True,
    ) -> tuple[float, Array | None]:
        """Cross-entropy ``-log P(y = target)``; with ``backward``, adds to `grads`.

        Parameters
        ----------
        h : ndarray
            Features, ``(..., in_features)``, of the layer's dtype.
        targets, weights, ignore_index, reduction, scale
            As `cross_entropy` takes them.
        backward : bool
            Whether gradients are wanted.

        Returns
        -------
        loss : float
            In nats.
        dh : ndarray or None
            Gradient of ``h``.

        Raises
        ------
        TypeError, ValueError
            As `linear_cross_entropy`. Nothing is changed then.
        FloatingPointError
            If the loss is not finite: the layer's parameters are not, or are too large. Nothing is
            changed then either.
        """
        h = require_ndarray("h", h)
        rows = self._rows(h)
        if backward := check_bool("backward", backward):
            self._require_trainable("backward")
        native, factor = native_targets(
            self.dtype, h.shape[:-1], self.n_classes, targets, weights, None, ignore_index, 0.0,
            reduction, scale,
        )  # fmt: skip
        loss, dh = self.native.cross_entropy(rows, native, backward)
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"loss: expected a finite number, got {loss:g}: a parameter of the layer is NaN, "
                "infinite or too large"
            )
        return loss * factor, None if dh is None else dh.reshape(h.shape)

    def log_prob(self, h: Array, *, like: bool = False) -> Array:
        """Return ``log P(y = v)`` of every class.

        Parameters
        ----------
        h : ndarray
            ``(..., in_features)``, of the layer's dtype.
        like : bool
            True: what is returned is of the library that ``h`` is of, such as a tensor.

        Returns
        -------
        ndarray
            ``(..., n_classes)``.

        Raises
        ------
        TypeError, ValueError
            If ``h`` is of another dtype or shape, or has a number that is not finite.
        FloatingPointError
            If a score is not finite: the layer's parameters are not, or are too large.
        """
        if like is not False:
            return call_like(like, self.log_prob, h)
        h = require_ndarray("h", h)
        rows = self._rows(h)
        check_finite("h", rows)
        head, tail = self._layers
        of_head = log_softmax(_finite(head.forward(rows)))
        shortlist = self.cutoffs[0]
        result = np.empty((len(rows), self.n_classes), self.dtype)
        result[:, :shortlist] = of_head[:, :shortlist]
        for i, ((begin, end), (down, up)) in enumerate(zip(self._clusters(), tail, strict=True)):
            within = log_softmax(_finite(up.forward(_finite(down.forward(rows)))))
            np.add(within, of_head[:, shortlist + i, np.newaxis], out=result[:, begin:end])
        return result.reshape(*h.shape[:-1], self.n_classes)

    def predict(self, h: Array, *, like: bool = False) -> Ints:
        """Return the likeliest class of each row; clusters are looked into where they may have it.

        Parameters
        ----------
        h, like
            As `log_prob` takes them.

        Returns
        -------
        ndarray of int64
            ``(...)``.

        Raises
        ------
        TypeError, ValueError, FloatingPointError
            As `log_prob`.
        """
        if like is not False:
            return call_like(like, self.predict, h)
        h = require_ndarray("h", h)
        rows = self._rows(h)
        check_finite("h", rows)
        best: Ints = _finite(self._layers[0].forward(rows)).argmax(axis=1)
        # A class of the head that is likelier than a cluster is likelier than all in it.
        unsure = np.flatnonzero(best >= self.cutoffs[0])
        best[unsure] = self.log_prob(rows[unsure]).argmax(axis=1)
        return best.reshape(h.shape[:-1])

    def _rows(self, h: Array) -> Array:
        """Return ``h`` as (rows, in_features)."""
        if h.ndim == 0 or h.shape[-1] != self.in_features:
            raise ValueError(f"h: expected shape (..., {self.in_features}), got {h.shape}")
        if h.dtype != self.dtype:
            raise dtype_error("h", self.dtype, h.dtype)
        return h if h.ndim == 2 else h.reshape(-1, self.in_features)


def check_cutoffs(name: str, cutoffs: Any, n_classes: int | None) -> tuple[int, ...]:
    """Return where classes are cut, unless that is not in ascending order within them.

    How many classes there are may not be known yet: None.
    """
    given = check_indices(name, check_list(name, cutoffs, "int"), ndim=1)
    found = tuple(given.tolist())
    bounds = (0, *found) if n_classes is None else (0, *found, n_classes)
    if not found or any(a >= b for a, b in pairwise(bounds)):
        most = "on" if n_classes is None else f"to {n_classes - 1}"
        raise ValueError(
            f"{name}: expected numbers from 1 {most} in ascending order, got {shown(list(found))}"
        )
    return found


def _finite(scores: Array) -> Array:
    """Return scores; FloatingPointError where they overflow."""
    require_numbers("scores", scores)
    return scores
