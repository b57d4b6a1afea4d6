"""Rows of a table on a plot: where they lie, which are shown, by which scale, and fewer points for the same line."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tsdownsample import M4Downsampler

from tsae.alarms.event import Event
from tsae.errors import DataError

__all__ = ["TimeAxis", "binned_max", "isolated", "log_floor", "rows_around", "thin"]

Floats = NDArray[np.float64]

LINEAR_UP_TO = 20
VISIBLE = 1 / 500
"""Narrower holes than this part of the plot are not drawn once a line is thinned."""


@dataclass(frozen=True)
class TimeAxis:
    """The horizontal position of each row: milliseconds since 1970 by the wall clock, or row numbers."""

    index: pd.Index
    values: Floats
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


def log_floor(scores: Floats, threshold: float) -> float | None:
    """Lower end of a logarithmic scale of scores; `None` where a linear one shows the threshold well enough.

    >>> log_floor(np.array([0.2, 60.0, np.nan]), threshold=3.0) is None
    True
    >>> log_floor(np.array([0.2, 0.2, 0.2, 900.0]), threshold=3.0)
    0.2
    """
    if not 0 < threshold < np.nanmax(scores, initial=0) / LINEAR_UP_TO:
        return None
    return float(np.clip(np.nanquantile(scores, 0.05), threshold / 1000, threshold / 10))


def thin(x: Floats, y: Floats, limit: int) -> tuple[Floats, Floats]:
    """Points to draw for a line `(n,)`, at most `limit` (≥ 4) of them besides the ends of holes.

    Missing values, and jumps of `x` over more than three usual steps, become one NaN that breaks the line. Of
    each stretch the first, lowest, highest and last point are kept (M4, Jugel et al., 2014), so that a single
    extreme row among a million is drawn.

    >>> thin(np.arange(4.0), np.array([1.0, np.nan, 3.0, 4.0]), limit=100)
    (array([0., 0., 2., 3.]), array([ 1., nan,  3.,  4.]))
    """
    seen = np.flatnonzero(np.isfinite(y))
    if seen.size == 0:
        return x[:0], y[:0]
    kept = np.arange(seen.size)
    widths = np.diff(x[seen])
    hole = (np.diff(seen) > 1) | (widths > 3 * np.median(np.diff(x) if x.size > 1 else 1))
    if seen.size > limit:
        hole &= widths > VISIBLE * (x[-1] - x[0])
        m4 = M4Downsampler()  # type: ignore[no-untyped-call]
        kept = m4.downsample(np.ascontiguousarray(y[seen]), n_out=limit // 4 * 4)
        ends = np.flatnonzero(hole)
        kept = np.unique(np.concatenate([kept.astype(np.intp), ends, ends + 1]))
    stretch = np.concatenate([[0], np.cumsum(hole)])[kept]
    breaks = np.flatnonzero(np.diff(stretch)) + 1
    rows = seen[kept]
    return np.insert(x[rows], breaks, x[rows][breaks - 1]), np.insert(y[rows], breaks, np.nan)


def isolated(y: Floats) -> NDArray[np.bool_]:
    """Points without a neighbour on either side, which a line alone would not show."""
    missing = np.concatenate([[True], ~np.isfinite(y), [True]])
    alone: NDArray[np.bool_] = ~missing[1:-1] & missing[:-2] & missing[2:]
    return alone


def binned_max(x: Floats, values: Floats, n_bins: int) -> tuple[Floats, Floats]:
    """Largest value per stretch of time and column.

    Parameters
    ----------
    x
        Time of each row, never falling, `(n,)`.
    values
        `(n, n_columns)`; NaN where nothing was observed.
    n_bins
        Stretches of equal length between the first and the last time.

    Returns
    -------
    The middle of each stretch, `(n_bins,)`, and the largest values, `(n_bins, n_columns)`; NaN where there is
    nothing.
    """
    edges = np.linspace(x[0], x[-1], n_bins + 1)
    starts = np.searchsorted(x, edges[:-1])
    n_rows = np.diff(np.append(starts, len(x)))
    largest = np.fmax.reduceat(values, np.minimum(starts, len(x) - 1), axis=0).astype(np.float64)
    largest[n_rows == 0] = np.nan
    return (edges[:-1] + edges[1:]) / 2, largest


def _clock(index: pd.DatetimeIndex) -> tuple[pd.DatetimeIndex, str]:
    """The wall's clock, or UTC's where the wall's is put forward or back on the way."""
    if index.tz is None:
        return index, "time"
    wall, utc = index.tz_localize(None), index.tz_convert("UTC").tz_localize(None)
    if (wall - utc).nunique() == 1:
        return wall, f"time ({index.tz})"
    return utc, "time (UTC)"
