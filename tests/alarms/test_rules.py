from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tsae.alarms.event import Event, SensorShare
from tsae.alarms.reporting import is_reported
from tsae.alarms.rules import EventRules, Snooze
from tsae.errors import DataError, ParameterError

EIGHT = pd.Timestamp("2026-12-01 08:00")


def event(
    *shares: tuple[str, float, float | None, float | None],
    stop: Any = EIGHT,
    entity: str = "",
) -> Event:
    sensors = tuple(SensorShare(*each) for each in shares or [("flow", 1.0, 10.0, 11.0)])
    return Event("id", stop, stop, 1, 60.0, stop, 9.0, 0.01, 70.0, sensors, entity=entity)


@pytest.mark.parametrize(
    ("least", "sensors", "reported"),
    [
        ({"flow": 2}, [("flow", 1.0, 10.0, 11.0)], False),
        ({"flow": 1}, [("flow", 1.0, 10.0, 11.0)], True),
        ({"flow": "9%"}, [("flow", 1.0, -10.0, -11.0)], True),
        ({"flow": "11 %"}, [("flow", 1.0, -10.0, -11.0)], False),
        ("11%", [("flow", 1.0, 10.0, 11.0)], False),
        ({"*": 2, "flow": 0.5}, [("flow", 1.0, 10.0, 11.0)], True),
        ({"*": 2}, [("flow", 0.9, 10.0, 11.0), ("level", 0.1, 1.0, 4.0)], True),  # another responsible one deviates
        ({"*": 2}, [("flow", 0.91, 10.0, 11.0), ("level", 0.09, 1.0, 4.0)], False),  # … which is not responsible
        ({"flow": 2}, [("flow", 0.6, 10.0, 11.0), ("level", 0.4, 1.0, 1.1)], True),  # nothing is stated of the level
        ({"flow": 2}, [("flow", 1.0, 10.0, None)], True),
        ({"flow": 2}, [("flow", 1.0, None, 11.0)], True),
        ({"flow": 2}, [("flow", 0.05, 10.0, 11.0), ("level", 0.04, 1.0, 9.0)], False),  # the first counts in any case
    ],
)
def test_events_of_small_deviations_are_not_reported(least: Any, sensors: list[Any], reported: bool) -> None:
    assert is_reported(event(*sensors), EventRules(least_deviation=least)) == reported


@pytest.mark.parametrize(
    ("direction", "reported"),
    [
        ("above", True),
        ("below", False),
        ({"flow": "below"}, False),
        ({"level": "below"}, True),
        ({"*": "below", "flow": "either"}, True),
        ({"*": "below"}, False),
    ],
)
def test_directions_are_stated_for_all_sensors_or_each(direction: Any, reported: bool) -> None:
    assert is_reported(event(), EventRules(direction=direction)) == reported


@pytest.mark.parametrize(
    ("snooze", "reported"),
    [
        (Snooze("2026-12-01T08:01"), False),
        (Snooze("2026-12-01T08:00"), True),  # the event goes on at that time
        (Snooze("2026-12-02", entity="pump 3"), False),
        (Snooze("2026-12-02", entity="pump 4"), True),
        (Snooze("2026-12-02", sensor="flow"), False),
        (Snooze("2026-12-02", sensor="level"), True),
        (Snooze("2026-12-02", entity="pump 3", sensor="level"), True),
        (Snooze("2026-12-02", entity="pump 3", sensor="flow"), False),
    ],
)
def test_events_of_a_snoozed_entity_or_sensor_are_not_reported(snooze: Snooze, reported: bool) -> None:
    found = event(("flow", 0.8, 10.0, 11.0), ("level", 0.2, 1.0, 2.0), entity="pump 3")
    assert is_reported(found, EventRules(snoozes=(snooze,))) == reported


@pytest.mark.parametrize(
    "stop",
    [
        pd.Timestamp("2026-12-01 08:00", tz="Europe/Berlin"),
        datetime(2026, 12, 1, 7, tzinfo=UTC),
        np.datetime64("2026-12-01T07:00", "ns"),  # in a stream
    ],
)
def test_snoozes_know_time_zones(stop: Any) -> None:
    assert is_reported(event(stop=stop), EventRules(snoozes=(Snooze("2026-12-01T08:00+01:00"),)))
    assert not is_reported(event(stop=stop), EventRules(snoozes=(Snooze("2026-12-01T07:00:01Z"),)))


def test_rules_can_be_hashed_and_survive_json() -> None:
    rules = EventRules(
        direction={"flow": "above"},
        least_deviation={"level": "5%", "*": 0.5},
        snoozes=(Snooze(datetime(2026, 12, 1, 8), entity="pump 3"),),  # type: ignore[arg-type]
    )
    assert hash(rules) == hash(EventRules(**asdict(rules)))
    assert EventRules(**json.loads(json.dumps(asdict(rules)))) == rules
    assert rules.snoozes[0].until == "2026-12-01T08:00:00"
    assert EventRules() == EventRules(**json.loads(json.dumps(asdict(EventRules()))))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"direction": "up"}, r"`direction` \(='up'\) must be one of 'either', 'above', 'below'"),
        ({"direction": {"flow": "up"}}, r"`direction` \(='up'\)"),
        ({"direction": 5}, "or a mapping from sensor to value; use '\\*'"),
        ({"least_deviation": -1}, "must be a number of at least 0 in the sensor's unit"),
        ({"least_deviation": {"flow": "much"}}, r"`least_deviation` \(='much'\).*write 0.5 or '5%'"),
        ({"least_deviation": {"flow": "-5%"}}, r"`least_deviation` \(='-5%'\)"),
        ({"least_deviation": True}, r"`least_deviation` \(=True\)"),
        ({"snoozes": ("2026-12-01",)}, "must be Snooze objects"),
    ],
)
def test_rules_that_make_no_sense_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        EventRules(**wrong)


def test_a_snooze_needs_a_time() -> None:
    with pytest.raises(ParameterError, match=r"`until` \(='tomorrow'\) must be a time in ISO 8601; write"):
        Snooze("tomorrow")


def test_rules_are_checked_against_the_rows() -> None:
    for wrong in (
        {"direction": {"sped": "above"}},
        {"least_deviation": {"sped": 1}},
        {"snoozes": (Snooze("2026-12-01", sensor="sped"),)},
    ):
        with pytest.raises(ParameterError, match="names 'sped', which is not a channel; choose one of speed"):
            EventRules(**wrong).check_sensors(["speed"])  # type: ignore[arg-type]
    rules = EventRules(snoozes=(Snooze("2026-12-01T08:00"),))
    with pytest.raises(DataError, match="need rows with times"):
        rules.check_times(None)
    with pytest.raises(
        DataError, match=r"carry no time zone, but the times of the rows carry one; write 2026-12-01T08:00\+"
    ):
        rules.check_times(zoned=True)
    rules.check_times(zoned=False)
