"""Where the rows of a table lie on a plot, which of them are shown, and by which scale."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsae.alarms.event import Event
from tsae.errors import DataError

__all__ = ["TimeAxis", "log_floor", "rows_around"]

LINEAR_UP_TO = 20


@dataclass(frozen=True)
class TimeAxis:
    """The horizontal position of each row: milliseconds since 1970 by the wall clock, or row numbers."""

    index: pd.Index
    values: NDArray[np.float64]
    """Never falling, `(n_timesteps,)`."""
    is_date: bool
    title: str

    @classmethod
    def of(cls, index: pd.Index) -> TimeAxis:
        """Read the axis off a table's index; an index that steps back is replaced by row numbers.

        >>> TimeAxis.of(pd.date_range("2024-01-01", periods=3, freq="s")).values - 1704067200000
        array([   0., 1000., 2000.])
        """
        if isinstance(index, pd.DatetimeIndex) and index.is_monotonic_increasing:
            clock, title = _clock(index)
            return cls(index, clock.as_unit("us").asi8 / 1e3, True, title)
        if pd.api.types.is_numeric_dtype(index.dtype) and index.is_monotonic_increasing:
            return cls(index, index.to_numpy(dtype=np.float64), False, str(index.name or "row"))
        return cls(index, np.arange(len(index), dtype=np.float64), False, "row")

    def rows(self, event: Event) -> slice:
        """Rows that the event covers, its last one included."""
        return slice(self.row(event.start), self.row(event.stop, last=True) + 1)

    def row(self, time: object, *, last: bool = False) -> int:
        """Row number of a time that an event names; of equal times the first, or the last."""
        try:
            found = self.index.get_loc(time)
        except (KeyError, TypeError):
            raise DataError(
                f"the event time {time!r} is not in the table's index "
                f"({self.index[0]!r} to {self.index[-1]!r}); pass the table that was scored"
            ) from None
        if isinstance(found, int):
            return found
        places = np.arange(len(self.index))[found]
        return int(places[-1 if last else 0])

    def usual_step(self) -> float:
        """Median distance of neighbouring rows, in the unit of `values`; 1 for a single row."""
        steps = np.diff(self.values)
        return float(np.median(steps)) if steps.size else 1.0

    def part(self, rows: slice) -> TimeAxis:
        """The same axis for some of the rows."""
        return TimeAxis(self.index[rows], self.values[rows], self.is_date, self.title)


def rows_around(covered: slice, n_timesteps: int) -> slice:
    """Rows of an event and as many again on either side, at least 60 and at most 2,000.

    >>> rows_around(slice(100, 110), 1000)
    slice(40, 170, None)
    """
    margin = min(max(60, covered.stop - covered.start), 2000)
    return slice(max(0, covered.start - margin), min(n_timesteps, covered.stop + margin))


def log_floor(scores: NDArray[np.float64], threshold: float) -> float | None:
    """Lower end of a logarithmic scale of scores; `None` where a linear one shows the threshold well enough.

    >>> log_floor(np.array([0.2, 60.0, np.nan]), threshold=3.0) is None
    True
    >>> log_floor(np.array([0.2, 0.2, 0.2, 900.0]), threshold=3.0)
    0.2
    """
    if not 0 < threshold < np.nanmax(scores, initial=0) / LINEAR_UP_TO:
        return None
    return float(np.clip(np.nanquantile(scores, 0.05), threshold / 1000, threshold / 10))


def _clock(index: pd.DatetimeIndex) -> tuple[pd.DatetimeIndex, str]:
    """The wall's clock, or UTC's where the wall's is put forward or back on the way."""
    if index.tz is None:
        return index, "time"
    wall, utc = index.tz_localize(None), index.tz_convert("UTC").tz_localize(None)
    if (wall - utc).nunique() == 1:
        return wall, f"time ({index.tz})"
    return utc, "time (UTC)"
