"""Options for the rules of events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tsae.alarms import Direction
from tsae.errors import ParameterError

if TYPE_CHECKING:
    from tsae.alarms.rules import EventRules

__all__ = ["EventOptions"]

_PANEL = "What makes an event"
_TIMES = ("merge_gap", "min_duration", "cool_down")


def _option(*names: str, help: str) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=_PANEL, show_default=False)


@dataclass(frozen=True)
class EventOptions:
    """Rules for events; those that are not stated keep the defaults of `EventRules`."""

    merge_gap: Annotated[
        str | None,
        _option("--merge-gap", help="Longest quiet run inside an event, in rows or as a duration such as 10min."),
    ] = None
    min_duration: Annotated[
        str | None, _option("--min-duration", help="Shortest event to report, in rows or as a duration.")
    ] = None
    cool_down: Annotated[
        str | None, _option("--cool-down", help="Minimum gap between events, in rows or as a duration such as 2h.")
    ] = None
    enter: Annotated[
        str | None, _option("--enter", help="Rows above the threshold that begin an event; 3/5 means 3 of the last 5.")
    ] = None
    exit_ratio: Annotated[
        float | None, _option("--exit-ratio", help="Share of the threshold that keeps an event open, such as 0.8.")
    ] = None
    direction: Annotated[
        Direction | None, _option("--direction", help="Report only events above, or below, the expected value.")
    ] = None
    min_severity: Annotated[
        float | None, _option("--min-severity", help="Report only events of at least this severity, 50 to 100.")
    ] = None

    def rules(self, period: float | None) -> EventRules:
        """Return the rules for rows that are `period` seconds apart; `None` if the rows have no clock.

        Raises
        ------
        ParameterError
            If an option has an invalid value.
        """
        from tsae.alarms.rules import EventRules

        stated = {name: value for name, value in vars(self).items() if value is not None}
        for name in _TIMES:
            if name in stated:
                stated[name] = _n_rows(name, stated[name], period)
        if "enter" in stated:
            stated["enter_rows"], stated["enter_within"] = _k_of_n(stated.pop("enter"))
        return EventRules(**stated)


def _n_rows(name: str, text: str, period: float | None) -> int:
    """Convert rows, or a duration rounded up, to a number of rows."""
    import math

    import pandas as pd

    option = f"`--{name.replace('_', '-')}` (={text!r})"
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


def _k_of_n(text: str) -> tuple[int, int]:
    rows, _, within = text.partition("/")
    if not (rows.strip().isdigit() and (within or rows).strip().isdigit()):
        raise ParameterError(f"`--enter` (={text!r}) must be a number of rows, or two such as 3/5")
    if not 1 <= int(rows) <= int(within or rows):
        raise ParameterError(f"`--enter` (={text!r}) asks for more rows than it looks at, or for none; state 3/5, say")
    return int(rows), int(within or rows)
