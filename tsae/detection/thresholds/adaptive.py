"""A threshold that follows a new normal without learning an anomaly."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsae.detection.thresholds.clusters import cluster_peaks
from tsae.detection.thresholds.threshold import Target
from tsae.errors import DataError

__all__ = ["AdaptiveThreshold", "Guards", "guards_for"]

FloatArray = NDArray[np.float64]
_STEP = 16  # rows for which a threshold stands
_ENOUGH = 8.0  # scores above the threshold; with fewer in memory the tail is extrapolated
_HIGH = 0.05  # share of the calibration scores whose runs say how many rows an episode has
_SHORTENING = 0.9  # higher up, runs are shorter: power of the mean run length


@dataclass(frozen=True)
class Guards:
    """What keeps a rolling threshold from learning an anomaly. One setting for all series."""

    memory: int
    """Latest learned rows that the threshold is taken from."""
    tail: float
    """Share of the memory that an exponential tail is fitted to."""
    feedback: float
    """By how much, in log rate, one false alarm more or less than the budget moves the rate that is aimed at."""
    forget: float
    """Rows after which the feedback has faded to 1/e."""
    lowest: float
    highest: float
    """Bounds of the feedback."""
    learned: int = 24
    """Rows learned from one alarm. What comes after them waits until the alarm ends, or is as long as the memory:
    then it is the new normal."""
    counted: int = 10
    """Flagged rows of one alarm that the feedback counts, for budgets of rows."""
    winsor: float = 0.3
    """Learned rows of an alarm are cut to the threshold plus this, in nats."""
    reach: float = 1.0
    """The tail is extrapolated at most so far beyond the largest score in memory, in nats: rows of an alarm in memory
    make it look heavy."""
    quiet: int = 32
    """Rows without a flag that end an alarm."""


def guards_for(target: Target) -> Guards:
    """The guards of row budgets, on unsmoothed scores, and of episode budgets, on smoothed ones."""
    if target.counts == "rows":
        return Guards(2000, tail=0.02, feedback=0.4, forget=5 / target.rate, lowest=-1.0, highest=2.0)
    return Guards(3000, tail=0.05, feedback=0.3, forget=500.0, lowest=-0.5, highest=1.5)


class AdaptiveThreshold:
    """Thresholds of rows in time order, each from scores of earlier rows only.

    The threshold is the upper quantile of the latest rows. Rows of an alarm are learned too, but few and cut: a
    quantile over unflagged rows alone would never reach a new normal, one over all rows would learn every anomaly.
    The rate that is aimed at follows the alarms there were (Gibbs and Candès, "Adaptive conformal inference under
    distribution shift", NeurIPS 2021). It needs no labels. Handing rows in one by one or in blocks is the same.

    Parameters
    ----------
    calibration
        Scores of normal rows `(n,)` that the memory begins with, in time order; NaN is left out.
    target
        What to keep on normal rows.
    guards
        `None` takes those of the target.

    Examples
    --------
    >>> import numpy as np
    >>> scores = np.random.default_rng(0).exponential(size=6000)
    >>> adaptive = AdaptiveThreshold(scores[:1000], Target(0.01))
    >>> drifted = scores[1000:] + np.linspace(0, 5, 5000)
    >>> bool(0.005 < (drifted > adaptive.thresholds(drifted)).mean() < 0.02)
    True
    """

    def __init__(self, calibration: FloatArray, target: Target, guards: Guards | None = None) -> None:
        known = calibration[~np.isnan(calibration)]
        if not len(known):
            raise DataError("no calibration row has a score to learn a threshold from; pass more rows")
        self.target, self.guards = target, guards or guards_for(target)
        self._row_rate = target.rate * (_rows_an_episode(known) if target.counts == "episodes" else 1.0)
        self._memory = np.resize(known[-self.guards.memory :], self.guards.memory)
        self._next = self._n_seen = 0
        self._since = self.guards.quiet + 1  # rows since the last flag
        self._n_alarm = self._n_flagged = 0  # rows, and flagged rows, of the alarm
        self._feedback = 0.0
        self.value = self._quantile()
        """The threshold of the next row."""
        self.first = self.value
        """The threshold at the start."""

    def thresholds(self, scores: FloatArray) -> FloatArray:
        """Thresholds `(n,)` of the next rows, whose scores `(n,)` are learned afterwards."""
        return np.array([self.next(score) for score in scores.tolist()], dtype=np.float64)

    def next(self, score: float) -> float:
        """The threshold of the next row, whose score is learned afterwards."""
        if self._n_seen % _STEP == 0:
            self.value = self._quantile()
            self._feedback *= 1 - _STEP / max(self.guards.forget, 2 * _STEP)
        self._n_seen += 1
        threshold = self.value
        self._learn(score)
        return threshold

    def state(self) -> dict[str, FloatArray]:
        """Everything that has been learned since the start, as plain arrays."""
        counters = [self._next, self._n_seen, self._since, self._n_alarm, self._n_flagged]
        numbers = [*counters, self._feedback, self._row_rate, self.value, self.first]
        return {"memory": self._memory.copy(), "numbers": np.array(numbers, dtype=np.float64)}

    def restore(self, state: Mapping[str, FloatArray]) -> None:
        """Go on from what `state` gave."""
        self._memory = np.array(state["memory"], dtype=np.float64)
        numbers = state["numbers"].tolist()
        self._next, self._n_seen, self._since, self._n_alarm, self._n_flagged = map(int, numbers[:5])
        self._feedback, self._row_rate, self.value, self.first = numbers[5:]

    def _learn(self, score: float) -> None:
        guards, flagged = self.guards, score > self.value
        if flagged and self._since > guards.quiet:
            self._n_alarm = self._n_flagged = 0
            self._count(float(self.target.counts == "episodes"))
        self._since = 0 if flagged else self._since + 1
        self._n_flagged += flagged
        in_alarm = self._since <= guards.quiet
        is_counted = flagged and self.target.counts == "rows" and self._n_flagged <= guards.counted
        self._count(float(is_counted) - self.target.rate)
        if in_alarm:
            self._n_alarm += 1
            if self._n_alarm <= guards.memory:
                if self._n_alarm > guards.learned:
                    return
                score = min(score, self.value + guards.winsor)
        self._memory[self._next] = score
        self._next = (self._next + 1) % guards.memory

    def _count(self, excess: float) -> None:
        """Take in false alarms beyond the budget."""
        moved = self._feedback + self.guards.feedback * excess
        self._feedback = min(max(moved, self.guards.lowest), self.guards.highest)

    def _quantile(self) -> float:
        """The score that the wanted share of the memory exceeds; beyond what it holds, an exponential tail."""
        rate = min(0.5, self._row_rate * math.exp(-self._feedback))
        n_rows = len(self._memory)
        n_tail = max(10, int(self.guards.tail * n_rows))
        if rate * n_rows >= min(_ENOUGH, n_tail):
            return float(np.quantile(self._memory, 1 - rate))
        largest = np.partition(self._memory, n_rows - n_tail - 1)[n_rows - n_tail - 1 :]
        excess = max(float(largest[1:].mean() - largest[0]), 1e-9)
        extrapolated = float(largest[0]) + excess * math.log(n_tail / n_rows / rate)
        return min(extrapolated, float(largest.max()) + self.guards.reach)


def _rows_an_episode(scores: FloatArray) -> float:
    high = float(np.quantile(scores, 1 - _HIGH))
    n_runs = len(cluster_peaks(scores, high))
    return float((np.count_nonzero(scores > high) / max(1, n_runs)) ** _SHORTENING) if n_runs else 1.0
