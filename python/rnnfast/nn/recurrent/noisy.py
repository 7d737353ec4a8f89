"""What `LayerNormLSTM` and `LayerNormGRU` share: norms, and the noise of training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnfast import _core
from rnnfast._checks import check_bool, check_probability
from rnnfast._checks.messages import shown
from rnnfast.nn.recurrent.base import Masks, Recurrent

_GAINS = ("gain_ih", "gain_hh", "gain_c")


@dataclass(frozen=True)
class Noise:
    """What makes a step random in training.

    Attributes
    ----------
    zoneout_h, zoneout_c : float
        Probability with which a unit of h and of c keeps its value.
    candidate : float
        Probability with which a unit's candidate is dropped.
    """

    zoneout_h: float
    zoneout_c: float
    candidate: float


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
        self._noise = Noise(
            check_probability("zoneout", pair[0]),
            check_probability("zoneout", pair[1]),
            check_probability("recurrent_dropout", recurrent_dropout),
        )
        self.recurrent_dropout = self._noise.candidate
        super().__init__(
            "lstm" if self._lstm else "gru",
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
        )

    @property
    def _cell(self) -> _core.Cell:
        kind = "layer_norm_" if self.layer_norm else "zoneout_" if self._is_noisy else ""
        return _core.cells()[kind + ("lstm" if self._lstm else "gru")]

    @property
    def _is_noisy(self) -> bool:
        return any(vars(self._noise).values())

    @property
    def _zoneout(self) -> tuple[float, float]:
        return self._noise.zoneout_h, self._noise.zoneout_c if self._lstm else 0.0

    def _initialise(self) -> None:
        super()._initialise()
        for name, parameter in self._parameters.items():
            if name.startswith(_GAINS):
                parameter.assign(np.ones(parameter.shape))
            elif name.startswith("bias_c"):
                parameter.assign(np.zeros(parameter.shape))

    def _dropout_seed(self) -> int | None:
        drawn = super()._dropout_seed()
        if drawn is None and self.training and self._is_noisy:
            return int(self._rng.integers(2**63))
        return drawn

    def _drawn(
        self, seed: int | None, layers: int, directions: int, steps: int, batch: int
    ) -> tuple[Masks | None, int | None]:
        if seed is None or not self._is_noisy:
            return None, seed
        rng = np.random.default_rng(seed)
        shape = (steps, batch, self.hidden_size)
        rates = (*self._zoneout, self._noise.candidate)
        keep_h, keep_c, drop = (
            np.empty((layers * directions, *shape), self.dtype) if rate > 0 else None
            for rate in rates
        )
        between = 0
        for place in range(layers * directions):
            for mask, rate in ((keep_h, rates[0]), (keep_c, rates[1])):
                if mask is not None:
                    mask[place] = rng.random(shape) < rate
            if drop is not None:
                ones = np.ones(shape, self.dtype)
                drop[place] = _core.dropout(ones, rates[2], int(rng.integers(2**63)))
            if (place + 1) % directions == 0:  # drawn after each layer, as seeds always did
                drawn = int(rng.integers(2**63))
                between = between or drawn
        return (keep_h, keep_c, drop), between
