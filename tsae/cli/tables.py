"""Tables for a person to read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from tsae.alarms.event import Event
    from tsae.detection.codes.bottleneck import Advice
    from tsae.detection.detecting import ImageDetection
    from tsae.series.quality import TableQuality

__all__ = [
    "bottleneck_table",
    "events_table",
    "facts_table",
    "pictures_table",
    "quality_table",
    "sensors_in_words",
    "text_table",
]

_MOST_SENSORS = 3
_ARROWS = {"above": "▲", "below": "▼", "": ""}
_GRADE_STYLE = {"A": "green", "B": "green", "C": "yellow", "D": "yellow", "E": "red", "F": "red"}


def text_table(title: str, headers: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> Table:
    """A table whose cells are taken as they are: a unit in brackets is no markup."""
    table = Table(title=title, title_justify="left", title_style="bold", header_style="bold")
    for header in headers:
        table.add_column(header)
    for row in rows:
        table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
    return table


def facts_table(facts: Mapping[str, str]) -> Table:
    """Names and what there is to say about them."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    for name, fact in facts.items():
        table.add_row(name, Text(fact))
    return table


def events_table(events: Sequence[Event], *, title: str) -> Table:
    """Events: when, how bad, which sensors, and what was expected of the first one."""
    from tsae.report.wording import comparison, duration, interval

    is_fleet = any(event.entity for event in events)
    rows: list[list[str | Text]] = [
        [
            *([event.entity] if is_fleet else []),
            interval(event),
            duration(event.duration, event.n_rows),
            Text(f"{event.severity:.0f}", style=_severity_style(event.severity)),
            sensors_in_words(event),
            f"{comparison(event.sensors[0], event.sensors[0].unit)} {_ARROWS[event.direction]}".rstrip(),
        ]
        for event in events
    ]
    headers = ["When", "Duration", "Severity", "Sensors (share of the error)", "Expected → actual"]
    return text_table(title, ["Entity", *headers] if is_fleet else headers, rows)


def pictures_table(found: ImageDetection, numbers: Sequence[int], *, title: str) -> Table:
    """Some of the pictures: which, and how bad."""
    rows: list[list[str | Text]] = [
        [
            found.names[number],
            f"{found.scores[number]:.3g}",
            Text(f"{found.severities[number]:.0f}", style=_severity_style(found.severities[number])),
        ]
        for number in numbers
    ]
    return text_table(title, ["Picture", "Score", "Severity"], rows)


def sensors_in_words(event: Event) -> str:
    """The first sensors of an event with their shares."""
    from tsae.report.wording import percent

    return ", ".join(f"{each.sensor} {percent(each.share)}" for each in event.involved[:_MOST_SENSORS])


def _severity_style(severity: float) -> str:
    return "red" if severity >= 75 else "yellow"


def bottleneck_table(advice: Advice) -> Table:
    """What is left of held-out inputs by the length of the code."""
    facts = advice.facts
    rows: list[list[str | Text]] = [
        [str(length), "principal components", f"{left:.1%}"] for length, left in advice.steps
    ]
    rows.append([str(facts.latent_dim), "the code", f"{facts.left:.1%}"])
    return text_table("Bottleneck: what is not rebuilt of later data", ["Numbers", "Of", "Left"], rows)


def quality_table(quality: TableQuality) -> Table:
    """A grade per sensor, with the reasons."""
    return text_table(
        "Sensors",
        ["Sensor", "Unit", "Grade", "Missing", "Remarks"],
        [
            [
                sensor.name,
                sensor.unit,
                Text(sensor.grade, style=_GRADE_STYLE[sensor.grade]),
                f"{100 * sensor.facts.missing:.2g} %",
                "; ".join(sensor.reasons),
            ]
            for sensor in quality.sensors
        ],
    )
