"""`tsae recalibrate`: a new threshold for a model, without training again."""

from __future__ import annotations

from typing import Annotated

import typer

from tsae.cli.console import notice, results
from tsae.cli.inputs import exclusion_masks, read_input
from tsae.cli.models import table_detector
from tsae.cli.options import Exclude, Model, Reading, Table
from tsae.cli.tables import facts_table

__all__ = ["recalibrate"]


def recalibrate(
    model: Model,
    table: Table,
    *,
    threshold: Annotated[
        str, typer.Option("--threshold", help="pot, quantile, mad, conformal, spot or dspot.")
    ] = "pot",
    false_alarms: Annotated[
        str | None,
        typer.Option(
            "--false-alarms",
            help="The budget: '1/week', '2 per 10000 rows', or '0.1%' of the rows; the model's own unless stated.",
            show_default=False,
        ),
    ] = None,
    exclude: Exclude = None,
    reading: Reading,
) -> None:
    """Learn the threshold of a model anew from a table of normal operation, and write it into the model file."""
    from tsae.detection.recalibration import recalibrate_detector

    detector = table_detector(model)
    rows = read_input(table, reading)
    masks = exclusion_masks(exclude, rows, reading)
    before = detector.threshold_
    recalibrate_detector(
        detector,
        list(rows.frames.values()),
        [masks[entity] for entity in rows.frames],
        threshold=threshold,
        false_alarm_rate=false_alarms,
    )
    detector.save(model)
    learned = detector.learned_threshold_
    facts = {
        "model": str(model),
        "threshold": f"{learned.value:.3g}, was {before:.3g} ({learned.method}, false alarms {learned.budget})",
        "learned from": f"{learned.n_rows:,} rows, {learned.n_clusters} independent high runs",
    }
    results().print(facts_table(facts))
    if learned.note:
        notice(learned.note)
