"""`StreamScorer`: an answer for every row as it comes, and the settled score a little later."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from tsae.detection.detector import AnomalyDetector
from tsae.detection.engine import ScoredRows, SegmentScorer
from tsae.detection.inputs import check_period
from tsae.errors import DataError, ParameterError
from tsae.series.clock import grid_steps
from tsae.streaming.rows import row_values, timestamp_of

__all__ = ["RowScore", "StreamScorer", "StreamScores"]

FloatArray = NDArray[np.float64]
_ROWS_AT_ONCE = 4096
_ROWS_OF_PERIOD_CHECK = 16


@dataclass(frozen=True)
class RowScore:
    """One row's score."""

    row: int
    """Number of the row in the stream, from 0; dropped rows do not count."""
    timestamp: pd.Timestamp | None
    score: float
    """Higher = more anomalous, in units of −log p."""
    label: bool
    """Whether the score exceeds its threshold; false for immediate scores while the scorer warms up."""
    errors: FloatArray | None = field(default=None, compare=False)
    """Of a settled score: error of each channel in usual errors, `(n_channels,)`, NaN where missing."""


@dataclass(frozen=True)
class StreamScores:
    """What one call brought."""

    immediate: tuple[RowScore, ...] = ()
    """Scores at lag 0 of the rows just handed in; a dropped row has none."""
    settled: tuple[RowScore, ...] = ()
    """Scores of the oldest rows not yet returned; no row comes twice, none is left out."""


class _Row(NamedTuple):
    number: int
    timestamp: pd.Timestamp | None


class StreamScorer:
    """Scores of rows that keep arriving, equal to those of the whole file.

    Every row gets an immediate score, which depends on this row and earlier ones, and at most `lag` rows later a
    settled score, the one of `detector.score_samples` (with the sign turned: higher = more anomalous). Memory does
    not grow with the stream.

    After the start and after a long gap the first rows have no full window behind them. Their immediate scores are
    rough and far too often high, so they are not labelled; their settled scores are as good as any.

    Rows with timestamps are laid out on the detector's clock: a gap of up to `detector.max_fill` rows is bridged
    with missing rows, a longer one ends the segment, which settles all rows before it.

    Parameters
    ----------
    detector
        A fitted detector.
    lag
        Rows a settled score may wait for, at least 0; `None` takes `detector.lag_`.

    Attributes
    ----------
    lag : int
        Rows a settled score may wait for.
    warm_up : int
        Rows at the start of a segment whose immediate scores are not labelled: one less than the longest window.
    n_rows : int
        Rows that were scored.
    n_late : int
        Rows that were dropped, because their timestamp was not later than that of the row before.
    n_gaps : int
        Gaps that ended a segment.
    n_filled : int
        Missing rows that bridged shorter gaps.
    n_absent : int
        Channels that rows did not name, summed over the rows.

    Examples
    --------
    >>> import numpy as np
    >>> from tsae import AnomalyDetector, StreamScorer
    >>> normal = np.sin(np.arange(500) / 5)[:, None]
    >>> detector = AnomalyDetector(window_size=16, max_steps=20, random_state=0).fit(normal[:400])
    >>> stream = StreamScorer(detector)
    >>> now = [stream.update(row).immediate[0].score for row in normal[400:]]
    >>> rest = stream.flush().settled
    >>> len(now), rest[-1].row
    (100, 99)
    """

    def __init__(self, detector: AnomalyDetector, *, lag: int | None = None) -> None:
        check_is_fitted(detector)
        if lag is not None and lag < 0:
            raise ParameterError(f"`lag` (={lag}) must be 0 or more rows, or None for the detector's own")
        full_lag = detector.model_.full_lag
        self.lag = detector.lag_ if lag is None else min(lag, full_lag)
        self.immediate_threshold = detector.learned_immediate_threshold_.value
        # A score that waits for less than the full lag is an immediate score of a few rows later.
        own = self.lag in (detector.lag_, full_lag)
        self.settled_threshold = detector.threshold_ if own else self.immediate_threshold
        self.warm_up = max(member.window_size for member in detector.model_.members) - 1
        self.channels = detector.channels_
        self.n_rows = self.n_late = self.n_gaps = self.n_filled = self.n_absent = 0
        self._model = detector.model_
        self._period, self._max_fill = detector.period_, detector.max_fill
        self._segment: SegmentScorer | None = None
        self._n_in_segment = 0
        self._waiting: deque[_Row | None] = deque()  # rows of the segment that are not settled; None was filled in
        self._newest: pd.Timestamp | None = None
        self._first_times: list[pd.Timestamp] = []

    def update(self, row: Any, timestamp: Any = None) -> StreamScores:
        """Take the next row.

        Parameters
        ----------
        row
            A mapping from channel to value, or the values in the order of `channels`; `None` and NaN are missing.
        timestamp
            Its time, as a datetime or ISO string: of every row of the stream, or of none.

        Raises
        ------
        DataError
            If the row or its time cannot be used; the scorer then is as it was before.
        """
        return self.update_many([row], None if timestamp is None else [timestamp])

    def update_many(self, rows: Any, timestamps: Sequence[Any] | pd.DatetimeIndex | None = None) -> StreamScores:
        """Take the next rows, which is faster than one by one and gives the same numbers.

        Parameters
        ----------
        rows
            Array `(n, n_channels)`, or a sequence of rows as `update` takes them.
        timestamps
            Their times, `(n,)`; `None` for a stream without.

        Raises
        ------
        DataError
            If a row or its time cannot be used; none of the rows is taken then.
        """
        values, n_absent = row_values(rows, self.channels)
        times = self._checked_times(timestamps, len(values))
        kept, steps = self._steps(times, len(values))
        self.n_absent += n_absent
        self.n_late += len(values) - len(kept)
        numbered = [_Row(self.n_rows + place, times[row] if times else None) for place, row in enumerate(kept)]
        self.n_rows += len(kept)
        if times and len(kept):
            self._newest = times[kept[-1]]
            self._check_period([times[row] for row in kept])
        immediate: list[RowScore] = []
        settled: list[RowScore] = []
        for start, stop in _pieces(steps):
            if steps[start] == 0:
                settled += self._begin_segment()
            for first in range(start, stop, _ROWS_AT_ONCE):
                block = slice(first, min(stop, first + _ROWS_AT_ONCE))
                scores = self._push(values[kept[block]], np.maximum(steps[block], 1), numbered[block])
                immediate += scores.immediate
                settled += scores.settled
        return StreamScores(tuple(immediate), tuple(settled))

    def flush(self) -> StreamScores:
        """End the segment: settled scores of the rows still waiting. A row that follows starts a new segment."""
        if self._segment is None:
            return StreamScores()
        scored, self._segment = self._segment.flush(), None
        return StreamScores(settled=self._settled(scored))

    def _checked_times(self, timestamps: Sequence[Any] | pd.DatetimeIndex | None, n_rows: int) -> list[pd.Timestamp]:
        """Timestamps `(n_rows,)`, empty for a stream without."""
        times = [] if timestamps is None else [timestamp_of(time) for time in timestamps]
        if timestamps is not None and len(times) != n_rows:
            raise DataError(f"`timestamps` has {len(times)} times for {n_rows} rows; pass one for each row, or None")
        if self.n_rows and n_rows and bool(times) != (self._newest is not None):
            had = "had none" if self._newest is None else "had one"
            raise DataError(f"the rows before {had}, so `timestamp` must be given for every row or for none")
        zones = {time.tz is None for time in ([self._newest] if self._newest is not None else []) + times}
        if len(zones) > 1:
            raise DataError("some `timestamp` carry a time zone and some do not; pass all of them with a zone, or none")
        return times

    def _steps(self, times: list[pd.Timestamp], n_rows: int) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
        """Which rows are kept, and their steps on the grid; 0 starts a segment."""
        kept = np.arange(n_rows)
        steps = np.ones(n_rows, dtype=np.int64)
        if times:
            ns = np.array([time.value for time in ([self._newest] if self._newest is not None else []) + times])
            n_before = len(ns) - n_rows
            is_later = np.append(True, ns[1:] > np.maximum.accumulate(ns)[:-1])
            kept = np.flatnonzero(is_later[n_before:])
            steps = grid_steps(ns[is_later], self._period, self._max_fill)[n_before:]
        if self._segment is None:
            steps[:1] = 0
        return kept, steps

    def _begin_segment(self) -> tuple[RowScore, ...]:
        self.n_gaps += self._segment is not None
        settled = self.flush().settled
        self._segment = SegmentScorer(self._model, lag=self.lag, immediate=True)
        self._n_in_segment = 0
        return settled

    def _push(self, values: FloatArray, steps: NDArray[np.int64], rows: list[_Row]) -> StreamScores:
        """Take rows that continue the segment, after `steps - 1` missing rows each."""
        places = np.cumsum(steps) - 1
        grid = np.full((int(places[-1]) + 1, values.shape[1]), np.nan)
        grid[places] = values
        on_grid: list[_Row | None] = [None] * len(grid)
        for place, row in zip(places.tolist(), rows, strict=True):
            on_grid[place] = row
        self._waiting.extend(on_grid)
        self.n_filled += len(grid) - len(rows)
        scored = self._segment.push(grid)  # type: ignore[union-attr]  # `update_many` has begun one
        scores = scored.immediate[places]
        labels = (scores > self.immediate_threshold) & (self._n_in_segment + places >= self.warm_up)
        self._n_in_segment += len(grid)
        immediate = tuple(
            RowScore(*row, score, label)
            for row, score, label in zip(rows, scores.tolist(), labels.tolist(), strict=True)
        )
        return StreamScores(immediate, self._settled(scored))

    def _settled(self, scored: ScoredRows) -> tuple[RowScore, ...]:
        out = []
        for score, errors in zip(scored.settled.tolist(), scored.errors, strict=True):
            row = self._waiting.popleft()
            if row is not None:
                out.append(RowScore(*row, score, score > self.settled_threshold, errors.copy()))
        return tuple(out)

    def _check_period(self, times: list[pd.Timestamp]) -> None:
        """Warn once if the first rows come at another pace than in training."""
        n_missing = _ROWS_OF_PERIOD_CHECK - len(self._first_times)
        if n_missing <= 0:
            return
        self._first_times += times[:n_missing]
        if len(self._first_times) == _ROWS_OF_PERIOD_CHECK:
            try:
                check_period(pd.DatetimeIndex(self._first_times), self._period)
            except DataError as error:
                warnings.warn(str(error), UserWarning, stacklevel=4)


def _pieces(steps: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Start and stop of the rows that belong to one segment."""
    if not len(steps):
        return []
    bounds = np.unique(np.concatenate([[0], np.flatnonzero(steps == 0), [len(steps)]])).tolist()
    return list(pairwise(bounds))
