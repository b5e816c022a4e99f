"""What no input may cost, however it was made."""

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager

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
