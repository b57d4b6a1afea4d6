"""The rows of one call as they were handed in."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsae.streaming.clock import Arrival
from tsae.streaming.row_scores import objects

__all__ = ["FILLED", "Rows"]

FILLED = -1
"""Place of a row where nothing is known."""


class Rows(NamedTuple):
    """Values, times and stamps of n rows, and one more where nothing is known: it stands last, at `FILLED`."""

    values: NDArray[np.float64]
    """`(n + 1, n_channels)`, NaN where missing."""
    times: NDArray[np.int64] | None
    """Nanoseconds since 1970, `(n + 1,)`; `None` for rows without times."""
    stamps: NDArray[np.object_]
    """Times as they were handed in, `(n + 1,)`."""

    @classmethod
    def of(cls, values: NDArray[np.float64], times: list[int] | None, stamps: Any) -> Rows:
        """Of values `(n, n_channels)`, times and stamps `(n,)`; `None` for all."""
        given = objects([None] * (len(values) + 1) if stamps is None else [*stamps, None])
        unknown = np.full((1, values.shape[1]), np.nan)
        ns = None if times is None else np.array([*times, 0], dtype=np.int64)
        return cls(np.concatenate([values, unknown]), ns, given)

    @classmethod
    def admitted(cls, arrivals: list[Arrival], n_channels: int) -> Rows:
        """Of rows whose turn it is, all with times or all without."""
        values = np.empty((len(arrivals), n_channels))
        for place, arrival in enumerate(arrivals):
            values[place] = arrival.row[0]
        times = [arrival.time for arrival in arrivals if arrival.time is not None]
        return cls.of(values, times if len(times) == len(arrivals) else None, [each.row[1] for each in arrivals])

    def times_of(self, places: NDArray[np.int64], numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Nanoseconds of rows, or their numbers if they have no times."""
        return numbers if self.times is None else self.times[places]
