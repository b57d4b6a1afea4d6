"""Many views of a row, one score: the mean of the larger half."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["NEUTRAL_SCORE", "combined", "combined_row", "with_switches"]

FloatArray = NDArray[np.float64]
NEUTRAL_SCORE = math.log(2)
"""Score of a row with nothing to judge within reach: that of a median normal row."""


def combined(views: FloatArray, knee: float) -> FloatArray:
    """Scores `(n,)` from the views of all members, `(n, n_views)` in −log p, which are written over.

    A fault need not show to every window length and width: the mean of the larger half trusts the views that see it,
    and yet does not hang on a single one. Beyond `knee` nats a view counts by its logarithm. Missing views (NaN) are
    left out; a row without any gets `NEUTRAL_SCORE`.
    """
    far = views > knee
    if far.any():
        views[far] = knee * (1 + np.log(views[far] / knee))
    missing = np.isnan(views)
    if not missing.any():
        views.sort(axis=1)
        return np.asarray(views[:, views.shape[1] // 2 :].mean(axis=1))
    n_known = views.shape[1] - missing.sum(axis=1, keepdims=True)
    n_used = (n_known + 1) // 2
    views[missing] = -1.0
    views.sort(axis=1)
    used = np.arange(views.shape[1], 0, -1) <= n_used
    total = views.sum(axis=1, where=used)
    return np.asarray(np.where(n_known[:, 0] > 0, total / np.maximum(n_used[:, 0], 1), NEUTRAL_SCORE))


def combined_row(views: Sequence[float], knee: float) -> float:
    """`combined` of a single row, whose views are plain numbers; ten times as fast as that of one row."""
    total = sum(views)
    known = views if total == total else [view for view in views if view == view]  # NaN is not
    if not known:
        return NEUTRAL_SCORE
    used = sorted(known)[len(known) // 2 :]
    if used[-1] > knee:
        used = [view if view <= knee else knee * (1 + math.log(view / knee)) for view in used]
    return sum(used) / len(used)


def with_switches(scores: FloatArray, surprise: FloatArray) -> FloatArray:
    """Scores `(n,)` of the views and the switches' surprise `(n,)`, in nats, as one: the root of the sum of squares.

    So a surprising switch alarms where all else is quiet, and does not drown a fault where the score is high anyhow.
    """
    return np.asarray(np.hypot(scores, surprise), dtype=np.float64)
