"""Runs of high scores: what one alarm is, and how many independent ones a series of scores holds."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
from numpy.typing import NDArray

__all__ = ["MERGE_GAP", "cluster_peaks", "lowest_threshold"]

FloatArray = NDArray[np.float64]
MERGE_GAP = 8
"""Flagged rows with at most this many other rows between them are one episode, as in events."""


def cluster_peaks(scores: FloatArray, threshold: float) -> FloatArray:
    """The largest score of every run of scores `(n,)` above the threshold, `(n_clusters,)`, in time order."""
    rows = np.flatnonzero(scores > threshold)
    if not len(rows):
        return np.zeros(0)
    firsts = np.concatenate([[0], np.flatnonzero(np.diff(rows) > MERGE_GAP + 1) + 1])
    return np.asarray(np.maximum.reduceat(scores[rows], firsts))


def lowest_threshold(scores: FloatArray, n_episodes: float) -> float:
    """The lowest threshold above which no threshold gives more than `n_episodes` runs of scores `(n,)`.

    A part of an episode moves it by as much towards the next lower score, as quantiles are interpolated.
    """
    order = np.argsort(-scores, kind="stable")
    flagged: list[int] = []
    n_runs = 0
    for place, row in enumerate(order.tolist()):
        at = bisect_left(flagged, row)
        n_beside = (at > 0 and row - flagged[at - 1] <= MERGE_GAP + 1) + (
            at < len(flagged) and flagged[at] - row <= MERGE_GAP + 1
        )
        n_runs += 1 - n_beside
        if n_runs > n_episodes and (place + 1 == len(order) or scores[order[place + 1]] < scores[row]):
            lower = scores[order[min(place + 1, len(order) - 1)]]
            return float(scores[row] - (n_episodes - np.floor(n_episodes)) * (scores[row] - lower))
        flagged.insert(at, row)
    return float(scores[order[-1]])
