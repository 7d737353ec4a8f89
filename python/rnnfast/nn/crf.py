"""A linear-chain conditional random field: the probability of a whole sequence of tags."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnfast import _core
from rnnfast._checks import check_bool, check_int, check_lengths, check_list, make_generator
from rnnfast._checks.arrays import dtype_error, read_array, require_int64, require_ndarray
from rnnfast._checks.messages import shown
from rnnfast.nn._loss_arguments import (
    Reduction,
    checked_loss,
    checked_weights,
    loss_factor,
    require_scores,
)
from rnnfast.nn._partial_crf import path_sums
from rnnfast.nn.module import Array, Module

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
# Where in a label its prefix stands, and its type.
_FIRST, _TYPE = slice(0, 1), slice(2, None)


@dataclass(frozen=True, eq=False)
class Constraints:
    """Which tags may begin a sequence, follow each other, and end it.

    Parameters
    ----------
    start, end : ndarray of bool, shape (K,)
        True for tags that a sequence may begin or end with.
    transitions : ndarray of bool, shape (K, K)
        True where the tag of the column may follow that of the row.
    """

    start: Bools
    transitions: Bools
    end: Bools

    @classmethod
    def bio(cls, labels: Sequence[str]) -> Constraints:
        """Return the rules of the BIO scheme: ``I-X`` only after ``B-X`` or ``I-X``.

        Parameters
        ----------
        labels : sequence of str
            The labels by tag number, such as ``["O", "B-PER", "I-PER"]``.

        Raises
        ------
        ValueError
            If a label is neither ``O`` nor begins with ``B-`` or ``I-``.
        """
        labels = check_list("labels", labels, "str")
        for label in labels:
            if not isinstance(label, str):
                raise TypeError(f"labels: expected str, got {type(label).__name__}")
            if label != "O" and label[:2] not in ("B-", "I-"):
                raise ValueError(f"labels: expected O, B-... or I-..., got {shown(label)}")
        inside = np.array([label.startswith("I-") for label in labels], np.bool_)
        kinds = np.array([label[2:] for label in labels])
        of_entity = np.array([label != "O" for label in labels], np.bool_)
        same = (kinds[:, np.newaxis] == kinds) & of_entity[:, np.newaxis]
        return cls(~inside, ~inside | same, np.ones(len(kinds), np.bool_))

    @classmethod
    def iobes(cls, labels: Sequence[str]) -> Constraints:
        """Return the rules of IOBES: ``B-X`` begins, ``I-X`` goes on, ``E-X`` ends, ``S-X`` is all.

        Those of BILOU are the same: ``L-X`` stands for ``E-X``, ``U-X`` for ``S-X``.

        Parameters
        ----------
        labels : sequence of str
            The labels by tag number, such as ``["O", "B-PER", "I-PER", "E-PER", "S-PER"]``.

        Raises
        ------
        ValueError
            If a label is neither ``O`` nor one of those.
        """
        labels = check_list("labels", labels, "str")
        for label in labels:
            if not isinstance(label, str):
                raise TypeError(f"labels: expected str, got {type(label).__name__}")
            if label != "O" and (label[:1] not in tuple("BIESLU") or label[1:2] != "-"):
                expected = "O, B-..., I-..., E-... or S-..."
                raise ValueError(f"labels: expected {expected}, got {shown(label)}")
        prefixes, kinds = (np.array([label[part] for label in labels]) for part in (_FIRST, _TYPE))
        opens, goes_on = np.isin(prefixes, ["B", "I"]), np.isin(prefixes, ["I", "E", "L"])
        same = kinds[:, np.newaxis] == kinds
        within = opens[:, np.newaxis] & goes_on & same
        return cls(~goes_on, within | (~opens[:, np.newaxis] & ~goes_on), ~opens)

    def check(self, num_tags: int) -> None:
        """Raise unless all three are arrays of bool for so many tags."""
        num_tags = check_int("num_tags", num_tags, 1)
        shapes = {
            "start": (num_tags,),
            "transitions": (num_tags, num_tags),
            "end": (num_tags,),
        }
        for name, shape in shapes.items():
            array = getattr(self, name)
            array = require_ndarray(f"constraints.{name}", array)
            if array.dtype != np.bool_:
                got = array.dtype
                raise TypeError(f"constraints.{name}: expected an array of bool, got {got}")
            if array.shape != shape:
                raise ValueError(f"constraints.{name}: expected shape {shape}, got {array.shape}")


class CRF(Module):
    """A conditional random field over tags: a score for each tag, and for each pair in a row.

    ::

        s(y) = start[y<1>] + sum_t e<t>[y<t>] + sum_{t > 1} transitions[y<t-1>, y<t>] + end[y<T>]
        P(y) = exp(s(y)) / sum over all y' of exp(s(y'))

    with the emissions e<t>, the scores that a network gives the tags at a step (Lafferty, McCallum
    and Pereira 2001; on recurrent layers Lample et al. 2016, section 2.2). It stands where a
    softmax at each step would: the loss is that of the sequence, and `decode` finds its likeliest
    tags.

    Parameters
    ----------
    num_tags : int
        K.
    constraints : Constraints, optional
        What is forbidden has probability 0, whatever the parameters say.
    dtype : {"float32", "float64"}
        Type of the parameters and of the emissions. All sums are in double precision.
    seed : int or numpy.random.Generator, optional
        Draws the initial parameters, from U(-0.1, 0.1).

    Attributes
    ----------
    grads : dict of str to ndarray
        Gradients of ``start`` (K,), ``transitions`` (K, K), from the tag of the row to that of the
        column, and ``end`` (K,).
    """

    def __init__(
        self,
        num_tags: int,
        *,
        constraints: Constraints | None = None,
        dtype: str = "float32",
        seed: int | np.random.Generator | None = None,
    ) -> None:
        self.num_tags = check_int("num_tags", num_tags, 1)
        if constraints is not None:
            if not isinstance(constraints, Constraints):
                raise TypeError(
                    f"constraints: expected Constraints or None, got {type(constraints).__name__}"
                )
            constraints.check(self.num_tags)
        self.constraints = constraints
        k = self.num_tags
        shapes = {"start": (k,), "transitions": (k, k), "end": (k,)}
        super().__init__(shapes, dtype, sizes={"num_tags": k})
        rng = make_generator("seed", seed)
        for parameter in self._parameters.values():
            parameter._fill_uniform(rng, 0.1)

    def loss(
        self,
        emissions: Array,
        targets: npt.ArrayLike,
        lengths: npt.ArrayLike | None = None,
        *,
        weights: Array | None = None,
        ignore_index: int = -100,
        reduction: Reduction = "mean",
        scale: float = 1.0,
        backward: bool = True,
    ) -> tuple[float, Array | None]:
        """Negative log-likelihood ``-log P(y) = log Z - s(y)`` of tags, summed over sequences.

        Of a sequence in which only some steps have a tag it is that of all paths that agree with
        these, ``log Z - log sum of exp(s(y))`` (Tsuboi et al. 2008; Täckström et al. 2013); 0 if no
        step has one. With ``backward``, adds to `grads`.

        Parameters
        ----------
        emissions : ndarray
            ``(T, B, K)``, or ``(T, K)`` for a single sequence, of the layer's dtype.
        targets : array_like of int
            ``(T, B)``, or ``(T,)``: tags from 0 to K - 1, or `ignore_index`.
        lengths : array_like of int, optional
            ``(B,)``, each from 0 to T. What lies past a length is never read, its gradient is 0.
        weights : ndarray, optional
            ``(B,)``: how much each sequence counts, of the layer's dtype or of bool.
        ignore_index : int
            The target of a step that may have any tag, and that counts nothing.
        reduction : {"mean", "sum"}
            ``"mean"`` divides by the number of steps that count, times their weights.
        scale : float
            A factor of the loss and of all gradients.
        backward : bool
            Whether gradients are wanted.

        Returns
        -------
        loss : float
            In nats.
        demissions : ndarray or None
            Gradient, shape of ``emissions``.

        Raises
        ------
        TypeError
            If a dtype differs.
        ValueError
            If a shape differs, a tag or length is out of range, an emission is not finite, the
            constraints leave no path that agrees with the tags, or no step counts with ``"mean"``.
            Nothing is changed then.
        FloatingPointError
            If a parameter is not finite, or the loss is NaN: one is too large.
        """
        if backward := check_bool("backward", backward):
            self._require_trainable("backward")
        emissions = require_ndarray("emissions", emissions)
        e, counts = self._checked(emissions, lengths)
        tags = _integers("targets", targets)
        if tags.shape != emissions.shape[:-1]:
            raise ValueError(f"targets: expected shape {emissions.shape[:-1]}, got {tags.shape}")
        tags = tags.astype(np.int64).reshape(e.shape[:2])
        w = np.ones(e.shape[1])
        if weights is not None:
            given = checked_weights("weights", weights, self.dtype)
            if given.shape != emissions.shape[1:-1]:
                raise ValueError(
                    f"weights: expected shape {emissions.shape[1:-1]}, got {given.shape}"
                )
            w = given.astype(np.float64).reshape(e.shape[1])
        known = tags != check_int("ignore_index", ignore_index, -(2**63))
        within = np.arange(len(e))[:, np.newaxis] < (len(e) if counts is None else counts)
        told = known & within
        self._require_tags(tags, told)
        factor = loss_factor(reduction, scale, lambda: float((told * w).sum()))
        log_z, scores, gradients = path_sums(
            e, self._scores(), counts, tags, known, w * factor, backward
        )
        self._require_path(log_z, counts, len(e))
        for b in np.flatnonzero(np.isneginf(scores)).tolist():
            raise ValueError(f"targets: expected allowed tags, sequence {b} breaks the constraints")
        loss = checked_loss(float((w * (log_z - scores)).sum()) * factor)
        if gradients is None:
            return loss, None
        for parameter, gradient in zip(self._parameters.values(), gradients[1:], strict=True):
            parameter._add_grad(gradient)
        return loss, gradients[0].reshape(emissions.shape)

    def decode(self, emissions: Array, lengths: npt.ArrayLike | None = None) -> Ints:
        """Return the likeliest tags of every sequence, by the Viterbi algorithm.

        Parameters
        ----------
        emissions, lengths
            As `loss` takes them.

        Returns
        -------
        ndarray of int64
            ``(T, B)``, or ``(T,)`` for a single sequence; -1 past a length.

        Raises
        ------
        TypeError, ValueError
            As `loss`; also if the constraints leave no tags for a length.
        """
        emissions = require_ndarray("emissions", emissions)
        e, counts = self._checked(emissions, lengths)
        tags, scores = _core.crf_decode(e, *self._scores(), counts)
        self._require_path(scores, counts, len(e))
        return tags.reshape(emissions.shape[:-1])

    def marginals(self, emissions: Array, lengths: npt.ArrayLike | None = None) -> Array:
        """Return the probability ``P(y<t> = j)`` of each tag at each step, over all sequences.

        Parameters
        ----------
        emissions, lengths
            As `loss` takes them.

        Returns
        -------
        ndarray
            Of the shape of ``emissions``; 0 past a length.

        Raises
        ------
        TypeError, ValueError
            As `decode`.
        """
        emissions = require_ndarray("emissions", emissions)
        e, counts = self._checked(emissions, lengths)
        log_z, _, gradients = _core.crf_sums(e, *self._scores(), counts, None, None, True)
        self._require_path(log_z, counts, len(e))
        assert gradients is not None
        return gradients[0].reshape(emissions.shape)

    def _checked(self, emissions: Any, lengths: Any) -> tuple[Array, Ints | None]:
        """Return emissions ``(T, B, K)`` and lengths."""
        emissions = require_scores("emissions", emissions, 1)
        if emissions.dtype != self.dtype:
            raise dtype_error("emissions", self.dtype, emissions.dtype)
        if emissions.ndim not in (2, 3) or emissions.shape[-1] != self.num_tags:
            raise ValueError(
                f"emissions: expected shape (T, B, {self.num_tags}) or (T, {self.num_tags}), "
                f"got {emissions.shape}"
            )
        e = emissions if emissions.ndim == 3 else emissions[:, np.newaxis]
        counts = None
        if lengths is not None:
            if emissions.ndim == 2:
                raise ValueError("lengths: expected None for a single sequence, got an array")
            counts = check_lengths("lengths", lengths, e.shape[1], len(e))
        # NumPy would read memory that another thread gives back meanwhile.
        if not _core.is_finite("emissions", e):
            finite = np.isfinite(e)
            within = np.arange(len(e))[:, np.newaxis] < (len(e) if counts is None else counts)
            if not finite[np.broadcast_to(within, e.shape[:2])].all():
                raise ValueError("emissions: expected finite numbers, got NaN or infinity")
        return e, counts

    def _scores(self) -> tuple[Array, Array, Array]:
        """Return start, transitions and end, minus infinity for what is forbidden."""
        values = {name: parameter.data for name, parameter in self._parameters.items()}
        for name, value in values.items():
            if not np.isfinite(value).all():
                raise FloatingPointError(f"{name}: expected finite numbers, got NaN or infinity")
        if self.constraints is not None:
            forbid = self.dtype.type(-math.inf)
            for name, value in values.items():
                values[name] = np.where(getattr(self.constraints, name), value, forbid)
        return values["start"], values["transitions"], values["end"]

    def _require_tags(self, tags: Ints, counting: Bools) -> None:
        wrong = counting & ((tags < 0) | (tags >= self.num_tags))
        for t, b in np.argwhere(wrong)[:1].tolist():
            raise ValueError(
                f"targets: expected tags from 0 to {self.num_tags - 1}, got {tags[t, b]} at step "
                f"{t} of sequence {b}"
            )

    def _require_path(self, scores: Array, counts: Ints | None, steps: int) -> None:
        for b in np.flatnonzero(np.isneginf(scores)).tolist():
            length = steps if counts is None else int(counts[b])
            raise ValueError(f"constraints: expected tags for {length} steps, they leave none")


def _integers(name: str, values: Any) -> npt.NDArray[np.integer[Any]]:
    """Return an array of integers, an empty list too; negative ones may stand past a length."""
    array = read_array(name, values, "an array of integers")
    if array.size == 0 and not isinstance(values, np.ndarray):
        array = array.astype(np.int64)
    require_int64(name, array)
    return array
