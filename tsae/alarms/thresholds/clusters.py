"""Runs of high scores: what one alarm is, and how many independent ones a series of scores holds."""

from __future__ import annotations

from bisect import bisect_left, insort

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

    A part of an episode moves it by as much towards the next lower score, as quantiles are interpolated. It is not
    below the median: lower down, runs grow together, until a single one holds all rows. If there are nowhere too many,
    it is the highest of those with the most.
    """
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    flagged: list[int] = []
    n_runs = most = 0
    found = ordered[0]
    for place, row in enumerate(order[: len(order) // 2].tolist()):
        n_runs += 1 - _n_neighbours(flagged, row)
        insort(flagged, row)
        lower = ordered[place + 1]
        if lower == scores[row]:
            continue  # both are above the same thresholds
        if n_runs > n_episodes:
            return float(scores[row] - (n_episodes - np.floor(n_episodes)) * (scores[row] - lower))
        if n_runs > most:
            most, found = n_runs, lower
    return float(found)


def _n_neighbours(flagged: list[int], row: int) -> int:
    """Runs of flagged rows, in order, that the row belongs to: none, one, or two that it joins."""
    at = bisect_left(flagged, row)
    around = flagged[max(0, at - 1) : at + 1]
    near = [each for each in around if abs(each - row) <= MERGE_GAP + 1]
    return len(near) if not near or near[-1] - near[0] > MERGE_GAP + 1 else 1
