"""What the commands find in a table, and the files that they write about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tsae.cli.inputs import exclusion_masks
from tsae.cli.paths import check_outputs, check_scores

if TYPE_CHECKING:
    from tsae.alarms.drift import Drift
    from tsae.alarms.event import Event
    from tsae.alarms.rules import EventRules
    from tsae.cli.options import Reading
    from tsae.cli.scores_file import TakeRows
    from tsae.detection.detecting import DetectedRows, Detection, DetectionRun
    from tsae.detection.detector import AnomalyDetector
    from tsae.series.reading import SensorTable

__all__ = ["Found", "Targets", "detect", "write_results"]


@dataclass(frozen=True)
class Targets:
    """Files to write; `None` for none."""

    scores: Path | None = None
    events: Path | None = None
    report: Path | None = None

    def check(self, *inputs: str | Path) -> None:
        """Find out before the work starts whether all of them can be written."""
        check_outputs((self.scores, self.events, self.report), inputs)
        check_scores(self.scores)


@dataclass(frozen=True)
class Found:
    """What was found in the rows of one entity."""

    n_rows: int
    n_flagged: int
    events: tuple[Event, ...]
    drift: Drift
    whole: Detection | None
    """Rows and all, if they were to be kept."""


def detect(
    detector: AnomalyDetector,
    table: SensorTable,
    targets: Targets,
    exclude: Path | None,
    reading: Reading,
    rules: EventRules | None = None,
    *,
    adapt: bool = True,
) -> dict[str, Found]:
    """What is found, by entity. Scores are written meanwhile; they are kept only for a report, which shows all rows."""
    from tsae.cli.scores_file import scores_file

    masks = exclusion_masks(exclude, table, reading)
    found: dict[str, Found] = {}
    with scores_file(targets.scores, detector.channels_, reading.entity) as take:
        for entity, frame in table.frames.items():
            run = detector.detect_in_parts(frame, excluded=masks[entity], rules=rules, adapt=adapt, entity=entity)
            found[entity] = _worked_off(run, entity, take, keep=targets.report is not None)
    return found


def _worked_off(run: DetectionRun, entity: str, take: TakeRows, *, keep: bool) -> Found:
    def parts() -> Iterator[DetectedRows]:
        for part in run.parts():
            take(entity, run.index[part.rows], part)
            yield part

    whole = run.detection(parts()) if keep else None
    n_flagged = sum(int(part.labels.sum()) for part in parts()) if whole is None else int(whole.labels.sum())
    return Found(len(run.index), n_flagged, run.events, run.drift, whole)


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
    from tsae.cli.outputs import events_frame, write_frame

    if targets.events is not None:
        events = [event for each in found.values() for event in each.events]
        write_frame(events_frame(events, entity_column), targets.events)
    if targets.report is not None:
        _write_report(targets.report, detector, table, found, title)


def _write_report(
    path: Path, detector: AnomalyDetector, table: SensorTable, found: Mapping[str, Found], title: str
) -> None:
    from tsae.report.html import write_report

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
    write_report(path, frames, detections, title=title, facts=facts, units=detector.units_, expected=expected)
