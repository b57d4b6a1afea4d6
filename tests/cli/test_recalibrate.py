from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd

import tsae as package
from tests.cli.reference import CHANNELS, plant, refused, tsae, write


def test_the_threshold_is_learned_anew_and_nothing_else_changes(workshop: Path, here: Path) -> None:
    assert tsae("fit", workshop / "train.csv", "-o", "m.tsae", "--max-steps", "10").exit_code == 0
    before = package.load(here / "m.tsae")
    result = tsae("recalibrate", "m.tsae", workshop / "train.csv", "--false-alarms", "5 per 100 rows")
    assert result.exit_code == 0, result.stderr
    after = package.load(here / "m.tsae")
    assert after.learned_threshold_.n_rows == 600
    assert after.learned_threshold_.budget == "5 per 100 rows"
    assert after.threshold_ != before.threshold_
    rows = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 4)), columns=before.channels_)
    np.testing.assert_array_equal(after.score_samples(rows), before.score_samples(rows))


def test_labelled_faults_choose_the_threshold(workshop: Path, here: Path) -> None:
    table = plant(400, seed=5).assign(fault=0)
    for start in range(40, 400, 90):
        table.iloc[start : start + 8, 1] += 0.6
        table.iloc[start : start + 8, -1] = 1
    write(table, here / "labelled.csv")
    values = {}
    for how in (["--threshold", "label_beta"], ["--threshold", "label_cost", "--label-cost", "0.01"], []):
        shutil.copy(workshop / "plant.tsae", "m.tsae")
        result = tsae("recalibrate", "m.tsae", "labelled.csv", "--label", "fault", *how)
        assert result.exit_code == 0, result.stderr
        assert re.search(r"32 labelled rows|4 labelled anomalies", result.stderr)
        learned = package.load(here / "m.tsae").learned_threshold_
        assert learned.method == "labels"
        assert f"{learned.value:.3g}, was 8 (chosen by the labels)" in result.stdout
        values[" ".join(how)] = learned.value
    assert values[""] == values["--threshold label_beta"] < values["--threshold label_cost --label-cost 0.01"]


def test_a_dry_run_shows_what_would_change_and_writes_nothing(workshop: Path, here: Path) -> None:
    shutil.copy(workshop / "plant.tsae", "m.tsae")
    before = (here / "m.tsae").read_bytes()
    arguments = ("recalibrate", "m.tsae", workshop / "train.csv", "--threshold", "0.5")
    result = tsae(*arguments, "--dry-run")
    assert result.exit_code == 0, result.stderr
    assert (here / "m.tsae").read_bytes() == before
    frame = pd.read_csv(workshop / "train.csv", index_col=0, parse_dates=True).set_axis(CHANNELS, axis=1)
    scores = -package.load(here / "m.tsae").score_samples(frame)
    words = " ".join(result.stdout.split())
    assert "m.tsae (unchanged) threshold 0.5, was 8 (as stated)" in words
    assert f"flagged rows {int((scores > 0.5).sum())}, was 0 (of 600)" in words
    assert "m.tsae is unchanged; leave --dry-run out" in result.stderr
    assert tsae(*arguments).exit_code == 0
    assert package.load(here / "m.tsae").threshold_ == 0.5


def test_that_the_model_can_be_written_is_found_out_first(workshop: Path, here: Path) -> None:
    shutil.copy(workshop / "plant.tsae", "m.tsae")
    assert "'m.tsae' is also an input" in refused(2, "recalibrate", "m.tsae", "no.csv", "--exclude", "./m.tsae")


def test_labels_that_are_missing_or_clash_are_told_with_the_way_out(workshop: Path, here: Path) -> None:
    shutil.copy(workshop / "plant.tsae", "m.tsae")
    arguments = ("recalibrate", "m.tsae", workshop / "train.csv", "--threshold")
    line = refused(2, *arguments, "label_cost", "--label-cost", "20")
    assert "`--threshold` (='label_cost') chooses by labelled anomalies" in line
    assert "pass `--label`, with some rows marked 1" in line
    line = refused(2, *arguments, "pot", "--label-cost", "20")
    assert "`--label-cost` (=20.0) clashes with `--threshold` (='pot')" in line
    assert package.load(here / "m.tsae").threshold_ == 8


def test_a_number_is_the_threshold_and_a_wrong_one_is_found_out_first(workshop: Path, here: Path) -> None:
    shutil.copy(workshop / "plant.tsae", "m.tsae")
    assert "`--threshold` (='high') is unknown" in refused(2, "recalibrate", "m.tsae", "no.csv", "--threshold", "high")
    result = tsae("recalibrate", "m.tsae", workshop / "train.csv", "--threshold", "5.5")
    assert result.exit_code == 0, result.stderr
    assert "5.5, was 8 (as stated)" in result.stdout
    assert package.load(here / "m.tsae").threshold_ == 5.5
