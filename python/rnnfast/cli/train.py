"""The command ``rnnfast train``."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

import rnnfast as rf
from rnnfast._checks.adjustments import AdjustmentWarning
from rnnfast._dispatch import MOST_THREADS
from rnnfast.cli.console import BrokenOutput, OutputError, Terminated, flush, note, say
from rnnfast.cli.options import choice, file, in_options, integer, real
from rnnfast.cli.processes import by_all_processes, communicator
from rnnfast.cli.recipe import (
    ClipNorm,
    Decay,
    Embeddings,
    Init,
    InitRange,
    LossReduction,
    Newline,
    Optimizer,
    Schedule,
    Whitespace,
    recipe_of,
)
from rnnfast.cli.results import AsJson, Quiet, say_json
from rnnfast.cli.starting import begin_with
from rnnfast.cli.texts import TextSource, corpus_of, files_of, sources_of
from rnnfast.cli.training_files import are_same, is_wanted, require_free, set_aside
from rnnfast.data.datasets import load_dinosaurs
from rnnfast.metrics._texts import perplexity_of
from rnnfast.models.language_model import LanguageModel
from rnnfast.nn.recurrent.base import LAYERS
from rnnfast.text.conversion import read_tokenizer
from rnnfast.training.checkpointer import keeping
from rnnfast.training.messages import describe_training, kept_record
from rnnfast.training.progress import Progress, naming
from rnnfast.training.ranks import current_ranks
from rnnfast.training.signals import InterruptFlag

# Samples shown during a training and at its end.
_SAMPLES = 5
_SAMPLE_LENGTH = 200
NUMBERS = ("int8", "bfloat16")


@by_all_processes
def train(
    context: typer.Context,
    corpus: Annotated[
        list[TextSource] | None,
        typer.Argument(
            parser=sources_of,
            help="UTF-8 texts: files, also .gz and .zst, folders with .txt; -: standard input; "
            "without one, the names of dinosaurs, line by line.",
        ),
    ] = None,
    start: Annotated[
        Path | None,
        file(
            "Go on with this model, as it was made; with an optimizer that begins anew.", "--from"
        ),
    ] = None,
    extend: Annotated[
        bool,
        typer.Option("--extend/--no-extend", help="With --from, take in new tokens, or refuse."),
    ] = True,
    freeze: Annotated[
        list[str] | None,
        typer.Option(
            "--freeze", metavar="<layer>", help="Leave a layer as it is; may be given again."
        ),
    ] = None,
    out: Annotated[Path, file("Where to save the model.", "-o", "--out")] = Path(
        "model.safetensors"
    ),
    lines: Annotated[
        bool, typer.Option("--lines/--text", help="Each line on its own, or one running text.")
    ] = False,
    level: Annotated[Any, choice("What to predict.", "char", "word", "subword")] = "char",
    subwords: Annotated[
        Any, choice("How subwords are learned from the corpus.", "bpe", "unigram")
    ] = "bpe",
    output_layer: Annotated[
        Any, choice("Score all tokens, or rare ones in clusters, fast.", "full", "adaptive")
    ] = "full",
    mixed_precision: Annotated[
        bool, typer.Option("--mixed-precision", help="Score all tokens in bfloat16 while training.")
    ] = False,
    tokenizer: Annotated[
        Path | None,
        file("Split text with this: a tokenizer.json, or a model of sentencepiece."),
    ] = None,
    cell: Annotated[Any, choice("The recurrent cell.", *LAYERS)] = "lstm",
    hidden_size: Annotated[int, integer("Units of a layer.", 1)] = 128,
    layers: Annotated[int, integer("How many layers.", 1)] = 2,
    embedding_size: Annotated[
        int, integer("Numbers of a token's learned vector; 0: one-hot vectors.", 0)
    ] = 32,
    dropout: Annotated[
        float, real("Share of outputs that training drops.", 0.0, 1.0, below=True)
    ] = 0.1,
    max_vocabulary: Annotated[
        int | None,
        integer(
            "Only so many of the most frequent tokens; of subwords, else 8000.",
            1,
            "--max-vocabulary",
            "--vocabulary",
        ),
    ] = None,
    epochs: Annotated[
        int | None, integer("Times through the corpus; else as many as take minutes.", 1)
    ] = None,
    batch_size: Annotated[int, integer("Pieces of text learned at once.", 1)] = 50,
    sequence_length: Annotated[int, integer("Steps of a piece.", 1)] = 50,
    learning_rate: Annotated[
        float, real("The first learning rate.", 0.0, math.inf, "--lr", above=True)
    ] = 0.01,
    optimizer: Optimizer = "adam",
    schedule: Schedule = "cosine",
    decay: Decay = None,
    clip_norm: ClipNorm = 5.0,
    loss_reduction: LossReduction = "mean",
    init: Init = None,
    init_range: InitRange = None,
    embeddings: Embeddings = None,
    newline: Newline = None,
    whitespace: Whitespace = False,
    valid: Annotated[
        list[TextSource] | None,
        typer.Option(
            parser=sources_of,
            metavar="<path>",
            help="A text to validate on, as CORPUS; may be given again; else a tenth of the "
            "corpus.",
        ),
    ] = None,
    patience: Annotated[
        int | None,
        integer("Stop after so many epochs that are no better on what is held out.", 1),
    ] = None,
    seed: Annotated[int, integer("The same seed, the same model.", 0)] = 1,
    threads: Annotated[int | None, integer("Threads to use.", 1, high=MOST_THREADS)] = None,
    sample_every: Annotated[
        int | None, integer("Epochs from one sample to the next; 0: none.", 0)
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from where training stopped.")
    ] = False,
    keep_checkpoint: Annotated[
        bool,
        typer.Option(
            "--keep-checkpoint",
            help="Keep the checkpoint of a training that has ended: --resume goes on with it when "
            "--epochs are more, and keeps it again.",
        ),
    ] = False,
    quantize: Annotated[
        Any, choice("Save the model in fewer bits, to be used and not to be trained.", *NUMBERS)
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a model, or a training that has not ended.")
    ] = False,
    mpi: Annotated[
        bool | None,
        typer.Option(
            "--mpi/--no-mpi",
            help="Train with all processes that a launcher has started; as mpiexec says, if not "
            "given.",
        ),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train a language model. Ctrl-C stops and saves it; --resume goes on.

    --from goes on with one that is finished.
    """
    checkpoint = Path(f"{out}.checkpoint")
    texts = {"CORPUS": corpus or [], "--valid": valid or []}
    given = {name: corpus_of(name, sources) for name, sources in texts.items() if sources}
    streams = [name for name, sources in texts.items() if sources and sources[0].path is None]
    if len(streams) > 1:
        raise typer.BadParameter("expected standard input for CORPUS or --valid, got it for both")
    if streams and current_ranks().several:
        raise typer.BadParameter(
            f"expected a file for {streams[0]}, which each process reads, got standard input"
        )
    files = [(name, file) for name, sources in texts.items() for file in files_of(sources)]
    for option, path in (("--tokenizer", tokenizer), ("--embeddings", embeddings)):
        if path is not None:
            files.append((option, path))
    if start is not None and not are_same(start, out):  # which --force replaces
        files.append(("--from", start))
    leads = current_ranks().leads
    if leads:
        require_free(out, checkpoint, files, resume, force)
        keep_checkpoint = keep_checkpoint or (resume and is_wanted(checkpoint, out))
    if threads is not None:
        rf.set_num_threads(threads)
    hyperparameters = {
        "level": level,
        "output": output_layer,
        "mixed_precision": mixed_precision,
        "tokenizer": None if tokenizer is None else read_tokenizer(tokenizer),
        "lines": lines or not corpus,
        "cell": cell,
        "hidden_size": hidden_size,
        "num_layers": layers,
        "embedding_size": embedding_size or None,
        "dropout": dropout,
        "max_vocabulary_size": max_vocabulary,
        "sequence_length": sequence_length,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "patience": patience,
        "seed": seed,
    }
    hyperparameters |= recipe_of(
        context,
        level=level,
        subwords=subwords,
        tokenizer=tokenizer,
        newline=newline,
        whitespace=whitespace,
        decay=decay,
        clip_norm=clip_norm,
        embeddings=embeddings,
        optimizer=optimizer,
        schedule=schedule,
        loss_reduction=loss_reduction,
        init=init,
        init_range=init_range,
    )
    lm = begin_with(start, hyperparameters, context)
    began, before = time.perf_counter(), getattr(lm, "network_", None)
    terminated: Terminated | None = None
    try:
        aside = set_aside(checkpoint, leads and force and not resume)
        with _telling(quiet), keeping(keep_checkpoint), aside:
            lm.fit(
                given["CORPUS"] if corpus else load_dinosaurs(),
                given.get("--valid"),
                warm_start=start is not None,
                extend=extend,
                freeze=freeze,
                embeddings=embeddings,
                epochs=epochs,
                checkpoint=checkpoint,
                resume=resume,
                verbose=0 if quiet else 1,
                callbacks=[] if quiet or sample_every == 0 else [_sampler(sample_every)],
                comm=communicator(mpi),
            )
    except Terminated as error:
        terminated = error
        if getattr(lm, "network_", None) is before:  # before the first step
            raise
    with InterruptFlag():
        if quantize is not None:
            lm = rf.quantize(lm, quantize)
        if leads:
            _save(lm, out, checkpoint, keep_checkpoint)
        try:
            shown = map(str, corpus) if corpus else ["names of dinosaurs"]
            name = ", ".join(shown)
            if not leads:
                pass
            elif as_json:
                _report(lm, name, out, time.perf_counter() - began)
            elif not quiet:  # the model is the result
                _summarise(lm, name, out, time.perf_counter() - began)
                if quantize is not None and not keep_checkpoint and lm.stopped_ != "interrupt":
                    say(
                        f"{quantize} alone is saved, which cannot be trained further; "
                        "--keep-checkpoint keeps the training, in float32"
                    )
            if leads and terminated is None and lm.stopped_ == "interrupt" and not quiet:
                tell = note if as_json else say
                by = "a signal" if current_ranks().several else "Ctrl-C"
                tell(f"stopped by {by}; the same command with --resume goes on")
            flush()
        except BrokenOutput:
            pass
        except OutputError as error:
            note(f"{error}; the model is saved in {out}")
    if terminated is not None:
        raise terminated
    if lm.stopped_ == "interrupt":
        raise typer.Exit(130)


@contextmanager
def _telling(quiet: bool) -> Iterator[None]:
    """Let what training tells name options; if ``quiet``, only of what goes wrong."""
    with naming(partial(in_options, "train")), warnings.catch_warnings():
        if quiet:
            warnings.simplefilter("ignore", AdjustmentWarning)
        yield


def _save(lm: LanguageModel, out: Path, checkpoint: Path, keep: bool) -> None:
    """Save the model; then a training that has ended needs no checkpoint."""
    try:
        lm.save(out)
    except OSError as error:
        reason = f"{error.strerror or error}; {checkpoint} has it, --resume saves it"
        raise OSError(error.errno or 0, reason, str(out)) from error
    if lm.stopped_ != "interrupt" and not keep:
        checkpoint.unlink(missing_ok=True)


def _sampler(every: int | None) -> Callable[[Progress], None]:
    """Return a callback that shows a sample after every so many epochs, or some in all."""

    def show(progress: Progress) -> None:
        period = every or max(1, progress.epochs // _SAMPLES)
        if progress.epoch_ended and progress.epoch % period == 0:
            lm = progress.model
            text = lm.sample(max_length=_SAMPLE_LENGTH, seed=progress.epoch)
            between = " " if lm.lines else "\n"
            progress.write(f"-- sample after epoch {progress.epoch}:{between}{text}")

    return show


def _report(lm: LanguageModel, corpus: str, out: Path, seconds: float) -> None:
    """Say in one object what `_summarise` says in lines."""
    figures = kept_record(lm)
    valid_loss = figures.get("valid_loss")
    history = lm.history_
    say_json(
        saved=out,
        corpus=corpus,
        unit=lm.unit,
        vocabulary_size=len(lm.vocabulary_),
        cell=lm.cell,
        num_layers=lm.num_layers,
        hidden_size=lm.hidden_size,
        num_parameters=lm.num_parameters,
        epochs=len(history),
        steps=int(history[-1]["step"]) if history else 0,
        best_epoch=lm.best_epoch_ or None,
        stopped=lm.stopped_,
        seconds=seconds,
        loss=figures.get("loss"),
        valid_loss=valid_loss,
        valid_perplexity=None if valid_loss is None else perplexity_of(valid_loss),
        samples=_samples(lm),
    )


def _samples(lm: LanguageModel) -> list[str]:
    samples = lm.sample(_SAMPLES if lm.lines else 1, max_length=2 * _SAMPLE_LENGTH, seed=0)
    return [samples] if isinstance(samples, str) else list(samples)


def _summarise(lm: LanguageModel, corpus: str, out: Path, seconds: float) -> None:
    layers = f"{lm.num_layers} layer{'s' if lm.num_layers > 1 else ''} of {lm.hidden_size} units"
    facts = {
        "model": f"{lm.cell.upper()}, {layers}, {lm.num_parameters:,} parameters",
        "corpus": f"{corpus}, by {lm.unit}, {len(lm.vocabulary_)} in the vocabulary",
    }
    facts["training"] = f"{describe_training(lm)}; {seconds:.1f} s"
    figures = kept_record(lm)
    if "valid_loss" in figures:
        facts["held out"] = (
            f"{figures['valid_loss']:.4f} nats a {lm.unit}, "
            f"perplexity {perplexity_of(figures['valid_loss']):.4g}"
        )
    facts["saved"] = str(out)
    for name, fact in facts.items():
        say(f"{name:10}{fact}")
    samples = _samples(lm)
    say("samples" if lm.lines else "sample")
    for text in samples:
        say(text)
