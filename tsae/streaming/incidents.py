"""Incidents of a stream, as their events open, change and close."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tsae.alarms.decider import EventChange
from tsae.alarms.event import time_number
from tsae.alarms.incidents import Incident, IncidentPart, incidents_of

__all__ = ["IncidentChange", "IncidentWatch"]

_PATIENCE = 100  # rows for which an ended event may still become part of an incident
_MOST_KEPT = 10_000  # events


class IncidentChange(NamedTuple):
    """Something that happened to an incident."""

    state: str
    """"opened", "updated" when an event joins, or "closed" when all events are over."""
    version: int
    """Counts the changes of the incident, from 1."""
    incident_id: str
    """Id of the event that started first when the incident opened; the incident keeps it."""
    incident: Incident


class _Known(NamedTuple):
    """An incident that was reported."""

    incident_id: str
    version: int
    event_ids: frozenset[str]
    ended: bool


class IncidentWatch:
    """Joins the events of a stream to incidents.

    Parameters
    ----------
    period
        Seconds from row to row; `None` without a clock.
    """

    def __init__(self, period: float | None) -> None:
        self._period = period
        self._parts: dict[str, IncidentPart] = {}
        self._spans: dict[str, tuple[int, int]] = {}  # that they ever had, so that no event leaves an incident
        self._known: list[_Known] = []

    def take(self, changes: Iterable[EventChange]) -> list[IncidentChange]:
        """Take changes of events, and return what happens to incidents."""
        is_new = False
        for change in changes:
            event = change.event
            if event.escalates:
                continue
            is_new = True
            self._parts[event.event_id] = IncidentPart.of(event)
            start, stop = time_number(event.start), time_number(event.stop)
            before = self._spans.get(event.event_id, (start, stop))
            self._spans[event.event_id] = min(before[0], start), max(before[1], stop)
        if not is_new:
            return []
        found = incidents_of(self._of_newest_kind(), self._spans)
        out = [change for incident in found for change in self._compared(incident)]
        self._forget(found)
        return out

    def state(self) -> dict[str, Any]:
        """Return everything it remembers, JSON-able."""
        return {
            "parts": [
                [*part[:2], *(_plain(time) for time in (part.start, part.stop)), *part[4:]]
                for part in self._parts.values()
            ],
            "spans": {name: list(span) for name, span in self._spans.items()},
            "known": [[*known[:2], sorted(known.event_ids), known.ended] for known in self._known],
        }

    def restore(self, state: dict[str, Any] | None) -> None:
        """Continue from a `state()`; `None` begins without events."""
        for name, entity, start, stop, *rest in [] if state is None else state["parts"]:
            self._parts[name] = IncidentPart(name, entity, _time(start), _time(stop), *rest)
        self._spans = {} if state is None else {name: (start, stop) for name, (start, stop) in state["spans"].items()}
        for name, version, event_ids, ended in [] if state is None else state["known"]:
            self._known.append(_Known(name, version, frozenset(event_ids), ended))

    def _of_newest_kind(self) -> Sequence[IncidentPart]:
        """Return the parts whose times are like those of the newest one; entities may differ in this."""
        parts = list(self._parts.values())
        kind = type(parts[-1].start), parts[-1].zoned
        return [part for part in parts if (type(part.start), part.zoned) == kind]

    def _compared(self, incident: Incident) -> list[IncidentChange]:
        """Return what is new about an incident; it keeps the id of the first one that it grew from."""
        event_ids = frozenset(incident.event_ids)
        before = [known for known in self._known if known.event_ids & event_ids]
        first = before[0] if before else _Known(incident.incident_id, 0, frozenset(), False)
        changes = [IncidentChange("closed", each.version + 1, each.incident_id, incident) for each in before[1:]]
        version = first.version
        if not event_ids <= first.event_ids:
            version += 1
            state = "updated" if first.version else "opened"
            changes.append(IncidentChange(state, version, first.incident_id, incident))
        if incident.ended and not (first.ended and version == first.version):
            version += 1
            changes.append(IncidentChange("closed", version, first.incident_id, incident))
        now = _Known(first.incident_id, version, event_ids | first.event_ids, incident.ended)
        self._known = [known for known in self._known if known not in before] + [now]
        return changes

    def _forget(self, found: Sequence[Incident]) -> None:
        """Forget ended events that no other can join any more, and their incidents."""
        open_ids = {name for incident in found if not incident.ended for name in incident.event_ids}
        newest = max(time_number(part.stop) for part in self._parts.values())
        row = 1 if isinstance(next(reversed(self._parts.values())).start, int) else round((self._period or 1) * 1e9)
        for name, part in list(self._parts.items()):
            is_old = time_number(part.stop) + _PATIENCE * row < newest or len(self._parts) > _MOST_KEPT
            if part.ended and name not in open_ids and is_old:
                del self._parts[name], self._spans[name]
        self._known = [known for known in self._known if known.event_ids & self._parts.keys()]


def _plain(time: Any) -> list[Any]:
    return [time_number(time), isinstance(time, np.datetime64)]


def _time(plain: Sequence[Any]) -> Any:
    number, is_time = plain
    return np.datetime64(number, "ns") if is_time else number
