"""Cases of a parametrised test of which the default run takes a few, and `-m slow` the others."""

from collections.abc import Iterable
from typing import Any

import pytest


def others_slow(cases: Iterable[Any], *fast: Any) -> list[Any]:
    """Return the cases in their order, marked as slow except for those in `fast`, all of which must be cases."""
    listed = list(cases)
    assert fast
    assert all(case in listed for case in fast)
    return [case if case in fast else pytest.param(case, marks=pytest.mark.slow) for case in listed]
