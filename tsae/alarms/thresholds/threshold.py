"""What a threshold is, the contracts of those that learn and follow, and what one alarm is: a run of high scores."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from tsae.errors import DataError

__all__ = [
    "MERGE_GAP",
    "FollowingThreshold",
    "StandingThreshold",
    "Target",
    "Threshold",
    "ThresholdLearner",
    "cluster_peaks",
    "known_scores",
    "lowest_threshold",
]


@dataclass(frozen=True)
class Target:
    """What a threshold has to keep on normal rows."""

    rate: float
    """Flagged rows, or episodes, per row."""
    counts: Literal["rows", "episodes"] = "rows"


@dataclass(frozen=True)
class Threshold:
    """A learned threshold and what stands behind it."""

    value: float
    """Rows whose score exceeds it are flagged."""
    method: str
    """The learner's name, "fixed" if the user stated it."""
    false_alarm_rate: float | None
    """What it was asked to keep on normal rows: flagged rows, or episodes, per row; `None` if nothing."""
    n_rows: int
    """Calibration rows it was learned from."""
    note: str = ""
    """What the user should know, such as a rate finer than the rows can support."""
    counts: Literal["rows", "episodes"] = "rows"
    """What the rate counts."""
    budget: str = ""
    """The same in words, such as "1 per week"."""
    n_clusters: int | None = None
    """Independent runs of high scores among the calibration rows; scores beside each other say the same thing."""


def known_scores(calibration: NDArray[np.float64]) -> NDArray[np.float64]:
    """The scores `(n,)` that are not NaN.

    Raises
    ------
    DataError
        If there are none.
    """
    known = calibration[~np.isnan(calibration)]
    if not len(known):
        raise DataError("no calibration row has a score to learn a threshold from; pass more rows")
    return known


class FollowingThreshold(Protocol):
    """A threshold that follows the rows before, for each of many series, their *lanes*; a single one is lane 0.

    Rows are handed in in time order, one by one or in blocks.
    """

    first: float
    """The threshold at the start."""

    def values(self, lanes: NDArray[np.intp]) -> NDArray[np.float64]:
        """The threshold of the next row of each lane, `(m,)`."""

    def levels(self, lanes: NDArray[np.intp]) -> NDArray[np.float64]:
        """The same without what is added at the start of a lane."""
        return self.values(lanes)

    def next(self, score: float, lane: int = 0) -> float:
        """The threshold of the next row, whose score is learned afterwards."""

    def next_of(self, lanes: NDArray[np.intp], scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Thresholds `(m,)` of the next row of each lane, whose scores `(m,)` are learned afterwards."""

    def thresholds(self, scores: NDArray[np.float64], lane: int = 0) -> NDArray[np.float64]:
        """Thresholds `(n,)` of the next rows of a lane, whose scores `(n,)` are learned afterwards."""

    def state(self, lane: int) -> dict[str, NDArray[np.float64]]:  # noqa: ARG002
        """What was learned of a lane and does not stand in the arrays of all; nothing unless overridden."""
        return {}

    def restore(self, lane: int, state: Mapping[str, NDArray[np.float64]]) -> None:  # noqa: ARG002
        """Go on from what `state` gave."""
        return


class ThresholdLearner(Protocol):
    """Learns a threshold from scores of normal rows."""

    def learn(self, scores: NDArray[np.float64], target: Target) -> tuple[float, str]:
        """Learn from scores `(n,)`, n ≥ 1, in time order, without NaN.

        Returns the threshold, always finite, and what it had to fall back to (empty for nothing).
        """
        ...

    def follow(self, calibration: NDArray[np.float64], target: Target) -> FollowingThreshold | None:  # noqa: ARG002
        """Return the threshold of the rows after these scores `(n,)`, which may hold NaN.

        `None` if the learner does not go on learning; `RecentThreshold` then follows the rows.
        """
        return None


FloatArray = NDArray[np.float64]


class StandingThreshold(FollowingThreshold):
    """The same for all rows of all lanes; see `FollowingThreshold`."""

    def __init__(self, value: float) -> None:
        self.first = value

    def values(self, lanes: NDArray[np.intp]) -> FloatArray:
        return np.full(len(lanes), self.first)

    def next(self, score: float, lane: int = 0) -> float:  # noqa: ARG002
        return self.first

    def next_of(self, lanes: NDArray[np.intp], scores: FloatArray) -> FloatArray:  # noqa: ARG002
        return self.values(lanes)

    def thresholds(self, scores: FloatArray, lane: int = 0) -> FloatArray:  # noqa: ARG002
        return np.full(len(scores), self.first)


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
