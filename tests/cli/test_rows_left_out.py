"""Rows that are excluded at recurring times, or in which the plant is off, in `fit`, `score` and `watch`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from tests.cli.reference import FAULT, HEADERS, QUICK, later, plant, refused, tsae, write


def stopped(frame: pd.DataFrame, rows: slice) -> pd.DataFrame:
    frame = frame.copy()
    frame.iloc[rows] = [0.0, 9.0, 0.0, 0.0]
    return frame


def closed(output: str) -> list[str]:
    records = [json.loads(line) for line in output.splitlines()]
    return [record["id"] for record in records if record.get("state") == "closed"]


def test_rows_with_the_plant_off_neither_train_nor_alarm(here: Path) -> None:
    train = write(stopped(plant(600), slice(200, 240)), here / "train.csv")
    rows = write(stopped(later(), slice(10, 25)), here / "rows.csv")
    fitted = tsae("fit", train, "-o", "m.tsae", *QUICK, "--threshold", "8", "--running", "flow > 1")
    assert fitted.exit_code == 0, fitted.stderr
    assert "flow > 1; 40 other rows are not trained on" in fitted.stderr + fitted.stdout
    assert "flow > 1" in tsae("inspect", "m.tsae").stdout
    scored = tsae("score", "m.tsae", rows)
    assert "18 rows with the plant off: they are scored, but never alarm" in scored.stderr  # flow is missing in three
    table = pd.read_csv("rows.scores.csv")
    off = ~(later()[HEADERS[0]].to_numpy() > 1)
    off[10:25] = True
    assert not table["label"][off].any()
    assert table["score"].notna().all()
    found = json.loads(tsae("score", "m.tsae", rows, "--json").stdout)
    assert found["n_off"] == 18
    watched = tsae("watch", "m.tsae", stdin=Path(rows).read_text("utf-8"))
    assert closed(watched.stdout) == [event["event_id"] for event in found["events"]] != []
    assert "18 rows excluded or with the plant off" in watched.stderr


def test_recurring_times_are_left_out(here: Path, model: Path, table: Path) -> None:
    fault = later().index[FAULT.start - 5].strftime("%H:%M"), later().index[FAULT.stop].strftime("%H:%M")
    times = f"Tue 00:{fault[0][3:]}-{fault[1]}"
    options = ["--exclude", times, "--exclude", "daily 00:00-00:10"]
    scored = tsae("score", model, table, *options, "--json")
    n_out = int(np.isin(later().index.strftime("%H:%M"), [f"00:0{minute}" for minute in range(10)]).sum())
    assert "daily 00:00-00:10" in scored.stderr
    assert n_out == 10
    events = json.loads(scored.stdout)["events"]
    whole = json.loads(tsae("score", model, table, "--json").stdout)["events"]
    assert len(events) < len(whole)
    watched = tsae("watch", model, *options, stdin=table.read_text("utf-8"))
    assert closed(watched.stdout) == [event["event_id"] for event in events]
    train = write(plant(600), here / "train.csv")
    fitted = tsae("fit", train, *QUICK, "--exclude", "daily 03:00-04:00")
    assert "60 of 600 rows are excluded by daily 03:00-04:00" in fitted.stderr


def test_bad_conditions_and_times_are_refused(here: Path, model: Path, table: Path) -> None:
    train = write(plant(100), here / "train.csv")
    assert "names 'speed', which is not a channel" in refused(2, "fit", train, "--running", "speed > 1")
    assert "'Sat 2:00-26:00' must span" in refused(2, "score", model, table, "--exclude", "Sat 2:00-26:00")
    assert "states a time zone" in refused(3, "score", model, table, "--exclude", "Sat 2:00-6:00 Europe/Berlin")
    assert "cannot read the exclusions 'no.csv'" in refused(3, "watch", model, "--exclude", "no.csv", stdin="")
