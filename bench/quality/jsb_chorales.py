"""Polyphonic music, JSB chorales: the 88 keys of a step foreseen from all steps before it.

The figure is that of Boulanger-Lewandowski et al. (2012) and Bai et al. (2018): for every step t of
every piece, its first one included, whose input is silence,

    - sum over the 88 keys of y<t>_k log p_k + (1 - y<t>_k) log(1 - p_k)

in nats, with p = P(y<t> | y<1> ... y<t-1>); its mean over all steps of the test part together. The
parts are those of the `.mat` file. The epoch is chosen by the validation part; the test part is
scored once, at the end.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import scipy.io

import rnnfast as rf

DATA = Path(__file__).parents[3] / "shared" / "data" / "jsb-chorales" / "JSB_Chorales.mat"


def pairs(pieces: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return what is read and what is to be foreseen: each piece, and before it silence."""
    y = [piece.astype("float32") for piece in pieces[0]]
    return [np.concatenate([np.zeros_like(piece[:1]), piece[:-1]]) for piece in y], y


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", type=Path, default=DATA, help="a .mat file")
    parser.add_argument("--cell", default="lstm")
    parser.add_argument("--hidden-size", type=int, default=200)
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--dropout", type=float, default=0.5)
    parser.add_argument("--lr", type=float, default=0.003)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-test", action="store_true", help="leave the test part alone")
    arguments = parser.parse_args()

    parts = scipy.io.loadmat(arguments.data)
    model = rf.MultiLabelTagger(
        standardize=False,
        cell=arguments.cell,
        hidden_size=arguments.hidden_size,
        num_layers=arguments.layers,
        dropout=arguments.dropout,
        learning_rate=arguments.lr,
        epochs=arguments.epochs,
        batch_size=arguments.batch_size,
        clip_norm=1.0,
        seed=arguments.seed,
        verbose=2,
    )
    began = time.process_time()
    model.fit(*pairs(parts["traindata"]), valid=pairs(parts["validdata"]))
    seconds = time.process_time() - began
    print(model)
    best = model.history_[model.best_epoch_ - 1]
    print(f"validation part: {best['valid_loss']:.3f} nats a step, epoch {best['epoch']}")
    if not arguments.no_test:
        X, y = pairs(parts["testdata"])
        figures = model.evaluate(X, y)
        print(
            f"test part: {figures['loss']:.3f} nats a step, mean of {sum(map(len, y))} steps "
            f"(keys: F1 {100 * figures['f1']:.1f} %); {seconds:.0f} CPU seconds, "
            f"{model.num_parameters} numbers, seed {arguments.seed}"
        )


if __name__ == "__main__":
    main()
