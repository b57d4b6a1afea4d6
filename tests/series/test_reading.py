import gzip
import io
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tsae.errors import DataError
from tsae.series.reading import ReadOptions, read_table


def read(text, **options):
    content = text if isinstance(text, bytes) else text.encode()
    return read_table(io.BytesIO(content), ReadOptions(**options))


def rows(table, entity=""):
    return table.frames[entity].to_numpy().tolist()


def has_note(table, part):
    return any(part in note for note in table.notes)


def test_a_table_of_a_german_logger():
    table = read(
        (
            "Zeit;Druck [bar];Temperatur (°C);Pumpe;Befund\n"
            "24.11.2026 10:00;1,5;20;ein;gut\n24.11.2026 10:10;;21,25;aus;gut\n"
        ).encode("cp1252")
    )
    assert table.channels == ("Druck", "Temperatur", "Pumpe")
    assert table.units == {"Druck": "bar", "Temperatur": "°C"}
    assert table.n_rows == 2
    np.testing.assert_array_equal(table.frames[""].to_numpy(), [[1.5, 20, 1], [np.nan, 21.25, 0]])
    assert table.frames[""].index.tolist() == [pd.Timestamp("2026-11-24 10:00"), pd.Timestamp("2026-11-24 10:10")]
    assert table.frames[""].index.name == "Zeit"
    assert has_note(table, "CSV in cp1252, separator ';', header in line 1")
    assert has_note(table, "times are read from 'Zeit', format %d.%m.%Y, without zone")
    assert has_note(table, "column 'Pumpe' is a switch: its words are read as 1 and 0")
    assert has_note(table, "column 'Befund' is left out: 2 of its 2 cells are text, first 'gut' in line 2")


def test_a_units_row_gives_units():
    table = read("time,p,T\n,[bar],degC\n2026-11-24,1,2\n2026-11-25,1,2\n")
    assert table.units == {"p": "bar", "T": "degC"}
    assert has_note(table, "line 2 is read as units: [bar], degC")


def test_a_byte_below_the_head_that_is_not_utf_8_means_old_windows_text():
    body = "".join(f"2026-11-24T{n // 3600:02d}:{n // 60 % 60:02d}:{n % 60:02d},{n},ok\n" for n in range(9_000))
    table = read(f"time,a,state\n{body}2026-11-25,1,20 °C\n".encode("cp1252"))
    assert table.n_rows == 9_001
    assert has_note(table, "CSV in cp1252")


def test_switches_become_numbers():
    table = read("a,b,c,d\n1,true,ON,yes\n2,false,off,\n3,True,On,no\n")
    np.testing.assert_array_equal(table.frames[""].to_numpy(), [[1, 1, 1, 1], [2, 0, 0, np.nan], [3, 1, 1, 0]])
    assert has_note(table, "column 'c' is a switch: its words are read as 1 and 0")


def test_switches_in_other_languages_become_numbers():
    table = read("a;b;c;d\n1,5;ein;Ja;VRAI\n2;AUS;;FAUX\n3;ein;nein;VRAI\n")
    np.testing.assert_array_equal(table.frames[""].to_numpy(), [[1.5, 1, 1, 1], [2, 0, np.nan, 0], [3, 1, 0, 1]])


def test_words_of_two_pairs_are_no_switch():
    table = read("a,b\n1,on\n2,no\n")
    assert table.channels == ("a",)
    assert has_note(table, "if 'no' and 'on' are the states of a switch, write them as 0 and 1")


def test_a_column_of_many_texts_is_not_taken_for_a_switch():
    table = read("a,b\n1,auto\n2,hand\n3,local\n4,auto\n")
    assert table.channels == ("a",)
    assert not has_note(table, "switch")


def test_missing_values_and_further_spellings_of_them():
    spellings = ["", "NA", "NaN", "null", "None", "-", "n/a", "#N/A", " nan ", "Bad"]
    table = read("a,b\n" + "".join(f"{cell},1\n" for cell in spellings) + "2,1\n", missing=("Bad",))
    assert np.isnan(table.frames[""]["a"][:-1]).all()
    assert table.frames[""]["a"].iloc[-1] == 2


def test_a_column_without_values_is_kept():
    table = read("time,a,b\n2026-11-24,1,\n2026-11-25,2,NA\n")
    assert table.channels == ("a", "b")
    assert has_note(table, "column 'b' has no value in any row; it is kept")


def test_sensors_can_be_chosen():
    text = "time,a,b [m],state\n2026-11-24,1,2,RUN\n2026-11-25,1,2,RUN\n"
    assert read(text, columns=("b",)).channels == ("b",)
    assert read(text, columns=("b [m]", "a")).channels == ("a", "b")
    assert read(text, drop=("a", "state")).channels == ("b",)


def test_text_columns_can_be_refused_or_dropped():
    text = "time,a,b,state\n2026-11-24,1,2,RUN\n2026-11-25,Bad,2,RUN\n2026-11-26,3,2,RUN\n"
    assert read(text, on_text="drop").channels == ("b",)
    with pytest.raises(DataError, match="column 'state' has the text 'RUN' in line 2"):
        read(text, on_text="error", drop=("a",))
    with pytest.raises(DataError, match="column 'state' has the text 'RUN' in line 2"):
        read(text, columns=("b", "state"))


def test_labels_are_kept_apart():
    table = read("time,a,label\n2026-11-26,1,1\n2026-11-25,2,\n2026-11-24,3,0\n", label="label")
    assert table.channels == ("a",)
    np.testing.assert_array_equal(table.labels[""], [0, np.nan, 1])
    assert table.labels[""].index.equals(table.frames[""].index)
    assert read("a,fault\n1,true\n2,false\n", label="fault").labels[""].tolist() == [1, 0]
    assert has_note(
        read("a,label\n1,0\n2,1\n"),
        "column 'label' is read as a sensor; if it is a label, state it as `label` (`--label label`)",
    )


def test_entities_are_split_and_sorted_on_their_own():
    table = read(
        "time,machine,a\n2026-11-25,north,1\n2026-11-24,south,2\n2026-11-24,north,3\n2026-11-25,south,4\n",
        entity="machine",
    )
    assert list(table.frames) == ["north", "south"]
    assert rows(table, "north") == [[3], [1]]
    assert rows(table, "south") == [[2], [4]]
    assert table.n_rows == 4


def test_entities_without_times_keep_the_order_of_the_file():
    table = read("machine,a\n7,1\n8,2\n7,3\n", entity="machine")
    assert rows(table, "7") == [[1], [3]]
    assert list(table.frames["7"].index) == [0, 1]


def test_repeated_and_late_rows():
    table = read("time,a\n2026-11-24,1\n2026-11-26,2\n2026-11-25,3\n2026-11-26,4\n")
    assert rows(table) == [[1], [3], [2]]
    assert has_note(table, "rows were sorted by time: 1 came after a row with a later time")
    assert has_note(table, "rows were dropped: 1 repeat the time of an earlier row, which is kept")


AUTUMN = "time,a\n" + "".join(
    f"2026-10-25 0{hour}:{ten}0,{number}{ten}\n" for number, hour in enumerate((1, 2, 2, 3)) for ten in range(6)
)


def test_a_clock_that_is_set_back_is_told():
    table = read(AUTUMN)
    assert table.n_rows == 18
    assert has_note(table, "the clock was set back in line 14, and times repeat after it")


def test_with_its_time_zone_a_set_back_clock_loses_nothing():
    table = read(AUTUMN, time_zone="Europe/Berlin")
    assert table.n_rows == 24
    assert (np.diff(table.frames[""].index) == pd.Timedelta(minutes=10)).all()
    assert table.frames[""].index[0] == pd.Timestamp("2026-10-24 23:00", tz="UTC")


def test_an_autumn_hour_that_cannot_be_told_apart_is_noted():
    table = read("time,a\n2026-10-25 02:30,1\n2026-10-25 04:30,2\n", time_zone="Europe/Berlin")
    assert table.frames[""].index[0] == pd.Timestamp("2026-10-25 01:30", tz="UTC")
    assert has_note(table, "it is taken as winter time")


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("a,b\n1,2\n1,3\n", [0, 1]),
        ("timestamp,a\n5,1\n6,1\n7,1\n", [5, 6, 7]),
        ("timestamp,a\n0,1\n10,1\n20,1\n", [0, 10, 20]),
        ("timestamp,a\n0,1\n0.5,1\n1.7,1\n", [0, 1, 2]),
        (",a\n0,1\n1,1\n", [0, 1]),
        ("0,5\n1,5\n2,5\n", [0, 1, 2]),
        (",timestamp,a\n0,10,1\n1,20,1\n", [10, 20]),
    ],
)
def test_rows_without_a_time_are_numbered(text, index):
    table = read(text)
    assert list(table.frames[""].index) == index
    assert isinstance(table.frames[""].index, pd.RangeIndex)
    assert "timestamp" not in table.channels


def test_numbers_that_merely_rise_stay_sensors():
    assert read("a,b\n1,2\n2,3\n3,4\n").channels == ("a", "b")
    assert read("7,2\n9,3\n").channels == ("column_1", "column_2")
    assert read("time\n1\n2\n").channels == ("time",)


def test_seconds_since_start_can_be_stated():
    index = read("time,a\n0,1\n0.5,1\n", timestamp_format="s").frames[""].index
    assert (index - index[0]).total_seconds().tolist() == [0, 0.5]


def test_the_time_can_be_any_column_or_none():
    text = "made,a,read\n2026-11-24,1,24.11.2026\n2026-11-25,2,26.11.2026\n"
    assert read(text).frames[""].index.name == "made"
    assert read(text, timestamp="read").frames[""].index[1] == pd.Timestamp("2026-11-26")
    table = read(text, timestamp=False)
    assert isinstance(table.frames[""].index, pd.RangeIndex)
    assert table.channels == ("a",)


def test_epochs_need_no_name_in_the_first_column():
    assert read("t,a\n1790000000,1\n1790000060,1\n").frames[""].index.tz is not None
    assert read("a,t\n1,1790000000\n1,1790000060\n").channels == ("a", "t")


@pytest.mark.parametrize("header", ["Date,Time", "Datum,Uhrzeit", "Time,Date"])
def test_a_date_and_a_time_of_day_are_joined(header):
    cells = ("10:00:00", "2026-11-24") if header == "Time,Date" else ("2026-11-24", "10:00:00")
    table = read(f"{header},a\n{cells[0]},{cells[1]},1\n")
    assert table.frames[""].index.tolist() == [pd.Timestamp("2026-11-24 10:00")]
    assert table.channels == ("a",)


def test_quoted_cells_may_hold_separators_and_line_breaks():
    table = read('"time","note","flow\n[l/s]"\n2026-11-24,"a, b\nc","1.5"\n2026-11-25,d,"2.5"\n')
    assert table.units == {"flow": "l/s"}
    assert rows(table) == [[1.5], [2.5]]


def test_parquet_of_many_types(tmp_path):
    path = tmp_path / "table.parquet"
    columns = {
        "time": pa.array([1, 0], pa.timestamp("ms", "UTC")),
        "integer": pa.array([2**60, None]),
        "flag": pa.array([True, False]),
        "decimal": pa.array(["1.5", "2.5"]).cast(pa.decimal128(5, 1)),
        "category": pa.array(["1", "2"]).dictionary_encode(),
        "state": pa.array(["RUN", "STOP"]),
        "day": pa.array([1, 2], pa.date32()),
        "list": pa.array([[1], [2]]),
        "flow [l/s]": pa.array([1.5, float("nan")], pa.float32()),
    }
    pq.write_table(pa.table(columns), path)
    table = read_table(path)
    assert table.channels == ("integer", "flag", "decimal", "category", "flow")
    assert table.frames[""].index.tolist() == [pd.Timestamp(ms, unit="ms", tz="UTC") for ms in (0, 1)]
    np.testing.assert_array_equal(table.frames[""].to_numpy(), [[np.nan, 0, 2.5, 2, np.nan], [2.0**60, 1, 1.5, 1, 1.5]])
    assert has_note(table, "column 'state' is left out")


def test_every_kind_of_source(tmp_path):
    content = b"time,a\n2026-11-24,1\n"
    plain, packed = tmp_path / "a.csv", tmp_path / "a.csv.gz"
    plain.write_bytes(content)
    packed.write_bytes(gzip.compress(content))
    pipe = io.BufferedReader(NotSeekable(content))
    half_read = io.BytesIO(b"preface,1,2,3\n" + content)
    half_read.readline()
    for source in (plain, str(plain), packed, io.BytesIO(content), pipe, half_read):
        assert rows(read_table(source)) == [[1]]
    assert not half_read.closed


class NotSeekable(io.RawIOBase):
    """A pipe."""

    def __init__(self, content):
        self._content = io.BytesIO(content)

    def readable(self):
        return True

    def readinto(self, buffer):
        return self._content.readinto(buffer)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_standard_input(pack):
    code = "from tsae.series.reading import read_table; print(read_table('-').frames[''].to_numpy().tolist())"
    content = pack(b"time,a\n2026-11-24,1\n2026-11-25,2\n")
    done = subprocess.run([sys.executable, "-c", code], input=content, capture_output=True, check=True)
    assert done.stdout.strip() == b"[[1.0], [2.0]]"


def test_frames_are_views_of_one_table():
    table = read("m,a,b\n" + "".join(f"{n % 2},{n},{n}\n" for n in range(6)), entity="m")
    first, second = (frame.to_numpy(copy=False) for frame in table.frames.values())
    assert first.base is not None
    assert not np.shares_memory(first, second)
    assert rows(table, "1") == [[1, 1], [3, 3], [5, 5]]


@pytest.mark.parametrize("blank", [";;", "; ;", ";NaN;"])
def test_rows_that_hold_nothing_are_dropped(blank):
    good = ["24.11.2026 10:00;1,5;20", "24.11.2026 10:10;1,6;21", "24.11.2026 10:20;;"]
    lines = ["Zeit;a;b", blank, good[0], blank, blank, good[1], good[2], blank]
    table = read("\n".join(lines) + "\n")
    np.testing.assert_array_equal(rows(table), [[1.5, 20], [1.6, 21], [np.nan, np.nan]])
    assert has_note(table, "rows were dropped: 4 hold nothing")
    with pytest.raises(DataError, match="line 7: no time can be read from column 'Zeit': there is no time"):
        read("\n".join([*lines[:6], ";1,7;22", lines[6]]) + "\n")
    with pytest.raises(DataError, match="line 9: no time can be read from column 'Zeit': 'noon' is not a time"):
        read("\n".join([*lines, "noon;1,7;22"]) + "\n")


def test_rows_that_hold_nothing_stay_where_only_their_number_is_their_time():
    assert rows(read("a,b\n1,2\n3,4\n5,6\n7,8\n,\n9,10\n"))[5] == [9, 10]


def test_a_parquet_row_that_holds_nothing_is_dropped():
    times = pd.to_datetime(["2026-11-24", None, "2026-11-26"])
    stream = io.BytesIO()
    pd.DataFrame({"time": times, "a": [1.0, np.nan, 2.0], "machine": ["x", None, "x"]}).to_parquet(stream, index=False)
    stream.seek(0)
    table = read_table(stream, ReadOptions(entity="machine"))
    assert rows(table, "x") == [[1], [2]]
    assert has_note(table, "rows were dropped: 1 hold nothing")
