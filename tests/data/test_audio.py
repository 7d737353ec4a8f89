"""Sound: WAV files of all widths, spectra against their definition, slopes."""

from __future__ import annotations

import io
import math
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from rnnfast.data import audio

RATE = 8000


def wav(samples: np.ndarray, width: int, channels: int = 1) -> bytes:
    """A file of samples from -1 to 1, rounded to so many bytes."""
    whole = np.round(samples * 2 ** (8 * width - 1)).astype(np.int64)
    if width == 1:
        whole += 128
    data = b"".join(int(n).to_bytes(width, "little", signed=width > 1) for n in whole.ravel())
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((channels, width, RATE, len(samples), "NONE", ""))
        writer.writeframes(data)
    return file.getvalue()


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_read_wav(width: int, tmp_path: Path) -> None:
    samples = np.array([0.0, 0.5, -0.5, 0.25, -1.0, 1 - 2.0 ** (1 - 8 * width)])
    path = tmp_path / "a.wav"
    path.write_bytes(wav(samples, width))
    for file in (path, str(path), io.BytesIO(wav(samples, width))):
        read, rate = audio.read_wav(file)
        assert rate == RATE and read.dtype == np.float64
        np.testing.assert_array_equal(read, samples)
    both, _ = audio.read_wav(io.BytesIO(wav(samples.reshape(3, 2), width, channels=2)))
    np.testing.assert_array_equal(both, samples.reshape(3, 2))


@pytest.mark.parametrize("cut", [3, 20, 45, -1])
def test_damaged_wav(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav(np.zeros(100), 2)[:cut])
    with pytest.raises(ValueError, match=r"a\.wav: expected "):
        audio.read_wav(path)
    with pytest.raises(FileNotFoundError):
        audio.read_wav(tmp_path / "none.wav")


def slow_log_mel(samples: np.ndarray, filters: int) -> np.ndarray:
    """The definition, frame by frame and frequency by frequency: 200 samples, every 80th."""
    emphasised = samples.copy()
    emphasised[1:] -= 0.97 * samples[:-1]
    top = 2595 * math.log10(1 + RATE / 2 / 700)
    edges = [700 * (10 ** (top * n / (filters + 1) / 2595) - 1) for n in range(filters + 2)]
    rows = []
    for begin in range(0, len(samples) - 199, 80):
        n = np.arange(200)
        frame = emphasised[begin : begin + 200] * (0.5 - 0.5 * np.cos(2 * np.pi * n / 200))
        row = np.zeros(filters)
        for k in range(129):
            power = abs((frame * np.exp(-2j * np.pi * k * n / 256)).sum()) ** 2 / 200
            hertz = k * RATE / 256
            for m, (left, middle, right) in enumerate(sliding_window_view(edges, 3)):
                if left < hertz <= middle:
                    row[m] += power * (hertz - left) / (middle - left)
                elif middle < hertz < right:
                    row[m] += power * (right - hertz) / (right - middle)
        rows.append(np.log(np.maximum(row, 1e-10)))
    return np.array(rows)


def test_log_mel_is_its_definition() -> None:
    samples = np.random.default_rng(0).normal(size=700) * 0.1
    logs = audio.log_mel(samples, RATE, num_filters=12)
    assert logs.shape == (7, 12) and logs.dtype == np.float64
    np.testing.assert_allclose(logs, slow_log_mel(samples, 12), rtol=1e-9)
    np.testing.assert_array_equal(
        audio.log_mel(samples.astype(np.float32), RATE),
        audio.log_mel(samples.astype(np.float32).astype(float), RATE),
    )


def test_a_tone_is_in_its_band() -> None:
    for hertz in (300.0, 1000.0, 3000.0):
        tone = np.sin(2 * np.pi * hertz * np.arange(RATE) / RATE)
        logs = audio.log_mel(tone, RATE, num_filters=20)
        mels = np.linspace(0, 2595 * math.log10(1 + RATE / 2 / 700), 22)[1:-1]
        own = 2595 * math.log10(1 + hertz / 700)
        assert (logs.argmax(axis=1) == np.abs(mels - own).argmin()).all()


def test_silence_and_short_sounds() -> None:
    np.testing.assert_array_equal(audio.log_mel(np.zeros(1000), RATE), math.log(1e-10))
    assert audio.log_mel([0.1], RATE).shape == (1, 40)
    assert audio.log_mel(np.ones(199), RATE).shape == (1, 40)
    assert audio.log_mel(np.ones(280), RATE).shape == (2, 40)


def test_mfcc_is_a_cosine_transform() -> None:
    fft = pytest.importorskip("scipy.fft", reason="SciPy is not installed")
    samples = np.random.default_rng(0).normal(size=900)
    logs = audio.log_mel(samples, RATE, num_filters=26)
    expected = fft.dct(logs, type=2, axis=1, norm="ortho")
    whole = audio.mfcc(samples, RATE, num_coefficients=26, num_filters=26)
    np.testing.assert_allclose(whole, expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(
        audio.mfcc(samples, RATE, num_filters=26), expected[:, :13], rtol=1e-9, atol=1e-12
    )


def test_deltas() -> None:
    line = np.arange(10.0)[:, np.newaxis] * [1.0, -3.0]
    slopes = audio.deltas(line)
    np.testing.assert_allclose(slopes[2:-2], np.broadcast_to([1.0, -3.0], (6, 2)), rtol=1e-14)
    x = np.random.default_rng(0).normal(size=(7, 3))
    ends = np.concatenate([x[:1], x[:1], x[:1], x, x[-1:], x[-1:], x[-1:]])
    expected = [
        sum(n * (ends[t + 3 + n] - ends[t + 3 - n]) for n in (1, 2, 3)) / 28 for t in range(7)
    ]
    np.testing.assert_allclose(audio.deltas(x, 3), expected, rtol=1e-13, atol=1e-15)
    np.testing.assert_array_equal(audio.deltas([[1, 2]]), [[0, 0]])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: audio.log_mel([], RATE), ValueError, r"^samples: expected shape \(N,\), got \(0,"),
        (lambda: audio.log_mel(np.ones((9, 2)), RATE), ValueError, r"^samples: .* got \(9, 2\);"),
        (lambda: audio.log_mel(["a"], RATE), TypeError, "^samples: expected real numbers, got dt"),
        (lambda: audio.log_mel([math.nan], RATE), ValueError, "^samples: expected finite numbers"),
        (lambda: audio.log_mel([1.0], 0), ValueError, "^rate: expected at least 1, got 0$"),
        (lambda: audio.log_mel([1.0], 8000.0), TypeError, "^rate: expected an integer, got float$"),
        (lambda: audio.log_mel([1.0], RATE, window=0.0), ValueError, "^window: expected a finite"),
        (lambda: audio.log_mel([1.0], RATE, step=1e-6), ValueError, "^step: expected at least on"),
        (lambda: audio.log_mel([1.0], RATE, high=5000.0), ValueError, "^high: .*at most 4000, got"),
        (lambda: audio.log_mel([1.0], RATE, low=4000.0), ValueError, "^low: .*below 4000, got 400"),
        (lambda: audio.log_mel([1.0], RATE, preemphasis=2), ValueError, "^preemphasis: .*got 2$"),
        (lambda: audio.log_mel([1.0], RATE, num_filters=200), ValueError,
         "^num_filters: expected fewer, got 200: some bands are narrower than the 31.2 Hz between"),
        (lambda: audio.mfcc([1.0], RATE, num_coefficients=41), ValueError,
         "^num_coefficients: expected at most num_filters 40, got 41$"),
        (lambda: audio.deltas([1.0]), ValueError, r"^features: expected shape \(T, F\), got \(1,"),
        (lambda: audio.deltas([["a"]]), TypeError, "^features: expected real numbers, got dtype"),
        (lambda: audio.deltas([[1.0]], 0), ValueError, "^width: expected at least 1, got 0$"),
    ],
)  # fmt: skip
def test_bad_input(call: Callable[[], Any], error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        call()
