"""Snoozes in a stream: no event is opened before they end, and one that goes on is opened then."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.streaming.reference import plant
from tsae import AnomalyDetector, DataError, EventRules, ParameterError, Snooze, StreamScorer


@pytest.fixture(scope="module")
def detector() -> AnomalyDetector:
    fitted = AnomalyDetector(window_size=[8, 16], max_steps=30, random_state=0).fit(plant(500))
    return fitted.set_threshold("quantile", false_alarm_rate="1 per 300 rows")


def test_an_event_that_outlasts_its_snooze_is_opened_when_it_ends(detector: AnomalyDetector) -> None:
    frame = plant(300, seed=3)
    frame.iloc[100:200, 1] += 2
    until = frame.index[150]
    rules = EventRules(snoozes=(Snooze(until),))
    scorer = StreamScorer(detector, rules=rules, adapt=False)
    opened = []
    for time, row in zip(frame.index, frame.to_numpy(), strict=True):
        opened += [(time, each) for each in scorer.update(row, time).events if each.state == "opened"]
    event = max(detector.detect(frame, rules=rules, adapt=False).events, key=lambda event: event.severity)
    (time,) = [time for time, each in opened if each.event.event_id == event.event_id]
    assert until <= time <= until + pd.Timedelta(minutes=scorer.fleet.lanes.delay + 2)
    quiet = EventRules(snoozes=(Snooze(frame.index[250]),))
    assert event.event_id not in {each.event_id for each in detector.detect(frame, rules=quiet, adapt=False).events}
    changes = StreamScorer(detector, rules=quiet, adapt=False).update_many(frame.to_numpy(), frame.index).events
    assert event.event_id not in {each.event.event_id for each in changes}


def test_snoozes_that_do_not_fit_the_rows_are_refused_before_a_row_is_taken(detector: AnomalyDetector) -> None:
    scorer = StreamScorer(detector, rules=EventRules(snoozes=(Snooze("2026-12-01T08:00"),)))
    with pytest.raises(DataError, match="need rows with times"):
        scorer.update([10, 3, 1])
    with pytest.raises(DataError, match="carry no time zone"):
        scorer.update_many(np.full((2, 3), 3.0), ["2026-12-01T07:00Z", "2026-12-01T07:01Z"])
    assert not scorer.entities
    with pytest.raises(ParameterError, match="names 'speed', which is not a channel"):
        StreamScorer(detector, rules=EventRules(direction={"speed": "above"}))
