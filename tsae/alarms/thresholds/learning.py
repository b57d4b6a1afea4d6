"""From scores of normal rows to a threshold, by the name of a learner or by a stated number."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tsae.alarms.thresholds.budget import parse_budget
from tsae.alarms.thresholds.clusters import cluster_peaks
from tsae.alarms.thresholds.learners import LEARNERS
from tsae.alarms.thresholds.threshold import Target, Threshold
from tsae.checks import is_number
from tsae.errors import DataError, ParameterError

__all__ = ["LABEL_METHODS", "METHODS", "check_threshold", "fixed_threshold", "learn_threshold"]

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
            f"rows (beside `labels`, `fit` chooses by them anyway), or choose one of {', '.join(METHODS)}"
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
