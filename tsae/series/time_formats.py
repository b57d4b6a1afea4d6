"""Which format the times of a column are in."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product

import pandas as pd

from tsae.errors import ParameterError
from tsae.series.cells import MISSING, cell_kind, reads_as_number

__all__ = ["NS_PER_UNIT", "TimeFormat", "fits_format", "fits_pattern", "guess_format", "stated_format"]

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
    for unit, factor in NS_PER_UNIT.items():
        if sum(_is_epoch(cell, 10**9 // factor) for cell in present) >= enough:
            return TimeFormat(unit)
    for pattern in _COMPACT:
        if sum(fits_pattern(cell, pattern) for cell in present) >= enough:
            return TimeFormat(pattern, (pattern,), date_only=pattern == "%Y%m%d")
    dated = [cell for cell in present if cell_kind(cell) == "time"]
    if len(dated) < enough:
        return None
    if sum(_is_iso(cell) for cell in dated) >= enough:
        return TimeFormat("iso", date_only=all(len(cell) <= len("2026-11-24") for cell in dated))
    return _guess_pattern(dated, enough)


def fits_format(cells: Sequence[str], format: TimeFormat, *, at_least: float = 0.8) -> bool:
    """Whether at least a share of the cells is in a format."""
    present = _present(cells)
    if format.name == "iso":
        hits = sum(_is_iso(cell) for cell in present)
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
    return [_comma_to_point(cell) for cell in stripped if cell not in MISSING][:_SAMPLE]


def _comma_to_point(cell: str) -> str:
    return re.sub(r",(\d+)$", r".\1", cell)


def _is_epoch(cell: str, per_second: int) -> bool:
    try:
        seconds = float(cell) / per_second
    except ValueError:
        return False
    return _PLAUSIBLE_SECONDS[0] <= seconds <= _PLAUSIBLE_SECONDS[1]


def _is_iso(cell: str) -> bool:
    return bool(pd.notna(pd.to_datetime(cell, format="ISO8601", utc=True, errors="coerce")))


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
