"""Thresholds that labels choose: the best F-beta, or the least cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsae.alarms.thresholds import Threshold
from tsae.alarms.thresholds.threshold import cluster_peaks

__all__ = ["LabelTuning", "cheapest_threshold", "tune_threshold"]

FloatArray = NDArray[np.float64]
_MOST_LEVELS = 500  # normal scores that thresholds are tried at


@dataclass(frozen=True)
class LabelTuning:
    """What makes a threshold good."""

    beta: float = 1.0
    """Recall counts as much as `beta`² times precision."""
    cost: float | None = None
    """Cost of a missed anomaly in false alarms, instead of F-beta."""

    def threshold(self, scores: FloatArray, labels: FloatArray, held_out: FloatArray, *, in_order: bool) -> Threshold:
        """The best threshold.

        Parameters
        ----------
        scores, labels
            `(n,)`, higher = more anomalous; 1 anomalous, 0 normal, NaN unknown. Something is anomalous.
        held_out
            Scores of what is normal and was not trained on, `(m,)`.
        in_order
            Whether these are rows in time order: then a run of anomalous ones is one anomaly, and one of flagged ones
            a single alarm.
        """
        if self.cost is None:
            known = ~np.isnan(labels)
            both = np.concatenate([scores[known], held_out])
            is_anomaly = np.concatenate([labels[known] == 1, np.zeros(len(held_out), dtype=bool)])
            return tune_threshold(both, is_anomaly, beta=self.beta, in_order=in_order)
        scores = np.where(np.isnan(scores), -np.inf, scores)
        edges = np.flatnonzero(np.diff(labels == 1, prepend=False, append=False)).reshape(-1, 2)
        anomalies = np.array([scores[first:stop].max() for first, stop in edges]) if in_order else scores[labels == 1]
        return cheapest_threshold(anomalies, held_out, cost=self.cost, n=len(scores), in_order=in_order)


def tune_threshold(
    scores: FloatArray, labels: NDArray[np.bool_], *, beta: float = 1.0, in_order: bool = True
) -> Threshold:
    """The threshold with the best F-beta, halfway between two scores.

    Parameters
    ----------
    scores
        `(n,)`, higher = more anomalous; those without a score (NaN) are left out.
    labels
        Whether each is anomalous, `(n,)`; both kinds must occur.
    beta
        Recall counts as much as `beta`² times precision.
    in_order
        Whether these are rows, which the note then speaks of, or pictures.
    """
    known = ~np.isnan(scores)
    order = np.argsort(-scores[known], kind="stable")
    falling, truth = scores[known][order], labels[known][order]
    last = np.append(falling[1:] < falling[:-1], True)  # those of one score are flagged together
    hits, flagged = np.cumsum(truth)[last], np.flatnonzero(last) + 1
    quality = (1 + beta**2) * hits / (flagged + beta**2 * truth.sum())
    best, levels = int(np.argmax(quality)), falling[last]
    below = levels[best + 1] if best + 1 < len(levels) else levels[best] - 1
    note = f"F{beta:g} is {quality[best]:.3f} with {int(truth.sum())} labelled {'rows' if in_order else 'pictures'}"
    return Threshold(float((levels[best] + below) / 2), "labels", None, len(falling), note)


def cheapest_threshold(
    anomalies: FloatArray, normal: FloatArray, *, cost: float, n: int, in_order: bool = True
) -> Threshold:
    """The threshold at which missed anomalies and false alarms cost least; of several the highest.

    False alarms are counted on normal scores that no network was trained on, and taken to come as often in all `n`
    rows. A lower threshold is not credited with fewer of them because alarms run into each other.

    Parameters
    ----------
    anomalies
        The largest score of each labelled anomaly, `(n_anomalies,)`, higher = more anomalous.
    normal
        Scores of normal rows or images, `(m,)`; NaN is left out.
    cost
        Of a missed anomaly, in false alarms.
    n
        Rows or images among which the anomalies were.
    in_order
        Whether `normal` are rows in time order, so that a run of flagged ones is one alarm.
    """
    normal = normal[~np.isnan(normal)]
    levels = np.unique(normal)
    if len(levels) > _MOST_LEVELS:
        levels = np.quantile(normal, 1 - np.geomspace(1 / len(normal), 1, _MOST_LEVELS))
    levels = np.unique(np.concatenate([levels, anomalies[np.isfinite(anomalies)]]))[::-1]
    tried = np.concatenate([[levels[0] + 1], (levels + np.append(levels[1:], levels[-1] - 1)) / 2])
    alarms = [len(cluster_peaks(normal, each)) if in_order else int((normal > each).sum()) for each in tried.tolist()]
    n_false = np.maximum.accumulate(alarms) * n / max(len(normal), 1)
    n_missed = np.array([(anomalies <= each).sum() for each in tried.tolist()])
    best = int(np.argmin(cost * n_missed + n_false))
    note = f"{n_missed[best]} of {len(anomalies)} labelled anomalies missed, {n_false[best]:.3g} false alarms expected"
    return Threshold(float(tried[best]), "labels", None, len(normal), note)
