"""Random parameters in the layout of the course notes, for the tests of the reference."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

N_X, N_A, N_P, N_Y, M = 3, 4, 2, 5, 6  # inputs, units, projected units, outputs, examples


def gate_parameters(
    rng: np.random.Generator, gates: str, n_a: int = N_A, n_state: int = N_A
) -> dict[str, Array]:
    """W (n_a, n_state + n_x) and b (n_a, 1) of each gate."""
    parameters = {}
    for gate in gates:
        parameters[f"W_{gate}"] = rng.normal(size=(n_a, n_state + N_X))
        parameters[f"b_{gate}"] = rng.normal(size=(n_a, 1))
    return parameters


def rnn_random(rng: np.random.Generator) -> dict[str, Array]:
    return {
        "W_aa": rng.normal(size=(N_A, N_A)),
        "W_ax": rng.normal(size=(N_A, N_X)),
        "b_a": rng.normal(size=(N_A, 1)),
    }


def lstm_random(
    rng: np.random.Generator, peephole: bool = False, projection: bool = False
) -> dict[str, Array]:
    parameters = gate_parameters(rng, "ufoc", n_state=N_P if projection else N_A)
    if peephole:
        parameters |= {f"p_{gate}": rng.normal(size=(N_A, 1)) for gate in "ufo"}
    if projection:
        parameters["W_p"] = rng.normal(size=(N_P, N_A))
    return parameters


def gru_random(rng: np.random.Generator, form: str) -> dict[str, Array]:
    parameters = gate_parameters(rng, "uc" if form == "simplified" else "urc")
    if form == "reset after":
        parameters["b_cc"] = rng.normal(size=(N_A, 1))
    return parameters


def head_random(rng: np.random.Generator, n_in: int) -> dict[str, Array]:
    return {"W_y": rng.normal(size=(N_Y, n_in)), "b_y": rng.normal(size=(N_Y, 1))}
