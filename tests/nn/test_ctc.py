"""The CTC loss against all alignments, its definition and PyTorch; decoding against all labels."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest

import rnnfast as rf
from gradcheck import assert_gradients
from rnnfast import reference

TOLERANCE = {"float32": 2e-5, "float64": 1e-12}


def labelling(path, blank=0):
    """What a path stands for: equal neighbours merged, blanks removed."""
    return tuple(k for k, _ in itertools.groupby(path) if k != blank)


def all_labellings(logits, blank=0):
    """The probability of each labelling of one sequence (T, V), path by path."""
    p = np.exp(logits - np.logaddexp.reduce(logits, axis=1)[:, np.newaxis])
    found = {}
    for path in itertools.product(range(logits.shape[1]), repeat=len(logits)):
        probability = np.prod([p[t, k] for t, k in enumerate(path)])
        label = labelling(path, blank)
        found[label] = found.get(label, 0.0) + probability
    return found


def ragged_batch(rng, dtype, blank=0):
    """Scores of 7 sequences of different lengths, and targets that fit them."""
    lengths = np.array([9, 4, 1, 12, 6, 0, 12])
    targets = [[1, 2, 2], [3, 3], [], [1, 2, 3, 4, 1, 1], [2], [], [4, 3, 4]]
    targets = [[(k + blank) % 5 for k in row] for row in targets]
    logits = rng.normal(scale=2.0, size=(12, 7, 5)).astype(dtype)
    return logits, targets, lengths


# The loss


@pytest.mark.usefixtures("level")
@pytest.mark.parametrize("blank", [0, 2])
def test_loss_is_the_sum_over_all_paths(blank):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(5, 1, 3))
    probabilities = all_labellings(logits[:, 0], blank)
    assert sum(probabilities.values()) == pytest.approx(1.0, abs=1e-12)
    for target, probability in probabilities.items():
        loss, _ = rf.ctc_loss(logits, [target], blank=blank, backward=False)
        assert np.exp(-loss) == pytest.approx(probability, rel=1e-12)
        assert reference.ctc(logits[:, 0].T, target, blank)[0] == pytest.approx(loss, rel=1e-12)


@pytest.mark.usefixtures("level")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("blank", [0, 4])
def test_ragged_batch_against_the_definition(set_threads, dtype, blank):
    logits, targets, lengths = ragged_batch(np.random.default_rng(1), dtype, blank)
    weights = np.array([1.0, 0.5, 2.0, 1.0, 0.0, 1.0, 3.0], dtype)
    want_loss, want = 0.0, np.zeros(logits.shape)
    for b, (steps, target) in enumerate(zip(lengths, targets, strict=True)):
        loss, cache = reference.ctc(logits[:steps, b].T.astype("float64"), target, blank)
        want_loss += weights[b] * loss
        want[:steps, b] = weights[b] * cache.dz.T
    # What lies past a length is never read.
    logits[np.arange(12)[:, np.newaxis] >= lengths] = np.nan
    results = []
    for threads in (1, 2):
        set_threads(threads)
        results.append(
            rf.ctc_loss(
                logits, targets, lengths, blank=blank, weights=weights, reduction="sum", scale=1.5
            )
        )
    (loss, dlogits), (loss_two, dlogits_two) = results
    assert loss == loss_two
    np.testing.assert_array_equal(dlogits, dlogits_two)
    assert dlogits.dtype == dtype
    np.testing.assert_allclose(loss, 1.5 * want_loss, rtol=TOLERANCE[dtype])
    np.testing.assert_allclose(dlogits, 1.5 * want, rtol=0.0, atol=TOLERANCE[dtype])
    mean, dmean = rf.ctc_loss(logits, targets, lengths, blank=blank, weights=weights)
    np.testing.assert_allclose(mean, want_loss / weights.sum(), rtol=TOLERANCE[dtype])
    np.testing.assert_allclose(dmean, want / weights.sum(), rtol=0.0, atol=TOLERANCE[dtype])


@pytest.mark.usefixtures("level")
def test_gradients():
    logits, targets, lengths = ragged_batch(np.random.default_rng(2), "float64")

    def value():
        return rf.ctc_loss(logits, targets, lengths, backward=False)[0]

    _, dlogits = rf.ctc_loss(logits, targets, lengths)
    assert_gradients(value, {"logits": logits}, {"logits": dlogits}, directions=20)
    np.testing.assert_array_equal(dlogits[9:, 0], 0.0)


def test_against_pytorch():
    torch = pytest.importorskip("torch")
    logits, targets, lengths = ragged_batch(np.random.default_rng(3), "float64")
    keep = lengths > 0  # PyTorch wants at least one step
    logits, lengths = logits[:, keep], lengths[keep]
    targets = [row for row, kept in zip(targets, keep, strict=True) if kept]
    sizes = np.array([len(row) for row in targets])
    padded = np.ones((len(targets), 6), np.int64)
    for row, target in zip(padded, targets, strict=True):
        row[: len(target)] = target
    scores = torch.tensor(logits, requires_grad=True)
    want = torch.nn.functional.ctc_loss(
        scores.log_softmax(2), torch.tensor(padded), torch.tensor(lengths), torch.tensor(sizes),
        reduction="sum",
    )  # fmt: skip
    want.backward()
    loss, dlogits = rf.ctc_loss(logits, padded, lengths, sizes, reduction="sum")
    np.testing.assert_allclose(loss, want.item(), rtol=1e-12)
    np.testing.assert_allclose(dlogits, scores.grad.numpy(), rtol=0.0, atol=1e-12)


@pytest.mark.usefixtures("level")
def test_long_sequences_of_hopeless_scores_stay_finite():
    logits = np.zeros((2000, 1, 3), "float32")
    logits[:, :, 2] = 500.0  # what the target needs has a probability of exp(-500) at each step
    loss, dlogits = rf.ctc_loss(logits, [[1] * 20])
    # 20 symbols and the 19 blanks between them; elsewhere 2 is no choice: 2000 of exp(-500)
    assert loss == pytest.approx(2000 * 500.0, rel=1e-3)
    assert np.isfinite(dlogits).all()
    np.testing.assert_allclose(dlogits.sum(axis=2), 0.0, atol=1e-5)


def test_targets_that_cannot_be_aligned():
    logits = np.zeros((3, 2, 3))
    targets = [[1, 2], [1, 1, 2]]
    message = (
        "targets[1]: expected symbols that fit 3 steps, got 3 that need 4 with the blanks between "
        "equal ones"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        rf.ctc_loss(logits, targets)
    loss, dlogits = rf.ctc_loss(logits, targets, impossible="ignore")
    alone, dalone = rf.ctc_loss(logits[:, :1], targets[:1])
    assert loss == alone
    np.testing.assert_array_equal(dlogits[:, :1], dalone)
    np.testing.assert_array_equal(dlogits[:, 1], 0.0)
    assert reference.ctc(logits[:, 1].T, targets[1])[0] == np.inf


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"logits": np.zeros((3, 2))}, ValueError, "logits: expected shape (T, B, V), got (3, 2)"),
        (
            {"logits": np.zeros((3, 2, 3), "float16")},
            TypeError,
            "logits: expected dtype float32 or float64, got float16",
        ),
        ({"targets": [[1]]}, ValueError, "targets: expected one row a sequence, 2, got 1"),
        (
            {"targets": [[1], [0]]},
            ValueError,
            "targets: expected classes from 0 to 2 other than the blank 0, got 0",
        ),
        (
            {"targets": [[1], [3]]},
            ValueError,
            "targets: expected classes from 0 to 2 other than the blank 0, got 3",
        ),
        ({"targets": [[1], [0.5]]}, TypeError, "targets[1]: expected integers, got dtype float64"),
        ({"lengths": [3]}, ValueError, "lengths: expected shape (2,), got (1,)"),
        ({"lengths": [3, 4]}, ValueError, "lengths: expected numbers from 0 to 3, got 4"),
        (
            {"target_lengths": [1, 2]},
            ValueError,
            "target_lengths: expected numbers from 0 to 1, got 2",
        ),
        ({"blank": 3}, ValueError, "blank: expected a class from 0 to 2, got 3"),
        ({"weights": np.ones(3)}, ValueError, "weights: expected shape (2,), got (3,)"),
        (
            {"weights": np.ones(2, "float32")},
            TypeError,
            "weights: expected dtype float64, got float32; use weights.astype(np.float64)",
        ),
        (
            {"weights": np.zeros(2)},
            ValueError,
            "weights: expected a positive sum to divide by, got 0",
        ),
        ({"impossible": "inf"}, ValueError, "impossible: expected 'error' or 'ignore', got 'inf'"),
        (
            {"logits": np.full((3, 2, 3), np.nan)},
            FloatingPointError,
            "logits: expected finite numbers, got NaN or infinity",
        ),
    ],
)
def test_wrong_arguments(changed, error, message):
    arguments = {"logits": np.zeros((3, 2, 3)), "targets": [[1], [2]], **changed}
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        rf.ctc_loss(**arguments)


# Decoding


def test_greedy_merges_and_removes_blanks():
    path = np.array([[1, 1, 0, 1, 2, 2], [0, 3, 3, 0, 0, 1], [2, 0, 2, 0, 2, 0]]).T
    logits = np.eye(4, dtype="float32")[path]
    assert [row.tolist() for row in rf.generation.ctc_greedy(logits)] == [
        [1, 1, 2],
        [3, 1],
        [2, 2, 2],
    ]
    short = rf.generation.ctc_greedy(logits, [3, 0, 1])
    assert [row.tolist() for row in short] == [[1], [], [2]]
    assert [row.dtype for row in short] == [np.int64] * 3


@pytest.mark.parametrize("blank", [0, 1])
def test_wide_beam_finds_every_labelling(blank):
    logits = np.random.default_rng(4).normal(scale=2.0, size=(4, 1, 3))
    want = sorted(all_labellings(logits[:, 0], blank).items(), key=lambda item: -item[1])
    (found,) = rf.generation.ctc_beam(logits, blank=blank, beam_size=100, num_best=100)
    assert [tuple(symbols.tolist()) for symbols, _ in found] == [label for label, _ in want]
    np.testing.assert_allclose(
        [log_prob for _, log_prob in found], np.log([p for _, p in want]), rtol=1e-10
    )


def test_beam_beats_the_best_path():
    # The paths of the symbol 1 have 0.64 together, the best path alone is all blank (0.36).
    logits = np.log([[[0.6, 0.4]], [[0.6, 0.4]]])
    assert rf.generation.ctc_greedy(logits)[0].tolist() == []
    ((best,),) = rf.generation.ctc_beam(logits, beam_size=3)
    assert best.symbols.tolist() == [1]
    assert best.log_prob == pytest.approx(np.log(0.64))


@pytest.mark.parametrize("seed", range(12))
def test_beam_against_the_definition(seed):
    rng = np.random.default_rng(seed)
    steps, count, classes = (int(n) for n in rng.integers([1, 1, 2], [25, 4, 9]))
    blank, size = int(rng.integers(classes)), int(rng.integers(1, 12))
    logits = rng.normal(size=(steps, count, classes)) * rng.choice([0.1, 1.0, 4.0])
    if seed % 3 == 0:  # many prefixes are equally likely
        logits = np.round(logits)
    lengths = rng.integers(0, steps + 1, count)
    found = rf.generation.ctc_beam(logits, lengths, blank=blank, beam_size=size, num_best=size)
    for b, length in enumerate(lengths):
        log_yhat = rf.log_softmax(logits)[:length, b].T
        want = reference.ctc_beam(log_yhat, blank, size)
        assert [tuple(symbols.tolist()) for symbols, _ in found[b]] == [label for label, _ in want]
        np.testing.assert_allclose(
            [log_p for _, log_p in found[b]], [log_p for _, log_p in want], rtol=1e-12, atol=1e-12
        )


def test_narrow_beam_on_ragged_sequences():
    rng = np.random.default_rng(5)
    logits, _, lengths = ragged_batch(rng, "float32")
    together = rf.generation.ctc_beam(logits, lengths, beam_size=5, num_best=2)
    for b, steps in enumerate(lengths):
        alone = logits[:steps, b : b + 1]
        ((best, *_),) = rf.generation.ctc_beam(alone, beam_size=5, num_best=2)
        assert together[b][0].symbols.tolist() == best.symbols.tolist()
        assert together[b][0].log_prob == best.log_prob
        loss, _ = rf.ctc_loss(alone, [best.symbols], backward=False)
        assert -best.log_prob >= loss - 1e-6  # a beam loses paths, it invents none
    padded = logits.copy()
    padded[np.arange(len(logits))[:, np.newaxis] >= lengths] = np.nan  # is never read
    again = rf.generation.ctc_beam(padded, lengths, beam_size=5, num_best=2)
    assert [each[0].log_prob for each in again] == [each[0].log_prob for each in together]
    assert together[5][0].symbols.tolist() == []
    assert together[5][0].log_prob == 0.0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"logits": np.zeros((2, 3))}, "logits: expected shape (T, B, V), got (2, 3)"),
        ({"lengths": [1, 1]}, "lengths: expected shape (1,), got (2,)"),
        ({"lengths": [3]}, "lengths: expected numbers from 0 to 2, got 3"),
        ({"blank": 3}, "blank: expected a class from 0 to 2, got 3"),
        ({"beam_size": 0}, "beam_size: expected at least 1, got 0"),
        ({"num_best": 17}, "num_best: expected at most beam_size 16, got 17"),
        (
            {"logits": np.full((2, 1, 3), np.inf)},
            "logits: expected finite numbers, got NaN or infinity",
        ),
    ],
)
def test_wrong_arguments_of_decoding(changed, message):
    arguments = {"logits": np.zeros((2, 1, 3)), **changed}
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        rf.generation.ctc_beam(**arguments)
