"""How long switches stay in a state and how often they change, compared with training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["MEMORY", "MOST", "RATE_SPREAD", "HabitWatch", "SwitchHabits", "states_and_changes", "stays_of", "unusual"]

FloatArray = NDArray[np.float64]
MEMORY = 16  # rows that changes are counted in
RATE_SPREAD = 0.25  # of log counts; twice as many changes as ever are three nats
MOST = 9.2  # nats; as for a state of probability 1e-4


@dataclass(frozen=True)
class SwitchHabits:
    """What was usual in training. Infinite where a switch changed too rarely or too irregularly to tell."""

    longest: FloatArray
    """Rows of the longest stay, `(n_switches, 2)`: off, on."""
    spread: FloatArray
    """Mean excess of the logarithm of stays above their 90 % quantile, `(n_switches, 2)`."""
    most_changes: FloatArray
    """Most changes within 16 rows, `(n_switches,)`."""


class HabitWatch:
    """Surprise at how long a switch has not changed and at how often it has, row by row, for one segment.

    Missing states are the last known ones.
    """

    def __init__(self, habits: SwitchHabits) -> None:
        self._habits = habits
        n_switches = len(habits.most_changes)
        self._state: NDArray[np.bool_] | None = None
        self._stay = np.zeros(n_switches, dtype=np.int64)
        self._changes = np.zeros((MEMORY - 1, n_switches), dtype=np.int64)

    def push(self, values: NDArray[np.floating]) -> FloatArray:
        """Take the next values `(n, n_switches)`, NaN where missing; return nats of the same shape."""
        if not len(values):
            return np.zeros(values.shape)
        states, changed = states_and_changes(values, self._state)
        stays = stays_of(changed, self._stay)
        changes = np.concatenate([self._changes, changed])
        total = np.cumsum(np.concatenate([np.zeros((1, values.shape[1]), dtype=np.int64), changes]), axis=0)
        recent = total[MEMORY:] - total[:-MEMORY]
        self._state, self._stay, self._changes = states[-1], stays[-1], changes[len(changes) - MEMORY + 1 :]
        return unusual(self._habits, states, stays, recent)


def unusual(
    habits: SwitchHabits, states: NDArray[np.bool_], stays: NDArray[np.int64], changes: NDArray[np.int64]
) -> FloatArray:
    """Surprise in nats `(n, n_switches)` at states, rows since the last change, and changes within the last 16 rows.

    A stay longer than any in training counts `log(stay / longest) / spread`, and more changes than ever
    `log(changes / most_changes) / 0.25`: an exponential tail of logarithms, at most 9.2.
    """
    columns, side = np.arange(states.shape[1]), states.astype(np.int64)
    too_long = np.log(np.maximum(stays / habits.longest[columns, side], 1)) / habits.spread[columns, side]
    too_often = np.log(np.maximum(changes / habits.most_changes, 1)) / RATE_SPREAD
    return np.minimum(np.maximum(too_long, too_often), MOST)


def states_and_changes(
    values: NDArray[np.floating], before: NDArray[np.bool_] | None
) -> tuple[NDArray[np.bool_], NDArray[Any]]:
    """States `(n, n_switches)`, the last known one where missing, and where they differ from the row before."""
    first = np.zeros(values.shape[1], dtype=bool) if before is None else before
    known = ~np.isnan(values)
    rows = np.maximum.accumulate(np.where(known, np.arange(1, len(values) + 1)[:, None], 0), axis=0)
    padded = np.concatenate([first[None], np.nan_to_num(values) > 0.5])
    states = np.take_along_axis(padded, rows, axis=0)
    previous = np.concatenate([states[:1] if before is None else first[None], states[:-1]])
    return states, states != previous


def stays_of(changed: NDArray[Any], before: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows since the last change, the row itself included, `(n, n_switches)`; `before` is that of the row before."""
    rows = np.arange(len(changed))[:, None]
    latest = np.maximum.accumulate(np.where(changed, rows, -1), axis=0)
    stays: NDArray[np.int64] = np.where(latest < 0, before + rows + 1, rows - latest + 1)
    return stays
