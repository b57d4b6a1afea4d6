from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.alarms.reference_events import events_of
from tsae.alarms.rules import EventRules
from tsae.alarms.tracking import EventTracker, Evidence, Moment, RowBlock, TrackedEvent
from tsae.errors import ParameterError

JOINS = np.array([4.0, 4.0])


@st.composite
def all_rules(draw: st.DrawFn) -> EventRules:
    within = draw(st.integers(1, 5))
    return EventRules(
        merge_gap=draw(st.integers(0, 6)),
        min_duration=draw(st.integers(1, 4)),
        cool_down=draw(st.integers(0, 12)),
        enter_rows=draw(st.integers(1, within)),
        enter_within=within,
        exit_ratio=draw(st.sampled_from([1.0, 0.5])),
        escalate_after=draw(st.integers(1, 9)),
    )


def make_rows(n_rows: int, seed: int, *, share_of_alarms: float = 0.4, first_time: int = 0) -> RowBlock:
    """Rows that alarm now and then, with changing thresholds, missing errors and blocked rows."""
    rng = np.random.default_rng(seed)
    thresholds = rng.choice([1.0, 2.0, -1.0], p=[0.6, 0.3, 0.1], size=n_rows)
    alarms = rng.random(n_rows) < share_of_alarms
    scores = thresholds + np.where(alarms, 4 * rng.random(n_rows), -rng.random(n_rows))
    errors = np.exp(rng.normal(size=(n_rows, 2)) + np.where(alarms, 2.0, 0.0)[:, None])
    errors[rng.random(errors.shape) < 0.1] = np.nan
    return RowBlock(first_time + 10 * np.arange(n_rows), scores, thresholds, errors, rng.random(n_rows) < 0.04)


def facts_of(event: TrackedEvent) -> tuple[object, ...]:
    moments = (event.first, event.start, event.stop, event.last, event.peak, event.escalates)
    return (*moments, event.score, event.threshold, event.joined)


def assert_equal(found: list[TrackedEvent], expected: list[TrackedEvent]) -> None:
    assert [facts_of(event) for event in found] == [facts_of(event) for event in expected]
    ends = [[(event.changed, event.closing) for event in events] for events in (found, expected)]
    assert ends[0] == ends[1]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.excess, other.excess, rtol=1e-9, atol=1e-9)


def track(rows: RowBlock, rules: EventRules, cuts: list[int]) -> list[TrackedEvent]:
    tracker = EventTracker(rules, JOINS)
    bounds = [0, *sorted(cuts), len(rows.scores)]
    found = [event for start, stop in pairwise(bounds) for event in tracker.push(rows.rows(start, stop)).closed]
    return found + list(tracker.end_segment().closed)


@given(rules=all_rules(), seed=st.integers(0, 10_000), n_rows=st.integers(0, 60), data=st.data())
def test_tracking_in_any_blocks_equals_a_look_at_all_rows(rules, seed, n_rows, data):
    rows = make_rows(n_rows, seed)
    cuts = data.draw(st.lists(st.integers(0, n_rows), max_size=8))
    assert_equal(track(rows, rules, cuts), events_of(rows, rules, JOINS))


@given(seed=st.integers(0, 10_000))
def test_long_events_equal_a_look_at_all_rows(seed):
    rules = EventRules(merge_gap=20, enter_rows=2, enter_within=3, escalate_after=8)
    rows = make_rows(300, seed, share_of_alarms=0.5)
    assert_equal(track(rows, rules, list(range(300))), events_of(rows, rules, JOINS))


@given(rules=all_rules(), seed=st.integers(0, 10_000), cut=st.integers(0, 40))
def test_a_tracker_goes_on_from_its_state(rules, seed, cut):
    rows = make_rows(60, seed)
    tracker = EventTracker(rules, JOINS)
    before = tracker.push(rows.rows(0, cut)).closed
    text = json.dumps(tracker.state(), default=lambda array: array.tolist())
    again = EventTracker.from_state(rules, JOINS, json.loads(text))
    found = [*before, *again.push(rows.rows(cut)).closed, *again.end_segment().closed]
    assert_equal(found, events_of(rows, rules, JOINS))


@given(rules=all_rules(), seed=st.integers(0, 10_000))
def test_an_open_event_is_what_it_would_be_if_the_rows_ended_there(rules, seed):
    rows = make_rows(40, seed)
    tracker = EventTracker(rules, JOINS)
    for row in range(40):
        open_events = tracker.push(rows.rows(row, row + 1)).open
        if open_events:
            so_far = events_of(rows.rows(0, row + 1), rules, JOINS)[-len(open_events) :]
            assert [facts_of(event) for event in open_events] == [facts_of(event) for event in so_far]


@given(seed=st.integers(0, 10_000))
def test_events_do_not_cross_segments_and_rows_are_counted_on(seed):
    rules = EventRules(merge_gap=3, escalate_after=5)
    one, other = make_rows(30, seed), make_rows(30, seed + 1, first_time=1000)
    tracker = EventTracker(rules, JOINS)
    found = [*tracker.push(one).closed, *tracker.end_segment().closed]
    assert_equal(found, events_of(one, rules, JOINS))
    later = [*tracker.push(other).closed, *tracker.end_segment().closed]
    expected = events_of(other, rules, JOINS)
    assert [event.first for event in later] == [Moment(event.first.row + 30, event.first.time) for event in expected]


def test_no_event_begins_while_the_tracker_cools_down():
    scores = np.array([0, 5, 0, 0, 5, 0, 0, 5, 5, 5, 0], dtype=float)
    rows = RowBlock(
        np.arange(11), scores, np.full(11, 3.0), np.column_stack([scores, scores]), np.zeros(11, dtype=bool)
    )
    firsts = {
        cool_down: [
            event.first.row
            for event in track(rows, EventRules(merge_gap=1, cool_down=cool_down, escalate_after=99), [])
        ]
        for cool_down in (0, 3, 7)
    }
    assert firsts == {0: [1, 4, 7], 3: [1, 7], 7: [1, 9]}


def of_scores(scores: list[float], errors: list[list[float]], threshold: float = 3.0) -> RowBlock:
    n_rows = len(scores)
    return RowBlock(
        np.arange(n_rows), np.array(scores), np.full(n_rows, threshold), np.array(errors), np.zeros(n_rows, dtype=bool)
    )


def test_a_fault_that_gets_worse_or_reaches_another_channel_alarms_again():
    rules = EventRules(merge_gap=3, escalate_after=4)
    scores = [0, 5, 5, 5, 5, 5, 6, 8, 8, 8, 8, 8, 0, 0, 0, 0]
    errors = [[9.0, 1.0]] * 16
    (stage, *others) = sorted(track(of_scores(scores, errors), rules, []), key=lambda event: -event.first.row)
    assert (stage.first.row, stage.escalates.row, stage.last.row) == (7, 1, 11)
    assert [(event.first.row, event.last.row, event.escalates) for event in others] == [(1, 11, None)]
    steady = [0.0, *[5.0] * 11, 0.0, 0.0, 0.0, 0.0]
    joined = [[9.0, 1.0]] * 8 + [[9.0, 20.0]] * 8
    assert [event.first.row for event in track(of_scores(steady, joined), rules, []) if event.escalates] == [8]
    assert not [event for event in track(of_scores(steady, errors), rules, []) if event.escalates]


def test_an_event_whose_scores_stay_high_ends_as_the_new_normal():
    rules = EventRules(merge_gap=3, escalate_after=9)
    rows = of_scores([0, *[5] * 12], [[9.0, 1.0]] * 13)
    rows.thresholds[6:] = 8.0  # the threshold has followed
    assert [event.changed for event in track(rows, rules, [])] == [True]
    assert [event.changed for event in track(of_scores([0, 5, 5, 0, 0, 0, 0], [[9.0, 1.0]] * 7), rules, [])] == [False]


def test_the_memory_of_an_event_does_not_grow_with_its_rows():
    rng = np.random.default_rng(0)
    evidence = Evidence(Moment(0, 0), JOINS)
    for first in range(0, 50_000, 1000):
        rows = np.arange(first, first + 1000)
        errors = 1 + rows[:, None] * rng.random((1000, 2))  # a drift: nearly every row is the largest so far
        evidence.absorb(first, RowBlock(rows, np.full(1000, 5.0), np.full(1000, 3.0), errors, np.zeros(1000, bool)))
    assert evidence.state()["starts"].shape[0] <= 33


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("merge_gap", -1),
        ("min_duration", 0),
        ("cool_down", 2.5),
        ("enter_rows", 2),
        ("exit_ratio", 0.0),
        ("direction", "up"),
        ("min_severity", 101),
        ("enter_within", True),
        ("escalate_after", 0),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_by_name(name, value):
    with pytest.raises(ParameterError, match=f"`{name}` \\(={value!r}\\)"):
        EventRules(**{name: value})
