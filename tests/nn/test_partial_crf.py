"""The conditional random field where steps have no tag: all paths, reference, differences."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import rnnfast as rf
import rnnfast.reference as ref
from rnnfast.nn.crf import Constraints

Array = npt.NDArray[Any]
NONE = -100
TOLERANCE = {"float32": 2e-6, "float64": 1e-12}


def make(num_tags: int, dtype: str = "float64", *, constrained: bool = False) -> rf.CRF:
    rng = np.random.default_rng(num_tags)
    constraints = None
    if constrained:
        allowed = rng.random((num_tags, num_tags)) < 0.6
        allowed[:, 0] = True  # a way on from every tag
        first, last = np.arange(num_tags) != 1, np.arange(num_tags) != num_tags - 1
        constraints = Constraints(first, allowed, last)
    crf = rf.CRF(num_tags, constraints=constraints, dtype=dtype, seed=0)
    for parameter in crf.parameters().values():
        parameter.assign(rng.normal(scale=2.0, size=parameter.shape))
    return crf


def by_all_paths(crf: rf.CRF, emissions: Array, targets: Array) -> tuple[float, list[Array]]:
    """The loss of one sequence and the gradients of emissions and parameters, path by path."""
    start, transitions, end = (a.astype("float64") for a in crf.state_dict().values())
    rules = crf.constraints
    if rules is not None:
        for values, allowed in zip(
            (start, transitions, end), (rules.start, rules.transitions, rules.end), strict=True
        ):
            values[~allowed] = -math.inf
    steps, k = emissions.shape
    paths = np.array(list(itertools.product(range(k), repeat=steps)))
    scores = start[paths[:, 0]] + end[paths[:, -1]]
    scores = scores + emissions[np.arange(steps), paths].sum(axis=1)
    scores = scores + transitions[paths[:, :-1], paths[:, 1:]].sum(axis=1)
    agree = ((paths == targets) | (targets == NONE)).all(axis=1)
    grads = [np.zeros((steps, k)), np.zeros(k), np.zeros((k, k)), np.zeros(k)]
    sums = []
    for sign, chosen in ((1.0, np.ones(len(paths), bool)), (-1.0, agree)):
        weight = np.exp(scores - scores[chosen].max()) * chosen
        sums.append(math.log(weight.sum()) + scores[chosen].max())
        for path, p in zip(paths, sign * weight / weight.sum(), strict=True):
            grads[0][np.arange(steps), path] += p
            grads[1][path[0]] += p
            np.add.at(grads[2], (path[:-1], path[1:]), p)
            grads[3][path[-1]] += p
    return sums[0] - sums[1], grads


@pytest.mark.usefixtures("level")
@pytest.mark.parametrize("constrained", [False, True])
@pytest.mark.parametrize("num_tags", [2, 3, 4])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_against_all_paths(num_tags: int, constrained: bool, dtype: str) -> None:
    crf = make(num_tags, dtype, constrained=constrained)
    rng = np.random.default_rng(1)
    tolerance = TOLERANCE[dtype]
    for steps in (1, 2, 5):
        emissions = rng.normal(scale=2.0, size=(steps, num_tags)).astype(dtype)
        path = crf.decode(emissions)  # one that is allowed
        for mask in itertools.product([False, True], repeat=steps):
            targets = np.where(mask, NONE, path)
            crf.zero_grad()
            loss, demissions = crf.loss(emissions, targets, reduction="sum")
            expected, grads = by_all_paths(crf, emissions, targets)
            assert loss == pytest.approx(expected, rel=tolerance, abs=10 * tolerance)
            assert demissions is not None and demissions.dtype == dtype
            for got, wanted in zip((demissions, *crf.grads.values()), grads, strict=True):
                np.testing.assert_allclose(got, wanted, atol=10 * tolerance)


@pytest.mark.usefixtures("level")
@pytest.mark.parametrize(("num_tags", "batch"), [(1, 3), (2, 9), (8, 17), (33, 20)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_against_the_reference(num_tags: int, batch: int, dtype: str) -> None:
    crf, rng = make(num_tags, dtype), np.random.default_rng(2)
    emissions = rng.normal(scale=2.0, size=(7, batch, num_tags)).astype(dtype)
    targets = rng.integers(num_tags, size=(7, batch))
    targets[rng.random((7, batch)) < 0.4] = NONE
    targets[:, 0], targets[:, 1] = 0, NONE  # all known, none known
    lengths = rng.integers(1, 8, batch)
    past = np.arange(7)[:, np.newaxis] >= lengths
    emissions[past], targets[past] = np.nan, -1
    weights = rng.uniform(0.5, 2, batch).astype(dtype)
    values = [a.astype("float64") for a in crf.state_dict().values()]
    parameters = {"start": values[0][:, None], "A": values[1], "end": values[2][:, None]}
    total, expected = 0.0, {name: np.zeros(p.shape) for name, p in parameters.items()}
    gradient = np.zeros(emissions.shape)
    for b, length in enumerate(lengths):
        z, y = emissions[:length, b].T.astype("float64"), targets[:length, b].copy()
        y[y == NONE] = -1
        loss, dz, grads = ref.crf_partial_loss(z, y, parameters)
        total += weights[b] * loss
        gradient[:length, b] = weights[b] * dz.T
        for name in expected:
            expected[name] += weights[b] * grads[name]
    crf.zero_grad()
    loss, demissions = crf.loss(emissions, targets, lengths, weights=weights, reduction="sum")
    tolerance = 50 * TOLERANCE[dtype]
    assert loss == pytest.approx(total, rel=tolerance)
    np.testing.assert_allclose(demissions, gradient, atol=tolerance)
    for name, key in (("start", "start"), ("A", "transitions"), ("end", "end")):
        wanted = expected[name].reshape(crf.grads[key].shape)
        np.testing.assert_allclose(crf.grads[key], wanted, atol=tolerance)
    counting = (targets != NONE) & ~past
    mean, _ = crf.loss(emissions, targets, lengths, weights=weights, backward=False)
    assert mean == pytest.approx(total / (counting * weights).sum(), rel=tolerance)


def test_central_differences() -> None:
    crf, rng = make(3), np.random.default_rng(4)
    targets = np.array([[0, NONE], [NONE, NONE], [NONE, 2], [1, NONE]])
    emissions = rng.normal(size=(4, 2, 3))
    weights = np.array([0.5, 2.0])

    def loss() -> float:
        return crf.loss(emissions, targets, weights=weights, reduction="sum", backward=False)[0]

    crf.zero_grad()
    _, demissions = crf.loss(emissions, targets, weights=weights, reduction="sum")
    assert demissions is not None
    pairs = {"emissions": (emissions, demissions)}
    pairs |= {n: (p.data, crf.grads[n].copy()) for n, p in crf.parameters().items()}
    for name, (values, gradient) in pairs.items():
        for place in np.ndindex(values.shape):
            sides = []
            for step in (1e-5, -1e-5):
                before = values[place]
                if name == "emissions":
                    values[place] = before + step
                    sides.append(loss())
                    values[place] = before
                else:
                    changed = crf.parameters()[name].data.copy()
                    changed[place] += step
                    kept = crf.parameters()[name].data.copy()
                    crf.parameters()[name].assign(changed)
                    sides.append(loss())
                    crf.parameters()[name].assign(kept)
            assert gradient[place] == pytest.approx((sides[0] - sides[1]) / 2e-5, abs=1e-8), name


@pytest.mark.usefixtures("level")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_others_have_no_tags_changes_no_bit(dtype: str) -> None:
    crf, rng = make(5, dtype), np.random.default_rng(0)
    emissions = rng.normal(size=(6, 9, 5)).astype(dtype)
    targets = rng.integers(5, size=(6, 9))
    _, whole = crf.loss(emissions, targets, reduction="sum")
    targets[2, ::2] = NONE
    _, partial = crf.loss(emissions, targets, reduction="sum")
    assert whole is not None and partial is not None
    np.testing.assert_array_equal(partial[:, 1::2], whole[:, 1::2])
    assert (partial[:, ::2] != whole[:, ::2]).any()


def test_a_sequence_without_tags_counts_for_nothing() -> None:
    crf, rng = make(4), np.random.default_rng(0)
    emissions = 50 * rng.normal(size=(6, 3, 4))
    targets = np.full((6, 3), NONE)
    crf.zero_grad()
    loss, gradient = crf.loss(emissions, targets, reduction="sum")
    assert loss == 0 and not np.any(gradient)
    assert not any(g.any() for g in crf.grads.values())
    with pytest.raises(ValueError, match=r"^weights: expected a positive sum to divide by, got 0$"):
        crf.loss(emissions, targets)


def test_extreme_scores_give_no_nan() -> None:
    crf = make(3)
    emissions = np.array([[1e300, -1e300, 0.0], [-1e300, 1e5, -1e5], [0.0, 0.0, 1e300]])
    crf.zero_grad()
    loss, gradient = crf.loss(emissions, np.array([1, NONE, 2]), reduction="sum")
    assert loss == pytest.approx(2e300) and np.isfinite(gradient).all()
    assert all(np.isfinite(g).all() for g in crf.grads.values())


def test_what_is_refused() -> None:
    rules = Constraints(np.array([True, False]), np.array([[True, False], [True, True]]),
                        np.array([True, True]))  # fmt: skip
    crf, emissions = rf.CRF(2, constraints=rules), np.zeros((3, 2, 2), np.float32)
    with pytest.raises(
        ValueError, match=r"^targets: expected allowed tags, sequence 1 breaks the constraints$"
    ):
        crf.loss(emissions, [[0, NONE], [NONE, NONE], [0, 1]])  # no way to 1
    assert not any(g.any() for g in crf.grads.values())
    with pytest.raises(ValueError, match=r"^targets: expected tags from 0 to 1, got -1 at step 1 "):
        crf.loss(emissions, [[0, 0], [-1, 0], [0, NONE]])
    with pytest.raises(ValueError, match=r"^targets: expected tags from 0 to 1, got -100 at step"):
        crf.loss(emissions, [[0, 0], [NONE, 0], [0, 0]], ignore_index=-7)
    with pytest.raises(TypeError, match=r"^ignore_index: expected an int"):
        crf.loss(emissions, [[0, 0], [0, 0], [0, 0]], ignore_index=None)  # type: ignore[arg-type]
    loss, _ = crf.loss(emissions, [[0, 0], [-7, 0], [0, 0]], ignore_index=-7)
    assert math.isfinite(loss)
