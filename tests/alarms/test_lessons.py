from __future__ import annotations

import math
from dataclasses import replace

import pytest

from tsae.alarms.annotations import Annotation
from tsae.alarms.event import Event, SensorShare
from tsae.alarms.lessons import Lessons, lessons_of


def event(score: float, sensor: str = "flow", *, actual: float = 2.0, entity: str = "") -> Event:
    shares = (SensorShare(sensor, 0.9, 1.0, actual), SensorShare("speed", 0.1, 1.0, 1.0))
    return Event("id", 0, 9, 10, None, 5, score, 0.001, 80.0, shares, entity=entity)


def said(kind: str, score: float, sensor: str = "flow", *, actual: float = 2.0, entity: str = "") -> Annotation:
    return Annotation.of_event(event(score, sensor, actual=actual, entity=entity), kind)


def test_the_highest_false_alarm_sets_the_bar_for_events_that_look_like_it():
    one, two = (lessons_of([said("false alarm", score) for score in scores]) for scores in ([8.0], [8.0, 9.5]))
    assert one.bar(event(7.0)) == pytest.approx(11.0)
    assert two.bar(event(7.0)) == pytest.approx(12.5)
    assert [one.holds_back(event(score)) for score in (7.0, 11.0, 11.1)] == [True, True, False]


def test_other_sensors_directions_and_entities_are_not_alike():
    lessons = lessons_of([said("false alarm", 8.0, entity="pump 1")])
    assert lessons.holds_back(event(7.0, entity="pump 1"))
    assert lessons.bar(event(7.0, "pressure", entity="pump 1")) == -math.inf
    assert not lessons.holds_back(event(7.0, actual=0.5, entity="pump 1"))
    assert not lessons.holds_back(event(7.0, entity="pump 2"))


def test_a_real_event_holds_the_bar_below_it():
    lessons = lessons_of([said("false alarm", 8.0), said("real", 9.0)])
    assert lessons.holds_back(event(8.5))
    assert not lessons.holds_back(event(9.0))
    assert not Lessons().holds_back(event(1.0))


def test_bars_are_listed_by_entity_sensor_and_direction():
    lessons = lessons_of([said("false alarm", 8.0), said("false alarm", 9.5), said("real", 20.0, "pressure")])
    assert lessons.bars() == {("", "flow", "above"): 12.5}


def test_only_events_with_sensors_and_a_score_teach():
    interval = Annotation("false alarm", 0, 9)
    assert not lessons_of([interval, said("maintenance", 8.0), said("new normal", 8.0), said("ignore", 8.0)])
    assert not lessons_of([replace(said("false alarm", 8.0), peak_score=None)])


def test_lessons_outlive_packing():
    lessons = lessons_of([said("false alarm", 8.0), said("real", 9.0, "pressure", entity="pump 3")])
    assert Lessons.unpack(lessons.pack()) == lessons
