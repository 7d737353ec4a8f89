from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rnnfast.data import Batch, SentenceBatches, StreamBatches, bucket_by_length, pad_sequences

EOS = 1
sentences_of_ids = st.lists(
    st.lists(st.integers(2, 9), max_size=8).map(lambda ids: np.array(ids, np.int64)),
    min_size=1,
    max_size=20,
)

# --- streams ----------------------------------------------------------------------------------


def test_stream_that_divides_evenly():
    batches = list(StreamBatches(np.arange(13), batch_size=2, steps=4))
    assert [batch.inputs.tolist() for batch in batches] == [
        [[0, 6], [1, 7], [2, 8], [3, 9]],
        [[4, 10], [5, 11]],
    ]
    for batch in batches:
        assert batch.inputs.dtype == batch.targets.dtype == batch.lengths.dtype == np.int64
        np.testing.assert_array_equal(batch.targets, batch.inputs + 1)
        assert batch.lengths.tolist() == [len(batch.inputs)] * 2
        assert batch.mask.all()


def test_stream_with_a_rest_keeps_every_token():
    *_, last = StreamBatches(np.arange(10, 22), batch_size=3, steps=3, pad_id=7)
    # The streams predict 4, 4 and 3 tokens.
    assert last.inputs.tolist() == [[13, 17, 7]]
    assert last.targets.tolist() == [[14, 18, 7]]
    assert last.lengths.tolist() == [1, 1, 0]
    assert last.mask.tolist() == [[True, True, False]]
    assert last.num_targets == 2


@given(st.integers(1, 7), st.integers(1, 6), st.integers(0, 60))
def test_every_token_is_predicted_once_from_the_one_before(batch_size, steps, extra):
    ids = np.arange(batch_size + 1 + extra)
    batches = StreamBatches(ids, batch_size, steps)
    seen = list(batches)
    assert len(seen) == len(batches)
    assert batches.num_targets == len(ids) - 1 == sum(batch.num_targets for batch in seen)
    inputs = np.concatenate([batch.inputs[batch.mask] for batch in seen])
    targets = np.concatenate([batch.targets[batch.mask] for batch in seen])
    np.testing.assert_array_equal(targets, inputs + 1)
    assert sorted(targets) == list(range(1, len(ids)))
    assert all(batch.inputs.shape == (steps, batch_size) for batch in seen[:-1])
    assert all(batch.mask.all() for batch in seen[:-1])
    # Each stream goes on where it was, so that its state can be carried over.
    for stream in range(batch_size):
        read = np.concatenate([batch.inputs[: batch.lengths[stream], stream] for batch in seen])
        np.testing.assert_array_equal(np.diff(read), 1)


def test_stream_can_be_read_again_and_keeps_no_copy():
    ids = np.arange(100, dtype=np.uint8)
    batches = StreamBatches(ids, 4, 5)
    for first, second in zip(batches, batches, strict=True):
        np.testing.assert_array_equal(first.inputs, second.inputs)
    ids[0] = 200
    assert next(iter(batches)).inputs[0, 0] == 200


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], 2, 3), "ids: expected a corpus of at least 2 tokens, got an empty one"),
        (([1, 2], 2, 3), "ids: expected at least 3 tokens, one more than batch_size, got 2"),
        (([5], 1, 3), "ids: expected at least 2 tokens, one more than batch_size, got 1"),
        (([[1, 2]], 1, 3), r"ids: expected an array with ndim 1, got shape \(1, 2\)"),
        (([1, -2, 3], 1, 3), "ids: expected no negative number, got -2"),
        (([1, 2, 3], 0, 3), "batch_size: expected at least 1, got 0"),
        (([1, 2, 3], 1, 0), "steps: expected at least 1, got 0"),
    ],
)
def test_stream_of_bad_values(arguments, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        StreamBatches(*arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0, 2.0], 1, 3), "ids: expected integers, got dtype float64"),
        ((np.zeros(0), 1, 3), "ids: expected integers, got dtype float64"),
        ((["a", "b"], 1, 3), "ids: expected integers, got dtype <U1"),
        (([1, 2], 1.0, 3), "batch_size: expected an integer, got float"),
        (([1, 2], 1, "3"), "steps: expected an integer, got str"),
    ],
)
def test_stream_of_bad_types(arguments, message):
    with pytest.raises(TypeError, match=f"^{message}$"):
        StreamBatches(*arguments)


# --- sentences --------------------------------------------------------------------------------


def test_sentences_start_and_end():
    (batch,) = SentenceBatches([[5, 6, 7], [], [8]], batch_size=4, eos_id=EOS)
    assert batch.inputs.T.tolist() == [[1, 1, 1, 1], [1, 8, 1, 1], [1, 5, 6, 7]]
    assert batch.targets.T.tolist() == [[1, 1, 1, 1], [8, 1, 1, 1], [5, 6, 7, 1]]
    assert batch.lengths.tolist() == [1, 2, 4]
    assert batch.mask.T.tolist() == [[True] + [False] * 3, [True] * 2 + [False] * 2, [True] * 4]


@given(sentences_of_ids, st.integers(1, 6), st.none() | st.integers(0, 9))
def test_no_sentence_is_left_out(sentences, batch_size, seed):
    rng = None if seed is None else np.random.default_rng(seed)
    batches = SentenceBatches(sentences, batch_size, EOS, rng)
    seen = list(batches)
    assert len(seen) == len(batches)
    assert batches.num_targets == sum(batch.num_targets for batch in seen)
    read = []
    for batch in seen:
        assert batch.inputs.dtype == batch.targets.dtype == np.int64
        assert (
            batch.inputs.shape == batch.targets.shape == (batch.lengths.max(), batch.mask.shape[1])
        )
        assert (batch.inputs[~batch.mask] == EOS).all()
        assert (batch.targets[~batch.mask] == EOS).all()
        for column, length in enumerate(batch.lengths):
            inputs, targets = batch.inputs[:length, column], batch.targets[:length, column]
            assert inputs[0] == targets[-1] == EOS
            assert inputs[1:].tolist() == targets[:-1].tolist()
            read.append(inputs[1:].tolist())
    assert sorted(read) == sorted(ids.tolist() for ids in sentences)


def test_same_seed_same_batches_and_new_ones_each_epoch():
    sentences = [[number] * (number % 5) for number in range(2, 60)]

    def epochs(seed):
        batches = SentenceBatches(sentences, 8, EOS, np.random.default_rng(seed))
        return [[batch.targets.tolist() for batch in batches] for _ in range(2)]

    assert epochs(3) == epochs(3)
    first, second = epochs(3)
    assert first != second
    assert epochs(4)[0] != first


@pytest.mark.parametrize(
    ("error", "arguments", "message"),
    [
        (ValueError, ([], 2, 1), "sentences: expected at least one, got an empty corpus"),
        (
            ValueError,
            ([[1], [[2]]], 2, 1),
            r"sentences\[1\]: expected an array with ndim 1, got shape \(1, 1\)",
        ),
        (ValueError, ([[1], [-3]], 2, 1), r"sentences\[1\]: expected no negative number, got -3"),
        (ValueError, ([[1]], 0, 1), "batch_size: expected at least 1, got 0"),
        (ValueError, ([[1]], 1, -1), "eos_id: expected at least 0, got -1"),
        (TypeError, ([[1], [2.5]], 2, 1), r"sentences\[1\]: expected integers, got dtype float64"),
        (TypeError, ([[1]], 1, None), "eos_id: expected an integer, got NoneType"),
        (TypeError, ([[1]], 1, 1, 42), "rng: expected a numpy.random.Generator, got int"),
    ],
)
def test_bad_sentences(error, arguments, message):
    with pytest.raises(error, match=f"^{message}$"):
        SentenceBatches(*arguments)


# --- buckets ----------------------------------------------------------------------------------


@given(
    hnp.arrays(np.int64, st.integers(0, 40), elements=st.integers(0, 9)),
    st.integers(1, 7),
    st.none() | st.integers(0, 9),
)
def test_buckets(lengths, batch_size, seed):
    rng = None if seed is None else np.random.default_rng(seed)
    buckets = bucket_by_length(lengths, batch_size, rng)
    assert sorted(np.concatenate([[], *buckets])) == list(range(len(lengths)))
    assert sum(len(bucket) < batch_size for bucket in buckets) == (len(lengths) % batch_size > 0)
    assert all(0 < len(bucket) <= batch_size for bucket in buckets)
    # The lengths of two batches do not interleave.
    ranges = sorted((lengths[bucket].min(), lengths[bucket].max()) for bucket in buckets)
    assert all(one[1] <= other[0] for one, other in pairwise(ranges))


def test_buckets_without_rng_are_stable():
    buckets = bucket_by_length([3, 1, 3, 0, 1], 2)
    assert [bucket.tolist() for bucket in buckets] == [[3, 1], [4, 0], [2]]


def test_bad_lengths():
    with pytest.raises(ValueError, match=r"^lengths: expected no negative number, got -1$"):
        bucket_by_length([2, -1], 2)
    with pytest.raises(TypeError, match=r"^lengths: expected integers, got dtype float64$"):
        bucket_by_length([2.0], 2)
    with pytest.raises(ValueError, match=r"^batch_size: expected at least 1, got 0$"):
        bucket_by_length([2], 0)
    with pytest.raises(TypeError, match=r"^rng: expected a numpy.random.Generator, got RandomSt"):
        bucket_by_length([2], 1, np.random.RandomState(0))
    with pytest.raises(ValueError, match=r"^jitter: .*of at least 0 and of at most 1, got 2$"):
        bucket_by_length([2], 1, jitter=2)


def test_jitter_lets_different_lengths_meet():
    lengths = np.arange(100, 200)
    seen = set()
    for seed in range(20):
        buckets = bucket_by_length(lengths, 10, np.random.default_rng(seed), jitter=0.1)
        assert sorted(np.concatenate(buckets)) == list(range(100))
        for bucket in buckets:
            assert lengths[bucket].max() * 0.9 <= lengths[bucket].min() * 1.1 + 10
            seen |= {frozenset(pair) for pair in pairwise(sorted(bucket.tolist()))}
    assert len(seen) > 500  # without jitter 90
    exact = bucket_by_length(lengths, 10, np.random.default_rng(0), jitter=0.0)
    plain = bucket_by_length(lengths, 10, np.random.default_rng(0))
    assert [b.tolist() for b in exact] == [b.tolist() for b in plain]


# --- padding ----------------------------------------------------------------------------------


@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=6),
    st.lists(st.integers(0, 3), max_size=2),
    st.sampled_from([np.float32, np.float64, np.int64, np.bool_]),
)
def test_padding_and_cutting_gives_the_sequences(lengths, trailing, dtype):
    rng = np.random.default_rng(0)
    sequences = [rng.integers(0, 2, (length, *trailing)).astype(dtype) for length in lengths]
    padded, found = pad_sequences(sequences, value=1)
    assert padded.dtype == dtype
    assert padded.shape == (max(lengths), len(lengths), *trailing)
    assert found.tolist() == lengths
    assert found.dtype == np.int64
    for column, sequence in enumerate(sequences):
        np.testing.assert_array_equal(padded[: lengths[column], column], sequence)
        assert (padded[lengths[column] :, column] == 1).all()


@pytest.mark.parametrize("width", [1, 2, 3, 4, 26])
@pytest.mark.parametrize("dtype", ["int8", "float32", ">f8", "complex128"])
def test_padding_reads_views_as_they_lie(width: int, dtype: str) -> None:
    rng = np.random.default_rng(0)
    whole = rng.integers(0, 99, (12, 5, 2 * width)).astype(dtype)
    sequences = [
        whole[::-2, 0, :width],
        whole[1:1, 1, :width],
        whole[:, 2, ::2],
        np.asfortranarray(whole[:7, 3, width:]),
        np.broadcast_to(whole[0, 4, :width], (9, width)),
    ]
    padded, lengths = pad_sequences(sequences, value=7)
    assert padded.dtype == dtype
    assert padded.flags.c_contiguous
    assert lengths.tolist() == [6, 0, 12, 7, 9]
    for column, sequence in enumerate(sequences):
        np.testing.assert_array_equal(padded[: len(sequence), column], sequence)
        assert (padded[len(sequence) :, column] == 7).all()


def test_padding_value():
    padded, lengths = pad_sequences([[1, 2], [3]], value=-100)
    assert padded.tolist() == [[1, 3], [2, -100]]
    assert lengths.tolist() == [2, 1]
    assert np.isnan(pad_sequences([[1.0], [1.0, 2.0]], value=np.nan)[0][1, 0])


def test_an_empty_list_is_of_the_dtype_and_shape_of_the_others():
    padded, lengths = pad_sequences([[], [1, 2]])
    assert padded.tolist() == [[0, 1], [0, 2]]
    assert padded.dtype == np.int64
    assert lengths.tolist() == [0, 2]
    assert pad_sequences([[[1.0, 2.0]], []])[0].tolist() == [[[1.0, 2.0], [0.0, 0.0]]]
    assert pad_sequences([[], []])[0].shape == (0, 2)


def test_what_no_memory_holds_is_refused():
    huge = np.broadcast_to(np.zeros(1, np.uint8), (2**62,))
    with pytest.raises(
        MemoryError, match=r"^sequences: a padded array of shape \(4.*, 4\) needs 16\.0 EiB"
    ):
        pad_sequences([huge] * 4)


@pytest.mark.parametrize(
    ("error", "arguments", "message"),
    [
        (ValueError, ([],), "sequences: expected at least one, got none"),
        (
            ValueError,
            ([np.zeros((3, 2)), np.zeros(4)],),
            r"sequences\[1\]: expected shape \(T, 2\) as the first has, got \(4,\)",
        ),
        (
            ValueError,
            ([np.zeros((3, 2)), np.zeros((3, 5))],),
            r"sequences\[1\]: expected shape \(T, 2\) as the first has, got \(3, 5\)",
        ),
        (ValueError, ([1, 2],), r"sequences\[0\]: expected a sequence, got a single number"),
        (
            ValueError,
            ([[[1, 2], [3]]],),
            r"sequences\[0\]: expected an array of numbers, got a ragged list",
        ),
        (ValueError, ([[1]], 0.5), "value: expected a number that int64 can hold, got 0.5"),
        (ValueError, ([[1]], 2**70), "value: expected a number that int64 can hold, got 118"),
        (ValueError, ([[1]], np.nan), "value: expected a number that int64 can hold, got nan"),
        *[
            (ValueError, ([np.zeros(1, dtype)], value), f"value: expected a number that {dtype}")
            for dtype, value in (
                ("float16", 1e5),
                ("float32", 1e39),
                ("float32", 0.1),
                ("float32", 2**24 + 1),
                ("float64", 2**53 + 1),
                ("bool", 2),
            )
        ],
        (ValueError, ([[1.0]], "x"), "value: expected a number that float64 can hold, got 'x'"),
        (
            TypeError,
            ([np.zeros(2, np.float32), np.zeros(2)],),
            r"sequences\[1\]: expected dtype float32 as the first has, got float64",
        ),
        (TypeError, (["ab"],), r"sequences\[0\]: expected numbers, got dtype <U2"),
    ],
)
def test_bad_sequences(error, arguments, message):
    with pytest.raises(error, match=f"^{message}"):
        pad_sequences(*arguments)


def test_batch_unpacks():
    inputs, targets, lengths = batch = next(iter(StreamBatches([1, 2, 3], 1, 2)))
    assert isinstance(batch, Batch)
    assert (inputs.tolist(), targets.tolist(), lengths.tolist()) == ([[1], [2]], [[2], [3]], [2])
