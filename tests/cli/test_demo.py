from __future__ import annotations

from pathlib import Path

import pandas as pd

from tests.cli.reference import refused, tsae


def test_the_demo_finds_faults_and_leaves_its_results(here: Path) -> None:
    result = tsae("demo", "--folder", "pump", "--window-size", "16", "--max-steps", "60")
    assert result.exit_code == 0
    names = ["events.csv", "pump.tsae", "report.html", "scores.csv"]
    assert sorted(path.name for path in (here / "pump").iterdir()) == names
    lines = [line.split("│") for line in result.stdout.splitlines() if "│" in line]
    found = {cells[2].strip() for cells in lines if cells[5].strip() == "yes"}
    assert {"spike", "leak", "dropout"} <= found
    assert "of 10 labelled faults are found" in result.stdout
    assert "tsae score pump/pump.tsae" in result.stdout
    events = pd.read_csv("pump/events.csv")
    maintenance = (events["start"] >= "2026-06-10 13:00") & (events["stop"] <= "2026-06-10 17:05")
    assert not maintenance.any()


def test_a_folder_that_cannot_be_made(here: Path) -> None:
    (here / "demo").write_text("in the way")
    assert "cannot make the folder 'demo'" in refused(5, "demo")
