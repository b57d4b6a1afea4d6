"""The best threshold for labels that the user hands in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tsae.detection.thresholds.threshold import Threshold
from tsae.errors import DataError, ParameterError

__all__ = ["tune_threshold"]


def tune_threshold(
    scores: NDArray[np.float64],
    labels: NDArray[np.bool_],
    *,
    beta: float = 1.0,
    costs: tuple[float, float] | None = None,
) -> Threshold:
    """The threshold with the best F-beta, or the lowest cost, on labelled rows.

    Parameters
    ----------
    scores
        `(n,)`, higher = more anomalous; rows without a score (NaN) are left out.
    labels
        Whether a row is anomalous, `(n,)`; both kinds must occur.
    beta
        Recall counts as much as `beta`² times precision.
    costs
        What a false alarm and what a missed row cost; replaces F-beta.

    Raises
    ------
    DataError
        If the labels do not fit the scores, or hold one kind only.
    ParameterError
        If `beta` or a cost is not positive.
    """
    truth = np.asarray(labels)
    if truth.shape != scores.shape or not np.isin(truth, (0, 1)).all():
        raise DataError(f"labels have shape {truth.shape}, scores {scores.shape}; pass one 0 or 1 for every score")
    if not all(value > 0 and np.isfinite(value) for value in (beta, *(costs or ()))):
        raise ParameterError(f"`beta` (={beta}) and `costs` (={costs}) must be positive numbers")
    known = ~np.isnan(scores)
    values, truth = scores[known], truth[known].astype(bool)
    if not truth.any() or truth.all():
        raise DataError("labels must hold both normal (0) and anomalous (1) rows; without, learn from normal rows")
    order = np.argsort(-values, kind="stable")
    falling = values[order]
    last = np.append(falling[1:] < falling[:-1], True)  # rows with one score are flagged together
    hits = np.cumsum(truth[order])[last].astype(np.float64)
    flagged = (np.flatnonzero(last) + 1).astype(np.float64)
    if costs is None:
        quality = (1 + beta**2) * hits / (flagged + beta**2 * truth.sum())
    else:
        quality = -(costs[0] * (flagged - hits) + costs[1] * (truth.sum() - hits))
    best = int(np.argmax(quality))
    levels = falling[last]
    below = levels[best + 1] if best + 1 < len(levels) else levels[best] - 1.0
    return Threshold(float((levels[best] + below) / 2), "labels", None, len(values))
