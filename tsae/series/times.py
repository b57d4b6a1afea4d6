"""Text to time: the format of a column of times, and the times as nanoseconds since 1970."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tsae.errors import ParameterError
from tsae.series.cells import MISSING, cell_kind, reads_as_number

__all__ = [
    "NS_PER_UNIT",
    "ParsedTimes",
    "TimeFormat",
    "UnreadableTimeError",
    "fits_format",
    "guess_format",
    "localize",
    "parse_times",
    "stated_format",
]

NS_PER_UNIT = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_PLAUSIBLE_SECONDS = (631_152_000, 4_102_444_800)  # 1990 to 2100: the ranges of the four units do not touch
_COMPACT = {"%Y%m%d%H%M%S": 14, "%Y%m%d%H%M": 12, "%Y%m%d": 8}
_MONTH_FIRST = {"%d/%m/%Y": "%m/%d/%Y", "%d-%m-%Y": "%m-%d-%Y", "%d/%m/%y": "%m/%d/%y"}
_CLEAR_DATES = (
    *("%d.%m.%Y", "%d.%m.%y", "%Y.%m.%d", "%Y/%m/%d", "%Y-%m-%d"),
    *("%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%d/%b/%Y"),
)
_CLOCKS = ("%H:%M:%S", "%H:%M", "%H:%M:%S.%f", "%I:%M:%S %p", "%I:%M %p")
_SAMPLE = 20
_ZONE = r"[:T]\d{2,6}(?:\.\d+)?\s*(?:[Zz]|[+-]\d{2}(?::?\d{2})?)$"


@dataclass(frozen=True)
class TimeFormat:
    """How the times of a column are written."""

    name: str
    """"iso", an epoch unit, or a strptime pattern, of the date alone where it was guessed."""
    patterns: tuple[str, ...] = ()
    """Complete strptime patterns to try, the most frequent one first."""
    month_first: str = ""
    """The date pattern to take instead if the rows show a month first; empty where that is no question."""
    date_only: bool = False


def stated_format(name: str) -> TimeFormat:
    """Take a format that the caller states.

    Raises
    ------
    ParameterError
        If it is neither "iso", an epoch unit, nor a strptime pattern.
    """
    if name == "iso" or name in NS_PER_UNIT:
        return TimeFormat(name)
    now = datetime(2026, 11, 24, tzinfo=UTC)
    try:
        is_pattern = "%" in name and bool(datetime.strptime(now.strftime(name), name))
    except (ValueError, re.error):
        is_pattern = False
    if not is_pattern:
        raise ParameterError(
            f"`timestamp_format` (={name!r}) must be 'iso', 's', 'ms', 'us', 'ns' or a strptime pattern "
            "such as '%d.%m.%Y %H:%M'"
        )
    return TimeFormat(name, (name,))


def guess_format(cells: Sequence[str], *, at_least: float = 0.8) -> TimeFormat | None:
    """Guess the time format that at least a share of the cells is in; `None` if there is none.

    Examples
    --------
    >>> guess_format(["24.11.2026 10:00", "24.11.2026 10:10"]).name
    '%d.%m.%Y'
    >>> guess_format(["1790000000000", "1790000060000"]).name
    'ms'
    >>> guess_format(["10.5", "11.5"]) is None
    True
    """
    present = _present(cells)
    if not present:
        return None
    enough = at_least * len(present)
    numbers = pd.to_numeric(pd.Series(present, dtype=object), errors="coerce").astype(float)
    for unit, factor in NS_PER_UNIT.items():
        if (numbers / (10**9 // factor)).between(*_PLAUSIBLE_SECONDS).sum() >= enough:
            return TimeFormat(unit)
    for pattern in _COMPACT:
        if sum(fits_pattern(cell, pattern) for cell in present) >= enough:
            return TimeFormat(pattern, (pattern,), date_only=pattern == "%Y%m%d")
    dated = [cell for cell in present if cell_kind(cell) == "time"]
    if len(dated) < enough:
        return None
    if _count_iso(dated) >= enough:
        return TimeFormat("iso", date_only=all(len(cell) <= len("2026-11-24") for cell in dated))
    return _guess_pattern(dated, enough)


def fits_format(cells: Sequence[str], format: TimeFormat, *, at_least: float = 0.8) -> bool:
    """Whether at least a share of the cells is in a format."""
    present = _present(cells)
    if format.name == "iso":
        hits = _count_iso(present)
    elif format.name in NS_PER_UNIT:
        hits = sum(reads_as_number(cell) for cell in present)
    else:
        hits = sum(any(fits_pattern(cell, pattern) for pattern in format.patterns) for cell in present)
    return bool(present) and hits >= at_least * len(present)


def fits_pattern(cell: str, pattern: str) -> bool:
    """Whether a cell reads by a strptime pattern."""
    if pattern in _COMPACT and not (cell.isdigit() and len(cell) == _COMPACT[pattern]):
        return False  # strptime would also take single digits
    try:
        return bool(datetime.strptime(cell.strip(), pattern))
    except ValueError:
        return False


def _present(cells: Sequence[str]) -> list[str]:
    stripped = (cell.strip() for cell in cells)
    return [re.sub(r",(\d+)$", r".\1", cell) for cell in stripped if cell not in MISSING][:_SAMPLE]


def _count_iso(cells: list[str]) -> int:
    times = pd.to_datetime(cells, format="ISO8601", utc=True, errors="coerce")
    return int(np.count_nonzero(times.notna()))


def _complete(date: str) -> Iterator[str]:
    yield from (f"{date}{glue}{clock}" for glue, clock in product((" ", ", "), _CLOCKS))
    yield date


def _guess_pattern(dated: list[str], enough: float) -> TimeFormat | None:
    for date in (*_MONTH_FIRST, *_MONTH_FIRST.values(), *_CLEAR_DATES):
        found = _fitting_patterns(dated, date, enough)
        if not found:
            continue
        patterns = dict.fromkeys([*found, *_complete(date)])
        # More rows than the sample may show which of the two comes first, so the twins are one format here.
        day_first = next((d for d, m in _MONTH_FIRST.items() if date in (d, m)), date)
        return TimeFormat(
            name=day_first,
            patterns=tuple(pattern.replace(date, day_first) for pattern in patterns),
            month_first=_MONTH_FIRST.get(day_first, ""),
            date_only=found == [date],
        )
    return None


def _fitting_patterns(dated: list[str], date: str, enough: float) -> list[str]:
    """Find the complete patterns of a date that fit, the most frequent first; empty if too few cells do."""
    found: Counter[str] = Counter()
    misses = 0
    for cell in dated:
        candidates = dict.fromkeys([*found, *_complete(date)])  # those that fitted before come first
        fitting = next((pattern for pattern in candidates if fits_pattern(cell, pattern)), None)
        if fitting is not None:
            found[fitting] += 1
            continue
        misses += 1
        if misses > len(dated) - enough:
            return []
    return [pattern for pattern, _ in found.most_common()]


class UnreadableTimeError(ValueError):
    """The time in one row cannot be used; `row` counts from 0."""

    def __init__(self, row: int, reason: str, way_out: str = "repair or delete the row") -> None:
        super().__init__(reason)
        self.row = row
        self.way_out = way_out


@dataclass(frozen=True)
class ParsedTimes:
    """Times `(n_rows,)` as nanoseconds since 1970 (UTC if `zoned`, in the file's own clock otherwise)."""

    ns: NDArray[np.int64]
    zoned: bool
    format: str


def parse_times(column: Any, format: TimeFormat) -> ParsedTimes:
    """Read a whole column of times.

    Parameters
    ----------
    column : pyarrow.ChunkedArray
        Text `(n_rows,)`, or a timestamp or date column of a Parquet file.
    format : TimeFormat
        From `guess_format` or `stated_format`; day-first against month-first is decided here, by all rows.

    Raises
    ------
    UnreadableTimeError
        If a row has no time or one in another format, or if the order of day and month cannot be told.
    """
    if column.null_count:
        raise UnreadableTimeError(int(pc.index(column.is_null(), True).as_py()), "there is no time")
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        zoned = pa.types.is_timestamp(column.type) and column.type.tz is not None
        ns = column.cast(pa.timestamp("ns", "UTC" if zoned else None)).cast(pa.int64())
        return ParsedTimes(ns.to_numpy(), zoned, "native")
    column = column.cast(pa.string())
    if format.name == "iso":
        return _parse_iso(column)
    if format.name in NS_PER_UNIT:
        return ParsedTimes(_parse_epoch(column, format.name), True, format.name)
    format = _settle_day_and_month(column, format)
    zoned = any("%z" in pattern for pattern in format.patterns)
    return ParsedTimes(_parse_patterns(_as_text(column), format.patterns, format.name), zoned, format.name)


def _as_text(column: Any) -> NDArray[np.object_]:
    tidy = pc.replace_substring_regex(pc.utf8_trim_whitespace(column), r",(\d+)$", r".\1")
    return cast("NDArray[np.object_]", tidy.to_numpy())


def _parse_iso(column: Any) -> ParsedTimes:
    for zone in (None, "UTC"):
        try:
            times = column.cast(pa.timestamp("ns", zone))
        except pa.ArrowInvalid:
            continue
        years = pc.utf8_slice_codeunits(column, 0, 4).cast(pa.int64())
        if pc.any(pc.greater(pc.abs(pc.subtract(pc.year(times), years)), 1)).as_py():
            break  # pyarrow before 26 wraps years around that nanoseconds cannot hold
        return ParsedTimes(times.cast(pa.int64()).to_numpy(), zone is not None, "iso")
    cells = _as_text(column)  # slower, knows every spelling, and tells which row does not parse
    has_zone = pc.match_substring_regex(pa.array(cells, pa.string()), _ZONE).to_numpy(zero_copy_only=False)
    ns = _parse_patterns(cells, ("ISO8601",), "ISO 8601")
    if has_zone.any() and not has_zone.all():
        rare = np.flatnonzero(has_zone if has_zone.mean() < 0.5 else ~has_zone)[0]
        which = "a" if has_zone[rare] else "no"
        raise UnreadableTimeError(int(rare), f"{cells[rare]!r} carries {which} zone, unlike other rows")
    return ParsedTimes(ns, bool(has_zone.all()), "iso")


def _parse_epoch(column: Any, unit: str) -> NDArray[np.int64]:
    factor = NS_PER_UNIT[unit]
    try:
        return cast("NDArray[np.int64]", pc.multiply_checked(column.cast(pa.int64()), factor).to_numpy())
    except pa.ArrowInvalid:  # decimals, or a cell that is not a number
        cells = _as_text(column)
        numbers = pd.to_numeric(pd.Series(cells, dtype=object), errors="coerce").to_numpy(dtype=np.float64)
        # A float64 holds today's seconds to about 0.2 µs, so more digits than microseconds are noise.
        micros = numbers * (factor / 1000)
        good = np.abs(micros) < 2.0**63 / 1000
        if not good.all():
            row = int(np.flatnonzero(~good)[0])
            raise UnreadableTimeError(row, f"{cells[row]!r} is not a time in {unit} since 1970") from None
        return np.round(micros).astype(np.int64) * 1000


def _settle_day_and_month(column: Any, format: TimeFormat) -> TimeFormat:
    """Tell the day from the month: a number above 12 is a day."""
    if not format.month_first:
        return format
    fields = pc.extract_regex(column, r"^\s*(?P<first>\d{1,2})[/-](?P<second>\d{1,2})")
    highest = [
        max((int(value) for value in pc.unique(pc.struct_field(fields, name)).to_pylist() if value), default=0)
        for name in ("first", "second")
    ]
    if max(highest) > 12:
        return format if highest[0] > 12 else _month_first(format)
    for row, cell in enumerate(column.to_pylist()):
        if fits_pattern(cell, format.patterns[0]):
            readings = [
                f"{datetime.strptime(cell.strip(), pattern):%d %B %Y} with {pattern!r}"
                for pattern in (format.patterns[0], _month_first(format).patterns[0])
            ]
            raise UnreadableTimeError(
                row,
                f"{cell.strip()!r} can be read in two ways, and so can every other row: {' or '.join(readings)}",
                "state which with `timestamp_format`",
            )
    return format


def _month_first(format: TimeFormat) -> TimeFormat:
    patterns = tuple(pattern.replace(format.name, format.month_first) for pattern in format.patterns)
    return TimeFormat(format.month_first, patterns)


def _parse_patterns(cells: NDArray[np.object_], patterns: Sequence[str], description: str) -> NDArray[np.int64]:
    ns = np.full(len(cells), np.iinfo(np.int64).min)
    todo = np.arange(len(cells))
    for pattern in patterns:
        parsed = pd.DatetimeIndex(pd.to_datetime(pd.Index(cells[todo]), format=pattern, errors="coerce", utc=True))
        year = parsed.year
        good = np.asarray((year > 1700) & (year < 2200))  # the range of nanoseconds; also drops NaT
        ns[todo[good]] = parsed[good].as_unit("ns").asi8
        todo = todo[~good]
        if not len(todo):
            return ns
    raise UnreadableTimeError(int(todo[0]), f"{cells[todo[0]]!r} is not a time in the format {description!r}")


def localize(ns: NDArray[np.int64], zone: str) -> tuple[NDArray[np.int64], bool]:
    """Turn times of a local clock, in the order of the file, into UTC.

    Returns
    -------
    utc : ndarray of int64
        Nanoseconds since 1970.
    guessed : bool
        Whether the repeated hour in autumn could not be told apart; it is then taken as winter time.

    Raises
    ------
    UnreadableTimeError
        If the clock of the zone never showed one of the times.
    """
    local = pd.DatetimeIndex(ns.view("datetime64[ns]"))
    unknown = np.asarray(local.tz_localize(zone, ambiguous="NaT", nonexistent="NaT").isna())
    if not unknown.any():
        return local.tz_localize(zone).asi8, False
    never = np.asarray(local.tz_localize(zone, ambiguous=np.ones(len(ns), bool), nonexistent="NaT").isna())
    if never.any():
        row = int(np.flatnonzero(never)[0])
        raise UnreadableTimeError(row, f"{local[row]} never was on a clock in {zone}")
    try:
        return local.tz_localize(zone, ambiguous="infer").asi8, False
    except ValueError:
        return local.tz_localize(zone, ambiguous=np.zeros(len(ns), bool)).asi8, True
