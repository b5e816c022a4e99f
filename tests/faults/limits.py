"""What no input may cost, however it was made."""

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

SECONDS = 20  # of the processor; on the clock ten times that, for machines that do other work
KILOBYTES = 2_000_000


class HangError(BaseException):
    """Not an `Exception`: a net for those must not hide it."""


@contextmanager
def limited(what: str) -> Iterator[None]:
    """Fail if the block takes more time than any input may, or the process more memory than before and than it may."""

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
    assert after == before or after < KILOBYTES, f"{what}: {after / 1e6:.1f} GB"


def shares(few: int, many: int, share: int) -> list:
    """Where each test begins: those of the normal run, and behind `slow` the others."""
    starts = range(0, many, share)
    return [start if start < few else pytest.param(start, marks=pytest.mark.slow) for start in starts]


def named(error: Exception) -> str:
    """What became of an input that is refused; its message must say something, and not much."""
    assert 10 < len(str(error)) < 1500
    return "named"
