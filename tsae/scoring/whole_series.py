"""Scores of whole entities: every segment of a grid is pushed through a scorer of one lane, block by block."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from tsae.scoring.classifier import feature_table
from tsae.scoring.ensemble import Ensemble
from tsae.scoring.rebuilding import row_codes
from tsae.scoring.scorer import Scorer
from tsae.series.grid import GridSeries

__all__ = [
    "CalibrationScores",
    "GridPart",
    "GridScores",
    "covered_rows",
    "grid_errors",
    "grid_parts",
    "row_features",
    "score_grid",
    "scores_of_rows",
    "segment_scores",
]

FloatArray = NDArray[np.float64]
_ROWS_AT_ONCE = 4096
_ONE = np.zeros(1, dtype=np.intp)  # the only lane


class GridScores(NamedTuple):
    """Scores of all input rows of an entity."""

    scores: FloatArray
    """`(n_timesteps,)`."""
    unsmoothed: FloatArray
    """Scores of each row's own error, `(n_timesteps,)`."""
    errors: NDArray[np.float32] | None
    """`(n_timesteps, n_channels)` if they were wanted."""


class GridPart(NamedTuple):
    """Scores of consecutive input rows of an entity."""

    start: int
    """Number of the first one among the input rows."""
    scores: FloatArray
    """`(n,)`."""
    unsmoothed: FloatArray
    """`(n,)`."""
    errors: NDArray[np.float32]
    """`(n, n_channels)`."""
    covered: NDArray[np.bool_]
    """Whether a full window of known rows covers the row when its score is out, `(n,)`."""
    ends_segment: bool
    """Whether no row of the segment follows."""


class CalibrationScores(NamedTuple):
    """Scores of normal rows that no network was trained on, each `(n,)`: thresholds are learned from them."""

    settled: FloatArray
    immediate: FloatArray
    unsmoothed: FloatArray
    immediate_unsmoothed: FloatArray


def grid_parts(ensemble: Ensemble, grid: GridSeries, *, lag: int) -> Iterator[GridPart]:
    """Yield scores of all input rows in order, some thousand rows at a time, as they are settled.

    An ensemble with a label classifier, which looks at whole series, scores all of them first.
    """
    if ensemble.classifier is None:
        yield from _settled_parts(ensemble, grid, lag=lag)
        return
    found = score_grid(ensemble, grid, lag=lag, with_errors=True)
    for start, stop in grid.segments:
        rows = slice(*np.searchsorted(grid.rows, (start, stop)).tolist())
        errors = cast(NDArray[np.float32], found.errors)
        covered = _covered(ensemble, grid.rows[rows], (start, stop), lag=lag)
        yield GridPart(rows.start, found.scores[rows], found.unsmoothed[rows], errors[rows], covered, ends_segment=True)


def score_grid(ensemble: Ensemble, grid: GridSeries, *, lag: int, with_errors: bool = False) -> GridScores:
    """Return scores of all input rows and, if wanted, their errors."""
    if ensemble.classifier is None:
        return _unlabelled(ensemble, grid, lag=lag, with_errors=with_errors)
    found = _unlabelled(ensemble, grid, lag=lag, with_errors=True)
    term = ensemble.classifier.term(_features(ensemble, grid, found))
    return GridScores(found.scores + term, found.unsmoothed + term, found.errors if with_errors else None)


def grid_errors(ensemble: Ensemble, grid: GridSeries, *, lag: int) -> NDArray[np.float32]:
    """Return errors of all input rows in usual errors, `(n_timesteps, n_channels)`, NaN where missing."""
    return cast(NDArray[np.float32], _unlabelled(ensemble, grid, lag=lag, with_errors=True).errors)


def covered_rows(ensemble: Ensemble, grid: GridSeries, *, lag: int) -> NDArray[np.bool_]:
    """Return which input rows a full window covers by the time their scores are out, `(n_timesteps,)`."""
    bounds = [np.searchsorted(grid.rows, segment) for segment in grid.segments]
    parts = [
        _covered(ensemble, grid.rows[first:last], segment, lag=lag)
        for (first, last), segment in zip(bounds, grid.segments, strict=True)
    ]
    return np.concatenate(parts)


def row_features(ensemble: Ensemble, grid: GridSeries, *, lag: int) -> FloatArray:
    """Return the code, errors and score of all input rows, as a label classifier sees them: `(n_timesteps, n)`."""
    return _features(ensemble, grid, _unlabelled(ensemble, grid, lag=lag, with_errors=True))


def scores_of_rows(ensemble: Ensemble, grid: GridSeries, *, lag: int) -> CalibrationScores:
    """Return settled and immediate scores of all input rows, worked out in one pass."""
    kinds: list[list[FloatArray]] = [[] for _ in CalibrationScores._fields]
    for start, stop in grid.segments:
        for kind, part in zip(kinds, segment_scores(ensemble, grid.values[start:stop], lag=lag), strict=True):
            kind.append(part)
    scores = CalibrationScores(*(np.concatenate(kind)[grid.rows] for kind in kinds))
    if ensemble.classifier is None:
        return scores
    settled, immediate = (ensemble.classifier.term(row_features(ensemble, grid, lag=wait)) for wait in (lag, 0))
    added = (settled, immediate, settled, immediate)
    return CalibrationScores(*(score + term for score, term in zip(scores, added, strict=True)))


def segment_scores(ensemble: Ensemble, values: NDArray[np.floating], *, lag: int) -> CalibrationScores:
    """Return settled and immediate scores of the rows of one segment `(n, n_channels)`, without a classifier."""
    scorer = Scorer(ensemble, lag=lag, most_rows=min(_ROWS_AT_ONCE, max(1, len(values))))
    lane = scorer.open()
    steps = [
        scorer.push(_ONE, values[None, first : first + _ROWS_AT_ONCE]) for first in range(0, len(values), _ROWS_AT_ONCE)
    ]
    rest = scorer.flush(lane)
    none = np.zeros(0)
    return CalibrationScores(
        np.concatenate([none, *(step.settled[step.is_settled] for step in steps), rest.settled]),
        np.concatenate([none, *(step.immediate for step in steps)]),
        np.concatenate([none, *(step.unsmoothed[step.is_settled] for step in steps), rest.unsmoothed]),
        np.concatenate([none, *(step.immediate_unsmoothed for step in steps)]),
    )


def _features(ensemble: Ensemble, grid: GridSeries, found: GridScores) -> FloatArray:
    return feature_table(row_codes(ensemble, ensemble.longest, grid), cast(FloatArray, found.errors), found.scores)


def _unlabelled(ensemble: Ensemble, grid: GridSeries, *, lag: int, with_errors: bool) -> GridScores:
    n_rows = len(grid.rows)
    errors = np.empty((n_rows, grid.values.shape[1]), dtype=np.float32) if with_errors else None
    out = GridScores(np.empty(n_rows), np.empty(n_rows), errors)
    for part in _settled_parts(ensemble, grid, lag=lag):
        rows = slice(part.start, part.start + len(part.scores))
        out.scores[rows], out.unsmoothed[rows] = part.scores, part.unsmoothed
        if out.errors is not None:
            out.errors[rows] = part.errors
    return out


def _settled_parts(ensemble: Ensemble, grid: GridSeries, *, lag: int) -> Iterator[GridPart]:
    most = min(_ROWS_AT_ONCE, max((stop - start for start, stop in grid.segments), default=1))
    scorer = Scorer(ensemble, lag=lag, immediate=False, most_rows=most)
    lane = scorer.open()
    for start, stop in grid.segments:
        done = start
        for first in range(start, stop, most):
            step = scorer.push(_ONE, grid.values[None, first : min(stop, first + most)])
            settled = slice(int(np.count_nonzero(~step.is_settled)), None)
            about = (step.settled[settled], step.unsmoothed[settled], step.errors[settled])
            yield _part(ensemble, grid, (start, stop), done, *about, lag=lag)
            done += len(step.settled[settled])
        yield _part(ensemble, grid, (start, stop), done, *scorer.flush(lane), lag=lag, ends_segment=True)
        scorer.restart(lane)


def _covered(ensemble: Ensemble, rows: NDArray[np.integer], segment: tuple[int, int], *, lag: int) -> NDArray[np.bool_]:
    """Return whether a full window covers these grid rows of a segment by the time their scores are out."""
    start, stop = segment
    n_known = np.minimum(rows + ensemble.delay(lag) + 1, stop) - start
    return np.asarray(n_known >= ensemble.longest.window_size)


def _part(
    ensemble: Ensemble,
    grid: GridSeries,
    segment: tuple[int, int],
    start: int,
    scores: FloatArray,
    unsmoothed: FloatArray,
    errors: FloatArray,
    *,
    lag: int,
    ends_segment: bool = False,
) -> GridPart:
    """Scores of consecutive grid rows from `start` on, without those that were filled in."""
    first, last = np.searchsorted(grid.rows, (start, start + len(scores))).tolist()
    taken = slice(None) if last - first == len(scores) else grid.rows[first:last] - start
    covered = _covered(ensemble, grid.rows[first:last], segment, lag=lag)
    about = (scores[taken], unsmoothed[taken], errors[taken].astype(np.float32))
    return GridPart(first, *about, covered, ends_segment)
