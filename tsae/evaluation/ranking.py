"""Metrics of scores: how well they rank anomalous rows above normal ones, and the best F1 of any threshold.

Point adjustment credits a whole event for a few flagged rows (Xu et al., "Unsupervised anomaly detection via
variational auto-encoder for seasonal KPIs in web applications", WWW 2018). On long events a random score wins
under it; PA%K asks for more than K % of the rows (Kim et al., "Towards a rigorous evaluation of time-series
anomaly detection", AAAI 2022). Both functions return a figure that carries its name and a random score's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.metrics import average_precision_score, roc_auc_score

from tsae.errors import ParameterError
from tsae.evaluation.inputs import BoolArray, FloatArray, IntArray, check_labels, check_scores, segments

__all__ = ["OracleF1", "PointAdjustedF1", "auc_pr", "auc_roc", "oracle_f1", "pa_percent_k", "point_adjusted_f1"]


def auc_pr(labels: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Area under the precision-recall curve as average precision: no interpolation between thresholds.

    Parameters
    ----------
    labels : (n_timesteps,) in {0, 1}
    scores : (n_timesteps,), higher = more anomalous

    Returns
    -------
    float
        In [0, 1], higher is better; a constant score gets exactly the share of anomalous rows, and a random
        one about that. Tied rows enter the curve together. 1 if every row is anomalous, NaN if none is.

    Raises
    ------
    DataError
        If labels are not 0/1, lengths differ, or a score is NaN or infinite.

    Examples
    --------
    >>> auc_pr([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.8333333333333333
    """
    truth = check_labels(labels)
    values = check_scores(scores, len(truth))
    return float(average_precision_score(truth, values)) if truth.any() else float("nan")


def auc_roc(labels: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Chance that an anomalous row scores above a normal one, ties counting one half.

    Parameters
    ----------
    labels : (n_timesteps,) in {0, 1}
    scores : (n_timesteps,), higher = more anomalous

    Returns
    -------
    float
        In [0, 1], higher is better, 0.5 for a constant score; NaN if all rows are of one kind.

    Raises
    ------
    DataError
        If labels are not 0/1, lengths differ, or a score is NaN or infinite.

    Examples
    --------
    >>> auc_roc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    """
    truth = check_labels(labels)
    values = check_scores(scores, len(truth))
    return float(roc_auc_score(truth, values)) if 0 < truth.sum() < len(truth) else float("nan")


@dataclass(frozen=True)
class OracleF1:
    """The best F1 that any threshold reaches, found by looking at the labels: a bound, not a result."""

    f1: float
    threshold: float
    """Flag the rows whose score is greater than this."""


def oracle_f1(labels: npt.ArrayLike, scores: npt.ArrayLike) -> OracleF1:
    """Best point-wise F1 over every threshold that the scores allow.

    Parameters
    ----------
    labels : (n_timesteps,) in {0, 1}
    scores : (n_timesteps,), higher = more anomalous

    Returns
    -------
    OracleF1
        F1 in [0, 1] and the threshold that gives it (the highest one on a tie); both NaN if no row is
        anomalous. A constant score flags every row: 2p / (1 + p) with p the share of anomalous rows.

    Raises
    ------
    DataError
        If labels are not 0/1, lengths differ, or a score is NaN or infinite.

    Examples
    --------
    >>> oracle_f1([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]).f1
    0.8
    """
    truth = check_labels(labels)
    values = check_scores(scores, len(truth))
    if not truth.any():
        return OracleF1(float("nan"), float("nan"))
    levels, ranks = ranked(values)
    f1 = f1_by_rank(ranks[truth], ranks[~truth], len(levels))
    best = int(np.argmax(f1))
    return OracleF1(float(f1[best]), float(just_below(levels)[best]))


def ranked(scores: FloatArray) -> tuple[FloatArray, IntArray]:
    """Distinct scores, highest first, and for each row the position of its score among them."""
    negated, ranks = np.unique(-scores, return_inverse=True)
    return -negated, ranks


def f1_by_rank(anomalous: IntArray, normal: IntArray, n_levels: int) -> FloatArray:
    """F1 `(n_levels,)` when rows of rank 0, then 0 and 1, and so on are flagged.

    `anomalous` and `normal` hold the rank at which each such row is counted as flagged; `n_levels` or more
    means never.
    """
    hits = np.cumsum(np.bincount(anomalous, minlength=n_levels)[:n_levels])
    false_alarms = np.cumsum(np.bincount(normal, minlength=n_levels)[:n_levels])
    return np.asarray(2 * hits / (hits + false_alarms + len(anomalous)), dtype=np.float64)


def just_below(levels: FloatArray) -> FloatArray:
    """The thresholds with which `score > threshold` flags the rows that score exactly a level or more."""
    return np.asarray(np.nextafter(levels, -np.inf))


@dataclass(frozen=True)
class PointAdjustedF1:
    """A point-adjusted F1 that cannot be shown without its name and its random baseline."""

    k: float
    """Per cent of an event's rows that must be exceeded to credit all of it; 0 is plain point adjustment."""
    f1: float
    random_f1: float
    """The same figure for the same scores in shuffled order, mean over the shuffles."""
    threshold: float
    """Flag the rows whose score is greater than this."""
    oracle: bool
    """Whether the threshold was the best one, found by looking at the labels."""

    @property
    def name(self) -> str:
        """What the figure must be called in a table."""
        metric = "point-adjusted F1" if self.k == 0 else f"PA%{self.k:g} F1"
        return f"oracle {metric}" if self.oracle else metric

    def __str__(self) -> str:
        return f"{self.name} {self.f1:.3f} (random score {self.random_f1:.3f})"


def point_adjusted_f1(
    labels: npt.ArrayLike,
    scores: npt.ArrayLike,
    *,
    threshold: float | None = None,
    n_random: int = 5,
    random_state: int | np.random.Generator = 0,
) -> PointAdjustedF1:
    """F1 over rows after every event with at least one flagged row was counted as flagged throughout.

    This is `pa_percent_k` with k = 0; parameters, result and errors are those of that function.

    Examples
    --------
    >>> found = point_adjusted_f1([0, 1, 1, 1, 0, 0], [0.1, 0.2, 0.9, 0.3, 0.8, 0.1], threshold=0.5)
    >>> found.name, round(found.f1, 3)
    ('point-adjusted F1', 0.857)
    """
    return pa_percent_k(labels, scores, k=0, threshold=threshold, n_random=n_random, random_state=random_state)


def pa_percent_k(
    labels: npt.ArrayLike,
    scores: npt.ArrayLike,
    *,
    k: float = 20.0,
    threshold: float | None = None,
    n_random: int = 5,
    random_state: int | np.random.Generator = 0,
) -> PointAdjustedF1:
    """F1 over rows after every event flagged to more than `k` % was counted as flagged throughout.

    Parameters
    ----------
    labels : (n_timesteps,) in {0, 1}; a run of ones is an event
    scores : (n_timesteps,), higher = more anomalous
    k : 0 to 100; 0 is point adjustment, 100 adjusts nothing
    threshold : rows with a greater score are flagged; `None` searches the best one (oracle), for the random
        score as well
    n_random, random_state : number of shuffles behind the random value, and their seed or generator; at one
        threshold a shuffled score flags as many rows as the score itself

    Returns
    -------
    PointAdjustedF1
        F1 and random F1 in [0, 1]; if no row is anomalous, they and an oracle's threshold are NaN. Nothing
        flagged gives 0. Tied rows are flagged together; a constant score at its best threshold flags all.

    Raises
    ------
    DataError
        If labels are not 0/1, lengths differ, or a score is NaN or infinite.
    ParameterError
        If `k` is outside [0, 100], `threshold` is NaN or `n_random` below 1.
    """
    truth = check_labels(labels)
    values = check_scores(scores, len(truth))
    if not 0 <= k <= 100:
        raise ParameterError(f"`k` (={k}) must be a percentage from 0 to 100; 0 is plain point adjustment")
    if threshold is not None and math.isnan(threshold):
        raise ParameterError("`threshold` (=nan) must be a number; pass None to search the best one")
    if n_random < 1:
        raise ParameterError(f"`n_random` (={n_random}) must be 1 or more; the random value is always shown")
    oracle = threshold is None
    if not truth.any():
        return PointAdjustedF1(k, math.nan, math.nan, math.nan if threshold is None else threshold, oracle)
    if threshold is None:  # each row is first flagged by the threshold of its rank; one past the last is none
        levels, ranks = ranked(values)
        thresholds = just_below(levels)
    else:
        thresholds, ranks = np.array([threshold]), np.where(values > threshold, 0, 1)
    f1 = _f1_per_level(truth, ranks, len(thresholds), k)
    best = int(np.argmax(f1))
    rng = np.random.default_rng(random_state)
    random_f1 = [_f1_per_level(truth, rng.permutation(ranks), len(thresholds), k).max() for _ in range(n_random)]
    return PointAdjustedF1(k, float(f1[best]), float(np.mean(random_f1)), float(thresholds[best]), oracle)


def _f1_per_level(truth: BoolArray, ranks: IntArray, n_levels: int, k: float) -> FloatArray:
    """Adjusted F1 `(n_levels,)` when rows of rank 0, then 0 and 1, and so on are flagged."""
    return f1_by_rank(_adjusted(truth, ranks, n_levels, k), ranks[~truth], n_levels)


def _adjusted(truth: BoolArray, ranks: IntArray, n_levels: int, k: float) -> IntArray:
    """For each anomalous row the rank at which it counts as flagged: its own or that of its event."""
    starts, stops = segments(truth)
    lengths = stops - starts
    owner = np.repeat(np.arange(len(starts)), lengths)
    own = ranks[truth]
    # The event is credited when its n-th row is flagged, n being the least number above k % of its length.
    needed = np.floor(k * lengths / 100).astype(np.intp) + 1
    by_event_and_rank = own[np.lexsort((own, owner))]
    first = np.cumsum(lengths) - lengths
    credited = np.full(len(starts), n_levels)
    reachable = needed <= lengths
    credited[reachable] = by_event_and_rank[(first + needed - 1)[reachable]]
    return np.asarray(np.minimum(own, credited[owner]))
