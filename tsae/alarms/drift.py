"""How far the latest rows are from training, sensor by sensor and in their scores, and whether to train again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsae.alarms.distributions import Comparison, DistributionWatch, Reference, fit_reference

__all__ = ["Drift", "SensorDrift", "drift_between", "drift_of", "drifts_of", "score_reference", "watch_latest"]

FloatArray = NDArray[np.float64]
_FEWEST = 200
_FAR = 0.6  # of the largest gap between scores; from there on no static threshold keeps its budget
_FAR_MOVED = 1.0  # nats of threshold: the rate of false alarms of the old one is off by about e
_UNUSUAL = 0.5  # of the way from the largest gap that training had within itself to 1
_OUTSIDE = 0.25  # of the rows
_MISSING = 0.5  # of the rows, more than in training
_MOST_TOLD = 3
_ROWS_AT_ONCE = 65_536


@dataclass(frozen=True)
class SensorDrift:
    """A sensor whose latest values are unlike those of training."""

    sensor: str
    distance: float
    """Largest gap between the distributions, in [0, 1] (the Kolmogorov–Smirnov statistic)."""
    usual: float
    """The largest one that a stretch of training had."""
    below: float
    """Share of its latest values below the range of training, widened by a tenth to either side."""
    above: float
    """Share above it."""
    shift: float
    """By how many standard deviations of training its mean has moved."""
    missing: float
    """By how much the share of missing values has grown."""

    @property
    def reason(self) -> str:
        """What has moved."""
        if self.missing >= _MISSING:
            return f"{self.sensor} is missing in {self.missing:.0%} more of the rows than in training"
        for side, share in (("below", self.below), ("above", self.above)):
            if share >= _OUTSIDE:
                return f"{self.sensor} lies {side} the range of training in {share:.0%} of the rows"
        gap = f"largest gap {self.distance:.2f} of 1, within training at most {self.usual:.2f}"
        return (
            f"{self.sensor} is distributed unlike training ({gap}; its mean has moved by {self.shift:+.1f} deviations)"
        )


@dataclass(frozen=True)
class Drift:
    """Where sensors, scores and threshold are at the end of the scored rows, against training and calibration."""

    distance: float
    """Largest gap between the distributions of the latest scores and of the calibration scores, in [0, 1]
    (the Kolmogorov–Smirnov statistic)."""
    first_threshold: float
    """At the first row …"""
    last_threshold: float
    """… and after the last one; the same if the threshold does not adapt."""
    n_rows: int
    """Latest rows that were compared."""
    sensors: tuple[SensorDrift, ...] = ()
    """Those that have moved too far, the farthest first."""

    @property
    def moved(self) -> float:
        """How far the threshold has moved, in nats."""
        return self.last_threshold - self.first_threshold

    @property
    def verdict(self) -> str:
        """Why to train again, "retrain: …"; empty if there is no reason. A long fault looks like drift, too."""
        reasons = [sensor.reason for sensor in self.sensors[:_MOST_TOLD]]
        if len(self.sensors) > _MOST_TOLD:
            reasons.append(f"{len(self.sensors) - _MOST_TOLD} more sensors have moved")
        if self.n_rows >= _FEWEST and self.distance >= _FAR:
            reasons.append(f"scores are distributed unlike those of normal rows (largest gap {self.distance:.2f} of 1)")
            if abs(self.moved) >= _FAR_MOVED:
                reasons.append(f"the threshold has moved from {self.first_threshold:.3g} to {self.last_threshold:.3g}")
        return f"retrain: in the last {self.n_rows:,} rows " + "; ".join(reasons) if reasons else ""


def score_reference(calibration: FloatArray) -> Reference:
    """The distribution of calibration scores `(n,)`."""
    return fit_reference([calibration[:, None]])


def drift_between(
    scores: FloatArray,
    calibration: FloatArray,
    *,
    first: float,
    last: float,
    values: NDArray[np.floating] | None = None,
    inputs: Reference | None = None,
    channels: Sequence[str] = (),
) -> Drift:
    """Compare the latest rows of a table, in time order, with training.

    Parameters
    ----------
    scores, calibration
        Judged scores `(n,)`, and those of calibration rows `(m,)`.
    first, last
        The threshold at the first row and after the last one.
    values, inputs
        Values `(n, n_channels)`, and how they were distributed in training; `None` if that is not known.
    """
    of_scores = DistributionWatch(score_reference(calibration))
    of_scores.push(scores[:, None])
    of_inputs = None if values is None else watch_latest(inputs, values)
    return drift_of(of_scores, of_inputs, channels, first=first, last=last)


def watch_latest(
    inputs: Reference | None, values: NDArray[np.floating], excluded: NDArray[np.bool_] | None = None
) -> DistributionWatch | None:
    """A watch that has seen all rows `(n, n_channels)` but the excluded ones `(n,)`; `None` without `inputs`."""
    if inputs is None:
        return None
    watch = DistributionWatch(inputs)
    for first in range(0, len(values), _ROWS_AT_ONCE):
        rows = slice(first, first + _ROWS_AT_ONCE)
        watch.push(values[rows] if excluded is None else values[rows][~excluded[rows]])
    return watch


def drift_of(
    scores: DistributionWatch, inputs: DistributionWatch | None, channels: Sequence[str], *, first: float, last: float
) -> Drift:
    """What watches of one series have seen; see `drift_between`."""
    (drift,) = drifts_of(scores, inputs, channels, np.zeros(1, dtype=np.intp), first=first, last=[last])
    return drift


def drifts_of(
    scores: DistributionWatch,
    inputs: DistributionWatch | None,
    channels: Sequence[str],
    lanes: NDArray[np.intp],
    *,
    first: float,
    last: Sequence[float],
) -> list[Drift]:
    """What watches of one score and of all channels have seen of these lanes; `last` has the threshold of each.

    See `drift_between`.
    """
    seen = scores.compared(lanes)
    moved = [()] * len(lanes) if inputs is None else _moved(inputs.reference, inputs.compared(lanes), channels)
    parts = zip(seen.gap[:, 0].tolist(), last, seen.n_rows.tolist(), moved, strict=True)
    return [Drift(gap, first, each_last, n_rows, sensors) for gap, each_last, n_rows, sensors in parts]


def _moved(reference: Reference, seen: Comparison, channels: Sequence[str]) -> list[tuple[SensorDrift, ...]]:
    """The sensors of each series that have moved too far, the farthest first."""
    excess = (seen.gap - reference.usual) / np.maximum(1 - reference.usual, 1e-9)
    known = (1 - seen.missing) * seen.n_rows[:, None]
    unusual = np.where(known >= reference.stretch, excess, 0.0) / _UNUSUAL  # a gap is compared with those as long
    outside = np.where(known >= _FEWEST, np.maximum(seen.below, seen.above), 0.0) / _OUTSIDE
    grown = seen.missing - reference.missing
    moved = np.max([unusual, outside, grown / _MISSING], axis=0)
    moved[seen.n_rows < _FEWEST] = 0.0

    def told(series: int, channel: int) -> SensorDrift:
        gap, below, above, shift, missing = (
            float(part[series, channel]) for part in (seen.gap, seen.below, seen.above, seen.shift, grown)
        )
        if known[series, channel] < _FEWEST:
            below = above = 0.0
        return SensorDrift(str(channels[channel]), gap, float(reference.usual[channel]), below, above, shift, missing)

    order = np.argsort(-moved, axis=1, kind="stable")
    return [
        tuple(told(series, channel) for channel in row.tolist() if moved[series, channel] >= 1) if is_moved else ()
        for series, (row, is_moved) in enumerate(zip(order, (moved >= 1).any(axis=1).tolist(), strict=True))
    ]
