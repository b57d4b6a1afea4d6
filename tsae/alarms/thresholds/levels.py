"""Rules that set the level above which a score is news: one for budgets of alarms, one for budgets of rows."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["STEP", "Level", "NewsLevel", "RateLevel"]

FloatArray = NDArray[np.float64]

STEP = 16
"""Rows for which a level stands."""
_SHORTEST_WINDOW = 16  # rows; memories that are counted in windows take shorter ones as this long


class Level(Protocol):
    """Rule that sets a level from the latest scores, for m lanes side by side."""

    memory: int
    """Latest scores that it looks at."""
    n_sampled: int
    """Older scores that it looks at, every sixteenth one."""
    start: float
    """How much higher the level is at a lane's first row, in nats; fades as the memory fills with its own scores."""
    patience: int
    """Rows without news after which an alarm that goes on is the new normal; 0 if alarms hold no threshold."""
    gap: int
    """Quiet rows that end an alarm."""

    def levels(
        self, latest: FloatArray, sampled: FloatArray, newest: FloatArray, values: FloatArray, feedback: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return the next levels and the feedback that they were set with, each `(m,)`.

        Parameters
        ----------
        latest, sampled
            Scores `(m, memory)` and `(m, n_sampled)`, in any order.
        newest
            Those that came since the last levels, `(m, 16)`; `(m, 0)` at the start.
        values, feedback
            The last levels and their feedback, `(m,)`.
        """


class NewsLevel:
    """Level for budgets of alarms, on smoothed scores.

    A score is news if it exceeds by one margin what one in twenty of the latest four windows exceeded, by another what
    one in twenty of the latest 8,000 rows exceeded, and a least level. Scores are −log p of a row in nats, so that a
    budget e times as tight raises all three by one nat. A twentieth leaves room for earlier faults: a smaller part
    would be full of them, and hide the next one.

    Parameters
    ----------
    rate
        Alarms per normal row.
    window_size
        Rows of the longest window.
    """

    _RATE = 1e-4  # at which the margins were chosen
    _HIGH = 0.95
    _MARGIN, _OLDER_MARGIN, _LEAST = 1.5, 2.4, 6.0  # nats
    start = 8.0
    n_sampled = 500

    def __init__(self, rate: float, window_size: int) -> None:
        window = max(window_size, _SHORTEST_WINDOW)
        self.memory = min(max(100, 4 * window), 4000)
        self.gap, self.patience = window, 3 * window // 2
        tighter = math.log(self._RATE / rate)
        self._margin = max(0.25, self._MARGIN + tighter)
        self._older_margin = max(0.5, self._OLDER_MARGIN + tighter)
        self._least = max(2.0, self._LEAST + tighter)

    def levels(
        self,
        latest: FloatArray,
        sampled: FloatArray,
        newest: FloatArray,  # noqa: ARG002
        values: FloatArray,  # noqa: ARG002
        feedback: FloatArray,
    ) -> tuple[FloatArray, FloatArray]:
        """Return levels `(m,)`; see `Level`."""
        above = _quantiles(latest, self._HIGH) + self._margin
        above_older = _quantiles(sampled, self._HIGH) + self._older_margin
        return np.maximum(np.maximum(above, above_older), self._least), feedback


class RateLevel:
    """Level for budgets of rows, on unsmoothed scores: the wanted share of the latest 2,000 exceeds it.

    Where the wanted share is less than eight of them, an exponential tail takes their place. Every flagged row lowers
    the share that is aimed at, every row raises it by the budgeted part of that, and the feedback fades (Gibbs and
    Candès, "Adaptive conformal inference under distribution shift", NeurIPS 2021). It needs no labels.

    Parameters
    ----------
    rate
        Flagged rows per normal row.
    """

    _TAIL = 40  # scores that the exponential tail is fitted to
    _ENOUGH = 8.0
    _REACH = 1.0  # nats beyond the largest score that the tail may reach
    _FEEDBACK, _FORGET = 0.8, 5.0  # a flagged row's part, and expected flagged rows until it has faded to 1/e
    _LOWEST, _HIGHEST = -1.0, 3.0
    memory = 2000
    n_sampled = patience = gap = 0
    start = 0.0

    def __init__(self, rate: float) -> None:
        self._rate, self._fading = rate, math.exp(-STEP * rate / self._FORGET)
        most = math.ceil(min(0.5, rate * math.exp(-self._LOWEST)) * self.memory)
        self._n_top = min(self.memory, max(self._TAIL + 1, most + 2))

    def levels(
        self,
        latest: FloatArray,
        sampled: FloatArray,  # noqa: ARG002
        newest: FloatArray,
        values: FloatArray,
        feedback: FloatArray,
    ) -> tuple[FloatArray, FloatArray]:
        """Return levels and feedback, each `(m,)`; see `Level`."""
        flagged = np.count_nonzero(newest > values[:, None], axis=1)
        moved = feedback * self._fading + self._FEEDBACK * (flagged - newest.shape[1] * self._rate)
        feedback = np.clip(moved, self._LOWEST, self._HIGHEST)
        wanted = np.minimum(0.5, self._rate * np.exp(-feedback)) * self.memory
        top = np.sort(np.partition(latest, -self._n_top, axis=1)[:, -self._n_top :], axis=1)
        begin = top[:, -self._TAIL - 1]
        excess = top[:, -self._TAIL :].mean(axis=1) - begin
        tail = begin + np.maximum(excess, 1e-9) * np.log(self._TAIL / wanted)
        place = self._n_top - 1 - wanted * (self.memory - 1) / self.memory
        below = np.clip(place.astype(np.int64), 0, self._n_top - 2)[:, None]
        low, high = (np.take_along_axis(top, below + step, axis=1)[:, 0] for step in (0, 1))
        within = low + (high - low) * (place - below[:, 0])
        return np.where(wanted >= self._ENOUGH, within, np.minimum(tail, top[:, -1] + self._REACH)), feedback


def _quantiles(scores: FloatArray, share: float) -> FloatArray:
    """Return the score that this share of each row `(m, n)` does not exceed, `(m,)`, one of the scores themselves."""
    place = math.ceil(share * scores.shape[1]) - 1
    return np.asarray(np.partition(scores, place, axis=1)[:, place])
