"""Processor time of calls, and lines of a table of ratios."""

from __future__ import annotations

import resource
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

__all__ = ["Line", "child_seconds", "heading", "seconds"]


class Line(NamedTuple):
    """One comparison: what was measured, what it is held against, and their ratio."""

    what: str
    measured: str
    against: str
    ratio: float
    wanted: str
    """What the ratio should be."""

    def __str__(self) -> str:
        return f"{self.what:52}{self.measured:>18}   {self.against:44}{self.ratio:8.2f}   {self.wanted}"


def heading() -> str:
    """Names of the columns of `Line`."""
    return f"{'':52}{'measured':>18}   {'against':44}{'ratio':>8}   wanted"


def seconds(call: Callable[[], Any], *, repeats: int = 3) -> float:
    """Least processor time of a call; unlike time on the wall it hardly depends on what else the machine does."""
    found = []
    for _ in range(repeats):
        begin = time.process_time()
        call()
        found.append(time.process_time() - begin)
    return min(found)


def child_seconds(command: Sequence[str], *, repeats: int = 5) -> float:
    """Least processor time of a process from its start to its end."""
    found = []
    for _ in range(repeats):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(found)
