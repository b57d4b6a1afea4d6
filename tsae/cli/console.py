"""What a command shows: tables on standard output; progress, notices and errors on standard error; an exit code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tsae.errors import DataError, ModelFileError, OutputError, ParameterError, TsaeError

if TYPE_CHECKING:
    from tsae.alarms.event import Event
    from tsae.detection.codes.bottleneck import Advice

__all__ = [
    "ExitCode",
    "error",
    "exit_code_of",
    "notice",
    "print_advice",
    "print_events",
    "print_facts",
    "print_list",
    "print_table",
    "progress",
    "results",
    "sensors_in_words",
    "severity_cell",
]

_PIPED_WIDTH = 140  # wide enough that no cell of a table is broken in a log
_MOST_SENSORS = 3
_ARROWS = {"above": "▲", "below": "▼", "": ""}


class ExitCode(IntEnum):
    """Exit code of a command."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    DATA = 3
    MODEL = 4
    OUTPUT = 5
    EVENTS = 10
    INTERRUPTED = 130


_CODES: tuple[tuple[type[Exception], ExitCode], ...] = (
    (ParameterError, ExitCode.USAGE),
    (DataError, ExitCode.DATA),
    (ModelFileError, ExitCode.MODEL),
    (OutputError, ExitCode.OUTPUT),
    (TsaeError, ExitCode.FAILURE),
    (ValueError, ExitCode.DATA),  # scikit-learn's, on tables
)


def exit_code_of(error: Exception) -> ExitCode:
    """Return the exit code of an error.

    >>> exit_code_of(DataError("the file is empty")).name
    'DATA'
    """
    return next((code for kind, code in _CODES if isinstance(error, kind)), ExitCode.FAILURE)


def results(*, stderr: bool = False) -> Console:
    """Return the console for results, or with `stderr` the one for everything else."""
    console = Console(stderr=stderr)
    return console if console.is_terminal else Console(stderr=stderr, width=_PIPED_WIDTH)


def progress(text: str) -> None:
    """Say what is being done."""
    _say(text, "dim")


def notice(text: str) -> None:
    """Say what the user should know, though the work goes on."""
    _say(f"note: {text}", "yellow")


def error(text: str) -> None:
    """Say why the work cannot go on."""
    _say(f"error: {text}", "bold red")


def _say(text: str, style: str) -> None:
    # One line whatever the terminal's width, so that it can be searched for.
    results(stderr=True).print(Text(text, style=style), soft_wrap=True)


def print_list(sentences: Iterable[str]) -> None:
    """Print sentences as a list."""
    for sentence in sentences:
        results().print(f"• {sentence}", markup=False, highlight=False)


def print_table(title: str, headers: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> None:
    """Print a table whose cells are taken as they are: a unit in brackets is not markup."""
    table = Table(title=title, title_justify="left", title_style="bold", header_style="bold")
    for header in headers:
        table.add_column(header)
    for row in rows:
        table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
    results().print(table)


def print_facts(facts: Mapping[str, str]) -> None:
    """Print names and what there is to say about them."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    for name, fact in facts.items():
        table.add_row(name, Text(fact))
    results().print(table)


def print_events(events: Sequence[Event], *, title: str) -> None:
    """Print events: when, how bad, which sensors, and what was expected of the first one."""
    from tsae.report.wording import comparison, duration, interval

    is_fleet = any(event.entity for event in events)
    rows: list[list[str | Text]] = [
        [
            *([event.entity] if is_fleet else []),
            ("↳ worse: " if event.escalates else "") + interval(event) + (" (lasting)" if event.changed else ""),
            duration(event.duration, event.n_rows),
            severity_cell(event.severity),
            sensors_in_words(event),
            f"{comparison(event.sensors[0], event.sensors[0].unit)} {_ARROWS[event.direction]}".rstrip(),
        ]
        for event in events
    ]
    headers = ["When", "Duration", "Severity", "Sensors (share of the error)", "Expected → actual"]
    print_table(title, ["Entity", *headers] if is_fleet else headers, rows)


def sensors_in_words(event: Event) -> str:
    """Return the first sensors of an event with their shares."""
    from tsae.report.wording import percent

    return ", ".join(f"{each.sensor} {percent(each.share)}" for each in event.involved[:_MOST_SENSORS])


def severity_cell(severity: float) -> Text:
    """Return a severity, in red if it is grave."""
    return Text(f"{severity:.0f}", style="red" if severity >= 75 else "yellow")


def print_advice(advice: Advice) -> None:
    """Print how much of held-out inputs is not rebuilt, by the length of the code, and what follows from it."""
    facts = advice.facts
    rows = [[str(length), "principal components", f"{left:.1%}"] for length, left in advice.steps]
    rows.append([str(facts.latent_dim), "the code", f"{facts.left:.1%}"])
    print_table("Bottleneck: what is not rebuilt of later data", ["Numbers", "Of", "Left"], rows)
    print_list(finding.sentence for finding in advice.findings)
