"""Accelerated modules in the hands of trainers of others: skorch and Lightning."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from rnnfast.interop import torch as dropin  # noqa: E402

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 9, 3)).astype(np.float32)
Y = (X[:, :, 0].sum(axis=1) > 0).astype(np.int64)


class Network(torch.nn.Module):  # type: ignore[misc]
    """Classes of sequences."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = torch.nn.LSTM(3, 8, batch_first=True)
        self.out = torch.nn.Linear(8, 2)

    def forward(self, x: Any) -> Any:
        return self.out(self.lstm(x)[0][:, -1])


def networks() -> tuple[Any, Any, dict[str, Any]]:
    """Return an accelerated network, PyTorch's own with the same weights, and these."""
    torch.manual_seed(0)
    ours = Network()
    theirs = copy.deepcopy(ours)
    dropin.accelerate(ours)
    return ours, theirs, copy.deepcopy(theirs.state_dict())


def require_same_training(ours: Any, theirs: Any, before: dict[str, Any]) -> None:
    assert type(ours.lstm).__module__.startswith("rnnfast.")
    assert type(theirs.lstm) is torch.nn.LSTM
    for name, expected in theirs.state_dict().items():
        assert not torch.equal(expected, before[name]), name
        torch.testing.assert_close(ours.state_dict()[name], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_skorch_trains_for_an_epoch() -> None:
    skorch = pytest.importorskip("skorch", reason="skorch is not installed")
    ours, theirs, before = networks()
    nets = [
        skorch.NeuralNetClassifier(
            network,
            criterion=torch.nn.CrossEntropyLoss,
            optimizer=torch.optim.Adam,
            max_epochs=1,
            batch_size=8,
            train_split=None,
            verbose=0,
        ).fit(X, Y)
        for network in (ours, theirs)
    ]
    require_same_training(nets[0].module_, nets[1].module_, before)
    np.testing.assert_allclose(*(net.predict_proba(X) for net in nets), rtol=1e-4, atol=1e-6)


def test_lightning_trains_for_an_epoch(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own imports
        lightning = pytest.importorskip("lightning", reason="Lightning is not installed")

    class Task(lightning.LightningModule):  # type: ignore[misc]
        def __init__(self, network: Any) -> None:
            super().__init__()
            self.network = network

        def training_step(self, batch: Any, _: int) -> Any:
            x, y = batch
            return torch.nn.functional.cross_entropy(self.network(x), y)

        def configure_optimizers(self) -> Any:
            return torch.optim.Adam(self.parameters())

    ours, theirs, before = networks()
    data = torch.utils.data.TensorDataset(torch.from_numpy(X), torch.from_numpy(Y))
    for network in (ours, theirs):
        trainer = lightning.Trainer(
            accelerator="cpu",
            devices=1,
            max_epochs=1,
            default_root_dir=tmp_path,
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about workers of loaders, and its own imports
            trainer.fit(Task(network), torch.utils.data.DataLoader(data, batch_size=8))
        assert trainer.current_epoch == 1
    require_same_training(ours, theirs, before)
    # What it wrote of the accelerated one is read by PyTorch's own.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        files = sorted((tmp_path / "checkpoints").glob("*.ckpt"))
        assert files
        state = torch.load(files[0], weights_only=True)["state_dict"]
    Task(Network()).load_state_dict(state)
