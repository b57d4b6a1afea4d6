"""The latest rows of an entity, and those around the peak of its open event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsae.detection.events.evidence import TrackedEvent
from tsae.detection.events.peak import PeakRows

__all__ = ["RecentRows"]

FloatArray = NDArray[np.float64]
_FILLED = -1  # number of a row that was filled in


class _Part(NamedTuple):
    """Rows around a peak."""

    peak: int
    """Its number."""
    values: FloatArray
    """`(n, n_channels)`."""
    numbers: NDArray[np.int64]
    """`(n,)`."""


class RecentRows:
    """Memory of fixed size for the rows of one segment.

    Parameters
    ----------
    reach
        Rows before and after a peak that are kept.
    waiting
        Rows that may have come after a row before it is known to be a peak.
    """

    def __init__(self, n_channels: int, *, reach: int, waiting: int) -> None:
        self._reach = reach
        self._length = reach + max(reach, waiting) + 1
        self._values = np.empty((self._length, n_channels))
        self._numbers = np.empty(self._length, dtype=np.int64)
        self._n_rows = 0
        self._held: _Part | None = None  # once all of it is there

    def push(self, values: FloatArray, number: int = _FILLED) -> None:
        """The next row `(n_channels,)` with its number among the entity's rows; a row that was filled in has none."""
        place = self._n_rows % self._length
        self._values[place], self._numbers[place] = values, number
        self._n_rows += 1

    @property
    def values(self) -> FloatArray:
        """The rows that are still there, oldest first, `(n, n_channels)`."""
        return self._values[self._places(self._first)]

    def clear(self) -> None:
        """The segment is over."""
        self._n_rows, self._held = 0, None

    def hold(self, number: int) -> None:
        """Keep what is around this row, the peak of an open event, before it goes."""
        if self._held is not None and self._held.peak == number:
            return
        place = self._place(number)
        if place is not None and self._n_rows - 1 - place >= self._reach:
            self._held = self._cut(number, place)

    def around(self, event: TrackedEvent, offset: int) -> PeakRows | None:
        """The rows around an event's peak as far as they are there; its rows are numbered from `offset`."""
        start, stop, peak = (offset + moment.row for moment in (event.start, event.stop, event.peak))
        part = self._held
        if part is None or part.peak != peak:
            place = self._place(peak)
            if place is None:
                return None
            part = self._cut(peak, place)
        numbers = part.numbers
        return PeakRows(
            part.values,
            peak=int(np.argmax(numbers == peak)),
            start=int(np.argmax(numbers >= start)),
            stop=int(np.argmax(numbers == stop)) if stop in numbers else len(numbers) - 1,
        )

    def state(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Everything it remembers, under names that begin with `prefix`; nothing if that is nothing."""
        if not self._n_rows:
            return {}
        places = self._places(self._first)
        arrays: dict[str, NDArray[Any]] = {"values": self._values[places], "numbers": self._numbers[places]}
        if self._held is not None:
            arrays |= {f"held_{name}": np.asarray(each) for name, each in self._held._asdict().items()}
        return {f"{prefix}{name}": array for name, array in arrays.items()}

    def restore(self, arrays: Mapping[str, NDArray[Any]], prefix: str) -> None:
        """Take up a state."""
        if f"{prefix}values" not in arrays:
            return
        for values, number in zip(arrays[f"{prefix}values"], arrays[f"{prefix}numbers"].tolist(), strict=True):
            self.push(values, number)
        if f"{prefix}held_peak" in arrays:
            peak, values, numbers = (arrays[f"{prefix}held_{name}"] for name in _Part._fields)
            self._held = _Part(int(peak), np.array(values), np.array(numbers))

    @property
    def _first(self) -> int:
        """Where in the segment the oldest row stands that is still there."""
        return max(0, self._n_rows - self._length)

    def _places(self, first: int, stop: int | None = None) -> NDArray[np.intp]:
        """Where in memory rows of the segment stand."""
        return np.arange(first, self._n_rows if stop is None else stop) % self._length

    def _place(self, number: int) -> int | None:
        """Where in the segment a row stands, if it is still there; 0 is the first row."""
        found = np.flatnonzero(self._numbers[self._places(self._first)] == number)
        return self._first + int(found[0]) if len(found) else None

    def _cut(self, number: int, place: int) -> _Part:
        first, stop = max(self._first, place - self._reach), min(self._n_rows, place + self._reach + 1)
        places = self._places(first, stop)
        return _Part(number, self._values[places], self._numbers[places])
