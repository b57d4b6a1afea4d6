"""Fewer points that draw the same line: extremes are kept, and holes stay holes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from tsdownsample import M4Downsampler

__all__ = ["binned_max", "isolated", "thin"]

Floats = NDArray[np.float64]

VISIBLE = 1 / 500
"""Narrower holes than this part of the plot are not drawn once a line is thinned."""


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
