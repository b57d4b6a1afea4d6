"""Incidents: events of several entities of a fleet that overlap in time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, NamedTuple

from tsae.alarms.event import Event, time_number, time_text
from tsae.alarms.rules import severity_band
from tsae.errors import DataError

__all__ = ["Incident", "IncidentPart", "incident_fields", "incidents", "incidents_of"]


class IncidentPart(NamedTuple):
    """One event of an incident, as far as the incident needs it."""

    event_id: str
    entity: str
    start: Any
    stop: Any
    severity: float
    ended: bool
    zoned: bool

    @classmethod
    def of(cls, event: Event) -> IncidentPart:
        """Return the part that an event is."""
        facts = (event.event_id, event.entity, event.start, event.stop)
        return cls(*facts, event.severity, event.ended, event.zoned)


@dataclass(frozen=True)
class Incident:
    """Events of at least two entities of a fleet that overlap in time, directly or through others."""

    incident_id: str
    """Id of the event that starts first."""
    start: Any
    """First row of the first event; a time, or the number of the row where rows have no times."""
    stop: Any
    """Last row of the last event, inclusive."""
    entities: tuple[str, ...]
    """In the order in which their events start."""
    severity: float
    """The highest severity of the events, 0 to 100."""
    event_ids: tuple[str, ...]
    """In the order in which the events start."""
    ended: bool = True
    """Whether all events are over."""
    zoned: bool = False
    """Whether `numpy.datetime64` times are in UTC."""

    @property
    def first_entity(self) -> str:
        """The entity whose event starts first."""
        return self.entities[0]

    @property
    def band(self) -> str:
        """The severity in one word: "slight", "clear" or "severe"."""
        return severity_band(self.severity)


def incidents(events: Iterable[Event]) -> list[Incident]:
    """Return the incidents among the events of a fleet, in time order.

    Two events belong to one incident if they overlap in time, from their first to their last row, or if a chain of
    overlapping events joins them. An incident has events of at least two entities. Escalations do not count.

    Parameters
    ----------
    events
        Events of all entities, such as those of each `Detection` of a fleet.

    Raises
    ------
    DataError
        If some events have times and others row numbers, or only some of the times have a zone.

    Examples
    --------
    >>> import numpy as np
    >>> from tsae.alarms.event import Event
    >>> def event(entity, start, stop):
    ...     return Event(f"{entity}:{start}", start, stop, 1, None, start, 9.0, 0.01, 70.0, (), entity=entity)
    >>> (found,) = incidents([event("pump 1", 10, 20), event("pump 2", 15, 30), event("pump 3", 40, 50)])
    >>> found.entities, found.first_entity, found.start, found.stop
    (('pump 1', 'pump 2'), 'pump 1', 10, 30)
    """
    return incidents_of([IncidentPart.of(event) for event in events if not event.escalates])


def incidents_of(parts: Sequence[IncidentPart], spans: Mapping[str, tuple[int, int]] | None = None) -> list[Incident]:
    """Return the incidents among the parts, in time order; see `incidents`.

    Parameters
    ----------
    spans
        First and last time by event id, in the numbers of `time_number`, in place of those of the parts.
    """
    _check_times(parts)
    known = dict(spans or {})
    for part in parts:
        if part.event_id not in known:
            known[part.event_id] = time_number(part.start), time_number(part.stop)
    groups = list[list[IncidentPart]]()
    reached = None
    for part in sorted(parts, key=lambda each: (*known[each.event_id], each.event_id)):
        start, stop = known[part.event_id]
        if reached is None or start > reached:
            groups.append([])
            reached = stop
        groups[-1].append(part)
        reached = max(reached, stop)
    return [_incident(group) for group in groups if len({part.entity for part in group}) > 1]


def incident_fields(incident: Incident) -> dict[str, Any]:
    """Return the fields of an incident as every result names them, JSON-able."""
    return {
        "incident_id": incident.incident_id,
        "start": time_text(incident.start, zoned=incident.zoned),
        "stop": time_text(incident.stop, zoned=incident.zoned),
        "first_entity": incident.first_entity,
        "entities": list(incident.entities),
        "severity": round(incident.severity, 1),
        "band": incident.band,
        "event_ids": list(incident.event_ids),
    }


def _incident(group: Sequence[IncidentPart]) -> Incident:
    group = sorted(group, key=lambda part: (time_number(part.start), time_number(part.stop), part.event_id))
    last = max(group, key=lambda part: time_number(part.stop))
    return Incident(
        incident_id=group[0].event_id,
        start=group[0].start,
        stop=last.stop,
        entities=tuple(dict.fromkeys(part.entity for part in group)),
        severity=max(part.severity for part in group),
        event_ids=tuple(part.event_id for part in group),
        ended=all(part.ended for part in group),
        zoned=group[0].zoned,
    )


def _check_times(parts: Sequence[IncidentPart]) -> None:
    kinds = {_kind(part) for part in parts}
    if len(kinds) > 1:
        raise DataError(
            f"`events` must all have the same kind of time, got {' and '.join(sorted(kinds))}; pass the events of one "
            "fleet"
        )


def _kind(part: IncidentPart) -> str:
    if isinstance(part.start, Integral):
        return "row numbers"
    is_zoned = part.zoned or getattr(part.start, "tzinfo", None) is not None
    return "times with a zone" if is_zoned else "times without a zone"
