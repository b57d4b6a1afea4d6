"""Score whole entities by pushing their segments through the engine block by block."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from tsae.scoring.classifier import feature_table
from tsae.scoring.engine import ScoredRows, ScoreModel, SegmentScorer
from tsae.scoring.rebuilding import row_codes
from tsae.series.grid import GridSeries

__all__ = [
    "CalibrationScores",
    "GridPart",
    "GridScores",
    "grid_parts",
    "row_features",
    "score_grid",
]

FloatArray = NDArray[np.float64]
_ROWS_AT_ONCE = 4096


class GridScores(NamedTuple):
    """What all input rows of an entity get."""

    scores: FloatArray
    """`(n_timesteps,)`."""
    unsmoothed: FloatArray
    """Scores of each row's own error, `(n_timesteps,)`."""
    errors: NDArray[np.float32] | None
    """`(n_timesteps, n_channels)` if they were wanted."""


class GridPart(NamedTuple):
    """What consecutive input rows of an entity get."""

    start: int
    """Number of the first one among the input rows."""
    scores: FloatArray
    """`(n,)`."""
    unsmoothed: FloatArray
    """`(n,)`."""
    errors: NDArray[np.float32]
    """`(n, n_channels)`."""
    ends_segment: bool
    """Whether no row of the segment follows."""


def grid_parts(model: ScoreModel, grid: GridSeries, *, lag: int) -> Iterator[GridPart]:
    """Scores of all input rows in order, some thousand rows at a time, as they are settled.

    A model with a label classifier, which looks at whole series, scores all of them first.
    """
    if model.labelled is None:
        yield from _settled_parts(model, grid, lag=lag)
        return
    found = score_grid(model, grid, lag=lag, with_errors=True)
    for start, stop in grid.segments:
        rows = slice(*np.searchsorted(grid.rows, (start, stop)).tolist())
        errors = cast(NDArray[np.float32], found.errors)
        yield GridPart(rows.start, found.scores[rows], found.unsmoothed[rows], errors[rows], ends_segment=True)


def score_grid(model: ScoreModel, grid: GridSeries, *, lag: int, with_errors: bool = False) -> GridScores:
    """Scores of all input rows and, if wanted, their errors."""
    if model.labelled is None:
        return _unlabelled(model, grid, lag=lag, with_errors=with_errors)
    found = _unlabelled(model, grid, lag=lag, with_errors=True)
    term = model.labelled.term(_features(model, grid, found))
    return GridScores(found.scores + term, found.unsmoothed + term, found.errors if with_errors else None)


def row_features(model: ScoreModel, grid: GridSeries, *, lag: int) -> FloatArray:
    """What a classifier sees of all input rows, `(n_timesteps, n_features)`: code, errors and score."""
    return _features(model, grid, _unlabelled(model, grid, lag=lag, with_errors=True))


def _features(model: ScoreModel, grid: GridSeries, found: GridScores) -> FloatArray:
    return feature_table(row_codes(model, model.longest, grid), cast(FloatArray, found.errors), found.scores)


def _unlabelled(model: ScoreModel, grid: GridSeries, *, lag: int, with_errors: bool) -> GridScores:
    n_rows = len(grid.rows)
    errors = np.empty((n_rows, grid.values.shape[1]), dtype=np.float32) if with_errors else None
    out = GridScores(np.empty(n_rows), np.empty(n_rows), errors)
    for part in _settled_parts(model, grid, lag=lag):
        rows = slice(part.start, part.start + len(part.scores))
        out.scores[rows], out.unsmoothed[rows] = part.scores, part.unsmoothed
        if out.errors is not None:
            out.errors[rows] = part.errors
    return out


def _settled_parts(model: ScoreModel, grid: GridSeries, *, lag: int) -> Iterator[GridPart]:
    for start, stop in grid.segments:
        scorer = SegmentScorer(model, lag=lag)
        done = start
        for first in range(start, stop, _ROWS_AT_ONCE):
            rows = scorer.push(grid.values[first : min(stop, first + _ROWS_AT_ONCE)])
            yield _part(grid, rows, done, ends_segment=False)
            done += len(rows.settled)
        yield _part(grid, scorer.flush(), done, ends_segment=True)


def _part(grid: GridSeries, rows: ScoredRows, start: int, *, ends_segment: bool) -> GridPart:
    """Scores of consecutive grid rows from `start` on, without those that were filled in."""
    first, last = np.searchsorted(grid.rows, (start, start + len(rows.settled))).tolist()
    taken = slice(None) if last - first == len(rows.settled) else grid.rows[first:last] - start
    errors = rows.errors[taken].astype(np.float32)
    return GridPart(first, rows.settled[taken], rows.unsmoothed[taken], errors, ends_segment)


class CalibrationScores(NamedTuple):
    """Scores of normal rows that no network was trained on, each `(n,)`: what thresholds are learned from."""

    settled: FloatArray
    immediate: FloatArray
    unsmoothed: FloatArray
    immediate_unsmoothed: FloatArray
