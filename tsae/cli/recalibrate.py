"""`tsae recalibrate`: a new threshold for a model, without training again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tsae.alarms import AnnotationKind
from tsae.cli.console import notice, print_facts, print_table
from tsae.cli.inputs import (
    annotated,
    check_outputs,
    exclusion_files,
    exclusion_masks,
    open_annotations,
    read_input,
    table_detector,
)
from tsae.cli.options import AnnotationFile, Exclude, Model, Reading, Table, check_budget, parsed
from tsae.errors import ParameterError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tsae.alarms.annotations import Annotations
    from tsae.alarms.lessons import Lessons
    from tsae.alarms.thresholds import Threshold
    from tsae.detection.detector import AnomalyDetector
    from tsae.detection.labels.annotated import AnnotatedRows
    from tsae.series.reading import SensorTable

__all__ = ["recalibrate"]

_EFFECTS: dict[str, tuple[AnnotationKind, ...]] = {
    "are left out": ("maintenance", "ignore"),
    "are faults": ("real",),
    "are normal": ("false alarm", "new normal"),
}


def recalibrate(
    model: Model,
    table: Table,
    *,
    threshold: Annotated[
        str | None,
        typer.Option(
            "--threshold",
            metavar="LEARNER|NUMBER",
            help="Its learner: {learners}; or the score itself; or, by the faults that a --label column or "
            "--annotations mark, label_beta (the best F-beta) or label_cost (the least cost).",
            show_default="pot, or with labelled faults label_beta",
        ),
    ] = None,
    false_alarm_rate: Annotated[
        str | None,
        typer.Option(
            "--false-alarms",
            help="The budget: '1/week', '2 per 10000 rows', or '0.1%' of the rows; the model's own unless stated.",
            show_default=False,
        ),
    ] = None,
    label_beta: Annotated[
        float | None,
        typer.Option("--label-beta", help="How much more recall counts than precision.", show_default="the model's: 1"),
    ] = None,
    label_cost: Annotated[
        float | None,
        typer.Option("--label-cost", help="Cost of a missed fault in false alarms, such as 20.", show_default=False),
    ] = None,
    exclude: Exclude = None,
    annotations: AnnotationFile = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change and why, and leave the model as it is.")
    ] = False,
    reading: Reading,
) -> None:
    """Learn the threshold of a model again, from a table of normal operation, and write it into the model file.

    With `--label COLUMN` the table may hold faults, marked 1, and with `--annotations FILE` what people said of its
    rows. Real faults choose the threshold, unless `--threshold` names a learner that needs no labels; normal rows
    exclude them.
    """
    from tsae.alarms.thresholds import LABEL_METHODS  # loads NumPy, which help does without

    if threshold not in LABEL_METHODS:
        check_budget(threshold, false_alarm_rate)
    if annotations is not None and reading.label is not None:
        raise ParameterError(
            f"`--annotations` (={str(annotations)!r}) and `--label` (={reading.label!r}) both say which rows are "
            "faults; state one, and leave a column of labels out with `--drop`"
        )
    detector = table_detector(model)
    if not dry_run:
        check_outputs([model], [table, annotations, *exclusion_files(exclude)])
    notes = open_annotations(annotations)
    rows = read_input(table, reading)
    found = None if notes is None else annotated(notes, rows, _EFFECTS)
    scores = None if found is None and not dry_run else _scores(detector, rows)
    before = detector.threshold_
    detector.recalibrate(
        list(rows.frames.values()),
        excluded=None if not exclude else list(exclusion_masks(exclude, rows, reading).values()),
        annotations=_labels(rows) if notes is None else notes,
        entity=list(rows.frames),
        threshold=None if threshold is None else parsed(threshold),
        false_alarm_rate=false_alarm_rate,
        label_beta=label_beta,
        label_cost=label_cost,
    )
    if scores is not None and found is not None:
        _print_annotations(found, list(rows.frames), scores, (before, detector.threshold_))
    print_facts(
        _facts(model, detector.learned_threshold_, before, scores, notes, detector.model_.lessons, dry_run=dry_run)
    )
    if detector.learned_threshold_.note:
        notice(detector.learned_threshold_.note)
    if dry_run:
        notice(f"{model} is unchanged; leave --dry-run out to write the new threshold into it")
    else:
        detector.save(model)


def _labels(rows: SensorTable) -> list[object] | None:
    return None if rows.labels is None else [rows.labels[entity] for entity in rows.frames]


def _scores(detector: AnomalyDetector, rows: SensorTable) -> list[NDArray[np.float64]]:
    """Return the scores of each table `(n_timesteps,)`, higher = more anomalous."""
    return [-detector.score_samples(frame) for frame in rows.frames.values()]


def _print_annotations(
    found: AnnotatedRows, names: list[str], scores: list[NDArray[np.float64]], thresholds: tuple[float, float]
) -> None:
    """Print the largest score of each annotated interval, and whether it alarms at the old and the new threshold."""
    from tsae.report.wording import span

    rows = []
    for annotation, table, places in found.matched:
        largest = float(max(scores[table][places], default=0.0))
        when = span(annotation.start, annotation.stop)
        subject = annotation.event_id or names[table] or "all"
        verdicts = ["alarm" if largest > threshold else "quiet" for threshold in thresholds]
        rows.append([annotation.id, annotation.kind, subject, when, f"{len(places):,}", f"{largest:.3g}", *verdicts])
    if rows:
        headers = ["Id", "Kind", "Event or entity", "When", "Rows", "Largest score", "Before", "After"]
        print_table("Annotated intervals, at the old and the new threshold", headers, rows)


def _facts(
    model: Path,
    learned: Threshold,
    before: float,
    scores: list[NDArray[np.float64]] | None,
    notes: Annotations | None,
    lessons: Lessons,
    *,
    dry_run: bool,
) -> dict[str, str]:
    by = "labels" if notes is None else "annotations"
    how = {"labels": f"chosen by the {by}", "fixed": "as stated"}.get(
        learned.method, f"{learned.method}, false alarms {learned.budget}"
    )
    clusters = "" if learned.n_clusters is None else f", {learned.n_clusters} independent high runs"
    return {
        "model": f"{model} (unchanged)" if dry_run else str(model),
        "threshold": f"{learned.value:.3g}, was {before:.3g} ({how})",
        **_held_back(lessons),
        **({"learned from": f"{learned.n_rows:,} rows{clusters}"} if learned.n_rows else {}),
        **({} if scores is None else _flagged(scores, before, learned.value)),
    }


def _held_back(lessons: Lessons) -> dict[str, str]:
    """Say up to which score events that look like false alarms are held back."""
    bars = [f"{' '.join(filter(None, key))} up to a score of {bar:.3g}" for key, bar in sorted(lessons.bars().items())]
    return {"held back": "; ".join(bars)} if bars else {}


def _flagged(scores: list[NDArray[np.float64]], before: float, after: float) -> dict[str, str]:
    """Return how many rows, and runs of rows, exceed the new and the old threshold."""
    import numpy as np

    n_rows, n_runs = [], []
    for threshold in (after, before):
        flags = [each > threshold for each in scores]
        n_rows.append(sum(int(each.sum()) for each in flags))
        n_runs.append(sum(int((np.diff(each.astype(np.int8), prepend=0) > 0).sum()) for each in flags))
    total = sum(map(len, scores))
    return {
        "flagged rows": f"{n_rows[0]:,}, was {n_rows[1]:,} (of {total:,})",
        "flagged runs": f"{n_runs[0]:,}, was {n_runs[1]:,}",
    }
