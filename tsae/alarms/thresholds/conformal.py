"""Split conformal thresholds: a guarantee that holds for any distribution, from exchangeable calibration rows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsae.alarms.thresholds.clusters import lowest_threshold
from tsae.alarms.thresholds.learner import ThresholdLearner
from tsae.alarms.thresholds.pot import PeaksOverThreshold
from tsae.alarms.thresholds.threshold import Target

__all__ = ["Conformal"]


@dataclass(frozen=True)
class Conformal(ThresholdLearner):
    """The ⌊(n + 1) · rate⌋-th largest calibration score: a new normal row exceeds it with at most this probability.

    For episodes, the lowest score above which the calibration rows hold at most (n + 1) · rate − 1 of them, so that
    runs of rows that say the same count once. Where n is too small for the rate no finite threshold has the
    guarantee; the fitted tail stands in then, and the note says so.
    """

    def learn(self, scores: NDArray[np.float64], target: Target) -> tuple[float, str]:
        """As `ThresholdLearner.learn`."""
        allowed = math.floor((len(scores) + 1) * target.rate + 1e-9)
        if allowed < 1:
            value, how = PeaksOverThreshold().learn(scores, target)
            return value, f"no conformal guarantee, {how or 'their tail stands in'}"
        if target.counts == "episodes":
            return lowest_threshold(scores, allowed - 1), ""
        return float(np.sort(scores)[-allowed]), ""
