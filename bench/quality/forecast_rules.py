"""Rules by which forecasts may be averaged, compared on those that `forecast_averages.py` stored.

A part of a series is a mapping, as `forecast_averages.answers` returns it. Of the M forecasts the
first is the best choice's, with the network; those of its companions follow, then the last number
and the season before, which is the last number again of a series in which none was found.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from rnnfast.metrics import rmse

Part = Mapping[str, np.ndarray]
Rule = Callable[[Part], np.ndarray]


def validated(part: Part) -> np.ndarray:
    """Return the errors ``(M,)`` on the validation windows, as the choice is made by them."""
    squares = np.diagonal(part["products"], axis1=1, axis2=2)
    found: np.ndarray = np.sqrt(squares).mean(axis=0)
    return found


def weights(part: Part, power: float, naive: float = 0.0, naive_power: float = 0.0) -> np.ndarray:
    """Return weights ``(M,)`` that fall as a power of errors; the naive one's times a share."""
    errors = validated(part)
    least = errors[0]
    if least == 0:
        return np.eye(len(errors))[0]
    ratio = least / np.maximum(errors, least)
    found = ratio**power
    kept = ratio[-1] ** 3 >= 1 / 6
    found[-2:] = 0.0, kept * naive * ratio[-1] ** (naive_power or power)
    return found


def mean(part: Part, shares: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.tensordot(shares / shares.sum(), part["made"], 1)
    return found


def by_power(power: float, naive: float = 0.0, naive_power: float = 0.0) -> Rule:
    return lambda part: mean(part, weights(part, power, naive, naive_power))


def in_the_middle(naive: bool, cut: bool) -> Rule:
    """Return the median, or the mean without the largest and the least."""

    def rule(part: Part) -> np.ndarray:
        made = np.sort(part["made"][weights(part, 3, float(naive)) > 0], axis=0)
        if not cut:
            middle: np.ndarray = np.median(made, axis=0)
            return middle
        return np.asarray((made[1:-1] if len(made) > 2 else made).mean(axis=0))

    return rule


def shrunk(share: float | None) -> Rule:
    """Return a mean of which a share is naive; None: that of least squares on the validation."""

    def rule(part: Part) -> np.ndarray:
        own, naive = weights(part, 5), np.eye(len(part["made"]))[-1]
        own, found = own / own.sum(), share
        if found is None:
            size = np.trace(part["products"], axis1=1, axis2=2)[:, np.newaxis, np.newaxis]
            products = (part["products"] / np.where(size > 0, size, 1)).sum(axis=0)
            apart = naive - own
            length = apart @ products @ apart
            found = np.clip(-(own @ products @ apart) / length, 0, 1) if length > 0 else 0.0
        return mean(part, (1 - found) * own + found * naive)

    return rule


RULES: dict[str, Rule] = {
    "as the model averages": lambda part: part["averaged"],
    "best alone": lambda part: part["made"][0],
    "power 5": by_power(5),
    "power 3": by_power(3),
    "power 2": by_power(2),
    "power 5, naive": by_power(5, 1.0),
    "power 3, naive": by_power(3, 1.0),
    "power 2, naive": by_power(2, 1.0),
    "power 5, naive half": by_power(5, 0.5),
    "power 3, naive half": by_power(3, 0.5),
    "power 2, naive half": by_power(2, 0.5),
    "power 3, naive quarter": by_power(3, 0.25),
    "power 2, naive half, its power 5": by_power(2, 0.5, 5),
    "power 5, a tenth naive": shrunk(0.1),
    "power 5, a fifth naive": shrunk(0.2),
    "power 5, naive by least squares": shrunk(None),
    "median": in_the_middle(naive=False, cut=False),
    "median, naive": in_the_middle(naive=True, cut=False),
    "trimmed": in_the_middle(naive=False, cut=True),
    "trimmed, naive": in_the_middle(naive=True, cut=True),
}


def compare(kinds: Mapping[str, list[Part]]) -> None:
    """Print each rule's error as a share of the naive one, and how often it is above 1."""
    sizes = ", ".join(f"{kind} ({len(parts)} parts)" for kind, parts in kinds.items())
    print(f"of the naive error in the geometric mean, and how many lose to it: {sizes}")
    for name, rule in RULES.items():
        told = []
        for parts in kinds.values():
            found = np.array([rmse(one["true"], rule(one)) / one["naive"] for one in parts])
            told.append(f"{np.exp(np.log(found).mean()):.4f} {(found > 1).mean():6.1%}")
        print(f"  {name:34}{'    '.join(told)}", flush=True)
