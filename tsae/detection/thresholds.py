"""Thresholds learned from scores of normal rows that no network was trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import genpareto

from tsae.detection.parameters import is_number
from tsae.errors import DataError, ParameterError

__all__ = ["METHODS", "Threshold", "check_threshold", "fixed_threshold", "learn_threshold"]

METHODS = ("pot", "quantile")
_TAIL = 0.1  # share of the scores that the Pareto tail is fitted to
_FEWEST_EXCESSES = 20


@dataclass(frozen=True)
class Threshold:
    """A learned threshold and what stands behind it."""

    value: float
    """Rows whose score exceeds it are flagged."""
    method: str
    """"pot", "quantile" or "fixed"."""
    false_alarm_rate: float | None
    """The share of normal rows it was asked to flag."""
    n_rows: int
    """Held-out rows it was learned from."""
    note: str = ""
    """What the user should know, such as a rate finer than the rows can support."""


def check_threshold(threshold: object, false_alarm_rate: object) -> None:
    """Refuse a threshold that is neither a number nor the name of a method, and a rate that is none."""
    if threshold not in METHODS and not is_number(threshold):
        raise ParameterError(
            f"`threshold` (={threshold!r}) is unknown; choose a finite number or one of {', '.join(METHODS)}"
        )
    if not is_number(false_alarm_rate) or not 0 < false_alarm_rate < 1:  # type: ignore[operator]
        raise ParameterError(f"`false_alarm_rate` (={false_alarm_rate!r}) must lie between 0 and 1, such as 0.001")


def fixed_threshold(value: float) -> Threshold:
    """A threshold that the user stated."""
    return Threshold(float(value), "fixed", None, 0)


def learn_threshold(scores: NDArray[np.float64], *, method: str, false_alarm_rate: float) -> Threshold:
    """The score that a share `false_alarm_rate` of normal rows exceeds.

    Parameters
    ----------
    scores
        Scores of held-out normal rows `(n,)`, higher = more anomalous; rows without a score (NaN) are left out.
    method
        "quantile": the empirical quantile, interpolated between two scores. "pot": peaks over threshold: a
        generalised Pareto distribution fitted to the largest tenth of the scores (Siffer et al., "Anomaly detection
        in streams with extreme value theory", KDD 2017), which can answer for rates below one row in n.
    false_alarm_rate
        Between 0 and 1, exclusive.
    """
    check_threshold(method, false_alarm_rate)
    known = scores[~np.isnan(scores)]
    if not len(known):
        raise DataError("no held-out row has a score to learn a threshold from; pass more training rows")
    value = _peaks_over_threshold(known, false_alarm_rate) if method == "pot" and false_alarm_rate < _TAIL else None
    note = ""
    if len(known) * false_alarm_rate < 1:
        what = "it lies just below the largest of their scores" if value is None else "their tail was extrapolated"
        note = f"a rate of {false_alarm_rate:g} is finer than {len(known)} held-out rows can show; {what}"
    if value is None:
        value = float(np.quantile(known, 1 - false_alarm_rate))
    return Threshold(value, method, false_alarm_rate, len(known), note)


def _peaks_over_threshold(scores: NDArray[np.float64], rate: float) -> float | None:
    """The tail's quantile, or `None` when there are too few distinct scores to fit a tail."""
    start = float(np.quantile(scores, 1 - _TAIL))
    excesses = scores[scores > start] - start
    if len(np.unique(excesses)) < _FEWEST_EXCESSES:
        return None
    shape, _, scale = genpareto.fit(excesses, floc=0)
    shape = float(np.clip(shape, -0.5, 0.5))  # beyond, the estimate is noise and its extrapolation absurd
    share = len(excesses) / len(scores)
    return start + float(genpareto.isf(min(1.0, rate / share), shape, scale=scale))
