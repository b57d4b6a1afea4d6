import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.series.reference import loop_mask
from tsae.errors import DataError
from tsae.series.exclusions import Exclusion, Exclusions, read_exclusions

BERLIN = pd.date_range("2026-11-24 09:00", periods=6, freq="1h", tz="UTC")


def read(tmp_path, text, **options):
    path = tmp_path / "exclusions.csv"
    path.write_text(text, encoding="utf-8")
    return read_exclusions(path, **options)


@given(
    intervals=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 8)), max_size=6),
    rows=st.lists(st.integers(-2, 42), max_size=30),
)
def test_masks_equal_a_loop_on_row_numbers_and_times(intervals, rows):
    bounds = [(start, start + length) for start, length in intervals]
    by_row = Exclusions(tuple(Exclusion(*bound) for bound in bounds))
    assert by_row.mask(pd.Index(rows, dtype=np.int64)).tolist() == loop_mask(bounds, rows)
    day = pd.Timestamp("2026-11-24")
    by_time = Exclusions(tuple(Exclusion(*(day + pd.Timedelta(hours=n) for n in bound)) for bound in bounds))
    times = pd.DatetimeIndex([day + pd.Timedelta(hours=row) for row in rows])
    assert by_time.mask(times).tolist() == loop_mask(bounds, rows)


def test_a_short_interval_within_a_long_one_does_not_end_it():
    nested = Exclusions((Exclusion(2, 3), Exclusion(0, 6)))
    assert nested.mask(pd.RangeIndex(9)).tolist() == [True] * 7 + [False] * 2


def test_intervals_in_the_formats_of_tables(tmp_path):
    hours = pd.date_range("2026-11-24 09:00", periods=6, freq="1h")
    iso = read(tmp_path, "start,end,reason\n2026-11-24 10:00,2026-11-24T11:00,pump service\n")
    assert iso.intervals[0].reason == "pump service"
    german = read(tmp_path, "End;Start\n24.11.2026 11:00;24.11.2026 10:00\n")
    assert iso.mask(hours).tolist() == german.mask(hours).tolist() == [False, True, True, False, False, False]


def test_an_end_without_a_clock_is_the_whole_day(tmp_path):
    days = read(tmp_path, "start,end\n2026-11-24,2026-11-24\n")
    index = pd.DatetimeIndex(["2026-11-23 23:59", "2026-11-24", "2026-11-24 23:59:59.999999999", "2026-11-25"])
    assert days.mask(index).tolist() == [False, True, True, False]


def test_zones_are_honoured(tmp_path):
    expected = [True, True, False, False, False, False]
    with_zone = read(tmp_path, "start,end\n2026-11-24T10:00+01:00,2026-11-24T11:00+01:00\n")
    assert with_zone.mask(BERLIN).tolist() == expected
    stated = read(tmp_path, "start,end\n2026-11-24T10:00,2026-11-24T11:00\n", time_zone="Europe/Berlin")
    assert stated.mask(BERLIN).tolist() == expected


def test_row_numbers(tmp_path):
    rows = read(tmp_path, "start,end\n1,2\n\n4,4\n")
    assert rows.mask(pd.RangeIndex(6)).tolist() == [False, True, True, False, True, False]


def test_a_file_with_a_header_only_excludes_nothing(tmp_path):
    assert read(tmp_path, "start,end,reason\n") == Exclusions()
    assert not Exclusions().mask(BERLIN).any()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("start,end\n2026-11-24,2026-11-25\n\n2026-11-26,2026-11-23\n", r"line 4: the interval starts at .* swap them"),
        ("start,end\n5,3\n", "line 2: the interval starts at 5, after its end at 3"),
        ("start,end\n2026-11-24,2026-11-25\n2026-11-24,2026-11-31\n", "line 3: '2026-11-31' is not a time"),
        ("start,end\n2026-11-24,2026-11-25\n2026-11-24,\n", "line 3: '' is not a time"),
        ("start,end\nMonday,Tuesday\n", "line 2: 'Monday' is neither a time nor a row number"),
        ("start,end\n01/02/2026,02/02/2026\n", "line 2: '01/02/2026' can be read in two ways"),
        ("from,to\n1,2\n", "the column 'start' is missing, the header is 'from, to'"),
        ("", "the column 'start' is missing"),
        ("start,end\n1\n", "line 2: there are 1 cells, not 2"),
    ],
)
def test_bad_exclusions_name_their_line(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path, text)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"cannot read the exclusions .*none\.csv"):
        read_exclusions(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("interval", "index", "message"),
    [
        ((1, 2), BERLIN, "the exclusions are row numbers .* but the table has times; use times"),
        ((BERLIN[0], BERLIN[1]), pd.RangeIndex(3), "the exclusions are times .* but the table has row numbers"),
        (
            (pd.Timestamp("2026-11-24"), pd.Timestamp("2026-11-25")),
            BERLIN,
            "carry no time zone .* but the table does; .* state the `time_zone`",
        ),
        ((BERLIN[0], BERLIN[1]), BERLIN.tz_localize(None), "carry a time zone .* but the table does not"),
    ],
)
def test_what_cannot_be_compared_is_refused(interval, index, message):
    with pytest.raises(DataError, match=message):
        Exclusions((Exclusion(*interval),)).mask(index)
