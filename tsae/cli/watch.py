"""`tsae watch`: score rows as they arrive."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tsae.cli.console import progress
from tsae.cli.options import EventOptions, Exclude, Model, StreamReading
from tsae.errors import DataError, OutputError
from tsae.streaming.transports.registry import SINK_ADDRESSES, SOURCE_ADDRESSES, TRANSPORTS

if TYPE_CHECKING:
    from tsae.cli.watching import Service

__all__ = ["watch"]

_PANEL = "Input, output and operation"


def watch(
    model: Model,
    *,
    source: Annotated[
        str,
        typer.Option("--from", help=f"Source of the rows, one of: {SOURCE_ADDRESSES}.", rich_help_panel=_PANEL),
    ] = "-",
    sinks: Annotated[
        list[str] | None,
        typer.Option(
            "--to",
            help=f"Receiver of the results, one of: {SINK_ADDRESSES}; repeatable.",
            rich_help_panel=_PANEL,
            show_default="-",
        ),
    ] = None,
    follow: Annotated[
        bool,
        typer.Option("--follow/--no-follow", help="Wait for more rows at the end of a file.", rich_help_panel=_PANEL),
    ] = True,
    state: Annotated[
        Path | None,
        typer.Option(help="State file; processing resumes from it after a restart.", rich_help_panel=_PANEL),
    ] = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            help="Serve counters as Prometheus text, at /metrics on this port.",
            min=1,
            max=65535,
            rich_help_panel=_PANEL,
        ),
    ] = None,
    metrics_host: Annotated[
        str, typer.Option(help="Interface to listen on; 0.0.0.0 allows other hosts.", rich_help_panel=_PANEL)
    ] = "127.0.0.1",
    alarms_only: Annotated[
        bool, typer.Option("--alarms-only", help="Output only alarming rows (immediate or settled) and events.")
    ] = False,
    events_only: Annotated[bool, typer.Option("--events-only", help="Output only events and drift.")] = False,
    reorder: Annotated[int, typer.Option(help="Number of rows held back to put late ones in order.", min=0)] = 0,
    max_entities: Annotated[
        int, typer.Option(help="Maximum number of entities; rows of others are refused.", min=1)
    ] = 10_000,
    exclude: Exclude = None,
    reading: StreamReading,
    events: EventOptions,
) -> None:
    """Score rows as they arrive: CSV with a header, or one JSON object per line or message.

    Each row is answered by one JSON line: its immediate score, and under "settled" the scores of older rows that now
    equal those of [bold]tsae score[/]. Events are reported when they open, change and close. A line that cannot be
    read is reported on standard error, and the stream continues. Ctrl-C and SIGTERM end it; with [bold]--state[/] a
    restart resumes, otherwise the remaining rows are settled. A replaced model file is reloaded within seconds, or
    immediately on SIGHUP.
    """
    from tsae.cli.watching import Service
    from tsae.streaming.runner import RunnerOptions

    service = Service(
        model,
        source,
        sinks or ["-"],
        RunnerOptions("events" if events_only else "alarms" if alarms_only else "rows", state),
        reading.read_options(),
        events,
        follow=follow,
        reorder=reorder,
        max_entities=max_entities,
        exclude=exclude or (),
        report=_report,
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: service.runner.stop())
    signal.signal(signal.SIGHUP, lambda *_: service.reload())
    metrics = None if metrics_port is None else (metrics_host, metrics_port)
    service.run(metrics, ready=lambda: progress("ready"))
    _conclude(service)


watch.__doc__ = "\n\n".join([watch.__doc__ or "", *(transport.about for transport in TRANSPORTS)])


def _report(place: str, why: str) -> None:
    where: dict[str, Any] = {"line": int(place.removeprefix("line "))} if place.startswith("line ") else {"at": place}
    print(json.dumps({**where, "error": why}), file=sys.stderr, flush=True)


def _conclude(service: Service) -> None:
    """Report the outcome.

    Raises
    ------
    DataError
        If no row was scored.
    OutputError
        If it was stopped before all results were delivered.
    """
    runner = service.runner
    counts = runner.scorer.counts
    if runner.failed:
        raise OutputError("stopped before all results were delivered; with `--state` a restart delivers them")
    if not counts.n_rows and not runner.stopped:
        raise DataError(
            "no row was scored; send a CSV with a header, or JSON lines, to standard input, as in "
            "`tail -n +1 -f today.csv | tsae watch pump.tsae`"
        )
    facts = {
        "{} row{} scored": counts.n_rows,
        "{} late row{} dropped": counts.n_late,
        "{} repeated row{} dropped": counts.n_duplicates,
        "{} clock step{}": counts.n_clock_steps,
        "{} gap{}": counts.n_gaps,
        "{} row{} excluded or with the plant off": counts.n_blocked,
        "{} missing row{} bridged": counts.n_filled,
        "{} value{} absent": counts.n_absent,
        "{} bad line{}": runner.n_bad,
    }
    progress(", ".join(phrase.format(f"{n:,}", "" if n == 1 else "s") for phrase, n in facts.items() if n))
    furthest = service.furthest_moved()
    if furthest is not None:
        name, moved = furthest
        progress(f"the threshold{f' of {name}' if name else ''} has followed the scores by {moved:+.3g}")
