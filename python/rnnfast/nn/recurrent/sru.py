"""SRU: gates that see the input and the unit's own memory, and a highway for the input."""

from __future__ import annotations

import math

import numpy as np

from rnnfast._checks import check_bool, check_real
from rnnfast.nn.module import Parameter
from rnnfast.nn.recurrent.layers import RecurrentWithCell


class SRU(RecurrentWithCell, name="sru"):
    """Simple recurrent unit.

    ``f = sigmoid(W_f x + b_f + v_f * c')``, ``r = sigmoid(W_r x + b_r + v_r * c')``,
    ``c = f * c' + (1 - f) * (W_n x)``, ``h = r * c + (1 - r) * s``, with c' the memory of the step
    before and s what the highway lets pass: ``alpha * x`` in layers whose input is as wide as their
    output, else ``W_s x`` (Lei et al. 2018, section 3). No product of matrices waits for the step
    before.

    Parameters
    ----------
    input_size, hidden_size, num_layers, bias, batch_first, dropout, variational, bidirectional, \
    dtype, seed
        See `RNN`. Of a bidirectional layer whose input is 2H wide each direction lets a half pass.
    highway_bias : float
        What b_r begins as, from -20 to 20; below 0 the highway is open at first.
    rescale : bool
        Whether alpha is ``sqrt(1 + 2 exp(highway_bias))``, which keeps what layers put out about as
        large as what they are given (section 3.2), or 1.

    Notes
    -----
    The gates f, r, n, and s where it is learned, stand one below the other: ``weight_ih_l0``
    (3H, I), or (4H, I) where I is not the width of the output, ``bias_ih_l0`` (2H,) of f and r,
    ``weight_c_l0`` (2H,), v_f and v_r.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        variational: bool = False,
        bidirectional: bool = False,
        dtype: str = "float32",
        seed: int | np.random.Generator | None = None,
        highway_bias: float = 0.0,
        rescale: bool = True,
    ) -> None:
        self.highway_bias = check_real("highway_bias", highway_bias, -20, 20)
        self.rescale = check_bool("rescale", rescale)
        super().__init__(
            "sru",
            input_size,
            hidden_size,
            num_layers,
            bias=bias,
            batch_first=batch_first,
            dropout=dropout,
            variational=variational,
            bidirectional=bidirectional,
            dtype=dtype,
            seed=seed,
            highway_scale=math.sqrt(1 + 2 * math.exp(self.highway_bias)) if self.rescale else 1.0,
        )

    def _draw(self, name: str, parameter: Parameter) -> None:
        """Draw weights of variance 1/I, those of a gate and its memory sharing it (section 3.2)."""
        H = self.hidden_size
        if name.startswith("bias"):
            parameter.assign(np.repeat([0.0, self.highway_bias], H))
        elif name.startswith("weight_c"):
            parameter._fill_uniform(self._rng, math.sqrt(1.5))
        else:
            rows, width = parameter.shape
            drawn = self._rng.uniform(-1, 1, (rows, width)) * math.sqrt(3 / width)
            drawn[: 2 * H] *= math.sqrt(0.5)
            drawn[3 * H :] *= self._spec.highway_scale
            parameter.assign(drawn)
