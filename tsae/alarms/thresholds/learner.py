"""The contract of a threshold learner, and of a threshold that goes on learning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tsae.alarms.thresholds.threshold import Target

__all__ = ["FollowingThreshold", "ThresholdLearner"]


class FollowingThreshold(Protocol):
    """A threshold that follows the rows before, for each of many series, their *lanes*; a single one is lane 0.

    Rows are handed in in time order, one by one or in blocks.
    """

    first: float
    """The threshold at the start."""

    def values(self, lanes: NDArray[np.intp]) -> NDArray[np.float64]:
        """The threshold of the next row of each lane, `(m,)`."""

    def next(self, score: float, lane: int = 0) -> float:
        """The threshold of the next row, whose score is learned afterwards."""

    def next_of(self, lanes: NDArray[np.intp], scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Thresholds `(m,)` of the next row of each lane, whose scores `(m,)` are learned afterwards."""

    def thresholds(self, scores: NDArray[np.float64], lane: int = 0) -> NDArray[np.float64]:
        """Thresholds `(n,)` of the next rows of a lane, whose scores `(n,)` are learned afterwards."""

    def state(self, lane: int) -> dict[str, NDArray[np.float64]]:
        """What was learned of a lane and does not stand in the arrays of all."""

    def restore(self, lane: int, state: Mapping[str, NDArray[np.float64]]) -> None:
        """Go on from what `state` gave."""


class ThresholdLearner(Protocol):
    """Learns a threshold from scores of normal rows."""

    def learn(self, scores: NDArray[np.float64], target: Target) -> tuple[float, str]:
        """Learn from scores `(n,)`, n ≥ 1, in time order, without NaN.

        Returns the threshold, always finite, and what it had to fall back to (empty for nothing).
        """
        ...

    def follow(self, calibration: NDArray[np.float64], target: Target) -> FollowingThreshold | None:  # noqa: ARG002
        """Return the threshold of the rows after these scores `(n,)`, which may hold NaN.

        `None` if the learner does not go on learning; `AdaptiveThreshold` then follows the rows.
        """
        return None
