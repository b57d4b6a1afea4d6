from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.cli.reference import plant, refused, tsae, write


def test_every_sensor_has_a_grade(here: Path) -> None:
    frame = plant(1_200)
    frame["empty"] = np.nan
    frame.iloc[:300, 1] = np.nan
    result = tsae("check", write(frame.drop(frame.index[700:720]), here / "plant.csv"))
    assert result.exit_code == 0
    lines = result.stdout.splitlines()

    def cells(sensor: str) -> list[str]:
        (line,) = [line for line in lines if line.startswith(f"│ {sensor} ")]
        return [cell.strip() for cell in line.strip("│").split("│")]

    assert cells("flow")[1:3] == ["l/s", "A"]
    assert cells("pressure")[1] == "bar"
    assert cells("pressure")[2] > "C"
    assert cells("empty")[2] == "F"
    assert "one row every 60 s" in result.stdout
    assert "1,180, from 2026-11-02 00:00 to" in result.stdout
    assert "21 min after 2026-11-02 11:39" in result.stdout


def test_a_table_is_held_against_the_usual_windows(here: Path) -> None:
    good = tsae("check", write(plant(3_000), here / "good.csv")).stdout
    assert "windows would be 16 rows (16 min) and 64 rows (1.07 h)" in good
    assert "principal components" in good
    assert "there is little data" not in good
    few = " ".join(tsae("check", write(plant(130), here / "few.csv")).stdout.split())
    assert "there is little data" in few
    assert "a fit would be refused" in tsae("check", "-", "--no-timestamp", "--no-header", stdin="1,2\n3,4\n").stdout


def test_reading_options_reach_the_reader(here: Path) -> None:
    frame = plant(300).reset_index()
    frame["timestamp"] = frame["timestamp"].dt.strftime("%d/%m/%Y %H:%M")
    frame["site"], frame["bad"] = "north", "x"
    path = write(
        frame.replace({"running": {0.0: "Kaputt", 1.0: 1}}), here / "plant.csv", index=False, sep="|", decimal=","
    )
    options = ["--separator", "|", "--decimal", ",", "--timestamp", "timestamp", "--timestamp-format", "%d/%m/%Y %H:%M"]
    result = tsae("check", path, *options, "--entity", "site", "--drop", "bad", "--missing", "Kaputt")
    assert result.exit_code == 0
    assert "300, from 2026-11-02 00:00" in result.stdout
    assert "left out" not in result.stderr
    assert "Kaputt" in refused(3, "check", path, *options, "--column", "running")


def test_standard_input_and_row_numbers(here: Path) -> None:
    result = tsae("check", "-", "--no-timestamp", "--no-header", stdin="1,2\n3,4\n5,7\n")
    assert result.exit_code == 0
    assert "3, from row 0 to row 2" in result.stdout
    assert "no regular clock" in result.stdout


BAD_TABLES = {
    "empty file": ("", "the file is empty"),
    "header only": ("time,flow\n", "a header but no rows"),
    "text in a number column": ("time,flow\n2026-11-24,1\n2026-11-25,2\n2026-11-26,wet\n", "'wet' in line 4"),
    "infinity": ("time,flow\n2026-11-24,1\n2026-11-25,inf\n", "infinite value 'inf' in line 3"),
    "time that does not parse": ("time,flow\n2026-11-24,1\n2026-11-25,2\nlast week,3\n", "line 4: no time"),
    "ragged": ("time,flow\n2026-11-24,1\n2026-11-25,2,3\n2026-11-26,3\n", "line 3 must have 2 cells"),
}


@pytest.mark.parametrize(("content", "message"), BAD_TABLES.values(), ids=BAD_TABLES.keys())
@pytest.mark.parametrize("command", ["check", "fit", "score"])
def test_bad_tables_are_refused(here: Path, model: Path, command: str, content: str, message: str) -> None:
    path = here / "bad.csv"
    path.write_text(content)
    arguments = [command, model, path] if command == "score" else [command, path]
    line = refused(3, *arguments)
    assert message in line
    assert str(path) in line
    assert not list(here.glob("*.tsae"))


def test_missing_files_are_named(here: Path, model: Path) -> None:
    assert "'nowhere.csv': No such file" in refused(3, "check", "nowhere.csv")
    assert "'nowhere.csv': No such file" in refused(3, "score", model, "nowhere.csv")
    assert "cannot read the exclusions 'nowhere.csv'" in refused(
        3, "fit", write(plant(300), here / "plant.csv"), "--exclude", "nowhere.csv"
    )


def test_an_impossible_option_is_wrong_usage(here: Path) -> None:
    assert "`--separator` (='ab') must be one character" in refused(2, "check", "x.csv", "--separator", "ab")


@pytest.mark.parametrize(
    ("arguments", "choices"),
    [
        (["check", "nowhere.csv", "--on-text", "keep"], ["drop", "error"]),
        (["check", "nowhere.csv", "--decimal", ";"], [".", ","]),
        (["score", "nowhere.tsae", "nowhere.csv", "--direction", "up"], ["either", "above", "below"]),
    ],
)
def test_a_wrong_choice_is_refused_before_the_table_is_read(arguments: list[str], choices: list[str]) -> None:
    result = tsae(*arguments)
    assert result.exit_code == 2
    assert all(repr(choice) in result.stderr for choice in [arguments[-1], *choices])
    assert "|".join(choices) in tsae(arguments[0], "--help").stdout


def test_debug_shows_the_traceback() -> None:
    from tsae.errors import DataError

    with pytest.raises(DataError, match="nowhere"):
        tsae("check", "nowhere.csv", "--debug")
