"""Rows into order: one entity after the other, sorted by time, each time once, or numbered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsae.errors import DataError
from tsae.series.options import ReadOptions
from tsae.series.times import ParsedTimes, UnreadableTimeError, localize

__all__ = ["IndexedRows", "Order", "count_rows", "group_rows", "index_by_time", "sort_rows"]

_BLOCK = 3  # clashing times in a row before it is called a clock that was set back

Groups = Mapping[str, NDArray[np.int64]]
"""Rows of the file by entity."""


@dataclass(frozen=True)
class IndexedRows:
    """Rows of the file to keep, in order, and their index."""

    rows: NDArray[np.int64]
    index: pd.Index


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
    back = np.flatnonzero(steps < 0) + 1  # rising times follow each, up to the next
    ends = np.append(back, len(times))[1:]
    repeats = np.concatenate(([0], np.cumsum(is_repeat)))
    return Order(
        rows=rows[order[is_first]],
        n_duplicates=int(is_repeat.sum()),
        n_late=int(is_late.sum()),
        set_backs=tuple(rows[back[repeats[ends] - repeats[back] >= _BLOCK]].tolist()),
    )


def index_by_time(
    groups: Groups, times: ParsedTimes, name: str, options: ReadOptions, place: Callable[[int], str]
) -> tuple[dict[str, IndexedRows], list[str]]:
    """Sort each entity by time.

    Returns
    -------
    indexed : dict
        By entity, with a `DatetimeIndex` of nanoseconds called `name`.
    notes : list of str
        What was out of order.

    Raises
    ------
    DataError
        If most times repeat, or if a time does not exist in the time zone.
    """
    zone = None if times.zoned else options.time_zone
    utc = times.ns if zone is None else times.ns.copy()
    n_guessed = 0
    orders: dict[str, Order] = {}
    for entity, rows in groups.items():
        if zone is not None:
            try:
                utc[rows], guessed = localize(times.ns[rows], zone)
            except UnreadableTimeError as error:
                where = place(int(rows[error.row]))
                raise DataError(f"`time_zone` (={zone!r}) does not fit: {where}: {error}") from error
            n_guessed += guessed
        orders[entity] = sort_rows(rows, utc[rows])
    remarks = _remarks(orders, len(utc), options, place)
    is_utc = times.zoned or zone is not None
    indexed = {}
    for entity, order in orders.items():
        index = pd.DatetimeIndex(utc[order.rows].view("datetime64[ns]"), name=name)
        indexed[entity] = IndexedRows(order.rows, index.tz_localize("UTC") if is_utc else index)
    notes = [f"times are read from {name!r}, format {times.format}, " + ("in UTC" if is_utc else "without zone")]
    if n_guessed:
        notes.append(f"the hour that repeats in autumn in {zone} cannot be told apart; it is taken as winter time")
    return indexed, notes + remarks


def _remarks(orders: Mapping[str, Order], n_rows: int, options: ReadOptions, place: Callable[[int], str]) -> list[str]:
    """Say what was out of order; refuse times that mostly repeat."""
    n_late = sum(order.n_late for order in orders.values())
    n_duplicates = sum(order.n_duplicates for order in orders.values())
    set_backs = sorted(row for order in orders.values() for row in order.set_backs)
    if n_duplicates > n_rows / 2:
        way_out = "drop what repeats" if options.entity else "if it holds several machines, name their `entity` column"
        raise DataError(
            f"{n_duplicates} of {n_rows} rows repeat the time of another row, and only one row per time can "
            f"be kept; {way_out}, or state another `timestamp` column"
        )
    notes = []
    if n_late:
        notes.append(f"rows were sorted by time: {n_late} came after a row with a later time")
    if n_duplicates:
        notes.append(f"rows were dropped: {n_duplicates} repeat the time of an earlier row, which is kept")
    if set_backs:
        notes.append(
            f"the clock was set back in {place(set_backs[0])}"
            + (f" and {len(set_backs) - 1} times more" if set_backs[1:] else "")
            + ", and times repeat after it; if that is the end of summer time, state the `time_zone`"
        )
    return notes


def count_rows(values: NDArray[np.float64], groups: Groups, name: str | None) -> dict[str, pd.RangeIndex] | None:
    """Read a column as row numbers: whole numbers that rise by one fixed step within each entity.

    The index of each entity is called `name`.

    Returns
    -------
    dict or None
        The numbers as an index by entity; `None` if the column does not count.
    """
    if not (np.abs(values) < 2**53).all():
        return None
    counted: dict[str, pd.RangeIndex] = {}
    for entity, rows in groups.items():
        own = values[rows]
        start = int(own[0])
        step = int(own[1]) - start if len(own) > 1 else 1
        if step <= 0 or not np.array_equal(own, start + step * np.arange(len(own))):
            return None
        counted[entity] = pd.RangeIndex(start, start + step * len(own), step, name=name)
    return counted
