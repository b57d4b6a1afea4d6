"""The columns of a table: what each is for, its numbers, and whether it is a sensor in the end."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tsae.errors import DataError
from tsae.series.cells import MISSING, SWITCH_WORDS, WORD_VALUES, cell_kind, split_units
from tsae.series.options import ReadOptions
from tsae.series.times import TimeFormat, fits_format, guess_format, stated_format

__all__ = ["Roles", "SensorColumn", "choose_roles", "judge_label", "judge_sensors"]

_TIME_NAMES = (
    *("timestamp", "datetime", "timestamputc", "utctimestamp", "time", "zeitstempel", "datumzeit", "zeit", "utc"),
    *("utctime", "localtime", "eventtime", "ts", "ds", "date", "datum", "uhrzeit", "horodatage", "fecha"),
)
_COUNTER_NAMES = ("", "index", "unnamed0", "row", "rowid", "rownumber")
_LABEL_NAMES = ("label", "labels", "anomaly", "is_anomaly", "outlier", "ground_truth", "fault")
_TIME_OF_DAY = re.compile(r"\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?")
# Small arrays that are kept cost their pool for good; arrays of a megabyte go back to the system when let go.
_MERGE_ROWS = 2**17
_FEW_TEXTS = 3  # more than a switch has

Place = Callable[[int], str]
"""From a row (from 0) to where it stands in the file."""


@dataclass(frozen=True)
class Roles:
    """Positions of the columns by what they are for."""

    names: tuple[str, ...]
    """By position, without units."""
    units: dict[int, str]
    unnamed: frozenset[int]
    sensors: tuple[int, ...]
    counters: dict[int, bool]
    """Sensors that may turn out to number the rows, and whether they are named like a time."""
    time: tuple[int, ...]
    """One column, or a date and a time of day; empty if there is no time."""
    time_format: TimeFormat | None
    entity: int | None
    label: int | None


class _Columns:
    """The columns of a file as far as its head shows them."""

    def __init__(self, headers: Sequence[str], unit_cells: Sequence[str], sample: Sequence[Sequence[str]]) -> None:
        self.headers = tuple(headers)
        names, self.units = split_units(headers)
        for place, cell in enumerate(unit_cells):
            unit = cell.strip().removeprefix("[").removesuffix("]").removeprefix("(").removesuffix(")").strip()
            if unit not in ("", "-"):
                self.units.setdefault(place, unit)
        self.unnamed = frozenset(place for place, name in enumerate(names) if not name)
        self.names = tuple(name or f"column_{place + 1}" for place, name in enumerate(names))
        self.cells = [[row[place] for row in sample if place < len(row)] for place in range(len(names))]
        plain = [re.sub(r"[^a-zà-ÿ0-9]", "", name.lower()) for name in names]
        self.time_ranks = [_TIME_NAMES.index(name) if name in _TIME_NAMES else len(_TIME_NAMES) for name in plain]
        """The lower, the more usual as the name of a time."""
        self.names_time = [name in _TIME_NAMES for name in plain]
        self.may_count = [
            is_time or (plain[place] in _COUNTER_NAMES and place == 0) for place, is_time in enumerate(self.names_time)
        ]
        """Whether numbers in this column may be row numbers rather than a sensor."""

    def find(self, name: str, option: str) -> int:
        for known in (self.headers, self.names):
            if name in known:
                return known.index(name)
        listed = ", ".join(repr(known) for known in self.names[:20]) + (", …" if len(self.names) > 20 else "")
        raise DataError(f"`{option}` (={name!r}) is no column of the table; its columns are {listed}")

    def is_numeric(self, place: int) -> bool:
        kinds = [cell_kind(cell) for cell in self.cells[place]]
        return kinds.count("number") > len(kinds) // 2


def choose_roles(
    headers: Sequence[str], unit_cells: Sequence[str], sample: Sequence[Sequence[str]], options: ReadOptions
) -> Roles:
    """Assign every column a role, from its name, its first cells and what the caller states.

    Raises
    ------
    DataError
        If a stated column does not exist, or if a column named like a time holds none.
    """
    columns = _Columns(headers, unit_cells, sample)
    entity = None if options.entity is None else columns.find(options.entity, "entity")
    label = None if options.label is None else columns.find(options.label, "label")
    dropped = {columns.find(name, "drop") for name in options.drop}
    wanted = None if options.columns is None else {columns.find(name, "columns") for name in options.columns}
    rest = [place for place in range(len(columns.names)) if place not in {entity, label} | dropped]
    time, time_format = _choose_time(columns, [p for p in rest if p not in (wanted or ())], options)
    sensors = [place for place in rest if place not in time and (wanted is None or place in wanted)]
    counters = [place for place in sensors if columns.may_count[place] and columns.is_numeric(place)]
    counters.sort(key=lambda place: columns.names_time[place], reverse=True)
    return Roles(
        names=columns.names,
        units=columns.units,
        unnamed=columns.unnamed,
        sensors=tuple(sensors),
        counters={} if wanted is not None else {place: columns.names_time[place] for place in counters},
        time=time,
        time_format=time_format,
        entity=entity,
        label=label,
    )


def _choose_time(columns: _Columns, free: list[int], options: ReadOptions) -> tuple[tuple[int, ...], TimeFormat | None]:
    if options.timestamp is False:
        return (), None
    if options.timestamp is not None:
        place = columns.find(options.timestamp, "timestamp")
        time_format = _guess(columns.cells[place], 0.5, options)
        if time_format is None:
            raise DataError(_no_time(columns, place, options))
        return _with_time_of_day(columns, place, time_format, free, options)
    for place in sorted(free, key=columns.time_ranks.__getitem__):
        cells, is_named = columns.cells[place], columns.names_time[place]
        rises = place == 0 and len(cells) > 1 and cells == sorted(set(cells))
        if columns.is_numeric(place) and not (columns.may_count[place] or rises):
            continue
        time_format = _guess(cells, 0.5 if is_named else 0.8, options)
        if time_format is not None:
            return _with_time_of_day(columns, place, time_format, free, options)
    for place in free:
        if columns.names_time[place] and not columns.is_numeric(place) and any(columns.cells[place]):
            raise DataError(_no_time(columns, place, options))
    return (), None


def _guess(cells: Sequence[str], at_least: float, options: ReadOptions) -> TimeFormat | None:
    if options.timestamp_format is None:
        return guess_format(cells, at_least=at_least)
    stated = stated_format(options.timestamp_format)
    return stated if fits_format(cells, stated, at_least=at_least) else None


def _with_time_of_day(
    columns: _Columns, place: int, time_format: TimeFormat, free: Collection[int], options: ReadOptions
) -> tuple[tuple[int, ...], TimeFormat]:
    """Join a date with the time of day in another column, if there is one."""
    if time_format.date_only and options.timestamp_format is None:
        for other in free:
            cells = columns.cells[other]
            if other != place and cells and all(_TIME_OF_DAY.fullmatch(cell) for cell in cells):
                pairs = zip(columns.cells[place], cells, strict=False)  # a row may be cut short
                joined = guess_format([f"{date} {time}" for date, time in pairs])
                if joined is not None:
                    return (place, other), joined
    return (place,), time_format


def _no_time(columns: _Columns, place: int, options: ReadOptions) -> str:
    cell = next(filter(None, columns.cells[place]), "")
    stated = f" in the format {options.timestamp_format!r}" if options.timestamp_format else ""
    return (
        f"column {columns.names[place]!r} does not read as a time{stated}, it starts with {cell!r}; state its "
        "`timestamp_format`, such as '%d.%m.%Y %H:%M' or 's', or that the table has no `timestamp`"
    )


class SensorColumn:
    """Collects a column block by block as float64, and remembers the first cell that is no number.

    Examples
    --------
    >>> column = SensorColumn("level", decimal=".", missing=())
    >>> column.add(pa.array(["1.5", None, "Bad"]))
    >>> column.n_numbers, column.n_text, column.first_text
    (1, 1, (2, 'Bad'))
    """

    def __init__(self, name: str, *, decimal: str, missing: tuple[str, ...]) -> None:
        self.name = name
        self.n_rows = 0
        self.n_numbers = 0
        self.n_text = 0
        """Cells that are neither a number nor missing; words such as "on" are among them."""
        self.first_text: tuple[int, str] | None = None
        """Row (from 0) and cell."""
        self.first_infinite: tuple[int, str] | None = None
        self.texts: set[str] = set()
        """The distinct cells of that kind, three of them at most."""
        self._words: set[str] = set()
        self._n_words = 0
        self._blocks: list[NDArray[np.float64]] = []
        self._chunks: list[NDArray[np.float64]] = []
        self._decimal = decimal
        self._missing = MISSING | set(missing)

    @property
    def is_switch(self) -> bool:
        """Whether all there is are the two words of one pair such as on/off; they are read as 1 and 0."""
        only_words = self.n_numbers == 0 and 0 < self._n_words == self.n_text
        return only_words and any(self._words <= pair.keys() for pair in SWITCH_WORDS)

    def add(self, cells: Any) -> None:
        """Take the next block, a pyarrow array of text or numbers."""
        values = self._cast(cells)
        if values is None:
            values = self._read_each(cells)
        else:
            self.n_numbers += int(np.count_nonzero(~np.isnan(values)))
        infinite = np.isinf(values)
        if infinite.any() and self.first_infinite is None:
            row = int(np.flatnonzero(infinite)[0])
            self.first_infinite = self.n_rows + row, str(cells[row].as_py())
        self.n_rows += len(values)
        self._chunks.append(values)
        if sum(map(len, self._chunks)) >= _MERGE_ROWS:
            self._blocks.append(np.concatenate(self._chunks))
            self._chunks = []

    def values(self) -> NDArray[np.float64]:
        """All rows so far, shape `(n_rows,)`; NaN where a cell is missing or text."""
        values = np.empty(self.n_rows)
        self.move_into(values)
        self._blocks = [values]
        return values

    def move_into(self, values: NDArray[np.float64]) -> None:
        """Write all rows to `values` `(n_rows,)` and let go of them here."""
        np.concatenate([*self._blocks, *self._chunks], out=values)
        self._blocks, self._chunks = [], []

    def _cast(self, cells: Any) -> NDArray[np.float64] | None:
        """Read a block in which all is well; `None` if some cell is no number."""
        if pa.types.is_temporal(cells.type) or pa.types.is_nested(cells.type):
            return None
        try:
            is_text = pa.types.is_string(cells.type) or pa.types.is_large_string(cells.type)
            if is_text and self._decimal == ",":
                # A point is no part of a number here, unless it separates thousands, and then it is unclear.
                cells = pc.replace_substring(pc.replace_substring(cells, ".", "?"), ",", ".")
            numbers = cells.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return None
        return cast("NDArray[np.float64]", numbers)

    def _read_each(self, cells: Any) -> NDArray[np.float64]:
        present: list[str | None] = []
        for cell in cells.to_pylist():
            text = "" if cell is None else str(cell).strip()
            present.append(None if text in self._missing else text)
        points = present
        if self._decimal == ",":
            points = [cell and cell.replace(".", "?").replace(",", ".") for cell in present]
        values = pd.to_numeric(pd.Series(points, dtype=object), errors="coerce").to_numpy(np.float64, copy=True)
        self.n_numbers += int(np.count_nonzero(~np.isnan(values)))
        other = [row for row in np.flatnonzero(np.isnan(values)) if present[row] is not None]
        for row in other:
            word = str(present[row]).lower()
            if word in WORD_VALUES:
                values[row] = WORD_VALUES[word]
                self._words.add(word)
                self._n_words += 1
            if len(self.texts) < _FEW_TEXTS:
                self.texts.add(str(present[row]))
        if other and self.first_text is None:
            self.first_text = self.n_rows + int(other[0]), str(present[other[0]])
        self.n_text += len(other)
        return values


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
        if column.is_switch:
            notes.append(f"column {column.name!r} is a switch: its words are read as 1 and 0")
        elif column.n_numbers == 0:
            notes.append(f"column {column.name!r} has no value in any row; it is kept, and masked")
        elif column.name.lower() in _LABEL_NAMES:
            notes.append(
                f"column {column.name!r} is read as a sensor; if it is a label, state it as `label` (`--label "
                f"{column.name}`) or drop it"
            )
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
    is_number = cell.replace(",", "", 1).replace(".", "", 1).lstrip("+-").isdigit()
    other_sign = "state another `decimal`, or " if is_number else ""
    raise DataError(
        f"column {column.name!r} has the text {cell!r} in {place(row)}, and {column.n_text} of its {column.n_rows} "
        f"cells are text; a sensor holds numbers only: {other_sign}{_way_out(cell)}"
    )


def _way_out(cell: str) -> str:
    return f"name {cell!r} as `missing` if it stands for a missing value, or `drop` the column"


def _refuse_infinite(column: SensorColumn, place: Place) -> None:
    if column.first_infinite is None:
        return
    row, cell = column.first_infinite
    raise DataError(
        f"column {column.name!r} has the infinite value {cell!r} in {place(row)}; a sensor holds finite "
        f"numbers only: {_way_out(cell)}"
    )


def judge_label(column: SensorColumn, place: Place) -> None:
    """Raise a `DataError` if the label column holds other text than one pair of words."""
    if column.first_text is not None and not column.is_switch:
        row, cell = column.first_text
        raise DataError(
            f"`label` (={column.name!r}) has the text {cell!r} in {place(row)}; labels are 0 and 1, or true "
            "and false, and empty where unknown"
        )
    _refuse_infinite(column, place)
