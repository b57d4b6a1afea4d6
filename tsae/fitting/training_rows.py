"""The rows a detector learns from, without excluded ones and split in time, and the scores of those held out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import cast

import numpy as np
from numpy.typing import NDArray

from tsae.errors import DataError
from tsae.fitting.plan import SHORTEST_WINDOW
from tsae.scoring.classifier import LabelClassifier
from tsae.scoring.ensemble import Ensemble
from tsae.scoring.whole_series import CalibrationScores, row_features, segment_scores
from tsae.series.grid import GridSeries, on_grid

__all__ = ["Excluded", "Span", "held_out_scores", "split_in_time", "used_spans"]

FloatArray = NDArray[np.float64]

_MOST_HELD_OUT = 30_000  # an entity; enough for a threshold, and scoring more would outlast the training


Excluded = NDArray[np.bool_] | None
"""Which input rows of an entity are excluded; `None` for none."""


@dataclass(frozen=True)
class Span:
    """A run of training rows without a gap, NaN where missing, and how many of its rows are held out."""

    values: NDArray[np.floating]
    n_held_out: int
    entity: int = 0
    """Number of the entity that the rows belong to."""


def used_spans(grids: Sequence[GridSeries], excluded: Sequence[Excluded], held_out: float) -> list[Span]:
    """Return all segments that are not excluded, the latest of each entity first.

    The last `held_out` share of each entity's rows is held out.
    """
    spans = []
    for entity, (grid, mask) in enumerate(zip(grids, excluded, strict=True)):
        first_rows = np.searchsorted(grid.rows, grid.starts)
        used = [
            segment
            for segment, first_row in zip(grid.segments, first_rows, strict=True)
            if mask is None or not mask[first_row]
        ]
        values = [grid.values[start:stop] for start, stop in reversed(used)]
        spans += _with_rows_held_out(values, held_out, entity)
    n_rows = sum(len(span.values) for span in spans)
    if n_rows <= SHORTEST_WINDOW:
        raise DataError(
            f"too few rows to learn from (n_samples={n_rows}, exclusions left out); pass at least "
            f"{SHORTEST_WINDOW + 1}, better some hundreds"
        )
    return spans


def _with_rows_held_out(values: Sequence[NDArray[np.floating]], held_out: float, entity: int) -> list[Span]:
    """Make spans of the segments of an entity, the latest first, and hold out the last `held_out` share of the rows."""
    n_left = max(1, min(_MOST_HELD_OUT, round(held_out * sum(map(len, values)))))
    spans = []
    for segment in values:
        n_held_out = min(n_left, len(segment))
        spans.append(Span(segment, n_held_out, entity))
        n_left -= n_held_out
    return spans


def split_in_time(spans: Sequence[Span], share: float, *, held_out: float) -> tuple[list[Span], list[Span]]:
    """Cut the rows of each entity in two, as if only the first `share` of them had been there to train on.

    Returns the earlier rows, the last `held_out` share of them held out, and all rows of the spans that go on after the
    cut, with the rows after it held out. No values are copied.
    """
    earlier, later = [], []
    for entity, group in groupby(spans, key=lambda span: span.entity):
        values = [span.values for span in group]
        n_left = sum(map(len, values)) - int(share * sum(map(len, values)))
        before = []
        for segment in values:
            n_later = min(n_left, len(segment))
            n_left -= n_later
            if n_later:
                later.append(Span(segment, n_later, entity))
            if n_later < len(segment):
                before.append(segment[: len(segment) - n_later])
        earlier += _with_rows_held_out(before, held_out, entity)
    return earlier, later


def held_out_scores(ensemble: Ensemble, spans: Sequence[Span], *, lag: int) -> CalibrationScores:
    """Return scores of the held-out rows of all spans: those that scoring all rows gives."""
    parts: list[list[FloatArray]] = [[] for _ in CalibrationScores._fields]
    context = ensemble.full_lag + ensemble.formula.constant_memory
    in_step = math.lcm(*(member.stride for member in ensemble.members))  # windows start as in the whole
    for span in spans:
        if span.n_held_out:
            split = len(span.values) - span.n_held_out
            begin = max(0, split - context) // in_step * in_step
            for part, found in zip(parts, segment_scores(ensemble, span.values[begin:], lag=lag), strict=True):
                part.append(found[split - begin :])
    scores = CalibrationScores(*map(np.concatenate, parts))
    return scores if ensemble.classifier is None else _with_terms(scores, ensemble, spans, lag=lag)


def _with_terms(scores: CalibrationScores, ensemble: Ensemble, spans: Sequence[Span], *, lag: int) -> CalibrationScores:
    """Join the scores of held-out rows by the classifier."""
    terms = []
    for wait in (lag, 0):
        held_out = [
            row_features(ensemble, on_grid(span.values), lag=wait)[len(span.values) - span.n_held_out :]
            for span in spans
            if span.n_held_out
        ]
        terms.append(cast(LabelClassifier, ensemble.classifier).term(np.concatenate(held_out)))
    settled, immediate = terms
    return CalibrationScores(
        scores.settled + settled,
        scores.immediate + immediate,
        scores.unsmoothed + settled,
        scores.immediate_unsmoothed + immediate,
    )
