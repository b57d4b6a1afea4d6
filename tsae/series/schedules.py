"""Recurring times, such as "Sat 02:00-06:00 Europe/Berlin"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsae.errors import DataError, ParameterError

__all__ = ["Schedule", "looks_like_schedule"]

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DAY = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_CLOCK = r"(\d{1,2}):(\d{2})"
_SCHEDULE = re.compile(
    rf"\s*(?P<days>daily|{_DAY}(?:\s*[-,]\s*{_DAY})*)\s+{_CLOCK}\s*-\s*{_CLOCK}(?:\s+(?P<zone>\S+))?\s*",
    re.IGNORECASE,
)
_LOOK = re.compile(r"\d{1,2}:\d{2}\s*-\s*\d{1,2}:\d{2}")
_MINUTES_OF_DAY = 24 * 60


def looks_like_schedule(text: str) -> bool:
    """Return whether a text is meant as a schedule, right or wrong, and not as the name of a file."""
    return _LOOK.search(text) is not None


@dataclass(frozen=True)
class Schedule:
    """Time of the day that recurs on some days of the week, by the clock on the wall.

    On the day on which clocks go forward, the hour that they skip excludes nothing; on the day on which they go back,
    the hour that comes twice counts both times.

    Examples
    --------
    >>> import pandas as pd
    >>> night = Schedule.parse("Mon-Fri 22:00-06:00")
    >>> night.mask(pd.DatetimeIndex(["2026-11-27 23:00", "2026-11-28 05:59", "2026-11-28 23:00"])).tolist()
    [True, True, False]
    >>> str(night)
    'Mon,Tue,Wed,Thu,Fri 22:00-06:00'
    """

    days: tuple[int, ...]
    """Days on which it begins, rising, 0 for Monday."""
    start: int
    """First minute of the day."""
    end: int
    """Minute of the day before which it ends, at most 1440; it lies on the next day if it is before `start`."""
    time_zone: str | None = None
    """Name of the zone whose clock counts, such as Europe/Berlin; `None` for times that carry no zone."""

    @classmethod
    def parse(cls, text: str, *, time_zone: str | None = None) -> Schedule:
        """Read a schedule: days, a span of time and, if wanted, a time zone.

        Days are "daily", names such as "Sat", ranges such as "Mon-Fri", or several of them, joined by commas. The start
        of the span is included, its end is not; a span such as 22:00-06:00 ends on the next day.

        Parameters
        ----------
        time_zone
            Zone of a schedule that states none.

        Raises
        ------
        ParameterError
            If the text is not a schedule, or the time zone is unknown.
        """
        match = _SCHEDULE.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            raise ParameterError(
                f"recurring exclusion {text!r} must be days, a span of time and an optional time zone; write "
                "'Sat 02:00-06:00', 'daily 00:00-00:20' or 'Mon-Fri 22:00-06:00 Europe/Berlin'"
            )
        hours = [int(number) for number in match.groups()[1:5]]
        start, end = 60 * hours[0] + hours[1], 60 * hours[2] + hours[3]
        is_clock = max(hours[1], hours[3]) < 60 and start < _MINUTES_OF_DAY and 0 <= end <= _MINUTES_OF_DAY
        if not is_clock or start == end:
            raise ParameterError(
                f"recurring exclusion {text!r} must span times of the day from 00:00 to 24:00 that differ; write "
                "00:00-24:00 for a whole day"
            )
        zone = match["zone"] or time_zone
        _check_zone(text, zone)
        return cls(_days(match["days"]), start, end, zone)

    def __str__(self) -> str:
        days = "daily" if len(self.days) == len(_DAYS) else ",".join(_DAYS[day] for day in self.days)
        clocks = "-".join(f"{minute // 60:02}:{minute % 60:02}" for minute in (self.start, self.end))
        return f"{days} {clocks}" + (f" {self.time_zone}" if self.time_zone else "")

    def mask(self, index: pd.Index) -> NDArray[np.bool_]:
        """Return the rows that lie in it, `(n_timesteps,)`.

        Raises
        ------
        DataError
            If the rows have no times, or only one of rows and schedule has a time zone.
        """
        local = self._local(index)
        day, minute = np.asarray(local.day_of_week), np.asarray(60 * local.hour + local.minute)
        starts_here = np.isin(day, self.days)
        if self.start < self.end:
            return np.asarray(starts_here & (minute >= self.start) & (minute < self.end))
        started_before = np.isin((day - 1) % len(_DAYS), self.days)
        return np.asarray((starts_here & (minute >= self.start)) | (started_before & (minute < self.end)))

    def check_zone(self, *, zoned: bool) -> None:
        """Raise a `DataError` if only one of rows and schedule has a time zone."""
        if zoned and self.time_zone is None:
            raise DataError(
                f"recurring exclusion '{self}' must state a time zone, because the times of the rows carry one; write "
                f"'{self} Europe/Berlin'"
            )
        if not zoned and self.time_zone is not None:
            raise DataError(
                f"recurring exclusion '{self}' states a time zone, but the times of the rows carry none; leave it out, "
                "or state the `time_zone` of the table"
            )

    def _local(self, index: pd.Index) -> Any:
        if not isinstance(index, pd.DatetimeIndex):
            raise DataError(
                f"recurring exclusion '{self}' needs rows with times, but these have numbers; name the column of the "
                "time, or exclude intervals of row numbers"
            )
        self.check_zone(zoned=index.tz is not None)
        return index if index.tz is None else index.tz_convert(self.time_zone)


def _days(text: str) -> tuple[int, ...]:
    if text.lower() == "daily":
        return tuple(range(len(_DAYS)))
    found: set[int] = set()
    for part in text.split(","):
        first, last = (_DAYS.index(name.strip().capitalize()) for name in (part.split("-") * 2)[:2])
        found.update((first + step) % len(_DAYS) for step in range((last - first) % len(_DAYS) + 1))
    return tuple(sorted(found))


def _check_zone(text: str, zone: str | None) -> None:
    from zoneinfo import ZoneInfo

    try:
        if zone is not None:
            ZoneInfo(zone)
    except (LookupError, ValueError, OSError) as error:
        raise ParameterError(
            f"recurring exclusion {text!r} has the unknown time zone {zone!r}; state one such as Europe/Berlin"
        ) from error
