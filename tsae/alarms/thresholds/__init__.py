"""Thresholds: how many false alarms are acceptable, and the score that keeps to it."""

from tsae.alarms.thresholds.budget import Budget, parse_budget
from tsae.alarms.thresholds.later_scores import LaterScores, later_scores, widened
from tsae.alarms.thresholds.learning import (
    LABEL_METHODS,
    METHODS,
    ThresholdSet,
    check_threshold,
    fixed_threshold,
    following_threshold,
    learn_threshold,
    learn_thresholds,
)
from tsae.alarms.thresholds.recent import RecentThreshold
from tsae.alarms.thresholds.threshold import FollowingThreshold, StandingThreshold, Target, Threshold, known_scores

__all__ = [
    "LABEL_METHODS",
    "METHODS",
    "Budget",
    "FollowingThreshold",
    "LaterScores",
    "RecentThreshold",
    "StandingThreshold",
    "Target",
    "Threshold",
    "ThresholdSet",
    "check_threshold",
    "fixed_threshold",
    "following_threshold",
    "known_scores",
    "later_scores",
    "learn_threshold",
    "learn_thresholds",
    "parse_budget",
    "widened",
]
