"""Many views of a row, one score: the mean of the larger half."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["KNEE", "NEUTRAL_SCORE", "combined", "combined_row", "with_switches"]

FloatArray = NDArray[np.float64]
NEUTRAL_SCORE = math.log(2)
"""Score of a row with nothing to judge within reach: that of a median normal row."""
KNEE = 20.0  # nats; further out a tail fitted to some thousand rows is extrapolation


def combined(views: Sequence[FloatArray]) -> FloatArray:
    """Scores `(n,)` from the views of all members, each `(n, n_widths)` in −log p.

    A fault need not show to every window length and width: the mean of the larger half trusts the views that see it,
    and yet does not hang on a single one. Beyond 20 nats a view counts by its logarithm. Missing views (NaN) are left
    out; a row without any gets `NEUTRAL_SCORE`.
    """
    stacked = np.concatenate(list(views), axis=1)
    far = stacked > KNEE
    if far.any():
        stacked[far] = KNEE * (1 + np.log(stacked[far] / KNEE))
    missing = np.isnan(stacked)
    if not missing.any():
        stacked.sort(axis=1)
        return np.asarray(stacked[:, stacked.shape[1] // 2 :].mean(axis=1))
    n_known = stacked.shape[1] - missing.sum(axis=1, keepdims=True)
    n_used = (n_known + 1) // 2
    stacked[missing] = -1.0
    stacked.sort(axis=1)
    used = np.arange(stacked.shape[1], 0, -1) <= n_used
    total = stacked.sum(axis=1, where=used)
    return np.asarray(np.where(n_known[:, 0] > 0, total / np.maximum(n_used[:, 0], 1), NEUTRAL_SCORE))


def combined_row(views: Sequence[float]) -> float:
    """`combined` of a single row, whose views are plain numbers; ten times as fast as that of one row."""
    total = sum(views)
    known = views if total == total else [view for view in views if view == view]  # NaN is not
    if not known:
        return NEUTRAL_SCORE
    used = sorted(known)[len(known) // 2 :]
    if used[-1] > KNEE:
        used = [view if view <= KNEE else KNEE * (1 + math.log(view / KNEE)) for view in used]
    return sum(used) / len(used)


def with_switches(scores: FloatArray, surprise: FloatArray) -> FloatArray:
    """Scores `(n,)` of the views and the switches' surprise `(n,)`, in nats, as one: the root of the sum of squares.

    So a surprising switch alarms where all else is quiet, and does not drown a fault where the score is high anyhow.
    """
    return np.asarray(np.sqrt(scores**2 + surprise**2), dtype=np.float64)
