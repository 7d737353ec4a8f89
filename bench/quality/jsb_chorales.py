"""Polyphonic music, JSB chorales: the 88 keys of a step foreseen from all steps before it.

The figure is that of Boulanger-Lewandowski et al. (2012) and Bai et al. (2018): for every step t of
every piece, its first one included, whose input is silence,

    - sum over the 88 keys of y<t>_k log p_k + (1 - y<t>_k) log(1 - p_k)

in nats, with p = P(y<t> | y<1> ... y<t-1>); its mean over all steps of the test part together. The
parts are those of the `.mat` file. The epoch is chosen by the validation part; the test part is
scored once, at the end.
"""

from __future__ import annotations

import numpy as np
import scipy.io
from common import Clock, make_model, make_parser, scored_part

import rnnfast as rf


def pairs(pieces: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return what is read and what is to be foreseen: each piece, and before it silence."""
    y = [piece.astype("float32") for piece in pieces[0]]
    return [np.concatenate([np.zeros_like(piece[:1]), piece[:-1]]) for piece in y], y


def main() -> None:
    parser = make_parser(
        __doc__, "jsb-chorales", cell="lstm", epochs=80, hidden_size=200, num_layers=1, dropout=0.5,
        batch_size=8, learning_rate=0.003, clip_norm=1.0,
    )  # fmt: skip
    arguments = parser.parse_args()

    parts = scipy.io.loadmat(arguments.data / "JSB_Chorales.mat")
    valid = pairs(parts["validdata"])
    clock = Clock()
    model = make_model(rf.MultiLabelTagger, arguments, standardize=False, verbose=2).fit(
        *pairs(parts["traindata"]), valid=valid
    )
    X, y = valid if arguments.validate else pairs(parts["testdata"])
    figures = model.evaluate(X, y)
    print(model)
    print(
        f"{scored_part(arguments)}: {figures['loss']:.3f} nats a step, "
        f"the mean of {sum(map(len, y))} steps (keys: F1 {100 * figures['f1']:.1f} %); epoch "
        f"{model.best_epoch_}, {clock}, {model.num_parameters} numbers, seed {arguments.seed}"
    )


if __name__ == "__main__":
    main()
