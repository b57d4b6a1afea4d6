"""The levels that remembered scores come to, for many series at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tsae.alarms.thresholds.guards import Guards

__all__ = ["FollowedTail"]

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
