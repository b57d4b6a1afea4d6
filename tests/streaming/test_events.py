from __future__ import annotations

import copy
import json
from importlib.resources import files
from typing import Any

import jsonschema
import numpy as np
import pandas as pd
import pytest

from tests.streaming.reference import CHANNELS, plant, troubled
from tsae import AnomalyDetector, StreamScorer
from tsae.alarms.decider import EventChange
from tsae.alarms.event import Event, event_fields
from tsae.alarms.reporting import is_reported
from tsae.alarms.rules import EventRules, Snooze
from tsae.streaming.records import SCHEMA, dropped_record, event_records, row_records
from tsae.streaming.scorer import StreamScores
from tsae.streaming.state import restore_scorer, scorer_state

RULES = {
    "plain": EventRules(),
    "all at once": EventRules(merge_gap=0),
    "held back": EventRules(enter_rows=2, enter_within=4, min_duration=3, cool_down=5, exit_ratio=0.7),
    "only above": EventRules(direction="above", merge_gap=2),
    "by sensor": EventRules(direction={"flow": "below"}, least_deviation={"pressure": 1, "*": "5%"}),
    "snoozed": EventRules(snoozes=(Snooze("2026-11-24T11:05"), Snooze("2026-11-24T14:00", sensor="flow"))),
}


@pytest.fixture(scope="module")
def detector() -> AnomalyDetector:
    fitted = AnomalyDetector(window_size=[8, 16], max_steps=30, random_state=0)
    return fitted.fit(plant(500), units={"pressure": "bar"}).set_threshold(
        "quantile", false_alarm_rate="1 per 300 rows"
    )


def faults() -> pd.DataFrame:
    """Faults of one row and of many, up and down, at the beginning, beside gaps and at the end."""
    frame = troubled(420)
    for rows, channel, height in ((3, 0, 4), (slice(62, 63), 0, -3), (slice(230, 300), 1, 2), (slice(372, 390), 0, -2)):
        frame.iloc[rows, channel] += height
    frame.iloc[255, 1] += 5
    return frame


def run(scorer: StreamScorer, frame: pd.DataFrame, n_at_once: int, *, restart: bool = False) -> list[StreamScores]:
    answers = []
    for start in range(0, len(frame), n_at_once):
        if restart:
            again = StreamScorer(scorer.model, lag=scorer.lag, rules=scorer.rules)
            arrays, facts = scorer_state(scorer)
            restore_scorer(again, arrays, json.loads(json.dumps(facts)))
            scorer = again
        part = frame.iloc[start : start + n_at_once]
        answers.append(scorer.update_many(part.to_numpy(), part.index))
    return [*answers, scorer.flush()]


def closed(answers: list[StreamScores]) -> list[Event]:
    return [change.event for answer in answers for change in answer.events if change.state == "closed"]


def facts_of(event: Event) -> dict[str, Any]:
    times = {name: pd.Timestamp(getattr(event, name)) for name in ("start", "stop", "peak")}
    pattern = [(sensor, pd.Timestamp(joined)) for sensor, joined in event.pattern]
    ranked = [each.sensor for each in event.sensors if each.share > 0.01]
    said = [(each.direction, each.unit) for each in event.sensors]
    return {**times, "n_rows": event.n_rows, "duration": event.duration, "pattern": pattern, "ranked": ranked} | {
        "said": said,
        "ended": event.ended,
        "escalates": event.escalates,
        "changed": event.changed,
    }


def numbers_of(event: Event) -> list[float]:
    shares = {each.sensor: each for each in event.sensors}
    sensors = [shares[name] for name in sorted(shares)]
    values = [value for each in sensors for value in (each.share, each.expected, each.actual)]
    numbers = [event.peak_score, event.p_value, event.severity, *values]
    return [np.nan if number is None else number for number in numbers]


@pytest.mark.parametrize("lag", [None, 0, 3])
@pytest.mark.parametrize(("rules", "n_at_once"), [("plain", 1), *((name, 31) for name in RULES)])
def test_events_of_a_stream_are_those_of_the_file(
    detector: AnomalyDetector, lag: int | None, rules: str, n_at_once: int
) -> None:
    as_file = copy.copy(detector)
    if lag is not None:  # a file at this lag: its settled scores are immediate ones, some rows later
        model = detector.model_
        thresholds = model.thresholds._replace(settled=model.thresholds.immediate)
        calibration = model.calibration._replace(settled=model.calibration.immediate)
        as_file.model_ = model.at_lag(lag).with_thresholds(thresholds, calibration)
    expected = as_file.detect(faults(), rules=RULES[rules]).events
    scorer = StreamScorer(detector, lag=lag, rules=RULES[rules])
    found = closed(run(scorer, faults(), n_at_once, restart=n_at_once > 1))
    found.sort(key=lambda event: (event.start, event.escalates != ""))
    found = [event for event in found if is_reported(event, RULES[rules])]  # what opened is closed, whatever it became
    assert len(expected) >= (1 if rules in ("by sensor", "snoozed") else 3)
    assert [facts_of(event) for event in found] == [facts_of(event) for event in expected]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(numbers_of(one), numbers_of(other), rtol=1e-3, atol=1e-5)


def test_an_event_opens_grows_and_closes_under_one_name(detector: AnomalyDetector) -> None:
    changes: dict[int, list[EventChange]] = {}
    for answer in run(StreamScorer(detector), faults(), 1):
        for change in answer.events:
            changes.setdefault(change.first_row, []).append(change)
    for each in changes.values():
        assert [change.version for change in each] == list(range(1, len(each) + 1))
        assert [change.state for change in each] == ["opened", *["updated"] * (len(each) - 2), "closed"]
        assert [change.event.ended for change in each] == [False] * (len(each) - 1) + [True]
        assert len({change.event.event_id for change in each}) == 1
        assert all(change.event.sensors[0].actual is not None for change in each)
    assert any(len(each) > 2 for each in changes.values())


def test_without_times_events_are_told_by_the_numbers_of_their_rows(detector: AnomalyDetector) -> None:
    values, scorer = faults().to_numpy(copy=True)[:120], StreamScorer(detector)
    values[0] += 50
    first = [scorer.update_many(values), scorer.flush()]
    second = [*(scorer.update(row) for row in values), scorer.flush()]  # one by one, in a segment of its own
    starts, later = ([(event.start, event.peak, event.stop) for event in closed(part)] for part in (first, second))
    assert starts[0][0] == 0
    assert later == [tuple(row + 120 for row in rows) for rows in starts]


def test_p_values_and_severities_are_those_of_the_file(detector: AnomalyDetector) -> None:
    for budget in ("1%", "1 per 300 rows"):
        budgeted = copy.copy(detector).set_threshold("pot", false_alarm_rate=budget)
        found = budgeted.detect(faults())
        rows = [row for answer in run(StreamScorer(budgeted), faults(), 50) for row in answer.settled]
        np.testing.assert_allclose([row.p_value for row in rows], found.p_values, rtol=1e-3)
        np.testing.assert_allclose([row.severity for row in rows], found.severities, atol=0.1)
        np.testing.assert_allclose([row.threshold for row in rows], found.thresholds, rtol=1e-3)


def test_p_values_of_normal_rows_are_about_uniform(detector: AnomalyDetector) -> None:
    recalibrated = copy.copy(detector)
    recalibrated.recalibrate(plant(1500, seed=5))
    answers = run(StreamScorer(recalibrated), plant(600, seed=9), 600)
    for rows in (answers[0].immediate[50:], answers[0].settled[50:]):
        for share in (0.2, 0.5, 0.8):
            assert np.mean([row.p_value < share for row in rows]) == pytest.approx(share, abs=0.1)


def test_without_times_events_are_told_in_row_numbers(detector: AnomalyDetector) -> None:
    frame = plant(200)
    frame.iloc[100:110, 1] += 3
    scorer = StreamScorer(detector)
    found = closed([scorer.update_many(frame.to_numpy()), scorer.flush()])
    expected = detector.detect(frame.reset_index(drop=True)).events
    assert expected
    for one, other in zip(found, expected, strict=True):
        assert (one.start, one.stop, one.peak, one.duration) == (other.start, other.stop, other.peak, None)
        assert (one.event_id, one.pattern) == (other.event_id, other.pattern)


def test_records_are_as_their_schema_says(detector: AnomalyDetector) -> None:
    schema = json.loads(files("tsae.streaming").joinpath("records.schema.json").read_text("utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    frame = faults()
    zoned = frame.set_axis(frame.index.tz_localize("Europe/Berlin"))
    kinds = set()
    for table in (frame, zoned):
        for answer in run(StreamScorer(detector), table, 7):
            for record in [*row_records(answer, CHANNELS), *event_records(answer.events), dropped_record("a", "10:00")]:
                told = json.loads(json.dumps(record))
                validator.validate(told)
                kinds.add((record["kind"], record.get("state")))
                with pytest.raises(jsonschema.ValidationError):
                    validator.validate({**told, "kind": "other"})
    assert len(kinds) == 5
    assert {record["start"][-1] for record in event_records(answer.events)} <= {"Z"}


def test_the_schema_names_the_fields_that_events_have(detector: AnomalyDetector) -> None:
    schema = json.loads(files("tsae.streaming").joinpath("records.schema.json").read_text("utf-8"))
    named = schema["$defs"]["event"]
    fields = set(event_fields(detector.detect(faults(), entity="a").events[0])) - {"event_id"}
    assert set(named["properties"]) == fields | {"schema", "kind", "id", "state", "version", "escalates"}
    assert set(named["required"]) == set(named["properties"]) - {"entity", "escalates"}
    assert schema["$id"] == SCHEMA
