"""One member's way from row errors to calibrated scores, for one segment, fed block by block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsae.scoring.filters import MovingAverage
from tsae.scoring.member import MemberScale, channel_mean

__all__ = ["Chain", "ChainOutput", "Queue"]

FloatArray = NDArray[np.float64]


class ChainOutput(NamedTuple):
    """Rows that are done, oldest first; the two parts may differ in length, each is in row order."""

    views: FloatArray
    """−log p of the oldest rows not yet returned, `(n_views, n_filters)`, the last of errors that were not smoothed;
    NaN where nothing was observed in reach."""
    errors: FloatArray
    """Errors in usual errors, `(n_errors, n_network_channels)`."""


class Queue:
    """Rows waiting to be taken in the order they came."""

    def __init__(self) -> None:
        self._rows: FloatArray | None = None

    def __len__(self) -> int:
        return 0 if self._rows is None else len(self._rows)

    def put(self, rows: FloatArray) -> None:
        """Add rows at the end."""
        if len(rows):
            self._rows = rows if self._rows is None else np.concatenate([self._rows, rows])

    def take(self, n_rows: int) -> FloatArray:
        """Remove and return the first rows."""
        if self._rows is None:
            return np.zeros(0)
        out, self._rows = self._rows[:n_rows], self._rows[n_rows:]
        return out


class Chain:
    """Errors of rows → mean over channels → moving average → −log p → shifted back.

    Parameters
    ----------
    scale
        Usual errors and tail of this kind of row error.
    averages
        Fresh filters, one for each of the scale's tails.
    shift
        A row gets the result of that many rows later; at the end of a segment, of the last one.
    """

    def __init__(self, scale: MemberScale, averages: Sequence[MovingAverage], *, shift: int = 0) -> None:
        self._scale, self._averages, self._shift = scale, averages, shift
        self._apart = Queue()
        self._n_skipped = 0
        self._newest: ChainOutput | None = None

    def push(self, errors: FloatArray, apart: FloatArray) -> ChainOutput:
        """Take errors `(n_done, n_network_channels)` of the oldest rows and apart errors `(n,)` of new rows."""
        self._apart.put(apart)
        if not len(errors):
            return ChainOutput(np.zeros((0, len(self._averages))), errors)
        relative = errors / self._scale.levels
        mean = channel_mean(relative, self._apart.take(len(errors)))
        views = self._scale.views([average.push(*mean) for average in self._averages])
        return self._shifted(ChainOutput(views, relative))

    def flush(self) -> ChainOutput:
        """End the segment: scores (and, if shifted, errors) of the rows still waiting."""
        views = self._scale.views([average.flush() for average in self._averages])
        if not self._shift:
            return ChainOutput(views, np.zeros((0, len(self._scale.levels))))
        if self._newest is None:
            return ChainOutput(views[:0], np.zeros((0, len(self._scale.levels))))
        return ChainOutput(*(np.repeat(part, self._n_skipped, axis=0) for part in self._newest))

    def _shifted(self, output: ChainOutput) -> ChainOutput:
        if not self._shift:
            return output
        skip = min(self._shift - self._n_skipped, len(output.views))
        self._n_skipped += skip
        self._newest = ChainOutput(*(part[-1:] for part in output))
        return ChainOutput(*(part[skip:] for part in output))
