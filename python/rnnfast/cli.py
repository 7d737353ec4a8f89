"""The command line: train a language model, sample from it, ask it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

import rnnfast as rf
from rnnfast import _training_command
from rnnfast._files import read_utf8
from rnnfast.models.language_model import LanguageModel

app = typer.Typer(
    name="rnnfast",
    help="Train recurrent language models on a CPU, and write with them.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

ModelPath = Annotated[Path, typer.Argument(help="A model that `rnnfast train` saved.")]


def run(arguments: Sequence[str]) -> int:
    """Run the command line and return the exit code; an error is one line on standard error."""
    command = typer.main.get_command(app)
    try:
        code = command.main(list(arguments) or ["--help"], "rnnfast", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read our output has gone, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (KeyboardInterrupt, typer.Abort):
        print("rnnfast: stopped", file=sys.stderr)
        return 130
    except (ValueError, TypeError, OSError, FloatingPointError, MemoryError) as error:
        return _fail(_line(error), 1)
    except Exception as error:
        # Usage errors are of typer or, before it took that over, of click.
        if not hasattr(error, "format_message"):
            raise
        return _fail(error.format_message(), getattr(error, "exit_code", 2))
    return code if isinstance(code, int) else 0


def _fail(message: str, code: int) -> int:
    print(f"rnnfast: {' '.join(message.split())}", file=sys.stderr)
    return code


def _line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{os.fsdecode(error.filename)}: {error.strerror}"
    return str(error) or type(error).__name__


app.command(name="train")(_training_command.train)


@app.command()
def sample(
    model: ModelPath,
    number: Annotated[int, typer.Option("-n", "--number", min=1, help="How many texts.")] = 1,
    prefix: Annotated[str, typer.Option(help="What each text begins with.")] = "",
    length: Annotated[int, typer.Option(min=1, help="At most so many characters or words.")] = 500,
    temperature: Annotated[
        float, typer.Option(help="Below 1 safer, above 1 wilder, 0 always the likeliest.")
    ] = 1.0,
    top_k: Annotated[int | None, typer.Option(help="Draw among the k likeliest.")] = None,
    top_p: Annotated[
        float | None, typer.Option(help="Draw among the likeliest that carry this probability.")
    ] = None,
    allow_unknown: Annotated[
        bool, typer.Option("--allow-unknown", help="Let <UNK> be drawn.")
    ] = False,
    seed: Annotated[int | None, typer.Option(help="The same seed, the same text.")] = None,
) -> None:
    """Write new text."""
    texts = _load(model).sample(
        number,
        prefix=prefix,
        max_length=length,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        allow_unknown=allow_unknown,
        seed=seed,
    )
    for text in [texts] if isinstance(texts, str) else texts:
        typer.echo(text)


@app.command()
def score(
    model: ModelPath,
    text: Annotated[str | None, typer.Argument(help="The text; or --file.")] = None,
    file: Annotated[Path | None, typer.Option(help="A UTF-8 file with the text.")] = None,
) -> None:
    """Tell how likely a text is: its log-probability and perplexity."""
    if (text is None) == (file is None):
        raise typer.BadParameter("expected either a TEXT or a --file")
    lm = _load(model)
    if text is None:
        assert file is not None
        text = read_utf8(file)
    result = lm.evaluate(text)
    ends = ", the end of each line counted" if lm.lines else ""
    typer.echo(f"log-probability  {result.log_prob:.4f} nats")
    typer.echo(f"{lm.unit + 's':15}  {result.num_tokens:,}{ends}")
    typer.echo(f"loss             {result.loss:.4f} nats a {lm.unit}")
    typer.echo(f"perplexity       {result.perplexity:.4f}")


@app.command(name="next")
def next_(
    model: ModelPath,
    prefix: Annotated[str, typer.Argument(help="What stands before.")] = "",
    k: Annotated[int, typer.Option("-k", min=1, help="How many.")] = 10,
) -> None:
    """List what most likely comes after a text."""
    for token, probability in _load(model).next_tokens(prefix, k):
        shown = token if token.isprintable() and not token.isspace() else repr(token)
        typer.echo(f"{probability:.4f}  {shown}")


@app.command()
def info(
    model: Annotated[Path | None, typer.Argument(help="A model; without one, the CPU.")] = None,
) -> None:
    """Describe a model, or what the kernels run on."""
    facts = {"rnnfast": rf.__version__, **rf.cpu_info()} if model is None else _describe(model)
    width = max(map(len, facts))
    for name, value in facts.items():
        typer.echo(f"{name:{width}}  {_show(value)}")


def _describe(path: Path) -> dict[str, Any]:
    model = rf.load(path)
    facts = {"model": type(model).__name__, **model.get_params()}
    facts["parameters"] = model.num_parameters
    if isinstance(model, LanguageModel):
        facts["vocabulary"] = f"{len(model.vocabulary_)} {model.unit}s"
        if model.history_:
            facts["trained"] = f"{model.history_[-1]['epoch']} epochs"
            facts |= {n: v for n, v in model.history_[-1].items() if n.endswith("loss")}
    facts["file size"] = f"{path.stat().st_size:,} bytes"
    return facts


def _show(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_show(item)}" for name, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_show, value))
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _load(path: Path) -> LanguageModel:
    model = rf.load(path)
    if not isinstance(model, LanguageModel):
        raise ValueError(f"{path}: expected a LanguageModel, got a {type(model).__name__}")
    return model
