"""What `LayerNormLSTM` and `LayerNormGRU` share: norms, and the noise of training."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnfast._checks import check_bool, check_probability
from rnnfast._checks.messages import shown
from rnnfast.nn.recurrent.base import Recurrent

_GAINS = ("gain_ih", "gain_hh", "gain_c")


class NoisyRecurrent(Recurrent):
    """Base of `LayerNormLSTM` and `LayerNormGRU`."""

    _lstm: bool

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        layer_norm: bool = True,
        zoneout: Any = 0.0,
        recurrent_dropout: float = 0.0,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        variational: bool = False,
        bidirectional: bool = False,
        dtype: str = "float32",
        seed: int | np.random.Generator | None = None,
    ) -> None:
        self.layer_norm = check_bool("layer_norm", layer_norm)
        zoneout = tuple(zoneout) if isinstance(zoneout, list) else zoneout
        self.zoneout = zoneout
        pair = zoneout if self._lstm and isinstance(zoneout, (tuple, list)) else (zoneout, zoneout)
        if len(pair) != 2:
            raise ValueError(f"zoneout: expected a number or a pair of them, got {shown(zoneout)}")
        zoneout_h, zoneout_c = (check_probability("zoneout", p) for p in pair)
        self.recurrent_dropout = check_probability("recurrent_dropout", recurrent_dropout)
        rates = (zoneout_h, zoneout_c if self._lstm else 0.0, self.recurrent_dropout)
        kind = "layer_norm_" if self.layer_norm else "zoneout_" if any(rates) else ""
        super().__init__(
            kind + ("lstm" if self._lstm else "gru"),
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
            rates=rates,
        )

    def _initialise(self) -> None:
        super()._initialise()
        for name, parameter in self._parameters.items():
            if name.startswith(_GAINS):
                parameter.assign(np.ones(parameter.shape))
            elif name.startswith("bias_c"):
                parameter.assign(np.zeros(parameter.shape))
