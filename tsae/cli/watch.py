"""`tsae watch`: scores of rows as they arrive."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tsae.cli.console import progress
from tsae.cli.event_options import EventOptions
from tsae.cli.options import Model, StreamReading
from tsae.errors import DataError, OutputError

if TYPE_CHECKING:
    from tsae.cli.watching import Service

__all__ = ["watch"]

_PANEL = "Where rows come from and results go"


def watch(
    model: Model,
    *,
    source: Annotated[
        str,
        typer.Option(
            "--from",
            help="- (standard input), a file to follow, mqtt(s)://HOST/TOPIC or kafka://HOST:PORT/TOPIC.",
            rich_help_panel=_PANEL,
        ),
    ] = "-",
    sinks: Annotated[
        list[str] | None,
        typer.Option(
            "--to",
            help="- (standard output), a file, http(s)://…, mqtt(s)://… or kafka://…; repeatable.",
            rich_help_panel=_PANEL,
            show_default="-",
        ),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow/--no-follow", help="Wait for more at the end of a file.", rich_help_panel=_PANEL)
    ] = True,
    state: Annotated[
        Path | None,
        typer.Option(help="Keep the state here, and go on from it after a restart.", rich_help_panel=_PANEL),
    ] = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            help="Counters as Prometheus text, at /metrics on this port.", min=1, max=65535, rich_help_panel=_PANEL
        ),
    ] = None,
    metrics_host: Annotated[
        str, typer.Option(help="Who may ask for them: 0.0.0.0 lets other machines.", rich_help_panel=_PANEL)
    ] = "127.0.0.1",
    alarms_only: Annotated[
        bool, typer.Option("--alarms-only", help="Tell only rows that alarm, at once or when settled, and events.")
    ] = False,
    events_only: Annotated[bool, typer.Option("--events-only", help="Tell only events.")] = False,
    reorder: Annotated[int, typer.Option(help="Rows that wait for earlier ones that come late.", min=0)] = 0,
    max_entities: Annotated[int, typer.Option(help="Most machines; rows of further ones are refused.", min=1)] = 10_000,
    reading: StreamReading,
    events: EventOptions,
) -> None:
    """Score rows as they arrive: CSV with a header, or one JSON object a line or message.

    Each row is answered by one JSON line: its score at once, and in "settled" the scores of older rows that are now
    as good as those of [bold]tsae score[/]; events are told as they open, grow and close. A line that cannot be read
    is reported on standard error and costs only itself. Ctrl-C and SIGTERM end it; with [bold]--state[/] a restart goes
    on where it ended, without it the rest is settled. A new model file in place of the old one is taken up, after
    SIGHUP at once.

    Brokers: [bold]mqtt://HOST/plant/{entity}/row?version=5&client=NAME[/], where {entity} names the machine and NAME
    this process (mqtts:// for TLS; TSAE_MQTT_USER, TSAE_MQTT_PASSWORD and TSAE_MQTT_CA in the environment), and
    [bold]kafka://HOST:PORT/TOPIC?group=NAME[/] with further settings of librdkafka; a message's key names the machine.
    """
    from tsae.cli.watching import Service, ServiceOptions

    tell = "events" if events_only else "alarms" if alarms_only else "rows"
    options = ServiceOptions(model, source, tuple(sinks or ["-"]), follow, state, tell, reorder, max_entities)
    service = Service(options, reading.read_options(), events, _report)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: service.runner.stop())
    signal.signal(signal.SIGHUP, lambda *_: service.reload())
    metrics = None if metrics_port is None else (metrics_host, metrics_port)
    service.run(metrics, ready=lambda: progress("ready"))
    _conclude(service)


def _report(place: str, why: str) -> None:
    where: dict[str, Any] = {"line": int(place.removeprefix("line "))} if place.startswith("line ") else {"at": place}
    print(json.dumps({**where, "error": why}), file=sys.stderr, flush=True)


def _conclude(service: Service) -> None:
    """Say how it went.

    Raises
    ------
    DataError
        If no row was scored.
    OutputError
        If it was stopped before results were out.
    """
    runner = service.runner
    counts = runner.scorer.counts
    if runner.failed:
        raise OutputError("stopped before all results were out; with `--state` they come after a restart")
    if not counts.n_rows and not runner.stopped:
        raise DataError(
            "no row was scored; send a CSV with a header, or JSON lines, to standard input, as in "
            "`tail -n +1 -f today.csv | tsae watch pump.tsae`"
        )
    told = {
        "{} row{} scored": counts.n_rows,
        "{} late row{} dropped": counts.n_late,
        "{} repeated row{} dropped": counts.n_duplicates,
        "{} clock step{}": counts.n_clock_steps,
        "{} gap{}": counts.n_gaps,
        "{} missing row{} bridged": counts.n_filled,
        "{} value{} absent": counts.n_absent,
        "{} bad line{}": runner.n_bad,
    }
    progress(", ".join(phrase.format(f"{n:,}", "" if n == 1 else "s") for phrase, n in told.items() if n))
    furthest = service.furthest_moved()
    if furthest is not None:
        name, moved = furthest
        progress(f"the threshold{f' of {name}' if name else ''} has followed the scores by {moved:+.3g}")
