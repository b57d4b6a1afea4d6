"""Scores of the held-out rows, from which thresholds are learned."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

from tsae.fitting.training_rows import Span
from tsae.scoring.classifier import LabelClassifier
from tsae.scoring.ensemble import Ensemble
from tsae.scoring.whole_series import CalibrationScores, row_features, segment_scores
from tsae.series.grid import on_grid

__all__ = ["held_out_scores"]

FloatArray = NDArray[np.float64]


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
