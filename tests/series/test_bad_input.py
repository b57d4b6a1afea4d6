"""Every bad table is refused with the place, the value and the way out."""

import gzip
import io
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsae.errors import DataError, ParameterError
from tsae.series.reading import ReadOptions, read_table

PARQUET_START = b"PAR1 and then no Parquet"


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("", {}, "the file is empty; a sensor table has one row per time"),
        ("time,a,b\n", {}, "the file has a header but no rows below it"),
        (gzip.compress(b"", mtime=0), {}, "the file is empty"),
        (
            "time,a\n2026-11-24,1\n2026-11-25,Bad\n2026-11-26,3\n",
            {},
            "column 'a' has the text 'Bad' in line 3, and 1 of its 3 cells are text; a sensor holds numbers only: "
            "name 'Bad' as `missing` if it stands for a missing value, or `drop` the column",
        ),
        (
            "time,a\n\n2026-11-24,1\n\n2026-11-25,I/O Timeout\n2026-11-26,3\n",
            {},
            "column 'a' has the text 'I/O Timeout' in line 5",
        ),
        ("a,b\n1,1\n2,on\n3,1\n", {}, "column 'b' has the text 'on' in line 3"),
        ("a,b\n1,x\n2,3\n", {}, "column 'b' has the text 'x' in line 2"),
        ("a,b\n1;5,2\n2,3\n4,5\n", {}, "column 'a' has the text '1;5' in line 2"),
        ('a;b\n"1.234,5";1\n1,5;2\n2,5;3\n', {}, "text '1.234,5' in line 2.*state another `decimal`, or"),
        ("a;b\n1;1\n2;1.5\n3;1\n", {"decimal": ","}, "text '1.5' in line 3.*state another `decimal`"),
        ("time,a\n2026-11-24,1\n2026-11-25,-inf\n", {}, "column 'a' has the infinite value '-inf' in line 3"),
        ("time,a\n2026-11-24,1\n2026-11-25,1e999\n", {}, "the infinite value '1e999' in line 3"),
        (
            "time,a\n2026-11-24,1\nyesterday,2\n2026-11-26,2\n",
            {},
            "line 3: no time can be read from column 'time': 'yes",
        ),
        ("time,a\n2026-11-24,1\n,2\n2026-11-26,2\n", {}, "line 3: no time can be read from column 'time': there is no"),
        (
            "time,a\n01/02/2026,1\n02/02/2026,2\n",
            {},
            "can be read in two ways.*'%d/%m/%Y' or .*'%m/%d/%Y'; state which",
        ),
        ("time,a\nsoon,1\nlater,2\n", {}, "column 'time' does not read as a time, it starts with 'soon'; state its"),
        ("time,a\n10:00,1\n10:10,2\n", {}, "column 'time' does not read as a time, it starts with '10:00'"),
        ("a,b\n1,2\n", {"timestamp": "a"}, "column 'a' does not read as a time, it starts with '1'"),
        ("time,a\n2026-11-24,1\n", {"timestamp_format": "%d.%m.%Y"}, "not read as a time in the format '%d.%m.%Y'"),
        ("a,b,a\n1,2,3\n", {}, "column names must be unique, but the header repeats 'a' in columns 1, 3; rename them"),
        ("time,state\n2026-11-24,RUN\n", {}, "no column of numbers (column 'state' is left out: .*'RUN' in line 2)"),
        ("time\n2026-11-24\n", {}, "no column of numbers (all of its columns are the time"),
        ("a b\n1 2\n3 4\n", {}, "no column of numbers .* check its `separator` and `decimal`"),
        ("time,a\n2026-11-24,1\n2026-11-25\n2026-11-26,2\n", {}, "line 3 must have 2 cells like the others, but has 1"),
        ("a,b\n1,2\n3,4,5\n6,7\n", {}, "line 3 must have 2 cells like the others, but has 3 .*'3'.*; repair or delete"),
        ('a,b\n1,2\n"3,4\n5,6\n', {}, "not CSV|must have 2 cells|no row can be read"),
        ("a,b\n1,2\n", {"timestamp": "t"}, "`timestamp` (='t') is no column of the table; its columns are 'a', 'b'"),
        ("a,b\n1,2\n", {"drop": ("a", "b")}, "the table has no column of numbers"),
        ("a,b\n1,2\n", {"drop": ("t",)}, "`drop` (='t') is no column"),
        ("a,b\n1,2\n", {"columns": ("t",)}, "`columns` (='t') is no column"),
        ("a,b\n1,2\n", {"label": "t"}, "`label` (='t') is no column"),
        ("a,b\n1,2\n", {"entity": "t"}, "`entity` (='t') is no column"),
        ("a,b\n1,good\n2,bad\n", {"label": "b"}, "`label` (='b') has the text 'good' in line 2; labels are 0 and 1"),
        ("a,m\n1,x\n2,\n", {"entity": "m"}, "`entity` (='m') is empty in line 3; every row must say which machine"),
        (
            "time,m,a\n" + "".join(f"2026-11-{day},{m},1\n" for day in (24, 25) for m in "xyz"),
            {},
            "4 of 6 rows repeat the time of another row.*name their `entity` column",
        ),
        (
            "time,a\n2026-03-29 01:00,1\n2026-03-29 02:30,1\n",
            {"time_zone": "Europe/Berlin"},
            "`time_zone` (='Europe/Berlin') does not fit: line 3: 2026-03-29 02:30:00 never was on a clock",
        ),
        (b"PK\x03\x04 a workbook", {}, "an Excel workbook, which is not read; save the table as CSV"),
        (PARQUET_START, {}, "the Parquet file is damaged"),
        (gzip.compress(b"a,b\n1,2\n" * 99_999, mtime=0)[:-9], {}, "the file is damaged"),
        (gzip.compress(b"a,b\n1,2\n", mtime=0)[:8], {}, "the file is damaged"),
        ("a,b\n1,°\n".encode("cp1252"), {"encoding": "utf-8"}, "not text in the encoding utf-8"),
    ],
)
def test_message(content, options, message):
    stream = io.BytesIO(content if isinstance(content, bytes) else content.encode())
    pattern = ".*".join(map(re.escape, message.split(".*"))) if "|" not in message else message
    with pytest.raises(DataError, match=f"(?s)the stream: .*({pattern})"):
        read_table(stream, ReadOptions(**options))


def test_the_file_is_named(tmp_path):
    path = tmp_path / "pump.csv"
    path.write_text("")
    with pytest.raises(DataError, match=r"pump\.csv: the file is empty"):
        read_table(path)
    with pytest.raises(DataError, match=r"cannot read '.*none\.csv': No such file"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(DataError, match=r"cannot read .*Is a directory"):
        read_table(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"separator": ";;"}, r"`separator` \(=';;'\) must be one character"),
        ({"decimal": "·"}, r"`decimal` \(='·'\) must be '\.' or ','"),
        ({"decimal": ".", "separator": "."}, r"`decimal` and `separator` are both"),
        ({"on_text": "keep"}, r"`on_text` \(='keep'\) must be 'drop' or 'error'"),
        ({"encoding": "utf-99"}, r"`encoding` \(='utf-99'\) is unknown"),
        ({"time_zone": "Mars/Olympus"}, r"`time_zone` \(='Mars/Olympus'\) is unknown"),
        ({"missing": "Bad"}, r"`missing` \(='Bad'\) must be a tuple of strings; write \('Bad',\)"),
    ],
)
def test_options_that_make_no_sense(options, message):
    with pytest.raises(ParameterError, match=message):
        ReadOptions(**options)


def test_a_stated_format_that_is_none_is_refused():
    with pytest.raises(ParameterError, match=r"`timestamp_format` \(='never'\) must be 'iso'"):
        read_table(io.BytesIO(b"time,a\n2026-11-24,1\n"), ReadOptions(timestamp_format="never"))


@settings(max_examples=300)
@given(st.text('a1.2,;|\t\n"- :/T+#0n', max_size=80), st.booleans())
def test_whatever_comes_is_a_table_or_a_data_error(text, with_start):
    content = ("time,a\n2026-11-24,1\n" if with_start else "") + text
    try:
        frames = list(read_table(io.BytesIO(content.encode())).frames.values())
        message = ""
    except DataError as error:
        frames = []
        message = str(error)
    assert frames or ";" in message  # every message ends in a way out
    for frame in frames:
        assert np.isfinite(frame.fillna(0).to_numpy()).all()
        assert frame.index.is_unique
        assert frame.index.is_monotonic_increasing
