"""Forecasts by darts: an LSTM of PyTorch, trained there for some epochs, by Lightning."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from darts import TimeSeries
from darts.models import BlockRNNModel

from real import Run
from rnnfast.interop.torch import accelerate

EPOCHS = 4
SERIES = TimeSeries.from_values(np.sin(np.arange(400) / 5).astype(np.float32))
QUIET = {
    "accelerator": "cpu",
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "logger": False,
    "enable_checkpointing": False,
}


def fitted(epochs: int, *, here: bool) -> Any:
    """Return a model after some epochs of training."""
    model = BlockRNNModel(
        input_chunk_length=48,
        output_chunk_length=1,
        model="LSTM",
        hidden_dim=64,
        n_rnn_layers=2,
        n_epochs=0,
        random_state=0,
        pl_trainer_kwargs=QUIET,
    )
    torch.manual_seed(0)
    model.fit(SERIES, verbose=False)  # makes the network
    if here:
        accelerate(model.model)
    torch.manual_seed(0)
    model.fit(SERIES, epochs=epochs, verbose=False)
    return model


def runs() -> Iterator[Run]:
    """Yield the training, up to a forecast."""
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)

    def forecast(here: bool) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Lightning, about loaders and loggers
            return fitted(EPOCHS, here=here).predict(10, verbose=False).values()

    yield Run(
        "4 epochs of 352 windows, and a forecast",
        lambda: forecast(False),
        lambda: forecast(True),
        1e-3,
    )
