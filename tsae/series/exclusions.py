"""Times to leave out of training, threshold and alarms: maintenance, start-up, known faults, weekly cleaning."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from tsae.errors import DataError
from tsae.series.grid import timestamps_ns
from tsae.series.schedules import Schedule
from tsae.series.times import NS_PER_UNIT, UnreadableTimeError, guess_format, localize, parse_times

__all__ = ["Exclusion", "Exclusions", "read_exclusions"]

_NS_PER_DAY = 86_400 * 10**9


@dataclass(frozen=True)
class Exclusion:
    """An interval to leave out, both ends included: times, or row numbers if the table has no time."""

    start: pd.Timestamp | int
    end: pd.Timestamp | int
    reason: str = ""


@dataclass(frozen=True)
class Exclusions:
    """Intervals and recurring times to leave out; they may overlap. `|` joins two of them.

    Examples
    --------
    >>> import pandas as pd
    >>> Exclusions((Exclusion(1, 2, "maintenance"),)).mask(pd.RangeIndex(5)).tolist()
    [False, True, True, False, False]
    >>> Exclusions.recurring("daily 00:00-00:20").mask(pd.date_range("2026-11-24", periods=3, freq="15min")).tolist()
    [True, True, False]
    """

    intervals: tuple[Exclusion, ...] = ()
    schedules: tuple[Schedule, ...] = ()

    @classmethod
    def recurring(cls, *texts: str, time_zone: str | None = None) -> Exclusions:
        """Return recurring times to leave out, such as "Sat 02:00-06:00" or "Mon-Fri 22:00-06:00 Europe/Berlin".

        Times of rows that carry a zone need schedules with one. The start is left out, the end is not.

        Parameters
        ----------
        time_zone : str, optional
            Zone of schedules that state none.

        Raises
        ------
        ParameterError
            If a text is not a schedule.
        """
        return cls(schedules=tuple(Schedule.parse(text, time_zone=time_zone) for text in texts))

    def __or__(self, other: Exclusions) -> Exclusions:
        return Exclusions(self.intervals + other.intervals, self.schedules + other.schedules)

    def mask(self, index: pd.Index) -> NDArray[np.bool_]:
        """Return the rows that lie in an interval or a recurring time.

        Parameters
        ----------
        index : pandas.Index, shape (n_timesteps,)
            Times, or row numbers.

        Returns
        -------
        ndarray of bool, shape (n_timesteps,)

        Raises
        ------
        DataError
            If only one of exclusions and rows has times, or a time zone.
        """
        inside = np.zeros(len(index), dtype=bool)
        for schedule in self.schedules:
            inside |= schedule.mask(index)
        return inside | self._in_intervals(index) if self.intervals else inside

    def mask_ns(self, times: NDArray[np.int64], zone: str | None) -> NDArray[np.bool_]:
        """Return `mask` of times `(n_timesteps,)` in nanoseconds since 1970, which are in UTC if `zone` is "UTC"."""
        index = pd.DatetimeIndex(times.view("datetime64[ns]"))
        return self.mask(index if zone is None else index.tz_localize(zone))

    def check_times(self, *, zoned: bool) -> None:
        """Raise a `DataError` if times with or without a time zone cannot be held against the exclusions."""
        self.mask(pd.DatetimeIndex([], tz="UTC" if zoned else None))

    def _in_intervals(self, index: pd.Index) -> NDArray[np.bool_]:
        self._refuse_mismatch(index)
        if not len(index):
            return np.zeros(0, dtype=bool)
        rows = timestamps_ns(index) if isinstance(index, pd.DatetimeIndex) else index.to_numpy()
        bounds = sorted((_number(one.start), _number(one.end)) for one in self.intervals)
        starts, ends = np.array(bounds, dtype=np.int64).T
        last_started = np.searchsorted(starts, rows, side="right") - 1
        ends_so_far = np.maximum.accumulate(ends)
        return np.asarray((last_started >= 0) & (rows <= ends_so_far[last_started]))

    def _refuse_mismatch(self, index: pd.Index) -> None:
        start = self.intervals[0].start
        if isinstance(index, pd.DatetimeIndex) != isinstance(start, pd.Timestamp):
            ours, theirs = ("times", "row numbers") if isinstance(start, pd.Timestamp) else ("row numbers", "times")
            raise DataError(f"the exclusions are {ours} (first {start}), but the table has {theirs}; use {theirs}")
        index_zone, own_zone = getattr(index, "tz", None), getattr(start, "tz", None)
        if index_zone is not None and own_zone is None:
            raise DataError(
                f"the exclusions carry no time zone (first {start}), but the table does; write them like "
                "2026-11-24T10:00+01:00, or state the `time_zone` they are in"
            )
        if index_zone is None and own_zone is not None:
            raise DataError(
                f"the exclusions carry a time zone (first {start}), but the table does not; write them without, "
                "or state the `time_zone` of the table"
            )


def _number(bound: pd.Timestamp | int) -> int:
    return bound.as_unit("ns").value if isinstance(bound, pd.Timestamp) else bound


def read_exclusions(path: str | Path, *, time_zone: str | None = None) -> Exclusions:
    """Read a CSV with the columns `start`, `end` and, if wanted, `reason`.

    Parameters
    ----------
    path : str or Path
        Times in any format that sensor tables may have, or row numbers. Both ends are included; an `end` that
        is a date alone means the whole day.
    time_zone : str, optional
        Zone of times that carry none, as for the table; they become UTC.

    Raises
    ------
    DataError
        If a column is missing, a time does not parse, or an interval ends before it starts.
    """
    header, rows, lines = _read_csv(Path(path))
    missing = [name for name in ("start", "end") if name not in header]
    if missing:
        raise DataError(
            f"{path}: the column {missing[0]!r} is missing, the header is {', '.join(header)!r}; write a CSV with "
            "the header start,end,reason"
        )
    if not rows:
        return Exclusions()
    cells = [[row[header.index(name)].strip() for row in rows] for name in ("start", "end")]
    places = [f"{path}, line {line}" for line in lines]
    reasons = [row[header.index("reason")].strip() for row in rows] if "reason" in header else [""] * len(rows)
    starts, ends = _bounds(cells[0], cells[1], places, time_zone)
    for start, end, place in zip(starts, ends, places, strict=True):
        if _number(start) > _number(end):
            raise DataError(f"{place}: the interval starts at {start}, after its end at {end}; swap them")
    return Exclusions(tuple(Exclusion(*interval) for interval in zip(starts, ends, reasons, strict=True)))


def _read_csv(path: Path) -> tuple[list[str], list[list[str]], list[int]]:
    try:
        content = path.read_bytes()
        try:
            lines = content.decode("utf-8-sig").splitlines()
        except UnicodeDecodeError:
            lines = content.decode("cp1252").splitlines()
        reader = csv.reader(lines, delimiter=max(",;\t", key="".join(lines[:1]).count))
        records = [(record, reader.line_num) for record in reader if any(cell.strip() for cell in record)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot read the exclusions {str(path)!r} ({error}); write a CSV in UTF-8") from error
    header = [cell.strip().lower() for cell in records[0][0]] if records else []
    for record, line in records[1:]:
        if len(record) < len(header):
            raise DataError(f"{path}, line {line}: there are {len(record)} cells, not {len(header)}; fill them in")
    return header, [record for record, _ in records[1:]], [line for _, line in records[1:]]


def _bounds(
    starts: list[str], ends: list[str], places: list[str], time_zone: str | None
) -> tuple[Sequence[pd.Timestamp | int], Sequence[pd.Timestamp | int]]:
    cells, places, n_intervals = starts + ends, places * 2, len(starts)
    time_format = guess_format(cells, at_least=0.5)
    if time_format is None and all(cell.isdigit() for cell in cells):
        return [int(cell) for cell in starts], [int(cell) for cell in ends]
    if time_format is None:
        raise DataError(f"{places[0]}: {cells[0]!r} is neither a time nor a row number; write 2026-11-24 10:00")
    try:
        times = parse_times(pa.chunked_array([cells]), time_format)
        ns = times.ns.copy()
        if time_format.name not in NS_PER_UNIT:  # a date alone is the whole day
            is_day = [":" not in cell and len(cell) <= len("24-Nov-2026") for cell in ends]
            ns[n_intervals:] += np.where(is_day, _NS_PER_DAY - 1, 0)
        if time_zone is not None and not times.zoned:
            ns, _ = localize(ns, time_zone)
    except UnreadableTimeError as error:
        raise DataError(f"{places[error.row]}: {error}; write times like 2026-11-24 10:00") from error
    zone = "UTC" if times.zoned or time_zone is not None else None
    bounds = [pd.Timestamp(int(value), tz=zone) for value in ns]
    return bounds[:n_intervals], bounds[n_intervals:]
