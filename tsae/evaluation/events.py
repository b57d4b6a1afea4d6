"""Detection counted in events: runs of anomalous rows, runs of flagged rows, and the delay between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tsae.evaluation.inputs import BoolArray, FloatArray, check_flags, check_labels, segments
from tsae.evaluation.precision_recall import f1_of, ratio

__all__ = ["EventPrecisionRecall", "event_precision_recall", "time_to_detect"]


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

    Returns
    -------
    EventPrecisionRecall

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
