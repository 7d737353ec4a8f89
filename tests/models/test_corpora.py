"""Corpora from files, folders and iterables, in memory or not: the same model, bit by bit."""

from __future__ import annotations

import gzip
import os
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from rnnfast._checks.adjustments import AdjustmentWarning
from rnnfast.data.batches import SentenceBatches, StreamBatches, bucket_by_length
from rnnfast.data.datasets import split_items
from rnnfast.models.parts.language import encoded_text, spool, text_source, token_sequences
from rnnfast.models.parts.language.corpus import CorpusReader
from rnnfast.models.parts.language.encoded_text import EncodedText, Encoder, cut_after, split_codes
from rnnfast.models.parts.language.spool import Spool
from rnnfast.models.parts.language.token_sequences import LineTokens, TextTokens
from rnnfast.text.tokenizers import CharTokenizer, WordTokenizer, split_lines

DRAW = random.Random(1)
WORDS = ["the", "cat", "sat", "don't", "3.5", "naïve", "日本", "U.S.", "--", "ΣΑΣ", "e\u0301"]
ENDS = ["\n", "\r\n", "\n\n", " ", "  ", "\t\n", "\r", "\u2003\n"]
TEXT = "".join(
    DRAW.choice(WORDS) + (DRAW.choice(ENDS) if DRAW.random() < 0.3 else " ") for _ in range(900)
)
# As it is when read from a file.
READ = TEXT.replace("\r\n", "\n").replace("\r", "\n")
SETTINGS: list[dict[str, Any]] = [
    {},
    {"lines": True},
    {"tokenizer_options": {"nfc": True}},
    {"tokenizer_options": {"nfc": True}, "lines": True},
    {"level": "word", "min_count": 5},
    {"level": "word", "lines": True, "max_vocabulary_size": 6},
    {"level": "word", "tokenizer_options": {"lower": True}},
    {"level": "word", "tokenizer_options": {"mode": "whitespace"}, "validation_fraction": 0},
]


def small(**options: Any) -> rf.LanguageModel:
    given: dict[str, Any] = {"hidden_size": 6, "seed": 1, "batch_size": 4, "sequence_length": 16}
    return rf.LanguageModel(**{**given, **options})


def facts(lm: rf.LanguageModel) -> tuple[Any, ...]:
    """Return all that training has come to."""
    history = [{k: v for k, v in one.items() if k != "seconds"} for one in lm.history_]
    weights = {
        f"{name}.{key}": parameter.data.tobytes()
        for name, module in lm.network_.modules.items()
        for key, parameter in module.parameters().items()
    }
    return lm.vocabulary_.to_json(), history, weights


@pytest.fixture
def in_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have ids in files from the first on, and all that is done in pieces done in small ones."""
    monkeypatch.setattr(spool, "IN_MEMORY", 0)
    monkeypatch.setattr(spool, "_CHUNK", 100)
    monkeypatch.setattr(encoded_text, "_LEAST", 50)
    monkeypatch.setattr(text_source, "_PIECE", 37)
    monkeypatch.setattr(text_source, "_ITEMS", 5)
    monkeypatch.setattr(token_sequences, "_BLOCK", 3)
    monkeypatch.setattr(token_sequences, "_SORTED", 20)


@contextmanager
def sources(folder: Path) -> Iterator[dict[str, Any]]:
    """Give the text of a file in all forms that a corpus may have."""
    folder.mkdir()
    (folder / "c.txt").write_bytes(b"\xef\xbb\xbf" + TEXT.encode())
    (folder / "c.txt.gz").write_bytes(gzip.compress(TEXT.encode()))
    (folder / "d" / "e").mkdir(parents=True)
    cut = READ.index("\n", 2000) + 1
    (folder / "d" / "a.txt").write_text(READ[:cut].removesuffix("\n"), encoding="utf-8")
    (folder / "d" / "e" / "b.txt").write_text(READ[cut:], encoding="utf-8")
    items = READ.split("\n")  # the last has no end, as the text has none or an empty line there
    file = open(folder / "c.txt", encoding="utf-8-sig")  # noqa: SIM115
    yield {
        "path": folder / "c.txt",
        "gz": folder / "c.txt.gz",
        "folder": folder / "d",
        "paths": [folder / "d" / "a.txt", folder / "d" / "e" / "b.txt"],
        "glob": (path for path in [folder / "d" / "a.txt", folder / "d" / "e" / "b.txt"]),
        "file": file,
        "generator": (item for item in items),
        "with ends": (f"{item}\n" if n + 1 < len(items) else item for n, item in enumerate(items)),
        "map": map(str, items),
    }
    file.close()


@pytest.mark.parametrize("options", SETTINGS, ids=str)
def test_every_source_makes_the_same_model(
    options: dict[str, Any], tmp_path: Path, in_files: None
) -> None:
    """As the text in memory does: vocabulary, history and weights, and so does what is measured."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spool, "IN_MEMORY", 1 << 20)
        lm = small(**options).fit(READ, epochs=2, verbose=0)
        expected, measured = facts(lm), lm.evaluate(READ)
    with sources(tmp_path / "a") as corpora:
        for name, corpus in corpora.items():
            given = small(**options).fit(corpus, epochs=2, verbose=0)
            assert facts(given) == expected, name
    with sources(tmp_path / "b") as corpora:
        assert {name: lm.evaluate(c) for name, c in corpora.items()} == dict.fromkeys(
            corpora, measured
        )
    path = tmp_path / "a" / "c.txt"
    assert lm.perplexity(path) == measured.perplexity and lm.score(path) == -measured.loss
    valid = small(**options).fit(READ, READ[:700], epochs=1, verbose=0)
    (tmp_path / "v.txt").write_text(READ[:700], encoding="utf-8")
    of_files = small(**options).fit(path, tmp_path / "v.txt", epochs=1, verbose=0)
    assert facts(of_files) == facts(valid)


def test_lists_of_lines(in_files: None) -> None:
    """Are sequences as they are with `lines`, and else a text; whatever kind of sequence it is."""

    class Column(Sequence[str]):
        """Reads an item when it is asked for, as data sets on a disk do, and lets go of it."""

        def __init__(self, items: list[str]) -> None:
            self.items, self.read = items, 0

        def __len__(self) -> int:
            return len(self.items)

        def __getitem__(self, place: Any) -> Any:
            assert isinstance(place, int), "a slice would be many of them"
            self.read += 1
            return self.items[place]

    items = READ.split("\n")
    text = facts(small().fit("\n".join(items), epochs=1, verbose=0))
    lines = facts(small(lines=True).fit([i for i in items], epochs=1, verbose=0))
    for corpus in (items, tuple(items), np.array(items), np.array(items, object), Column(items)):
        assert facts(small().fit(corpus, epochs=1, verbose=0)) == text
        assert facts(small(lines=True).fit(corpus, epochs=1, verbose=0)) == lines
    column = Column(items)
    small(lines=True).fit(column, epochs=2, verbose=0)
    assert column.read <= len(items) + 2  # once, and the first one to see what it is


def test_a_line_end_stands_between_lines_and_between_files(tmp_path: Path) -> None:
    """Unless there is one: worked out by hand."""
    cases: list[tuple[Any, str]] = [
        (iter(["a", "b"]), "a\nb"),
        (iter(["a\n", "b\n"]), "a\nb\n"),
        (iter(["", "", "b"]), "\n\nb"),
        (iter(["a\r", "b\r\n", "c"]), "a\rb\r\nc"),
        (iter(["a\n", "", "b"]), "a\n\nb"),
        (["ab", ""], "ab\n"),
    ]
    for number, texts in enumerate((["a", "", "b\n"], ["a\n", "b"], ["", "a", ""])):
        paths = []
        for place, text in enumerate(texts):
            paths.append(tmp_path / f"{number} {place}")
            paths[-1].write_text(text)
        cases.append((paths, ("a\nb\n", "a\nb", "a")[number]))
    for corpus, text in cases:
        source = text_source.text_source("text", corpus, lines=False)
        assert "".join(source.pieces(lambda done: None)) == text  # type: ignore[union-attr]


# Parts


def test_ids_have_the_smallest_type_and_are_read_from_anywhere(in_files: None) -> None:
    """A character costs one byte or two."""
    ids = np.array([3, 255, 0, 256, 1, 65535, 65536, 7] * 3)
    # Three of one byte, three of two, and from the first that needs it on of four.
    for wanted, stops, size in (
        (ids, (1, 3, 6), 3 + 3 * 2 + 18 * 4),
        (ids[:2], (1,), 2),
        (ids[:5], (2, 4), 3 + 2 * 2),
    ):
        for memory in (0, 1 << 20):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(spool, "IN_MEMORY", memory)
                made = Spool()
                for part in np.split(wanted, stops):
                    made.append(part)
                assert made.in_memory == (memory > 0) and len(made) == len(wanted)
                for begin in range(len(wanted)):
                    for end in range(begin, len(wanted) + 1):
                        assert made.read(begin, end).tolist() == wanted[begin:end].tolist()
                assert np.concatenate([*made.chunks(0, len(wanted))]).tolist() == wanted.tolist()
                whole = Spool(in_memory=True)
                whole.append(wanted)
                assert whole.digest == made.digest
                assert made._size == size
                made.close()
    few = Spool(in_memory=True)
    few.append(np.arange(256))
    assert few.read(0, 256).dtype == np.uint8 and few.read(0, 256).tolist() == [*range(256)]


@pytest.mark.parametrize("batch_size", [1, 3, 4])
def test_batches_are_those_of_arrays(batch_size: int, in_files: None) -> None:
    rng = np.random.default_rng(0)
    for count in (5, 48, 49, 50, 211):
        ids = rng.integers(0, 9, count)
        kept = Spool()
        kept.append(ids)
        found = TextTokens(kept, np.arange(9), 0, count).batches(9, batch_size, 16)
        expected = StreamBatches(np.concatenate([[9], ids]), batch_size, 16)
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
        kept.close()
    lines = [rng.integers(0, 9, n) for n in rng.integers(0, 12, 97)]
    kept = Spool()
    kept.append(np.concatenate(lines))
    for seed in (None, 0, 1):
        of_all = LineTokens(kept, np.arange(9), np.array([*map(len, lines)], np.uint16), 8)
        pair = [None if seed is None else np.random.default_rng(seed) for _ in range(2)]
        batches = of_all.batches(9, batch_size, 16, pair[0])
        sentences = SentenceBatches(lines, batch_size, 8, pair[1])
        assert len(batches) == len(sentences)
        for of_file, of_list in zip(batches, sentences, strict=True):
            of_list.inputs[0] = 9
            assert all(np.array_equal(a, b) for a, b in zip(of_file, of_list, strict=True))
            assert np.array_equal(of_file.sentences, of_list.sentences)
    kept.close()


def test_many_lines_are_sorted_as_few_are(in_files: None) -> None:
    for kind in (np.uint16, np.uint32):
        lengths = np.random.default_rng(3).integers(0, 30, 500).astype(kind)
        for seed in (None, 5):
            pair = [None if seed is None else np.random.default_rng(seed) for _ in range(2)]
            found = [*token_sequences.buckets(lengths, 7, pair[0])]
            expected = bucket_by_length(lengths, 7, pair[1])
            assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


def test_lines_are_those_of_split_lines() -> None:
    """In code points, without a loop over them; every blank that Unicode has is one."""
    assert all(not chr(code).isspace() for code in range(0x3001, 0x110000))
    short = ["", "\n", "a", "a\n", "\n\na\n \n\u3000\nb c\n\n", "\x1c\na\x85\n\ud800"]
    for text in (*short, TEXT, READ):
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        codes, lengths = split_codes(encoded_text.codes_of(text))
        lines = split_lines(text)
        assert "".join(map(chr, codes.tolist())) == "".join(lines)
        assert lengths.tolist() == [*map(len, lines)]


def test_texts_are_cut_where_no_token_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens are those of the whole, however it comes."""
    monkeypatch.setattr(encoded_text, "_LEAST", 20)
    long = "x" * 500 + " é" + "e\u0301" * 30
    for tokenizer in (
        CharTokenizer(),
        CharTokenizer(nfc=True),
        WordTokenizer(),
        WordTokenizer(lower=True),
        WordTokenizer(mode="whitespace"),
        WordTokenizer(newline="<eos>"),
    ):
        for text in (TEXT, long, "ΑΣ ΑΣ\nΑΣ.Σ" * 9):
            for size in (1, 3, 64):
                encoder, result = Encoder(tokenizer), EncodedText(Spool(in_memory=True))
                encoder.text((text[n : n + size] for n in range(0, len(text), size)), result)
                known = encoder.numbering.tokens
                ids = result.spool.read(0, len(result.spool))
                tokens = tokenizer.tokenize(text)
                assert [known[n] for n in ids] == tokens
                assert known == [*dict.fromkeys(tokens)]
                assert result.counts[: len(known)].tolist() == [*map(tokens.count, known)]


def test_tokenizers_of_others_see_texts_whole_up_to_a_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And then the same pieces wherever they come from, which end lines."""
    monkeypatch.setattr(encoded_text, "_WHOLE", 40)
    text = "".join(f"line {n}{' long' * (n % 13)}\n" for n in range(30)) + "x" * 300 + "\nend"
    expected = [*cut_after([text], encoded_text._after_line_of_many, 40)]
    assert "".join(expected) == text and all(p.endswith("\n") for p in expected[:-1])
    assert max(map(len, expected[:-2])) <= 90 and len(expected) > 9
    for size in (1, 7, 100):
        pieces = [text[n : n + size] for n in range(0, len(text), size)]
        assert [*cut_after(pieces, encoded_text._after_line_of_many, 40)] == expected
    whole = [*cut_after(["short\n", "text"], encoded_text._after_line_of_many, 40)]
    assert whole == ["short\ntext"]


def test_the_same_lines_are_held_out_as_from_a_list() -> None:
    for count in (2, 9, 1000):
        reader = CorpusReader(CharTokenizer(), lines=True)
        lines = [f"{n}" for n in range(count)]
        with ExitStack() as stack:
            whole = reader.read("text", lines, stack)
            parts = whole.split(reader.held_out(whole, 0.1))
            for part, expected in zip(
                parts, split_items(lines, 0.1, np.random.default_rng(0)), strict=True
            ):
                assert len(part) == len(expected)
                assert part.num_tokens == sum(map(len, expected))
                vocabulary = rf.text.Vocabulary(["<EOS>", *map(str, range(10))], eos="<EOS>")
                tokens = reader.encode("text", part, vocabulary)
                assert isinstance(tokens, LineTokens)
                found = ["".join(vocabulary.decode(tokens.line(n))) for n in range(len(tokens))]
                assert found == expected


# Stopping and going on


def stop_after(steps: int) -> Callable[[Any], bool]:
    return lambda progress: progress.step >= steps


@pytest.mark.parametrize("options", [{}, {"lines": True}, {"level": "word"}], ids=str)
def test_resumed_from_kept_ids(
    options: dict[str, Any], tmp_path: Path, in_files: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which stand beside the checkpoint until the end; of changed files nothing is taken."""
    path, valid, checkpoint = tmp_path / "c.txt", tmp_path / "v.txt", tmp_path / "k" / "checkpoint"
    checkpoint.parent.mkdir()
    path.write_text(READ, encoding="utf-8")
    valid.write_text(READ[:500], encoding="utf-8")
    lm = small(**options).fit(path, valid, epochs=2, verbose=0)

    def fit(steps: int, **more: Any) -> rf.LanguageModel:
        given = dict(epochs=2, verbose=0, checkpoint=checkpoint, callbacks=[stop_after(steps)])
        return small(**options).fit(path, valid, **{**given, **more})

    def names() -> list[str]:
        return sorted(path.name for path in checkpoint.parent.iterdir())

    fit(3)
    kept = ["checkpoint", "checkpoint.tokens", "checkpoint.valid.tokens"]
    assert names() == kept
    whole = (checkpoint.parent / kept[1]).read_bytes()
    with pytest.MonkeyPatch.context() as patch:  # nothing is read from the text
        patch.setattr(text_source, "read_pieces", None)
        fit(5, resume=True)
    for damaged in (whole[:-1], whole[1:], whole[:50] + b"x" + whole[51:], b"", whole[-20:]):
        (checkpoint.parent / kept[1]).write_bytes(damaged)
        fit(1, resume=True)
        assert (checkpoint.parent / kept[1]).read_bytes() == whole
    assert facts(fit(10**9, resume=True)) == facts(lm)
    assert names() == ["checkpoint"]
    fit(3)
    path.write_text(READ + "more", encoding="utf-8")
    with pytest.raises(ValueError, match="checkpoint: cannot resume with another corpus"):
        fit(5, resume=True)
    path.write_text(READ, encoding="utf-8")
    assert facts(fit(10**9, resume=True)) == facts(lm)
    # From elsewhere it is the same corpus.
    fit(3)
    given: Any = dict(epochs=2, verbose=0, checkpoint=checkpoint, resume=True)
    assert facts(small(**options).fit(READ, READ[:500], **given)) == facts(lm)
    assert names() == ["checkpoint"]


@pytest.mark.parametrize("memory", [0, 1 << 20])
@pytest.mark.parametrize("resume", [False, True])
def test_files_of_others_beside_a_checkpoint_are_left_alone(
    memory: int, resume: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as the corpus itself: wikitext's files are wiki.train.tokens, wiki.valid.tokens."""
    monkeypatch.setattr(spool, "IN_MEMORY", memory)
    own = tmp_path / "own"
    own.write_text(READ, encoding="utf-8")
    for checkpoint, held_out in (("wiki", None), ("wiki", own), ("wiki.train", own)):
        options: dict[str, Any] = {"epochs": 2, "verbose": 0, "checkpoint": tmp_path / checkpoint}
        if resume:  # the files came after the checkpoint
            small().fit(own, held_out, callbacks=[stop_after(2)], **options)
            (tmp_path / f"{checkpoint}.tokens").unlink(missing_ok=True)
        for name in ("wiki.train.tokens", "wiki.valid.tokens"):
            (tmp_path / name).write_text(READ, encoding="utf-8")
        before = {path: path.read_bytes() for path in tmp_path.iterdir()}
        other = "wiki.valid.tokens" if checkpoint == "wiki" else "wiki.train.tokens"
        with pytest.raises(
            ValueError, match=rf"^checkpoint: .* got one where .*/{other} is another"
        ):
            small().fit(own, held_out, resume=resume, **options)
        assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
        for path in before.keys() - {own}:
            path.unlink()


class Failure(Exception):
    pass


def failing(error: BaseException) -> Iterator[str]:
    for number in range(100):
        yield f"line {number}"
    raise error


@pytest.mark.parametrize("error", [Failure("here"), KeyboardInterrupt()], ids=repr)
def test_nothing_is_left_of_a_corpus_that_breaks_off(
    error: BaseException, tmp_path: Path, in_files: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    for lines in (False, True):
        lm = small(lines=lines).fit(READ, epochs=1, verbose=0)
        before = facts(lm)
        for options in ({}, {"checkpoint": tmp_path / "c"}):
            with pytest.raises(type(error)):
                lm.fit(failing(error), epochs=1, verbose=0, **options)
            with pytest.raises(type(error)):
                lm.fit(READ, failing(error), epochs=1, verbose=0, **options)
            with pytest.raises(type(error)):
                lm.perplexity(failing(error))
            assert [*tmp_path.iterdir()] == [] and facts(lm) == before


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda f: f / "none", FileNotFoundError, "none"),
        (lambda f: [f / "c", f / "none"], FileNotFoundError, "none"),
        (lambda f: f, ValueError, "expected a folder with files that end in .txt, .txt.gz or .txt"),
        (lambda f: f / "blank", ValueError, "/blank: expected text, got an empty file"),
        (lambda f: f / "latin", ValueError, "/latin: expected UTF-8 text, got byte 0xef at offset"),
        (lambda f: f / "c.gz", ValueError, "/c.gz: expected a gzip file that is whole, got a dam"),
        (lambda f: [f / "c", "text"], TypeError, r"^text\[1\]: expected a path as text\[0\], got"),
        (lambda f: ["text", f / "c"], TypeError, r"^text\[1\]: expected a str, got \w*Path"),
        (lambda f: iter(["a", b"b"]), TypeError, r"^text\[1\]: expected a str, got bytes$"),
        (lambda f: iter([]), ValueError, "^text: expected text, got an empty corpus$"),
        (lambda f: {"a", "b"}, TypeError, "^text: expected a text, its path or lines of text, got"),
        (lambda f: str(f / "c"), ValueError, "^text: expected a text, got the path of a file, "),
    ],
)  # fmt: skip
@pytest.mark.parametrize("lines", [False, True])
def test_what_is_no_corpus(
    make: Callable[[Path], Any], error: type[Exception], message: str, lines: bool, tmp_path: Path
) -> None:
    (tmp_path / "c").write_text("to be\nor not\n")
    (tmp_path / "blank").write_text(" \n")
    (tmp_path / "latin").write_bytes("na\u00efve".encode("latin-1"))
    (tmp_path / "c.gz").write_bytes(gzip.compress(b"to be")[:-3])
    with pytest.raises(error, match=message):
        small(lines=lines).fit(make(tmp_path), verbose=0)


def test_labels_in_place_of_valid_are_told_of_a_running_text_too() -> None:
    lines, labels = [f"line {n}" for n in range(40)], ["a", "b"] * 20
    message = "^valid: expected text to measure on, got as many lines as text has, 2 different ones"
    with pytest.warns(RuntimeWarning, match=message), pytest.raises(ValueError, match="zz"):
        small(batch_size=1).fit(lines, labels, epochs=1, verbose=0)
        raise ValueError("zz")


def test_a_path_as_str_is_told(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("abcab " * 40)
    lm = rf.LanguageModel(hidden_size=4, seed=0).fit("abcab " * 400, epochs=1, verbose=0)
    message = r"^text: the path of a file, as str, is the text itself; pathlib.Path reads a file$"
    for ask in (lm.evaluate, lm.perplexity, lm.score):
        with pytest.warns(AdjustmentWarning, match=message):
            ask(str(path))
    with pytest.warns(AdjustmentWarning, match=r"^text: paths of files, as str, are lines"):
        lm.perplexity([str(path)])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_pipe_in_a_folder_is_none_of_its_texts(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.txt")
    (tmp_path / "b.txt").write_text("abcab " * 400)
    lm = rf.LanguageModel(hidden_size=4, seed=0).fit(tmp_path, epochs=1, verbose=0)
    assert set("abc ") <= set(lm.vocabulary_.tokens)
