"""Options that several commands take, alone and in groups."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from tsae.alarms import Direction
from tsae.detection.parameters.recipes import RECIPES, recipe
from tsae.errors import ParameterError
from tsae.fitting.plan import PRESETS
from tsae.nn.architectures import ARCHITECTURES
from tsae.series.formats.registry import format_names
from tsae.series.options import Decimal, OnText

if TYPE_CHECKING:
    from tsae.alarms.rules import EventRules, Snooze
    from tsae.detection.parameters.recipes import DataKind
    from tsae.series.options import ReadOptions

__all__ = [
    "AnnotationFile",
    "EventOptions",
    "Exclude",
    "Json",
    "Model",
    "Reading",
    "Running",
    "Settings",
    "Size",
    "StreamReading",
    "Table",
    "check_budget",
    "option_name",
    "parse_size",
    "parsed",
    "stated_options",
]

_ACCELERATORS = ("cpu", "gpu", "mps", "auto")
_reading = partial(
    typer.Option, rich_help_panel="How the table is read (worked out from the file unless stated)", show_default=False
)
_event = partial(typer.Option, rich_help_panel="What makes an event", show_default=False)
_model = partial(typer.Option, rich_help_panel="Model options (the defaults suit most tables)", show_default=False)

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
    list[str] | None,
    typer.Option(
        "--exclude",
        metavar="FILE|TIMES",
        help="Times to leave out: a CSV with columns start,end,reason, or recurring times such as 'Sat 02:00-06:00', "
        "'daily 00:00-00:20' or 'Mon-Fri 22:00-06:00 Europe/Berlin'; repeatable.",
        show_default=False,
    ),
    "excluded",
]
AnnotationFile = Annotated[
    Path | None,
    typer.Option(
        "--annotations", help="What people say of rows, a file written by [bold]tsae annotate[/].", show_default=False
    ),
]
Running = Annotated[
    str | None,
    typer.Option(
        "--running",
        metavar="CONDITION",
        help="When the plant runs, such as 'speed > 10' or 'speed > 10 and valve == 1'; other rows neither train nor "
        "alarm, also in [bold]score[/] and [bold]watch[/].",
        show_default=False,
    ),
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

    separator: Annotated[str | None, _reading("--separator", help="Character between cells; \\t for a tab.")] = None
    timestamp: Annotated[str | None, _reading("--timestamp", help="Column of the time.")] = None
    no_timestamp: Annotated[bool, _reading("--no-timestamp", help="No column is a time; number the rows.")] = False
    timestamp_format: Annotated[
        str | None, _reading("--timestamp-format", help="iso, s, ms, us, ns, or a pattern such as '%d.%m.%Y %H:%M'.")
    ] = None
    entity: Annotated[
        str | None, _reading("--entity", help="Column that names the entity of a row, such as the machine of a fleet.")
    ] = None
    missing: Annotated[
        list[str] | None, _reading("--missing", help="Another spelling of a missing value, such as Bad; repeatable.")
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

    decimal: Annotated[Decimal | None, _reading("--decimal", help="Decimal sign of the numbers.")] = None
    encoding: Annotated[str | None, _reading("--encoding", help="Text encoding, such as utf-8 or cp1252.")] = None
    header: Annotated[bool | None, _reading("--header/--no-header", help="First line holds column names, or data.")] = (
        None
    )
    units_row: Annotated[
        bool | None, _reading("--units-row/--no-units-row", help="Line below the header holds units, or data.")
    ] = None
    time_zone: Annotated[
        str | None, _reading("--time-zone", help="Time zone of times without one, such as Europe/Berlin.")
    ] = None
    label: Annotated[
        str | None, _reading("--label", help="Column with labels of known faults; not used as a sensor."), "annotations"
    ] = None
    columns: Annotated[list[str] | None, _reading("--column", help="Sensor to keep; repeatable.")] = None
    drop: Annotated[list[str] | None, _reading("--drop", help="Column to leave out; repeatable.")] = None
    on_text: Annotated[
        OnText | None, _reading("--on-text", help="Columns with text: drop leaves them out, error refuses the table.")
    ] = None


@dataclass(frozen=True)
class Settings:
    """Options of the model; the detector has the defaults of those that are `None`."""

    preset: Annotated[
        str | None,
        _model("--preset", metavar="|".join(PRESETS), help="Which networks make the score; alone has one kind only."),
    ] = None
    kind: Annotated[str | None, _model("--kind", help=f"Use a single kind of autoencoder: {', '.join(RECIPES)}.")] = (
        None
    )
    architecture: Annotated[
        str | None,
        _model(
            "--architecture",
            metavar="|".join(ARCHITECTURES),
            help="Of the networks that rebuild windows; dense unless stated.",
        ),
    ] = None
    window_size: Annotated[str | None, _model("--window-size", help="Rows per window: auto, 64, or 16,64.")] = None
    latent_dim: Annotated[str | None, _model("--latent-dim", help="Length of the code: auto or a number.")] = None
    threshold: Annotated[
        str | None,
        _model("--threshold", metavar="LEARNER|NUMBER", help="Its learner: {learners}; or the score itself."),
    ] = None
    false_alarm_rate: Annotated[
        str | None, _model("--false-alarms", help="The budget: '1/week', '2 per 10000 rows', or '0.1%' of the rows.")
    ] = None
    robust: Annotated[
        bool, _model("--robust", help="Leave out rows that are likely faulty: the table may hold unknown faults.")
    ] = False
    lag: Annotated[str | None, _model("--lag", help="Rows a score may wait for: auto or a number.")] = None
    max_fill: Annotated[int | None, _model("--max-fill", help="Longest gap, in rows, that windows cross.")] = None
    max_steps: Annotated[str | None, _model("--max-steps", help="Training steps at most: auto or a number.")] = None
    accelerator: Annotated[
        str | None,
        _model("--accelerator", metavar="|".join(_ACCELERATORS), help="Device to train on; cpu unless stated."),
    ] = None
    seed: Annotated[
        int, _model("--seed", help="The same number gives the same model; 0 unless stated."), "random_state"
    ] = 0

    def __post_init__(self) -> None:
        from tsae.checks import check_choice  # loads NumPy, which help does without

        choices = {"preset": PRESETS, "kind": RECIPES, "architecture": ARCHITECTURES, "accelerator": _ACCELERATORS}
        for name, known in choices.items():
            if getattr(self, name) is not None:
                check_choice(name, getattr(self, name), known)
        check_budget(self.threshold, self.false_alarm_rate)

    def parameters(self, data: DataKind = "series") -> dict[str, Any]:
        """Return the options as parameters of the detector for tables or for pictures."""
        from tsae.detection.parameters.groups import in_groups

        others = ("seed", "kind")
        stated = {name: value for name, value in vars(self).items() if name not in others and value is not None}
        values = {name: parsed(text) if isinstance(text, str) else text for name, text in stated.items()}
        values["random_state"] = self.seed
        return in_groups(values) if self.kind is None else recipe(self.kind, data, **values)


@dataclass(frozen=True)
class EventOptions:
    """Rules for events; those that are not stated keep the defaults of `EventRules`."""

    merge_gap: Annotated[
        str | None,
        _event("--merge-gap", help="Longest quiet run inside an event, in rows or as a duration such as 10min."),
    ] = None
    min_duration: Annotated[
        str | None, _event("--min-duration", help="Shortest event to report, in rows or as a duration.")
    ] = None
    cool_down: Annotated[
        str | None, _event("--cool-down", help="Minimum gap between events, in rows or as a duration such as 2h.")
    ] = None
    enter: Annotated[
        str | None, _event("--enter", help="Rows above the threshold that begin an event; 3/5 means 3 of the last 5.")
    ] = None
    exit_ratio: Annotated[
        float | None, _event("--exit-ratio", help="Share of the threshold that keeps an event open, such as 0.8.")
    ] = None
    direction: Annotated[
        list[str] | None,
        _event(
            "--direction",
            metavar="[SENSOR=]SIDE",
            help=f"Report only events above, or below, the expected value: {'|'.join(get_args(Direction))} for all "
            "sensors, or flow=below for events that one sensor leads; repeatable.",
        ),
    ] = None
    min_severity: Annotated[
        float | None, _event("--min-severity", help="Report only events of at least this severity, 50 to 100.")
    ] = None
    least_deviation: Annotated[
        list[str] | None,
        _event(
            "--least-deviation",
            metavar="SENSOR=SIZE",
            help="Report only events with a sensor at least this far from its expected value, in its unit "
            "(temperature=0.5) or as a part of that value ('*=2%' for all other sensors); repeatable.",
        ),
    ] = None
    snooze: Annotated[
        list[str] | None,
        _event(
            "--snooze",
            metavar="WHO until TIME",
            help="Do not report events that end before a time, by the time of the rows: 'entity pump 3 until "
            "2026-12-01T08:00', or 'sensor flow until ...' for events that this sensor leads; repeatable.",
        ),
        "snoozes",
    ] = None

    def __post_init__(self) -> None:
        from tsae.alarms.rules import EventRules  # loads NumPy, which help does without

        EventRules(**self._reported())

    def rules(self, period: float | None) -> EventRules:
        """Return the rules for rows that are `period` seconds apart; `None` if the rows have no clock.

        Raises
        ------
        ParameterError
            If an option has an invalid value.
        """
        from tsae.alarms.rules import EventRules

        others = ("direction", "least_deviation", "snooze")
        stated = {name: value for name, value in vars(self).items() if value is not None and name not in others}
        for name in ("merge_gap", "min_duration", "cool_down"):
            if name in stated:
                stated[name] = _n_rows(name, stated[name], period)
        if "enter" in stated:
            stated["enter_rows"], stated["enter_within"] = _k_of_n(stated.pop("enter"))
        return EventRules(**stated, **self._reported())

    def _reported(self) -> dict[str, Any]:
        """Return the rules that are stated by sensor or entity."""
        by_sensor = {"direction": self.direction, "least_deviation": self.least_deviation}
        stated: dict[str, Any] = {name: _by_sensor(texts) for name, texts in by_sensor.items() if texts}
        return stated | ({"snoozes": tuple(map(_snooze, self.snooze))} if self.snooze else {})


def _n_rows(name: str, text: str, period: float | None) -> int:
    """Convert rows, or a duration rounded up, to a number of rows."""
    import pandas as pd

    option = f"`{option_name(name)}` (={text!r})"
    if text.strip().lstrip("-").isdigit():
        return int(text)
    try:
        seconds = pd.Timedelta(text).total_seconds()
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise ParameterError(f"{option} is neither a number of rows nor a time such as 10min or 2h")
    if not period:
        raise ParameterError(f"{option} is a time, but the model was fitted on rows without one; state it in rows")
    return math.ceil(seconds / period - 1e-9)


def _by_sensor(texts: Iterable[str]) -> dict[str, str]:
    """Read values by sensor; a text without a sensor is for all others.

    >>> _by_sensor(["above", "flow=below"])
    {'*': 'above', 'flow': 'below'}
    """
    parts = (text.rpartition("=") for text in texts)
    return {sensor.strip() or "*": value.strip() for sensor, _, value in parts}


def _snooze(text: str) -> Snooze:
    from tsae.alarms.rules import Snooze

    match = re.fullmatch(r"\s*(entity|sensor)\s+(.+?)\s+until\s+(\S+(?: \S+)?)\s*", text)
    if match is None:
        raise ParameterError(
            f"`--snooze` (={text!r}) must name an entity or a sensor, and a time; write 'entity pump 3 until "
            "2026-12-01T08:00' or 'sensor flow until 2026-12-01T08:00'"
        )
    return Snooze(match[3], **{match[1]: match[2]})


def _k_of_n(text: str) -> tuple[int, int]:
    rows, _, within = text.partition("/")
    if not (rows.strip().isdigit() and (within or rows).strip().isdigit()):
        raise ParameterError(f"`--enter` (={text!r}) must be a number of rows, or two such as 3/5")
    if not 1 <= int(rows) <= int(within or rows):
        raise ParameterError(f"`--enter` (={text!r}) asks for more rows than it looks at, or for none; state 3/5, say")
    return int(rows), int(within or rows)


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


def parse_size(text: str | None) -> tuple[int, int] | None:
    """Read a height and a width.

    >>> parse_size("64x48"), parse_size(None)
    ((64, 48), None)
    """
    if text is None:
        return None
    sides = re.fullmatch(r"\s*(\d+)\s*[xX×]\s*(\d+)\s*", text)
    if sides is None or not all(map(int, sides.groups())):
        raise ParameterError(f"`--size` (={text!r}) must be height x width in pixels, such as 64x48")
    return int(sides[1]), int(sides[2])


def option_name(parameter: str) -> str:
    """Return how a parameter is typed: `window_size` → `--window-size`."""
    return f"--{parameter.replace('_', '-')}"


def stated_options(*groups: Any) -> list[str]:
    """Return the options of groups that differ from their defaults, as they are typed."""
    return [
        option_name(field.name)
        for group in groups
        for field in fields(group)
        if getattr(group, field.name) not in (field.default, [])
    ]
