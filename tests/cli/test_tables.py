from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tests.cli.reference import plant, tsae, write
from tsae.alarms.event import Event, SensorShare
from tsae.cli.console import sensors_in_words
from tsae.cli.outputs import events_frame


def event(**shares: float) -> Event:
    sensors = tuple(SensorShare(name, share, expected=1.0, actual=2.0) for name, share in shares.items())
    time = pd.Timestamp("2026-11-24")
    return Event("1", time, time, 1, 60.0, time, peak_score=9.0, p_value=1e-4, severity=80.0, sensors=sensors)


@pytest.mark.parametrize(
    ("shares", "words", "cell"),
    [
        ({"flow": 0.97, "level": 0.02, "pH": 0.009, "rpm": 0.001}, "flow 97 %, level 2.0 %", "flow 0.97; level 0.02"),
        ({"flow": 1.0, "level": 0.0}, "flow 100 %", "flow 1.00"),
        ({f"s{n}": 0.005 for n in range(200)}, "s0 0.5 %", "s0 0.01"),
    ],
)
def test_screen_and_file_name_the_sensors_that_took_part(shares: dict[str, float], words: str, cell: str) -> None:
    assert sensors_in_words(event(**shares)) == words
    assert events_frame([event(**shares)], None)["sensors"].tolist() == [cell]


def test_a_constant_has_no_spread(here: Path) -> None:
    write(plant(300).assign(setpoint=50.0), here / "t.csv")
    assert tsae("fit", "t.csv", "--max-steps", "2", "--preset", "fast").exit_code == 0
    words = " ".join(tsae("inspect", "t.tsae").stdout.replace("│", " ").split())
    assert "setpoint constant 50 0 " in words
