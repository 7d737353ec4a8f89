"""Every option of every command takes any text without a traceback: one line, exit code 1 or 2."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

import rnnfast as rf
from command_line import LINES, app, fails, typer
from rnnfast.__main__ import main
from rnnfast.cli.bench import command as bench_command
from rnnfast.cli.bench.timing import in_turns
from rnnfast.cli.options import in_options
from rnnfast.nn.recurrent.base import LAYERS


def options_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the options of a command by name, each with the type of its value."""
    options: dict[str, Any] = {}
    for parameter, hint in get_type_hints(function, include_extras=True).items():
        for how in getattr(hint, "__metadata__", ()):
            if isinstance(how, typer.models.OptionInfo):
                given = [how.default, *(how.param_decls or ())]  # the first stands as the default
                names = [n for d in given if isinstance(d, str) for n in d.split("/")]
                for name in names or ["--" + parameter.replace("_", "-")]:
                    options[name] = get_args(hint)[0]
    return options


COMMANDS = {
    command.name or command.callback.__name__: options_of(command.callback)
    for command in app.registered_commands
    if command.callback is not None
}
# What stands before the options, by command; `model` and `corpus` are files of the folder.
ARGUMENTS = {
    "train": ["corpus"],
    "sample": ["model"],
    "score": ["model"],
    "next": ["model"],
    "info": ["model"],
    "export": ["model", "m"],
    "quantize": ["model", "m"],
    "show": ["model"],
    "bench": [],
}
SMALL = ["--hidden-size", "4", "--layers", "1", "--epochs", "1", "--embedding-size", "2", "-o", "m"]
INTEGERS = [(c, o) for c, all in COMMANDS.items() for o, t in all.items() if t in (int, int | None)]
FLOATS = [
    (c, o) for c, all in COMMANDS.items() for o, t in all.items() if t in (float, float | None)
]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    (folder / "corpus").write_text("\n".join(LINES))
    lm = rf.LanguageModel(lines=True, hidden_size=4, seed=0)
    lm.fit(LINES, epochs=1, verbose=0).save(folder / "model")
    return folder


@pytest.fixture(autouse=True)
def folder(files: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(files)
    yield files
    for path in files.iterdir():
        if path.name not in ("corpus", "model"):
            path.unlink()


def test_the_options_are_found() -> None:
    assert set(COMMANDS) == set(ARGUMENTS)
    assert len(INTEGERS) == 24 and ("train", "--hidden-size") in INTEGERS
    of_training = {"--dropout", "--lr", "--decay", "--clip-norm", "--init-range"}
    assert {name for _, name in FLOATS} == of_training | {"--temperature", "--top-p"}


@pytest.mark.parametrize(("command", "option"), INTEGERS)
def test_integers_beyond_int64(
    capsys: pytest.CaptureFixture[str], command: str, option: str, folder: Path
) -> None:
    before = sorted(folder.iterdir())
    for value in (2**63, 99999999999999999999, 10**400, -(2**63), -(10**400)):
        given = [f"{option}={value}"] if option.startswith("--") else [option, value]
        code, message = fails(capsys, command, *ARGUMENTS[command], *given)
        assert code == 2 and option in message
        wanted = "at most" if value > 0 else "at least"
        got = value if abs(value) < 10**99 else "an integer of 1329 bits"
        assert f": expected {wanted} " in message and message.endswith(f", got {got}")
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize(("command", "option"), INTEGERS + FLOATS)
@pytest.mark.parametrize("value", ["", "x", "1e3x", "0x10", "½", "--", "\udcff"])
def test_what_is_no_number(
    capsys: pytest.CaptureFixture[str], command: str, option: str, value: str
) -> None:
    code, message = fails(capsys, command, *ARGUMENTS[command], f"{option}={value}")
    assert code == 2 and option in message and re.search(": expected a.*, got '.*'$", message)


@pytest.mark.parametrize(
    ("command", "option", "value", "message"),
    [
        ("train", "--hidden-size", "0", "expected at least 1, got 0"),
        ("train", "--seed", "-1", "expected at least 0, got -1"),
        ("train", "--threads", "4096", "expected at most 1024, got 4096"),
        ("train", "--lr", "0", "expected a finite number above 0, got 0.0"),
        ("train", "--dropout", "1", "expected a finite number of at least 0 and below 1, got 1.0"),
        ("train", "--cell", "cnn", f"expected one of {', '.join(LAYERS)}, got 'cnn'"),
        ("train", "--level", "", "expected one of char, word, subword, got ''"),
        ("train", "--valid", "x/", "expected the path of a file, got 'x/'"),
        ("sample", "--top-k", "0", "expected at least 1, got 0"),
        ("sample", "--top-p", "2", "expected a finite number above 0 and of at most 1, got 2.0"),
        ("sample", "--seed", "-1", "expected at least 0, got -1"),
        ("score", "--file", "", "expected the path of a file, got ''"),
        ("next", "-k", "0", "expected at least 1, got 0"),
    ],
)
def test_what_is_out_of_range(
    capsys: pytest.CaptureFixture[str], command: str, option: str, value: str, message: str
) -> None:
    code, got = fails(capsys, command, *ARGUMENTS[command], option, value)
    assert (code, got) == (2, f"Invalid value for '{option}': {message}")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--hidden-size", "1" + "0" * 12], "input_size, --hidden-size, --layers: expected sizes"),
        (["--embedding-size", "1" + "0" * 12], "num_embeddings, --embedding-size: expected sizes"),
    ],
)
def test_messages_of_the_package_name_options(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str, folder: Path
) -> None:
    code, got = fails(capsys, "train", "corpus", "-o", "m", "-q", *arguments)
    assert code == 1 and got.startswith(message)
    (folder / "m").write_text("a line")
    code, got = fails(capsys, "train", "m", "-o", "m2", "--lines")
    wanted = "text: expected at least 2 lines, to hold one out, got 1; or give another text with"
    assert (code, got) == (1, f"{wanted} --valid, or leave out --lines")
    (folder / "m").write_text("word")
    wanted = "text: expected at least 2 tokens, to hold one out, got 1; or give another text with"
    code, got = fails(capsys, "train", "m", "-o", "m2", "--level", "word")
    assert (code, got) == (1, f"{wanted} --valid, or take --level char")
    (folder / "m").write_text("w")
    assert fails(capsys, "train", "m", "-o", "m2") == (1, f"{wanted} --valid")


def test_what_is_quoted_is_no_option() -> None:
    """Names in paths, and what was given, stay as they are."""
    message = "learning_rate: expected a number, got 'learning_rate' in a/learning_rate.txt"
    expected = "--lr: expected a number, got 'learning_rate' in a/learning_rate.txt"
    assert in_options("train", message) == expected
    assert in_options("info", message) == in_options("", message) == message


@pytest.mark.parametrize(("command", "option"), FLOATS)
@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e400", "-1"])
def test_numbers_that_are_not_finite(
    capsys: pytest.CaptureFixture[str], command: str, option: str, value: str
) -> None:
    code, message = fails(capsys, command, *ARGUMENTS[command], f"{option}={value}")
    assert code == 2 and f"'{option}': expected a finite number" in message


VALUES = ["0", "1", "2", "7", "-1", "1000", str(10**20), "0.5", "1e308", "nan", "inf", "", "x",
          "corpus", "model", "m", ".", "/", "none/m", "lstm", "gru", "word", "char",
          "\udcff", "a\nb", "αβ"]  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_any_options_together(
    capsys: pytest.CaptureFixture[str], seed: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Right or wrong, alone or together: an exit code, and one line if it is not 0."""

    def once(runs: list[Any], case: Any, limits: Any, seconds: float) -> list[list[float]]:
        return in_turns(runs, case, limits, 0.0)

    monkeypatch.setattr(bench_command, "in_turns", once)
    rng = random.Random(seed)
    codes: list[int] = []
    for _ in range(30):
        command = rng.choice(list(COMMANDS))
        arguments: list[str] = [command, *rng.choice([ARGUMENTS[command]] * 4 + [["none"], []])]
        if command == "train":
            arguments += SMALL
        options = COMMANDS[command]
        for name in rng.sample(list(options), min(len(options), rng.randrange(4))):
            if options[name] is bool:
                arguments.append(name)
            elif name.startswith("--"):
                arguments.append(f"{name}={rng.choice(VALUES)}")
            else:
                arguments += [name, rng.choice(VALUES)]
        if command in ("score", "next") and rng.random() < 0.7:
            arguments.append(rng.choice(VALUES))
        code = main(arguments)
        errors = capsys.readouterr().err
        codes.append(code)
        assert code in (0, 1, 2), (arguments, errors)
        own = [line for line in errors.splitlines() if line.startswith("rnnfast: ")]
        if code:
            assert own and errors.endswith(own[-1] + "\n"), (arguments, errors)
        assert "Traceback" not in errors
        (folder / "m").unlink(missing_ok=True)
    assert len(set(codes)) > 1
    assert (folder / "corpus").read_text() == "\n".join(LINES)
    assert len(rf.load("model").history_) == 1
