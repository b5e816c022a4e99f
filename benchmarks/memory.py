"""The memory use of a process, as Linux reports it."""

import re
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

Result = TypeVar("Result")


def resident(field: str) -> int:
    """Return the memory use of this process in bytes: field VmRSS is the present use, VmHWM the peak."""
    status = Path("/proc/self/status").read_text()
    return int(re.findall(rf"{field}:\s+(\d+) kB", status)[0]) * 1024


def forget_peak() -> None:
    """Reset VmHWM, the peak memory use, to the present use of this process."""
    Path("/proc/self/clear_refs").write_text("5")


def in_new_process(action: Callable[..., Result], *args: Any, **kwargs: Any) -> Result:
    """Run a module's function in a new process, and return its result."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(action, *args, **kwargs).result()
