"""Thresholds: how many false alarms are acceptable, and the score that keeps to it."""

from tsae.detection.thresholds.budget import Budget, parse_budget
from tsae.detection.thresholds.learning import (
    METHODS,
    check_threshold,
    fixed_threshold,
    learn_threshold,
)
from tsae.detection.thresholds.threshold import Threshold

__all__ = [
    "METHODS",
    "Budget",
    "Threshold",
    "check_threshold",
    "fixed_threshold",
    "learn_threshold",
    "parse_budget",
]
