"""The rows around the peak of an entity's open event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsae.alarms.events.evidence import TrackedEvent
from tsae.alarms.events.peak import PeakRows
from tsae.streaming.latest_rows import LatestRows

__all__ = ["RecentRows"]

FloatArray = NDArray[np.float64]


class _Part(NamedTuple):
    """Rows around a peak."""

    peak: int
    """Its number."""
    values: FloatArray
    """`(n, n_channels)`."""
    numbers: NDArray[np.int64]
    """`(n,)`."""


class RecentRows:
    """What is still there of the rows of one lane's segment, and what was kept of them.

    Parameters
    ----------
    reach
        Rows before and after a peak that are kept.
    """

    def __init__(self, rows: LatestRows, lane: int, *, reach: int) -> None:
        self._rows, self._lane, self._reach = rows, lane, reach
        self._held: _Part | None = None  # once all of it is there

    def clear(self) -> None:
        """The segment is over."""
        self._held = None

    def hold(self, number: int) -> None:
        """Keep what is around this row, the peak of an open event, before it goes."""
        if self._held is not None and self._held.peak == number:
            return
        part, n_later = self._around(number)
        if part is not None and n_later >= self._reach:
            self._held = part._replace(values=part.values.copy(), numbers=part.numbers.copy())

    def around(self, event: TrackedEvent) -> PeakRows | None:
        """The rows around an event's peak as far as they are there."""
        start, stop, peak = event.start.row, event.stop.row, event.peak.row
        part = self._held
        if part is None or part.peak != peak:
            part, _ = self._around(peak)
        if part is None:
            return None
        numbers = part.numbers
        return PeakRows(
            part.values,
            peak=int(np.argmax(numbers == peak)),
            start=int(np.argmax(numbers >= start)),
            stop=int(np.argmax(numbers == stop)) if stop in numbers else len(numbers) - 1,
        )

    def state(self, prefix: str) -> dict[str, NDArray[Any]]:
        """What was kept, under names that begin with `prefix`; nothing if that is nothing."""
        held = {} if self._held is None else self._held._asdict()
        return {f"{prefix}{name}": np.asarray(each) for name, each in held.items()}

    def restore(self, arrays: Mapping[str, NDArray[Any]], prefix: str) -> None:
        """Take up a state."""
        if f"{prefix}peak" in arrays:
            peak, values, numbers = (arrays[f"{prefix}{name}"] for name in _Part._fields)
            self._held = _Part(int(peak), np.array(values), np.array(numbers))

    def _around(self, number: int) -> tuple[_Part | None, int]:
        """The rows around one, if it is still there, and how many came after it."""
        values, numbers = self._rows.there(self._lane)
        found = np.flatnonzero(numbers == number)
        if not len(found):
            return None, 0
        place = int(found[0])
        part = slice(max(0, place - self._reach), place + self._reach + 1)
        return _Part(number, values[part], numbers[part]), len(numbers) - 1 - place
