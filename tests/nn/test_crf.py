"""The conditional random field against all paths, the reference, and central differences."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import rnnfast as rf
import rnnfast.reference as ref
from gradcheck import assert_gradients
from rnnfast.nn.crf import Constraints
from spoiled import spoil

Array = npt.NDArray[Any]

TOLERANCE = {"float32": 2e-6, "float64": 1e-12}


def make(
    num_tags: int, dtype: str = "float64", *, scale: float = 1.0, constrained: bool = False
) -> tuple[rf.CRF, np.random.Generator]:
    rng = np.random.default_rng(num_tags)
    constraints = None
    if constrained:
        allowed = rng.random((num_tags, num_tags)) < 0.6
        allowed[:, 0] = True  # a way on from every tag
        constraints = Constraints(
            np.arange(num_tags) != 1, allowed, np.arange(num_tags) != num_tags - 1
        )
    crf = rf.CRF(num_tags, constraints=constraints, dtype=dtype, seed=0)
    for parameter in crf.parameters().values():
        parameter.assign(rng.normal(scale=scale, size=parameter.shape))
    return crf, rng


def all_paths(crf: rf.CRF, emissions: Array) -> tuple[list[tuple[int, ...]], Array]:
    """Every path of one sequence that is allowed, and its score in float64."""
    start, transitions, end = (a.astype("float64") for a in crf.state_dict().values())
    if crf.constraints is not None:
        start[~crf.constraints.start] = -math.inf
        transitions[~crf.constraints.transitions] = -math.inf
        end[~crf.constraints.end] = -math.inf
    steps = len(emissions)
    paths, scores = [], []
    for path in itertools.product(range(crf.num_tags), repeat=steps):
        score = start[path[0]] + end[path[-1]]
        score += sum(float(emissions[t, y]) for t, y in enumerate(path))
        score += sum(transitions[i, j] for i, j in itertools.pairwise(path))
        if score > -math.inf:
            paths.append(path)
            scores.append(score)
    return paths, np.array(scores)


def reference_parameters(crf: rf.CRF) -> dict[str, Array]:
    start, transitions, end = (a.astype("float64") for a in crf.state_dict().values())
    return {"A": transitions, "start": start[:, np.newaxis], "end": end[:, np.newaxis]}


@pytest.mark.usefixtures("level")
@pytest.mark.parametrize("constrained", [False, True])
@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize("num_tags", [3, 4])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_against_all_paths(num_tags: int, steps: int, constrained: bool, dtype: str) -> None:
    crf, rng = make(num_tags, dtype, constrained=constrained)
    emissions = rng.normal(scale=2.0, size=(steps, num_tags)).astype(dtype)
    paths, scores = all_paths(crf, emissions)
    probabilities = np.exp(scores - scores.max())
    log_z = math.log(probabilities.sum()) + scores.max()
    probabilities /= probabilities.sum()
    tolerance = TOLERANCE[dtype]

    assert crf.decode(emissions).tolist() == list(paths[int(scores.argmax())])
    marginals = np.zeros((steps, num_tags))
    pairs = np.zeros((num_tags, num_tags))
    for path, probability in zip(paths, probabilities, strict=True):
        marginals[np.arange(steps), path] += probability
        for i, j in itertools.pairwise(path):
            pairs[i, j] += probability
    np.testing.assert_allclose(crf.marginals(emissions), marginals, atol=tolerance)

    number = len(paths) // 2
    targets = np.array(paths[number])
    crf.zero_grad()
    loss, demissions = crf.loss(emissions, targets, reduction="sum")
    assert loss == pytest.approx(log_z - scores[number], rel=tolerance)
    marginals[np.arange(steps), targets] -= 1.0
    for i, j in itertools.pairwise(targets.tolist()):
        pairs[i, j] -= 1.0
    assert demissions is not None and demissions.dtype == dtype
    np.testing.assert_allclose(demissions, marginals, atol=tolerance)
    np.testing.assert_allclose(crf.grads["transitions"], pairs, atol=tolerance)
    np.testing.assert_allclose(crf.grads["start"], marginals[0], atol=tolerance)
    np.testing.assert_allclose(crf.grads["end"], marginals[-1], atol=tolerance)


# Fewer tags than a vector has lanes, exactly so many, one more; several blocks of sequences.
@pytest.mark.usefixtures("level")
@pytest.mark.parametrize(("num_tags", "batch"), [(1, 3), (2, 9), (8, 17), (9, 2), (33, 20)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_against_the_reference(num_tags: int, batch: int, dtype: str) -> None:
    crf, rng = make(num_tags, dtype)
    emissions = rng.normal(scale=2.0, size=(7, batch, num_tags)).astype(dtype)
    targets = rng.integers(num_tags, size=(7, batch))
    lengths = rng.integers(1, 8, batch)
    lengths[0] = 7
    past = np.arange(7)[:, np.newaxis] >= lengths
    emissions[past], targets[past] = np.nan, -1
    parameters = reference_parameters(crf)
    expected = {name: np.zeros(p.shape) for name, p in crf.parameters().items()}
    total = 0.0
    crf.zero_grad()
    loss, demissions = crf.loss(emissions, targets, lengths, reduction="sum")
    decoded, marginals = crf.decode(emissions, lengths), crf.marginals(emissions, lengths)
    assert demissions is not None
    assert (decoded[past] == -1).all() and not demissions[past].any() and not marginals[past].any()
    tolerance = TOLERANCE[dtype]
    for b, n in enumerate(lengths):
        z = emissions[:n, b].T.astype("float64")
        one, cache = ref.crf_loss(z, targets[:n, b], parameters)
        dz, grads = ref.crf_loss_backward(1.0, cache)
        total += one
        np.testing.assert_allclose(demissions[:n, b].T, dz, atol=tolerance)
        np.testing.assert_allclose(marginals[:n, b].T, ref.crf_marginals(cache), atol=tolerance)
        assert decoded[:n, b].tolist() == ref.crf_viterbi(z, parameters)[0].tolist()
        expected["transitions"] += grads["A"]
        expected["start"] += grads["start"][:, 0]
        expected["end"] += grads["end"][:, 0]
    assert loss == pytest.approx(total, rel=tolerance, abs=tolerance)
    for name, gradient in expected.items():
        np.testing.assert_allclose(crf.grads[name], gradient, atol=20 * tolerance)


def test_reference_gradients() -> None:
    rng = np.random.default_rng(1)
    z, y = rng.normal(size=(3, 5)), np.array([0, 2, 2, 1, 0])
    parameters = {
        "A": rng.normal(size=(3, 3)),
        "start": rng.normal(size=(3, 1)),
        "end": rng.normal(size=(3, 1)),
    }
    dz, grads = ref.crf_loss_backward(1.0, ref.crf_loss(z, y, parameters)[1])
    assert_gradients(
        lambda: ref.crf_loss(z, y, parameters)[0], {"z": z, **parameters}, {"z": dz, **grads}
    )
    scaled, _ = ref.crf_loss_backward(-2.0, ref.crf_loss(z, y, parameters)[1])
    np.testing.assert_allclose(scaled, -2.0 * dz)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_gradients_with_weights_and_lengths(reduction: Any) -> None:
    crf, rng = make(4, constrained=True)
    assert crf.constraints is not None
    values = {name: a.copy() for name, a in crf.state_dict().items()}
    emissions = rng.normal(size=(5, 3, 4))
    lengths, weights = np.array([5, 0, 3]), np.array([0.5, 1.0, 2.0])
    targets = crf.decode(emissions, lengths)

    def value() -> float:
        crf.load_state_dict(values)
        return crf.loss(
            emissions, targets, lengths, weights=weights, reduction=reduction, scale=3.0,
            backward=False,
        )[0]  # fmt: skip

    crf.zero_grad()
    loss, demissions = crf.loss(
        emissions, targets, lengths, weights=weights, reduction=reduction, scale=3.0
    )
    assert loss == value()
    assert demissions is not None
    each = [
        crf.loss(emissions[:n, b], targets[:n, b], reduction="sum", backward=False)[0]
        for b, n in ((0, 5), (2, 3))
    ]
    divisor = 0.5 * 5 + 2.0 * 3 if reduction == "mean" else 1.0
    assert loss == pytest.approx(3.0 * (0.5 * each[0] + 2.0 * each[1]) / divisor, rel=1e-13)
    gradients = {name: g.copy() for name, g in crf.grads.items()}
    assert_gradients(value, {"emissions": emissions, **values},
                     {"emissions": demissions, **gradients})  # fmt: skip
    assert not gradients["transitions"][~crf.constraints.transitions].any()


def test_gradients_are_added() -> None:
    crf, rng = make(3)
    emissions, targets = rng.normal(size=(4, 2, 3)), rng.integers(3, size=(4, 2))
    crf.zero_grad()
    crf.loss(emissions, targets)
    once = {name: g.copy() for name, g in crf.grads.items()}
    crf.loss(emissions, targets)
    for name, gradient in crf.grads.items():
        np.testing.assert_array_equal(gradient, 2.0 * once[name])


@pytest.mark.usefixtures("level")
def test_same_bits_for_any_threads_and_neighbours(set_threads: Callable[[int], None]) -> None:
    crf, rng = make(20, "float32")
    emissions = rng.normal(size=(60, 40, 20)).astype("float32")
    targets, lengths = rng.integers(20, size=(60, 40)), rng.integers(0, 61, 40)
    results = []
    for threads in (1, 2, 3):
        set_threads(threads)
        crf.zero_grad()
        loss, demissions = crf.loss(emissions, targets, lengths, reduction="sum")
        assert demissions is not None
        results.append(
            (loss, demissions, crf.decode(emissions, lengths), *map(np.copy, crf.grads.values()))
        )
    for result in results[1:]:
        for a, b in zip(results[0], result, strict=True):
            np.testing.assert_array_equal(a, b)
    n = int(lengths[5])
    alone = crf.loss(emissions[:n, 5:6], targets[:n, 5:6], reduction="sum")[1]
    np.testing.assert_array_equal(alone, results[0][1][:n, 5:6])


@pytest.mark.parametrize("size", [1e3, 1e6])
def test_scores_of_any_size(size: float) -> None:
    """No sum vanishes, however far the scores are apart."""
    crf, rng = make(3, scale=size)
    emissions = rng.normal(scale=size, size=(4, 3))
    paths, scores = all_paths(crf, emissions)
    log_z = math.log(np.exp(scores - scores.max()).sum()) + scores.max()
    worst = paths[int(scores.argmin())]
    loss, demissions = crf.loss(emissions, np.array(worst), reduction="sum")
    assert loss == pytest.approx(log_z - scores.min(), rel=1e-13)
    assert demissions is not None and np.isfinite(demissions).all()
    assert crf.decode(emissions).tolist() == list(paths[int(scores.argmax())])


def test_the_likeliest_tag_may_lead_nowhere() -> None:
    """A tag ahead by e^1000 that nothing may follow leaves the sums to the others."""
    crf = rf.CRF(
        3,
        constraints=Constraints(
            np.ones(3, bool), np.array([[False] * 3, [True] * 3, [True] * 3]), np.ones(3, bool)
        ),
        dtype="float64",
        seed=0,
    )
    emissions = np.zeros((3, 3))
    emissions[0] = [1000.0, 0.0, 1.0]
    paths, scores = all_paths(crf, emissions)
    probabilities = np.exp(scores - scores.max())
    probabilities /= probabilities.sum()
    pairs = np.zeros((3, 3))
    for path, probability in zip(paths, probabilities, strict=True):
        for i, j in itertools.pairwise(path):
            pairs[i, j] += probability
    targets = np.array([1, 2, 1])
    crf.zero_grad()
    loss, _ = crf.loss(emissions, targets, reduction="sum")
    assert loss == pytest.approx(-math.log(probabilities[paths.index((1, 2, 1))]), rel=1e-12)
    pairs[1, 2] -= 1.0
    pairs[2, 1] -= 1.0
    np.testing.assert_allclose(crf.grads["transitions"], pairs, atol=1e-12)


def test_strided_emissions() -> None:
    crf, rng = make(4)
    whole = rng.normal(size=(3, 6, 8))
    view = whole.transpose(1, 0, 2)[:, :, ::2]
    np.testing.assert_array_equal(crf.decode(view), crf.decode(view.copy()))
    np.testing.assert_array_equal(crf.marginals(view), crf.marginals(view.copy()))


def test_empty_batches_and_sequences() -> None:
    crf, _ = make(3)
    assert crf.decode(np.zeros((4, 0, 3))).shape == (4, 0)
    assert crf.decode(np.zeros((0, 2, 3))).shape == (0, 2)
    assert crf.marginals(np.zeros((0, 2, 3))).shape == (0, 2, 3)
    loss, demissions = crf.loss(
        np.zeros((2, 1, 3)), np.zeros((2, 1), int), np.array([0]), reduction="sum"
    )
    assert loss == 0.0
    assert demissions is not None and not demissions.any()
    assert not any(g.any() for g in crf.grads.values())


def test_bio_constraints() -> None:
    rules = Constraints.bio(["O", "B-PER", "I-PER", "B-LOC", "I-LOC"])
    assert rules.start.tolist() == [True, True, False, True, False]
    assert rules.end.all()
    expected = np.ones((5, 5), bool)
    expected[:, 2] = [False, True, True, False, False]
    expected[:, 4] = [False, False, False, True, True]
    np.testing.assert_array_equal(rules.transitions, expected)
    with pytest.raises(ValueError, match=r"^labels: expected O, B-\.\.\. or I-\.\.\., got 'NOUN'$"):
        Constraints.bio(["O", "NOUN"])


def test_decoding_keeps_to_the_constraints() -> None:
    labels = ["O", "B-X", "I-X", "B-Y", "I-Y"]
    crf = rf.CRF(5, constraints=Constraints.bio(labels), seed=0)
    emissions = np.zeros((3, 5), "float32")
    emissions[:, 2] = 9.0  # I-X, which cannot come first
    emissions[1, 4] = 12.0
    tags = [labels[t] for t in crf.decode(emissions)]
    assert tags == ["B-Y", "I-Y", "I-Y"] or tags == ["B-X", "I-X", "I-X"]
    assert crf.marginals(emissions)[0, [2, 4]].tolist() == [0.0, 0.0]


def test_state_and_repr() -> None:
    crf = rf.CRF(3, seed=1)
    other = rf.CRF(3, seed=2)
    other.load_state_dict(crf.state_dict())
    for name, array in crf.state_dict().items():
        np.testing.assert_array_equal(other.state_dict()[name], array)
    assert list(crf.state_dict()) == ["start", "transitions", "end"]
    assert repr(crf) == "CRF(3)"
    rules = Constraints.bio(["B-x", "I-x", "O"])
    ruled = rf.CRF(3, constraints=rules)
    assert "array" in repr(ruled)  # by which it can be made again
    assert "CRF(3, constraints=...)" in str(ruled.summary())
    assert all((abs(a) <= 0.1).all() and a.any() for a in crf.state_dict().values())


E = np.zeros((4, 2, 3), "float32")
Y = np.zeros((4, 2), int)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([[0.0]], Y), TypeError, "emissions: expected a NumPy array, got list"),
        (
            (E.astype("float64"), Y),
            TypeError,
            r"emissions: expected dtype float32, got float64; "
            r'use emissions\.astype\(np\.float32\), or a layer of dtype="float64"',
        ),
        (
            (E[..., :2], Y),
            ValueError,
            r"emissions: expected shape \(T, B, 3\) or \(T, 3\), got \(4, 2, 2\)",
        ),
        ((E, Y[:3]), ValueError, r"targets: expected shape \(4, 2\), got \(3, 2\)"),
        ((E, Y + 0.5), TypeError, "targets: expected integers, got dtype float64"),
        (
            (E, Y + 3),
            ValueError,
            "targets: expected tags from 0 to 2, got 3 at step 0 of sequence 0",
        ),
        ((E, Y, [4]), ValueError, r"lengths: expected shape \(2,\), got \(1,\)"),
        ((E, Y, [4, 5]), ValueError, "lengths: expected numbers from 0 to 4, got 5"),
        ((E, Y, [4, -1]), ValueError, "lengths: expected numbers from 0 to 4, got -1"),
        ((E, Y, [4.0, 1.0]), TypeError, "lengths: expected integers, got dtype float64"),
        (
            (E[:, 0], Y[:, 0], [4]),
            ValueError,
            "lengths: expected None for a single sequence, got an array",
        ),
        ((E, Y, [0, 0]), ValueError, "weights: expected a positive sum to divide by, got 0"),
        ((E * np.nan, Y), ValueError, "emissions: expected finite numbers, got NaN or infinity"),
    ],
)
def test_errors(arguments: tuple[Any, ...], error: type[Exception], message: str) -> None:
    crf = rf.CRF(3, seed=0)
    crf.zero_grad()
    with pytest.raises(error, match=f"^{message}$"):
        crf.loss(*arguments)
    assert not any(g.any() for g in crf.grads.values())


def test_further_errors() -> None:
    with pytest.raises(ValueError, match=r"^num_tags: expected at least 1, got 0$"):
        rf.CRF(0)
    wrong: Any = "bio"
    with pytest.raises(TypeError, match=r"^constraints: expected Constraints or None, got str$"):
        rf.CRF(3, constraints=wrong)
    with pytest.raises(
        ValueError, match=r"^constraints\.start: expected shape \(2,\), got \(3,\)$"
    ):
        rf.CRF(2, constraints=Constraints.bio(["O", "B-X", "I-X"]))
    ints: Any = np.ones(1, int)
    with pytest.raises(TypeError, match=r"^constraints\.end: expected an array of bool, got int64"):
        rf.CRF(1, constraints=Constraints(np.ones(1, bool), np.ones((1, 1), bool), ints))
    crf = rf.CRF(3, constraints=Constraints.bio(["O", "B-X", "I-X"]), seed=0)
    crf.zero_grad()
    bad = np.array([[0, 0], [1, 2], [2, 0], [0, 0]])
    message = r"^targets: expected allowed tags, sequence 1 breaks the constraints$"
    with pytest.raises(ValueError, match=message):
        crf.loss(E, bad)
    with pytest.raises(ValueError, match=r"^weights: expected shape \(2,\), got \(3,\)$"):
        crf.loss(E, Y, weights=np.ones(3, "float32"))
    with pytest.raises(TypeError, match=r"^weights: expected dtype float32, got float64; "):
        crf.loss(E, Y, weights=np.ones(2))
    none: Any = "none"
    with pytest.raises(ValueError, match=r"^reduction: expected 'sum' or 'mean', got 'none'$"):
        crf.loss(E, Y, reduction=none)
    one_way = Constraints(np.ones(2, bool), np.zeros((2, 2), bool), np.ones(2, bool))
    crf = rf.CRF(2, constraints=one_way, seed=0)
    assert crf.decode(E[:1, :, :2]).shape == (1, 2)
    for call in (crf.decode, crf.marginals):
        with pytest.raises(
            ValueError, match=r"^constraints: expected tags for 4 steps, they leave none$"
        ):
            call(E[..., :2].copy())


def test_parameters_that_are_not_finite() -> None:
    crf = rf.CRF(2, seed=0)
    spoil(crf.parameters()["transitions"], np.full((2, 2), np.nan))
    with pytest.raises(FloatingPointError, match=r"^transitions: expected finite numbers"):
        crf.loss(E[..., :2].copy(), Y)
