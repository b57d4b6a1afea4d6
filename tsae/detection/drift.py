"""How far scored rows are from what the detector was calibrated on, and whether to train again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsae.detection.thresholds import FollowingThreshold

__all__ = ["Drift", "drift_of", "largest_gap"]

FloatArray = NDArray[np.float64]
_LATEST = 2000  # rows that count as now
_FEWEST = 200
_FAR = 0.6  # of the largest gap between distributions; from there on no static threshold keeps its budget
_FAR_MOVED = 1.0  # nats of threshold: the rate of false alarms of the old one is off by about e


@dataclass(frozen=True)
class Drift:
    """Where scores and threshold are at the end of the scored rows, against calibration."""

    distance: float
    """Largest gap between the distributions of the latest scores and of the calibration scores, in [0, 1]
    (the Kolmogorov–Smirnov statistic)."""
    first_threshold: float
    """At the first row …"""
    last_threshold: float
    """… and after the last one; the same if the threshold does not adapt."""
    n_rows: int
    """Latest rows that were compared."""

    @property
    def moved(self) -> float:
        """How far the threshold has moved, in nats."""
        return self.last_threshold - self.first_threshold

    @property
    def verdict(self) -> str:
        """Why to train again; empty if there is no reason."""
        if self.n_rows < _FEWEST or self.distance < _FAR:
            return ""
        reason = f"retrain: the last {self.n_rows:,} scores are distributed unlike those of normal rows in training"
        reason += f" (largest gap {self.distance:.2f}, of 1)"
        if abs(self.moved) >= _FAR_MOVED:
            reason += f", and the threshold has moved from {self.first_threshold:.3g} to {self.last_threshold:.3g}"
        return reason


def drift_of(scores: FloatArray, calibration: FloatArray, adaptive: FollowingThreshold | None, static: float) -> Drift:
    """Compare the latest of scores `(n,)`, in time order, with calibration scores `(m,)`."""
    latest = scores[-_LATEST:]
    first, last = (static, static) if adaptive is None else (adaptive.first, adaptive.value)
    return Drift(largest_gap(latest, calibration), first, last, len(latest))


def largest_gap(a: FloatArray, b: FloatArray) -> float:
    """The largest difference of two empirical distributions `(n,)` and `(m,)`, in [0, 1]; 0 if one is empty."""
    a, b = np.sort(a[~np.isnan(a)]), np.sort(b[~np.isnan(b)])
    if not len(a) or not len(b):
        return 0.0
    both = np.concatenate([a, b])
    shares = [np.searchsorted(part, both, side="right") / len(part) for part in (a, b)]
    return float(np.abs(shares[0] - shares[1]).max())
