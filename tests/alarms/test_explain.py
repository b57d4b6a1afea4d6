from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsae.alarms.decider import EventWatch
from tsae.alarms.event import Event, Naming, PeakView, as_event
from tsae.alarms.rules import EventRules, severities, severity
from tsae.alarms.tracking import RowBlock, TrackedEvent

N_ROWS = 30
CLOCK = pd.date_range("2026-03-01", periods=N_ROWS, freq="min")
JOINS = np.array([5.0, 2.5])


@given(score=st.floats(0, 1e6), more=st.floats(0, 1e6), threshold=st.floats(1e-3, 1e3))
def test_severity_grows_with_the_score_from_0_to_100(score, more, threshold):
    assert 0 <= severity(score, threshold) <= severity(score + more, threshold) <= 100
    assert severity(0, threshold) == 0
    assert severity(threshold, threshold) == pytest.approx(50)
    assert severity(3 * threshold, threshold) == pytest.approx(75)


class Source:
    """What stands for the rows of an entity."""

    def __init__(self, naming: Naming) -> None:
        self.naming = naming

    def hold(self, peaks: list[int]) -> None:
        pass

    def describe(self, event: TrackedEvent, *, ended: bool) -> Event:
        row = event.peak.row
        view = PeakView(actual=np.array([row, np.nan]), expected=np.array([row + 0.5, 7.0]))
        return as_event(event, self.naming, view, ended=ended)


def events(
    *, index: pd.Index = CLOCK, rules: EventRules | None = None, entity: str = "", **changes: Any
) -> tuple[Event, ...]:
    """Events of two sensors and a quiet series, with one alarming run in rows 10 … 12."""
    scores, errors = np.full(N_ROWS, 0.5), np.ones((N_ROWS, 2), dtype=np.float32)
    scores[10:13] = 9.0, 5.0, 7.0
    errors[10:13] = [3.0, 1.0], [7.0, 2.0], [np.nan, 3.0]
    facts: dict[str, Any] = {
        "times": np.arange(N_ROWS),
        "scores": scores,
        "thresholds": np.full(N_ROWS, 3.0),
        "errors": errors,
        "blocked": np.zeros(N_ROWS, dtype=bool),
    }
    segments = changes.pop("segments", np.zeros(N_ROWS, dtype=int))
    rows = RowBlock(**{**facts, **changes})
    period = 60.0 if isinstance(index, pd.DatetimeIndex) else None
    naming = Naming(
        *(["flow", "pressure"], {"pressure": "bar"}, period, entity),
        time_of=lambda moment: index[moment.row],
        p_value_of=lambda score: float(np.exp(-score)),
    )
    watch, found = EventWatch((rules or EventRules()).for_window(16), JOINS, Source(naming), reports_open=False), []
    borders = [0, *(np.flatnonzero(np.diff(segments)) + 1).tolist(), N_ROWS]
    for start, stop in pairwise(borders):
        middle = (start + stop) // 2
        found += watch.take(start, rows.rows(start, middle)) + watch.take(middle, rows.rows(middle, stop))
        found += watch.end_segment()
    assert {change.state for change in found} <= {"closed"}
    return tuple(change.event for change in found)


def test_an_event_says_when_how_bad_and_which_sensors():
    (event,) = events()
    assert (event.start, event.stop) == tuple(CLOCK[[10, 12]])
    assert (event.n_rows, event.duration, event.peak_score, event.severity) == (3, 180.0, 9.0, 75.0)
    assert event.event_id == "2026-03-01T00:10:00"
    assert event.p_value == pytest.approx(np.exp(-9))
    assert event.band == "clear"
    flow, pressure = event.sensors
    assert (flow.sensor, flow.unit, pressure.sensor, pressure.unit) == ("flow", "", "pressure", "bar")
    assert flow.share == pytest.approx(8 / 11)
    assert pressure.share == pytest.approx(3 / 11)


def test_expected_and_actual_values_are_those_of_the_row_with_the_largest_error():
    (event,) = events()
    flow, pressure = event.sensors
    assert event.peak == CLOCK[11]
    assert (flow.expected, flow.actual, flow.direction) == (11.5, 11.0, "below")
    assert (pressure.expected, pressure.actual, pressure.direction) == (7.0, None, "")
    assert event.direction == "below"


def test_the_pattern_says_when_each_sensor_joined():
    (event,) = events()
    assert event.pattern == (("flow", CLOCK[11]), ("pressure", CLOCK[12]))


def test_sensors_whose_error_was_never_out_of_the_ordinary_did_not_join():
    (event,) = events(errors=np.full((N_ROWS, 2), 1.5, dtype=np.float32))
    assert event.pattern == ()


def test_an_event_without_excess_is_shared_evenly():
    (event,) = events(errors=np.full((N_ROWS, 2), np.nan))
    assert [sensor.share for sensor in event.sensors] == [0.5, 0.5]


def test_rows_without_a_clock_make_events_without_a_duration():
    (event,) = events(index=pd.RangeIndex(100, 100 + N_ROWS), entity="pump 3")
    assert (event.start, event.stop, event.duration, event.entity) == (110, 112, None, "pump 3")
    assert event.event_id == "pump 3:110"


def test_gaps_cut_events_in_two():
    segments = np.repeat([0, 1], [11, N_ROWS - 11])
    assert [(event.start, event.stop) for event in events(segments=segments)] == [
        (CLOCK[10], CLOCK[10]),
        (CLOCK[11], CLOCK[12]),
    ]


def test_blocked_rows_do_not_alarm():
    blocked = np.arange(N_ROWS) < 12
    (event,) = events(blocked=blocked)
    assert event.start == CLOCK[12]
    assert events(blocked=np.ones(N_ROWS, dtype=bool)) == ()


def test_rules_choose_which_events_are_told():
    assert len(events(rules=EventRules(direction="below", min_severity=75))) == 1
    assert events(rules=EventRules(direction="above")) == ()
    assert events(rules=EventRules(min_severity=76)) == ()


def test_quiet_rows_make_no_event():
    assert events(scores=np.full(N_ROWS, 3.0)) == ()


def test_severities_of_many_are_those_of_each():
    scores, thresholds = np.array([-1.0, 0.0, 1e-3, 2.0, 50.0, 2.0]), np.array([3.0, 0.0, 3.0, 3.0, 3.0, -1.0])
    one_by_one = [severity(*each) for each in zip(scores.tolist(), thresholds.tolist(), strict=True)]
    np.testing.assert_allclose(severities(scores, thresholds), one_by_one, rtol=1e-12)
    assert np.isnan(severities(np.array([np.nan]), 3.0)).all()
