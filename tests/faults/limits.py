"""Limits of time and memory that hold for every input."""

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

SECONDS = 20  # processor time; the limit of wall-clock time is ten times as high, for busy machines
KILOBYTES = 2_000_000


class HangError(BaseException):
    """Raised at a time limit; not an `Exception`, so that no `except Exception` hides it."""


@contextmanager
def limited(what: str) -> Iterator[None]:
    """Fail if the block exceeds the time limit, or raises the peak memory of the process by more than the limit."""

    def stop(*_: object) -> None:
        raise HangError(f"{what}: more than {SECONDS} s")

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    timers = {signal.ITIMER_PROF: (signal.SIGPROF, SECONDS), signal.ITIMER_REAL: (signal.SIGALRM, 10 * SECONDS)}
    for timer, (sign, seconds) in timers.items():
        signal.signal(sign, stop)
        signal.setitimer(timer, seconds)
    try:
        yield
    finally:
        for timer, (sign, _) in timers.items():
            signal.setitimer(timer, 0)
            signal.signal(sign, signal.SIG_DFL)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after - before < KILOBYTES, f"{what}: {after / 1e6:.1f} GB"


def shares(few: int, many: int, share: int) -> list:
    """Return the start of each share up to `many`; those from `few` on are marked as slow."""
    starts = range(0, many, share)
    return [start if start < few else pytest.param(start, marks=pytest.mark.slow) for start in starts]


def named(error: Exception) -> str:
    """Return the outcome of a refused input, and check the length of the error message."""
    assert 10 < len(str(error)) < 1500
    return "named"
