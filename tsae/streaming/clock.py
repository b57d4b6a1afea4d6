"""Order of the rows of one entity, and their steps on its clock."""

from __future__ import annotations

import heapq
import warnings
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Arrival", "EntityClock", "StreamCounts"]

_ROWS_OF_PERIOD_CHECK = 16
ROWS_OF_A_CLOCK_STEP = 16
"""Number of consecutive late rows, at new and increasing times, that are taken as a clock reset."""
_REMEMBERED = 256  # times, by which rows that a broker delivers again are recognised


@dataclass
class StreamCounts:
    """Counts of the rows of a stream so far."""

    n_rows: int = 0
    """Rows that were scored."""
    n_late: int = 0
    """Rows that were dropped, because a later one had been scored."""
    n_duplicates: int = 0
    """Rows that were dropped, because an earlier row had the same time."""
    n_clock_steps: int = 0
    """Clock resets; each begins a new segment."""
    n_gaps: int = 0
    """Gaps that ended a segment."""
    n_filled: int = 0
    """Missing rows that bridged shorter gaps."""
    n_blocked: int = 0
    """Rows that never alarm, because they are excluded or the plant is off; they are scored all the same."""
    n_absent: int = 0
    """Channels that rows did not name, summed over the rows."""

    @property
    def n_dropped(self) -> int:
        """Rows that were not scored."""
        return self.n_late + self.n_duplicates


class Arrival(NamedTuple):
    """Row on its way to the clock."""

    time: int | None
    """Nanoseconds since 1970."""
    row: Any
    """Anything by which the caller identifies it."""


class EntityClock:
    """Clock of one entity: orders its rows and counts the steps between them.

    Parameters
    ----------
    period
        Seconds from row to row; `None` if every row follows the one before.
    max_fill
        Longest gap to bridge, in rows.
    reorder
        Rows that wait for earlier ones; 0 takes each row as it comes.
    """

    def __init__(self, period: float | None, max_fill: int, reorder: int, counts: StreamCounts) -> None:
        self._length = None if period is None else max(1, round(period * 1e9))
        self._max_fill, self._reorder, self._counts = max_fill, reorder, counts
        self.newest: int | None = None
        self.waiting: list[Arrival] = []
        self._late_run: list[int] = []
        self._recent: deque[int] = deque(maxlen=_REMEMBERED)
        self._first_times: list[int] = []

    def admit(self, arrival: Arrival) -> Iterator[tuple[int, Arrival]]:
        """Take a row and yield the rows that are due, each after its steps on the grid.

        1 step follows the row before, k steps bridge k − 1 missing rows, 0 begins a segment.
        """
        if arrival.time is None or not self._reorder:
            steps = self.follow(arrival.time)
            if steps is not None:
                yield steps, arrival
            return
        if any(arrival.time == other.time for other in self.waiting):
            self._counts.n_duplicates += 1
            return
        heapq.heappush(self.waiting, arrival)
        if len(self.waiting) > self._reorder:
            yield from self._release(1)

    def drain(self) -> Iterator[tuple[int, Arrival]]:
        """Yield the rows that still wait, with their steps."""
        yield from self._release(len(self.waiting))

    def state(self) -> dict[str, Any]:
        """Return the state, JSON-able, without the rows that wait."""
        return {
            "newest": self.newest,
            "late": self._late_run,
            "first": self._first_times,
            "recent": list(self._recent),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Restore a state."""
        self.newest = state["newest"]
        self._late_run, self._first_times = list(state["late"]), list(state["first"])
        self._recent.extend(state["recent"])

    def _release(self, n_rows: int) -> Iterator[tuple[int, Arrival]]:
        for _ in range(n_rows):
            arrival = heapq.heappop(self.waiting)
            steps = self.follow(arrival.time)
            if steps is not None:
                yield steps, arrival

    def follow(self, time: int | None) -> int | None:
        """Return the steps of a row that is due, as `admit` counts them; `None` drops the row."""
        newest = self.newest
        if time is None:
            return 1
        if newest is not None and time <= newest:
            return self._late(time, newest)
        self._late_run.clear()
        self.newest = time
        self._recent.append(time)
        self._watch_period(time)
        if newest is None:
            return 0
        if self._length is None:
            return 1
        whole, rest = divmod(time - newest, self._length)
        counted = max(1, whole + (rest > self._length - rest))
        return 0 if counted > self._max_fill + 1 else counted

    def _late(self, time: int, newest: int) -> int | None:
        if time == newest or time in self._recent:
            self._counts.n_duplicates += 1
            return None
        run = self._late_run
        if run and time <= run[-1]:
            run.clear()
        run.append(time)
        if len(run) < ROWS_OF_A_CLOCK_STEP:
            self._counts.n_late += 1
            return None
        run.clear()
        self._counts.n_clock_steps += 1
        self._recent.clear()
        self._recent.append(time)
        self.newest = time
        return 0

    def _watch_period(self, time: int) -> None:
        """Warn once if the first rows have another period than in training."""
        if self._length is None or len(self._first_times) >= _ROWS_OF_PERIOD_CHECK:
            return
        self._first_times.append(time)
        if len(self._first_times) < _ROWS_OF_PERIOD_CHECK:
            return
        steps = np.diff(self._first_times)
        pace = float(np.median(steps))
        regular = np.mean(np.abs(steps - pace) <= pace / 2) >= 0.8
        if regular and not 0.75 < pace / self._length < 1.33:
            warnings.warn(
                f"rows arrive every {pace / 1e9:g} s, but in training every {self._length / 1e9:g} s; send them at the "
                "period of training, or fit a detector on rows of theirs",
                UserWarning,
                stacklevel=5,
            )
