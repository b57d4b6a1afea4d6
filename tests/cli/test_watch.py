from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tsae as package
from tests.cli.reference import CHANNELS, COMMAND, FAULT, HEADERS, N_LATER, later, plant, refused, tsae, write
from tsae.store import read_model, write_model


def watched(model: Path, stdin: str, *options: str) -> list[dict[str, Any]]:
    result = tsae("watch", model, *options, stdin=stdin)
    assert result.exit_code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def settled(answers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for answer in answers for row in answer.get("settled", [])]


def as_json(frame: pd.DataFrame) -> str:
    """A line per row; what was not measured is left out."""
    rows = [
        {"timestamp": time.isoformat(), **row.dropna().to_dict()}
        for time, row in frame.rename(columns={"flow [l/s]": "flow"}).iterrows()
    ]
    return "".join(json.dumps(row) + "\n" for row in rows)


def as_german_csv(frame: pd.DataFrame) -> str:
    return frame.set_axis(frame.index.strftime("%d.%m.%Y %H:%M")).rename_axis("Zeit").to_csv(sep=";", decimal=",")


@pytest.fixture(scope="module")
def scored(workshop: Path, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """What `tsae score` says of the same rows."""
    folder = tmp_path_factory.mktemp("scored")
    options = ["-o", folder / "s.csv", "--events", folder / "e.csv"]
    assert tsae("score", workshop / "plant.tsae", workshop / "later.csv", *options).exit_code == 0
    return pd.read_csv(folder / "s.csv")


@pytest.mark.parametrize("write", [pd.DataFrame.to_csv, as_json, as_german_csv])
def test_settled_scores_are_those_of_score(model: Path, scored: pd.DataFrame, write: Any) -> None:
    answers = watched(model, write(later()))
    rows = settled(answers)
    assert [row["row"] for row in rows] == list(range(len(scored)))
    np.testing.assert_allclose([row["score"] for row in rows], scored["score"], rtol=1e-4)
    assert [row["label"] for row in rows] == (scored["label"] == 1).tolist()
    at_once = [answer for answer in answers if "score" in answer]
    assert [answer["row"] for answer in at_once] == list(range(len(scored)))


def test_without_onnx_runtime_torch_serves_and_says_so(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = settled(watched(model, later()[:30].to_csv()))
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    result = tsae("watch", model, stdin=later()[:30].to_csv())
    assert result.stderr.count("note: onnxruntime is not installed; torch executes the model") == 1
    rows = settled([json.loads(line) for line in result.stdout.splitlines()])
    np.testing.assert_allclose([row["score"] for row in rows], [row["score"] for row in expected], rtol=1e-4)


def test_times_come_back_as_they_were_written(model: Path) -> None:
    answers = watched(model, as_german_csv(later()[:40]))
    assert answers[0]["timestamp"] == "24.11.2026 00:00"
    assert [row["timestamp"] for row in settled(answers)][:2] == ["24.11.2026 00:00", "24.11.2026 00:01"]


def test_alarms_name_their_sensors(model: Path) -> None:
    answers = watched(model, later().to_csv(), "--alarms-only")
    at_once = [answer for answer in answers if "score" in answer]
    alarms = settled(answers)
    assert at_once
    assert all(row["label"] for row in [*at_once, *alarms])
    assert len(answers) < N_LATER
    times = plant(N_LATER, start="2026-11-24").index[FAULT].astype(str)
    during = [row for row in alarms if row["timestamp"] in set(times)]
    assert len(during) == len(times)
    assert all(next(iter(row["sensors"])) == "pressure" for row in during)


def test_a_bad_line_costs_only_itself(model: Path, scored: pd.DataFrame) -> None:
    lines = later().to_csv().splitlines()
    lines[20:20] = [
        "garbage",
        "2026-11-24 00:18:30,wet,1,1,1",
        "2026-11-24 00:18:30,inf,1,1,1",
        "soon,1,1,1,1",
        "",
        "1,2,3,4,5,6",
    ]
    result = tsae("watch", model, stdin="\n".join(lines))
    errors = [json.loads(line) for line in result.stderr.splitlines() if line.startswith("{")]
    assert [error["line"] for error in errors] == [21, 22, 23, 24, 26]
    for error, part in zip(errors, ["1 cells", "'wet'", "not finite", "'soon'", "6 cells"], strict=True):
        assert part in error["error"]
    assert "5 bad lines" in result.stderr
    rows = settled([json.loads(line) for line in result.stdout.splitlines()])
    np.testing.assert_allclose([row["score"] for row in rows], scored["score"], rtol=1e-4)


def test_bad_json_costs_only_itself(model: Path, scored: pd.DataFrame) -> None:
    lines = as_json(later()).splitlines()
    lines[10:10] = [
        "{",
        "[1, 2]",
        '{"other": 1}',
        '{"timestamp": "2026-11-24T00:09:30", "flow": {"a": 1}}',
        "[" * 100_000,
    ]
    lines[5] = lines[5].replace('"flow": ', '"flow": "wet", "unused": ')
    result = tsae("watch", model, stdin="\n".join(lines))
    errors = [json.loads(line)["line"] for line in result.stderr.splitlines() if line.startswith("{")]
    assert errors == [6, 11, 12, 13, 14, 15]
    assert len(settled([json.loads(line) for line in result.stdout.splitlines()])) == len(scored) - 1


@pytest.mark.parametrize(
    "options",
    [
        ["--to", "rows.csv"],
        ["--to", "m.model"],
        ["--to", "out.jsonl", "--to", "./out.jsonl"],
        ["--to", "out.jsonl", "--state", "out.jsonl"],
        ["--state", "rows.csv"],
        ["--state", "m"],  # its copy of the model would lie in the model's place
    ],
)
def test_neither_rows_nor_model_nor_results_are_overwritten(here: Path, model: Path, options: list[str]) -> None:
    files = [write(later()[:10], here / "rows.csv"), "m.model"]
    shutil.copy(model, "m.model")
    before = [Path(each).read_bytes() for each in files]
    line = refused(2, "watch", "m.model", "--from", "rows.csv", "--no-follow", *options)
    assert re.search(r"is also (an input|another output); choose another path", line)
    assert [Path(each).read_bytes() for each in files] == before
    assert {path.name for path in here.iterdir()} == {"rows.csv", "m.model"}


def test_late_rows_are_dropped_and_counted(model: Path) -> None:
    lines = later()[:30].to_csv().splitlines()
    lines[20:20] = [lines[10], lines[19]]
    result = tsae("watch", model, stdin="\n".join(lines))
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert [answer["timestamp"] for answer in answers if "dropped" in answer] == [lines[10][:19], lines[19][:19]]
    assert len(settled(answers)) == 30
    assert "30 rows scored, 2 repeated rows dropped" in result.stderr


def test_it_says_how_far_the_threshold_has_moved(model: Path, tmp_path: Path) -> None:
    detector = package.load(model).set_threshold("quantile", false_alarm_rate="5%")
    detector.save(tmp_path / "m.tsae")
    result = tsae("watch", tmp_path / "m.tsae", stdin=later().to_csv())
    moved = detector.detect(later().set_axis(CHANNELS, axis=1)).drift.moved
    assert moved != 0
    assert f"the threshold has followed the scores by {moved:+.3g}" in result.stderr


def test_every_machine_has_its_own_stream(model: Path, scored: pd.DataFrame) -> None:
    north = later().assign(machine="north")
    south = later()[:50].assign(machine="south")
    both = pd.concat([north, south]).sort_index(kind="stable")
    answers = watched(model, both.to_csv(), "--entity", "machine")
    for name, n_rows in (("north", len(scored)), ("south", 50)):
        rows = settled([answer for answer in answers if answer["entity"] == name])
        assert len(rows) == n_rows
    north_rows = settled([answer for answer in answers if answer["entity"] == "north"])
    np.testing.assert_allclose([row["score"] for row in north_rows], scored["score"], rtol=1e-4)


def test_rows_without_time(model: Path) -> None:
    result = tsae("watch", model, stdin=later()[:20].to_csv(index=False))
    assert "note: the rows have no readable time" in result.stderr
    assert "timestamp" not in json.loads(result.stdout.splitlines()[0])


def test_other_columns(model: Path) -> None:
    line = refused(3, "watch", model, stdin=later()[[HEADERS[0]]].to_csv())
    assert "does not name the channels ['pressure', 'temperature', 'running']" in line
    result = tsae("watch", model, stdin=later()[:5].assign(spare=1)[["spare", *HEADERS[::-1]]].to_csv())
    assert result.stderr.count("columns ['spare'] were not there in fit and are ignored") == 1
    assert result.stdout.count('"kind": "row"') == 6


def test_another_sampling_period_is_told(model: Path) -> None:
    slow = later()[:20].set_axis(pd.date_range("2026-11-24", periods=20, freq="10min")).rename_axis("timestamp")
    result = tsae("watch", model, stdin=slow.to_csv())
    assert result.stderr.count("note: rows arrive every 600 s, but in training every 60 s") == 1


@pytest.mark.parametrize("stdin", ["", "\n\n", "timestamp,flow,pressure,temperature,running\n", '{"other": 1}\n'])
def test_nothing_to_score_is_an_error(model: Path, stdin: str) -> None:
    assert "no row was scored" in refused(3, "watch", model, stdin=stdin)


def test_rows_are_answered_while_the_stream_runs_and_sigterm_settles_the_rest(model: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "watch", model], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        header, *rows = later()[:3].to_csv().splitlines()
        process.stdin.write(f"{header}\n")
        for number, row in enumerate(rows):
            process.stdin.write(f"{row}\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["row"] == number  # while more rows may come
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, err
    assert [row["row"] for row in settled([json.loads(line) for line in out.splitlines()])] == [0, 1, 2]
    assert "3 rows scored" in err


def test_a_sink_or_state_that_cannot_be_written_is_told_before_a_row_is_read(model: Path, here: Path) -> None:
    rows = later()[:3].to_csv()
    for option in ("--to", "--state"):
        line = refused(5, "watch", model, option, here / "missing" / "file", stdin=rows)
        assert "cannot write" in line
        assert str(here / "missing" / "file") in line


def test_a_state_of_a_model_that_is_gone_or_a_torn_one_is_refused_and_left_as_it_is(model: Path, here: Path) -> None:
    rows, state = later()[:3].to_csv(), here / "state"
    watched(model, rows, "--state", state)
    before = state.read_bytes()
    tensors, manifest = read_model(model)
    write_model(here / "other.tsae", {**tensors, "scaler.mean": tensors["scaler.mean"] + 1}, manifest)
    (here / "state.model").unlink()
    assert "belongs to another model" in refused(3, "watch", here / "other.tsae", "--state", state, stdin=rows)
    assert state.read_bytes() == before
    state.write_bytes(before[: len(before) // 2])
    line = refused(3, "watch", model, "--state", state, stdin=rows)
    assert f"state file {str(state)!r} cannot be used" in line
    assert "delete it to begin afresh" in line


def test_a_new_threshold_is_a_new_model(model: Path, here: Path) -> None:
    package.load(model).set_threshold(1e-6).save(here / "m.tsae")
    begun = watched(model, later()[:30].to_csv(), "--state", "state")
    rest = watched(here / "m.tsae", later()[30:60].to_csv(), "--state", "state")
    assert [row["row"] for row in settled([*begun, *rest])] == list(range(60))
    assert not any(row["label"] for row in settled(begun))
    assert all(row["label"] for row in settled(rest))
