"""A threshold that follows a new normal without learning an anomaly."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tsae.detection.thresholds.clusters import cluster_peaks
from tsae.detection.thresholds.guards import Guards, guards_for
from tsae.detection.thresholds.threshold import Target, known_scores

__all__ = ["AdaptiveThreshold"]

FloatArray = NDArray[np.float64]
_STEP = 16  # rows for which a threshold stands
_ENOUGH = 8.0  # scores above the threshold; with fewer in memory the tail is extrapolated
_HIGH = 0.05  # share of the calibration scores whose runs say how many rows an episode has
_SHORTENING = 0.9  # higher up, runs are shorter: power of the mean run length
_MOST_OF_IT = 0.25  # hysteresis, as part of the threshold


class AdaptiveThreshold:
    """Thresholds of rows in time order, each from scores of earlier rows only.

    The threshold is the upper quantile of the latest rows. Rows of an alarm are learned too, but few and cut: a
    quantile over unflagged rows alone would never reach a new normal, one over all rows would learn every anomaly.
    Feedback keeps the budget: every alarm raises the threshold by a step, and every row lowers it by the budgeted
    share of one (Gibbs and Candès, "Adaptive conformal inference under distribution shift", NeurIPS 2021; Angelopoulos
    et al., "Conformal PID control for time series prediction", NeurIPS 2023). It needs no labels. While an alarm goes
    on the threshold stands lower (hysteresis), so that a score that hovers about it makes one alarm, not many.
    Handing rows in one by one or in blocks is the same.

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
        known = known_scores(calibration)
        self.target, self.guards = target, guards or guards_for(target)
        self._counts_episodes = target.counts == "episodes"
        self._row_rate = target.rate * (_rows_an_episode(known) if self._counts_episodes else 1.0)
        self._memory = np.resize(known[-self.guards.memory :], self.guards.memory)
        self._waiting: deque[float] = deque()
        self._next = self._n_seen = 0
        self._since = self.guards.quiet + 1  # rows since the last flag
        self._n_alarm = self._n_flagged = 0  # rows, and flagged rows, of the alarm
        self._began = math.inf  # the threshold that the alarm began with
        self._feedback = 0.0
        self.value = self._level()
        """The threshold that begins an alarm at the next row."""
        self.first = self.value
        """The same at the start."""

    def thresholds(self, scores: FloatArray) -> FloatArray:
        """Thresholds `(n,)` of the next rows, whose scores `(n,)` are learned afterwards."""
        return np.array([self.next(score) for score in scores.tolist()], dtype=np.float64)

    def next(self, score: float) -> float:
        """The threshold of the next row, whose score is learned afterwards (NaN is not)."""
        if self._n_seen % _STEP == 0:
            self.value = self._level()
            self._feedback *= 1 - _STEP / max(self.guards.forget, 2 * _STEP)
        self._n_seen += 1
        entry = threshold = self.value
        if self._in_alarm:
            if self._n_alarm <= self.guards.held:
                entry = min(entry, self._began)
            threshold = entry - min(self.guards.hysteresis, _MOST_OF_IT * max(entry, 0.0))
        if not math.isnan(score):
            self._take(score, entry, is_flagged=score > threshold)
        return threshold

    def state(self) -> dict[str, FloatArray]:
        """Everything that has been learned since the start, as plain arrays."""
        counters = [self._next, self._n_seen, self._since, self._n_alarm, self._n_flagged]
        numbers = [*counters, self._began, self._feedback, self._row_rate, self.value, self.first]
        return {
            "memory": self._memory.copy(),
            "waiting": np.array(self._waiting, dtype=np.float64),
            "numbers": np.array(numbers, dtype=np.float64),
        }

    def restore(self, state: Mapping[str, FloatArray]) -> None:
        """Go on from what `state` gave."""
        self._memory = np.array(state["memory"], dtype=np.float64)
        self._waiting = deque(np.asarray(state["waiting"], dtype=np.float64).tolist())
        numbers = state["numbers"].tolist()
        self._next, self._n_seen, self._since, self._n_alarm, self._n_flagged = map(int, numbers[:5])
        self._began, self._feedback, self._row_rate, self.value, self.first = numbers[5:]

    @property
    def _in_alarm(self) -> bool:
        return self._since <= self.guards.quiet

    def _take(self, score: float, entry: float, *, is_flagged: bool) -> None:
        """Count the row and learn its score; `entry` is the threshold that an alarm begins above."""
        was_in_alarm = self._in_alarm
        if is_flagged and not was_in_alarm:
            self._n_alarm = self._n_flagged = 0
            self._began = entry
            self._waiting.clear()
        self._since = 0 if is_flagged else self._since + 1
        self._n_flagged += is_flagged
        if self._counts_episodes:
            is_counted = was_in_alarm and not self._in_alarm
        else:
            is_counted = is_flagged and self._n_flagged <= self.guards.counted
        moved = self._feedback + self.guards.feedback * (is_counted - self.target.rate)
        self._feedback = min(max(moved, self.guards.lowest), self.guards.highest)
        if self._in_alarm:
            self._learn_alarm(score, entry)
        else:
            self._learn_quiet(score)

    def _learn_alarm(self, score: float, entry: float) -> None:
        self._n_alarm += 1
        if self._n_alarm > self.guards.memory:
            self._remember(score)
        elif self._n_alarm <= self.guards.learned:
            self._remember(min(score, entry + self.guards.winsor))

    def _learn_quiet(self, score: float) -> None:
        self._waiting.append(score)
        if len(self._waiting) > self.guards.delay:
            self._remember(self._waiting.popleft())

    def _remember(self, score: float) -> None:
        self._memory[self._next] = score
        self._next = (self._next + 1) % self.guards.memory

    def _level(self) -> float:
        """The threshold that memory and feedback come to."""
        start, excess, largest = self._tail()
        rate = self._row_rate if self._counts_episodes else self._row_rate * math.exp(-self._feedback)
        level = self._quantile(min(0.5, rate), start, excess, largest)
        return level + self._feedback * excess if self._counts_episodes else level

    def _quantile(self, rate: float, start: float, excess: float, largest: float) -> float:
        """The score that this share of the memory exceeds; beyond what it holds, an exponential tail."""
        n_rows = len(self._memory)
        if rate * n_rows >= min(_ENOUGH, self._n_tail):
            return float(np.quantile(self._memory, 1 - rate))
        extrapolated = start + max(excess, 1e-9) * math.log(self._n_tail / n_rows / rate)
        return min(extrapolated, largest + self.guards.reach)

    @property
    def _n_tail(self) -> int:
        return max(10, int(self.guards.tail * len(self._memory)))

    def _tail(self) -> tuple[float, float, float]:
        """Start, mean excess and largest score of the memory's tail."""
        place = len(self._memory) - self._n_tail - 1
        largest = np.partition(self._memory, place)[place:]
        start = float(largest[0])
        return start, float(largest[1:].mean()) - start, float(largest.max())


def _rows_an_episode(scores: FloatArray) -> float:
    high = float(np.quantile(scores, 1 - _HIGH))
    n_runs = len(cluster_peaks(scores, high))
    return float((np.count_nonzero(scores > high) / max(1, n_runs)) ** _SHORTENING) if n_runs else 1.0
