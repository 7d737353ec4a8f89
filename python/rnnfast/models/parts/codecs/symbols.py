"""Symbols that a longer sequence says, without knowing where: what CTC learns."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from rnnfast._checks import among, check_bool, check_list
from rnnfast._checks.messages import shown
from rnnfast.data.batches import Ints
from rnnfast.generation.ctc import ctc_greedy
from rnnfast.metrics import edit_distance
from rnnfast.models.parts.codecs.base import Read
from rnnfast.models.parts.codecs.texts import WHAT, TextCodec
from rnnfast.models.parts.fitting.examples import (
    ExampleBatch,
    Examples,
    own_scoring_batches,
    pad_batch,
    pick,
    scoring_batches,
    weights_of,
)
from rnnfast.models.parts.fitting.warm_start import Axes, axes_of_rows
from rnnfast.models.parts.networks.encoder_network import EncoderNetwork
from rnnfast.models.parts.reading.extension import require_extendable
from rnnfast.models.parts.reading.inputs import Inputs
from rnnfast.models.parts.reading.lists import as_list
from rnnfast.models.parts.reading.sequences import Sequences, lengths_of
from rnnfast.models.parts.reading.weights import Weights
from rnnfast.nn.ctc import ctc_loss, needed_steps
from rnnfast.nn.module import Array
from rnnfast.text._tokens import require_strings
from rnnfast.training.ranks import measuring_ranks


@dataclass(frozen=True, eq=False)
class SymbolCodec(TextCodec):
    """Symbols by number, sorted, which a sequence says in their order.

    `impossible` is what becomes of a sequence with fewer steps than its symbols need: ``"error"``
    or ``"skip"``; `skipped` are those of training.
    """

    impossible: str = "error"
    symbols: tuple[str, ...] = ()
    skipped: tuple[int, ...] = ()
    _told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not among(self.impossible, ("error", "skip")):
            raise ValueError(
                f"impossible: expected 'error' or 'skip', got {shown(self.impossible)}"
            )

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(self._told)

    def begin(
        self, read: Read, X: Any, y: Any, held_out: bool
    ) -> tuple[SymbolCodec, Sequences, Any]:
        codec, sequences, targets = super().begin(read, X, y, held_out)
        return codec._skipping(sequences, targets), sequences, targets

    def begin_again(
        self, read: Read, X: Any, y: Any, held_out: bool, extend: bool
    ) -> tuple[SymbolCodec, Sequences, Any]:
        codec, sequences, targets = super().begin_again(read, X, y, held_out, extend)
        return codec._skipping(sequences, targets), sequences, targets

    def _skipping(self, sequences: Sequences, targets: list[list[str]]) -> SymbolCodec:
        if self.impossible == "error":
            return replace(self, skipped=())
        skipped = _impossible(sequences, targets)
        if len(skipped) == len(targets):
            raise ValueError("y: expected symbols that fit the steps of X, got none that do")
        return replace(self, skipped=self._tell("y", skipped))

    def _tell(self, name: str, skipped: tuple[int, ...]) -> tuple[int, ...]:
        if skipped:
            places = ", ".join(f"{name}[{number}]" for number in skipped[:10])
            more = "" if len(skipped) <= 10 else f" and {len(skipped) - 10} more"
            self._told.append(f"skipped, too short for their symbols: {places}{more}")
        return skipped

    def counting(self, targets: list[list[str]], weights: Any) -> Ints:
        counting: Ints = np.setdiff1d(super().counting(targets, weights), self.skipped)
        if not len(counting):
            raise ValueError("sample_weight: expected one that counts and is not skipped, got none")
        return counting

    def read_valid(self, read: Read, valid: Any) -> tuple[Sequences, Any]:
        sequences, targets = super().read_valid(read, valid)
        skipped = () if self.impossible == "error" else _impossible(sequences, targets)
        kept = np.setdiff1d(np.arange(len(targets)), self._tell("y of valid", skipped))
        if not len(kept):
            raise ValueError("y of valid: expected symbols that fit the steps of X, got none")
        return pick(sequences, kept), pick(targets, kept)

    def survey(self, y: Any, targets: list[list[str]]) -> SymbolCodec:
        """Take the symbols, also those that only what is held out has."""
        symbols = sorted({symbol for tokens in targets for symbol in tokens})
        if not symbols:
            raise ValueError("y: expected sequences with something in them, got empty ones only")
        text = isinstance(as_list("y", y, WHAT)[0], str)
        return replace(self, writes_text=text, symbols=tuple(symbols))

    def learn(self, targets: list[list[str]], weights: Weights | None = None) -> SymbolCodec:
        """Return this: all is known."""
        return self

    def survey_again(self, targets: list[list[str]], extend: bool) -> SymbolCodec:
        said = {symbol for tokens in targets for symbol in tokens}
        new = sorted(said.difference(self.symbols))
        require_extendable("y", new, "symbols", extend)
        return replace(self, symbols=tuple(sorted([*self.symbols, *new])))

    def axes(self) -> Axes:
        return axes_of_rows("output", [*self.symbols, None])

    def encode(self, name: str, targets: list[list[str]], x: Sequence[Array]) -> list[Ints]:
        """Return the numbers of symbols, -1 for those that training has not seen.

        ValueError if they do not fit their encoded sequence.
        """
        place = {symbol: number for number, symbol in enumerate(self.symbols)}
        y: list[Ints] = []
        for number, (tokens, length) in enumerate(zip(targets, lengths_of(x), strict=True)):
            ids = np.array([place.get(token, -1) for token in tokens], np.int64)
            needed = _needed(tokens)
            if needed > length and self.impossible == "error":
                raise ValueError(
                    f"{name}[{number}]: expected symbols that fit {length} steps, got "
                    f"{len(ids)} that need {needed} with the blanks between equal ones"
                )
            y.append(ids)
        return y

    def unseen(self, targets: list[list[str]]) -> list[str]:
        new = [[t for t in tokens if t not in self.symbols] for tokens in targets]
        return [symbols[0] for symbols in new if symbols]

    def to_measure(self, suffix: str, targets: Any, examples: Examples) -> Examples:
        """Return the examples, if one of them has a loss."""
        if not any((own >= 0).all() for own in examples.y):
            raise ValueError(
                f"y{suffix}: expected some of the {len(self.symbols)} symbols in training to "
                f"validate on, got {shown(self.unseen(targets)[0])}"
            )
        return examples

    def measures(self) -> tuple[str, ...]:
        return ("loss", "error_rate")

    def batch(self, examples: Examples, chosen: Ints) -> ExampleBatch:
        x, lengths = pad_batch(examples.x, chosen)
        return ExampleBatch(x, lengths, pick(examples.y, chosen), weights_of(examples, chosen))

    def decode(
        self,
        network: EncoderNetwork,
        x: Sequence[Array],
        search: Callable[[Array, Ints], list[Any]],
    ) -> list[Any]:
        """Return what a function of scores ``(T, B, K)`` and lengths makes of encoded sequences."""
        found: list[Any] = [None] * len(x)
        for chosen, padded, lengths in scoring_batches(x):
            each = search(network.scores(padded, lengths), lengths)
            for number, one in zip(chosen.tolist(), each, strict=True):
                found[number] = one
        return found

    def best_path(self, scores: Array, lengths: Ints) -> list[list[str]]:
        """Return the symbols of the likeliest class of each step."""
        best = ctc_greedy(scores, lengths, blank=len(self.symbols))
        return [[self.symbols[k] for k in symbols] for symbols in best]

    def figures(self, network: EncoderNetwork, examples: Examples) -> dict[str, float]:
        blank = len(self.symbols)
        loss = terms = errors = count = 0.0
        for chosen, x, lengths in own_scoring_batches(examples.x):
            scores = network.scores(x, lengths)
            y, weights = pick(examples.y, chosen), weights_of(examples, chosen)
            known = np.flatnonzero(
                [
                    (own >= 0).all() and _needed(own) <= length
                    for own, length in zip(y, lengths, strict=True)
                ]
            )
            given = None if weights is None else weights[known].astype(scores.dtype)
            options: dict[str, Any] = {"weights": given, "reduction": "sum", "backward": False}
            if len(known):
                part, said_by = scores[:, known], pick(y, known)
                loss += ctc_loss(part, said_by, lengths[known], blank=blank, **options)[0]
            best = ctc_greedy(scores, lengths, blank=blank)
            each = np.ones(len(y)) if weights is None else weights
            for true, said, weight in zip(y, best, each.tolist(), strict=True):
                errors += weight * edit_distance(true.tolist(), said.tolist())
                count += weight * len(true)
            terms += float(each[known].sum())
        loss, terms, errors, count = measuring_ranks().total(loss, terms, errors, count)
        loss = loss / terms if terms else math.nan
        return {"valid_loss": loss, "valid_error_rate": errors / (count or 1.0)}

    def baseline(self, examples: Examples) -> float:
        """Return the loss of equal chances on the longest sequence."""
        return int(lengths_of(examples.x).max()) * math.log(len(self.symbols) + 1)

    def to_dict(self) -> dict[str, Any]:
        return {"writes_text": self.writes_text, "symbols": list(self.symbols)}

    def restore(self, learned: Mapping[str, Any], inputs: Inputs) -> SymbolCodec:
        symbols = check_list("symbols", learned["symbols"], "str")
        require_strings("symbols", symbols)
        if not symbols or len(set(symbols)) < len(symbols):
            raise ValueError(f"symbols: expected different ones, got {shown(symbols)}")
        text = check_bool("writes_text", learned["writes_text"])
        return replace(self, writes_text=text, symbols=tuple(symbols))


def _needed(symbols: Any) -> int:
    """Return how many steps the shortest path of one target has."""
    ids = np.unique(symbols, return_inverse=True)[1]
    return int(needed_steps(ids, np.array([len(ids)]))[0])


def _impossible(sequences: Sequences, targets: list[list[str]]) -> tuple[int, ...]:
    """Return the numbers of the sequences that are too short for what they are to say."""
    pairs = zip(sequences, targets, strict=True)
    return tuple(n for n, (x, y) in enumerate(pairs) if _needed(y) > len(x))
