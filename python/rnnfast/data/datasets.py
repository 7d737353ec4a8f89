"""Texts to train on: the list that the package carries, files, and held-out parts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TypeVar

import numpy as np

from rnnfast._checks import check_generator, check_list, check_real
from rnnfast._checks.messages import shown
from rnnfast.io.files import FilePath, read_utf8, shown_path

Item = TypeVar("Item")


def load_dinosaurs() -> list[str]:
    """Return the names of more than a thousand genera of dinosaurs, birds apart, in order.

    Each is a word of ASCII letters with a capital first: a small text for a first character model.
    """
    from importlib import resources  # takes long to import

    return resources.files("rnnfast.data").joinpath("dinosaurs.txt").read_text("ascii").split()


def read_text(path: FilePath) -> str:
    """Read a text file in UTF-8 to train on.

    Line ends of any system come as ``\\n``; a byte order mark is dropped.

    Raises
    ------
    OSError
        If the file cannot be read, for example because it is missing or a folder.
    ValueError
        If it is not UTF-8, with what it is (UTF-16, an archive) or the offset of the first wrong
        byte, or has nothing but white space.
    """
    text = read_utf8(path)
    return require_text(shown_path(path), text)


def require_text(name: str, text: str) -> str:
    """Return a text that was read; ValueError with ``name`` if it has nothing but white space."""
    if not text or text.isspace():
        raise ValueError(f"{name}: expected text, got an empty file")
    return text


def split_text(text: str, fractions: Sequence[float]) -> tuple[str, ...]:
    """Cut a text in consecutive parts, for example to train on, to validate and to test.

    Parameters
    ----------
    text : str
        The text.
    fractions : sequence of float
        The share of every part, such as ``(0.9, 0.1)``; together 1.

    Returns
    -------
    tuple of str
        The parts in order; joined they are the text.

    Raises
    ------
    ValueError
        If a fraction is not above 0, they do not add up to 1, or a part would be empty.
    """
    if not isinstance(text, str):
        raise TypeError(f"text: expected a str, got {type(text).__name__}")
    given = check_list("fractions", fractions, "numbers")
    shares = [check_real("fractions", fraction) for fraction in given]
    if not shares or not all(share > 0 for share in shares) or abs(math.fsum(shares) - 1) > 1e-9:
        raise ValueError(
            f"fractions: expected positive numbers with the sum 1, got {shown(fractions)}"
        )
    # The small number undoes rounding, as in 10 * (0.7 + 0.2) = 8.999...
    cuts = [int(len(text) * math.fsum(shares[:n]) + 1e-6) for n in range(1, len(shares))]
    bounds = [0, *cuts, len(text)]
    parts = tuple(text[a:b] for a, b in pairwise(bounds))
    if not all(parts):
        raise ValueError(
            f"text: expected enough for {len(parts)} parts of {fractions}, "
            f"got {len(text)} characters"
        )
    return parts


def split_items(
    items: Sequence[Item], valid_fraction: float, rng: np.random.Generator | None = None
) -> tuple[list[Item], list[Item]]:
    """Hold out a part of a list.

    Parameters
    ----------
    items : sequence
        Names, sentences or other examples.
    valid_fraction : float
        The share to hold out, at least 0 and below 1, rounded to whole items. Above 0, both parts
        get at least one.
    rng : numpy.random.Generator, optional
        Draws what is held out. None: the end of the list.

    Returns
    -------
    train, valid : list
        Both in the order of ``items``.

    Raises
    ------
    ValueError
        If the fraction is outside its range, or there are fewer than two items to divide.
    TypeError
        If ``rng`` is not a generator.
    """
    rng = check_generator("rng", rng)
    valid_fraction = check_real("valid_fraction", valid_fraction, 0.0, 1.0, below=True)
    items = check_list("items", items, "items")
    if valid_fraction == 0:
        return items, []
    if len(items) < 2:
        raise ValueError(f"items: expected at least 2 to divide, got {len(items)}")
    count = min(max(round(len(items) * valid_fraction), 1), len(items) - 1)
    order = np.arange(len(items)) if rng is None else rng.permutation(len(items))
    held_out = np.zeros(len(items), np.bool_)
    held_out[order[len(items) - count :]] = True
    train = [item for item, out in zip(items, held_out, strict=True) if not out]
    valid = [item for item, out in zip(items, held_out, strict=True) if out]
    return train, valid
