"""Median and median absolute deviation, as if normal scores were Gaussian."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from tsae.alarms.thresholds.learner import ThresholdLearner
from tsae.alarms.thresholds.threshold import Target

__all__ = ["Mad"]

_GAUSSIAN = 1.4826  # MAD → standard deviation


@dataclass(frozen=True)
class Mad(ThresholdLearner):
    """median + k · 1.4826 · MAD, k the Gaussian quantile of the rate: robust, but blind to heavy tails.

    An episode counts as one row.
    """

    def learn(self, scores: NDArray[np.float64], target: Target) -> tuple[float, str]:
        """As `ThresholdLearner.learn`."""
        median = float(np.median(scores))
        spread = _GAUSSIAN * float(np.median(np.abs(scores - median)))
        return median + NormalDist().inv_cdf(1 - target.rate) * spread, ""
