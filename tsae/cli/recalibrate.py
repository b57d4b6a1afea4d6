"""`tsae recalibrate`: a new threshold for a model, without training again."""

from __future__ import annotations

from typing import Annotated

import typer

from tsae.cli.console import notice, print_facts
from tsae.cli.inputs import check_outputs, exclusion_files, exclusion_masks, read_input, table_detector
from tsae.cli.options import Exclude, Model, Reading, Table, check_budget, parsed

__all__ = ["recalibrate"]


def recalibrate(
    model: Model,
    table: Table,
    *,
    threshold: Annotated[
        str | None,
        typer.Option(
            "--threshold",
            metavar="LEARNER|NUMBER",
            help="Its learner: {learners}; or the score itself; or, by the faults that a --label column marks, "
            "label_beta (the best F-beta) or label_cost (the least cost).",
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
    reading: Reading,
) -> None:
    """Learn the threshold of a model again, from a table of normal operation, and write it into the model file.

    With `--label COLUMN` the table may hold faults, marked 1. They choose the threshold, unless `--threshold` names a
    learner that needs no labels; normal rows exclude them.
    """
    from tsae.alarms.thresholds import LABEL_METHODS  # loads NumPy, which help does without

    if threshold not in LABEL_METHODS:
        check_budget(threshold, false_alarm_rate)
    detector = table_detector(model)
    check_outputs([model], [table, *exclusion_files(exclude)])
    rows = read_input(table, reading)
    before = detector.threshold_
    detector.recalibrate(
        list(rows.frames.values()),
        excluded=None if not exclude else list(exclusion_masks(exclude, rows, reading).values()),
        labels=None if rows.labels is None else [rows.labels[entity] for entity in rows.frames],
        threshold=None if threshold is None else parsed(threshold),
        false_alarm_rate=false_alarm_rate,
        label_beta=label_beta,
        label_cost=label_cost,
    )
    detector.save(model)
    learned = detector.learned_threshold_
    how = {"labels": "chosen by the labels", "fixed": "as stated"}.get(
        learned.method, f"{learned.method}, false alarms {learned.budget}"
    )
    clusters = "" if learned.n_clusters is None else f", {learned.n_clusters} independent high runs"
    facts = {
        "model": str(model),
        "threshold": f"{learned.value:.3g}, was {before:.3g} ({how})",
        **({"learned from": f"{learned.n_rows:,} rows{clusters}"} if learned.n_rows else {}),
    }
    print_facts(facts)
    if learned.note:
        notice(learned.note)
