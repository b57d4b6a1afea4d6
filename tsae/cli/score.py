"""`tsae score`: scores and events of a table, or scores of a folder of pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tsae.cli.console import ExitCode, notice, print_events, print_table, progress, results, severity_cell
from tsae.cli.inputs import (
    check_outputs,
    exclusion_files,
    exclusion_masks,
    folder_name,
    image_detector,
    is_folder,
    read_input,
    refuse_options,
    table_detector,
)
from tsae.cli.options import EventOptions, Exclude, Json, Model, Reading, Table, stated_options
from tsae.errors import OutputError, ParameterError
from tsae.series.formats.registry import stem_of

if TYPE_CHECKING:
    from rich.text import Text

    from tsae.alarms.drift import Drift
    from tsae.alarms.event import Event
    from tsae.alarms.incidents import Incident
    from tsae.alarms.rules import EventRules
    from tsae.detection.detecting import DetectedRows, Detection, ImageDetection
    from tsae.detection.detector import AnomalyDetector
    from tsae.series.reading import SensorTable

__all__ = ["Found", "Targets", "detect", "score", "write_results"]

_MOST_LISTED = 20  # pictures
_path = partial(typer.Option, show_default=False)


@dataclass(frozen=True)
class Targets:
    """Files to write; `None` for none."""

    scores: Path | None = None
    events: Path | None = None
    report: Path | None = None
    incidents: Path | None = None

    def check(self, *inputs: str | Path | None) -> None:
        """Find out before the work starts whether all of them can be written."""
        check_outputs((self.scores, self.events, self.report, self.incidents), inputs)
        if self.scores is not None and self.scores.suffix.lower() not in (".csv", ".parquet"):
            raise ParameterError(f"`--output` (={str(self.scores)!r}) must end in .csv or .parquet")


@dataclass(frozen=True)
class Found:
    """What was found in the rows of one entity."""

    n_rows: int
    n_flagged: int
    n_off: int
    """Rows in which the plant is off."""
    n_uncovered: int
    """Rows that no full window covers."""
    n_held_back: int
    """Events that look like what people called false alarms."""
    state: tuple[str, Any]
    """The state at the last row, and since when; see `Detection.state`."""
    events: tuple[Event, ...]
    drift: Drift
    whole: Detection | None
    """Rows and all, if they were to be kept."""


def score(
    model: Model,
    table: Table,
    *,
    output: Annotated[
        Path | None,
        _path("--output", "-o", help="Scores, .csv or .parquet; TABLE's name with .scores.csv unless stated."),
    ] = None,
    events: Annotated[
        Path | None,
        _path("--events", help="Events, .csv, .jsonl or .parquet; TABLE's name with .events.csv unless stated."),
    ] = None,
    incidents: Annotated[
        Path | None,
        _path(
            "--incidents",
            help="Events of several entities that overlap in time; with --entity, TABLE's name with .incidents.csv "
            "unless stated.",
        ),
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
    of_pictures = is_folder(table)
    stem = folder_name(table) if of_pictures else stem_of(table)
    targets = Targets(
        output or (None if as_json else Path(f"{stem}.scores.csv")),
        events or (None if as_json or of_pictures else Path(f"{stem}.events.csv")),
        report,
        incidents or (Path(f"{stem}.incidents.csv") if reading.entity and not as_json and not of_pictures else None),
    )
    if of_pictures:
        stated = {"--events": events, "--incidents": incidents, "--exclude": exclude, "--no-adapt": not adapt}
        unused = [name for name, value in stated.items() if value]
        refuse_options(table, [*unused, *stated_options(events_as, reading)])
        is_found = _score_pictures(model, table, targets, heatmaps, as_json=as_json)
    else:
        if heatmaps:
            refuse_options(table, ["--heatmaps"])
        targets.check(table, model, *exclusion_files(exclude))
        detector = table_detector(model)
        rows = read_input(table, reading)
        found = detect(detector, rows, targets, exclude, reading, events_as.rules(detector.period_), adapt=adapt)
        write_results(targets, detector, rows, found, reading.entity, title=f"{model.stem}: {stem}")
        all_events = [event for each in found.values() for event in each.events]
        if as_json:
            _print_json(detector, found, all_events)
        else:
            _print(detector, found, all_events, targets)
        is_found = bool(all_events)
    if fail_on_events and is_found:
        raise typer.Exit(ExitCode.EVENTS)


def detect(
    detector: AnomalyDetector,
    table: SensorTable,
    targets: Targets,
    exclude: Sequence[str] | None,
    reading: Reading,
    rules: EventRules | None = None,
    *,
    adapt: bool = True,
) -> dict[str, Found]:
    """Return what is found, by entity.

    Scores are written meanwhile; they are kept only for a report, which shows all rows.
    """
    from tsae.alarms.event import state_now
    from tsae.cli.outputs import scores_file

    masks = {} if not exclude else exclusion_masks(exclude, table, reading)
    found: dict[str, Found] = {}
    with scores_file(targets.scores, detector.channels_, reading.entity) as take:
        for entity, frame in table.frames.items():
            run = detector.detect_in_parts(frame, excluded=masks.get(entity), rules=rules, adapt=adapt, entity=entity)
            kept: list[DetectedRows] = []
            n_flagged, is_flagged = 0, False
            for part in run.parts():
                take(entity, run.index[part.rows], part)
                n_flagged, is_flagged = n_flagged + int(part.labels.sum()), bool(part.labels[-1])
                if targets.report is not None:
                    kept.append(part)
            whole = run.detection(kept) if targets.report is not None else None
            state = state_now(run.events, is_flagged=is_flagged)
            counts = (len(run.index), n_flagged, run.n_off, run.n_uncovered, run.n_held_back)
            found[entity] = Found(*counts, state, run.events, run.drift, whole)
    return found


def write_results(
    targets: Targets,
    detector: AnomalyDetector,
    table: SensorTable,
    found: Mapping[str, Found],
    entity_column: str | None,
    *,
    title: str,
) -> None:
    """Write the files that are wanted besides the scores."""
    from tsae.cli.events_file import write_events
    from tsae.cli.outputs import incidents_frame, write_frame

    events = [event for each in found.values() for event in each.events]
    if targets.events is not None:
        write_events(events, entity_column, targets.events)
    if targets.incidents is not None:
        write_frame(incidents_frame(events), targets.incidents)
    if targets.report is not None:
        _write_report(targets.report, detector, table, found, title)


def _write_report(
    path: Path, detector: AnomalyDetector, table: SensorTable, found: Mapping[str, Found], title: str
) -> None:
    from tsae.report.html import render_report
    from tsae.report.templates import write_page

    frames = {entity: frame[detector.channels_] for entity, frame in table.frames.items()}
    threshold = detector.thresholds_.used
    first = next(iter(found.values())).drift.first_threshold  # the same for all: learned from the same rows
    follows = "" if first == threshold.value else ", then follows the scores"
    facts = {
        "threshold": f"{first:.3g}{follows}",
        "learned from": f"{threshold.n_rows:,} held-out rows",
        "false alarms": "as stated" if threshold.false_alarm_rate is None else threshold.budget,
    }
    expected = {entity: detector.reconstruct(frame) for entity, frame in frames.items()}
    detections = {entity: each.whole for entity, each in found.items() if each.whole is not None}
    page = render_report(frames, detections, title=title, facts=facts, units=detector.units_, expected=expected)
    write_page(path, page)


def _print(detector: AnomalyDetector, found: Mapping[str, Found], events: list[Event], targets: Targets) -> None:
    from tsae.alarms.incidents import incidents
    from tsae.report.wording import alarm_sentence, state_sentence, threshold_sentence

    n_rows, n_flagged = sum(each.n_rows for each in found.values()), sum(each.n_flagged for each in found.values())
    if events:
        print_events(events, title=f"{len(events)} event{'s' if events[1:] else ''} in {n_rows:,} rows")
    else:
        results().print(f"No events in {n_rows:,} rows.")
    together = incidents(events)
    if together:
        rows: list[list[str | Text]] = [
            [*_when(each), ", ".join(each.entities), severity_cell(each.severity)] for each in together
        ]
        title = f"{len(together)} incident{'s' if together[1:] else ''} of several entities"
        print_table(title, ["From", "To", "Entities", "Severity"], rows)
    paths = (targets.scores, targets.events, targets.incidents, targets.report)
    written = ", ".join(str(path) for path in paths if path)
    progress(f"{n_flagged:,} rows exceed the threshold; written: {written}")
    progress(alarm_sentence(n_rows, n_flagged, len(events), detector.period_))
    for entity, each in found.items():
        name, since = each.state
        if name != "quiet" or not entity:
            progress(state_sentence(entity, name, since))
    n_uncovered = sum(each.n_uncovered for each in found.values())
    if n_uncovered:
        window = detector.window_size_
        progress(f"{n_uncovered:,} rows lie in no full window of {window} rows: they are scored, but never flagged")
    n_held_back = sum(each.n_held_back for each in found.values())
    if n_held_back:
        progress(f"not reported, as they look like annotated false alarms: {n_held_back} events")
    n_off = sum(each.n_off for each in found.values())
    if n_off:
        progress(f"{n_off:,} rows with the plant off: they are scored, but never alarm")
    for each in found.values():
        if each.drift.moved:
            progress(threshold_sentence(each.drift))
        if each.drift.verdict:
            notice(each.drift.verdict)


def _when(incident: Incident) -> tuple[str, str]:
    """Return when an incident starts and stops, in words."""
    from tsae.alarms.event import time_text

    start, stop = (str(time_text(time, zoned=incident.zoned)) for time in (incident.start, incident.stop))
    return start, stop


def _print_json(detector: AnomalyDetector, found: Mapping[str, Found], events: list[Event]) -> None:
    from tsae.alarms.event import event_fields
    from tsae.alarms.incidents import incident_fields, incidents

    answer = {
        "n_rows": sum(each.n_rows for each in found.values()),
        "n_flagged": sum(each.n_flagged for each in found.values()),
        "n_off": sum(each.n_off for each in found.values()),
        "n_uncovered": sum(each.n_uncovered for each in found.values()),
        "n_held_back": sum(each.n_held_back for each in found.values()),
        "state": {entity: each.state[0] for entity, each in found.items()},
        "threshold": detector.thresholds_.used.value,
        "thresholds": {
            entity: {"first": each.drift.first_threshold, "last": each.drift.last_threshold}
            for entity, each in found.items()
        },
        "threshold_moved": {entity: round(each.drift.moved, 4) for entity, each in found.items()},
        "retrain": {entity: each.drift.verdict for entity, each in found.items() if each.drift.verdict},
        "events": [event_fields(event) for event in events],
    }
    if len(found) > 1:
        answer["incidents"] = [incident_fields(incident) for incident in incidents(events)]
    _print_as_json(answer)


def _print_as_json(answer: Mapping[str, Any]) -> None:
    typer.echo(json.dumps(answer, indent=2, ensure_ascii=False, allow_nan=False))


def _score_pictures(model: Path, folder: str, targets: Targets, heatmaps: Path | None, *, as_json: bool) -> bool:
    """Score a folder of pictures, print the flagged ones, and write files; return whether there are flagged ones."""
    from tsae.cli.outputs import pictures_frame, write_frame
    from tsae.images.reading import read_images
    from tsae.report.gallery import render_gallery, write_heatmaps
    from tsae.report.templates import write_page

    targets.check(model)
    if heatmaps is not None:
        _make_folder(heatmaps, folder)
    detector = image_detector(model)
    pictures = read_images(folder, size=detector.size, channels=detector.image_shape_[0])
    progress(f"scoring {len(pictures.names):,} pictures …")
    found = detector.detect(pictures)
    frame = pictures_frame(found)
    if targets.scores is not None:
        write_frame(frame, targets.scores)
    if heatmaps is not None:
        write_heatmaps(heatmaps, detector, pictures)
    if targets.report is not None:
        page = render_gallery(detector, pictures, found, title=f"{model.stem}: {folder_name(folder)}")
        write_page(targets.report, page)
    if as_json:
        counts = {"n_pictures": len(frame), "n_flagged": int(frame["label"].sum()), "threshold": found.threshold}
        _print_as_json({**counts, "pictures": frame.to_dict("records")})
    else:
        _print_pictures(found, targets, heatmaps)
    return bool(found.labels.any())


def _make_folder(heatmaps: Path, pictures: str) -> None:
    from tsae.store import check_writable

    if heatmaps.resolve() == Path(pictures).resolve():
        raise ParameterError(f"`--heatmaps` (={str(heatmaps)!r}) is the folder of the pictures; name another")
    try:
        heatmaps.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make {str(heatmaps)!r}: {error.strerror}; choose another path") from error
    check_writable(heatmaps / "heatmap.png")


def _print_pictures(found: ImageDetection, targets: Targets, heatmaps: Path | None) -> None:
    n, n_flagged = len(found.names), int(found.labels.sum())
    worst = [number for number in found.worst_first[:_MOST_LISTED] if found.labels[number]]
    if worst:
        print_table(
            f"{n_flagged:,} of {n:,} picture{'' if n == 1 else 's'} flagged",
            ["Picture", "Score", "Severity"],
            [
                [found.names[number], f"{found.scores[number]:.3g}", severity_cell(found.severities[number])]
                for number in worst
            ],
        )
    else:
        results().print(f"No picture of {n:,} flagged.")
    if n_flagged > len(worst):
        notice(f"the {len(worst)} worst are listed; all are in {targets.scores}")
    written = ", ".join(str(path) for path in (targets.scores, heatmaps, targets.report) if path)
    progress(f"threshold {found.threshold:.3g}; written: {written}")
