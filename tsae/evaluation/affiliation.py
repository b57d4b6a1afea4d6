"""Affiliation precision and recall (Huet et al., KDD 2022)."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from tsae.evaluation.inputs import BoolArray, FloatArray, check_flags, check_labels, segments
from tsae.evaluation.precision_recall import PrecisionRecall

__all__ = ["affiliation_precision_recall"]


def affiliation_precision_recall(labels: npt.ArrayLike, predictions: npt.ArrayLike) -> PrecisionRecall:
    """Precision and recall from distances in time, as chances to be closer than a random flag.

    Time is cut into one zone per labelled event, the points closer to it than to any other. Precision of a
    zone is the mean over flagged time of the chance that a uniformly random point of the zone lies at least
    as far from the event; recall is the mean over the event of the chance that a random point lies at least
    as far away as the nearest flag. Both are averaged over zones (precision over those with any flag). Row i
    stands for the time [i, i + 1). A near miss is almost a hit, and random flags get above 0.5: read it
    beside that.

    Parameters
    ----------
    labels : (n_timesteps,) in {0, 1}; a run of ones is an event
    predictions : (n_timesteps,) in {0, 1}, 1 = flagged

    Returns
    -------
    PrecisionRecall
        Nothing flagged: precision NaN, recall 0. Nothing labelled: both NaN, as there is no zone.

    Raises
    ------
    DataError
        If either array holds anything but 0 and 1, or the lengths differ.

    References
    ----------
    Huet, Navarro, Rossi, "Local evaluation of time series anomaly detection algorithms", KDD 2022.

    Examples
    --------
    >>> affiliation_precision_recall([0, 0, 0, 1, 1, 0, 0, 0], [0, 0, 1, 1, 0, 0, 0, 0])
    PrecisionRecall(precision=0.8125, recall=0.9375)
    """
    truth = check_labels(labels)
    flags = check_flags(predictions, len(truth))
    if not truth.any():
        return PrecisionRecall(math.nan, math.nan)
    zones = _Zones(truth)
    return PrecisionRecall(_precision(zones, flags), _recall(zones, truth, flags))


class _Zones:
    """The events and the stretch of time nearest to each; every field `(n_events,)`, in rows."""

    def __init__(self, truth: BoolArray) -> None:
        self.starts, self.stops = segments(truth)
        self.borders = (self.stops[:-1] + self.starts[1:]) / 2
        """Where one zone ends and the next begins, `(n_events - 1,)`, multiples of half a row."""
        self.left = np.concatenate([[0.0], self.borders])
        self.right = np.append(self.borders, float(len(truth)))


def _precision(zones: _Zones, flags: BoolArray) -> float:
    # The integrand is linear between multiples of half a row, so the midpoint rule on half rows is exact.
    times = _midpoints(flags, 2)
    if not len(times):
        return math.nan
    zone = np.searchsorted(zones.borders, times)
    start, stop, left, right = (side[zone] for side in (zones.starts, zones.stops, zones.left, zones.right))
    distance = np.maximum(0, np.maximum(start - times, times - stop))
    # Nearer than `distance` lie the event itself and one stretch on each side, cut off at the zone's border.
    nearer = (stop - start) + distance + np.minimum(distance, np.minimum(start - left, right - stop))
    chance = np.where(distance > 0, 1 - nearer / (right - left), 1.0)
    count = np.bincount(zone)
    total = np.bincount(zone, chance)
    return float(np.mean(total[count > 0] / count[count > 0]))


def _recall(zones: _Zones, truth: BoolArray, flags: BoolArray) -> float:
    # Here the kinks lie between two of those multiples too: quarter rows make the midpoint rule exact.
    per_row = 4
    times = _midpoints(truth, per_row)
    zone = np.repeat(np.arange(len(zones.starts)), (zones.stops - zones.starts) * per_row)
    left, right = zones.left[zone], zones.right[zone]
    distance = _distance_to_flag(times, flags, left, right)
    nearer = distance + np.minimum(distance, np.minimum(times - left, right - times))
    chance = np.where(np.isfinite(distance), 1 - nearer / (right - left), 0.0)
    return float(np.mean(np.bincount(zone, chance) / np.bincount(zone)))


def _distance_to_flag(times: FloatArray, flags: BoolArray, left: FloatArray, right: FloatArray) -> FloatArray:
    """Distance from each time to the nearest flagged time of its zone; infinite if the zone has none."""
    rows = np.arange(len(flags))
    previous_stop = np.maximum.accumulate(np.where(flags, rows + 1.0, -np.inf))
    next_start = np.minimum.accumulate(np.where(flags, rows, np.inf)[::-1])[::-1]
    row = times.astype(np.intp)
    before = np.where(previous_stop[row] > left, times - previous_stop[row], np.inf)
    after = np.where(next_start[row] < right, next_start[row] - times, np.inf)
    return np.where(flags[row], 0.0, np.minimum(before, after))


def _midpoints(rows: BoolArray, per_row: int) -> FloatArray:
    """Midpoints of the `per_row` equal parts of every chosen row, in time order."""
    parts = (np.arange(per_row) + 0.5) / per_row
    return np.asarray(np.flatnonzero(rows)[:, None] + parts).ravel()
