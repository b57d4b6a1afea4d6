"""Rows on a regular grid: short gaps become missing rows, long gaps and new entities start a new segment."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

__all__ = ["GridSeries", "on_grid"]


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
        (`tsae.series.clock.grid_steps`). `None`: all rows are consecutive.
    """
    n_rows = len(values)
    if steps is None or bool((steps[1:] == 1).all()):
        return GridSeries(values, np.arange(n_rows), np.zeros(min(1, n_rows), dtype=np.int64))
    advance = np.where(steps == 0, 1, steps)
    advance[0] = 0
    rows = np.cumsum(advance)
    starts = np.flatnonzero(steps == 0)
    starts = np.union1d([0], starts).astype(np.int64)
    if rows[-1] == n_rows - 1:
        return GridSeries(values, rows, rows[starts])
    spread = np.full((int(rows[-1]) + 1, values.shape[1]), np.nan, dtype=values.dtype)
    spread[rows] = values
    return GridSeries(spread, rows, rows[starts])
