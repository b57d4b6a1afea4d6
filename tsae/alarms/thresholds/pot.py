"""Peaks over threshold: a generalised Pareto tail, which can answer for rates finer than one row in n."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsae.alarms.thresholds.clusters import cluster_peaks
from tsae.alarms.thresholds.learner import ThresholdLearner
from tsae.alarms.thresholds.quantile import Quantile
from tsae.alarms.thresholds.tail import fit_pareto
from tsae.alarms.thresholds.threshold import Target

__all__ = ["PeaksOverThreshold"]

_FEWEST_EXCESSES = 20


@dataclass(frozen=True)
class PeaksOverThreshold(ThresholdLearner):
    """A tail fitted to the largest tenth of the scores (Siffer et al., "Anomaly detection in streams with extreme
    value theory", KDD 2017); for episodes, to the peaks of their runs, which are independent where rows are not.
    """

    tail: float = 0.1
    """Share of the scores above the tail's start."""

    def learn(self, scores: NDArray[np.float64], target: Target) -> tuple[float, str]:
        """As `ThresholdLearner.learn`; the quantile where there are too few distinct scores to fit a tail."""
        start = float(np.quantile(scores, 1 - self.tail))
        peaks = cluster_peaks(scores, start) if target.counts == "episodes" else scores[scores > start]
        share = len(peaks) / len(scores)
        if len(np.unique(peaks)) < _FEWEST_EXCESSES or target.rate >= share:
            return Quantile().learn(scores, target)
        value = start + fit_pareto(peaks - start).quantile(target.rate / share)
        return value, "their tail was extrapolated" if len(scores) * target.rate < 1 else ""
