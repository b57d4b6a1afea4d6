"""What a step of many lanes brings: scores out of the views of all members."""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsae.scoring.combination import combined, combined_row, with_switches

__all__ = ["Flushed", "Places", "RowScorer", "RowStep", "Step", "joined", "scores_of"]

FloatArray = NDArray[np.float64]
Places = tuple[list[int], list[int]]
"""Where in all views of a row the smoothed ones and the unsmoothed ones stand that make a score."""


class Step(NamedTuple):
    """What one row of each of m lanes brought."""

    immediate: FloatArray
    """Scores at lag 0 of the rows just handed in, `(m,)`."""
    immediate_unsmoothed: FloatArray
    """Scores at lag 0 of their own errors, `(m,)`."""
    is_settled: NDArray[np.bool_]
    """Whether the row `Lanes.delay` back exists, `(m,)`."""
    settled: FloatArray
    """Settled scores of those rows, `(m,)`."""
    unsmoothed: FloatArray
    """Scores of their own errors, `(m,)`."""
    errors: FloatArray
    """Their errors `(m, n_channels)`, in usual errors; NaN where missing."""


class RowStep(NamedTuple):
    """What one row of one lane brought: a `Step` in plain numbers, which cost less than arrays of one."""

    immediate: float
    immediate_unsmoothed: float
    is_settled: bool
    settled: float
    unsmoothed: float
    errors: FloatArray
    """`(n_channels,)`."""

    @classmethod
    def of(cls, step: Step) -> RowStep:
        """That of a step of a single lane."""
        parts: list[Any] = [*(column[0].item() for column in step[:5]), step.errors[0]]
        return cls(*parts)

    def many(self) -> Step:
        """The same as arrays of one."""
        parts: list[Any] = [*(np.array([value]) for value in self[:5]), self.errors[None]]
        return Step(*parts)


class Flushed(NamedTuple):
    """The rows of a lane that were still waiting when its segment ended, oldest first."""

    settled: FloatArray
    """Scores, `(n,)`."""
    unsmoothed: FloatArray
    """Scores of the rows' own errors, `(n,)`."""
    errors: FloatArray
    """`(n, n_channels)`."""


def scores_of(views: FloatArray, terms: FloatArray, places: Places) -> tuple[FloatArray, FloatArray]:
    """Scores and unsmoothed ones `(n,)` of n rows from all their views `(n, n_views)`.

    `terms` is the part of the switches, `(n,)`.
    """
    smoothed, own = (with_switches(combined([views[:, kind]]), terms) for kind in places)
    return smoothed, own


class RowScorer:
    """What `scores_of` makes of many rows, for a single one in plain numbers."""

    def __init__(self, places: Places) -> None:
        self._smoothed, self._own = (itemgetter(*kind) for kind in places)
        self._is_single = len(places[1]) == 1

    def __call__(self, views: list[float], term: float) -> tuple[float, float]:
        """The score and the unsmoothed one, from all views of a row."""
        own = self._own(views)
        unsmoothed = combined_row((own,) if self._is_single else own)
        return math.hypot(combined_row(self._smoothed(views)), term), math.hypot(unsmoothed, term)


def joined(groups: Sequence[NDArray[np.intp]], steps: Sequence[Step]) -> Step:
    """Steps of groups of lanes as one; each group's places among all."""
    places = np.concatenate(groups)
    out = []
    for columns in zip(*steps, strict=True):
        column = np.concatenate(columns)
        column[places] = column.copy()
        out.append(column)
    return Step(*out)
