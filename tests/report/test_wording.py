from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from tests.report.examples import event
from tsae.report import wording


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.001, "1 ms"),
        (1, "1 s"),
        (1.5, "1.5 s"),
        (59.96, "1 min"),
        (60, "1 min"),
        (3599, "59 min 59 s"),
        (3600, "1 h"),
        (3605, "1 h"),
        (86400, "1 d"),
        (864000 + 7200, "10 d 2 h"),
    ],
)
def test_durations_have_two_units(seconds: float, words: str) -> None:
    assert wording.duration(seconds, 1) == words


@pytest.mark.parametrize(
    ("time", "words"),
    [
        (pd.Timestamp("2024-03-05 14:30:05"), "2024-03-05 14:30:05"),
        (pd.Timestamp("2024-03-05 14:30:05.25"), "2024-03-05 14:30:05.25"),
        (pd.Timestamp("2024-03-05 14:30", tz="Asia/Kolkata"), "2024-03-05 14:30 +05:30"),
        (datetime(2024, 3, 5, tzinfo=UTC), "2024-03-05 00:00 +00:00"),
        (np.int64(12000), "row 12,000"),
        (0.5, "row 0.5"),
    ],
)
def test_moments_name_their_offset(time: object, words: str) -> None:
    assert wording.moment(time) == words


def test_an_interval_says_a_date_once() -> None:
    one, two = pd.Timestamp("2024-03-05 23:00"), pd.Timestamp("2024-03-06 01:00")
    assert wording.interval(event(one, two)) == "2024-03-05 23:00 to 2024-03-06 01:00"
    assert wording.interval(event(one, one)) == "2024-03-05 23:00"
    assert wording.interval(event(3, 5)) == "row 3 to row 5"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (-1.5, "−1.5"),
        (0.0, "0"),
        (1234.6, "1,235"),
        (1.23456e-7, "1.235e−07"),
        (4.2e9, "4.2e+09"),
        (np.nan, "not observed"),
    ],
)
def test_amounts_have_four_digits(value: float, words: str) -> None:
    assert wording.amount(value) == words
