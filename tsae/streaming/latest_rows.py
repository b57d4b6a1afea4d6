"""The latest rows of all lanes as they were handed in."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsae.detection.lane_arrays import LaneArrays

__all__ = ["UNNUMBERED", "LatestRows"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
LaneNumbers = NDArray[np.intp]
UNNUMBERED = -1
"""In place of the number of a row that was filled in, or that was only handed on as context."""


class LatestRows:
    """Rings beside those of `Lanes`, and of the same segments: to be written right after its step.

    Parameters
    ----------
    delay
        Rows until a row is settled.
    length
        Rows that are kept, more than `delay`.
    """

    def __init__(self, arrays: LaneArrays, n_channels: int, *, delay: int, length: int) -> None:
        self._arrays, self.delay, self.length = arrays, delay, length
        arrays.add_ring("rows.values", length, (n_channels,))
        arrays.add_ring("rows.numbers", length, (), np.int64)
        arrays.add_ring("rows.times", delay + 1, (), np.int64)
        arrays.add_ring("rows.stamps", delay + 1, (), np.object_)

    def put(self, lane: int, values: FloatArray, number: int, time: int, stamp: Any) -> None:
        """The newest row of a lane; see `put_each`."""
        arrays = self._arrays
        origin = int(arrays["origin"][lane])
        newest = origin + self.length - 1
        arrays["rows.values"][lane, newest], arrays["rows.numbers"][lane, newest] = values, number
        newest = origin + self.delay
        arrays["rows.times"][lane, newest], arrays["rows.stamps"][lane, newest] = time, stamp

    def put_each(self, lanes: LaneNumbers, values: FloatArray, numbers: IntArray, times: IntArray, stamps: Any) -> None:
        """The newest row of each lane.

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
        arrays = self._arrays
        origins = arrays["origin"][lanes]
        newest = origins + self.length - 1
        arrays["rows.values"][lanes, newest], arrays["rows.numbers"][lanes, newest] = values, numbers
        newest = origins + self.delay
        arrays["rows.times"][lanes, newest], arrays["rows.stamps"][lanes, newest] = times, stamps

    def settled(self, lane: int, n_later: int) -> tuple[int, int, Any]:
        """Number, time and stamp of the row behind which so many came, at most `delay`."""
        arrays = self._arrays
        origin = int(arrays["origin"][lane])
        place = origin + self.delay - n_later
        number = int(arrays["rows.numbers"][lane, origin + self.length - 1 - n_later])
        return number, int(arrays["rows.times"][lane, place]), arrays["rows.stamps"][lane, place]

    def settled_each(self, lanes: LaneNumbers) -> tuple[IntArray, IntArray, NDArray[Any]]:
        """Numbers, times and stamps `(m,)` of the rows `delay` back."""
        arrays = self._arrays
        origins = arrays["origin"][lanes]
        numbers = arrays["rows.numbers"][lanes, origins + self.length - 1 - self.delay]
        return numbers, arrays["rows.times"][lanes, origins], arrays["rows.stamps"][lanes, origins]

    def there(self, lane: int) -> tuple[FloatArray, IntArray]:
        """Values and numbers of the rows of the segment that are still there, oldest first."""
        arrays = self._arrays
        n_rows = self.n_there(lane)
        stop = int(arrays["origin"][lane]) + self.length
        part = slice(stop - n_rows, stop)
        return arrays["rows.values"][lane, part], arrays["rows.numbers"][lane, part]

    def n_there(self, lane: int) -> int:
        """How many those are."""
        return min(int(self._arrays["n_rows"][lane]), self.length)

    def stamps(self, lane: int) -> NDArray[Any]:
        """Times as handed in of the rows that wait to be settled, oldest first; what is put there is kept."""
        stop = int(self._arrays["origin"][lane]) + self.delay + 1
        stamps: NDArray[Any] = self._arrays["rows.stamps"][lane, stop - min(self.n_there(lane), self.delay) : stop]
        return stamps
