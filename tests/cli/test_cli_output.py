"""What the command line says: shown where the terminal can, escaped where not, in one line."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rnnfast as rf
from command_line import CliRunner, app, end, environment, run, start
from rnnfast.io.streams import ForgivingStream
from rnnfast.training.progress import Reporter

GREEK = ["αβγ", "γβα", "αα", "ββγ"] * 8
ENCODINGS = ["latin-1", "cp1252", "cp437", "ascii", "utf-8"]
TRAIN = ["--lines", "--hidden-size", 8, "--layers", 1, "--batch-size", 8]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "corpus.txt"
    path.write_text("\n".join(GREEK), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "μ.safetensors"
    rf.LanguageModel(lines=True, hidden_size=8, seed=0).fit(GREEK, epochs=2, verbose=0).save(path)
    return path


def shown(text: str, encoding: str) -> str:
    return text.encode(encoding, "backslashreplace").decode(encoding)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_text_that_the_terminal_cannot_show(corpus: Path, tmp_path: Path, encoding: str) -> None:
    """Samples on the way and in the end, and a path: saved, exit code 0."""
    out = tmp_path / "ω"
    options = ["--epochs", 2, "--sample-every", 1, *TRAIN]
    code, output, errors = end(start("train", corpus, "-o", out, *options, encoding=encoding))
    assert code == 0, errors
    assert f"saved     {shown(str(out), encoding)}\n" in output
    samples = rf.load(out).sample(5, max_length=400, seed=0)
    assert output.endswith(shown("".join(f"{text}\n" for text in samples), encoding))
    assert errors.count("-- sample after epoch") == 2
    assert not (tmp_path / "ω.checkpoint").exists()


@pytest.mark.parametrize("encoding", ["cp437", "ascii"])
def test_answers_that_the_terminal_cannot_show(model: Path, encoding: str) -> None:
    lm = rf.load(model)
    code, output, _ = end(start("sample", model, "--prefix", "α", "--seed", 1, encoding=encoding))
    assert (code, output) == (0, shown(lm.sample(prefix="α", seed=1), encoding) + "\n")
    code, output, _ = end(start("next", model, "α", "-k", 3, encoding=encoding))
    expected = "".join(f"{p:.4f}  {shown(t, encoding)}\n" for t, p in lm.next_tokens("α", 3))
    assert (code, output) == (0, expected)
    code, _, errors = end(start("score", model, "αω", encoding=encoding))
    note = f"text: 1 of 2 characters unknown to the model: {shown(repr('ω'), encoding)}"
    assert (code, errors) == (0, f"rnnfast: {note}\n")
    code, output, _ = end(start("info", model, encoding=encoding))
    assert code == 0 and "LanguageModel" in output
    code, _, errors = end(start("info", "ω", encoding=encoding))
    expected = f"rnnfast: {shown('ω', encoding)}: No such file or directory\n"
    assert (code, errors) == (1, expected)


def test_what_cannot_be_decoded_is_shown_too(model: Path, tmp_path: Path) -> None:
    """Arguments that are not UTF-8 come as surrogates, which no encoding has."""
    broken = os.fsdecode(b"\xff")
    code, _, errors = end(start("score", model, f"α{broken}"))
    assert code == 0 and "1 of 2 characters unknown to the model: '\\udcff'" in errors
    code, output, _ = end(start("sample", model, "--prefix", f"α{broken}"))
    assert code == 0 and output.startswith("α\\udcff")
    code, _, errors = end(start("info", tmp_path / broken))
    assert code == 1 and errors.endswith("\\udcff: No such file or directory\n")


def test_the_streams_are_as_before(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rnnfast.__main__ import main

    for errors, expected in (("strict", "\\u03b1"), ("replace", "?")):
        stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors=errors)
        monkeypatch.setattr("sys.stdout", stream)
        assert main(["sample", str(model), "--prefix", "α", "--length", "1"]) == 0
        assert stream.errors == errors
        assert stream.buffer.getvalue().decode().startswith(expected)  # type: ignore[attr-defined]


# Streams that take nothing


FULL = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")


@FULL
@pytest.mark.parametrize("command", ["sample", "score", "next", "info", "help"])
def test_a_full_disk(model: Path, command: str) -> None:
    arguments: dict[str, list[Any]] = {
        "sample": ["sample", model, "-n", 2000],
        "score": ["score", model, "α"],
        "next": ["next", model],
        "info": ["info"],
        "help": ["train", "--help"],
    }
    with open("/dev/full", "w") as full:
        code, _, errors = end(start(*arguments[command], stdout=full))
    assert code == 1
    assert errors == "rnnfast: standard output: No space left on device\n"


@pytest.mark.skipif(not os.path.exists("/proc/self/mem"), reason="no /proc/self/mem here")
def test_a_file_that_cannot_be_read_is_not_the_output(tmp_path: Path) -> None:
    code, _, errors = end(start("train", "/proc/self/mem", "-o", tmp_path / "m"))
    assert (code, errors) == (1, "rnnfast: /proc/self/mem: Input/output error\n")


@FULL
def test_a_full_disk_after_training(corpus: Path, tmp_path: Path) -> None:
    """The model is what counts: it is saved, and that is the exit code."""
    out = tmp_path / "m"
    with open("/dev/full", "w") as full:
        process = start("train", corpus, "-o", out, "--epochs", 2, "--json", *TRAIN, stdout=full)
        code, _, errors = end(process)
    message = f"standard output: No space left on device; the model is saved in {out}"
    assert code == 0 and errors.endswith(f"\nrnnfast: {message}\n")
    assert len(rf.load(out).history_) == 2 and not (tmp_path / "m.checkpoint").exists()


@FULL
def test_progress_that_cannot_be_shown_ends_nothing(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "m"
    with open("/dev/full", "w") as full:
        process = start("train", corpus, "-o", out, "--epochs", 2, *TRAIN, stderr=full)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and f"saved     {out}" in output


@FULL
def test_what_waits_for_a_full_disk_is_given_up() -> None:
    begun = "import sys; sys.stderr.buffer.write(b'begun')"
    code = f"{begun}; from rnnfast.cli import run; sys.exit(run([]))"
    own = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with open("/dev/full", "w") as full:
        process = subprocess.run(
            [sys.executable, "-c", code], stderr=full, stdout=subprocess.PIPE, env=own
        )
    assert process.returncode == 0 and b"Usage" in process.stdout


def closed(*streams: int) -> Callable[[], None]:
    """Return what closes standard streams in a process to be, as ``>&-`` does."""

    def close() -> None:
        for number in streams:
            os.close(number)

    return close


POSIX = pytest.mark.skipif(os.name != "posix", reason="streams are closed before exec")
CLOSED = "rnnfast: standard output: it is closed"


@POSIX
@pytest.mark.parametrize("command", ["sample", "score", "next", "info", "help"])
@pytest.mark.parametrize("streams", [(0,), (1,), (2,), (0, 1, 2)])
def test_streams_that_were_closed(model: Path, command: str, streams: tuple[int, ...]) -> None:
    arguments: dict[str, list[Any]] = {
        "sample": ["sample", model, "-n", 2, "--seed", 1],
        "score": ["score", model, "αω"],
        "next": ["next", model],
        "info": ["info"],
        "help": ["train", "--help"],
    }
    code, output, errors = end(start(*arguments[command], preexec_fn=closed(*streams)))
    assert code == (1 if 1 in streams else 0)
    assert bool(output) == (1 not in streams)
    if 2 in streams:
        assert errors == ""
    elif 1 in streams:
        assert errors.splitlines()[-1] == CLOSED and errors.count(CLOSED) == 1


@POSIX
@pytest.mark.parametrize("streams", [(0,), (1,), (2,), (1, 2), (0, 1, 2)])
def test_training_without_streams(corpus: Path, tmp_path: Path, streams: tuple[int, ...]) -> None:
    """It trains and saves, and what it opens is not written to by others for a stream's number."""
    out = tmp_path / "m"
    process = start("train", corpus, "-o", out, "--epochs", 2, *TRAIN, preexec_fn=closed(*streams))
    code, _, errors = end(process)
    assert code == 0 and len(rf.load(out).history_) == 2
    assert not (tmp_path / "m.checkpoint").exists()
    if streams == (1,):
        assert errors.endswith(f"{CLOSED}; the model is saved in {out}\n")


def test_files_do_not_take_the_place_of_a_stream() -> None:
    script = (
        "import os, sys\n"
        "os.close(1), os.close(2)\n"
        "from rnnfast.cli.console import occupy_streams\n"
        "occupy_streams()\n"
        "sys.exit(os.open(os.devnull, os.O_RDONLY))\n"
    )
    process = subprocess.run([sys.executable, "-c", script], env=environment(), timeout=60)
    assert process.returncode == 3


@pytest.mark.skipif(os.name != "posix", reason="Ctrl-C is a signal elsewhere")
@pytest.mark.parametrize("by", ["module", "script"])
def test_ctrl_c_while_it_imports(tmp_path: Path, by: str) -> None:
    """At the first module of NumPy, typer or the command itself: no traceback."""
    script = tmp_path / "rnnfast"
    script.write_text(
        "import sys\nfrom rnnfast.__main__ import main\nif __name__ == '__main__':\n"
        "    sys.exit(main())\n"
    )
    (tmp_path / "sitecustomize.py").write_text(
        "import os, signal, sys\n"
        "class Finder:\n"
        "    @staticmethod\n"
        "    def find_spec(name, path=None, target=None):\n"
        "        if name == os.environ['STOP_AT']:\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Finder)\n"
    )
    command = ["-m", "rnnfast"] if by == "module" else [str(script)]
    for name in ("numpy", "numpy.linalg", "rnnfast.models.seq2seq", "typer", "rnnfast.cli"):
        env = environment(STOP_AT=name)
        env["PYTHONPATH"] = os.pathsep.join([str(tmp_path), env["PYTHONPATH"]])
        process = subprocess.run(
            [sys.executable, *command, "info"],
            capture_output=True, encoding="utf-8", env=env, timeout=60, check=False,
        )  # fmt: skip
        assert (process.returncode, process.stderr) == (130, "rnnfast: stopped\n"), name


def test_imported_by_others_ctrl_c_is_theirs() -> None:
    script = "import signal, rnnfast; print(signal.getsignal(2) is signal.default_int_handler)"
    command = [sys.executable, "-c", script]
    assert subprocess.check_output(command, env=environment(), encoding="utf-8") == "True\n"


def test_readers_that_go_away_while_it_trains(corpus: Path, tmp_path: Path) -> None:
    """As with ``2>&1 | head -1``: training goes on to its end."""
    out = tmp_path / "m"
    process = start("train", corpus, "-o", out, "--epochs", 30, *TRAIN, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=60) == 0
    assert len(rf.load(out).history_) == 30


def test_a_process_without_streams(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "m"
    script = (
        "import sys; sys.stderr = None\n"
        "import rnnfast as rf\n"
        f"lm = rf.LanguageModel(lines=True, hidden_size=4).fit({GREEK!r}, epochs=2)\n"
        f"lm.save({str(out)!r})\n"
    )
    subprocess.run([sys.executable, "-c", script], env=environment(), timeout=60, check=True)
    assert len(rf.load(out).history_) == 2


class Broken(io.StringIO):
    """A stream of an encoding, to which only so many writes succeed."""

    def __init__(self, encoding: str = "ascii", writes: int = 10**9) -> None:
        super().__init__()
        self._encoding, self.left = encoding, writes

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        text.encode(self._encoding)
        self.left -= 1
        if self.left < 0:
            raise OSError(5, "Input/output error")
        return super().write(text)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("verbose", [1, 2])
def test_progress_escapes_and_goes_on(encoding: str, verbose: int) -> None:
    """With the bar and without it."""
    stream = Broken(encoding)
    reporter = Reporter(verbose, unit="ω", stream=stream)
    reporter.start_epoch(0, 1, 0, 2)
    reporter.write("αβγ é")
    reporter.update(1.0, 3)
    reporter.end_epoch({"epoch": 1, "loss": 1.0, "seconds": 1.0})
    reporter.close()
    assert shown("αβγ é", encoding) in stream.getvalue()
    assert shown("ω/s", encoding) in stream.getvalue()


@pytest.mark.parametrize("verbose", [1, 2])
@pytest.mark.parametrize("writes", range(0, 8, 2))
def test_a_terminal_that_is_closed(verbose: int, writes: int) -> None:
    stream = Broken("utf-8", writes)
    lm = rf.LanguageModel(lines=True, hidden_size=4, seed=1)
    reporter = Reporter(verbose, stream=stream)
    reporter.start_epoch(0, 1, 0, 2)
    for _ in range(4):
        reporter.write("text")
        reporter.update(1.0, 3)
    reporter.end_epoch({"epoch": 1, "loss": 1.0, "seconds": 1.0})
    reporter.close()
    assert stream.left < 0
    lm.fit(GREEK, epochs=1, verbose=0)


def test_a_stream_that_was_closed() -> None:
    stream = io.StringIO()
    stream.close()
    forgiving = ForgivingStream(stream)
    assert forgiving.write("text") == 4
    forgiving.flush()
    nothing = ForgivingStream(None)
    assert nothing.write("text") == 4 and not nothing.isatty()


# What is said of unknown tokens


def test_unknown_characters_are_counted_aloud(model: Path, tmp_path: Path) -> None:
    runner = CliRunner()

    def errors(*arguments: object) -> str:
        result = runner.invoke(app, [str(a) for a in arguments], catch_exceptions=False)
        assert result.exit_code == 0
        return result.stderr

    assert errors("score", model, "αβ") == ""
    assert errors("sample", model, "--prefix", "αβ") == errors("sample", model) == ""
    assert errors("next", model, "αβ") == errors("next", model) == ""
    message = "rnnfast: {}: 4 of 6 characters unknown to the model: 'x', 'y', 'z'\n"
    assert errors("score", model, "αxyxzβ") == message.format("text")
    assert errors("sample", model, "--prefix", "αxyxzβ") == message.format("prefix")
    assert errors("next", model, "αxyxzβ") == message.format("prefix")
    file = tmp_path / "text"
    file.write_text("αβ\nx\n\nα\n", encoding="utf-8")
    one = "rnnfast: text: 1 of 4 characters unknown to the model: 'x'\n"
    assert errors("score", model, "--file", file) == one
    many = "α" + "".join(chr(97 + n) for n in range(12))
    assert errors("score", model, many).endswith("'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', "
                                                 "'j' and 2 others\n")  # fmt: skip


def test_what_is_empty_is_answered(model: Path, tmp_path: Path) -> None:
    """As `LanguageModel` does: an empty line, and nothing before what is asked for."""
    one = run("score", model, "")
    assert f"{rf.load(model).log_prob(''):.4f} nats\ncharacters       1" in one
    (tmp_path / "empty").write_text("\n")
    assert run("score", model, "--file", tmp_path / "empty") == one
    running = rf.LanguageModel(level="word", hidden_size=4, batch_size=2, sequence_length=4)
    running.fit("to be or not " * 9, epochs=1, verbose=0).save(tmp_path / "m")
    assert run("sample", tmp_path / "m", "--prefix", " ", "--length", 3)
    assert run("next", tmp_path / "m", " ")


def test_unknown_words_are_counted_too(tmp_path: Path) -> None:
    lm = rf.LanguageModel(level="word", lines=True, hidden_size=4, max_vocabulary_size=2, seed=1)
    lm.fit(["to be or not", "to be", "to be"] * 4, epochs=1, verbose=0).save(tmp_path / "m")
    result = CliRunner().invoke(app, ["score", str(tmp_path / "m"), "to be or to go"])
    assert result.stderr == "rnnfast: text: 2 of 5 words unknown to the model: 'or', 'go'\n"


def test_a_three_line_text_trains(tmp_path: Path) -> None:
    """With the options that there are by default: said in one line."""
    corpus, out = tmp_path / "c", tmp_path / "m"
    for text in ("to be or not to be\nthat is\nthe question\n", "abc\ndef\nghi", "ab\nba\nab"):
        corpus.write_text(text)
        for more in ([], ["--lines"], ["--level", "word"], ["--level", "word", "--lines"]):
            arguments = ["train", corpus, "-o", out, "--force", "--epochs", 2, "--hidden-size", 8]
            result = CliRunner().invoke(app, [str(a) for a in [*arguments, *more]])
            assert result.exit_code == 0, result.output
            assert result.stderr.count("text: ") == result.stderr.count("\ntext: ") + (
                result.stderr.startswith("text: ")
            )
            if "--lines" not in more:
                assert "; taking a --batch-size of 1\n" in result.stderr
            lm = rf.load(out)
            assert lm.history_ and run("sample", out, "--length", 3)
