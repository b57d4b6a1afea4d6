"""`tsae check`: what is wrong with a table, or with a folder of pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from tsae.cli.console import print_advice, print_facts, print_list, print_table
from tsae.cli.inputs import is_folder, read_input, refuse_options
from tsae.cli.options import Reading, Table, stated_options
from tsae.errors import DataError

if TYPE_CHECKING:
    from tsae.detection.codes.readiness import Readiness
    from tsae.images.quality import FolderQuality
    from tsae.series.quality import TableQuality
    from tsae.series.reading import SensorTable

__all__ = ["check"]

_MOST_LISTED = 10
_GRADE_STYLE = {"A": "green", "B": "green", "C": "yellow", "D": "yellow", "E": "red", "F": "red"}


def check(table: Table, *, reading: Reading) -> None:
    """Say what is wrong with a table before a model is fitted on it: a grade for each sensor, A to F.

    Also whether there is enough data, and clean enough, for windows of the usual length. TABLE may also be a folder of
    pictures: sizes, unreadable files, copies.
    """
    if is_folder(table):
        refuse_options(table, stated_options(reading))
        _check_pictures(table)
        return
    from tsae.series.quality import check_table

    rows = read_input(table, reading)
    readiness, problem = _readiness(rows)
    quality = check_table(rows, window_sizes=readiness.window_sizes if readiness else ())
    print_facts(_facts(quality))
    print_table(
        "Sensors",
        ["Sensor", "Unit", "Grade", "Missing", "Remarks"],
        [
            [
                sensor.name,
                sensor.unit,
                Text(sensor.grade, style=_GRADE_STYLE[sensor.grade]),
                f"{100 * sensor.facts.missing:.2g} %",
                "; ".join(sensor.reasons),
            ]
            for sensor in quality.sensors
        ],
    )
    print_list([*quality.advice, *([f"a fit would be refused: {problem}"] if problem else [])])
    if readiness:
        print_advice(readiness.advice)


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


def _check_pictures(folder: str) -> None:
    from tsae.images.quality import check_folder

    quality = check_folder(folder)
    print_facts(_facts_of_pictures(quality))
    if quality.unreadable:
        print_table("Unreadable files", ["File", "Reason"], list(quality.unreadable.items())[:_MOST_LISTED])
    print_list(quality.advice or ["Nothing to complain of."])


def _facts_of_pictures(quality: FolderQuality) -> dict[str, str]:
    sizes = [f"{count:,} of {height} x {width}" for (height, width), count in quality.sizes.items()]
    more = f" and {len(sizes) - _MOST_LISTED} more sizes" if len(sizes) > _MOST_LISTED else ""
    return {
        "pictures": f"{quality.n_pictures:,}",
        "sizes": ", ".join(sizes[:_MOST_LISTED]) + more,
        "modes": ", ".join(f"{count:,} {mode}" for mode, count in quality.modes.items()),
        "unreadable": f"{len(quality.unreadable):,}",
        "duplicates": f"{sum(len(names) - 1 for names in quality.duplicates):,}",
        "blank": f"{len(quality.blank):,}",
    }
