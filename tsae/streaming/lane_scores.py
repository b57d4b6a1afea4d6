"""What a step of many lanes brings: scores out of the views of all members."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsae.detection.scoring.combination import combined, combined_row, with_switches

__all__ = ["Flushed", "Places", "Step", "joined", "row_scores", "scores_of"]

FloatArray = NDArray[np.float64]
Places = tuple[list[int], list[int]]
"""Where in all views of a row the smoothed ones and the unsmoothed ones stand that make a score."""


class Step(NamedTuple):
    """What one row of each of m lanes brought: lists of `m`, which cost less than arrays where m is one."""

    immediate: list[float]
    """Scores at lag 0 of the rows just handed in."""
    immediate_unsmoothed: list[float]
    """Scores at lag 0 of their own errors."""
    is_settled: list[bool]
    """Whether the row `Lanes.delay` back exists."""
    settled: list[float]
    """Settled scores of those rows."""
    unsmoothed: list[float]
    """Scores of their own errors."""
    errors: FloatArray
    """Their errors `(m, n_channels)`, in usual errors; NaN where missing."""


class Flushed(NamedTuple):
    """The rows of a lane that were still waiting when its segment ended, oldest first."""

    settled: list[float]
    """`n` scores."""
    unsmoothed: list[float]
    """`n` scores of the rows' own errors."""
    errors: FloatArray
    """`(n, n_channels)`."""


def scores_of(views: FloatArray, terms: FloatArray, places: Places) -> tuple[list[float], list[float]]:
    """Scores and unsmoothed ones of n rows from all their views `(n, n_views)`.

    `terms` is the part of the switches, `(n,)`.
    """
    if len(views) == 1:
        smoothed, own = row_scores(views[0].tolist(), float(terms[0]), places)
        return [smoothed], [own]
    if not len(views):
        return [], []
    smoothed_rows, own_rows = (with_switches(combined([views[:, kind]]), terms) for kind in places)
    return smoothed_rows.tolist(), own_rows.tolist()


def row_scores(views: list[float], term: float, places: Places) -> list[float]:
    """The score and the unsmoothed one of a single row, in plain numbers: what `scores_of` makes of many."""
    return [math.hypot(combined_row([views[place] for place in kind]), term) for kind in places]


def joined(groups: Sequence[NDArray[np.intp]], steps: Sequence[Step]) -> Step:
    """Steps of groups of lanes as one; each group's places among all."""
    order = np.argsort(np.concatenate(groups))
    places = order.tolist()

    def numbers(name: str) -> list[Any]:
        values = [value for step in steps for value in getattr(step, name)]
        return [values[place] for place in places]

    errors = np.concatenate([step.errors for step in steps])[order]
    return Step(**{name: numbers(name) for name in Step._fields[:-1]}, errors=errors)
