"""A sensor table, and how it is read from a file or from standard input."""

from __future__ import annotations

import gzip
import shutil
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tsae.errors import DataError
from tsae.series.columns import Roles, SensorColumn, choose_roles, judge_label, judge_sensors
from tsae.series.formats.registry import TableFile, open_file
from tsae.series.options import ReadOptions
from tsae.series.ordering import IndexedRows, count_rows, group_rows, index_by_time
from tsae.series.times import ParsedTimes, TimeFormat, UnreadableTimeError, parse_times

__all__ = ["ReadOptions", "SensorTable", "open_table", "read_table"]

_GZIP = b"\x1f\x8b"
_IN_MEMORY = 64 * 2**20  # a pipe longer than this goes to a temporary file


@dataclass(frozen=True)
class SensorTable:
    """Sensors of one machine or of a fleet, sorted and checked.

    Examples
    --------
    >>> import pandas as pd
    >>> table = SensorTable({"": pd.DataFrame({"pressure": [1.0, 1.2]})}, units={"pressure": "bar"})
    >>> table.channels, table.n_rows
    (('pressure',), 2)
    """

    frames: Mapping[str, pd.DataFrame]
    """One frame `(n_timesteps, n_channels)` of float64 per entity; the key is "" without an entity column.

    The index is a sorted, unique `DatetimeIndex` (in UTC if the times carried a zone, naive otherwise), or a
    `RangeIndex` if the table has no time. All frames have the same columns.
    """
    units: Mapping[str, str] = field(default_factory=dict)
    """Unit by channel, for the channels that state one."""
    labels: Mapping[str, pd.Series] | None = None
    """The label column by entity, indexed as its frame; `None` unless the caller named one."""
    notes: tuple[str, ...] = ()
    """Sentences on what was found in the file and what was done about it."""

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the sensors, in the order of the file."""
        return tuple(str(name) for name in next(iter(self.frames.values())).columns)

    @property
    def n_rows(self) -> int:
        """Rows of all entities together."""
        return sum(len(frame) for frame in self.frames.values())


def read_table(source: str | Path | BinaryIO, options: ReadOptions | None = None) -> SensorTable:
    r"""Read a table of sensors: one row per time, one column per sensor.

    Parameters
    ----------
    source : str, Path or binary file
        CSV or Parquet, plain or compressed with gzip; "-" is standard input.
    options : ReadOptions, optional
        What to take as given; everything else is worked out from the file and told in the table's notes.

    Returns
    -------
    SensorTable
        Sorted by time within each entity, each time once.

    Raises
    ------
    DataError
        If the file cannot be read, is not a table, or has a cell that is neither a number nor missing, with
        the line, the column and the cell.

    Examples
    --------
    >>> import io
    >>> table = read_table(io.BytesIO(b"time,flow [l/s]\n2026-11-24 10:00,1.5\n2026-11-24 10:10,1.6\n"))
    >>> table.frames[""]["flow"].tolist(), table.units
    ([1.5, 1.6], {'flow': 'l/s'})
    """
    options = options or ReadOptions()
    with _opened(source) as stream:
        try:
            return _read(open_file(stream, options), options)
        except UnicodeError:  # below the head there is a byte that UTF-8 does not have
            other = replace(options, encoding=options.encoding or "cp1252")
            return _read(open_file(stream, other), options)


@contextmanager
def open_table(source: str | Path | BinaryIO, options: ReadOptions | None = None) -> Iterator[TableFile]:
    """Open a table for its head and its cells as they are; parameters and errors as in `read_table`."""
    with _opened(source) as stream:
        yield open_file(stream, options or ReadOptions())


@contextmanager
def _opened(source: str | Path | BinaryIO) -> Iterator[BinaryIO]:
    """Open a source as seekable, decompressed bytes that start at 0; an open file handed in stays open.

    Whatever goes wrong while it is read becomes a `DataError` that names the source.
    """
    name = str(source) if isinstance(source, str | Path) else str(getattr(source, "name", "the stream"))
    name = "standard input" if name == "-" else name
    with ExitStack() as stack:
        if not isinstance(source, str | Path):
            raw = source
        elif str(source) == "-":
            raw = sys.stdin.buffer
        else:
            try:
                raw = stack.enter_context(Path(source).open("rb"))
            except OSError as error:
                raise DataError(f"cannot read {name!r}: {error.strerror}; check the path") from error
        if not raw.seekable() or raw.tell() != 0:
            # Sniffing looks at the head before the whole is read, and a message about a bad cell counts lines again.
            spool = stack.enter_context(tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY))
            shutil.copyfileobj(raw, spool)
            spool.seek(0)
            raw = cast(BinaryIO, spool)
        start = raw.read(len(_GZIP))
        raw.seek(0)
        if start == _GZIP:
            raw = stack.enter_context(cast(BinaryIO, gzip.GzipFile(fileobj=raw, mode="rb")))
        try:
            yield raw
        except DataError as error:
            raise DataError(f"{name}: {error}") from error
        except UnicodeError as error:
            raise DataError(f"{name}: {error}; state the `encoding` of the file") from error
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{name}: the file is damaged ({error}); get it again") from error


def _read(file: TableFile, options: ReadOptions) -> SensorTable:
    roles = choose_roles(file.headers, file.unit_cells, file.sample, options)
    rows = _gather(file, roles, options)
    pa.default_memory_pool().release_unused()  # what the text took, before the table is put together
    columns, place_of = rows.columns, rows.place
    groups = {"": np.arange(rows.n_rows)} if roles.entity is None else _group(rows, roles.names, roles.entity)
    counted, notes = _take_counters(columns, roles, groups)
    if roles.time_format is not None:
        times, name = _parse_times(rows, roles, roles.time_format)
        indexed, remarks = index_by_time(groups, times, name, options, place_of)
    else:
        counted = counted or {entity: pd.RangeIndex(len(own)) for entity, own in groups.items()}
        indexed = {entity: IndexedRows(own, counted[entity]) for entity, own in groups.items()}
        remarks = ["the rows carry no time; they are numbered"]
    label = None if roles.label is None else columns.pop(roles.label)
    if label is not None:
        judge_label(label, place_of)
    kept, verdicts = judge_sensors(columns, roles, options, place_of)
    return SensorTable(
        frames=_frames([columns[place] for place in kept], indexed),
        units={roles.names[place]: unit for place, unit in roles.units.items() if place in kept},
        labels=None if label is None else _labels(label, indexed),
        notes=(*file.notes, *rows.notes, *remarks, *notes, *verdicts),
    )


@dataclass(frozen=True)
class _Rows:
    """What stands in the file, in its order, but for rows in which there is nothing."""

    columns: dict[int, SensorColumn]
    """Sensors and label, by place in the file."""
    texts: dict[int, Any]
    """Time and entity as they are, by place in the file."""
    n_rows: int
    place: Callable[[int], str]
    """Says where a row stands in the file."""
    notes: list[str]


def _gather(file: TableFile, roles: Roles, options: ReadOptions) -> _Rows:
    """Read the sensors and the label as numbers, the time and the entity as they are."""
    numbers = {*roles.sensors, *([] if roles.label is None else [roles.label])}
    texts: dict[int, list[Any]] = {place: [] for place in (*roles.time, roles.entity) if place is not None}
    columns = {
        place: SensorColumn(roles.names[place], decimal=file.decimal, missing=options.missing)
        for place in sorted(numbers)
    }
    wanted = sorted({*columns, *texts})
    n_rows, blank = 0, [np.empty(0, dtype=np.int64)]
    for batch in file.batches(wanted) if wanted else ():
        n_read = len(batch[0])
        is_blank = _is_blank(batch) if any(batch[wanted.index(place)].null_count for place in texts) else None
        if is_blank is not None and is_blank.any():
            blank.append(n_rows + np.flatnonzero(is_blank))
            batch = [cells.filter(pa.array(~is_blank)) for cells in batch]
        n_rows += n_read
        for place, cells in zip(wanted, batch, strict=True):
            if place in texts:
                texts[place].append(cells)
            if place in columns:
                columns[place].add(cells)
    blanks = np.concatenate(blank)
    if wanted and n_rows == len(blanks):
        raise DataError("no row can be read below the header; check the quotes in the file")
    n_before = blanks - np.arange(len(blanks))  # rows that are kept before each blank one
    return _Rows(
        columns,
        {place: pa.chunked_array(blocks) for place, blocks in texts.items()},
        n_rows - len(blanks),
        lambda row: file.place(row + int(np.searchsorted(n_before, row, side="right"))),
        [f"rows were dropped: {len(blanks)} hold nothing"] if len(blanks) else [],
    )


def _is_blank(batch: Sequence[Any]) -> NDArray[np.bool_]:
    """Rows `(n_rows,)` without a single cell."""
    is_blank = np.ones(len(batch[0]), dtype=np.bool_)
    for cells in batch:
        is_missing = cells.is_null(nan_is_null=True)
        if pa.types.is_string(cells.type):
            is_missing = pc.or_kleene(is_missing, pc.equal(pc.utf8_trim_whitespace(cells), ""))
        is_blank &= is_missing.to_numpy(zero_copy_only=False)
    return is_blank


def _group(rows: _Rows, names: Sequence[str], entity: int) -> dict[str, NDArray[np.int64]]:
    """Find the rows of each entity, in the order of the file."""
    cells = rows.texts[entity].cast(pa.string())
    if cells.null_count:
        row = int(pc.index(cells.is_null(), True).as_py())
        raise DataError(
            f"`entity` (={names[entity]!r}) is empty in {rows.place(row)}; every row must say "
            "which machine it is from: fill it in or delete the row"
        )
    encoded = cells.combine_chunks().dictionary_encode()
    groups = group_rows(encoded.indices.to_numpy().astype(np.int64))
    return dict(zip(encoded.dictionary.to_pylist(), groups, strict=True))


def _parse_times(rows: _Rows, roles: Roles, time_format: TimeFormat) -> tuple[ParsedTimes, str]:
    name = " ".join(roles.names[place] for place in roles.time)
    cells = [rows.texts[place] for place in roles.time]
    column = cells[0] if len(cells) == 1 else pc.binary_join_element_wise(*cells, " ")
    try:
        return parse_times(column, time_format), name
    except UnreadableTimeError as error:
        raise DataError(
            f"{rows.place(error.row)}: no time can be read from column {name!r}: {error}; {error.way_out}"
        ) from error


def _take_counters(
    columns: dict[int, SensorColumn], roles: Roles, groups: dict[str, NDArray[np.int64]]
) -> tuple[dict[str, pd.RangeIndex] | None, list[str]]:
    """Take the columns that number the rows away from the sensors."""
    index, notes = None, []
    for place, is_time in roles.counters.items():
        column = columns[place]
        name = None if place in roles.unnamed else column.name
        counted = None if column.n_text else count_rows(column.values(), groups, name)
        if (
            counted is not None
            and not is_time
            and any((i.start, i.step) not in ((0, 1), (1, 1)) for i in counted.values())
        ):
            counted = None  # its name says little, so it must be the plain row number
        if counted is not None and len(columns) > 1:
            index = index or counted
            notes.append(f"column {column.name!r} counts the rows; it is no sensor")
        elif is_time and not column.n_text and len(columns) > 1:
            notes.append(
                f"column {column.name!r} holds numbers that are no dates; it is left out, and the rows are "
                "numbered: if they are seconds, state the `timestamp_format` 's'"
            )
        else:
            continue
        del columns[place]
    return index, notes


def _frames(columns: list[SensorColumn], indexed: dict[str, IndexedRows]) -> dict[str, pd.DataFrame]:
    """Bring the rows into order, in place: the table is held once, all frames are views of it."""
    n_rows = columns[0].n_rows
    values = np.empty((len(columns), n_rows))
    order = np.concatenate([part.rows for part in indexed.values()])
    in_order = np.array_equal(order, np.arange(n_rows))
    for column, row in zip(columns, values, strict=True):
        column.move_into(row)
        if not in_order:
            row[: len(order)] = row[order]
    frames, start = {}, 0
    for entity, part in indexed.items():
        block = values[:, start : start + len(part.rows)]
        frames[entity] = pd.DataFrame(
            block.T, index=part.index, columns=[column.name for column in columns], copy=False
        )
        start += len(part.rows)
    return frames


def _labels(label: SensorColumn, indexed: dict[str, IndexedRows]) -> dict[str, pd.Series]:
    values = label.values()
    return {entity: pd.Series(values[part.rows], index=part.index, name=label.name) for entity, part in indexed.items()}
