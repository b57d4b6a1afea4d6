"""How far the latest rows are from training, sensor by sensor and in their scores, and whether to train again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsae.alarms.distributions import Comparison, DistributionWatch, Reference, fit_reference

__all__ = ["Drift", "SensorDrift", "drifts_of", "score_reference"]

FloatArray = NDArray[np.float64]
_FEWEST = 200
_FAR = 0.6  # of the largest gap between scores; from there on no static threshold keeps its budget
_FAR_MOVED = 1.0  # nats of threshold: the rate of false alarms of the old one is off by about e
_UNUSUAL = 0.5  # of the way from the largest gap that training had within itself to 1
_OUTSIDE = 0.25  # of the rows
_MISSING = 0.5  # of the rows, more than in training
_MOST_TOLD = 3


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


def drifts_of(
    scores: DistributionWatch,
    inputs: DistributionWatch,
    channels: Sequence[str],
    lanes: NDArray[np.intp],
    *,
    first: float,
    last: Sequence[float],
) -> list[Drift]:
    """Compare the latest rows of lanes `(m,)` with training.

    Parameters
    ----------
    scores, inputs
        Watches that have seen decision scores, and the values of all channels.
    first, last
        The threshold at the first row of every lane, and that after the last row of each.
    """
    seen = scores.compared(lanes)
    moved = _moved(inputs.reference, inputs.compared(lanes), channels)
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
