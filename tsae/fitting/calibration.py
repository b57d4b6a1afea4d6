"""Scores of the held-out rows, from which thresholds are learned."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

from tsae.fitting.training_rows import Span
from tsae.scoring.classifier import LabelClassifier
from tsae.scoring.engine import ScoreModel, SegmentScorer
from tsae.scoring.whole_series import CalibrationScores, row_features
from tsae.series.grid import on_grid

__all__ = ["held_out_scores"]

FloatArray = NDArray[np.float64]
_ROWS_AT_ONCE = 4096
_LONGEST_MEMORY = 100  # rows that a constant channel is compared with


def held_out_scores(model: ScoreModel, spans: Sequence[Span], *, lag: int) -> CalibrationScores:
    """Scores of the held-out rows of all spans: those that scoring all rows gives."""
    parts: list[list[FloatArray]] = [[] for _ in CalibrationScores._fields]
    context = model.full_lag + _LONGEST_MEMORY
    in_step = math.lcm(*(member.stride for member in model.members))  # windows start at the same rows as in the whole
    for span in spans:
        if not span.n_held_out:
            continue
        split = len(span.values) - span.n_held_out
        begin = max(0, split - context) // in_step * in_step
        scorer = SegmentScorer(model, lag=lag, immediate=True)
        blocks = [
            scorer.push(span.values[first : first + _ROWS_AT_ONCE])
            for first in range(begin, len(span.values), _ROWS_AT_ONCE)
        ]
        blocks.append(scorer.flush())
        for part, name in zip(parts, CalibrationScores._fields, strict=True):
            part.append(np.concatenate([getattr(rows, name) for rows in blocks])[split - begin :])
    scores = CalibrationScores(*map(np.concatenate, parts))
    return scores if model.labelled is None else _with_terms(scores, model, spans, lag=lag)


def _with_terms(scores: CalibrationScores, model: ScoreModel, spans: Sequence[Span], *, lag: int) -> CalibrationScores:
    """The scores of held-out rows, joined by the classifier."""
    terms = []
    for wait in (lag, 0):
        held_out = [
            row_features(model, on_grid(span.values), lag=wait)[len(span.values) - span.n_held_out :]
            for span in spans
            if span.n_held_out
        ]
        terms.append(cast(LabelClassifier, model.labelled).term(np.concatenate(held_out)))
    settled, immediate = terms
    return CalibrationScores(
        scores.settled + settled,
        scores.immediate + immediate,
        scores.unsmoothed + settled,
        scores.immediate_unsmoothed + immediate,
    )
