import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnfast.data import load_dinosaurs, read_text, split_items, split_text

# --- the list that the package carries --------------------------------------------------------


def test_form_of_the_dinosaurs():
    names = load_dinosaurs()
    assert len(names) >= 1000
    assert names == sorted(names)
    assert len(set(names)) == len(names)
    assert [name for name in names if not re.fullmatch("[A-Z][a-z]{1,24}", name)] == []
    assert {name[0] for name in names} == set("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    assert {"Aardonyx", "Tyrannosaurus", "Yi", "Zuul"} <= set(names)
    assert {"Pteranodon", "Plesiosaurus", "Dimetrodon", "Archaeopteryx"}.isdisjoint(names)


def test_the_caller_owns_the_list():
    load_dinosaurs().clear()
    assert load_dinosaurs()


# --- files ------------------------------------------------------------------------------------


def test_read_text(tmp_path):
    path = tmp_path / "corpus.txt"
    path.write_bytes(b"\xef\xbb\xbfna\xc3\xafve\r\nline\rend\n")
    assert read_text(path) == "naïve\nline\nend\n"
    assert read_text(str(path)) == read_text(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"caf\xe9 au lait", "got byte 0xe9 at offset 3 \\(invalid continuation byte\\)"),
        (b"\xff a", "got byte 0xff at offset 0 \\(invalid start byte\\)"),
        (b"\xef\xbb\xbf\r\nab\xc3", "got byte 0xc3 at offset 7 \\(unexpected end of data\\)"),
        (b"x" * 100_000 + b"\x80", "got byte 0x80 at offset 100000 \\(invalid start byte\\)"),
    ],
)
def test_not_utf8(tmp_path, content, message):
    path = tmp_path / "corpus.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"corpus.txt: expected UTF-8 text, {message}$") as caught:
        read_text(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf", b" \r\n\t"])
def test_empty_file(tmp_path, content):
    path = tmp_path / "corpus.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"corpus.txt: expected text, got an empty file$"):
        read_text(path)


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"^\[Errno 2\] No such file .*corpus.txt'$"):
        read_text(tmp_path / "corpus.txt")
    with pytest.raises(IsADirectoryError, match=r"^\[Errno 21\] Is a directory: "):
        read_text(tmp_path)


# --- parts ------------------------------------------------------------------------------------


def test_split_text():
    assert split_text("abcdefghij", (0.7, 0.2, 0.1)) == ("abcdefg", "hi", "j")
    assert split_text("abc", [1]) == ("abc",)
    assert [len(part) for part in split_text("x" * 1_115_394, (0.9, 0.1))] == [1003854, 111540]


@given(st.text(min_size=1), st.lists(st.integers(1, 9), min_size=1, max_size=4))
def test_parts_joined_are_the_text(text, weights):
    fractions = [weight / sum(weights) for weight in weights]
    try:
        parts = split_text(text, fractions)
    except ValueError as error:
        assert str(error).startswith("text: expected enough for")
        assert len(text) * min(fractions) < 1
    else:
        assert "".join(parts) == text
        for part, fraction in zip(parts, fractions, strict=True):
            assert abs(len(part) - fraction * len(text)) < 1 + 1e-5


@pytest.mark.parametrize(
    "fractions", [(), (0.5, 0.4), (1.5, -0.5), (1.0, 0.0), (float("nan"), 0.5), (0.9, 0.2)]
)
def test_bad_fractions(fractions):
    with pytest.raises(
        ValueError,
        match=r"^fractions: expected (positive numbers with the sum 1|a finite number), got",
    ):
        split_text("text", fractions)


@pytest.mark.parametrize("text", ["", "a"])
def test_too_little_text(text):
    message = rf"^text: expected enough for 2 parts of \(0.9, 0.1\), got {len(text)} characters$"
    with pytest.raises(ValueError, match=message):
        split_text(text, (0.9, 0.1))


@given(
    st.lists(st.integers(), min_size=2, max_size=50),
    st.floats(0.01, 0.99),
    st.none() | st.integers(0, 9),
)
def test_split_items_loses_nothing(items, fraction, seed):
    def split():
        rng = None if seed is None else np.random.default_rng(seed)
        return split_items(list(enumerate(items)), fraction, rng)

    train, valid = split()
    assert train
    assert valid
    assert sorted(train + valid) == list(enumerate(items))
    assert train == sorted(train)
    assert valid == sorted(valid)
    assert abs(len(valid) - fraction * len(items)) <= 1
    assert split() == (train, valid)
    if seed is None:
        assert train + valid == list(enumerate(items))


def test_split_items_draws():
    names = load_dinosaurs()
    one = split_items(names, 0.1, np.random.default_rng(1))
    other = split_items(names, 0.1, np.random.default_rng(2))
    assert len(one[1]) == len(other[1]) == round(len(names) * 0.1)
    assert one != other


def test_split_items_of_nothing():
    assert split_items(["a"], 0) == (["a"], [])
    with pytest.raises(ValueError, match=r"^items: expected at least 2 to divide, got 1$"):
        split_items(["a"], 0.5)
    with pytest.raises(
        ValueError,
        match=r"^valid_fraction: expected a finite number of at least 0 and below 1, got 1",
    ):
        split_items(["a", "b"], 1.0)
    with pytest.raises(
        ValueError,
        match=r"^valid_fraction: expected a finite number of at least 0 and below 1, got nan",
    ):
        split_items(["a", "b"], float("nan"))
    with pytest.raises(TypeError, match=r"^rng: expected a numpy.random.Generator, got int$"):
        split_items(["a", "b"], 0.5, 7)
