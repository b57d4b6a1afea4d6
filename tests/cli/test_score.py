from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tsae as package
from tests.cli.reference import CHANNELS, COMMAND, FAULT, HEADERS, N_LATER, QUICK, later, plant, refused, tsae, write

TIMES = plant(N_LATER, start="2026-11-24").index
"""Of the rows of `later`, those that it drops among them."""


def test_two_commands_are_all_it_takes(here: Path, model: Path, table: Path) -> None:
    result = tsae("score", model, table)
    assert result.exit_code == 0
    assert "pressure" in result.stdout
    assert sorted(path.name for path in here.iterdir()) == ["later.events.csv", "later.scores.csv"]
    scores = pd.read_csv("later.scores.csv", parse_dates=["timestamp"])
    frame = later()
    assert list(scores.columns) == ["timestamp", "score", "p_value", "threshold", "severity", "label", "top_sensor"]
    assert ((scores["severity"] > 50) == (scores["label"] == 1)).all()
    assert scores["p_value"].between(0, 1).all()
    assert list(scores["timestamp"]) == list(frame.index)
    detector = package.load(model)
    expected = -detector.score_samples(frame.set_axis(CHANNELS, axis=1))
    np.testing.assert_allclose(scores["score"], expected, rtol=1e-4)
    np.testing.assert_array_equal(scores["label"], expected > detector.threshold_)
    fault = scores["timestamp"].isin(TIMES[FAULT])
    assert (scores.loc[fault, "label"] == 1).all()
    assert (scores.loc[fault, "top_sensor"] == "pressure").all()


def test_events_say_when_how_bad_and_which_sensors(here: Path, model: Path, table: Path) -> None:
    tsae("score", model, table, "--events", "e.csv")
    events = pd.read_csv("e.csv", parse_dates=["start", "stop", "peak"])
    worst = events.loc[events["peak_score"].idxmax()]
    assert worst["start"] <= TIMES[65] <= worst["stop"]
    assert worst["duration_s"] == (worst["stop"] - worst["start"]).total_seconds() + 60
    assert worst["severity"] > 50
    assert worst["sensor"] == "pressure"
    assert worst["sensors"].startswith("pressure ")
    assert worst["unit"] == "bar"
    assert worst["actual"] == later().loc[worst["peak"], "pressure [bar]"]
    assert 0 < worst["expected"] < 10


def test_json_for_machines_writes_only_what_is_named(here: Path, model: Path, table: Path) -> None:
    result = tsae("score", model, table, "--json")
    answer = json.loads(result.stdout)
    assert not list(here.iterdir())
    worst = max(answer["events"], key=lambda event: event["peak_score"])
    assert answer["n_rows"] == len(later())
    assert worst["peak_score"] > answer["threshold"]
    assert pd.Timestamp(worst["start"]) <= TIMES[65] <= pd.Timestamp(worst["stop"])
    assert worst["sensors"][0]["sensor"] == "pressure"
    assert sum(sensor["share"] for sensor in worst["sensors"]) == pytest.approx(1, abs=1e-3)
    tsae("score", model, table, "--json", "-o", "s.parquet")
    assert [path.name for path in here.iterdir()] == ["s.parquet"]


def test_parquet_and_report(here: Path, model: Path, table: Path) -> None:
    result = tsae("score", model, table, "-o", "s.parquet", "--report", "r.html")
    assert result.exit_code == 0
    frame = pd.read_parquet("s.parquet")
    assert list(frame["timestamp"]) == list(later().index)
    page = Path("r.html").read_text()
    assert "pressure" in page
    assert "plant: later" in page


def test_events_decide_the_exit_code_if_asked(here: Path, model: Path, table: Path) -> None:
    assert tsae("score", model, table, "--fail-on-events").exit_code == 10
    quiet = write(plant(200, start="2026-12-01"), here / "quiet.csv")
    result = tsae("score", model, quiet, "--fail-on-events")
    assert result.exit_code == 0
    assert "No events in 200 rows." in result.stdout
    assert len(pd.read_csv("quiet.events.csv")) == 0


def test_excluded_rows_do_not_alarm(here: Path, model: Path, table: Path) -> None:
    (here / "x.csv").write_text("start,end\n2026-11-24 00:30,2026-11-24 01:40\n")
    result = tsae("score", model, table, "--exclude", "x.csv", "--fail-on-events")
    assert result.exit_code == 0
    assert len(pd.read_csv("later.scores.csv")) == len(later())


def test_a_threshold_that_must_not_adapt_stays_where_it_was(here: Path, model: Path, table: Path) -> None:
    package.load(model).set_threshold("quantile", false_alarm_rate="5%").save("m.tsae")
    detector = package.load("m.tsae")
    adapted = tsae("score", "m.tsae", table, "-o", "a.csv", "--report", "a.html")
    stood = tsae("score", "m.tsae", table, "-o", "s.csv", "--no-adapt", "--report", "s.html")
    assert adapted.exit_code == stood.exit_code == 0
    found = detector.detect(later().set_axis(CHANNELS, axis=1))
    moved = "threshold has followed the scores from"
    assert moved in adapted.stderr
    assert moved in Path("a.html").read_text()
    assert moved not in stood.stderr + Path("s.html").read_text()
    assert f"{found.drift.first_threshold:.3g}, then follows the scores" in Path("a.html").read_text()
    assert "then follows the scores" not in Path("s.html").read_text()
    answer = json.loads(tsae("score", "m.tsae", table, "--json").stdout)
    assert answer["threshold"] == detector.thresholds_.used.value
    assert answer["threshold_moved"] == {"": pytest.approx(found.drift.moved, abs=1e-3)}
    ends = {"first": found.drift.first_threshold, "last": found.drift.last_threshold}
    assert answer["thresholds"] == {"": pytest.approx(ends)}
    following, static = (pd.read_csv(name)["threshold"] for name in ("a.csv", "s.csv"))
    assert following.nunique() > 1
    np.testing.assert_allclose(static, detector.thresholds_.used.value, rtol=1e-5)


def test_a_fleet_keeps_its_names(here: Path) -> None:
    sick, well = later(), plant(130, seed=3, start="2026-11-24")
    path = write(pd.concat([sick.assign(machine="north"), well.assign(machine="south")]), here / "fleet.csv")
    fleet = [plant(400, seed=seed).assign(machine=name) for seed, name in enumerate(("north", "south"))]
    train = write(pd.concat(fleet), here / "train.csv")
    assert tsae("fit", train, "--entity", "machine", *QUICK, "--threshold", "12", "-o", "m.tsae").exit_code == 0
    answer = json.loads(tsae("score", "m.tsae", path, "--entity", "machine", "--json", "-o", "s.csv").stdout)
    assert {event["entity"] for event in answer["events"]} == {"north"}
    assert all(event["event_id"].startswith("north:2026-11-24") for event in answer["events"])
    scores = pd.read_csv("s.csv")
    assert scores["machine"].value_counts().to_dict() == {"north": len(sick), "south": len(well)}
    assert tsae("score", "m.tsae", path, "--entity", "machine", "--report", "r.html").exit_code == 0
    assert pd.read_csv("fleet.events.csv")["machine"].unique().tolist() == ["north"]


def test_zones_are_kept_as_utc(here: Path, model: Path) -> None:
    path = write(later().tz_localize("Europe/Berlin"), here / "zoned.csv")
    assert tsae("score", model, path).exit_code == 0
    times = pd.to_datetime(pd.read_csv("zoned.scores.csv")["timestamp"])
    assert list(times) == list(later().index.tz_localize("Europe/Berlin").tz_convert("UTC"))


def test_columns_may_be_reordered(here: Path, model: Path, table: Path) -> None:
    path = write(later()[HEADERS[::-1]], here / "reordered.csv")
    assert tsae("score", model, table).exit_code == tsae("score", model, path).exit_code == 0
    assert Path("later.scores.csv").read_text() == Path("reordered.scores.csv").read_text()


def test_missing_columns_are_named(here: Path, model: Path) -> None:
    line = refused(3, "score", model, write(later()[["running"]], here / "t.csv"))
    assert "columns ['flow', 'pressure', 'temperature'] were there in fit and are missing now" in line


def test_extra_columns_are_ignored_with_one_notice(here: Path, model: Path) -> None:
    result = tsae("score", model, write(later().assign(spare=1.5), here / "t.csv"), "--report", "r.html")
    assert result.exit_code == 0
    notices = [line for line in result.stderr.splitlines() if "spare" in line]
    assert notices == ["note: columns ['spare'] were not there in fit and are ignored"]


def test_another_sampling_period_is_refused(here: Path, model: Path) -> None:
    line = refused(3, "score", model, write(plant(100, freq="10min"), here / "t.csv"))
    assert "the rows come every 600 s, in training every 60 s; resample them" in line


@pytest.mark.parametrize("n_rows", [1, 5])
def test_few_rows_are_scored(here: Path, model: Path, n_rows: int) -> None:
    assert tsae("score", model, write(plant(n_rows), here / "t.csv")).exit_code == 0
    assert pd.read_csv("t.scores.csv")["score"].notna().sum() == n_rows


@pytest.mark.parametrize("option", ["-o", "--events", "--report"])
def test_unwritable_outputs_are_found_before_anything_is_read(here: Path, option: str) -> None:
    line = refused(5, "score", "no.tsae", "no.csv", option, "nowhere/x.csv")
    assert "cannot write 'nowhere/x.csv'" in line


def test_inputs_are_not_overwritten(here: Path, model: Path) -> None:
    path = write(later(), here / "t.csv")
    assert "'t.csv' is also an input" in refused(2, "score", model, path, "-o", "t.csv")
    assert "is also an input" in refused(2, "score", model, path, "--report", model)
    assert "'x.csv' is also an input" in refused(2, "score", model, path, "--exclude", "x.csv", "--events", "x.csv")
    assert "'e.csv' is also another output" in refused(2, "score", model, path, "-o", "e.csv", "--events", "./e.csv")
    assert "must end in .csv or .parquet" in refused(2, "score", model, path, "-o", "scores.xlsx")


def test_the_real_command_reads_standard_input(here: Path, model: Path, table: Path) -> None:
    command = [*COMMAND, "score", model, "-", "--json", "--fail-on-events"]
    done = subprocess.run(command, input=table.read_bytes(), capture_output=True, check=False, timeout=120)
    assert done.returncode == 10, done.stderr
    assert json.loads(done.stdout)["n_rows"] == len(later())


def events_with(model: Path, table: str, *options: object) -> list[dict[str, Any]]:
    return json.loads(tsae("score", model, table, "--json", *options).stdout)["events"]


def two_faults(here: Path) -> str:
    frame = plant(200, seed=1, start="2026-11-24")
    for first in (60, 130):
        frame.iloc[first : first + 8, 1] += 2.0
    return write(frame, here / "two.csv")


def test_drift_is_told_with_its_reason(here: Path, model: Path) -> None:
    frame = plant(700)
    frame.iloc[200:, 1] += 30.0
    moved, calm = write(frame, here / "moved.csv"), write(plant(700), here / "calm.csv")
    verdict = json.loads(tsae("score", model, moved, "--json").stdout)["retrain"][""]
    assert verdict.startswith("retrain: in the last 700 rows")
    assert "pressure lies above the range of training in 71% of the rows" in verdict
    assert verdict in " ".join(tsae("score", model, moved).stderr.split())
    assert json.loads(tsae("score", model, calm, "--json").stdout)["retrain"] == {}


def test_events_are_what_the_options_say(here: Path, model: Path) -> None:
    table = two_faults(here)

    def own(*options: str) -> list[dict[str, Any]]:
        return [event for event in events_with(model, table, *options) if "escalates" not in event]

    assert len(own()) == 2
    assert len(own("--merge-gap", "2h")) == 1
    assert len(own("--cool-down", "100")) == 1
    assert len(own("--min-duration", "200min")) == 0
    assert len(own("--enter", "60/60")) == 0
    assert len(own("--min-severity", "99.9")) == 0
    assert {event["direction"] for event in own("--direction", "above")} == {"above"}
    assert all(event["direction"] == "below" for event in own("--direction", "below"))


def test_events_say_how_they_unfolded(here: Path, model: Path) -> None:
    table = two_faults(here)
    event = events_with(model, table)[0]
    assert event["pattern"][0]["sensor"] == "pressure"
    assert event["sensors"][0]["direction"] == "above"
    assert 0 < event["p_value"] < 0.01
    tsae("score", model, table, "--report", "r.html")
    line = pd.read_csv("two.events.csv").iloc[0]
    assert line["joined"].startswith(f"pressure {event['pattern'][0]['joined']}")
    assert line["direction"] == "above"
    assert "First to stand out was pressure at 2026-11-24 0" in Path("r.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--merge-gap", "long"], "`--merge-gap` (='long') is neither a number of rows nor a time"),
        (["--cool-down", "-3"], "`--cool-down` (=-3) must be a whole number of rows"),
        (["--enter", "three"], "`--enter` (='three') must be a number of rows, or two such as 3/5"),
        (["--enter", "5/3"], "`--enter` (='5/3') asks for more rows than it looks at"),
    ],
)
def test_an_event_option_that_makes_no_sense_is_refused(
    here: Path, model: Path, table: Path, options: list[str], message: str
) -> None:
    assert message in refused(2, "score", model, table, *options)


def test_it_needs_no_torch(here: Path, model: Path, table: Path) -> None:
    code = f"""
import sys
from tsae.cli import main
sys.argv = ["tsae", "score", {str(model)!r}, {str(table)!r}, "--report", "page.html"]
try:
    main()
finally:
    print(*sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert Path("page.html").exists()
    assert not {"torch", "pytorch_lightning", "onnx"} & set(done.stdout.splitlines()[-1].split())
