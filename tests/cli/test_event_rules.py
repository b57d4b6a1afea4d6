"""Rules that keep events from being reported: the same in `score` and `watch`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.reference import refused, tsae, write
from tests.cli.test_same_events import troubled


def found_by_both(model: Path, table: str, *options: str) -> list[str]:
    """The events of the file; a stream may have opened others, which looked different when they began."""
    scored = tsae("score", model, table, "--json", *options)
    watched = tsae("watch", model, *options, stdin=Path(table).read_text("utf-8"))
    assert scored.exit_code == watched.exit_code == 0, scored.stderr + watched.stderr
    records = [json.loads(line) for line in watched.stdout.splitlines()]
    ids = [event["event_id"] for event in json.loads(scored.stdout)["events"]]
    closed = [record for record in records if record.get("state") == "closed"]
    assert sorted(record["id"] for record in closed if record["id"] in ids) == sorted(ids)
    others = {record["id"] for record in closed} - set(ids)
    assert others <= {record["id"] for record in records if record.get("state") == "opened"}
    return ids


@pytest.mark.parametrize(
    "options",
    [
        ["--least-deviation", "pressure=1.9", "--least-deviation", "*=40%"],
        ["--direction", "either", "--direction", "pressure=below"],
        ["--snooze", "sensor pressure until 2026-11-24T04:00"],
        ["--snooze", "sensor pressure until 2026-11-24 01:30", "--snooze", "sensor flow until 2026-11-25"],
    ],
)
def test_rules_report_the_same_events_in_a_file_and_in_a_stream(here: Path, model: Path, options: list[str]) -> None:
    table = write(troubled(), here / "rows.csv")
    everything, some = found_by_both(model, table), found_by_both(model, table, *options)
    assert 0 < len(some) < len(everything)
    assert set(some) < set(everything)


def test_an_entity_is_snoozed_by_its_name(here: Path, model: Path) -> None:
    frame = troubled().assign(machine="north")
    table = write(frame, here / "rows.csv")
    options = ["--entity", "machine", "--snooze"]
    assert found_by_both(model, table, *options, "entity south until 2026-11-25")
    assert not found_by_both(model, table, *options, "entity north until 2026-11-25T00:00")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--direction", "up"], "`--direction` (='up') must be one of 'either', 'above', 'below'"),
        (["--direction", "sped=up"], "`--direction` (='up')"),
        (["--least-deviation", "pressure=a bit"], "`--least-deviation` (='a bit') must be a number of at least 0"),
        (["--least-deviation", "sped=1"], "`--least-deviation` names 'sped', which is not a channel"),
        (["--snooze", "pump 3"], "`--snooze` (='pump 3') must name an entity or a sensor, and a time; write"),
        (["--snooze", "entity pump 3 until noon"], "must be a time in ISO 8601"),
    ],
)
def test_rules_that_make_no_sense_are_refused(model: Path, table: Path, options: list[str], message: str) -> None:
    assert message in refused(2, "score", model, table, *options)
    assert message in refused(2, "watch", model, *options, stdin="")


def test_a_snooze_with_a_zone_needs_rows_with_one(model: Path, table: Path) -> None:
    error = refused(3, "score", model, table, "--snooze", "sensor flow until 2026-11-25T00:00Z")
    assert "`--snooze` (until 2026-11-25T00:00:00+00:00) carry a time zone" in error
