"""What the page shows of each entity, within bounds that a browser opens at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from tsae.alarms.event import Event
from tsae.detection.detecting import Detection
from tsae.report.figures import Series, event_figure, timeline_figure

__all__ = ["EventView", "Section", "make_sections", "worst"]

MAX_SECTIONS = 100
MAX_LISTED = 500
MAX_DETAILS = 60
MAX_POINTS = 5000
TOTAL_POINTS = 200_000


@dataclass(frozen=True)
class EventView:
    """An event as the page shows it."""

    event: Event
    number: int
    """Its place in time, from 1."""
    anchor: str
    """Where its details are; empty if it is listed only."""
    figure: go.Figure | None
    """Its sensors; `None` if it is listed only or names no sensor."""


@dataclass(frozen=True)
class Section:
    """One entity as the page shows it."""

    name: str
    anchor: str
    series: Series
    timeline: go.Figure
    events: tuple[EventView, ...]
    """In time order; the most severe `MAX_LISTED`."""


def worst(detection: Detection) -> float:
    """Severity of the worst event, 0 without events."""
    return max((event.severity for event in detection.events), default=0.0)


def make_sections(entities: Mapping[str, Series]) -> list[Section]:
    """Choose what to show, the most severe first, and plot it; the order of the entities is kept."""
    by_severity = sorted(entities, key=lambda name: worst(entities[name].detection), reverse=True)
    shown = set(by_severity[:MAX_SECTIONS])
    listed = {name: _most_severe(entities[name].detection.events) for name in entities if name in shown}
    everything = [(event.severity, name, place) for name, events in listed.items() for place, event in events]
    everything.sort(key=lambda item: item[0], reverse=True)
    detailed = {(name, place) for _, name, place in everything[:MAX_DETAILS]}
    points = max(500, min(MAX_POINTS, TOTAL_POINTS // len(shown)))
    sections = []
    for number, (name, events) in enumerate(listed.items(), start=1):
        anchor, series = f"entity-{number}", entities[name]
        views = tuple(
            _view(series, event, place, anchor if (name, place) in detailed else "") for place, event in events
        )
        targets = {view.event.event_id: view.anchor for view in views}
        sections.append(Section(name, anchor, series, timeline_figure(series, targets, points), views))
    return sections


def _most_severe(events: Sequence[Event]) -> list[tuple[int, Event]]:
    """Events worth a line in the table, with their places in time."""
    ranked = sorted(enumerate(events), key=lambda item: item[1].severity, reverse=True)
    return sorted(ranked[:MAX_LISTED], key=lambda item: item[0])


def _view(series: Series, event: Event, place: int, section: str) -> EventView:
    if not section:
        return EventView(event, place + 1, "", None)
    return EventView(event, place + 1, f"{section}-event-{place + 1}", event_figure(series, event))
