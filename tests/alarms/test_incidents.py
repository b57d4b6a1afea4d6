from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsae import Event, Incident, incidents
from tsae.alarms.decider import EventChange
from tsae.alarms.incidents import incident_fields
from tsae.errors import DataError
from tsae.streaming.incidents import IncidentChange, IncidentWatch


def event(entity: str, start: Any, stop: Any, *, severity: float = 70.0, ended: bool = True) -> Event:
    facts = (f"{entity}:{start}", start, stop, 1, None, start, 9.0, 0.01, severity, ())
    return Event(*facts, entity=entity, ended=ended)


def naive(events: list[Event]) -> set[tuple[str, ...]]:
    """Event ids of the incidents: joined pair by pair, until nothing changes."""
    groups = [{each.event_id} for each in events]
    times = {each.event_id: (each.start, each.stop) for each in events}
    entities = {each.event_id: each.entity for each in events}
    merged = True
    while merged:
        merged = False
        for one in groups:
            for other in groups:
                if one is not other and any(
                    times[a][0] <= times[b][1] and times[b][0] <= times[a][1] for a in one for b in other
                ):
                    one |= other
                    groups.remove(other)
                    merged = True
                    break
            if merged:
                break
    return {tuple(sorted(group)) for group in groups if len({entities[name] for name in group}) > 1}


@given(
    spans=st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 60), st.integers(0, 6)), max_size=12, unique_by=lambda s: s[:2]
    )
)
def test_incidents_are_chains_of_overlapping_events(spans: list[tuple[str, int, int]]) -> None:
    events = [event(entity, start, start + length) for entity, start, length in spans]
    found = incidents(events)
    assert {tuple(sorted(each.event_ids)) for each in found} == naive(events)
    assert [each.start for each in found] == sorted(each.start for each in found)
    for each in found:
        own = [one for one in events if one.event_id in each.event_ids]
        assert (each.start, each.stop) == (min(one.start for one in own), max(one.stop for one in own))
        assert each.entities[0] == each.first_entity == each.incident_id.partition(":")[0]
        assert set(each.entities) == {one.entity for one in own}


def test_an_incident_says_when_who_and_how_bad() -> None:
    times = pd.date_range("2026-12-01", periods=4, freq="h", tz="Europe/Berlin")
    events = [event("south", times[1], times[3], severity=90), event("north", times[0], times[1])]
    (found,) = incidents(events)
    assert isinstance(found, Incident)
    assert incident_fields(found) == {
        "incident_id": f"north:{times[0]}",
        "start": "2026-11-30T23:00:00Z",
        "stop": "2026-12-01T02:00:00Z",
        "first_entity": "north",
        "entities": ["north", "south"],
        "severity": 90,
        "band": "severe",
        "event_ids": [f"north:{times[0]}", f"south:{times[1]}"],
    }


def test_events_with_different_kinds_of_time_are_refused() -> None:
    with pytest.raises(
        DataError, match="must all have the same kind of time, got row numbers and times without a zone"
    ):
        incidents([event("a", 1, 2), event("b", np.datetime64("2026-12-01"), np.datetime64("2026-12-02"))])


def changes(watch: IncidentWatch, *events: Event) -> list[tuple[str, int, str, tuple[str, ...]]]:
    said = watch.take(EventChange("closed" if each.ended else "opened", 1, 0, each) for each in events)
    assert all(isinstance(each, IncidentChange) for each in said)
    return [(each.state, each.version, each.incident_id, each.incident.entities) for each in said]


def test_a_stream_reports_incidents_as_they_grow_and_close() -> None:
    watch = IncidentWatch(None)
    assert changes(watch, event("a", 10, 12, ended=False)) == []
    assert changes(watch, event("b", 11, 11, ended=False)) == [("opened", 1, "a:10", ("a", "b"))]
    assert changes(watch, event("a", 10, 20, ended=False)) == []
    again = IncidentWatch(None)
    again.restore(watch.state())
    assert again.state() == watch.state()
    assert changes(again, event("c", 19, 25, ended=False)) == [("updated", 2, "a:10", ("a", "b", "c"))]
    assert changes(again, event("a", 10, 20), event("b", 11, 11)) == []
    assert changes(again, event("c", 19, 26)) == [("closed", 3, "a:10", ("a", "b", "c"))]
    assert changes(again, event("a", 30, 31)) == []
    assert changes(again, event("b", 24, 26)) == [
        ("updated", 4, "a:10", ("a", "b", "c")),  # it came late
        ("closed", 5, "a:10", ("a", "b", "c")),
    ]


def test_two_incidents_that_meet_become_the_older_one() -> None:
    watch = IncidentWatch(60.0)

    def at(minute: int) -> np.datetime64:
        return np.datetime64("2026-12-01", "ns") + np.timedelta64(minute, "m")

    for entities, start in (("ab", 0), ("cd", 20)):
        opened = changes(watch, *(event(name, at(start), at(start + 5), ended=False) for name in entities))
        assert [state for state, *_ in opened] == ["opened"]
    said = changes(watch, event("e", at(3), at(22), ended=False))
    assert [(state, version, name[0]) for state, version, name, _ in said] == [("closed", 2, "c"), ("updated", 2, "a")]
    assert said[-1][-1] == ("a", "b", "e", "c", "d")


def test_a_stream_forgets_events_that_none_can_join() -> None:
    watch = IncidentWatch(None)
    for number in range(50):
        for name in "ab":
            watch.take([EventChange("closed", 1, 0, event(name, 200 * number, 200 * number + 5))])
    assert len(watch.state()["parts"]) <= 4
    assert len(watch.state()["known"]) <= 2
