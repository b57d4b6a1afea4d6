"""Annotations: what is written comes back, nothing is lost, and foreign files are refused."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsae import Annotation, Annotations, DataError, Event, OutputError, ParameterError
from tsae.alarms.annotations import moment_of
from tsae.alarms.event import SensorShare

FORMATS = ["db", "csv"]
KINDS = ["real", "false alarm", "new normal", "maintenance", "ignore"]
EARLY = datetime(2026, 3, 1, 12, tzinfo=UTC)


def words(**changes: Any) -> Annotation:
    return Annotation(**{"kind": "real", "start": 10, "stop": 20, "at": EARLY} | changes)


texts = st.one_of(
    st.text(max_size=12), st.sampled_from(['"', "'", "a\nb", "a\r\nb", "\r", "Pümpe; 3", ",", " ", "\x00"])
)
zones = st.sampled_from([None, UTC, timezone(timedelta(hours=-7))])
times = st.datetimes(datetime(1700, 1, 1), datetime(2250, 1, 1))


@st.composite
def annotations(draw: st.DrawFn) -> Annotation:
    n_sensors, zone = draw(st.integers(0, 3)), draw(zones)
    bounds = sorted(draw(st.lists(draw(st.sampled_from([times, st.integers(-9, 10**12)])), min_size=2, max_size=2)))
    if isinstance(bounds[0], datetime):
        bounds = [each.replace(tzinfo=zone) for each in bounds]

    def per_sensor(values: st.SearchStrategy[Any]) -> list[Any]:
        n_values = draw(st.sampled_from([0, n_sensors]))
        return draw(st.lists(values, min_size=n_values, max_size=n_values))

    return Annotation(
        draw(st.sampled_from(KINDS)),
        *bounds,
        entity=draw(texts),
        event_id=draw(texts),
        sensors=draw(st.lists(texts, min_size=n_sensors, max_size=n_sensors)),
        shares=per_sensor(st.floats(0, 1)),
        directions=per_sensor(st.sampled_from(["", "above", "below"])),
        peak_score=draw(st.none() | st.floats(allow_nan=False, allow_infinity=False)),
        author=draw(texts),
        at=draw(times).replace(tzinfo=zone or UTC),
        note=draw(texts),
    )


@pytest.mark.parametrize("suffix", FORMATS)
@settings(max_examples=60)
@given(said=st.lists(annotations(), max_size=4))
def test_what_is_written_comes_back(suffix: str, said: list[Annotation]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        notes = Annotations(Path(folder) / f"notes.{suffix}")
        notes.add(*said)
        back = [each.annotation for each in Annotations.existing(notes.path).history()]
    assert sorted(back, key=lambda each: each.id) == sorted(said, key=lambda each: each.id)
    assert all(later.at >= earlier.at for earlier, later in pairwise(back))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.int64(3), 3),
        ("-7", -7),
        ("2026-03-01 10:00:00.000000001", pd.Timestamp("2026-03-01 10:00:00.000000001")),
        ("2026-03-01T10:00+01:00", pd.Timestamp("2026-03-01 09:00", tz="UTC")),
        (np.datetime64("2026-03-01"), pd.Timestamp("2026-03-01")),
        (datetime(2026, 3, 1, tzinfo=timezone(timedelta(hours=2))), pd.Timestamp("2026-02-28 22:00", tz="UTC")),
    ],
)
def test_moments_are_times_or_rows(value: Any, expected: Any) -> None:
    assert moment_of(value) == expected


@pytest.mark.parametrize("value", ["soon", "01/02/2026", True, None, 1.5, "", pd.NaT, np.timedelta64(1, "s")])
def test_what_is_neither_a_time_nor_a_row_is_refused(value: Any) -> None:
    with pytest.raises(ParameterError, match=r"`start` .* must be a time or the number of a row"):
        words(start=value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "perhaps"}, r"`kind` \(='perhaps'\) is unknown; choose one of real, false alarm"),
        ({"start": 30}, r"`start` \(=30\) and `stop` \(=20\): the interval must not end before it starts"),
        ({"stop": "2026-03-01"}, "must both be times"),
        ({"start": "2026-03-01", "stop": "2026-03-02T00:00Z"}, "with or without a time zone"),
        ({"at": datetime(2026, 3, 1)}, "`at` .* must be a datetime with a time zone"),
        ({"id": ""}, r"`id` \(=''\) must not be empty"),
        ({"author": 3}, r"`author` \(=3\) must be a text"),
        ({"note": "\ud800"}, "`note` .* that UTF-8 can hold"),
        ({"sensors": ("flow",), "shares": (0.5, 0.5)}, "`shares` has 2 values for 1 sensors"),
        ({"sensors": ("flow",), "shares": (1.5,)}, "`shares` must be numbers from 0 to 1, got 1.5"),
        ({"sensors": ("flow",), "directions": ("up",)}, r"`directions` \(='up'\) is unknown"),
        ({"peak_score": float("nan")}, r"`peak_score` \(=nan\) must be a finite number"),
    ],
)
def test_nonsense_is_refused_by_name(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        words(**changes)


def test_an_event_is_annotated_with_what_it_looked_like() -> None:
    time = np.datetime64("2026-03-01T00:10:00", "ns")
    shares = (SensorShare("flow", 0.7, expected=1.0, actual=2.0), SensorShare("level", 0.3, expected=1.0, actual=0.5))
    event = Event(
        *("pump 3:2026-03-01T00:10:00Z", time, time + np.timedelta64(5, "m"), 6, 360.0, time),
        **{"peak_score": 9.5, "p_value": 1e-4, "severity": 80.0, "sensors": shares, "entity": "pump 3", "zoned": True},
    )
    said = Annotation.of_event(event, "false alarm", author="Ada")
    assert said.start == pd.Timestamp("2026-03-01 00:10", tz="UTC")
    assert said.stop == pd.Timestamp("2026-03-01 00:15", tz="UTC")
    assert (said.sensors, said.shares, said.directions) == (("flow", "level"), (0.7, 0.3), ("above", "below"))
    assert (said.entity, said.event_id, said.peak_score) == ("pump 3", event.event_id, 9.5)


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_later_word_supersedes_and_nothing_is_deleted(tmp_path: Path, suffix: str) -> None:
    notes = Annotations(tmp_path / f"notes.{suffix}")
    assert len(notes) == 0
    first, other = words(event_id="a:1", entity="a"), words(event_id="a:2", entity="a", kind="ignore")
    second = words(event_id="a:1", entity="a", kind="false alarm", at=EARLY + timedelta(hours=1))
    notes.add(second, other)
    notes.add(first)  # said before, written after
    assert list(notes) == [other, second]
    assert [each.state for each in notes.history()] == ["current", "superseded", "current"]
    assert notes.remove(second.id[:10], author="Bob", note="a slip") == second
    assert list(notes) == [other, first]
    gone = notes.history()[-1]
    assert (gone.annotation, gone.state) == (second, "removed")
    assert gone.removal is not None
    assert (gone.removal.author, gone.removal.note) == ("Bob", "a slip")
    with pytest.raises(ParameterError, match="was removed at"):
        notes.remove(second.id)
    with pytest.raises(ParameterError, match=r"annotation 'nothing' is not in .*; choose one, such as"):
        notes.remove("nothing")
    with pytest.raises(ParameterError, match=f"`id` .*='{first.id}'.* was added in .* already"):
        notes.add(words(start=1), first)
    assert len(notes.history()) == 3  # all or none


def test_entities_and_kinds_are_selected(tmp_path: Path) -> None:
    notes = Annotations(tmp_path / "notes.sqlite")
    for number, (kind, entity) in enumerate([("maintenance", ""), ("real", "a"), ("real", "b")]):
        notes.add(words(kind=kind, entity=entity, start=number))
    assert [each.start for each in notes.of_entity("a")] == [0, 1]
    assert notes.intervals("real") == [(1, 20), (2, 20)]
    assert notes.intervals("real", "maintenance", entity="b") == [(0, 20), (2, 20)]
    with pytest.raises(ParameterError, match="`kinds`"):
        notes.intervals("false-alarm")  # type: ignore[arg-type]


def foreign_files(folder: Path) -> dict[str, Path]:
    (folder / "text.db").write_text("hello, this is no database")
    (folder / "sensors.csv").write_text("time,flow\n1,2\n")
    (folder / "picture.csv").write_bytes(b"\x89PNG\r\n\xff\xfe")
    with sqlite3.connect(folder / "other.db") as connection:
        connection.execute("CREATE TABLE annotations (id TEXT)")
    connection.close()
    return {path.name: path for path in folder.iterdir()}


@pytest.mark.parametrize("name", ["text.db", "other.db", "sensors.csv", "picture.csv"])
def test_a_foreign_file_is_refused_and_left_as_it_is(tmp_path: Path, name: str) -> None:
    path = foreign_files(tmp_path)[name]
    content = path.read_bytes()
    with pytest.raises(DataError, match=f"{name}' is not an annotation file"):
        Annotations(path)
    assert path.read_bytes() == content


def test_other_suffixes_and_missing_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"must end in \.db, \.sqlite, \.sqlite3 \(SQLite\) or \.csv"):
        Annotations("notes.json")
    with pytest.raises(DataError, match="is missing; check the path, or write one with `tsae annotate`"):
        Annotations.existing(tmp_path / "notes.db")
    with pytest.raises(OutputError, match="cannot write"):
        Annotations(tmp_path / "nowhere" / "notes.db").add(words())
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(DataError, match="cannot read the annotation file"):
        Annotations(tmp_path / "folder.csv")


@pytest.mark.parametrize("damage", ["cut", "zeros"])
@pytest.mark.parametrize("suffix", FORMATS)
def test_a_damaged_file_is_refused(tmp_path: Path, suffix: str, damage: str) -> None:
    path = tmp_path / f"notes.{suffix}"
    notes = Annotations(path)
    notes.add(*(words(start=number, note="x" * 300) for number in range(15)))
    content = path.read_bytes()
    half = len(content) // 2
    path.write_bytes(content[:half] if damage == "cut" else content[:half] + bytes(1500) + content[half + 1500 :])
    with pytest.raises(DataError, match=r"is damaged|is not an annotation file"):
        list(Annotations(path))


def test_a_flipped_kind_or_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.csv"
    Annotations(path).add(words())
    text = path.read_text()
    for old, new, message in (
        ('"real"', '"rael"', "is damaged .*'rael'"),
        ('"added"', '"adder"', "is damaged .*'adder'"),
        ("tsae.annotations/1", "tsae.annotations/2", "has schema version 2, this tsae reads up to 1; upgrade tsae"),
        ("tsae.annotations/1", "x", "line 2 has the schema 'x'"),
    ):
        path.write_text(text.replace(old, new))
        with pytest.raises(DataError, match=message):
            Annotations(path)
    database = tmp_path / "notes.db"
    Annotations(database).add(words())
    with sqlite3.connect(database) as connection:
        connection.execute("PRAGMA user_version = 2")
    connection.close()
    with pytest.raises(DataError, match="has schema version 2"):
        Annotations(database)


WRITER = """
import sys
from tsae import Annotation, Annotations
path, author, n_annotations = sys.argv[1], sys.argv[2], int(sys.argv[3])
for number in range(n_annotations):
    said = Annotation("real", number, number, event_id=f"{author}:{number}", author=author)
    Annotations(path).add(said)
    print(said.id, flush=True)
"""


def writer(path: Path, author: str, n_annotations: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(path), author, str(n_annotations)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("suffix", FORMATS)
def test_processes_write_at_once(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"notes.{suffix}"
    writers = [writer(path, author, 15) for author in ("Ada", "Bob", "Cyd")]
    ids = {line for process in writers for line in process.communicate(timeout=120)[0].split()}
    assert [process.returncode for process in writers] == [0, 0, 0]
    assert {each.id for each in Annotations(path)} == ids
    assert len(ids) == 45


@pytest.mark.parametrize("suffix", FORMATS)
def test_what_was_written_outlasts_kill_9(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"notes.{suffix}"
    ids: list[str] = []
    for n_lines in (1, 7, 12):
        process = writer(path, f"Ada {n_lines}", 100_000)
        assert process.stdout is not None
        ids += [process.stdout.readline().strip() for _ in range(n_lines)]
        process.send_signal(signal.SIGKILL)
        ids += process.communicate(timeout=60)[0].split()
    there = {each.id for each in Annotations(path)}
    assert set(ids) <= there
    assert len(there) <= len(ids) + 3  # one each may have been written and not yet been said
    Annotations(path).add(words())
    assert len(Annotations(path)) == len(there) + 1


def test_annotations_are_values() -> None:
    said = words()
    assert replace(said, note="more").id == said.id
    assert words().id != words().id
    assert datetime.now(UTC) - Annotation("real", 1, 2).at < timedelta(minutes=1)
