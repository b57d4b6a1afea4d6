"""A threshold that follows a new normal without learning an anomaly, for many series side by side."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from tsae.alarms.thresholds.threshold import FollowingThreshold, Target, cluster_peaks, known_scores
from tsae.scoring.rings import BoundArrays, Rings

__all__ = ["AdaptiveThreshold", "FollowedTail", "Guards", "guards_for"]

_MEMORY = {"rows": 2000, "episodes": 3000}
_FINEST = 3.0  # the feedback aims at no less than a third of a row in memory: beyond, the tail is guesswork
_SURE = 1500.0  # feedback of an alarm over its budgeted rate: at a fine budget most alarms there are will be true
_MOST_SURE = 0.75


@dataclass(frozen=True)
class Guards:
    """What keeps a rolling threshold from learning an anomaly. One setting for all series."""

    memory: int
    """Latest learned rows that the threshold is taken from."""
    tail: float
    """Share of the memory that an exponential tail is fitted to."""
    feedback: float
    """By how much one false alarm more or less than the budget moves the log rate that is aimed at, or, for budgets
    of episodes, the threshold in mean excesses of the tail (which is the same if the tail is exponential)."""
    forget: float
    """Rows after which the feedback has faded to 1/e."""
    lowest: float
    highest: float
    """Bounds of the feedback."""
    hysteresis: float
    """How much lower than it began an alarm has to get to end, in nats; at most a quarter of the threshold."""
    held: int = 0
    """Rows for which an alarm is judged by no higher threshold than the one that it began with."""
    learned: int = 24
    """Rows learned from one alarm. What comes after them waits until the alarm ends, or is as long as the memory:
    then it is the new normal."""
    delay: int = 0
    """Rows wait so long to be learned; those still waiting when an alarm begins are left out, as they led up to it."""
    counted: int = 10
    """Flagged rows of one alarm that the feedback counts, for budgets of rows."""
    winsor: float = 0.3
    """Learned rows of an alarm are cut to the threshold plus this, in nats."""
    reach: float = 1.0
    """The tail is extrapolated at most so far beyond the largest score in memory, in nats: rows of an alarm in memory
    make it look heavy."""
    quiet: int = 16
    """Rows without a flag that end an alarm."""


def guards_for(target: Target) -> Guards:
    """The guards of row budgets, on unsmoothed scores, and of episode budgets, on smoothed ones.

    Where the budget allows less than one false alarm in the rows that are remembered, no row of an alarm is learned:
    a few true alarms would look like drift, and raise the threshold far above the next ones.
    """
    memory = _MEMORY[target.counts]
    is_rare = target.rate * memory < 1
    learned = 0 if is_rare else 24
    if target.counts == "rows":
        highest = max(1.0, math.log(_FINEST * memory * target.rate))
        delay = 16 if is_rare else 0
        return Guards(memory, 0.02, 0.4, 5 / target.rate, -1.0, highest, hysteresis=0.3, learned=learned, delay=delay)
    feedback = min(_MOST_SURE, _SURE * target.rate)
    return Guards(
        memory, 0.05, feedback, 1.5 / target.rate, -0.5, 4.0, hysteresis=1.0, held=300, learned=learned, delay=16
    )


FloatArray = NDArray[np.float64]
_ENOUGH = 8.0  # scores above the threshold; with fewer in memory the tail is extrapolated
_AT_ONCE = 128  # lanes; their memory stays in the processor's cache


class FollowedTail:
    """The score that a wanted share of the remembered ones exceeds; beyond what they hold, an exponential tail.

    Parameters
    ----------
    row_rate
        The wanted share, without feedback.
    counts_episodes
        Whether feedback moves the level, in mean excesses of the tail; otherwise it lowers the log rate.
    """

    def __init__(self, guards: Guards, row_rate: float, *, counts_episodes: bool) -> None:
        self._guards, self._row_rate, self._counts_episodes = guards, row_rate, counts_episodes
        self._n_tail = max(10, int(guards.tail * guards.memory))

    def levels(self, memory: FloatArray, feedback: FloatArray, lanes: NDArray[np.intp] | None = None) -> FloatArray:
        """Thresholds `(m,)`.

        Parameters
        ----------
        memory
            Remembered scores of all lanes, `(n_lanes, guards.memory)`.
        feedback
            `(m,)`.
        lanes
            Which of all, `(m,)`; `None` takes every one.
        """
        lanes = np.arange(len(memory)) if lanes is None else lanes
        out = np.empty(len(lanes))
        for first in range(0, len(lanes), _AT_ONCE):
            part = slice(first, first + _AT_ONCE)
            out[part] = self._levels(memory[lanes[part]], feedback[part])
        return out

    def _levels(self, memory: FloatArray, feedback: FloatArray) -> FloatArray:
        """Of memories that may be put into another order."""
        lowered = np.zeros(len(memory)) if self._counts_episodes else feedback
        rates = np.minimum(0.5, self._row_rate * np.exp(-lowered))
        n_rows, n_tail = memory.shape[1], self._n_tail
        place = n_rows - n_tail - 1
        is_held = rates * n_rows >= min(_ENOUGH, n_tail)
        lowest, any_held = place, bool(is_held.any())
        if any_held:
            quantile = (1 - rates[is_held]) * (n_rows - 1)  # where it stands among all scores in order
            lowest = min(place, int(quantile.min()))
        memory.partition(lowest, axis=1)
        largest = memory[:, lowest:]
        largest.sort(axis=1)
        tail = largest[:, place - lowest :]
        start = tail[:, 0]
        excess = np.add.reduce(tail[:, 1:], axis=1) / n_tail - start
        levels: FloatArray = start + np.maximum(excess, 1e-9) * np.log(n_tail / n_rows / rates)
        np.minimum(levels, tail[:, -1] + self._guards.reach, out=levels)
        if any_held:
            below = quantile.astype(np.int64)
            low, high = (largest[is_held, below - lowest + step] for step in (0, 1))
            levels[is_held] = low + (high - low) * (quantile - below)
        return levels + feedback * excess if self._counts_episodes else levels


IntArray = NDArray[np.int64]
LaneNumbers = NDArray[np.intp]
_STEP = 16  # rows for which a threshold stands
_MOST_AHEAD = 64 * _STEP  # quiet rows taken together
_HIGH = 0.05  # share of the calibration scores whose runs say how many rows an episode has
_SHORTENING = 0.9  # higher up, runs are shorter: power of the mean run length
_MOST_OF_IT = 0.25  # hysteresis, as part of the threshold


class _Lanes(NamedTuple):
    """What is remembered of each lane, one place on the first axis."""

    memory: FloatArray
    """Learned scores, `(n, guards.memory)`."""
    next: IntArray
    """Where in the memory the next one goes."""
    waiting: FloatArray
    """Quiet scores, oldest first, that are still to be learned."""
    n_waiting: IntArray
    n_counted: IntArray
    """How many of them the feedback has counted."""
    left: IntArray
    """Rows for which `value` stands."""
    since: IntArray
    """Rows since the last flag, as far as `guards.quiet` counts them."""
    n_alarm: IntArray
    """Rows of the alarm."""
    n_flagged: IntArray
    """Flagged ones."""
    began: FloatArray
    """The threshold that the alarm began with."""
    feedback: FloatArray
    value: FloatArray
    """The threshold that begins an alarm at the next row."""


class AdaptiveThreshold(FollowingThreshold):
    """Thresholds of rows in time order, each from scores of earlier rows only.

    The threshold is the upper quantile of the latest rows. Rows of an alarm are learned too, but few and cut: a
    quantile over unflagged rows alone would never reach a new normal, one over all rows would learn every anomaly.
    Feedback keeps the budget: every alarm raises the threshold by a step, and every row lowers it by the budgeted
    share of one (Gibbs and Candès, "Adaptive conformal inference under distribution shift", NeurIPS 2021; Angelopoulos
    et al., "Conformal PID control for time series prediction", NeurIPS 2023). It needs no labels. While an alarm goes
    on the threshold stands lower (hysteresis), so that a score that hovers about it makes one alarm, not many.
    Handing rows in one by one or in blocks is the same.

    A quiet row changes nothing until its threshold has stood long enough, so that it only waits to be learned then,
    and quiet rows can be taken together; rows of an alarm are taken one by one.

    Parameters
    ----------
    calibration
        Scores of normal rows `(n,)` that the memory begins with, in time order; NaN is left out.
    target
        What to keep on normal rows.
    guards
        `None` takes those of the target.
    arrays
        Where every series has a lane; `None` for a single one, lane 0.
    name
        What names of these arrays begin with.

    Examples
    --------
    >>> import numpy as np
    >>> scores = np.random.default_rng(0).exponential(size=6000)
    >>> adaptive = AdaptiveThreshold(scores[:1000], Target(0.01))
    >>> drifted = scores[1000:] + np.linspace(0, 5, 5000)
    >>> bool(0.005 < (drifted > adaptive.thresholds(drifted)).mean() < 0.02)
    True
    """

    def __init__(
        self,
        calibration: FloatArray,
        target: Target,
        guards: Guards | None = None,
        *,
        arrays: Rings | None = None,
        name: str = "",
    ) -> None:
        known = known_scores(calibration)
        self.target, self.guards = target, guards or guards_for(target)
        self._counts_episodes = target.counts == "episodes"
        self.row_rate = target.rate * (_rows_an_episode(known) if self._counts_episodes else 1.0)
        memory = np.resize(known[-self.guards.memory :], self.guards.memory)
        self._tail = FollowedTail(self.guards, self.row_rate, counts_episodes=self._counts_episodes)
        self.first = float(self._tail.levels(memory[None], np.zeros(1))[0])
        """The threshold at the start."""
        self._fading = 1 - _STEP / max(self.guards.forget, 2 * _STEP)  # of the feedback, from renewal to renewal
        self._most_ahead = min(_MOST_AHEAD, self.guards.memory)
        self.arrays = Rings() if arrays is None else arrays
        self._lanes = BoundArrays(self.arrays, _Lanes, name)
        empty: dict[str, Any] = dict.fromkeys(_Lanes._fields, 0) | {
            "memory": memory,
            "waiting": np.zeros(self.guards.delay + _STEP + 1),
            "since": self.guards.quiet + 1,
            "began": math.inf,
            "feedback": 0.0,
            "value": self.first,
        }
        for own, each in zip(self._lanes.names, empty.values(), strict=True):
            self.arrays.add(own, np.shape(each), np.asarray(each).dtype, empty=each)
        if arrays is None:
            self.arrays.open()

    def values(self, lanes: LaneNumbers) -> FloatArray:
        """The thresholds that begin an alarm at the next row of each lane, `(m,)`."""
        return self._lanes().value[lanes]

    def thresholds(self, scores: FloatArray, lane: int = 0) -> FloatArray:
        """Thresholds `(n,)` of the next rows of a lane, whose scores `(n,)` are learned afterwards."""
        out, at, row, n_ahead = np.empty(len(scores)), self._lanes(), 0, _STEP
        while row < len(scores):
            if at.since[lane] > self.guards.quiet:
                ahead = scores[row : row + n_ahead]
                quiet = self._quiet(ahead, lane)
                out[row : row + len(quiet)] = quiet
                row += len(quiet)
                n_ahead = min(2 * n_ahead, self._most_ahead)
                if len(quiet) == len(ahead):
                    continue
                n_ahead = _STEP
            out[row] = self.next(float(scores[row]), lane)
            row += 1
        return out

    def next(self, score: float, lane: int = 0) -> float:
        """The threshold of the next row of a lane, whose score is learned afterwards (NaN is not)."""
        at = self._lanes()
        left = int(at.left[lane])
        if not left:
            self._renew(np.array([lane]))
            left = _STEP
        at.left[lane] = left - 1
        value = float(at.value[lane])
        if score > value or at.since[lane] <= self.guards.quiet:
            return self._alarm(lane, score, value)
        if score == score:
            n_waiting = int(at.n_waiting[lane])
            at.waiting[lane, n_waiting] = score
            at.n_waiting[lane] = n_waiting + 1
        return value

    def next_of(self, lanes: LaneNumbers, scores: FloatArray) -> FloatArray:
        """Thresholds `(m,)` of the next row of each lane, whose scores `(m,)` are learned afterwards; no lane twice."""
        at = self._lanes()
        is_due = at.left[lanes] == 0
        if is_due.any():
            self._renew(lanes[is_due])
        at.left[lanes] -= 1
        thresholds = at.value[lanes]
        alarms = np.flatnonzero((scores > thresholds) | (at.since[lanes] <= self.guards.quiet))
        if len(alarms):
            for place in alarms.tolist():
                thresholds[place] = self._alarm(int(lanes[place]), float(scores[place]), float(thresholds[place]))
            lanes, scores = np.delete(lanes, alarms), np.delete(scores, alarms)
        n_waiting = at.n_waiting[lanes]
        at.waiting[lanes, n_waiting] = scores
        at.n_waiting[lanes] = n_waiting + (scores == scores)
        return thresholds

    def _quiet(self, scores: FloatArray, lane: int) -> FloatArray:
        """Take the next rows of a lane that is in no alarm up to the first flagged one; return their thresholds.

        While no row is flagged, what the threshold will be learned from at every renewal is known beforehand, so that
        all renewals are worked out side by side; those from the first flagged row on are thrown away.
        """
        at, guards = self._lanes(), self.guards
        n_left, n_waiting = int(at.left[lane]), int(at.n_waiting[lane])
        is_known = ~np.isnan(scores)
        queue = np.concatenate([at.waiting[lane, :n_waiting], scores[is_known]])
        n_queued = n_waiting + np.append(0, np.cumsum(is_known))  # before each row, and at the end
        renewals = np.arange(n_left, len(scores), _STEP)  # rows before which there is one
        n_learned = np.maximum(n_queued[renewals] - guards.delay, 0)
        feedback, faded = self._feedback_at(n_queued[renewals], lane)
        values = np.append(at.value[lane], self._values_after(queue, n_learned, feedback, lane))
        thresholds = values[np.searchsorted(renewals, np.arange(len(scores)), side="right")]
        flagged = np.flatnonzero(scores > thresholds)
        n_taken = int(flagged[0]) if len(flagged) else len(scores)
        last = int(np.searchsorted(renewals, n_taken)) - 1
        n_gone = 0
        if last >= 0:
            n_gone = int(n_learned[last])
            at.value[lane], at.feedback[lane] = values[last + 1], faded[last]
            at.n_counted[lane] = n_queued[renewals[last]] - n_gone
            self._remember(lane, queue[:n_gone])
            n_left = int(renewals[last]) + _STEP
        waiting = queue[n_gone : n_queued[n_taken]]
        at.waiting[lane, : len(waiting)] = waiting
        at.n_waiting[lane], at.left[lane] = len(waiting), n_left - n_taken
        return thresholds[:n_taken]

    def _feedback_at(self, n_queued: IntArray, lane: int) -> tuple[list[float], list[float]]:
        """The feedback at renewals before which so many quiet scores have come, and what it has faded to after each."""
        at, guards = self._lanes(), self.guards
        feedback, n_counted = float(at.feedback[lane]), int(at.n_counted[lane])
        found, faded = [], []
        for n in n_queued.tolist():
            feedback = max(feedback - guards.feedback * self.target.rate * (n - n_counted), guards.lowest)
            found.append(feedback)
            feedback *= self._fading
            faded.append(feedback)
            n_counted = n
        return found, faded

    def _values_after(self, queue: FloatArray, n_learned: IntArray, feedback: list[float], lane: int) -> FloatArray:
        """Thresholds once the first `n_learned` `(m,)` of the queue are learned."""
        if not len(n_learned):
            return np.empty(0)
        at = self._lanes()
        oldest_first = np.roll(at.memory[lane], -int(at.next[lane]))
        memories = sliding_window_view(np.concatenate([oldest_first, queue[: n_learned[-1]]]), self.guards.memory)
        return self._tail.levels(memories, np.array(feedback), n_learned)

    def _renew(self, lanes: LaneNumbers) -> None:
        """The thresholds of these lanes have stood long enough."""
        self._learn_waiting(lanes)
        at = self._lanes()
        at.value[lanes] = self._tail.levels(at.memory, at.feedback[lanes], lanes)
        at.feedback[lanes] *= self._fading
        at.left[lanes] = _STEP

    def _alarm(self, lane: int, score: float, entry: float) -> float:
        """The threshold of a row that begins an alarm, or of one of an alarm; `entry` is what one begins above."""
        at, guards = self._lanes(), self.guards
        was_in_alarm, threshold = bool(at.since[lane] <= guards.quiet), entry
        if was_in_alarm:
            if at.n_alarm[lane] <= guards.held:
                entry = min(entry, float(at.began[lane]))
            threshold = entry - min(guards.hysteresis, _MOST_OF_IT * max(entry, 0.0))
        if math.isnan(score):
            return threshold
        is_flagged = score > threshold
        if not was_in_alarm:
            self._learn_waiting(np.array([lane]))  # what then still waits has led up to the alarm
            at.n_waiting[lane] = at.n_counted[lane] = at.n_alarm[lane] = at.n_flagged[lane] = 0
            at.began[lane] = entry
        at.since[lane] = 0 if is_flagged else at.since[lane] + 1
        at.n_flagged[lane] += is_flagged
        has_ended = bool(at.since[lane] > guards.quiet)
        is_counted = has_ended if self._counts_episodes else is_flagged and at.n_flagged[lane] <= guards.counted
        moved = float(at.feedback[lane]) + guards.feedback * (bool(is_counted) - self.target.rate)
        at.feedback[lane] = min(max(moved, guards.lowest), guards.highest)
        if has_ended:
            at.waiting[lane, 0] = score
            at.n_waiting[lane] = at.n_counted[lane] = 1
            return threshold
        at.n_alarm[lane] += 1
        is_new_normal = at.n_alarm[lane] > guards.memory
        if is_new_normal or at.n_alarm[lane] <= guards.learned:
            learned = score if is_new_normal else min(score, entry + guards.winsor)
            self._remember(lane, np.array([learned]))
        return threshold

    def _learn_waiting(self, lanes: LaneNumbers) -> None:
        """Count the quiet rows, and learn those that have waited long enough."""
        at, guards = self._lanes(), self.guards
        n_waiting = at.n_waiting[lanes]
        lowered = guards.feedback * self.target.rate * (n_waiting - at.n_counted[lanes])
        at.feedback[lanes] = np.maximum(at.feedback[lanes] - lowered, guards.lowest)
        n_learned = np.maximum(n_waiting - guards.delay, 0)
        n_left = n_waiting - n_learned
        at.n_waiting[lanes] = at.n_counted[lanes] = n_left
        for lane, n, left in zip(lanes.tolist(), n_learned.tolist(), n_left.tolist(), strict=True):
            waiting = at.waiting[lane]
            self._remember(lane, waiting[:n])
            waiting[:left] = waiting[n : n + left]

    def _remember(self, lane: int, scores: FloatArray) -> None:
        """Learn scores `(n,)`, which may be more than the memory holds."""
        at = self._lanes()
        memory, first = at.memory[lane], int(at.next[lane])
        at.next[lane] = (first + len(scores)) % len(memory)
        while len(scores):
            part = scores[: len(memory) - first]
            memory[first : first + len(part)] = part
            scores, first = scores[len(part) :], 0


def _rows_an_episode(scores: FloatArray) -> float:
    high = float(np.quantile(scores, 1 - _HIGH))
    n_runs = len(cluster_peaks(scores, high))
    return float((np.count_nonzero(scores > high) / max(1, n_runs)) ** _SHORTENING) if n_runs else 1.0
