"""The registry of threshold learners. Help, choices and docstrings are made from it."""

from __future__ import annotations

from collections.abc import Mapping

from tsae.alarms.thresholds.conformal import Conformal
from tsae.alarms.thresholds.learner import ThresholdLearner
from tsae.alarms.thresholds.mad import Mad
from tsae.alarms.thresholds.pot import PeaksOverThreshold
from tsae.alarms.thresholds.quantile import Quantile
from tsae.alarms.thresholds.spot import Spot

__all__ = ["LEARNERS"]

_DEPTH = 200  # rows; longer than most smoothed scores remember

LEARNERS: Mapping[str, ThresholdLearner] = {
    "pot": PeaksOverThreshold(),
    "quantile": Quantile(),
    "mad": Mad(),
    "conformal": Conformal(),
    "spot": Spot(),
    "dspot": Spot(depth=_DEPTH),
}
