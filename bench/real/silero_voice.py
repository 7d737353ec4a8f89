"""Voice activity of silero-vad: convolutions and an LSTM, a frame of 32 ms at a time there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from silero_vad import load_silero_vad

import rnnfast as rf
from real import Run

RATE, FRAME, CONTEXT = 16000, 512, 64
FRAMES = 100


def lstm_of(cell: Any) -> rf.LSTM:
    """Return an LSTM cell of PyTorch that torch.jit has compiled as a layer."""
    W, U, *b = (
        getattr(cell, name).detach().numpy()
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    return rf.LSTM.from_weights(W, U, b)


class Voice:
    """The model with its LSTM here.

    Parameters
    ----------
    model : torch.jit.ScriptModule
        What `load_silero_vad` returns.
    """

    def __init__(self, model: Any) -> None:
        self.parts = model._model
        self.lstm = lstm_of(self.parts.decoder.rnn)
        self.step = self.lstm.stream()

    def encoded(self, frames: torch.Tensor) -> Any:
        """Return what the LSTM reads of frames (T, 64 + 512): (T, 128)."""
        return self.parts.encoder(self.parts.run_extractors(frames))[..., 0].numpy()

    def chances(self, h: Any) -> Any:
        """Return the chance of a voice at each step of the LSTM, (T, 128)."""
        return self.parts.decoder.decoder(torch.from_numpy(h)[..., None]).numpy()[:, 0, 0]

    def recording(self, sound: torch.Tensor) -> Any:
        """Return the chances of all frames of a recording: each part of the model runs once."""
        padded = torch.nn.functional.pad(sound, (CONTEXT, -len(sound) % FRAME))
        y, _ = self.lstm(self.encoded(padded.unfold(0, CONTEXT + FRAME, FRAME)))
        return self.chances(y)

    def frame(self, frame: torch.Tensor) -> Any:
        """Return the chance of the next frame, (1, 64 + 512)."""
        return self.chances(self.step(self.encoded(frame)))


def runs() -> Iterator[Run]:
    """Yield the LSTM by itself, frames one by one, and a recording."""
    model = load_silero_vad()
    voice = Voice(model)
    torch.manual_seed(0)
    sound = 0.1 * torch.randn(FRAMES * FRAME)
    frames = torch.nn.functional.pad(sound, (CONTEXT, 0)).unfold(0, CONTEXT + FRAME, FRAME)
    frames = frames[:, None].contiguous()

    cell, features = model._model.decoder.rnn, torch.randn(FRAMES, 1, 128)
    rows = features.numpy()

    def steps_there() -> Any:
        state, outputs = None, []
        for row in features:
            state = cell(row, state)
            outputs.append(state[0])
        return torch.cat(outputs).numpy()

    def steps_here() -> Any:
        voice.step.reset()
        return np.concatenate([voice.step(row).copy() for row in rows])

    def frames_there() -> Any:
        model.reset_states()
        return np.array([model(frame[:, CONTEXT:], RATE).item() for frame in frames])

    def frames_here() -> Any:
        voice.step.reset()
        return np.concatenate([voice.frame(frame) for frame in frames])

    def without_gradients(run: Any) -> Any:
        def ran() -> Any:
            with torch.inference_mode():
                return run()

        return ran

    for name, there, here in (
        ("100 steps of the LSTM", steps_there, steps_here),
        ("100 frames, one by one", frames_there, frames_here),
        (
            "a recording of 100 frames",
            lambda: model.audio_forward(sound[None], RATE)[0].numpy(),
            lambda: voice.recording(sound),
        ),
    ):
        yield Run(name, without_gradients(there), without_gradients(here), 1e-5)
