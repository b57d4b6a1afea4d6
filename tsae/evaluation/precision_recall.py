"""Precision and recall of flagged rows: the pair that the threshold metrics return, and the plain one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy.typing as npt

from tsae.evaluation.inputs import check_flags, check_labels

__all__ = ["PrecisionRecall", "f1_of", "point_precision_recall"]


@dataclass(frozen=True)
class PrecisionRecall:
    """Precision and recall in [0, 1], higher is better.

    Precision is NaN (undefined) if nothing was flagged, recall if nothing was anomalous.
    """

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """Harmonic mean; 0 if anomalies exist and nothing was flagged, NaN if no row is anomalous."""
        return f1_of(self.precision, self.recall)


def f1_of(precision: float, recall: float) -> float:
    """Harmonic mean of a precision and a recall, with the undefined cases of `PrecisionRecall.f1`."""
    if math.isnan(recall):
        return math.nan
    if math.isnan(precision) or precision + recall == 0:
        return 0.0
    return 2 * precision * recall / (precision + recall)


def point_precision_recall(labels: npt.ArrayLike, predictions: npt.ArrayLike) -> PrecisionRecall:
    """Plain precision and recall over rows: no event, no tolerance.

    Parameters
    ----------
    labels : (n_timesteps,) in {0, 1}
    predictions : (n_timesteps,) in {0, 1}, 1 = flagged

    Returns
    -------
    PrecisionRecall

    Raises
    ------
    DataError
        If either array holds anything but 0 and 1, or the lengths differ.

    Examples
    --------
    >>> point_precision_recall([0, 1, 1, 0], [0, 0, 1, 1])
    PrecisionRecall(precision=0.5, recall=0.5)
    """
    truth = check_labels(labels)
    flags = check_flags(predictions, len(truth))
    hits = int((truth & flags).sum())
    return PrecisionRecall(ratio(hits, int(flags.sum())), ratio(hits, int(truth.sum())))


def ratio(part: int, whole: int) -> float:
    """`part / whole`, NaN where there is nothing to divide."""
    return part / whole if whole else math.nan
