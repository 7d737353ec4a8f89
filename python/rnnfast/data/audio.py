"""Sound as sequences: WAV files, log-mel spectra, MFCCs and their slopes, in NumPy.

Each function takes one recording, ``samples`` of shape ``(N,)``, and gives one row of numbers per
frame: a series ``(T, F)`` as the models read it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnfast._checks import check_int, check_real
from rnnfast._checks.arrays import read_array, require_finite, require_time_first
from rnnfast._products import product
from rnnfast.data._wav import read_wav

__all__ = ["deltas", "log_mel", "mel_filters", "mfcc", "read_wav"]

Floats = npt.NDArray[np.float64]

# Below the power of the quantisation of 16 bits: silence has a logarithm too.
_FLOOR = 1e-10


def log_mel(
    samples: npt.ArrayLike,
    rate: int,
    *,
    num_filters: int = 40,
    window: float = 0.025,
    step: float = 0.010,
    low: float = 0.0,
    high: float | None = None,
    preemphasis: float = 0.97,
) -> Floats:
    """Return the logarithm of the power in bands that are as wide as the ear's.

    Frames of ``window`` seconds, one every ``step`` seconds, each under a Hann window; their power
    spectrum, summed under triangles that are equally wide and half overlap on the mel scale,
    ``2595 log10(1 + f / 700)`` (Davis & Mermelstein 1980, with the scale of O'Shaughnessy 1987).

    Parameters
    ----------
    samples : array_like
        ``(N,)``, real numbers. Fewer than a frame has are filled up with silence.
    rate : int
        Samples a second.
    num_filters : int
        F, how many bands.
    window, step : float
        Seconds.
    low, high : float
        Hertz; ``high`` None: half the rate.
    preemphasis : float
        p of ``x[n] - p x[n-1]``, which raises the treble; from 0 to 1.

    Returns
    -------
    ndarray of float64, shape (T, num_filters)
        ``T = 1 + floor((N - frame) / step)``, in nats, at least ``log(1e-10)``.

    Raises
    ------
    ValueError
        If ``samples`` has not one axis, is empty or not finite, or a number is out of its range.
    TypeError
        If something is of a wrong type.
    """
    signal = _check_samples(samples)
    frame, hop, size = _frame_sizes(rate, window, step)
    emphasis = check_real("preemphasis", preemphasis, 0.0, 1.0)
    filters = mel_filters(num_filters, size, rate, low=low, high=high)
    signal = np.append(signal[0], signal[1:] - emphasis * signal[:-1])
    signal = np.pad(signal, (0, max(frame - len(signal), 0)))
    frames = np.lib.stride_tricks.sliding_window_view(signal, frame)[::hop]
    hann = np.sin(np.pi * np.arange(frame) / frame) ** 2
    power = np.abs(np.fft.rfft(frames * hann, size)) ** 2 / frame
    logs: Floats = np.log(np.maximum(product(power, filters.T), _FLOOR))
    return logs


def mfcc(
    samples: npt.ArrayLike, rate: int, *, num_coefficients: int = 13, **options: Any
) -> Floats:
    """Return mel-frequency cepstral coefficients, the cosine transform of `log_mel`.

    ::

        c[k] = sqrt(2 / F) sum_m log_mel[m] cos(pi k (m + 1/2) / F),  c[0] divided by sqrt(2)

    (Davis & Mermelstein 1980, in the orthonormal form of the DCT-II). The first tells the
    loudness.

    Parameters
    ----------
    samples, rate
        As `log_mel` takes them.
    num_coefficients : int
        K, at most ``num_filters``.
    **options
        What `log_mel` takes.

    Returns
    -------
    ndarray of float64, shape (T, num_coefficients)

    Raises
    ------
    ValueError, TypeError
        As `log_mel`; also if there are more coefficients than filters.
    """
    logs = log_mel(samples, rate, **options)
    count, filters = check_int("num_coefficients", num_coefficients, 1), logs.shape[1]
    if count > filters:
        raise ValueError(f"num_coefficients: expected at most num_filters {filters}, got {count}")
    waves = np.cos(np.pi * np.outer(np.arange(count), np.arange(filters) + 0.5) / filters)
    waves *= np.sqrt(2.0 / filters)
    waves[0] /= np.sqrt(2.0)
    coefficients: Floats = product(logs, waves.T)
    return coefficients


def deltas(features: npt.ArrayLike, width: int = 2) -> Floats:
    """Return the slope of each feature at each step, by least squares.

    ::

        d[t] = sum_n n (x[t+n] - x[t-n]) / (2 sum_n n^2),  n = 1 ... width

    where the first and the last step are repeated beyond the ends (Furui 1986; HTK Book 5.9).

    Parameters
    ----------
    features : array_like
        ``(T, F)``.
    width : int
        Steps to either side.

    Returns
    -------
    ndarray of float64, shape (T, F)

    Raises
    ------
    ValueError, TypeError
        If it has not two axes or no step, or ``width`` is below 1.
    """
    array = read_array("features", features, "shape (T, F)")
    if array.dtype.kind not in "fiu":
        raise TypeError(f"features: expected real numbers, got dtype {array.dtype}")
    if array.ndim != 2 or len(array) == 0:
        raise ValueError(f"features: expected shape (T, F), got {array.shape}")
    require_time_first("features", array)
    require_finite("features", array)
    width = check_int("width", width, 1)
    steps = len(array)
    padded = np.pad(array.astype(np.float64), ((width, width), (0, 0)), mode="edge")
    slopes = np.zeros(array.shape)
    for n in range(1, width + 1):
        after, before = padded[width + n :][:steps], padded[width - n :][:steps]
        slopes += n * (after - before)
    return slopes / (2 * sum(n * n for n in range(1, width + 1)))


def mel_filters(
    num_filters: int, fft_size: int, rate: int, *, low: float = 0.0, high: float | None = None
) -> Floats:
    """Return triangles, equally wide on the mel scale, each of height 1.

    Parameters
    ----------
    num_filters : int
        How many.
    fft_size : int
        Length of the transform whose power they weigh.
    rate : int
        Samples a second.
    low, high : float
        Hertz, where the first begins and the last ends; ``high`` None: half the rate.

    Returns
    -------
    ndarray of float64, shape (num_filters, fft_size // 2 + 1)

    Raises
    ------
    ValueError
        If a band is so narrow that no frequency of the transform falls in it, or a number is out
        of its range.
    """
    num_filters = check_int("num_filters", num_filters, 1)
    rate = check_int("rate", rate, 1)
    top = check_real("high", rate / 2 if high is None else high, 0.0, rate / 2, above=True)
    bottom = check_real("low", low, 0.0, top, below=True)
    lowest, highest = (2595 * math.log10(1 + hertz / 700) for hertz in (bottom, top))
    edges = 700 * (10 ** (np.linspace(lowest, highest, num_filters + 2) / 2595) - 1)
    frequencies = np.arange(fft_size // 2 + 1) * rate / fft_size
    left, middle, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising = (frequencies - left) / (middle - left)
    falling = (right - frequencies) / (right - middle)
    filters: Floats = np.maximum(np.minimum(rising, falling), 0)
    if not filters.any(axis=1).all():
        raise ValueError(
            f"num_filters: expected fewer, got {num_filters}: some bands are narrower than the "
            f"{rate / fft_size:.3g} Hz between two frequencies of the transform"
        )
    return filters


def _check_samples(samples: npt.ArrayLike) -> Floats:
    array = read_array("samples", samples, "shape (N,)")
    if array.dtype.kind not in "fiu":
        raise TypeError(f"samples: expected real numbers, got dtype {array.dtype}")
    if array.ndim == 2 and array.size:
        one, axis = ("[:, 0]", 1) if array.shape[0] > array.shape[1] else ("[0]", 0)
        raise ValueError(
            f"samples: expected shape (N,), one channel, got {array.shape}; samples{one} is one, "
            f"samples.mean(axis={axis}) all together"
        )
    if array.ndim != 1 or len(array) == 0:
        raise ValueError(f"samples: expected shape (N,), got {array.shape}")
    require_finite("samples", array, ("sample",))
    return array.astype(np.float64)


def _frame_sizes(rate: int, window: float, step: float) -> tuple[int, int, int]:
    """Return samples of a frame, samples between two, and the length of their transform."""
    rate = check_int("rate", rate, 1)
    frame = round(check_real("window", window, 0.0, above=True) * rate)
    hop = round(check_real("step", step, 0.0, above=True) * rate)
    if frame < 1 or hop < 1:
        name = "window" if frame < 1 else "step"
        raise ValueError(f"{name}: expected at least one sample at {rate} a second, got none")
    return frame, hop, 1 << (frame - 1).bit_length()
