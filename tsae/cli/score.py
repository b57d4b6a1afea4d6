"""`tsae score`: scores and events of a table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tsae.cli.console import notice, progress, results
from tsae.cli.detecting import Found, Targets, detect, write_results
from tsae.cli.errors import ExitCode
from tsae.cli.event_options import EventOptions
from tsae.cli.inputs import read_input
from tsae.cli.models import table_detector
from tsae.cli.options import Exclude, Json, Model, Reading, Table
from tsae.cli.pictures.sources import is_folder, refuse_options, stated_options
from tsae.cli.tables import events_table
from tsae.series.formats.registry import stem_of

if TYPE_CHECKING:
    from tsae.alarms.event import Event
    from tsae.detection.detector import AnomalyDetector

__all__ = ["score"]


def _path(*names: str, help: str) -> Any:
    return typer.Option(*names, help=help, show_default=False)


def score(
    model: Model,
    table: Table,
    *,
    output: Annotated[
        Path | None,
        _path("--output", "-o", help="Scores, .csv or .parquet; TABLE's name with .scores.csv unless stated."),
    ] = None,
    events: Annotated[
        Path | None, _path("--events", help="Events; TABLE's name with .events.csv unless stated.")
    ] = None,
    report: Annotated[Path | None, _path("--report", help="A page for the browser, in one .html file.")] = None,
    heatmaps: Annotated[
        Path | None, _path("--heatmaps", help="Folder for a heatmap of each picture, as NAME.png; made if missing.")
    ] = None,
    exclude: Exclude = None,
    adapt: Annotated[
        bool, typer.Option("--adapt/--no-adapt", help="Whether the threshold follows the scores of earlier rows.")
    ] = True,
    fail_on_events: Annotated[
        bool, typer.Option("--fail-on-events", help="Exit with 10 if there are events, or flagged pictures.")
    ] = False,
    as_json: Json = False,
    events_as: EventOptions,
    reading: Reading,
) -> None:
    """Score a table: print its events, and write scores and events into the current folder.

    TABLE may also be a folder of pictures. With --json only the files that are named are written.
    """
    if is_folder(table):
        from tsae.cli.pictures.score import PictureTargets, score_pictures

        stated = {"--events": events, "--exclude": exclude}
        unused = [name for name, path in stated.items() if path] + ([] if adapt else ["--no-adapt"])
        refuse_options(table, [*unused, *stated_options(events_as), *stated_options(reading)])
        targets_of_pictures = PictureTargets(output, report, heatmaps)
        score_pictures(model, table, targets_of_pictures, as_json=as_json, fail_on_events=fail_on_events)
        return
    refuse_options(table, ["--heatmaps"] if heatmaps else [])
    stem = stem_of(table)
    targets = Targets(
        output or (None if as_json else Path(f"{stem}.scores.csv")),
        events or (None if as_json else Path(f"{stem}.events.csv")),
        report,
    )
    targets.check(table, model, *([] if exclude is None else [exclude]))
    detector = table_detector(model)
    rows = read_input(table, reading)
    rules = events_as.rules(detector.period_)
    found = detect(detector, rows, targets, exclude, reading, rules, adapt=adapt)
    write_results(targets, detector, rows, found, reading.entity, title=f"{model.stem}: {stem}")
    all_events = [event for each in found.values() for event in each.events]
    if as_json:
        _print_json(detector, found, all_events)
    else:
        _print_events(found, all_events, targets)
    if fail_on_events and all_events:
        raise typer.Exit(ExitCode.EVENTS)


def _print_events(found: Mapping[str, Found], events: list[Event], targets: Targets) -> None:
    from tsae.report.wording import threshold_sentence

    n_rows, n_flagged = sum(each.n_rows for each in found.values()), sum(each.n_flagged for each in found.values())
    screen = results()
    if events:
        screen.print(events_table(events, title=f"{len(events)} event{'s' if events[1:] else ''} in {n_rows:,} rows"))
    else:
        screen.print(f"No events in {n_rows:,} rows.")
    written = ", ".join(str(path) for path in (targets.scores, targets.events, targets.report) if path)
    progress(f"{n_flagged:,} rows exceed the threshold; written: {written}")
    for each in found.values():
        if each.drift.moved:
            progress(threshold_sentence(each.drift))
        if each.drift.verdict:
            notice(each.drift.verdict)


def _print_json(detector: AnomalyDetector, found: Mapping[str, Found], events: list[Event]) -> None:
    from tsae.alarms.event import event_fields

    answer = {
        "n_rows": sum(each.n_rows for each in found.values()),
        "n_flagged": sum(each.n_flagged for each in found.values()),
        "threshold": detector.thresholds_.used.value,
        "thresholds": {
            entity: {"first": each.drift.first_threshold, "last": each.drift.last_threshold}
            for entity, each in found.items()
        },
        "threshold_moved": {entity: round(each.drift.moved, 4) for entity, each in found.items()},
        "retrain": {entity: each.drift.verdict for entity, each in found.items() if each.drift.verdict},
        "events": [event_fields(event) for event in events],
    }
    typer.echo(json.dumps(answer, indent=2, ensure_ascii=False, allow_nan=False))
