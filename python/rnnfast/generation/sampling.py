"""New sequences, drawn token by token from a recurrent network and its output layer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnfast import _core
from rnnfast._checks import check_bool, check_indices, check_int, check_list, check_real
from rnnfast._checks.arrays import require_float
from rnnfast.generation._step_by_step import draw_step_by_step
from rnnfast.nn.adaptive import AdaptiveSoftmax
from rnnfast.nn.embedding import Embedding
from rnnfast.nn.linear import Linear
from rnnfast.nn.module import Array
from rnnfast.nn.recurrent.stream import Stream


def sample(
    stream: Stream,
    linear: Linear | AdaptiveSoftmax,
    *,
    max_length: int,
    embedding: Embedding | None = None,
    zero_first: bool = True,
    prefix: npt.ArrayLike = (),
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    forbidden: Iterable[int] = (),
    stop: Iterable[int] = (),
    seed: int | None = None,
) -> list[Array]:
    """Draw sequences: feed a token, take a step, draw the next token from the softmax, and so on.

    All of it runs in the kernels, without the interpreter lock; Ctrl-C ends it. The stream goes on
    from its state, and keeps the one it ends with.

    Parameters
    ----------
    stream : Stream
        Of a recurrent layer; it draws ``stream.batch_size`` sequences side by side. What one draws
        depends on its place in the batch and on the seed, not on the others.
    linear : Linear or AdaptiveSoftmax
        From the layer's outputs to the scores of V tokens, or to their probabilities; with the
        latter each step is a call of its own.
    max_length : int
        Most tokens that are drawn for a sequence.
    embedding : Embedding, optional
        Gives the layer's input for a token; without one the layer takes tokens as indices.
    zero_first : bool
        Feed a vector of zeros before anything else.
    prefix : array_like of int
        Tokens that are fed before the first draw. Needed if nothing else is fed.
    temperature : float
        Divides the scores before the softmax; 0 takes the most likely token.
    top_k : int, optional
        Draw among so many of the most likely tokens.
    top_p : float, optional
        Draw among the fewest most likely tokens that carry this probability.
    forbidden : iterable of int
        Tokens that are never drawn.
    stop : iterable of int
        Tokens that end their sequence; they are its last ones.
    seed : int, optional
        The same seed draws the same tokens, whatever the number of threads.

    Returns
    -------
    list of ndarray
        The tokens drawn for each sequence, int64, without the prefix.

    Raises
    ------
    TypeError
        If a dtype differs.
    ValueError
        If sizes do not fit, an option is out of range, or all tokens are forbidden.
    FloatingPointError
        If a score is NaN or infinite.
    """
    if not isinstance(stream, Stream):
        raise TypeError(f"stream: expected a Stream, got {type(stream).__name__}")
    if not isinstance(linear, (Linear, AdaptiveSoftmax)):
        raise TypeError(f"linear: expected a Linear, got {type(linear).__name__}")
    if embedding is not None and not isinstance(embedding, Embedding):
        raise TypeError(f"embedding: expected an Embedding, got {type(embedding).__name__}")
    zero_first = check_bool("zero_first", zero_first)
    size = linear.n_classes if isinstance(linear, AdaptiveSoftmax) else linear.out_features
    fed = check_indices("prefix", list(prefix) if isinstance(prefix, tuple) else prefix, ndim=1)
    options = _options(temperature, top_k, top_p, forbidden, seed, size)
    stops, most = _mask("stop", stop, size), check_int("max_length", max_length, 1)
    prefix_ids = fed.tolist()
    if isinstance(linear, AdaptiveSoftmax):
        return draw_step_by_step(
            stream, linear, embedding, zero_first, prefix_ids, options, stops, most
        )
    table = None if embedding is None else embedding.native
    tokens, lengths = _core.decode(
        stream.native, linear.native, table, zero_first, prefix_ids, options, stops, most
    )
    return [row[:length] for row, length in zip(tokens, lengths, strict=True)]


def draw(
    logits: Array,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    forbidden: Iterable[int] = (),
    seed: int | None = None,
    position: int = 0,
) -> Array:
    """Draw a token for each row of scores, as `sample` does.

    Parameters
    ----------
    logits : ndarray
        Scores, ``(R, V)``, float32 or float64.
    temperature, top_k, top_p, forbidden, seed
        As `sample` takes them.
    position : int
        The place in the sequence: each has random numbers of its own.

    Returns
    -------
    ndarray
        ``(R,)`` int64.

    Raises
    ------
    TypeError, ValueError, FloatingPointError
        As `sample`.
    """
    logits = require_float("logits", logits)
    if logits.ndim != 2:
        raise ValueError(f"logits: expected shape (R, V), got {logits.shape}")
    size = logits.shape[-1]
    options = _options(temperature, top_k, top_p, forbidden, seed, size)
    return _core.draw(logits, options, check_int("position", position, 0))


def _options(
    temperature: float,
    top_k: int | None,
    top_p: float | None,
    forbidden: Iterable[int],
    seed: int | None,
    size: int,
) -> _core.DrawOptions:
    if seed is None:
        seed = int(np.random.default_rng().integers(2**63))
    seed = check_int("seed", seed, 0, 2**64 - 1)
    return _core.DrawOptions(
        check_real("temperature", temperature, 0.0),
        0 if top_k is None else check_int("top_k", top_k, 1),
        1.0 if top_p is None else check_real("top_p", top_p, 0.0, 1.0, above=True),
        _mask("forbidden", forbidden, size),
        seed,
    )


def _mask(name: str, tokens: Iterable[int], size: int) -> npt.NDArray[Any] | None:
    """Return an array that is True at the tokens; None for no token."""
    indices = check_indices(name, check_list(name, tokens, "tokens"), ndim=1)
    if indices.size == 0:
        return None
    if indices.max() >= size:
        raise ValueError(f"{name}: expected tokens from 0 to {size - 1}, got {indices.max()}")
    mask = np.zeros(size, dtype=np.bool_)
    mask[indices] = True
    return mask
