"""The empirical quantile, or the share of training rows taken as anomalous ("contamination")."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsae.alarms.thresholds.clusters import lowest_threshold
from tsae.alarms.thresholds.learner import ThresholdLearner
from tsae.alarms.thresholds.threshold import Target

__all__ = ["Quantile"]


@dataclass(frozen=True)
class Quantile(ThresholdLearner):
    """The score that a share of the calibration rows exceeds, interpolated; for episodes, the lowest score above
    which there are no more of them than allowed.
    """

    def learn(self, scores: NDArray[np.float64], target: Target) -> tuple[float, str]:
        """As `ThresholdLearner.learn`."""
        how = "the threshold lies just below the largest of their scores" if len(scores) * target.rate < 1 else ""
        if target.counts == "episodes":
            return lowest_threshold(scores, target.rate * len(scores)), how
        return float(np.quantile(scores, 1 - target.rate)), how
