"""From scores of normal rows to thresholds, by the name of a learner or by a stated number."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from tsae.alarms.thresholds.budget import parse_budget
from tsae.alarms.thresholds.later_scores import LaterScores, widened
from tsae.alarms.thresholds.learners import LEARNERS
from tsae.alarms.thresholds.recent import RecentThreshold
from tsae.alarms.thresholds.threshold import FollowingThreshold, Target, Threshold, cluster_peaks
from tsae.checks import is_number
from tsae.errors import DataError, ParameterError
from tsae.scoring.rings import Rings

__all__ = [
    "LABEL_METHODS",
    "METHODS",
    "ThresholdSet",
    "check_threshold",
    "fixed_threshold",
    "following_threshold",
    "learn_threshold",
    "learn_thresholds",
]

FloatArray = NDArray[np.float64]
METHODS = tuple(LEARNERS)
LABEL_METHODS = ("label_beta", "label_cost")
"""What labelled anomalies choose thresholds by: the best F-beta, or the least cost."""
_HIGH = 0.1  # share of the scores whose runs are counted as independent


def check_threshold(threshold: object, false_alarm_rate: object) -> None:
    """Refuse a threshold that is neither a number nor the name of a method, and a rate that is none."""
    if threshold in LABEL_METHODS:
        raise ParameterError(
            f"`threshold` (={threshold!r}) chooses by labels, and none are kept; pass them to `recalibrate` with their "
            f"rows (beside `annotations`, `fit` chooses by them anyway), or choose one of {', '.join(METHODS)}"
        )
    if threshold not in METHODS and not is_number(threshold):
        raise ParameterError(
            f"`threshold` (={threshold!r}) is unknown; choose a finite number or one of {', '.join(METHODS)}"
        )
    parse_budget(false_alarm_rate)


def fixed_threshold(value: float) -> Threshold:
    """A threshold that the user stated."""
    return Threshold(float(value), "fixed", None, 0)


def learn_threshold(
    scores: FloatArray, *, method: str, false_alarm_rate: object, period: float | None = None
) -> Threshold:
    """The score that normal rows exceed as often as the budget allows.

    Parameters
    ----------
    scores
        Scores of normal rows `(n,)` that no network was trained on, in time order, higher = more anomalous; rows
        without a score (NaN) are left out.
    method
        One of `METHODS`; what each does stands with it in `tsae.alarms.thresholds.learners`.
    false_alarm_rate
        Budget as `parse_budget` reads it.
    period
        Sampling period in seconds, for budgets that speak of time.
    """
    check_threshold(method, false_alarm_rate)
    budget = parse_budget(false_alarm_rate)
    target = Target(budget.rate(period), budget.counts)
    known = scores[~np.isnan(scores)]
    if not len(known):
        raise DataError("no held-out row has a score to learn a threshold from; pass more training rows")
    value, how = LEARNERS[method].learn(known, target)
    note = how
    if len(known) * target.rate < 1:
        what = f"{target.rate:g}" if target.counts == "rows" else f"{target.rate:g} alarms a row"
        note = f"a rate of {what} is finer than {len(known)} held-out rows can show; {how or 'treat it as a guess'}"
    n_clusters = len(cluster_peaks(known, float(np.quantile(known, 1 - _HIGH))))
    return Threshold(value, method, target.rate, len(known), note, target.counts, str(budget), n_clusters)


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
    calibration: CalibrationLike,
    threshold: Any,
    false_alarm_rate: object,
    period: float | None,
    later: LaterScores | None = None,
) -> ThresholdSet:
    """Learn all thresholds from calibration scores by one method, or take the stated number for all of them.

    Learned ones are raised to the level of later training rows, unless `later` is `None`.
    """
    check_threshold(threshold, false_alarm_rate)
    kinds = (calibration.settled, calibration.immediate, calibration.unsmoothed, calibration.immediate_unsmoothed)
    if not isinstance(threshold, str):
        return ThresholdSet(*(fixed_threshold(threshold) for _ in kinds))
    learned = (
        learn_threshold(scores, method=threshold, false_alarm_rate=false_alarm_rate, period=period) for scores in kinds
    )
    return ThresholdSet(
        *(widened(*each, later, number) for number, each in enumerate(zip(learned, kinds, strict=True)))
    )


def following_threshold(
    thresholds: ThresholdSet,
    calibration: NDArray[np.float64],
    window_size: int,
    *,
    arrays: Rings | None = None,
    name: str = "",
) -> FollowingThreshold | None:
    """Return the threshold that follows the decision scores of lanes; `None` if the user stated one.

    A learner that goes on learning follows in its own way, the others with `RecentThreshold`.

    Parameters
    ----------
    calibration
        Decision scores of normal rows `(n,)`, in time order.
    window_size
        Rows of the longest window.
    arrays
        Where what is learned of each lane is kept, under names that begin with `name`; `None` for a single lane.
    """
    target = thresholds.target
    if target is None:
        return None
    learner = LEARNERS.get(thresholds.settled.method)
    own = None if learner is None else learner.follow(calibration, target)
    return RecentThreshold(calibration, target, window_size, arrays=arrays, name=name) if own is None else own
