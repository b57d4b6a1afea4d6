"""The index of each entity: its times sorted and unique, or its row numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsae.errors import DataError
from tsae.series.options import ReadOptions
from tsae.series.ordering import Order, sort_rows
from tsae.series.timestamps import ParsedTimes, UnreadableTimeError, localize

__all__ = ["IndexedRows", "count_rows", "index_by_number", "index_by_time"]

Groups = Mapping[str, NDArray[np.int64]]
"""Rows of the file by entity."""


@dataclass(frozen=True)
class IndexedRows:
    """Rows of the file to keep, in order, and their index."""

    rows: NDArray[np.int64]
    index: pd.Index


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
    _refuse_mostly_repeats(orders, len(utc), options)
    is_utc = times.zoned or zone is not None
    indexed = {
        entity: IndexedRows(order.rows, _datetime_index(utc[order.rows], is_utc, name))
        for entity, order in orders.items()
    }
    notes = [f"times are read from {name!r}, format {times.format}, " + ("in UTC" if is_utc else "without zone")]
    if n_guessed:
        notes.append(f"the hour that repeats in autumn in {zone} cannot be told apart; it is taken as winter time")
    return indexed, notes + _remarks(orders, place)


def _datetime_index(ns: NDArray[np.int64], is_utc: bool, name: str) -> pd.DatetimeIndex:
    index = pd.DatetimeIndex(ns.view("datetime64[ns]"), name=name)
    return index.tz_localize("UTC") if is_utc else index


def _refuse_mostly_repeats(orders: Mapping[str, Order], n_rows: int, options: ReadOptions) -> None:
    n_duplicates = sum(order.n_duplicates for order in orders.values())
    if n_duplicates > n_rows / 2:
        way_out = "drop what repeats" if options.entity else "if it holds several machines, name their `entity` column"
        raise DataError(
            f"{n_duplicates} of {n_rows} rows repeat the time of another row, and only one row per time can "
            f"be kept; {way_out}, or state another `timestamp` column"
        )


def _remarks(orders: Mapping[str, Order], place: Callable[[int], str]) -> list[str]:
    n_late = sum(order.n_late for order in orders.values())
    n_duplicates = sum(order.n_duplicates for order in orders.values())
    set_backs = sorted(row for order in orders.values() for row in order.set_backs)
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
    counted: dict[str, pd.RangeIndex] = {}
    for entity, rows in groups.items():
        index = _count(values[rows], name)
        if index is None:
            return None
        counted[entity] = index
    return counted


def _count(values: NDArray[np.float64], name: str | None) -> pd.RangeIndex | None:
    if not (np.abs(values) < 2**53).all() or not np.array_equal(values, np.round(values)):
        return None
    start = int(values[0])
    step = int(values[1]) - start if len(values) > 1 else 1
    index = pd.RangeIndex(start, start + step * len(values), step, name=name) if step > 0 else None
    return index if index is not None and np.array_equal(values, index.to_numpy()) else None


def index_by_number(groups: Groups, counted: Mapping[str, pd.RangeIndex] | None) -> dict[str, IndexedRows]:
    """Number the rows of each entity in the order of the file, from 0 or as counted in the file."""
    return {
        entity: IndexedRows(rows, pd.RangeIndex(len(rows)) if counted is None else counted[entity])
        for entity, rows in groups.items()
    }
