"""Incidents of a fleet: in files, on the screen, in JSON and in a stream, also after a restart."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pandas as pd

import tsae as package
from tests.cli.reference import plant, tsae, write
from tsae.series.options import ReadOptions
from tsae.streaming.payloads import MessageReader
from tsae.streaming.runner import Runner, RunnerOptions
from tsae.streaming.transports.registry import sink_of, source_of


def fleet() -> pd.DataFrame:
    """Two entities of three that have faults at the same time, and one of them has another alone."""
    frames = {name: plant(200, seed=seed, start="2026-11-24") for seed, name in enumerate(["east", "north", "west"])}
    frames["north"].iloc[60:75, 1] += 2
    frames["west"].iloc[66:80, 1] += 2
    frames["west"].iloc[150:160, 1] += 2
    return pd.concat([frame.assign(machine=name) for name, frame in frames.items()]).sort_index(kind="stable")


def closed(output: str) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in output.splitlines()]
    return [record for record in records if record["kind"] == "incident" and record["state"] == "closed"]


def test_score_and_watch_find_the_same_incidents(here: Path, model: Path) -> None:
    rows = write(fleet(), here / "rows.csv")
    scored = tsae("score", model, rows, "--entity", "machine")
    assert scored.exit_code == 0, scored.stderr
    assert "1 incident of several entities" in scored.stdout
    assert "rows.incidents.csv" in scored.stderr
    (line,) = pd.read_csv("rows.incidents.csv").to_dict("records")
    events = pd.read_csv("rows.events.csv")
    assert sorted(line["entities"].split("; ")) == ["north", "west"]
    assert line["first_entity"] == line["entities"].split("; ")[0]
    assert set(line["event_ids"].split("; ")) <= set(events["event_id"])
    assert line["severity"] == events["severity"][events["event_id"].isin(line["event_ids"].split("; "))].max()
    (in_json,) = json.loads(tsae("score", model, rows, "--entity", "machine", "--json").stdout)["incidents"]
    watched = tsae("watch", model, "--entity", "machine", "--events-only", stdin=Path(rows).read_text("utf-8"))
    (last,) = closed(watched.stdout)
    assert last.pop("version") >= 2
    assert {name: last[name] for name in ("start", "stop", "first_entity", "entities", "event_ids")} == {
        name: in_json[name] for name in ("start", "stop", "first_entity", "entities", "event_ids")
    }
    schema = json.loads(files("tsae.streaming").joinpath("records.schema.json").read_text("utf-8"))
    kinds = [json.loads(each) for each in watched.stdout.splitlines()]
    assert sum(each["kind"] == "incident" for each in kinds) >= 2
    for each in kinds:
        jsonschema.validate(each, schema)


def test_incidents_survive_a_restart(here: Path, model: Path) -> None:
    lines = Path(write(fleet(), here / "rows.csv")).read_text("utf-8").splitlines(keepends=True)
    whole = tsae("watch", model, "--entity", "machine", "--events-only", stdin="".join(lines)).stdout
    n_before = 1 + 3 * 85  # both events are open
    fitted = package.FittedModel.load(model)
    for part in (lines[:n_before], lines):
        (here / "growing.csv").write_text("".join(part), "utf-8")
        scorer = package.StreamScorer(fitted)
        reader = MessageReader(fitted.channels, ReadOptions(entity="machine"))
        source = source_of("growing.csv", follow=False)
        options = RunnerOptions("events", here / "s.state")
        runner = Runner(scorer, source, [sink_of("out.jsonl")], reader, options=options)
        runner.open()
        runner.run()
        if part is lines:
            runner.settle()
        runner.close()
    assert closed((here / "out.jsonl").read_text("utf-8")) == closed(whole)


def test_a_single_table_has_no_incidents(here: Path, model: Path, table: Path) -> None:
    scored = tsae("score", model, table)
    assert scored.exit_code == 0
    assert not list(here.glob("*.incidents.csv"))
    assert "incidents" not in json.loads(tsae("score", model, table, "--json").stdout)
