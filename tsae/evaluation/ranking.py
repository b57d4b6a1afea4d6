"""How well a score ranks anomalous rows above normal ones, row by row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.metrics import average_precision_score, roc_auc_score

from tsae.evaluation.inputs import FloatArray, IntArray, check_labels, check_scores

__all__ = ["OracleF1", "auc_pr", "auc_roc", "oracle_f1"]


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
