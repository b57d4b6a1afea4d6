"""Events found, false alarms, and the delay."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from tests.evaluation import reference
from tests.evaluation.recipes import CASES, THRESHOLD
from tests.evaluation.strategies import labelled_flags, patient
from tsae.evaluation import event_precision_recall, point_precision_recall, time_to_detect

# (true positives, false positives, false negatives) by Detector.evaluate_sequences of the telemanom code.
PUBLISHED = {"apart": (2, 173, 1), "close": (5, 64, 0), "borders": (3, 47, 0), "blind": (1, 91, 0)}
Flags = tuple[np.ndarray, np.ndarray]


@pytest.mark.parametrize("name", CASES)
def test_published_values(name: str) -> None:
    labels, scores = CASES[name]
    found = event_precision_recall(labels, scores > THRESHOLD)
    missed = found.n_events - found.n_detected
    assert (found.n_detected, found.n_false_alarms, missed) == PUBLISHED[name]


@patient
@given(labelled_flags())
def test_slow_twins_agree(data: Flags) -> None:
    found = event_precision_recall(*data)
    assert (found.n_events, found.n_detected, found.n_false_alarms) == reference.event_counts(*data)
    np.testing.assert_array_equal(time_to_detect(*data), reference.delays(*data))


@patient
@given(labelled_flags())
def test_an_event_has_a_delay_if_and_only_if_it_is_found(data: Flags) -> None:
    assert np.isfinite(time_to_detect(*data)).sum() == event_precision_recall(*data).n_detected


def test_figures_follow_from_the_counts() -> None:
    found = event_precision_recall([1, 1, 0, 1, 0, 0, 1, 0, 0, 0], [0, 1, 0, 1, 0, 1, 0, 0, 1, 0])
    assert (found.precision, found.recall, found.f1) == pytest.approx((1 / 2, 2 / 3, 4 / 7))


def test_several_alarms_in_one_event_count_once() -> None:
    found = event_precision_recall([1, 1, 1, 1, 1, 0, 1], [1, 0, 1, 0, 1, 0, 0])
    assert (found.n_detected, found.n_false_alarms, found.precision) == (1, 0, 1)


def test_one_alarm_can_find_several_events() -> None:
    found = event_precision_recall([1, 0, 1, 0], [1, 1, 1, 1])
    assert (found.n_detected, found.n_false_alarms, found.f1) == (2, 0, 1)


def test_an_alarm_that_runs_into_the_event_has_no_delay() -> None:
    np.testing.assert_array_equal(time_to_detect([0, 0, 1, 1, 0, 1], [0, 1, 1, 0, 1, 0]), [0, np.nan])


def test_undefined_cases() -> None:
    for metric in (event_precision_recall, point_precision_recall):
        silent = metric([0, 1, 0], [0, 0, 0])
        assert (silent.precision, silent.recall, silent.f1) == pytest.approx((np.nan, 0, 0), nan_ok=True)
        healthy = metric([0, 0, 0], [0, 1, 0])
        figures = (healthy.precision, healthy.recall, healthy.f1)
        assert figures == pytest.approx((0, np.nan, np.nan), nan_ok=True)
        everything = metric([1, 1, 1], [1, 1, 1])
        assert (everything.precision, everything.recall, everything.f1) == (1, 1, 1)
    assert time_to_detect([0, 0, 0], [0, 1, 0]).shape == (0,)
    assert event_precision_recall([1, 0], [0, 1]).f1 == 0
