"""The output layer of a language model: a softmax over all tokens, or an adaptive one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from rnnfast._checks import among, check_bool
from rnnfast._checks.messages import shown
from rnnfast.nn.adaptive import AdaptiveSoftmax, check_cutoffs
from rnnfast.nn.linear import Linear
from rnnfast.nn.losses import linear_cross_entropy, log_softmax, softmax
from rnnfast.nn.module import Array
from rnnfast.text.vocabulary import Vocabulary

TokenOutput: TypeAlias = Linear | AdaptiveSoftmax

# Shares of a text that the tokens below each cutoff make up, if the user does not say.
_SHARES = (0.8, 0.95)


@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """Which output layer, as `LanguageModel` has it."""

    output: str
    cutoffs: Sequence[int] | None
    tie_weights: bool
    label_smoothing: float
    mixed_precision: bool
    dtype: str

    def __post_init__(self) -> None:
        if not among(self.output, ("full", "adaptive")):
            raise ValueError(f"output: expected 'full' or 'adaptive', got {shown(self.output)}")
        if check_bool("mixed_precision", self.mixed_precision):
            for name, expected in (("output", "full"), ("dtype", "float32")):
                if (got := getattr(self, name)) != expected:
                    raise ValueError(
                        f"mixed_precision: expected False with {name}={got!r}, got True"
                    )
        if self.output == "full":
            if self.cutoffs is not None:
                raise ValueError(
                    f"cutoffs: expected None with output='full', got {shown(self.cutoffs)}"
                )
            return
        if self.cutoffs is not None:
            check_cutoffs("cutoffs", self.cutoffs, None)
        if self.tie_weights:
            raise ValueError(
                "tie_weights: expected False with output='adaptive', whose rare tokens have fewer "
                "numbers than an embedding, got True"
            )
        if self.label_smoothing:
            raise ValueError(
                "label_smoothing: expected 0 with output='adaptive', whose loss does not score all "
                f"tokens, got {self.label_smoothing:g}"
            )

    def cut(self, vocabulary: Vocabulary) -> tuple[int, ...] | None:
        """Return the cutoffs of an adaptive softmax over a vocabulary; None of the full one.

        Raises
        ------
        ValueError
            If the tokens are not in the order of their frequency, or the cutoffs do not fit.
        """
        if self.output == "full":
            return None
        _require_frequent_first(vocabulary)
        if self.cutoffs is None:
            return choose_cutoffs(vocabulary)
        return check_cutoffs("cutoffs", self.cutoffs, len(vocabulary))


def _require_frequent_first(vocabulary: Vocabulary) -> None:
    """Raise ValueError unless tokens, but special ones, come after all that are more frequent."""
    specials = [
        n for n in (vocabulary.pad_id, vocabulary.unk_id, vocabulary.eos_id) if n is not None
    ]
    counts = np.delete(vocabulary.counts, specials)
    if (np.diff(counts) > 0).any():
        raise ValueError(
            "output: expected 'full' where the tokens of a tokenizer are not in the order of their "
            "frequency in the text, got 'adaptive'"
        )


def choose_cutoffs(vocabulary: Vocabulary) -> tuple[int, ...]:
    """Return cutoffs below which tokens make up 80 and 95 of 100 in the text; one of few tokens."""
    most = len(vocabulary) - 1
    if most < 1:
        raise ValueError("output: expected 'full' with a vocabulary of one token, got 'adaptive'")
    shares = np.cumsum(vocabulary.counts) / max(1, vocabulary.counts.sum())
    found = [min(max(1, int(np.searchsorted(shares, share)) + 1), most) for share in _SHARES]
    return tuple(dict.fromkeys(found))


def make_output(
    in_features: int,
    num_tokens: int,
    cutoffs: tuple[int, ...] | None,
    dtype: str,
    rng: np.random.Generator,
) -> TokenOutput:
    """Return a new output layer, the full one without ``cutoffs``."""
    if cutoffs is None:
        return Linear(in_features, num_tokens, dtype=dtype, seed=rng)
    return AdaptiveSoftmax(in_features, num_tokens, cutoffs, dtype=dtype, seed=rng)


def token_loss(
    output: TokenOutput,
    h: Array,
    targets: Array,
    *,
    weights: Array | None = None,
    label_smoothing: float = 0.0,
    backward: bool = True,
    mixed_precision: bool = False,
) -> tuple[float, Array | None]:
    """Return the summed loss of rows and, with ``backward``, the gradient of ``h``.

    Takes what `linear_cross_entropy` takes, and adds to the gradients as that does.
    """
    if isinstance(output, AdaptiveSoftmax):
        return output.loss(h, targets, weights=weights, reduction="sum", backward=backward)
    return linear_cross_entropy(
        output,
        h,
        targets,
        weights=weights,
        label_smoothing=label_smoothing,
        reduction="sum",
        backward=backward,
        mixed_precision=mixed_precision,
    )


def token_probabilities(output: TokenOutput, h: Array) -> Array:
    """Return the probability of every token ``(..., V)`` after outputs ``h`` of the layers."""
    if isinstance(output, AdaptiveSoftmax):
        return softmax(output.log_prob(h))  # which rounds them to a sum of 1
    return softmax(output(h))


def token_log_probabilities(output: TokenOutput, h: Array) -> Array:
    """Return their logarithms."""
    if isinstance(output, AdaptiveSoftmax):
        return output.log_prob(h)
    return log_softmax(output(h))
