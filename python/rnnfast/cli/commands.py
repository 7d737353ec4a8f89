"""The command line: train a language model, sample from it, ask it."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.core

import rnnfast as rf
from rnnfast import _interrupts
from rnnfast._checks.messages import of_file
from rnnfast.cli.bench import bench
from rnnfast.cli.console import (
    BrokenOutput,
    OutputError,
    Terminated,
    escaping,
    flush,
    give_up_errors,
    interrupting,
    note,
    occupy_streams,
    output_checked,
    say,
    terminating,
)
from rnnfast.cli.export import export
from rnnfast.cli.info import info
from rnnfast.cli.models import load_as
from rnnfast.cli.options import in_options, integer, path_of_file, real
from rnnfast.cli.quantize import quantize
from rnnfast.cli.results import AsJson, Quiet, say_json
from rnnfast.cli.show import show
from rnnfast.cli.streams import score_lines
from rnnfast.cli.texts import TextSource, corpus_of, given_text, note_path, sources_of
from rnnfast.cli.train import train
from rnnfast.models.language_model import LanguageModel


class _Commands(typer.core.TyperGroup):
    """The commands; one that Ctrl-C stops says so, where typer would end it without a word."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise typer.Abort from None


app = typer.Typer(
    name="rnnfast",
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

ModelPath = Annotated[
    Path, typer.Argument(parser=path_of_file, help="A model that `rnnfast train` saved.")
]


def _tell_version(wanted: bool) -> None:
    if wanted:
        say(f"rnnfast {rf.__version__}")
        raise typer.Exit


@app.callback()
def _program(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_tell_version, is_eager=True, help="Tell the version and stop."
        ),
    ] = False,
) -> None:
    """Train recurrent language models on a CPU, and write with them."""


# Unknown tokens that are shown.
_SHOWN = 10


def run(arguments: Sequence[str]) -> int:
    """Run the command line and return the exit code; an error is one line on standard error."""
    try:
        with interrupting(), escaping(), terminating(), warnings.catch_warnings():
            occupy_streams()
            warnings.simplefilter("always", RuntimeWarning)
            warnings.showwarning = lambda message, *place: note(str(message))
            try:
                return _run(arguments)
            except BrokenOutput as error:
                return error.code  # who reads has what they wanted: no word
            except (OutputError, Terminated) as error:
                return _fail(str(error), getattr(error, "code", 1))
    except KeyboardInterrupt:
        return _fail("stopped", _interrupts.EXIT_CODE)
    finally:
        give_up_errors()


def _run(arguments: Sequence[str]) -> int:
    command = typer.main.get_command(app)
    try:
        with output_checked():  # of the usage, which typer writes
            try:
                code = command.main(list(arguments) or ["--help"], "rnnfast", standalone_mode=False)
            except SystemExit as error:  # typer's: it has completed, or a reader has gone
                if isinstance(error.__context__, BrokenPipeError):
                    raise error.__context__ from None
                code = error.code
        flush()
    except typer.Abort:
        return _fail("stopped", _interrupts.EXIT_CODE)
    except (ValueError, TypeError, OSError, ArithmeticError, MemoryError, ImportError) as error:
        return _fail(_line(error, arguments[0] if arguments else ""), 1)
    except OutputError:
        raise
    except Exception as error:
        # Usage errors are of typer or, before it took that over, of click.
        if not hasattr(error, "format_message"):
            raise
        return _fail(error.format_message(), getattr(error, "exit_code", 2))
    return code if isinstance(code, int) else 0


def _fail(message: str, code: int) -> int:
    note(message)
    return code


def _line(error: BaseException, command: str) -> str:
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return of_file(error)
    return in_options(command, str(error)) or type(error).__name__


app.command(name="train")(train)
app.command(name="export")(export)
app.command(name="quantize")(quantize)
app.command(name="info")(info)
app.command(name="show")(show)
app.command(name="bench")(bench)


@app.command()
def sample(
    model: ModelPath,
    number: Annotated[int, integer("How many texts.", 1, "-n", "--number")] = 1,
    prefix: Annotated[
        str, typer.Option(help="What each text begins with; -: standard input.")
    ] = "",
    length: Annotated[int, integer("At most so many characters or words.", 1)] = 500,
    temperature: Annotated[
        float, real("Below 1 safer, above 1 wilder, 0 always the likeliest.", 0.0, math.inf)
    ] = 1.0,
    top_k: Annotated[int | None, integer("Draw among the k likeliest.", 1)] = None,
    top_p: Annotated[
        float | None,
        real("Draw among the likeliest that carry this probability.", 0.0, 1.0, above=True),
    ] = None,
    allow_unknown: Annotated[
        bool, typer.Option("--allow-unknown", help="Let <UNK> be drawn.")
    ] = False,
    seed: Annotated[int | None, integer("The same seed, the same text.", 0)] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write new text."""
    lm = load_as(model, LanguageModel, "LanguageModel")
    prefix = given_text(prefix)
    texts = lm.sample(
        number,
        prefix=prefix,
        max_length=length,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        allow_unknown=allow_unknown,
        seed=seed,
    )
    if not quiet:
        _note_unknown_in(lm, prefix)
    for text in [texts] if isinstance(texts, str) else texts:
        if as_json:
            say_json(text=text)
        else:
            say(text)


@app.command()
def score(
    model: ModelPath,
    text: Annotated[str | None, typer.Argument(help="The text; -: standard input.")] = None,
    file: Annotated[
        list[TextSource] | None,
        typer.Option(
            parser=sources_of,
            metavar="<path>",
            help="A UTF-8 file with the text, also .gz and .zst, or a folder with .txt; -: "
            "standard input; may be given again.",
        ),
    ] = None,
    stream: Annotated[
        bool, typer.Option("--stream", help="Score each line of standard input as it comes.")
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Tell how likely a text is: its log-probability and perplexity."""
    if [text is not None, bool(file), stream].count(True) != 1:
        raise typer.BadParameter("expected either a TEXT, a --file or --stream")
    lm = load_as(model, LanguageModel, "LanguageModel")
    if stream:
        return score_lines(lm, as_json)
    corpus = corpus_of("--file", file) if file else given_text(text or "")
    if text is not None and not quiet:
        note_path("TEXT", text)
    result, unknown, count = lm._evaluate(corpus)
    if not quiet:
        _note_unknown(lm, "text", unknown, count)
    if as_json:
        say_json(
            log_prob=result.log_prob,
            unit=lm.unit,
            num_tokens=result.num_tokens,
            loss=result.loss,
            perplexity=result.perplexity,
        )
        return
    ends = ", the end of each line counted" if lm.lines else ""
    say(f"log-probability  {result.log_prob:.4f} nats")
    say(f"{lm.unit + 's':15}  {result.num_tokens:,}{ends}")
    say(f"loss             {result.loss:.4f} nats a {lm.unit}")
    say(f"perplexity       {result.perplexity:.4f}")


@app.command(name="next")
def next_(
    model: ModelPath,
    prefix: Annotated[str, typer.Argument(help="What stands before; -: standard input.")] = "",
    k: Annotated[int, integer("How many.", 1, "-k")] = 10,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """List what most likely comes after a text."""
    lm = load_as(model, LanguageModel, "LanguageModel")
    prefix = given_text(prefix)
    answers = lm.next_tokens(prefix, k)
    if not quiet:
        _note_unknown_in(lm, prefix)
    for token, probability in answers:
        if as_json:
            say_json(token=token, probability=probability)
            continue
        shown = token if token.isprintable() and not token.isspace() else repr(token)
        say(f"{probability:.4f}  {shown}")


def _note_unknown_in(lm: LanguageModel, prefix: str) -> None:
    """Count aloud what of a prefix the model takes for ``<UNK>``."""
    tokens = lm.tokenizer_.tokenize(prefix)
    known = lm.vocabulary_
    unknown = Counter(token for token in tokens if known[token] == known.unk_id)
    _note_unknown(lm, "prefix", unknown, len(tokens))


def _note_unknown(lm: LanguageModel, name: str, counts: Counter[str], tokens: int) -> None:
    """Count aloud the unknown ones of so many tokens."""
    if counts:
        shown = ", ".join(repr(token) for token, _ in counts.most_common(_SHOWN))
        more = f" and {len(counts) - _SHOWN} others" if len(counts) > _SHOWN else ""
        count = f"{counts.total()} of {tokens} {lm.unit}s"
        note(f"{name}: {count} unknown to the model: {shown}{more}")
