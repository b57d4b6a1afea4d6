"""Which column of a table is the time, the entity, the label, and which ones are sensors."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from tsae.errors import DataError
from tsae.series.cells import cell_kind
from tsae.series.headers import split_units
from tsae.series.options import ReadOptions
from tsae.series.time_formats import TimeFormat, fits_format, guess_format, stated_format

__all__ = ["Roles", "choose_roles"]

_TIME_NAMES = (
    *("timestamp", "datetime", "timestamputc", "utctimestamp", "time", "zeitstempel", "datumzeit", "zeit"),
    *(
        "utc",
        "utctime",
        "localtime",
        "eventtime",
        "ts",
        "ds",
        "date",
        "datum",
        "uhrzeit",
        "horodatage",
        "fecha",
    ),
)
_COUNTER_NAMES = ("", "index", "unnamed0", "row", "rowid", "rownumber")
_TIME_OF_DAY = re.compile(r"\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?")


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
        self._sample = sample

    def find(self, name: str, option: str) -> int:
        for known in (self.headers, self.names):
            if name in known:
                return known.index(name)
        listed = ", ".join(repr(known) for known in self.names[:20]) + (", …" if len(self.names) > 20 else "")
        raise DataError(f"`{option}` (={name!r}) is no column of the table; its columns are {listed}")

    def cells(self, place: int) -> list[str]:
        return [row[place] for row in self._sample if place < len(row)]

    def plain(self, place: int) -> str:
        return "" if place in self.unnamed else re.sub(r"[^a-zà-ÿ0-9]", "", self.names[place].lower())

    def is_numeric(self, place: int) -> bool:
        kinds = [cell_kind(cell) for cell in self.cells(place)]
        return kinds.count("number") > len(kinds) // 2

    def names_time(self, place: int) -> bool:
        return self.plain(place) in _TIME_NAMES

    def may_hold_epochs(self, place: int) -> bool:
        """Whether numbers in this column may be times: by its name, or because the first column rises."""
        cells = self.cells(place)
        return self.may_count(place) or (place == 0 and len(cells) > 1 and cells == sorted(set(cells)))

    def may_count(self, place: int) -> bool:
        """Whether numbers in this column may be row numbers rather than a sensor."""
        return self.names_time(place) or (place == 0 and self.plain(place) in _COUNTER_NAMES)


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
    counters = [place for place in sensors if columns.may_count(place) and columns.is_numeric(place)]
    counters.sort(key=columns.names_time, reverse=True)
    return Roles(
        names=columns.names,
        units=columns.units,
        unnamed=columns.unnamed,
        sensors=tuple(sensors),
        counters={} if wanted is not None else {place: columns.names_time(place) for place in counters},
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
        time_format = _guess(columns.cells(place), 0.5, options)
        if time_format is None:
            raise DataError(_no_time(columns, place, options))
        return _with_time_of_day(columns, place, time_format, free, options)
    ranks = {name: rank for rank, name in enumerate(_TIME_NAMES)}
    for place in sorted(free, key=lambda place: ranks.get(columns.plain(place), len(ranks))):
        if columns.is_numeric(place) and not columns.may_hold_epochs(place):
            continue
        time_format = _guess(columns.cells(place), 0.5 if columns.names_time(place) else 0.8, options)
        if time_format is not None:
            return _with_time_of_day(columns, place, time_format, free, options)
    for place in free:
        if columns.names_time(place) and not columns.is_numeric(place) and any(columns.cells(place)):
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
            cells = columns.cells(other)
            if other != place and cells and all(_TIME_OF_DAY.fullmatch(cell) for cell in cells):
                pairs = zip(columns.cells(place), cells, strict=False)  # a row may be cut short
                joined = guess_format([f"{date} {time}" for date, time in pairs])
                if joined is not None:
                    return (place, other), joined
    return (place,), time_format


def _no_time(columns: _Columns, place: int, options: ReadOptions) -> str:
    cell = next((cell for cell in columns.cells(place) if cell), "")
    stated = f" in the format {options.timestamp_format!r}" if options.timestamp_format else ""
    return (
        f"column {columns.names[place]!r} does not read as a time{stated}, it starts with {cell!r}; state its "
        "`timestamp_format`, such as '%d.%m.%Y %H:%M' or 's', or that the table has no `timestamp`"
    )
