"""The limits under which damaged inputs are read do stop what goes beyond them."""

import time
from contextlib import nullcontext
from types import SimpleNamespace

import limits
import pytest
from limits import HangError, limited


def work() -> None:
    while True:
        try:
            sum(range(10_000))
        except Exception:  # as a net would
            pass


def test_what_works_or_waits_too_long_is_stopped_even_inside_of_a_net(monkeypatch):
    monkeypatch.setattr(limits, "SECONDS", 0.1)
    for hang in (work, lambda: time.sleep(60)):
        with pytest.raises(HangError), limited("x"):
            hang()
    with limited("x"):
        sum(range(1000))


@pytest.mark.parametrize(("before", "after", "is_told"), [(1e5, 3e6, True), (1.9e6, 2.1e6, False), (3e6, 3e6, False)])
def test_what_takes_too_much_memory_is_told(monkeypatch, before, after, is_told):
    peaks = iter([before, after])
    monkeypatch.setattr(limits.resource, "getrusage", lambda _: SimpleNamespace(ru_maxrss=next(peaks)))
    with pytest.raises(AssertionError, match=r"x: 3\.0 GB") if is_told else nullcontext(), limited("x"):
        pass
