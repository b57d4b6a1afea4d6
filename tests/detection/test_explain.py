from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.detection.reference import runs_of
from tsae.detection.explain import EventRules, ScoredSeries, find_runs, make_events, severity

N_ROWS = 30
flags = st.lists(st.booleans(), max_size=40)


@given(flags=flags, merge_gap=st.integers(0, 9), shortest=st.integers(0, 5))
def test_runs_equal_a_loop_over_rows(flags, merge_gap, shortest):
    one_segment = np.zeros(len(flags), dtype=int)
    runs = find_runs(np.array(flags, dtype=bool), one_segment, EventRules(merge_gap, shortest))
    assert runs == runs_of(flags, merge_gap, shortest)


@given(flags=flags, borders=st.sets(st.integers(0, 40), max_size=4), merge_gap=st.integers(0, 9))
def test_runs_of_segments_are_found_one_segment_at_a_time(flags, borders, merge_gap):
    segments = np.searchsorted(sorted(borders), np.arange(len(flags)), side="right")
    runs = find_runs(np.array(flags, dtype=bool), segments, EventRules(merge_gap))
    expected = []
    for segment in np.unique(segments):
        rows = np.flatnonzero(segments == segment)
        found = runs_of([flags[row] for row in rows], merge_gap, 1)
        expected += [(rows[0] + first, rows[0] + last) for first, last in found]
    assert runs == expected


@given(score=st.floats(0, 1e6), more=st.floats(0, 1e6), threshold=st.floats(1e-3, 1e3))
def test_severity_grows_with_the_score_from_0_to_100(score, more, threshold):
    assert 0 <= severity(score, threshold) <= severity(score + more, threshold) <= 100
    assert severity(0, threshold) == 0
    assert severity(threshold, threshold) == pytest.approx(50)
    assert severity(3 * threshold, threshold) == pytest.approx(75)


def series(**changes: object) -> ScoredSeries:
    """Two sensors and a quiet series, with one flagged run in rows 10 … 12."""
    rng = np.random.default_rng(0)
    scores, errors = np.full(N_ROWS, 0.5), np.ones((N_ROWS, 2), dtype=np.float32)
    scores[10:13] = 5.0, 9.0, 7.0
    errors[10:13] = [3.0, 1.0], [7.0, 2.0], [np.nan, 3.0]
    facts = {
        "index": pd.date_range("2026-03-01", periods=N_ROWS, freq="min"),
        "values": rng.normal(size=(N_ROWS, 2)),
        "scores": scores,
        "errors": errors,
        "flags": scores > 4,
        "segments": np.zeros(N_ROWS, dtype=int),
        "threshold": 3.0,
        "names": ["flow", "pressure"],
        "units": {"pressure": "bar"},
        "period": 60.0,
        "entity": "",
    }
    return ScoredSeries(**{**facts, **changes})  # type: ignore[arg-type]


def expected_at(row: int) -> np.ndarray:
    return np.array([row + 0.5, np.nan])


def test_an_event_says_when_how_bad_and_which_sensors():
    scored = series()
    (event,) = make_events(scored, EventRules(), expected_at)
    assert (event.start, event.stop, event.peak) == tuple(scored.index[[10, 12, 11]])
    assert (event.n_rows, event.duration, event.peak_score, event.severity) == (3, 180.0, 9.0, 75.0)
    assert event.event_id == "2026-03-01T00:10:00"
    flow, pressure = event.sensors
    assert (flow.sensor, flow.unit, pressure.sensor, pressure.unit) == ("flow", "", "pressure", "bar")
    assert flow.share == pytest.approx(8 / 11)
    assert pressure.share == pytest.approx(3 / 11)
    assert (flow.expected, pressure.expected) == (11.5, None)
    assert (flow.actual, pressure.actual) == tuple(scored.values[11])


def test_a_sensor_that_was_not_observed_at_the_peak_has_no_actual_value():
    values = np.full((N_ROWS, 2), np.nan)
    (event,) = make_events(series(values=values), EventRules(), expected_at)
    assert [sensor.actual for sensor in event.sensors] == [None, None]


def test_an_event_without_excess_is_shared_evenly():
    (event,) = make_events(series(errors=np.full((N_ROWS, 2), np.nan)), EventRules(), expected_at)
    assert [sensor.share for sensor in event.sensors] == [0.5, 0.5]


def test_rows_without_a_clock_make_events_without_a_duration():
    scored = series(index=pd.RangeIndex(100, 100 + N_ROWS), period=None, entity="pump 3")
    (event,) = make_events(scored, EventRules(), expected_at)
    assert (event.start, event.stop, event.duration, event.entity) == (110, 112, None, "pump 3")
    assert event.event_id == "pump 3:110"


def test_quiet_rows_make_no_event():
    assert make_events(series(flags=np.zeros(N_ROWS, dtype=bool)), EventRules(), expected_at) == ()
