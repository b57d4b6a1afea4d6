"""Which of the columns that were read are sensors, and which are left out or refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tsae.errors import DataError
from tsae.series.columns import SensorColumn
from tsae.series.options import ReadOptions
from tsae.series.roles import Roles

__all__ = ["judge_label", "judge_sensors"]

Place = Callable[[int], str]
"""From a row (from 0) to where it stands in the file."""

_LABEL_NAMES = ("label", "labels", "anomaly", "is_anomaly", "outlier", "ground_truth", "fault")


def judge_sensors(
    columns: Mapping[int, SensorColumn], roles: Roles, options: ReadOptions, place: Place
) -> tuple[list[int], list[str]]:
    """Tell the sensors from the columns that are none.

    Returns
    -------
    kept : list of int
        Positions of the sensors.
    notes : list of str
        What was left out and why, and what is odd in what was kept.

    Raises
    ------
    DataError
        If a sensor has text among its numbers or an infinite value, or if nothing is left.
    """
    kept, notes, left_out = [], [], []
    has_header = len(roles.unnamed) < len(roles.names)
    for position, column in columns.items():
        reason = _reason_to_leave_out(column, has_header and position in roles.unnamed, options, place)
        if reason:
            left_out.append(f"column {column.name!r} is left out: {reason}")
            continue
        _refuse_infinite(column, place)
        kept.append(position)
        notes += _remarks(column)
    if not kept:
        because = "; ".join(left_out) or "all of its columns are the time, the entity, the label or dropped"
        raise DataError(f"the table has no column of numbers ({because}); check its `separator` and `decimal`")
    return kept, left_out + notes


def _reason_to_leave_out(column: SensorColumn, is_unnamed: bool, options: ReadOptions, place: Place) -> str:
    if is_unnamed and column.n_numbers + column.n_text == 0:
        return "it has neither a name nor values"
    if column.first_text is None or column.is_switch:
        return ""
    row, cell = column.first_text
    asked_for = options.columns is not None
    is_mostly_text = column.n_text > column.n_numbers
    if options.on_text == "drop" or (is_mostly_text and options.on_text is None and not asked_for):
        reason = f"{column.n_text} of its {column.n_rows} cells are text, first {cell!r} in {place(row)}"
        if column.n_numbers == 0 and len(column.texts) == 2:
            low, high = sorted(column.texts)
            reason += f"; if {low!r} and {high!r} are the states of a switch, write them as 0 and 1"
        return reason
    raise DataError(_text_among_numbers(column, row, cell, place))


def _text_among_numbers(column: SensorColumn, row: int, cell: str, place: Place) -> str:
    way_out = _way_out(cell)
    if cell.replace(",", "", 1).replace(".", "", 1).lstrip("+-").isdigit():
        way_out = f"state another `decimal`, or {way_out}"
    return (
        f"column {column.name!r} has the text {cell!r} in {place(row)}, and {column.n_text} of its "
        f"{column.n_rows} cells are text; a sensor holds numbers only: {way_out}"
    )


def _way_out(cell: str) -> str:
    return f"name {cell!r} as `missing` if it stands for a missing value, or `drop` the column"


def _refuse_infinite(column: SensorColumn, place: Place) -> None:
    if column.first_infinite is not None:
        row, cell = column.first_infinite
        raise DataError(
            f"column {column.name!r} has the infinite value {cell!r} in {place(row)}; a sensor holds finite "
            f"numbers only: {_way_out(cell)}"
        )


def _remarks(column: SensorColumn) -> list[str]:
    if column.is_switch:
        return [f"column {column.name!r} is a switch: its words are read as 1 and 0"]
    if column.n_numbers == 0:
        return [f"column {column.name!r} has no value in any row; it is kept, and masked"]
    if column.name.lower() in _LABEL_NAMES:
        return [
            f"column {column.name!r} is read as a sensor; if it is a label, state it as `label` (`--label "
            f"{column.name}`) or drop it"
        ]
    return []


def judge_label(column: SensorColumn, place: Place) -> None:
    """Raise a `DataError` if the label column holds other text than one pair of words."""
    if column.first_text is not None and not column.is_switch:
        row, cell = column.first_text
        raise DataError(
            f"`label` (={column.name!r}) has the text {cell!r} in {place(row)}; labels are 0 and 1, or true "
            "and false, and empty where unknown"
        )
    _refuse_infinite(column, place)
