"""Tables written in every dialect read back equal."""

import gzip
import io
import math

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from tsae.series.reading import ReadOptions, read_table

START = pd.Timestamp("2026-11-24 00:00:10")  # the 24th tells the day from the month
TIME_FORMATS = {
    "iso": lambda time: time.isoformat(),
    "iso with zone": lambda time: f"{(time + pd.Timedelta(hours=2)).isoformat()}+02:00",
    "s": lambda time: str(time.value // 10**9),
    "ms": lambda time: str(time.value // 10**6),
    "us": lambda time: str(time.value // 10**3),
    "ns": lambda time: str(time.value),
    "%d.%m.%Y %H:%M:%S": lambda time: time.strftime("%d.%m.%Y %H:%M:%S"),
    "%m/%d/%Y %I:%M:%S %p": lambda time: time.strftime("%m/%d/%Y %I:%M:%S %p"),
}
IN_UTC = ("iso with zone", "s", "ms", "us", "ns")

numbers = st.floats(allow_nan=False, allow_infinity=False, width=64) | st.integers(-1000, 1000).map(float)
missing = st.sampled_from(["", "NA", "NaN", "null", "None", "n/a", "#N/A"])
cells = st.one_of(numbers, numbers, missing)


@st.composite
def tables(draw, min_channels=1):
    """Rows of cells, and the frame that they stand for."""
    n_rows = draw(st.integers(1, 12))
    n_channels = draw(st.integers(min_channels, 4))
    rows = draw(st.lists(st.lists(cells, min_size=n_channels, max_size=n_channels), min_size=n_rows, max_size=n_rows))
    steps = draw(st.lists(st.integers(1, 100_000), min_size=n_rows, max_size=n_rows))
    times = START + pd.to_timedelta(np.cumsum(steps), unit="s")
    values = [[math.nan if isinstance(cell, str) else cell for cell in row] for row in rows]
    columns = [f"sensor {place}" for place in range(n_channels)]
    return rows, pd.DataFrame(values, index=times.as_unit("ns"), columns=columns, dtype=float)


def write(rows, frame, *, separator, decimal, time_format, newline="\n", header=True, quote=False):
    """Write the table as text, without any CSV library."""

    def written(cell):
        text = cell if isinstance(cell, str) else repr(cell).replace(".", decimal)
        return f'"{text}"' if quote or separator in text else text

    lines = [separator.join(["time", *frame.columns])] if header else []
    for time, row in zip(frame.index, rows, strict=True):
        lines.append(separator.join(map(written, [TIME_FORMATS[time_format](time), *row])))
    return newline.join(lines) + newline


def expected(frame, time_format):
    frame = frame.rename_axis(index="time")
    return frame.tz_localize("UTC") if time_format in IN_UTC else frame


@given(
    table=tables(),
    separator=st.sampled_from([",", ";", "\t", "|"]),
    decimal=st.sampled_from([".", ","]),
    time_format=st.sampled_from(sorted(TIME_FORMATS)),
    newline=st.sampled_from(["\n", "\r\n"]),
    quote=st.booleans(),
    mark=st.sampled_from([b"", b"\xef\xbb\xbf"]),
    compress=st.booleans(),
)
def test_sniffed(table, separator, decimal, time_format, newline, quote, mark, compress):
    rows, frame = table
    text = write(
        rows,
        frame,
        separator=separator,
        decimal=decimal,
        time_format=time_format,
        newline=newline,
        quote=quote,
    )
    content = mark + text.encode()
    read = read_table(io.BytesIO(gzip.compress(content) if compress else content))
    pd.testing.assert_frame_equal(read.frames[""], expected(frame, time_format), check_freq=False)


@given(table=tables(), time_format=st.sampled_from(sorted(TIME_FORMATS)), header=st.booleans())
def test_stated(table, time_format, header):
    rows, frame = table
    text = write(rows, frame, separator="~", decimal=",", time_format=time_format, header=header)
    options = ReadOptions(
        separator="~",
        decimal=",",
        encoding="utf-8",
        header=header,
        units_row=False,
        timestamp="time" if header else "column_1",
        timestamp_format=time_format.removesuffix(" with zone"),
    )
    read = read_table(io.BytesIO(text.encode()), options).frames[""]
    if not header:
        read = read.rename_axis(index="time").set_axis(frame.columns, axis="columns")
    pd.testing.assert_frame_equal(read, expected(frame, time_format), check_freq=False)


@given(table=tables(), index_name=st.sampled_from(["time", None]), unit=st.sampled_from(["s", "ms", "us", "ns"]))
def test_parquet(table, index_name, unit):
    _, frame = table
    stored = frame.set_axis(pd.DatetimeIndex(frame.index).as_unit(unit), axis="index").rename_axis(index_name)
    file = io.BytesIO()
    stored.to_parquet(file)
    file.seek(0)
    read = read_table(file).frames[""]
    pd.testing.assert_frame_equal(read, frame, check_freq=False, check_names=False)


@given(tables(), st.randoms(use_true_random=False))
def test_the_order_of_rows_and_of_entities_in_the_file_does_not_matter(table, random):
    rows, frame = table
    lines = write(rows, frame, separator=";", decimal=".", time_format="iso").splitlines()
    body = [f"{line};{machine}" for line in lines[1:] for machine in ("north", "south")]
    random.shuffle(body)
    text = "\n".join([f"{lines[0]};machine", *body])
    read = read_table(io.BytesIO(text.encode()), ReadOptions(entity="machine"))
    assert sorted(read.frames) == ["north", "south"]
    assert read.n_rows == 2 * len(frame)
    for part in read.frames.values():
        pd.testing.assert_frame_equal(part, expected(frame, "iso"), check_freq=False)
