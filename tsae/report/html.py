"""One HTML file that shows what was found: it opens without a network, and prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from tsae.alarms.event import Event
from tsae.detection.detecting import Detection
from tsae.errors import DataError
from tsae.report.axis import TimeAxis
from tsae.report.figures import Series, event_figure, timeline_figure
from tsae.report.templates import render
from tsae.report.wording import alarm_sentence, state_sentence
from tsae.series.grid import infer_clock

__all__ = ["render_report"]

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


def render_report(
    tables: Mapping[str, pd.DataFrame],
    detections: Mapping[str, Detection],
    *,
    title: str,
    facts: Mapping[str, str],
    units: Mapping[str, str],
    expected: Mapping[str, pd.DataFrame] | None = None,
) -> str:
    """Show scores, events and the sensors behind them on one self-contained page.

    Parameters
    ----------
    tables
        What was measured, by entity ("" for a single machine): `(n_timesteps, n_channels)` in units of the
        sensors.
    detections
        What was found, by entity; every index equals its table's.
    title
        Headline.
    facts
        What stands under the headline, such as the model, the period and the threshold.
    units
        Unit by sensor, for those that have one.
    expected
        What the model rebuilt, by entity, with its table's index and columns; without it an event's sensors
        are compared at the peak only.

    Returns
    -------
    An HTML page of some 5 MB, nearly all of it the plotting library.

    Raises
    ------
    DataError
        Tables, detections and expected values do not belong together, or a table has no rows.
    """
    entities = _checked(tables, detections, units, expected or {})
    sections = _make_sections(entities)
    return render(
        "template.html.j2",
        title=title,
        facts=facts,
        detections=detections,
        ranked=sorted(detections, key=lambda name: _worst(detections[name]), reverse=True),
        sections=sections,
        anchors={section.name: section.anchor for section in sections},
        n_rows=sum(len(detection.scores) for detection in detections.values()),
        n_flagged=sum(int(detection.labels.sum()) for detection in detections.values()),
        n_events=sum(len(detection.events) for detection in detections.values()),
        alarms={name: _alarm_words(entity) for name, entity in detections.items()},
        plotly=Markup(get_plotlyjs()),
    )


def _alarm_words(detection: Detection) -> str:
    """Say how much of an entity's time was under alarm, how often, and its state at the last row."""
    index = detection.scores.index
    period = infer_clock(index).period if len(index) > 1 else None
    counts = (len(index), int(detection.labels.sum()), len(detection.events))
    return f"{alarm_sentence(*counts, period)}; {state_sentence(detection.entity, *detection.state)}"


def _worst(detection: Detection) -> float:
    """Severity of the worst event, 0 without events."""
    return max((event.severity for event in detection.events), default=0.0)


def _make_sections(entities: Mapping[str, Series]) -> list[Section]:
    """Choose what to show, the most severe first, and plot it; the order of the entities is kept."""
    by_severity = sorted(entities, key=lambda name: _worst(entities[name].detection), reverse=True)
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


def _checked(
    tables: Mapping[str, pd.DataFrame],
    detections: Mapping[str, Detection],
    units: Mapping[str, str],
    expected: Mapping[str, pd.DataFrame],
) -> dict[str, Series]:
    if not detections or set(tables) != set(detections):
        raise DataError(
            f"`tables` (={sorted(tables)}) and `detections` (={sorted(detections)}) must name the same "
            f"entities, at least one; pass the tables that were scored"
        )
    entities = {}
    for name, detection in detections.items():
        for what, index in _indexes(tables[name], detection, expected.get(name)):
            if not len(index) or not index.equals(tables[name].index):
                raise DataError(
                    f"the {what} of entity {name!r} ({len(index)} rows) must have the index of its table "
                    f"({len(tables[name])} rows) and at least one row; pass the table that was scored"
                )
        axis = TimeAxis.of(tables[name].index)
        entities[name] = Series(tables[name], detection, expected.get(name), units, axis)
    return entities


def _indexes(table: pd.DataFrame, detection: Detection, expected: pd.DataFrame | None) -> list[tuple[str, pd.Index]]:
    indexes = [
        ("table", table.index),
        ("scores", detection.scores.index),
        ("labels", detection.labels.index),
        ("errors", detection.errors.index),
    ]
    return indexes if expected is None else [*indexes, ("expected values", expected.index)]
