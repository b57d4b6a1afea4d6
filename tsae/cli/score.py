"""`tsae score`: scores and events of a table."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tsae.cli.console import notice, progress, results
from tsae.cli.errors import ExitCode
from tsae.cli.event_options import EventOptions
from tsae.cli.inputs import exclusion_masks, read_input, stem_of
from tsae.cli.models import table_detector
from tsae.cli.options import Exclude, Json, Model, Reading, Table
from tsae.cli.pictures.sources import is_folder, refuse_options, stated_options
from tsae.cli.tables import events_table
from tsae.errors import ParameterError

if TYPE_CHECKING:
    from tsae.detection.detector import AnomalyDetector
    from tsae.detection.events.event import Event
    from tsae.detection.events.rules import EventRules
    from tsae.detection.result import Detection
    from tsae.series.table import SensorTable

__all__ = ["Targets", "detect", "score", "write_results"]


@dataclass(frozen=True)
class Targets:
    """Files to write; `None` for none."""

    scores: Path | None = None
    events: Path | None = None
    report: Path | None = None

    def check(self, *inputs: str) -> None:
        """Find out before the work starts whether all of them can be written."""
        from tsae.store import check_writable

        for path in filter(None, (self.scores, self.events, self.report)):
            if path.resolve() in {Path(each).resolve() for each in inputs}:
                raise ParameterError(f"output path {str(path)!r} is also an input; choose another path")
            check_writable(path)
        if self.scores is not None and self.scores.suffix.lower() not in (".csv", ".parquet"):
            raise ParameterError(f"`--output` (={str(self.scores)!r}) must end in .csv or .parquet")


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
    targets.check(table, str(model))
    detector = table_detector(model)
    rows = read_input(table, reading)
    rules = events_as.rules(detector.period_)
    detections = detect(detector, rows, exclude, reading, rules, adapt=adapt)
    write_results(targets, detector, rows, detections, reading.entity, title=f"{model.stem}: {stem}")
    found = [event for detection in detections.values() for event in detection.events]
    if as_json:
        _print_json(detector, detections, found)
    else:
        _print_events(detections, found, targets)
    if fail_on_events and found:
        raise typer.Exit(ExitCode.EVENTS)


def detect(
    detector: AnomalyDetector,
    table: SensorTable,
    exclude: Path | None,
    reading: Reading,
    rules: EventRules | None = None,
    *,
    adapt: bool = True,
) -> dict[str, Detection]:
    """What is found, by entity."""
    masks = exclusion_masks(exclude, table, reading)
    return {
        entity: _named(detector.detect(frame, excluded=masks[entity], rules=rules, adapt=adapt), entity)
        for entity, frame in table.frames.items()
    }


def _named(detection: Detection, entity: str) -> Detection:
    if not entity:
        return detection
    events = tuple(replace(each, entity=entity, event_id=f"{entity}:{each.event_id}") for each in detection.events)
    return replace(detection, entity=entity, events=events)


def write_results(
    targets: Targets,
    detector: AnomalyDetector,
    table: SensorTable,
    detections: dict[str, Detection],
    entity_column: str | None,
    *,
    title: str,
) -> None:
    """Write the files that are wanted."""
    from tsae.cli.outputs import events_frame, scores_frame, write_frame

    if targets.scores is not None:
        write_frame(scores_frame(detections, entity_column), targets.scores)
    if targets.events is not None:
        found = [event for detection in detections.values() for event in detection.events]
        write_frame(events_frame(found, entity_column), targets.events)
    if targets.report is not None:
        _write_report(targets.report, detector, table, detections, title)


def _write_report(
    path: Path, detector: AnomalyDetector, table: SensorTable, detections: dict[str, Detection], title: str
) -> None:
    from tsae.report.html import write_report

    frames = {entity: frame[detector.channels_] for entity, frame in table.frames.items()}
    threshold = detector.learned_threshold_
    facts = {
        "threshold": f"{threshold.value:.3g}",
        "learned from": f"{threshold.n_rows:,} held-out rows",
        "false alarms": "as stated" if threshold.false_alarm_rate is None else threshold.budget,
    }
    expected = {entity: detector.reconstruct(frame) for entity, frame in frames.items()}
    write_report(path, frames, detections, title=title, facts=facts, units=detector.units_, expected=expected)


def _print_events(detections: dict[str, Detection], found: list[Event], targets: Targets) -> None:
    from tsae.report.wording import threshold_sentence

    n_rows = sum(len(detection.scores) for detection in detections.values())
    n_flagged = sum(int(detection.labels.sum()) for detection in detections.values())
    screen = results()
    if found:
        screen.print(events_table(found, title=f"{len(found)} event{'s' if found[1:] else ''} in {n_rows:,} rows"))
    else:
        screen.print(f"No events in {n_rows:,} rows.")
    written = ", ".join(str(path) for path in (targets.scores, targets.events, targets.report) if path)
    progress(f"{n_flagged:,} rows exceed the threshold; written: {written}")
    for detection in detections.values():
        if detection.drift is not None and detection.drift.moved:
            progress(threshold_sentence(detection.drift))
        if detection.drift is not None and detection.drift.verdict:
            notice(detection.drift.verdict)


def _print_json(detector: AnomalyDetector, detections: dict[str, Detection], found: list[Event]) -> None:
    from tsae.cli.outputs import event_record

    answer = {
        "n_rows": sum(len(detection.scores) for detection in detections.values()),
        "n_flagged": sum(int(detection.labels.sum()) for detection in detections.values()),
        "threshold": detector.threshold_,
        "threshold_moved": {
            entity: round(detection.drift.moved, 4) for entity, detection in detections.items() if detection.drift
        },
        "retrain": {
            entity: detection.drift.verdict
            for entity, detection in detections.items()
            if detection.drift is not None and detection.drift.verdict
        },
        "events": [event_record(event) for event in found],
    }
    typer.echo(json.dumps(answer, indent=2, ensure_ascii=False, allow_nan=False))
