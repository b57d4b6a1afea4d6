from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tsae as package
from tests.cli.reference import CHANNELS, COMMAND, QUICK, plant, refused, tsae, write
from tsae.alarms.thresholds import METHODS
from tsae.detection.parameters.recipes import RECIPES
from tsae.fitting.plan import PRESETS
from tsae.nn.architectures import ARCHITECTURES


def test_the_summary_says_what_was_learned(workshop: Path, here: Path) -> None:
    result = tsae("fit", workshop / "train.csv", *QUICK, "--preset", "fast")
    assert result.exit_code == 0
    words = " ".join(result.stdout.split())
    for fact in (
        "model train.tsae",
        "rows 600 of 4 sensors",
        "one row every 60 s",
        "windows 16 rows (16 min)",
        "pot, false alarms 1 per 10000 rows; learned from 90 held-out rows",
    ):
        assert fact in words
    assert "in time order an alarm is a score above" in words
    assert "times are read from 'timestamp'" in result.stderr
    assert "finer than 90 held-out rows can show" in result.stderr
    detector = package.load(here / "train.tsae")
    assert detector.channels_ == CHANNELS
    assert detector.units_ == {"flow": "l/s", "pressure": "bar", "temperature": "degC"}


def test_options_reach_the_detector(workshop: Path, here: Path) -> None:
    options = [
        "--window-size",
        "8,16",
        "--max-steps",
        "10",
        "--architecture",
        "conv",
        "--latent-dim",
        "6",
        "--lag",
        "5",
    ]
    options += ["--threshold", "7.5", "--false-alarms", "0.01", "--max-fill", "2", "--seed", "3"]
    assert tsae("fit", workshop / "train.csv", "-o", "m.tsae", *options).exit_code == 0
    stated = package.load(here / "m.tsae").get_params()
    expected = {
        "window_size": [8, 16],
        "max_steps": 10,
        "architecture": "conv",
        "latent_dim": 6,
        "lag": 5,
        "threshold": 7.5,
        "false_alarm_rate": 0.01,
        "max_fill": 2,
        "random_state": 3,
    }
    assert {name: stated[name] for name in expected} == expected


def test_a_kind_by_name_is_a_recipe_that_options_refine(workshop: Path, here: Path) -> None:
    options = ["--kind", "variational", "--architecture", "conv", "--window-size", "8", "--max-steps", "10"]
    assert tsae("fit", workshop / "train.csv", "-o", "m.tsae", *options).exit_code == 0
    expected = package.recipe("variational", architecture="conv", window_size=8, max_steps=10, random_state=0)
    stated = package.load(here / "m.tsae").get_params()
    assert {name: stated[name] for name in expected} == expected


def test_an_unknown_kind_is_refused(workshop: Path) -> None:
    assert "`--kind` (='quantum') is unknown" in refused(2, "fit", workshop / "train.csv", "--kind", "quantum")


@pytest.mark.parametrize(
    "options",
    [
        ["--preset", "slow"],
        ["--kind", "quantum"],
        ["--architecture", "lstm"],
        ["--threshold", "high"],
        ["--accelerator", "abacus"],
        ["--false-alarms", "often"],
    ],
)
def test_a_wrong_choice_is_refused_before_the_table_is_read(here: Path, options: list[str]) -> None:
    assert f"`{options[0]}` (={options[1]!r})" in refused(2, "fit", "missing.csv", *options)


def test_help_lists_the_choices() -> None:
    words = " ".join(tsae("fit", "--help").output.replace("│", " ").split())
    assert all(name in words for name in (*PRESETS, *RECIPES, *ARCHITECTURES, *METHODS))


def test_the_accelerator_goes_into_its_group(workshop: Path, here: Path) -> None:
    options = ["--accelerator", "auto", "--window-size", "8", "--max-steps", "2"]
    assert tsae("fit", workshop / "train.csv", "-o", "m.tsae", *options).exit_code == 0
    assert package.load(here / "m.tsae").training == {"accelerator": "auto"}


def test_the_seed_makes_the_model(workshop: Path, model: Path, here: Path) -> None:
    frame = pd.read_csv(workshop / "later.csv", index_col=0, parse_dates=True).set_axis(CHANNELS, axis=1)
    for seed in (0, 1):
        assert tsae("fit", workshop / "train.csv", "-o", f"{seed}.tsae", *QUICK, "--seed", seed).exit_code == 0
    first = package.load(model).score_samples(frame)
    np.testing.assert_array_equal(package.load(here / "0.tsae").score_samples(frame), first)
    assert not np.array_equal(package.load(here / "1.tsae").score_samples(frame), first)


def test_excluded_rows_are_not_learned(here: Path) -> None:
    frame = plant(600)
    frame.iloc[200:300, 1] = 99.0
    path = write(frame, here / "plant.csv")
    (here / "maintenance.csv").write_text("start,end,reason\n2026-11-02 03:20,2026-11-02 04:59,pump out\n")
    result = tsae("fit", path, "--exclude", "maintenance.csv", *QUICK)
    assert result.exit_code == 0
    assert "100 of 600 rows are excluded" in result.stderr
    assert package.load(here / "plant.tsae").model_.ensemble.scaler.mean[1] < 4


def test_a_fleet_is_one_model(here: Path) -> None:
    machines = [plant(400, seed=seed).assign(machine=name) for seed, name in enumerate(("north", "south", "west"))]
    path = write(pd.concat(machines), here / "fleet.csv")
    result = tsae("fit", path, "--entity", "machine", *QUICK)
    assert result.exit_code == 0
    assert "1,200 of 4 sensors, 3 machines" in result.stdout
    assert "name their `--entity` column" in refused(3, "fit", path, "--drop", "machine", *QUICK)


def test_a_channel_without_values_is_kept(here: Path) -> None:
    path = write(plant(400).assign(empty=np.nan), here / "plant.csv")
    result = tsae("fit", path, *QUICK)
    assert result.exit_code == 0
    assert "column 'empty' has no value in any row; it is kept, and masked" in result.stderr
    assert package.load(here / "plant.tsae").channels_ == [*CHANNELS, "empty"]


@pytest.mark.parametrize(
    ("n_rows", "message"), [(1, "too few rows to learn from (n_samples=1"), (10, "`--window-size` (=16) exceeds")]
)
def test_too_few_rows(here: Path, n_rows: int, message: str) -> None:
    assert message in refused(3, "fit", write(plant(n_rows), here / "short.csv"), *QUICK)
    assert not (here / "short.tsae").exists()


def test_an_unwritable_output_is_found_before_anything_is_read(here: Path) -> None:
    # The table does not exist either, which would be found first if it were read first.
    assert "cannot write 'nowhere/m.tsae': No such file" in refused(5, "fit", "no.csv", "-o", "nowhere/m.tsae")
    (here / "folder").mkdir()
    assert "'folder' is a folder; name a file in it" in refused(5, "fit", "no.csv", "-o", "folder")


def test_the_table_is_not_overwritten(here: Path) -> None:
    path = write(plant(300), here / "plant.csv")
    assert "'plant.csv' is also an input" in refused(2, "fit", path, "-o", "plant.csv")
    assert (here / "plant.csv").read_text().startswith("timestamp")


def test_standard_input_needs_an_output(here: Path, workshop: Path) -> None:
    content = (workshop / "train.csv").read_bytes()
    assert "state `--output`" in refused(2, "fit", "-", stdin=content)
    assert tsae("fit", "-", "-o", "m.tsae", *QUICK, stdin=content).exit_code == 0
    assert (here / "m.tsae").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--architecture", "lstm"], "`--architecture` (='lstm')"),
        (["--window-size", "3"], "`--window-size` (=3) must be"),
        (["--threshold", "high"], "`--threshold` (='high') is unknown"),
        (["--false-alarms", "2"], "`--false-alarms` (=2)"),
        (["--max-steps", "0"], "`--max-steps` (=0)"),
        (["--lag", "soon"], "`--lag` (='soon')"),
    ],
)
def test_impossible_settings_are_wrong_usage(workshop: Path, here: Path, options: list[str], message: str) -> None:
    assert message in refused(2, "fit", workshop / "train.csv", "-o", "m.tsae", "--max-steps", "10", *options)
    assert not (here / "m.tsae").exists()


def read_until(fd: int, mark: bytes, seconds: float) -> bytes:
    seen, end = b"", time.monotonic() + seconds
    while mark not in seen and time.monotonic() < end:
        if select.select([fd], [], [], 0.2)[0]:
            seen += os.read(fd, 65_536)
    assert mark in seen, seen.decode(errors="replace")[-2000:]
    return seen


def test_ctrl_c_in_training_leaves_the_old_model(workshop: Path, here: Path) -> None:
    old = (workshop / "plant.tsae").read_bytes()
    (here / "m.tsae").write_bytes(old)
    screen, terminal = pty.openpty()  # at a terminal there is a progress bar, which tells when training runs
    process = subprocess.Popen(
        [*COMMAND, "fit", workshop / "train.csv", "-o", "m.tsae", "--window-size", "16", "--max-steps", "20000"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=terminal,
        env={**os.environ, "TERM": "xterm"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL) and None,
    )
    os.close(terminal)
    try:
        seen = read_until(screen, b"/20000", 120)
        process.send_signal(signal.SIGINT)
        seen += read_until(screen, b"interrupted", 60)
        assert process.wait(60) == 130
    finally:
        process.kill()
        process.wait()
        os.close(screen)
    assert b"Traceback" not in seen
    assert re.search(rb"training on 600 rows of 4 sensors", seen)
    assert (here / "m.tsae").read_bytes() == old
    assert [path.name for path in here.iterdir()] == ["m.tsae"]
