"""The thresholds of a detector: one for each kind of score it gives."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from tsae.alarms.thresholds.adaptive import AdaptiveThreshold
from tsae.alarms.thresholds.learner import FollowingThreshold
from tsae.alarms.thresholds.learners import LEARNERS
from tsae.alarms.thresholds.learning import check_threshold, fixed_threshold, learn_threshold
from tsae.alarms.thresholds.threshold import Target, Threshold
from tsae.scoring.rings import Rings

__all__ = ["ThresholdSet", "adaptive_threshold", "learn_thresholds"]


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

    A learner that goes on learning follows in its own way, the others with `AdaptiveThreshold`.

    Parameters
    ----------
    arrays
        Where what is learned of each series stands, under names that begin with `name`; `None` for a single series.
    """
    target = thresholds.target
    if target is None:
        return None
    learner = LEARNERS.get(thresholds.settled.method)
    own = None if learner is None else learner.follow(calibration, target)
    return AdaptiveThreshold(calibration, target, arrays=arrays, name=name) if own is None else own
