"""Rows into order: one entity after the other, sorted by time, each time once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Order", "group_rows", "sort_rows"]

_BLOCK = 3  # clashing times in a row before it is called a clock that was set back


@dataclass(frozen=True)
class Order:
    """The rows to keep, in order, and what was wrong with them."""

    rows: NDArray[np.int64]
    """Row numbers of the file."""
    n_duplicates: int = 0
    n_late: int = 0
    """Rows that came after a row with a later time."""
    set_backs: tuple[int, ...] = ()
    """Rows of the file where the clock went back and times then repeat."""


def group_rows(codes: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Rows of each entity, in the order of the file; `codes` `(n_rows,)` count from 0 without holes.

    Examples
    --------
    >>> import numpy as np
    >>> [rows.tolist() for rows in group_rows(np.array([0, 1, 0]))]
    [[0, 2], [1]]
    """
    order = np.argsort(codes, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)


def sort_rows(rows: NDArray[np.int64], times: NDArray[np.int64]) -> Order:
    """Sort the rows of one entity by their times and keep the first row of each time.

    Parameters
    ----------
    rows : ndarray of int64, shape (n,)
        Row numbers of the file, rising.
    times : ndarray of int64, shape (n,)
        Their times in nanoseconds.

    Examples
    --------
    >>> import numpy as np
    >>> order = sort_rows(np.arange(4), np.array([10, 30, 20, 30]))
    >>> order.rows.tolist(), order.n_duplicates, order.n_late
    ([0, 2, 1], 1, 1)
    """
    steps = np.diff(times)
    if (steps > 0).all():
        return Order(rows)
    order = np.argsort(times, kind="stable")
    is_first = np.concatenate(([True], np.diff(times[order]) > 0))
    is_repeat = np.zeros(len(times), dtype=bool)
    is_repeat[order[~is_first]] = True
    is_late = times < np.maximum.accumulate(times)
    return Order(
        rows=rows[order[is_first]],
        n_duplicates=int(is_repeat.sum()),
        n_late=int(is_late.sum()),
        set_backs=tuple(int(rows[start]) for start in _set_backs(steps, is_repeat)),
    )


def _set_backs(steps: NDArray[np.int64], is_repeat: NDArray[np.bool_]) -> list[int]:
    """Find the steps back after which a run of rising times repeats times that were there before."""
    back = np.flatnonzero(steps < 0) + 1
    ends = np.append(back, len(is_repeat))[1:]
    repeats = np.concatenate(([0], np.cumsum(is_repeat)))
    return [int(start) for start, end in zip(back, ends, strict=True) if repeats[end] - repeats[start] >= _BLOCK]
