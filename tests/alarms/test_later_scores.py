"""Thresholds that are raised by how later training rows score."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tsae.alarms.thresholds import (
    LaterScores,
    fixed_threshold,
    later_scores,
    learn_threshold,
    learn_thresholds,
    widened,
)
from tsae.scoring.whole_series import CalibrationScores

RNG = np.random.default_rng(4)
CALIBRATION = RNG.exponential(size=300)
PARTS = [[RNG.exponential(scale, size=n) for scale in (5.0, 6.0, 4.0, 7.0)] for n in (400, 120)]
"""Two parts of later rows, with the four kinds of score."""
LEVELS = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.925, 0.95, 0.97)


def obvious(learned: float, calibration: list[float], parts: list[list[float]]) -> float:
    """The rule row by row, with quantiles read off sorted lists."""
    below = sum(score <= learned for score in calibration) / len(calibration)
    level = min(max(below, LEVELS[0]), LEVELS[-1])
    found = []
    for part in parts:
        ordered = sorted(score for score in part if not math.isnan(score))
        points = [quantile(ordered, each) for each in LEVELS]
        after = next(number for number in range(1, len(LEVELS)) if level <= LEVELS[number])
        share = (level - LEVELS[after - 1]) / (LEVELS[after] - LEVELS[after - 1])
        found.append(points[after - 1] + share * (points[after] - points[after - 1]))
    return max(learned, sum(found) / len(found))


def quantile(ordered: list[float], level: float) -> float:
    place = level * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


@pytest.mark.parametrize("kind", range(4))
@pytest.mark.parametrize("rate", [0.3, 0.04, 0.001, "1 per 10000 rows"])
def test_thresholds_are_raised_as_an_obvious_twin_raises_them(kind, rate):
    learned = learn_threshold(CALIBRATION, method="quantile", false_alarm_rate=rate)
    found = widened(learned, CALIBRATION, later_scores(PARTS), kind)
    expected = obvious(learned.value, CALIBRATION.tolist(), [part[kind].tolist() for part in PARTS])
    assert found.value == pytest.approx(expected, rel=1e-12)
    assert found.value > learned.value


def test_rows_without_a_score_and_parts_without_any_are_left_out():
    holed = [[np.concatenate([[np.nan], kind, [np.nan]]) for kind in kinds] for kinds in PARTS]
    empty = [np.full(5, np.nan)] * 4
    found, expected = later_scores([*holed, empty]), later_scores(PARTS)
    np.testing.assert_array_equal(found.quantiles, expected.quantiles)


def test_later_rows_that_score_no_higher_change_nothing():
    learned = learn_threshold(CALIBRATION, method="pot", false_alarm_rate=0.001)
    assert widened(learned, CALIBRATION, later_scores([[CALIBRATION] * 4]), 0) == learned
    assert widened(learned, CALIBRATION, None, 0) == learned


def test_one_fault_in_training_does_not_decide():
    learned = learn_threshold(CALIBRATION, method="pot", false_alarm_rate=0.001)
    faulty = np.concatenate([CALIBRATION, np.full(8, 1e6)])
    assert widened(learned, CALIBRATION, later_scores([[faulty] * 4]), 0) == learned


def test_the_note_says_what_was_raised_and_why():
    learned = learn_threshold(CALIBRATION, method="quantile", false_alarm_rate=0.01)
    found = widened(learned, CALIBRATION, later_scores(PARTS), 0)
    assert found.note.startswith(
        f"raised from {learned.value:.3g} to {found.value:.3g}, which 97 % of later training rows"
    )
    finer = learn_threshold(CALIBRATION, method="quantile", false_alarm_rate=1e-4)
    assert widened(finer, CALIBRATION, later_scores(PARTS), 0).note.startswith(f"{finer.note}; raised from ")


def test_short_training_is_noted_and_changes_nothing():
    learned = learn_threshold(CALIBRATION, method="pot", false_alarm_rate=0.01)
    found = widened(learned, CALIBRATION, later_scores([]), 0)
    assert found.value == learned.value
    assert found.note == "training is too short to show how scores change with distance from it"


def test_a_stated_threshold_stays_as_it_is():
    calibration = CalibrationScores(*[CALIBRATION] * 4)
    later = later_scores(PARTS)
    assert set(learn_thresholds(calibration, 2.5, 0.01, None, later)) == {fixed_threshold(2.5)}


def test_each_kind_of_score_is_raised_by_its_own_later_scores():
    calibration = CalibrationScores(*[CALIBRATION] * 4)
    later = LaterScores(np.array([0.5, 0.97]), np.array([[[9.0, 9.0], [19.0, 19.0], [29.0, 29.0], [39.0, 39.0]]]))
    values = [each.value for each in learn_thresholds(calibration, "quantile", 0.01, None, later)]
    np.testing.assert_allclose(values, [9, 19, 29, 39])
