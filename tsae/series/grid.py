"""The clock of a table, and its rows on a regular grid: short gaps become missing rows, long ones start a segment."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tsae.errors import ParameterError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Clock", "GridSeries", "grid_steps", "infer_clock", "on_grid", "timestamps_ns"]

_REGULAR_SHARE = 0.8


@dataclass(frozen=True)
class Clock:
    """How regularly the rows of a table follow each other.

    Examples
    --------
    >>> print(Clock(period=60.0, regularity=0.998, n_gaps=2))
    one row every 60 s (99.8 % of the steps), with 2 gaps
    """

    period: float | None
    """Seconds from row to row; `None` if the rows have no time, or no regular one."""
    regularity: float
    """Share of the steps that are within half a period of one period; 0 without times."""
    n_gaps: int
    """Steps longer than one and a half periods; 0 without a period."""

    def __str__(self) -> str:
        if self.period is None:
            return "no regular clock"
        gaps = {0: "without gaps", 1: "with 1 gap"}.get(self.n_gaps, f"with {self.n_gaps} gaps")
        return f"one row every {self.period:g} s ({100 * self.regularity:.4g} % of the steps), {gaps}"


def timestamps_ns(index: pd.DatetimeIndex) -> NDArray[np.int64]:
    """Nanoseconds since 1970 (UTC if the index has a zone), whatever the resolution of the index."""
    return index.as_unit("ns").asi8


def infer_clock(index: pd.Index) -> Clock:
    """Find the sampling period: the median step, if it is the step between most rows.

    Parameters
    ----------
    index : pandas.Index, shape (n_timesteps,)
        Sorted times; any index but a `DatetimeIndex` has no clock.

    Returns
    -------
    Clock
        Without a period if fewer than 80 % of the steps are within ±50 % of the median.

    Examples
    --------
    >>> import pandas as pd
    >>> infer_clock(pd.to_datetime(["2026-11-24 10:00", "2026-11-24 10:10", "2026-11-24 10:20"])).period
    600.0
    """
    import pandas as pd  # slow to load, and a stream knows its clock

    if not isinstance(index, pd.DatetimeIndex) or len(index) < 2:
        return Clock(None, 0.0, 0)
    steps = np.diff(timestamps_ns(index))
    period = float(np.median(steps))
    if period <= 0:
        return Clock(None, 0.0, 0)
    regularity = float(np.mean(np.abs(steps - period) <= period / 2))
    if regularity < _REGULAR_SHARE:
        return Clock(None, regularity, 0)
    return Clock(period / 1e9, regularity, int(np.count_nonzero(steps > 1.5 * period)))


def grid_steps(timestamps_ns: NDArray[np.int64], period: float | None, max_fill: int) -> NDArray[np.int64]:
    """Count the steps on the clock's grid from each row to the next.

    A step is counted from the row before, not from the first row, so that a clock that runs a little fast or
    slow never loses a row. Half a period more does not count: 1.5 periods are one step, 2.5 are two.

    Parameters
    ----------
    timestamps_ns : ndarray of int64, shape (n_timesteps,)
        Times in nanoseconds.
    period : float or None
        Seconds; `None` means that every row follows the one before, whatever their times.
    max_fill : int
        The longest gap to fill, in missing rows.

    Returns
    -------
    ndarray of int64, shape (n_timesteps,)
        1 for a row that follows the one before; k in 2 … `max_fill + 1` after a gap of k − 1 missing rows;
        0 where a new segment starts: the first row, after a longer gap, after a step back in time.
        A row with the time of the one before counts as 1.

    Examples
    --------
    >>> import numpy as np
    >>> times = np.array([0, 60, 121, 300, 900, 840]) * 10**9
    >>> grid_steps(times, period=60.0, max_fill=5).tolist()
    [0, 1, 1, 3, 0, 0]
    """
    if max_fill < 0:
        raise ParameterError(f"`max_fill` (={max_fill}) must be at least 0; 0 fills no gap")
    steps = np.ones(len(timestamps_ns), dtype=np.int64)
    steps[:1] = 0
    if period is None or len(steps) < 2:
        return steps
    length = round(period * 1e9)
    if length < 1:
        raise ParameterError(f"`period` (={period}) must be at least 1e-9 seconds, or None without a clock")
    elapsed = np.diff(timestamps_ns)
    whole, rest = np.divmod(elapsed, length)  # integers: exact at one half, and no overflow in a doubled time
    counted = np.maximum(1, whole + (rest > length - rest))
    steps[1:] = np.where((elapsed < 0) | (counted > max_fill + 1), 0, counted)
    return steps


@dataclass(frozen=True)
class GridSeries:
    """A series laid out on its grid.

    Windows may cross missing rows (they are masked) but never the start of a segment.
    """

    values: NDArray[np.floating]
    """`(n_grid, n_channels)`, NaN where nothing was measured."""
    rows: NDArray[np.int64]
    """Grid position of every input row, `(n_timesteps,)`, increasing."""
    starts: NDArray[np.int64]
    """First grid position of every segment, `(n_segments,)`, the first one 0."""

    @property
    def segments(self) -> list[tuple[int, int]]:
        """Start and stop (exclusive) of every segment."""
        starts = self.starts.tolist()
        return list(pairwise([*starts, len(self.values)]))


def on_grid(values: NDArray[np.floating], steps: NDArray[np.int64] | None = None) -> GridSeries:
    """Lay rows `(n_timesteps, n_channels)` out on a grid.

    Parameters
    ----------
    steps
        For each row its distance from the row before in grid positions, 0 where a segment starts
        (`grid_steps`). `None`: all rows are consecutive.
    """
    n_rows = len(values)
    if steps is None or bool((steps[1:] == 1).all()):
        return GridSeries(values, np.arange(n_rows), np.zeros(min(1, n_rows), dtype=np.int64))
    advance = np.where(steps == 0, 1, steps)
    advance[0] = 0
    rows = np.cumsum(advance)
    starts = np.union1d([0], np.flatnonzero(steps == 0)).astype(np.int64)
    if rows[-1] == n_rows - 1:
        return GridSeries(values, rows, rows[starts])
    spread = np.full((int(rows[-1]) + 1, values.shape[1]), np.nan, dtype=values.dtype)
    spread[rows] = values
    return GridSeries(spread, rows, rows[starts])
