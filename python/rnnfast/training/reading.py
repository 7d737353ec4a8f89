"""What is shown while a corpus is read, before training begins."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rnnfast.training.progress import Reporter, _clock, _compact, _width

# Seconds before anything is shown, between two changes of a bar, and between two lines.
_PATIENCE = 3.0
_BAR_EVERY = 0.2
_LINE_EVERY = 30.0


class ReadingBar:
    """Shows how much of a corpus was read: a bar on a terminal, lines elsewhere.

    Parameters
    ----------
    reporter : Reporter
        That of the training, which says where to and whether at all.
    """

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._bar: Any = None
        self._name = ""

    def begin(self, name: str, total: int | None) -> Callable[[int], None]:
        """Begin to read what an argument has; return what is told how much of it was read.

        ``total`` is how much there is, None if nobody knows.
        """
        self._name = name
        self._total = total
        self._began = self._shown = time.perf_counter()
        return self._update

    def end(self, text: str) -> None:
        """Take the bar away; of what took its time, say in words that it is done."""
        self.close()
        seconds = time.perf_counter() - self._began
        if seconds >= _PATIENCE:
            self._reporter.report(f"{self._name}: {text} read in {seconds:.1f} s")

    def close(self) -> None:
        """Leave the terminal tidy."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _update(self, done: int) -> None:
        now, reporter = time.perf_counter(), self._reporter
        if reporter.verbose == 0 or now - self._began < _PATIENCE:
            return
        if reporter.verbose == 1 and reporter.stream.isatty():
            if self._bar is None:
                import tqdm  # here, to keep `import rnnfast` short

                form = "{desc}" if self._total is None else "{desc}, {remaining} left |{bar}|"
                self._bar = tqdm.tqdm(
                    total=self._total,
                    file=reporter.stream,
                    bar_format=form,
                    leave=False,
                    **_width(reporter.stream),
                )
                self._bar.start_t -= now - self._began
            elif now - self._shown < _BAR_EVERY:
                return
            self._bar.set_description_str(f"reading {self._name}: {_compact(done)}", refresh=False)
            self._bar.n = done
            self._bar.refresh()
            self._shown = now
        elif now - self._shown >= _LINE_EVERY:
            text = f"reading {self._name}: {_compact(done)}"
            if self._total and done:
                left = (now - self._began) * (self._total / done - 1)
                text += f" of {_compact(self._total)}, {_clock(max(left, 0.0))} left"
            reporter.write(text)
            self._shown = now
