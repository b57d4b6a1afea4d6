"""Volume under the surface: AUC with tolerance around event borders, over every width of tolerance.

Notation of the paper: an event of the labels is extended on both sides by up to w / 2 rows whose label falls
with the distance d as sqrt(1 − d / w). The surface is the stack of the curves for w = 0, 1, …, window.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.integrate import trapezoid
from scipy.sparse import csr_array

from tsae.errors import ParameterError
from tsae.evaluation.inputs import BoolArray, FloatArray, IntArray, check_labels, check_scores, segments
from tsae.evaluation.ranking import ranked

__all__ = ["VolumeUnderSurface", "vus", "vus_pr", "vus_roc"]


@dataclass(frozen=True)
class VolumeUnderSurface:
    """Both volumes in [0, 1], higher is better."""

    roc: float
    pr: float


def vus(
    labels: npt.ArrayLike, scores: npt.ArrayLike, window: int = 100, *, thresholds: int | None = 250
) -> VolumeUnderSurface:
    """VUS-ROC and VUS-PR, equal to the published reference implementation at its settings.

    At each threshold and width w the true positives are the flagged mass of the extended labels; the
    positives are the mean of the labelled mass without and with the flagged part of the extensions; recall
    is their ratio, at most 1, times the share of extended events that hold any flag (those that overlap are
    one event). The curves are integrated by trapezoids (ROC) and steps (PR) and averaged over w.

    Parameters
    ----------
    labels : (n_timesteps,) in {0, 1}; a run of ones is an event
    scores : (n_timesteps,), higher = more anomalous
    window : the largest width w, in rows; 100 in published tables
    thresholds : how many, at evenly spaced ranks of the scores, 250 in the reference; `None` uses every
        distinct score, which is exact where the reference is coarse, on long series

    Returns
    -------
    VolumeUnderSurface
        1 and 1 for a score that is highest on the anomalous rows; slightly above 0.5 (ROC) and the share of
        anomalous rows (PR) for a constant one. NaN if no row is anomalous; if all are, PR is 1 and ROC NaN.

    Raises
    ------
    DataError
        If labels are not 0/1, lengths differ, or a score is NaN or infinite.
    ParameterError
        If `window` is negative or `thresholds` below 2.

    References
    ----------
    Paparrizos et al., "Volume under the surface: a new accuracy evaluation measure for time-series anomaly
    detection", PVLDB 15(11), 2022; `RangeAUC_volume_opt` of the packages `vus` and `TSB-AD`.

    Examples
    --------
    >>> vus([0, 0, 0, 1, 1, 0, 0, 0], [1, 1, 2, 3, 3, 2, 1, 1], window=4)
    VolumeUnderSurface(roc=1.0, pr=1.0)
    """
    truth = check_labels(labels)
    values = check_scores(scores, len(truth))
    if window < 0:
        raise ParameterError(f"`window` (={window}) must be 0 or more rows; 0 asks for no tolerance")
    if thresholds is not None and thresholds < 2:
        raise ParameterError(f"`thresholds` (={thresholds}) must be 2 or more; pass None to use every distinct score")
    if truth.all() or not truth.any():
        return VolumeUnderSurface(roc=float("nan"), pr=1.0 if truth.any() else float("nan"))
    ranks, n_flagged = _flagging_order(values, thresholds)
    return _volume(truth, ranks, n_flagged, window)


def vus_pr(labels: npt.ArrayLike, scores: npt.ArrayLike, window: int = 100, *, thresholds: int | None = 250) -> float:
    """Return the precision-recall volume of `vus`; parameters and errors are those of that function."""
    return vus(labels, scores, window, thresholds=thresholds).pr


def vus_roc(labels: npt.ArrayLike, scores: npt.ArrayLike, window: int = 100, *, thresholds: int | None = 250) -> float:
    """Return the ROC volume of `vus`; parameters and errors are those of that function."""
    return vus(labels, scores, window, thresholds=thresholds).roc


def _flagging_order(scores: FloatArray, thresholds: int | None) -> tuple[IntArray, IntArray]:
    """For each row the first of the falling thresholds that flags it, and how many rows each one flags."""
    if thresholds is None:
        _, ranks = ranked(scores)
    else:
        positions = np.linspace(0, len(scores) - 1, thresholds).astype(np.intp)
        ranks = np.searchsorted(np.unique(np.sort(-scores)[positions]), -scores)
    return ranks, np.cumsum(np.bincount(ranks))


def _volume(truth: BoolArray, ranks: IntArray, n_flagged: IntArray, window: int) -> VolumeUnderSurface:
    """Mean areas over all widths; only rows in or near an event are looked at again for each width."""
    near, reach = _reach(truth, window // 2)
    ranks, n_flagged = _without_straight_parts(ranks, n_flagged, np.concatenate([np.flatnonzero(truth), near]))
    n_levels = len(n_flagged)
    anomalous_flagged = np.cumsum(np.bincount(ranks[truth], minlength=n_levels))
    areas = []
    for half, found in enumerate(_share_of_events_found(truth, ranks, window // 2, n_levels)):
        for width in range(2 * half, min(2 * half + 2, window + 1)):
            slope = np.zeros(window // 2)
            slope[:half] = np.sqrt(1 - np.arange(1, half + 1) / width)
            mass = np.minimum(1.0, reach @ slope)
            extended_flagged = np.cumsum(np.bincount(ranks[near], mass, minlength=n_levels))
            true_positives = anomalous_flagged + extended_flagged
            positives = anomalous_flagged[-1] + extended_flagged / 2
            recall = np.minimum(true_positives / positives, 1.0) * found
            fall_out = (n_flagged - true_positives) / (len(truth) - positives)
            areas.append(_areas(recall, fall_out, true_positives / n_flagged))
    roc, pr = np.mean(areas, axis=0)
    return VolumeUnderSurface(float(roc), float(pr))


def _reach(truth: BoolArray, max_half: int) -> tuple[IntArray, csr_array]:
    """Normal rows within `max_half` of an event, and how many event borders each has at each distance.

    Returns
    -------
    near : (n_near,)
    reach : (n_near, max_half), column d - 1 for distance d. A row between close events has several entries,
        and the slopes of all of them add up.
    """
    starts, stops = segments(truth)
    steps = np.arange(max_half)
    rows = np.concatenate([stops[:, None] + steps, starts[:, None] - 1 - steps])
    inside = (rows >= 0) & (rows < len(truth))
    inside[inside] = ~truth[rows[inside]]
    near, index = np.unique(rows[inside], return_inverse=True)
    columns = np.broadcast_to(steps, rows.shape)[inside]
    return near, csr_array((np.ones(len(index)), (index, columns)), shape=(len(near), max_half))


def _without_straight_parts(ranks: IntArray, n_flagged: IntArray, involved: IntArray) -> tuple[IntArray, IntArray]:
    """Drop thresholds that flag no new row of `involved`, unless the next one does.

    Between two such thresholds recall stands still and the curves are straight, so the areas stay the same;
    with `thresholds=None` most of a long series goes. The ranks of rows that are not involved lose their
    meaning.
    """
    changes = np.unique(ranks[involved])
    kept = np.union1d(changes, np.maximum(changes - 1, 0))
    return np.searchsorted(kept, ranks), n_flagged[kept]


def _share_of_events_found(truth: BoolArray, ranks: IntArray, max_half: int, n_levels: int) -> Iterator[FloatArray]:
    """For each extension of 0, 1, …, `max_half` rows: share `(n_levels,)` of extended events with a flag.

    Extended events that overlap count as one.
    """
    starts, stops = segments(truth)
    last = len(truth) - 1
    first_row_of = np.concatenate([[0], np.cumsum(stops - starts)[:-1]])
    first_flag = np.minimum.reduceat(ranks[truth], first_row_of)
    for half in range(max_half + 1):
        left, right = np.maximum(starts - half, 0), np.minimum(stops - 1 + half, last)
        first_flag = np.minimum(first_flag, np.minimum(ranks[left], ranks[right]))
        apart = stops[:-1] - 1 + half < starts[1:] - half
        groups = np.flatnonzero(np.concatenate([[True], apart]))
        found_at = np.minimum.reduceat(first_flag, groups)
        yield np.cumsum(np.bincount(found_at, minlength=n_levels)) / len(groups)


def _areas(recall: FloatArray, fall_out: FloatArray, precision: FloatArray) -> tuple[float, float]:
    """Area under the ROC curve by trapezoids from (0, 0) to (1, 1), and under the PR curve by steps."""
    roc = trapezoid(np.concatenate([[0], recall, [1]]), np.concatenate([[0], fall_out, [1]]))
    return float(roc), float(np.dot(np.diff(recall, prepend=0), precision))
