"""The thresholds of a detector: one for each kind of score it gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from tsae.alarms.thresholds.adaptive import AdaptiveThreshold
from tsae.alarms.thresholds.learners import LEARNERS
from tsae.alarms.thresholds.learning import check_threshold, fixed_threshold, learn_threshold
from tsae.alarms.thresholds.spot import Spot
from tsae.alarms.thresholds.spot_lanes import SpotLanes
from tsae.alarms.thresholds.threshold import Target, Threshold
from tsae.scoring.rings import Rings

__all__ = ["FollowingThreshold", "ThresholdSet", "adaptive_threshold", "learn_thresholds"]


class CalibrationLike(Protocol):
    """Scores of calibration rows, each kind `(n,)`."""

    @property
    def settled(self) -> NDArray[np.float64]: ...
    @property
    def immediate(self) -> NDArray[np.float64]: ...
    @property
    def unsmoothed(self) -> NDArray[np.float64]: ...
    @property
    def immediate_unsmoothed(self) -> NDArray[np.float64]: ...


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


class ThresholdSet(NamedTuple):
    """What was learned for each kind of score.

    Budgets of rows are kept on unsmoothed scores, budgets of episodes on smoothed ones: smoothing turns one high row
    into a run of them, so that few calibration rows hold next to no independent ones.
    """

    settled: Threshold
    immediate: Threshold
    unsmoothed: Threshold
    immediate_unsmoothed: Threshold

    @property
    def target(self) -> Target | None:
        """The budget that was asked for; `None` if the threshold was stated."""
        rate = self.settled.false_alarm_rate
        return None if rate is None else Target(rate, self.settled.counts)

    @property
    def judged(self) -> Literal["smoothed", "unsmoothed"]:
        """Which score flags rows in time order."""
        target = self.target
        return "unsmoothed" if target is not None and target.counts == "rows" else "smoothed"

    @property
    def used(self) -> Threshold:
        """The one that flags settled scores in time order."""
        return self.unsmoothed if self.judged == "unsmoothed" else self.settled

    def judged_of(self, calibration: CalibrationLike) -> NDArray[np.float64]:
        """The settled calibration scores `(n,)` that `used` is held against."""
        return calibration.unsmoothed if self.judged == "unsmoothed" else calibration.settled

    @property
    def used_immediate(self) -> Threshold:
        """The one that flags immediate scores."""
        return self.immediate_unsmoothed if self.judged == "unsmoothed" else self.immediate


def learn_thresholds(
    calibration: CalibrationLike, threshold: Any, false_alarm_rate: object, period: float | None
) -> ThresholdSet:
    """Learn all thresholds from calibration scores by one method, or take the stated number for all of them."""
    check_threshold(threshold, false_alarm_rate)
    kinds = (calibration.settled, calibration.immediate, calibration.unsmoothed, calibration.immediate_unsmoothed)
    return ThresholdSet(
        *(
            learn_threshold(scores, method=threshold, false_alarm_rate=false_alarm_rate, period=period)
            if isinstance(threshold, str)
            else fixed_threshold(threshold)
            for scores in kinds
        )
    )


def adaptive_threshold(
    thresholds: ThresholdSet, calibration: NDArray[np.float64], *, arrays: Rings | None = None, name: str = ""
) -> FollowingThreshold | None:
    """A fresh threshold for the judged score that follows it; `None` if the user stated one.

    SPOT and DSPOT follow in their own way.

    Parameters
    ----------
    arrays
        Where what is learned of each series stands, under names that begin with `name`; `None` for a single series.
    """
    target = thresholds.target
    if target is None:
        return None
    learner = LEARNERS.get(thresholds.settled.method)
    if isinstance(learner, Spot):
        return SpotLanes(learner.follow(calibration, target))
    return AdaptiveThreshold(calibration, target, arrays=arrays, name=name)
