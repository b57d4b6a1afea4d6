"""The latest rows of all lanes as they were handed in."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsae.scoring.rings import BoundArrays, Rings

__all__ = ["UNNUMBERED", "LatestRows"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
LaneNumbers = NDArray[np.intp]
_PREFIX = "rows."
UNNUMBERED = -1
"""In place of the number of a row that was filled in, or that was only handed on as context."""


class _Rings(NamedTuple):
    values: FloatArray
    numbers: IntArray
    times: IntArray
    stamps: NDArray[np.object_]


class LatestRows:
    """Rings beside those of `Lanes`, and of the same segments: to be written right after its step.

    Parameters
    ----------
    delay
        Rows until a row is settled.
    length
        Rows that are kept, more than `delay`.
    """

    def __init__(self, arrays: Rings, n_channels: int, *, delay: int, length: int) -> None:
        self._arrays, self.delay, self.length = arrays, delay, length
        self._bound = BoundArrays(arrays, _Rings, _PREFIX)
        arrays.add_ring(f"{_PREFIX}values", length, (n_channels,))
        arrays.add_ring(f"{_PREFIX}numbers", length, (), np.int64)
        arrays.add_ring(f"{_PREFIX}times", delay + 1, (), np.int64)
        arrays.add_ring(f"{_PREFIX}stamps", delay + 1, (), np.object_)

    def put(self, lanes: LaneNumbers | int, values: FloatArray, numbers: Any, times: Any, stamps: Any) -> None:
        """Put down the newest row of each lane `(m,)`, or of one.

        Parameters
        ----------
        values
            `(m, n_channels)`.
        numbers
            Those among their entities' rows, `(m,)`, or `UNNUMBERED`.
        times
            Nanoseconds since 1970, or the numbers of rows without times, `(m,)`.
        stamps
            Times as they were handed in, `(m,)` objects.
        """
        rings, origins = self._bound(), self._arrays["origin"][lanes]
        newest = origins + (self.length - 1)
        rings.values[lanes, newest] = values
        rings.numbers[lanes, newest] = numbers
        newest = origins + self.delay
        rings.times[lanes, newest] = times
        rings.stamps[lanes, newest] = stamps

    def settled(self, lanes: LaneNumbers | int) -> tuple[Any, Any, Any]:
        """Return numbers, times and stamps `(m,)` of the rows `delay` rows ago, or those of one lane."""
        rings, origins = self._bound(), self._arrays["origin"][lanes]
        numbers = rings.numbers[lanes, origins + (self.length - 1 - self.delay)]
        return numbers, rings.times[lanes, origins], rings.stamps[lanes, origins]

    def waiting(self, lane: int) -> tuple[IntArray, IntArray, NDArray[Any]]:
        """Return numbers, times and stamps `(n,)` of the rows of one lane that wait to be settled, oldest first."""
        rings, n_rows = self._bound(), min(self.n_there(lane), self.delay)
        stop = int(self._arrays["origin"][lane])
        part = slice(stop + self.delay + 1 - n_rows, stop + self.delay + 1)
        numbers = rings.numbers[lane, stop + self.length - n_rows : stop + self.length]
        return numbers, rings.times[lane, part], rings.stamps[lane, part]

    def there(self, lane: int) -> tuple[FloatArray, IntArray]:
        """Values and numbers of the rows of the segment that are still there, oldest first."""
        rings, n_rows = self._bound(), self.n_there(lane)
        stop = int(self._arrays["origin"][lane]) + self.length
        part = slice(stop - n_rows, stop)
        return rings.values[lane, part], rings.numbers[lane, part]

    def n_there(self, lane: int) -> int:
        """How many those are."""
        return min(int(self._arrays["n_rows"][lane]), self.length)
