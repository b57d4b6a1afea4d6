"""`tsae annotate`, and what `tsae fit` and `tsae recalibrate` make of it, on the bundled pump data."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tsae as package
from tests.cli.reference import CHANNELS, QUICK, plant, refused, tsae, write
from tsae.alarms.event import Event, SensorShare
from tsae.cli.events_file import read_events, write_events
from tsae.series.bundled import bundled_dataset

FIT = ["--preset", "alone", *QUICK]
"""A model of the pump that is trained in seconds and finds the coarse faults."""


@pytest.fixture(scope="module")
def pump(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled tables, a model, and its events in all formats."""
    folder, data = tmp_path_factory.mktemp("pump"), bundled_dataset("pump")
    assert tsae("fit", data.train, "-o", folder / "pump.tsae", *FIT).exit_code == 0
    pd.read_csv(data.later).drop(columns="label").to_csv(folder / "later.csv", index=False)
    for suffix in ("csv", "jsonl", "parquet"):
        outputs = ["-o", folder / "scores.csv", "--events", folder / f"events.{suffix}"]
        assert tsae("score", folder / "pump.tsae", folder / "later.csv", *outputs).exit_code == 0
    return folder


def listed(file: object) -> list[dict[str, object]]:
    result = tsae("annotate", file, "--list", "--json")
    assert result.exit_code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def events_of(pump: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (pump / "events.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("notes", ["notes.db", "notes.csv"])
def test_an_event_is_annotated_from_its_file(pump: Path, here: Path, suffix: str, notes: str) -> None:
    events = events_of(pump)
    result = tsae(
        *("annotate", notes, "--event", events[0]["event_id"], "--as", "false-alarm", "--author", "Ada"),
        *("--events", pump / f"events.{suffix}", "--note", "the pump was [warm]"),
    )
    assert result.exit_code == 0, result.stderr
    assert "the pump was [warm]" in result.stdout
    (said,) = listed(notes)
    assert {said[name] == events[0][name] for name in ("event_id", "start", "stop")} == {True}
    assert (said["kind"], said["author"], said["note"]) == ("false alarm", "Ada", "the pump was [warm]")
    assert said["peak_score"] == pytest.approx(events[0]["peak_score"], rel=1e-5)
    expected = events[0]["sensors"]
    assert [each["sensor"] for each in said["sensors"]] == [each["sensor"] for each in expected]
    assert [each["direction"] for each in said["sensors"]] == [each["direction"] for each in expected]
    assert [each["share"] for each in said["sensors"]] == pytest.approx([each["share"] for each in expected], abs=0.006)


def test_the_whole_way_from_fit_to_the_next_fit(pump: Path, here: Path) -> None:
    events = events_of(pump)
    shutil.copy(pump / "pump.tsae", "pump.tsae")
    first, second = (str(event["event_id"]) for event in events[:2])
    said = ["--events", pump / "events.jsonl", "--author", "Ada"]
    assert tsae("annotate", "notes.db", "--event", first, "--event", second, "--as", "real", *said).exit_code == 0
    result = tsae("annotate", "notes.db", "--event", first, "--as", "false-alarm", *said)
    assert "note: supersedes annotation" in result.stderr
    day = ["--from", "2025-06-10", "--to", "2025-06-10"]
    assert tsae("annotate", "notes.db", *day, "--as", "maintenance").exit_code == 0

    before = (here / "pump.tsae").read_bytes()
    dry = tsae("recalibrate", "pump.tsae", pump / "later.csv", "--annotations", "notes.db", "--dry-run")
    assert dry.exit_code == 0, dry.stderr
    assert (here / "pump.tsae").read_bytes() == before
    assert "288 of 3,987 rows are left out by notes.db: maintenance 288 in 1 interval" in dry.stderr
    n_real = int(events[1]["n_rows"])  # type: ignore[call-overload]
    assert f"{n_real:,} of 3,987 rows are faults by notes.db: real {n_real} in 1 interval" in dry.stderr
    assert "pump.tsae is unchanged; leave --dry-run out" in dry.stderr
    words = " ".join(dry.stdout.replace("│", " ").split())
    assert "pot, false alarms" in words
    assert "held back " in words
    assert "up to a score of" in words
    assert f"real {second} " in words
    assert f"false alarm {first} " in words
    assert "flagged rows" in words
    written = tsae("recalibrate", "pump.tsae", pump / "later.csv", "--annotations", "notes.db")
    assert written.exit_code == 0, written.stderr
    assert written.stdout.split()[-12:] == dry.stdout.split()[-12:]  # what was announced is what is written
    learned = package.load(here / "pump.tsae").learned_threshold_
    assert learned.method == "pot"
    assert f"threshold {learned.value:.3g}, was" in words

    fitted = tsae("fit", pump / "later.csv", "-o", "next.tsae", *FIT, "--annotations", "notes.db")
    assert fitted.exit_code == 0, fitted.stderr
    assert f"{288 + n_real:,} of 3,987 rows leave training by notes.db: real" in fitted.stderr
    assert "rows are training rows by notes.db: false alarm" in fitted.stderr
    assert "matches no row" not in fitted.stderr


def test_fit_says_what_joined_and_which_annotation_matches_nothing(here: Path) -> None:
    table = write(plant(600), here / "plant.csv")
    for kind, start, stop in (
        ("ignore", "2026-11-02T01:00", "2026-11-02T02:00"),
        ("new-normal", "2026-11-02T01:30", "2026-11-02T02:30"),
        ("maintenance", "2030-01-01", "2030-01-02"),
    ):
        assert tsae("annotate", "notes.csv", "--as", kind, "--from", start, "--to", stop).exit_code == 0
    result = tsae("fit", table, *FIT, "--annotations", "notes.csv")
    assert result.exit_code == 0, result.stderr
    assert "30 of 600 rows leave training by notes.csv: ignore 30 in 1 interval\n" in result.stderr
    assert "61 of 600 rows are training rows by notes.csv: new normal 61 in 1 interval\n" in result.stderr
    assert "31 of the normal rows had been left out by an earlier annotation" in result.stderr
    assert result.stderr.count("matches no row of the table") == 1
    (here / "out.csv").write_text("start,end\n2026-11-02 01:00,2026-11-02 01:29\n")
    assert tsae("fit", table, "-o", "excluded.tsae", *FIT, "--exclude", "out.csv").exit_code == 0
    frame = plant(600).set_axis(CHANNELS, axis=1)
    fitted, expected = (package.load(here / name).score_samples(frame) for name in ("plant.tsae", "excluded.tsae"))
    np.testing.assert_array_equal(fitted, expected)


def test_annotations_of_a_fleet_find_their_machines(here: Path) -> None:
    machines = [plant(400, seed=seed).assign(machine=name) for seed, name in enumerate(("north", "south"))]
    path = write(pd.concat(machines), here / "fleet.csv")
    hour = ["--from", "2026-11-02T01:00", "--to", "2026-11-02T01:59"]
    assert tsae("annotate", "n.db", *hour, "--as", "ignore", "--entity", "south").exit_code == 0
    result = tsae("fit", path, "--entity", "machine", *QUICK, "--annotations", "n.db")
    assert "60 of 800 rows leave training by n.db" in result.stderr
    assert "matches no row" not in result.stderr
    assert tsae("score", "fleet.tsae", path, "--entity", "machine", "--events", "e.csv").exit_code == 0
    assert tsae("recalibrate", "fleet.tsae", path, "--entity", "machine", "--annotations", "n.db").exit_code == 0


def test_words_are_listed_and_taken_back(here: Path) -> None:
    assert tsae("annotate", "n.db", "--as", "real", "--from", "10", "--to", "20", "--author", "Ada").exit_code == 0
    (said,) = listed("n.db")
    assert (said["start"], said["stop"], said["entity"]) == (10, 20, "")
    assert "row 10 to row 20" in tsae("annotate", "n.db", "--list").stdout
    assert tsae("annotate", "n.db", "--remove", said["id"], "--author", "Bob", "--note", "slip").exit_code == 0
    assert "No annotations in n.db" in tsae("annotate", "n.db", "--list").stdout
    history = tsae("annotate", "n.db", "--history", "--json").stdout
    assert json.loads(history)["state"] == "removed"
    assert json.loads(history)["removed"].startswith("Bob 20")
    assert "was removed at" in refused(2, "annotate", "n.db", "--remove", said["id"])


def test_times_are_put_into_their_zone(here: Path) -> None:
    day = ["--from", "2026-03-01", "--to", "2026-03-01"]
    assert tsae("annotate", "n.db", "--as", "real", *day, "--time-zone", "Europe/Berlin").exit_code == 0
    (said,) = listed("n.db")
    assert said["start"] == "2026-02-28T23:00:00+00:00"
    assert said["stop"] == "2026-03-01T22:59:59.999999999+00:00"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "state one of --event, --from with --to, --list, --history and --remove; nothing is stated"),
        (["--list", "--remove", "a"], "--remove and --list are stated"),
        (["--from", "1", "--as", "real"], "an interval needs both ends; state `--from` and `--to`"),
        (["--from", "1", "--to", "2"], "say what it was: state `--as`, one of real, false-alarm"),
        (["--from", "1", "--to", "2", "--as", "wrong"], "`--as` (='wrong') is unknown; choose one of real, false-"),
        (["--from", "soon", "--to", "2", "--as", "real"], "`--from` (='soon') must be a time or the number of a row"),
        (["--from", "3", "--to", "2", "--as", "real"], "must not end before it starts"),
        (["--from", "1", "--to", "2", "--as", "real", "--time-zone", "Mars"], "`--time-zone` (='Mars') is unknown"),
        (["--from", "1", "--to", "2", "--as", "real", "--events", "e.csv"], "`--events` (='e.csv') is for `--event`"),
        (["--event", "a:1", "--as", "real"], "`--event` needs the file that the event is in; state `--events`"),
        (["--event", "a:1", "--as", "real", "--events", "e.csv", "--entity", "a"], "`--entity` (='a') is for interv"),
    ],
)
def test_wrong_usage_says_the_way_out(here: Path, arguments: list[str], message: str) -> None:
    assert message in refused(2, "annotate", "n.db", *arguments)
    assert not list(here.iterdir())


def test_an_unknown_event_names_near_ones(pump: Path, here: Path) -> None:
    near = str(events_of(pump)[3]["event_id"])
    line = refused(2, "annotate", "n.db", "--event", f"{near[:-1]}9", "--as", "real", "--events", pump / "events.csv")
    assert f"`--event` (='{near[:-1]}9') is not among the" in line
    assert f"choose one, such as '{near}'" in line
    assert not (here / "n.db").exists()


def test_files_that_are_no_events_or_annotations_are_refused(pump: Path, here: Path) -> None:
    event = ["--event", "a", "--as", "real", "--events"]
    assert "cannot read the events 'no.csv'" in refused(3, "annotate", "n.db", *event, "no.csv")
    assert "does not hold events (it lacks" in refused(3, "annotate", "n.db", *event, pump / "later.csv")
    (here / "e.jsonl").write_text('{"event_id": "a"}\n')
    assert "does not hold events (line 1 lacks start, stop)" in refused(3, "annotate", "n.db", *event, "e.jsonl")
    (here / "e.jsonl").write_text("event\n")
    assert "'e.jsonl' does not hold events" in refused(3, "annotate", "n.db", *event, "e.jsonl")
    fit = ("fit", pump / "later.csv", *QUICK, "--annotations")
    assert "'no.db' is missing; check the path" in refused(3, *fit, "no.db")
    assert "is not an annotation file" in refused(3, *fit, pump / "later.csv")
    model = shutil.copy(pump / "pump.tsae", "m.tsae")
    clash = refused(2, "recalibrate", model, "t.csv", "--label", "fault", "--annotations", "n.db")
    assert "both say which rows are faults; state one" in clash


def test_records_of_a_watch_are_events_too(here: Path) -> None:
    record = {"kind": "event", "id": "a:7", "entity": "a", "start": 7, "stop": 7, "peak_score": 9.0, "sensors": []}
    lines = [{"kind": "row", "id": "a:7"}, record, record | {"stop": 9}]
    (here / "e.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert tsae("annotate", "n.db", "--event", "a:7", "--as", "real", "--events", "e.jsonl").exit_code == 0
    (said,) = listed("n.db")
    assert (said["entity"], said["start"], said["stop"]) == ("a", 7, 9)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("entity", ["", "007"])
def test_strange_names_survive_the_events_file(tmp_path: Path, entity: str, suffix: str) -> None:
    names = ('flow "main"; 2', "a\nb", "level 0.50", "Pümpe")
    shares = tuple(
        SensorShare(name, share, expected=1.0, actual=actual)
        for name, share, actual in zip(names, (0.4, 0.3, 0.2, 0.1), (2.0, 0.5, 1.0, 3.0), strict=True)
    )
    event = Event(
        "p;1:7",
        *(7, 9, 3, None, 8),
        **{"peak_score": 9.5, "p_value": 0.1, "severity": 80.0},
        sensors=shares,
        entity=entity,
    )
    path = tmp_path / f"e.{suffix}"
    write_events([event], "machine" if entity else None, path)
    said = package.Annotation.of_event(read_events(path)["p;1:7"], "real")
    assert (said.sensors, said.shares) == (names, (0.4, 0.3, 0.2, 0.1))
    assert said.directions == ("above", "below", "", "above")
    assert (said.start, said.stop, said.entity) == (7, 9, entity)
