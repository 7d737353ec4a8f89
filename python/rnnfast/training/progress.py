"""What training shows while it runs."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TextIO

from rnnfast._checks.adjustments import warn_caller
from rnnfast.io.streams import ForgivingStream
from rnnfast.metrics._texts import perplexity_of
from rnnfast.training.checkpoints import Record
from rnnfast.training.ranks import current_ranks

# Seconds between two changes of the bar's text, and between two lines within one epoch.
_BAR_EVERY = 0.2
_LINE_EVERY = 30.0
_FORMAT = "{desc} |{bar}|"

# What training says, for those who embed it; unless they ask, it goes nowhere.
logging.getLogger("rnnfast").addHandler(logging.NullHandler())
_log = logging.getLogger("rnnfast.training")

# What a program calls the arguments that `Reporter.tell` names.
_naming: ContextVar[Callable[[str], str]] = ContextVar("naming", default=str)


@contextmanager
def naming(rename: Callable[[str], str]) -> Iterator[None]:
    """Let reporters tell of arguments by the names that ``rename`` puts in a message."""
    token = _naming.set(rename)
    try:
        yield
    finally:
        _naming.reset(token)


@dataclass
class Progress:
    """How far training has come; what a callback is given.

    Attributes
    ----------
    epoch : int
        The running epoch, counted from 1.
    epochs : int
        How many there are to be.
    step : int
        Steps made since training began, those before a resumption counted.
    loss : float
        Mean loss of the running epoch so far.
    epoch_ended : bool
        Whether the epoch has just ended, its validation included.
    history : list of dict
        A record of every epoch that has ended.
    write : callable
        Shows a text without disturbing the progress bar; nothing with ``verbose=0``.
    model : object
        The model in training, with its weights and ``history_`` as they are now: it can be asked,
        saved and copied. The one whose `fit` was called is as it was until training has ended. With
        `rnnfast.Trainer`: its network.
    optimizer : Optimizer
        What makes the steps, with its ``lr`` as it is now.
    """

    epoch: int
    epochs: int
    step: int
    loss: float
    epoch_ended: bool
    history: list[Record]
    write: Callable[[str], None]
    model: Any = None
    optimizer: Any = None


Callback = Callable[[Progress], bool | None]


def ask(callbacks: Iterable[Callback], progress: Progress) -> bool:
    """Call each of them; return whether one wants training to stop."""
    return any([_stops(callback(progress)) for callback in callbacks])


def _stops(result: Any) -> bool:
    """Return whether a callback's result stops training."""
    try:
        return bool(result)
    except Exception:  # such as that of an array
        kind = type(result).__name__
        raise TypeError(
            f"callbacks: expected each to return True, False or None, got {kind}"
        ) from None


class Reporter:
    """Shows training on a terminal as a bar, elsewhere as one line an epoch.

    The logger ``rnnfast.training`` gets all of it, whatever is shown: epochs and what is written as
    INFO, what must not go unseen as WARNING, samples and the like not at all. Of several processes
    that train together only the first shows and logs anything.

    Parameters
    ----------
    verbose : int
        0 shows nothing; 1 a bar on a terminal, lines elsewhere; 2 lines everywhere.
    unit : str
        What the loss is a mean over, such as ``"char"``.
    perplexity : bool
        Whether the exponential of the loss is shown too.
    stream : file, optional
        Where to; standard error if not given.
    """

    def __init__(
        self,
        verbose: int,
        unit: str = "token",
        perplexity: bool = False,
        stream: TextIO | None = None,
    ) -> None:
        self.leads = current_ranks().leads
        self.verbose = verbose if self.leads else 0
        self.unit = unit
        self.perplexity = perplexity
        self.stream = ForgivingStream(stream if stream is not None else sys.stderr)
        self._bar: Any = None
        self._count = 0
        self._training_seconds = 0.0
        self._steps = 0  # made while this reporter looked on
        self._steps_left: int | None = None
        # Seconds that the last epoch's end took, its validation, and how many such are to come.
        self._ending, self._endings_left = 0.0, 0
        self._title = ""
        self._figures = ""  # of the last epoch's validation
        self._since = self._shown = time.perf_counter()

    def start_epoch(self, epoch: int, epochs: int, batch: int, batches: int | None) -> None:
        """Begin an epoch, counted from 0.

        ``batch`` of its batches were used before it was interrupted; ``batches`` is how many an
        epoch has, None if that is not known.
        """
        self._title = f"epoch {epoch + 1}/{epochs}"
        self._since = self._shown = time.perf_counter()
        self._steps_left = None if batches is None else batches * (epochs - epoch) - batch
        self._endings_left = epochs - epoch
        if self._bar is None and self.verbose == 1 and self.stream.isatty():
            import tqdm  # here, to keep `import rnnfast` short

            self._bar = tqdm.tqdm(
                total=None if batches is None else batches * epochs,
                initial=0 if batches is None else batches * epoch + batch,
                file=self.stream,
                bar_format=_FORMAT,
                **_width(self.stream),
            )
        if self._bar is not None:
            self._bar.set_description_str(self._title, refresh=False)

    def update(self, loss: float, count: int) -> None:
        """Show one step more: the mean loss of the epoch so far, and how many units it took."""
        now = time.perf_counter()
        self._training_seconds += now - self._since
        self._since = now
        self._count += count
        self._steps += 1
        if self._steps_left is not None:
            self._steps_left -= 1
        if self._bar is not None:
            if now - self._shown >= _BAR_EVERY:
                self._shown = now
                self._describe(loss)
            self._bar.update()
        elif self.verbose and now - self._shown >= _LINE_EVERY:
            self._shown = now
            self._line(f"{self._title}: {self._numbers(loss)}{self._time_left()}")

    def end_epoch(self, record: Record) -> None:
        """Show what an epoch came to."""
        self._figures = "".join(
            f", {name.removesuffix('_loss')} {value:.4g}"
            for name, value in record.items()
            if name.startswith("valid_")
        )
        self._ending = time.perf_counter() - self._since
        self._endings_left -= 1
        text = f"{self._title}: {self._numbers(record['loss'])}, {record['seconds']:.1f} s"
        self.log(text)
        if self._bar is not None:
            self._describe(record["loss"])
            self._bar.refresh()
        elif self.verbose:
            self._line(text + self._time_left())

    def write(self, text: str) -> None:
        """Show a text between two updates; nothing with ``verbose=0``."""
        if self.verbose:
            self._line(text)

    def log(self, text: str) -> None:
        """Tell the log alone."""
        if self.leads:
            _log.info("%s", text)

    def report(self, text: str) -> None:
        """Show and log what training itself has to say."""
        self.log(text)
        self.write(text)

    def tell(self, text: str, category: type[RuntimeWarning] = RuntimeWarning) -> None:
        """Show and log what must not go unseen: with ``verbose=0`` as a RuntimeWarning."""
        if not self.leads:
            return
        text = _naming.get()(text)
        _log.warning("%s", text)
        if self.verbose == 0:
            warn_caller(text, category)
        self.write(text)

    def close(self) -> None:
        """Leave the terminal tidy."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _line(self, text: str) -> None:
        if self._bar is not None:
            self._bar.write(text, file=self.stream)
        else:
            print(text, file=self.stream, flush=True)

    def _time_left(self) -> str:
        """How long the rest will take, as far as that can be told; nothing at the end."""
        if not self._steps_left or not self._steps:
            return ""
        seconds = self._training_seconds / self._steps * self._steps_left
        return f", {_clock(seconds + self._ending * self._endings_left)} left"

    def _describe(self, loss: float) -> None:
        left = self._time_left() or f", {'?' if self._steps_left is None else '00:00'} left"
        self._bar.set_description_str(f"{self._title}: {self._numbers(loss)}{left}", refresh=False)

    def _numbers(self, loss: float) -> str:
        text = f"loss {loss:.4g}"
        if self.perplexity:
            text += f", perplexity {perplexity_of(loss):.3g}"
        rate = self._count / self._training_seconds if self._training_seconds > 0 else 0.0
        return f"{text}{self._figures}, {_compact(rate)} {self.unit}/s"


def _clock(seconds: float) -> str:
    """``1:02:03`` or ``02:03``, as the bar writes time."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes:02}:{rest:02}"


def _width(stream: ForgivingStream) -> dict[str, Any]:
    """Return the bar's options of width: 80 where the terminal does not say, else as it says."""
    try:
        known = os.get_terminal_size(stream.fileno()).columns > 0
    except (AttributeError, OSError):
        known = False
    return {"dynamic_ncols": True} if known else {"ncols": 80}


def _compact(number: float) -> str:
    """``81.3k`` for 81300."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g}{letter}"
    return f"{number:.3g}"
