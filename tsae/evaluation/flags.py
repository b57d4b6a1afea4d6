"""Metrics of flags: precision and recall over rows, events, ranges and affiliated time, and the delay of detection."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from tsae.errors import ParameterError
from tsae.evaluation.inputs import BoolArray, FloatArray, IntArray, check_flags, check_labels, segments

__all__ = [
    "Bias",
    "Cardinality",
    "EventPrecisionRecall",
    "PrecisionRecall",
    "affiliation_precision_recall",
    "event_precision_recall",
    "point_precision_recall",
    "range_precision_recall",
    "time_to_detect",
]

Bias = Literal["flat", "front", "middle", "back"]
Cardinality = Literal["reciprocal", "one"]


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


@dataclass(frozen=True)
class EventPrecisionRecall:
    """How many labelled events were found, and how many alarms were false."""

    n_events: int
    n_detected: int
    n_false_alarms: int

    @property
    def precision(self) -> float:
        """Detected events over detected events and false alarms; NaN without any alarm."""
        return ratio(self.n_detected, self.n_detected + self.n_false_alarms)

    @property
    def recall(self) -> float:
        """Detected events over labelled events; NaN without any event."""
        return ratio(self.n_detected, self.n_events)

    @property
    def f1(self) -> float:
        """Harmonic mean; 0 if events exist and no alarm was raised, NaN without any event."""
        return f1_of(self.precision, self.recall)


def event_precision_recall(labels: npt.ArrayLike, predictions: npt.ArrayLike) -> EventPrecisionRecall:
    """Count events as an operator would: found if any of its rows is flagged, however many alarms that took.

    A run of flagged rows that touches no labelled event is one false alarm. Several alarms within one event
    count once; one alarm that spans several events finds them all, so that an alarm that never ends is
    perfect here: read it beside a metric that looks at rows.

    Parameters
    ----------
    labels : (n_timesteps,) in {0, 1}; a run of ones is an event
    predictions : (n_timesteps,) in {0, 1}; a run of ones is an alarm

    Raises
    ------
    DataError
        If either array holds anything but 0 and 1, or the lengths differ.

    References
    ----------
    Hundman et al., "Detecting spacecraft anomalies using LSTMs and nonparametric dynamic thresholding",
    KDD 2018, section 4.2.

    Examples
    --------
    >>> found = event_precision_recall([0, 1, 1, 0, 0, 0, 1], [0, 0, 1, 0, 1, 0, 0])
    >>> found.n_detected, found.n_false_alarms, found.recall
    (1, 1, 0.5)
    """
    truth = check_labels(labels)
    flags = check_flags(predictions, len(truth))
    detected = _touched(truth, flags)
    true_alarms = _touched(flags, truth)
    return EventPrecisionRecall(len(detected), int(detected.sum()), int((~true_alarms).sum()))


def time_to_detect(labels: npt.ArrayLike, predictions: npt.ArrayLike) -> FloatArray:
    """Rows from the start of each labelled event to its first flagged row.

    Multiply by the sampling period for seconds. Alarms before an event start are not credited: an alarm that
    runs into the event has delay 0, one that ended before it does not count. No paper fixes this figure.

    Parameters
    ----------
    labels : (n_timesteps,) in {0, 1}
    predictions : (n_timesteps,) in {0, 1}, 1 = flagged

    Returns
    -------
    array (n_events,)
        Delay in rows, 0 = flagged at once, lower is better, NaN for an event that was missed; in time order,
        empty if no row is anomalous.

    Raises
    ------
    DataError
        If either array holds anything but 0 and 1, or the lengths differ.

    Examples
    --------
    >>> time_to_detect([0, 1, 1, 1, 0, 1], [0, 0, 0, 1, 0, 0])
    array([ 2., nan])
    """
    truth = check_labels(labels)
    flags = check_flags(predictions, len(truth))
    starts, stops = segments(truth)
    flagged_rows = np.flatnonzero(flags)
    # A sentinel row after the series stands for "no flag left", which no event contains.
    first = np.append(flagged_rows, len(truth))[np.searchsorted(flagged_rows, starts)]
    return np.where(first < stops, first - starts, np.nan)


def _touched(runs: BoolArray, other: BoolArray) -> BoolArray:
    """For each run of ones in `runs`, whether `other` has a one inside it."""
    starts, stops = segments(runs)
    before = np.concatenate([[0], np.cumsum(other)])
    return np.asarray(before[stops] > before[starts])


def range_precision_recall(
    labels: npt.ArrayLike,
    predictions: npt.ArrayLike,
    *,
    alpha: float = 0.0,
    bias: Bias = "flat",
    cardinality: Cardinality = "reciprocal",
) -> PrecisionRecall:
    """Precision and recall averaged over ranges instead of rows (Tatbul et al., NeurIPS 2018).

    Recall is the mean over labelled ranges of `alpha` · existence + (1 − `alpha`) · overlap. Existence is 1
    if any row of the range is flagged. Overlap is the share of the range that is flagged, weighted by
    position, times the cardinality factor. Precision is the mean over flagged ranges of their overlap with
    labelled ones, always without existence and with a flat bias: a false alarm costs the same wherever it
    stands in its range.

    Parameters
    ----------
    labels : (n_timesteps,) in {0, 1}; a run of ones is a range
    predictions : (n_timesteps,) in {0, 1}; a run of ones is a range
    alpha : weight of existence in recall, in [0, 1]
    bias : which rows of a labelled range weigh most in recall; "front" rewards early detection
    cardinality : "reciprocal" divides the overlap by the number of pieces it comes in, "one" does not care

    Returns
    -------
    PrecisionRecall
        Precision is NaN if nothing is flagged, recall if nothing is labelled.

    Raises
    ------
    DataError
        If either array holds anything but 0 and 1, or the lengths differ.
    ParameterError
        If `alpha`, `bias` or `cardinality` is not one of the above.

    Examples
    --------
    >>> range_precision_recall([0, 1, 1, 1, 1, 0], [0, 0, 0, 1, 1, 1]).recall
    0.5
    """
    truth = check_labels(labels)
    flags = check_flags(predictions, len(truth))
    if not 0 <= alpha <= 1:
        raise ParameterError(f"`alpha` (={alpha}) must be in [0, 1]; 0 leaves existence out, 1 counts it alone")
    for name, value, known in (("bias", bias, get_args(Bias)), ("cardinality", cardinality, get_args(Cardinality))):
        if value not in known:
            raise ParameterError(f"`{name}` (={value!r}) is unknown; pass one of {', '.join(known)}")
    return PrecisionRecall(
        precision=_mean_reward(flags, truth, 0.0, "flat", cardinality),
        recall=_mean_reward(truth, flags, alpha, bias, cardinality),
    )


def _mean_reward(ranges: BoolArray, other: BoolArray, alpha: float, bias: Bias, cardinality: Cardinality) -> float:
    """Mean over the runs of ones in `ranges` of what `other` earns there."""
    starts, stops = segments(ranges)
    if not len(starts):
        return math.nan
    lengths = stops - starts
    owner = np.repeat(np.arange(len(starts)), lengths)
    position = np.flatnonzero(ranges) - starts[owner] + 1
    hit = other[ranges]
    weight = _position_weight(position, lengths[owner], bias)
    overlap = np.bincount(owner, weight * hit) / np.bincount(owner, weight)
    piece_starts = hit & ((position == 1) | ~np.concatenate([[False], hit[:-1]]))
    pieces = np.bincount(owner, piece_starts)
    factor = 1 / np.maximum(pieces, 1) if cardinality == "reciprocal" else 1.0
    return float(np.mean(alpha * (pieces > 0) + (1 - alpha) * factor * overlap))


def _position_weight(position: IntArray, length: IntArray, bias: Bias) -> IntArray:
    """The paper's δ for a row at `position` (from 1) of a range of `length` rows."""
    if bias == "front":
        return length - position + 1
    if bias == "back":
        return position
    if bias == "middle":
        return np.where(position <= length / 2, position, length - position + 1)
    return np.ones_like(position)


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
