"""Smaller numbers: weights of 8 bits with a scale a row, activations with a scale a row, bfloat16.

A weight of 8 bits is ``q * scale``, with an integer q from -127 to 127 and one scale for each row.
Scales have at most 16 significant bits, so that ``q * scale`` is exact in float32, and quantising
it gives the same q and the same scale again: a file may keep q and scale, and hand float32 to the
kernels.

A product takes the rows of x as integers as well, each with a scale of its own::

    x W^T  ~  (q_x q_W^T) * (scale_x * scale_W)

The product of integers is exact; what follows is float32.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

# A row whose largest magnitude is less counts as zero: its scale would be hardly a number.
LEAST = np.float32(1e-30)
# Sums of products stay within int32.
MOST_SUM = 2**31 - 1


def scales(weight: npt.ArrayLike) -> Floats:
    """Return the scale of each row: max|row| / 127, rounded up to 16 significant bits.

    Parameters
    ----------
    weight : array_like
        (rows, columns), finite.

    Returns
    -------
    numpy.ndarray
        (rows,) float32; 0 where a row is zero.
    """
    given = np.asarray(weight, np.float32)
    largest = np.abs(given).max(axis=1, initial=np.float32(0))
    exact = np.where(largest < LEAST, np.float32(0), largest / np.float32(127))
    bits = exact.astype(np.float32).view(np.uint32)
    return ((bits + np.uint32(0xFF)) & np.uint32(0xFFFFFF00)).view(np.float32)


def quantise(weight: npt.ArrayLike) -> tuple[npt.NDArray[np.int8], Floats]:
    """Return the integers of a weight, and the scale of each row.

    Parameters
    ----------
    weight : array_like
        (rows, columns), finite.

    Returns
    -------
    q : numpy.ndarray
        (rows, columns) int8, from -127 to 127.
    scale : numpy.ndarray
        (rows,) float32.
    """
    given = np.asarray(weight, np.float32)
    scale = scales(given)
    by = np.where(scale == 0, np.float32(1), scale)[:, None]
    q = np.rint(given / by).astype(np.int8)
    return np.where(scale[:, None] == 0, np.int8(0), q), scale


def dequantise(q: npt.NDArray[np.int8], scale: Floats) -> Floats:
    """Return the weight that integers and scales stand for, exactly."""
    return q.astype(np.float32) * scale[:, None]


def most_of_activations(columns: int, activations: int) -> int:
    """Return the largest integer of a row's activations: 127, or what 16 bits and int32 hold."""
    return 127 if activations == 8 else min(32767, MOST_SUM // (127 * columns))


def quantise_rows(x: npt.ArrayLike, activations: int = 8) -> tuple[npt.NDArray[np.int64], Floats]:
    """Return the integers of activations, and the scale of each row.

    Parameters
    ----------
    x : array_like
        (rows, columns), finite.
    activations : {8, 16}
        Bits of an integer.

    Returns
    -------
    q : numpy.ndarray
        (rows, columns) int64.
    scale : numpy.ndarray
        (rows,) float32; 0 where a row is zero.
    """
    given = np.asarray(x, np.float32)
    most = np.float32(most_of_activations(given.shape[1], activations))
    largest = np.abs(given).max(axis=1, initial=np.float32(0))
    zero = largest < LEAST
    safe = np.where(zero, np.float32(1), largest)
    q = np.rint(given * (most / safe)[:, None]).astype(np.int64)
    return np.where(zero[:, None], 0, q), np.where(zero, np.float32(0), largest / most)


def round_bfloat16(x: npt.ArrayLike) -> Floats:
    """Return the nearest numbers of bfloat16, of two the even one, as float32."""
    bits = np.asarray(x, np.float32).view(np.uint32)
    odd = (bits >> np.uint32(16)) & np.uint32(1)
    return ((bits + np.uint32(0x7FFF) + odd) & np.uint32(0xFFFF0000)).view(np.float32)


def product(x: npt.ArrayLike, weight: npt.ArrayLike, numbers: str = "int8") -> Floats:
    """Return ``x W^T`` as kernels of smaller numbers form it.

    Parameters
    ----------
    x : array_like
        (rows, columns), finite.
    weight : array_like
        (outputs, columns), finite.
    numbers : {"int8", "int8-16", "bfloat16"}
        Weights and activations of 8 bits; weights of 8 and activations of 16 bits; both bfloat16,
        whose sums are float64 here.

    Returns
    -------
    numpy.ndarray
        (rows, outputs) float32.
    """
    if numbers == "bfloat16":
        sums = round_bfloat16(x).astype(np.float64) @ round_bfloat16(weight).astype(np.float64).T
        return sums.astype(np.float32)
    q_x, scale_x = quantise_rows(x, 16 if numbers == "int8-16" else 8)
    q_w, scale_w = quantise(weight)
    exact = q_x @ q_w.astype(np.int64).T
    return exact.astype(np.float32) * (scale_x[:, None] * scale_w)
