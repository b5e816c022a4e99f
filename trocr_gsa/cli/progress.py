"""Progress of a long command: a bar in a terminal, a line every 30 seconds without one, nothing with `-q`.

What is unusual: results may go to the same terminal as the bar, on standard output; then there is no bar, because the
results themselves show the progress.
"""

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from .messages import is_quiet, remark

Item = TypeVar("Item")
SECONDS_BETWEEN_LINES = 30.0


class Meter:
    """The progress of one command.

    Args:
        what: the work, such as "reading".
        total: amount of work, in `unit`.
        unit: of `total`: lines, pages; empty: a share that is not printed, only the time that it leaves.
        bar: where the progress is drawn; None: lines are printed.
    """

    def __init__(self, what: str, total: float, unit: str = "lines", bar: Progress | None = None) -> None:
        self.what, self.total, self.unit, self.bar = what, total, unit, bar
        self.done, self.before, self.lines, self.text = 0.0, 0.0, 0, ""
        self.started = self.printed = time.monotonic()
        self._task = None if bar is None else bar.add_task(self.summary(), total=total or None)

    def begin(self, done: float) -> None:
        """Set the amount of work that was done by an earlier run, which says nothing about the speed of this one."""
        self.done = self.before = done
        self.started = time.monotonic()

    def advance(self, lines: int = 1) -> None:
        """Count lines that are done, if the unit is lines."""
        self.update(self.done + lines, lines)

    def update(self, done: float | None = None, lines: int = 0, text: str | None = None) -> None:
        """Set the amount of work that is done, count lines, and show both.

        Args:
            done: amount of work so far, in the meter's unit; None: as before.
            lines: number of lines to count for the lines per second.
            text: further information; None: as before.
        """
        self.done = self.done if done is None else done
        self.lines += lines
        self.text = self.text if text is None else text
        if self.bar is not None and self._task is not None:
            self.bar.update(self._task, completed=self.done, description=self.summary())
        elif time.monotonic() - self.printed >= SECONDS_BETWEEN_LINES:
            self.printed = time.monotonic()
            remark(self.summary())

    def track(self, items: Iterable[Item]) -> Iterator[Item]:
        """Yield items and count each when the next one is requested."""
        for item in items:
            yield item
            self.advance()

    def summary(self) -> str:
        """Return the progress as one line: amount, speed, time left."""
        seconds = time.monotonic() - self.started
        parts = [f"{_amount(self.done)} of {_amount(self.total)} {self.unit}"] if self.unit else []
        parts += [self.text] if self.text else []
        if self.lines and seconds > 0:
            parts.append(f"{self.lines / seconds:.1f} lines/s")
        if self.before < self.done < self.total:
            left = timedelta(seconds=round(seconds * (self.total - self.done) / (self.done - self.before)))
            parts.append(f"{left} left")
        return f"{self.what}: {', '.join(parts)}" if parts else self.what


def _amount(number: float) -> str:
    return f"{number:,.0f}" if number == round(number) else f"{number:,.1f}"


@contextmanager
def progress(
    what: str, total: float, unit: str = "lines", is_first: bool = True, prints_results: bool = False
) -> Iterator[Meter]:
    """Context manager that shows the progress of the work inside, on standard error.

    Args:
        what: the work, such as "reading".
        total: amount of work, in `unit`.
        unit: of `total`.
        is_first: whether this process prints for all.
        prints_results: whether the work inside prints its results on standard output.
    """
    screen = Console(stderr=True)
    is_drawn = screen.is_terminal and is_first and not is_quiet() and not (prints_results and sys.stdout.isatty())
    if not is_drawn:
        meter = Meter(what, total, unit)
        if screen.is_terminal or not is_first:  # nothing is to be printed at all
            meter.printed = float("inf")
        yield meter
        return
    # standard output is left alone, as rich would print it on the screen of the bar
    columns = (BarColumn(bar_width=20), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=screen, transient=True, redirect_stdout=False) as bar:
        yield Meter(what, total, unit, bar)
