"""Threshold learners by name. Each is an object with `learn(scores, target)`; they can be exchanged for each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tsae.alarms.thresholds.conformal import Conformal
from tsae.alarms.thresholds.mad import Mad
from tsae.alarms.thresholds.pot import PeaksOverThreshold
from tsae.alarms.thresholds.quantile import Quantile
from tsae.alarms.thresholds.spot import Spot
from tsae.alarms.thresholds.threshold import Target

__all__ = ["LEARNERS", "ThresholdLearner"]

_DEPTH = 200  # rows; longer than most smoothed scores remember


class ThresholdLearner(Protocol):
    """Learns a threshold from scores of normal rows."""

    def learn(self, scores: NDArray[np.float64], target: Target) -> tuple[float, str]:
        """Learn from scores `(n,)`, n ≥ 1, in time order, without NaN.

        Returns the threshold, always finite, and what it had to fall back to (empty for nothing).
        """
        ...


LEARNERS: Mapping[str, ThresholdLearner] = {
    "pot": PeaksOverThreshold(),
    "quantile": Quantile(),
    "mad": Mad(),
    "conformal": Conformal(),
    "spot": Spot(),
    "dspot": Spot(depth=_DEPTH),
}
