"""`RecentThreshold`: the threshold that a row's score must exceed to be news, given the latest scores of its lane."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsae.alarms.thresholds.levels import STEP, Level, NewsLevel, RateLevel
from tsae.alarms.thresholds.threshold import FollowingThreshold, Target, known_scores
from tsae.scoring.rings import BoundArrays, Rings

__all__ = ["RecentThreshold"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
LaneNumbers = NDArray[np.intp]

_FADED = 8  # memories after which nothing is added any more
_LANES_AT_ONCE = 128  # so that their latest scores stay in the processor's cache


class _Lanes(NamedTuple):
    """What is remembered of each lane, one place on the first axis."""

    latest: FloatArray
    """Latest scores, `(n, memory)`; the next one overwrites the oldest."""
    sampled: FloatArray
    """Every sixteenth score, `(n, n_sampled)`."""
    n_learned: IntArray
    level: FloatArray
    """What stands until 16 further scores are learned."""
    feedback: FloatArray
    n_held: IntArray
    """Rows for which the alarm that goes on still holds its threshold; 0 without an alarm."""
    n_quiet: IntArray
    """Rows of the alarm since the last one above that threshold."""
    began: FloatArray
    """The threshold that the alarm began with."""


class RecentThreshold(FollowingThreshold):
    """Thresholds of rows in time order, each from scores of earlier rows only.

    The level above which a score is news is set anew after every 16 rows. While an alarm goes on, its rows are held
    against the threshold that it began with, until a window of rows lies below it, or for one and a half windows
    without news: then the change is the new normal. All scores are learned, those of alarms too. Passing rows one by
    one or in blocks gives the same thresholds.

    Parameters
    ----------
    calibration
        Scores of normal rows `(n,)` that the memory begins with, in time order; NaN is left out.
    target
        What to keep on normal rows.
    window_size
        Rows of the longest window.
    arrays
        Where every series has a lane; `None` for a single one, lane 0.
    name
        What names of these arrays begin with.

    Examples
    --------
    >>> import numpy as np
    >>> scores = np.random.default_rng(0).exponential(size=6000)
    >>> recent = RecentThreshold(scores[:1000], Target(0.01), 16)
    >>> drifted = scores[1000:] + np.linspace(0, 5, 5000)
    >>> bool(0.005 < (drifted > recent.thresholds(drifted)).mean() < 0.02)
    True
    """

    def __init__(
        self,
        calibration: FloatArray,
        target: Target,
        window_size: int,
        *,
        arrays: Rings | None = None,
        name: str = "",
    ) -> None:
        known, self.target = known_scores(calibration), target
        is_rows = target.counts == "rows"
        self._rule: Level = RateLevel(target.rate) if is_rows else NewsLevel(target.rate, window_size)
        n_latest, n_sampled = self._rule.memory, self._rule.n_sampled
        latest = np.resize(known[-n_latest:], n_latest)
        sampled = np.resize(known[-STEP * n_sampled :], STEP * n_sampled)[::STEP]
        none = np.zeros(1)
        levels, _ = self._rule.levels(latest[None], sampled[None], np.zeros((1, 0)), none, none)
        self.first = float(levels[0])
        """The level at the start."""
        fading = np.arange(0, _FADED * self._rule.memory, STEP)
        self._added = np.append(self._rule.start * np.exp(-fading / self._rule.memory), 0.0)
        self.arrays = Rings() if arrays is None else arrays
        self._lanes = BoundArrays(self.arrays, _Lanes, name)
        empty = _Lanes(latest, sampled, *(np.array(0) for _ in _Lanes._fields[2:]))._replace(
            level=np.array(self.first), feedback=np.array(0.0), began=np.array(0.0)
        )
        for own, each in zip(self._lanes.names, empty, strict=True):
            self.arrays.add(own, each.shape, each.dtype, empty=each)
        if arrays is None:
            self.arrays.open()

    def levels(self, lanes: LaneNumbers) -> FloatArray:
        """Return the levels of these lanes `(m,)` without what is added at the start."""
        return self._lanes().level[lanes]

    def values(self, lanes: LaneNumbers) -> FloatArray:
        """Return the thresholds that begin an alarm at the next row of each lane, `(m,)`."""
        at = self._lanes()
        added: FloatArray = self._added[np.minimum(at.n_learned[lanes] // STEP, len(self._added) - 1)]
        return at.level[lanes] + added

    def thresholds(self, scores: FloatArray, lane: int = 0) -> FloatArray:
        """Return thresholds `(n,)` of the next rows of a lane, whose scores `(n,)` are learned afterwards."""
        out, at, row, lanes = np.empty(len(scores)), self._lanes(), 0, np.array([lane])
        while row < len(scores):
            block = scores[row : row + STEP - int(at.n_learned[lane]) % STEP]
            value = float(self.values(lanes)[0])
            if at.n_held[lane] or (self._rule.patience and (block > value).any()):
                out[row : row + len(block)] = [self._held(at, lane, score, value) for score in block.tolist()]
            else:
                out[row : row + len(block)] = value
            known = block[~np.isnan(block)]
            places = (int(at.n_learned[lane]) + np.arange(len(known))) % self._rule.memory
            at.latest[lane, places] = known
            at.n_learned[lane] += len(known)
            if len(known) and not at.n_learned[lane] % STEP:
                self._renew(lanes)
            row += len(block)
        return out

    def next(self, score: float, lane: int = 0) -> float:
        """Return the threshold of the next row of a lane, whose score is learned afterwards (NaN is not)."""
        at, rule = self._lanes(), self._rule
        n_learned = int(at.n_learned[lane])
        threshold = value = float(at.level[lane] + self._added[min(n_learned // STEP, len(self._added) - 1)])
        if at.n_held[lane] or (rule.patience and score > value):
            threshold = self._held(at, lane, score, value)
        if score == score:
            at.latest[lane, n_learned % rule.memory] = score
            at.n_learned[lane] = n_learned + 1
            if not (n_learned + 1) % STEP:
                self._renew(np.array([lane]))
        return threshold

    def next_of(self, lanes: LaneNumbers, scores: FloatArray) -> FloatArray:
        """Return thresholds `(m,)` of the next row of each lane, whose scores `(m,)` are learned afterwards.

        No lane may come twice.
        """
        at, thresholds = self._lanes(), self.values(lanes)
        if self._rule.patience:
            for place in np.flatnonzero((scores > thresholds) | (at.n_held[lanes] > 0)).tolist():
                lane, value = int(lanes[place]), float(thresholds[place])
                thresholds[place] = self._held(at, lane, float(scores[place]), value)
        is_known = ~np.isnan(scores)
        lanes = lanes[is_known]
        at.latest[lanes, at.n_learned[lanes] % self._rule.memory] = scores[is_known]
        at.n_learned[lanes] += 1
        due = lanes[at.n_learned[lanes] % STEP == 0]
        for first in range(0, len(due), _LANES_AT_ONCE):
            self._renew(due[first : first + _LANES_AT_ONCE])
        return thresholds

    def _held(self, at: _Lanes, lane: int, score: float, value: float) -> float:
        """Return the threshold of a row with this score that begins an alarm if it exceeds `value`, or is in one."""
        if not at.n_held[lane]:
            if score > value:
                at.began[lane], at.n_held[lane], at.n_quiet[lane] = value, self._rule.patience, 0
            return value
        threshold = min(value, float(at.began[lane]))
        n_quiet = 0 if score > threshold else int(at.n_quiet[lane]) + 1
        left = self._rule.patience if score > value else int(at.n_held[lane]) - 1
        at.n_quiet[lane], at.n_held[lane] = n_quiet, left if n_quiet <= self._rule.gap else 0
        return threshold

    def _renew(self, lanes: LaneNumbers) -> None:
        """Set the levels of these lanes anew: 16 scores have come since the last ones."""
        at, rule = self._lanes(), self._rule
        n_learned = at.n_learned[lanes]
        newest = at.latest[lanes[:, None], (n_learned[:, None] + np.arange(-STEP, 0)) % rule.memory]
        if rule.n_sampled:
            at.sampled[lanes, (n_learned // STEP - 1) % rule.n_sampled] = newest[:, 0]
        at.level[lanes], at.feedback[lanes] = rule.levels(
            at.latest[lanes], at.sampled[lanes], newest, at.level[lanes], at.feedback[lanes]
        )
