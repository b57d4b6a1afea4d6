"""`tsae check`: what is wrong with a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tsae.cli.console import results
from tsae.cli.inputs import read_input
from tsae.cli.options import Reading, Table
from tsae.cli.pictures.sources import is_folder, refuse_options, stated_options
from tsae.cli.tables import bottleneck_table, facts_table, quality_table
from tsae.errors import DataError

if TYPE_CHECKING:
    from tsae.detection.codes.readiness import Readiness
    from tsae.series.quality import TableQuality
    from tsae.series.reading import SensorTable

__all__ = ["check"]


def check(table: Table, *, reading: Reading) -> None:
    """Say what is wrong with a table before a model is fitted on it: a grade for each sensor, A to F.

    Also whether there is enough data, and clean enough, for windows of the usual length. TABLE may also be a folder of
    pictures: sizes, unreadable files, copies.
    """
    if is_folder(table):
        from tsae.cli.pictures.check import check_pictures

        refuse_options(table, stated_options(reading))
        check_pictures(table)
        return
    from tsae.series.quality import check_table

    rows = read_input(table, reading)
    readiness, problem = _readiness(rows)
    quality = check_table(rows, window_sizes=readiness.window_sizes if readiness else ())
    screen = results()
    screen.print(facts_table(_facts(quality)))
    screen.print(quality_table(quality))
    for sentence in quality.advice:
        screen.print(f"• {sentence}", markup=False, highlight=False)
    if problem:
        screen.print(f"• a fit would be refused: {problem}", markup=False, highlight=False)
    if readiness:
        screen.print(bottleneck_table(readiness.advice))
        for finding in readiness.advice.findings:
            screen.print(f"• {finding.sentence}", markup=False, highlight=False)


def _readiness(rows: SensorTable) -> tuple[Readiness | None, str]:
    """What a fit would find, or why it would be refused."""
    from tsae.detection.codes.readiness import study_tables

    try:
        return study_tables(list(rows.frames.values())), ""
    except DataError as error:
        return None, str(error)


def _facts(quality: TableQuality) -> dict[str, str]:
    from tsae.report.wording import duration, moment

    gaps = [f"{duration(gap.seconds, 0)} after {moment(gap.start)}" for gap in quality.gaps]
    return {
        "grade": quality.grade,
        "rows": f"{quality.n_rows:,}, from {moment(quality.start)} to {moment(quality.end)}",
        "clock": str(quality.clock),
        **({"longest gaps": ", ".join(gaps)} if gaps else {}),
        "longest run": f"{quality.longest_run:,} rows without a gap",
    }
