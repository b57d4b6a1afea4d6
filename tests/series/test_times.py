from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsae.errors import ParameterError
from tsae.series.times import UnreadableTimeError, fits_format, guess_format, localize, parse_times, stated_format

DATES = ["%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%d.%m.%y", "%m/%d/%y", "%Y.%m.%d", "%d-%b-%Y", "%Y/%m/%d"]
CLOCKS = [" %H:%M:%S", " %H:%M:%S.%f", " %I:%M:%S %p", ", %H:%M:%S"]


def parsed(cells, format=None):
    guess = stated_format(format) if format else guess_format(cells)
    return parse_times(pa.chunked_array([cells]), guess)


def moment(ns):
    return pd.Timestamp(int(ns)).isoformat()


@given(
    moments=st.lists(
        st.datetimes(datetime(1991, 1, 1), datetime(2068, 1, 1)).map(lambda time: time.replace(microsecond=0)),
        min_size=1,
        max_size=12,
    ),
    pattern=st.sampled_from([date + clock for date in DATES for clock in CLOCKS] + ["%Y%m%d%H%M%S"]),
)
def test_times_written_in_a_pattern_read_back(moments, pattern):
    moments = [*moments, datetime(2026, 11, 24, 13, 45, 10)]  # the 24th tells the day from the month
    cells = [time.strftime(pattern) for time in moments]
    times = parsed(cells)
    assert times.ns.tolist() == [pd.Timestamp(time).as_unit("ns").value for time in moments]
    assert not times.zoned


@given(
    st.lists(
        st.tuples(st.datetimes(datetime(1971, 1, 1), datetime(2099, 1, 1)), st.integers(-14, 14)),
        min_size=1,
        max_size=12,
    )
)
def test_offsets_may_differ_from_row_to_row(moments):
    cells = [f"{time.isoformat()}{offset:+03d}:00" for time, offset in moments]
    times = parsed(cells)
    expected = [(time.replace(tzinfo=UTC) - timedelta(hours=offset)).timestamp() for time, offset in moments]
    assert times.zoned
    assert (times.ns / 1e9).tolist() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("cell", "expected", "zoned"),
    [
        ("2026-11-24", "2026-11-24T00:00:00", False),
        ("2026-11-24T10:05", "2026-11-24T10:05:00", False),
        ("2026-11-24 10:05:06.123456789", "2026-11-24T10:05:06.123456789", False),
        ("2026-11-24 10:05:06,5", "2026-11-24T10:05:06.500000", False),
        ("2026-11-24T10:05:06Z", "2026-11-24T10:05:06", True),
        ("2026-11-24 10:05:06 +0100", "2026-11-24T09:05:06", True),
        ("20261124T100506", "2026-11-24T10:05:06", False),
        (" 24.11.2026 10:05", "2026-11-24T10:05:00", False),
        ("4.1.2026 9:05", "2026-01-04T09:05:00", False),
        ("11/24/26 10:05 PM", "2026-11-24T22:05:00", False),
        ("24-Nov-26 10:05:06", "2026-11-24T10:05:06", False),
        ("20261124", "2026-11-24T00:00:00", False),
        ("1790000000", "2026-09-21T14:13:20", True),
        ("1790000000.25", "2026-09-21T14:13:20.250000", True),
        ("1790000000123", "2026-09-21T14:13:20.123000", True),
        ("1790000000123456", "2026-09-21T14:13:20.123456", True),
        ("1790000000123456789", "2026-09-21T14:13:20.123456789", True),
    ],
)
def test_one_time(cell, expected, zoned):
    times = parsed([cell, cell])
    assert [moment(ns) for ns in times.ns] == [expected] * 2
    assert times.zoned is zoned


@pytest.mark.parametrize("cells", [["1.5", "2.5"], ["100", "200"], ["RUN", "STOP"], ["10:00", "10:10"], ["", "NA"]])
def test_what_is_no_time_is_not_guessed(cells):
    assert guess_format(cells) is None


def test_the_whole_column_tells_the_day_from_the_month():
    clear_late = ["01/02/2026"] * 50 + ["13/02/2026"]
    assert moment(parsed(clear_late).ns[0]) == "2026-02-01T00:00:00"
    month_first = ["01/02/2026"] * 50 + ["01/13/2026"]
    assert moment(parsed(month_first).ns[0]) == "2026-01-02T00:00:00"


def test_dots_mean_day_first():
    assert moment(parsed(["01.02.2026 10:00"]).ns[0]) == "2026-02-01T10:00:00"


def test_if_no_row_tells_both_readings_are_named():
    with pytest.raises(UnreadableTimeError) as caught:
        parsed(["02/03/2026 10:00"] * 3)
    assert "02 March 2026 with '%d/%m/%Y %H:%M' or 03 February 2026 with '%m/%d/%Y %H:%M'" in str(caught.value)
    assert caught.value.way_out == "state which with `timestamp_format`"
    assert moment(parsed(["02/03/2026"], "%m/%d/%Y").ns[0]) == "2026-02-03T00:00:00"


def test_midnight_may_lack_its_clock():
    times = parsed(["23.11.2026 23:50", "24.11.2026", "24.11.2026 00:10:30"])
    assert [moment(ns)[8:] for ns in times.ns] == ["23T23:50:00", "24T00:00:00", "24T00:10:30"]


@pytest.mark.parametrize(
    ("cells", "row", "reason"),
    [
        (["2026-11-24 10:00"] * 5 + ["2026-11-31 10:00"], 5, "'2026-11-31 10:00' is not a time in the format 'ISO"),
        (["24.11.2026"] * 5 + ["24.13.2026"], 5, "'24.13.2026' is not a time in the format '%d.%m.%Y'"),
        (["1790000000"] * 5 + ["soon"], 5, "'soon' is not a time in s since 1970"),
        (["1790000000"] * 5 + ["1e300"], 5, "'1e300' is not a time in s since 1970"),
        (["2026-11-24", None, "2026-11-25"], 1, "there is no time"),
        (["2026-11-24T10:00Z"] * 5 + ["2026-11-24T10:00"], 5, "carries no zone, unlike other rows"),
        (["2026-11-24T10:00"] * 5 + ["2026-11-24T10:00+01:00"], 5, "carries a zone, unlike other rows"),
        (["2026-11-24"] * 5 + ["0001-01-01"], 5, "'0001-01-01' is not a time"),
    ],
)
def test_the_row_that_does_not_parse_is_named(cells, row, reason):
    guess = guess_format([cell or "" for cell in cells])
    with pytest.raises(UnreadableTimeError) as caught:
        parse_times(pa.chunked_array([cells]), guess)
    assert caught.value.row == row
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    "type", [pa.timestamp("s"), pa.timestamp("us"), pa.timestamp("ns", "Europe/Berlin"), pa.date32()]
)
def test_typed_columns_need_no_format(type):
    column = pa.chunked_array([pa.array([datetime(2026, 11, 24)]).cast(type)])
    times = parse_times(column, stated_format("iso"))
    assert moment(times.ns[0]) == "2026-11-24T00:00:00"
    assert times.zoned is (getattr(type, "tz", None) is not None)


@pytest.mark.parametrize("name", ["", "S", "yyyy-mm-dd", "%Q", "%"])
def test_a_stated_format_must_be_one(name):
    with pytest.raises(ParameterError, match=r"`timestamp_format` \(=.*\) must be 'iso', 's'"):
        stated_format(name)


def test_stated_formats_are_checked_against_cells():
    assert fits_format(["5", "6"], stated_format("s"))
    assert fits_format(["2026-11-24", "2026-11-25"], stated_format("iso"))
    assert not fits_format(["2026-11-24"], stated_format("%d.%m.%Y"))
    assert not fits_format(["", ""], stated_format("iso"))


def test_a_stated_pattern_with_a_zone_gives_utc():
    times = parsed(["24.11.2026 10:00 +0100"], "%d.%m.%Y %H:%M %z")
    assert times.zoned
    assert moment(times.ns[0]) == "2026-11-24T09:00:00"


def test_the_hour_that_repeats_in_autumn_is_told_apart_by_order():
    utc = pd.date_range("2026-10-24T20:00", "2026-10-25T05:00", freq="10min", tz="UTC").as_unit("ns")
    local = utc.tz_convert("Europe/Berlin").tz_localize(None)
    ns, guessed = localize(local.asi8, "Europe/Berlin")
    assert np.array_equal(ns, utc.asi8)
    assert not guessed


def test_the_hour_that_repeats_is_winter_time_where_order_does_not_tell():
    local = pd.DatetimeIndex(["2026-10-25T02:30"]).as_unit("ns")
    ns, guessed = localize(local.asi8, "Europe/Berlin")
    assert moment(ns[0]) == "2026-10-25T01:30:00"
    assert guessed


def test_the_hour_that_is_skipped_in_spring_is_an_error():
    local = pd.DatetimeIndex(["2026-03-29T01:50", "2026-03-29T02:10"]).as_unit("ns")
    with pytest.raises(
        UnreadableTimeError, match="2026-03-29 02:10:00 never was on a clock in Europe/Berlin"
    ) as caught:
        localize(local.asi8, "Europe/Berlin")
    assert caught.value.row == 1
