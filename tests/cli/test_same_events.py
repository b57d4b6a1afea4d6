"""`tsae score` and `tsae watch` find the same events in the same rows, and say the same of them."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tsae as package
from tests.cli.reference import plant, tsae, write
from tsae.alarms.event import Event, event_fields

ROUNDED = {"rel": 2e-3, "abs": 2e-3}  # a stream sees its rows one by one, and both round


def troubled() -> pd.DataFrame:
    """Faults of many rows and of one, beside gaps and at the end, and values that are missing."""
    frame = plant(320, seed=1, start="2026-11-24")
    for rows, channel, height in (
        (slice(60, 70), 1, 2),
        (150, 1, 2),
        (slice(214, 219), 0, -1.5),
        (slice(-4, None), 2, 1),
    ):
        frame.iloc[rows, channel] += height
    frame.iloc[30:33, 0] = np.nan
    return frame.drop(frame.index[[145, 146, *range(225, 240)]])


def fleet() -> pd.DataFrame:
    north = troubled().assign(machine="north")
    south = plant(90, seed=4, start="2026-11-24")
    south.iloc[40:50, 0] += 1.5
    return pd.concat([north, south.assign(machine="south")]).sort_index(kind="stable")


TABLES = {
    "times and gaps": troubled(),
    "a fleet": fleet(),
    "times with a zone": troubled().tz_localize("Europe/Berlin"),
    "no times": troubled().reset_index(drop=True).rename_axis("row"),
    "a fleet without times": fleet().reset_index(drop=True).rename_axis("row"),
}


def said_by_watch(record: dict[str, Any]) -> dict[str, Any]:
    """The fields of a closed event without those that only a stream has."""
    only_here = ("schema", "kind", "state", "version")
    return {("event_id" if name == "id" else name): value for name, value in record.items() if name not in only_here}


def assert_same(one: Any, other: Any) -> None:
    """Every field is the same, numbers to what rounding leaves."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for name, value in one.items():
            assert_same(value, other[name])
    elif isinstance(one, list):
        assert len(one) == len(other)
        for pair in zip(one, other, strict=True):
            assert_same(*pair)
    else:
        assert one == (pytest.approx(other, **ROUNDED) if isinstance(other, float) else other)


@pytest.mark.parametrize("name", TABLES)
def test_score_and_watch_say_the_same_of_events(here: Path, model: Path, name: str) -> None:
    table, path = TABLES[name], here / "rows.csv"
    write(table, path, index=table.index.name == "timestamp")
    options = ["--entity", "machine"] if "machine" in table else []
    scored = tsae("score", model, path, *options, "--json", "--events", "e.csv")
    watched = tsae("watch", model, *options, stdin=path.read_text("utf-8"))
    assert scored.exit_code == watched.exit_code == 0, scored.stderr + watched.stderr
    in_file = json.loads(scored.stdout)["events"]
    records = [json.loads(line) for line in watched.stdout.splitlines()]
    in_stream = [said_by_watch(each) for each in records if each["kind"] == "event" and each["state"] == "closed"]
    assert len(in_file) >= 3
    by_id = {event["event_id"]: event for event in in_stream}
    assert by_id.keys() == {event["event_id"] for event in in_file}
    for event in in_file:
        assert_same(event, by_id[event["event_id"]])
    lines = pd.read_csv("e.csv")
    assert lines["event_id"].astype(str).tolist() == [event["event_id"] for event in in_file]
    assert lines["severity"].tolist() == pytest.approx([event["severity"] for event in in_file])


def test_every_field_of_an_event_is_in_the_list(model: Path) -> None:
    (event, *_) = package.load(model).detect(troubled().rename(columns=lambda name: name.split(" ")[0])).events
    shown = {name.removesuffix("_s") for name in event_fields(event)}
    assert {field.name for field in fields(Event)} - shown - {"escalates"} == {"entity", "ended", "zoned"}


def test_entities_are_named_as_asked_for(model: Path) -> None:
    detector = package.load(model)
    table = troubled().rename(columns=lambda name: name.split(" ")[0])
    alone, named = detector.detect(table), detector.detect(table, entity="north")
    assert named.entity == "north"
    assert [event.event_id for event in named.events] == [f"north:{event.event_id}" for event in alone.events]
    both = detector.detect([table, table], entity=["north", "south"])
    assert [found.entity for found in both] == ["north", "south"]
