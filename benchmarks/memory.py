"""The memory of a process, as Linux counts it."""

import re
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

Result = TypeVar("Result")


def resident(field: str) -> int:
    """Return what Linux says of this process's memory, in bytes: VmRSS now, VmHWM at its peak."""
    status = Path("/proc/self/status").read_text()
    return int(re.findall(rf"{field}:\s+(\d+) kB", status)[0]) * 1024


def forget_peak() -> None:
    """Let VmHWM begin anew at what this process holds now."""
    Path("/proc/self/clear_refs").write_text("5")


def in_new_process(action: Callable[..., Result], *args: Any, **kwargs: Any) -> Result:
    """Return what a function of a module returns in a process that has done nothing before."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(action, *args, **kwargs).result()
