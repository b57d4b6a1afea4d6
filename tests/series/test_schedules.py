from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsae.errors import DataError, ParameterError
from tsae.series.exclusions import Exclusion, Exclusions
from tsae.series.schedules import Schedule, looks_like_schedule

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
clocks = st.tuples(st.integers(0, 23), st.integers(0, 59))


def naive(days: set[str], start: str, end: str, local: pd.Timestamp) -> bool:
    """Whether a wall clock shows a time in one of the spans that begin today or yesterday, minute by minute."""
    now = local.strftime("%H:%M")
    yesterday = (local.tz_localize(None).normalize() - timedelta(days=1)).strftime("%a")
    if start < end:
        return local.strftime("%a") in days and start <= now < end
    return (local.strftime("%a") in days and now >= start) or (yesterday in days and now < end)


@given(
    days=st.sets(st.sampled_from(DAYS), min_size=1),
    start=clocks,
    end=clocks,
    zone=st.sampled_from([None, "UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
    first=st.datetimes(min_value=pd.Timestamp("2020-01-01"), max_value=pd.Timestamp("2030-01-01")),
    lower=st.booleans(),
)
def test_a_schedule_is_what_a_wall_clock_shows(
    days: set[str], start: tuple[int, int], end: tuple[int, int], zone: str | None, first: pd.Timestamp, lower: bool
) -> None:
    if start == end:
        return
    begin, stop = (f"{hour:02}:{minute:02}" for hour, minute in (start, end))
    names = ",".join(sorted(days, key=DAYS.index))
    text = f"{names.lower() if lower else names} {begin} - {stop}" + (f" {zone}" if zone else "")
    index = pd.date_range(first, periods=120, freq="97min", tz="UTC" if zone else None)
    schedule = Schedule.parse(text)
    local = index if zone is None else index.tz_convert(zone)
    assert schedule.mask(index).tolist() == [naive(days, begin, stop, time) for time in local]
    assert Schedule.parse(str(schedule)) == schedule
    assert looks_like_schedule(text)


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("daily 00:00-00:20", (0, 1, 2, 3, 4, 5, 6)),
        ("Mon-Fri 22:00-06:00", (0, 1, 2, 3, 4)),
        ("Sat-Mon 1:00-2:00", (0, 5, 6)),
        ("Mon,Wed-Thu 12:00-24:00", (0, 2, 3)),
        ("SUN 02:00-06:00", (6,)),
    ],
)
def test_days_are_names_ranges_and_lists(text: str, days: tuple[int, ...]) -> None:
    assert Schedule.parse(text).days == days


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("02:00-06:00", "write 'Sat 02:00-06:00'"),
        ("Sat 02:00", "must be days, a span of time"),
        ("Samstag 02:00-06:00", "must be days, a span of time"),
        ("Sat 02:00-25:00", "from 00:00 to 24:00"),
        ("Sat 24:00-06:00", "from 00:00 to 24:00"),
        ("Sat 02:60-06:00", "from 00:00 to 24:00"),
        ("Sat 02:00-02:00", "write 00:00-24:00 for a whole day"),
        ("Sat 02:00-06:00 Europe/Berlim", "unknown time zone 'Europe/Berlim'; state one such as Europe/Berlin"),
        ("Sat 02:00-06:00 ../etc", "unknown time zone"),
    ],
)
def test_what_is_no_schedule_is_refused(text: str, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        Schedule.parse(text)


def minutes_excluded(text: str, day: str) -> int:
    start = pd.Timestamp(day, tz="Europe/Berlin")
    index = pd.date_range(start, start + pd.DateOffset(days=1), freq="min", inclusive="left").tz_convert("UTC")
    return int(Schedule.parse(text).mask(index).sum())


def test_daylight_saving_follows_the_clock_on_the_wall() -> None:
    text = "Sun 01:00-04:00 Europe/Berlin"
    assert minutes_excluded(text, "2026-11-22") == 180
    assert minutes_excluded(text, "2026-03-29") == 120  # 02:00 to 03:00 is skipped
    assert minutes_excluded(text, "2026-10-25") == 240  # 02:00 to 03:00 comes twice
    summer = pd.DatetimeIndex(["2026-07-05 00:30", "2026-07-05 01:59", "2026-07-05 02:00"], tz="UTC")
    assert Schedule.parse(text).mask(summer).tolist() == [True, True, False]  # 02:30, 03:59 and 04:00 in Berlin
    assert summer[0].tz_convert(ZoneInfo("Europe/Berlin")).hour == 2


def test_zones_of_rows_and_schedule_must_agree() -> None:
    times = pd.date_range("2026-11-24", periods=3, freq="h")
    with pytest.raises(DataError, match=r"must state a time zone, .* write 'daily 00:00-01:00 Europe/Berlin'"):
        Exclusions.recurring("daily 00:00-01:00").mask(times.tz_localize("UTC"))
    with pytest.raises(DataError, match="states a time zone, but the times of the rows carry none"):
        Exclusions.recurring("daily 00:00-01:00 Europe/Berlin").mask(times)
    with pytest.raises(DataError, match="needs rows with times"):
        Exclusions.recurring("daily 00:00-01:00").mask(pd.RangeIndex(3))
    berlin = Exclusions.recurring("daily 00:00-01:00", time_zone="Europe/Berlin")
    assert berlin.mask(times.tz_localize("Europe/Berlin")).tolist() == [True, False, False]


def test_intervals_and_recurring_times_join() -> None:
    times = pd.date_range("2026-11-24", periods=4, freq="h")
    both = Exclusions((Exclusion(times[2], times[2]),)) | Exclusions.recurring("Tue 00:00-01:00")
    assert both.mask(times).tolist() == [True, False, True, False]
    np.testing.assert_array_equal(both.mask_ns(times.as_unit("ns").asi8, None), both.mask(times))
    assert both.mask(times[:0]).tolist() == []
