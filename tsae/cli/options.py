"""Options that several commands take."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tsae.series.formats.registry import format_names
from tsae.series.options import Decimal, OnText

if TYPE_CHECKING:
    from tsae.series.options import ReadOptions

__all__ = ["Exclude", "Json", "Model", "Reading", "Size", "StreamReading", "Table", "check_budget", "parsed"]

_PANEL = "How the table is read (worked out from the file unless stated)"


def _option(*names: str, help: str) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=_PANEL, show_default=False)


Table = Annotated[
    str,
    typer.Argument(
        metavar="TABLE",
        help=f"{format_names()} file (also .gz), - reads standard input; or a folder of PNG and JPEG pictures.",
        show_default=False,
    ),
]
Model = Annotated[
    Path, typer.Argument(metavar="MODEL", help="Model file, written by [bold]tsae fit[/].", show_default=False)
]
Exclude = Annotated[
    Path | None,
    typer.Option(
        help="CSV of intervals to leave out, such as maintenance, with columns start,end,reason.", show_default=False
    ),
    "excluded",
]
Size = Annotated[
    str | None,
    typer.Option(
        "--size",
        metavar="HxW",
        help="Height x width that all pictures are resized to, such as 64x64.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]


@dataclass(frozen=True)
class StreamReading:
    """Reading options for rows of a stream."""

    separator: Annotated[str | None, _option("--separator", help="Character between cells; \\t for a tab.")] = None
    timestamp: Annotated[str | None, _option("--timestamp", help="Column of the time.")] = None
    no_timestamp: Annotated[bool, _option("--no-timestamp", help="No column is a time; number the rows.")] = False
    timestamp_format: Annotated[
        str | None, _option("--timestamp-format", help="iso, s, ms, us, ns, or a pattern such as '%d.%m.%Y %H:%M'.")
    ] = None
    entity: Annotated[
        str | None, _option("--entity", help="Column that names the entity of a row, such as the machine of a fleet.")
    ] = None
    missing: Annotated[
        list[str] | None, _option("--missing", help="Another spelling of a missing value, such as Bad; repeatable.")
    ] = None

    def read_options(self) -> ReadOptions:
        """Return the same options for the reader of tables."""
        from tsae.series.options import ReadOptions

        stated = {field.name: getattr(self, field.name) for field in fields(self)}
        if stated.pop("no_timestamp"):
            stated["timestamp"] = False
        if stated["separator"] in ("\\t", "tab"):
            stated["separator"] = "\t"
        options: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in stated.items()
            if value not in (None, [])
        }
        return ReadOptions(**options)


@dataclass(frozen=True)
class Reading(StreamReading):
    """Reading options for a file."""

    decimal: Annotated[Decimal | None, _option("--decimal", help="Decimal sign of the numbers.")] = None
    encoding: Annotated[str | None, _option("--encoding", help="Text encoding, such as utf-8 or cp1252.")] = None
    header: Annotated[bool | None, _option("--header/--no-header", help="First line holds column names, or data.")] = (
        None
    )
    units_row: Annotated[
        bool | None, _option("--units-row/--no-units-row", help="Line below the header holds units, or data.")
    ] = None
    time_zone: Annotated[
        str | None, _option("--time-zone", help="Time zone of times without one, such as Europe/Berlin.")
    ] = None
    label: Annotated[
        str | None, _option("--label", help="Column with labels of known faults; not used as a sensor."), "labels"
    ] = None
    columns: Annotated[list[str] | None, _option("--column", help="Sensor to keep; repeatable.")] = None
    drop: Annotated[list[str] | None, _option("--drop", help="Column to leave out; repeatable.")] = None
    on_text: Annotated[
        OnText | None, _option("--on-text", help="Columns with text: drop leaves them out, error refuses the table.")
    ] = None


def parsed(text: str) -> Any:
    """Read a number, several numbers, or a word.

    >>> parsed("16,64"), parsed("0.5"), parsed("auto")
    ([16, 64], 0.5, 'auto')
    """
    if "," in text:
        return [parsed(part.strip()) for part in text.split(",")]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def check_budget(threshold: str | None, false_alarm_rate: str | None) -> None:
    """Refuse an unknown threshold learner and an impossible budget, before anything is read."""
    from tsae.alarms.thresholds import METHODS, check_threshold  # loads NumPy, which help does without

    learner = METHODS[0] if threshold is None else parsed(threshold)
    check_threshold(learner, "1%" if false_alarm_rate is None else parsed(false_alarm_rate))
